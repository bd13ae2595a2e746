"""Several answers to each of several questions in one pass, every question read once.

The prompts of a batch pass through the model together; their keys and values are then copied to
each answer's row. What all prompts start with (a system message) passes once. All numbers stay as
they are, up to the rounding of a batched product.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from transformers import DynamicCache

from unteach.data.render import Encoding
from unteach.model.scores import only_positions, shared_cache

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def forked_logits(
    model: PreTrainedModel, rows: Sequence[Encoding], prompt_of: Sequence[int]
) -> Tensor:
    """Logits [N, V] of the scored positions of all rows, row by row.

    Rows with one number in `prompt_of` have one prompt: the same ids before `start`. The model must
    be one that can share a prefix.
    """
    device = model.device
    numbers = {number: at for at, number in enumerate(dict.fromkeys(prompt_of))}
    prompts: dict[int, Sequence[int]] = {}
    for row, number in zip(rows, prompt_of, strict=True):
        prompts.setdefault(numbers[number], row.ids[: row.start - 1])
    cache, mask = prompt_cache(model, list(prompts.values()))
    chosen = torch.tensor([numbers[number] for number in prompt_of], device=device)
    cache.batch_select_indices(chosen)
    # the last token of the prompt goes with the answer: it predicts the answer's first token
    tails = [row.ids[row.start - 1 :] for row in rows]
    longest = max(map(len, tails))
    ids = torch.zeros((len(tails), longest), dtype=torch.long)
    inside = torch.zeros_like(ids)
    for i, tail in enumerate(tails):
        ids[i, : len(tail)] = torch.tensor(tail)
        inside[i, : len(tail)] = 1
    before = mask[chosen]
    whole = torch.cat([before, inside.to(device)], dim=1)
    positions = before.sum(-1, keepdim=True) + torch.arange(longest, device=device)
    scored_rows, columns = inside[:, 1:].to(device).nonzero(as_tuple=True)
    with only_positions(model, scored_rows, columns) as narrowed:
        logits = model(
            input_ids=ids.to(device),
            attention_mask=whole,
            position_ids=positions,
            past_key_values=cache,
            use_cache=True,
        ).logits
    return logits.squeeze(0) if narrowed else logits[scored_rows, columns]


def prompt_cache(
    model: PreTrainedModel, prompts: Sequence[Sequence[int]]
) -> tuple[DynamicCache, Tensor]:
    """Keys and values of every prompt, a row each, and the mask [Q, P] of their tokens."""
    start = opened(model, prompts)
    none = torch.zeros(1, dtype=torch.long, device=model.device)
    with only_positions(model, none, none):
        model(
            input_ids=start.ids,
            attention_mask=start.mask,
            position_ids=start.positions,
            past_key_values=start.cache,
            use_cache=True,
        )
    return start.cache, start.mask


@dataclass(frozen=True)
class Opened:
    """Prompts of which the tokens that all start with have passed; the rest is to pass yet."""

    cache: DynamicCache
    ids: Tensor  # [Q, L] padded on the left, so that all rows go on at one column
    mask: Tensor  # [Q, P] of what has passed and of `ids`
    positions: Tensor  # [Q, L]


def opened(model: PreTrainedModel, prompts: Sequence[Sequence[int]]) -> Opened:
    """Let the common start of the prompts pass once, where the model can share it."""
    device = model.device
    shared = num_shared(prompts)
    start = torch.tensor([list(prompts[0][:shared])], dtype=torch.long, device=device)
    cache = shared_cache(model, start, len(prompts))
    if cache is None:
        cache, shared = DynamicCache(config=model.config), 0
    ids, mask = left_padded([prompt[shared:] for prompt in prompts], shared, device)
    positions = (mask.cumsum(-1) - 1).clamp(min=0)[:, -ids.shape[1] :]
    return Opened(cache, ids, mask, positions)


def num_shared(prompts: Sequence[Sequence[int]]) -> int:
    """Tokens that all prompts start with, leaving each its last one."""
    limit = min(map(len, prompts)) - 1
    columns = zip(*(prompt[:limit] for prompt in prompts), strict=True)
    return next((i for i, column in enumerate(columns) if len(set(column)) > 1), limit)


def left_padded(
    rows: Sequence[Sequence[int]], before: int, device: torch.device
) -> tuple[Tensor, Tensor]:
    """Ids [B, L] padded on the left, so that all rows go on at one column, and their mask.

    The mask [B, before + L] covers the `before` tokens that the cache holds already.
    """
    longest = max(map(len, rows))
    ids = torch.zeros((len(rows), longest), dtype=torch.long)
    mask = torch.ones((len(rows), before + longest), dtype=torch.long)
    for i, row in enumerate(rows):
        ids[i, longest - len(row) :] = torch.tensor(row)
        mask[i, before : before + longest - len(row)] = 0
    return ids.to(device), mask.to(device)
