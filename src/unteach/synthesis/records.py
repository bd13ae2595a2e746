"""What a synthesis hands over: the rows to train on, where each came from, and what was thrown away."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol

from unteach.data.examples import Example, Splits

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

RecordKind = Literal["qa", "completion", "generic", "revealed"]
Variant = Literal["original", "simple", "contextual", "noise", "logical"]
AnswerKind = Literal[
    "vague", "refusal", "alternative", "misleading", "generic", "true", "trace", "revealed"
]
"""`true` is an answer taken as it is; `trace` the model's own reasoning; `revealed` what it was led to say."""


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


class Subject(Writer, Protocol):
    """A writer that can also be looked at."""

    def embed(self, examples: Sequence[Example]) -> NDArray[np.float64]:
        """[n, D] its own state after reading each prompt, rows of length 1."""

    def count(self, examples: Sequence[Example], replies: Sequence[str]) -> list[int]:
        """Tokens that reading each prompt and writing its reply took."""


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

    `note` is a line on how it went, as what a provider took. `trace` is how it came about, step
    by step, for a file of one JSON object a line.
    """

    splits: Splits
    records: tuple[Record, ...]
    drops: tuple[Drop, ...]
    note: str = ""
    trace: tuple[Mapping[str, object], ...] = ()
