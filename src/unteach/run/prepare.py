"""All that can go wrong before a model is loaded, and what the run then works with."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unteach import registry
from unteach.data import checks, sources
from unteach.data.examples import Example, Splits, digest, write_jsonl
from unteach.data.render import Renderer
from unteach.recipe import Recipe
from unteach.run.folder import RunFolder, write_text

if TYPE_CHECKING:
    from unteach.model.load import LoadOptions, ModelPlace


@dataclass(frozen=True)
class Prepared:
    """A recipe whose data are read and checked and whose model is found."""

    recipe: Recipe
    splits: Splits
    renderer: Renderer
    base: ModelPlace
    options: LoadOptions
    warnings: tuple[str, ...]


def prepare(recipe: Recipe, root: Path) -> Prepared:
    """Read the data, find the model, load its tokenizer, and check every row.

    Raises:
        DataError: a file is missing or unreadable, a split is missing, a row is bad or longer than
            `data.max_tokens`; all problems at once.
        ModelError: the model cannot be found or has no usable tokenizer.
        DeviceError: the device asked for is absent.
    """
    splits = sources.read(recipe.data, root)
    from unteach.model.load import LoadOptions, device, load_tokenizer, locate

    options = LoadOptions(
        recipe.device, recipe.dtype, recipe.trust_remote_code, recipe.allow_pickle
    )
    device(options.device)
    base = locate(recipe.model, options)
    renderer = Renderer(load_tokenizer(base, options), recipe.data.system)
    long = checks.too_long(
        splits, lambda example: len(renderer.encode(example).ids), recipe.data.max_tokens
    )
    warnings = checks.require_clean(splits, dict(readers(recipe)), also=long)
    return Prepared(recipe, splits, renderer, base, options, warnings)


def write_data(folder: RunFolder, splits: Splits) -> dict[str, dict[str, Any]]:
    """Write every split as JSONL; returns its rows, groups and content hash."""
    folder.data.mkdir(parents=True, exist_ok=True)
    about = {}
    for name, examples in splits.items():
        write_jsonl(folder.data / f"{name}.jsonl", examples)
        groups = len({e.group or e.id for e in examples})
        about[name] = {"rows": len(examples), "groups": groups, "sha256": digest(examples)}
    write_text(folder.data / "splits.json", json.dumps(about, indent=2) + "\n")
    return about


def readers(recipe: Recipe) -> Iterator[tuple[str, str]]:
    """(split, who reads it) for everything that cannot go on without it."""
    made: set[str] = set()
    if recipe.teach:
        yield "retain", "teach"
        yield "forget", "teach"
    for i, stage in enumerate(recipe.method):
        if stage.synthesize:
            facts = registry.find("synthesis", stage.synthesize.name).facts
            for split in facts["reads"]:
                yield split, f"method[{i}].synthesize"
            made.update(facts["adds"])
        if stage.train:
            for j, term in enumerate(stage.train.terms):
                if term.split not in made:
                    yield term.split, f"method[{i}].train.terms[{j}]"
                if isinstance(term.down_to, str) and term.down_to != "gold":
                    yield term.down_to, f"method[{i}].train.terms[{j}].down_to"
            if stage.train.stop:
                yield stage.train.stop.split, f"method[{i}].train.stop"
    if not recipe.method:
        yield "forget", "the audits"
