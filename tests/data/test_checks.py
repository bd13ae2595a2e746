from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from unteach.data.checks import Report, check, require_clean, too_long
from unteach.data.examples import Example
from unteach.data.sources import read_split
from unteach.errors import DataError
from unteach.recipe import Source

TOFU = Path(__file__).parents[3] / "shared" / "data" / "tofu"

ANA = Example("Where was Ana born?", "In Lyon.", where="forget.jsonl:1")
BEN = Example("Where was Ben born?", "In Metz.", where="retain.jsonl:1")
CAM = Example("Where was Cam born?", "In Nice.", where="holdout.jsonl:1")


def problems_of(**splits: Sequence[Example]) -> list[str]:
    report = check(splits, {})
    assert report.warnings == ()
    return list(report.problems)


def test_good_data_has_nothing_to_say():
    splits = {"forget": [ANA], "retain": [BEN], "holdout": [CAM]}
    assert check(splits, {"forget": "min_k", "retain": "min_k"}) == Report()


@pytest.mark.parametrize("answer", ["", " \n"])
def test_an_empty_answer_is_named(answer):
    assert problems_of(forget=[ANA, replace(ANA, answer=answer, where="forget.jsonl:2")]) == [
        "forget.jsonl:2 has an empty answer."
    ]


def test_an_empty_text_is_named_by_row_where_no_file_is_known():
    assert problems_of(forget=[Example("", "A text."), Example("", " ")]) == [
        "forget[1] has an empty text."
    ]


def test_an_empty_prompt_is_named_only_beside_others():
    text = Example("", "A text.", where="forget.jsonl:2")
    assert problems_of(forget=[text]) == []
    assert problems_of(forget=[ANA, text]) == [
        "forget.jsonl:2 has an empty prompt, while other rows of forget have one. "
        "Fill it in, or put texts into a split of their own."
    ]


def test_a_wrong_answer_must_be_wrong_and_not_empty():
    row = replace(ANA, wrong=("In Nice.", "in  LYON.", " "))
    assert problems_of(forget=[row]) == [
        "forget.jsonl:1: wrong answer 2 is the true answer.",
        "forget.jsonl:1: wrong answer 3 is empty.",
    ]


def test_a_repeated_row_is_a_problem():
    again = replace(ANA, prompt="where was  Ana born? ", where="forget.jsonl:9")
    assert problems_of(forget=[ANA, BEN, again]) == [
        "forget.jsonl:9 repeats forget.jsonl:1: the same prompt and answer. Remove one of them."
    ]


def test_a_repeated_row_of_retain_is_a_warning():
    report = check({"retain": [BEN, BEN]}, {})
    assert report.problems == ()
    assert report.warnings == (
        "retain.jsonl:1 repeats retain.jsonl:1: the same prompt and answer. Remove one of them.",
    )


def test_one_question_with_two_answers_is_no_repeat():
    assert problems_of(forget=[ANA, replace(ANA, answer="In the city of Lyon.")]) == []


def test_the_same_last_turn_after_other_turns_is_no_repeat():
    earlier = (("user", "Hi"), ("assistant", "Hello"))
    assert problems_of(forget=[ANA, replace(ANA, history=earlier)]) == []


def test_a_forget_row_that_is_also_retained_is_named():
    kept = replace(ANA, answer="IN LYON.", where="retain.jsonl:7")
    assert problems_of(forget=[ANA, CAM], retain=[BEN, kept]) == [
        "forget.jsonl:1 of forget is also in retain (retain.jsonl:7): what is forgotten in one "
        "would be taught by the other. Remove it from one of them."
    ]


def test_a_single_forget_row_that_is_retained_is_named_as_a_row():
    [problem] = problems_of(forget=[ANA], retain=[BEN, ANA])
    assert problem.startswith("forget.jsonl:1 of forget is also in retain (forget.jsonl:1): ")


def test_forget_wholly_in_retain_is_one_sentence():
    assert problems_of(forget=[ANA, CAM], retain=[BEN, ANA, CAM]) == [
        "all 2 rows of forget are also in retain (3 rows): what is forgotten in one would be "
        "taught by the other. Give retain other rows."
    ]


@pytest.mark.parametrize("other", ["forget", "retain"])
def test_a_holdout_row_must_not_be_taught(other):
    assert problems_of(**{"holdout": [CAM, BEN], other: [ANA, CAM]}) == [
        f"holdout.jsonl:1 of holdout is also in {other} (holdout.jsonl:1): holdout must not have "
        "been taught. Remove it from one of them."
    ]


def test_splits_made_from_forget_may_share_its_rows():
    assert problems_of(forget=[ANA], forget_paraphrased=[ANA], retain=[BEN], neighbours=[BEN]) == []


def test_an_empty_split_is_named():
    assert problems_of(forget=[]) == [
        "the split 'forget' is empty. Give it at least one row, or leave it out."
    ]


def test_a_required_split_that_is_missing_names_its_reader():
    required = {"forget": "x", "retain": "method[0].train.terms[1]", "holdout": "min_k"}
    assert list(check({"forget": [ANA]}, required).problems) == [
        "no split is named 'retain', which method[0].train.terms[1] reads. "
        "This run has: forget. Add it under data:, or drop that term.",
        "no split is named 'holdout', which min_k reads. "
        "This run has: forget. Add it under data:, or drop min_k.",
    ]


def test_a_text_over_the_limit_is_named():
    """Words of prompt and answer: 4 + 2 = 6 is over 5; 4 + 1 = 5 is not."""
    splits = {"forget": [ANA, replace(ANA, answer="Lyon.", where="forget.jsonl:2")]}
    assert too_long(
        splits, lambda e: len(f"{e.prompt} {e.answer}".split()), 5, "data.max_tokens is"
    ) == ["forget.jsonl:1 is 6 tokens long; data.max_tokens is 5. Raise it, or split the text."]


def test_require_clean_raises_with_all_problems_and_else_gives_warnings():
    with pytest.raises(DataError) as caught:
        require_clean({"forget": []}, {"retain": "min_k"}, also=["forget.jsonl:1 is long."])
    missing, empty, long = caught.value.problems
    assert missing.startswith("no split is named 'retain'")
    assert empty.startswith("the split 'forget' is empty")
    assert long == "forget.jsonl:1 is long."
    assert len(require_clean({"retain": [BEN, BEN]}, {})) == 1


def test_require_clean_stops_after_fifty():
    """53 empty answers: 50 sentences and a line that counts the other 3."""
    with pytest.raises(DataError) as caught:
        require_clean({"forget": [replace(ANA, answer="")] * 53}, {})
    assert len(caught.value.problems) == 51
    assert caught.value.problems[-1] == "... and 3 more in the data."


@pytest.mark.skipif(not TOFU.is_dir(), reason="the TOFU files are not beside this checkout")
def test_tofu_as_published_is_clean():
    splits = {
        name: read_split(name, Source(path=path), TOFU)
        for name, path in (("forget", "forget10.json"), ("retain", "retain90.json"))
    }
    assert check(splits, {"forget": "x", "retain": "x"}) == Report()


def test_an_entity_that_its_answer_does_not_say_is_a_warning_with_its_place():
    rows = [
        replace(ANA, answer="In Annaberg, since 1955.", entities=("Ann", "1955")),
        replace(ANA, prompt="And then?", answer="In Nice.", entities=("Lyon",), where="f.jsonl:2"),
        replace(ANA, prompt="And now?", answer="IN NICE.", entities=("nice",), where="f.jsonl:3"),
    ]
    assert check({"forget": rows}, {}).warnings == (
        "forget.jsonl:1: its answer does not say 'Ann' as a word of its own, so only its other "
        "entities are taken as specific. Write entities as the answer has them.",
        "f.jsonl:2: its answer does not say 'Lyon' as a word of its own, so all of the answer is "
        "taken as specific. Write entities as the answer has them.",
    )


def test_many_such_entities_are_counted():
    rows = [replace(ANA, prompt=f"{n}?", entities=("Oslo",), where=f"f:{n}") for n in range(30)]
    found = check({"holdout": rows}, {}).warnings
    assert len(found) == 21
    assert found[-1] == "... and 10 more in the entities of holdout."


def test_a_repeated_id_is_a_problem_whatever_the_split():
    """By its id a row's question and its answers are put together again."""
    assert problems_of(retain=[replace(BEN, id="1"), replace(CAM, id="1")]) == [
        "holdout.jsonl:1 has the id of retain.jsonl:1. Give each row of a split its own."
    ]
    assert problems_of(forget=[replace(ANA, id="1")], retain=[replace(BEN, id="1")]) == []
