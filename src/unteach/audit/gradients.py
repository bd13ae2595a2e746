"""How strongly a text still pulls at the weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import torch

from unteach.data.batches import collate
from unteach.data.render import Encoding
from unteach.model.processes import gathered, own_share
from unteach.model.scores import score

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def gradient_norms(
    model: PreTrainedModel,
    rows: Sequence[Encoding],
    progress: Callable[[int], None] = lambda done: None,
) -> list[float]:
    """For each row the mean over weight tensors of the L2 norm of its mean token loss's gradient.

    The tensors are averaged, not the weights, as the incumbent does. It switches dropout on by
    mistake; the model is left in evaluation mode here, and no gradient stays behind.
    """
    weights = [p for p in model.parameters() if p.is_floating_point()]
    trained = [p.requires_grad for p in weights]
    was_training = model.training
    model.eval()
    found: dict[int, float] = {}
    try:
        for p in weights:
            p.requires_grad_(True)
        for i in own_share(list(range(len(rows)))):
            scores = score(model, collate([rows[i]], device=model.device))
            loss = -scores.logp.sum() / scores.mask.sum()
            gradients = torch.autograd.grad(loss, weights, allow_unused=True)
            norms = [g.float().norm() for g in gradients if g is not None]
            found[i] = float(torch.stack(norms).mean())
            progress(1)
    finally:
        for p, before in zip(weights, trained, strict=True):
            p.requires_grad_(before)
        model.train(was_training)
    every = gathered(found)
    return [every[i] for i in range(len(rows))]
