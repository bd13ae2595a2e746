"""Optimisers and the learning rate over a run."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from functools import partial

import torch
from torch import Tensor

from unteach.ranges import AtLeastZero, Count, Positive, Rate, ShareBelowOne
from unteach.registry import optimizer


@optimizer(source="arXiv:1711.05101")
def adamw(
    parameters: Iterable[Tensor],
    *,
    lr: Rate = 1e-5,
    weight_decay: AtLeastZero = 0.0,
    beta1: ShareBelowOne = 0.9,
    beta2: ShareBelowOne = 0.999,
) -> torch.optim.Optimizer:
    """Adam with decoupled weight decay, in torch's fused form (a tenth of the time on a CPU)."""
    return torch.optim.AdamW(
        parameters, lr=lr, weight_decay=weight_decay, betas=(beta1, beta2), fused=True
    )


@optimizer(source="standard")
def sgd(
    parameters: Iterable[Tensor], *, lr: Rate = 1e-2, momentum: ShareBelowOne = 0.0
) -> torch.optim.Optimizer:
    """Stochastic gradient descent."""
    return torch.optim.SGD(parameters, lr=lr, momentum=momentum)


@optimizer(source="arXiv:1802.04434")
def signsgd(
    parameters: Iterable[Tensor],
    *,
    lr: Rate = 1e-5,
    momentum: ShareBelowOne = 0.0,
    weight_decay: AtLeastZero = 0.0,
) -> torch.optim.Optimizer:
    """The sign of the gradient, or of its moving average: each weight moves by the rate.

    One bit a weight: the coarsest of the first-order optimisers in Downgrade to Upgrade
    (arXiv:2510.00761). With momentum it is Signum. The length of the gradient has no effect, so
    clipping has none, and weights move as much where there is next to nothing to gain. Holds one
    number a weight with momentum, none without.
    """
    return Bounded(parameters, partial(_signsgd, momentum=momentum), lr, weight_decay)


@optimizer(source="arXiv:2302.06675")
def lion(
    parameters: Iterable[Tensor],
    *,
    lr: Rate = 1e-5,
    weight_decay: AtLeastZero = 0.0,
    beta1: ShareBelowOne = 0.9,
    beta2: ShareBelowOne = 0.99,
) -> torch.optim.Optimizer:
    """Lion: the sign of a mix of gradient and momentum, which then forgets more slowly.

    Each weight moves by the rate, so the rate is 3 to 10 times smaller than Adam's, as its authors
    say. Holds one number a weight, where Adam holds two.
    """
    return Bounded(parameters, partial(_lion, beta1=beta1, beta2=beta2), lr, weight_decay)


@optimizer(source="SOUL (arXiv:2404.18239), Sophia (arXiv:2305.14342)")
def sophia(
    parameters: Iterable[Tensor],
    *,
    lr: Rate = 5e-6,
    weight_decay: AtLeastZero = 0.1,
    beta1: ShareBelowOne = 0.9,
    beta2: ShareBelowOne = 0.95,
    rho: AtLeastZero = 0.04,
    tokens: Positive = 5120.0,
    every: Count = 10,
) -> torch.optim.Optimizer:
    """Sophia as SOUL uses it: momentum over curvature, each weight moving by at most the rate.

    m <- beta1 m + (1 - beta1) g and, in the first step and then once in `every` steps,
    h <- beta2 h + (1 - beta2) g^2; the step is sign(m) min(|m| / (rho tokens h), 1). `tokens` is the
    factor for the size of a batch, 5120 in SOUL's code. With rho 0 it is `signsgd` with momentum.

    h is the squared gradient of the loss itself, an empirical Fisher, as in SOUL's code; Sophia
    samples labels from the model. SOUL's code updates m twice a step; here it is once. Clipping the
    gradient scales h by the square. Holds two numbers a weight, as Adam.
    """
    direction = partial(_sophia, beta1=beta1, beta2=beta2, scale=rho * tokens, every=every)
    return Bounded(parameters, direction, lr, weight_decay)


Direction = Callable[[dict[str, Tensor], Tensor], Tensor]
"""(a parameter's state, its gradient) -> where to go, each entry from -1 to 1; updates the state."""


class Bounded(torch.optim.Optimizer):
    """Decoupled weight decay, then a step of at most the rate in each weight.

    All state is tensors, as checkpoints hold nothing else.
    """

    def __init__(
        self, parameters: Iterable[Tensor], direction: Direction, lr: float, weight_decay: float
    ) -> None:
        super().__init__(parameters, {"lr": lr, "weight_decay": weight_decay})
        self.direction = direction

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Move every parameter that has a gradient."""
        assert closure is None, "gradients are ready when this is called"
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    way = self.direction(self.state[p], p.grad)
                    p.mul_(1 - group["lr"] * group["weight_decay"])
                    p.add_(way, alpha=-group["lr"])


def _signsgd(state: dict[str, Tensor], g: Tensor, *, momentum: float) -> Tensor:
    return _average(state, "m", g, momentum).sign() if momentum else g.sign()


def _lion(state: dict[str, Tensor], g: Tensor, *, beta1: float, beta2: float) -> Tensor:
    old = state.get("m", torch.zeros_like(g))
    way = old.lerp(g, 1 - beta1).sign_()
    _average(state, "m", g, beta2)
    return way


def _sophia(
    state: dict[str, Tensor], g: Tensor, *, beta1: float, beta2: float, scale: float, every: int
) -> Tensor:
    m = _average(state, "m", g, beta1)
    step = state.setdefault("step", torch.zeros(()))
    if step.item() % every == 0:
        _average(state, "h", g * g, beta2)
    step += 1
    return (m / (scale * state["h"] + 1e-15)).clamp_(-1, 1)


def _average(state: dict[str, Tensor], name: str, new: Tensor, beta: float) -> Tensor:
    """Update beta x old + (1 - beta) x new, from 0."""
    if name not in state:
        state[name] = torch.zeros_like(new)
    return state[name].lerp_(new, 1 - beta)


def schedule_factor(schedule: str, warmup: float, step: int, steps: int) -> float:
    """What the learning rate is multiplied by at `step` of `steps`: 0 to 1.

    A function of the step alone, so that a resumed run needs no state for it.
    """
    rise = warmup * steps
    if step < rise:
        return (step + 1) / (rise + 1)
    progress = (step - rise) / max(steps - rise, 1)
    if schedule == "linear":
        return 1.0 - progress
    if schedule == "cosine":
        return 0.5 * (1.0 + math.cos(math.pi * progress))
    return 1.0
