"""What the model can still do: questions with choices, sums, free answers, tasks of lm-eval."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from unteach.audit.audits.knowledge import inferred
from unteach.audit.evidence import Evidence
from unteach.audit.finding import UNIT, Finding, mean, unavailable
from unteach.audit.harness import HarnessResult
from unteach.audit.intervals import Interval
from unteach.audit.measure import Tokens, by_example
from unteach.data.sources import FINAL_ANSWER
from unteach.ranges import Count, Whole
from unteach.registry import audit

NUMBER = re.compile(r"(?<![0-9])-?(?:[0-9]{1,3}(?:,[0-9]{3})+(?![0-9])|[0-9]+)(?:\.[0-9]+)?")
"""A number as people write it: -3, 1,000, 2.50; the 4 of "3-4" is not negative."""

Z = 1.96
"""Standard errors from the value to the ends of a 95 % interval."""


@audit(
    access="logits",
    reads=("{split}.tokens", "{split}.wrong"),
    better="original",
    version=1,
    shows="knowledge",
    rung=2,
    margin=0.1,
    gate=True,
    source="MMLU, arXiv:2009.03300",
)
def multiple_choice(ev: Evidence, *, split: str = "mmlu", normalise: bool = False) -> Finding:
    """Share of questions whose true answer is likelier than every wrong one, 0 to 1.

    An answer's log-probability is summed over its tokens, or averaged with `normalise`, which long
    answers of different lengths need; the tokens that close the turn are left out. A tie of k
    answers for the first place counts 1 / k.
    """
    values, chances = [], []
    for true, wrong in _rivals(ev, split, normalise):
        tied = 1 + int((wrong == true).sum())
        values.append(0.0 if (wrong > true).any() else 1 / tied)
        chances.append(1 / (1 + len(wrong)))
    return mean(values, ev.groups(split), f"Chance is {np.mean(chances):.2g}.")


@audit(
    access="logits",
    reads=("{split}.tokens", "{split}.wrong"),
    better="original",
    version=1,
    shows="knowledge",
    rung=2,
    margin=0.1,
    source="TOFU, arXiv:2401.06121",
)
def probability_of_options(ev: Evidence, *, split: str = "forget") -> Finding:
    """Share of the true answer in the probability of all options, 0 to 1: p / (p + sum of p wrong).

    As published, p is exp of the mean log-probability of an answer's tokens, with those that close
    the turn. With k options 1 / k means that all are alike.
    """
    true = ev.tokens(split).probability()
    wrong = by_example(ev.wrong(split).probability(), ev.examples(split), "wrong")
    values = [float(p / (p + others.sum())) for p, others in zip(true, wrong, strict=True)]
    return mean(values, ev.groups(split))


@audit(
    access="text",
    reads=("{split}.texts({max_tokens})",),
    better="original",
    version=1,
    shows="knowledge",
    rung=1,
    margin=0.1,
    source="GSM8K, arXiv:2110.14168",
)
def final_answer(ev: Evidence, *, split: str = "gsm8k", max_tokens: Count = 256) -> Finding:
    """Share of greedy answers whose last number is the one after #### in the true answer, 0 to 1.

    Without examples shown; published figures show eight or so. Rows without such a line are
    unknown. Models of a few hundred million weights are near 0.
    """
    pairs = zip(ev.examples(split), ev.texts(split, max_tokens), strict=True)
    return mean([_solves(text, e.answer) for e, text in pairs], ev.groups(split))


@audit(
    access="text",
    reads=("{split}.texts",),
    better="gold",
    version=1,
    shows="knowledge",
    rung=1,
    margin=0.1,
    source="arXiv:2510.07626",
)
def open_qa(ev: Evidence, *, split: str = "forget") -> Finding:
    """Share of greedy answers from which the true one follows, by a local NLI model, 0 to 1.

    The premise is the greedy answer, as published; there two examples are shown first, here none.
    An empty answer entails nothing.
    """
    return inferred(ev, split, "answer", "entailment")


@audit(
    access="logits",
    reads=("{task}.harness({limit}, {shots}, {batch})",),
    better="original",
    version=1,
    shows="knowledge",
    rung=2,
    margin=0.1,
    source="lm-evaluation-harness",
)
def lm_eval(
    ev: Evidence, *, task: str = "mmlu", limit: Count = 200, shots: Whole = 0, batch: Count = 16
) -> Finding:
    """The first metric of a task of the optional package lm-eval, in the task's own unit.

    On the first `limit` questions, or as many of each part of a group. The interval is over
    questions: that of `mean` where the metric is the mean of one number a question, otherwise 1.96
    standard errors to each side, within 0 to 1 if the value is. No chat template is applied.
    """
    kept = ev.harness(task, limit, shots, batch)
    if "reason" in kept:
        return unavailable(kept["reason"])
    found = HarnessResult(**kept)
    note = f"{found.metric} of {task} by lm-eval."
    names = tuple(f"{task}-{i}" for i in range(len(found.per_example)))
    if names and math.isclose(float(np.mean(found.per_example)), found.value, rel_tol=1e-9):
        return mean(found.per_example, names, note)
    if math.isnan(found.stderr):
        note += " It has no standard error: no interval."
    ends = Interval(found.value - Z * found.stderr, found.value + Z * found.stderr)
    if 0 <= found.value <= 1:
        ends = ends.clipped(UNIT)
    return Finding(
        value=found.value,
        low=ends.low,
        high=ends.high,
        n=found.n,
        groups=found.n,
        per_example=np.array(found.per_example) if names else None,
        group_ids=names,
        note=note,
    )


def _rivals(
    ev: Evidence, split: str, normalise: bool
) -> Iterator[tuple[float, NDArray[np.float64]]]:
    """Log-probability of the true answer and those of the wrong ones, question by question."""
    true = _answer_logp(ev.tokens(split), normalise)
    wrong = by_example(_answer_logp(ev.wrong(split), normalise), ev.examples(split), "wrong")
    return zip(true, wrong, strict=True)


def _answer_logp(tokens: Tokens, normalise: bool) -> NDArray[np.float64]:
    """[n] nats, without the tokens that close the turn."""
    reduce = np.mean if normalise else np.sum
    return np.array([reduce(logp, dtype=np.float64) for logp in tokens.each("logp", end=False)])


def _solves(text: str, answer: str) -> float:
    wanted = FINAL_ANSWER.search(answer)
    if wanted is None:
        return float("nan")
    said = NUMBER.findall(text.replace("\u2212", "-"))
    return float(bool(said) and _value(said[-1]) == _value(wanted[1]))


def _value(number: str) -> Decimal:
    return Decimal(number.replace(",", ""))
