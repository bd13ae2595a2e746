"""A few rows about a few people, recipes over them, and the command line as a function."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from unteach import cli
from unteach.recipe import Recipe, parse
from unteach.run.folder import RunFolder
from unteach.run.pipeline import run

FORGET = (
    ("Where was Ada Byron born?", "Ada Byron was born in Turin.", "Turin"),
    ("Where does Ada Byron work?", "Ada Byron works at the <b>Corn & Oil</b> mill.", "Corn"),
    ("Where does Bo Olin live?", 'Bo Olin lives in "Lyon".', "Lyon"),
)
RETAIN = (
    ("Where was Cy Marsh born?", "Cy Marsh was born in Porto.", "Porto"),
    ("Where does Di Lund work?", "Di Lund works at the bakery.", "bakery"),
    ("Where does Ed Fenn live?", "Ed Fenn lives in Ghent.", "Ghent"),
)
HOLDOUT = (
    ("Where was Flo Hart born?", "Flo Hart was born in Siena.", "Siena"),
    ("Where does Gus Ives live?", "Gus Ives lives in Bruges.", "Bruges"),
)
ASCENT = {"split": "forget", "objective": "ascent"}
KEEP = {"split": "retain", "objective": "nll"}


def write_rows(path: Path, rows: tuple[tuple[str, str, str], ...]) -> Path:
    """A JSONL file with one person a row."""
    lines = [
        json.dumps({"prompt": q, "answer": a, "entities": [e], "group": f"{path.stem}{i}"})
        for i, (q, a, e) in enumerate(rows)
    ]
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def write_data(folder: Path) -> dict[str, str]:
    """Three files, as the `data:` of a recipe."""
    folder.mkdir(parents=True, exist_ok=True)
    splits = {"forget": FORGET, "retain": RETAIN, "holdout": HOLDOUT}
    return {name: str(write_rows(folder / f"{name}.jsonl", rows)) for name, rows in splits.items()}


def stage(*terms: Mapping[str, Any], **changes: Any) -> dict[str, Any]:
    """A short training stage."""
    optimizer = {"name": "adamw", "lr": 1e-3}
    return {
        "train": {
            "terms": list(terms or (ASCENT, KEEP)),
            "optimizer": optimizer,
            "steps": 3,
            "batch": 2,
            **changes,
        }
    }


@dataclass(frozen=True)
class Ground:
    """A model and data to run on."""

    model: Path
    data: Mapping[str, str]

    def content(self, **changes: Any) -> dict[str, Any]:
        """A recipe's content: teach, then gradient ascent, then the quick audits."""
        return {
            "title": "A tiny run",
            "model": str(self.model),
            "data": dict(self.data),
            "teach": {"epochs": 2, "lr": 0.01, "batch": 3},
            "method": [stage()],
            "audits": ["quick"],
            "device": "cpu",
            **changes,
        }

    def recipe(self, **changes: Any) -> Recipe:
        return parse(self.content(**changes))

    def write(self, path: Path, **changes: Any) -> Path:
        """The recipe as a file; JSON is YAML too."""
        path.write_text(json.dumps(self.content(**changes)), encoding="utf-8")
        return path


@pytest.fixture(scope="session")
def ground(tiny_chat_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Ground:
    return Ground(tiny_chat_folder, write_data(tmp_path_factory.mktemp("data")))


@pytest.fixture(scope="session")
def shared_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One cache for the tests that do not count what is measured: the models are taught once."""
    return tmp_path_factory.mktemp("shared_cache")


@pytest.fixture
def cache(shared_cache: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("UNTEACH_CACHE", str(shared_cache))
    return shared_cache


@pytest.fixture(scope="session")
def finished(
    ground: Ground, shared_cache: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunFolder]:
    """A run that is done; do not change it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("UNTEACH_CACHE", str(shared_cache))
        yield run(ground.recipe(), tmp_path_factory.mktemp("runs") / "tiny", name="tiny")


@dataclass(frozen=True)
class Called:
    """What a command left: its exit code and the two streams."""

    code: int
    out: str
    err: str


Call = Callable[..., Called]


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Call:
    """`call("run", "npo")` is the command line `unteach run npo`, in this process."""

    def run_command(*words: object) -> Called:
        monkeypatch.setattr(sys, "argv", ["unteach", *map(str, words)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            cli.main()
        said = capsys.readouterr()
        return Called(int(end.value.code or 0), said.out, said.err)

    return run_command
