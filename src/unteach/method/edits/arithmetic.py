"""Sums and means of whole models.

A task vector is what training changed: the weights of a trained model minus the original's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal

import torch
from torch import Tensor

from unteach.errors import RecipeError
from unteach.model.probe import Probe
from unteach.model.reference import mean_probability
from unteach.ranges import AtLeastZero, Finite, InnerShare, Share, SomeShare
from unteach.registry import edit


@edit(source="arXiv:2212.04089")
def negate(probe: Probe, *, of: str, scale: AtLeastZero = 1.0) -> None:
    """Subtract a task vector: theta - scale (theta_of - theta_original).

    `of` is a model that an earlier stage trained to know the forget split better. With a scale of 0
    nothing changes. A large scale takes away more than was meant: find it on retain.
    """
    with torch.no_grad():
        for _, p, (vector,) in _task_vectors(probe, (of,)):
            p.sub_((scale * vector).to(p.dtype))


@edit(source="arXiv:2406.09179", reads=("retain",))
def mix(probe: Probe, *, share: Share | None = None, keep: SomeShare = 0.95) -> dict[str, float]:
    """Go part of the way back: share theta_original + (1 - share) theta (UWC's calibration).

    Without a `share` it is the smallest at which the mean probability of the retain answers is at
    least `keep` of the original's, found by bisection to 1/128: so methods are compared where they
    keep the same. 0 changes nothing, and 1 is the original, which is left where nothing less restores
    retain. What comes back is not retain alone: the fact does too.

    Bisection takes it that retain grows with the share. Costs nine passes over retain.
    """
    original = probe.weights("original")
    if share is None:
        share = _least_share(probe, original, keep)
    with torch.no_grad():
        for name, p in probe.model.named_parameters():
            p.lerp_(original[name].to(p), share)
    return {"share": share}


def _least_share(probe: Probe, original: Mapping[str, Tensor], keep: float) -> float:
    """What `mix` looks for; the weights are put back afterwards."""
    now = {name: p.detach().clone() for name, p in probe.model.named_parameters()}
    rows = probe.rows("retain")

    def retain_at(share: float) -> float:
        with torch.no_grad():
            for name, p in probe.model.named_parameters():
                p.copy_(now[name].lerp(original[name].to(p), share))
        return mean_probability(probe.model, rows, whole=True)

    wanted = keep * retain_at(1.0)
    low, share = 0.0, 0.0 if retain_at(0.0) >= wanted else 1.0
    while share - low > 1 / 128:
        middle = (low + share) / 2
        low, share = (low, middle) if retain_at(middle) >= wanted else (middle, share)
    with torch.no_grad():
        for name, p in probe.model.named_parameters():
            p.copy_(now[name])
    return share


@edit(source="arXiv:2306.01708 (ties), arXiv:2311.03099 (dare)")
def merge(
    probe: Probe,
    *,
    of: tuple[str, ...],
    how: Literal["linear", "ties", "dare"] = "ties",
    weights: tuple[Finite, ...] = (),
    density: InnerShare = 0.5,
) -> None:
    """The original plus several task vectors in one, by PEFT's functions.

    `linear` adds them up by their `weights`. `ties` keeps the largest `density` of each, elects a
    sign for each weight, and averages those that agree. `dare` drops all but a random `density` and
    multiplies the rest by 1 / density. Each parameter by itself. Without `weights` the vectors are
    averaged: 1/n each, and 1 each for `ties`, which averages on its own.

    Whatever this model was before is replaced.
    """
    _check_merge(of, weights, density)
    chosen = weights or (1.0 if how == "ties" else 1 / len(of),) * len(of)
    original = probe.weights("original")
    with torch.no_grad(), torch.random.fork_rng():
        # PEFT draws from the global generator
        torch.manual_seed(int(torch.randint(2**31, (), generator=probe.generator)))
        for name, p, vectors in _task_vectors(probe, of):
            merged = _merged(vectors, torch.tensor(chosen, device=p.device), how, density)
            p.copy_(original[name].to(p).float() + merged)


def _merged(vectors: list[Tensor], weights: Tensor, how: str, density: float) -> Tensor:
    from peft.utils import merge_utils

    if not any(v.any() for v in vectors):  # most parameters, where adapters were trained
        return vectors[0]
    if how == "linear":
        return merge_utils.task_arithmetic(vectors, weights)
    if how == "ties":
        return merge_utils.ties(vectors, weights, density)
    return merge_utils.dare_linear(vectors, weights, density)


def _check_merge(of: tuple[str, ...], weights: tuple[float, ...], density: float) -> None:
    problems = []
    if len(of) < 2:
        problems.append(f"merge.of names {len(of)} models; name at least two.")
    if weights and len(weights) != len(of):
        problems.append(f"merge.weights has {len(weights)} numbers for {len(of)} models.")
    if not 0 < density < 1:
        problems.append(f"merge.density is {density}; it must be between 0 and 1.")
    if problems:
        raise RecipeError(problems)


def _task_vectors(
    probe: Probe, of: tuple[str, ...]
) -> Iterator[tuple[str, torch.nn.Parameter, list[Tensor]]]:
    """Each parameter of the model, with what training each of `of` changed in it, in float32."""
    original, others = probe.weights("original"), [probe.weights(name) for name in of]
    for name, p in probe.model.named_parameters():
        start = original[name].to(p.device).float()
        yield name, p, [other[name].to(p.device).float() - start for other in others]
