"""Every shipped recipe runs from beginning to end on a tiny model and a world of six people."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from unteach import recipe as recipes
from unteach.run.pipeline import run

METHODS = {name: path for name, path in recipes.shipped().items() if recipes.read(name).method}
WORLD = {"name": "world", "people": 6, "attributes": 2, "forget": 0.34, "brief": True}
SUITS_TWO_BLOCKS: dict[str, dict[str, Any]] = {
    "memflex": {"cosine": 1.0, "magnitude": 0.0},
}


def small(content: dict[str, Any], model: Path) -> dict[str, Any]:
    """The recipe with two steps a stage, on the tiny model."""
    for train in fitted(content["method"]):
        train |= {"steps": 2, "batch": 2}
    data = {"benchmark": {**WORLD, "facts": 4, "texts": 2}, "max_tokens": 1024}
    return content | {
        "model": str(model),
        "data": data,
        "teach": {"epochs": 1, "lr": 0.01, "batch": 4},
        "audits": [{"name": "probability"}],
        "device": "cpu",
        "save_model": False,
    }


def fitted(method: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Every training stage, without its epochs; what a model of two blocks calls for is changed in all."""
    for stage in method:
        if repeat := stage.get("repeat"):
            repeat["keep"] = 0.0
            yield from fitted(repeat["stages"])
        made, edit = stage.get("synthesize"), stage.get("edit")
        if isinstance(made, dict) and made["name"] == "reveal":
            # a tiny model says nothing of worth: here every letter is
            reward = {"name": "pattern", "pattern": r"\w"}
            made |= {"reward": reward, "budget": 2000, "batch": 2, "max_tokens": 6}
        if isinstance(edit, dict) and edit["name"] == "release":
            edit["floor"] = 0.0
        if train := stage.get("train"):
            train.pop("epochs", None)
            select = train.get("select")
            if isinstance(select, dict):
                select |= SUITS_TWO_BLOCKS.get(select["name"], {})
            yield train


def test_a_recipe_as_published_names_one_that_serves():
    instead = {name: recipes.read(name).as_published for name in METHODS}
    for name, other in instead.items():
        assert not other or instead[other] == "", f"{name}: {other} is as published itself"


@pytest.mark.parametrize("name", METHODS)
def test_a_shipped_recipe_runs(name: str, tiny_chat_folder: Path, tmp_path: Path, cache: Path):
    content = small(yaml.safe_load(METHODS[name].read_text("utf-8")), tiny_chat_folder)
    folder = run(recipes.parse(content, name), tmp_path / "run", name=name)
    findings = json.loads(folder.findings.read_text())["findings"]
    values = {one["model"]: one["value"] for one in findings}
    assert values.keys() == {"original", "unlearned", "gold"}
    assert 0 <= values["unlearned"] <= 1
    found = [s["found"] for s in folder.read_record()["stages"] if s.get("found")]
    # a release that finds no scale at which less is left changes nothing, nor is anything left of what
    # is mixed with the whole of the original
    left = [one["subtracted"] if "subtracted" in one else 1 - one["share"] for one in found]
    assert (values["unlearned"] != values["original"]) == (not left or any(left))
