"""Run folders to a page that shows what changed inside their models."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import unteach
from unteach import recipe as recipes
from unteach.audit.explain import (
    Curve,
    Row,
    Seen,
    attention_curves,
    distributions,
    lens_curves,
    observe,
    rows_of,
    similarity,
    weight_changes,
)
from unteach.audit.finding import Finding
from unteach.audit.judges import Unavailable
from unteach.errors import DataError
from unteach.model.disk import whole_disk
from unteach.model.load import Loaded, ModelPlace, load, locate
from unteach.report import explain as page
from unteach.run import references, teach
from unteach.run.folder import RunFolder, json_number, write_text
from unteach.run.prepare import Prepared, load_options, prepare_again
from unteach.run.progress import Progress

SPLITS = ("forget", "retain")


@dataclass(frozen=True)
class _Run:
    """A run folder and what its record says."""

    folder: RunFolder
    record: dict[str, Any]

    @property
    def where(self) -> str:
        return str(self.folder.path)

    def model(self, role: str) -> dict[str, str] | None:
        found: dict[str, str] | None = self.record["models"].get(role)
        return found

    @property
    def rows(self) -> list[str]:
        """Hashes of the rows that are looked at."""
        return [self.record["splits"].get(name, {}).get("sha256", "") for name in SPLITS]


@dataclass(frozen=True)
class _Model:
    """A model that is to be looked at, under the name it has on the page."""

    label: str
    role: page.Role
    place: ModelPlace


def explain(
    runs: Sequence[Path], out: Path, *, rows: int = 40, progress: Progress | None = None
) -> Path:
    """Measure the models of these runs on the first rows of forget and retain; returns the page.

    Writes explain.json and explain.html into `out`. The original stays in memory, and beside it one
    other model at a time. An original or gold model that was taught is taken from the cache, or
    taught again if it is no longer there.

    Raises:
        DataError: a folder is no finished run, has not kept its model, or the runs differ in
            their original model, rows or chat template.
        ModelError: a model is not where it was.
    """
    progress = progress or Progress(quiet=True)
    read = [_read(path) for path in runs]
    _require_alike(read)
    unlearned = [_unlearned(run) for run in read]
    ready = prepare_again(read[0].folder)
    original = _place(read[0], "original", ready, progress)
    gold, notes = _gold(read, ready, progress)
    models = [_Model("original", "original", original)]
    models += [_Model("gold", "gold", gold)] if gold else []
    for run, label, kept in zip(read, _labels(read), unlearned, strict=True):
        place = kept or _place(run, "unlearned", ready, progress)
        models.append(_Model(label, "unlearned", place))
    found = _measure(models, ready, rows, notes, progress)
    with whole_disk(out):
        write_text(out / "explain.json", page.to_json(found))
        write_text(out / "explain.html", page.render(found))
    return out / "explain.html"


def _measure(
    models: Sequence[_Model], ready: Prepared, limit: int, notes: Sequence[str], progress: Progress
) -> page.Explained:
    rows = {
        name: rows_of(ready.renderer, ready.splits[name][:limit])
        for name in SPLITS
        if ready.splits.get(name)
    }
    curves: list[page.CurveRecord] = []
    weights: list[page.WeightRecord] = []
    missing: list[page.Missing] = []
    start: Loaded | None = None
    seen: dict[str, Seen] = {}
    for model in models:
        loaded = load(model.place, ready.options)
        start = start or loaded
        step = _stepper(model.label, 2 * sum(map(len, rows.values())), progress)
        for split, chosen in rows.items():
            given = _of_split(loaded, chosen, seen.get(split), step)
            seen.setdefault(split, given.seen)
            for name, result in given.results.items():
                if isinstance(result, Unavailable):
                    missing.append(page.Missing(name, split, model.label, result.reason))
                else:
                    curves += [_curve(curve, split, model.label) for curve in result]
        if loaded is not start:
            moved = weight_changes(loaded.model, dict(start.model.named_parameters()))
            if isinstance(moved, Unavailable):
                missing.append(page.Missing("weights", "", model.label, moved.reason))
            else:
                weights += [
                    page.WeightRecord(model.label, c.kind, c.block, json_number(c.value))
                    for c in moved
                ]
    return page.Explained(
        unteach=unteach.__version__,
        splits={
            name: page.SplitRecord(
                rows=len(chosen),
                of=len(ready.splits[name]),
                groups=len({row.group for row in chosen}),
                tokens=sum(len(row.ids) - row.start for row in chosen),
                subjects=sum(bool(row.subject) for row in chosen),
            )
            for name, chosen in rows.items()
        },
        models=[page.ModelRecord(m.label, m.role, m.place.key) for m in models],
        curves=curves,
        weights=weights,
        missing=missing,
        notes=list(notes),
    )


def _stepper(label: str, total: int, progress: Progress) -> Callable[[int], None]:
    """Counts the passes of one model: each row has two, one of them for its attention."""
    done = 0

    def step(more: int) -> None:
        nonlocal done
        done += more
        progress.update(f"look inside {label}", done, total)

    return step


@dataclass(frozen=True)
class _Given:
    """What one model did on one split, and what was made of it."""

    seen: Seen
    results: dict[str, list[Curve] | Unavailable]


def _of_split(
    loaded: Loaded, rows: Sequence[Row], original: Seen | None, step: Callable[[int], None]
) -> _Given:
    groups = [row.group for row in rows]
    seen = observe(loaded.model, rows, original, step)
    results: dict[str, list[Curve] | Unavailable] = {
        "distribution": distributions(seen, groups),
        "lens": lens_curves(seen, groups),
        "attention": attention_curves(loaded.model, rows, groups, step),
    }
    if original is not None:
        results["similarity"] = similarity(seen, original, groups)
    return _Given(seen, results)


def _curve(curve: Curve, split: str, label: str) -> page.CurveRecord:
    return page.CurveRecord(
        measure=curve.measure,
        split=split,
        model=label,
        xs=list(curve.xs),
        values=[_value(finding) for finding in curve.findings],
        overall=_value(curve.overall) if curve.overall else None,
    )


def _value(finding: Finding) -> page.Value:
    return page.Value(
        json_number(finding.value),
        json_number(finding.low),
        json_number(finding.high),
        finding.n,
        finding.groups,
        finding.note,
    )


def _read(path: Path) -> _Run:
    folder = RunFolder(path)
    record = folder.read_record() if folder.record.is_file() else {}
    if "models" not in record or not folder.recipe.is_file():
        raise DataError(
            f"{path}: this is no finished run: it has no run.json that names its models. Give a "
            "folder that `unteach run` or `unteach audit` wrote to the end."
        )
    return _Run(folder, record)


def _require_alike(runs: Sequence[_Run]) -> None:
    first = runs[0]
    for run in runs:
        if run.model("original") is None:
            raise DataError(
                f"{run.where}: it was audited without an original model, so there is nothing to "
                "compare it with. Audit it again with --original."
            )
        differs = [
            what
            for what, one, other in (
                ("original model", first.model("original"), run.model("original")),
                ("forget or retain rows", first.rows, run.rows),
                ("chat template", first.record.get("rendering"), run.record.get("rendering")),
            )
            if one != other
        ]
        if differs:
            raise DataError(
                f"{first.where} and {run.where} differ in their {' and '.join(differs)}, so their "
                "models cannot be compared. Explain them apart."
            )


def _unlearned(run: _Run) -> ModelPlace | None:
    """The weights in the run folder; None for an audit, whose model lies elsewhere."""
    about = run.model("unlearned")
    if about is not None and run.folder.model.is_dir():
        options = load_options(recipes.read(run.folder.recipe))
        found = replace(locate(str(run.folder.model), options), name="unlearned")
        return _same(run, "unlearned", found)
    if about is None or about["name"] == "unlearned":
        raise DataError(
            f"{run.where}: the run kept no model, so nothing can be read inside it. Run it again "
            "with --set save_model=true --overwrite (a sweep: with --keep all)."
        )
    return None


def _place(run: _Run, role: str, ready: Prepared, progress: Progress) -> ModelPlace:
    """The model of the run's record: taught, or where it was found."""
    about = run.model(role)
    assert about is not None
    place: ModelPlace | None
    if about["name"] == role and ready.recipe.teach:
        make = teach.original if role == "original" else teach.gold
        place, _ = make(ready, progress)
    else:
        place = locate(about["name"], ready.options)
    return _same(run, role, place)


def _same(run: _Run, role: str, place: ModelPlace | None) -> ModelPlace:
    """Refuse a model that is no longer the one whose numbers the run's record holds."""
    about = run.model(role)
    assert about is not None
    if place is None or place.key != about["key"]:
        raise DataError(
            f"{run.where}: its {role} model ({about['name']}) is no longer the one that was audited. "
            "Put that back, or do the run again."
        )
    return place


def _gold(
    runs: Sequence[_Run], ready: Prepared, progress: Progress
) -> tuple[ModelPlace | None, list[str]]:
    """The gold model of the first run that has one, and what a reader must know of it."""
    having = [run for run in runs if run.model("gold")]
    if not having:
        return None, ["These runs have no gold model, so no figure shows the level to reach."]
    first = having[0]
    given = recipes.read(first.folder.recipe).gold
    if given is not None and references.is_run(given):
        return None, ["The gold model is known by its measurements alone, so it is in no figure."]
    notes = [
        f"{run.folder.path.name} has another gold model than {first.folder.path.name}, whose is shown."
        for run in having[1:]
        if run.model("gold") != first.model("gold")
    ]
    return _place(first, "gold", ready, progress), notes


def _labels(runs: Sequence[_Run]) -> list[str]:
    """Method names, or names of folders where two runs have the same method; each once."""
    # an audit is called after the path of its model: its last part is enough
    methods = [Path(run.record.get("method") or run.folder.path).name for run in runs]
    taken = {"original", "gold"}
    found = []
    for run, method in zip(runs, methods, strict=True):
        plain = method if methods.count(method) == 1 else run.folder.path.resolve().name
        label = next(name for name in _numbered(plain) if name not in taken)
        taken.add(label)
        found.append(label)
    return found


def _numbered(name: str) -> Iterator[str]:
    yield name
    number = 2
    while True:
        yield f"{name} ({number})"
        number += 1
