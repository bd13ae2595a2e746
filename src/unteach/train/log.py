"""One line a step, in a file that any tool reads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def append(path: Path, line: dict[str, Any]) -> None:
    """Add a line of JSON; flushed, so a killed run loses none that was written."""
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")


def read(path: Path) -> list[dict[str, Any]]:
    """The lines written so far; a half-written last line is left out."""
    if not path.exists():
        return []
    lines = path.read_text(encoding="utf-8").split("\n")
    return [json.loads(line) for line in lines[:-1] if line]


def rewind(path: Path, stage: str, step: int) -> None:
    """Drop the lines of a stage from `step` on: they are about to be written again."""
    kept = [x for x in read(path) if x["stage"] != stage or x["step"] < step]
    unfinished = path.with_name(path.name + ".unfinished")
    unfinished.write_text("".join(json.dumps(line) + "\n" for line in kept), encoding="utf-8")
    unfinished.replace(path)
