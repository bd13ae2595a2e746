"""Every number that can be set declares its range, and nothing outside it passes."""

from __future__ import annotations

import math
import re
from typing import Any

import pytest

from unteach import ranges, registry
from unteach.errors import RecipeError
from unteach.ranges import Count, Positive, Seed
from unteach.registry import Entry, Parameter

NUMBERS: list[Any] = [
    pytest.param(entry, parameter, id=f"{kind}-{name}-{parameter.name}")
    for kind in registry.ROOMS
    for name, entry in registry.entries(kind).items()
    for parameter in entry.parameters
    if re.search(rf"\b(float|int|{'|'.join(ranges.RANGES)})\b", parameter.annotation)
]
NONSENSE: tuple[Any, ...] = (
    math.nan,
    math.inf,
    -math.inf,
    -1e300,
    1e300,
    -(10**400),
    10**400,
    True,
    "much",
    [[]],
)


def refused(entry: Entry, parameter: Parameter, value: object) -> str:
    """The sentence about a value that must not pass."""
    given = [value] if parameter.annotation.startswith("tuple") else value
    with pytest.raises(RecipeError) as raised:
        registry.check(entry.kind, entry.name, needs(entry) | {parameter.name: given})
    return next(text for text in raised.value.problems if f".{parameter.name} is " in text)


@pytest.mark.parametrize(("entry", "parameter"), NUMBERS)
def test_every_number_declares_a_range_that_holds_its_default(entry: Entry, parameter: Parameter):
    assert not re.search(r"\b(float|int)\b", parameter.annotation), "declare a range: ranges.py"
    if parameter.default is not registry.REQUIRED:
        given = registry.check(
            entry.kind, entry.name, needs(entry) | {parameter.name: parameter.default}
        )
        assert given[parameter.name] == parameter.default


def needs(entry: Entry) -> dict[str, Any]:
    """Something for each parameter without a default."""
    return {
        p.name: ["a", "b"] if p.annotation.startswith("tuple") else "x"
        for p in entry.parameters
        if p.default is registry.REQUIRED
    }


@pytest.mark.parametrize(("entry", "parameter"), NUMBERS)
def test_nothing_nonsensical_passes(entry: Entry, parameter: Parameter):
    for value in NONSENSE:
        assert refused(entry, parameter, value).endswith(f", which is not a {parameter.wanted}.")


def test_a_sentence_says_what_would_be_right():
    with pytest.raises(RecipeError) as raised:
        registry.check("objective", "npo", {"beta": 0})
    assert str(raised.value) == "npo.beta is 0, which is not a number above 0."
    with pytest.raises(RecipeError) as raised:
        registry.check("selection", "lora", {"rank": 2.5, "dropout": 2})
    assert raised.value.problems == (
        "lora.rank is 2.5, which is not a whole number from 1 to 4096.",
        "lora.dropout is 2, which is not a number from 0, below 1.",
    )


def test_an_annotation_reads_as_words():
    assert ranges.words("Count | None") == "whole number from 1, or none"
    assert ranges.words("tuple[AtLeastZero, ...]") == "list, each a number from 0"
    assert ranges.words("Literal['Count', 'x']") == "Literal['Count', 'x']"
    assert ranges.words("str | None") == "str | None"


def test_annotations_that_are_objects_are_named():
    """As a plug-in has them without `from __future__ import annotations`."""
    assert ranges.named(Positive) == "Positive"
    assert ranges.named(tuple[Seed, ...]) == "tuple[Seed, ...]"
    assert ranges.named(Count | None) == "Count | None"
