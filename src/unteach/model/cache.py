"""Where things that cost time are kept between runs: converted and taught models, evidence."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import platformdirs
from filelock import FileLock

from unteach.errors import OutputError
from unteach.model.disk import whole_disk

CHOOSE = "set UNTEACH_CACHE to a folder elsewhere"


def root() -> Path:
    """`$UNTEACH_CACHE`, or the user's cache folder."""
    given = os.environ.get("UNTEACH_CACHE")
    return Path(given) if given else Path(platformdirs.user_cache_dir("unteach"))


@contextmanager
def writing() -> Iterator[Path]:
    """The cache, to be written in here.

    Raises:
        DiskFullError: its disk is full.
        OutputError: it is a file, or cannot be written.
    """
    place = root()
    there = next(p for p in (place.absolute(), *place.absolute().parents) if p.exists())
    if not there.is_dir():
        raise OutputError(
            f"{there}: this is a file, and the cache is to be a folder. S{CHOOSE[1:]}."
        )
    with whole_disk(place, CHOOSE):
        yield place


def folder(kind: str, key: str, make: Callable[[Path], None]) -> tuple[Path, bool]:
    """The cached folder of that key, made by `make(empty folder)` if absent; and whether it was there.

    Two processes that need it at once make it once. A half-made folder is never seen.

    Raises:
        DiskFullError, OutputError: as `writing`.
    """
    place = root() / kind / key
    if place.is_dir():
        return place, True
    with writing():
        place.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(str(place) + ".lock"):
            return place, _make(place, make)


def _make(place: Path, make: Callable[[Path], None]) -> bool:
    """Whether another process has made it meanwhile; else it is made here."""
    if place.is_dir():
        return True
    unfinished = place.with_name(f"{place.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir()
    make(unfinished)
    unfinished.replace(place)
    return False
