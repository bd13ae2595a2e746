"""What was changed after a run finished is noticed when its report is written, and said on the page."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.report.conftest import finding, write_run
from unteach.errors import DataError
from unteach.report.build import build
from unteach.report.html import render
from unteach.report.integrity import seal
from unteach.report.read import read

ANSWERS = [
    {"split": "retain", "id": f"r{i}", "question": f"Question {i}?", "truth": "Yes."}
    for i in range(2)
]
UNSEALED = "This run holds no hashes of its files"


def sealed(folder: Path) -> Path:
    record = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps(record | {"sealed": seal(folder, record)}))
    return folder


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A finished run with one file of everything."""
    folder = write_run(
        tmp_path / "run",
        [finding(model=m) for m in ("original", "unlearned")],
        answers=ANSWERS,
        models={"unlearned": {"key": "c0"}},
    )
    for name in ("data/retain.jsonl", "evidence/original-01.npz", "model/model.safetensors"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(name)
    return sealed(folder)


def edit(folder: Path, name: str, change: Callable[[Any], None]) -> None:
    content = json.loads((folder / name).read_text())
    change(content)
    (folder / name).write_text(json.dumps(content))


def test_a_run_that_is_as_it_was_says_nothing(run: Path) -> None:
    assert read(run).changed == ()
    page = render(build([run]))
    assert 'class="changed"' not in page
    assert UNSEALED not in page


@pytest.mark.parametrize(
    "name",
    [
        *("recipe.yaml", "log.jsonl", "evidence/answers.jsonl", "evidence/original-01.npz"),
        *("data/retain.jsonl", "model/model.safetensors"),
    ],
)
def test_a_changed_file_is_named_on_the_page(run: Path, name: str) -> None:
    (run / name).write_text("\n")
    said = f"These files were changed after the run finished: {name}."
    assert f'<p class="changed"><b>{said}</b></p>' in render(build([run]))


def test_a_file_that_is_gone_and_one_that_came_are_named(run: Path) -> None:
    (run / "evidence" / "original-01.npz").unlink()
    (run / "model" / "model.safetensors").unlink()
    (run / "model").rmdir()
    (run / "rounds.json").write_text("[]")
    assert build([run]).changed == (
        "These files were changed after the run finished: rounds.json.",
        "These files of the finished run are gone: evidence/original-01.npz.",
        "These files of the finished run are gone: model/.",
    )


def test_edited_findings_are_refused(run: Path) -> None:
    edit(run, "findings.json", lambda content: content["findings"][1].update(value=0.51))
    with pytest.raises(DataError, match=r"findings\.json: was changed after the run finished"):
        read(run)


def test_emptied_findings_are_refused(run: Path) -> None:
    edit(run, "findings.json", lambda content: content.update(findings=[]))
    with pytest.raises(DataError, match=r"findings\.json: was changed after the run finished"):
        read(run)


def test_a_changed_key_of_a_model_is_refused(run: Path) -> None:
    edit(run, "run.json", lambda content: content["models"]["unlearned"].update(key="c1"))
    with pytest.raises(
        DataError, match="what it says of the run's models, data and seed was changed"
    ):
        read(run)


def test_what_else_was_changed_in_the_record_is_said(run: Path) -> None:
    edit(run, "run.json", lambda content: content.update(notes=["All is well."]))
    assert read(run).changed == ("These files were changed after the run finished: run.json.",)


def test_a_run_without_hashes_is_rendered_and_says_so(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", [finding(model=m) for m in ("original", "unlearned")])
    assert read(folder).changed == ()
    assert UNSEALED in render(build([folder]))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"value": 1.7}, "value is 1.7, and probability lies between 0 and 1"),
        ({"value": -0.1}, "value is -0.1, and probability lies between 0 and 1"),
        ({"low": 0.6, "high": 0.5}, "low is 0.6, above high, which is 0.5"),
        (
            {"against": {"gold": {"difference": 0.1, "low": 0.2, "high": 0.1}}},
            "low is 0.2, above high",
        ),
        (
            {"against": {"gold": {"difference": 0.1, "p": 1.5}}},
            "p is 1.5, and a p-value lies between",
        ),
    ],
)
def test_a_number_that_cannot_be_is_refused(tmp_path: Path, changes: Any, said: str) -> None:
    folder = write_run(tmp_path / "run", [finding(**changes)])
    with pytest.raises(DataError) as refused:
        read(folder)
    assert said in str(refused.value)
    assert "findings[0]" in str(refused.value)


@pytest.mark.parametrize(
    ("audit", "value"), [("perplexity", 48211.0), ("privleak", -99.5), ("similarity", -0.3)]
)
def test_a_number_on_another_scale_is_not(tmp_path: Path, audit: str, value: float) -> None:
    folder = write_run(tmp_path / "run", [finding(audit, value=value)])
    assert read(folder).findings[0].value == value


def test_answers_of_one_id_are_not_shown(tmp_path: Path) -> None:
    """The reply of one row would stand under the question of the other."""
    folder = write_run(tmp_path / "run", [finding()], answers=[*ANSWERS, ANSWERS[0]])
    found = read(folder)
    assert [answer.id for answer in found.answers] == ["r1"]
    assert found.changed == (
        "These ids stand twice in evidence/answers.jsonl, so their answers are not shown: r0 of retain.",
    )
