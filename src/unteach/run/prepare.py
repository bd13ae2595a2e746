"""All that can go wrong before a model is loaded, and what the run then works with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from unteach import recipe as recipes
from unteach.data import checks, sources, templates
from unteach.data.examples import Example, Splits, read_jsonl
from unteach.data.render import Renderer
from unteach.errors import DataError, ModelError
from unteach.recipe import Recipe
from unteach.run.folder import RunFolder
from unteach.run.readers import readers

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
        ModelError: the model cannot be found, or its tokenizer or chat template is not usable.
        DeviceError: the device asked for is absent.
    """
    splits = sources.read(recipe.data, root)
    from unteach.model.load import device, limits_of, load_tokenizer, locate

    options = load_options(recipe)
    device(options.device)
    if recipe.generate == "vllm":
        from unteach.model import vllm

        vllm.require()
    base = locate(recipe.model, options)
    renderer = Renderer(load_tokenizer(base, options), recipe.data.system)
    templates.require_sound(renderer.tokenizer, recipe.model)
    limits = limits_of(base, options)

    def count(example: Example) -> int:
        ids = renderer.encode(example).ids
        limits.require_known(ids, recipe.model)
        return len(ids)

    most, what = recipe.data.max_tokens, "data.max_tokens is"
    if limits.context is not None and limits.context < most:
        most, what = limits.context, "the model's context is"
    long = checks.too_long(splits, count, most, what)
    warnings = checks.require_clean(splits, dict(readers(recipe)), also=long)
    return Prepared(recipe, splits, renderer, base, options, warnings)


def prepare_again(folder: RunFolder) -> Prepared:
    """A run as it was prepared: the rows are its own folder's, wherever that is by now.

    Raises:
        DataError: rows are gone, or the model is not the one that the run began with.
        ModelError: as `prepare`.
    """
    from unteach.model.load import load_tokenizer

    recipe = recipes.read(folder.recipe)
    record = folder.read_record()
    splits = {}
    for name in record["splits"]:
        path = folder.data / f"{name}.jsonl"
        if not path.is_file():
            raise DataError(f"{path}: the rows of this run are gone. Put the file back.")
        splits[name] = read_jsonl(path)
    options = load_options(recipe)
    base = _located_again(folder, recipe, record["model"], options)
    renderer = Renderer(load_tokenizer(base, options), recipe.data.system)
    return Prepared(recipe, splits, renderer, base, options, ())


def _located_again(
    folder: RunFolder, recipe: Recipe, record: Mapping[str, str], options: LoadOptions
) -> ModelPlace:
    """The model of the recipe, whose path may have been relative to another current directory."""
    from unteach.model.load import locate

    whole = record.get("place") or ""
    name = whole if whole and not Path(recipe.model).exists() and Path(whole).exists() else None
    base = locate(name or recipe.model, options)
    if base.key != record["key"]:
        raise DataError(
            f"{folder.path}: the model {recipe.model} is not the one this run began with: its files "
            "have changed since. Put those back."
        )
    return base


def load_options(recipe: Recipe) -> LoadOptions:
    """How the recipe has its models loaded."""
    from unteach.model.load import LoadOptions

    return LoadOptions(recipe.device, recipe.dtype, recipe.trust_remote_code, recipe.allow_pickle)


def require_same_tokens(ready: Prepared, place: ModelPlace, role: str) -> None:
    """Refuse a model that would read the rows in other tokens: its numbers could not be compared.

    Raises:
        ModelError: its tokenizer or chat template differs from the run's.
    """
    from unteach.model.load import load_tokenizer

    own = Renderer(load_tokenizer(place, ready.options), ready.recipe.data.system)
    rows = [row for examples in ready.splits.values() for row in examples[:ROWS_COMPARED]]
    if any(own.encode(row) != ready.renderer.encode(row) for row in rows):
        raise ModelError(
            f"{role} {place.path}: its tokenizer or chat template writes the same rows in other tokens "
            f"than that of {ready.recipe.model}, so their numbers cannot be compared. Name models of one "
            "family with one template."
        )


ROWS_COMPARED = 3
"""Rows of each split that show whether two models read in the same tokens."""
