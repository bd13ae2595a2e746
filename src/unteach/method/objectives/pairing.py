"""Which token of a paired answer stands for which of a row's own."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import SequenceMatcher

import torch
from torch import Tensor

from unteach.model.scores import Scores


def matched(mine: Sequence[int], theirs: Sequence[int]) -> list[tuple[int, int]]:
    """Places of the tokens that two answers share, by their ids and in order: (in one, in the other)."""
    # without autojunk: it would pass over frequent tokens of long answers
    blocks = SequenceMatcher(None, mine, theirs, False).get_matching_blocks()
    return [(block.a + k, block.b + k) for block in blocks for k in range(block.size)]


def partners(x: Scores, other: Scores) -> Tensor:
    """[B, A] the column of the paired row that stands for each scored token; -1 where none does."""
    partner = torch.full(x.mask.shape, -1, dtype=torch.long)
    for row, (mine, theirs) in enumerate(zip(_scored(x), _scored(other), strict=True)):
        for at, there in matched(mine, theirs):
            partner[row, at] = there
    return partner.to(x.mask.device)


def _scored(x: Scores) -> list[list[int]]:
    """Ids of each row's scored tokens."""
    return [ids[mask].tolist() for ids, mask in zip(x.targets, x.mask, strict=True)]
