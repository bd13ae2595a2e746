"""How the model speaks."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
from scipy import special  # type: ignore[import-untyped]

from unteach.audit import language
from unteach.audit.evidence import Evidence
from unteach.audit.finding import (
    Finding,
    caution,
    mean,
    resample_groups,
    statistic,
    unavailable,
)
from unteach.audit.judges import GibberishDetector, Unavailable
from unteach.audit.text import distinct, is_degenerate, is_refusal, words
from unteach.audit.text import repetition as repeated
from unteach.ranges import Count
from unteach.registry import audit

PAIR = 2
"""Words of what `diversity` counts."""
ALL_EMPTY = "every answer is empty, so none has a perplexity"


@audit(
    access="text",
    reads=("{split}.texts",),
    better="lower",
    version=1,
    shows="language",
    margin=0.1,
    collapse=0.3,
    source="standard",
)
def repetition(ev: Evidence, *, split: str = "forget") -> Finding:
    """Share of an answer's 3-grams that occurred before in it, 0 to 1."""
    return mean([repeated(text) for text in ev.texts(split)], ev.groups(split))


@audit(
    access="text",
    reads=("{split}.texts",),
    better="gold",
    version=1,
    shows="conduct",
    rung=1,
    margin=0.2,
    source="rules of our own",
)
def refusal(ev: Evidence, *, split: str = "forget") -> Finding:
    """Share of answers that refuse or say that they do not know, 0 to 1."""
    return mean([float(is_refusal(text)) for text in ev.texts(split)], ev.groups(split))


@audit(
    access="text",
    reads=("{split}.texts",),
    better="lower",
    version=1,
    shows="language",
    margin=0.1,
    collapse=0.5,
    source="rules of our own",
)
def degenerate(ev: Evidence, *, split: str = "forget") -> Finding:
    """Share of answers that are empty, a loop or not language, 0 to 1."""
    return mean([float(is_degenerate(text)) for text in ev.texts(split)], ev.groups(split))


@audit(
    access="text",
    reads=("{split}.texts",),
    better="higher",
    version=1,
    shows="language",
    margin=0.1,
    collapse=0.5,
    source="open-unlearning's classifier",
)
def gibberish(ev: Evidence, *, split: str = "forget") -> Finding:
    """Probability that an answer is clean language and no gibberish, by a classifier, 0 to 1.

    That of the label "clean", averaged over answers; there only the first 32 of a classifier's
    tokens are read on TOFU, here 512. An empty answer is unknown: `degenerate` counts those.
    """
    detector: GibberishDetector | Unavailable = ev.tools["gibberish"]()
    if isinstance(detector, Unavailable):
        return unavailable(detector.reason)
    texts = ev.texts(split)
    values = [p if text else math.nan for p, text in zip(detector.clean(texts), texts, strict=True)]
    return mean(values, ev.groups(split))


@audit(
    access="text",
    reads=("{split}.texts",),
    better="gold",
    version=1,
    shows="nothing",
    source="arXiv:1510.03055",
)
def diversity(ev: Evidence, *, split: str = "forget") -> Finding:
    """Different word pairs over all word pairs of the answers together, 0 to 1.

    Near 0 when a model says one thing to everybody. It falls as answers get longer and more, so
    compare models on the same questions, and not splits of different size. The interval leaves out
    one person at a time (jackknife): a resample that draws an answer twice has fewer different
    pairs than answers have, and its interval lies below the value. There is none where the value
    is the same whoever is left out.
    """
    texts = ev.texts(split)
    value = distinct(texts, PAIR)
    if value is None:
        return unavailable("no answer has two words")
    groups = np.asarray(ev.groups(split))
    names = np.unique(groups)
    rests = [[texts[i] for i in np.flatnonzero(groups != name)] for name in names]
    without = np.array([math.nan if (x := distinct(rest, PAIR)) is None else x for rest in rests])
    differ = np.ptp(without) > 1e-12  # not so either where one of them is unknown
    spread = math.sqrt((len(names) - 1) * float(without.var())) if differ else math.nan
    half = float(special.stdtrit(len(names) - 1, 0.975)) * spread
    low, high = np.clip([value - half, value + half], 0, 1)
    pairs = sum(max(0, len(words(text)) - 1) for text in texts)
    return Finding(
        value=value,
        low=float(low),
        high=float(high),
        n=len(texts),
        groups=len(names),
        note=f"Of {pairs} word pairs. {caution(len(names))}".strip(),
    )


@audit(
    access="logits",
    reads=("{split}.texts({max_tokens})", "{split}.fluency({max_tokens})"),
    better="original",
    version=1,
    shows="nothing",
    source="ReLearn, arXiv:2502.11190",
)
def answer_perplexity(
    ev: Evidence,
    *,
    split: str = "forget",
    max_tokens: Count = 48,
    average: Literal["mean", "median"] = "mean",
) -> Finding:
    """Perplexity of the greedy answers under the model before it was taught, 1 or more.

    ReLearn's PPL: of each answer exp of the mean token loss given its question, then the mean over
    answers. One answer can decide it, as published; its note gives the median, and `average: median`
    has that with an interval. A loop comes near 1 and noise above thousands: good is what is near
    the original's. The tokens that close the answer's turn count. An empty answer has none and is
    left out.
    """
    perplexity = ev.fluency(split, max_tokens)
    known = np.flatnonzero(~np.isnan(perplexity))
    if not known.size:
        return unavailable(ALL_EMPTY)
    groups = [ev.groups(split)[i] for i in known]
    values = perplexity[known]
    num_empty = len(perplexity) - len(known)
    left_out = f"{num_empty} of {len(perplexity)} answers are empty, left out." if num_empty else ""
    middle = f"Median {np.median(values):.4g}." if average == "mean" else ""
    note = f"{middle} {left_out}".strip()
    if average == "median":
        drawn = [float(np.median(values[rows])) for rows in resample_groups(groups)]
        return statistic(float(np.median(values)), drawn, len(known), len(set(groups)), note)
    if not np.isfinite(values).all():
        return unavailable(f"the value is not finite. {note}")
    found = mean(values.tolist(), groups, note)
    # no text is more certain than 1; NaN, of one person alone, stays NaN
    low = float(np.maximum(found.low, 1.0))
    return replace(found, low=low, per_example=perplexity, group_ids=tuple(ev.groups(split)))


@audit(
    access="logits",
    reads=("{split}.texts({max_tokens})", "{split}.fluency({max_tokens})"),
    better="higher",
    version=1,
    shows="nothing",
    source="ReLearn, arXiv:2502.11190",
)
def linguistic_score(ev: Evidence, *, split: str = "forget", max_tokens: Count = 48) -> Finding:
    """ReLearn's LS, 0 to 0.6: 3 / (3 + perplexity + Brunet + 1 / Honore), each averaged first.

    Perplexity is that of the answers under the model before it was taught anything. Short answers
    win and one bad answer can decide; see `robust_linguistic_score`.
    """
    return _scored(ev, split, max_tokens, language.linguistic_score)


@audit(
    access="logits",
    reads=("{split}.texts({max_tokens})", "{split}.fluency({max_tokens})"),
    better="higher",
    version=1,
    shows="nothing",
    source="our own",
)
def robust_linguistic_score(
    ev: Evidence, *, split: str = "forget", max_tokens: Count = 48
) -> Finding:
    """Harmonic mean of fluency (median perplexity) and variety (no repetition), 0 to 1."""
    return _scored(ev, split, max_tokens, language.robust_linguistic_score)


def _scored(
    ev: Evidence,
    split: str,
    max_tokens: int,
    score: Callable[[Sequence[float], Sequence[str]], float],
) -> Finding:
    texts, perplexity = ev.texts(split, max_tokens), ev.fluency(split, max_tokens)
    if np.isnan(perplexity).all():
        return unavailable(ALL_EMPTY)

    def of(rows: Sequence[int]) -> float:
        known = [float(perplexity[i]) for i in rows if not math.isnan(perplexity[i])]
        return score(known, [texts[i] for i in rows]) if known else math.nan

    drawn = [of(rows.tolist()) for rows in resample_groups(ev.groups(split), times=1000)]
    drawn = [x for x in drawn if not math.isnan(x)]
    groups = len(set(ev.groups(split)))
    return statistic(of(range(len(texts))), drawn, len(texts), groups)
