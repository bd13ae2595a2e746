"""Where things that cost time are kept between runs: converted and taught models, evidence."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import platformdirs
from filelock import FileLock


def root() -> Path:
    """`$UNTEACH_CACHE`, or the user's cache folder."""
    given = os.environ.get("UNTEACH_CACHE")
    return Path(given) if given else Path(platformdirs.user_cache_dir("unteach"))


def folder(kind: str, key: str, make: Callable[[Path], None]) -> tuple[Path, bool]:
    """The cached folder of that key, made by `make(empty folder)` if absent; and whether it was there.

    Two processes that need it at once make it once. A half-made folder is never seen.
    """
    place = root() / kind / key
    if place.is_dir():
        return place, True
    place.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(str(place) + ".lock"):
        if place.is_dir():
            return place, True
        unfinished = place.with_name(f"{key}.unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir()
        make(unfinished)
        unfinished.replace(place)
    return place, False
