"""Ranges of numbers, for signatures and recipes to declare: `beta: Positive = 0.1`.

No number of a recipe is NaN or infinite, or a truth value. A name says what lies in it, and what is
larger than any use of it is refused with the rest, so that a slip of the finger costs no night.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

LARGEST = 1e9
"""No number of a recipe need be larger, but for a seed."""


@dataclass(frozen=True)
class Range:
    """The numbers from `least` to `most`, without these where `above` or `below` excludes them.

    `words` says it, to follow "a".
    """

    words: str
    least: float = -LARGEST
    most: float = LARGEST
    above: float = -math.inf
    below: float = math.inf

    def __contains__(self, number: float) -> bool:
        return self.least <= number <= self.most and self.above < number < self.below

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_wrap_validator_function(self._read, handler(source))

    def _read(self, given: object, read: core_schema.ValidatorFunctionWrapHandler) -> float:
        """The number, also from text, as YAML 1.1 reads 1e-5 as text."""
        try:
            number = None if isinstance(given, bool) else read(given)
        except ValueError:  # pydantic's own, which says less
            number = None
        if number is None or number not in self:
            raise PydanticCustomError("range", "this should be a {words}", {"words": self.words})
        return number


Finite = Annotated[float, Range("finite number")]
Positive = Annotated[float, Range("number above 0", above=0)]
AtLeastZero = Annotated[float, Range("number from 0", least=0)]
Share = Annotated[float, Range("number from 0 to 1", least=0, most=1)]
SomeShare = Annotated[float, Range("number above 0, up to 1", above=0, most=1)]
ShareBelowOne = Annotated[float, Range("number from 0, below 1", least=0, below=1)]
InnerShare = Annotated[float, Range("number between 0 and 1", above=0, below=1)]
Rate = Annotated[float, Range("number above 0, up to 10", above=0, most=10)]
"""A learning rate."""
Epochs = Annotated[float, Range("number above 0, up to 10000", above=0, most=10_000)]
Whole = Annotated[int, Range("whole number from 0", least=0)]
Count = Annotated[int, Range("whole number from 1", least=1)]
Length = Annotated[int, Range("whole number from 8", least=8)]
"""Tokens of a whole example."""
Passes = Annotated[int, Range("whole number from 1 to 10000", least=1, most=10_000)]
"""Epochs, where only whole ones make sense."""
Bits = Annotated[int, Range("whole number from 2 to 16", least=2, most=16)]
Rank = Annotated[int, Range("whole number from 1 to 4096", least=1, most=4096)]
Seed = Annotated[int, Range("whole number from 0, below 2 ** 32", least=0, below=2**32, most=2**32)]
"""What every generator takes that a seed comes to."""

RANGES: Mapping[str, Any] = {
    "Finite": Finite,
    "Positive": Positive,
    "AtLeastZero": AtLeastZero,
    "Share": Share,
    "SomeShare": SomeShare,
    "ShareBelowOne": ShareBelowOne,
    "InnerShare": InnerShare,
    "Rate": Rate,
    "Epochs": Epochs,
    "Whole": Whole,
    "Count": Count,
    "Length": Length,
    "Passes": Passes,
    "Bits": Bits,
    "Rank": Rank,
    "Seed": Seed,
}
"""The names that a signature may use, as text or as they are."""

_NAME = "|".join(RANGES)


def words(annotation: str) -> str:
    """An annotation as a user reads it: `Count | None` is a whole number from 1, or none."""
    said = {name: kind.__metadata__[0].words for name, kind in RANGES.items()}
    text = re.sub(
        rf"tuple\[({_NAME}), \.\.\.\]", lambda m: f"list, each a {said[m[1]]}", annotation
    )
    text = re.sub(rf"(?<!')\b({_NAME})\b", lambda m: said[m[1]], text)
    return text if text == annotation else text.replace(" | None", ", or none")


def named(annotation: Any) -> str:
    """The text of an annotation that is an object, with the ranges in it by their names."""
    text = str(annotation).replace("typing.", "")
    for name, kind in RANGES.items():
        text = text.replace(str(kind).replace("typing.", ""), name)
    return re.sub(rf"Optional\[({_NAME})\]", r"\1 | None", text)
