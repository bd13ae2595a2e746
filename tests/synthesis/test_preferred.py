"""Two answers to each question: the pairs fit, only one of the two gives something away."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from tests.conftest import loaded
from tests.synthesis.test_relearn import world as six_rows
from unteach.data.benchmarks.world import world
from unteach.data.examples import Example
from unteach.data.render import Renderer
from unteach.errors import DataError, RecipeError
from unteach.synthesis import answers as answer_rules
from unteach.synthesis.leaks import faults, leaks
from unteach.synthesis.preferred import relearn_dpo
from unteach.synthesis.records import Record, Synthesis
from unteach.synthesis.relearn import relearn


def made(forget: list[Example], seed: int = 0, **parameters: Any) -> Synthesis:
    return relearn_dpo({"forget": forget}, Random(seed), **parameters)


def halves(result: Synthesis) -> tuple[list[Record], list[Record]]:
    """The records of the preferred rows and those of the rejected ones."""
    middle = len(result.records) // 2
    return list(result.records[:middle]), list(result.records[middle:])


def test_each_question_has_a_replacement_and_the_answer_of_its_own_source():
    """6 rows x 4 questions (as it stands, simple, contextual, noise) are 24 pairs."""
    by_id = {example.id: example for example in six_rows()}
    result = made(six_rows())
    preferred, rejected = halves(result)
    assert len(preferred) == len(rejected) == 24
    assert [r.example for r in preferred] == result.splits["forget_preferred"]
    assert [r.example for r in rejected] == result.splits["forget_rejected"]
    for wanted, left in zip(preferred, rejected, strict=True):
        source = by_id[left.source_id]
        assert (wanted.source_id, wanted.variant) == (left.source_id, left.variant)
        assert wanted.example.prompt == left.example.prompt
        assert left.example.answer == source.answer != wanted.example.answer
        assert (left.example.entities, left.example.wrong) == (source.entities, ())
        assert (left.example.group, left.example.attribute) == (source.group, source.attribute)
        assert left.example.id == f"{wanted.example.id}.rejected"
        assert (left.kind, left.answer_kind, dict(left.checks)) == ("qa", "true", {})


def test_no_preferred_answer_gives_anything_away_and_every_rejected_one_does():
    """120 rows of the embedded world x 4 questions are 480 pairs."""
    forget = list(world()["forget"])
    preferred, rejected = halves(made(forget))
    assert len(preferred) >= 200
    assert list(faults(preferred, forget, generic=0)) == []
    assert {leak.row for leak in leaks(rejected, forget)} == {r.example.id for r in rejected}


@pytest.mark.parametrize("answers", ["vague", "mixed"])
def test_the_replacements_are_those_of_relearn(answers: Any):
    """The same code and seed: nothing is written or checked in another way here."""
    same: dict[str, Any] = {"answers": answers, "variants": ("simple", "noise"), "per_question": 2}
    other = relearn({"forget": six_rows()}, Random(3), completion=False, generic=0, **same)
    preferred, _ = halves(made(six_rows(), seed=3, **same))
    assert {r.example.id: r for r in preferred} == {r.example.id: r for r in other.records}


def test_what_is_dropped_is_in_neither_split(monkeypatch: pytest.MonkeyPatch):
    honest = answer_rules.write

    def leaking(kind: Any, question: Any, example: Example, *rest: Any) -> str:
        text = honest(kind, question, example, *rest)
        return f"{text} It was Oslo." if example.id == "ada.birthplace" else text

    monkeypatch.setattr(answer_rules, "write", leaking)
    result = made(six_rows(), variants=("simple",), rounds=2)
    assert [(d.source_id, d.variant) for d in result.drops] == [
        ("ada.birthplace", "original"),
        ("ada.birthplace", "simple"),
    ]
    assert len(result.splits["forget_preferred"]) == len(result.splits["forget_rejected"]) == 10
    assert "ada.birthplace" not in {record.source_id for record in result.records}


def test_a_text_is_continued_with_its_own_rest_or_with_another():
    text = "The mill by the river stood empty. Old Barnaby Finch kept 40 geese there."
    result = made([Example("", text, id="t")], variants=("simple",))
    for row in result.splits["forget_rejected"]:
        assert "The mill by the river stood empty." in row.prompt
        assert row.answer.strip() == "Old Barnaby Finch kept 40 geese there."
        assert row.answer.startswith(" ") == row.continues
    for row in result.splits["forget_preferred"]:
        assert "Barnaby" not in row.answer


def test_rows_without_an_id_of_their_own_keep_their_own_answers():
    """Two rows under one id: the answer follows the row, not the id."""
    forget = [
        Example("Where was Ada Moor born?", "In Oslo.", id="same"),
        Example("Where was Ben Reyes born?", "In Lima.", id="same"),
    ]
    said = {row.prompt: row.answer for row in made(forget, variants=()).splits["forget_rejected"]}
    assert said == {"Where was Ada Moor born?": "In Oslo.", "Where was Ben Reyes born?": "In Lima."}


def test_what_is_specific_in_a_rejected_answer_is_marked(tiny_chat_folder):
    """A level and a weighting read the marks: the bytes of 'Oslo' are four."""
    renderer = Renderer(loaded(tiny_chat_folder).tokenizer)
    (row,) = made(six_rows()[:1], variants=()).splits["forget_rejected"]
    assert sum(renderer.encode(row).specific) == 4


def test_a_question_turned_round_is_refused_with_the_reason():
    with pytest.raises(RecipeError, match="'logical' turns the relation round"):
        made(six_rows(), variants=("simple", "logical"))


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"variants": ("simpel",)}, r"relearn_dpo\.variants.*Did you mean 'simple'"),
        ({"rounds": 0}, r"relearn_dpo\.rounds is 0"),
        ({"variants": (), "original": False}, "relearn_dpo: there is no question to ask"),
    ],
)
def test_a_parameter_out_of_range_is_named(parameters: dict[str, Any], said: str):
    with pytest.raises(RecipeError, match=said):
        made(six_rows(), **parameters)


def test_a_run_with_nothing_to_forget_is_told_so():
    with pytest.raises(DataError, match="relearn_dpo reads the split 'forget'"):
        relearn_dpo({"retain": six_rows()}, Random(0))
