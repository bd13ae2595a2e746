"""Rounds taken back, one by one or all: a model from a run's original and the adapters it kept."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from unteach import recipe as recipes
from unteach.errors import DataError
from unteach.model import adapters, fingerprint
from unteach.model.deliver import as_stored, loaded_again
from unteach.model.disk import whole_disk
from unteach.model.load import load, save
from unteach.run import rounds, teach
from unteach.run.folder import RunFolder, require_new
from unteach.run.prepare import prepare_again
from unteach.run.progress import Progress


def undo(
    path: Path,
    numbers: Sequence[int],
    out: Path,
    *,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> None:
    """Write the model of a run as it would be had these rounds taken and given nothing.

    It is the original plus what each other round's adapters took and gave, so rounds after one that is
    undone stay as they were: they were trained on a model that had it.

    Raises:
        DataError: the folder is no run of rounds, has no such round, or a stage of its rounds is
            other than adapters taken out and put in, which leaves nothing to undo it by; or its
            rows or the model it began with are no longer there as they were.
        OutputError: `out` holds something and `overwrite` is false.
    """
    progress = progress or Progress(quiet=True)
    folder = RunFolder(path)
    done = {one["number"] for one in rounds.read(folder)}
    if not done:
        raise DataError(f"{path}: holds no rounds (rounds.json): it is not a run with a repeat.")
    if absent := sorted(set(numbers) - done):
        raise DataError(
            f"{path}: has no round {', '.join(map(str, absent))}; it has {', '.join(map(str, sorted(done)))}."
        )
    recipe = recipes.read(folder.recipe)
    changes = _changes(recipe, folder)
    require_new(out, overwrite)
    ready = prepare_again(folder)
    original, _ = teach.original(ready, progress)
    if original.key != folder.read_record()["models"]["original"]["key"]:
        raise DataError(
            f"{path}: its original model is no longer the one that its rounds changed, so they cannot "
            "be taken back from it. Put that back."
        )
    loaded = load(original, ready.options)
    parameters = dict(loaded.model.named_parameters())
    for number, (stage, found) in changes:
        if number in numbers:
            continue
        for name, scale in (
            (stage.params["subtract"], -found["subtracted"]),
            (stage.params.get("add", ""), found["added"]),
        ):
            kept = folder.adapters / f"round-{number}" / name
            for at, factors in (adapters.read(kept) if name else {}).items():
                p = parameters[at]
                with torch.no_grad():
                    p.add_(factors.change().to(p.device, p.dtype), alpha=scale)
    as_stored(loaded)
    with whole_disk(out):
        save(loaded.model, loaded.tokenizer, out)
    loaded_again("unlearned", out, fingerprint.of_weights(loaded.model), ready.options)


def _changes(
    recipe: recipes.Recipe, folder: RunFolder
) -> list[tuple[int, tuple[recipes.Choice, dict[str, float]]]]:
    """(round, (its release, what that found)) of every round that was kept."""
    for at, stage in recipes.stages(recipe.method):
        changes_weights = stage.edit or (stage.train and not stage.train.into)
        if changes_weights and not (stage.edit and stage.edit.name == "release" and "repeat" in at):
            raise DataError(
                f"{folder.path}: {at}.{stage.verb} changes weights other than by release, and no adapter "
                "says how, so its rounds cannot be undone."
            )
    kept = {one["number"] for one in rounds.read(folder) if one["kept"]}
    found = []
    for record in folder.read_record().get("stages", []):
        place = recipes.IN_ROUND.fullmatch(record["stage"])
        if place and int(place[2]) in kept:
            repeat = recipe.method[int(place[1])].repeat
            assert repeat is not None, "its stages are a repeat's"
            if edit := repeat.stages[int(place[4])].edit:
                found.append((int(place[2]), (edit, record["found"])))
    return found
