"""Weights from how sure the model is of each token."""

from __future__ import annotations

import torch
from torch import Tensor

from unteach.errors import RecipeError
from unteach.model.scores import Scores
from unteach.ranges import AtLeastZero, Positive, SomeShare
from unteach.registry import weighting


@weighting(source="arXiv:2502.19301")
def confidence(x: Scores, *, power: AtLeastZero = 1.0) -> Tensor:
    """Confidence p ** power, [B, A]: push tokens that are still remembered, leave those that are gone (WGA)."""
    return x.p**power


@weighting(needs=("ref.logp",), source="arXiv:2502.19301")
def wtnpo(x: Scores, *, alpha: AtLeastZero = 1.5, beta: Positive = 4.0) -> Tensor:
    """2 p^(alpha + beta) / (p^beta + p_ref^beta), [B, A]: `tnpo`'s fading and confidence at once.

    For `ascent`. With alpha = 0 that is `tnpo`. The released code adds 1e-5 below the line, which
    also spares tokens that the reference hardly knew; we leave it out.
    """
    return 2 * x.p**alpha * (beta * (x.logp - x.ref.logp)).sigmoid()


@weighting(source="arXiv:2505.11953")
def satimp(x: Scores, *, beta1: AtLeastZero = 5.0, beta2: AtLeastZero = 1.0) -> Tensor:
    """p^beta1 (1 - p)^beta2, [B, A]: saturation and importance at once (SatImp).

    The first factor leaves alone what is forgotten, the second what is so certain that it must be
    grammar. beta2 = 0 is the first alone (SimSat, which is `confidence`), beta1 = 0 the second
    (SimImp). The product is small: with 5 and 1 never above 0.067. Defaults are
    open-unlearning's; the authors advise beta2 = 0.1.

    Raises:
        RecipeError: an exponent is below 0, where a token would weigh infinitely.
    """
    for name, value in (("beta1", beta1), ("beta2", beta2)):
        if value < 0:
            raise RecipeError(
                f"satimp.{name} is {value}, and below 0 a token may weigh infinitely. Give 0 or "
                "more; for p / (1 - p) use the objective unlikelihood."
            )
    rest = -torch.expm1(x.logp.detach())
    return x.p**beta1 * rest**beta2


@weighting(source="arXiv:2505.11953, hard weights")
def most_known(x: Scores, *, share: SomeShare = 0.5, least: bool = False) -> Tensor:
    """1 on the tokens of each answer that the model knows best, 0 on the rest, [B, A].

    `share` of the answer's tokens, rounded, and at least one; with `least` those it knows worst.
    Of tokens that are equally probable the earlier ones are taken.

    Raises:
        RecipeError: `share` is not above 0 and at most 1.
    """
    if not 0 < share <= 1:
        raise RecipeError(f"most_known.share is {share}; it must be above 0 and at most 1.")
    p = torch.where(
        x.mask, x.p, torch.inf if least else -torch.inf
    )  # what is not scored comes last
    order = p.argsort(dim=-1, descending=not least, stable=True)
    rank = order.argsort(dim=-1)
    count = (share * x.length.double() + 0.5).floor().clamp(min=1)
    return (rank < count[:, None]).to(x.logp.dtype)
