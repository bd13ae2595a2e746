"""How well a set of replies is written: ReLearn's linguistic score, and one that is hard to fool."""

from __future__ import annotations

import math
import re
import statistics
from collections import Counter
from collections.abc import Sequence
from functools import cache, lru_cache
from typing import TYPE_CHECKING

from unteach.audit.text import is_degenerate, repetition

if TYPE_CHECKING:
    from nltk.tokenize import NLTKWordTokenizer  # type: ignore[import-untyped]

# A full stop ends a sentence unless an initial or one of these stands before it.
_SENTENCE_END = re.compile(
    r"(?<!\b(?:mr|dr|ms|st|vs|jr|sr|no)\.)(?<!\b(?:mrs|inc)\.)(?<!\bprof\.)(?<!\b[a-z]\.)"
    r"(?:(?<=[.!?])|(?<=[.!?][\"')\]]))\s+"
)


def word_tokens(text: str) -> list[str]:
    """Lower-case Penn Treebank tokens; punctuation marks are tokens.

    The published score uses nltk's `word_tokenize`, which cuts sentences with a trained splitter
    that must be downloaded. The word rules are the same here, but a sentence ends at `.`, `!` or
    `?` before a space, save after initials and a few titles: only rare abbreviations differ.
    """
    sentences = _SENTENCE_END.split(text.lower())
    return [token for sentence in sentences for token in _tokenizer().tokenize(sentence)]


@cache
def _tokenizer() -> NLTKWordTokenizer:
    from nltk.tokenize import NLTKWordTokenizer

    return NLTKWordTokenizer()


@lru_cache(maxsize=8192)
def brunet(text: str) -> float:
    """Brunet's index N ** (V ** -0.165) of N tokens of V types; lower is richer, 1000 if empty.

    It grows with length: one word scores 1, a good sentence of 25 words about 6.7.
    """
    tokens = word_tokens(text)
    return len(tokens) ** (len(set(tokens)) ** -0.165) if tokens else 1000.0


@lru_cache(maxsize=8192)
def honore(text: str) -> float:
    """Honore's statistic 100 ln N / (1.1 - U/V), U types seen once; higher is richer.

    As coded by ReLearn: its equation lacks the 0.1 that keeps U = V finite. 0 when N <= 1; at most
    1e6.
    """
    counts = Counter(word_tokens(text))
    if counts.total() <= 1:
        return 0.0
    once = sum(count == 1 for count in counts.values())
    return min(100 * math.log(counts.total()) / (1 - once / len(counts) + 0.1), 1e6)


def linguistic_score(perplexities: Sequence[float], texts: Sequence[str]) -> float:
    """ReLearn's LS of a set, 0 to 0.6 (arXiv:2502.11190), kept to compare with its tables.

    Averages perplexity, Brunet and Honore over the set, then takes the harmonic mean of
    sigma(-ln PPL), sigma(-ln BI) and sigma(ln HS), which is 3 / (3 + PPL + BI + 1/HS). Hence HS
    weighs nothing, short replies win, and one exploding perplexity decides. The published
    perplexity is that of the untuned base model. A reply without tokens has no perplexity, so
    there may be fewer of them than texts.

    Raises:
        ValueError: there is no text or no perplexity, or a perplexity is below 1 or not a number.
    """
    _check(perplexities, texts)
    ppl = statistics.fmean(perplexities)
    bi = statistics.fmean(map(brunet, texts))
    hs = statistics.fmean(map(honore, texts))
    return statistics.harmonic_mean([1 / (1 + ppl), 1 / (1 + bi), hs / (1 + hs)])


HALF_PERPLEXITY = 50.0
"""The perplexity that costs half the fluency; fluent replies score 5 to 30 under a base model."""


def robust_linguistic_score(perplexities: Sequence[float], texts: Sequence[str]) -> float:
    """Our own score of a set, 0 to 1: harmonic mean of fluency and variety.

    Fluency is 1 / (1 + median PPL / 50): a few explosions cannot decide. Variety is the mean over
    texts of 1 - repeated 3-grams, and 0 for empty or degenerate text: a short reply gains nothing
    over a long one, and loops, which have a low perplexity, score 0. It is not comparable with LS.

    Raises:
        ValueError: as `linguistic_score`.
    """
    _check(perplexities, texts)
    fluency = 1 / (1 + statistics.median(perplexities) / HALF_PERPLEXITY)
    return statistics.harmonic_mean([fluency, statistics.fmean(map(variety, texts))])


@lru_cache(maxsize=8192)
def variety(text: str) -> float:
    """1 - the share of repeated 3-grams; 0 for empty or degenerate text."""
    return 0.0 if is_degenerate(text) else 1 - repetition(text)


def _check(perplexities: Sequence[float], texts: Sequence[str]) -> None:
    if not texts or not perplexities:
        raise ValueError(
            f"a linguistic score needs texts and perplexities; there are {len(texts)} and "
            f"{len(perplexities)}"
        )
    bad = [p for p in perplexities if not p >= 1]
    if bad:
        raise ValueError(f"a perplexity is at least 1, and {bad[0]} is not")
