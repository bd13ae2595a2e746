"""Who may write where, and that what is written is whole."""

from __future__ import annotations

import errno
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors import SafetensorError

from tests.run.conftest import Ground
from unteach.errors import DiskFullError, ModelError, OutputError
from unteach.model import disk
from unteach.model.disk import free_bytes, whole_disk
from unteach.run import folder as folders
from unteach.run.folder import (
    RunFolder,
    open_run,
    peak_memory,
    require_new,
    require_space,
    write_text,
)

HOLD = """
import sys
from filelock import FileLock
with FileLock(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.read()
"""


def sentence(error: pytest.ExceptionInfo[OutputError]) -> str:
    return str(error.value)


class TestOpening:
    def test_a_new_folder_gets_the_resolved_recipe(self, ground: Ground, tmp_path: Path):
        recipe = ground.recipe()
        with open_run(tmp_path / "a" / "run", recipe) as folder:
            first, *rest = folder.recipe.read_text().split("\n")
        assert first == f"# resolved recipe, digest {recipe.digest()}"
        assert "\n".join(rest) == recipe.to_yaml()

    def test_the_same_recipe_opens_it_again(self, ground: Ground, tmp_path: Path):
        with open_run(tmp_path / "run", ground.recipe()) as folder:
            folder.write_record(half="done")
        with open_run(tmp_path / "run", ground.recipe()) as folder:
            assert folder.read_record() == {"half": "done"}

    def test_an_empty_folder_is_a_new_one(self, ground: Ground, tmp_path: Path):
        (tmp_path / "run").mkdir()
        with open_run(tmp_path / "run", ground.recipe()) as folder:
            assert folder.recipe.is_file()

    def test_a_recipe_alone_is_a_run_that_never_began(self, ground: Ground, tmp_path: Path):
        """Its data were refused, say; the mended recipe goes into the same folder."""
        with open_run(tmp_path / "run", ground.recipe()):
            pass
        mended = ground.recipe(seed=1)
        with open_run(tmp_path / "run", mended) as folder:
            assert mended.digest() in folder.recipe.read_text()

    def test_another_recipe_is_refused(self, ground: Ground, tmp_path: Path):
        with open_run(tmp_path / "run", ground.recipe()) as folder:
            folder.write_record(half="done")
        with (
            pytest.raises(OutputError) as refused,
            open_run(tmp_path / "run", ground.recipe(seed=1)),
        ):
            pass
        assert sentence(refused) == (
            f"{tmp_path / 'run'}: the folder holds the run of another recipe. "
            "Choose another --out, or give --overwrite to replace it."
        )

    def test_other_files_are_refused(self, ground: Ground, tmp_path: Path):
        (tmp_path / "thesis.tex").write_text("years")
        with pytest.raises(OutputError) as refused, open_run(tmp_path, ground.recipe()):
            pass
        assert sentence(refused) == (
            f"{tmp_path}: the folder holds files that are not a run. Choose another --out."
        )

    def test_overwrite_removes_a_run_and_nothing_else(self, ground: Ground, tmp_path: Path):
        out = tmp_path / "run"
        with open_run(out, ground.recipe()) as folder:
            folder.write_record(done=True)
            write_text(folder.model / "config.json", "{}")
            write_text(folder.state / "step.json", "{}")
            write_text(out / "notes" / "mine.txt", "mine")
        with open_run(out, ground.recipe(seed=1), overwrite=True):
            left = {str(p.relative_to(out)) for p in out.rglob("*") if p.is_file()}
        assert left == {"recipe.yaml", "notes/mine.txt"}

    @pytest.mark.parametrize("place", ["file", "file/run", "file/runs/run"])
    def test_a_file_is_no_folder(self, ground: Ground, tmp_path: Path, place: str):
        (tmp_path / "file").write_text("")
        with pytest.raises(OutputError) as refused, open_run(tmp_path / place, ground.recipe()):
            pass
        assert sentence(refused) == (
            f"{tmp_path / 'file'}: this is a file. Choose a folder as --out."
        )

    def test_the_folder_one_is_in_will_do(
        self, ground: Ground, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ):
        (tmp_path / "here").mkdir()
        monkeypatch.chdir(tmp_path / "here")
        with open_run(Path(), ground.recipe()):
            assert (tmp_path / "here" / "recipe.yaml").is_file()


class TestTheLock:
    def test_two_processes_do_not_share_a_folder(self, ground: Ground, tmp_path: Path):
        lock = tmp_path / ".run.lock"
        with subprocess.Popen(
            [sys.executable, "-c", HOLD, str(lock)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as other:
            assert other.stdout is not None
            assert other.stdout.readline() == "held\n"
            with (
                pytest.raises(OutputError) as refused,
                open_run(tmp_path / "run", ground.recipe()),
            ):
                pass
            other.communicate("")
        assert sentence(refused) == (
            f"{tmp_path / 'run'}: another unteach process is writing to this folder. "
            "Wait for it, or choose another --out."
        )
        assert not (tmp_path / "run").exists()
        with open_run(tmp_path / "run", ground.recipe()):
            pass

    def test_it_is_given_back_after_an_error(self, ground: Ground, tmp_path: Path):
        with pytest.raises(ZeroDivisionError), open_run(tmp_path / "run", ground.recipe()):
            raise ZeroDivisionError
        with open_run(tmp_path / "run", ground.recipe()):
            pass

    def test_one_folder_by_two_names_is_one(
        self, ground: Ground, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.chdir(tmp_path)
        with (
            open_run(tmp_path / "run", ground.recipe()),
            pytest.raises(OutputError, match=r"^run: another unteach process"),
            open_run(Path("run"), ground.recipe()),
        ):
            pass


class TestAFullDisk:
    @pytest.mark.parametrize(
        "error",
        [
            OSError(errno.ENOSPC, "No space left on device"),
            OSError(errno.EDQUOT, "Disk quota exceeded"),
            SafetensorError("Error while serializing: No space left on device (os error 28)"),
            Exception("No space left on device (os error 28)"),  # as tokenizers raises it
            ModelError("the GGUF file cannot be converted: No space left on device"),
        ],
        ids=["write", "quota", "safetensors", "tokenizers", "conversion"],
    )
    def test_is_one_sentence(
        self, error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr(disk, "free_bytes", lambda path: 123_000_000)
        with pytest.raises(DiskFullError) as full, whole_disk(tmp_path):
            raise error
        assert str(full.value) == (
            f"{tmp_path}: the disk is full (0.1 GB free). Nothing that was finished is lost: "
            "make room and run the same command again to go on."
        )

    @pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS])
    def test_no_permission_is_another_sentence(self, number: int, tmp_path: Path):
        with pytest.raises(OutputError) as refused, whole_disk(tmp_path):
            raise OSError(number, "no")
        assert sentence(refused) == (
            f"{tmp_path}: no permission to write here. Choose another --out."
        )

    @pytest.mark.parametrize("error", [OSError(errno.EIO, "broken"), ValueError("odd")])
    def test_anything_else_passes_through(self, error: Exception, tmp_path: Path):
        with pytest.raises(type(error)) as same, whole_disk(tmp_path):
            raise error
        assert same.value is error

    def test_is_seen_before_the_work(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr(folders, "free_bytes", lambda path: 2_000_000_000)
        require_space(tmp_path, 2_000_000_000, "the model")
        with pytest.raises(DiskFullError) as full:
            require_space(tmp_path, 3_500_000_000, "the model")
        assert str(full.value) == (
            f"{tmp_path}: the model needs 3.5 GB of disk and 2.0 GB are free. "
            "Make room, or choose another --out."
        )

    def test_free_bytes_of_a_folder_that_is_not_there_yet(self, tmp_path: Path):
        assert free_bytes(tmp_path / "a" / "b") == pytest.approx(free_bytes(tmp_path), rel=0.1)


class TestWriting:
    def test_a_file_is_replaced_whole(self, tmp_path: Path):
        write_text(tmp_path / "a" / "b.txt", "one")
        write_text(tmp_path / "a" / "b.txt", "two")
        assert [p.name for p in (tmp_path / "a").iterdir()] == ["b.txt"]
        assert (tmp_path / "a" / "b.txt").read_text() == "two"

    def test_what_fails_leaves_the_old_file(self, tmp_path: Path):
        write_text(tmp_path / "b.txt", "old")
        with pytest.raises(UnicodeEncodeError):
            write_text(tmp_path / "b.txt", "\ud800")
        assert (tmp_path / "b.txt").read_text() == "old"

    def test_the_record_keeps_what_was_noted_before(self, tmp_path: Path):
        folder = RunFolder(tmp_path)
        folder.write_record(a=1, b=1)
        folder.write_record(b=2)
        assert folder.read_record() == {"a": 1, "b": 2}

    def test_a_folder_with_something_in_it_is_not_new(self, tmp_path: Path):
        require_new(tmp_path / "none", overwrite=False)
        require_new(tmp_path, overwrite=False)
        (tmp_path / "forget.jsonl").write_text("{}")
        require_new(tmp_path, overwrite=True)
        with pytest.raises(OutputError) as refused:
            require_new(tmp_path, overwrite=False)
        assert sentence(refused) == (
            f"{tmp_path}: the folder is not empty. Choose another --out, or give --overwrite to "
            "replace what is there."
        )


def test_memory_is_in_bytes():
    """A Python process with torch takes more than 10 MB, and less than a terabyte."""
    assert 1e7 < peak_memory() < 1e12
