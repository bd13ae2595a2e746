"""Another name in question and answer, and everything else as it was."""

from random import Random

import pytest

from unteach.data.benchmarks.world import world
from unteach.data.examples import Example
from unteach.errors import DataError, RecipeError
from unteach.synthesis.swapped import swap, swapped
from unteach.synthesis.variants import read_question
from unteach.synthesis.verify import words

BORN = Example(
    "Where was Ada Moor born?",
    "Ada Moor was born in Oslo.",
    wrong=("Ada Moor was born in Rome.",),
    entities=("Oslo",),
    id="ada",
    group="p1",
    attribute="birthplace",
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Ada Moor's cat likes Moor.", "Bo Lund's cat likes Lund."),
        ("Ada told the Moors.", "Bo told the Moors."),
        ("ADA MOOR", "ADA MOOR"),
        ("Adam and Ada", "Adam and Bo"),
    ],
)
def test_whole_names_and_their_ends_are_replaced(text: str, expected: str):
    assert swap(text, "Ada Moor", "Bo Lund") == expected


def test_a_name_of_one_word_and_one_with_an_article():
    assert swap("Is France in France?", "France", "Chad") == "Is Chad in Chad?"
    assert swap("Is the Big Ben tall?", "the Big Ben", "the Arch") == "Is the Arch tall?"


def test_question_and_answer_name_the_same_stranger():
    (row,) = swapped({"forget": [BORN]}, Random(0)).splits["forget_swapped"]
    other = swapped({"forget": [], "revealed": [BORN]}, Random(0), split="revealed")
    assert other.splits == {"revealed_swapped": [row]}
    name = read_question(row).subject
    assert row.prompt == f"Where was {name} born?"
    assert row.answer == f"{name} was born in Oslo."
    assert not set(words(name)) & {"ada", "moor"}
    assert (row.id, row.group, row.attribute) == ("ada.swapped", "p1", "birthplace")
    assert (row.entities, row.wrong) == (("Oslo",), ())


def test_several_names_of_a_row_differ_and_stay_together():
    rows = swapped({"forget": [BORN, BORN]}, Random(0), per_question=3).splits["forget_swapped"]
    assert [row.id for row in rows[:3]] == ["ada.swapped", "ada.swapped.2", "ada.swapped.3"]
    assert all(len({row.prompt for row in rows[i : i + 3]}) == 3 for i in (0, 3))


def test_names_of_retain_are_those_of_its_questions_but_not_the_own_one():
    retain = [
        Example("Where was Ada Moor raised?", "In Kiel."),
        Example("Where was Ben Reyes born?", "In Lima."),
        Example("Why is it so?", "Nobody knows."),
    ]
    splits = {"forget": [BORN], "retain": retain}
    (row,) = swapped(splits, Random(0), names="retain").splits["forget_swapped"]
    assert row.answer == "Ben Reyes was born in Oslo."


def test_a_text_stays_a_text_with_another_name_throughout():
    text = Example("", "Ada Moor comes from Oslo. Moor has a job.", entities=("Oslo",), id="t")
    (row,) = swapped({"forget": [text]}, Random(0)).splits["forget_swapped"]
    assert row.is_text
    first, last = row.answer.split()[:2]
    assert row.answer == f"{first} {last} comes from Oslo. {last} has a job."


def test_the_world_is_aligned_and_brief_answers_stay():
    splits = world(people=6, attributes=3, forget=0.5, brief=True, facts=4, texts=2)
    made = swapped(splits, Random(0))
    rows = made.splits["forget_swapped"]
    assert [row.answer for row in rows] == [row.answer for row in splits["forget"]]
    assert [record.source_id for record in made.records] == [row.id for row in splits["forget"]]
    names = {word for row in splits["forget"] for word in words(read_question(row).subject)}
    assert not any(names & set(words(row.prompt)) for row in rows)
    assert made == swapped(splits, Random(0)) != swapped(splits, Random(1))


def test_errors_name_what_would_be_right():
    with pytest.raises(DataError, match=r"x: swapped can read no name .* Set its group"):
        swapped({"forget": [Example("Why is it so?", "It is.", id="x")]}, Random(0))
    with pytest.raises(RecipeError, match="per_question is 0; it must be from 1 to"):
        swapped({"forget": [BORN]}, Random(0), per_question=0)
    with pytest.raises(RecipeError, match="per_question is 1; it must be from 1 to 0"):
        swapped({"forget": [BORN], "retain": [BORN]}, Random(0), names="retain")
    with pytest.raises(DataError, match="swapped reads the split 'retain'"):
        swapped({"forget": [BORN]}, Random(0), names="retain")


def test_an_answer_to_a_question_without_a_name_is_put_to_other_questions():
    asked = Example("Why is the sky green?", "Copper dust makes it so.", id="sky")
    splits = {"forget": [asked, BORN]}
    made = swapped(splits, Random(0), per_question=2, nameless="question")
    rows = made.splits["forget_swapped"]
    assert [row.id for row in rows] == [
        "sky.swapped",
        "sky.swapped.2",
        "ada.swapped",
        "ada.swapped.2",
    ]
    assert all(row.prompt == BORN.prompt and row.answer == asked.answer for row in rows[:2])
    with pytest.raises(DataError, match="can read no name in this row"):
        swapped(splits, Random(0))
    with pytest.raises(DataError, match="can read no name in this row"):  # nor is there another
        swapped({"forget": [asked]}, Random(0), nameless="question")
