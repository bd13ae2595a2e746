"""The forward passes and generations behind Evidence."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import DynamicCache

from unteach.data.batches import by_length, collate, shared_prefix
from unteach.data.render import Encoding
from unteach.model.scores import can_share_prefix, scored_logits, shared_cache

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

Progress = Callable[[int], None]


@dataclass(frozen=True)
class Tokens:
    """A ragged table: one entry a scored token, rows one after the other; from one forward pass.

    Row i is `[offsets[i] : offsets[i + 1]]` of every column.
    """

    offsets: NDArray[np.int64]  # [n + 1]
    logp: NDArray[np.float32]  # nats, of the true token
    hit: NDArray[np.bool_]  # the true token is the most likely one
    entropy: NDArray[np.float32]  # nats, of the next-token distribution
    std: NDArray[np.float32]  # nats, standard deviation of log p under that distribution
    rank: NDArray[np.int32]  # number of tokens that are more likely
    specific: NDArray[np.bool_]  # the token carries what is specific in the answer

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def each(self, column: str) -> list[NDArray[np.float32]]:
        """One array a row."""
        return np.split(getattr(self, column), self.offsets[1:-1])

    def take(self, rows: Sequence[int]) -> Tokens:
        """The table of these rows, in this order."""
        columns = [f.name for f in fields(self) if f.name != "offsets"]
        parts = [slice(self.offsets[i], self.offsets[i + 1]) for i in rows]
        lengths = [part.stop - part.start for part in parts]
        return Tokens(
            offsets=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
            **{c: np.concatenate([getattr(self, c)[part] for part in parts]) for c in columns},
        )

    def probability(self) -> NDArray[np.float64]:
        """[n] exp(mean log-probability of the row's tokens), 0 to 1."""
        return np.array([np.exp(row.mean(dtype=np.float64)) for row in self.each("logp")])

    def specific_probability(self) -> NDArray[np.float64]:
        """[n] the same over the specific tokens only."""
        pairs = zip(self.each("logp"), self.each("specific"), strict=True)
        return np.array([np.exp(logp[mark].mean(dtype=np.float64)) for logp, mark in pairs])


def cheaper(
    rows: Sequence[Encoding], groups: Sequence[Sequence[int]], size: int = 16
) -> list[list[int]]:
    """Batches of rows, by group or by length, whichever passes fewer tokens through the model.

    Rows of a group (answers to one question) share a longer prefix, which passes once a batch; many
    short groups cost more batches than that saves.
    """

    def cost(batches: Sequence[Sequence[int]]) -> int:
        total = 0
        for index in batches:
            prefix = shared_prefix([rows[i] for i in index])
            longest = max(len(rows[i].ids) for i in index)
            total += BATCH_OVERHEAD + prefix + len(index) * (longest - prefix)
        return total

    together = [list(group) for group in groups]
    sorted_ = by_length([row.ids for row in rows], size)
    return min(together, sorted_, key=cost)


BATCH_OVERHEAD = 60
"""What a batch costs beside its tokens, in tokens: measured with 135M weights on two cores."""


def measure_tokens(
    model: PreTrainedModel,
    rows: Sequence[Encoding],
    batches: Sequence[Sequence[int]] | None = None,
    progress: Progress = lambda done: None,
    size: int = 16,
) -> Tokens:
    """Score every row once. `batches` says which rows go together, by default those of like length."""
    columns = [f.name for f in fields(Tokens) if f.name != "offsets"]
    found: dict[int, dict[str, NDArray[np.float32]]] = {}
    for index in by_length([r.ids for r in rows], size) if batches is None else batches:
        batch = collate([rows[i] for i in index], index, device=model.device)
        with torch.no_grad():
            logits, row, column, targets = scored_logits(model, batch)
            table = _statistics(logits.float(), targets)
            table["specific"] = batch.specific[row, column]
        ends = np.cumsum(np.bincount(row.cpu().numpy(), minlength=len(index)))[:-1]
        parts = {c: np.split(table[c].cpu().numpy(), ends) for c in columns}
        for at, i in enumerate(index):
            found[i] = {c: parts[c][at] for c in columns}
        progress(len(index))
    lengths = [len(found[i]["logp"]) for i in range(len(rows))]
    return Tokens(
        offsets=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        **{c: np.concatenate([found[i][c] for i in range(len(rows))]) for c in columns},
    )


def _statistics(logits: Tensor, targets: Tensor) -> dict[str, Tensor]:
    """Logits [N, V], targets [N] -> one [N] column each. Overwrites logits."""
    picked = logits.gather(-1, targets[:, None])
    rank = (logits > picked).sum(-1)
    logq = logits.sub_(logits.logsumexp(-1, keepdim=True))
    logp = logq.gather(-1, targets[:, None]).squeeze(-1)
    q = logq.exp()
    mean = (q * logq).sum(-1)
    # about the mean, not E[x^2] - E[x]^2: of that difference float32 keeps few digits
    variance = q.mul_(logq.sub_(mean[:, None]).square_()).sum(-1)
    return {
        "logp": logp,
        "hit": rank == 0,
        "entropy": -mean,
        "std": variance.sqrt(),
        "rank": rank.to(torch.int32),
    }


def measure_texts(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[Sequence[int]],
    max_tokens: int = 48,
    progress: Progress = lambda done: None,
    size: int = 32,
) -> list[str]:
    """Greedy continuation of every prompt.

    Prompts of like length share a batch; rows that are finished leave it.
    """
    ends = _end_ids(model, tokenizer)
    texts = [""] * len(prompts)
    for index in by_length(prompts, size):
        answers = _greedy(model, [list(prompts[i]) for i in index], max_tokens, ends)
        for i, ids in zip(index, answers, strict=True):
            texts[i] = tokenizer.decode(ids, skip_special_tokens=True).strip()
        progress(len(index))
    return texts


def _end_ids(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> frozenset[int]:
    config = model.generation_config.eos_token_id if model.generation_config else None
    listed = config if isinstance(config, list) else [config]
    return frozenset(i for i in [*listed, tokenizer.eos_token_id] if i is not None)


@torch.no_grad()
def _greedy(
    model: PreTrainedModel, prompts: Sequence[list[int]], max_tokens: int, ends: frozenset[int]
) -> list[list[int]]:
    if not can_share_prefix(model):
        return [_greedy_plain(model, p, max_tokens, ends) for p in prompts]
    device = model.device
    shared = _num_shared(prompts)
    cache = shared_cache(model, torch.tensor([prompts[0][:shared]], device=device), len(prompts))
    if cache is None:
        cache, shared = DynamicCache(config=model.config), 0
    ids, mask = _left_padded([prompt[shared:] for prompt in prompts], shared, device)
    answers: list[list[int]] = [[] for _ in prompts]
    alive = list(range(len(prompts)))
    positions = (mask.cumsum(-1) - 1).clamp(min=0)[:, -ids.shape[1] :]
    for _ in range(max_tokens):
        logits = model(
            input_ids=ids,
            attention_mask=mask,
            position_ids=positions,
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        ).logits[:, -1]
        chosen = logits.argmax(-1)
        staying = [row for row, token in enumerate(chosen.tolist()) if token not in ends]
        for row in staying:
            answers[alive[row]].append(int(chosen[row]))
        if not staying:
            break
        if len(staying) < len(alive):
            keep = torch.tensor(staying, device=device)
            cache.batch_select_indices(keep)
            chosen, mask, positions = chosen[keep], mask[keep], positions[keep]
            alive = [alive[row] for row in staying]
        ids = chosen[:, None]
        mask = torch.cat([mask, torch.ones_like(ids)], dim=1)
        positions = positions[:, -1:] + 1
    return answers


def _num_shared(prompts: Sequence[Sequence[int]]) -> int:
    """Tokens that all prompts start with, leaving each its last one."""
    limit = min(map(len, prompts)) - 1
    columns = zip(*(prompt[:limit] for prompt in prompts), strict=True)
    return next((i for i, column in enumerate(columns) if len(set(column)) > 1), limit)


def _left_padded(
    rows: Sequence[Sequence[int]], before: int, device: torch.device
) -> tuple[Tensor, Tensor]:
    """Ids [B, L] padded on the left, so that all rows go on at one column, and their mask.

    The mask [B, before + L] covers the `before` tokens that the cache holds already.
    """
    longest = max(map(len, rows))
    ids = torch.zeros((len(rows), longest), dtype=torch.long)
    mask = torch.ones((len(rows), before + longest), dtype=torch.long)
    for i, row in enumerate(rows):
        ids[i, longest - len(row) :] = torch.tensor(row)
        mask[i, before : before + longest - len(row)] = 0
    return ids.to(device), mask.to(device)


def _greedy_plain(
    model: PreTrainedModel, prompt: Sequence[int], max_tokens: int, ends: frozenset[int]
) -> list[int]:
    """For architectures whose cache rows cannot be dropped: transformers' own generation."""
    ids = torch.tensor([list(prompt)], device=model.device)
    out = model.generate(
        input_ids=ids,
        attention_mask=torch.ones_like(ids),
        max_new_tokens=max_tokens,
        do_sample=False,
        eos_token_id=sorted(ends) or None,
        pad_token_id=0,
    )
    return [t for t in out[0, ids.shape[1] :].tolist() if t not in ends]
