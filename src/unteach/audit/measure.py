"""The forward passes behind Evidence."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unteach.data.batches import collate
from unteach.data.examples import Example
from unteach.data.render import Encoding
from unteach.model.forks import forked_logits
from unteach.model.memory import budget, run_in_batches
from unteach.model.processes import gathered, own_share
from unteach.model.scores import can_share_prefix, scored_logits

if TYPE_CHECKING:
    from transformers import PreTrainedModel

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
    end: NDArray[np.bool_]  # the token closes the turn: it is no part of the answer itself

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def each(self, column: str, *, end: bool = True) -> list[NDArray[Any]]:
        """One array a row; without the tokens that close the turn if `end` is false."""
        rows = np.split(getattr(self, column), self.offsets[1:-1])
        if end:
            return rows
        return [row[~closes] for row, closes in zip(rows, self.each("end"), strict=True)]

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


def by_example(
    values: NDArray[np.float64], examples: Sequence[Example], kind: Literal["wrong", "rephrased"]
) -> list[NDArray[np.float64]]:
    """What was measured of the wrong or reworded answers, one after the other: an array an example."""
    return np.split(values, np.cumsum([len(getattr(e, kind)) for e in examples])[:-1])


Batches = Sequence[Sequence[int]]


def measure_tokens(
    model: PreTrainedModel,
    rows: Sequence[Encoding],
    progress: Progress = lambda done: None,
    tokens: int | None = None,
) -> Tokens:
    """Score every row once, and every prompt that several rows share once.

    A batch holds up to `tokens` padded tokens, by default as many as suit the device; one that does
    not fit in memory is halved. With several processes each scores its share.
    """
    columns = [f.name for f in fields(Tokens) if f.name != "offsets"]
    found: dict[int, dict[str, NDArray[Any]]] = {}
    tokens = tokens or budget(model.device)
    prompts = _prompts(rows) if can_share_prefix(model) else list(range(len(rows)))
    alone, together = _split(prompts)
    plans = [*_plain(rows, alone, tokens), *_forked(rows, together, tokens)]
    shared = set().union(*together) if together else set()

    def run(index: Sequence[int]) -> None:
        chosen = [rows[i] for i in index]
        with torch.no_grad():
            if index[0] in shared:
                logits = forked_logits(model, chosen, [prompts[i] for i in index])
                ids = [token for row in chosen for token in row.ids[row.start :]]
                targets = torch.tensor(ids, device=logits.device)
            else:
                batch = collate(chosen, index, device=model.device)
                logits, _, _, targets = scored_logits(model, batch)
            table = {
                name: value.cpu().numpy() for name, value in _statistics(logits, targets).items()
            }
        ends = np.cumsum([row.num_scored for row in chosen])[:-1]
        parts = {name: np.split(column, ends) for name, column in table.items()}
        for at, (i, row) in enumerate(zip(index, chosen, strict=True)):
            found[i] = {name: part[at] for name, part in parts.items()}
            found[i]["specific"] = np.array(row.specific, dtype=bool)
            found[i]["end"] = np.arange(row.num_scored) >= row.num_scored - row.num_end
        progress(len(index))

    run_in_batches(
        own_share(plans), lambda index: len(index) * max(len(rows[i].ids) for i in index), run
    )
    every = gathered(found)
    lengths = [row.num_scored for row in rows]
    return Tokens(
        offsets=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        **{c: np.concatenate([every[i][c] for i in range(len(rows))]) for c in columns},
    )


def _prompts(rows: Sequence[Encoding]) -> list[int]:
    """A number for each row; rows have the same where they have the same prompt."""
    known: dict[tuple[int, ...] | int, int] = {}
    # a text has no prompt: of its first token alone nothing can be read beforehand
    keys = [row.ids[: row.start] if row.start > 1 else i for i, row in enumerate(rows)]
    return [known.setdefault(key, len(known)) for key in keys]


def _split(prompts: Sequence[int]) -> tuple[list[int], list[list[int]]]:
    """Rows whose prompt is their own, and the groups of those that share one."""
    members: dict[int, list[int]] = {}
    for i, number in enumerate(prompts):
        members.setdefault(number, []).append(i)
    alone = [group[0] for group in members.values() if len(group) == 1]
    return alone, [group for group in members.values() if len(group) > 1]


def _plain(rows: Sequence[Encoding], index: Sequence[int], tokens: int) -> Batches:
    """Batches of rows of like length, longest first."""
    batches: list[list[int]] = []
    for i in sorted(index, key=lambda i: -len(rows[i].ids)):
        longest = len(rows[batches[-1][0]].ids) if batches else 0
        if batches and longest * (len(batches[-1]) + 1) <= tokens:
            batches[-1].append(i)
        else:
            batches.append([i])
    return batches


def _forked(rows: Sequence[Encoding], groups: Sequence[Sequence[int]], tokens: int) -> Batches:
    """Batches of whole groups, those with answers of like length together."""

    def size(group: Sequence[int]) -> tuple[int, int]:
        return rows[group[0]].start, max(rows[i].num_scored for i in group)

    batches: list[list[int]] = []
    room = 0
    for group in sorted(groups, key=lambda group: (-size(group)[1], -size(group)[0])):
        prompt, longest = size(group)
        needed = prompt + longest * len(group)
        if not batches or needed > room:
            batches.append([])
            room = tokens
        batches[-1].extend(group)
        room -= needed
    return batches


POSITIONS = 1024
"""Positions whose distribution over the vocabulary is held at once, beside the logits."""


def _statistics(logits: Tensor, targets: Tensor) -> dict[str, Tensor]:
    """Logits [N, V], targets [N] -> one [N] column each."""
    parts = zip(logits.split(POSITIONS), targets.split(POSITIONS), strict=True)
    tables = [_of_positions(part.float(), wanted) for part, wanted in parts]
    return {name: torch.cat([table[name] for table in tables]) for name in tables[0]}


def _of_positions(logits: Tensor, targets: Tensor) -> dict[str, Tensor]:
    """The same for a few positions. Overwrites logits."""
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
        "hit": (rank == 0) & logp.isfinite(),  # of a broken model nothing is larger than NaN
        "entropy": -mean,
        "std": variance.sqrt(),
        "rank": rank.to(torch.int32),
    }
