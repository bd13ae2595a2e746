"""Which token of a paired answer stands for which of a row's own."""

from __future__ import annotations

from difflib import SequenceMatcher

import torch
from torch import Tensor

from unteach.model.scores import Scores


def partners(x: Scores, other: Scores) -> Tensor:
    """[B, A] the column of the paired row that stands for each scored token; -1 where none does.

    Tokens of the two answers are matched by their ids, in order.
    """
    partner = torch.full(x.mask.shape, -1, dtype=torch.long)
    for row, (mine, theirs) in enumerate(zip(_scored(x), _scored(other), strict=True)):
        # without autojunk: it would pass over frequent tokens of long answers
        for at, there, size in SequenceMatcher(None, mine, theirs, False).get_matching_blocks():
            partner[row, at : at + size] = torch.arange(there, there + size)
    return partner.to(x.mask.device)


def _scored(x: Scores) -> list[list[int]]:
    """Ids of each row's scored tokens."""
    return [ids[mask].tolist() for ids, mask in zip(x.targets, x.mask, strict=True)]
