"""The original model beside the one that is trained, in the cheapest form that serves."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor

from unteach.data.batches import Batch, by_length, collate
from unteach.data.render import Encoding
from unteach.model.scores import Scores, score

if TYPE_CHECKING:
    from transformers import PreTrainedModel


class Reference(Protocol):
    """Scores of a batch under the model as it was before training."""

    def __call__(self, split: str, batch: Batch, needs: frozenset[str]) -> Scores: ...


@dataclass(frozen=True)
class CachedLogp:
    """Log-probabilities computed once; serves `ref.logp` at no memory and no forward a step."""

    table: Mapping[str, Sequence[Tensor]]  # split -> one [num_scored] tensor a row

    def __call__(self, split: str, batch: Batch, needs: frozenset[str]) -> Scores:
        assert "ref.logits" not in needs
        rows = [self.table[split][i] for i in batch.index]
        longest = int(batch.num_scored.max())
        logp = torch.stack([torch.nn.functional.pad(r, (0, longest - len(r))) for r in rows])
        mask = torch.arange(longest)[None] < torch.tensor([[len(r)] for r in rows])
        device = batch.input_ids.device
        targets = torch.zeros_like(mask, dtype=torch.long)
        return Scores(targets.to(device), mask.to(device), logp.to(device), batch.specific)


@dataclass(frozen=True)
class AdapterOff:
    """The trained model with its adapter switched off; no second copy of the weights."""

    model: PreTrainedModel

    def __call__(self, split: str, batch: Batch, needs: frozenset[str]) -> Scores:
        training = self.model.training
        self.model.eval()
        with torch.no_grad(), self.model.disable_adapter():
            scores = score(self.model, batch, _plain(needs))
        self.model.train(training)
        return scores


@dataclass(frozen=True)
class SecondCopy:
    """A frozen copy of the weights, for the full distribution under full fine-tuning."""

    model: PreTrainedModel

    def __call__(self, split: str, batch: Batch, needs: frozenset[str]) -> Scores:
        with torch.no_grad():
            return score(self.model, batch, _plain(needs))


def choose(
    needs: Mapping[str, frozenset[str]],
    model: PreTrainedModel,
    encoded: Mapping[str, Sequence[Encoding]],
    copy: Callable[[], PreTrainedModel],
    has_adapter: bool,
) -> Reference | None:
    """The cheapest reference that serves what each split's terms need; None if none is needed.

    Call it before the first step: what is cached is the model as it is now.
    """
    union = frozenset(n for per_split in needs.values() for n in per_split if n.startswith("ref."))
    if not union:
        return None
    if "ref.logits" in union:
        return AdapterOff(model) if has_adapter else SecondCopy(copy())
    splits = [s for s, n in needs.items() if "ref.logp" in n]
    return CachedLogp({s: answer_logp(model, encoded[s]) for s in splits})


def answer_logp(model: PreTrainedModel, rows: Sequence[Encoding], batch: int = 16) -> list[Tensor]:
    """For each row its scored tokens' log-probabilities, [num_scored] float32 nats on the CPU."""
    training = model.training
    model.eval()
    found: dict[int, Tensor] = {}
    with torch.no_grad():
        for index in by_length([row.ids for row in rows], batch):
            scores = score(model, collate([rows[i] for i in index], index, device=model.device))
            for i, logp, mask in zip(index, scores.logp, scores.mask, strict=True):
                found[i] = logp[mask].cpu()
    model.train(training)
    return [found[i] for i in range(len(rows))]


def mean_probability(model: PreTrainedModel, rows: Sequence[Encoding]) -> float:
    """exp(mean log-probability of an answer's specific tokens), averaged over rows; 0 to 1."""
    logps = answer_logp(model, rows)
    parts = [logp[list(row.specific)] for row, logp in zip(rows, logps, strict=True)]
    return float(torch.stack([part.mean().exp() for part in parts]).mean())


def _plain(needs: frozenset[str]) -> frozenset[str]:
    return frozenset(n.removeprefix("ref.") for n in needs if n.startswith("ref."))
