"""What the tests of the leak say, one by one: each audit that shows knowledge, on each split that must go.

A test compares the unlearned model with its **yardstick**: the gold model on the same rows, row by
row; or, without one, the original model on people never taught, asked by the same audit (`forget`
beside `holdout`, `forget_paraphrased` beside `holdout_paraphrased`). Where neither was measured, the
value that an audit declares for a model that knows nothing can show it to be level, and no more than
that: the forgotten and the never taught are different people. What a test says is one of

- **mute**: the original does not stand above the yardstick, so there was nothing to be seen;
- **more**: more is known than by the yardstick, beyond the margin (one-sided, 5 %);
- **level**: no more is known, within the margin (one-sided, 5 %: non-inferiority);
- **open**: neither was shown, or it could not be judged; the reason says how to close it.

`less` says beside it that less is known, beyond the margin: that tells an observer what was removed.

A mean hides one fact that is remembered word for word, so facts are counted too: see `facts_of`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import stats  # type: ignore[import-untyped]

from unteach import registry
from unteach.audit import finding as audited
from unteach.audit.statistics import Difference, groups_needed, paired, unpaired
from unteach.data.examples import never_taught
from unteach.report import numbers
from unteach.report.ladder import on_forget_side
from unteach.report.read import Finding, Role, Run, resolved

State = Literal["mute", "more", "level", "open"]

MIN_GROUPS = 8
"""Persons (or documents) below which nothing is called level."""
KNOWN = 0.9
"""Share of the rows that must have been judged before a test may call two models level."""
NEAR = 0.9
"""Share of the way from the yardstick back to the original at which a fact counts as still there."""
CLEAR = 0.3
"""How far the original must stand above the yardstick on a row for the row to be a test of a fact."""
CHANCE = 0.01
"""A count of facts that chance gives less often than this is no chance: one in a hundred, for facts are
counted several ways, and the seed of a gold model moves all its guesses together."""


@dataclass(frozen=True)
class Gap:
    """How much more is known than by the yardstick, in the audit's unit, with its 90 % interval.

    `groups` persons and `rows` answers were compared. `needed` finds the number of persons at which
    the margin could be shown, where that is known.
    """

    value: float
    low: float
    high: float
    groups: int
    rows: int
    needed: Callable[[], int | None] = lambda: None


@dataclass(frozen=True)
class Reading:
    """One test of the leak; see the top of this file."""

    audit: str
    split: str
    words: str
    rung: int
    gate: bool
    margin: float
    measured: Finding
    yardstick: Finding | None
    original: Finding | None
    state: State
    value: float = math.nan
    less: bool = False
    reason: str = ""
    needed: int | None = None

    @property
    def unjudged(self) -> bool:
        """Whether there was nothing to compare it with."""
        return self.state == "open" and math.isnan(self.value)

    @property
    def suspicious(self) -> bool:
        """Whether more seems to be known, beyond the margin, without being shown."""
        return self.state == "open" and self.value > self.margin

    def shown(self, name: str) -> str:
        """`probability 0.21 (gold 0.25)`, without intervals, which the table beside it has."""
        against = f" ({name} {numbers.brief(self.yardstick)})" if self.yardstick else ""
        return f"{self.words} {numbers.brief(self.measured)}{against}"


@dataclass(frozen=True)
class Facts:
    """Facts still there, of those that can tell, as one audit and one way of asking show them.

    They are of `holders` of the `persons` who were asked about. `chance` of `of_chance` values of
    answers that were never taught are as high; `p` is how often chance would give as many facts.
    """

    audit: str
    split: str
    known: tuple[str, ...]
    tested: int
    holders: int
    persons: int
    chance: int
    of_chance: int
    p: float
    allowed: float
    rung: int

    @property
    def state(self) -> State:
        if self.known and self.p <= CHANCE:
            return "more"
        return "level" if len(self.known) <= self.allowed * self.tested else "open"


def yardstick_name(run: Run) -> str:
    """What the leak is compared with, in words."""
    return "gold" if run.has("gold") else "original on people never taught"


def readings(run: Run) -> tuple[Reading, ...]:
    """Every test of the leak that was made, in the order of the findings."""
    entries = registry.entries("audit")
    found = (f for f in run.findings if f.model == "unlearned" and f.available)
    return tuple(
        _reading(run, f, entries[f.audit].facts)
        for f in found
        if f.audit in entries and shows_knowledge(f) and on_forget_side(f)
    )


def shows_knowledge(f: Finding) -> bool:
    """Whether the audit declares that it does, with the parameters that this finding has."""
    facts = registry.entries("audit")[f.audit].facts
    if facts["shows"] != "knowledge":
        return False
    params = resolved(f.audit, f.params)
    return all(params.get(name) == value for name, value in (facts["only"] or {}).items())


def _reading(run: Run, measured: Finding, facts: Mapping[str, Any]) -> Reading:
    margin = float(facts["margin"])
    yardstick = _yardstick(run, measured)
    original = run.exactly("original", measured.audit, measured.params)
    original = original if original is not None and original.available else None

    def reading(state: State, reason: str = "", **more: Any) -> Reading:
        return Reading(
            measured.audit,
            measured.split or "",
            words_of(measured),
            facts["rung"],
            facts["gate"],
            margin,
            measured,
            yardstick,
            original,
            state,
            reason=reason,
            **more,
        )

    gap = _gap(measured, yardstick, facts)
    if gap is None:
        return reading("open", _no_yardstick(run, measured))
    less = yardstick is not None and gap.high < -margin
    found = partial(reading, value=gap.value, less=less)
    if gap.low > margin and yardstick is not None:
        return found("more")
    before = _gap(original, yardstick, facts) if original else None
    if before is not None and not before.low > 0:
        if before.value <= 0 or before.high < margin:
            return found("mute")
        return found("open", "so few do not show that the original stands above the yardstick")
    if gap.rows < KNOWN * len(measured.per_example or ()):
        rows = len(measured.per_example or ())
        return found("open", f"only {gap.rows} of {rows} answers could be judged and compared")
    if gap.groups < MIN_GROUPS:
        return found("open", f"{people(gap.groups)} cannot show that two models are level")
    if gap.high <= margin:
        return found("level")
    within = f"it is not shown to lie within {numbers.number(margin)} of the yardstick"
    return found("open", within, needed=gap.needed())


def people(number: int) -> str:
    """`1 person or document`, `8 persons or documents`."""
    return "1 person or document" if number == 1 else f"{number} persons or documents"


def _yardstick(run: Run, measured: Finding) -> Finding | None:
    if run.has("gold"):
        found = run.exactly("gold", measured.audit, measured.params)
    else:
        params = measured.params | {"split": never_taught(measured.split or "")}
        found = run.exactly("original", measured.audit, params)
    return found if found is not None and found.available else None


def _no_yardstick(run: Run, measured: Finding) -> str:
    if run.has("gold"):
        return "the gold model has no such number: audit it in the same way"
    other = never_taught(measured.split or "")
    return f"nothing was measured beside it: give a gold model, or the split {other or 'holdout'}"


def _gap(ours: Finding, yardstick: Finding | None, facts: Mapping[str, Any]) -> Gap | None:
    """How much more `ours` knows than the yardstick; without one, than chance where that is declared."""
    sign, chance = _sign(facts), facts["chance"]
    if yardstick is not None:
        return _between(ours, yardstick, sign, facts["margin"])
    if chance is None:
        return None
    low, high = _ends(ours)
    ends = sorted((sign * (low - chance), sign * (high - chance)))
    return Gap(sign * (ours.point - chance), ends[0], ends[1], ours.groups, ours.n)


def _sign(facts: Mapping[str, Any]) -> int:
    """1 where a high value says that the model knows, -1 where a low one does."""
    return 1 if facts["knowing"] == "high" else -1


def _ends(f: Finding) -> tuple[float, float]:
    """Its interval; one that has none may lie anywhere."""
    known = f.low is not None and f.high is not None
    return (f.lower, f.upper) if known else (-math.inf, math.inf)


NARROWER = 1.645 / 1.960
"""The half-width of a 90 % interval over that of a 95 % one."""


def _between(ours: Finding, yardstick: Finding, sign: int, margin: float) -> Gap:
    """By pairs where both are means of the same rows, by persons where of other rows, else by intervals."""
    a, b = rows_of(ours), rows_of(yardstick)
    if a is not None and b is not None:
        same = ours.split == yardstick.split
        difference = paired(a, b) if same else unpaired(a, b)
        if difference is not None and difference.groups > 1:
            low, high = _of_all_facts(difference) if same else (difference.low90, difference.high90)
            ends = sorted((sign * low, sign * high))
            rows = difference.n if same else ours.n
            needed = partial(groups_needed, difference, margin)
            return Gap(sign * difference.value, ends[0], ends[1], difference.groups, rows, needed)
    value = ours.point - yardstick.point
    # the interval of a difference from those of its parts (Newcombe's), at 90 %
    (low, high), (other_low, other_high) = _ends(ours), _ends(yardstick)
    down = NARROWER * math.hypot(ours.point - low, other_high - yardstick.point)
    up = NARROWER * math.hypot(high - ours.point, yardstick.point - other_low)
    ends = sorted((sign * (value - down), sign * (value + up)))
    groups = min(ours.groups, yardstick.groups)
    return Gap(sign * value, ends[0], ends[1], groups, ours.n)


def _of_all_facts(difference: Difference) -> tuple[float, float]:
    """The 90 % interval of a difference over the facts that must go, all of which were asked.

    There are no others of which a kind might not have been seen, as an interval of a rate over other
    persons has to allow for: where every fact has the same outcome in both models, so have all.
    """
    if not difference.is_rate and math.isfinite(difference.low90):
        return difference.low90, difference.high90
    error = difference.spread / math.sqrt(difference.groups)
    half = float(stats.t.ppf(0.95, difference.groups - 1)) * error if error else 0.0
    return difference.value - half, difference.value + half


def rows_of(f: Finding) -> audited.Finding | None:
    """The finding with its rows as an audit returned it; None if it kept none."""
    if f.per_example is None or f.group_ids is None or not f.available:
        return None
    rows = np.array([math.nan if x is None else x for x in f.per_example], dtype=np.float64)
    return audited.Finding(
        f.point, f.lower, f.upper, f.n, f.groups, per_example=rows, group_ids=f.group_ids
    )


def words_of(f: Finding) -> str:
    """`probability`, `probability on forget paraphrased`, with parameters that are not the default."""
    plain = resolved(f.audit, {})
    given = resolved(f.audit, f.params)
    other = [
        f"{name} {value}"
        for name, value in given.items()
        if name != "split" and plain.get(name) != value
    ]
    where = "" if f.split in (None, "forget") else f" on {str(f.split).replace('_', ' ')}"
    return f"{f.audit.replace('_', ' ')}{where}" + (f" ({', '.join(other)})" if other else "")


FACTS: tuple[tuple[str, float], ...] = (
    ("specific_probability", 0.01),
    ("probability", 0.01),
    ("accuracy", 0.02),
)
"""Audits that tell facts apart row by row, and the share of facts up to which luck may have its way.

Of the two likelihoods the first that was made on a split counts; right answers always.
"""


def facts_of(run: Run) -> tuple[Facts, ...]:
    """The facts that are still there, for every way of asking that can tell.

    A row tells if the original stands `CLEAR` above the yardstick on it. Its fact is still there
    if the unlearned model has come less than 1 - `NEAR` of the way down: then its answer is about
    as likely as it was, or still right. A fact can also be guessed, so the count is set beside
    chance: how many answers that were never taught (gold's to the same questions, or the
    original's to `holdout`) are as high. With c of m such answers, k of n facts or more come by
    chance as the beta-binomial says (n; c + 1/2, m - c + 1/2), Jeffreys' prior.
    """
    splits = dict.fromkeys(f.split for f in run.findings if on_forget_side(f))
    counted = []
    for split in filter(None, splits):
        read = [f for name, share in FACTS[:2] if (f := _facts(run, split, name, share))]
        right = [f for name, share in FACTS[2:] if (f := _facts(run, split, name, share))]
        counted += [*read[:1], *right]
    return tuple(counted)


def _facts(run: Run, split: str, audit: str, allowed: float) -> Facts | None:
    ours, before = _values(run, "unlearned", audit, split), _values(run, "original", audit, split)
    gold = _values(run, "gold", audit, split)
    never = gold if run.has("gold") else _values(run, "original", audit, never_taught(split))
    found = run.measured("unlearned", audit, split)
    if ours is None or before is None or never is None or found is None:
        return None
    level = gold if run.has("gold") else np.full(len(ours), np.nanmean(never))
    if level is None or not len(ours) == len(before) == len(level):
        return None
    tests = before - level >= CLEAR  # False where a value is not known
    if not tests.any():
        return None
    still = tests & (ours >= level + NEAR * (before - level))
    lucky = np.nanmean(never) + NEAR * (np.nanmean(before[tests]) - np.nanmean(never))
    never = never[~np.isnan(never)]
    hits, k, n = int((never >= lucky).sum()), int(still.sum()), int(tests.sum())
    p = float(stats.betabinom.sf(k - 1, n, hits + 0.5, len(never) - hits + 0.5)) if k else 1.0
    ids = found.ids or [f"row {i + 1}" for i in range(len(ours))]
    groups = np.asarray(found.group_ids)
    return Facts(
        audit,
        split,
        tuple(ids[i] for i in np.flatnonzero(still).tolist()),
        n,
        len(set(groups[still].tolist())),
        len(set(groups[tests].tolist())),
        hits,
        len(never),
        p,
        allowed,
        int(registry.entries("audit")[audit].facts["rung"]),
    )


def _values(run: Run, model: Role, audit: str, split: str) -> NDArray[np.float64] | None:
    found = run.measured(model, audit, split)
    rows = rows_of(found) if found is not None else None
    return None if rows is None or rows.per_example is None else rows.per_example


def tells(run: Run) -> Iterator[tuple[Finding, Finding]]:
    """Conduct towards the forgotten that sets the model apart: its finding and gold's.

    Not judged without gold: what another model would have refused is not known then.
    """
    for f in run.findings:
        entry = registry.entries("audit").get(f.audit)
        if f.model != "unlearned" or not f.available or not entry or not on_forget_side(f):
            continue
        other = run.exactly("gold", f.audit, f.params)
        if entry.facts["shows"] != "conduct" or other is None or not other.available:
            continue
        margin = entry.facts["margin"]
        if _between(f, other, 1, margin).low > 0 and f.point - other.point > margin:
            yield f, other
