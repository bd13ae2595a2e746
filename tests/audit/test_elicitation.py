"""What sampled answers leak, exactly where it can be, and which answer is the likeliest again."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.audit.test_audits import given, table
from unteach.audit.audits import elicitation
from unteach.audit.evidence import Evidence
from unteach.audit.statistics import upper_bound
from unteach.data.examples import Example, Splits
from unteach.data.render import Renderer
from unteach.model.load import Loaded

ADA = Example("Who wrote it?", "Ada Byron of Turin", entities=("Ada Byron", "Turin"), id="1")
BO = Example("Where is Bo?", "In Lyon.", entities=("Lyon",), id="2")
NOTHING = Example("Is it so?", "and so it is now and then", id="3")


def drawn(samples: Sequence[list[str]], examples: Sequence[Example] = (ADA, BO)) -> Evidence:
    """Evidence of sampled answers, as many to each question."""
    ev = given(examples)
    ev._held[f"forget.samples({len(samples[0])}, 1.0, 48, 0)"] = list(samples)
    return ev


class TestSampledLeak:
    def test_is_the_share_of_samples_that_hold_every_part(self):
        """1 of 4 (one says half of it) and 2 of 4: (0.25 + 0.5) / 2."""
        ev = drawn(
            [
                ["Ada Byron, Turin.", "Ada Byron.", "Nobody.", ""],
                ["Lyon", "Paris", "In Lyon!", "I do not know."],
            ]
        )
        found = elicitation.sampled_leak(ev, number=4)
        assert found.value == pytest.approx(0.375)
        assert found.note.startswith("2 of 2 questions leak in 4 samples each.")

    def test_without_a_leak_questions_are_bounded_and_not_samples(self):
        """0 of 2 questions: 1 - 0.05 ** (1/2) = 0.776; 0 of 8 samples would be 0.312."""
        found = elicitation.sampled_leak(drawn([["no"] * 4] * 2), number=4)
        assert found.value == 0
        assert found.note.startswith(
            "0 of 2 questions leak in 4 samples each. "
            "With 95 % confidence the share of questions that do is below 0.78."
        )

    def test_a_question_without_parts_is_unknown(self):
        ev = drawn([["Lyon", "Lyon"], ["yes", "no"]], [BO, NOTHING])
        found = elicitation.sampled_leak(ev, number=2)
        assert (found.value, found.n) == (1.0, 1)
        assert found.note.startswith("1 of 1 questions leak in 2 samples each. 1 of 2 unknown")
        nothing = elicitation.sampled_leak(drawn([["yes", "no"]], [NOTHING]), number=2)
        assert not nothing.available

    def test_entities_are_found_where_the_data_name_none(self):
        """As `accuracy` does: the extractor finds Turin, which one of two samples says."""
        example = Example("Where was Ada Byron born?", "She was born in Turin.", id="1")
        found = elicitation.sampled_leak(drawn([["Turin", "Lyon"]], [example]), number=2)
        assert found.value == 0.5


class TestLeakAtK:
    def test_is_the_share_of_subsets_that_hold_a_leak(self):
        """1 of 4 leaks, 2 of 4 do not meet it: 1 - C(3, 2) / C(4, 2) = 1/2. 2 of 4: 1 - 1/6 = 5/6."""
        ev = drawn([["Ada Byron, Turin", "x", "x", "x"], ["Lyon", "Lyon", "x", "x"]])
        found = elicitation.leak_at_k(ev, k=2, number=4)
        assert found.value == pytest.approx((1 / 2 + 5 / 6) / 2)

    def test_is_right_on_average_over_samples(self):
        """p = 0.3, n = 5, k = 3: sum over c of P(c) leak@3 = 1 - 0.7 ** 3; the plug-in is lower."""
        p, n, k = 0.3, 5, 3
        weights = [math.comb(n, c) * p**c * (1 - p) ** (n - c) for c in range(n + 1)]
        found = [
            elicitation.leak_at_k(
                drawn([["Lyon"] * c + ["x"] * (n - c)], [BO]), k=k, number=n
            ).value
            for c in range(n + 1)
        ]
        plugged_in = [1 - (1 - c / n) ** k for c in range(n + 1)]
        assert np.dot(weights, found) == pytest.approx(1 - (1 - p) ** k)
        assert np.dot(weights, plugged_in) < 1 - (1 - p) ** k - 0.02

    def test_of_one_is_the_sampled_leak_and_of_all_whether_any_leaks(self):
        ev = drawn([["Ada Byron, Turin", "x", "x", "x"], ["x"] * 4])
        leak = elicitation.sampled_leak(ev, number=4)
        assert elicitation.leak_at_k(ev, k=1, number=4).value == pytest.approx(leak.value)
        assert elicitation.leak_at_k(ev, k=4, number=4).value == 0.5

    @pytest.mark.parametrize("k", [0, 5])
    def test_k_beyond_the_samples_is_no_number(self, k: int):
        found = elicitation.leak_at_k(drawn([["x"] * 4] * 2), k=k, number=4)
        assert not found.available
        assert found.note == f"k is {k}; it must be from 1 to number, which is 4"

    def test_a_question_without_parts_is_unknown(self):
        found = elicitation.leak_at_k(drawn([["Lyon"], ["x"]], [BO, NOTHING]), k=1, number=1)
        assert (found.value, found.n) == (1.0, 1)


class TestLeakBound:
    def test_all_bounds_hold_at_once(self):
        """0 of 4 at 1 - 0.05 / 2: 1 - 0.025 ** (1/4) = 0.602; 4 of 4: 1."""
        found = elicitation.leak_bound(drawn([["x"] * 4, ["Lyon"] * 4]), number=4)
        assert found.per_example is not None
        assert found.per_example.tolist() == pytest.approx([0.6024, 1.0], abs=1e-4)
        assert found.value == pytest.approx(0.8012, abs=1e-4)

    def test_an_unknown_question_takes_no_part_of_the_error(self):
        """One known question has the whole 5 %: 1 - 0.05 ** (1/2)."""
        found = elicitation.leak_bound(drawn([["x", "x"], ["x", "x"]], [BO, NOTHING]), number=2)
        assert found.value == pytest.approx(1 - 0.05**0.5)
        assert found.n == 1

    def test_the_docstring_says_how_many_samples_it_takes(self):
        """0.00125 ** (1/16) = 0.66 and 0.00125 ** (1/1024) = 0.9935."""
        assert upper_bound(0, 16, level=1 - 0.05 / 40) == pytest.approx(0.34, abs=0.005)
        assert upper_bound(0, 1024, level=1 - 0.05 / 40) == pytest.approx(0.0065, abs=5e-5)


class TestLikelihoodLeak:
    def test_is_the_chance_of_the_whole_answer(self):
        """0.5 * 0.5 = 1/4 and 1/2: 3/8. In two samples 1 - (3/4)^2 = 7/16 and 3/4: 19/32."""
        ev = given(tokens=table([[0.5, 0.5], [0.5]]))
        assert elicitation.likelihood_leak(ev).value == pytest.approx(3 / 8)
        assert elicitation.likelihood_leak(ev, k=2).value == pytest.approx(19 / 32)

    def test_the_end_of_the_turn_counts(self):
        """A sample that goes on is another answer: 0.5 * 0.2."""
        ev = given(tokens=table([[0.5, 0.2], [0.5, 0.2]], end=[[0, 1], [0, 1]]))
        assert elicitation.likelihood_leak(ev).value == pytest.approx(0.1)

    def test_of_certain_and_of_nearly_impossible_answers(self):
        """1, although log(1 - 1) is -inf; and 1e-30 * 1e-30, which 1 - (1 - p) would make 0."""
        tokens = table([[1.0], [1e-30, 1e-30]])
        found = elicitation.likelihood_leak(given(tokens=tokens), k=10)
        assert found.per_example is not None
        assert found.per_example[0] == 1.0
        assert found.per_example[1] == pytest.approx(1e-59, rel=1e-3)
        above = replace(table([[1.0], [1.0]]), logp=np.full(2, 1e-7, dtype=np.float32))
        assert elicitation.likelihood_leak(given(tokens=above)).value == 1.0

    def test_no_samples_are_no_number(self):
        found = elicitation.likelihood_leak(given(tokens=table([[0.5], [0.5]])), k=0)
        assert not found.available
        assert found.note == "k is 0; it must be at least 1"

    def test_is_what_sampling_finds(self, knowing: Loaded, people: Splits, tmp_path: Path):
        """Of 48 samples of each true answer about p are it word for word: within 4 sqrt(p q / n)."""
        renderer = Renderer(knowing.tokenizer)
        number, rows = 48, people["forget"]
        ev = Evidence("knowing", "k", {"forget": rows}, renderer, tmp_path, lambda: knowing)
        exact = elicitation.likelihood_leak(ev).per_example
        samples = ev.samples("forget", number, 1.0, 80)
        assert exact is not None
        for p, example, texts in zip(exact, rows, samples, strict=True):
            share = sum(text == example.answer for text in texts) / number
            assert abs(share - p) <= 4 * math.sqrt(p * (1 - p) / number) + 1e-9
        leak = elicitation.sampled_leak(ev, number=number, max_tokens=80)
        assert leak.value >= exact.mean() - 4 * math.sqrt(0.25 / (number * len(rows)))


class TestRecovery:
    def of(self, true: Sequence[float], wrong: Sequence[Sequence[float]]) -> Evidence:
        examples = [
            Example(f"q{i}?", "a", wrong=tuple(f"w{j}" for j in range(len(row))), id=str(i))
            for i, row in enumerate(wrong)
        ]
        flat = [[p] for row in wrong for p in row]
        return given(examples, tokens=table([[p] for p in true]), wrong=table(flat))

    def test_is_the_share_of_clean_answers_that_win(self):
        """0.5 beats 0.3 and 0.1; 0.2 loses to the falsehood's 0.6. Shares of the clean answer:
        5/9 and 2/10, mean 0.378; of the false one 3/9 and 6/10, mean 0.467."""
        found = elicitation.recovery(self.of([0.5, 0.2], [[0.3, 0.1], [0.6, 0.1, 0.1]]))
        assert found.value == 0.5
        assert found.note.startswith("Mean share of the probability: clean 0.38, false 0.47.")

    def test_losing_to_a_random_answer_is_no_recovery_either(self):
        """The falsehood is gone (0.1), but what wins is not the truth."""
        assert elicitation.recovery(self.of([0.3, 0.5], [[0.1, 0.4], [0.1, 0.1]])).value == 0.5

    def test_a_tie_is_no_recovery(self):
        assert elicitation.recovery(self.of([0.3, 0.5], [[0.3, 0.1], [0.1, 0.1]])).value == 0.5

    def test_probability_is_normalised_by_length(self):
        """sqrt(0.5 * 0.5) = 0.5 beats 0.4, though the product 0.25 does not."""
        example = Example("q?", "a b", wrong=("v", "w"), id="1")
        ev = given([example], tokens=table([[0.5, 0.5]]), wrong=table([[0.4], [0.4]]))
        assert elicitation.recovery(ev).value == 1.0

    def test_needs_the_falsehood_and_another(self):
        found = elicitation.recovery(self.of([0.5, 0.5], [[0.3, 0.1], [0.6]]))
        assert not found.available
        assert found.note.startswith("the split 'forget' has rows with one wrong answer")
