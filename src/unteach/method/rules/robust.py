"""Rows weighed by how far they are from forgotten."""

from __future__ import annotations

from dataclasses import dataclass
from math import log

import torch
from torch import Tensor

from unteach.errors import RecipeError
from unteach.method.rules.gradients import in_order, sides
from unteach.method.rules.step import Rule, Step, Summand
from unteach.ranges import Positive
from unteach.registry import rule


@dataclass(frozen=True)
class Weighed:
    """A smooth extreme of the rows' losses, and the weight [rows] of each in its gradient."""

    value: float
    weights: Tensor


@rule(source="arXiv:2601.09172")
def dro(*, temperature: Positive = 1.0, worst: bool = True) -> Rule:
    """Distributionally robust forgetting: the rows that lag behind weigh most (BalDRO).

    In place of the mean over rows, each forget term is t log mean exp(L_i / t), a soft maximum. Its
    gradient weighs row i by softmax(L / t)_i, so the least forgotten rows lead. The temperature t is
    in the loss's unit: towards infinity all rows weigh the same, towards 0 one row has it all.

    The released code has the other sign, -t log mean exp(-L_i / t): a soft minimum, which favours
    rows that are forgotten already. That is `worst: false`. The default is the textbook form.

    A row's loss is the mean over its tokens, or the sequence's. Rows whose loss is exactly 0, such
    as those that are `down_to` their level, are left out. The retain terms are as usual. Costs a
    forward pass more for each forget term.

    Raises:
        RecipeError: `temperature` is not above 0.
    """
    if temperature <= 0:
        raise RecipeError(f"dro.temperature is {temperature}; it is above 0.")
    sharpness = (1 if worst else -1) / temperature

    def step(s: Step) -> list[float]:
        two = sides(s)
        values = [_pushed(s, term, sharpness) for term in two.forget]
        return in_order(s, [*two.forget, *two.keep], [*values, *s.backward(*two.keep)])

    return step


def _pushed(s: Step, term: Summand, sharpness: float) -> float:
    losses = s.row_values(term).detach()
    if not losses.any():  # every row is let go: none of them has a gradient
        return 0.0
    weighed = soft_extreme(losses, sharpness)
    s.notes[f"dro.largest.{term.name}"] = float(weighed.weights.max())
    s.backward(term, weights=weighed.weights)
    return weighed.value


def soft_extreme(losses: Tensor, sharpness: float) -> Weighed:
    """The losses' [rows] log mean exp(sharpness x loss) / sharpness, over those that are not 0.

    A soft maximum where the sharpness is above 0, a soft minimum where it is below.
    """
    scaled = torch.where(losses == 0, -torch.inf, sharpness * losses)
    num_rows = int((losses != 0).sum())
    value = (float(scaled.logsumexp(0)) - log(num_rows)) / sharpness
    return Weighed(value, scaled.softmax(0))
