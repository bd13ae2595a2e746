"""All that can go wrong before a model is loaded, and what the run then works with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from unteach.data import checks, sources
from unteach.data.examples import Splits
from unteach.data.render import Renderer
from unteach.recipe import Recipe
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
