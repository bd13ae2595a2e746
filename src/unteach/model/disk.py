"""A disk that is full or cannot be written is the user's to mend: one sentence each."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from unteach.errors import DiskFullError, OutputError

FULL = (errno.ENOSPC, errno.EDQUOT)
CLOSED = (errno.EACCES, errno.EPERM, errno.EROFS)


@contextmanager
def whole_disk(path: Path, other: str = "") -> Iterator[None]:
    """Whatever is written under `path` in here; what was written before stays.

    `other` says how another place is chosen, where that is not by --out.

    Raises:
        DiskFullError: there is no room.
        OutputError: nothing can be written there.
    """
    try:
        yield
    except OSError as error:
        if error.errno in FULL:
            raise DiskFullError(f"{path}: {_full(path, other)}") from None
        if error.errno in CLOSED and _is_about(error.filename, path):
            choose = other or "choose another --out"
            raise OutputError(
                f"{path}: no permission to write here. {choose[0].upper()}{choose[1:]}."
            ) from None
        raise
    except Exception as error:  # safetensors and tokenizers have types of their own for it,
        # the latter a bare Exception, so that only the text tells
        if "No space left on device" in str(error):
            raise DiskFullError(f"{path}: {_full(path, other)}") from None
        raise


def _is_about(name: object, path: Path) -> bool:
    """Whether an error is about `path`: a file in or beside it, a folder above it, or nothing named."""
    if name is None:
        return True
    file, folder = Path(str(name)).absolute(), path.absolute()
    return file.is_relative_to(folder.parent) or folder.is_relative_to(file)


def _full(path: Path, other: str) -> str:
    return (
        f"the disk is full ({free_bytes(path) / 1e9:.1f} GB free). Nothing that was finished is lost: "
        f"make room{f', or {other},' if other else ''} and run the same command again to go on."
    )


def free_bytes(path: Path) -> int:
    """Free bytes on the disk that `path` is, or will be, on."""
    there = path.absolute()
    while not there.exists():
        there = there.parent
    return shutil.disk_usage(there).free
