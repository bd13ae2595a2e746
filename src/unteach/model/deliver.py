"""A model to a plain folder, and the proof that the folder holds it."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from unteach.errors import DivergedError, ModelError
from unteach.model import fingerprint, weights
from unteach.model.load import Loaded, LoadOptions, load, locate, save

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


def deliver(loaded: Loaded, name: str, folder: Path, options: LoadOptions) -> Loaded:
    """Write a whole model, and return what the folder holds, loaded again: that is what was made.

    Its weights are rounded first, see `as_stored`. `loaded` is used up: two models at once may not
    fit.

    Raises:
        ModelError: what was loaded again is not what was written; the folder is removed.
    """
    as_stored(loaded)
    written = fingerprint.of_weights(loaded.model)
    write(loaded.model, loaded.tokenizer, folder)
    loaded.model.to("meta")
    try:
        return loaded_again(name, folder, written, options)
    except ModelError:
        shutil.rmtree(folder)
        raise


def loaded_again(name: str, folder: Path, written: str, options: LoadOptions) -> Loaded:
    """The model of a folder whose weights have this fingerprint.

    Raises:
        ModelError: they have another one, or cannot be loaded.
    """
    again = load(replace(locate(str(folder), options), name=name), options)
    if fingerprint.of_weights(again.model) != written:
        raise ModelError(
            f"{folder}: what was saved, loaded again, is not the model that was unlearned, so nothing was "
            "audited. Please report which model it is; save_model: false audits the model in memory."
        )
    return again


def as_stored(loaded: Loaded) -> None:
    """Round the weights to the number type of the files that the model was read from, if smaller.

    So a checkpoint in bfloat16 does not come out at twice its size, and what is measured is what
    the saved numbers say.

    Raises:
        DivergedError: a weight is too large for that type.
    """
    stored = weights.number_type(loaded.place.weight_files())
    if stored is None:
        return
    for name, p in loaded.model.named_parameters():
        if p.is_floating_point() and stored.itemsize < p.dtype.itemsize:
            p.data = p.data.to(stored)
            if not p.data.isfinite().all():
                raise DivergedError(
                    f"{name} holds numbers that are too large for {stored}, in which the checkpoint is "
                    "kept. Lower the learning rate."
                )


def write(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
    """`save`, which replaces what is in the folder once it is whole."""
    unfinished = folder.with_name(f"{folder.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    save(model, tokenizer, unfinished)
    shutil.rmtree(folder, ignore_errors=True)
    unfinished.replace(folder)
