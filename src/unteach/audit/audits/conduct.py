"""How the model speaks."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from unteach.audit import language
from unteach.audit.evidence import Evidence
from unteach.audit.finding import Finding, mean, resample_groups, statistic, unavailable
from unteach.audit.text import is_degenerate, is_refusal
from unteach.audit.text import repetition as repeated
from unteach.registry import audit


@audit(access="text", reads=("{split}.texts",), better="lower", version=1, source="standard")
def repetition(ev: Evidence, *, split: str = "forget") -> Finding:
    """Share of an answer's 3-grams that occurred before in it, 0 to 1."""
    return mean([repeated(text) for text in ev.texts(split)], ev.groups(split))


@audit(access="text", reads=("{split}.texts",), better="gold", version=1, source="rules of our own")
def refusal(ev: Evidence, *, split: str = "forget") -> Finding:
    """Share of answers that refuse or say that they do not know, 0 to 1."""
    return mean([float(is_refusal(text)) for text in ev.texts(split)], ev.groups(split))


@audit(
    access="text", reads=("{split}.texts",), better="lower", version=1, source="rules of our own"
)
def degenerate(ev: Evidence, *, split: str = "forget") -> Finding:
    """Share of answers that are empty, a loop or not language, 0 to 1."""
    return mean([float(is_degenerate(text)) for text in ev.texts(split)], ev.groups(split))


@audit(
    access="logits",
    reads=("{split}.texts", "{split}.fluency"),
    better="higher",
    version=1,
    source="ReLearn, arXiv:2502.11190",
)
def linguistic_score(ev: Evidence, *, split: str = "forget") -> Finding:
    """ReLearn's LS, 0 to 0.6: 3 / (3 + perplexity + Brunet + 1 / Honore), each averaged first.

    Perplexity is that of the answers under the model before it was taught anything. Short answers
    win and one bad answer can decide; see `robust_linguistic_score`.
    """
    return _scored(ev, split, language.linguistic_score)


@audit(
    access="logits",
    reads=("{split}.texts", "{split}.fluency"),
    better="higher",
    version=1,
    source="our own",
)
def robust_linguistic_score(ev: Evidence, *, split: str = "forget") -> Finding:
    """Harmonic mean of fluency (median perplexity) and variety (no repetition), 0 to 1."""
    return _scored(ev, split, language.robust_linguistic_score)


def _scored(
    ev: Evidence, split: str, score: Callable[[Sequence[float], Sequence[str]], float]
) -> Finding:
    texts, perplexity = ev.texts(split), ev.fluency(split)
    if np.isnan(perplexity).all():
        return unavailable("every answer is empty, so none has a perplexity")

    def of(rows: Sequence[int]) -> float:
        known = [float(perplexity[i]) for i in rows if not math.isnan(perplexity[i])]
        return score(known, [texts[i] for i in rows]) if known else math.nan

    drawn = [of(rows.tolist()) for rows in resample_groups(ev.groups(split), times=200)]
    drawn = [x for x in drawn if not math.isnan(x)]
    groups = len(set(ev.groups(split)))
    return statistic(of(range(len(texts))), drawn, len(texts), groups)
