"""The synthesis stages of a recipe by themselves: data in, data out, no model."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from unteach import registry
from unteach.data.examples import Example, digest, write_jsonl
from unteach.errors import RecipeError
from unteach.recipe import Choice, Recipe
from unteach.run.folder import require_new, whole_disk, write_text
from unteach.run.progress import Progress
from unteach.run.readers import check_data


def add_splits(
    splits: dict[str, list[Example]], choice: Choice, seed: int, folder: Path, progress: Progress
) -> int:
    """Add what one synthesis makes to `splits`; every record and every drop is kept in a file.

    Returns the number of dropped candidates.
    """
    entry = registry.find("synthesis", choice.name)
    params = registry.check("synthesis", choice.name, choice.params, choice.name)
    made = entry.load()(splits, random.Random(seed), **params)
    splits.update({name: list(examples) for name, examples in made.splits.items()})
    for name, things in (("records", made.records), ("drops", made.drops)):
        text = "".join(json.dumps(asdict(thing), ensure_ascii=False) + "\n" for thing in things)
        write_text(folder / f"{choice.name}_{name}.jsonl", text)
    counts = ", ".join(f"{len(rows)} rows in {name}" for name, rows in made.splits.items())
    progress.say(f"{choice.name}: {counts}, {len(made.drops)} dropped")
    return len(made.drops)


def write_splits(folder: Path, splits: dict[str, list[Example]] | Any) -> dict[str, dict[str, Any]]:
    """Write every split as JSONL; returns its rows, groups and content hash."""
    folder.mkdir(parents=True, exist_ok=True)
    about = {}
    for name, examples in splits.items():
        write_jsonl(folder / f"{name}.jsonl", examples)
        about[name] = _about(examples)
    write_text(folder / "splits.json", json.dumps(about, indent=2) + "\n")
    return about


def write_synthesis(
    recipe: Recipe, root: Path, out: Path, progress: Progress, overwrite: bool = False
) -> dict[str, dict[str, Any]]:
    """Run the recipe's synthesis stages and write all splits to `out`.

    Raises:
        RecipeError: the recipe has no synthesis stage.
        DataError: see `check_data`.
        OutputError: `out` holds something and `overwrite` is false.
    """
    require_new(out, overwrite)
    stages = [stage.synthesize for stage in recipe.method if stage.synthesize]
    if not stages:
        raise RecipeError("the recipe has no 'synthesize:' stage, so there is nothing to write.")
    splits, _ = check_data(recipe, root)
    with whole_disk(out):
        for choice in stages:
            add_splits(splits, choice, recipe.seed, out, progress)
        return write_splits(out, splits)


def _about(examples: Sequence[Example]) -> dict[str, Any]:
    groups = len({e.group or e.id for e in examples})
    return {"rows": len(examples), "groups": groups, "sha256": digest(examples)}
