"""What a synthesis hands over: the rows to train on, where each came from, and what was thrown away."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from unteach.data.examples import Example, Splits

RecordKind = Literal["qa", "completion", "generic"]
Variant = Literal["original", "simple", "contextual", "noise", "logical"]
AnswerKind = Literal["vague", "refusal", "alternative", "misleading", "generic", "true", "trace"]
"""`true` is an answer taken as it is; `trace` the reasoning that the model itself wrote."""


class Writer(Protocol):
    """The model itself, as it is when the stage begins, answering each example's prompt.

    With a temperature of 0 it takes the most likely token each time. An example's own answer is
    not looked at.
    """

    def __call__(
        self,
        examples: Sequence[Example],
        *,
        max_tokens: int = 64,
        temperature: float = 0.0,
        seed: int = 0,
    ) -> list[str]: ...


@dataclass(frozen=True)
class Record:
    """One synthetic row and how it came about.

    `checks` holds only the checks that were made: a refusal has no `relevant`, a generic row has
    none at all, and what nobody was to verify says `verified: False`. `round` is the attempt that
    passed, from 1. `written_for` is the question that the answer was written for; `model` and
    `prompt_hash` (of the request) are of a provider that is asked.
    """

    source_id: str
    kind: RecordKind
    variant: Variant
    answer_kind: AnswerKind
    example: Example
    round: int
    provider: str = "rules"
    checks: Mapping[str, bool] = field(default_factory=dict)
    model: str = ""
    prompt_hash: str = ""
    written_for: str = ""


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
    """Splits to add to a run. The records are of their rows, split after split.

    `note` is a line on how it went, as what a provider took.
    """

    splits: Splits
    records: tuple[Record, ...]
    drops: tuple[Drop, ...]
    note: str = ""
