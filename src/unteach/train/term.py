"""Term = split x objective x weighting x coefficient, ready to run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import torch
from torch import Tensor

from unteach import recipe, registry
from unteach.data.examples import must_go
from unteach.model.scores import Scores
from unteach.registry import Unit


@dataclass(frozen=True)
class Term:
    """One summand of the loss.

    `needs` are its objective's and its weighting's; see `registry.objective`. `pairs` are its pairs
    and the split that each is. `level` is a probability: a row is not pushed on once the specific
    part of its answer is no more probable than that.
    """

    name: str
    split: str
    objective: Callable[[Scores], Tensor]
    unit: Unit
    needs: frozenset[str] = frozenset()
    weighting: Callable[[Scores], Tensor] | None = None
    coefficient: float = 1.0
    level: float | None = None
    pairs: Mapping[str, str] = field(default_factory=dict)

    @property
    def keeps(self) -> bool:
        """Whether it protects what stays: its split is neither what must go nor made from it."""
        return not must_go(self.split)

    @property
    def reads(self) -> frozenset[str]:
        """`needs`, and `logp`, which all read but an objective that looks at hidden states alone."""
        own = parsed(self.needs).own
        states = own and all(need.startswith("hidden.") for need in own)
        alone = states and self.weighting is None and self.level is None
        return self.needs if alone else self.needs | {"logp"}


@dataclass(frozen=True)
class Needs:
    """What is read of the rows themselves, and of other models on them or of paired rows."""

    own: frozenset[str]
    of: Mapping[str, Needs]


def parsed(needs: Iterable[str]) -> Needs:
    """`logits`, `hidden.0.22`, `ref.logp`, `preferred.ref.logp` as a tree."""
    own, of = set(), dict[str, set[str]]()
    for need in needs:
        head, _, rest = need.partition(".")
        if head in ("logp", "logits", "hidden"):
            own.add(need)
        else:
            of.setdefault(head, set()).add(rest)
    return Needs(frozenset(own), {name: parsed(rest) for name, rest in of.items()})


def from_recipe(term: recipe.Term, levels: Mapping[float | str, float]) -> Term:
    """A recipe's term with its functions loaded and its level looked up in `levels`."""
    entry = registry.find("objective", term.objective.name)
    params = registry.check("objective", entry.name, term.objective.params, "objective")
    needs = registry.needs(entry, params)
    weigh: Callable[[Scores], Tensor] | None = None
    name = f"{term.split}.{entry.name}"
    if term.weighting:
        weighting = registry.find("weighting", term.weighting.name)
        chosen = registry.check("weighting", weighting.name, term.weighting.params, "weighting")
        weigh = partial(weighting.load(), **chosen)
        needs |= registry.needs(weighting, chosen)
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
        pairs=term.pairs,
    )


def others_read(terms: Iterable[Term]) -> dict[str, dict[str, frozenset[str]]]:
    """Name of another model -> split -> what the terms read of it: `{"ref": {"forget": {"logp"}}}`."""
    found: dict[str, dict[str, frozenset[str]]] = {}
    for term in terms:
        for head, needs in parsed(term.reads).of.items():
            paired = head in term.pairs
            for name, read in needs.of.items() if paired else [(head, needs)]:
                by_split = found.setdefault(name, {})
                split = term.pairs[head] if paired else term.split
                by_split[split] = by_split.get(split, frozenset()) | read.own
    return found


def told_apart(terms: Sequence[Term]) -> list[Term]:
    """The terms with a number behind each name that an earlier one has."""
    names: dict[str, int] = {}
    found = []
    for term in terms:
        names[term.name] = count = names.get(term.name, 0) + 1
        found.append(term if count == 1 else replace(term, name=f"{term.name}.{count}"))
    return found


def total(term: Term, scores: Scores, weights: Tensor | None = None) -> Tensor:
    """The term's unreduced loss summed over tokens or rows, without its coefficient: a scalar.

    With `weights` [B] it is the sum of weight x loss over rows, a row's loss being the mean over its
    tokens where the objective is one of tokens. It carries no gradient when every row is at its
    level already: no backward pass is then spent.
    """
    loss = unreduced(term, scores)
    if loss is None:
        return scores.logp.new_zeros(())
    return loss.sum() if weights is None else (per_row(term, scores, loss) * weights).sum()


def per_row(term: Term, scores: Scores, loss: Tensor) -> Tensor:
    """[B] the loss of each row; the mean over its tokens where the objective is one of tokens."""
    return loss.sum(-1) / scores.length if term.unit == "token" else loss


def unreduced(term: Term, scores: Scores) -> Tensor | None:
    """The loss [B, A] or [B], weighed, 0 where not scored; None if every row is at its level."""
    gate = None if term.level is None else scores.specific_p > term.level
    if gate is not None and not gate.any():
        return None
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
    return torch.where(scores.mask, loss, 0.0) if term.unit == "token" else loss
