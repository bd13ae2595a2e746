"""Forgetting that is asked for where an attacker would have brought the model."""

from __future__ import annotations

import torch
from torch import Tensor

from unteach.errors import RecipeError
from unteach.method.rules.gradients import in_order, pull
from unteach.method.rules.moved import moved
from unteach.method.rules.step import Rule, Step
from unteach.ranges import Count, Rate
from unteach.registry import rule


@rule(source="after TAR, arXiv:2408.00761, with the halves of RTT, arXiv:2410.08827")
def relearning(*, lr: Rate = 1e-4, steps: Count = 1, split: str = "forget") -> Rule:
    """Relearn half of the step's forget rows for a moment, and forget the other half from there.

    What comes back of facts that were not relearned is what `relearned_probability` measures. The
    rows of `split` are halved by lot. `steps` steps of `lr` x sign(gradient) of the nll of one half
    are taken, as Adam begins; the gradient of the terms on `split` is computed there, on the other
    half, and used from where we are (to first order, as in the paper). A row is let go `down_to`
    its level only once it stays there under the attack. Values of these terms are those there.
    All other terms are as usual. A batch of fewer than two rows of `split` is forgotten as it is.

    The paper attacks with other data than it protects, in many more steps, and adds a loss that
    holds hidden states. With `steps: 1` a step takes as many passes as without the rule. Holds +1W
    and +1G meanwhile.

    Raises:
        RecipeError: `lr` is not above 0, `steps` is below 1, or no term is on `split`.
    """
    if lr <= 0:
        raise RecipeError(f"relearning.lr is {lr}; it is above 0.")
    if steps < 1:
        raise RecipeError(f"relearning.steps is {steps}; it must be 1 or more.")

    def step(s: Step) -> list[float]:
        attacked = [t for t in s.terms if t.split == split]
        others = [t for t in s.terms if t.split != split]
        if not attacked:
            raise RecipeError(
                f"relearning.split is '{split}', and no term of this stage is on it. Name the split "
                "of the true answers, as in split: forget."
            )
        rows = s.rows[split]
        if rows < 2:
            return s.backward(*s.terms)
        order = torch.randperm(rows, generator=s.generator)
        taught, asked = (
            _shares(rows, half, s.parameters[0].device) for half in order.tensor_split(2)
        )
        again = s.taught(split)
        offsets: list[Tensor | None] = [None] * len(s.parameters)
        for _ in range(steps):
            with moved(s.parameters, offsets):
                here = pull(s, [again], weights=taught)
            offsets = [
                old if g is None else _further(old, g.sign_().mul_(-lr))
                for old, g in zip(offsets, here.gradient, strict=True)
            ]
        with moved(s.parameters, offsets):
            values = [v for t in attacked for v in s.backward(t, weights=asked)]
        s.notes["relearning.nll"] = here.values[0]
        return in_order(s, [*attacked, *others], [*values, *s.backward(*others)])

    return step


def _shares(rows: int, half: Tensor, device: torch.device) -> Tensor:
    """[rows] equal weights of the rows of a half, which add up to 1; 0 for the others."""
    weights = torch.zeros(rows, device=device)
    weights[half] = 1 / len(half)
    return weights


def _further(old: Tensor | None, more: Tensor) -> Tensor:
    return more if old is None else old.add_(more)
