"""What can be measured of a model on a split: each kind of evidence, and when it cannot be had.

A kind is either a table of scored tokens, described by the rows that are to be scored, or anything
else, described by a function that runs the model. A new one is a function and a line in `TABLES`
or `OTHERS`.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from unteach.audit.gradients import gradient_norms
from unteach.data.examples import Example
from unteach.data.render import Encoding
from unteach.model.generate import as_text

if TYPE_CHECKING:
    from unteach.audit.evidence import Evidence

MAX_NEW_TOKENS = 48
"""Tokens of a greedy answer, where an audit does not say otherwise."""

MODELS = ("gold", "base")
"""Models beside the audited one that an audit may read: `gold.forget.tokens`."""


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
    found = re.fullmatch(r"(?:(gold|base)\.)?([\w-]+)\.(\w+)(?:\((.*)\))?", text)
    assert found, f"an audit reads '{text}'"
    model, split, kind, given = found.groups()
    assert kind in TABLES or kind in OTHERS, f"an audit reads '{text}': there is no kind '{kind}'"
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
    ev: Evidence, split: str, number: int, temperature: float, max_tokens: int = MAX_NEW_TOKENS
) -> list[list[str]]:
    """`number` answers to each question, drawn at random from the evidence's own seed."""
    prompts = [prompt for prompt in _prompts(ev, split) for _ in range(number)]
    drawn = ev.write(prompts, max_tokens, f"{split}, sampled answers", temperature)
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


def _prompts(ev: Evidence, split: str) -> list[tuple[int, ...]]:
    return [ev.renderer.prompt_ids(e) for e in ev.splits[split]]


TABLES: Mapping[str, Callable[..., list[Encoding]]] = {
    "tokens": answers,
    "wrong": wrong_answers,
    "rephrased": rephrased_answers,
    "recalled": recalled_answers,
}
"""Kinds that are tables of scored tokens, and the rows that are scored."""

OTHERS: Mapping[str, Callable[..., Any]] = {
    "texts": greedy,
    "samples": sampled,
    "fluency": fluency,
    "gradnorm": gradnorm,
    "harness": harness,
}
"""Every other kind; what comes back can be written as JSON."""


def missing(ev: Evidence, read: Read) -> str | None:
    """Why this cannot be measured, or None if it can; decided without a model."""
    if read.kind == "harness":
        from unteach.audit.harness import missing as absent

        return absent(read.split, read.arguments[1])
    for split in [read.split, *(read.arguments[:1] if read.kind == "recalled" else ())]:
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
    return None
