"""Rows of token ids as tensors, and which rows meet in one step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from unteach.data.render import Encoding

if TYPE_CHECKING:
    import torch
    from torch import Tensor


@dataclass(frozen=True)
class Batch:
    """Right-padded rows. Position j - 1 scores token j, for j in [start, length)."""

    input_ids: Tensor  # [B, L]
    attention_mask: Tensor  # [B, L]
    start: Tensor  # [B] first scored token of each row
    length: Tensor  # [B] tokens of each row
    specific: Tensor  # [B, A] bool, of the scored tokens; A is the most of any row
    index: tuple[int, ...]  # row numbers in the split
    prefix: int  # leading tokens, none of them scored, that all rows share

    @property
    def num_scored(self) -> Tensor:
        return self.length - self.start


def collate(
    rows: Sequence[Encoding],
    index: Sequence[int] | None = None,
    *,
    pad: int = 0,
    device: torch.device | str = "cpu",
) -> Batch:
    """Rows padded on the right to the longest of them."""
    import torch

    longest = max(len(row.ids) for row in rows)
    ids = torch.full((len(rows), longest), pad, dtype=torch.long)
    mask = torch.zeros((len(rows), longest), dtype=torch.long)
    specific = torch.zeros((len(rows), max(len(row.specific) for row in rows)), dtype=torch.bool)
    for i, row in enumerate(rows):
        specific[i, : len(row.specific)] = torch.tensor(row.specific)
        ids[i, : len(row.ids)] = torch.tensor(row.ids)
        mask[i, : len(row.ids)] = 1
    return Batch(
        input_ids=ids.to(device),
        attention_mask=mask.to(device),
        start=torch.tensor([row.start for row in rows], device=device),
        length=torch.tensor([len(row.ids) for row in rows], device=device),
        specific=specific.to(device),
        index=tuple(range(len(rows))) if index is None else tuple(index),
        prefix=shared_prefix(rows),
    )


def by_length(rows: Sequence[Sequence[int]], size: int) -> list[list[int]]:
    """Row numbers in batches of similar length, longest first, so that memory peaks at once."""
    order = sorted(range(len(rows)), key=lambda i: -len(rows[i]))
    return [order[at : at + size] for at in range(0, len(order), size)]


def rows_of_step(num_rows: int, batch: int, step: int, seed: int) -> list[int]:
    """Row numbers that a split gives to a step: pass after pass, each in a fresh random order.

    A pure function of its arguments, so a resumed run sees the same rows.
    """
    import torch

    taken: list[int] = []
    at = step * batch
    while len(taken) < batch:
        turn, offset = divmod(at, num_rows)
        order = torch.randperm(
            num_rows, generator=torch.Generator().manual_seed(seed * 1_000_003 + turn)
        )
        part = order[offset : offset + batch - len(taken)].tolist()
        taken += part
        at += len(part)
    return taken


def shared_prefix(rows: Sequence[Encoding]) -> int:
    """Longest common start that leaves the position before the first scored token to each row."""
    limit = min(row.start for row in rows) - 1
    first = rows[0].ids
    for at in range(max(limit, 0)):
        if any(row.ids[at] != first[at] for row in rows):
            return at
    return max(limit, 0)
