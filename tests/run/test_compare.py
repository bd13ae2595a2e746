"""Several methods on one taught model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.run.conftest import Ground, stage
from unteach.errors import RecipeError
from unteach.run import compare, teach
from unteach.run.compare import compare_methods
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
