"""What a selection or an edit may look at before it decides: rows, gradients, activations, weights."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from unteach.data.batches import by_length, collate
from unteach.data.examples import Example, Splits
from unteach.data.render import Encoding, Renderer, encode_all
from unteach.errors import ModelError
from unteach.model.adapters import Factors
from unteach.model.blocks import Mlp, Neurons, reading, reading_neurons
from unteach.model.scores import score, scored_positions

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def no_adapter(name: str) -> Mapping[str, Factors]:
    """Where no stage trained any.

    Raises:
        ModelError: always.
    """
    raise ModelError(
        f"no stage before this one trained '{name}' as an adapter. Give its stage select: lora."
    )


@dataclass(frozen=True)
class Selected:
    """The model whose marked weights may move.

    `masks` narrows that within a parameter, by its name: only where the mask is true. Everything else
    stays bit for bit, whatever the optimiser does. `penalty` is a loss of the weights alone, which
    each step adds to that of its rows.
    """

    model: PreTrainedModel
    masks: Mapping[str, Tensor] = field(default_factory=dict)
    penalty: Callable[[], Tensor] | None = None


@dataclass(frozen=True)
class Probe:
    """A model at the start of a stage, the data, and the weights that earlier stages kept.

    `weights` gives the parameters by name of `original` (the model this run began with) and of
    each model that an earlier stage trained `into` a name; `adapter` the factors of one that was
    trained as an adapter. Nothing here changes the model, and `.grad` and `requires_grad` are left
    as they were.
    """

    model: PreTrainedModel
    splits: Splits
    renderer: Renderer
    generator: torch.Generator
    weights: Callable[[str], Mapping[str, Tensor]]
    adapter: Callable[[str], Mapping[str, Factors]] = no_adapter
    batch: int = 8

    def rows(self, split: str) -> list[Encoding]:
        """The split as token ids."""
        return encode_all(self.renderer, self.splits[split])

    def gradients(
        self, split: str, parameters: Sequence[str] | None = None, random_answers: bool = False
    ) -> dict[str, Tensor]:
        """Gradient of the mean nll over all scored tokens, by parameter name; all that can have one.

        With `random_answers` each scored token's target is drawn from the vocabulary instead.
        """
        rows = self.rows(split)
        num_tokens = sum(row.num_scored for row in rows)
        with _watching(self.model, parameters) as watched:
            for index in by_length([row.ids for row in rows], self.batch):
                nll = self._nll([rows[i] for i in index], random_answers)
                (nll / num_tokens).backward()
            return {
                n: torch.zeros_like(p) if p.grad is None else p.grad for n, p in watched.items()
            }

    def squared_gradients(
        self, split: str, parameters: Sequence[str] | None = None
    ) -> dict[str, Tensor]:
        """Mean over rows of each row's squared gradient of its summed nll: the diagonal Fisher.

        One backward pass a row, as the square of a sum is not the sum of squares. In float32.
        """
        rows = self.rows(split)
        with _watching(self.model, parameters) as watched:
            sums = {n: torch.zeros_like(p, dtype=torch.float32) for n, p in watched.items()}
            for row in rows:
                self.model.zero_grad(set_to_none=True)
                self._nll([row]).backward()
                for n, p in watched.items():
                    if p.grad is not None:
                        sums[n] += p.grad.float() ** 2
        return {n: s / len(rows) for n, s in sums.items()}

    @torch.no_grad()
    def neurons(self, split: str, wanted: Sequence[Mlp], prompts: bool = False) -> list[Neurons]:
        """For each MLP what its neurons say where the split's tokens are predicted.

        With `prompts` at every token: of the prompt, and of the answer. `at` numbers these tokens.
        """
        rows = self.rows(split)
        found: list[list[Neurons]] = [[] for _ in wanted]
        kept: dict[int, Neurons] = {}
        before = 0
        for index in by_length([row.ids for row in rows], self.batch):
            batch = collate([rows[i] for i in index], index, device=self.model.device)
            if prompts:
                where, at = batch.attention_mask.nonzero(as_tuple=True)
            else:
                where, tokens = scored_positions(batch)
                at = tokens - 1
            with reading_neurons(wanted, kept):
                self.model(
                    input_ids=batch.input_ids, attention_mask=batch.attention_mask, use_cache=False
                )
            read = where * batch.input_ids.shape[1] + at
            for i in range(len(wanted)):
                found[i].append(_renumbered(kept[i], read, before))
            before += len(read)
        return [_together(parts) for parts in found]

    @torch.no_grad()
    def neurons_at(
        self, examples: Sequence[Example], ends: Sequence[str], wanted: Sequence[Mlp]
    ) -> list[Neurons]:
        """For each MLP what its neurons say at the last token of `ends[i]` in prompt i; `at` is i.

        At the prompt's last token where the prompt does not say `ends[i]`, or where that is empty.
        The prompt of a text is the text itself.
        """
        found: list[list[Neurons]] = [[] for _ in wanted]
        kept: dict[int, Neurons] = {}
        with reading_neurons(wanted, kept):
            for number, at in enumerate(self._read(examples, ends)):
                for i in range(len(wanted)):
                    place = torch.tensor([at], device=kept[i].at.device)
                    found[i].append(_renumbered(kept[i], place, number))
        return [_together(parts) for parts in found]

    @torch.no_grad()
    def outputs_at(self, examples: Sequence[Example], ends: Sequence[str], block: int) -> Tensor:
        """What a block, counted from 0, gives out at the places that `neurons_at` reads: [N, D]."""
        kept: dict[int, Tensor] = {}
        with reading(self.model, {block}, kept):
            return torch.stack([kept[block][0, at].float() for at in self._read(examples, ends)])

    def _read(self, examples: Sequence[Example], ends: Sequence[str]) -> Iterator[int]:
        """Pass each prompt through the model, one by one, and say where its `end` ends."""
        for example, end in zip(examples, ends, strict=True):
            if example.is_text:
                ids = self.renderer.encode(example).ids
            else:
                ids = self.renderer.prompt_ids(example)
            self.model(torch.tensor([ids], device=self.model.device), use_cache=False)
            yield self.renderer.last_token_of(ids, end)

    def _nll(self, rows: Sequence[Encoding], random_answers: bool = False) -> Tensor:
        """Summed over the scored tokens of the rows."""
        batch = collate(rows, device=self.model.device)
        if not random_answers:
            return -score(self.model, batch).logp.sum()
        x = score(self.model, batch, frozenset({"logits"}))
        drawn = torch.randint(x.logits.shape[-1], x.mask.shape, generator=self.generator)
        logp = x.logits.log_softmax(-1).gather(-1, drawn.to(x.logits.device)[..., None])
        return -torch.where(x.mask, logp.squeeze(-1), 0.0).sum()


def _renumbered(said: Neurons, read: Tensor, first: int) -> Neurons:
    """What was said at the places `read`, which are numbered from `first` on; in float32."""
    number = torch.full((said.num_tokens,), -1, device=said.at.device)
    number[read] = torch.arange(first, first + len(read), device=number.device)
    chosen = number[said.at] >= 0
    values, at = said.values[chosen].float(), number[said.at[chosen]]
    return Neurons(values, at, said.share[chosen].float(), len(read))


def _together(parts: Sequence[Neurons]) -> Neurons:
    return Neurons(
        torch.cat([part.values for part in parts]),
        torch.cat([part.at for part in parts]),
        torch.cat([part.share for part in parts]),
        sum(part.num_tokens for part in parts),
    )


@contextmanager
def _watching(model: nn.Module, names: Sequence[str] | None) -> Iterator[dict[str, nn.Parameter]]:
    """Gradients of these parameters and of no others, while it lasts; then all as it was."""
    named = dict(model.named_parameters())
    before = [(p, p.requires_grad, p.grad) for p in named.values()]
    watched = {n: p for n, p in named.items() if p.is_floating_point()}
    if names is not None:
        watched = {n: watched[n] for n in names}
    try:
        for name, p in named.items():
            p.requires_grad_(name in watched)
            p.grad = None
        with torch.enable_grad():
            yield watched
    finally:
        for p, could, grad in before:
            p.requires_grad_(could)
            p.grad = grad
