"""A recipe to a run folder: the whole story in one screen."""

from __future__ import annotations

import contextlib
import datetime
import importlib.metadata
import platform
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel

import unteach
from unteach.audit.evidence import VERSION as EVIDENCE_VERSION
from unteach.data.examples import Splits, digest
from unteach.errors import OutputError, RecipeError
from unteach.model import fingerprint
from unteach.model.deliver import as_stored, deliver
from unteach.model.load import Loaded, ModelPlace, load, locate
from unteach.model.memory import enough_memory
from unteach.recipe import Recipe, Stage, stages
from unteach.run import rounds, teach
from unteach.run.examine import Audited, examine, measured_as, value
from unteach.run.folder import RunFolder, forget_peak_memory, open_run, peak_memory, require_space
from unteach.run.prepare import Prepared, prepare, require_same_tokens
from unteach.run.progress import Progress
from unteach.run.synthesize import ModelWriter, add_splits, write_splits
from unteach.run.tracking import Tracked, require_trackers, tracked
from unteach.run.unlearn import Unlearning, edit_stage, train_stage, write_adapter

PACKAGES = ("torch", "transformers", "peft", "accelerate", "datasets", "safetensors", "numpy")
KNOWS = 0.95
"""Share of taught questions that the original must answer right before unlearning means anything."""


def run(
    recipe: Recipe,
    out: Path,
    *,
    root: Path = Path(),
    name: str = "",
    overwrite: bool = False,
    redact: bool = False,
    varied: Mapping[str, str] | None = None,
    progress: Progress | None = None,
) -> RunFolder:
    """Data -> method -> model -> audit -> report, into `out`; goes on where a killed run stopped.

    Relative paths of the recipe's data are looked for under `root`. `varied` is what a sweep varies,
    for its page: `method`, `key` and `value`. With `redact` the report hides
    the text of the forget splits, that of a run which was finished before too.

    Raises:
        UserError: what the user can put right: see the errors of each part.
        KeyboardInterrupt: Ctrl-C; what was done so far is kept, and the same call goes on from it.
    """
    progress = progress or Progress(quiet=True)
    _require_gold(recipe)
    require_trackers(recipe)
    with open_run(out, recipe, overwrite) as folder:
        if folder.read_record().get("finished") and folder.findings.exists():
            progress.say(f"{out}: this run is finished; --overwrite does it again")
            folder.tidy()
            if redact or not folder.report.exists():
                write_report([folder.path], folder.report, redact=redact)
            return folder
        forget_peak_memory()
        clock = _Clock(folder)
        ready = prepare(recipe, root)
        _require_same_start(folder, ready)
        for warning in ready.warnings:
            progress.say(f"warning: {warning}")
        folder.write_record(
            **_about(ready, name), splits=write_splits(folder.data, ready.splits), varied=varied
        )
        with clock("teach"), enough_memory("teach"):
            original, had_original = teach.original(ready, progress)
            gold, had_gold = teach.gold(ready, progress)
        clock.note("teach", cached=had_original and had_gold)
        _require_same_original(folder, original)
        with tracked(recipe, folder) as track:
            unlearned, splits, held = _unlearn(
                ready, original, gold, folder, clock, progress, track
            )
            models = {"original": original, "unlearned": unlearned}
            models |= {"gold": gold} if gold else {}
            _conclude(ready, splits, models, folder, clock, progress, held, redact, track)
        folder.tidy()
    return folder


def audit(
    recipe: Recipe,
    model: str,
    out: Path,
    *,
    original: str | None = None,
    root: Path = Path(),
    overwrite: bool = False,
    redact: bool = False,
    progress: Progress | None = None,
) -> RunFolder:
    """Audit a model that anyone unlearned, by the recipe's data, teaching, gold model and audits.

    Raises:
        UserError: as `run`.
    """
    progress = progress or Progress(quiet=True)
    title = f"Audit of {_called(model)}"
    require_trackers(recipe)
    audited = recipe.model_copy(update={"method": (), "title": title})
    with open_run(out, audited, overwrite) as folder:
        clock = _Clock(folder)
        ready = prepare(audited, root)
        unlearned = locate(model, ready.options)
        require_same_tokens(ready, unlearned, "model")
        folder.write_record(**_about(ready, model), splits=write_splits(folder.data, ready.splits))
        with clock("teach"), enough_memory("teach"):
            start = (
                locate(original, ready.options) if original else teach.original(ready, progress)[0]
            )
            gold, _ = teach.gold(ready, progress)
        # without an original there is only the model itself, and nothing to compare it with
        models = {"original": start} if start.key != unlearned.key else {}
        models |= {"unlearned": unlearned} | ({"gold": gold} if gold else {})
        with tracked(recipe, folder) as track:
            _conclude(ready, ready.splits, models, folder, clock, progress, {}, redact, track)
    return folder


def _conclude(
    ready: Prepared,
    splits: Splits,
    models: Mapping[str, ModelPlace],
    folder: RunFolder,
    clock: _Clock,
    progress: Progress,
    held: Mapping[str, Loaded],
    redact: bool,
    track: Tracked,
) -> None:
    """Audit the models, complete the record and write the report."""
    with clock("audit"), enough_memory("audit"):
        found = examine(ready, splits, models, folder, progress, held)
    track.findings(folder)
    folder.write_record(
        models={
            n: {"name": p.name, "key": p.key, "measured_as": measured_as(p, ready.options)}
            for n, p in models.items()
        },
        notes=[*ready.warnings, *_notes(ready.recipe, found)],
        seconds=clock.total(),
        peak_memory_bytes=peak_memory(),
    )
    folder.finish()
    write_report([folder.path], folder.report, redact=redact)


def write_report(
    runs: list[Path],
    path: Path,
    redact: bool = False,
    title: str | None = None,
    failed: Mapping[str, str] | None = None,
) -> None:
    """Render the report of one run or of several, from their files; `failed`: names and reasons."""
    from unteach.report.build import build
    from unteach.report.html import write

    write(build(runs, redact=redact, title=title, failed=failed), path)


def _unlearn(
    ready: Prepared,
    original: ModelPlace,
    gold: ModelPlace | None,
    folder: RunFolder,
    clock: _Clock,
    progress: Progress,
    track: Tracked,
) -> tuple[ModelPlace, dict[str, Any], dict[str, Loaded]]:
    """The unlearned model, the splits with those that were added, and what is in memory."""
    recipe = ready.recipe
    finished = folder.read_record().get("unlearned")
    if finished and folder.model.is_dir():
        progress.say("The model was unlearned before; going on with its audit")
        place = replace(locate(str(folder.model), ready.options), name="unlearned")
        if place.key != finished["key"]:
            raise OutputError(
                f"{folder.model}: is not the model that this run left there. Put that back, or give "
                "--overwrite to unlearn anew."
            )
        splits = {name: list(rows) for name, rows in ready.splits.items()}
        for stage in recipe.method:
            if stage.synthesize:  # the same again; what a model wrote is read from its file
                add_splits(splits, stage.synthesize, recipe.seed, folder.data, progress)
            elif stage.repeat:
                splits.update(rounds.last_splits(folder))
        folder.write_record(splits=write_splits(folder.data, splits))
        return place, splits, {}
    loaded = load(original, ready.options)
    weights = sum(p.numel() * p.element_size() for p in loaded.model.parameters())
    # the model beside one it replaces; a checkpoint takes more, and stops the run if it cannot
    require_space(folder.path, 2 * weights, "the unlearned model with its state")
    splits = {name: list(rows) for name, rows in ready.splits.items()}
    state = Unlearning(ready, folder, progress, loaded, original, gold, splits, tracked=track)
    last = max((i for i, stage in enumerate(recipe.method) if not stage.synthesize), default=-1)

    def do(stage: Stage, at: str, more_follow: bool) -> None:
        with clock(at), enough_memory(at):
            if stage.synthesize:
                write = ModelWriter(state.loaded, ready.renderer, folder.state / "replies")
                drops = add_splits(
                    state.splits, stage.synthesize, recipe.seed, state.data, progress, write
                )
                folder.write_record(splits=write_splits(folder.data, state.splits))
                clock.note(at, drops=drops)
            elif stage.train:
                clock.note(at, steps=train_stage(state, stage.train, at, more_follow))
            elif stage.edit:
                clock.note(at, found=edit_stage(state, stage.edit, at))

    for i, stage in enumerate(recipe.method):
        at = f"method[{i}].{stage.verb}"
        if stage.repeat:
            rounds.repeat(state, stage.repeat, at, do)
        else:
            do(stage, at, i < last)
    unlearned = _delivered(state)
    return unlearned.place, state.splits, {"unlearned": unlearned}


def _delivered(state: Unlearning) -> Loaded:
    """The unlearned model as it is in `model/`, or would be if it is not saved."""
    folder, options = state.folder, state.ready.options
    if isinstance(state.loaded.model, PeftModel):
        if state.ready.recipe.save_model:
            write_adapter(state, state.loaded.model, folder.last_adapter)
        state.hold(state.loaded.model.merge_and_unload())
    if state.ready.recipe.save_model:
        found = deliver(state.loaded, "unlearned", folder.model, options)
        folder.write_record(unlearned={"key": found.place.key})
        return found
    as_stored(state.loaded)
    model = state.loaded.model.to(getattr(torch, options.dtype)).eval()
    key = fingerprint.key_of(state.original.key, fingerprint.of_weights(model))
    return replace(state.loaded, model=model, place=ModelPlace("unlearned", str(folder.model), key))


def _require_same_start(folder: RunFolder, ready: Prepared) -> None:
    """A run goes on from the rows and the model it was started with, or not at all.

    Raises:
        OutputError: a file of rows or the model has changed since then.
    """
    before = folder.read_record()
    splits, model = before.get("splits", {}), before.get("model", {"key": ready.base.key})
    changed = [
        f"the rows of {name}"
        for name, rows in ready.splits.items()
        if name in splits and splits[name]["sha256"] != digest(rows)
    ]
    if model["key"] != ready.base.key:
        changed.append(f"the files of the model {ready.recipe.model}")
    if changed:
        raise OutputError(
            f"{folder.path}: {' and '.join(changed)} are not those this run was started with. "
            "Put them back, choose another --out, or give --overwrite to start anew."
        )


def _require_same_original(folder: RunFolder, original: ModelPlace) -> None:
    """A run goes on from the model that its first stages changed: one taught anew may be another."""
    before = folder.read_record().get("started_from", original.key)
    if before != original.key:
        raise OutputError(
            f"{folder.path}: the model that was taught is not the one this run was started with, as "
            "where the cache or the device is another. Choose the former, or give --overwrite."
        )
    folder.write_record(started_from=original.key)


def _called(model: str) -> str:
    """A model by the last two names of its path, or by its hub id."""
    path = Path(model)
    return "/".join(path.resolve().parts[-2:]) if path.exists() else model


def _about(ready: Prepared, name: str) -> dict[str, Any]:
    recipe = ready.recipe
    versions = {p: importlib.metadata.version(p) for p in PACKAGES}
    return {
        "unteach": unteach.__version__,
        "packages": {"python": platform.python_version(), **versions},
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "seed": recipe.seed,
        "device": recipe.device,
        "dtype": recipe.dtype,
        "title": recipe.title or name,
        "source": recipe.source,
        "method": name,
        "model": {"name": recipe.model, "key": ready.base.key, "place": _absolute(recipe.model)},
        "rendering": ready.renderer.key,
        "evidence": EVIDENCE_VERSION,
        "benchmark": recipe.data.benchmark.model_dump() if recipe.data.benchmark else None,
        "recipe": recipe.digest(),
        "finished": False,
        "sealed": None,
    }


def _absolute(model: str) -> str | None:
    """Where a model that is given by its path lies, whatever the current directory will be."""
    path = Path(model).expanduser()
    return str(path.resolve()) if path.exists() else None


def _notes(recipe: Recipe, found: list[Audited]) -> list[str]:
    """What a reader must know before believing the table."""
    notes = []
    for split in ("forget", "retain"):
        known = value(found, "accuracy", "original", split)
        if recipe.teach and known < KNOWS:
            notes.append(
                f"The original model answers only {known:.0%} of the {split} questions right, so "
                "there was less to forget or to keep than was taught. Raise teach.epochs."
            )
    return notes


def _require_gold(recipe: Recipe) -> None:
    """Refuse a recipe that reads a gold model which it does not have."""
    if recipe.gold or recipe.teach:
        return
    for at, stage in stages(recipe.method):
        terms = stage.train.terms if stage.train else ()
        levels = [(t.down_to, f"terms[{j}].down_to") for j, t in enumerate(terms)]
        if stage.train and stage.train.stop:
            levels.append((stage.train.stop.level, "stop.level"))
        for level, place in levels:
            if level == "gold":
                raise RecipeError(
                    f"{at}.train.{place}: 'gold' asks for a gold model, and the recipe has "
                    "none. Give gold: a model retrained without the forget split, or use a "
                    "number or a split that was never taught."
                )


class _Clock:
    """Seconds a stage, kept in the run's record over interruptions."""

    def __init__(self, folder: RunFolder) -> None:
        self.folder = folder
        self.stages: dict[str, dict[str, Any]] = {
            s["stage"]: s for s in folder.read_record().get("stages", [])
        }

    @contextlib.contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        began = time.perf_counter()
        try:
            yield
        finally:
            before = self.stages.get(stage, {}).get("seconds", 0.0)
            self.note(stage, seconds=round(before + time.perf_counter() - began, 2))

    def note(self, stage: str, **facts: Any) -> None:
        self.stages[stage] = {"stage": stage, **self.stages.get(stage, {}), **facts}
        self.folder.write_record(stages=list(self.stages.values()))

    def total(self) -> float:
        return round(sum(s.get("seconds", 0.0) for s in self.stages.values()), 2)
