"""A mismatched answer belongs to another row and says nothing of the true one."""

from random import Random

import pytest

from unteach.data.benchmarks.world import world
from unteach.data.examples import Example
from unteach.errors import DataError
from unteach.synthesis.mismatch import mismatch
from unteach.synthesis.verify import leaks, sensitive

FORGET = [
    Example("Where was Ada born?", "In Oslo.", entities=("Oslo",), id="ada", group="Ada"),
    Example("Where was Ben born?", "In Lima.", entities=("Lima",), id="ben"),
]


def test_of_three_retained_answers_only_one_will_do():
    """ "In Oslo." is the true one and "The port of Oslo." holds it; "In Rome." is left."""
    retain = [
        Example("Where was Cleo born?", "in  OSLO"),
        Example("Where does Cleo live?", "The port of Oslo."),
        Example("Where was Dan born?", "In Rome."),
    ]
    for seed in range(10):
        (row,) = mismatch({"forget": FORGET[:1], "retain": retain}, Random(seed)).splits[
            "forget_mismatch"
        ]
        assert (row.prompt, row.answer) == ("Where was Ada born?", "In Rome.")
        assert (row.id, row.group, row.entities) == ("ada.mismatch", "Ada", ())


def test_forget_answers_serve_where_no_retained_one_does():
    retain = [Example("Where was Cleo born?", "In Oslo, next to Lima.")]
    rows = mismatch({"forget": FORGET, "retain": retain}, Random(0)).splits["forget_mismatch"]
    assert [row.answer for row in rows] == ["In Lima.", "In Oslo."]


def test_a_row_that_no_answer_fits_is_named():
    retain = [Example("Where was Cleo born?", "In Oslo.")]
    with pytest.raises(DataError, match=r"ada: every other answer .* under entities"):
        mismatch({"forget": FORGET[:1], "retain": retain}, Random(0))
    with pytest.raises(DataError, match="mismatch reads the split 'retain'"):
        mismatch({"forget": FORGET}, Random(0))


def test_texts_go_on_as_another_text_does():
    forget = [Example("", "The mill stood empty again. Geese lived there.", id="t")]
    retain = [Example("", "The boat left early that day. Nobody waved.")]
    (row,) = mismatch({"forget": forget, "retain": retain}, Random(0)).splits["forget_mismatch"]
    assert row.prompt == "Continue the text: The mill stood empty again."
    assert row.answer == "Nobody waved."


def test_the_world_is_aligned_and_nothing_leaks():
    splits = world(people=6, attributes=3, forget=0.5, brief=True, facts=4, texts=2)
    made = mismatch(splits, Random(1))
    rows = made.splits["forget_mismatch"]
    kept = {row.answer for row in splits["retain"]}
    assert [row.prompt for row in rows] == [row.prompt for row in splits["forget"]]
    assert {row.answer for row in rows} <= kept
    assert not any(
        leaks(row.answer, sensitive(true)) for row, true in zip(rows, splits["forget"], strict=True)
    )
    assert [record.example for record in made.records] == rows
    assert len({row.answer for row in rows}) > 3
    assert mismatch(splits, Random(1)) == made != mismatch(splits, Random(2))
