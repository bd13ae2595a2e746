"""One number about one model, with its interval; or the reason why there is none."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from unteach.audit.intervals import (
    NO_INTERVAL,
    Interval,
    Persons,
    by_spread,
    percentiles,
    persons,
    with_unseen,
)

RESAMPLES = 2000
UNIT = (0.0, 1.0)
ONE_GROUP = "One group only: no interval."
NO_SPREAD = "All groups are alike, so nothing shows how they differ: no interval."
FEW_GROUPS = 5
"""With fewer, resampling them shows too little of how persons differ."""


@dataclass(frozen=True)
class Finding:
    """A value with its 95 % interval. `n` counts examples, `groups` the persons or documents.

    When `available` is false there is no value: `value`, `low` and `high` are NaN and `note` says
    why. `per_example` is NaN where one example could not be judged.
    """

    value: float
    low: float
    high: float
    n: int
    groups: int = 0
    per_example: NDArray[np.float64] | None = None
    group_ids: tuple[str, ...] = ()
    note: str = ""
    available: bool = True


def unavailable(reason: str) -> Finding:
    """A finding that could not be made."""
    return Finding(math.nan, math.nan, math.nan, 0, note=reason, available=False)


def mean(values: Sequence[float], groups: Sequence[str], note: str = "") -> Finding:
    """The mean over examples, with a 95 % interval over groups.

    Questions about one person are not independent, so persons count, not questions. Where all
    values lie in 0 to 1 the interval stays there and allows for a kind of person of which none was
    seen (`intervals.with_unseen`); otherwise it is Student's over persons, corrected for skewness
    (`intervals.by_spread`), and holds if those not seen are like these. Examples whose value is NaN
    ("unknown") are left out and counted in the note, which also warns of few groups.
    """
    scores = np.asarray(values, dtype=np.float64)
    known = ~np.isnan(scores)
    if not known.any():
        return unavailable(_add("no example could be judged", note))
    if not known.all():
        note = f"{note} {int((~known).sum())} of {len(scores)} unknown, left out.".strip()
    seen = persons(scores[known], np.asarray(groups)[known])
    interval = _of_mean(seen, in_unit(scores[known]))
    if seen.number > 1 and math.isnan(interval.low):
        note = f"{note} {NO_SPREAD}".strip()
    note = f"{note} {caution(seen.number)}".strip()
    return Finding(
        value=float(scores[known].mean()),
        low=interval.low,
        high=interval.high,
        n=int(known.sum()),
        groups=seen.number,
        per_example=scores,
        group_ids=tuple(groups),
        note=note,
    )


def _of_mean(seen: Persons, is_bounded: bool) -> Interval:
    if seen.number < 2:
        return NO_INTERVAL
    return with_unseen(seen, UNIT) if is_bounded else by_spread(seen.estimate())


def in_unit(values: NDArray[np.float64]) -> bool:
    """Whether all lie in 0 to 1: then they are taken for shares or probabilities, which must."""
    return bool(values.min() >= 0 and values.max() <= 1)


def statistic(
    value: float, resampled: Sequence[float], n: int, groups: int, note: str = ""
) -> Finding:
    """A value that is not a mean, with the percentile interval of its bootstrap resamples.

    The percentiles are those that give the width of Student's t (`intervals.percentiles`). It holds
    if the groups not seen are like these, and is somewhat short on the long side of a skewed value.
    """
    if not math.isfinite(value):
        return unavailable(_add("the value is not finite", note))
    if groups < 2:  # every resample of one group is that group, which is not certainty
        note = f"{note} {ONE_GROUP}".strip()
        return Finding(value, math.nan, math.nan, n, groups, note=note)
    interval = percentiles(resampled, groups)
    return Finding(value, interval.low, interval.high, n, groups, note=note)


def resample_groups(
    groups: Sequence[str], seed: int = 0, times: int = RESAMPLES
) -> list[NDArray[np.intp]]:
    """Row numbers of `times` bootstrap samples that draw whole groups with replacement."""
    rng = np.random.default_rng(seed)
    labels = np.asarray(groups)
    rows = [np.flatnonzero(labels == name) for name in np.unique(labels)]
    return [
        np.concatenate([rows[g] for g in rng.integers(len(rows), size=len(rows))])
        for _ in range(times)
    ]


def caution(groups: int) -> str:
    """What a note must say of an interval over so few groups; empty from 5 on."""
    if groups < 2:
        return ONE_GROUP
    if groups < FEW_GROUPS:
        return f"Only {groups} persons or documents: the interval is rough."
    return ""


def _add(reason: str, note: str) -> str:
    return f"{reason}. {note}" if note else reason
