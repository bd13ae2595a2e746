"""What a model holds in mind of a text: its own states, averaged."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from unteach.data.batches import by_length, collate
from unteach.data.render import Encoding
from unteach.model.blocks import blocks, reading

if TYPE_CHECKING:
    from transformers import PreTrainedModel


@torch.no_grad()
def mean_states(
    model: PreTrainedModel, prompts: Sequence[Sequence[int]], size: int = 32
) -> NDArray[np.float64]:
    """[n, D] the mean over a prompt's tokens of what the middle block gives out.

    The middle, as the last blocks' states are about the next word rather than about the text.
    """
    middle = len(blocks(model)) // 2
    found: dict[int, NDArray[np.float64]] = {}
    kept: dict[int, torch.Tensor] = {}
    rows = [Encoding(tuple(ids), start=len(ids), specific=()) for ids in prompts]  # none is scored
    for index in by_length(prompts, size):
        batch = collate([rows[i] for i in index], index, device=model.device)
        mask = batch.attention_mask
        with reading(model, {middle}, kept):
            model(input_ids=batch.input_ids, attention_mask=mask, use_cache=False)
        states = kept[middle].float() * mask[..., None]
        means = (states.sum(1) / mask.sum(1, keepdim=True)).double().cpu().numpy()
        found.update(zip(index, means, strict=True))
    return np.stack([found[i] for i in range(len(prompts))])
