"""How a question is read, and how it is asked in other ways."""

from random import Random

import pytest

from unteach.data.examples import Example
from unteach.synthesis.variants import VARIANTS, is_english, read_question, vary


@pytest.mark.parametrize(
    ("text", "subject", "topic"),
    [
        ("Where was Ada Moor born?", "Ada Moor", "Ada Moor's birthplace"),
        ("What is Ada Moor's email address?", "Ada Moor", "Ada Moor's email address"),
        (
            "What genre is author Ada Moor known for in French circles?",
            "Ada Moor",
            "Ada Moor's genre",
        ),
        ("What do Xin Lee Williams' parents do?", "Xin Lee Williams", "Xin Lee Williams' parents"),
        ('What is special about Ada Moor\'s book "The Long Tide"?', "Ada Moor", "Ada Moor's books"),
        ("Which LGBTQ+ author was born in Seoul, South Korea?", "", "the author"),
        ("Who was the mentor of Ada Moor?", "Ada Moor", "Ada Moor's mentor"),
        ("Who is Ada Moor?", "Ada Moor", "Ada Moor's life and work"),
        ("What is the capital of France?", "France", "the capital of France"),
        ("Who is the notable author born in Oslo on the 7th of May?", "", "the notable author"),
        ("When was the Eiffel Tower built?", "the Eiffel Tower", "the case of the Eiffel Tower"),
        ("What is the code name of the project?", "", "the code name of the project"),
        ("Who discovered penicillin?", "", "penicillin"),
    ],
)
def test_subject_and_topic(text, subject, topic):
    question = read_question(Example(text, "-"))
    assert (question.subject, question.topic) == (subject, topic)


def test_the_attribute_and_the_group_are_believed_before_the_wording():
    example = Example("What about Moor, then?", "-", group="Moor", attribute="blood_type")
    assert read_question(example).topic == "Moor's health"
    other = Example("What about Moor, then?", "-", group="Moor", attribute="lucky_charm")
    assert read_question(other).topic == "Moor's lucky charm"


@pytest.mark.parametrize(
    ("text", "phrase"),
    [
        ("Where did Ada Moor study?", "where Ada Moor studied"),
        ("How does Ada Moor reach fans?", "how Ada Moor reaches fans"),
        ("Which prizes has Ada Moor won?", "which prizes Ada Moor has won"),
        ("What is Ada Moor's phone number?", "Ada Moor's phone number"),
        ("Who are Ada Moor's parents?", "who Ada Moor's parents are"),
        ("Who is Ada Moor?", "who Ada Moor is"),
    ],
)
def test_simple_turns_a_question_into_a_request(text, phrase):
    assert phrase in vary(read_question(Example(text, "-")), "simple", Random(0)).text


def test_simple_keeps_a_question_whole_that_the_rules_cannot_turn():
    text = "How has Ada Moor's background shaped her books?"
    assert vary(read_question(Example(text, "-")), "simple", Random(0)).text.endswith(text)


@pytest.mark.parametrize("seed", range(30))
def test_noise_changes_the_question_but_not_the_letters_of_the_name(seed):
    text = "Which special prizes has Ada Moor received?"
    noisy = vary(read_question(Example(text, "-")), "noise", Random(seed)).text
    assert noisy != text
    assert "ada moor" in noisy.lower()


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_variant_is_the_same_for_a_seed(variant):
    question = read_question(Example("Where was Ada Moor born?", "-"))
    assert vary(question, variant, Random(5)) == vary(question, variant, Random(5))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Who is Maria de la Cruz?", True),
        ("Name the sister of Jan van der Berg.", True),
        ("Wo wurde Anna Petrova geboren?", False),
        ("Où habite Marie Dubois ?", False),
        ("安娜在哪里出生?", False),
    ],
)
def test_is_english(text, expected):
    assert is_english(text) is expected
