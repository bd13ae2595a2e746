"""Weights from how sure the model is of each token."""

from __future__ import annotations

from torch import Tensor

from unteach.model.scores import Scores
from unteach.registry import weighting


@weighting(source="arXiv:2502.19301")
def confidence(x: Scores, *, power: float = 1.0) -> Tensor:
    """Confidence p ** power, [B, A]: push tokens that are still remembered, leave those that are gone (WGA)."""
    return x.p**power
