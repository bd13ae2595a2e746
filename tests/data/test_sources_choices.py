"""Questions with choices, and worked answers that end in a number."""

import json
from pathlib import Path

import pytest

from unteach.data.choices import choose_letter
from unteach.data.examples import Example
from unteach.data.sources import read_split
from unteach.errors import DataError
from unteach.recipe import Source

GSM8K = Path(__file__).parents[3] / "shared/data/gsm8k_test/test.jsonl"


def read(tmp_path: Path, *rows: dict[str, object]) -> list[Example]:
    (tmp_path / "rows.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return read_split("mmlu", Source(path="rows.jsonl"), tmp_path)


def test_a_question_with_choices_is_answered_by_a_letter():
    prompt, answer, wrong = choose_letter("Which is red? ", ("grass", "blood", "snow"), 1)
    assert prompt == "Which is red?\nA. grass\nB. blood\nC. snow"
    assert answer == "B"
    assert wrong == ("A", "C")


@pytest.mark.parametrize("given", [1, "1", "B", "b", " B "])
def test_number_and_letter_name_the_same_choice(given: int | str):
    assert choose_letter("q?", ("x", "y", "z"), given)[1] == "B"


@pytest.mark.parametrize("given", [3, -1, "3", "D", "", "AB", "x", "B.", "²", True])
def test_an_answer_that_is_no_choice_is_an_error(given: int | str):
    with pytest.raises(DataError, match="it must be 0 to 2, or A to C"):
        choose_letter("q?", ("x", "y", "z"), given)


@pytest.mark.parametrize("number", [0, 1, 27])
def test_there_are_2_to_26_choices(number: int):
    with pytest.raises(DataError, match=f"has {number} choices; it needs 2 to 26"):
        choose_letter("q?", ["x"] * number, 0)


def test_a_long_question_is_shortened_in_the_error():
    with pytest.raises(DataError) as caught:
        choose_letter("why " * 100, ("x", "y"), 2)
    assert len(str(caught.value)) < 200
    assert "\n" not in str(caught.value)


def test_rows_of_mmlu_are_read(tmp_path: Path):
    row = {"question": "Which?", "subject": "law", "choices": ["x", "y"], "answer": 1}
    (found,) = read(tmp_path, row)
    assert found == Example(
        prompt="Which?\nA. x\nB. y",
        answer="B",
        wrong=("A",),
        id="mmlu-0",
        group="mmlu-0",
        attribute="law",
        where="rows.jsonl:1",
    )


def test_an_attribute_of_its_own_wins_over_the_subject(tmp_path: Path):
    row = {"question": "q?", "subject": "law", "attribute": "own", "choices": ["x", "y"]}
    assert read(tmp_path, {**row, "answer": "A"})[0].attribute == "own"


def test_without_choices_nothing_changes(tmp_path: Path):
    (found,) = read(tmp_path, {"question": "q?", "answer": "1", "subject": "law"})
    assert (found.prompt, found.answer, found.wrong) == ("q?", "1", ())
    assert found.attribute == ""


def test_choices_beside_a_text_are_not_read(tmp_path: Path):
    assert read(tmp_path, {"text": "all of it", "choices": ["x", "y"]})[0].answer == "all of it"


def test_a_row_without_choices_has_a_text_for_its_answer(tmp_path: Path):
    rows = ({"question": "a?", "choices": ["x", "y"], "answer": 0}, {"question": "b?", "answer": 0})
    with pytest.raises(DataError) as caught:
        read(tmp_path, *rows)
    (problem,) = caught.value.problems
    assert problem.startswith("rows.jsonl:2: answer (column 'answer')")
    assert problem.endswith("it must be text.")


def test_every_bad_row_is_named(tmp_path: Path):
    with pytest.raises(DataError) as caught:
        read(
            tmp_path,
            {"question": "a?", "choices": ["x", "y"], "answer": 2},
            {"question": "b?", "choices": ["x"], "answer": 0},
            {"question": "c?", "choices": ["x", 5], "answer": 0},
            {"question": "d?", "choices": ["x", "y"], "answer": [0]},
            {"question": "e?", "choices": ["x", "y"], "answer": "A"},
        )
    first, second, third, fourth = caught.value.problems
    assert first == (
        "rows.jsonl:1: the answer of 'a?' is '2'; with 2 choices it must be 0 to 1, or A to B."
    )
    assert second == "rows.jsonl:2: 'b?' has 1 choices; it needs 2 to 26."
    assert third.startswith("rows.jsonl:3: choices (column 'choices') holds")
    assert fourth.startswith("rows.jsonl:4: answer (column 'answer') is a list")


def test_a_csv_cell_may_hold_the_choices_as_json(tmp_path: Path):
    (tmp_path / "rows.csv").write_text('question,choices,answer\nq?,"[""x"", ""y""]",1\n')
    (found,) = read_split("mmlu", Source(path="rows.csv"), tmp_path)
    assert (found.answer, found.wrong) == ("B", ("A",))


@pytest.mark.parametrize(
    ("answer", "entities"),
    [
        ("2 + 40 = 42\n#### 42", ("42",)),
        ("much\n#### 1,000", ("1,000",)),
        ("less\n#### -3.5\n", ("-3.5",)),
        ("#### 42 is in the\nmiddle", ()),
        ("a heading\n#### Results", ()),
        ("#42", ()),
    ],
)
def test_the_number_of_a_worked_answer_is_its_entity(
    tmp_path: Path, answer: str, entities: tuple[str, ...]
):
    (found,) = read(tmp_path, {"question": "q?", "answer": answer})
    assert found.entities == entities
    assert found.answer == answer


def test_entities_of_ones_own_win(tmp_path: Path):
    (found,) = read(tmp_path, {"question": "q?", "answer": "#### 42", "entities": ["40"]})
    assert found.entities == ("40",)


@pytest.mark.skipif(not GSM8K.is_file(), reason="the test rows of GSM8K are not here")
def test_every_row_of_gsm8k_has_its_number():
    found = read_split("gsm8k", Source(path=str(GSM8K)), Path())
    assert len(found) == 1319
    assert all(len(e.entities) == 1 and e.answer.endswith(e.entities[0]) for e in found)
    assert found[0].entities == ("18",)
