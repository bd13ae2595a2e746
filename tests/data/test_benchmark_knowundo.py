from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from unteach import registry
from unteach.data import checks, sources
from unteach.data.benchmarks.knowundo import _names, knowundo
from unteach.errors import DataError
from unteach.recipe import Source

DATA = Path(__file__).parents[3] / "shared" / "data"
FILES = ("unlearn_train", "retention_train", "unlearn_val", "retention_val")
real = pytest.mark.skipif(
    not (DATA / "knowundo_privacy").is_dir(), reason="KnowUnDo's files are not beside this checkout"
)

QUESTIONS: Mapping[str, Sequence[str]] = {
    "unlearn_train": ("Where does Ada Byron live?", "What is Cleo Al-Farsi's e-mail address?"),
    "retention_train": ("What did Ada Byron write?", "Who reads poems?"),
    "unlearn_val": ("Is 3 Quantum Quay the home of Cleo Al-Farsi?", "Who is Old King Cole?"),
    "retention_val": ("Which prize did Ada Byron win?",),
}


def rows(file: str) -> list[dict[str, str]]:
    return [{"text": q, "labels": f"Answer to {q}"} for q in QUESTIONS[file]]


def write(folder: Path) -> None:
    folder.mkdir(parents=True)
    for file in FILES:
        (folder / f"{file}.json").write_text(json.dumps(rows(file)), encoding="utf-8")


def prompts(splits: Mapping[str, Sequence[Any]]) -> dict[str, list[str]]:
    return {name: [e.prompt for e in examples] for name, examples in splits.items()}


EXPECTED = {
    "forget": list(QUESTIONS["unlearn_train"]),
    "retain": list(QUESTIONS["retention_train"]),
    "forget_val": list(QUESTIONS["unlearn_val"]),
    "retain_val": list(QUESTIONS["retention_val"]),
}


@pytest.mark.parametrize("place", ["knowundo_privacy", "knowundo/privacy"])
def test_both_local_layouts(place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    write(tmp_path / place)
    monkeypatch.setenv("UNTEACH_DATA", str(tmp_path))
    assert prompts(knowundo()) == EXPECTED


@pytest.mark.parametrize("place", ["", "copyright"])
def test_a_folder_of_the_recipe(place: str, tmp_path: Path):
    write(tmp_path / "mine" / place)
    assert prompts(knowundo(part="copyright", folder=str(tmp_path / "mine"))) == EXPECTED


def test_the_hub_has_one_row_a_split(monkeypatch: pytest.MonkeyPatch):
    def one_row(source: Source) -> list[tuple[str, Mapping[str, Any]]]:
        assert source.path == "hf:zjunlp/KnowUnDo/copyright"
        cells = {side: rows(f"{source.split}_{side}") for side in ("train", "val")}
        return [(f"{source.path}[0]", cells)]

    monkeypatch.delenv("UNTEACH_DATA", raising=False)
    monkeypatch.setattr(sources, "rows", one_row)
    splits = knowundo(part="copyright")
    assert prompts(splits) == EXPECTED
    assert splits["forget"][1].where == "hf:zjunlp/KnowUnDo/copyright[0].train[1]"


def test_what_the_hub_row_must_hold(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("UNTEACH_DATA", raising=False)
    monkeypatch.setattr(sources, "rows", lambda _: [("there[0]", {"train": "text", "val": []})])
    with pytest.raises(DataError, match=r"there\[0\]: 'train' must be a list of objects"):
        knowundo()


def test_a_missing_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    write(tmp_path / "knowundo_privacy")
    (tmp_path / "knowundo_privacy" / "unlearn_val.json").unlink()
    monkeypatch.setenv("UNTEACH_DATA", str(tmp_path))
    with pytest.raises(DataError, match="no file 'privacy/unlearn_val'"):
        knowundo()


@pytest.mark.parametrize(
    ("question", "names"),
    [
        ("Who are Ada Byron's parents?", ["Ada Byron"]),
        ("Who are Ada Byron\u2019s parents?", ["Ada Byron"]),
        ("How are Hafsa Al Mansouri's Arabian Nights told?", ["Hafsa Al Mansouri", "Arabian Nights"]),
        ("Where does Michael O'Connor live?", ["Michael O'Connor"]),
        ("Is Fatoumata B\u00e2 a friend of \u015eule Y\u0131lmaz?", ["Fatoumata B\u00e2", "\u015eule Y\u0131lmaz"]),
        ("Has Ada Byron, of London, any pupils?", ["Ada Byron"]),
        ("Did London inspire anybody?", []),
        ("What did she write?", []),
    ],
)  # fmt: skip
def test_names(question: str, names: list[str]):
    assert _names(question) == names


def test_groups(tmp_path: Path):
    """Of two names the one in more questions wins; a name said once, or none, is no group."""
    write(tmp_path / "all")
    splits = knowundo(folder=str(tmp_path / "all"))
    assert [e.group for e in splits["forget"]] == ["Ada Byron", "Cleo Al-Farsi"]
    assert [e.group for e in splits["retain"]] == ["Ada Byron", "retain-1"]
    assert [e.group for e in splits["forget_val"]] == ["Cleo Al-Farsi", "forget_val-1"]
    assert [e.group for e in splits["retain_val"]] == ["Ada Byron"]


def test_the_scorecard():
    facts = registry.find("benchmark", "knowundo").facts
    card = (*facts["official"], *facts["ours"])
    names = [name for name, _, _ in card]
    assert len(names) == len(set(names))
    assert {params["split"] for _, _, params in card} == {"forget_val", "retain_val"}
    by_paper = [audit for _, audit, params in card if params.get("rule") == "paper"]
    assert by_paper == ["kfr", "krr"]


@real
def test_the_real_data(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("UNTEACH_DATA", str(DATA))
    splits = knowundo()
    counts = {name: len(examples) for name, examples in splits.items()}
    assert counts == {"forget": 400, "retain": 441, "forget_val": 110, "retain_val": 108}
    report = checks.check(splits, {})
    assert report.problems == report.warnings == ()


@real
def test_real_rows_are_those_that_models_are_taught(monkeypatch: pytest.MonkeyPatch):
    """full.json holds the same 1,059 pairs once the typo is put right."""
    monkeypatch.setenv("UNTEACH_DATA", str(DATA))
    full = json.loads((DATA / "knowundo_privacy" / "full.json").read_text(encoding="utf-8"))
    pairs = [(e.prompt, e.answer) for examples in knowundo().values() for e in examples]
    assert sorted(pairs) == sorted((row["text"], row["labels"]) for row in full)


@real
def test_real_groups_are_people(monkeypatch: pytest.MonkeyPatch):
    """55 people with 15 to 20 questions each, and one question that names a street alone."""
    monkeypatch.setenv("UNTEACH_DATA", str(DATA))
    sizes = Counter(e.group for examples in knowundo().values() for e in examples)
    assert sum(sizes.values()) == 1059
    assert sizes.pop("Baker St") == 1
    assert len(sizes) == 55
    assert min(sizes.values()) == 15
    assert max(sizes.values()) <= 20
