"""Questions about nobody: distinct, about strangers, and answered with not knowing."""

from random import Random

import pytest

from unteach.data.benchmarks.world import world
from unteach.data.examples import Example
from unteach.errors import DataError, RecipeError
from unteach.synthesis.answers import REFUSALS
from unteach.synthesis.unanswerable import (
    GIVEN_NAMES,
    QUESTIONS,
    SURNAMES,
    strangers,
    unanswerable,
)
from unteach.synthesis.variants import is_english, read_question
from unteach.synthesis.verify import words


def test_every_question_is_another_one_about_another_stranger():
    made = unanswerable({}, Random(0), rows=40)
    rows = made.splits["unanswerable"]
    assert len(rows) == len({row.prompt for row in rows}) == 40
    assert len({read_question(row).subject for row in rows}) == 40
    assert all(row.answer in REFUSALS for row in rows)
    assert [record.example for record in made.records] == rows
    assert len({row.id for row in rows}) == len({row.group for row in rows}) == 40


def test_the_templates_are_distinct_english_and_name_their_subject():
    assert len(set(QUESTIONS)) == len(QUESTIONS)
    for question in QUESTIONS:
        row = Example(question.format(name="Oleta Inkpen"), "-")
        assert is_english(row.prompt)
        assert read_question(row).subject == "Oleta Inkpen", row.prompt


def test_no_name_is_one_that_the_data_hold():
    splits = {"retain": [Example("Who is Irwin?", "A friend of Dagna Vexley.")]}
    names = strangers(splits, Random(0))
    assert len(names) == len(set(names)) == (len(GIVEN_NAMES) - 2) * (len(SURNAMES) - 1)
    assert not {"irwin", "dagna", "vexley"} & {word for name in names for word in words(name)}


def test_the_world_shares_no_name_with_the_strangers():
    assert len(strangers(world(people=20, attributes=9), Random(0))) > 400


def test_the_seed_decides():
    assert unanswerable({}, Random(3)) == unanswerable({}, Random(3)) != unanswerable({}, Random(4))


def test_errors_name_what_would_be_right():
    most = len(GIVEN_NAMES) * len(SURNAMES)
    for rows in (0, most + 1):
        with pytest.raises(RecipeError, match=f"rows is {rows}; it must be from 1 to {most}"):
            unanswerable({}, Random(0), rows=rows)
    with pytest.raises(DataError, match="no stranger can be named"):
        strangers({"retain": [Example("Who?", " ".join(GIVEN_NAMES))]}, Random(0))
