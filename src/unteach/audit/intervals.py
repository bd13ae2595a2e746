"""How far a mean over persons may be from what was seen of it.

Rows about one person (or document) are not independent, so a person counts once, whatever the
number of rows. There are two intervals, and they answer two questions:

- `by_spread`: where the mean lies if the persons not seen are like those seen. Student's t over
  persons, bent by the skewness seen. It finds differences.
- `with_unseen`: where it lies whoever the others are, for values with known bounds. Persons get
  random weights, and one more person, never seen, is at a bound. It is wider, and it holds also
  where one person in ten is unlike the rest and none of them was drawn.

Everything is deterministic: random weights and signs come from a fixed seed.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special  # type: ignore[import-untyped]

Values = NDArray[np.float64]

DRAWS = 4_000
"""Random weights: a tail of 2.5 % is met within 0.3 %."""
MOST_WEIGHTS = 4_000_000
"""Of one table: beyond 1,000 persons there are fewer draws, at least 1,000."""
SIGNS = 10_000
"""Random signs."""
EXACT_SIGNS = 13
"""Up to so many persons all 2^G signs are gone through."""
MOST_SIGNS = 400
"""Beyond so many the sum of random signs is normal to four digits."""
ROUNDING = 1e-12


@dataclass(frozen=True)
class Interval:
    low: float
    high: float

    def clipped(self, bounds: tuple[float, float]) -> Interval:
        """Cut to the bounds; ends that are NaN stay so."""
        low, high = np.clip((self.low, self.high), *bounds)
        return Interval(float(low), float(high))


NO_INTERVAL = Interval(math.nan, math.nan)


@dataclass(frozen=True)
class Estimate:
    """A value over persons, its standard error, its third central moment and its degrees of freedom.

    The error is 0 where persons show no spread, and NaN where there is one alone.
    """

    value: float
    error: float
    third: float
    degrees: float
    number: int

    def __sub__(self, other: Estimate) -> Estimate:
        """Of other persons: variances add up, third moments do not, degrees are Welch's."""
        ours, theirs = self.error**2, other.error**2
        error = math.hypot(self.error, other.error)
        parts = ours**2 / self.degrees + theirs**2 / other.degrees
        return Estimate(
            self.value - other.value,
            error,
            self.third - other.third,
            error**4 / parts if error > 0 else self.degrees + other.degrees,
            min(self.number, other.number),
        )


@dataclass(frozen=True)
class Persons:
    """The sum of each person's values and their number, both [G]; the mean is over all rows."""

    totals: Values
    sizes: Values

    @property
    def number(self) -> int:
        return len(self.totals)

    @property
    def mean(self) -> float:
        return float(self.totals.sum() / self.sizes.sum())

    def estimate(self) -> Estimate:
        """The mean with its cluster-robust error (CR2); persons of other sizes count as fewer (Kish).

        The skewness of so few is too small: that of an exponential value by 1 + 8 / G, which is
        made good here.
        """
        share = self.sizes / self.sizes.sum()
        mean, number = self.mean, self.number
        if number < 2:
            return Estimate(mean, math.nan, math.nan, math.nan, number)
        moved = (self.totals / self.sizes.sum() - mean * share) / np.sqrt(1 - share)
        error = float(np.sqrt((moved**2).sum()))
        if error <= ROUNDING * float(np.abs(self.totals / self.sizes).max()):
            error = 0.0
        third = float(((moved - moved.mean()) ** 3).sum()) * (1 + 8 / number)
        degrees = max(1.0, 1 / float((share**2).sum()) - 1)
        return Estimate(mean, error, third, degrees, number)


def persons(values: ArrayLike, groups: ArrayLike) -> Persons:
    """Known values by person; the order of persons is that of their names."""
    _, member = np.unique(np.asarray(groups), return_inverse=True)
    totals = np.bincount(member, weights=np.asarray(values, dtype=np.float64))
    return Persons(totals.astype(np.float64), np.bincount(member).astype(np.float64))


def by_spread(seen: Estimate, *, level: float = 0.95) -> Interval:
    """Student's t over persons, the end on the long side moved out as the skewness asks (Hall 1992).

    Without the correction the interval of a skewed value misses on that side. The other end stays:
    drawn in, it would call a few large gaps that happened to have one sign a difference. What few persons
    cannot show of skewness is allowed for by 2 / G of the error. It knows nothing of a kind of
    person of which none was seen. NaN where persons show no spread.
    """
    if not seen.error > 0:
        return NO_INTERVAL
    tail = (1 - level) / 2 * (1 - min(2 / seen.number, 0.5))
    t = float(special.stdtrit(seen.degrees, 1 - tail))
    skew = seen.third / seen.error**3
    down, up = max(t, _bent(t, skew)), max(t, -_bent(-t, skew))
    return Interval(seen.value - seen.error * down, seen.value + seen.error * up)


def _bent(t: float, skew: float) -> float:
    """The studentised mean whose Hall transform is t: solves x + s x^2 / 3 + s^2 x^3 / 27 + s / 6 = t."""
    if abs(skew) < 1e-6:
        return t
    return 3 / skew * (float(np.cbrt(1 + skew * (t - skew / 6))) - 1)


def with_unseen(
    seen: Persons, bounds: tuple[float, float], *, level: float = 0.95, exact: bool = False
) -> Interval:
    """The mean over persons with random weights, and one more, never seen, at a bound.

    The weights are Dirichlet's (Bayesian bootstrap), and chance says at which bound the unseen one
    is. Of a rate with one row a person this is the mid-p interval of Clopper and Pearson: 0 of 8
    still allow 31 %. With `exact` it is at the upper bound for the upper end and at the lower for
    the lower, which is theirs: never less than `level`, so wider.
    """
    return ends_of(lambda at: drawn(seen, at), bounds, level=level, exact=exact)


def ends_of(
    draw: Callable[[Values], Values],
    bounds: tuple[float, float],
    *,
    level: float = 0.95,
    exact: bool = False,
) -> Interval:
    """The interval of whatever `draw` gives when the unseen are at these places; see `with_unseen`."""
    tail = (1 - level) / 2
    if exact:
        low, high = np.array(bounds)[:, None]
        return Interval(
            float(np.quantile(draw(low), tail)), float(np.quantile(draw(high), 1 - tail))
        )
    return Interval(*map(float, np.quantile(draw(np.array(bounds)), (tail, 1 - tail))))


def drawn(seen: Persons, at: ArrayLike, *, rows: bool = False, seed: int = 0) -> Values:
    """The mean under random weights, [draws]; the unseen person is at each of `at` equally often.

    With `rows` the unseen is one row more and not one person: it weighs as one of so many. Nothing
    unseen is added if there is no place. Draws of another seed are independent.
    """
    places = np.asarray(at, dtype=np.float64)
    shares, uniform = _weights(seen.number, seed)
    # around the mean, so that single precision costs nothing
    moved = shares @ (seen.totals - seen.mean * seen.sizes).astype(np.float32)
    means: Values = seen.mean + (moved / (shares @ seen.sizes.astype(np.float32))).astype(float)
    if not places.size:
        return means
    units = seen.sizes.sum() if rows else seen.number
    unseen = -np.expm1(np.log1p(-uniform) / units)  # Beta(1, units)
    found: Values = means + unseen * (np.tile(places, len(means) // places.size) - means)
    return found


@lru_cache(maxsize=8)
def _weights(number: int, seed: int) -> tuple[NDArray[np.float32], Values]:
    """Dirichlet shares of G persons [draws, G], and evenly spaced quantiles of the unseen, [draws].

    Neighbours have about the same quantile, so each of two places gets all of them; and what is
    decided by the unseen alone is exact.
    """
    rng = np.random.default_rng((seed, number))
    draws = max(1_000, min(DRAWS, MOST_WEIGHTS // number)) // 2 * 2
    shares = rng.standard_exponential((draws, number), dtype=np.float32)
    shares /= shares.sum(axis=1, keepdims=True)
    pairs = rng.permutation(draws // 2)[:, None] * 2 + np.arange(2)
    return shares, (pairs.ravel() + 0.5) / draws


def sign_flips(totals: NDArray[np.floating]) -> float:
    """Two-sided p of a sum over persons, were each as likely with the other sign.

    So it is if two models do not differ: then exchanging them for a person changes nothing. The
    share of sign patterns whose sum is as far from 0: of all 2^G up to 13 persons, of 10,000 up to
    400, by the normal limit beyond. It cannot be below `smallest_p`.
    """
    number = len(totals)
    reached = abs(float(totals.sum())) - ROUNDING * float(np.abs(totals).sum())
    if number > MOST_SIGNS:
        spread = math.sqrt(float((totals**2).sum()))
        return 2 * float(special.ndtr(-max(0.0, reached) / spread)) if spread else 1.0
    beyond = int((np.abs(_signs(number) @ totals) >= reached).sum())
    if number <= EXACT_SIGNS:
        return beyond / 2 ** (number - 1)
    return (beyond + 1) / (SIGNS + 1)


@lru_cache(maxsize=4)
def _signs(number: int) -> Values:
    """Signs [patterns, G], up to turning all of them round."""
    if number <= EXACT_SIGNS:
        bits = np.arange(2 ** (number - 1))[:, None] >> np.arange(number) & 1
    else:
        bits = np.random.default_rng(number).integers(2, size=(SIGNS, number))
    return np.where(bits == 1, -1.0, 1.0)


def smallest_p(number: int) -> float:
    """The least two-sided p that so many persons can give: all of one sign, 2^(1 - G).

    0.0625 for 5 persons, so that fewer than 6 cannot show a difference at 5 %.
    """
    return 2.0 ** (1 - number)


def students(values: ArrayLike, *, level: float = 0.95) -> Interval:
    """Student's interval of the mean of values that are independent, as those of seeds are."""
    found = np.asarray(values, dtype=np.float64)
    if len(found) < 2:
        return NO_INTERVAL
    t = float(special.stdtrit(len(found) - 1, (1 + level) / 2))
    half = t * float(found.std(ddof=1)) / math.sqrt(len(found))
    return Interval(float(found.mean()) - half, float(found.mean()) + half)


def percentiles(resampled: ArrayLike, number: int, *, level: float = 0.95) -> Interval:
    """Percentile interval of resamples of G persons, as wide as Student's t (Hesterberg 2015).

    The plain percentiles are too narrow by the root of 1 - 1/G and by the normal in place of t: for
    8 persons 0.6 % and 99.4 % are taken where 2.5 % and 97.5 % are meant, so some 2,000 resamples
    are needed.
    """
    t = float(special.stdtrit(number - 1, (1 + level) / 2))
    tail = float(special.ndtr(-t * math.sqrt(number / (number - 1))))
    low, high = np.quantile(np.asarray(resampled), (tail, 1 - tail))
    return Interval(float(low), float(high))
