"""Other models beside the one that is trained, each in the cheapest form that serves.

The reference is the model as it was before training. A recipe may also have trained side models,
which an objective reads by their name in the same way.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor

from unteach.data.batches import Batch, by_length, collate
from unteach.data.render import Encoding
from unteach.model.scores import Scores, score, unscored

if TYPE_CHECKING:
    from transformers import PreTrainedModel

Wanted = Mapping[str, frozenset[str]]
"""Split -> what is read of it: `logp`, `logits`, `hidden.7`."""


class Reference(Protocol):
    """Scores of a batch of a split under another model, without gradient."""

    def __call__(self, split: str, batch: Batch, needs: frozenset[str]) -> Scores: ...


@dataclass(frozen=True)
class Cached:
    """What will be read, computed once: no second model in memory, and no forward pass a step."""

    table: Mapping[str, Mapping[str, Sequence[Tensor]]]  # split -> what -> [num_scored, ...] a row

    def __call__(self, split: str, batch: Batch, needs: frozenset[str]) -> Scores:
        x = unscored(batch)
        found = {
            what: _padded([self.table[split][what][i] for i in batch.index], x.mask)
            for what in needs
        }
        logp = found.pop("logp", x.logp)
        return Scores(x.targets, x.mask, logp, x.specific, found)


@dataclass(frozen=True)
class AdapterOff:
    """The trained model with its adapter switched off; no second copy of the weights."""

    model: PreTrainedModel

    def __call__(self, split: str, batch: Batch, needs: frozenset[str]) -> Scores:
        training = self.model.training
        self.model.eval()
        with torch.no_grad(), self.model.disable_adapter():
            scores = score(self.model, batch, needs)
        self.model.train(training)
        return scores


@dataclass(frozen=True)
class SecondCopy:
    """A frozen model, for what is too large to keep."""

    model: PreTrainedModel

    def __call__(self, split: str, batch: Batch, needs: frozenset[str]) -> Scores:
        with torch.no_grad():
            return score(self.model, batch, needs)


def choose(
    wanted: Wanted,
    model: PreTrainedModel,
    rows: Mapping[str, Sequence[Encoding]],
    otherwise: Callable[[], Reference],
) -> Reference:
    """The model's scores computed once if they take no more memory than its weights, or `otherwise`.

    Call it before the first step: what is cached is the model as it is now.
    """
    weights = sum(p.numel() * p.element_size() for p in model.parameters())
    if sum(_bytes(model, needs, rows[split]) for split, needs in wanted.items()) > weights:
        return otherwise()
    return Cached({split: tabulate(model, rows[split], needs) for split, needs in wanted.items()})


def tabulate(
    model: PreTrainedModel, rows: Sequence[Encoding], needs: frozenset[str], batch: int = 16
) -> dict[str, list[Tensor]]:
    """What is needed of every row, each [num_scored, ...] float32 on the CPU."""
    training = model.training
    model.eval()
    found: dict[str, dict[int, Tensor]] = {what: {} for what in needs}
    with torch.no_grad():
        for index in by_length([row.ids for row in rows], batch):
            scores = score(
                model, collate([rows[i] for i in index], index, device=model.device), needs
            )
            for what, by_row in found.items():
                values = scores.logp if what == "logp" else scores.optional[what]
                for i, value, mask in zip(index, values, scores.mask, strict=True):
                    by_row[i] = value[mask].cpu()
    model.train(training)
    return {what: [by_row[i] for i in range(len(rows))] for what, by_row in found.items()}


def answer_logp(model: PreTrainedModel, rows: Sequence[Encoding], batch: int = 16) -> list[Tensor]:
    """For each row its scored tokens' log-probabilities, [num_scored] float32 nats on the CPU."""
    return tabulate(model, rows, frozenset({"logp"}), batch)["logp"]


def mean_probability(
    model: PreTrainedModel, rows: Sequence[Encoding], *, whole: bool = False
) -> float:
    """exp(mean log-probability of an answer's specific tokens), averaged over rows; 0 to 1.

    With `whole` of all its tokens: what must stay is to be said as it was, not only the names in it.
    """
    logps = answer_logp(model, rows)
    parts = [
        logp if whole else logp[list(row.specific)] for row, logp in zip(rows, logps, strict=True)
    ]
    return float(torch.stack([part.mean().exp() for part in parts]).mean())


def _bytes(model: PreTrainedModel, needs: frozenset[str], rows: Sequence[Encoding]) -> int:
    config = model.config.get_text_config()
    width = {"logp": 1, "logits": config.vocab_size}
    a_token = sum(width.get(what, config.hidden_size) for what in needs)
    return 4 * a_token * sum(row.num_scored for row in rows)


def _padded(rows: Sequence[Tensor], mask: Tensor) -> Tensor:
    """Rows [num_scored, ...] as [B, A, ...], 0 where not scored."""
    whole = rows[0].new_zeros((*mask.shape, *rows[0].shape[1:]), device=mask.device)
    whole[mask] = torch.cat(list(rows)).to(mask.device)
    return whole
