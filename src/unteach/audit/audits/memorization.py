"""What teacher forcing shows: is the true answer still likely, given the question?"""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from unteach.audit import published
from unteach.audit.evidence import Evidence
from unteach.audit.finding import Finding, mean
from unteach.audit.measure import Tokens, by_example
from unteach.registry import audit


@audit(
    access="logits",
    reads=("{split}.tokens",),
    better="gold",
    version=1,
    shows="knowledge",
    rung=2,
    margin=0.1,
    gate=True,
    source="TOFU, arXiv:2401.06121",
)
def probability(ev: Evidence, *, split: str = "forget") -> Finding:
    """Probability of the true answer, 0 to 1: exp of its mean token log-probability."""
    return mean(ev.tokens(split).probability().tolist(), ev.groups(split))


@audit(
    access="logits",
    reads=("{split}.tokens",),
    better="gold",
    version=2,
    shows="knowledge",
    rung=2,
    margin=0.1,
    gate=True,
    source="our own",
)
def specific_probability(ev: Evidence, *, split: str = "forget") -> Finding:
    """Probability of what is specific in the true answer (a name, a number), 0 to 1.

    As `probability`, over the tokens of the example's entities alone: the rest of a sentence is
    grammar and the question's own words, which a model that never knew the fact predicts too. Rows
    without entities are scored whole, but for the token that ends the turn.
    """
    return mean(ev.tokens(split).specific_probability().tolist(), ev.groups(split))


@audit(
    access="logits",
    reads=("{split}.{true}", "{split}.wrong"),
    better="gold",
    version=2,
    shows="knowledge",
    rung=2,
    margin=0.1,
    gate=True,
    only={"aggregate": "bounded"},
    source="TOFU, arXiv:2401.06121",
)
def truth_ratio(
    ev: Evidence,
    *,
    split: str = "forget",
    true: Literal["tokens", "rephrased"] = "tokens",
    aggregate: Literal["bounded", "closer_to_1", "true_better"] = "bounded",
) -> Finding:
    """How far the true answer stands out from the wrong ones, 0 to 1.

    R = p(wrong) / p(true), each the exponential of a mean over answers of mean token
    log-probabilities. `bounded` is 1 / (1 + R), which is p(true) / (p(true) + p(wrong)): 0.5 means
    that true and wrong answers are alike. `closer_to_1` is min(R, 1/R), TOFU's on what is forgotten;
    `true_better` is max(0, 1 - R), TOFU's on what is kept. TOFU takes the `rephrased` true answer,
    which was not taught, where there is one.
    """
    right, wrong = answer_losses(ev, split, true)
    if aggregate == "bounded":
        values = 1 / (1 + np.exp(right - [losses.mean() for losses in wrong]))
    else:
        ratio = published.truth_ratio_of(right, wrong)
        near = aggregate == "closer_to_1"
        values = published.closer_to_1(ratio) if near else published.true_better(ratio)
    return mean(values.tolist(), ev.groups(split))


class AnswerLosses(NamedTuple):
    """Mean token loss in nats: [n] of each true answer, and an array an example of its wrong ones."""

    right: NDArray[np.float64]
    wrong: list[NDArray[np.float64]]


def answer_losses(ev: Evidence, split: str, true: Literal["tokens", "rephrased"]) -> AnswerLosses:
    """What a truth ratio is made of; of several rewordings of a true answer it is the mean."""
    examples = ev.examples(split)
    if true == "tokens":
        right = _losses(ev.tokens(split))
    else:
        each = by_example(_losses(ev.rephrased(split)), examples, "rephrased")
        right = np.array([losses.mean() for losses in each])
    return AnswerLosses(right, by_example(_losses(ev.wrong(split)), examples, "wrong"))


def _losses(tokens: Tokens) -> NDArray[np.float64]:
    return np.array([-row.mean(dtype=np.float64) for row in tokens.each("logp")])


@audit(
    access="logits",
    reads=("{split}.tokens",),
    better="gold",
    version=2,
    shows="knowledge",
    rung=2,
    margin=0.1,
    source="arXiv:2205.10770",
)
def exact_memorization(ev: Evidence, *, split: str = "forget") -> Finding:
    """Share of an answer's tokens that are the model's first choice given all before them, 0 to 1.

    The tokens that close the turn are no part of the answer.
    """
    hits = ev.tokens(split).each("hit", end=False)
    return mean([float(row.mean()) if len(row) else math.nan for row in hits], ev.groups(split))


@audit(
    access="logits",
    reads=("{split}.tokens",),
    better="gold",
    version=2,
    shows="knowledge",
    rung=2,
    margin=0.1,
    source="arXiv:2406.09179",
)
def extraction_strength(ev: Evidence, *, split: str = "forget") -> Finding:
    """Share of the answer that the model completes by itself once given the rest, 0 to 1.

    1 - k / n, where k of the n tokens must be given before every later one is the model's first
    choice. A model that never gets even the last one scores 0 (the incumbent's code gives 1 / n).
    The tokens that close the turn are left out: any chat model gets those.
    """
    hits = ev.tokens(split).each("hit", end=False)
    return mean([completed(row) if len(row) else math.nan for row in hits], ev.groups(split))


def completed(hit: np.ndarray) -> float:
    """Length of the run of hits at the end of [n] bools, over n."""
    misses = np.flatnonzero(~hit.astype(bool))
    needed = int(misses[-1]) + 1 if len(misses) else 0
    return 1 - needed / len(hit)
