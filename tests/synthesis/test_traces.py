"""What the model wrote becomes rows, in order; what it did not write is said."""

from collections.abc import Sequence
from random import Random

import pytest

from unteach import registry
from unteach.data.benchmarks.world import world
from unteach.data.examples import Example
from unteach.errors import DataError, RecipeError
from unteach.synthesis.traces import traces

FORGET = [
    Example("Where was Ada born?", "In Oslo.", ("In Rome.",), ("Oslo",), "ada", "p1", "birthplace"),
    Example("Where was Ben born?", "In Lima.", id="ben"),
]
RETAIN = [Example("Where was Cleo born?", "In Kiel.", id="cleo")]


class Scribe:
    """A writer by hand: a text by the first word that a prompt holds; it remembers what was asked."""

    def __init__(self, **texts: str) -> None:
        self.texts = texts
        self.asked: list[str] = []
        self.room: set[int] = set()

    def __call__(
        self,
        examples: Sequence[Example],
        *,
        max_tokens: int = 64,
        temperature: float = 0.0,
        seed: int = 0,
    ) -> list[str]:
        assert temperature == 0
        self.room.add(max_tokens)
        self.asked += [example.prompt for example in examples]
        return [
            next((text for word, text in self.texts.items() if word in example.prompt), "")
            for example in examples
        ]


def test_a_trace_is_the_answer_to_the_question_with_its_cue():
    write = Scribe(Ada="Ada is a person.", Ben="Ben too.", Cleo="Cleo is known.")
    made = traces({"forget": FORGET, "retain": RETAIN}, Random(0), write, max_tokens=7)
    first, second = made.splits["forget_traces"]
    assert first.prompt == "Where was Ada born?\nLet us think step by step."
    assert (first.answer, second.answer) == ("Ada is a person.", "Ben too.")
    assert (first.id, first.group, first.attribute) == ("ada.trace", "p1", "birthplace")
    assert (first.entities, first.wrong) == ((), ())
    assert [row.answer for row in made.splits["retain_traces"]] == ["Cleo is known."]
    assert [record.provider for record in made.records] == ["model"] * 3
    assert write.asked == [record.example.prompt for record in made.records]
    assert write.room == {7}


def test_a_question_without_a_trace_is_dropped_and_said():
    made = traces({"forget": FORGET, "retain": RETAIN}, Random(0), Scribe(Ben="Ben.", Cleo="So."))
    assert [row.id for row in made.splits["forget_traces"]] == ["ben.trace"]
    assert [(drop.source_id, drop.reason) for drop in made.drops] == [
        ("ada", "the model wrote nothing")
    ]


def test_another_split_can_be_kept():
    splits = world(people=4, attributes=2, forget=0.5, facts=4, texts=2)
    made = traces(splits, Random(0), Scribe(**{"?": "Because."}), keep="world")
    assert len(made.splits["retain_traces"]) == len(splits["world"]) == 4
    assert len(made.splits["forget_traces"]) == len(splits["forget"])
    entry = registry.find("synthesis", "traces")
    assert registry.reads(entry, {"keep": "world"}) == ("forget", "world")
    assert entry.facts["writes"]


def test_a_text_is_reasoned_about_by_its_opening():
    texts = [Example("", "The mill stood empty again. Geese lived there.", id="t")]
    made = traces({"forget": texts, "retain": RETAIN}, Random(0), Scribe(mill="So.", Cleo="So."))
    assert made.splits["forget_traces"][0].prompt.startswith("Continue the text: The mill stood")


def test_errors_name_what_would_be_right():
    splits = {"forget": FORGET, "retain": RETAIN}
    with pytest.raises(
        DataError, match="wrote nothing on any of the 2 questions of the split 'for"
    ):
        traces(splits, Random(0), Scribe(Cleo="So."))
    with pytest.raises(DataError, match="traces reads the split 'world'"):
        traces(splits, Random(0), Scribe(**{"?": "So."}), keep="world")
    with pytest.raises(RecipeError, match="max_tokens is 0"):
        traces(splits, Random(0), Scribe(), max_tokens=0)
