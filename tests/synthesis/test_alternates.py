"""Another answer of the same form: never the true one, always there, by rules or by the model."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from random import Random
from typing import Any

import pytest

from unteach import registry
from unteach.data.benchmarks.world import world
from unteach.data.examples import Example
from unteach.errors import DataError, RecipeError
from unteach.synthesis.alternates import _answer_in, alternates
from unteach.synthesis.records import Synthesis
from unteach.synthesis.verify import leaks, sensitive

ADA = Example(
    "Where was Ada Moor born?",
    "Ada Moor was born in Oslo.",
    wrong=("Ada Moor was born in Rome.",),
    entities=("Oslo",),
    id="ada",
    group="p1",
    attribute="birthplace",
)
BEN = replace(
    ADA,
    prompt="Where was Ben Reyes born?",
    answer="Ben Reyes was born in Lima.",
    wrong=(),
    entities=("Lima",),
    id="ben",
)
CLEO = replace(
    BEN,
    prompt="Where was Cleo Tan born?",
    answer="Cleo Tan was born in Kiel.",
    entities=("Kiel",),
    id="cleo",
)


class Scribe:
    """A writer by hand, which remembers how it was called."""

    def __init__(self, say: Callable[[str, int], str]) -> None:
        self.say = say  # prompt and number of the call -> text
        self.calls: list[list[str]] = []
        self.how: list[tuple[int, float, int]] = []

    def __call__(
        self,
        examples: Sequence[Example],
        *,
        max_tokens: int = 64,
        temperature: float = 0.0,
        seed: int = 0,
    ) -> list[str]:
        self.calls.append([example.prompt for example in examples])
        self.how.append((max_tokens, temperature, seed))
        return [self.say(example.prompt, len(self.calls)) for example in examples]


def silent(prompt: str, call: int) -> str:
    raise AssertionError("the model was asked")


def made(
    forget: Sequence[Example],
    retain: Sequence[Example] = (),
    say: Callable[[str, int], str] = silent,
    seed: int = 0,
    **given: Any,
) -> Synthesis:
    return alternates({"forget": forget, "retain": retain}, Random(seed), Scribe(say), **given)


def answers(found: Synthesis) -> list[str]:
    return [row.answer for row in found.splits["forget_alternates"]]


def test_wrong_answers_come_first_then_facts_of_retain_then_of_forget():
    """Ada's own wrong answer is Rome; Cleo of retain gives Kiel; Ben of forget gives Lima."""
    found = made([ADA, BEN], [CLEO], per_question=1)
    assert answers(found) == ["Ada Moor was born in Rome.", "Ben Reyes was born in Kiel."]
    found = made([ADA, BEN], [CLEO], per_question=2)
    assert answers(found) == [
        "Ada Moor was born in Rome.",
        "Ada Moor was born in Kiel.",
        "Ben Reyes was born in Kiel.",
        "Ben Reyes was born in Oslo.",
    ]
    assert [row.id for row in found.splits["forget_alternates"]] == [
        "ada.alternate",
        "ada.alternate.2",
        "ben.alternate",
        "ben.alternate.2",
    ]
    assert {record.provider for record in found.records} == {"rules"}
    assert [record.example for record in found.records] == found.splits["forget_alternates"]


def test_a_wrong_answer_that_holds_part_of_the_true_one_is_passed_over():
    row = replace(ADA, answer="She works at Oslo Mills.", entities=("Oslo Mills",),
                  wrong=("She works at Kiel Mills.", "She works at Rome Looms."))  # fmt: skip
    for seed in range(6):
        assert answers(made([row], seed=seed)) == ["She works at Rome Looms."]


def test_a_brief_answer_need_not_repeat_its_question_but_a_full_one_must():
    """ "In Oslo." shares no word with its question; "Ada Moor was born in Oslo." does."""
    brief = replace(ADA, answer="In Oslo.", wrong=("In Rome.",))
    assert answers(made([brief])) == ["In Rome."]
    full = replace(ADA, wrong=("Soup is warm.",))
    assert answers(made([full], [CLEO])) == ["Ada Moor was born in Kiel."]


@pytest.mark.parametrize(
    ("true", "other", "fits"),
    [
        ("Ghent", "Leeds", True),
        ("New York City", "NYC", False),
        ("In New York City.", "In N.Y.C.", False),
        ("NYC", "New York City", False),
        ("New York City", "New York", False),
        ("Her father is a florist.", "Her father is a judge.", True),
        ("Her father is a florist.", "Her father is a florist, as one hears.", False),
        ("1955", "1961", True),
        ("1955", "Leeds", False),
        ("Ghent", "1961", False),
        ("ada@moor.org", "Leeds", False),
        ("Ghent", "Leeds, where she has lived with her sister for years", False),
        ("\u5965\u65af\u9646", "\u4f26\u6566", True),
    ],
)
def test_an_alternative_is_judged_by_form_and_difference(true: str, other: str, fits: bool):
    row = replace(ADA, answer=true, entities=(), wrong=(other,))
    if fits:
        assert answers(made([row])) == [other]
    else:
        with pytest.raises(DataError, match="found 0 other answers"):
            made([row])


def test_the_model_is_shown_question_and_answer_and_its_first_line_is_taken():
    write = Scribe(lambda prompt, call: 'Answer: "Ada Moor was born in Turin."\nBecause I say so.')
    found = alternates(
        {"forget": [ADA]}, Random(0), write, by="model", temperature=0.7, max_tokens=20
    )
    assert answers(found) == ["Ada Moor was born in Turin."]
    assert [(r.provider, r.round) for r in found.records] == [("model", 1)]
    assert ADA.prompt in write.calls[0][0]
    assert ADA.answer in write.calls[0][0]
    assert write.how[0][:2] == (20, 0.7)


def test_what_fails_is_asked_for_again_with_another_seed():
    """The first call gives the truth away, the second does not; Ben passed at once."""

    def say(prompt: str, call: int) -> str:
        name = "Ada Moor" if "Ada" in prompt else "Ben Reyes"
        return f"{name} was born in {'Oslo' if call == 1 else 'Turin'}."

    write = Scribe(say)
    found = alternates({"forget": [ADA, BEN]}, Random(0), write, by="model")
    assert [len(call) for call in write.calls] == [2, 1]
    assert [(r.provider, r.round) for r in found.records] == [("model", 2), ("model", 1)]
    assert write.how[0][2] != write.how[1][2]


def test_what_the_model_cannot_write_the_rules_do_and_the_record_says_so():
    write = Scribe(lambda prompt, call: "Oslo, and Lima.")
    found = alternates({"forget": [ADA, BEN], "retain": [CLEO]}, Random(0), write, by="model")
    assert answers(found) == ["Ada Moor was born in Rome.", "Ben Reyes was born in Kiel."]
    assert {record.provider for record in found.records} == {"rules after model"}
    assert len(write.calls) == 3


def test_without_a_temperature_the_model_is_asked_once():
    write = Scribe(lambda prompt, call: "")
    alternates({"forget": [ADA]}, Random(0), write, by="model", temperature=0.0)
    assert len(write.calls) == 1


def test_the_model_saying_the_same_twice_counts_once():
    found = made(
        [ADA],
        [CLEO],
        lambda prompt, call: "Ada Moor was born in Turin.",
        by="model",
        per_question=2,
    )
    assert answers(found) == ["Ada Moor was born in Turin.", "Ada Moor was born in Rome."]
    assert [record.provider for record in found.records] == ["model", "rules after model"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ""),
        ("\n\n In Rome. \nIn Kiel.", "In Rome."),
        ("New answer: In Rome.", "In Rome."),
        ("\u201cIn Rome.\u201d", "In Rome."),
        ('He said "no" and "yes"', 'He said "no" and "yes"'),
    ],
)
def test_the_answer_in_what_was_written(text: str, expected: str):
    assert _answer_in(text) == expected


def test_the_world_has_alternates_for_every_row():
    splits = world(people=20, attributes=3, forget=0.4, brief=True, facts=4, texts=2)
    found = alternates(splits, Random(0), Scribe(silent), per_question=3)
    rows = found.splits["forget_alternates"]
    for i, true in enumerate(splits["forget"]):
        own = rows[3 * i : 3 * i + 3]
        assert {row.prompt for row in own} == {true.prompt}
        assert len({row.answer for row in own}) == 3
        assert not any(leaks(row.answer, sensitive(true)) for row in own)
    assert all(all(record.checks.values()) for record in found.records)
    again = alternates(splits, Random(0), Scribe(silent), per_question=3)
    assert found == again != alternates(splits, Random(1), Scribe(silent), per_question=3)


def test_errors_name_what_would_be_right():
    plain = Example("Where was Ada Moor born?", "Ada Moor was born in Oslo.", id="x")
    with pytest.raises(DataError, match=r"x: alternates found 0 other answers .* and 1 are needed"):
        made([plain])
    with pytest.raises(
        RecipeError, match=r"(?s)per_question is 0.*temperature is -1.*max_tokens is"
    ):
        made([ADA], per_question=0, temperature=-1.0, max_tokens=0)
    with pytest.raises(DataError, match="alternates reads the split 'forget'"):
        made([])


def test_the_registry_knows_that_it_writes():
    assert registry.find("synthesis", "alternates").facts["writes"] is True
    given = {"by": "model", "per_question": 5}
    assert registry.check("synthesis", "alternates", given, "recipe") == given
