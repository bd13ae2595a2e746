"""JSON objects in a file, one a line: the only place that says where a line ends."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from unteach import notation
from unteach.errors import DataError


def lines(text: str) -> Iterator[tuple[int, str]]:
    r"""Number, from 1, and text of each line that is not blank.

    Only a line feed ends one: a JSON string may hold U+0085, U+2028 and others that
    `str.splitlines` splits at.
    """
    return ((n, line) for n, line in enumerate(text.split("\n"), 1) if line.strip())


def objects(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """`file:line` and the object of each line of a file that `write` or `dump` made.

    Raises:
        DataError: the file cannot be read, or a line is no object.
    """
    for number, line in lines(notation.read_text(path)):
        where = f"{path}:{number}"
        try:
            row = notation.from_json(line)
        except notation.MalformedError as error:
            raise DataError(f"{where}: is not JSON at column {error.column}: {error}.") from None
        if not isinstance(row, dict):
            raise DataError(f"{where}: must be a JSON object, one a line.")
        yield where, row


def read(path: Path) -> list[dict[str, Any]]:
    """The objects of a file; see `objects`."""
    return [row for _, row in objects(path)]


def dump(rows: Iterable[Mapping[str, object]]) -> str:
    """The rows as the text of a file, every character as it is."""
    return "".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows)


def write(path: Path, rows: Iterable[Mapping[str, object]]) -> None:
    """One row a line, UTF-8."""
    path.write_text(dump(rows), encoding="utf-8")
