"""Where a benchmark's files are: a folder of the recipe's, `UNTEACH_DATA`, or the hub."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unteach.data import sources
from unteach.errors import DataError
from unteach.recipe import Source

FOLDER = "UNTEACH_DATA"
"""Environment variable: the folder that holds one folder a benchmark, for work without network."""

ENDINGS = ("jsonl", "json", "csv", "parquet")


@dataclass(frozen=True)
class Record:
    """One row of a benchmark's file, with the place it was read from."""

    where: str
    cells: Mapping[str, Any]

    def text(self, column: str) -> str:
        """The cell, which must be a text that is not empty."""
        value = self.cells.get(column)
        if not isinstance(value, str) or not value.strip():
            raise DataError(f"{self.where}: '{column}' must be a text that is not empty.")
        return value

    def texts(self, column: str) -> tuple[str, ...]:
        """The cell as texts: a list of them, or one."""
        value = self.cells.get(column)
        items = [value] if isinstance(value, str) else value
        if not isinstance(items, list | tuple) or not all(isinstance(i, str) for i in items):
            raise DataError(f"{self.where}: '{column}' must be a text or a list of texts.")
        return tuple(items)


def records(
    benchmark: str,
    file: str,
    *,
    columns: Sequence[str],
    hub: str,
    split: str = "train",
    folder: str = "",
    rows: int | None = None,
) -> list[Record]:
    """The rows of one file of a benchmark, each with all of `columns`.

    `file` is a name without ending, looked for as .jsonl, .json, .csv or .parquet in `folder`, or
    else in the folder `benchmark` under `UNTEACH_DATA`; without either it comes from `hub`, as
    `hf:owner/name/config`, and there from `split`. With `rows` only the first of them are read.

    Raises:
        DataError: it is in none of these places, or a row lacks a column.
    """
    place = find(benchmark, file, folder)
    if place is None and (folder or os.environ.get(FOLDER)):
        looked = Path(folder) if folder else Path(os.environ[FOLDER]) / benchmark
        raise DataError(
            f"benchmark {benchmark}: there is no file '{file}' ({', '.join(ENDINGS)}) in {looked}. Put it "
            f"there, or unset {FOLDER} and leave out 'folder' to load it from {hub}."
        )
    source = Source(path=str(place) if place else hub, split=split, rows=rows)
    try:
        found = sources.rows(source)
    except DataError as error:
        hint = f" Without network, set {FOLDER} to a folder that has {benchmark}/{file}.jsonl."
        raise DataError(
            [f"benchmark {benchmark}: {p}{'' if place else hint}" for p in error.problems]
        ) from None
    problems = [
        f"benchmark {benchmark}: {where} has no '{column}'. It has: {', '.join(cells)}."
        for where, cells in found
        for column in columns
        if column not in cells
    ]
    if problems:
        raise DataError(sources.shorten(problems, source.path))
    return [Record(where, cells) for where, cells in found]


def find(benchmark: str, file: str, folder: str = "") -> Path | None:
    """The local file, if there is one."""
    root = os.environ.get(FOLDER, "")
    if not folder and not root:
        return None
    here = Path(folder).expanduser() if folder else Path(root).expanduser() / benchmark
    paths = (here / f"{file}.{ending}" for ending in ENDINGS)
    return next((path for path in paths if path.is_file()), None)
