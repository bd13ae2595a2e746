"""One forward pass, shifted and masked once and for all.

Two savings leave every number as it is. Only scored positions reach the output layer: the rest of
the logits is never computed. And tokens that all rows of a batch start with (a system message, a
question with several answers) pass through the model once; their keys and values are shared.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from transformers.cache_utils import DynamicCache, DynamicLayer

from unteach.data.batches import Batch
from unteach.errors import ModelError
from unteach.model.blocks import block_number, blocks, reading

if TYPE_CHECKING:
    from transformers import PreTrainedModel

SHORTEST_SHARED_PREFIX = 8


@dataclass(frozen=True)
class Scores:
    """What an objective may read. Column a of row b is its a-th scored token; A is the most of any.

    Reading what the objective's decorator does not declare in `needs` is an error.
    """

    targets: Tensor  # [B, A] token ids, 0 where not scored
    mask: Tensor  # [B, A] bool
    logp: Tensor  # [B, A] float32 nats, 0 where not scored
    specific: Tensor  # [B, A] bool, tokens of what is specific in the answer; see Encoding
    optional: dict[str, Any] = field(default_factory=dict, repr=False)

    @property
    def logits(self) -> Tensor:
        """[B, A, V] float32, 0 where not scored."""
        return self._read("logits")

    def hidden(self, layer: float) -> Tensor:
        """[B, A, D] float32 output of a decoder block where each token is predicted, 0 elsewhere.

        `layer` counts blocks from 0; a share below 1 is that share of the model's depth.
        """
        return self._read(f"hidden.{layer}")

    @property
    def ref(self) -> Scores:
        """The same tokens under the reference model, without gradient."""
        return self._read("ref")

    def of(self, name: str) -> Scores:
        """The same tokens under another model, or the rows that are paired with these."""
        return self._read(name)

    @property
    def p(self) -> Tensor:
        """[B, A] probability of each token, without gradient; 1 where not scored."""
        return self.logp.detach().exp()

    @property
    def seq_logp(self) -> Tensor:
        """[B] nats, summed over the scored tokens."""
        return self.logp.sum(-1)

    @property
    def specific_p(self) -> Tensor:
        """[B] exp(mean log-probability of the specific tokens), without gradient."""
        logp = torch.where(self.specific, self.logp.detach(), 0.0).sum(-1)
        return (logp / self.specific.sum(-1).clamp(min=1)).exp()

    @property
    def length(self) -> Tensor:
        """[B] number of scored tokens, at least 1."""
        return self.mask.sum(-1).clamp(min=1)

    def _read(self, name: str) -> Any:
        if name not in self.optional:
            raise LookupError(
                f"this objective reads '{name}', which its decorator does not declare in needs"
            )
        return self.optional[name]


def score(model: PreTrainedModel, batch: Batch, needs: frozenset[str] = frozenset()) -> Scores:
    """Log-probabilities of every scored token, and what `needs` names beside.

    `logits` are [B, A, V]; `hidden.7` the output [B, A, D] of block 7. When only hidden states are
    needed the pass ends at the deepest of them, and `logp` is NaN.
    """
    rows, tokens = scored_positions(batch)
    where = (rows, tokens - batch.start[rows])
    x = unscored(batch)

    def placed(values: Tensor) -> Tensor:
        """[N, ...] of the scored positions as [B, A, ...]."""
        return values.new_zeros((*x.mask.shape, *values.shape[1:])).index_put(where, values)

    layers = {
        need: block_number(model, need.removeprefix("hidden."))
        for need in needs
        if need.startswith("hidden.")
    }
    only_hidden = bool(needs) and len(layers) == len(needs)
    states: dict[int, Tensor] = {}
    if only_hidden:
        _pass_to(model, batch, max(layers.values()), set(layers.values()), states)
        logp = x.logp
    else:
        with reading(model, set(layers.values()), states):
            logits, _, _, targets = scored_logits(model, batch)
        logits = logits.float()
        logp = placed(logits.gather(-1, targets[:, None]).squeeze(-1) - logits.logsumexp(-1))
    optional: dict[str, Any] = {}
    if "logits" in needs:
        optional["logits"] = placed(logits)
    for need, number in layers.items():
        skipped = batch.input_ids.shape[1] - states[number].shape[1]  # a prefix that all rows share
        optional[need] = placed(states[number][rows, tokens - 1 - skipped].float())
    return replace(x, logp=logp, optional=optional)


def unscored(batch: Batch) -> Scores:
    """The batch's scored tokens without a forward pass: `logp` is NaN."""
    rows, tokens = scored_positions(batch)
    where = (rows, tokens - batch.start[rows])
    shape = batch.specific.shape
    targets = torch.zeros(shape, dtype=torch.long, device=rows.device)
    mask = torch.zeros(shape, dtype=torch.bool, device=rows.device)
    return Scores(
        targets=targets.index_put(where, batch.input_ids[rows, tokens]),
        mask=mask.index_put(where, torch.ones_like(rows, dtype=torch.bool)),
        logp=torch.zeros(shape, device=rows.device).index_put(
            where, torch.full((len(rows),), torch.nan, device=rows.device)
        ),
        specific=batch.specific,
    )


class _Deep(Exception):  # noqa: N818 (not an error: it ends a pass that has gone deep enough)
    pass


def _pass_to(
    model: PreTrainedModel, batch: Batch, last: int, wanted: set[int], states: dict[int, Tensor]
) -> None:
    """A forward pass that ends behind block `last`; outputs of the blocks `wanted` go to `states`."""

    def end(module: torch.nn.Module, args: Any, output: Any) -> None:
        raise _Deep

    with reading(model, wanted, states):
        handle = blocks(model)[last].register_forward_hook(end)
        try:
            model(input_ids=batch.input_ids, attention_mask=batch.attention_mask, use_cache=False)
        except _Deep:
            pass
        finally:
            handle.remove()


def beside(scores: Scores, **others: Scores) -> Scores:
    """The same scores, with those of other models or of paired rows beside them."""
    return replace(scores, optional={**scores.optional, **others})


def context_of(config: Any) -> int | None:
    """Tokens that a model has positions for, by its configuration; None where it sets no limit."""
    given = getattr(config, "max_position_embeddings", None)
    return given if isinstance(given, int) and given > 0 else None


def require_room(model: PreTrainedModel, num_tokens: int) -> None:
    """Refuse a row that the model has no positions for, instead of an error deep inside it.

    Raises:
        ModelError: it is longer than the context.
    """
    context = context_of(model.config.get_text_config())
    if context is not None and num_tokens > context:
        raise ModelError(
            f"a row is {num_tokens} tokens long, and {type(model).__name__} has a context of {context}. "
            "Split or shorten the text."
        )


def scored_positions(batch: Batch) -> tuple[Tensor, Tensor]:
    """Row and place in it of every scored token, each [N], row by row."""
    steps = torch.arange(batch.input_ids.shape[1], device=batch.input_ids.device)
    scored = (steps >= batch.start[:, None]) & (steps < batch.length[:, None])
    rows, tokens = scored.nonzero(as_tuple=True)
    return rows, tokens


def scored_logits(model: PreTrainedModel, batch: Batch) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Logits [N, V] of the N scored positions; their row, column and target token, each [N]."""
    require_room(model, batch.input_ids.shape[1])
    rows, tokens = scored_positions(batch)
    columns = tokens - batch.start[rows]
    targets = batch.input_ids[rows, tokens]
    cache = shared_cache(model, batch.input_ids[:1, : batch.prefix], len(batch.index))
    used = 0 if cache is None else batch.prefix
    with only_positions(model, rows, tokens - 1 - used) as narrowed:
        logits = model(
            input_ids=batch.input_ids[:, used:],
            attention_mask=batch.attention_mask,
            past_key_values=cache,
            use_cache=cache is not None,
        ).logits
    logits = logits.squeeze(0) if narrowed else logits[rows, tokens - 1 - used]
    return logits, rows, columns, targets


def can_share_prefix(model: PreTrainedModel) -> bool:
    """Whether keys and values of a shared start can be computed once and copied to every row."""
    config = model.config.get_text_config()
    if config.model_type in _WITHOUT_PLAIN_CACHE or getattr(config, "sliding_window", None):
        return False
    if any(type(layer) is not DynamicLayer for layer in DynamicCache(config=model.config).layers):
        return False  # a window, or a state that is not keys and values
    # checkpointed layers throw a cache away and go on as if nothing came before
    recomputes = any(getattr(m, "gradient_checkpointing", False) for m in model.modules())
    return not (model.training and recomputes)


_WITHOUT_PLAIN_CACHE = frozenset({"mamba", "mamba2", "rwkv", "jamba", "falcon_mamba", "xlnet"})


def shared_cache(model: PreTrainedModel, prefix: Tensor, rows: int) -> DynamicCache | None:
    """Keys and values of tokens [1, P] that all rows start with, a copy a row.

    None where sharing saves nothing or the architecture cannot: then the rows are passed whole.
    """
    length = prefix.shape[1]
    if rows < 2 or length < SHORTEST_SHARED_PREFIX or not can_share_prefix(model):
        return None
    cache = DynamicCache(config=model.config)
    last = torch.tensor([length - 1], device=prefix.device)
    with only_positions(model, torch.zeros_like(last), last):
        model(input_ids=prefix, past_key_values=cache, use_cache=True)
    if cache.get_seq_length() != length:
        return None  # an architecture without a cache, or with one of its own
    cache.batch_repeat_interleave(rows)
    return cache


@contextmanager
def only_positions(model: PreTrainedModel, rows: Tensor, columns: Tensor) -> Iterator[bool]:
    """Let only these positions reach the output layer, as one row; yields whether it is so.

    A hook in front of the output layer, rather than a call of the layer itself, so that whatever
    an architecture does to its logits afterwards (scaling, soft capping) still happens.
    """
    head = model.get_output_embeddings()
    if head is None:
        yield False
        return

    def narrow(module: torch.nn.Module, args: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return (args[0][rows, columns][None], *args[1:])

    handle = head.register_forward_pre_hook(narrow)
    try:
        yield True
    finally:
        handle.remove()
