"""Read and check a recipe's data; no model and no torch."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from unteach import registry
from unteach.data import checks, sources
from unteach.data.examples import Example
from unteach.recipe import Recipe


def check_data(recipe: Recipe, root: Path) -> tuple[dict[str, list[Example]], tuple[str, ...]]:
    """The recipe's splits, and what deserves a warning.

    Raises:
        DataError: a file is missing or unreadable, a row is bad, or a split is missing; all of it.
    """
    splits = sources.read(recipe.data, root)
    return splits, checks.require_clean(splits, dict(readers(recipe)))


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
