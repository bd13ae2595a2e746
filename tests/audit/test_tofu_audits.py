"""TOFU's two headline numbers: by hand, on published logs, and on models that know or do not."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from unteach import registry
from unteach.audit import published
from unteach.audit.audits.tofu import forget_quality, model_utility
from unteach.audit.evidence import Evidence
from unteach.audit.measure import Tokens
from unteach.data.examples import Example, Splits
from unteach.data.render import Renderer
from unteach.model.load import Loaded
from unteach.report import read

LOGS = Path(__file__).parents[3] / "shared" / "data" / "tofu_eval_logs_llama32_1b"
PARTS = {"forget": "forget", "retain": "retain", "real_authors": "ra", "world": "wf"}
"""Split -> what the published logs call it."""


def tokens(losses: Sequence[float]) -> Tokens:
    """A table of one token a row, whose loss is that row's mean loss."""
    n = len(losses)
    zeros, no = np.zeros(n, dtype=np.float32), np.zeros(n, dtype=bool)
    logp = -np.asarray(losses, dtype=np.float32)
    return Tokens(np.arange(n + 1), logp, no, zeros, zeros, np.zeros(n, dtype=np.int32), ~no, no)


@dataclass
class Part:
    """What was measured of one split: mean token losses, and the greedy answers."""

    right: Sequence[float]
    wrong: Sequence[Sequence[float]]
    rephrased: Sequence[float] = ()
    texts: Sequence[str] = ()
    answers: Sequence[str] = ()


@dataclass
class Given:
    """Stands in for Evidence: some splits under one model."""

    parts: Mapping[str, Part]
    gold: Given | None = field(default=None, repr=False)

    def tokens(self, split: str) -> Tokens:
        return tokens(self.parts[split].right)

    def rephrased(self, split: str) -> Tokens:
        return tokens(self.parts[split].rephrased)

    def wrong(self, split: str) -> Tokens:
        return tokens([loss for losses in self.parts[split].wrong for loss in losses])

    def texts(self, split: str, max_tokens: int) -> list[str]:
        assert max_tokens == 200
        return list(self.parts[split].texts)

    def examples(self, split: str) -> list[Example]:
        part = self.parts[split]
        answers = part.answers or ["a"] * len(part.wrong)
        return [
            Example("q", answer, wrong=("w",) * len(losses), rephrased=("r",), id=str(i))
            for i, (answer, losses) in enumerate(zip(answers, part.wrong, strict=True))
        ]

    def groups(self, split: str) -> list[str]:
        return [f"{split}-{e.id}" for e in self.examples(split)]

    def of(self, model: str) -> Given | None:
        assert model == "gold"
        return self.gold


def with_ratios(*ratios: float) -> Given:
    """Each right answer is certain, so its R is the probability of the one wrong answer."""
    losses = [[-math.log(r)] for r in ratios]
    return Given({"forget": Part([], losses, rephrased=[0.0] * len(ratios))})


def quality(ours: Given, gold: Given) -> Any:
    return forget_quality(replace(ours, gold=gold))  # type: ignore[arg-type]


class TestForgetQuality:
    def test_is_the_p_value_of_the_two_samples(self):
        """Four ratios all below the other four: D = 1, p = 2 / C(8, 4) = 2 / 70 = 0.0286."""
        found = quality(with_ratios(0.1, 0.2, 0.3, 0.4), with_ratios(0.5, 0.6, 0.7, 0.8))
        assert found.value == pytest.approx(2 / 70)
        assert found.n == 4

    def test_each_ratio_takes_the_geometric_mean_of_the_wrong_answers(self):
        """p(true) = 1/2, p(wrong) = sqrt(0.1 * 0.4) = 0.2: R = 0.4."""
        losses = [-math.log(0.1), -math.log(0.4)]
        ev = Given({"forget": Part([], [losses], rephrased=[math.log(2)])})
        assert quality(ev, ev).per_example == pytest.approx([0.4])

    def test_equal_models_have_one(self):
        ev = with_ratios(0.1, 0.4, 0.9)
        found = quality(ev, ev)
        assert found.value == 1.0
        assert "KS gap 0.000, log10 p 0.00, W1 0, 3 questions." in found.note

    def test_the_note_says_how_far_ratios_are_apart(self):
        """Every ratio is 0.4 higher under the gold model."""
        found = quality(with_ratios(0.1, 0.2, 0.3, 0.4), with_ratios(0.5, 0.6, 0.7, 0.8))
        assert "KS gap 1.000, log10 p -1.54, W1 0.4, 4 questions." in found.note

    def test_fewer_questions_pass_at_the_same_distance(self):
        """Why a high p is no proof: the models differ as much, and p only counts questions."""
        rng = np.random.default_rng(0)
        ours, theirs = rng.uniform(0.1, 0.6, 200), rng.uniform(0.3, 0.8, 200)
        many = quality(with_ratios(*ours), with_ratios(*theirs)).value
        few = quality(with_ratios(*ours[:6]), with_ratios(*theirs[:6])).value
        assert many < 1e-6
        assert few > 0.05

    def test_the_gold_model_itself_has_none(self):
        gold = with_ratios(0.1, 0.2)
        gold.gold = gold
        found = forget_quality(gold)  # type: ignore[arg-type]
        assert not found.available
        assert found.note == "it is the reference itself, the gold model"

    def test_a_broken_model_has_none(self):
        broken = with_ratios(0.1, 0.2)
        broken.parts["forget"].rephrased = [math.nan, 0.0]
        found = quality(broken, with_ratios(0.1, 0.2))
        assert not found.available
        assert "not a number" in found.note

    def test_no_interval_can_be_reported(self):
        """A finding without low and high is read as the value alone, and not as [0, 0]."""
        found = quality(with_ratios(0.1, 0.2), with_ratios(0.1, 0.2))
        assert math.isnan(found.low)
        assert math.isnan(found.high)
        row = read.Finding(
            audit="forget_quality", model="unlearned", value=found.value, low=None, high=None
        )
        assert (row.lower, row.upper) == (1.0, 1.0)


TEXTS, ANSWERS = ("in the town of Arles", "Como"), ("Arles", "Como of Brno")
"""ROUGE-L recall 1 / 1 and 1 / 3: 2/3."""


def useful() -> Given:
    """Two questions a split. Probability 1/2, options 1/2 and 1/4, ROUGE-L 2/3, truth ratio 1/2."""
    half, quarter = math.log(2), math.log(4)
    right = [half, half]
    retain = Part(right, [[quarter]] * 2, right, TEXTS, ANSWERS)
    authors = Part(right, [[quarter] * 2] * 2, (), TEXTS, ANSWERS)
    facts = Part(right, [[quarter] * 6] * 2, (), TEXTS, ANSWERS)
    return Given({"retain": retain, "real_authors": authors, "world": facts})


class TestModelUtility:
    def test_is_the_harmonic_mean_of_nine(self):
        """Probability 1/2; options 2/(2+2) = 1/2 and 2/(2+6) = 1/4; ROUGE 2/3; R 1/2, 1 - R 1/2.

        9 / (5 * 2 + 4 + 3 * 1.5) = 9 / 18.5 = 0.486.
        """
        found = model_utility(useful())  # type: ignore[arg-type]
        assert found.value == pytest.approx(9 / 18.5)
        assert "world probability 0.250" in found.note
        assert "real_authors ROUGE-L 0.667" in found.note
        assert "retain truth ratio 0.500" in found.note

    def test_is_zero_if_a_part_is(self):
        """No wrong answer is less likely than the true one: the truth ratio of facts is 0."""
        ev = useful()
        ev.parts["world"].wrong = [[0.0]] * 2
        found = model_utility(ev)  # type: ignore[arg-type]
        assert found.value == 0.0
        assert "world truth ratio 0.000" in found.note

    def test_names_the_part_that_could_not_be_made(self):
        ev = useful()
        ev.parts["real_authors"].right = [math.nan, math.nan]
        found = model_utility(ev)  # type: ignore[arg-type]
        assert not found.available
        assert found.note.startswith("real_authors probability: no example could be judged")

    def test_reads_long_answers(self):
        reads = registry.reads(registry.find("audit", "model_utility"), {})
        assert "real_authors.texts(200)" in reads
        assert "retain.rephrased" in reads
        assert "world.rephrased" not in reads


@cache
def log(name: str) -> Mapping[str, Any]:
    return json.loads((LOGS / name / "TOFU_EVAL.json").read_text(encoding="utf-8"))


def logged(name: str, *splits: str) -> Given:
    """The published values of single samples, as if they had been measured here."""

    def rows(metric: str) -> list[Any]:
        return list(log(name)[metric]["value_by_index"].values())

    def part(of: str) -> Part:
        in_other_words = of in ("forget", "retain")
        return Part(
            right=[row["avg_loss"] for row in rows(f"{of}_Q_A_Prob")],
            wrong=[row["avg_loss"] for row in rows(f"{of}_Q_A_PERT_Prob")],
            rephrased=[r["avg_loss"] for r in rows(f"{of}_Q_A_PARA_Prob")]
            if in_other_words
            else [],
            texts=[row["generation"] for row in rows(f"{of}_Q_A_ROUGE")],
            answers=[row["ground_truth"] for row in rows(f"{of}_Q_A_ROUGE")],
        )

    return Given({split: part(PARTS[split]) for split in splits})


needs_logs = pytest.mark.skipif(
    not LOGS.is_dir(), reason="the published TOFU logs are not beside this checkout"
)


@needs_logs
@pytest.mark.parametrize(
    ("full", "gold"),
    [
        ("full/evals_forget01", "retain99"),
        ("full/evals_forget05", "retain95"),
        ("full/evals_forget10", "retain90"),
    ],
)
def test_forget_quality_of_the_published_logs(full: str, gold: str):
    found = quality(logged(full, "forget"), logged(gold, "forget"))
    assert found.value == pytest.approx(log(full)["forget_quality"]["agg_value"], rel=1e-4)


@needs_logs
@pytest.mark.parametrize("name", ["full/evals_forget10", "retain90"])
def test_model_utility_of_the_published_logs(name: str):
    found = model_utility(logged(name, "retain", "real_authors", "world"))  # type: ignore[arg-type]
    assert found.value == pytest.approx(log(name)["model_utility"]["agg_value"], rel=1e-6)
    assert found.low < found.value < found.high


@pytest.fixture(scope="module")
def models(
    blank: Loaded, knowing: Loaded, people: Splits, tmp_path_factory: pytest.TempPathFactory
) -> Mapping[str, Evidence]:
    """The model that knows, and gold and original models that never saw anything."""
    taught = [*people["forget"], *people["retain"]]
    forget = [replace(e, rephrased=(e.answer,)) for e in taught]
    splits = {"forget": forget, "retain": forget, "real_authors": taught, "world": taught}
    store = tmp_path_factory.mktemp("evidence")
    peers: dict[str, Evidence] = {}
    renderer = Renderer(blank.tokenizer)
    for name, model in (("gold", blank), ("unlearned", blank), ("knowing", knowing)):
        key = "knowing" if model is knowing else "blank"
        load = {"knowing": lambda: knowing, "blank": lambda: blank}[key]
        peers[name] = Evidence(name, key, splits, renderer, store, load, peers=peers)
    return peers


def test_forget_quality_tells_a_model_that_knows(models: Mapping[str, Evidence]):
    assert forget_quality(models["knowing"]).value < 0.01
    assert forget_quality(models["unlearned"]).value == 1.0
    assert not forget_quality(models["gold"]).available


def test_utility_tells_a_model_that_knows(models: Mapping[str, Evidence]):
    knows, does_not = (model_utility(models[name], max_tokens=80) for name in ("knowing", "gold"))
    assert knows.value > 0.7
    assert does_not.value < 0.1


def test_forget_quality_without_gold_is_a_reason_and_no_number(models: Mapping[str, Evidence]):
    alone = replace(models["knowing"], peers={})
    reason = alone.missing(registry.reads(registry.find("audit", "forget_quality"), {}))
    assert reason is not None
    assert reason.startswith("there is no gold model to compare with. Name one")


def test_utility_needs_wrong_answers_to_everything(models: Mapping[str, Evidence]):
    ev = models["knowing"]
    plain = [replace(e, wrong=()) for e in ev.splits["world"]]
    bare = replace(ev, splits={**ev.splits, "world": plain})
    reason = bare.missing(registry.reads(registry.find("audit", "model_utility"), {}))
    assert reason == "the split 'world' has rows without wrong answers."


def test_the_ratio_is_the_published_one():
    """R = (0.1 / 0.5) with 1e-10 added to the denominator."""
    ev = with_ratios(0.1)
    ev.parts["forget"].rephrased = [math.log(2)]
    expected = published.truth_ratio_of([math.log(2)], [[-math.log(0.1)]])
    assert quality(ev, ev).per_example == pytest.approx(expected)
