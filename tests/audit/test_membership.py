"""Telling what was forgotten from what was never seen: by hand, and on a model that knows."""

from __future__ import annotations

import math
import random
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from unteach import registry
from unteach.audit import published
from unteach.audit.audits import membership
from unteach.audit.evidence import Evidence
from unteach.audit.finding import Finding
from unteach.audit.measure import Tokens
from unteach.data.benchmarks.world import world
from unteach.data.examples import Example, Splits
from unteach.data.render import Renderer
from unteach.errors import RecipeError
from unteach.model.load import Loaded

Rows = Sequence[Sequence[float]]


def table(logp: Rows, *, entropy: float = 0.0, std: float = 1.0, ends: int = 0) -> Tokens:
    """One list of log-probabilities a row; the last `ends` tokens of each close the turn."""
    flat = np.array([x for row in logp for x in row], dtype=np.float32)
    end = [i >= len(row) - ends for row in logp for i in range(len(row))]
    return Tokens(
        offsets=np.cumsum([0, *map(len, logp)]),
        logp=flat,
        hit=np.zeros(len(flat), dtype=bool),
        entropy=np.full(len(flat), entropy, dtype=np.float32),
        std=np.full(len(flat), std, dtype=np.float32),
        rank=np.zeros(len(flat), dtype=np.int32),
        specific=np.ones(len(flat), dtype=bool),
        end=np.array(end, dtype=bool),
    )


@dataclass
class Given:
    """Stands in for Evidence: what was measured of each split under one model."""

    held: Mapping[str, Any]
    answers: Mapping[str, Sequence[str]] = field(default_factory=dict)
    key: str = "m"
    others: Mapping[str, Given] = field(default_factory=dict)
    persons: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def tokens(self, split: str) -> Tokens:
        return self.held[split]

    def gradnorm(self, split: str) -> np.ndarray:
        return np.array(self.held[f"{split}.gradnorm"])

    def recalled(self, split: str, shown: str, shots: int) -> Tokens:
        return self.held[f"{split}.recalled({shown}, {shots})"]

    def examples(self, split: str) -> list[Example]:
        texts = self.answers.get(split) or ["a"] * len(self.held[split])
        return [Example("q", text, id=str(i)) for i, text in enumerate(texts)]

    def groups(self, split: str) -> list[str]:
        given = self.persons.get(split)
        return list(given) if given else [f"{split}-{e.id}" for e in self.examples(split)]

    def of(self, model: str) -> Given:
        return self.others[model]


def given(forget: Rows, holdout: Rows, **settings: Any) -> Any:
    return Given({"forget": table(forget, **settings), "holdout": table(holdout, **settings)})


def singles(*values: float) -> Rows:
    """Rows of one token each."""
    return [[value] for value in values]


def with_gold(ev: Given, gold: Given, key: str = "g") -> Any:
    return replace(ev, others={"gold": replace(gold, key=key), "base": replace(gold, key=key)})


class TestLoss:
    def test_is_the_share_of_pairs_that_the_forget_text_wins(self):
        """-1 is above -2 and -4, -3 above -4 alone: 3 of 4 pairs."""
        found = membership.mia_loss(given([[-1.0], [-2.0, -4.0]], [[-2.0], [-4.0]]))
        assert found.value == 0.75
        assert found.per_example is not None
        assert found.per_example.tolist() == [-1.0, -3.0]
        assert (found.n, len(found.group_ids)) == (4, 2)

    def test_is_the_number_of_the_published_logs(self):
        """They count the pairs in which the holdout text has the larger loss."""
        rng = np.random.default_rng(0)
        ours, theirs = rng.normal(2, 1, 50), rng.normal(3, 1, 60)
        found = membership.mia_loss(given(singles(*-ours), singles(*-theirs)))
        assert found.value == pytest.approx(published.membership_auc(ours, theirs))

    def test_a_tie_counts_half(self):
        assert membership.mia_loss(given(singles(-2), singles(-2))).value == 0.5

    def test_below_a_half_is_what_was_pushed_below_the_unseen(self):
        found = membership.mia_loss(given(singles(-9, -8), singles(-1, -2)))
        assert found.value == 0.0
        assert found.high < 1.0

    def test_takes_the_end_of_the_turn_too(self):
        """-1 and the end's -5: -3."""
        found = membership.mia_loss(given([[-1.0, -5.0]], [[-2.0, -2.0]], ends=1))
        assert found.per_example == pytest.approx([-3.0])


class TestZlib:
    def test_divides_by_the_compressed_size_of_the_answer(self):
        ev = given(singles(-2), singles(-2))
        ev.answers = {"forget": ["In Arles, they say."], "holdout": ["b"]}
        found = membership.mia_zlib(ev)
        size = len(zlib.compress(b"In Arles, they say."))
        assert found.per_example == pytest.approx([-2 / size])

    def test_a_text_that_repeats_itself_looks_less_seen_at_the_same_loss(self):
        letters = "".join(random.Random(0).choices("abcdefghijklmnopqrstuvwxyz", k=200))
        ev = given(singles(-1), singles(-1))
        ev.answers = {"forget": [letters], "holdout": ["ab" * 100]}
        assert membership.mia_zlib(ev).value == 1.0


class TestMinK:
    def test_is_the_mean_of_the_least_likely(self):
        """int(5 * 0.4) = 2 tokens: (-4 - 5) / 2 = -4.5."""
        found = membership.mia_min_k(given([[-3.0, -5.0, -1.0, -4.0, -2.0]], singles(-1)))
        assert found.per_example == pytest.approx([-4.5])

    def test_a_short_answer_has_one_token_at_least(self):
        """int(2 * 0.4) = 0: the published code takes the mean of nothing, which is NaN."""
        row = [-1.0, -3.0]
        assert row[: int(len(row) * 0.4)] == []
        found = membership.mia_min_k(given([row], singles(-4)))
        assert found.per_example == pytest.approx([-3.0])
        assert found.value == 1.0

    def test_leaves_out_what_closes_the_turn(self):
        """The end's -9 would be the least likely of all."""
        found = membership.mia_min_k(given([[-1.0, -2.0, -9.0]], [[-1.0, -9.0]], ends=1))
        assert found.per_example == pytest.approx([-2.0])

    def test_a_text_keeps_its_last_word(self):
        """Nothing closes a text; the published code drops its last token all the same."""
        found = membership.mia_min_k(given([[-1.0, -2.0, -9.0]], singles(-1)), k=0.34)
        assert found.per_example == pytest.approx([-9.0])

    def test_an_empty_answer_is_unknown(self):
        found = membership.mia_min_k(given([[-1.0, -2.0], [-9.0]], [[-3.0, -1.0]], ends=1))
        assert found.value == 1.0
        assert "1 of 3 unknown, left out." in found.note

    @pytest.mark.parametrize("k", [0.0, -0.5, 1.5])
    def test_k_is_a_share(self, k: float):
        with pytest.raises(RecipeError, match="above 0 and at most 1"):
            membership.mia_min_k(given(singles(-1), singles(-2)), k=k)


class TestMinKPlusPlus:
    def test_is_standardised(self):
        """Entropy 1 is a mean of -1: (-3 + 1) / 2 = -1 and (-2 + 1) / 2 = -0.5; the lower is -1."""
        ev = given([[-3.0, -2.0]], singles(-1), entropy=1.0, std=2.0)
        assert membership.mia_min_k_plus_plus(ev).per_example == pytest.approx([-1.0])

    def test_certainty_does_not_divide_by_nothing(self):
        """A standard deviation of 0 counts as 0.001: (-0.002 + 0) / 0.001 = -2."""
        ev = given(singles(-0.002), singles(-1), std=0.0)
        assert membership.mia_min_k_plus_plus(ev).per_example == pytest.approx([-2.0])


class TestReference:
    def test_is_the_gain_over_the_model_that_knows_nothing(self):
        """The forget text is the harder, -3 under -2, but gained 4; the other gained nothing."""
        ev = with_gold(given(singles(-3), singles(-2)), given(singles(-7), singles(-2)))
        assert membership.mia_loss(ev).value == 0.0
        found = membership.mia_reference(ev)
        assert found.value == 1.0
        assert found.per_example == pytest.approx([4.0])

    @pytest.mark.parametrize("reference", ["base", "gold"])
    def test_the_reference_itself_has_none(self, reference: Any):
        ev = given(singles(-3), singles(-2))
        found = membership.mia_reference(with_gold(ev, ev, key=ev.key), reference=reference)
        assert not found.available
        assert found.note == f"it is the reference itself, the {reference} model"

    def test_reads_the_reference_it_is_told(self):
        reads = registry.reads(registry.find("audit", "mia_reference"), {"reference": "gold"})
        assert "gold.forget.tokens" in reads
        assert not any(read.startswith("base.") for read in reads)


def test_a_member_pulls_less_at_the_weights():
    """0.1 and 0.2 are below 0.3, 0.4 is not: 2 of 3."""
    ev: Any = Given(
        {"forget": table(singles(0, 0, 0)), "forget.gradnorm": [0.1, 0.2, 0.4]}
        | {"holdout": table(singles(0)), "holdout.gradnorm": [0.3]}
    )
    found = membership.mia_gradnorm(ev)
    assert found.value == pytest.approx(2 / 3)
    assert found.per_example == pytest.approx([-0.1, -0.2, -0.4])


class TestRecall:
    def ev(self) -> Any:
        """The member falls from -0.1 to -1 after strange turns, the others rise from -2 to -1.8."""
        return Given(
            {
                "forget": table([[-0.1, -9.0]], ends=1),
                "forget.recalled(holdout, 1)": table([[-1.0, -0.1]], ends=1),
                "holdout": table([[-0.01, -9.0], [-2.0, -9.0]], ends=1),
                "holdout.recalled(holdout, 1)": table([[-7.0, -0.1], [-1.8, -0.1]], ends=1),
            }
        )

    def test_is_the_ratio_of_log_likelihoods(self):
        """-1 / -0.1 = 10 against -1.8 / -2 = 0.9, without the end of the turn."""
        found = membership.mia_recall(self.ev(), shots=1)
        assert found.per_example == pytest.approx([10.0])
        assert found.value == 1.0

    def test_the_prefix_is_not_compared_with_itself(self):
        """Its row, -7 / -0.01 = 700, would lie above the member's 10."""
        assert membership.mia_recall(self.ev(), shots=1).n == 2

    def test_a_text_known_for_certain_is_a_member(self):
        ev = self.ev()
        ev.held["forget"] = table([[0.0, -9.0]], ends=1)
        found = membership.mia_recall(ev, shots=1)
        assert found.value == 1.0
        assert found.per_example is not None
        assert np.isfinite(found.per_example).all()

    @pytest.mark.parametrize("shots", [0, 2, 5])
    def test_a_prefix_leaves_something_to_compare(self, shots: int):
        found = membership.mia_recall(self.ev(), shots=shots)
        assert not found.available
        assert "less than the 2 rows" in found.note


class TestTpr:
    def test_is_what_lies_above_nearly_all_others(self):
        """1 % of 200 others, 2, may be taken for members: the threshold is -3; 2 of 4 exceed it."""
        others = [-1.0, -2.0, *(-3.0 - i for i in range(198))]
        found = membership.mia_tpr(given(singles(-0.5, -1.5, -3.0, -50.0), singles(*others)))
        assert found.value == 0.5
        assert (found.n, found.groups) == (204, 204)

    def test_none_found_is_no_certainty(self):
        """0 of 3: the exact upper bound is 1 - 0.025^(1/3) = 0.708."""
        found = membership.mia_tpr(given(singles(-9, -8, -7), singles(-1, -2)))
        assert found.value == 0.0
        assert (found.low, found.high) == pytest.approx((0.0, 0.708), abs=1e-3)


HALF = given(singles(-1, -4), singles(-2, -3))
"""-1 is above both, -4 above neither: an AUC of 0.5."""


class TestPrivLeak:
    def test_is_the_relative_change_of_one_minus_auc(self):
        """AUC 0.75 against 0.5: (0.25 - 0.5) / 0.5 = -50 %: still more like members."""
        ev = with_gold(given(singles(-1, -3), singles(-2, -4)), HALF)
        found = membership.privleak(ev)
        assert found.value == pytest.approx(-50)
        assert found.note.startswith("AUC 0.750, the gold model's 0.500.")

    def test_is_positive_where_too_much_was_done(self):
        """AUC 0.25 against 0.5: (0.75 - 0.5) / 0.5 = +50 %."""
        ev = with_gold(given(singles(-2, -4), singles(-1, -3)), HALF)
        assert membership.privleak(ev).value == pytest.approx(50)
        assert membership.privleak_absolute(ev).value == pytest.approx(-0.25)

    def test_absolute_does_not_explode(self):
        """AUC 0.5, gold 49 / 50 = 0.98: (0.5 - 0.02) / 0.02 = 2400 %, and 0.5 - 0.98 = -0.48."""
        holdout = singles(*(-i for i in range(50)))
        ev = with_gold(given(singles(-24.5), holdout), given(singles(-0.5), holdout))
        assert membership.privleak(ev).value == pytest.approx(2400)
        assert membership.privleak_absolute(ev).value == pytest.approx(-0.48)

    def test_a_gold_model_that_tells_all_apart_leaves_only_the_absolute(self):
        ev = with_gold(HALF, given(singles(-1, -2), singles(-3, -4)))
        found = membership.privleak(ev)
        assert not found.available
        assert "the gold model's AUC is 1" in found.note
        assert membership.privleak_absolute(ev).value == pytest.approx(-0.5)

    def test_both_models_are_resampled_alike(self):
        """The same scores under both: the difference is 0 in every draw, not only on average."""
        rng = np.random.default_rng(0)
        ev = given(singles(*rng.normal(-2, 1, 30)), singles(*rng.normal(-3, 1, 30)))
        found = membership.privleak_absolute(with_gold(ev, ev))
        assert (found.value, found.low, found.high) == (0.0, 0.0, 0.0)

    def test_the_interval_is_that_of_the_auc_where_the_gold_model_tells_nothing(self):
        """Under the gold model every text scores alike: 0.5 in every draw."""
        rng = np.random.default_rng(1)
        ev = given(singles(*rng.normal(-2, 1, 60)), singles(*rng.normal(-3, 1, 60)))
        found = membership.privleak_absolute(
            with_gold(ev, given(singles(*[-1] * 60), singles(*[-1] * 60)))
        )
        alone = membership.mia_min_k(ev)
        assert found.value == pytest.approx(alone.value - 0.5)
        assert (found.low, found.high) == pytest.approx(
            (alone.low - 0.5, alone.high - 0.5), abs=0.02
        )

    def test_whole_persons_are_drawn(self):
        """Ten copies of a person say no more than one: the interval stays as wide."""
        rng = np.random.default_rng(2)
        ours, theirs = rng.normal(-2, 1, 12), rng.normal(-2.5, 1, 12)
        flat = given(singles(*[0] * 12), singles(*[0] * 12))
        once = membership.privleak_absolute(
            with_gold(given(singles(*ours), singles(*theirs)), flat)
        )
        many = given(singles(*np.tile(ours, 10)), singles(*np.tile(theirs, 10)))
        many.persons = {s: [f"{i:02}" for i in range(12)] * 10 for s in ("forget", "holdout")}
        flat = given(singles(*[0] * 120), singles(*[0] * 120))
        repeated = membership.privleak_absolute(with_gold(many, flat))
        assert repeated.groups == 24
        assert repeated.value == pytest.approx(once.value)
        assert repeated.high - repeated.low == pytest.approx(once.high - once.low, abs=0.03)

    def test_certainty_has_no_interval(self):
        ev = with_gold(given(singles(-1, -2), singles(-3, -4)), HALF)
        found = membership.privleak(ev)
        assert found.value == pytest.approx(-100)
        assert math.isnan(found.low)
        assert "One is 0 or 1: no interval." in found.note

    def test_a_row_without_score_is_left_out_for_both(self):
        ev = with_gold(
            given([[-1, -9], [-9], [-3, -9]], [[-2, -9], [-4, -9]], ends=1),
            given([[-1, -9], [-9], [-4, -9]], [[-2, -9], [-3, -9]], ends=1),
        )
        found = membership.privleak(ev)
        assert found.value == pytest.approx(-50)
        assert found.n == 4
        assert "1 of 5 unknown, left out." in found.note

    @pytest.mark.parametrize("audit", [membership.privleak, membership.privleak_absolute])
    def test_the_gold_model_itself_has_none(self, audit: Callable[..., Finding]):
        gold = replace(HALF)
        gold.others = {"gold": gold}
        found = audit(gold)
        assert not found.available
        assert found.note == "it is the reference itself, the gold model"

    @pytest.mark.parametrize("attack", ["min_k", "loss", "zlib", "min_k_plus_plus"])
    def test_every_attack_is_that_of_its_audit(self, attack: Any):
        rng = np.random.default_rng(3)
        ev, gold = (
            given(rng.normal(-2, 1, (9, 5)).tolist(), rng.normal(-2, 1, (8, 5)).tolist())
            for _ in range(2)
        )
        alone = getattr(membership, f"mia_{attack}")
        found = membership.privleak_absolute(with_gold(ev, gold), attack=attack)
        assert found.value == pytest.approx(alone(ev).value - alone(gold).value)


AUDITS = [n for n, e in registry.entries("audit").items() if e.module == membership.__name__]
REFERENCED = ["mia_reference", "privleak", "privleak_absolute"]
ATTACKS = [name for name in AUDITS if name.startswith("mia_")]
SETTINGS: Mapping[str, Mapping[str, Any]] = {"mia_recall": {"shots": 2}}


@pytest.fixture(scope="module")
def rows(people: Splits) -> Splits:
    """What the model that knows was taught, and as many rows about people of another world."""
    others = world(people=4, attributes=2, forget=0.5, seed=7)
    return {
        "forget": [*people["forget"], *people["retain"]],
        "holdout": [*others["forget"], *others["retain"]],
    }


@pytest.fixture(scope="module")
def models(
    blank: Loaded, knowing: Loaded, rows: Splits, tmp_path_factory: pytest.TempPathFactory
) -> Mapping[str, Evidence]:
    """The model that knows; the gold model, which like the base never saw anything."""
    store = tmp_path_factory.mktemp("evidence")
    base = Evidence("base", "base", rows, Renderer(blank.tokenizer), store, lambda: blank)
    peers: dict[str, Evidence] = {}
    peers["gold"] = replace(base, name="gold", key="blank", base=base, peers=peers)
    peers["knowing"] = replace(
        peers["gold"],
        name="knowing",
        key="knowing",
        load=lambda: knowing,
    )
    return peers


def find(ev: Evidence, name: str) -> Finding:
    """As the run does it: what is missing is decided before the audit is called."""
    entry = registry.find("audit", name)
    params = SETTINGS.get(name, {})
    assert ev.missing(registry.reads(entry, params)) is None
    return entry.load()(ev, **params)


@pytest.mark.parametrize("name", ATTACKS)
def test_a_model_that_knows_gives_itself_away(models: Mapping[str, Evidence], name: str):
    found = find(models["knowing"], name)
    assert found.value > 0.9


@pytest.mark.parametrize(
    "name", [n for n in ATTACKS if n not in ("mia_reference", "mia_tpr", "mia_zlib")]
)
def test_a_model_that_never_saw_either_tells_nothing(models: Mapping[str, Evidence], name: str):
    """Without zlib, which is little more than the length of texts as short as these."""
    assert 0.15 < find(models["gold"], name).value < 0.85


@pytest.mark.parametrize("name", ["privleak", "privleak_absolute"])
def test_a_model_that_knows_is_far_from_gold(models: Mapping[str, Evidence], name: str):
    found = find(models["knowing"], name)
    assert found.value < -80 if name == "privleak" else found.value > 0.15
    assert not find(models["gold"], name).available


@pytest.mark.parametrize("name", REFERENCED)
def test_without_a_reference_there_is_a_reason_and_no_number(
    models: Mapping[str, Evidence], name: str
):
    """Regression: the incumbent takes 0.5 for the AUC of a gold model that is not there."""
    alone = replace(models["knowing"], base=None, peers={})
    reason = alone.missing(registry.reads(registry.find("audit", name), {}))
    assert reason is not None
    assert reason.startswith(("there is no gold model", "no base model is at hand"))


@pytest.mark.parametrize("name", AUDITS)
def test_reads_only_what_it_declares(models: Mapping[str, Evidence], name: str, tmp_path: Path):
    """What was measured beforehand is enough: with no model to load it gives its finding."""
    entry = registry.find("audit", name)
    params = SETTINGS.get(name, {})
    reads = registry.reads(entry, params)
    fresh: dict[str, Evidence] = {}
    for role in ("base", "gold", "knowing"):
        ev = models["gold"].of("base") if role == "base" else models[role]
        fresh[role] = replace(ev, store=tmp_path, base=fresh.get("base"), peers=fresh)
        prefix = f"{role}."
        fresh[role].measure(
            [r.removeprefix(prefix) for r in reads if r.startswith(prefix)]
            if role != "knowing"
            else [r for r in reads if not r.startswith(("base.", "gold."))]
        )
    for ev in fresh.values():
        ev.load = None
    assert entry.load()(fresh["knowing"], **params).available
