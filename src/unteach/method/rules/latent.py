"""Forgetting that holds when a hidden state is pushed towards the answer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor

from unteach.data.batches import Batch
from unteach.method.rules.gradients import in_order, sides
from unteach.method.rules.step import Rule, Step
from unteach.model.blocks import block_number, pushed
from unteach.model.scores import score
from unteach.ranges import AtLeastZero, Count, Positive
from unteach.registry import rule

if TYPE_CHECKING:
    from transformers import PreTrainedModel


@rule(source="arXiv:2407.15549")
def latent(
    *,
    layer: AtLeastZero = 0.25,
    radius: AtLeastZero = 2.0,
    steps: Count = 16,
    attack_lr: Positive = 0.05,
    where: Literal["prompt", "all"] = "prompt",
    splits: tuple[str, ...] = ("forget",),
) -> Rule:
    """Latent adversarial training (LAT): forget under the hidden perturbation that recalls most.

    For each batch of forget rows, a perturbation of the output of block `layer` is found by `steps`
    of projected gradient descent (Adam, rate `attack_lr`, from 0), at most `radius` long at every
    position, which makes the true answer likely. The forget terms are then minimised under it, held
    still; the retain terms without it. `layer` below 1 is a share of the depth.

    `splits` holds true answers; the answers of other forget splits, as `forget_idk`, are
    replacements and are attacked the other way. `where` is the question's positions, or all.
    `radius` is in the units of the hidden state, whose length differs from model to model: the log's
    `attack.gain` says how many nats a token the attack won. The paper may perturb several blocks at
    once, and replacements and truths by the same perturbation; here it is one block, and each split
    has its own. Rows that a term pairs with these are attacked towards their own answers.

    Costs `steps` forward passes and backward passes down to the block, beside the usual ones.
    """

    def step(s: Step) -> list[float]:
        two = sides(s)
        true = [t for t in two.forget if t.split in splits]
        replaced = [t for t in two.forget if t.split not in splits]
        number = block_number(s.model, layer)
        towards = Attack(s.model, number, radius, steps, attack_lr, where)
        values = s.backward(*true, around=towards) if true else []
        if replaced:
            values += s.backward(*replaced, around=replace(towards, way=-1, gains=[]))
        if towards.gains:
            s.notes["attack.gain"] = sum(towards.gains) / len(towards.gains)
        return in_order(s, [*true, *replaced, *two.keep], values + s.backward(*two.keep))

    return step


@dataclass(frozen=True)
class Attack:
    """Entered around a forward pass: it runs under the worst perturbation that was found."""

    model: PreTrainedModel
    number: int
    radius: float
    steps: int
    lr: float
    where: str
    way: int = 1  # 1 makes the scored tokens likely, -1 unlikely
    gains: list[float] = field(default_factory=list)  # nats a token, one a pass

    @contextmanager
    def __call__(self, batch: Batch) -> Iterator[None]:
        delta = self.found(replace(batch, prefix=0))
        with pushed(self.model, self.number, delta.to(self.model.dtype)):
            yield

    def found(self, batch: Batch) -> Tensor:
        """[B, T, D] the perturbation, without gradient; 0 where there must be none."""
        width = self.model.config.get_text_config().hidden_size
        place = torch.arange(batch.input_ids.shape[1], device=batch.input_ids.device)
        end = batch.start if self.where == "prompt" else batch.length
        allowed = (place < end[:, None])[..., None]  # [B, T, 1]
        shape = (*batch.input_ids.shape, width)
        delta = torch.zeros(shape, device=allowed.device, requires_grad=True)
        optimizer = torch.optim.Adam([delta], lr=self.lr)
        losses = []
        for _ in range(self.steps):
            with pushed(self.model, self.number, (delta * allowed).to(self.model.dtype)):
                loss = -self.way * score(self.model, batch).logp.sum()
            (delta.grad,) = torch.autograd.grad(loss, delta)  # the weights get none
            losses.append(loss.detach())
            optimizer.step()
            with torch.no_grad():
                length = delta.norm(dim=-1, keepdim=True).clamp(min=1e-12)
                delta *= (self.radius / length).clamp(max=1)
        if losses:
            self.gains.append(float((losses[0] - losses[-1]) / batch.num_scored.sum()))
        return (delta * allowed).detach()
