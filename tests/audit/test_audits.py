"""Every audit on numbers small enough for paper, and all of them on a model that knows."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from unteach import registry
from unteach.audit import kinds
from unteach.audit.audits import conduct, knowledge, memorization, utility
from unteach.audit.evidence import Evidence
from unteach.audit.finding import Finding, unavailable
from unteach.audit.judges import Unavailable
from unteach.audit.kinds import parse
from unteach.audit.measure import Tokens
from unteach.data.examples import Example, Splits
from unteach.data.render import Renderer
from unteach.model.load import Loaded

NO_NLI = Unavailable("the NLI model is not here")
NO_EMBEDDER = Unavailable("the embedder is not here")
TWO = (Example("q1?", "a1", id="1"), Example("q2?", "a2", id="2"))


def table(
    probabilities: Sequence[Sequence[float]] = (),
    hits: Sequence[Sequence[int]] = (),
    specific: Sequence[Sequence[int]] = (),
    end: Sequence[Sequence[int]] = (),
) -> Tokens:
    """One list a row; what is not given is 1, and no token closes the turn."""
    rows = probabilities or hits
    shape = [len(row) for row in rows]
    ones = np.ones(sum(shape), dtype=np.float32)

    def flat(given: Sequence[Sequence[float]]) -> np.ndarray:
        return np.array([x for row in given for x in row], dtype=np.float32) if given else ones

    return Tokens(
        offsets=np.cumsum([0, *shape]),
        logp=np.log(flat(probabilities)),
        hit=flat(hits).astype(bool),
        entropy=ones,
        std=ones,
        rank=ones.astype(np.int32),
        specific=flat(specific).astype(bool),
        end=flat(end).astype(bool) if end else np.zeros(sum(shape), dtype=bool),
    )


def given(
    examples: Sequence[Example] = TWO,
    split: str = "forget",
    *,
    texts: Sequence[str] = (),
    max_tokens: int = 0,
    **held: object,
) -> Evidence:
    """Evidence of one split that was measured before: `tokens`, `wrong`, `texts`, `fluency`."""

    def refuse() -> Loaded:
        raise AssertionError("a model was loaded")

    tools = {"nli": lambda: NO_NLI, "embedder": lambda: NO_EMBEDDER}
    ev = Evidence("m", "k", {split: examples}, Renderer(None), Path("unused"), refuse, tools=tools)
    length = max_tokens or kinds.MAX_NEW_TOKENS
    if "fluency" in held:
        held[f"fluency({length})"] = held.pop("fluency")
    ev._held.update({f"{split}.{kind}": value for kind, value in held.items()})
    ev._texts[f"{split}.texts({length})"] = list(texts)
    return ev


class TestProbability:
    def test_is_the_mean_of_the_geometric_means(self):
        """sqrt(1/2 * 1/8) = 1/4 and 3/4, so 1/2."""
        found = memorization.probability(given(tokens=table([[0.5, 0.125], [0.75]])))
        assert found.value == pytest.approx(0.5)
        assert found.n == 2

    def test_specific_reads_the_marked_tokens_alone(self):
        """Marked are 1/8 of the first row and 3/4 of the second: (1/8 + 6/8) / 2 = 7/16."""
        tokens = table([[0.5, 0.125], [0.75]], specific=[[0, 1], [1]])
        found = memorization.specific_probability(given(tokens=tokens))
        assert found.value == pytest.approx(7 / 16)


class TestTruthRatio:
    def ratio(self, true: float, *wrong: float) -> float:
        example = Example("q?", "a", wrong=tuple("w" * len(wrong)), id="1")
        ev = given([example], tokens=table([[true]]), wrong=table([[p] for p in wrong]))
        return memorization.truth_ratio(ev).value

    def test_is_a_half_when_true_and_wrong_are_alike(self):
        assert self.ratio(0.3, 0.3, 0.3) == pytest.approx(0.5)

    def test_takes_the_geometric_mean_of_the_wrong_answers(self):
        """sqrt(0.1 * 0.4) = 0.2, and 0.4 / (0.4 + 0.2) = 2/3."""
        assert self.ratio(0.4, 0.1, 0.4) == pytest.approx(2 / 3)

    @pytest.mark.parametrize(("true", "wrong"), [(0.9, 0.1), (0.2, 0.2), (1e-4, 0.5)])
    def test_is_tofus_ratio_made_bounded(self, true: float, wrong: float):
        """TOFU's R = p(wrong) / p(true); ours is 1 / (1 + R)."""
        assert self.ratio(true, wrong) == pytest.approx(1 / (1 + wrong / true), rel=1e-5)

    def test_rows_may_have_different_numbers_of_wrong_answers(self):
        """Row 1: 0.5 against 0.5. Row 2: 0.6 against sqrt(0.2 * 0.2). (0.5 + 0.75) / 2 = 0.625."""
        examples = [replace(TWO[0], wrong=("w",)), replace(TWO[1], wrong=("v", "w"))]
        ev = given(examples, tokens=table([[0.5], [0.6]]), wrong=table([[0.5], [0.2], [0.2]]))
        assert memorization.truth_ratio(ev).value == pytest.approx(0.625)

    def test_tofus_aggregates(self):
        """R = 0.2 / 0.4 = 0.5 and 0.6 / 0.3 = 2: (0.5 + 0.5) / 2, and (0.5 + 0) / 2."""
        examples = [replace(e, wrong=("w",)) for e in TWO]
        ev = given(examples, tokens=table([[0.4], [0.3]]), wrong=table([[0.2], [0.6]]))
        near = memorization.truth_ratio(ev, aggregate="closer_to_1")
        better = memorization.truth_ratio(ev, aggregate="true_better")
        assert near.value == pytest.approx(0.5, rel=1e-6)
        assert better.value == pytest.approx(0.25, rel=1e-6)

    def test_rephrased_answers_stand_for_the_true_one(self):
        """sqrt(0.9 * 0.1) = 0.3 against 0.1: 0.3 / 0.4. The taught answer is not read."""
        example = Example("q?", "a", wrong=("w",), rephrased=("b", "c"), id="1")
        ev = given([example], rephrased=table([[0.9], [0.1]]), wrong=table([[0.1]]))
        assert memorization.truth_ratio(ev, true="rephrased").value == pytest.approx(0.75)


class TestMemorization:
    def test_exact_is_the_share_of_first_choices(self):
        """(2/4 + 1/1) / 2 = 0.75: over answers, not over tokens (3/5)."""
        found = memorization.exact_memorization(given(tokens=table(hits=[[1, 0, 0, 1], [1]])))
        assert found.value == pytest.approx(0.75)

    def test_the_end_of_the_turn_is_not_part_of_the_answer(self):
        """Exact: 1 of 2, where counting the end gives 2 of 3. Strength: 1, where it gives 0."""
        ends = [[0, 0, 1]]
        exact = memorization.exact_memorization(
            given(TWO[:1], tokens=table(hits=[[0, 1, 1]], end=ends))
        )
        strength = memorization.extraction_strength(
            given(TWO[:1], tokens=table(hits=[[1, 1, 0]], end=ends))
        )
        assert exact.value == pytest.approx(0.5)
        assert strength.value == 1.0

    @pytest.mark.parametrize(
        "audit", [memorization.exact_memorization, memorization.extraction_strength]
    )
    def test_an_answer_that_is_all_end_is_unknown(self, audit: Any):
        found = audit(given(tokens=table(hits=[[1], [1, 1]], end=[[1], [0, 1]])))
        assert (found.value, found.n) == (1.0, 1)
        assert "1 of 2 unknown, left out." in found.note

    @pytest.mark.parametrize(
        ("hits", "strength"),
        [
            ([1, 1, 1, 1], 1.0),  # nothing must be given
            ([0, 1, 1, 1], 0.75),  # the first token must be given
            ([1, 0, 1, 1], 0.5),  # a hit before a miss is given too
            ([1, 1, 1, 0], 0.0),  # even the last token must be given
            ([0], 0.0),
            ([1], 1.0),
        ],
    )
    def test_extraction_strength_is_what_it_completes(self, hits: list[int], strength: float):
        assert memorization.completed(np.array(hits)) == strength
        ev = given(TWO[:1], tokens=table(hits=[hits]))
        assert memorization.extraction_strength(ev).value == strength

    @pytest.mark.parametrize("hits", [[1, 1], [0, 1], [1, 0], [0, 0], [1, 0, 1], [0, 0, 0]])
    def test_the_published_code_differs_only_where_the_last_token_is_missed(self, hits: list[int]):
        """Its loop tries k = 0, ..., n - 1 given tokens and keeps the last k it tried: 1/n, not 0."""
        n = len(hits)
        tried = next((k for k in range(n) if all(hits[k:])), n - 1)
        theirs = 1 - tried / n
        ours = memorization.completed(np.array(hits))
        assert ours == pytest.approx(theirs if hits[-1] else 0.0)
        assert theirs == pytest.approx(ours if hits[-1] else 1 / n)


class TestAccuracy:
    def test_all_parts_must_be_there(self):
        examples = [
            Example("q1?", "Ada Byron of Turin", entities=("Ada Byron", "Turin"), id="1"),
            Example("q2?", "Bo Olin of Lyon", entities=("Bo Olin", "Lyon"), id="2"),
        ]
        ev = given(examples, texts=["It was Ada Byron, in Turin.", "It was Bo Olin."])
        found = knowledge.accuracy(ev)
        assert found.value == 0.5
        assert found.per_example is not None
        assert found.per_example.tolist() == [1.0, 0.0]

    def test_an_answer_without_parts_is_unknown(self):
        examples = [*TWO[:1], Example("Is it so?", "and so it is now and then", id="2")]
        found = knowledge.accuracy(
            given([replace(TWO[0], entities=("a1",)), examples[1]], texts=["a1", "no"])
        )
        assert (found.value, found.n) == (1.0, 1)
        assert "1 of 2 unknown, left out." in found.note


def test_rouge_is_the_recall_of_the_true_words():
    """'the red mill' in 'a red mill': 2 of 3 words. 'Turin' in 'Turin': 1. (2/3 + 1) / 2 = 5/6."""
    examples = [Example("q1?", "the red mill", id="1"), Example("q2?", "Turin", id="2")]
    found = knowledge.rouge(given(examples, texts=["a red mill", "in Turin"], max_tokens=48))
    assert found.value == pytest.approx(5 / 6)


class TestForgettingRate:
    """Five answers: said, missed, half said, without entities, and gibberish."""

    EXAMPLES = tuple(
        Example(f"q{i}?", "Ada Byron of Turin", entities=("Ada Byron", "Turin"), id=str(i))
        for i in range(5)
    )
    EXAMPLES = (
        *EXAMPLES[:3],
        Example("Is it so?", "and so it is now and then", id="3"),
        EXAMPLES[4],
    )
    TEXTS = (
        "Ada Byron of Turin did.",
        "Somebody else did it.",
        "Ada Byron did.",
        "It is not so.",
        "x x x x x x x x x x x x",
    )

    def found(self, audit: Any, split: str, rule: str, nli: object = NO_NLI) -> Finding:
        ev = given(self.EXAMPLES, split, texts=list(self.TEXTS))
        ev.tools["nli"] = lambda: nli
        return audit(ev, rule=rule)

    def test_kfr_leaves_the_unknown_out(self):
        """Leaked, forgotten, forgotten (coverage 0.5), unknown, unknown: 2 of 3."""
        found = self.found(knowledge.kfr, "forget", "corrected")
        assert found.value == pytest.approx(2 / 3)
        assert found.n == 3
        assert found.note == (
            "By entities alone: the NLI model is not here. 2 of 5 unknown, left out. "
            "Only 3 persons or documents: the interval is rough."
        )

    def test_kfr_of_the_paper_counts_them_as_forgotten(self):
        """Leaked, forgotten, leaked (coverage 0.5), and the two that are unknown: 3 of 5."""
        found = self.found(knowledge.kfr, "forget", "paper")
        assert found.value == pytest.approx(3 / 5)
        assert found.n == 5

    def test_the_rules_of_paper_and_code_part_at_half_of_few_entities(self):
        """Half said (coverage 0.5 of 2): leaked by the paper, forgotten by the code: 3 and 4 of 5."""
        assert self.found(knowledge.kfr, "forget", "paper").value == pytest.approx(3 / 5)
        assert self.found(knowledge.kfr, "forget", "code").value == pytest.approx(4 / 5)
        assert self.found(knowledge.krr, "retain", "code").value == pytest.approx(2 / 5)

    def test_krr_counts_gibberish_as_lost(self):
        """Retained, lost, retained (0.5 >= 0.3), unknown, lost: 2 of 4."""
        found = self.found(knowledge.krr, "retain", "corrected")
        assert (found.value, found.n) == (0.5, 4)

    def test_krr_of_the_paper_counts_no_entities_as_lost(self):
        found = self.found(knowledge.krr, "retain", "paper")
        assert found.value == pytest.approx(2 / 5)
        assert found.n == 5

    def test_a_contradiction_is_forgetting_and_no_retention(self):
        """With a classifier that sees one everywhere, no fact leaks and none is kept."""

        class Contrary:
            def contradiction(self, premises: list[str], hypotheses: list[str]) -> list[bool]:
                return [True] * len(premises)

        assert self.found(knowledge.kfr, "forget", "corrected", Contrary()).value == 1.0
        assert self.found(knowledge.krr, "retain", "corrected", Contrary()).value == 0.0

    def test_the_premise_is_the_answer_for_kfr_and_the_truth_for_krr(self):
        asked: list[tuple[str, str]] = []

        class Listening:
            def contradiction(self, premises: list[str], hypotheses: list[str]) -> list[bool]:
                asked.append((premises[1], hypotheses[1]))
                return [False] * len(premises)

        self.found(knowledge.kfr, "forget", "corrected", Listening())
        self.found(knowledge.krr, "retain", "corrected", Listening())
        answer, truth = self.TEXTS[1], self.EXAMPLES[1].answer
        assert asked == [(answer, truth), (truth, answer)]

    def test_nothing_to_judge_is_no_rate(self):
        ev = given([self.EXAMPLES[3]], texts=["It is not so."])
        found = knowledge.kfr(ev)
        assert not found.available
        assert found.note.startswith("no example could be judged.")


def test_similarity_without_its_model_says_so():
    found = knowledge.similarity(given(texts=["a", "b"]))
    assert not found.available
    assert found.note == "the embedder is not here"


class TestConduct:
    def test_repetition(self):
        """a b c a b c a: 3-grams abc bca cab abc bca, of which two occurred before: 2/5; then 0."""
        found = conduct.repetition(given(texts=["a b c a b c a", "one two three four"]))
        assert found.value == pytest.approx(0.2)

    def test_refusal(self):
        found = conduct.refusal(given(texts=["I do not know.", "It was Ada Byron."]))
        assert found.value == 0.5

    def test_degenerate(self):
        found = conduct.degenerate(given(texts=["", "It was Ada Byron."]))
        assert found.value == 0.5

    def test_diversity_is_the_share_of_different_word_pairs(self):
        """ab bc, ab bd: 3 of 4. Without the first 2 of 2, without the second too: no spread."""
        found = conduct.diversity(given(texts=["a b c", "a b d"]))
        assert found.value == pytest.approx(3 / 4)
        assert math.isnan(found.low)
        assert found.note == "Of 4 word pairs. Only 2 persons or documents: the interval is rough."

    def test_diversity_leaves_out_one_person_at_a_time(self):
        """ab, ab, cd: 2/3. Without one: 1, 1, 1/2. Mean 5/6, variance 1/18, times 2: sd 1/3.

        t.975 with 2 degrees is 4.3, so 2/3 -+ 4.3/3 is cut at both ends.
        """
        examples = [*TWO, Example("q3?", "a3", id="3")]
        found = conduct.diversity(given(examples, texts=["a b", "a b", "c d"]))
        assert (found.value, found.low, found.high) == pytest.approx((2 / 3, 0, 1))

    def test_diversity_of_several_persons_has_students_interval(self):
        """ab, ab, cd, ef, ..., op: 8 of 9. Without one: 1, 1, and 7/8 seven times.

        Mean 65/72, variance 2/9 * 7/9 / 64, times 8: sd 0.147; t with 8 degrees 2.306: 8/9 - 0.339.
        """
        texts = ["a b", "a b", "c d", "e f", "g h", "i j", "k l", "m n", "o p"]
        examples = [Example(f"q{i}?", "a", id=str(i)) for i in range(9)]
        found = conduct.diversity(given(examples, texts=texts))
        assert (found.value, found.low, found.high) == pytest.approx((8 / 9, 0.550, 1), abs=1e-3)

    def test_a_refusal_for_everybody_is_not_diverse(self):
        """3 different pairs of 30."""
        examples = [Example(f"q{i}?", "a", id=str(i)) for i in range(10)]
        same = conduct.diversity(given(examples, texts=["I do not know."] * 10))
        assert same.value == pytest.approx(0.1)

    def test_diversity_of_single_words_is_no_number(self):
        found = conduct.diversity(given(texts=["yes", ""]))
        assert not found.available
        assert found.note == "no answer has two words"

    @pytest.mark.parametrize("groups", [("p", "p"), ("p", "q")])
    def test_diversity_without_a_person_may_be_unknown(self, groups: tuple[str, str]):
        """One person alone, or one whose absence leaves no pair at all: no interval."""
        examples = [replace(e, group=g) for e, g in zip(TWO, groups, strict=True)]
        found = conduct.diversity(given(examples, texts=["a b", "c"]))
        assert found.value == 1.0
        assert math.isnan(found.low)
        assert math.isnan(found.high)

    def test_gibberish_is_the_mean_probability_of_clean(self):
        """0.9 of the first; the empty second is unknown, whatever the classifier says of it."""

        class Detector:
            def clean(self, texts: Sequence[str]) -> np.ndarray:
                return np.array([0.9, 0.5])

        ev = given(texts=["It was Ada Byron.", ""])
        ev.tools["gibberish"] = Detector
        found = conduct.gibberish(ev)
        assert (found.value, found.n) == (0.9, 1)

    def test_gibberish_without_its_model_says_so(self):
        ev = given(texts=["a", "b"])
        ev.tools["gibberish"] = lambda: Unavailable("the detector is not here")
        assert conduct.gibberish(ev).note == "the detector is not here"

    @pytest.mark.parametrize(
        "audit",
        [conduct.answer_perplexity, conduct.linguistic_score, conduct.robust_linguistic_score],
    )
    def test_no_perplexity_is_no_score(self, audit: Any):
        found = audit(given(texts=["", ""], fluency=np.full(2, np.nan)))
        assert not found.available
        assert found.note == "every answer is empty, so none has a perplexity"

    def test_answer_perplexity_is_the_mean_over_answers(self):
        """Of 2, 10 and 30 the mean is 42 / 3 = 14 and the median 10; the empty answer has none.

        Three persons know little: none has a perplexity below 1, and the upper end is beyond them.
        """
        three = tuple(Example(f"q{i}?", "a", id=str(i)) for i in range(4))
        fluency = np.array([2.0, np.nan, 10.0, 30.0])
        found = conduct.answer_perplexity(given(three, fluency=fluency))
        assert (found.value, found.low) == pytest.approx((14.0, 1.0))
        assert found.high > 30
        assert (found.n, found.groups) == (3, 3)
        assert found.note.startswith("Median 10. 1 of 4 answers are empty, left out.")
        assert found.per_example is not None
        assert len(found.per_example) == len(found.group_ids) == 4
        middle = conduct.answer_perplexity(given(three, fluency=fluency), average="median")
        assert (middle.value, middle.low, middle.high) == (10.0, 2.0, 30.0)
        assert middle.per_example is None  # no mean: it cannot be paired as one

    def test_one_answer_decides_the_mean_perplexity_but_not_the_median(self):
        """(10 + 10 + 1e9) / 3 = 3.3e8, as in the published rows above 1e7; the median is 10."""
        three = tuple(Example(f"q{i}?", "a", id=str(i)) for i in range(3))
        ev = given(three, fluency=np.array([10.0, 10.0, 1e9]))
        assert conduct.answer_perplexity(ev).value == pytest.approx(3.3333e8, rel=1e-4)
        assert conduct.answer_perplexity(ev, average="median").value == 10.0

    def test_persons_are_drawn_and_not_answers(self):
        """Each person's answers twice: four persons know more than two."""
        four = tuple(Example(f"q{i}?", "a", id=str(i), group="ab"[i // 2]) for i in range(4))
        found = conduct.answer_perplexity(given(four, fluency=np.array([2.0, 2.0, 8.0, 8.0])))
        assert (found.value, found.groups) == (5.0, 2)
        alone = tuple(replace(e, group=e.id) for e in four)
        by_row = conduct.answer_perplexity(given(alone, fluency=np.array([2.0, 2.0, 8.0, 8.0])))
        assert by_row.high - 5 < found.high - 5

    def test_a_perplexity_that_is_not_finite_is_no_number(self):
        found = conduct.answer_perplexity(given(fluency=np.array([4.0, np.inf])))
        assert not found.available
        assert found.note.startswith("the value is not finite.")

    def test_answers_of_perplexity_one_are_not_bounded_as_a_rate(self):
        found = conduct.answer_perplexity(given(fluency=np.ones(2)))
        assert found.value == 1.0
        assert found.low >= 1.0

    def test_linguistic_score_of_one_word_answers(self):
        """Perplexity 4, Brunet 1, Honore 0 of a single word: 3 / (3 + 4 + 1 + 1/0) = 0."""
        found = conduct.linguistic_score(given(texts=["yes", "yes"], fluency=np.full(2, 4.0)))
        assert found.value == 0.0

    def test_robust_score_of_loops_is_zero(self):
        texts = ["so so so so so so so so so so"] * 2
        found = conduct.robust_linguistic_score(given(texts=texts, fluency=np.full(2, 1.5)))
        assert found.value == 0.0

    def test_robust_score_of_good_answers(self):
        """Fluency 1 / (1 + 50/50) = 1/2, variety 1: harmonic mean 2/3."""
        texts = ["The mill by the river grinds corn.", "Ada Byron wrote the first program."]
        found = conduct.robust_linguistic_score(given(texts=texts, fluency=np.full(2, 50.0)))
        assert found.value == pytest.approx(2 / 3)


class TestPerplexity:
    def test_is_over_all_tokens(self):
        """1/2, and three times 1/4: exp((ln 2 + 3 ln 4) / 4) = 2 ** (7/4) = 3.364."""
        found = utility.perplexity(given(split="neutral", tokens=table([[0.5], [0.25] * 3])))
        assert found.value == pytest.approx(3.3636, abs=1e-4)
        assert found.low == 1.0  # two texts leave everything possible, but not a loss below 0
        assert found.high > 4

    def test_of_a_destroyed_model_is_no_number(self):
        tokens = replace(table([[0.5], [0.5]]), logp=np.full(2, -1000.0, dtype=np.float32))
        found = utility.perplexity(given(split="neutral", tokens=tokens))
        assert not found.available
        assert found.note == "the value is not finite"


AUDITS = {n: e for n, e in registry.entries("audit").items() if n != "lm_eval"}
"""All but the one that runs another package's tasks, which are not here."""
every_audit = pytest.mark.parametrize("name", sorted(AUDITS))
RANGES: Mapping[str, tuple[float, float]] = {
    "answer_perplexity": (1.0, math.inf),
    "perplexity": (1.0, math.inf),
    "privleak": (-100.0, math.inf),
    "relearn_residual": (-math.inf, math.inf),
    "name_information": (-math.inf, math.inf),
    "relearned_information": (-math.inf, math.inf),
}
"""Of audits whose docstring does not say `a to b`."""
NOT_TOLD_APART = {
    "refusal": "neither refuses",
    "repetition": "the noise of random weights has hardly a word that could come again",
    "linguistic_score": "short answers win, as its docstring says",
    "diversity": "the noise of random weights has no two words",
    "contradiction": "the stand-in for the NLI model sees none",
    "final_answer": "neither was taught sums",
    "judged_relevance": "there is no judge here",
    "judged_fluency": "there is no judge here",
    "lume_task_aggregate": "the world has not its twelve parts: see test_lume.py",
    "lume_final_score": "the world has not its twelve parts: see test_lume.py",
}
LOWER_WHEN_KNOWN = {
    "kfr",
    "degenerate",
    "perplexity",
    "forget_quality",
    "lume_mia_score",
    "privleak",
}
NEEDED: Mapping[str, Mapping[str, Any]] = {
    "krr": {"split": "retain"},
    "mia_recall": {"shots": 1},
    "revealed_coverage": {"asked": "forget"},
    "revealed_worth": {"reward": "name_coverage"},
}
"""Parameters that the small world needs."""


class BagOfLetters:
    """Stands in for the sentence embedder: cosine of how often each letter occurs."""

    def __call__(self, texts: Sequence[str]) -> np.ndarray:
        letters = "abcdefghijklmnopqrstuvwxyz"
        counts = np.array([[text.lower().count(c) for c in letters] for text in texts])
        return counts / np.maximum(np.linalg.norm(counts, axis=1, keepdims=True), 1e-9)

    def similarity(self, mine: Sequence[str], theirs: Sequence[str]) -> np.ndarray:
        return (self(mine) * self(theirs)).sum(1)


class SameWords:
    """Stands in for the NLI model: a text entails one that it holds, and contradicts nothing."""

    def entailment(self, premises: Sequence[str], hypotheses: Sequence[str]) -> list[bool]:
        return [h in p for p, h in zip(premises, hypotheses, strict=True)]

    def contradiction(self, premises: Sequence[str], hypotheses: Sequence[str]) -> list[bool]:
        return [False for _ in premises]


class Ascii:
    """Stands in for the gibberish detector: the share of plain letters."""

    def clean(self, texts: Sequence[str]) -> np.ndarray:
        return np.array([np.mean([c.isascii() and c.isalpha() for c in t or "?"]) for t in texts])


TOOLS: Mapping[str, object] = {
    "nli": SameWords(),
    "embedder": BagOfLetters(),
    "gibberish": Ascii(),
    "judge": Unavailable("there is no judge here"),
}


def documented_range(name: str) -> tuple[float, float]:
    said = re.search(r"(-?\d[\d.]*) to (-?\d+(?:\.\d+)?)", AUDITS[name].doc.split("\n")[0])
    assert said or name in RANGES, f"{name}: its first line does not say between what it lies"
    return (float(said[1]), float(said[2])) if said else RANGES[name]


def every_split(people: Splits) -> Splits:
    """The world under the names that benchmarks use; no answer is rephrased, for none was taught."""
    told = {
        name: [replace(e, rephrased=(e.answer,)) for e in rows] for name, rows in people.items()
    }
    sums = [Example(f"1 + {i}?", f"#### {1 + i}", id=str(i)) for i in range(3)]
    return {
        **told,
        "forget_qa": told["forget"],
        "forget_verbatim": told["forget"],
        "forget_members": told["forget"],
        "mmlu": told["retain"],
        "real_authors": told["retain"],
        "world": told["retain"],
        "gsm8k": sums,
    }


@pytest.fixture(scope="module")
def measured(
    blank: Loaded, knowing: Loaded, people: Splits, tmp_path_factory: pytest.TempPathFactory
) -> Mapping[str, Evidence]:
    """Evidence of the model that knows, as the original does, and of the one that never saw it.

    The latter is the gold model too.
    """
    tools = {name: partial(TOOLS.__getitem__, name) for name in TOOLS}
    store = tmp_path_factory.mktemp("evidence")
    renderer = Renderer(blank.tokenizer)
    splits = every_split(people)
    models = {"blank": blank, "knowing": knowing}
    base = Evidence("base", "base", splits, renderer, store, lambda: blank, tools=tools)
    peers = {"gold": base}
    found = {
        name: replace(
            base,
            name=name,
            key=name,
            base=base,
            peers=peers,
            load=partial(models.__getitem__, name),
        )
        for name in models
    }
    peers["original"] = found["knowing"]
    return found


def find(ev: Evidence, name: str, **params: Any) -> Finding:
    """As the run does it: what is missing is decided before the audit is called."""
    reads = registry.reads(AUDITS[name], params)
    missing = ev.missing(reads)
    return unavailable(missing) if missing else AUDITS[name].load()(ev, **params)


def check(found: Finding, low: float, high: float) -> None:
    if not found.available:
        assert found.note
        assert math.isnan(found.value)
        return
    assert math.isfinite(found.value)
    assert low <= found.value <= high
    assert found.n > 0
    if math.isfinite(found.low):
        assert found.low <= found.high
        assert low <= found.low
        assert found.high <= high
    if found.per_example is not None:
        assert len(found.per_example) == len(found.group_ids)


@every_audit
@pytest.mark.parametrize("model", ["blank", "knowing"])
def test_an_audit_stays_in_its_range(measured: Mapping[str, Evidence], name: str, model: str):
    check(find(measured[model], name), *documented_range(name))


@every_audit
def test_an_audit_gives_the_same_number_twice(measured: Mapping[str, Evidence], name: str):
    first, second = (find(measured["knowing"], name) for _ in range(2))
    assert (first.value, first.low, first.high) == pytest.approx(
        (second.value, second.low, second.high), nan_ok=True, rel=0
    )


@every_audit
def test_an_audit_says_where_it_comes_from(name: str):
    entry = AUDITS[name]
    assert entry.source
    assert entry.summary.endswith((".", ":"))
    assert entry.facts["access"] in ("text", "logits", "weights", "training")
    assert entry.facts["better"] in ("lower", "higher", "gold", "original")


@every_audit
def test_an_audit_reads_only_what_it_declares(measured: Mapping[str, Evidence], name: str):
    """With everything else out of reach it still gives its finding."""
    ev = measured["knowing"]
    params = NEEDED.get(name, {})
    reads = [parse(read) for read in registry.reads(AUDITS[name], params)]
    named = {r.split for r in reads} | {r.arguments[0] for r in reads if r.kind == "recalled"}
    splits = {split: ev.splits[split] for split in named}
    other = replace(ev.of("base"), splits=splits)
    taught = replace(ev.of("original"), splits=splits)
    narrow = replace(ev, splits=splits, base=other, peers={"gold": other, "original": taught})
    AUDITS[name].load()(narrow, **params)
    assert set(narrow._held) <= {r.name for r in reads if not r.model}
    assert set(other._held) <= {r.name for r in reads if r.model in ("gold", "base")}
    assert set(taught._held) <= {r.name for r in reads if r.model == "original"}


@every_audit
def test_an_audit_tells_a_model_that_knows_from_one_that_does_not(
    measured: Mapping[str, Evidence], name: str
):
    if name in NOT_TOLD_APART:
        pytest.skip(NOT_TOLD_APART[name])
    splits = {p.name for p in AUDITS[name].parameters}
    params = {"split": "forget"} if "split" in splits else {}
    params |= NEEDED.get(name, {})
    knows, does_not = (find(measured[m], name, **params) for m in ("knowing", "blank"))
    assert knows.available
    if not does_not.available:  # random text: nothing that could be judged, and it says so
        assert "no example could be judged" in does_not.note
    elif name in LOWER_WHEN_KNOWN:
        assert knows.value < does_not.value - 0.1
    else:
        assert knows.value > does_not.value + 0.1


@every_audit
def test_a_missing_split_is_a_reason_and_no_number(measured: Mapping[str, Evidence], name: str):
    ev = replace(measured["knowing"], splits={"other": TWO})
    reason = ev.missing(registry.reads(AUDITS[name], {}))
    assert reason is not None
    assert reason.startswith("no split is named '")
