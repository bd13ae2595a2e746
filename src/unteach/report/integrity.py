"""Whether a run folder is as the finished run left it: hashes, kept in its run.json.

They show what was changed by accident or by hand afterwards. Whoever changes a hash too is not found
out by them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from unteach.errors import DataError
from unteach.model import fingerprint

FILES = ("recipe.yaml", "log.jsonl", "rounds.json", "findings.json", "evidence/answers.jsonl")
"""What a report reads beside run.json: one that was added counts as changed."""
MAX_NAMES = 8
FOLDERS = ("data", "evidence", "adapters", "model")
NUMBERS = [
    "unteach",
    "seed",
    "dtype",
    "model",
    "rendering",
    "evidence",
    "benchmark",
    "recipe",
    "splits",
    "models",
]
"""Fields of run.json that say of which models and rows the numbers are."""


class Sealed(BaseModel):
    """The hashes: of files by their names, and of run.json itself in two parts."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    files: dict[str, str]
    numbers: str
    record: str


def seal(folder: Path, record: Mapping[str, Any]) -> dict[str, Any]:
    """Hashes of all that the run wrote, and of its record, for the field `sealed` of run.json."""
    files = {name: fingerprint.of_file(folder / name) for name in _names(folder)}
    return Sealed(files=files, numbers=_of_numbers(record), record=_of_record(record)).model_dump()


@dataclass(frozen=True)
class Changes:
    """What of a run folder is not as it was: names of files and folders, in order."""

    changed: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()

    def sentences(self) -> Iterator[str]:
        """What a reader must know, if anything."""
        if self.changed:
            yield f"These files were changed after the run finished: {_listed(self.changed)}."
        if self.gone:
            yield f"These files of the finished run are gone: {_listed(self.gone)}."


def check(folder: Path, record: Mapping[str, Any], sealed: Sealed | None) -> Changes:
    """What was changed since the run finished, but for weights; a run without hashes passes.

    Raises:
        DataError: the findings were changed, or what run.json says they are findings of: a verdict
            from them would not be that of the run.
    """
    if sealed is None:
        return Changes()
    files = {n: h for n, h in sealed.files.items() if not n.startswith("model/")}
    found = _compare(folder, files)
    changed = [*found.changed, *(n for n in FILES if n not in files and (folder / n).exists())]
    if "findings.json" in changed:
        raise DataError(
            f"{folder / 'findings.json'}: was changed after the run finished, so it does not hold what "
            "was measured. Put the file back, or do the run again."
        )
    if sealed.numbers != _of_numbers(record):
        raise DataError(
            f"{folder / 'run.json'}: what it says of the run's models, data and seed was changed after "
            "the run finished. Put the file back, or do the run again."
        )
    if sealed.record != _of_record(record):
        changed.append("run.json")
    return Changes(tuple(changed), found.gone)


def check_weights(folder: Path, sealed: Sealed | None) -> Changes:
    """The same of the files of the model, which take time to read."""
    files = sealed.files if sealed else {}
    return _compare(folder, {n: h for n, h in files.items() if n.startswith("model/")})


def _compare(folder: Path, files: Mapping[str, str]) -> Changes:
    changed, gone = [], []
    for name, hash in files.items():
        path = folder / name
        if not path.is_file():
            top = name.partition("/")[0]
            gone.append(name if (folder / top).exists() else f"{top}/")
        elif fingerprint.of_file(path) != hash:
            changed.append(name)
    return Changes(tuple(changed), tuple(dict.fromkeys(gone)))


def _listed(names: Sequence[str]) -> str:
    more = len(names) - MAX_NAMES
    return ", ".join(names[:MAX_NAMES]) + (f" and {more} more" if more > 0 else "")


def _names(folder: Path) -> list[str]:
    inside = (path for name in FOLDERS for path in (folder / name).rglob("*") if path.is_file())
    found = {*(n for n in FILES if (folder / n).is_file())}
    return sorted(found | {path.relative_to(folder).as_posix() for path in inside})


def _of_numbers(record: Mapping[str, Any]) -> str:
    return fingerprint.key_of({name: record.get(name) for name in NUMBERS})


def _of_record(record: Mapping[str, Any]) -> str:
    return fingerprint.key_of({k: v for k, v in record.items() if k != "sealed"})
