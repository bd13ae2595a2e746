"""Distances between the model's next-token distribution and the reference's."""

from __future__ import annotations

from torch import Tensor

from unteach.model.scores import Scores
from unteach.registry import objective


@objective(unit="token", needs=("logits", "ref.logits"), source="arXiv:2502.11190, equation 8")
def kl(x: Scores, *, reverse: bool = False) -> Tensor:
    """KL(reference || model), [B, A] nats; with reverse, KL(model || reference).

    On answer positions only. The ReLearn paper writes the reverse direction, its code computes
    this one and averages it over prompt and padding too; we do not.
    """
    mine, theirs = x.logits.log_softmax(-1), x.ref.logits.log_softmax(-1)
    left, right = (mine, theirs) if reverse else (theirs, mine)
    return (left.exp() * (left - right)).sum(-1)
