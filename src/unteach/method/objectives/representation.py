"""Losses of the hidden states of one block: steer them away, or hold them where they were.

Only the blocks up to `layer` are run, forwards and backwards. `layer` counts from 0; a share below 1 is
that share of the model's depth.
"""

from __future__ import annotations

import torch
from torch import Tensor

from unteach.model.scores import Scores
from unteach.ranges import AtLeastZero, Positive, Seed
from unteach.registry import objective


@objective(unit="token", needs=("hidden.{layer}",), source="arXiv:2403.03218")
def random_direction(
    x: Scores,
    *,
    layer: AtLeastZero = 0.22,
    scale: Positive = 6.5,
    seed: Seed = 0,
    isotropic: bool = False,
) -> Tensor:
    """RMU's forget loss, [B, A] squared: distance of a hidden state from scale x a random direction.

    mean over D of (h - scale u)^2, |u| = 1; u depends on `seed` alone. As in the released code, its
    coordinates are uniform on [0, 1), so all are positive; `isotropic` draws them from a normal
    distribution, so that every direction is equally likely.

    `scale` is in the units of the hidden states, and those differ between models: 6.5 was chosen
    for Zephyr 7B, 2 is used on TOFU. Above the usual norm of a state it confuses later blocks,
    below it shrinks the state. `adaptive_direction` looks at the norm itself.
    """
    h = x.hidden(layer)
    return _squared(x, h - scale * _direction(h, seed, isotropic))


@objective(unit="token", needs=("hidden.{layer}", "ref.hidden.{layer}"), source="arXiv:2408.06223")
def adaptive_direction(
    x: Scores,
    *,
    layer: AtLeastZero = 0.22,
    scale: Positive = 5.0,
    seed: Seed = 0,
    isotropic: bool = False,
) -> Tensor:
    """Adaptive RMU's forget loss, [B, A] squared: the direction, as long as the model's own states.

    mean over D of (h - scale |h_ref| u)^2, with u as in `random_direction`. So `scale` means the
    same in every layer and model: 5 is five times as long as the state was.

    The norm is of each token's own state; the released code takes the mean of the first batch.
    """
    h, norm = x.hidden(layer), x.ref.hidden(layer).norm(dim=-1, keepdim=True)
    return _squared(x, h - scale * norm * _direction(h, seed, isotropic))


@objective(unit="token", needs=("hidden.{layer}", "ref.hidden.{layer}"), source="arXiv:2403.03218")
def keep_states(x: Scores, *, layer: AtLeastZero = 0.22) -> Tensor:
    """RMU's retain loss, [B, A] squared: distance of a hidden state from the reference's.

    mean over D of (h - h_ref)^2. It protects one block's output on these tokens; what later blocks do
    with it is protected only while they stay as they are.
    """
    return _squared(x, x.hidden(layer) - x.ref.hidden(layer))


def _squared(x: Scores, gap: Tensor) -> Tensor:
    """[B, A] mean of squares over the width, 0 where not scored."""
    return torch.where(x.mask, gap.square().mean(-1), 0.0)


def _direction(states: Tensor, seed: int, isotropic: bool) -> Tensor:
    """[D] of length 1, the same for every batch, device and process."""
    draw = torch.randn if isotropic else torch.rand
    u = draw(states.shape[-1], generator=torch.Generator().manual_seed(seed))
    return (u / u.norm()).to(states)
