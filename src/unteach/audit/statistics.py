"""What may be said of two sets of scores, of two findings, or of a count of hits.

Pure functions of numbers. Wherever rows have groups (persons or documents), whole groups are
resampled, 2000 times, from a fixed seed: the same numbers give the same interval.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special, stats  # type: ignore[import-untyped]

from unteach.audit.finding import RESAMPLES, Finding, caution, unavailable

Values = NDArray[np.float64]

FEW_TEXTS = 100
"""With fewer on a side, an AUC far from 0.5 is still chance, and its finding says so."""
SMALLEST_LOG10 = math.log10(5e-324)
"""A p value below the smallest float is at most this, whatever the asymptotic form says."""


@dataclass(frozen=True)
class Interval:
    low: float
    high: float


def clopper_pearson(hits: int, n: int, *, level: float = 0.95) -> Interval:
    """Two-sided exact interval of a rate, 0 to 1, after `hits` in `n` independent trials.

    It never covers less often than `level` says, so it is wider than others. Answers about one
    person are not independent: count persons instead, or hits and n over `design_effect`.

    Raises:
        ValueError: there is no trial, or there are more hits than trials.
    """
    _check_count(hits, n)
    tail = (1 - level) / 2
    low = float(special.betaincinv(hits, n - hits + 1, tail)) if hits else 0.0
    return Interval(low, upper_bound(hits, n, level=1 - tail))


def upper_bound(hits: int, n: int, *, level: float = 0.95) -> float:
    """One-sided exact upper bound of a rate, 0 to 1: after 0 of n it is 1 - (1 - level)^(1/n).

    To show a rate below 1 % takes 299 trials without a hit; below 0.5 % takes 598.

    Raises:
        ValueError: there is no trial, or there are more hits than trials.
    """
    _check_count(hits, n)
    return float(special.betaincinv(hits + 1, n - hits, level)) if hits < n else 1.0


def _check_count(hits: int, n: int) -> None:
    if n < 1 or not 0 <= hits <= n:
        raise ValueError(f"a rate needs 0 <= hits <= n and n >= 1, not {hits} hits of {n}")


def auc(members: ArrayLike, others: ArrayLike) -> float:
    """Probability that a member scores above an other, ties counting half, 0 to 1; 0.5 is chance.

    The Mann-Whitney statistic over the number of pairs, by ranks.

    Raises:
        ValueError: a side is empty or holds NaN.
    """
    ours, theirs = _numbers(members, "members"), _numbers(others, "others")
    ranks = stats.rankdata(np.concatenate((ours, theirs)))
    wins = ranks[: len(ours)].sum() - len(ours) * (len(ours) + 1) / 2
    return float(wins / (len(ours) * len(theirs)))


def null_half_width(n: int, m: int) -> float:
    """Half the width of the 95 % interval of an AUC when there is nothing to see.

    1.96 * sqrt((n + m + 1) / (12 n m)), at most 0.5, for n and m independent rows: 0.127 for 40
    and 40, 0.040 for 400 and 400.
    """
    return min(0.5, 1.96 * math.sqrt((n + m + 1) / (12 * n * m)))


def auc_finding(
    members: ArrayLike,
    others: ArrayLike,
    *,
    member_groups: Sequence[str],
    other_groups: Sequence[str],
    note: str = "",
) -> Finding:
    """`auc` with a 95 % percentile interval that resamples the groups of either side.

    `per_example` holds the members' scores, `n` and `groups` count both sides; rows whose score is
    NaN are left out and counted in the note. Under the null the half-width is `null_half_width`:
    where a side has fewer than 100 rows the note says what is still chance. An AUC of 0 or 1 is
    one in every resample too; its interval is Clopper and Pearson's over as many disjoint pairs as
    the smaller side has groups.
    """
    scores = np.asarray(members, dtype=np.float64)
    rest = np.asarray(others, dtype=np.float64)
    known, known_rest = ~np.isnan(scores), ~np.isnan(rest)
    missing = int((~known).sum() + (~known_rest).sum())
    if missing:
        note = _join(note, f"{missing} of {len(scores) + len(rest)} unknown, left out.")
    if not known.any() or not known_rest.any():
        return unavailable(_join("an AUC needs a score on either side.", note))
    ours, theirs = scores[known], rest[known_rest]
    names, member = np.unique(np.asarray(member_groups)[known], return_inverse=True)
    other_names, other = np.unique(np.asarray(other_groups)[known_rest], return_inverse=True)

    # [G, H]: how many pairs of a member of group g and an other of group h the member wins
    wins = np.stack(
        [
            np.bincount(member, weights=_num_below(ours, theirs[other == h]))
            for h in range(len(other_names))
        ],
        axis=1,
    )
    rng = np.random.default_rng(0)
    drawn, other_drawn = _times_drawn(len(names), rng), _times_drawn(len(other_names), rng)
    pairs = (drawn @ np.bincount(member)) * (other_drawn @ np.bincount(other))
    resampled = np.einsum("rh,rh->r", drawn @ wins, other_drawn) / pairs

    value = auc(ours, theirs)
    fewest = min(len(names), len(other_names))
    low, high = _quantiles(resampled, 0.025)
    if value in (0.0, 1.0):
        exact = clopper_pearson(round(value) * fewest, fewest)
        low, high = exact.low, exact.high
    if fewest < 2:
        low = high = math.nan
    if min(len(ours), len(theirs)) < FEW_TEXTS:
        chance = f"within {null_half_width(len(ours), len(theirs)):.2f} of 0.5 is chance"
        note = _join(note, f"With {len(ours)} and {len(theirs)} texts an AUC {chance}.")
    return Finding(
        value=value,
        low=low,
        high=high,
        n=len(ours) + len(theirs),
        groups=len(names) + len(other_names),
        per_example=scores,
        group_ids=tuple(member_groups),
        note=_join(note, caution(fewest)),
    )


def _num_below(scores: Values, others: Values) -> Values:
    """How many of `others` each score is above, ties counting half, [n]."""
    ordered = np.sort(others)
    return (
        np.searchsorted(ordered, scores, "left") + np.searchsorted(ordered, scores, "right")
    ) / 2


@dataclass(frozen=True)
class Detection:
    """Share of members found, `hits` of `n`, with its exact 95 % interval.

    `fpr` is the share of others that are taken for members at this threshold.
    """

    rate: float
    low: float
    high: float
    hits: int
    n: int
    fpr: float


def tpr_at_fpr(members: ArrayLike, others: ArrayLike, *, fpr: float = 0.01) -> Detection:
    """Share of members above a threshold that at most `fpr` of the others exceed, 0 to 1.

    The lowest such threshold, without interpolation: with fewer than 1 / fpr others none of them
    may exceed it. The interval takes the rows as independent and the threshold as given, so it is
    too narrow where few others decide the threshold.

    Raises:
        ValueError: a side is empty or holds NaN, or `fpr` is not in [0, 1).
    """
    if not 0 <= fpr < 1:
        raise ValueError(f"fpr is a rate in [0, 1), not {fpr}")
    ours, theirs = _numbers(members, "members"), _numbers(others, "others")
    # 0.29 * 100 is 28.999... in floats, and 29 false positives are meant
    allowed = min(math.floor(fpr * len(theirs) + 1e-9), len(theirs) - 1)
    threshold = np.sort(theirs)[len(theirs) - 1 - allowed]
    hits = int((ours > threshold).sum())
    exact = clopper_pearson(hits, len(ours))
    return Detection(
        rate=hits / len(ours),
        low=exact.low,
        high=exact.high,
        hits=hits,
        n=len(ours),
        fpr=float((theirs > threshold).mean()),
    )


@dataclass(frozen=True)
class KS:
    """Largest gap between two distribution functions, 0 to 1, and its two-sided p value."""

    statistic: float
    p: float
    log10_p: float


def ks(a: ArrayLike, b: ArrayLike) -> KS:
    """Kolmogorov-Smirnov test of two samples; TOFU's forget quality is its p on truth ratios.

    Exact up to 10,000 rows a side. Where p is below the smallest float, `log10_p` is that of the
    asymptotic form 2 exp(-2 D^2 n m / (n + m)), and at most -323.3: the exact one is lower still.
    A large p is no proof that the samples are alike: it also grows as rows get fewer. See `paired`
    and `wasserstein`.

    Raises:
        ValueError: a sample is empty or holds NaN.
    """
    first, second = _numbers(a, "a"), _numbers(b, "b")
    found = stats.ks_2samp(first, second)
    gap, p = float(found.statistic), float(found.pvalue)
    if p > 0:
        return KS(gap, p, math.log10(p))
    size = len(first) * len(second) / (len(first) + len(second))
    asymptotic = math.log10(2) - 2 * gap**2 * size / math.log(10)
    return KS(gap, p, min(asymptotic, SMALLEST_LOG10))


def wasserstein(a: ArrayLike, b: ArrayLike) -> float:
    """Wasserstein-1 distance of two samples, in their unit: how far scores must move on average.

    Unlike a p value it does not grow with the number of rows, but small samples of one
    distribution are some way apart too.

    Raises:
        ValueError: a sample is empty or holds NaN.
    """
    return float(stats.wasserstein_distance(_numbers(a, "a"), _numbers(b, "b")))


@dataclass(frozen=True)
class Difference:
    """One mean minus another over the same rows, with its 95 % and 90 % intervals.

    `p` is two-sided. `within` is the smallest margin at which two one-sided tests at 5 % show
    equivalence, `reachable` the smallest that they would show with 80 % power if the two were
    equal: a margin below it cannot be passed, and failing it says nothing.
    """

    value: float
    low: float
    high: float
    low90: float
    high90: float
    p: float
    within: float
    reachable: float
    n: int
    groups: int
    note: str = ""

    def equivalent(self, margin: float) -> bool:
        """Whether the difference is shown to be smaller than `margin` either way (TOST at 5 %).

        Raises:
            ValueError: the margin is not above 0.
        """
        if not margin > 0:
            raise ValueError(f"a margin is above 0, and {margin} is not")
        return self.within <= margin


def paired(ours: Finding, other: Finding) -> Difference | None:
    """`ours` minus `other` over the rows that both know, groups resampled; None if not comparable.

    Comparable are two means over the same examples: `per_example` of one length, the same
    `group_ids`, at least one row known to both. A statistic that is no mean of its rows (an AUC, a
    perplexity, a harmonic mean) does not say how it would come out on resampled rows, and unpaired
    intervals would hide what pairing shows: compare those by their own intervals. The value is not
    that of `ours.value - other.value` where either has unknown rows.

    Reachable: if the two are equal, both one-sided tests reject when |estimate| < margin - z.95 SE,
    which has the probability 2 Phi(margin / SE - z.95) - 1. For 80 % this is z.90, so the margin is
    (z.95 + z.90) SE = 2.93 SE, with SE the spread of the resampled differences.

    p is the share of resamples on the far side of 0, doubled; not below 2^(1 - groups), the least
    that a test of so many signs can give. One group: intervals, p, `within` and `reachable` are
    NaN, and the note says so. Where the difference is the same in every group, resampling shows no
    spread, which is not certainty: if all values lie in 0 to 1, the intervals allow for the share
    of unlike rows that n rows may have missed, 1 - 0.025^(1/n) (1 - 0.05^(1/n) for 90 %), at its
    worst, with groups in place of rows if rows differ. Otherwise `reachable` is NaN.
    """
    a, b = _rows_of_mean(ours), _rows_of_mean(other)
    if a is None or b is None or ours.group_ids != other.group_ids:
        return None
    known = ~np.isnan(a) & ~np.isnan(b)
    if not known.any():
        return None
    a, b = a[known], b[known]
    gaps = a - b
    names, member = np.unique(np.asarray(ours.group_ids)[known], return_inverse=True)
    n, groups, value = len(gaps), len(names), float(gaps.mean())
    note = caution(groups)
    if groups < 2:
        nan = math.nan
        return Difference(value, nan, nan, nan, nan, nan, nan, nan, n, groups, note)

    drawn = _times_drawn(groups, np.random.default_rng(0))
    resampled = drawn @ np.bincount(member, weights=gaps) / (drawn @ np.bincount(member))
    low, high = _quantiles(resampled, 0.025)
    low90, high90 = _quantiles(resampled, 0.05)
    z = special.ndtri(0.95) + special.ndtri(0.90)
    reachable = float(z * resampled.std())
    rounding = 1e-12 * max(np.abs(a).max(), np.abs(b).max())
    if np.ptp(resampled) <= rounding:
        alike = n if np.ptp(gaps) <= rounding else groups
        bounded = min(a.min(), b.min()) >= 0 and max(a.max(), b.max()) <= 1
        note = _join("The difference is the same in every group.", note)
        reachable = 1 - 0.05 ** (1 / alike) if bounded else math.nan
        if bounded:
            low, high = _with_unseen(value, 1 - 0.025 ** (1 / alike))
            low90, high90 = _with_unseen(value, 1 - 0.05 ** (1 / alike))
    beyond = min(int((resampled <= rounding).sum()), int((resampled >= -rounding).sum()))
    p = max(2 * (beyond + 1) / (RESAMPLES + 1), 2.0 ** (1 - groups))
    return Difference(
        value=value,
        low=low,
        high=high,
        low90=low90,
        high90=high90,
        p=min(1.0, p),
        within=max(abs(low90), abs(high90)),
        reachable=reachable,
        n=n,
        groups=groups,
        note=note,
    )


def _with_unseen(value: float, share: float) -> tuple[float, float]:
    """How far a mean in -1 to 1 moves if `share` of the rows is -1, or 1, instead."""
    return value - share * (value + 1), value + share * (1 - value)


def _rows_of_mean(found: Finding) -> Values | None:
    """The rows that a finding is the mean of, or None if it is another statistic or none at all."""
    rows = found.per_example
    if not found.available or rows is None or np.isnan(rows).all():
        return None
    is_mean = math.isclose(float(np.nanmean(rows)), found.value, rel_tol=1e-9, abs_tol=1e-12)
    return rows if is_mean and len(rows) == len(found.group_ids) else None


def design_effect(values: ArrayLike, groups: Sequence[str]) -> float:
    """How much more a mean varies when groups are drawn than when rows are; 1 is no difference.

    The sum over groups of (sum of deviations)^2, over the sum of squared deviations. For groups of
    one size m this is the variance of the cluster bootstrap over that of drawing rows, exactly, and
    1 + (m - 1) * ICC; otherwise to first order. n rows inform like n / design effect independent
    ones. NaN rows are left out. NaN where it is not defined: one group, or all values equal.
    """
    scores = np.asarray(values, dtype=np.float64)
    known = ~np.isnan(scores)
    names, member = np.unique(np.asarray(groups)[known], return_inverse=True)
    if len(names) < 2 or np.ptp(scores[known]) == 0:
        return math.nan
    deviations = scores[known] - scores[known].mean()
    return float((np.bincount(member, weights=deviations) ** 2).sum() / (deviations**2).sum())


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjusted p values in the given order: below 5 % holds for all at once at 5 % (Holm, 1979).

    Needed to claim a leak after many attacks. To claim that none leaked, each test must pass at
    its own level, and no adjustment is due.

    Raises:
        ValueError: a p value is not in 0 to 1.
    """
    bad = [p for p in p_values if not 0 <= p <= 1]
    if bad:
        raise ValueError(f"a p value is from 0 to 1, and {bad[0]} is not")
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p, kind="stable")
    adjusted = np.empty_like(p)
    adjusted[order] = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    return np.minimum(adjusted, 1).tolist()


def harmonic_mean(values: Sequence[float]) -> float:
    """Number of values over the sum of 1 / value, in their unit; 0 if any value is 0.

    Raises:
        ValueError: there is no value, or one is negative or NaN.
    """
    if not len(values):
        raise ValueError("a harmonic mean needs at least one value")
    bad = [v for v in values if not v >= 0]
    if bad:
        raise ValueError(f"a harmonic mean takes values of 0 or more, and {bad[0]} is not")
    return 0.0 if 0 in values else len(values) / math.fsum(1 / v for v in values)


def harmonic_mean_finding(findings: Sequence[Finding]) -> Finding:
    """Harmonic mean of the values of several findings, with a 95 % percentile interval.

    Each component's groups are resampled on their own; components about the same persons share
    the draw, for what they say of one person goes together. `n` is the sum over components and
    `groups` counts different groups. A component that is no mean of its rows cannot be resampled,
    so it leaves the value without an interval, as one with a single group does. A component of 0
    makes the value 0, in every resample if all its rows are 0; the note names it. A component that
    falls below 0 in a resample counts as 0 there. Unavailable if any component is. Components are
    numbered from 1.

    Raises:
        ValueError: there is no component, or one is negative.
    """
    for i, found in enumerate(findings, 1):
        if not found.available:
            return unavailable(f"part {i} of {len(findings)} is unavailable: {found.note}")
    value = harmonic_mean([found.value for found in findings])
    rng = np.random.default_rng(0)
    draws: dict[tuple[str, ...], Values] = {}
    means = []
    notes = [f"Part {i} is 0." for i, found in enumerate(findings, 1) if found.value == 0]
    rows_missing = False
    fewest = math.inf
    for i, found in enumerate(findings, 1):
        rows = _rows_of_mean(found)
        if rows is None:
            notes.append(f"Part {i} is no mean over examples: no interval.")
            rows_missing = True
            continue
        known = ~np.isnan(rows)
        names, member = np.unique(np.asarray(found.group_ids)[known], return_inverse=True)
        fewest = min(fewest, len(names))
        same = tuple(names.tolist())
        if same not in draws:
            draws[same] = _times_drawn(len(names), rng)
        totals = np.bincount(member, weights=rows[known])
        means.append(draws[same] @ totals / (draws[same] @ np.bincount(member)))
    low = high = math.nan
    if not rows_missing and fewest >= 2:
        low, high = _quantiles(_harmonic_means(np.maximum(np.stack(means), 0)), 0.025)
    return Finding(
        value=value,
        low=low,
        high=high,
        n=sum(found.n for found in findings),
        groups=len({name for same in draws for name in same}),
        note=_join(*notes, caution(int(fewest)) if draws else ""),
    )


def _harmonic_means(values: Values) -> Values:
    """Harmonic mean of each column of [K, R], 0 where a value is 0."""
    with np.errstate(divide="ignore", over="ignore"):  # 1 / 0 is inf here, and n / inf is 0
        return len(values) / (1 / values).sum(axis=0)


def _times_drawn(num_groups: int, rng: np.random.Generator) -> Values:
    """How often each of G groups is in a bootstrap sample of G groups, [2000, G]."""
    share = np.full(num_groups, 1 / num_groups)
    return rng.multinomial(num_groups, share, size=RESAMPLES).astype(np.float64)


def _quantiles(resampled: Values, tail: float) -> tuple[float, float]:
    low, high = np.quantile(resampled, (tail, 1 - tail))
    return float(low), float(high)


def _numbers(values: ArrayLike, name: str) -> Values:
    found = np.asarray(values, dtype=np.float64)
    if not found.size or np.isnan(found).any():
        raise ValueError(f"{name} must be numbers, at least one and none of them NaN")
    return found


def _join(*parts: str) -> str:
    return " ".join(part for part in parts if part)
