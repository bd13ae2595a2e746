"""Directions that take away from one gradient what opposes another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch

from unteach.errors import RecipeError
from unteach.method.rules.gradients import (
    Gradient,
    both_sides,
    dot,
    in_order,
    leave,
    note_sides,
    pull,
    sides,
)
from unteach.method.rules.step import Rule, Step, Summand
from unteach.ranges import AtLeastZero, Finite, SomeShare
from unteach.registry import rule


@rule(source="BLUR (arXiv:2506.08164), GRU (arXiv:2503.09117)")
def protect(
    *,
    side: Literal["forget", "retain"] = "forget",
    gamma: Finite = 1.0,
    only_if_conflict: bool = False,
    fresh: SomeShare = 1.0,
    plus: AtLeastZero = 0.0,
) -> Rule:
    """One side's progress is guaranteed to first order; the rest of the step is the other's.

    With g the protected side's gradient and o the other's, the step is
    u = o + (gamma - <o,g>/|g|^2) g, so that <u,g> = gamma |g|^2. `only_if_conflict` leaves out a
    bracket below 0: then <u,g> is at least gamma |g|^2. BLUR is side forget, gamma 1; GRU is side
    retain, gamma 0, only_if_conflict, fresh 0.8.

    `fresh` is the share of the new gradient in a moving average that takes g's place; it starts at
    the first step's gradient. `plus` adds that much more of g. The guarantee is of the direction:
    it holds before the optimiser's own scaling, and clipping keeps it up to the length. BLUR's WMDP
    form, whose factor is on the retain gradient, is that factor as the coefficient of the retain
    terms. GRU's clipping of the cosine is left out. Holds +1G, and another G with `fresh` below 1.

    Raises:
        RecipeError: `fresh` is not above 0 and at most 1.
    """
    if not 0 < fresh <= 1:
        raise RecipeError(f"protect.fresh is {fresh}; it is a share above 0 and at most 1.")

    def step(s: Step) -> list[float]:
        two = both_sides(s, "protect")
        forget, keep = pull(s, two.forget), pull(s, two.keep)
        f, k = forget.gradient, keep.gradient
        note_sides(s, dot(f, f), dot(k, k), dot(f, k))
        other, guarded = (k, f) if side == "forget" else (f, k)
        guarded = _averaged(s, guarded, fresh)
        length = dot(guarded, guarded)
        missing = gamma - dot(other, guarded) / length if length else 0.0
        if only_if_conflict:
            missing = max(missing, 0.0)
        s.notes["protect.added"] = missing
        leave(s, [other, guarded], [1, missing + plus])
        return in_order(s, [*two.forget, *two.keep], [*forget.values, *keep.values])

    return step


def _averaged(s: Step, new: Gradient, fresh: float) -> Gradient:
    """The moving average, fresh x new + (1 - fresh) x old; it is kept in the memory."""
    if fresh == 1:
        return new
    found = []
    for i, g in enumerate(new):
        old = s.memory.get(f"protected.{i}")
        if old is None:
            average = g
        elif g is None:
            average = old * (1 - fresh)
        else:
            average = old.to(g).lerp_(g, fresh)
        if average is not None:
            s.memory[f"protected.{i}"] = average
        found.append(average)
    return found


@rule(source="arXiv:2001.06782")
def pcgrad(
    *,
    between: Literal["terms", "sides"] = "terms",
    order: Literal["random", "given"] = "random",
) -> Rule:
    """Sum of the terms' gradients, each freed of what opposes any of the others.

    Gradient i, for every other j in turn: if <g_i,g_j> < 0 it loses <g_i,g_j>/|g_j|^2 g_j. Neither
    side has priority. With more than two the order matters: `random` as in the paper, or that of
    the recipe. `between` sides sums each side first. A pass for each term or side; K of them hold
    +(K-1)G.
    """

    def step(s: Step) -> list[float]:
        groups = [[t] for t in s.terms]
        if between == "sides":
            groups = [group for group in (sides(s).forget, sides(s).keep) if group]
        pulls = [pull(s, group) for group in groups]
        gradients = [p.gradient for p in pulls]
        products = [[dot(a, b) for b in gradients] for a in gradients]
        _note(s, groups, products)
        # a projection mixes the gradients, so it is enough to follow how much of each is in it
        leave(s, gradients, _shares(products, _orders(s, len(groups), order)))
        terms = [t for group in groups for t in group]
        return in_order(s, terms, [v for p in pulls for v in p.values])

    return step


def _orders(s: Step, num: int, order: str) -> list[list[int]]:
    """For each gradient the order in which it meets the others."""
    if order == "given":
        return [list(range(num))] * num
    return [torch.randperm(num, generator=s.generator).tolist() for _ in range(num)]


def _shares(products: Sequence[Sequence[float]], orders: Sequence[Sequence[int]]) -> list[float]:
    """How much of each gradient is in the sum of the projected ones."""
    num = len(products)
    total = [0.0] * num
    for i, order in enumerate(orders):
        share = [float(k == i) for k in range(num)]
        for j in order:
            against = sum(share[k] * products[k][j] for k in range(num))
            if j != i and against < 0:
                share[j] -= against / products[j][j]
        total = [t + x for t, x in zip(total, share, strict=True)]
    return total


def _note(
    s: Step, groups: Sequence[Sequence[Summand]], products: Sequence[Sequence[float]]
) -> None:
    keeps = [group[0].keeps for group in groups]
    num = range(len(groups))

    def of(left: bool, right: bool) -> float:
        return sum(
            products[i][j] for i in num for j in num if (keeps[i], keeps[j]) == (left, right)
        )

    if any(keeps) and not all(keeps):
        note_sides(s, of(False, False), of(True, True), of(False, True))
    s.notes["pcgrad.conflicts"] = float(sum(products[i][j] < 0 for i in num for j in range(i)))
