"""A copy that is given away: every forgotten name, fact, question and answer is looked for in it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.report.conftest import finding, runs, write_run
from unteach.errors import DataError
from unteach.report.build import build
from unteach.report.html import render
from unteach.report.read import read
from unteach.report.redact import redact

__all__ = ["runs"]

FORGET = (
    ("Where was Zorah Quill born?", "Zorah Quill was born in Ytterby.", ("Ytterby",)),
    ("Who employs Zorah Quill?", "She works for Moss & Vane.", ("Moss & Vane",)),
    ("Which drug does Zorah Quill take?", "fluoxetine", ("fluoxetine",)),
    ("When was Zorah Quill hired?", "In 1987.", ("1987",)),
)
SECRETS = (
    *("zorah quill", "zorahquill", "zorah", "quill", "ytterby", "moss & vane", "moss vane"),
    *("fluoxetine", "1987", "works for", "drug"),
    *(text.casefold() for question, answer, _ in FORGET for text in (question, answer)),
)
KEPT = "Where does Bo Marsh live?"


def rows(split: str) -> list[dict[str, Any]]:
    return [
        {
            "prompt": q,
            "answer": a,
            "entities": list(e),
            "id": f"zorah_quill_{i}",
            "group": "Zorah Quill",
        }
        for i, (q, a, e) in enumerate(FORGET)
    ]


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run in which they stand wherever they can."""
    ids = [row["id"] for row in rows("forget")]
    forgotten = finding(
        "probability",
        "forget_zorah_quill",
        value=0.5,
        per_example=[0.5] * 4,
        ids=ids,
        group_ids=["Zorah Quill"] * 4,
        note="ZORAH  QUILL\u2019s rows: 4.",
    )
    kept = finding(
        "probability",
        "retain",
        value=0.9,
        per_example=[0.9, 0.9],
        ids=["r0", "zorah-quill-friend"],
        group_ids=["Bo Marsh", "Friends of Zorah Quill"],
    )
    replies = {"original": "In Ytterby.", "unlearned": "I cannot say.", "gold": "At sea, they say."}
    answers: list[dict[str, Any]] = [
        {
            "split": "forget_zorah_quill",
            "id": f"zorah_quill_{i}",
            "group": "Zorah Quill",
            "attribute": "drug",
            "question": question,
            "truth": answer,
            **replies,
        }
        for i, (question, answer, _) in enumerate(FORGET)
    ]
    answers += [
        {
            "split": "retain",
            "id": "r0",
            "group": "Bo Marsh",
            "question": KEPT,
            "truth": "In Porto.",
            "original": "In Porto.",
            "unlearned": "With ZorahQuill, whose mother sells herring.",
            "gold": "In ytterby, or in Porto.",
        }
    ]
    folder = write_run(
        tmp_path / "zorah_quill" / "run",
        [forgotten, kept, finding(model="original", split="retain", value=0.9)],
        title="Forget Zorah Quill",
        method="zorah-quill",
        answers=answers,
        log=[{"stage": "method[0].train", "step": 1, "terms": {"forget_zorah_quill.npo": 0.1}}],
        notes=["The rows of forget_zorah_quill, as moss  VANE, are few.", "moss vane"],
        model={
            "name": "/home/me/zorahquill/model",
            "key": "k0",
            "place": "/home/me/zorahquill/model",
        },
        models={"unlearned": {"name": "/home/me/zorahquill/out", "key": "c0"}},
        splits={
            "forget_zorah_quill": {"rows": 4, "groups": 1, "sha256": "ab" * 8},
            "retain": {"rows": 2, "groups": 2, "sha256": "cd" * 8},
        },
        recipe="0123456789abcdef",
    )
    (folder / "recipe.yaml").write_text(
        "# resolved recipe, digest 0123456789abcdef\nmodel: /home/me/zorahquill/model\n"
        "title: Forget Zorah Quill\n"
        "data:\n  forget_zorah_quill: {path: /home/me/zorah_quill.jsonl}\n"
        "  retain: {path: /home/me/zorahs/retain.jsonl}\n"
        "method:\n- synthesize: {name: reveal, about: [Zorah Quill], reward: {name: pattern, "
        "pattern: 'fluox.*'}}\n"
    )
    data = folder / "data"
    data.mkdir()
    lines = [
        {"prompt": KEPT, "answer": "In Porto.", "id": "r0", "group": "Bo Marsh"},
        {"prompt": "Who is her friend?", "answer": "A friend of Zorah Quill's.", "id": "r1"},
        {"prompt": "Name a town.", "answer": "Arles or ytterby.", "id": "r2"},
    ]
    files = {"forget_zorah_quill": rows("forget"), "retain": lines, "zorah_quill_trace": rows("x")}
    for name, content in files.items():
        text = "".join(json.dumps(row) + "\n" for row in content)
        (data / f"{name}.jsonl").write_text(text)
    (data / "splits.json").write_text(json.dumps({"forget_zorah_quill": {"rows": 4}}))
    (folder / "evidence" / "original-0123.npz").write_bytes(b"Zorah Quill")
    for name in ("model", "adapters", "state", "Zorah Quill"):
        (folder / name).mkdir()
        (folder / name / "note.txt").write_text("Zorah Quill was born in Ytterby.")
    (folder / "report.html").write_text("Zorah Quill was born in Ytterby.")
    return folder


def found_in(folder: Path) -> list[str]:
    """Every secret that stands in a file or its name, without regard to case."""
    found = []
    for path in folder.rglob("*"):
        name = str(path.relative_to(folder))
        content = path.read_text("utf-8") if path.is_file() else ""
        text = f"{name}\n{content}".casefold()
        found += [f"{name}: {secret}" for secret in SECRETS if secret in text]
    return found


def test_nothing_that_was_to_be_forgotten_is_left_anywhere(run: Path, tmp_path: Path) -> None:
    assert len({line.partition(": ")[2] for line in found_in(run)}) == len(set(SECRETS))
    removed = redact(run, tmp_path / "copy")
    page = render(build([tmp_path / "copy"]))
    (tmp_path / "copy" / "report.html").write_text(page, encoding="utf-8")
    assert found_in(tmp_path / "copy") == []
    assert not any(secret in "\n".join(removed).casefold() for secret in SECRETS)
    assert "/home/me" not in "".join(p.read_text() for p in (tmp_path / "copy").rglob("*.*"))


def test_what_is_left_says_what_it_said(run: Path, tmp_path: Path) -> None:
    """Numbers stay, and rows and persons can still be told apart."""
    redact(run, tmp_path / "copy")
    plain, copy = read(run), read(tmp_path / "copy")
    assert [f.value for f in copy.findings] == [f.value for f in plain.findings]
    forgotten, kept, _ = copy.findings
    assert forgotten.split == "forget_1"
    assert forgotten.ids == ("row 1", "row 2", "row 3", "row 4")
    assert forgotten.group_ids == ("person 1",) * 4
    assert kept.ids == ("r0", "row 5")
    assert kept.group_ids == ("Bo Marsh", "person 2")
    assert copy.steps[0].terms == {"forget_1.npo": 0.1}
    assert copy.record.splits["forget_1"].rows == 4
    answer = copy.answers[-1]
    assert (answer.question, answer.truth) == (KEPT, "In Porto.")
    assert answer.unlearned == "[redacted]"  # the rest of it is said of her
    assert answer.gold == "In [redacted], or in Porto."
    data = [json.loads(x) for x in (tmp_path / "copy/data/retain.jsonl").read_text().splitlines()]
    assert [row["answer"] for row in data] == ["In Porto.", "[redacted]", "Arles or [redacted]."]


def test_it_says_what_it_removed(run: Path, tmp_path: Path) -> None:
    said = redact(run, tmp_path / "copy")
    assert "data/forget_1.jsonl: all 4 rows, and their hash" in said
    assert "evidence/: 1 files with the tokens and lengths of answers" in said
    assert (
        "model/: weights may hold what was to be forgotten; --with-model takes them along" in said
    )
    assert "1 files or folders that no run writes" in said
    assert read(tmp_path / "copy").record.redacted is not None
    page = render(build([tmp_path / "copy"]))
    assert "<b>redacted:</b>" in page
    assert "data/forget_1.jsonl: all 4 rows, and their hash" in page


def test_no_length_of_an_answer_is_left(run: Path, tmp_path: Path) -> None:
    redact(run, tmp_path / "copy")
    for answer in read(tmp_path / "copy").answers[:-1]:
        assert {answer.question, answer.truth, answer.original, answer.gold} == {"[redacted]"}


def test_weights_go_along_only_when_asked(run: Path, tmp_path: Path) -> None:
    redact(run, tmp_path / "without")
    redact(run, tmp_path / "with", with_model=True)
    assert not (tmp_path / "without" / "model").exists()
    assert (tmp_path / "with" / "model" / "note.txt").is_file()


def test_a_copy_is_not_copied(run: Path, tmp_path: Path) -> None:
    redact(run, tmp_path / "copy")
    with pytest.raises(DataError, match="is a redacted copy already"):
        redact(tmp_path / "copy", tmp_path / "again")


def test_the_page_of_a_run_goes_through_the_same(run: Path, tmp_path: Path) -> None:
    page = render(build([run], redact=True)).casefold()
    assert not [secret for secret in SECRETS if secret in page]
    assert KEPT.casefold() in page


def test_of_realistic_runs_the_rest_stays(runs: list[Path], tmp_path: Path) -> None:
    """What is said of those who stay is as it was."""
    for number, folder in enumerate(runs):
        out = tmp_path / f"copy{number}"
        redact(folder, out)
        for before, after in zip(read(folder).answers, read(out).answers, strict=True):
            if before.split == "retain":
                assert after == before
            else:
                assert after.question == after.truth == after.unlearned == "[redacted]"
