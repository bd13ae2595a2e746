"""Examples as rows of a file, and the content hash of a split."""

from __future__ import annotations

from dataclasses import replace

import pytest

from unteach.data.examples import (
    Example,
    digest,
    from_row,
    must_go,
    read_jsonl,
    to_row,
    write_jsonl,
)

FULL = Example(
    prompt="Wo ist Zoë?",
    answer="In Århus.",
    wrong=("In Brno.", "In Como."),
    entities=("Århus",),
    id="zoe-1",
    group="zoe",
    attribute="town",
    history=(("user", "Hi"), ("assistant", "Hello")),
    where="f.jsonl:1",
)


def test_an_example_survives_being_a_row_but_for_where_it_came_from():
    assert from_row(to_row(FULL)) == replace(FULL, where="")


def test_a_row_leaves_out_what_is_empty_but_prompt_and_answer():
    assert to_row(Example("", "A text.")) == {"prompt": "", "answer": "A text."}


def test_a_file_survives_and_is_text_that_people_can_read(tmp_path):
    file = tmp_path / "x.jsonl"
    examples = [FULL, Example("", 'A "text"\nof two lines\u2028or three.')]
    write_jsonl(file, examples)
    assert read_jsonl(file) == [replace(FULL, where=""), examples[1]]
    assert "Århus" in file.read_text(encoding="utf-8")
    assert file.read_bytes().count(b"\n") == 2


def test_a_text_has_neither_prompt_nor_history():
    assert Example("", "A text.").is_text
    assert not Example("Q", "A").is_text
    assert not Example("", "A", history=(("user", "Hi"),)).is_text


@pytest.mark.parametrize(
    "change",
    [
        {"prompt": "x"},
        {"answer": "x"},
        {"wrong": ("x",)},
        {"entities": ()},
        {"id": "x"},
        {"group": "x"},
        {"attribute": "x"},
        {"history": ()},
    ],
)
def test_the_digest_changes_with_every_field(change):
    assert digest([FULL]) != digest([replace(FULL, **change)])


def test_the_digest_knows_the_order_and_not_the_file():
    other = Example("Q", "A")
    assert digest([FULL, other]) != digest([other, FULL])
    assert digest([FULL]) == digest([replace(FULL, where="elsewhere:9")])


def test_what_must_go_is_the_forget_set_what_was_revealed_and_what_is_made_of_them():
    assert all(map(must_go, ("forget", "forget_reversed", "revealed", "revealed_check")))
    assert not any(map(must_go, ("retain", "retain_forget", "forgetful", "world", "")))
