"""What is stopped at an awkward moment goes on or is tidied up; where it cannot, it says why."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from tests.run.conftest import Ground
from tests.run.test_rounds import released
from unteach.errors import DataError, DiskFullError, OutputError
from unteach.model import cache as caches
from unteach.run import teach
from unteach.run.folder import RunFolder, open_run
from unteach.run.pipeline import run
from unteach.run.prepare import prepare
from unteach.run.progress import Progress
from unteach.run.undo import undo

QUICK = [{"name": "probability"}]


class Dying(Progress):
    """A process that is killed after so many steps of teaching; it counts them."""

    def __init__(self, after: int | None = None) -> None:
        super().__init__(quiet=True)
        self.after = after
        self.steps: list[int] = []

    def update(self, what: str, done: int, total: int, detail: str = "") -> None:
        self.steps.append(done)
        if len(self.steps) == self.after:
            raise MemoryError


class TestTeaching:
    def test_a_killed_one_goes_on_to_the_same_weights(
        self, ground: Ground, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ):
        """4 epochs of 6 rows, 3 at once: 8 steps. It dies in the fifth, whose state is not saved."""
        monkeypatch.setattr(teach, "CHECKPOINT_SECONDS", 0)
        ready = prepare(ground.recipe(teach={"epochs": 4, "lr": 0.01, "batch": 3}), Path())
        monkeypatch.setenv("UNTEACH_CACHE", str(tmp_path / "stopped"))
        with pytest.raises(MemoryError):
            teach.original(ready, Dying(after=5))
        later = Dying()
        stopped, _ = teach.original(ready, later)
        assert later.steps == [5, 6, 7, 8]
        monkeypatch.setenv("UNTEACH_CACHE", str(tmp_path / "whole"))
        whole, _ = teach.original(ready, Dying())
        one, other = (load_file(Path(p.path) / "model.safetensors") for p in (stopped, whole))
        assert all(torch.equal(one[name], other[name]) for name in other)
        left = {path.name for path in (tmp_path / "stopped" / "models").iterdir()}
        name = Path(stopped.path).name
        assert left == {name, f"{name}.lock"}


class TestTheFolder:
    def test_killed_before_the_recipe_had_its_name(self, ground: Ground, tmp_path: Path):
        (tmp_path / "run").mkdir()
        (tmp_path / "run" / "recipe.yaml.unfinished").write_text("# resol")
        with open_run(tmp_path / "run", ground.recipe()) as folder:
            assert [path.name for path in folder.path.iterdir()] == ["recipe.yaml"]

    def test_killed_before_it_was_tidy(self, ground: Ground, tmp_path: Path, cache: Path):
        recipe = ground.recipe(audits=QUICK)
        folder = run(recipe, tmp_path / "run")
        left = [folder.state / "method-0.train", folder.path / "model.unfinished"]
        for path in left:
            path.mkdir(parents=True)
        run(recipe, tmp_path / "run")
        assert not folder.state.exists()
        assert not left[1].exists()


class TestTheCache:
    CHOOSE = "et UNTEACH_CACHE to a folder elsewhere"

    def test_a_full_disk_is_its_own(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setenv("UNTEACH_CACHE", str(tmp_path / "cache"))

        def make(folder: Path) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        with pytest.raises(DiskFullError) as full:
            caches.folder("models", "key", make)
        assert str(full.value).startswith(f"{tmp_path / 'cache'}: the disk is full")
        assert f"make room, or s{self.CHOOSE}, and run the same command again" in str(full.value)

    def test_of_evidence_too(
        self, ground: Ground, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
    ):
        def full(*given: object, **also: object) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        recipe = ground.recipe(audits=QUICK, seed=77)
        monkeypatch.setattr(np, "savez_compressed", full)
        with pytest.raises(DiskFullError) as error:
            run(recipe, tmp_path / "run")
        assert str(error.value).startswith(f"{cache}: the disk is full")

    def test_that_cannot_be_written(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
        place = tmp_path / "cache"
        monkeypatch.setenv("UNTEACH_CACHE", str(place))

        def make(folder: Path) -> None:
            raise OSError(errno.EROFS, "Read-only file system", str(place / "models" / "x"))

        with pytest.raises(OutputError) as refused:
            caches.folder("models", "key", make)
        assert str(refused.value) == f"{place}: no permission to write here. S{self.CHOOSE}."

    def test_that_is_a_file(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
        (tmp_path / "cache").write_text("")
        monkeypatch.setenv("UNTEACH_CACHE", str(tmp_path / "cache"))
        with pytest.raises(OutputError) as refused:
            caches.folder("models", "key", lambda folder: None)
        assert str(refused.value) == (
            f"{tmp_path / 'cache'}: this is a file, and the cache is to be a folder. S{self.CHOOSE}."
        )

    def test_a_file_that_is_only_read_is_not_blamed_on_it(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setenv("UNTEACH_CACHE", str(tmp_path / "caches" / "cache"))

        def make(folder: Path) -> None:
            raise OSError(errno.EACCES, "Permission denied", "/elsewhere/model.gguf")

        with pytest.raises(PermissionError):
            caches.folder("models", "key", make)


class TestUndo:
    """The data and the model of the recipe lie beside it, under relative paths."""

    @pytest.fixture
    def rounds(
        self, ground: Ground, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
    ) -> RunFolder:
        home = tmp_path / "home"
        home.mkdir()
        for name, path in ground.data.items():
            shutil.copy(path, home / f"{name}.jsonl")
        shutil.copytree(ground.model, home / "base")
        data = {name: f"{name}.jsonl" for name in ground.data}
        method = released(rounds=1)
        recipe = ground.recipe(data=data, model="./base", method=method, teach=None, audits=QUICK)
        monkeypatch.chdir(home)
        return run(recipe, home / "run", root=home)

    def test_after_the_folder_and_the_user_have_moved(
        self, rounds: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ):
        rounds.path.rename(tmp_path / "moved")
        os.remove(tmp_path / "home" / "forget.jsonl")
        monkeypatch.chdir(tmp_path)
        undo(Path("moved"), [1], Path("undone"))
        found, base = (
            load_file(tmp_path / place / "model.safetensors") for place in ("undone", "home/base")
        )
        assert all(torch.equal(found[name], base[name]) for name in base)

    def test_a_base_that_has_changed_is_noticed(self, rounds: RunFolder, tmp_path: Path):
        weights = tmp_path / "home" / "base" / "model.safetensors"
        weights.write_bytes(weights.read_bytes()[:-4] + b"\0\0\1\0")
        with pytest.raises(
            DataError, match=r"the model \./base is not the one this run began with"
        ):
            undo(rounds.path, [1], tmp_path / "undone")
        assert not (tmp_path / "undone").exists()
