"""Gradients of some of the terms, apart from those of the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

import torch
from torch import Tensor

from unteach.errors import RecipeError
from unteach.method.rules.step import Step, Summand

Gradient = Sequence["Tensor | None"]
"""An entry a parameter; None where nothing pulls, which to momentum is not a gradient of 0."""


@dataclass(frozen=True)
class Sides:
    """The terms that remove what goes, and those that protect what stays."""

    forget: list[Summand]
    keep: list[Summand]


def sides(s: Step) -> Sides:
    """The step's terms by side; either may be empty."""
    return Sides([t for t in s.terms if not t.keeps], [t for t in s.terms if t.keeps])


def both_sides(s: Step, name: str) -> Sides:
    """The same, for a rule that has no meaning without both.

    Raises:
        RecipeError: all terms are on one side.
    """
    found = sides(s)
    if not found.forget or not found.keep:
        raise RecipeError(
            f"the rule {name} weighs forgetting against keeping, and all terms of this stage are on "
            "one side. Add a term on a split such as forget or retain, or use weighted_sum."
        )
    return found


@dataclass(frozen=True)
class Pull:
    """What one backward pass gave."""

    values: list[float]
    gradient: Gradient


def pull(s: Step, terms: Sequence[Summand], weights: Tensor | None = None) -> Pull:
    """Values of these terms and their gradient, coefficients included; `.grad` is left empty.

    `weights` as in `step.Backward`.
    """
    values = s.backward(*terms, weights=weights)
    gradient = [p.grad for p in s.parameters]
    for p in s.parameters:
        p.grad = None
    return Pull(values, gradient)


def dot(a: Gradient, b: Gradient) -> float:
    """Product over all parameters; float32 within one, float64 over them."""
    parts = [
        torch.dot(x.flatten(), y.flatten())
        for x, y in zip(a, b, strict=True)
        if x is not None and y is not None
    ]
    return float(torch.stack(parts).cpu().double().sum()) if parts else 0.0


def leave(s: Step, gradients: Sequence[Gradient], factors: Sequence[float]) -> None:
    """Put the sum of factor x gradient into `.grad`; the first gradient's memory is used for it."""
    for p, (first, *rest) in zip(s.parameters, zip(*gradients, strict=True), strict=True):
        p.grad = first if first is None or factors[0] == 1 else first.mul_(factors[0])
        for factor, g in zip(factors[1:], rest, strict=True):
            if g is not None and factor != 0:
                p.grad = g * factor if p.grad is None else p.grad.add_(g, alpha=factor)


def in_order(s: Step, terms: Sequence[Summand], values: Sequence[float]) -> list[float]:
    """Values of these terms, which are all, in the order of the step's."""
    by_term = {id(t): v for t, v in zip(terms, values, strict=True)}
    return [by_term[id(t)] for t in s.terms]


def note_sides(s: Step, forget: float, keep: float, product: float) -> None:
    """Log the norm of each side's gradient and their cosine, from squared norms and product.

    A cosine below 0 says that forgetting and keeping are in conflict. There is none where a side
    does not pull.
    """
    s.notes["norm.forget"], s.notes["norm.retain"] = sqrt(forget), sqrt(keep)
    if forget > 0 and keep > 0:
        s.notes["cosine"] = product / sqrt(forget) / sqrt(keep)
