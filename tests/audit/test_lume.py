"""The scores of SemEval-2025 task 4, on numbers small enough for paper and on published ones."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import cast

import numpy as np
import pytest

from unteach import registry
from unteach.audit.audits import lume
from unteach.audit.audits.lume import final_score, mia_score
from unteach.audit.evidence import Evidence
from unteach.audit.measure import Tokens
from unteach.data.examples import Example, Splits
from unteach.data.render import Renderer
from unteach.model.load import Loaded

TRUTH = "one two three four"


@dataclass
class Held:
    """Stands in for Evidence: what was measured, by split."""

    splits: dict[str, list[Example]] = field(default_factory=dict)
    said: dict[str, list[str]] = field(default_factory=dict)
    scored: dict[str, Tokens] = field(default_factory=dict)
    others: dict[str, Tokens] = field(default_factory=dict)

    def examples(self, split: str) -> Sequence[Example]:
        return self.splits[split]

    def groups(self, split: str) -> list[str]:
        return [e.group or e.id for e in self.splits[split]]

    def texts(self, split: str, max_tokens: int) -> list[str]:
        assert max_tokens == 256
        return self.said[split]

    def tokens(self, split: str) -> Tokens:
        return self.scored[split]

    def wrong(self, split: str) -> Tokens:
        return self.others[split]

    @property
    def evidence(self) -> Evidence:
        return cast("Evidence", self)


def table(rows: Sequence[Sequence[float]]) -> Tokens:
    """Log-probabilities, one list a row; the last token of a row of two or more ends the turn."""
    sizes = [len(row) for row in rows]
    flat = np.array([x for row in rows for x in row], dtype=np.float32)
    ends = [n > 1 and at == n - 1 for n in sizes for at in range(n)]
    ones = np.ones(len(flat), dtype=np.float32)
    return Tokens(
        offsets=np.cumsum([0, *sizes]),
        logp=flat,
        hit=ones.astype(bool),
        entropy=ones,
        std=ones,
        rank=ones.astype(np.int32),
        specific=ones.astype(bool),
        end=np.array(ends, dtype=bool),
    )


def answered(
    forget: Sequence[str], retain: Sequence[str], documents: int = 2, task: str = "task1"
) -> Held:
    """Both sides of every task: `documents` of each with a completion and a question.

    `forget` and `retain` are what is said to the two in `task`; in the other tasks everything is
    right on retain and wrong on forget.
    """
    held = Held(splits={"forget": [], "retain": []}, said={"forget": [], "retain": []})
    for split, mine, rest in (("forget", forget, "zero"), ("retain", retain, TRUTH)):
        for name in ("task1", "task2", "task3"):
            for document in range(documents):
                for kind, text in zip(
                    ("sc", "qa"), mine if name == task else (rest,) * 2, strict=True
                ):
                    group = f"{split}-{name}-{document}"
                    held.splits[split].append(
                        Example(
                            "p",
                            TRUTH,
                            id=f"{group}{kind}1",
                            group=group,
                            attribute=f"{name}_{kind}",
                        )
                    )
                    held.said[split].append(text)
    return held


def members(ours: Sequence[float], theirs: Sequence[float], held: Held | None = None) -> Held:
    """Documents of one token each, with these log-probabilities."""
    held = held or Held()
    for split, values in (("forget_members", ours), ("holdout", theirs)):
        held.splits[split] = [Example("", "d", id=f"{split}-{n}") for n in range(len(values))]
        held.scored[split] = table([[value] for value in values])
    return held


def asked(hits: Sequence[bool], held: Held) -> Held:
    """MMLU questions of two letters; each is a subject of its own."""
    held.splits["mmlu"] = [
        Example("q", "A", wrong=("B",), id=f"m{n}", group=f"s{n}") for n in range(len(hits))
    ]
    # the end token would turn every answer over, if it were counted
    held.scored["mmlu"] = table([[-1.0 if hit else -2.0, -9.0 if hit else 0.0] for hit in hits])
    held.others["mmlu"] = table([[-2.0 if hit else -1.0, -0.1] for hit in hits])
    return held


class TestTaskAggregate:
    def test_is_the_harmonic_mean_of_twelve(self):
        """Ten terms are 1. Forget task1 completes 2 of 4 words: 1 - 1/2. Retain task1 completes 1
        of 4: 1/4. 12 / (10 + 1/(1/2) + 1/(1/4)) = 12 / 16 = 0.75."""
        held = answered(forget=("one two", "zero"), retain=("one", TRUTH))
        found = lume.lume_task_aggregate(held.evidence)
        assert found.value == pytest.approx(0.75)
        assert (found.n, found.groups) == (24, 12)
        assert (found.low, found.high) == pytest.approx((0.75, 0.75))

    def test_is_one_for_a_model_that_forgot_and_kept_all(self):
        held = answered(forget=("zero", "zero"), retain=(TRUTH, TRUTH))
        assert lume.lume_task_aggregate(held.evidence).value == 1

    def test_a_question_must_be_answered_exactly_up_to_case_and_space(self):
        """The retained answer counts with capitals and a line break, and not with a word more: then
        that task's questions are worth 0, and so is the whole."""
        same = answered(("zero", "zero"), (TRUTH, f" {TRUTH.upper()}\n"))
        more = answered(("zero", "zero"), (TRUTH, f"{TRUTH} five"))
        assert lume.lume_task_aggregate(same.evidence).value == 1
        assert lume.lume_task_aggregate(more.evidence).value == 0

    def test_says_which_score_makes_the_whole_zero(self):
        held = answered(forget=("zero", TRUTH), retain=(TRUTH, "zero"), task="task2")
        found = lume.lume_task_aggregate(held.evidence)
        assert found.value == 0
        assert found.available
        assert "forget task2_qa, retain task2_qa" in found.note

    def test_a_model_that_remembers_scores_below_one_that_forgot(self):
        knows = answered(forget=("one two three", "zero"), retain=(TRUTH, TRUTH))
        forgot = answered(forget=("one", "zero"), retain=(TRUTH, TRUTH))
        assert (
            lume.lume_task_aggregate(knows.evidence).value
            < lume.lume_task_aggregate(forgot.evidence).value
        )

    def test_documents_are_resampled_within_their_task(self):
        """Of two documents of retain task1 one is completed, the other not: a resample has 0, 1/2
        or 1 of it, so the interval runs from 0 to 1, and task2 and task3 never go missing."""
        held = answered(forget=("zero", "zero"), retain=(TRUTH, TRUTH))
        at = next(i for i, e in enumerate(held.splits["retain"]) if e.attribute == "task1_sc")
        held.said["retain"][at] = "zero"
        found = lume.lume_task_aggregate(held.evidence)
        assert found.value == pytest.approx(12 / (11 + 2))
        assert (found.low, found.high) == pytest.approx((0, 1))

    def test_without_a_kind_of_row_there_is_no_score(self):
        held = answered(forget=("zero", "zero"), retain=(TRUTH, TRUTH))
        keep = [i for i, e in enumerate(held.splits["forget"]) if e.attribute != "task3_qa"]
        held.splits["forget"] = [held.splits["forget"][i] for i in keep]
        held.said["forget"] = [held.said["forget"][i] for i in keep]
        found = lume.lume_task_aggregate(held.evidence)
        assert not found.available
        assert "forget task3_qa" in found.note


class TestMembership:
    def test_counts_pairs(self):
        """Members -1 and -3, others -2 and -4: the member is likelier in 3 of 4 pairs, so the AUC
        is 0.75 and the score 1 - 2 * 0.25 = 0.5."""
        found = lume.lume_mia_score(members([-1.0, -3.0], [-2.0, -4.0]).evidence)
        assert found.value == pytest.approx(0.5)
        assert (found.n, found.groups) == (4, 4)

    @pytest.mark.parametrize("swapped", [False, True])
    def test_costs_the_same_in_either_direction(self, swapped: bool):
        sides = ([-1.0, -1.0], [-2.0, -2.0])
        held = members(*(sides[::-1] if swapped else sides))
        assert lume.lume_mia_score(held.evidence).value == 0

    def test_is_one_when_nothing_can_be_told(self):
        assert lume.lume_mia_score(members([-1.0] * 3, [-1.0] * 3).evidence).value == 1

    @pytest.mark.parametrize(("auc", "score"), [(0.022, 0.045), (0.818, 0.364), (0.501, 0.997)])
    def test_agrees_with_published_scores(self, auc: float, score: float):
        """1 - 2 * 0.478 = 0.044, 1 - 2 * 0.318 = 0.364, 1 - 2 * 0.001 = 0.998; both are rounded to
        three digits, and an AUC that is 0.0005 off moves the score by 0.001."""
        assert mia_score(auc) == pytest.approx(score, abs=1.5e-3)


class TestFinalScore:
    @pytest.mark.parametrize(
        ("parts", "published"),
        [
            ((0.968, 0.045, 0.431), 0.481),
            ((0.659, 0.364, 0.491), 0.504),
            ((0.939, 0.997, 0.480), 0.806),
            ((0.944, 0.048, 0.471), 0.487),
            ((0.827, 0.847, 0.443), 0.706),
        ],
    )
    def test_agrees_with_published_scores(
        self, parts: tuple[float, float, float], published: float
    ):
        """As (0.939 + 0.997 + 0.480) / 3 = 2.416 / 3 = 0.8053; all are rounded to three digits."""
        assert final_score(*parts) == pytest.approx(published, abs=1.1e-3)

    def held(self, hits: Sequence[bool], retain: tuple[str, str] = ("one", TRUTH)) -> Held:
        held = answered(forget=("one two", "zero"), retain=retain)
        return asked(hits, members([-1.0, -3.0], [-2.0, -4.0], held))

    def test_is_the_mean_of_the_three(self):
        """Task aggregate 0.75 and MIA score 0.5 as above, 1 of 4 right: (0.75 + 0.5 + 0.25) / 3."""
        found = lume.lume_final_score(self.held([True, False, False, False]).evidence)
        assert found.value == pytest.approx(0.5)
        assert found.low < 0.5 < found.high
        assert found.n == 24 + 4 + 4

    def test_says_when_mmlu_is_below_the_floor(self):
        low = lume.lume_final_score(self.held([True, False, False, False]).evidence)
        high = lume.lume_final_score(self.held([True, True, False, False]).evidence)
        assert "0.250, below the floor of 0.371" in low.note
        assert "floor" not in high.note

    def test_keeps_the_note_on_what_is_zero(self):
        found = lume.lume_final_score(self.held([True] * 4, retain=("zero", TRUTH)).evidence)
        assert found.value == pytest.approx((0 + 0.5 + 1) / 3)
        assert "retain task1_sc" in found.note

    def test_has_no_interval_for_a_single_subject(self):
        held = self.held([True, False])
        held.splits["mmlu"] = [
            Example(e.prompt, e.answer, wrong=e.wrong, id=e.id, group="law")
            for e in held.splits["mmlu"]
        ]
        found = lume.lume_final_score(held.evidence)
        assert found.available
        assert math.isnan(found.low)

    def test_without_a_kind_of_row_there_is_no_score(self):
        held = self.held([True])
        held.splits["retain"], held.said["retain"] = [], []
        assert not lume.lume_final_score(held.evidence).available


def test_a_model_that_memorised_the_members_is_told_from_one_that_did_not(
    blank: Loaded, knowing: Loaded, people: Splits, tmp_path: Path
):
    """Known by heart against never taught: the AUC is 1, so the score is 0."""
    splits = {
        "forget_members": [*people["forget"], *people["retain"]],
        "holdout": people["holdout"],
    }
    found = {
        name: lume.lume_mia_score(
            Evidence(name, name, splits, Renderer(model.tokenizer), tmp_path, partial(give, model))
        )
        for name, model in {"blank": blank, "knowing": knowing}.items()
    }
    assert found["knowing"].value == 0
    assert found["blank"].value > 0.1


def give(model: Loaded) -> Loaded:
    return model


def test_every_audit_says_what_it_reads():
    reads = {
        name: registry.reads(registry.find("audit", name), {})
        for name in ("lume_task_aggregate", "lume_mia_score", "lume_final_score")
    }
    assert set(reads["lume_task_aggregate"]) | set(reads["lume_mia_score"]) | {
        "mmlu.tokens",
        "mmlu.wrong",
    } == set(reads["lume_final_score"])
