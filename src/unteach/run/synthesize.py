"""The synthesis stages of a recipe by themselves: data in, data out, no model."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unteach import registry
from unteach.data.examples import Example, digest, read_jsonl, write_jsonl
from unteach.errors import RecipeError
from unteach.recipe import Choice, Recipe
from unteach.run.folder import require_new, whole_disk, write_text
from unteach.run.progress import Progress
from unteach.run.readers import check_data
from unteach.synthesis.records import Writer

if TYPE_CHECKING:
    from unteach.data.render import Renderer
    from unteach.model.load import Loaded


def add_splits(
    splits: dict[str, list[Example]],
    choice: Choice,
    seed: int,
    folder: Path,
    progress: Progress,
    write: Writer | None = None,
) -> int:
    """Add what one synthesis makes to `splits`; every record and every drop is kept in a file.

    What the model itself wrote (`write`) is written once: a later call reads it from `folder`.
    Returns the number of dropped candidates.

    Raises:
        RecipeError: the synthesis has the model write, and there is none here.
        DataError: it cannot be made from these rows.
    """
    entry = registry.find("synthesis", choice.name)
    params = registry.check("synthesis", choice.name, choice.params, choice.name)
    added = registry.adds(entry, params)
    # two stages may use one synthesis: its name alone would not tell their files apart
    kept = folder / (choice.name if "{" not in "".join(entry.facts["adds"]) else added[0])
    drops = kept.with_name(f"{kept.name}_drops.jsonl")
    if entry.facts["writes"]:
        files = [folder / f"{split}.jsonl" for split in added]
        if all(path.exists() for path in [*files, drops]):
            splits.update({path.stem: read_jsonl(path) for path in files})
            return len(drops.read_text("utf-8").splitlines())
        made = entry.load()(splits, random.Random(seed), write or _nobody(choice), **params)
    else:
        made = entry.load()(splits, random.Random(seed), **params)
    splits.update({name: list(examples) for name, examples in made.splits.items()})
    records = kept.with_name(f"{kept.name}_records.jsonl")
    for path, things in ((records, made.records), (drops, made.drops)):
        text = "".join(json.dumps(asdict(thing), ensure_ascii=False) + "\n" for thing in things)
        write_text(path, text)
    counts = ", ".join(f"{len(rows)} rows in {name}" for name, rows in made.splits.items())
    progress.say(f"{choice.name}: {counts}, {len(made.drops)} dropped")
    if made.note:
        progress.say(f"{choice.name}: {made.note}")
    return len(made.drops)


def _nobody(choice: Choice) -> Writer:
    """Where no model is at hand; some syntheses call their writer only if asked to."""

    def refuse(examples: Sequence[Example], **how: object) -> list[str]:
        raise RecipeError(
            f"{choice.name} has the model itself write text, which only a run can do: "
            "unteach run writes its rows to the run folder's data/."
        )

    return refuse


def writer(loaded: Loaded, renderer: Renderer) -> Writer:
    """A loaded model that answers prompts."""

    def write(
        examples: Sequence[Example],
        *,
        max_tokens: int = 64,
        temperature: float = 0.0,
        seed: int = 0,
    ) -> list[str]:
        import torch

        from unteach.model.generate import continue_texts

        return continue_texts(
            loaded.model,
            loaded.tokenizer,
            [renderer.prompt_ids(example) for example in examples],
            max_tokens,
            temperature=temperature,
            generator=torch.Generator().manual_seed(seed),
        )

    return write


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
