"""Read and check a recipe's data; no model and no torch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from unteach import registry
from unteach.data import checks, sources
from unteach.data.examples import Example
from unteach.errors import RecipeError
from unteach.recipe import Choice, Recipe, Stage, Train, missing_models, stages


def check_data(recipe: Recipe, root: Path) -> tuple[dict[str, list[Example]], tuple[str, ...]]:
    """The recipe's splits, and what deserves a warning.

    Raises:
        RecipeError: a model is named by a path at which nothing is.
        DataError: a file is missing or unreadable, a row is bad, or a split is missing; all of it.
    """
    if missing := list(missing_models(recipe)):
        raise RecipeError(missing)
    splits = sources.read(recipe.data, root)
    return splits, checks.require_clean(splits, dict(readers(recipe)))


def readers(recipe: Recipe) -> Iterator[tuple[str, str]]:
    """(split, who reads it) for everything that cannot go on without it."""
    made: set[str] = set()
    if recipe.teach:
        yield "retain", "teach"
        yield "forget", "teach"
        yield from ((name, "teach.also") for name in recipe.teach.also)
    for place, stage in stages(recipe.method):
        for split in _of_stage(stage, f"{place}.{stage.verb}"):
            if split.name not in made:
                yield split.name, split.reader
        if stage.synthesize:
            made.update(registry.adds(*_chosen("synthesis", stage.synthesize)))
    for i, stage in enumerate(recipe.method):
        if stage.repeat and stage.repeat.watch not in made:
            yield stage.repeat.watch, f"method[{i}].repeat.watch"
    if not recipe.method and recipe.data.benchmark is None:
        yield "forget", "the audits"


@dataclass(frozen=True)
class _Read:
    name: str
    reader: str


def _of_stage(stage: Stage, at: str) -> Iterator[_Read]:
    verbs = (("synthesis", stage.synthesize), ("edit", stage.edit))
    for kind, choice in verbs:
        if choice:
            yield from (_Read(s, at) for s in registry.reads(*_chosen(kind, choice)))
    if stage.train:
        yield from _of_training(stage.train, at)


def _of_training(train: Train, at: str) -> Iterator[_Read]:
    yield from (
        _Read(s, f"{at}.select") for s in registry.reads(*_chosen("selection", train.select))
    )
    for j, term in enumerate(train.terms):
        yield _Read(term.split, f"{at}.terms[{j}]")
        yield from (_Read(s, f"{at}.terms[{j}].pairs.{pair}") for pair, s in term.pairs.items())
        if isinstance(term.down_to, str) and term.down_to != "gold":
            yield _Read(term.down_to, f"{at}.terms[{j}].down_to")
    if train.stop:
        yield _Read(train.stop.split, f"{at}.stop")
        if isinstance(train.stop.level, str) and train.stop.level != "gold":
            yield _Read(train.stop.level, f"{at}.stop.level")


def _chosen(kind: str, choice: Choice) -> tuple[registry.Entry, dict[str, object]]:
    return registry.find(kind, choice.name), choice.params
