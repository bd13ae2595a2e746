"""A loss that stays low around the weights, and not at them alone."""

from __future__ import annotations

from math import sqrt
from typing import Literal

from unteach.method.rules.gradients import dot, in_order, pull, sides
from unteach.method.rules.moved import moved
from unteach.method.rules.step import Rule, Step
from unteach.ranges import AtLeastZero
from unteach.registry import rule


@rule(source="arXiv:2010.01412, arXiv:2502.05374")
def sam(
    *, radius: AtLeastZero = 0.01, side: Literal["forget", "retain", "both"] = "forget"
) -> Rule:
    """Sharpness-aware minimisation: gradient at the worst place near by, step from where we are.

    The gradient of `side` is taken at theta + radius g/|g|, that of the other terms at theta. With
    the forget side, as in the second paper, forgetting is meant to survive small changes of the
    weights, such as relearning. `radius` is a length over all trained weights together. Values are
    those at theta. The side costs twice its passes; holds +1W while the weights are away.
    """

    def step(s: Step) -> list[float]:
        two = sides(s)
        sharp = {"forget": two.forget, "retain": two.keep, "both": list(s.terms)}[side]
        flat = [t for t in s.terms if all(t is not other for other in sharp)]
        here = pull(s, sharp)
        norm = sqrt(dot(here.gradient, here.gradient))
        if norm:
            away = (None if g is None else g.mul_(radius / norm) for g in here.gradient)
            with moved(s.parameters, away):
                there = s.backward(*sharp)
            s.notes["sam.rise"] = sum(
                t.coefficient * (high - low)
                for t, high, low in zip(sharp, there, here.values, strict=True)
            )
        s.notes["sam.norm"] = norm
        return in_order(s, [*sharp, *flat], [*here.values, *s.backward(*flat)])

    return step
