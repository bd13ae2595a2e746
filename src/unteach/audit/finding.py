"""One number about one model, with its interval; or the reason why there is none."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 2000
ONE_GROUP = "One group only: no interval."
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
    """The mean over examples, with a percentile bootstrap that resamples whole groups.

    Questions about one person are not independent, so persons are drawn, not questions. When all
    values are 0, or all 1, the interval is Clopper and Pearson's over groups. Examples whose value
    is NaN ("unknown") are left out and counted in the note, which also warns of few groups.
    """
    scores = np.asarray(values, dtype=np.float64)
    known = ~np.isnan(scores)
    if not known.any():
        return unavailable(_add("no example could be judged", note))
    if not known.all():
        note = f"{note} {int((~known).sum())} of {len(scores)} unknown, left out.".strip()
    names, member = np.unique(np.asarray(groups)[known], return_inverse=True)
    totals = np.bincount(member, weights=scores[known]).astype(np.float64)
    sizes = np.bincount(member).astype(np.float64)
    low, high = _percentile_interval(totals, sizes)
    value = float(scores[known].mean())
    if value in (0.0, 1.0) and low == high:
        # all alike: every resample is too, yet 0 of n hits does not show that the rate is 0
        bound = 1 - 0.025 ** (1 / len(names))
        low, high = (0.0, bound) if value == 0.0 else (1 - bound, 1.0)
    if len(names) < 2:
        low = high = math.nan
    note = f"{note} {caution(len(names))}".strip()
    return Finding(
        value=value,
        low=low,
        high=high,
        n=int(known.sum()),
        groups=len(names),
        per_example=scores,
        group_ids=tuple(groups),
        note=note,
    )


def statistic(
    value: float, resampled: Sequence[float], n: int, groups: int, note: str = ""
) -> Finding:
    """A value that is not a mean, with the percentile interval of its bootstrap resamples."""
    if not math.isfinite(value):
        return unavailable(_add("the value is not finite", note))
    if groups < 2:  # every resample of one group is that group, which is not certainty
        note = f"{note} {ONE_GROUP}".strip()
        return Finding(value, math.nan, math.nan, n, groups, note=note)
    low, high = (float(q) for q in np.quantile(np.asarray(resampled), (0.025, 0.975)))
    return Finding(value, low, high, n, groups, note=note)


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


def _percentile_interval(
    totals: NDArray[np.float64], sizes: NDArray[np.float64], seed: int = 0
) -> tuple[float, float]:
    rng = np.random.default_rng(seed)
    drawn = rng.integers(len(totals), size=(RESAMPLES, len(totals)))
    means = totals[drawn].sum(1) / sizes[drawn].sum(1)
    low, high = np.quantile(means, (0.025, 0.975))
    return float(low), float(high)
