"""`unteach explain` on tiny runs: one page and one file of numbers, and what it refuses."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from tests.run.conftest import FORGET, RETAIN, Call, Ground, stage
from unteach.errors import DataError
from unteach.model.load import LoadOptions, load, locate, save
from unteach.report.explain import Explained, figures, render
from unteach.run.explain import explain
from unteach.run.folder import RunFolder
from unteach.run.pipeline import audit, run

MEASURES = {
    *("probability", "rank", "margin", "entropy", "seesaw", "specific"),
    *("lens_probability", "lens_specific", "lens_kl", "lens_first"),
    *("attention_prompt", "attention_answer", "cosine", "cka"),
}


@pytest.fixture(scope="module")
def second(
    ground: Ground, shared_cache: Path, tmp_path_factory: pytest.TempPathFactory
) -> RunFolder:
    """Another method on the same original: ascent that goes far."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("UNTEACH_CACHE", str(shared_cache))
        terms: dict[str, Any] = {"split": "forget", "objective": "ascent"}
        method = [stage(terms, optimizer={"name": "adamw", "lr": 1e-2}, steps=12)]
        folder = tmp_path_factory.mktemp("runs") / "far"
        return run(ground.recipe(method=method), folder, name="far")


@pytest.fixture
def explained(finished: RunFolder, second: RunFolder, cache: Path, tmp_path: Path) -> Explained:
    explain([finished.path, second.path], tmp_path)
    text = (tmp_path / "explain.json").read_text(encoding="utf-8")
    return TypeAdapter(Explained).validate_json(text)


def total(found: Explained, measure: str, split: str, model: str) -> float:
    (curve,) = (c for c in found.curves if (c.measure, c.split, c.model) == (measure, split, model))
    assert curve.overall is not None
    assert curve.overall.value is not None
    return curve.overall.value


def test_every_measure_of_every_model(explained: Explained):
    labels = [model.label for model in explained.models]
    assert labels == ["original", "gold", "tiny", "far"]
    assert explained.missing == []
    assert {c.measure for c in explained.curves} == MEASURES
    about = explained.splits["forget"]
    assert (about.rows, about.of, about.groups, about.subjects) == (3, 3, 3, 3)
    for measure in MEASURES:
        for split in ("forget", "retain"):
            own = [c.model for c in explained.curves if (c.measure, c.split) == (measure, split)]
            assert own == (labels[1:] if measure in ("cosine", "cka") else labels), measure
    for curve in explained.curves:
        for value in curve.values:
            if value.low is not None and value.value is not None and value.high is not None:
                assert value.low <= value.value + 1e-9, (curve.measure, curve.model)
                assert value.value <= value.high + 1e-9, (curve.measure, curve.model)
    assert {w.model for w in explained.weights} == {"gold", "tiny", "far"}


def test_ascent_that_goes_far_shows_in_every_measure(explained: Explained):
    """It pushes the true tokens away, off the original's first choices, by moving more weights."""
    for measure in ("probability", "seesaw"):
        assert total(explained, measure, "forget", "far") < total(
            explained, measure, "forget", "tiny"
        )

    def moved(model: str) -> float:
        return max(w.change or 0 for w in explained.weights if w.model == model)

    assert moved("far") > moved("tiny") > 0


def test_the_page_has_a_figure_a_question_with_two_sentences(explained: Explained):
    text = render(explained)
    shown = figures(explained)
    names = ["next", "lens", "attention", "weights", "states"]
    assert [figure.name for figure in shown] == names
    for figure in shown:
        assert figure.see.endswith(".")
        assert figure.means.endswith(".")
        assert "not measured" not in figure.see
    assert text.count("<b>To see:</b>") == 5
    # next 5, lens 4, attention 2, states 2 on two splits; seven matrices and the norms
    assert text.count('<svg class="chart"') == 2 * (5 + 4 + 2 + 2) + 8
    for title in (
        "answer tokens of the forget set",
        "answer tokens of the retain set",
        "outside the blocks",
    ):
        assert f"{title}</caption>" in text
    assert render(explained) == text


def test_neither_page_nor_numbers_hold_a_text(
    finished: RunFolder, second: RunFolder, cache: Path, tmp_path: Path
):
    explain([finished.path, second.path], tmp_path)
    for name in ("explain.html", "explain.json"):
        text = (tmp_path / name).read_text(encoding="utf-8")
        for question, answer, entity in (*FORGET, *RETAIN):
            for part in (question, answer, entity):
                assert not re.search(rf"\b{re.escape(part)}\b", text), (name, part)


def test_a_label_cannot_write_into_the_page(explained: Explained):
    text = TypeAdapter(Explained).dump_json(explained).decode()
    evil = TypeAdapter(Explained).validate_json(text.replace('"tiny"', '"<b>x</b>"'))
    assert "<b>x</b>" not in render(evil)
    assert "&lt;b&gt;x" in render(evil)


def test_the_command(finished: RunFolder, cache: Path, tmp_path: Path, call: Call):
    said = call("explain", finished.path, "--out", tmp_path / "x", "--rows", 2, "--json")
    assert said.code == 0, said.err
    paths = json.loads(said.out)
    assert Path(paths["page"]).read_text().startswith("<!DOCTYPE html>")
    numbers = json.loads(Path(paths["numbers"]).read_text())
    assert numbers["splits"]["forget"]["rows"] == 2


def test_the_command_says_on_stderr_what_it_does(
    finished: RunFolder, cache: Path, tmp_path: Path, call: Call
):
    loud = call("explain", finished.path, "--out", tmp_path)
    assert "look inside original" in loud.err
    assert "look inside tiny" in loud.err
    assert call("explain", finished.path, "--out", tmp_path, "--quiet").err == ""


def test_a_run_without_its_model_is_one_sentence(
    finished: RunFolder, cache: Path, tmp_path: Path, call: Call
):
    bare = tmp_path / "bare"
    shutil.copytree(finished.path, bare, ignore=shutil.ignore_patterns("model"))
    said = call("explain", bare, "--out", tmp_path / "x")
    assert said.code == 2
    assert "the run kept no model" in said.err
    assert "save_model=true" in said.err
    assert not (tmp_path / "x").exists()


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path, call: Call):
    said = call("explain", tmp_path)
    assert said.code == 2
    assert "this is no finished run" in said.err


def test_runs_of_other_originals_are_not_compared(
    finished: RunFolder, ground: Ground, cache: Path, tmp_path: Path
):
    other = run(ground.recipe(seed=1), tmp_path / "other", name="tiny")
    with pytest.raises(DataError, match="differ in their original model, so"):
        explain([finished.path, other.path], tmp_path / "x")


def test_two_runs_of_one_method_are_named_by_their_folders(
    finished: RunFolder, cache: Path, tmp_path: Path
):
    again = tmp_path / "again"
    shutil.copytree(finished.path, again)
    explain([finished.path, again], tmp_path / "x", rows=1)
    numbers = json.loads((tmp_path / "x" / "explain.json").read_text())
    labels = [model["label"] for model in numbers["models"]]
    assert labels == ["original", "gold", finished.path.name, "again"]


def test_an_audited_model_is_read_where_it_lies(
    ground: Ground, finished: RunFolder, cache: Path, tmp_path: Path
):
    theirs = tmp_path / "theirs"
    shutil.copytree(finished.model, theirs)
    folder = audit(ground.recipe(method=[]), str(theirs), tmp_path / "audit")
    explain([folder.path], tmp_path / "x", rows=1)
    numbers = json.loads((tmp_path / "x" / "explain.json").read_text())
    assert [m["label"] for m in numbers["models"]] == ["original", "gold", "theirs"]
    shutil.rmtree(theirs)
    options = LoadOptions(device="cpu")
    other = load(locate(str(ground.model), options), options)
    save(other.model, other.tokenizer, theirs)
    with pytest.raises(DataError, match="no longer the one that was audited"):
        explain([folder.path], tmp_path / "x", rows=1)
