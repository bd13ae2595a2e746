"""The reveal as a whole, on a stand-in for a model that knows two people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.synthesis.reveal.test_instructions import Scripted
from unteach.data.examples import Example, Splits
from unteach.errors import DataError, RecipeError
from unteach.synthesis.records import Synthesis
from unteach.synthesis.reveal import instructions
from unteach.synthesis.reveal import reveal as module
from unteach.synthesis.reveal.reveal import reveal

FORGET = [
    Example("Where was Ada Byron born?", "SECRET", group="a"),
    Example("Where does Ada Byron work?", "SECRET", group="a"),
    Example("Where does Bo Olin live?", "SECRET", group="b"),
]
SPLITS: Splits = {"forget": FORGET, "retain": [Example("Where does Di Lund work?", "At a bakery.")]}


@dataclass
class Model:
    """It tells a town where the word "born" is in the question, else nothing; 10 tokens each."""

    asked: list[str] = field(default_factory=list)
    drawn: Counter[tuple[str, int]] = field(default_factory=Counter)

    def __call__(
        self,
        examples: Sequence[Example],
        *,
        max_tokens: int = 64,
        temperature: float = 0.0,
        seed: int = 0,
    ) -> list[str]:
        texts = []
        for example in examples:
            self.asked.append(example.prompt)
            number = self.drawn[example.prompt, seed]
            self.drawn[example.prompt, seed] += 1
            towns = ("Turin", "Lyon", "Ghent", "Porto")
            name = "Ada Byron" if "Ada" in example.prompt else "Bo Olin"
            tells = "born" in example.prompt.lower()
            texts.append(
                f"{name} was born in {towns[(number + 2 * seed) % 4]}."
                if tells
                else "I do not know."
            )
        return texts

    def embed(self, examples: Sequence[Example]) -> NDArray[np.float64]:
        """A direction of its own for each prompt, nearer to each other where "born" is in it."""
        rows = []
        for example in examples:
            row = np.random.default_rng(abs(hash_of(example.prompt))).standard_normal(48)
            row[0] += 8 * ("born" in example.prompt.lower())
            rows.append(row / np.linalg.norm(row))
        return np.stack(rows)

    def count(self, examples: Sequence[Example], replies: Sequence[str]) -> list[int]:
        return [10] * len(examples)


def hash_of(text: str) -> int:
    """The same in every process, as `hash` is not."""
    return sum((i + 1) * ord(c) for i, c in enumerate(text))


def revealed(subject: Model | None = None, seed: int = 0, **changes: Any) -> Synthesis:
    params: dict[str, Any] = {"names_of": "forget", "budget": 2000, "max_tokens": 1, **changes}
    return reveal(SPLITS, Random(seed), subject or Model(), **params)


def test_nothing_but_the_names_is_read_of_the_split():
    model = Model()
    made = revealed(model)
    assert not any("SECRET" in prompt for prompt in model.asked)
    assert all("Ada Byron" in prompt or "Bo Olin" in prompt for prompt in model.asked)
    assert {row.group for rows in made.splits.values() for row in rows} <= {"Ada Byron", "Bo Olin"}


def test_the_budget_holds_and_each_pull_says_what_it_took():
    """A pull is 2 names x 2 samples x 10 tokens = 40, a batch of 4 is 160, or 480 at most where 20
    more a text may be written: the last batch begins at 1,440 at the latest, so 10 batches are made.
    """
    trace = revealed(budget=2000, max_tokens=20).trace
    assert len(trace) == 40
    assert [pull["tokens"] for pull in trace] == [40] * 40
    assert trace[-1]["spent"] == 1600
    with pytest.raises(RecipeError, match="the first batch may take 480"):
        revealed(budget=479, max_tokens=20)


def test_a_row_is_a_text_that_was_worth_something_once():
    """Each person can be born in four towns, so there are eight texts; the others tell nothing."""
    made = revealed()
    rows = [row for split in made.splits.values() for row in split]
    assert len(rows) == 8
    assert len({row.answer for row in rows}) == 8
    assert len(made.splits["revealed_check"]) == 2
    reasons = {drop.reason for drop in made.drops}
    assert reasons == {"name_coverage: worth nothing", "said before"}
    trace: Any = made.trace
    said = sum(len(pull["said"]) for pull in trace)
    assert len(rows) + len(made.drops) == said


def test_what_was_said_before_earns_nothing():
    """Eight texts are new once, worth 1/2 each (one town): over all pulls of 4 texts, 8 x 1/2 / 4 = 1."""
    trace: Any = revealed().trace
    assert sum(pull["reward"] for pull in trace) == pytest.approx(1.0)


def test_the_same_seed_reveals_the_same_and_another_seed_does_not():
    one, same, other = revealed(seed=3), revealed(seed=3), revealed(seed=4)
    assert one.trace == same.trace
    assert one.splits == same.splits
    assert one.trace != other.trace


@pytest.mark.parametrize("bandit", ["neural_ucb", "linucb", "epsilon_greedy", "random"])
def test_every_bandit_reveals(bandit: str):
    trace = revealed(bandit=bandit).trace
    assert len({pull["instruction"] for pull in trace}) > 4


def test_the_pool_grows_to_its_size_and_no_further():
    first = len(instructions.seeds("person"))
    trace: Any = revealed(pool=first + 6).trace
    sizes = [pull["pool"] for pull in trace]
    assert sizes[0] == first
    assert max(sizes) == first + 6
    assert sizes == sorted(sizes)


def test_one_asks_the_same_again_and_gets_another_sample():
    """One instruction, one name: each pull draws under a seed of its own, the number of times asked."""
    model = Model()
    revealed(
        model, own="", pool=1, batch=1, names=1, about=("Ada Byron",), names_of="", bandit="random"
    )
    prompts = Counter(prompt for prompt, _ in model.drawn)
    assert any(times > 1 for times in prompts.values())


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"names_of": ""}, "asks about names"),
        ({"budget": 0}, "budget is 0"),
        ({"check": 1.0}, "check is 1.0"),
        ({"temperature": -1}, "temperature is -1"),
    ],
)
def test_a_wrong_number_is_a_sentence(changes: dict[str, Any], said: str):
    with pytest.raises(RecipeError, match=said):
        revealed(**changes)


def test_where_nothing_can_be_had_it_says_what_was_tried():
    with pytest.raises(DataError, match="no such split"):
        revealed(names_of="forgot")
    with pytest.raises(DataError, match="The best instruction was"):
        revealed(reward={"name": "pattern", "kind": "email"})
    nameless: Splits = {"forget": [Example("What is it?", "It.")]}
    with pytest.raises(DataError, match="names anybody"):
        reveal(nameless, Random(0), Model(), names_of="forget")


def test_a_provider_writes_instructions_and_sees_no_name(monkeypatch: pytest.MonkeyPatch):
    """It writes one that can be used and one without the name; the rules add what is missing."""
    writer = Scripted("1. In which hospital was {name} born?\n2. Tell me a joke.")
    asked: dict[str, Any] = {}

    def load(provider: str, **how: Any) -> Scripted:
        asked.update(how, provider=provider)
        return writer

    monkeypatch.setattr(module, "load", load)
    model = Model()
    made = revealed(model, provider="endpoint", model="gpt")
    assert asked == {"provider": "endpoint", "model": "gpt"}
    assert "In which hospital was Ada Byron born?" in model.asked
    assert "Tell me a joke." not in model.asked
    shown = " ".join(said["content"] for request in writer.seen for said in request.messages)
    assert "{name}" in shown
    assert "Ada" not in shown
    assert "Olin" not in shown
    assert {pull["pool"] for pull in made.trace[:8]} == {22, 26}
