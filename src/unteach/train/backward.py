"""The forward and backward passes of one step, as a rule calls them.

Denominators are counted over the whole step before any forward pass, so a step does not depend on
how it is cut into micro-batches or shared between processes. Gradients are summed across processes
once per `backward`, by hand and not by a wrapper around the model: a rule that projects one term's
gradient on another's then sees the whole step's gradients.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from accelerate.utils import reduce
from torch import Tensor

from unteach.data.batches import Batch, collate
from unteach.data.render import Encoding
from unteach.errors import RecipeError
from unteach.method.rules.step import Around
from unteach.model.blocks import blocks, spread
from unteach.model.reference import Reference
from unteach.model.scores import Scores, beside, score, unscored
from unteach.train.term import Needs, Term, parsed, per_row, total, unreduced

if TYPE_CHECKING:
    from accelerate import PartialState
    from transformers import PreTrainedModel


@dataclass(frozen=True)
class Passes:
    """Everything that one step's passes depend on; `window` holds the rows of each split in it."""

    model: PreTrainedModel
    rows: Mapping[str, Sequence[Encoding]]
    window: Mapping[str, Sequence[int]]
    others: Mapping[str, Reference]
    parameters: Sequence[Tensor]
    masks: Sequence[Tensor | None]
    processes: PartialState
    step: int
    micro_batch: int
    pad: int
    dtype: str

    def backward(
        self, *terms: Term, around: Around | None = None, weights: Tensor | None = None
    ) -> list[float]:
        """See `unteach.method.rules.step.Backward`."""
        shared = self.processes.num_processes > 1
        # gradients of earlier calls in this step are whole already; only this call's are summed
        before = [p.grad for p in self.parameters] if shared else []
        for p in self.parameters if shared else ():
            p.grad = None
        values = self._values(terms, around, weights, learn=True)
        if shared:
            self._sum_gradients(before)
        self.narrow()
        return values

    @torch.no_grad()
    def values(self, *terms: Term) -> list[float]:
        """The terms' values by forward passes alone."""
        return self._values(terms, None, None, learn=False)

    @torch.no_grad()
    def row_values(self, term: Term) -> Tensor:
        """[rows of the step] a term's loss of each row, by forward passes alone."""
        place = {row: k for k, row in enumerate(self.window[term.split])}
        found = torch.zeros(len(place), device=self.model.device)
        for part, by_term in self._parts([term], None):
            loss = unreduced(term, by_term[0])
            if loss is not None:
                where = torch.tensor([place[row] for row in part], device=found.device)
                found[where] = per_row(term, by_term[0], loss)
        return reduce(found, "sum") if self.processes.num_processes > 1 else found

    def narrow(self) -> None:
        """No gradient where a mask says that the weight stays."""
        for p, mask in zip(self.parameters, self.masks, strict=True):
            if mask is not None and p.grad is not None:
                p.grad *= mask

    def _values(
        self, terms: Sequence[Term], around: Around | None, weights: Tensor | None, *, learn: bool
    ) -> list[float]:
        assert weights is None or len(terms) == 1, "weights are those of a single term's rows"
        values = torch.zeros(len(terms), device=self.model.device)
        for split in dict.fromkeys(term.split for term in terms):
            mine = [(k, term) for k, term in enumerate(terms) if term.split == split]
            place = {row: k for k, row in enumerate(self.window[split])}
            for part, scores in self._parts([term for _, term in mine], around):
                chosen = None if weights is None else weights[[place[row] for row in part]]
                parts = [
                    (k, term, total(term, x, chosen) / self._denominator(term, chosen))
                    for (k, term), x in zip(mine, scores, strict=True)
                ]
                if learn:
                    self._require_reach(parts)
                loss = sum((term.coefficient * v for _, term, v in parts), torch.zeros(()))
                if learn and loss.requires_grad:
                    loss.backward()
                for k, _, value in parts:
                    values[k] += value.detach()
        return (reduce(values, "sum") if self.processes.num_processes > 1 else values).tolist()

    def _require_reach(self, parts: Sequence[tuple[int, Term, Tensor]]) -> None:
        """Refuse a loss that no trained weight can change: a run would end as if it were done."""
        for _, term, value in parts:
            if value.requires_grad or not value:  # 0 where every row is at its level already
                continue
            names = [n for n, p in self.model.named_parameters() if p.requires_grad]
            layers = [need.removeprefix("hidden.") for need in parsed(term.reads).own]
            raise RecipeError(
                f"{term.name} can change none of the {len(names)} parameters that are trained "
                f"({spread(names)}): it reads layer {' and '.join(sorted(layers))} of "
                f"{len(blocks(self.model))}, and they all come after it. Select weights of that block or of "
                "earlier ones, or have the loss read a later layer."
            )

    def _parts(
        self, terms: Sequence[Term], around: Around | None
    ) -> Iterator[tuple[list[int], list[Scores]]]:
        """The terms' split, `micro_batch` rows at a time, and each term's scores of them.

        The rows pass through the model once for all terms, and each pass is freed before the next.
        """
        split = terms[0].split
        rank, world = self.processes.process_index, self.processes.num_processes
        mine = sorted(self.window[split][rank::world], key=lambda i: len(self.rows[split][i].ids))
        needs = parsed(
            need for t in terms for need in t.reads if need.partition(".")[0] not in t.pairs
        )
        for at in range(0, len(mine), self.micro_batch):
            part = mine[at : at + self.micro_batch]
            x = self._scored(split, part, needs, around)
            yield part, [self._paired(term, x, part, around) for term in terms]

    def _paired(self, term: Term, x: Scores, part: Sequence[int], around: Around | None) -> Scores:
        wanted = parsed(term.reads).of
        pairs = {}
        for name, split in term.pairs.items():
            partners = len(self.rows[split]) // len(self.rows[term.split])
            rows = [row * partners + self.step % partners for row in part]
            pairs[name] = self._scored(split, rows, wanted[name], around)
        return beside(x, **pairs) if pairs else x

    def _scored(
        self, split: str, part: Sequence[int], needs: Needs, around: Around | None
    ) -> Scores:
        rows = [self.rows[split][i] for i in part]
        batch = collate(rows, part, pad=self.pad, device=self.model.device)
        if around is not None:
            batch = replace(batch, prefix=0)  # what is done to a pass is done to whole rows
        with autocast(self.model, self.dtype):
            x = self._own(batch, needs, around)
            others = {
                name: self.others[name](split, batch, wanted.own)
                for name, wanted in needs.of.items()
            }
        return beside(x, **others) if others else x

    def _own(self, batch: Batch, needs: Needs, around: Around | None) -> Scores:
        if not needs.own:
            return unscored(batch)
        with nullcontext() if around is None else around(batch):
            return score(self.model, batch, needs.own)

    def _denominator(self, term: Term, weights: Tensor | None) -> int:
        if weights is not None:
            return 1
        rows = self.window[term.split]
        if term.unit == "sequence":
            return len(rows)
        return sum(self.rows[term.split][i].num_scored for i in rows)

    def _sum_gradients(self, before: Sequence[Tensor | None]) -> None:
        # a weight that nothing pulls has no gradient, which to momentum is not a gradient of 0
        pulled = torch.tensor([p.grad is not None for p in self.parameters], dtype=torch.float32)
        pulled = reduce(pulled.to(self.model.device), "sum")
        for p, earlier, num in zip(self.parameters, before, pulled.tolist(), strict=True):
            if num:
                p.grad = reduce(torch.zeros_like(p) if p.grad is None else p.grad, "sum")
                p.grad += 0 if earlier is None else earlier
            else:
                p.grad = earlier


def autocast(model: PreTrainedModel, dtype: str) -> AbstractContextManager[object]:
    """Forward passes in `dtype`; float32 leaves them as they are."""
    if dtype == "float32":
        return nullcontext()
    return torch.autocast(model.device.type, getattr(torch, dtype))
