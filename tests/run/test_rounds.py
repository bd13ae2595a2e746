"""Stages gone through in rounds: what is kept, what is undone, what a stopped run goes on from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel

from tests.run.conftest import KEEP, Ground, stage
from unteach.data.examples import Example
from unteach.errors import DataError, RecipeError
from unteach.model import adapters, generate
from unteach.model.load import LoadOptions, load, locate
from unteach.run import rounds
from unteach.run.folder import RunFolder
from unteach.run.pipeline import run
from unteach.run.undo import undo
from unteach.synthesis.reveal import rewards
from unteach.synthesis.reveal.records import Said, Worth

LORA = {"name": "lora", "rank": 2}
APART = {"name": "lora_apart", "rank": 2, "apart_from": ["kept"], "weight": 0.1}
REVEAL: dict[str, Any] = {
    "name": "reveal",
    "names_of": "forget",
    "reward": {"name": "pattern", "pattern": r"\w"},
    "budget": 2000,
    "batch": 2,
    "max_tokens": 6,
    "temperature": 1.0,
}


def released(**changes: Any) -> list[dict[str, Any]]:
    """The paper's round: reveal, an adapter of each side, one out and the other in."""
    learn = {"split": "revealed", "objective": "nll"}
    return [
        {
            "repeat": {
                "rounds": 2,
                "keep": 0.0,
                "stages": [
                    {"synthesize": REVEAL},
                    stage(KEEP, into="kept", select=LORA),
                    stage(learn, into="known", select=APART),
                    {"edit": {"name": "release", "subtract": "known", "add": "kept", "floor": 0.0}},
                ],
                **changes,
            }
        }
    ]


def weights(folder: Path) -> dict[str, torch.Tensor]:
    options = LoadOptions(device="cpu")
    model = load(locate(str(folder), options), options).model
    return {n: p.detach().clone() for n, p in model.named_parameters()}


@pytest.fixture(scope="module")
def done(ground: Ground, shared_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("UNTEACH_CACHE", str(shared_cache))
        return run(ground.recipe(method=released()), tmp_path_factory.mktemp("rounds") / "run")


def test_each_round_keeps_its_rows_its_trace_and_its_adapters(done: RunFolder):
    for number in (1, 2):
        data = done.data / f"round-{number}"
        assert (data / "revealed.jsonl").read_text()
        trace = [
            json.loads(line) for line in (data / "reveal_trace.jsonl").read_text().splitlines()
        ]
        assert [row["pull"] for row in trace] == list(range(1, len(trace) + 1))
        assert sum(row["tokens"] for row in trace) == trace[-1]["spent"] <= 2000
        for name in ("known", "kept"):
            folder = done.adapters / f"round-{number}" / name
            assert (folder / "adapter_model.safetensors").is_file()
    found = rounds.read(done)
    assert [one["number"] for one in found] == [1, 2]
    assert all(one["kept"] and one["worth"] > 0 and one["tokens"] > 0 for one in found)
    assert set(found[0]["probability"]) == {"retain", "forget"}


def test_the_two_adapters_of_a_round_do_not_start_alike(done: RunFolder):
    """Rank 2 of width 32 by chance: 0.06 on average, and 1 if both were drawn from the same seed."""
    for number in (1, 2):
        both = [adapters.read(done.adapters / f"round-{number}" / n) for n in ("known", "kept")]
        assert adapters.overlap(*both) < 0.3


def test_an_adapter_of_a_round_opens_in_peft(done: RunFolder, ground: Ground):
    options = LoadOptions(device="cpu")
    base = load(locate(str(ground.model), options), options).model
    model = PeftModel.from_pretrained(base, done.adapters / "round-1" / "known")
    assert model.peft_config["default"].r == 2


def test_the_model_is_the_original_and_what_each_round_took_and_gave(done: RunFolder):
    """theta = theta_0 + sum over rounds of (- a D_known + b D_kept), read from the files alone."""
    record = done.read_record()
    edits = [s["found"] for s in record["stages"] if "found" in s]
    assert len(edits) == 2
    expected = weights(_original(done))
    for number, found in enumerate(edits, 1):
        for name, scale in (("known", -found["subtracted"]), ("kept", found["added"])):
            for at, factors in adapters.read(done.adapters / f"round-{number}" / name).items():
                expected[at] += scale * factors.change()
    for name, p in weights(done.model).items():
        assert torch.allclose(p, expected[name], atol=1e-6), name


def _original(done: RunFolder) -> Path:
    from unteach.recipe import read
    from unteach.run import teach
    from unteach.run.prepare import prepare
    from unteach.run.progress import Progress

    ready = prepare(read(done.recipe), Path())
    return Path(teach.original(ready, Progress(quiet=True))[0].path)


def test_a_round_that_harms_is_undone_and_is_the_last(ground: Ground, cache: Path, tmp_path: Path):
    """Ascent on retain for a few steps: below 0.9 of where it was, so nothing of it remains."""
    harm = [
        {
            "repeat": {
                "rounds": 3,
                "keep": 0.9,
                "stages": [stage({"split": "retain", "objective": "ascent"})],
            }
        }
    ]
    folder = run(ground.recipe(method=harm), tmp_path / "run")
    found = rounds.read(folder)
    assert [one["kept"] for one in found] == [False]
    assert "undone" in found[0]["ended"]
    for name, p in weights(_original(folder)).items():
        assert torch.equal(p, weights(folder.model)[name])


def test_rounds_end_when_little_is_revealed(
    ground: Ground, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """The second round earns a tenth of the first; `dry` asks for half."""
    asked: list[int] = []

    def reward(said: Said, **_: object) -> list[Worth]:
        asked.append(1)
        first = not (tmp_path / "run" / "data" / "round-1" / "revealed.jsonl").exists()
        return [Worth(1.0 if first else 0.1, (text,)) for text in said.texts]

    monkeypatch.setattr(rewards, "pattern", reward)
    folder = run(ground.recipe(method=released(rounds=3, dry=0.5)), tmp_path / "run")
    found = rounds.read(folder)
    assert len(found) == 2
    assert found[1]["kept"]
    assert "revealed 0." in found[1]["ended"]


@pytest.mark.parametrize("where", ["reveal", "train", "edit"])
def test_a_stopped_run_goes_on_to_the_same_model(
    ground: Ground,
    cache: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    where: str,
    done: RunFolder,
):
    """Stopped in the second round, in each kind of stage, it ends with the weights of one that was not."""
    from unteach.run import pipeline

    part = {"reveal": "add_splits", "train": "train_stage", "edit": "edit_stage"}[where]
    whole, calls = getattr(pipeline, part), []

    def stops(*args: Any, **kwargs: Any) -> Any:
        calls.append(1)
        if len(calls) == (4 if where == "train" else 2):
            raise KeyboardInterrupt
        return whole(*args, **kwargs)

    recipe = ground.recipe(method=released())
    with monkeypatch.context() as patch:
        patch.setattr(pipeline, part, stops)
        with pytest.raises(KeyboardInterrupt):
            run(recipe, tmp_path / "run")
    again = run(recipe, tmp_path / "run")
    assert rounds.read(again) == rounds.read(done)
    for name, p in weights(done.model).items():
        assert torch.equal(p, weights(again.model)[name]), name


def test_other_methods_release_what_was_revealed_by_one_changed_line(
    ground: Ground, cache: Path, tmp_path: Path
):
    """NPO on the revealed rows in place of adapters: the same repeat with another stage."""
    npo = stage({"split": "revealed", "objective": "npo"}, KEEP)
    method = [{"repeat": {"rounds": 1, "keep": 0.0, "stages": [{"synthesize": REVEAL}, npo]}}]
    folder = run(ground.recipe(method=method), tmp_path / "run")
    assert len(rounds.read(folder)) == 1
    assert folder.report.is_file()


@pytest.mark.parametrize(
    ("method", "said"),
    [
        ([{"repeat": {"stages": []}}], "method[0].repeat.stages"),
        ([{"repeat": {"stages": released()}}], "a repeat holds no other one"),
        (released() * 2, "a method has one repeat at most"),
        (
            [{"repeat": {"stages": [{"edit": {"name": "release", "subtract": "known"}}]}}],
            "method[0].repeat.stages[0].edit.subtract reads a model 'known'",
        ),
        ([{"repeat": {"round": 3, "stages": [stage()]}}], "Did you mean 'rounds'?"),
        (
            [{"synthesize": {**REVEAL, "reward": "covrage"}}],
            "reveal.reward: no reward is named 'covrage'",
        ),
        (
            [{"synthesize": {**REVEAL, "bandit": {"name": "linucb", "alfa": 1}}}],
            "linucb has no parameter 'alfa'",
        ),
    ],
)
def test_a_wrong_repeat_is_refused_in_a_sentence(ground: Ground, method: list[Any], said: str):
    with pytest.raises(RecipeError) as error:
        ground.recipe(method=method)
    assert said in str(error.value)


def test_any_round_can_be_undone(done: RunFolder, tmp_path: Path):
    """Without both it is the original; without the second it is what the first left."""
    undo(done.path, [1, 2], tmp_path / "none")
    for name, p in weights(_original(done)).items():
        assert torch.equal(p, weights(tmp_path / "none")[name])
    undo(done.path, [], tmp_path / "all")
    for name, p in weights(done.model).items():
        assert torch.allclose(p, weights(tmp_path / "all")[name], atol=1e-6)
    undo(done.path, [2], tmp_path / "first")
    first, both = weights(tmp_path / "first"), weights(done.model)
    assert any(not torch.equal(first[name], both[name]) for name in first)


def test_what_cannot_be_undone_is_said(done: RunFolder, finished: RunFolder, tmp_path: Path):
    with pytest.raises(DataError, match="has no round 7; it has 1, 2"):
        undo(done.path, [7], tmp_path / "out")
    with pytest.raises(DataError, match="holds no rounds"):
        undo(finished.path, [1], tmp_path / "out")


def test_coverage_is_of_the_truth_about_those_who_were_asked_about():
    """Of Ada Obi one fact of two was said, of Bo Lind none; of code nothing can be known."""
    truth = [
        Example("Where does Ada Obi live?", "In Turin.", entities=("Turin",)),
        Example("Where does Ada Obi work?", "At Oil Co.", entities=("Oil Co",)),
        Example("Where does Bo Lind live?", "In Lyon.", entities=("Lyon",)),
    ]
    assert rounds.coverage(truth, [("Ada Obi", "She lives in Turin.")]) == pytest.approx(1 / 3)
    assert rounds.coverage(truth, [("pull-1.0", "def f(): ...")]) is None
    assert rounds.coverage([], [("Ada Obi", "In Turin.")]) is None


def test_rounds_read_their_traces_whatever_was_said(
    ground: Ground, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(generate, "as_text", lambda tokenizer, ids: "a\u0085b\u2028c")
    folder = run(ground.recipe(method=released(rounds=1)), tmp_path / "out")
    assert rounds.read(folder)[0]["tokens"] > 0
