"""What is to be forgotten, kept, and never seen."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from unteach.data import jsonl
from unteach.errors import DataError


def must_go(split: str) -> bool:
    """Whether a split is what must go, or made from that: `forget`, `revealed`, `forget_documents`."""
    return split.partition("_")[0] in ("forget", "revealed")


def never_taught(split: str) -> str:
    """The split that asks of people never taught what `split` asks of the forgotten; empty if none can.

    `forget` has `holdout`, `forget_paraphrased` has `holdout_paraphrased`.
    """
    head, _, way = split.partition("_")
    return ("holdout_" + way if way else "holdout") if head == "forget" else ""


@dataclass(frozen=True)
class Example:
    """One question with its answer, or one text (then `prompt` is empty and `answer` is the text).

    Only the answer is scored. `group` is the person or document it belongs to: the unit by which
    intervals are resampled. `history` holds earlier chat turns as (role, content). With `continues`
    the prompt is no question but the beginning of a text, and `answer` is how it goes on.
    """

    prompt: str
    answer: str
    wrong: tuple[str, ...] = ()  # plausible wrong answers of the same form as `answer`
    entities: tuple[str, ...] = ()  # what in the answer is specific: the parts that must go
    id: str = ""
    group: str = ""
    attribute: str = ""  # which fact it is: birthplace, employer, ...
    history: tuple[tuple[str, str], ...] = ()
    rephrased: tuple[str, ...] = ()  # the true answer in other words
    continues: bool = False
    where: str = ""  # file:line it was read from

    @property
    def is_text(self) -> bool:
        return self.prompt == "" and not self.history


_EXAMPLE = TypeAdapter(Example)

Splits = Mapping[str, Sequence[Example]]
"""Split name -> examples. Names are lower-case words joined by `_`: forget, forget_paraphrased."""


def to_row(example: Example) -> dict[str, Any]:
    """The example as a JSON object without its empty fields and without `where`."""
    row = {f.name: getattr(example, f.name) for f in fields(example) if f.name != "where"}
    return {k: v for k, v in row.items() if v or k in ("prompt", "answer")}


def from_row(row: Mapping[str, Any]) -> Example:
    """The inverse of `to_row`.

    Raises:
        ValidationError: a field is missing, or of another type.
    """
    known = {f.name for f in fields(Example)}
    return _EXAMPLE.validate_python({k: v for k, v in row.items() if k in known})


def write_jsonl(path: Path, examples: Sequence[Example]) -> None:
    """One example a line, UTF-8."""
    jsonl.write(path, map(to_row, examples))


def read_jsonl(path: Path) -> list[Example]:
    """Examples written by `write_jsonl`.

    Raises:
        DataError: the file cannot be read, or a row is no example.
    """
    return [_from(row, where) for where, row in jsonl.objects(path)]


def _from(row: Mapping[str, Any], where: str) -> Example:
    try:
        return from_row(row)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise DataError(f"{where}: {place}: {first['msg']}.") from None


def digest(examples: Sequence[Example]) -> str:
    """Content hash of a split, 16 hex digits; the order counts, `where` does not."""
    text = json.dumps([to_row(e) for e in examples], ensure_ascii=False, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
