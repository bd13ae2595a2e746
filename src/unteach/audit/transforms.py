"""Copies of a model as others may change it: written in fewer bits, or taught some facts again.

The model that is given never changes. A copy takes the memory of a second model; teaching one takes
that of full fine-tuning: float32 weights, their gradients and two moments.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers.pytorch_utils import Conv1D

from unteach.audit.measure import Tokens
from unteach.data.examples import Example
from unteach.data.render import Encoding
from unteach.method.objectives.likelihood import nll
from unteach.method.rules.sum import weighted_sum
from unteach.model.fingerprint import key_of
from unteach.train.loop import Plan, train
from unteach.train.optim import adamw
from unteach.train.term import Term

if TYPE_CHECKING:
    from transformers import PreTrainedModel

VERSION = 1
"""Part of every key: raise it when a copy comes out otherwise than before."""
GROUP = 64
"""Weights of a row that share a scale below 8 bits."""
BATCH = 4
"""Rows of a step of relearning, as RTT has them."""
SEED = 20263
"""Of the halves, and of the order in which their rows are relearned: the same for every model."""
SETTINGS = (VERSION, GROUP, BATCH, SEED)
"""All that decides a copy beside the model, what is asked for, and the rows that are relearned."""


def quantised(model: PreTrainedModel, bits: int, *, group: int = GROUP) -> PreTrainedModel:
    """A copy with matrices rounded to `bits` bits; the numbers stay in the model's own dtype.

    Embeddings, the output head (tied or not), norms and biases stay as they are. It is plain
    rounding, which needs no data and no package: formats with zero points, uneven levels or
    calibration (NF4, GPTQ, AWQ) round otherwise, mostly to a smaller error.
    """
    changed = copy.deepcopy(model)
    with torch.no_grad():
        for matrix in _matrices(changed):
            matrix.copy_(rounded(matrix, bits, group=group))
    return changed


def rounded(weight: Tensor, bits: int, *, group: int = GROUP) -> Tensor:
    """Symmetric round-to-nearest of [..., in] weights: scale x round(w / scale).

    The scale is max |w| / (2^(bits - 1) - 1): of a whole row from 8 bits on, below that of each
    `group` neighbours in a row.
    """
    width = weight.shape[-1]
    size = width if bits >= 8 else min(group, width)
    rows = F.pad(weight.float(), (0, -width % size)).unflatten(-1, (-1, size))
    levels = 2 ** (bits - 1) - 1
    largest = rows.abs().amax(-1, keepdim=True)
    largest = largest.where(largest > 0, 1.0)  # a group of zeros stays one
    nearest = (rows * levels / largest).round() * largest / levels
    return nearest.flatten(-2)[..., :width].to(weight.dtype)


def _matrices(model: PreTrainedModel) -> Iterator[Tensor]:
    """The weights of all linear maps but the output head, inputs last; those of experts too."""
    head = model.get_output_embeddings()
    left = [head] if isinstance(head, nn.Module) else []
    left += [module for module in model.modules() if isinstance(module, nn.Embedding)]
    kept = {id(p) for module in left for p in module.parameters()}
    for module in model.modules():
        for p in module.parameters(recurse=False):
            if p.ndim >= 2 and id(p) not in kept:
                yield p.T if isinstance(module, Conv1D) else p


def relearned(
    model: PreTrainedModel,
    rows: Sequence[Encoding],
    *,
    epochs: int,
    lr: float,
    batch: int = BATCH,
    seed: int = SEED,
    progress: Callable[[int], None] = lambda done: None,
) -> PreTrainedModel:
    """A copy that was fine-tuned on these rows: all weights, AdamW, a constant learning rate.

    `progress` is told of every row that was seen.

    Raises:
        DivergedError: the loss is not a number, as of a model that is broken already.
    """
    changed = copy.deepcopy(model)
    changed.requires_grad_(True)
    size = min(batch, len(rows))
    plan = Plan(
        terms=[Term("relearned.nll", "relearned", nll, "token")],
        rows={"relearned": rows},
        steps=-(-epochs * len(rows) // size),
        batch=size,
        micro_batch=size,
        optimizer=partial(adamw, lr=lr),
        rule=weighted_sum(),
        warmup=0.05,
        seed=seed,
        dtype=str(model.dtype).removeprefix("torch."),
    )
    train(changed, plan, log=lambda line: progress(size))
    changed.requires_grad_(False)
    return changed


Name = tuple[str, str, str]
"""What kind of name, whose, and the name: of a fact, or of a row that holds it."""


def halves(examples: Sequence[Example]) -> dict[Name, int]:
    """The names of every fact -> its half, 0 or 1: every other fact of each person, by hash.

    Rows about one fact, in whatever words, are in one half. The order of rows does not count.
    """
    facts = sorted({_fact(e) for e in examples}, key=lambda fact: (fact[1], key_of(SEED, fact)))
    number = {fact: i % 2 for i, fact in enumerate(facts)}
    return number | {("id", e.group, e.id): number[_fact(e)] for e in examples if e.id}


def half_of(example: Example, known: Mapping[Name, int]) -> int | None:
    """The half of the fact that a row of any split holds; None if no half is known to hold it.

    It is found by person and attribute or answer, or by an id that is another's with a suffix:
    `p0003.employer.paraphrased`. The same id in another file may be another fact, so it is no name.
    """
    parts = example.id.split(".")
    ids = (".".join(parts[:end]) for end in range(len(parts) - 1, 0, -1))
    names = [_fact(example), *(("id", example.group, name) for name in ids)]
    return next((known[name] for name in names if name in known), None)


def unscored(rows: Sequence[Encoding]) -> Tokens:
    """The table of rows of which nothing is known: their numbers are NaN, and no token is a hit."""
    lengths = [row.num_scored for row in rows]
    unknown = np.full(sum(lengths), np.nan, dtype=np.float32)
    return Tokens(
        offsets=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        logp=unknown,
        hit=np.zeros(len(unknown), dtype=bool),
        entropy=unknown,
        std=unknown,
        rank=np.full(len(unknown), np.iinfo(np.int32).max, dtype=np.int32),
        specific=np.concatenate([np.array(row.specific, dtype=bool) for row in rows]),
        end=np.concatenate(
            [np.arange(n) >= n - r.num_end for r, n in zip(rows, lengths, strict=True)]
        ),
    )


def _fact(example: Example) -> Name:
    if example.group and example.attribute:
        return "attribute", example.group, example.attribute
    return "answer", example.group, " ".join(example.answer.casefold().split())
