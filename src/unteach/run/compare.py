"""Many methods on one taught model, or one with its parts changed, side by side."""

from __future__ import annotations

import re
import traceback
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from unteach import recipe as recipes
from unteach.errors import DiskFullError, RecipeError, UserError
from unteach.model.disk import whole_disk
from unteach.run.folder import RunFolder, write_text
from unteach.run.pipeline import run, write_report
from unteach.run.progress import Progress, clock
from unteach.sweep import Sweep


@dataclass(frozen=True)
class Comparison:
    """The runs that are done, the page that compares them, and why any other run failed."""

    runs: tuple[RunFolder, ...]
    report: Path
    failed: Mapping[str, str]


@dataclass(frozen=True)
class Plan:
    """One run of a sweep."""

    label: str
    recipe: recipes.Recipe
    root: Path
    out: Path
    varied: Mapping[str, str] | None = None


def compare_methods(
    names: Sequence[str],
    out: Path,
    *,
    overrides: Sequence[str] = (),
    seeds: Sequence[int] = (),
    vary: Mapping[str, Sequence[str]] | None = None,
    chain: bool = False,
    keep_models: Sequence[str] | None = None,
    overwrite: bool = False,
    redact: bool = False,
    title: str | None = None,
    progress: Progress | None = None,
) -> Comparison:
    """Run each recipe (shipped name or file) into `out/<name>`; finished runs are not run again.

    All recipes are read and checked before the first one starts. Methods share the taught models
    and every measurement of them. With `seeds` each method runs once a seed, into `<name>-<seed>`;
    with `vary`, a recipe's key and its values, once a value: a sweep over the size of the request
    shows how a method scales. With `chain` each run of a method begins with the model that the one
    before it left, as when one request follows another; a gold model must then be named, for what
    is taught is taught once.
    `keep_models` names the methods whose weights are kept; by default all are. With `redact` every
    page hides the text of the forget splits, those of the single runs too. A method that fails (its
    loss diverges, or a library has not the architecture) does not stop the others: it is a row of
    the page with its reason.

    Raises:
        UserError: as `run`, of the first method that failed if all did.
    """
    plans = [
        plan
        for name in names
        for seed in seeds or (None,)
        for plan in _plans(name, out, overrides, seed, vary or {}, chain, keep_models)
    ]
    return _run_all(plans, out, overwrite, redact, title, progress)


def compare_sweep(
    sweep: Sweep,
    out: Path,
    *,
    seeds: Sequence[int] = (),
    keep_models: Sequence[str] | None = None,
    overwrite: bool = False,
    redact: bool = False,
    progress: Progress | None = None,
) -> Comparison:
    """Run each run of a sweep into its folder under `out`; finished runs are not run again.

    With `seeds` each runs once a seed, into `<folder>-<seed>`. `keep_models` names the runs whose
    weights are kept, by name or by folder; by default all are. A run that fails does not stop the
    others: it is a row of the page with its reason.

    Raises:
        RecipeError: `keep_models` names what is no run.
        UserError: as `run`, of the first run that failed if all did.
    """
    known = [name for one in sweep.runs for name in (one.name, one.folder)]
    if unknown := [name for name in keep_models or () if name not in known]:
        raise RecipeError(
            f"compare: no run of the sweep is named '{unknown[0]}', whose weights are to be kept. "
            f"Runs: {', '.join(one.name for one in sweep.runs)}."
        )
    plans = []
    for one in sweep.runs:
        kept = keep_models is None or not {one.name, one.folder}.isdisjoint(keep_models)
        for seed in seeds or (None,):
            changes = {} if seed is None else {"seed": seed}
            changes |= {} if kept else {"save_model": False}
            label = one.folder if seed is None else f"{one.folder}-{seed}"
            recipe = one.recipe.model_copy(update=changes)
            varied = one.varied and {**one.varied, "method": _titled(one.varied["method"], seed)}
            plans.append(Plan(label, recipe, one.root, out / label, varied))
    return _run_all(plans, out, overwrite, redact, sweep.title or None, progress)


def _run_all(
    plans: Sequence[Plan],
    out: Path,
    overwrite: bool,
    redact: bool,
    title: str | None,
    progress: Progress | None,
) -> Comparison:
    progress = progress or Progress(quiet=True)
    done: list[RunFolder] = []
    failed: dict[str, UserError] = {}
    for number, plan in enumerate(plans, start=1):
        label, trace = plan.label, out / f"{plan.label}.traceback.txt"
        progress.say(f"[{number}/{len(plans)}] {plan.recipe.title or label}")
        try:
            folder = run(
                plan.recipe,
                plan.out,
                root=plan.root,
                name=label,
                overwrite=overwrite,
                redact=redact,
                varied=plan.varied,
                progress=progress,
            )
        except DiskFullError:
            raise  # nor would there be room for the others
        except Exception as error:  # of whatever library: the others are not to be lost by it
            if not isinstance(error, UserError):
                write_text(trace, traceback.format_exc())
                error = UserError(_unforeseen(error, trace))
            failed[label] = error
            progress.say(f"[{number}/{len(plans)}] failed: {error}")
            continue
        trace.unlink(missing_ok=True)
        progress.say(f"[{number}/{len(plans)}] done in {clock(folder.read_record()['seconds'])}")
        done.append(folder)
    if not done:
        raise next(iter(failed.values()))
    report = out / "report.html"
    reasons = {name: str(error) for name, error in failed.items()}
    with whole_disk(out):
        paths = [folder.path for folder in done]
        write_report(paths, report, redact=redact, title=title, failed=reasons)
    return Comparison(tuple(done), report, reasons)


def _unforeseen(error: Exception, trace: Path) -> str:
    """One sentence on an error that is nobody's mistake in the recipe."""
    said = str(error).strip().split("\n")[0] or "no message"
    return f"{type(error).__name__}: {said} (not foreseen by unteach; {trace} says where)"


def _plans(
    name: str,
    out: Path,
    overrides: Sequence[str],
    seed: int | None,
    vary: Mapping[str, Sequence[str]],
    chain: bool,
    keep_models: Sequence[str] | None,
) -> Iterator[Plan]:
    """The runs of one method with one seed: one for each value that is varied."""
    kept = chain or keep_models is None or name in keep_models
    stem = "-".join([Path(name).stem, *([str(seed)] if seed is not None else [])])
    given = [*overrides] + ([f"seed={seed}"] if seed is not None else [])
    given += [] if kept else ["save_model=false"]
    root = recipes.folder_of(name)
    if not vary:
        yield Plan(stem, recipes.read(name, given), root, out / stem)
    before: Path | None = None
    for key, value in ((key, value) for key, values in vary.items() for value in values):
        linked = [f"model={before / 'model'}", "teach=null"] if chain and before else []
        recipe = recipes.read(name, [*given, f"{key}={value}", *linked])
        method = recipe.title or name
        named = recipe.model_copy(update={"title": f"{method}, {key.rpartition('.')[2]} {value}"})
        label = "-".join([stem, re.sub(r"[^\w.-]+", "_", value)])
        varied = {"method": _titled(method, seed), "key": key, "value": value}
        before = out / label
        yield Plan(label, named, root, before, varied)


def _titled(title: str, seed: int | None) -> str:
    return title if seed is None else f"{title} (seed {seed})"
