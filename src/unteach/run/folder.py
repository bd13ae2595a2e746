"""One run, one folder: everything needed to repeat it, written whole or not at all."""

from __future__ import annotations

import contextlib
import json
import math
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import filelock
import psutil

from unteach.errors import DiskFullError, OutputError
from unteach.model.disk import free_bytes, whole_disk
from unteach.notation import read_object
from unteach.recipe import Recipe
from unteach.report import integrity


@dataclass(frozen=True)
class RunFolder:
    """The files of a run. `open_run` gives one that no other process writes to."""

    path: Path

    @property
    def recipe(self) -> Path:
        return self.path / "recipe.yaml"

    @property
    def data(self) -> Path:
        return self.path / "data"

    @property
    def log(self) -> Path:
        return self.path / "log.jsonl"

    @property
    def model(self) -> Path:
        return self.path / "model"

    @property
    def adapters(self) -> Path:
        return self.path / "adapters"

    @property
    def last_adapter(self) -> Path:
        """What the last stage trained, if that was an adapter; the rest of the model is not in it."""
        return self.adapters / "last-stage"

    @property
    def rounds(self) -> Path:
        return self.path / "rounds.json"

    @property
    def evidence(self) -> Path:
        return self.path / "evidence"

    @property
    def findings(self) -> Path:
        return self.path / "findings.json"

    @property
    def record(self) -> Path:
        return self.path / "run.json"

    @property
    def report(self) -> Path:
        return self.path / "report.html"

    @property
    def state(self) -> Path:
        return self.path / "state"

    def read_record(self) -> dict[str, Any]:
        """What the run has noted of itself so far."""
        return read_object(self.record) if self.record.exists() else {}

    def write_record(self, **changes: Any) -> None:
        write_text(self.record, json.dumps(self.read_record() | changes, indent=2) + "\n")

    def finish(self) -> None:
        """Note that the run is done, with hashes of all that it wrote."""
        done = self.read_record() | {"finished": True}
        self.write_record(finished=True, sealed=integrity.seal(self.path, done))

    def tidy(self) -> None:
        """Remove what only an unfinished run needs."""
        for path in (self.state, unfinished_name(self.model)):
            shutil.rmtree(path, ignore_errors=True)


def write_text(path: Path, text: str) -> None:
    """Replace a file whole: a reader sees the old one or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = unfinished_name(path)
    unfinished.write_text(text, encoding="utf-8")
    unfinished.replace(path)


def unfinished_name(path: Path) -> Path:
    """What a file or folder is called until it is whole."""
    return path.with_name(f"{path.name}.unfinished")


def json_number(x: float) -> float | None:
    """JSON has no NaN: what could not be measured is null."""
    return float(x) if math.isfinite(x) else None


@contextlib.contextmanager
def open_run(path: Path, recipe: Recipe, overwrite: bool = False) -> Iterator[RunFolder]:
    """A new run folder, or the unfinished one of the same recipe to go on with.

    Raises:
        OutputError: another process writes to it; it holds another run or other files and
            `overwrite` is false; it is a file; or the disk is full.
    """
    folder = RunFolder(path)
    _require_folder(path)
    with whole_disk(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        place = path.resolve()  # `.` has no name to call a lock after
        lock = filelock.FileLock(place.with_name(f".{place.name}.lock"), timeout=0)
        try:
            lock.acquire()
        except filelock.Timeout:
            raise OutputError(
                f"{path}: another unteach process is writing to this folder. "
                "Wait for it, or choose another --out."
            ) from None
        try:
            _claim(folder, recipe, overwrite)
            yield folder
        finally:
            lock.release()


def _claim(folder: RunFolder, recipe: Recipe, overwrite: bool) -> None:
    first = f"# resolved recipe, digest {recipe.digest()}"
    held = {path.name for path in folder.path.iterdir()} if folder.path.exists() else set()
    same = folder.recipe.exists() and folder.recipe.read_text().split("\n")[0] == first
    # a recipe alone, or one half written, is a run that never began: nothing is lost with it
    unfinished = unfinished_name(folder.recipe)
    if held - {folder.recipe.name, unfinished.name}:
        if overwrite:
            _remove_run(folder)
        elif not same:
            ours = folder.record.exists()
            what = "the run of another recipe" if ours else "files that are not a run"
            raise OutputError(
                f"{folder.path}: the folder holds {what}. Choose another --out"
                + (", or give --overwrite to replace it." if ours else ".")
            )
    unfinished.unlink(missing_ok=True)
    folder.path.mkdir(parents=True, exist_ok=True)
    if overwrite or not same:
        write_text(folder.recipe, f"{first}\n{recipe.to_yaml()}")


def _remove_run(folder: RunFolder) -> None:
    """Remove what a run wrote, and nothing else."""
    if not folder.record.exists() and not folder.recipe.exists():
        raise OutputError(
            f"{folder.path}: the folder holds files that are not a run; not overwritten."
        )
    for name in ("data", "model", "adapters", "evidence", "state", "tracking", "model.unfinished"):
        shutil.rmtree(folder.path / name, ignore_errors=True)
    files = ("recipe.yaml", "run.json", "log.jsonl", "rounds.json", "findings.json", "report.html")
    for name in files:
        (folder.path / name).unlink(missing_ok=True)


def require_new(path: Path, overwrite: bool) -> None:
    """Refuse to write into a folder that holds something already, unless told to.

    Raises:
        OutputError: it does, or it is a file.
    """
    _require_folder(path)
    if not overwrite and path.exists() and any(path.iterdir()):
        raise OutputError(
            f"{path}: the folder is not empty. Choose another --out, or give --overwrite to "
            "replace what is there."
        )


def _require_folder(path: Path) -> None:
    there = next(p for p in (path.absolute(), *path.absolute().parents) if p.exists())
    if not there.is_dir():
        raise OutputError(f"{there}: this is a file. Choose a folder as --out.")


def require_space(path: Path, needed: int, what: str) -> None:
    """Refuse before the work, rather than fail after it.

    Raises:
        DiskFullError: less than `needed` bytes are free.
    """
    free = free_bytes(path)
    if free < needed:
        raise DiskFullError(
            f"{path}: {what} needs {needed / 1e9:.1f} GB of disk and {free / 1e9:.1f} GB are free. "
            "Make room, or choose another --out."
        )


def forget_peak_memory() -> None:
    """Start to watch the largest resident size afresh, where the system can (Linux)."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def peak_memory() -> int:
    """Largest resident size of this process in bytes, since `forget_peak_memory` or its start."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    windows = getattr(psutil.Process().memory_info(), "peak_wset", None)
    if windows is not None:
        return int(windows)
    import resource  # which Windows has not

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(peak if sys.platform == "darwin" else peak * 1024)
