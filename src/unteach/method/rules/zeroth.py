"""Steps from loss values alone, without a backward pass."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from unteach.errors import RecipeError
from unteach.method.rules.moved import moved
from unteach.method.rules.step import Rule, Step
from unteach.method.rules.sum import weighted_sum
from unteach.ranges import Count, Positive
from unteach.registry import rule


@rule(source="arXiv:2305.17333, arXiv:2510.00761")
def zeroth_order(*, queries: Count = 4, mu: Positive = 1e-3) -> Rule:
    """Slopes along random directions, by differences: (f(x + mu u) - f(x - mu u)) / (2 mu) u.

    The mean over `queries` directions u of independent standard normals, which on average is the
    gradient (of the loss smoothed by mu). Its error is far longer than itself: with n trained weights
    their ratio is about sqrt(n / queries), so it wants many steps or few weights. The second
    paper's u is on the unit sphere: the same directions with another length.

    u is drawn again from its seed and never stored, as in MeZO; but MeZO adds the offsets back,
    and we keep the weights (+1W), so that they return bit for bit. Dropout is off, as both ends of
    a difference must be the same function. Values are means over the places visited. Costs
    2 x queries forward passes of every term; no activations are held.

    Raises:
        RecipeError: `queries` or `mu` is not above 0.
    """
    if queries < 1 or mu <= 0:
        raise RecipeError(
            f"zeroth_order: queries is {queries} and mu {mu}; queries is at least 1, mu above 0."
        )

    def step(s: Step) -> list[float]:
        seeds = torch.randint(2**62, (queries,), generator=s.generator).tolist()
        visited: list[list[float]] = []
        slopes = []
        with _without_dropout(s.model):
            for seed in seeds:
                ahead, behind = (_values_at(s, seed, way * mu) for way in (1, -1))
                slopes.append((_loss(s, ahead) - _loss(s, behind)) / (2 * mu))
                visited += [ahead, behind]
        for seed, slope in zip(seeds, slopes, strict=True):
            for p, u in zip(s.parameters, _direction(s.parameters, seed), strict=True):
                u.mul_(slope / queries)
                p.grad = u if p.grad is None else p.grad.add_(u)
        s.notes["zeroth.slope"] = sum(map(abs, slopes)) / queries
        return [sum(values) / len(visited) for values in zip(*visited, strict=True)]

    return step


@rule(source="arXiv:2510.00761")
def alternate(
    *, first: Count = 20, zeroth: Count = 20, queries: Count = 4, mu: Positive = 1e-3
) -> Rule:
    """First-order steps, then zeroth-order steps, and again: the hybrid of Downgrade to Upgrade.

    `first` and `zeroth` are numbers of steps; a stage whose length is a multiple of their sum ends
    on zeroth-order steps, as the paper has it. The paper gives each kind its own optimiser; here
    both share the stage's, and so its moments. Costs of `weighted_sum` and `zeroth_order` in turn.

    Raises:
        RecipeError: `first` or `zeroth` is below 1, or see `zeroth_order`.
    """
    if first < 1 or zeroth < 1:
        raise RecipeError(f"alternate: first is {first} and zeroth {zeroth}; each is at least 1.")
    kinds = weighted_sum(), zeroth_order(queries=queries, mu=mu)

    def step(s: Step) -> list[float]:
        kind = int(s.number % (first + zeroth) >= first)
        s.notes["zeroth"] = float(kind)
        return kinds[kind](s)

    return step


def _values_at(s: Step, seed: int, distance: float) -> list[float]:
    with moved(s.parameters, (u.mul_(distance) for u in _direction(s.parameters, seed))):
        return s.values(*s.terms)


def _loss(s: Step, values: Sequence[float]) -> float:
    return sum(t.coefficient * v for t, v in zip(s.terms, values, strict=True))


def _direction(parameters: Sequence[Tensor], seed: int) -> Iterator[Tensor]:
    """Standard normals of each parameter's shape, the same for the same seed and device."""
    generator = torch.Generator(parameters[0].device).manual_seed(seed)
    for p in parameters:
        yield torch.randn(p.shape, generator=generator, device=p.device, dtype=p.dtype)


@contextmanager
def _without_dropout(model: nn.Module) -> Iterator[None]:
    was = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(was)
