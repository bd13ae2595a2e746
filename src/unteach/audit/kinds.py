"""What can be measured of a model on a split: each kind of evidence, and when it cannot be had.

A kind is a table of scored tokens, described by the rows that are to be scored; or such a table of
the true answers under changed copies of the model, described by the copies; or anything else,
described by a function that runs the model. A new one is a function and a line in `TABLES`,
`CHANGED` or `OTHERS`.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Any

import numpy as np

from unteach.audit.gradients import gradient_norms
from unteach.audit.transforms import half_of, halves, quantised, relearned
from unteach.data.examples import Example, digest
from unteach.data.render import Encoding
from unteach.errors import DataError
from unteach.model.generate import as_text
from unteach.synthesis.swapped import stranger
from unteach.synthesis.unanswerable import strangers as made_up_names

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from unteach.audit.evidence import Evidence

MAX_NEW_TOKENS = 48
"""Tokens of a greedy answer, where an audit does not say otherwise."""

MODELS = ("gold", "original", "base")
"""Models beside the audited one that an audit may read: `gold.forget.tokens`."""

RELEARNED = "forget"
"""The split of which one half is relearned, and the other asked for."""

TAUGHT = ("forget", "retain")
"""Splits whose names no stranger has. Those that a synthesis adds hold made-up names themselves."""

SEED = 20264
"""Of the order of the strangers' names: the same for every model."""


@dataclass(frozen=True)
class Read:
    """One thing that an audit reads: `[model.]split.kind[(arguments)]`."""

    model: str
    split: str
    kind: str
    arguments: tuple[Any, ...] = ()

    @property
    def name(self) -> str:
        """Without the model."""
        given = f"({', '.join(map(str, self.arguments))})" if self.arguments else ""
        return f"{self.split}.{self.kind}{given}"


def parse(text: str) -> Read:
    """The parts of a read; arguments are numbers, or names as they stand."""
    found = re.fullmatch(rf"(?:({'|'.join(MODELS)})\.)?([\w-]+)\.(\w+)(?:\((.*)\))?", text)
    assert found, f"an audit reads '{text}'"
    model, split, kind, given = found.groups()
    assert kind in KINDS, f"an audit reads '{text}': there is no kind '{kind}'"
    arguments = tuple(_value(part.strip()) for part in given.split(",")) if given else ()
    if kind in ("texts", "fluency") and not arguments:
        arguments = (MAX_NEW_TOKENS,)
    return Read(model or "", split, kind, arguments)


def _value(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def answers(ev: Evidence, split: str) -> list[Encoding]:
    """The true answer of every example."""
    return [ev.renderer.encode(e) for e in ev.splits[split]]


def wrong_answers(ev: Evidence, split: str) -> list[Encoding]:
    """Every wrong answer; example i's come before example i + 1's."""
    return [ev.renderer.encode(e, wrong) for e in ev.splits[split] for wrong in e.wrong]


def rephrased_answers(ev: Evidence, split: str) -> list[Encoding]:
    """The true answers in other words, likewise."""
    return [ev.renderer.encode(e, other) for e in ev.splits[split] for other in e.rephrased]


def recalled_answers(ev: Evidence, split: str, shown: str, shots: int) -> list[Encoding]:
    """Every answer after the first `shots` examples of another split, as ReCall reads it."""
    first = ev.splits[shown][:shots]
    return [ev.renderer.encode(_after(first, e)) for e in ev.splits[split]]


def about_strangers(ev: Evidence, split: str) -> list[Example | None]:
    """Each example about somebody who was made up; None where its question names nobody.

    The name is drawn by the row's content, so it is the same for every model and in every run of
    these data.
    """
    known = {name: ev.splits[name] for name in {split, *TAUGHT} & set(ev.splits)}
    names = made_up_names(known, Random(SEED))
    return [stranger(e, names, Random(digest([e]))) for e in ev.splits[split]]


def stranger_answers(ev: Evidence, split: str) -> list[Encoding]:
    """The answer of every example about a stranger, where there is one."""
    return [ev.renderer.encode(e) for e in ev.renamed(split) if e]


def _after(first: Sequence[Example], example: Example) -> Example:
    if example.is_text:
        before = "".join(f"{e.answer}\n\n" for e in first)
        return Example(before, example.answer, entities=example.entities, continues=True)
    if example.continues:
        before = "".join(f"{e.prompt}{e.answer}\n\n" for e in first)
        return replace(example, prompt=before + example.prompt)
    turns = [turn for e in first for turn in (("user", e.prompt), ("assistant", e.answer))]
    return replace(example, history=(*turns, *example.history))


def greedy(ev: Evidence, split: str, max_tokens: int) -> list[list[int]]:
    """The tokens of the greedy answer to each question."""
    return ev.write(_prompts(ev, split), max_tokens, f"{split}, answers")


def sampled(
    ev: Evidence,
    split: str,
    number: int,
    temperature: float,
    max_tokens: int = MAX_NEW_TOKENS,
    seed: int = 0,
) -> list[list[str]]:
    """`number` answers to each question, drawn at random; for one seed alike for every model."""
    prompts = [prompt for prompt in _prompts(ev, split) for _ in range(number)]
    drawn = ev.write(prompts, max_tokens, f"{split}, sampled answers", temperature, seed)
    texts = [as_text(ev.renderer.tokenizer, ids) for ids in drawn]
    return [texts[at : at + number] for at in range(0, len(texts), number)]


def fluency(ev: Evidence, split: str, max_tokens: int) -> list[float]:
    """Perplexity of each greedy answer under the base model; NaN for an empty answer."""
    texts, examples = ev.texts(split, max_tokens), ev.splits[split]
    full = [i for i, text in enumerate(texts) if text]
    found = np.full(len(texts), np.nan)
    if full:
        rows = [ev.renderer.encode(examples[i], texts[i]) for i in full]
        found[full] = 1 / ev.of("base").score(rows, f"{split}, fluency").probability()
    return found.tolist()


def gradnorm(ev: Evidence, split: str) -> list[float]:
    """Size of the gradient of each answer's loss; see `gradient_norms`."""
    rows = answers(ev, split)
    return gradient_norms(ev.model().model, rows, ev.counter(f"{split}, gradients", len(rows)))


def harness(ev: Evidence, task: str, limit: int, shots: int, batch: int) -> dict[str, Any]:
    """A task of lm-eval's: the fields of a `HarnessResult`, or the `reason` why there is none."""
    from unteach.audit.harness import HarnessResult, evaluate

    found = evaluate(ev.model(), task, limit=limit, shots=shots, batch_size=batch)
    return asdict(found) if isinstance(found, HarnessResult) else {"reason": found.reason}


@dataclass(frozen=True)
class Part:
    """The rows of a split that one changed copy of the model scores, by number."""

    copy: tuple[Any, ...]  # what the copy is: parts that have the same are scored by one
    make: Callable[[Callable[[int], None]], PreTrainedModel]  # is told of rows as they are learned
    learned: int  # rows that it learns meanwhile
    rows: Sequence[int]  # of the split's examples


def quantised_copy(ev: Evidence, split: str, bits: int) -> list[Part]:
    """All rows under the model in `bits` bits; see `quantised`."""
    rows = range(len(ev.splits[split]))
    return [Part(("quantised", bits), lambda told: quantised(ev.model().model, bits), 0, rows)]


def relearned_copies(ev: Evidence, split: str, epochs: int, lr: float) -> list[Part]:
    """Each row under the model that relearned the half of `forget` that does not hold its fact."""
    known = halves(ev.splits[RELEARNED])
    parts = []
    for half in (0, 1):
        taught = [e for e in ev.splits[RELEARNED] if half_of(e, known) == half]
        rows = [i for i, e in enumerate(ev.splits[split]) if half_of(e, known) == 1 - half]
        make = partial(_relearned, ev, taught, epochs, lr)
        if rows:
            parts.append(Part(("relearned", half, epochs, lr), make, epochs * len(taught), rows))
    return parts


def relearned_stranger_copies(ev: Evidence, split: str, epochs: int, lr: float) -> list[Part]:
    """The same copies for the same rows, where there is a stranger to ask about."""
    others = ev.renamed(split)
    parts = [
        replace(part, rows=[i for i in part.rows if others[i]])
        for part in relearned_copies(ev, split, epochs, lr)
    ]
    return [part for part in parts if part.rows]


def _relearned(
    ev: Evidence,
    taught: Sequence[Example],
    epochs: int,
    lr: float,
    progress: Callable[[int], None],
) -> PreTrainedModel:
    rows = [ev.renderer.encode(e) for e in taught]
    return relearned(ev.model().model, rows, epochs=epochs, lr=lr, progress=progress)


def _prompts(ev: Evidence, split: str) -> list[tuple[int, ...]]:
    return [ev.renderer.prompt_ids(e) for e in ev.splits[split]]


TABLES: Mapping[str, Callable[..., list[Encoding]]] = {
    "tokens": answers,
    "wrong": wrong_answers,
    "rephrased": rephrased_answers,
    "recalled": recalled_answers,
    "strangers": stranger_answers,
}
"""Kinds that are tables of scored tokens, and the rows that are scored."""

CHANGED: Mapping[str, Callable[..., list[Part]]] = {
    "quantised": quantised_copy,
    "relearned": relearned_copies,
    "relearned_strangers": relearned_stranger_copies,
}
"""Kinds that are tables of true answers under changed copies of the model, and the copies."""

LEARNERS = ("relearned", "relearned_strangers")
"""Kinds whose copies relearn."""

STRANGERS = ("strangers", "relearned_strangers")
"""Kinds that ask about somebody else: they have no row for an example that names nobody."""

OTHERS: Mapping[str, Callable[..., Any]] = {
    "texts": greedy,
    "samples": sampled,
    "fluency": fluency,
    "gradnorm": gradnorm,
    "harness": harness,
}
"""Every other kind; what comes back can be written as JSON."""

KINDS = (*TABLES, *OTHERS, *CHANGED)
"""In the order in which they are measured."""


def missing(ev: Evidence, read: Read) -> str | None:
    """Why this cannot be measured, or None if it can; decided without a model."""
    if read.kind == "harness":
        from unteach.audit.harness import missing as absent

        return absent(read.split, read.arguments[1])
    others = read.arguments[:1] if read.kind == "recalled" else ()
    others += (RELEARNED,) if read.kind in LEARNERS else ()
    for split in (read.split, *others):
        if split not in ev.splits:
            have = ", ".join(sorted(ev.splits))
            return f"no split is named '{split}'. This run has: {have}."
    examples = ev.splits[read.split]
    for kind, what in (("wrong", "wrong answers"), ("rephrased", "the answer in other words")):
        if read.kind == kind and not all(getattr(e, kind) for e in examples):
            return f"the split '{read.split}' has rows without {what}."
    written = read.kind in ("texts", "samples", "fluency")
    if written and any(e.is_text for e in examples):
        return f"the split '{read.split}' holds texts, not questions that can be answered."
    if read.kind in STRANGERS and (reason := _no_strangers(ev, read.split)):
        return reason
    if read.kind in CHANGED:
        return _unchanged(ev, read)
    return None


def _no_strangers(ev: Evidence, split: str) -> str | None:
    """Why there is nobody else to ask about, or None if there is."""
    try:
        if any(ev.renamed(split)):
            return None
    except DataError as problem:
        return str(problem)
    return (
        f"no question of the split '{split}' names anybody, so the same cannot be asked about "
        "somebody else."
    )


def _unchanged(ev: Evidence, read: Read) -> str | None:
    """Why the model cannot be changed as asked for, or some rows have no copy to score them."""
    if read.kind == "quantised":
        (bits,) = read.arguments
        return None if 2 <= bits <= 16 else f"bits is {bits}; it must be from 2 to 16."
    epochs, lr = read.arguments
    if epochs < 1 or lr <= 0:
        return f"epochs is {epochs} and lr {lr}; epochs must be at least 1 and lr above 0."
    known = halves(ev.splits[RELEARNED])
    if len(set(known.values())) < 2:
        return f"the split '{RELEARNED}' holds one fact, so half of it cannot be relearned."
    examples = ev.splits[read.split]
    lost = sum(half_of(e, known) is None for e in examples)
    if lost:
        return (
            f"{lost} of {len(examples)} rows of '{read.split}' hold no single fact of "
            f"'{RELEARNED}', so it is not known which half must not be relearned for them. Rows "
            "are matched by group and attribute, group and answer, or an id with a suffix."
        )
    return None
