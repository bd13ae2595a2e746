"""Weights from what the data says matters."""

from __future__ import annotations

from torch import Tensor

from unteach.model.scores import Scores
from unteach.registry import weighting


@weighting(source="arXiv:2505.11953, token importance")
def specific(x: Scores) -> Tensor:
    """1 on the tokens of the answer's entities, 0 on the rest, [B, A]; the whole answer without any.

    The rest of a sentence is grammar that the model needs for everything else it knows.
    """
    return x.specific.to(x.logp.dtype)
