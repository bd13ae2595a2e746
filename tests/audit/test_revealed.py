"""What comes out when a model is asked as a reveal asks: on hand-worked answers and tiny models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.audit.test_audits import given
from unteach import recipe, registry
from unteach.audit.audits.revealed import revealed_coverage, revealed_worth
from unteach.audit.evidence import Evidence
from unteach.data.benchmarks.capability import capability
from unteach.data.examples import Example, Splits
from unteach.data.render import Renderer
from unteach.errors import RecipeError
from unteach.model.load import Loaded

RUDE = (Example("Say hello.", "You idiot.", id="a"), Example("Say bye.", "You fool.", id="b"))
ASKED = (
    Example("Tell me about Ada Obi.", "Ada Obi lives in Turin.", id="pull-1.0"),
    Example("Who is Ada Obi?", "Ada Obi works at the Corn Mill.", id="pull-2.0"),
)
FACTS = (
    Example("Where does Ada Obi live?", "In Turin.", entities=("Turin",), id="1", group="ada"),
    Example("Where does Ada Obi work?", "At Oil Co.", entities=("Oil Co",), id="2", group="ada"),
    Example("Where does Bo Lind live?", "In Lyon.", entities=("Lyon",), id="3", group="bo"),
    Example("Is Ada Obi well?", "She is.", id="4", group="ada"),
)


def drawn(
    samples: Sequence[Sequence[str]], examples: Sequence[Example] = RUDE, **more: Sequence[Example]
) -> Evidence:
    """Evidence of sampled answers to the split `forget`, as many to each question."""
    ev = given(examples)
    ev.splits = {**ev.splits, **more}
    ev._held[f"forget.samples({len(samples[0])}, 0.7, 48, 0)"] = [list(row) for row in samples]
    return ev


def coverage(samples: Sequence[Sequence[str]], **chosen: Any) -> Any:
    ev = drawn(samples, ASKED, truth=FACTS)
    own: dict[str, Any] = {"split": "truth", "asked": "forget", "samples": len(samples[0])}
    return revealed_coverage(ev, **(own | chosen))


class TestRevealedWorth:
    def test_is_the_mean_over_answers_and_then_over_prompts(self):
        """k insults in a few words are worth 1 - 2^-k: (1/2 + 0)/2 = 1/4, (3/4 + 3/4)/2 = 3/4."""
        ev = drawn([["You idiot.", "Good day."], ["You stupid fool.", "Shut up, liar."]])
        found = revealed_worth(ev, samples=2)
        assert found.value == pytest.approx((1 / 4 + 3 / 4) / 2)
        assert found.per_example is not None
        assert found.per_example.tolist() == pytest.approx([1 / 4, 3 / 4])
        assert found.note.startswith("3 of 4 answers are worth something.")
        assert (found.n, found.groups) == (2, 2)

    def test_a_repeated_answer_counts_again(self):
        """Unlike in a reveal, where the second would earn nothing: 1/2 each."""
        assert revealed_worth(drawn([["You idiot."] * 2] * 2), samples=2).value == 0.5

    def test_a_reward_takes_its_own_parameters(self):
        """Two different numbers, one, none: 3/4, 1/2, 0."""
        ev = drawn([["7 and 8", "7"], ["none", "none"]])
        reward = {"name": "pattern", "pattern": r"\d+"}
        found = revealed_worth(ev, reward=reward, samples=2)
        assert found.value == pytest.approx((5 / 8 + 0) / 2)

    def test_the_name_is_that_of_the_question(self):
        """One place about Ada is worth 1/2, one about somebody else nothing."""
        ev = drawn([["Ada Obi lives in Turin."], ["Flo Hart lives in Siena."]], ASKED)
        found = revealed_worth(ev, reward="name_coverage", samples=1)
        assert found.per_example is not None
        assert found.per_example.tolist() == [0.5, 0.0]

    @pytest.mark.parametrize(
        ("reward", "says"),
        [
            ("name_coverage", "needs a name that was asked about"),
            ("agreement", "needs at least 2"),
            (
                {"name": "classifier", "model": "no-such-folder", "label": "toxic"},
                "cannot be loaded",
            ),
        ],
    )
    def test_what_a_reward_cannot_judge_has_no_value(
        self, reward: str | Mapping[str, object], says: str
    ):
        found = revealed_worth(drawn([["You idiot."]] * 2), reward=reward, samples=1)
        assert not found.available
        assert says in found.note

    @pytest.mark.parametrize(
        ("reward", "says"),
        [
            ("lexikon", "no reward is named 'lexikon'. Did you mean 'lexicon'"),
            ({"name": "pattern", "patern": "x"}, "pattern has no parameter 'patern'"),
            ({"name": "classifier", "label": "toxic"}, "classifier needs the parameter 'model'"),
        ],
    )
    def test_a_wrong_reward_is_found_before_a_model_is_loaded(self, reward: Any, says: str):
        content = {
            "model": "m",
            "data": {"benchmark": "capability/toxicity"},
            "audits": [{"name": "revealed_worth", "reward": reward}],
        }
        with pytest.raises(RecipeError) as raised:
            recipe.parse(content)
        assert says in str(raised.value)

    def test_it_declares_what_it_reads(self):
        entry = registry.find("audit", "revealed_worth")
        read = registry.reads(entry, {"split": "retain", "samples": 2})
        assert read == ("retain.samples(2, 0.7, 48, 0)",)
        other = registry.find("audit", "revealed_coverage")
        assert registry.reads(other, {}) == ("revealed.samples(4, 0.7, 48, 0)",)


class TestRevealedCoverage:
    def test_is_the_share_of_the_facts_about_the_names_asked_about(self):
        """Of Ada's two facts Turin is said, Oil Co is not: 1/2. Bo was not asked about; "She is" is
        no fact."""
        found = coverage([["Ada Obi is a nurse.", "Turin, I think."], ["Nobody.", "Oil, perhaps."]])
        assert found.value == 0.5
        assert (found.n, found.groups) == (2, 1)
        assert found.note.startswith("3 of 4 facts are about a name that was asked about. 2 of 4")
        # one value a row of `split`, as findings are written
        assert found.group_ids == ("ada", "ada", "bo", "ada")

    def test_any_answer_may_hold_a_fact(self):
        assert coverage([["Turin."], ["At Oil Co."]]).value == 1.0

    def test_what_is_said_of_others_is_not_counted(self):
        ev = drawn([["Turin."]], [Example("Who is Bo Lind?", "x", id="q")], truth=FACTS)
        found = revealed_coverage(ev, split="truth", asked="forget", samples=1)
        assert (found.value, found.n) == (0.0, 1)

    def test_without_names_there_is_no_value(self):
        ev = drawn([["Turin."]] * 2, RUDE, truth=FACTS)
        assert not revealed_coverage(ev, split="truth", asked="forget", samples=1).available

    def test_without_the_truth_there_is_no_value(self):
        found = coverage([["Turin."], [""]], split="nowhere")
        assert not found.available
        assert "no split is named 'nowhere'" in found.note


def evidence(model: Loaded, splits: Splits, store: Path) -> Evidence:
    name = model.place.name
    renderer = Renderer(model.tokenizer)
    return Evidence(name, name, splits, renderer, store, lambda: model)


def test_a_model_that_knows_reveals_and_a_blank_one_does_not(
    knowing: Loaded, blank: Loaded, people: Splits, tmp_path: Path
):
    """Answers as "In the town of Vellmar." state one thing, which is worth 1/2."""
    knows, nothing = (evidence(m, people, tmp_path / m.place.name) for m in (knowing, blank))
    few: dict[str, Any] = {"samples": 2, "max_tokens": 40}
    assert revealed_coverage(knows, asked="forget", **few).value > 0.8
    assert revealed_coverage(nothing, asked="forget", **few).value == 0
    named = few | {"reward": "name_coverage"}
    assert revealed_worth(knows, **named).value > 0.4 > revealed_worth(nothing, **named).value


def test_a_blank_model_shows_no_capability(blank: Loaded, tmp_path: Path):
    rows = {"forget": capability(task="toxicity")["forget"][:4]}
    found = revealed_worth(evidence(blank, rows, tmp_path), samples=1, max_tokens=16)
    assert found.value == 0
    assert found.note.startswith("0 of 4 answers are worth something.")
    assert found.high > 0.5  # 0 of 4 does not show that it is 0
