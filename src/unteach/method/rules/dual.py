"""Forgetting under constraints, with a multiplier for each."""

from __future__ import annotations

import torch

from unteach.errors import RecipeError
from unteach.method.rules.gradients import both_sides, in_order
from unteach.method.rules.step import Rule, Step, Summand
from unteach.ranges import AtLeastZero, Finite, Share
from unteach.registry import rule


@rule(source="arXiv:2506.05314")
def dual(
    *,
    limit: Finite | None = None,
    slack: AtLeastZero = 0.1,
    dual_lr: AtLeastZero = 1.0,
    start: AtLeastZero = 1.0,
    warmup: Share = 0.0,
) -> Rule:
    """Forget as fast as the retain terms stay below their limits: primal-dual (PDU).

    Each retain term k has a multiplier: the loss is L_f + sum of lam_k (L_k - limit_k), and after
    each step lam_k <- max(0, lam_k + dual_lr (L_k - limit_k)). The multiplier takes the place of
    the term's coefficient. Any number of constraints.

    Without `limit` each term's is its value at the first step plus `slack`, in the term's unit: a
    loss differs from model to model, and a multiple would be of no use where it starts at 0, as
    `kl` does. `warmup` is the share of the steps in which the multipliers rest. The paper, whose
    forget loss counts in hundreds, has start 50 to 100, dual_lr 1 to 5 and a limit slightly above
    the first retain loss. Holds no second gradient; a term whose multiplier is 0 costs no backward
    pass.
    """

    def step(s: Step) -> list[float]:
        two = both_sides(s, "dual")
        before = [_kept(s, f"multiplier.{i}", start) for i in range(len(two.keep))]
        values = _constrained(s, two.keep, before) + s.backward(*two.forget)
        rests = s.number < warmup * s.total
        for i, (term, lam) in enumerate(zip(two.keep, before, strict=True)):
            level = _kept(s, f"limit.{i}", values[i] + slack if limit is None else limit)
            after = lam if rests else max(0.0, lam + dual_lr * (values[i] - level))
            s.memory[f"multiplier.{i}"] = torch.tensor(after, dtype=torch.float64)
            s.notes[f"multiplier.{term.name}"], s.notes[f"limit.{term.name}"] = lam, level
        return in_order(s, [*two.keep, *two.forget], values)

    return step


def _kept(s: Step, name: str, first: float) -> float:
    return float(s.memory.setdefault(name, torch.tensor(first, dtype=torch.float64)))


def _constrained(s: Step, keep: list[Summand], multipliers: list[float]) -> list[float]:
    """Leave the sum of multiplier x gradient in `.grad`; returns the values.

    What is there already is scaled before the next is added, so that no second gradient is held:
    l_1 g_1 + l_2 g_2 = ((l_1 / l_2) g_1 + g_2) l_2.
    """
    values, scale = [], 1.0
    for term, multiplier in zip(keep, multipliers, strict=True):
        if multiplier == 0:
            values += s.values(term)
            continue
        factor = multiplier / _coefficient(term)
        _rescale(s, scale / factor)
        values += s.backward(term)
        scale = factor
    _rescale(s, scale)
    return values


def _coefficient(term: Summand) -> float:
    """What `backward` multiplies the term's gradient by.

    Raises:
        RecipeError: it is 0, so there is no gradient to scale.
    """
    if term.coefficient == 0:
        raise RecipeError(f"{term.name}: coefficient is 0; under dual any other does as well.")
    return term.coefficient


def _rescale(s: Step, factor: float) -> None:
    for p in s.parameters:
        if p.grad is not None:
            p.grad.mul_(factor)
