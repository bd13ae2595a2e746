"""How often our intervals hold the truth, and our tests reject it, by shape of values and persons.

Each person answers several questions, and the answers of one resemble one another. `old` is what
stood here before: percentiles of a bootstrap that draws persons, and twice the share of resamples
on the far side of 0 for p.

- coverage: of the 95 % interval of a mean; in brackets its median width.
- p: how often the p of `paired` is at most 5 % where two models are alike.
- level at the margin: how often two one-sided tests call a difference equivalent that is just the
  margin; `any` allows for persons of a kind that was not seen (`within_unseen`).
- power: how often two models that are alike are shown level at the margin that another sample
  called `reachable`; 80 % is meant.

    python benchmarks/coverage.py --runs 4000 --groups 5,8,20,50
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from unteach.audit.finding import Finding, mean
from unteach.audit.intervals import persons
from unteach.audit.statistics import auc_finding, paired

Array = NDArray[np.float64]
Layout = Literal["three", "one", "unequal"]
RESAMPLES = 2000


@dataclass(frozen=True)
class Shape:
    """Values [rows] of rows that belong to these persons [rows], and their mean."""

    draw: Callable[[np.random.Generator, NDArray[np.intp]], Array]
    truth: float
    layout: Layout = "three"
    is_bounded: bool = True


def _shared(of: Callable[[np.random.Generator, int], Array]) -> Callable[..., Array]:
    """Half of a value is its person's and half its own."""

    def draw(rng: np.random.Generator, person: NDArray[np.intp]) -> Array:
        return (of(rng, person.max() + 1)[person] + of(rng, len(person))) / 2

    return draw


def _leaks(rng: np.random.Generator, person: NDArray[np.intp]) -> Array:
    """One person in ten is known at 0.85 to 0.95, the others at 0 to 0.04."""
    leaks = (rng.random(person.max() + 1) < 0.1)[person]
    noise = rng.random(len(person))
    return np.where(leaks, 0.85 + 0.1 * noise, 0.04 * noise)


def _rate(share: float) -> Callable[..., Array]:
    """Answers right or wrong, a person's own rate from Beta(3 share, 3 (1 - share))."""

    def draw(rng: np.random.Generator, person: NDArray[np.intp]) -> Array:
        own = rng.beta(3 * share, 3 * (1 - share), size=person.max() + 1)
        return (rng.random(len(person)) < own[person]).astype(np.float64)

    return draw


NORMAL = _shared(lambda rng, n: rng.normal(size=n))
UNIFORM = _shared(lambda rng, n: rng.random(n))
NEAR_0 = _shared(lambda rng, n: rng.beta(1, 30, size=n))
SHAPES: Mapping[str, Shape] = {
    "normal": Shape(NORMAL, 0.0, is_bounded=False),
    "normal, 1 to 5 rows": Shape(NORMAL, 0.0, "unequal", is_bounded=False),
    "skewed (exponential)": Shape(
        _shared(lambda rng, n: rng.exponential(size=n)), 1.0, is_bounded=False
    ),
    "0 to 1, even": Shape(UNIFORM, 0.5),
    "0 to 1, even, 1 to 5 rows": Shape(UNIFORM, 0.5, "unequal"),
    "near 0": Shape(NEAR_0, 1 / 31),
    "near 1": Shape(lambda rng, person: 1 - NEAR_0(rng, person), 30 / 31),
    "one person in ten leaks": Shape(_leaks, 0.108),
    "rate 0.1": Shape(_rate(0.1), 0.1),
    "rate 0.5": Shape(_rate(0.5), 0.5),
    "rate 0.1, one row": Shape(_rate(0.1), 0.1, "one"),
}
AUCS = (0.5, 0.75, 0.95)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--runs", type=int, default=1000, help="samples a cell")
    parser.add_argument("--groups", default="5,8,20,50", help="numbers of persons")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    for line in table([int(g) for g in given.groups.split(",")], given.runs, given.seed):
        print(line, flush=True)


def table(groups: Sequence[int], runs: int, seed: int = 0) -> Iterator[str]:
    """The lines of a Markdown table, one row a shape and number of persons."""
    columns = [
        "values",
        "persons",
        "coverage, old",
        "coverage",
        "p, old",
        "p",
        "level at the margin, old",
        "level at the margin",
        "any",
        "power",
    ]
    yield "| " + " | ".join(columns) + " |"
    yield "|" + " --- |" * len(columns)
    for name in SHAPES:
        yield from (line(name, number, runs, seed) for number in groups)
    for truth in AUCS:
        yield from (auc_line(truth, number, runs, seed) for number in groups)


def line(name: str, number: int, runs: int, seed: int = 0) -> str:
    """The row of one shape with so many persons."""
    found = cell(name, number, runs, seed)
    shown = [
        f"{found.old:.3f} ({found.old_width:.3g})",
        f"{found.new:.3f} ({found.width:.3g})",
        *(f"{x:.3f}" for x in (found.old_p, found.p, found.old_level, found.level)),
        "" if np.isnan(found.level_any) else f"{found.level_any:.3f}",
        f"{found.power:.2f}",
    ]
    return f"| {name} | {number} | " + " | ".join(shown) + " |"


def auc_line(truth: float, number: int, runs: int, seed: int = 0) -> str:
    """The row of one AUC with so many persons a side."""
    old, old_width, new, width = auc_cell(truth, number, runs, seed)
    shown = [f"{old:.3f} ({old_width:.3g})", f"{new:.3f} ({width:.3g})", *[""] * 6]
    return f"| AUC {truth:g} | {number} a side | " + " | ".join(shown) + " |"


@dataclass(frozen=True)
class Cell:
    """Shares of runs, and median widths."""

    old: float
    new: float
    old_width: float
    width: float
    old_p: float
    p: float
    old_level: float
    level: float
    level_any: float
    power: float


def cell(name: str, number: int, runs: int, seed: int = 0) -> Cell:
    """What one shape of values gives with so many persons."""
    shape = SHAPES[name]
    rng = np.random.default_rng((seed, number, list(SHAPES).index(name)))
    shift = 0.0 if shape.truth else 1.0  # so that there is a difference to be level at
    margin = shape.truth + shift
    rows, reach = [], []
    for _ in range(runs):
        person = _persons(rng, number, shape.layout)
        groups = [str(i) for i in person]
        ours, other = (mean(shape.draw(rng, person).tolist(), groups) for _ in range(2))
        low, high = old_interval(_rows(ours), person)
        alike = paired(ours, other)
        none = mean((0 * person - shift).tolist(), groups)
        apart = paired(ours, none)
        assert alike is not None
        assert apart is not None
        old_apart = old_interval(_rows(ours) + shift, person, 0.10)
        rows.append(
            (
                low <= shape.truth <= high,
                ours.low <= shape.truth <= ours.high,
                high - low,
                ours.high - ours.low,
                old_p(_rows(ours) - _rows(other), person) <= 0.05,
                alike.p <= 0.05,
                max(abs(old_apart[0]), abs(old_apart[1])) <= margin,
                apart.within <= margin,
                apart.within_unseen <= margin if shape.is_bounded else np.nan,
            )
        )
        reach.append((alike.within, alike.reachable))
    found = np.array(rows, dtype=np.float64)
    share, widths = found.mean(0), np.median(found, axis=0)
    within, reachable = np.array(reach).T
    return Cell(
        old=share[0],
        new=share[1],
        old_width=widths[2],
        width=widths[3],
        old_p=share[4],
        p=share[5],
        old_level=share[6],
        level=share[7],
        level_any=share[8],
        power=float((within <= np.median(reachable)).mean()),
    )


def auc_cell(truth: float, number: int, runs: int, seed: int = 0) -> tuple[float, ...]:
    """Coverage and median width of the old and of our interval of an AUC, so many persons a side."""
    from scipy import special  # type: ignore[import-untyped]

    rng = np.random.default_rng((seed, number, round(1000 * truth)))
    person = np.repeat(np.arange(number), 3)
    groups = [str(i) for i in person]
    rows = []
    for _ in range(runs):
        # a row's own half and its person's: a variance of 1/2, so a difference has 1
        ours, other = NORMAL(rng, person), NORMAL(rng, person)
        ours = ours + special.ndtri(truth)
        found = auc_finding(ours, other, member_groups=groups, other_groups=groups)
        low, high = old_auc(ours.reshape(number, 3), other.reshape(number, 3))
        rows.append(
            (
                low <= truth <= high,
                high - low,
                found.low <= truth <= found.high,
                found.high - found.low,
            )
        )
    table = np.array(rows, dtype=np.float64)
    share, widths = table.mean(0), np.median(table, axis=0)
    return share[0], widths[1], share[2], widths[3]


def old_interval(rows: Array, person: NDArray[np.intp], alpha: float = 0.05) -> tuple[float, ...]:
    low, high = np.quantile(_resampled(rows, person), (alpha / 2, 1 - alpha / 2))
    return float(low), float(high)


def old_p(gaps: Array, person: NDArray[np.intp]) -> float:
    resampled = _resampled(gaps, person)
    beyond = min(int((resampled <= 1e-12).sum()), int((resampled >= -1e-12).sum()))
    return max(2 * (beyond + 1) / (RESAMPLES + 1), 2.0 ** -person.max())


def old_auc(ours: Array, other: Array) -> tuple[float, float]:
    """Of scores [persons, 3] on either side; the ends of an AUC of 0 or 1 were Clopper's."""
    wins = (ours[:, None, :, None] > other[None, :, None, :]).mean((2, 3))
    number = len(wins)
    if wins.mean() in (0.0, 1.0):
        far = 0.025 ** (1 / number)
        return (far, 1.0) if wins.mean() == 1 else (0.0, 1 - far)
    drawn, other_drawn = _draws(number, 0), _draws(number, 1)
    found = ((drawn @ wins) * other_drawn).sum(1) / number**2
    low, high = np.quantile(found, (0.025, 0.975))
    return float(low), float(high)


def _resampled(rows: Array, person: NDArray[np.intp]) -> Array:
    seen = persons(rows, person.astype(str))
    drawn = _draws(seen.number, 0)
    found: Array = (drawn @ seen.totals) / (drawn @ seen.sizes)
    return found


@cache
def _draws(number: int, seed: int) -> Array:
    """How often each person is in a bootstrap sample, [resamples, persons]."""
    rng = np.random.default_rng(seed)
    return rng.multinomial(number, np.full(number, 1 / number), size=RESAMPLES).astype(np.float64)


def _persons(rng: np.random.Generator, number: int, layout: Layout) -> NDArray[np.intp]:
    """Which person each row is about, [rows]."""
    sizes = {
        "one": np.ones(number, dtype=int),
        "three": np.full(number, 3),
        "unequal": rng.integers(1, 6, size=number),
    }
    return np.repeat(np.arange(number), sizes[layout])


def _rows(found: Finding) -> Array:
    assert found.per_example is not None
    return found.per_example


if __name__ == "__main__":
    main()
