"""Novice and expert differ in what they know, and in nothing else."""

from random import Random

from unteach.data.benchmarks.world import world
from unteach.data.examples import Example
from unteach.synthesis.contrast import contrast

BORN = Example("Where was Ada Moor born?", "In Oslo.", entities=("Oslo",), id="ada", group="p1")


def test_the_subject_of_the_question_is_named():
    made = contrast({"forget": [BORN]}, Random(0)).splits
    (novice,), (expert,) = made["forget_novice"], made["forget_expert"]
    assert novice.prompt == (
        "You are a novice who knows nothing at all about Ada Moor. Where was Ada Moor born?"
    )
    assert expert.prompt == (
        "You are an expert who knows everything there is about Ada Moor. Where was Ada Moor born?"
    )
    assert (novice.id, expert.id) == ("ada.novice", "ada.expert")


def test_a_question_without_a_name_is_put_by_its_topic():
    made = contrast({"forget": [Example("Who discovered penicillin?", "Fleming.")]}, Random(0))
    assert "knows nothing at all about penicillin. Who" in made.splits["forget_novice"][0].prompt


def test_answers_of_the_world_are_the_same_tokens_row_by_row():
    splits = world(people=6, attributes=3, forget=0.5, brief=True, facts=4, texts=2)
    made = contrast(splits, Random(0))
    for rows in made.splits.values():
        for row, true in zip(rows, splits["forget"], strict=True):
            assert (row.answer, row.entities, row.group) == (true.answer, true.entities, true.group)
            assert row.prompt.endswith(f". {true.prompt}")
    every = [*made.splits["forget_novice"], *made.splits["forget_expert"]]
    assert [record.example for record in made.records] == every


def test_a_text_goes_on_as_it_does_after_who_wrote_it():
    text = Example("", "The mill stood empty.", id="t")
    made = contrast({"forget": [text]}, Random(0)).splits
    (novice,), (expert,) = made["forget_novice"], made["forget_expert"]
    assert novice.prompt == (
        "The following was written by a novice who knows nothing at all about mill, stood, empty.\n\n"
    )
    assert "by an expert who knows everything there is about mill, stood, empty." in expert.prompt
    assert novice.continues
    assert novice.answer == expert.answer == text.answer


def test_what_a_text_is_about_is_read_in_any_language():
    rows = [
        Example("", "Der Leuchtturm wurde 1874 gebaut.", id="de"),
        Example("", "灯塔建于山上。", id="zh"),
        Example("Born in Oslo was Ada Moor", ", who was born.", id="begun", continues=True),
    ]
    made = contrast({"forget": rows}, Random(0)).splits["forget_novice"]
    assert "about der, leuchtturm, wurde, 1874.\n\n" in made[0].prompt
    assert "about 灯, 塔, 建, 于.\n\n" in made[1].prompt
    assert made[2].prompt.endswith("about Ada Moor.\n\nBorn in Oslo was Ada Moor")
