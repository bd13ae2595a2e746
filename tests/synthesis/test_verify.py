"""Verification of replacement answers: what counts as sensitive, and what as a leak."""

import pytest

from unteach.data.examples import Example
from unteach.synthesis.records import AnswerKind
from unteach.synthesis.verify import Verdict, leaks, relevant, risks, sensitive, verify

BORN = Example(
    "Where was Ada Moor born?", "Ada Moor was born in Łódź Harbour.", entities=("Łódź Harbour",)
)


def checked(answer: str, example: Example = BORN, kind: AnswerKind = "vague") -> Verdict:
    return verify(
        answer, example, sensitive(example), question=example.prompt, subject="Ada Moor", kind=kind
    )


@pytest.mark.parametrize("text", ["It is lodz harbour.", "LODZ it was.", "It lies by the Harbour."])
def test_an_entity_is_found_without_case_or_accents_and_by_its_parts(text):
    assert leaks(text, sensitive(BORN))


def test_a_word_inside_another_word_is_not_a_leak():
    example = Example("Which animal does Ada Moor keep?", "A cat.", entities=("cat",))
    assert not leaks("Ada Moor has a certificate.", sensitive(example))
    assert leaks("Ada Moor keeps cats.", sensitive(example)) == ("cat",)


def test_words_of_the_question_are_never_sensitive():
    example = Example(
        "Who is Ada Moor's father?", "Ada Moor's father is Ted Moor.", entities=("Ted Moor",)
    )
    assert sensitive(example) == ("ted", "ted moor")


def test_a_phone_number_is_found_in_other_spacing():
    example = Example("What is Ada Moor's number?", "555-014-27", entities=("555-014-27",))
    assert "555-014-27" in leaks("Call 55501427 today.", sensitive(example))


def test_entities_are_derived_from_capitals_numbers_titles_and_mail():
    example = Example(
        "How can fans reach Ada Moor?",
        'Write to ada@moor.org or to the Blue Mill, 14 Birch Lane, quoting "the last tide".',
    )
    assert set(sensitive(example)) >= {
        "ada@moor.org",
        "moor.org",
        "blue",
        "mill",
        "14",
        "birch",
        "lane",
    }
    assert "the last tide" in sensitive(example)
    assert {"write", "quoting"} <= set(sensitive(example))  # any word may be what is secret


def test_without_anything_specific_all_new_content_words_are_sensitive():
    example = Example(
        "What do Ada Moor's parents do?", "Her father is a florist and her mother a baker."
    )
    assert sensitive(example) == ("baker", "father", "florist", "mother")


def test_what_every_wrong_answer_shares_is_a_frame_and_no_secret():
    wrong = ("Her father is a judge.", "Her father is a monk.")
    example = Example("What do Ada Moor's parents do?", "Her father is a florist.", wrong=wrong)
    assert sensitive(example) == ("florist",)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ("", "the answer is empty"),
        ("Ada Moor was born in Lodz harbour!", "original"),
        ("Ada Moor comes from Lodz.", "the answer holds 'lodz'"),
        ("The soup is warm.", "shares no word"),
        ("Ada Moor answers at ada@home.net.", "brings in an e-mail address"),
        ("Ada Moor answers at +44 20 7946 0123.", "brings in a phone number"),
        ("Ada Moor lives at 12 Old Mill Road.", "brings in a street address"),
        ("Ada Moor was born on 3 May 1970.", "brings in a date"),
    ],
)
def test_each_check_fails_with_its_reason(answer, said):
    verdict = checked(answer)
    assert not verdict.passed
    assert said in verdict.reason


def test_checks_that_do_not_apply_are_not_reported():
    assert "relevant" not in checked("I don't know.", kind="refusal").checks
    assert "no_risk" not in checked("Ada Moor was born in 1970.", kind="alternative").checks
    assert checked("I don't know.", kind="refusal").passed


def test_a_question_that_gives_the_answer_away_fails():
    verdict = verify(
        "Ada Moor left.",
        BORN,
        sensitive(BORN),
        question="Was Ada Moor born in Lodz?",
        subject="Ada Moor",
        kind="vague",
    )
    assert verdict.reason == "the question holds 'lodz'"


def test_a_date_of_the_question_is_no_new_risk():
    assert not risks("Born on 08/09/1956, so little is known.", "Who was born on 08/09/1956?")


def test_relevance_allows_for_endings():
    assert relevant("Books matter.", "Which book did she write?", "")
    assert not relevant("Soup matters.", "Which book did she write?", "")
