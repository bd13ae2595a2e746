"""Another name in question and answer, and everything else as it was."""

import re
from random import Random

import pytest

from unteach.data.benchmarks.world import world
from unteach.data.examples import Example
from unteach.errors import DataError, RecipeError
from unteach.synthesis.particulars import Particulars
from unteach.synthesis.particulars import words as words_of
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
    rows = swapped({"forget": [text]}, Random(0), per_question=2).splits["forget_swapped"]
    for row in rows:
        first, last, *between, again, _, _, _ = row.answer.split()
        assert row.is_text
        assert not {"Ada", "Moor"} & {first, last}
        assert (again, between[1]) == (last, "from")
        assert row.entities == (between[2].rstrip("."),)
    assert sum("Oslo" in row.answer for row in rows) == 1


KEPT = [
    Example("", "The harbour was full, and the boats left early. The fisher sang."),
    Example("", "Der Hafen war voll, und die Boote fuhren früh aus. Die Leute und der Wirt."),
    Example("", "河边的房子很旧。老人每天钓鱼\uff0c孩子放风筝。"),
    Example("", "ホテルのプールはとてもよごれていた。"),
]
TEXTS = {
    "english": "The lighthouse was built in 1874 of red bricks. At night its keeper counts ships.",
    "german": "Der Leuchtturm wurde 1874 aus rotem Backstein gebaut. Nachts zählt der Wärter Schiffe.",
    "chinese": "灯塔建于1874年\uff0c由红砖砌成。守塔人夜里数船。",
    "japanese": "灯台は1874年に赤いレンガで建てられた。番人は夜に船を数える。",
}


@pytest.mark.parametrize("language", TEXTS)
def test_a_text_without_a_name_is_told_of_something_else(language: str):
    """Three rows: each particular word is kept in one of them and replaced in the other two."""
    text = TEXTS[language]
    splits = {"forget": [Example("", text, id="t")], "retain": KEPT}
    made = swapped(splits, Random(0), per_question=3)
    rows = made.splits["forget_swapped"]
    assert [row.id for row in rows] == ["t.swapped", "t.swapped.2", "t.swapped.3"]
    assert all(row.is_text and row.answer != text for row in rows)
    own = Particulars.of(splits)(text)
    assert "1874" in own
    for word in own:
        assert sum(word in words_of(row.answer) for row in rows) == 1
    assert made == swapped(splits, Random(0), per_question=3)


def test_what_is_kept_of_a_text_is_what_texts_to_keep_have_too():
    splits = {"forget": [Example("", TEXTS["german"], id="t")], "retain": KEPT}
    (row,) = swapped(splits, Random(0)).splits["forget_swapped"]
    assert row.answer.startswith("Der ")  # said twice in what is kept
    number = re.search(r"\d+", row.answer)
    assert number is not None
    assert len(number.group()) == 4


def test_a_beginning_and_how_it_goes_on_are_one_text():
    begun = Example("The lighthouse was", " built by the keeper.", id="b", continues=True)
    rows = swapped({"forget": [begun], "retain": KEPT}, Random(0), per_question=2)
    for row in rows.splits["forget_swapped"]:
        assert row.continues
        assert row.prompt.startswith("The ")
        assert row.answer.startswith(" ")
        assert (row.prompt, row.answer) != (begun.prompt, begun.answer)


def test_a_name_in_a_script_without_spaces_is_found_by_its_group():
    asked = Example("王小明出生在哪里\uff1f", "王小明出生在成都。", id="w", group="王小明")
    (row,) = swapped({"forget": [asked]}, Random(0)).splits["forget_swapped"]
    assert "王小明" not in row.prompt + row.answer
    assert row.prompt.endswith("出生在哪里\uff1f")
    assert row.answer.endswith("出生在成都。")


def test_a_text_of_which_nothing_can_be_replaced_is_named():
    with pytest.raises(DataError, match=r"t: swapped finds no word .* join it to the text"):
        swapped({"forget": [Example("", "...", id="t")]}, Random(0))


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
