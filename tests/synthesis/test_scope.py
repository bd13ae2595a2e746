"""A forget question before a retained one changes the prompt and nothing else."""

from collections import Counter
from random import Random

import pytest

from unteach.data.benchmarks.world import world
from unteach.data.examples import Example
from unteach.errors import DataError
from unteach.synthesis.scope import scope


def test_the_retained_question_comes_last_and_keeps_its_answer():
    forget = [Example("Where was Ada born?", "In Oslo.", entities=("Oslo",), id="ada")]
    retain = [Example("Where was Ben born?", "In Lima.", entities=("Lima",), id="ben", group="Ben")]
    made = scope({"forget": forget, "retain": retain}, Random(0))
    (row,) = made.splits["retain_scope"]
    assert row.prompt == "Where was Ada born? Where was Ben born?"
    assert (row.answer, row.entities, row.group, row.id) == (
        "In Lima.",
        ("Lima",),
        "Ben",
        "ben.scope",
    )
    assert [record.example for record in made.records] == [row]


def test_forget_questions_take_turns():
    """Eight retained rows and three forget rows: each is used two or three times."""
    forget = [Example(f"F{i}?", "A.") for i in range(3)]
    retain = [Example(f"R{i}?", "B.") for i in range(8)]
    rows = scope({"forget": forget, "retain": retain}, Random(0)).splits["retain_scope"]
    assert [row.prompt.split()[1] for row in rows] == [f"R{i}?" for i in range(8)]
    assert sorted(Counter(row.prompt.split()[0] for row in rows).values()) == [2, 3, 3]


def test_the_world_is_aligned_with_retain_and_says_no_forgotten_answer():
    splits = world(people=6, attributes=3, forget=0.5, brief=True, facts=4, texts=2)
    made = scope(splits, Random(0))
    rows = made.splits["retain_scope"]
    assert [row.answer for row in rows] == [row.answer for row in splits["retain"]]
    assert all(
        row.prompt.endswith(kept.prompt) for row, kept in zip(rows, splits["retain"], strict=True)
    )
    assert made == scope(splits, Random(0))


def test_texts_are_asked_for_by_their_openings():
    forget = [Example("", "The mill stood empty again. Geese lived there.")]
    retain = [Example("", "The boat left early that day. Nobody waved.")]
    (row,) = scope({"forget": forget, "retain": retain}, Random(0)).splits["retain_scope"]
    assert row.prompt == (
        "Continue the text: The mill stood empty again. "
        "Continue the text: The boat left early that day."
    )
    assert row.answer == "Nobody waved."


def test_both_splits_are_needed():
    with pytest.raises(DataError, match="scope reads the split 'forget'"):
        scope({"retain": [Example("Q?", "A.")]}, Random(0))
