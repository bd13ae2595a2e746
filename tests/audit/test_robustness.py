"""Quantised and relearned probabilities, and the residual, by hand and on models that differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import ArrayLike

from tests.audit.test_audits import TWO, given, table
from unteach.audit.audits.robustness import (
    quantised_probability,
    relearn_residual,
    relearned_probability,
)
from unteach.audit.evidence import Evidence
from unteach.audit.measure import Tokens
from unteach.data.examples import Example, Splits
from unteach.data.render import Renderer
from unteach.model.load import Loaded
from unteach.recipe import Choice
from unteach.run.examine import _plan, _wanted

ROWS = [Example(f"q{i}?", f"a{i}", id=str(i), group=f"person-{i // 2}") for i in range(12)]
RELEARNED = "relearned(3, 3e-05)"


def held(rows: Sequence[Example] = TWO, **tables: Tokens) -> Evidence:
    """Evidence of forget that was measured before; `quantised_4` is `quantised(4)`."""
    ev = given(rows)
    named = {"quantised_4": "quantised(4)", "quantised_8": "quantised(8)", "relearned": RELEARNED}
    ev._held.update({f"forget.{named.get(name, name)}": t for name, t in tables.items()})
    return ev


def compared(ours: ArrayLike, gold: ArrayLike, taught: ArrayLike) -> Evidence:
    """Evidence of one model beside two others, all with 12 rows of 6 persons."""

    def probabilities(values: ArrayLike) -> Tokens:
        return table([[float(p)] for p in np.asarray(values)])

    peers = {
        "gold": held(ROWS, relearned=probabilities(gold)),
        "original": held(ROWS, tokens=probabilities(taught)),
    }
    return replace_peers(held(ROWS, relearned=probabilities(ours)), peers)


def replace_peers(ev: Evidence, peers: dict[str, Evidence]) -> Evidence:
    ev.peers = peers
    return ev


def test_quantised_is_the_mean_of_the_geometric_means():
    """sqrt(1/2 * 1/8) = 1/4 and 3/4, so 1/2; and 8 bits are another table."""
    ev = held(
        quantised_4=table([[0.5, 0.125], [0.75]]),
        quantised_8=table([[1.0], [1.0]]),
    )
    assert quantised_probability(ev).value == pytest.approx(0.5)
    assert quantised_probability(ev, bits=8).value == 1.0


def test_relearned_is_the_mean_of_the_geometric_means():
    found = relearned_probability(held(relearned=table([[0.5, 0.125], [0.75]])))
    assert found.value == pytest.approx(0.5)
    assert found.n == 2


def test_a_model_that_relearning_broke_has_no_probability():
    found = relearned_probability(held(relearned=table([[np.nan], [np.nan]])))
    assert not found.available
    assert found.note == (
        "a model is broken, before relearning or by it: a probability is not a number"
    )


class TestResidual:
    def test_is_the_share_of_the_way_from_gold_to_taught(self):
        """(0.5 - 0.2) / (0.8 - 0.2) = 0.5; all rows alike, so the interval is a point."""
        found = relearn_residual(compared([0.5] * 12, [0.2] * 12, [0.8] * 12))
        assert (found.value, found.low, found.high) == pytest.approx((0.5, 0.5, 0.5), abs=1e-5)
        assert (found.n, found.groups) == (12, 6)
        assert found.note == "Recovered 0.500, gold 0.200, taught 0.800."

    @pytest.mark.parametrize(("ours", "expected"), [(0.2, 0.0), (0.8, 1.0), (0.1, -1 / 6)])
    def test_its_ends(self, ours: float, expected: float):
        """As gold 0, as taught 1, and less than gold below 0: (0.1 - 0.2) / 0.6."""
        found = relearn_residual(compared([ours] * 12, [0.2] * 12, [0.8] * 12))
        assert found.value == pytest.approx(expected, abs=1e-6)

    def test_gold_itself_has_none(self):
        ev = compared([0.5] * 12, [0.2, 0.3] * 6, [0.8] * 12)
        gold = replace_peers(ev.of("gold"), dict(ev.peers))
        found = relearn_residual(gold)
        assert (found.value, found.low, found.high) == (0.0, 0.0, 0.0)

    def test_persons_are_drawn_for_all_three_at_once(self):
        """Person i's rows all stand half-way, whatever they are: every resample gives 1/2."""
        gold = np.repeat([0.1, 0.2, 0.3, 0.1, 0.2, 0.3], 2)
        taught = np.repeat([0.9, 0.8, 0.9, 0.7, 0.8, 0.9], 2)
        found = relearn_residual(compared((gold + taught) / 2, gold, taught))
        assert (found.low, found.high) == pytest.approx((0.5, 0.5), abs=1e-6)

    def test_the_interval_holds_what_persons_differ_in(self):
        ours = np.repeat([0.2, 0.8, 0.2, 0.8, 0.2, 0.8], 2)
        found = relearn_residual(compared(ours, [0.2] * 12, [0.8] * 12))
        assert found.value == pytest.approx(0.5, abs=1e-6)
        assert 0 <= found.low < 0.3 < 0.7 < found.high <= 1

    @pytest.mark.parametrize("taught", [[0.2] * 12, [0.1] * 12, [0.9, 0.9, *[0.15] * 10]])
    def test_no_way_to_measure_a_share_of(self, taught: list[float]):
        """Taught as gold, below gold, and above by one person of six: less than 4 standard errors."""
        found = relearn_residual(compared([0.5] * 12, [0.2] * 12, taught))
        assert not found.available
        assert "does not stand 4 standard errors" in found.note

    def test_a_broken_model_has_none(self):
        found = relearn_residual(compared([np.nan, *[0.5] * 11], [0.2] * 12, [0.8] * 12))
        assert not found.available

    def test_few_persons_are_said_to_be_few(self):
        rows = [replace(e, group=f"p{i % 2}") for i, e in enumerate(ROWS)]
        ev = compared([0.5] * 12, [0.2] * 12, [0.8] * 12)
        ev.splits = {"forget": rows}
        assert "Only 2 persons" in relearn_residual(ev).note


def test_what_is_known_comes_back_and_what_was_never_known_does_not(
    blank: Loaded, knowing: Loaded, people: Splits, tmp_path: Path
):
    """At one budget: the model that knows, beside the one that never saw anything as gold."""
    peers: dict[str, Evidence] = {}
    models = {"original": knowing, "gold": blank}
    base = Evidence("", "", people, Renderer(blank.tokenizer), tmp_path, None, peers=peers)
    for name in models:
        peers[name] = replace(base, name=name, key=name, load=partial(models.__getitem__, name))
    knows, never = (peers[name] for name in ("original", "gold"))
    assert relearn_residual(knows).value == pytest.approx(1, abs=0.05)
    assert relearn_residual(never).value == 0
    for split in ("forget", "forget_paraphrased"):
        pair = [relearned_probability(ev, split=split).value for ev in (knows, never)]
        assert pair[0] > pair[1]
    coarse, fine = (quantised_probability(knows, bits=bits).value for bits in (2, 8))
    assert fine > coarse


def test_the_run_measures_what_is_read_of_the_others(people: Splits, tmp_path: Path):
    """The residual of one model makes gold relearn, and the original be scored."""
    peers: dict[str, Evidence] = {}

    def refuse() -> Loaded:
        raise AssertionError("a model was loaded")

    for name in ("original", "unlearned", "gold"):
        peers[name] = Evidence(name, name, people, Renderer(None), tmp_path, refuse, peers=peers)
    plans = {"unlearned": [_plan(Choice(name="relearn_residual"), peers["unlearned"])]}
    assert plans["unlearned"][0].reason is None
    assert _wanted(plans, "original") == ["forget.tokens"]
    assert _wanted(plans, "gold") == [f"forget.{RELEARNED}"]
