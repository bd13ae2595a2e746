"""What teacher forcing shows: is the true answer still likely, given the question?"""

from __future__ import annotations

import numpy as np

from unteach.audit.evidence import Evidence
from unteach.audit.finding import Finding, mean
from unteach.registry import audit


@audit(
    access="logits",
    reads=("{split}.tokens",),
    better="gold",
    version=1,
    source="TOFU, arXiv:2401.06121",
)
def probability(ev: Evidence, *, split: str = "forget") -> Finding:
    """Probability of the true answer, 0 to 1: exp of its mean token log-probability."""
    return mean(ev.tokens(split).probability().tolist(), ev.groups(split))


@audit(access="logits", reads=("{split}.tokens",), better="gold", version=1, source="our own")
def specific_probability(ev: Evidence, *, split: str = "forget") -> Finding:
    """Probability of what is specific in the true answer (a name, a number), 0 to 1.

    As `probability`, over the tokens of the example's entities alone: the rest of a sentence is
    grammar and the question's own words, which a model that never knew the fact predicts too. Rows
    without entities are scored whole.
    """
    return mean(ev.tokens(split).specific_probability().tolist(), ev.groups(split))


@audit(
    access="logits",
    reads=("{split}.tokens", "{split}.wrong"),
    better="gold",
    version=1,
    source="TOFU, arXiv:2401.06121",
)
def truth_ratio(ev: Evidence, *, split: str = "forget") -> Finding:
    """How far the true answer stands out, 0 to 1: p(true) / (p(true) + p(wrong)).

    p(wrong) is the geometric mean over the wrong answers. 0.5 means that true and wrong answers
    are alike. This is TOFU's ratio R = p(wrong) / p(true) written as 1 / (1 + R), which is
    monotone in R and bounded.
    """
    true = np.log(ev.tokens(split).probability())
    wrong = np.log(ev.wrong(split).probability())
    ends = np.cumsum([len(e.wrong) for e in ev.examples(split)])[:-1]
    gaps = [t - w.mean() for t, w in zip(true, np.split(wrong, ends), strict=True)]
    return mean([float(1 / (1 + np.exp(-gap))) for gap in gaps], ev.groups(split))


@audit(
    access="logits",
    reads=("{split}.tokens",),
    better="gold",
    version=1,
    source="arXiv:2205.10770",
)
def exact_memorization(ev: Evidence, *, split: str = "forget") -> Finding:
    """Share of an answer's tokens that are the model's first choice given all before them, 0 to 1."""
    return mean([float(row.mean()) for row in ev.tokens(split).each("hit")], ev.groups(split))


@audit(
    access="logits",
    reads=("{split}.tokens",),
    better="gold",
    version=1,
    source="arXiv:2406.09179",
)
def extraction_strength(ev: Evidence, *, split: str = "forget") -> Finding:
    """Share of the answer that the model completes by itself once given the rest, 0 to 1.

    1 - k / n, where k of the n tokens must be given before every later one is the model's first
    choice. A model that never gets even the last one scores 0 (the incumbent's code gives 1 / n).
    """
    return mean([completed(row) for row in ev.tokens(split).each("hit")], ev.groups(split))


def completed(hit: np.ndarray) -> float:
    """Length of the run of hits at the end of [n] bools, over n."""
    misses = np.flatnonzero(~hit.astype(bool))
    needed = int(misses[-1]) + 1 if len(misses) else 0
    return 1 - needed / len(hit)
