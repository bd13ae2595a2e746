"""`unteach reveal`: bandits side by side at one budget, from a store of replies that they share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.run.conftest import Called, Ground
from tests.run.test_rounds import REVEAL
from unteach.audit.revealed import covered
from unteach.data import jsonl
from unteach.data.examples import Example, read_jsonl
from unteach.errors import OutputError, RecipeError, UnknownNameError
from unteach.model import generate
from unteach.report import reveal as page
from unteach.run.reveal import reveal

BANDITS = ("neural_ucb", "random")


@pytest.fixture(scope="module")
def studied(ground: Ground, shared_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("reveal") / "study"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("UNTEACH_CACHE", str(shared_cache))
        reveal(ground.recipe(method=[{"synthesize": REVEAL}]), out, bandits=BANDITS, seeds=(0, 1))
    return out


def trace(folder: Path) -> list[dict[str, Any]]:
    return jsonl.read(folder / "reveal_trace.jsonl")


def test_every_bandit_and_seed_leaves_its_trace_within_the_budget(studied: Path):
    found = page.from_json((studied / "reveal.json").read_text())
    assert [(s.bandit, s.seed) for s in found.studies] == [
        (bandit, seed) for bandit in BANDITS for seed in (0, 1)
    ]
    for study in found.studies:
        pulls = trace(studied / f"{study.bandit}-{study.seed}")
        assert len(pulls) == len(study.pulls) == len(study.coverage)
        assert 0 < pulls[-1]["spent"] <= REVEAL["budget"]
    assert (studied / "reveal.html").read_text().startswith("<!DOCTYPE html>")


def test_the_sums_are_those_of_the_traces(studied: Path):
    """Mean over seeds of the mean reward a pull, and what it is above random's at the same seed."""
    found = page.from_json((studied / "reveal.json").read_text())
    means = {
        (bandit, seed): np.mean([p["reward"] for p in trace(studied / f"{bandit}-{seed}")])
        for bandit in BANDITS
        for seed in (0, 1)
    }
    sums = {one.bandit: one for one in found.sums}
    for bandit in BANDITS:
        of_seeds = [means[bandit, seed] for seed in (0, 1)]
        number = sums[bandit].reward
        assert number is not None
        assert number.value == pytest.approx(np.mean(of_seeds))
        # Student's, of two seeds: t.975 with one degree is 12.71, times half of their distance
        half = 12.706 * abs(of_seeds[0] - of_seeds[1]) / 2
        assert number.low == pytest.approx(np.mean(of_seeds) - half, abs=1e-4)
        assert number.high == pytest.approx(np.mean(of_seeds) + half, abs=1e-4)
        assert number.n == 2
    beyond = sums["neural_ucb"].beyond_random
    assert beyond is not None
    assert beyond.value == pytest.approx(
        np.mean([means["neural_ucb", s] - means["random", s] for s in (0, 1)])
    )
    assert sums["random"].beyond_random is None


def test_the_rows_are_those_of_the_first_bandit(studied: Path):
    rows = read_jsonl(studied / "revealed.jsonl")
    assert rows
    said = {t["text"] for p in trace(studied / "neural_ucb-0") for t in p["said"]}
    assert {row.answer for row in rows} <= said
    assert len({(row.group, " ".join(row.answer.casefold().split())) for row in rows}) == len(rows)


def test_a_reply_is_drawn_once(
    studied: Path, ground: Ground, cache: Path, monkeypatch: pytest.MonkeyPatch
):
    """Again into the same folder, with the traces gone: everything is read from the store."""
    before = {name: trace(studied / name) for name in ("neural_ucb-0", "random-1")}
    for name in before:
        for file in (studied / name).glob("reveal*"):
            file.unlink()

    def asked(
        model: object, tokenizer: object, prompts: list[object], *rest: object, **how: object
    ):
        assert not prompts, "a reply that was kept was drawn again"
        return []

    monkeypatch.setattr(generate, "continue_texts", asked)
    recipe = ground.recipe(method=[{"synthesize": REVEAL}])
    reveal(recipe, studied, bandits=BANDITS, seeds=(0, 1))
    assert {name: trace(studied / name) for name in before} == before


def test_what_cannot_be_revealed_is_said(ground: Ground, cache: Path, tmp_path: Path):
    with pytest.raises(RecipeError, match="no stage synthesize"):
        reveal(ground.recipe(), tmp_path / "out")
    recipe = ground.recipe(method=[{"synthesize": REVEAL}])
    with pytest.raises(UnknownNameError, match="Did you mean 'linucb'"):
        reveal(recipe, tmp_path / "out", bandits=("lin_ucb",))
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    with pytest.raises(OutputError):
        reveal(recipe, tmp_path / "mine")


def test_the_command_says_what_came_of_it(
    ground: Ground, cache: Path, tmp_path: Path, call: Any, capsys: pytest.CaptureFixture[str]
):
    recipe = ground.write(tmp_path / "r.yaml", method=[{"synthesize": REVEAL}])
    said: Called = call("reveal", str(recipe), "--out", str(tmp_path / "out"), "--quiet")
    assert said.code == 0, said.err
    assert "neural_ucb" in said.out
    assert str(tmp_path / "out" / "reveal.html") in said.out


def test_coverage_by_hand():
    """Two facts about Ada, one about Bo. Turin is said of Ada, the mill in two texts, so not whole;
    Lyon is said, but of Ada. The last fact names nothing: unknown."""
    truth = [
        Example("Where was Ada Byron born?", "In Turin.", entities=("Turin",)),
        Example("Where does Ada Byron work?", "At the Corn mill.", entities=("Corn", "mill")),
        Example("Where does Bo Olin live?", "In Lyon.", entities=("Lyon",)),
        Example("Who is Bo Olin?", "A man."),
    ]
    said = [
        ("Ada Byron", "She was born in turin, I think."),
        ("Ada Byron", "Corn is what she likes, in Lyon."),
        ("ada byron", "A mill."),
    ]
    found = covered(truth, said)
    assert found[:3].tolist() == [1, 0, 0]
    assert np.isnan(found[3])


def test_a_revealed_text_may_hold_any_separator(
    ground: Ground, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """U+0085 and U+2028 end a line for `str.splitlines`, and none in a file of JSON lines."""
    monkeypatch.setattr(generate, "as_text", lambda tokenizer, ids: "a\u0085b\u2028c")
    recipe = ground.recipe(method=[{"synthesize": REVEAL}])
    found = reveal(recipe, tmp_path / "study", bandits=("random",))
    said = [text for pull in trace(tmp_path / "study" / "random-0") for text in pull["said"]]
    assert found.studies[0].pulls
    assert {one["text"] for one in said} == {"a\u0085b\u2028c"}
