"""What a synthesis hands over: the rows to train on, where each came from, and what was thrown away."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from unteach.data.examples import Example, Splits

RecordKind = Literal["qa", "completion", "generic"]
Variant = Literal["original", "simple", "contextual", "noise", "logical"]
AnswerKind = Literal["vague", "refusal", "alternative", "misleading", "generic"]


@dataclass(frozen=True)
class Record:
    """One synthetic row and how it came about.

    `checks` holds only the checks that were made: a refusal has no `relevant`, a generic row has
    none at all. `round` is the attempt that passed, from 1.
    """

    source_id: str
    kind: RecordKind
    variant: Variant
    answer_kind: AnswerKind
    example: Example
    round: int
    provider: str = "rules"
    checks: Mapping[str, bool] = field(default_factory=dict)


@dataclass(frozen=True)
class Drop:
    """A replacement that was not made, or that failed a check in every round."""

    source_id: str
    variant: Variant
    answer_kind: AnswerKind
    text: str  # the last answer that was tried, empty if none could be written
    reason: str


@dataclass(frozen=True)
class Synthesis:
    """Splits to add to a run. `records[i].example` is row i of the one split that is added."""

    splits: Splits
    records: tuple[Record, ...]
    drops: tuple[Drop, ...]
