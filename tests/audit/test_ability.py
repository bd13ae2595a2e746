"""What a model can do, on numbers small enough for paper and on a model that knows."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pytest

from unteach.audit.audits import ability
from unteach.audit.harness import HarnessResult
from unteach.audit.judges import Unavailable
from unteach.audit.measure import Tokens, measure_tokens
from unteach.data.examples import Example, Splits
from unteach.data.render import Renderer
from unteach.model.load import Loaded

Rows = Sequence[Sequence[float]]


def table(logp: Rows, num_end: int = 0) -> Tokens:
    """One list of nats a row; the last `num_end` of each close the turn."""
    shape = [len(row) for row in logp]
    flat = np.array([x for row in logp for x in row], dtype=np.float32)
    ones = np.ones(len(flat), dtype=np.float32)
    end = [i >= len(row) - num_end for row in logp for i in range(len(row))]
    return Tokens(
        offsets=np.cumsum([0, *shape]),
        logp=flat,
        hit=ones.astype(bool),
        entropy=ones,
        std=ones,
        rank=ones.astype(np.int32),
        specific=ones.astype(bool),
        end=np.array(end, dtype=bool),
    )


class Measured:
    """What the audits read of Evidence, as it was measured before."""

    def __init__(self, examples: Sequence[Example], **held: Any) -> None:
        self._examples, self._held = list(examples), held
        self.tools: Mapping[str, Any] = held.get("tools", {})

    def examples(self, split: str) -> list[Example]:
        return self._examples

    def groups(self, split: str) -> list[str]:
        return [e.id for e in self._examples]

    def tokens(self, split: str) -> Tokens:
        return self._held["tokens"]

    def wrong(self, split: str) -> Tokens:
        return self._held["wrong"]

    def texts(self, split: str, max_tokens: int = 48) -> list[str]:
        assert max_tokens == self._held.get("max_tokens", 48)
        return self._held["texts"]

    def harness(self, task: str, limit: int, shots: int, batch: int = 16) -> dict[str, Any]:
        return self._held["harness"]


def questions(*num_wrong: int) -> list[Example]:
    return [Example("q?", "a", wrong=tuple("w" * n), id=str(i)) for i, n in enumerate(num_wrong)]


def given(*args: Any, **held: Any) -> Any:
    return Measured(*args, **held)


class TestMultipleChoice:
    def accuracy(self, true: Rows, wrong: Rows, num_wrong: Sequence[int], **chosen: Any) -> float:
        ev = given(questions(*num_wrong), tokens=table(true), wrong=table(wrong))
        return ability.multiple_choice(ev, **chosen).value

    def test_the_likeliest_answer_is_chosen(self):
        """-1 beats -2 and -3; -2 loses to -1: 1 of 2."""
        assert self.accuracy([[-1], [-2]], [[-2], [-3], [-1], [-5]], [2, 2]) == 0.5

    @pytest.mark.parametrize(
        ("wrong", "value"),
        [([-2, -2], 1 / 3), ([-2, -3], 1 / 2), ([-2, -1], 0.0), ([-3, -3], 1.0)],
    )
    def test_a_tie_for_the_first_place_is_shared(self, wrong: list[float], value: float):
        """The true answer has -2: k answers with the best value get 1 / k each."""
        assert self.accuracy([[-2]], [[x] for x in wrong], [2]) == pytest.approx(value)

    def test_sums_or_averages(self):
        """True: -1 -1 = -2, mean -1. Wrong: -1.5, mean -1.5. The sum prefers the short one."""
        assert self.accuracy([[-1, -1]], [[-1.5]], [1]) == 0.0
        assert self.accuracy([[-1, -1]], [[-1.5]], [1], normalise=True) == 1.0

    def test_tokens_that_close_the_turn_do_not_count(self):
        """With them -1 -9 = -10 loses to -2 -0; without them -1 beats -2."""
        ev = given(questions(1), tokens=table([[-1, -9]], 1), wrong=table([[-2, 0]], 1))
        assert ability.multiple_choice(ev).value == 1.0

    def test_chance_is_in_the_note(self):
        """(1/4 + 1/4 + 1/2) / 3 = 1/3; four letters alone: 0.25."""
        one = given(questions(3), tokens=table([[-1]]), wrong=table([[-2]] * 3))
        assert "Chance is 0.25." in ability.multiple_choice(one).note
        rows = questions(3, 3, 1)
        mixed = given(rows, tokens=table([[-1]] * 3), wrong=table([[-2]] * 7))
        assert "Chance is 0.33." in ability.multiple_choice(mixed).note

    def test_a_model_that_knows_chooses_right(self, knowing: Loaded, blank: Loaded, people: Splits):
        """Its own answers against those of other people of the same attribute."""
        found = []
        for model in (knowing, blank):
            renderer = Renderer(model.tokenizer)
            rows = [replace(e, wrong=others(e, people)) for e in people["forget"]]
            rows = [e for e in rows if e.wrong]
            wrong = [renderer.encode(e, text) for e in rows for text in e.wrong]
            ev = given(
                rows,
                tokens=measure_tokens(model.model, [renderer.encode(e) for e in rows]),
                wrong=measure_tokens(model.model, wrong),
            )
            found.append(
                (ability.multiple_choice(ev).value, ability.probability_of_options(ev).value)
            )
        (choice, share), (blank_choice, blank_share) = found
        assert choice == 1.0
        assert share > blank_share + 0.05
        assert blank_choice < 1.0


def others(example: Example, splits: Splits) -> tuple[str, ...]:
    same = [
        e.answer
        for e in (*splits["forget"], *splits["retain"])
        if e.attribute == example.attribute and e.answer != example.answer
    ]
    return tuple(dict.fromkeys(same))


class TestProbabilityOfOptions:
    def test_is_the_share_of_the_true_answer(self):
        """exp of means: 0.4 against 0.2 and 0.2 is 1/2; 0.3 against 0.1 is 3/4; mean 5/8."""
        logs = [[math.log(0.8), math.log(0.2)], [math.log(0.3)]]
        wrong = [[math.log(p)] for p in (0.2, 0.2, 0.1)]
        ev = given(questions(2, 1), tokens=table(logs), wrong=table(wrong))
        assert ability.probability_of_options(ev).value == pytest.approx(5 / 8)

    def test_counts_the_tokens_that_close_the_turn(self):
        """As published: sqrt(0.9 * 0.1) = 0.3 of 0.3 + 0.3; without them 0.9 of 0.9 + 0.3."""
        tokens = table([[math.log(0.9), math.log(0.1)]], 1)
        ev = given(questions(1), tokens=tokens, wrong=table([[math.log(0.3)]]))
        assert ability.probability_of_options(ev).value == pytest.approx(0.5)


class TestFinalAnswer:
    @pytest.mark.parametrize(
        ("text", "solved"),
        [
            ("so it is 42", 1),
            ("so it is 42.", 1),
            ("$42.00 in all", 1),
            ("#### 42", 1),
            ("42 because 2 * 21", 0),
            ("142", 0),
            ("-42", 0),
            ("40-42", 1),
            ("40 - 42", 1),
            ("I do not know", 0),
            ("", 0),
        ],
    )
    def test_the_last_number_decides(self, text: str, solved: int):
        ev = given([Example("q?", "2 + 40\n#### 42", id="1")], texts=[text], max_tokens=256)
        assert ability.final_answer(ev).value == solved

    @pytest.mark.parametrize(
        ("wanted", "text", "solved"),
        [
            ("1,000", "it is 1000", 1),
            ("1000", "it is 1,000", 1),
            ("1000", "of 2,1,000", 1),
            ("-3", "\u22123 degrees", 1),
            ("-3", "3 degrees", 0),
            ("0.5", "0.50", 1),
            ("7", "1, 2, 7", 1),
        ],
    )
    def test_numbers_are_compared_and_not_texts(self, wanted: str, text: str, solved: int):
        ev = given([Example("q?", f"#### {wanted}", id="1")], texts=[text], max_tokens=256)
        assert ability.final_answer(ev).value == solved

    def test_an_answer_without_a_number_is_unknown(self):
        rows = [Example("q?", "#### 1", id="1"), Example("q?", "one", id="2")]
        found = ability.final_answer(given(rows, texts=["1", "1"], max_tokens=256))
        assert (found.value, found.n) == (1.0, 1)
        assert "1 of 2 unknown" in found.note


class Follows:
    """An NLI model that finds what a text says word for word."""

    def entailment(self, premises: Sequence[str], hypotheses: Sequence[str]) -> list[bool]:
        return [h in p or p == "" for p, h in zip(premises, hypotheses, strict=True)]


class TestOpenQa:
    def found(self, nli: object, *texts: str) -> Any:
        rows = [Example("q?", "in Rome", id=str(i)) for i in range(len(texts))]
        return ability.open_qa(given(rows, texts=list(texts), tools={"nli": lambda: nli}))

    def test_is_the_share_of_answers_that_entail_the_true_one(self):
        """Yes, no, and an empty one, which entails nothing whatever the model says: 1/3."""
        found = self.found(Follows(), "It is in Rome.", "in Paris", "")
        assert found.value == pytest.approx(1 / 3)
        assert found.n == 3

    def test_is_unavailable_without_the_model(self):
        found = self.found(Unavailable("it is not here"), "in Rome")
        assert (found.available, found.note) == (False, "it is not here")


class TestLmEval:
    def test_the_interval_is_two_standard_errors_wide_on_each_side(self):
        """0.4 -+ 1.96 * 0.1 = 0.204 and 0.596; these rows have another mean."""
        result = HarnessResult("acc", 0.4, 0.1, 5, (1.0, 1.0, 0.0, 0.0, 1.0))
        found = ability.lm_eval(given([], harness=asdict(result)), task="piqa")
        assert (found.value, found.n, found.groups) == (0.4, 5, 5)
        assert found.low == pytest.approx(0.204)
        assert found.high == pytest.approx(0.596)
        assert found.note == "acc of piqa by lm-eval."
        assert found.per_example is not None
        assert len(found.per_example) == len(found.group_ids) == 5

    def test_the_interval_of_a_rate_stays_within_0_and_1(self):
        """0.9 + 1.96 * 0.1 were 1.096. All 5 of 5: 0.05^(1/5) = 0.5493 to 1, mid-p."""
        part = ability.lm_eval(given([], harness=asdict(HarnessResult("f1", 0.9, 0.1, 5))))
        assert (part.low, part.high) == pytest.approx((0.704, 1.0))
        every = HarnessResult("acc", 1.0, 0.0, 5, (1.0,) * 5)
        found = ability.lm_eval(given([], harness=asdict(every)))
        assert (found.low, found.high) == pytest.approx((0.5493, 1.0), abs=1e-3)

    def test_without_a_standard_error_there_is_no_interval(self):
        result = HarnessResult("f1", 0.4, math.nan, 5)
        found = ability.lm_eval(given([], harness=asdict(result)))
        assert math.isnan(found.low)
        assert found.note.endswith("no interval.")
        assert found.per_example is None
