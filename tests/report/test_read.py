import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.report.conftest import finding, write_run
from unteach.errors import DataError, OutputError
from unteach.report.read import Against, read, read_all, resolved


def test_a_run_folder_is_read_whole(runs: list[Path]) -> None:
    run = read(runs[0])
    assert run.record.title == "NPO"
    assert len(run.steps) == 96
    assert len(run.events) == 12
    assert len(run.answers) == 40
    assert run.measured("gold", "probability", "forget") is not None
    assert run.finding("gold", "similarity", "forget") is not None
    assert run.measured("gold", "similarity", "forget") is None


def test_a_folder_that_is_no_run_folder(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"not a run folder, because it has no run\.json"):
        read(tmp_path)
    with pytest.raises(OutputError, match="no such folder"):
        read(tmp_path / "absent")
    with pytest.raises(OutputError, match="at least one"):
        read_all([])


@pytest.mark.parametrize("name", ["findings.json", "recipe.yaml", "log.jsonl"])
def test_a_missing_file_is_named(runs: list[Path], name: str) -> None:
    (runs[0] / name).unlink()
    with pytest.raises(DataError, match=f"{name}: this file is missing"):
        read(runs[0])


def test_log_and_answers_may_be_absent_where_nothing_was_trained(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", [finding()])
    (folder / "log.jsonl").unlink()
    (folder / "evidence" / "answers.jsonl").unlink()
    assert read(folder).steps == ()
    assert read(folder).answers == ()


def _cut(path: Path) -> None:
    path.write_text(path.read_text()[:-20])


def _not_text(path: Path) -> None:
    path.write_bytes(b"\xff\xfe")


@pytest.mark.parametrize(
    ("name", "spoil", "message"),
    [
        ("findings.json", _cut, r"findings\.json: is not JSON at line 1"),
        ("run.json", _not_text, r"run\.json: is not UTF-8"),
        ("log.jsonl", _cut, r"log\.jsonl:108: is not JSON"),
        ("evidence/answers.jsonl", _cut, r"answers\.jsonl:40: is not JSON"),
    ],
)
def test_a_corrupt_file_is_named(
    runs: list[Path], name: str, spoil: Callable[[Path], None], message: str
) -> None:
    spoil(runs[0] / name)
    with pytest.raises(DataError, match=message):
        read(runs[0])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"value": "high"}, r"findings\[0\]\.value: .*'high'"),
        ({"value": None, "available": True}, "value is null although available is true"),
        ({"available": False}, "note is empty although available is false"),
        ({"value": float("nan")}, r"findings\[0\]\.value: .*finite"),
        ({"model": "other"}, r"findings\[0\]\.model"),
        ({"ids": ["a"], "per_example": [0.1, 0.2]}, "ids has 1 items and per_example has 2"),
    ],
)
def test_a_bad_finding_is_named(tmp_path: Path, change: dict[str, object], message: str) -> None:
    folder = write_run(tmp_path / "run", [finding() | change])
    with pytest.raises(DataError, match=message):
        read(folder)


def test_findings_of_a_later_version_are_refused(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", [])
    (folder / "findings.json").write_text(json.dumps({"version": 2, "findings": []}))
    with pytest.raises(DataError, match="is of version 2, and this unteach reads version 1"):
        read(folder)


def test_a_missing_key_of_the_record_is_named(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", [])
    (folder / "run.json").write_text("{}")
    with pytest.raises(DataError, match=r"run\.json: title is missing"):
        read(folder)


def test_a_loss_that_diverged_is_a_gap(tmp_path: Path) -> None:
    log = [
        {"stage": "method[0].train", "step": 1, "loss": float("nan"), "terms": {"a": float("inf")}}
    ]
    step = read(write_run(tmp_path / "run", [], log=log)).steps[0]
    assert step.loss is None
    assert step.terms == {"a": None}


def test_an_interval_end_that_is_not_finite_is_no_interval(tmp_path: Path) -> None:
    row = finding("perplexity", "neutral", value=900.0, low=500.0, high=float("inf"))
    (found,) = read(write_run(tmp_path / "run", [row])).findings
    assert (found.low, found.high, found.upper) == (500.0, None, 900.0)


def test_a_line_separator_inside_an_answer_does_not_split_the_line(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", [])
    row = {"split": "forget", "id": "a", "question": "q", "truth": "one\u2028two"}
    (folder / "evidence" / "answers.jsonl").write_text(json.dumps(row, ensure_ascii=False), "utf-8")
    assert read(folder).answers[0].truth == "one\u2028two"


def test_differences_are_read_and_old_folders_have_none(tmp_path: Path) -> None:
    gold = {"difference": 0.1, "low": 0.0, "high": 0.2, "p": 0.04, "within": 0.2, "reachable": None}
    rows = [finding(against={"gold": gold, "original": None}), finding("rouge")]
    paired, plain = read(write_run(tmp_path / "run", rows)).findings
    assert paired.against == {
        "gold": Against(difference=0.1, low=0.0, high=0.2, p=0.04, within=0.2),
        "original": None,
    }
    assert plain.against == {}


def test_a_difference_that_is_no_number_is_named(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", [finding(against={"gold": {"difference": "much"}})])
    with pytest.raises(DataError, match=r"findings\[0\]\.against\.gold\.difference: .*'much'"):
        read(folder)


def test_the_benchmark_is_read_if_there_is_one(tmp_path: Path) -> None:
    about = {"name": "tofu", "split": "forget10"}
    assert read(write_run(tmp_path / "a", [], benchmark=about)).record.benchmark == about
    assert read(write_run(tmp_path / "b", [])).record.benchmark is None


def test_of_several_findings_the_one_with_default_parameters_is_meant(tmp_path: Path) -> None:
    """`aggregate` is bounded by default: the second, though its parameters are left out."""
    params = [{"split": "forget", "aggregate": "closer_to_1"}, {"split": "forget"}]
    rows = [finding("truth_ratio", value=0.1 + 0.5 * i, params=p) for i, p in enumerate(params)]
    run = read(write_run(tmp_path / "run", rows))
    found = run.finding("unlearned", "truth_ratio", "forget")
    assert found is not None
    assert found.value == 0.6
    exact = run.exactly("unlearned", "truth_ratio", {"aggregate": "closer_to_1"})
    assert exact is not None
    assert exact.value == 0.1
    assert run.exactly("unlearned", "truth_ratio", {"aggregate": "true_better"}) is None


def test_parameters_of_an_unknown_audit_stay_as_they_are() -> None:
    assert resolved("of a plug-in", {"k": (1, 2)}) == {"k": [1, 2]}
    assert resolved("truth_ratio", {"true": "rephrased"}) == {
        "split": "forget",
        "true": "rephrased",
        "aggregate": "bounded",
    }
