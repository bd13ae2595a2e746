"""What may be said of two sets of scores, of two findings, or of a count of hits.

Pure functions of numbers. Wherever rows have groups (persons or documents), groups count and not
rows; see `intervals`. The same numbers give the same interval.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special, stats  # type: ignore[import-untyped]

from unteach.audit.finding import UNIT, Finding, caution, in_unit, unavailable
from unteach.audit.intervals import (
    NO_INTERVAL,
    Estimate,
    Interval,
    Persons,
    by_spread,
    drawn,
    ends_of,
    persons,
    sign_flips,
    smallest_p,
    students,
)

Values = NDArray[np.float64]

GAPS = (-1.0, 1.0)
"""Bounds of the difference of two values in 0 to 1."""
TEST = 0.05
"""Level of a test, and of each of the two one-sided tests of equivalence."""
SIDED = 1 - 2 * TEST
"""Level of the interval that has the two one-sided bounds for its ends."""
POWER = 0.80
MOST_GROUPS = 1_000_000

FEW_TEXTS = 100
"""With fewer on a side, an AUC far from 0.5 is still chance, and its finding says so."""
SMALLEST_LOG10 = math.log10(5e-324)
"""A p value below the smallest float is at most this, whatever the asymptotic form says."""


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
    """`auc` with a 95 % interval over the groups of either side.

    Each side's variance is that of its groups' shares of wins (DeLong's, clustered), t has Welch's
    degrees of freedom, and the interval is taken on the logit, so it stays within 0 to 1 and is
    longer on the side of 0.5. An AUC of 0 or 1 has no spread; its interval is Clopper and Pearson's
    over as many disjoint pairs as the smaller side has groups.

    `per_example` holds the members' scores, `n` and `groups` count both sides; rows whose score is
    NaN are left out and counted in the note. Under the null the half-width is `null_half_width`:
    where a side has fewer than 100 rows the note says what is still chance.
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
    # the AUC is the mean of either: how many others a member is above, how many members an other
    # is below
    sides = (
        persons(_num_below(ours, theirs) / len(theirs), np.asarray(member_groups)[known]),
        persons(1 - _num_below(theirs, ours) / len(ours), np.asarray(other_groups)[known_rest]),
    )
    value = auc(ours, theirs)
    fewest = min(side.number for side in sides)
    interval = _of_auc(value, sides) if fewest > 1 else NO_INTERVAL
    if min(len(ours), len(theirs)) < FEW_TEXTS:
        chance = f"within {null_half_width(len(ours), len(theirs)):.2f} of 0.5 is chance"
        note = _join(note, f"With {len(ours)} and {len(theirs)} texts an AUC {chance}.")
    return Finding(
        value=value,
        low=interval.low,
        high=interval.high,
        n=len(ours) + len(theirs),
        groups=sum(side.number for side in sides),
        per_example=scores,
        group_ids=tuple(member_groups),
        note=_join(note, caution(fewest)),
    )


def _of_auc(value: float, sides: tuple[Persons, Persons]) -> Interval:
    fewest = min(side.number for side in sides)
    if value in (0.0, 1.0):
        return clopper_pearson(round(value) * fewest, fewest)
    found = sides[0].estimate() - sides[1].estimate()
    if not found.error > 0:  # all scores are one: of every pair a tie
        return NO_INTERVAL
    t = float(special.stdtrit(found.degrees, 0.975))
    half = t * found.error / (value * (1 - value))
    middle = special.logit(value)
    return Interval(float(special.expit(middle - half)), float(special.expit(middle + half)))


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
    """One mean minus another, with its 95 % and 90 % intervals, over the groups that were seen.

    `p` is two-sided. `within` is the smallest margin at which two one-sided tests at 5 % show
    equivalence, `reachable` the smallest that they would show with 80 % power if the two were
    equal: a margin below it cannot be passed, and failing it says nothing. All of this holds if
    groups that were not seen are like those that were. `unseen` is the share of groups that may be
    altogether unlike and yet, in 5 % of samples, not one of them seen, and `within_unseen` a margin
    that allows for them; NaN where values have no bounds.

    `spread` is the standard deviation of one group's mean difference; `is_rate` says that all rows
    are 0 or 1.
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
    unseen: float = math.nan
    within_unseen: float = math.nan
    spread: float = math.nan
    is_rate: bool = False

    def equivalent(self, margin: float) -> bool:
        """Whether the difference is shown to be smaller than `margin` either way (TOST at 5 %).

        Raises:
            ValueError: the margin is not above 0.
        """
        _check_margin(margin)
        return self.within <= margin


def paired(ours: Finding, other: Finding) -> Difference | None:
    """`ours` minus `other` over the rows that both know, by group; None if not comparable.

    Comparable are two means over the same examples: `per_example` of one length, the same
    `group_ids`, at least one row known to both. A statistic that is no mean of its rows (an AUC, a
    perplexity, a harmonic mean) does not say what each row adds to it, and unpaired intervals would
    hide what pairing shows: compare those by their own intervals. The value is not that of
    `ours.value - other.value` where either has unknown rows.

    The intervals are `intervals.by_spread`. Where all rows are 0 or 1, or where values within 0 to
    1 differ alike in every group, they are `intervals.with_unseen`, with one more row of -1 or 1:
    chance says which for 95 %, it is the worse for 90 %. p is that of all sign flips: it holds
    exactly if the two do not differ, and cannot be below 2^(1 - groups). One group: intervals, p,
    `within` and `reachable` are NaN, and the note says so; so they are where unbounded values
    differ alike, except for p.
    """
    a, b = _rows_of_mean(ours), _rows_of_mean(other)
    if a is None or b is None or ours.group_ids != other.group_ids:
        return None
    known = ~np.isnan(a) & ~np.isnan(b)
    if not known.any():
        return None
    a, b = a[known], b[known]
    gaps = persons(a - b, np.asarray(ours.group_ids)[known])
    found, few = gaps.estimate(), smallest_p(gaps.number)
    return _difference(
        found,
        lambda at, rows: drawn(gaps, at, rows=rows),
        values=np.concatenate((a, b)),
        p=sign_flips(gaps.totals),
        n=len(a),
        note=_join(
            "The difference is the same in every group." if found.error == 0 else "",
            f"So few cannot have a p below {few:.3g}." if TEST < few < 1 else "",
        ),
    )


def unpaired(ours: Finding, other: Finding) -> Difference | None:
    """`ours` minus `other`, means over different persons; None if either is no mean of its rows.

    As `paired`, with Welch's degrees of freedom; with rates each side has one more row. p is
    Welch's; where no side has any spread and their means differ, that of one order of the persons
    among all, 2 / C(G + H, G). `groups` is the number on the side that has fewer.
    """
    a, b = _rows_of_mean(ours), _rows_of_mean(other)
    if a is None or b is None:
        return None
    here, there = (
        persons(rows[~np.isnan(rows)], np.asarray(found.group_ids)[~np.isnan(rows)])
        for rows, found in ((a, ours), (b, other))
    )
    found = here.estimate() - there.estimate()
    if found.error > 0:
        p = float(2 * special.stdtr(found.degrees, -abs(found.value) / found.error))
    else:
        orders = float(special.binom(here.number + there.number, here.number))
        p = min(1.0, 2 / orders) if found.value else 1.0
    values = np.concatenate((a, b))
    return _difference(
        found,
        # of a gap of 1 the one side is at 1 and the other at 0
        lambda at, rows: (
            drawn(here, (1 + at) / 2, rows=rows) - drawn(there, (1 - at) / 2, rows=rows, seed=1)
        ),
        values=values[~np.isnan(values)],
        p=p,
        n=int((~np.isnan(values)).sum()),
    )


def _difference(
    found: Estimate,
    with_unseen: Callable[[Values, bool], Values],
    *,
    values: Values,
    p: float,
    n: int,
    note: str = "",
) -> Difference:
    """What `paired` and `unpaired` share.

    Reachable: if the two are equal, both one-sided tests reject when the estimate is nearer to 0
    than the margin less what the interval reaches beyond the estimate, and |estimate| < t.90 SE has
    80 %. So the margin is (t.95 + t.90) SE, or 2.93 SE with many groups. Few groups do not know their
    spread well: by simulation it takes 1 + 32 / G^2 times as much, except for rates.
    """
    value, groups = found.value, found.number
    note = _join(note, caution(groups))
    if groups < 2:
        nan = math.nan
        return Difference(value, nan, nan, nan, nan, nan, nan, nan, n, groups, note)
    is_bounded = in_unit(values)
    is_rate = is_bounded and (found.error == 0 or bool(np.isin(values, UNIT).all()))
    if is_rate:
        ends = ends_of(lambda at: with_unseen(at, True), GAPS)
        sided = ends_of(lambda at: with_unseen(at, True), GAPS, level=SIDED, exact=True)
    else:
        bounds = GAPS if is_bounded else (-math.inf, math.inf)
        ends = by_spread(found).clipped(bounds)
        sided = by_spread(found, level=SIDED).clipped(bounds)
    worst = NO_INTERVAL
    if is_bounded:
        worst = ends_of(lambda at: with_unseen(at, False), GAPS, level=SIDED, exact=True)
    beyond = max(value - sided.low, sided.high - value)
    reach = beyond + found.error * float(special.stdtrit(found.degrees, (1 + POWER) / 2))
    return Difference(
        value=value,
        low=ends.low,
        high=ends.high,
        low90=sided.low,
        high90=sided.high,
        p=p,
        within=_farthest(sided),
        reachable=reach if is_rate else reach * (1 + 32 / groups**2),
        n=n,
        groups=groups,
        note=note,
        unseen=1 - TEST ** (1 / groups),
        within_unseen=_farthest(worst),
        spread=found.error * math.sqrt(groups),
        is_rate=is_rate,
    )


def pooled(seeds: Sequence[Finding]) -> Finding:
    """The mean of one audit over seeds of the same run, persons within seeds.

    Its interval has two parts, added as squares: how far persons leave the value uncertain, as on
    average over seeds, and Student's interval of the mean over seeds. So it is never shorter than
    what the noise of training alone makes of it, however many persons were asked; two seeds say
    little of that noise. Of one seed it is that finding, and the note says that it stands alone.
    Unavailable if any is.

    Raises:
        ValueError: there is no finding.
    """
    if not seeds:
        raise ValueError("there is no finding to pool")
    for found in seeds:
        if not found.available:
            return found
    first = seeds[0]
    if len(seeds) == 1:
        return replace(
            first, note=_join("One seed: the noise of training is not known.", first.note)
        )
    values = [found.value for found in seeds]
    value, noise = float(np.mean(values)), students(values)
    low, high = (
        math.hypot(value - noise.low, float(np.mean(ends)))
        for ends in ([f.value - f.low for f in seeds], [f.high - f.value for f in seeds])
    )
    ends = Interval(value - low, value + high)
    if in_unit(np.array([[f.low, f.high] for f in seeds])):
        ends = ends.clipped(UNIT)
    return Finding(
        value,
        ends.low,
        ends.high,
        n=sum(found.n for found in seeds),
        groups=min(found.groups for found in seeds),
        note=_join(f"Over {len(seeds)} seeds.", first.note),
    )


def _farthest(ends: Interval) -> float:
    return max(abs(ends.low), abs(ends.high))


def groups_needed(difference: Difference, margin: float) -> int | None:
    """Groups at which equivalence within `margin` would be shown with 80 % power.

    If the two were equal and groups differed by as much as these do. For rates the row that was not
    seen counts too, as in `paired`. None if the spread of groups is not known, or if a million would
    not do.

    Raises:
        ValueError: the margin is not above 0.
    """
    _check_margin(margin)
    if not math.isfinite(difference.reachable):
        return None
    counts = np.unique(np.geomspace(2, MOST_GROUPS, 4000).astype(int)).tolist()
    # more groups reach less, so the first number that does is found by halving
    first = bisect.bisect_left(counts, True, key=lambda n: _reach_of(difference, n) <= margin)
    return counts[first] if first < len(counts) else None


def _reach_of(difference: Difference, groups: int) -> float:
    """What `reachable` would be with so many groups."""
    error = difference.spread / math.sqrt(groups)
    reach = error * float(special.stdtrit(groups - 1, (1 + POWER) / 2))
    if not difference.is_rate:
        return (reach + error * float(special.stdtrit(groups - 1, 1 - TEST))) * (1 + 32 / groups**2)
    unseen = difference.groups / (difference.n * groups)
    if difference.spread == 0:
        return 1 - float(TEST**unseen)
    # a normal mean, and the unseen row at the end: its share of the weight is exponential
    return reach + float(stats.exponnorm.ppf(1 - TEST, unseen / error, scale=error))


def _check_margin(margin: float) -> None:
    if not margin > 0:
        raise ValueError(f"a margin is above 0, and {margin} is not")


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
    """Harmonic mean of the values of several findings, with a 95 % interval.

    Each component's groups get random weights, and where its rows lie in 0 to 1 one more group,
    never seen, is 0 or 1, as in `intervals.with_unseen`; components about the same persons share
    the draw, for what they say of one person goes together. `n` is the sum over components and
    `groups` counts different groups. A component that is no mean of its rows cannot be drawn
    again, so it leaves the value without an interval, as one with a single group does. A component
    of 0 makes the value 0; the note names it. A component that falls below 0 in a draw counts as 0
    there. Unavailable if any component is. Components are numbered from 1.

    Raises:
        ValueError: there is no component, or one is negative.
    """
    for i, found in enumerate(findings, 1):
        if not found.available:
            return unavailable(f"part {i} of {len(findings)} is unavailable: {found.note}")
    value = harmonic_mean([found.value for found in findings])
    seeds: dict[tuple[str, ...], int] = {}
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
        names = np.asarray(found.group_ids)[known]
        seen = persons(rows[known], names)
        fewest = min(fewest, seen.number)
        seed = seeds.setdefault(tuple(np.unique(names).tolist()), len(seeds))
        means.append(drawn(seen, UNIT if in_unit(rows[known]) else (), seed=seed))
    low = high = math.nan
    if not rows_missing and fewest >= 2:
        fewest_draws = min(map(len, means))
        table = np.maximum(np.stack([each[:fewest_draws] for each in means]), 0)
        low, high = map(float, np.quantile(_harmonic_means(table), (0.025, 0.975)))
    return Finding(
        value=value,
        low=low,
        high=high,
        n=sum(found.n for found in findings),
        groups=len({name for same in seeds for name in same}),
        note=_join(*notes, caution(int(fewest)) if seeds else ""),
    )


def _harmonic_means(values: Values) -> Values:
    """Harmonic mean of each column of [K, R], 0 where a value is 0."""
    with np.errstate(divide="ignore", over="ignore"):  # 1 / 0 is inf here, and n / inf is 0
        return len(values) / (1 / values).sum(axis=0)


def _numbers(values: ArrayLike, name: str) -> Values:
    found = np.asarray(values, dtype=np.float64)
    if not found.size or np.isnan(found).any():
        raise ValueError(f"{name} must be numbers, at least one and none of them NaN")
    return found


def _join(*parts: str) -> str:
    return " ".join(part for part in parts if part)
