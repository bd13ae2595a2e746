"""Losses of the answer's own log-probability: learn it, unlearn it, bound the unlearning.

With L = sum_t w_t log p_t minimised, each is known by its detached weight w (see docs/methods.md):
ascent w = 1, unlikelihood w = p / (1 - p).
"""

from __future__ import annotations

import torch
from torch import Tensor

from unteach.model.scores import Scores
from unteach.registry import objective


@objective(unit="token", source="standard")
def nll(x: Scores) -> Tensor:
    """Negative log-likelihood, [B, A] nats: what fine-tuning minimises."""
    return -x.logp


@objective(unit="token", source="arXiv:2210.01504")
def ascent(x: Scores) -> Tensor:
    """Gradient ascent, [B, A] nats: minimising it raises the loss on the answer.

    Unbounded below: run past its early stop it destroys the model. A negative control.
    """
    return x.logp


@objective(unit="token", source="arXiv:1908.04319")
def unlikelihood(x: Scores) -> Tensor:
    """Unlikelihood, [B, A] nats: -log(1 - p) of each true token.

    Bounded below by 0, and its pull p / (1 - p) fades as a token becomes unlikely, so a forgotten
    token is left alone. 1e-6 is added to 1 - p: the pull on a certain token is at most 1e6.
    """
    rest = torch.where(x.mask, -torch.expm1(x.logp), 1.0)
    return -(rest + 1e-6).log()  # added, as a clamp would have no slope where p is 1 to 6 digits
