"""Several methods on one taught model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.run.conftest import Call, Ground, stage
from unteach import sweep
from unteach.errors import RecipeError, UserError
from unteach.run import compare, teach
from unteach.run.compare import compare_methods, compare_sweep
from unteach.run.pipeline import run
from unteach.run.progress import Progress
from unteach.train.loop import train

QUICK = [{"name": "probability"}]


@pytest.fixture
def recipes(ground: Ground, tmp_path: Path) -> list[str]:
    """Ascent and NPO, as files."""
    npo = {"split": "forget", "objective": "npo"}
    return [
        str(ground.write(tmp_path / "up.yaml", title="Up", audits=QUICK)),
        str(ground.write(tmp_path / "npo.yaml", title="NPO", audits=QUICK, method=[stage(npo)])),
    ]


def test_each_method_has_its_run_and_all_have_one_page(
    recipes: list[str], tmp_path: Path, cache: Path
):
    out = tmp_path / "out"
    made = compare_methods(recipes, out)
    assert [folder.path for folder in made.runs] == [out / "up", out / "npo"]
    assert made.report == out / "report.html"
    page = made.report.read_text()
    assert "Up" in page
    assert "NPO" in page
    assert all(folder.report.is_file() for folder in made.runs)


def test_the_models_are_taught_once(
    recipes: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    taught: list[int] = []

    def counted(*given: Any, **also: Any) -> int:
        taught.append(1)
        return train(*given, **also)

    monkeypatch.setattr(teach, "train", counted)
    made = compare_methods(recipes, tmp_path / "out")
    assert len(taught) == 2  # the original and the gold model
    keys = [folder.read_record()["models"] for folder in made.runs]
    assert keys[0]["original"] == keys[1]["original"]
    assert keys[0]["unlearned"] != keys[1]["unlearned"]


def test_finished_runs_are_not_run_again(
    recipes: list[str], tmp_path: Path, cache: Path, capsys: pytest.CaptureFixture[str]
):
    compare_methods(recipes, tmp_path / "out")
    compare_methods(recipes, tmp_path / "out", progress=Progress())
    said = capsys.readouterr().err.splitlines()
    again = "this run is finished; --overwrite does it again"
    assert [line for line in said if again in line] == [
        f"{tmp_path / 'out' / name}: {again}" for name in ("up", "npo")
    ]
    assert said[0] == "[1/2] Up"


def test_seeds_make_a_run_each(recipes: list[str], tmp_path: Path, cache: Path):
    made = compare_methods(recipes[:1], tmp_path / "out", seeds=[0, 1])
    assert [folder.path.name for folder in made.runs] == ["up-0", "up-1"]
    assert [folder.read_record()["seed"] for folder in made.runs] == [0, 1]


def test_values_of_a_key_make_a_run_each(recipes: list[str], tmp_path: Path, cache: Path):
    made = compare_methods(recipes[:1], tmp_path / "out", vary={"method.0.train.steps": ["1", "2"]})
    assert [folder.path.name for folder in made.runs] == ["up-1", "up-2"]
    assert [folder.log.read_text().count("\n") for folder in made.runs] == [1, 2]
    assert [folder.read_record()["title"] for folder in made.runs] == ["Up, steps 1", "Up, steps 2"]
    page = made.report.read_text()
    assert "What changes with the value" in page
    assert "over method.0.train.steps" in page


def test_a_sweep_keeps_the_title_of_its_page(recipes: list[str], tmp_path: Path, cache: Path):
    vary = {"method.0.train.steps": ["1", "2"]}
    made = compare_methods(recipes[:1], tmp_path / "out", vary=vary, title="How long?")
    assert "<title>How long?" in made.report.read_text()


def test_in_a_chain_each_run_begins_with_the_model_before(
    recipes: list[str], tmp_path: Path, cache: Path
):
    """The second run's original is the first one's unlearned model: not one that is taught."""
    made = compare_methods(
        recipes[:1],
        tmp_path / "out",
        vary={"method.0.train.steps": ["1", "2"]},
        chain=True,
        keep_models=[],
    )
    first, second = (folder.read_record()["models"] for folder in made.runs)
    assert second["original"]["key"] != first["original"]["key"]
    assert "gold" in first
    assert "gold" not in second
    assert second["original"]["name"] == str(made.runs[0].model)


def test_weights_are_kept_of_those_that_are_named(recipes: list[str], tmp_path: Path, cache: Path):
    made = compare_methods(recipes, tmp_path / "out", keep_models=[recipes[1]])
    assert [folder.model.exists() for folder in made.runs] == [False, True]


def test_overrides_change_every_recipe(recipes: list[str], tmp_path: Path, cache: Path):
    made = compare_methods(recipes, tmp_path / "out", overrides=["method.0.train.steps=1"])
    assert [folder.log.read_text().count("\n") for folder in made.runs] == [1, 1]


def test_all_recipes_are_checked_before_the_first_runs(
    recipes: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def refuse(*given: Any, **also: Any) -> None:
        raise AssertionError("a run was started")

    monkeypatch.setattr(compare, "run", refuse)
    with pytest.raises(RecipeError, match="no such file"):
        compare_methods([*recipes, "nope"], tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("finished", [False, True])
def test_redacted_no_page_quotes_what_was_forgotten(
    recipes: list[str], tmp_path: Path, cache: Path, finished: bool
):
    if finished:
        compare_methods(recipes, tmp_path / "out")
    made = compare_methods(recipes, tmp_path / "out", redact=True)
    row = json.loads((made.runs[0].data / "forget.jsonl").read_text().splitlines()[0])
    for page in (made.report, *(folder.report for folder in made.runs)):
        assert row["prompt"] not in page.read_text()
        assert "redacted" in page.read_text()


THREE = """
title: How long?
recipe: up.yaml
set: {seed: 3, method.0.train.optimizer.lr: 0.00005}
runs:
  Two steps: {set: {method.0.train.steps: 2}}
  as it is: {}
  NPO: {recipe: npo.yaml, set: {method.0.train.steps: 1}}
"""
FAILS = THREE.replace(
    "as it is: {}", "as it is: {set: {method.0.train.terms: [{split: nowhere, objective: nll}]}}"
)


@pytest.fixture
def three(recipes: list[str], tmp_path: Path) -> Path:
    """A sweep of three runs, beside its recipes."""
    path = tmp_path / "three.yaml"
    path.write_text(THREE)
    return path


def test_a_sweep_from_its_file_to_its_page(three: Path, tmp_path: Path, cache: Path, call: Call):
    out = tmp_path / "out"
    said = call("compare", "--sweep", three, "--out", out, "--keep", "none", "--quiet")
    assert (said.code, said.err) == (0, "")
    page = (out / "report.html").read_text()
    assert "<title>How long?" in page
    assert "Parts side by side" in page
    names = ["Two steps", "as it is", "NPO"]
    rows = [line.split("  ")[0] for line in said.out.splitlines()[2:7]]
    assert rows == ["original", "gold", *names]
    places = [page.index(f">{name}<") for name in names]
    assert places == sorted(places)
    for folder, title, steps in (
        ("two_steps", names[0], 2),
        ("as_it_is", names[1], 3),
        ("npo", names[2], 1),
    ):
        record = json.loads((out / folder / "run.json").read_text())
        assert (record["title"], record["seed"]) == (title, 3)
        assert (out / folder / "log.jsonl").read_text().count("\n") == steps
        assert not (out / folder / "model").exists()
    logged = json.loads((out / "two_steps" / "log.jsonl").read_text().splitlines()[0])
    assert logged["lr"] == 0.00005


def test_a_sweep_goes_on_where_it_was(
    three: Path, tmp_path: Path, cache: Path, capsys: pytest.CaptureFixture[str]
):
    read = sweep.read(three)
    compare_sweep(sweep.Sweep(read.title, read.runs[:2]), tmp_path / "out")
    made = compare_sweep(read, tmp_path / "out", progress=Progress())
    said = capsys.readouterr().err.splitlines()
    again = [line for line in said if "this run is finished" in line]
    assert [line.split(":")[0] for line in again] == [
        str(tmp_path / "out" / name) for name in ("two_steps", "as_it_is")
    ]
    assert [folder.path.name for folder in made.runs] == ["two_steps", "as_it_is", "npo"]


def test_a_run_of_a_sweep_that_fails_does_not_stop_the_others(
    three: Path, tmp_path: Path, cache: Path, call: Call
):
    three.write_text(FAILS)
    said = call("compare", "--sweep", three, "--out", tmp_path / "out", "--quiet")
    assert said.code == 1
    assert said.err.startswith("as_it_is failed: no split is named 'nowhere'")
    assert {p.name for p in (tmp_path / "out").iterdir() if (p / "report.html").exists()} == {
        "two_steps",
        "npo",
    }
    page = (tmp_path / "out" / "report.html").read_text()
    assert "NPO" in page
    assert '<th scope="row">as_it_is</th><td>no split is named &#39;nowhere&#39;' in page
    said = call("compare", "--sweep", three, "--out", tmp_path / "out", "-q", "--json", "--redact")
    assert json.loads(said.out)["failed"]["as_it_is"].startswith("no split is named 'nowhere'")
    page = (tmp_path / "out" / "report.html").read_text()
    assert "as_it_is" in page
    assert "no split is named" not in page


def test_a_librarys_error_ends_one_run_and_no_other(
    recipes: list[str], tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
):
    """The first of two runs ends in PEFT's own error; done again without it, nothing of it is left."""
    out = tmp_path / "out"

    def first_fails(recipe: Any, path: Path, **also: Any) -> Any:
        if path.name == "up":
            raise ValueError("Target modules not found.\nPlease check them.")
        return run(recipe, path, **also)

    with monkeypatch.context() as patch:
        patch.setattr(compare, "run", first_fails)
        made = compare_methods(recipes, out)
    assert [folder.path.name for folder in made.runs] == ["npo"]
    trace = out / "up.traceback.txt"
    assert made.failed == {
        "up": f"ValueError: Target modules not found. (not foreseen by unteach; {trace} says where)"
    }
    assert "Please check them." in trace.read_text()
    assert "ValueError: Target modules" in made.report.read_text()
    again = compare_methods(recipes, out)
    assert [folder.path.name for folder in again.runs] == ["up", "npo"]
    assert not again.failed
    assert not trace.exists()


def test_if_all_runs_of_a_sweep_fail_the_first_error_is_raised(
    three: Path, tmp_path: Path, cache: Path
):
    three.write_text(FAILS)
    read = sweep.read(three)
    with pytest.raises(UserError, match="no split is named 'nowhere'"):
        compare_sweep(sweep.Sweep("", read.runs[1:2]), tmp_path / "out")


def test_a_sweep_runs_once_a_seed_and_keeps_the_weights_it_is_told_to(
    three: Path, tmp_path: Path, cache: Path
):
    read = sweep.read(three)
    made = compare_sweep(
        sweep.Sweep(read.title, read.runs[:2]),
        tmp_path / "out",
        seeds=[0, 1],
        keep_models=["Two steps"],
    )
    assert [folder.path.name for folder in made.runs] == [
        *("two_steps-0", "two_steps-1"),
        *("as_it_is-0", "as_it_is-1"),
    ]
    assert [folder.read_record()["seed"] for folder in made.runs] == [0, 1, 0, 1]
    assert [folder.model.exists() for folder in made.runs] == [True, True, False, False]
    assert "as it is (seed 1)" in made.report.read_text()


def test_weights_of_no_run_cannot_be_kept(three: Path, tmp_path: Path):
    with pytest.raises(RecipeError) as raised:
        compare_sweep(sweep.read(three), tmp_path / "out", keep_models=["npo", "nop"])
    assert str(raised.value) == (
        "compare: no run of the sweep is named 'nop', whose weights are to be kept. "
        "Runs: Two steps, as it is, NPO."
    )
    assert not (tmp_path / "out").exists()


def test_overrides_come_after_what_a_sweep_sets(
    three: Path, tmp_path: Path, cache: Path, call: Call
):
    said = call(
        *("compare", "--sweep", three, "--out", tmp_path / "out", "--quiet", "--json"),
        *("--set", "method.0.train.steps=1"),
    )
    assert said.code == 0
    for folder in ("two_steps", "as_it_is", "npo"):
        assert (tmp_path / "out" / folder / "log.jsonl").read_text().count("\n") == 1
