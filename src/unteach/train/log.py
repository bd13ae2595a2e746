"""One line a step, in a file that any tool reads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from unteach.data import jsonl


def append(path: Path, line: dict[str, Any]) -> None:
    """Add a line of JSON; flushed, so a killed run loses none that was written."""
    with path.open("a", encoding="utf-8") as file:
        file.write(jsonl.dump([line]))


def read(path: Path) -> list[dict[str, Any]]:
    """The lines written so far; a half-written last line is left out."""
    if not path.exists():
        return []
    whole, _, _ = path.read_text("utf-8").rpartition("\n")
    return [json.loads(line) for _, line in jsonl.lines(whole)]


def rewind(path: Path, stage: str, step: int) -> None:
    """Drop the lines of a stage from `step` on: they are about to be written again."""
    kept = [x for x in read(path) if x["stage"] != stage or x["step"] < step]
    unfinished = path.with_name(path.name + ".unfinished")
    jsonl.write(unfinished, kept)
    unfinished.replace(path)
