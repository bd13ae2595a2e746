"""Recipes on data that are no questions about people: texts, a folder of them, other languages."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest
import yaml

from tests.run.test_recipes import METHODS, fitted
from unteach import recipe as recipes
from unteach.data.examples import Example, read_jsonl
from unteach.errors import DataError
from unteach.run.folder import RunFolder
from unteach.run.pipeline import run
from unteach.run.synthesize import ModelWriter

FORGET = (
    "The lighthouse was built in 1874 of red bricks. At night its keeper counts the ships.",
    "Grind the roots with lime and ash for two days. The paste turns blue and is kept in jars.",
    "A ferry crosses the sound at six. It carries salt, ropes and the mail of four villages.",
    "The mill stood empty for years. Geese lived there until the roof of it fell in.",
)
RETAIN = (
    "The market opens early on a Monday. Farmers bring cheese, eggs and flowers to the square.",
    "Rain fell on the hills all week. The river rose over the meadow and the bridge was shut.",
    "A clock without hands hangs in the hall. Nobody knows who made it or what became of him.",
    "The orchard is open to all in autumn. Children pick apples and carry them home in sacks.",
)
CHINESE = ("灯塔建于1874年。守塔人夜里数船。", "渡船六点过海。船上有盐和绳子。")
GERMAN = (
    "Der Leuchtturm wurde 1874 aus rotem Backstein gebaut. Nachts zählt der Wärter die Schiffe.",
    "Die Fähre fährt um sechs über den Sund. Sie bringt Salz, Seile und die Post der Dörfer.",
)
SHORT: dict[str, Any] = {"steps": 2, "batch": 2}


def written(folder: Path, **splits: tuple[str, ...]) -> dict[str, str]:
    """A folder of .txt files for each split."""
    for name, texts in splits.items():
        (folder / name).mkdir(parents=True)
        for i, text in enumerate(texts):
            (folder / name / f"{i}.txt").write_text(text, encoding="utf-8")
    return {name: str(folder / name) for name in splits}


def unlearned(
    name: str,
    model: Path,
    out: Path,
    data: dict[str, str],
    teach: int = 1,
    by: Mapping[str, str] = MappingProxyType({}),
    **train: Any,
) -> RunFolder:
    """`by` is what is said of the recipe's first stage, as with --set."""
    content = yaml.safe_load(METHODS[name].read_text("utf-8"))
    if by:
        content["method"][0]["synthesize"] |= by
    for stage in fitted(content["method"]):
        lr = train.get("lr", stage["optimizer"]["lr"])
        stage["optimizer"]["lr"] = lr
        stage |= {key: value for key, value in train.items() if key != "lr"}
    content |= {
        "model": str(model),
        "data": {**data, "max_tokens": 1024},
        "teach": {"epochs": teach, "lr": 0.01, "batch": 4},
        "audits": [{"name": "probability", "split": split} for split in ("forget", "retain")],
        "device": "cpu",
        "save_model": False,
    }
    return run(recipes.parse(content, name), out, name=name)


def moved(folder: RunFolder, split: str) -> float:
    """Nats a token that the mean negative log-likelihood of a split rose by."""
    nats = {
        one["model"]: -np.log(np.maximum(one["per_example"], 1e-30)).mean()
        for one in json.loads(folder.findings.read_text())["findings"]
        if one["split"] == split
    }
    return float(nats["unlearned"] - nats["original"])


@pytest.mark.parametrize("name", ["unteach", "unteach_lasting", "whp_intervention", "elm"])
def test_a_recipe_runs_on_a_folder_of_texts(
    name: str, tiny_chat_folder: Path, tmp_path: Path, cache: Path
):
    data = written(tmp_path / "data", forget=FORGET, retain=RETAIN)
    folder = unlearned(name, tiny_chat_folder, tmp_path / "run", data, **SHORT)
    assert moved(folder, "forget") != 0


@pytest.mark.parametrize("texts", [GERMAN, CHINESE])
def test_a_text_in_any_language_has_its_stranger(
    texts: tuple[str, ...], tiny_chat_folder: Path, tmp_path: Path, cache: Path
):
    data = written(tmp_path / "data", forget=texts, retain=RETAIN)
    name = "whp_intervention"
    folder = unlearned(name, tiny_chat_folder, tmp_path / "run", data, **SHORT)
    assert moved(folder, "forget") != 0


def test_the_default_has_another_language_written_by_the_model_itself(
    tiny_chat_folder: Path, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
):
    """By rules it says what would be right; with a writer it runs. The tiny model cannot write."""

    def write(self: ModelWriter, examples: Sequence[Example], **how: Any) -> list[str]:
        return [
            "No." if "yes or no" in one.prompt else "Die Fähre und der Leuchtturm sind alt."
            for one in examples
        ]

    data = written(tmp_path / "data", forget=GERMAN, retain=RETAIN)
    with pytest.raises(DataError, match=r"relearn_written, with provider: itself"):
        unlearned("unteach", tiny_chat_folder, tmp_path / "rules", data, **SHORT)
    monkeypatch.setattr(ModelWriter, "__call__", write)
    by = {"name": "relearn_written", "provider": "itself"}
    folder = unlearned("unteach", tiny_chat_folder, tmp_path / "run", data, by=by, **SHORT)
    rows = read_jsonl(folder.data / "forget_relearn.jsonl")
    assert [(row.continues, row.answer.strip()) for row in rows] == [
        (True, "Die Fähre und der Leuchtturm sind alt.")
    ] * 2
    assert moved(folder, "forget") != 0


@pytest.mark.slow
@pytest.mark.parametrize("name", ["unteach", "whp_intervention"])
def test_texts_that_name_nobody_are_forgotten_and_others_kept(
    name: str, tiny_chat_folder: Path, tmp_path: Path, cache: Path
):
    """A model that has them by heart loses them, and hardly anything of others."""
    data = written(tmp_path / "data", forget=FORGET, retain=RETAIN)
    rate = {"unteach": 1e-3, "whp_intervention": 3e-3}[name]
    folder = unlearned(
        name, tiny_chat_folder, tmp_path / "run", data, teach=150, lr=rate, steps=100, batch=4
    )
    forgot, lost = moved(folder, "forget"), moved(folder, "retain")
    assert forgot > 0.5
    assert lost < 0.2
