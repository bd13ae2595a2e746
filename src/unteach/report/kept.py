"""What was to stay: knowledge beside the forget set, and language, each compared with the original's.

Knowledge is kept at `KEPT` of the original's value or more. It is **damaged** where it is below
that and the loss is shown: the 95 % interval of the difference, row by row where the rows allow it,
lies beyond the twentieth that may be lost; of people never taught, who were not to be kept as they
are, beyond the audit's margin. Every audit that shows knowledge takes part, on every split that is
not to be forgotten. Language is strained past the margin that its audit declares, and broken past
its `collapse`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from unteach import registry
from unteach.audit.statistics import paired
from unteach.data.examples import must_go
from unteach.report import numbers
from unteach.report.ladder import is_made, on_forget_side
from unteach.report.leak import rows_of, shows_knowledge, words_of
from unteach.report.read import Finding, Run

KEPT = 0.95
"""Share of the original's value at which a measure of what was to stay is kept."""
LOST = 0.50
"""Share of the original's retain value below which the model counts as destroyed."""
MAIN = (("krr", "retain"), ("probability", "retain"))
"""What says whether the retain set itself is there, if measured; without them, all of it that was."""


@dataclass(frozen=True)
class Share:
    """A measure of what was to stay, after and before; `fallen` if the loss is more than chance."""

    words: str
    split: str
    audit: str
    before: Finding
    after: Finding
    fallen: bool

    @property
    def share(self) -> float:
        return self.after.point / self.before.point

    def shown(self) -> str:
        return f"{self.words} {numbers.brief(self.before)} → {numbers.brief(self.after)}"


@dataclass(frozen=True)
class Speech:
    """One measure of language on one split."""

    words: str
    split: str
    state: Literal["fine", "strained", "broken"]


def shares(run: Run) -> tuple[Share, ...]:
    """Every measure of what was to stay that both models have, where the original's is above 0."""
    return tuple(_shares(run))


def _shares(run: Run) -> Iterator[Share]:
    for before, after, facts in _pairs(run, "knowledge"):
        split = after.split or ""
        if on_forget_side(after) or must_go(split) or is_made(split) or facts["knowing"] == "low":
            continue
        if not 0 < before.point <= 1:  # of a task of lm-eval that is no rate
            continue
        untaught = split.startswith("holdout")
        allowed = facts["margin"] if untaught else (1 - KEPT) * before.point
        fallen = _upper_loss(before, after) < -allowed
        yield Share(_words(after), split, after.audit, before, after, fallen)


def _upper_loss(before: Finding, after: Finding) -> float:
    """The upper end of the 95 % interval of after minus before."""
    a, b = rows_of(after), rows_of(before)
    difference = paired(a, b) if a is not None and b is not None else None
    if difference is not None and math.isfinite(difference.high):
        return difference.high
    reach = math.hypot(after.upper - after.point, before.point - before.lower)
    return after.point - before.point + reach


def _words(f: Finding) -> str:
    """`probability on neighbours`."""
    return words_of(f) if f.split else f"{words_of(f)}, a general ability"


def speech(run: Run) -> tuple[Speech, ...]:
    """Every measure of language that both models have."""
    found = []
    for before, after, facts in _pairs(run, "language"):
        if facts["ratio"] and before.point <= 0:
            continue
        moved = after.point / before.point if facts["ratio"] else after.point - before.point
        if facts["better"] == "higher":
            moved = -moved
        state: Literal["fine", "strained", "broken"] = (
            "broken"
            if moved >= facts["collapse"]
            else "strained"
            if moved > facts["margin"]
            else "fine"
        )
        where = (after.split or "text").replace("_", " ")
        words = (
            f"{after.audit.replace('_', ' ')} on {where} {numbers.brief(before)} → "
            f"{numbers.brief(after)}"
        )
        found.append(Speech(words, after.split or "", state))
    return tuple(found)


def _pairs(run: Run, shows: str) -> Iterator[tuple[Finding, Finding, dict[str, Any]]]:
    """(original's, unlearned model's, what its audit declares) of audits that show this."""
    entries = registry.entries("audit")
    for after in run.findings:
        entry = entries.get(after.audit)
        if after.model != "unlearned" or not after.available or entry is None:
            continue
        if entry.facts["shows"] != shows or (shows == "knowledge" and not shows_knowledge(after)):
            continue
        before = run.exactly("original", after.audit, after.params)
        if before is not None and before.available:
            yield before, after, dict(entry.facts)
