"""The synthesis stages by themselves."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.run.conftest import Ground, stage
from unteach.data.examples import read_jsonl
from unteach.errors import DataError, OutputError, RecipeError
from unteach.recipe import Recipe
from unteach.run.progress import Progress
from unteach.run.synthesize import add_splits, write_synthesis

QUIET = Progress(quiet=True)
RELEARN = {"synthesize": {"name": "relearn", "generic": 0.0, "completion": False}}


@pytest.fixture
def recipe(ground: Ground) -> Recipe:
    return ground.recipe(method=[RELEARN])


def test_it_writes_every_split_its_records_and_its_drops(recipe: Recipe, tmp_path: Path):
    about = write_synthesis(recipe, Path(), tmp_path / "out", QUIET)
    assert {p.name for p in (tmp_path / "out").iterdir()} == {
        "forget.jsonl",
        "retain.jsonl",
        "holdout.jsonl",
        "forget_relearn.jsonl",
        "forget_relearn_records.jsonl",
        "forget_relearn_drops.jsonl",
        "splits.json",
    }
    assert json.loads((tmp_path / "out" / "splits.json").read_text()) == about
    for name, facts in about.items():
        assert len(read_jsonl(tmp_path / "out" / f"{name}.jsonl")) == facts["rows"]


def test_what_it_makes_does_not_say_what_must_go(recipe: Recipe, tmp_path: Path):
    write_synthesis(recipe, Path(), tmp_path / "out", QUIET)
    for row in read_jsonl(tmp_path / "out" / "forget_relearn.jsonl"):
        assert "Turin" not in row.answer
        assert "Lyon" not in row.answer


def test_the_seed_decides_what_it_makes(ground: Ground, tmp_path: Path):
    made = [
        write_synthesis(ground.recipe(method=[RELEARN], seed=seed), Path(), tmp_path / name, QUIET)
        for seed, name in ((0, "a"), (0, "b"), (1, "c"))
    ]
    keys = [about["forget_relearn"]["sha256"] for about in made]
    assert keys[0] == keys[1] != keys[2]


def test_no_stage_is_nothing_to_write(ground: Ground, tmp_path: Path):
    with pytest.raises(RecipeError) as refused:
        write_synthesis(ground.recipe(method=[stage()]), Path(), tmp_path / "out", QUIET)
    assert str(refused.value) == (
        "the recipe has no 'synthesize:' stage, so there is nothing to write."
    )
    assert not (tmp_path / "out").exists()


def test_a_folder_with_files_is_left_alone(recipe: Recipe, tmp_path: Path):
    (tmp_path / "forget.jsonl").write_text("mine")
    with pytest.raises(OutputError, match="the folder is not empty"):
        write_synthesis(recipe, Path(), tmp_path, QUIET)
    assert (tmp_path / "forget.jsonl").read_text() == "mine"


def test_the_drops_are_counted_and_said(recipe: Recipe, ground: Ground, tmp_path: Path):
    splits = {"forget": read_jsonl(Path(ground.data["forget"]))}
    chosen = recipe.method[0].synthesize
    assert chosen is not None
    num_drops = add_splits(splits, chosen, 0, tmp_path, QUIET)
    lines = (tmp_path / "forget_relearn_drops.jsonl").read_text().splitlines()
    assert len(lines) == num_drops
    assert set(splits) == {"forget", "forget_relearn"}


def test_nothing_to_forget_is_said_before_anything_is_written(ground: Ground, tmp_path: Path):
    data = {"retain": ground.data["retain"]}
    recipe = ground.recipe(method=[RELEARN], data=data, teach=None)
    with pytest.raises(DataError, match=r"no split is named 'forget', which method\[0\]"):
        write_synthesis(recipe, Path(), tmp_path / "out", QUIET)
    assert not (tmp_path / "out").exists()
