"""Term = split x objective x weighting x coefficient, ready to run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from unteach import recipe, registry
from unteach.model.scores import Scores
from unteach.registry import Unit


@dataclass(frozen=True)
class Term:
    """One summand of the loss.

    `level` is a probability: a row is not pushed on once the specific part of its answer is no more
    probable than that.
    """

    name: str
    split: str
    objective: Callable[[Scores], Tensor]
    unit: Unit
    needs: frozenset[str] = frozenset()
    weighting: Callable[[Scores], Tensor] | None = None
    coefficient: float = 1.0
    level: float | None = None


def from_recipe(term: recipe.Term, levels: Mapping[float | str, float]) -> Term:
    """A recipe's term with its functions loaded and its level looked up in `levels`."""
    entry = registry.find("objective", term.objective.name)
    params = registry.check("objective", entry.name, term.objective.params, "objective")
    needs = frozenset(entry.facts["needs"])
    weigh: Callable[[Scores], Tensor] | None = None
    name = f"{term.split}.{entry.name}"
    if term.weighting:
        weighting = registry.find("weighting", term.weighting.name)
        chosen = registry.check("weighting", weighting.name, term.weighting.params, "weighting")
        weigh = partial(weighting.load(), **chosen)
        needs |= frozenset(weighting.facts["needs"])
        name += f".{weighting.name}"
    return Term(
        name=name,
        split=term.split,
        objective=partial(entry.load(), **params),
        unit=entry.facts["unit"],
        needs=needs,
        weighting=weigh,
        coefficient=term.coefficient,
        level=None if term.down_to is None else levels[term.down_to],
    )


def total(term: Term, scores: Scores) -> Tensor:
    """The term's unreduced loss summed over tokens or rows, without its coefficient: a scalar.

    It carries no gradient when every row is at its level already: no backward pass is then spent.
    """
    gate = None if term.level is None else scores.specific_p > term.level
    if gate is not None and not gate.any():
        return scores.logp.new_zeros(())
    loss = term.objective(scores)
    expected = scores.mask.shape if term.unit == "token" else scores.mask.shape[:1]
    assert loss.shape == expected, f"{term.name}: shape {loss.shape}, declared {term.unit}"
    if term.weighting is not None:
        weight = term.weighting(scores).detach()
        assert weight.shape == loss.shape, f"{term.name}: weights of shape {weight.shape}"
        loss = loss * weight
    if gate is not None:
        loss = torch.where(gate[:, None] if term.unit == "token" else gate, loss, 0.0)
    # where, not a product: what an objective leaves at unscored positions may be anything
    return torch.where(scores.mask, loss, 0.0).sum() if term.unit == "token" else loss.sum()
