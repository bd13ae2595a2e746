"""A run folder's files as typed data: nothing is computed here, and nothing is guessed.

Keys that a later version of the program adds are passed over; what is missing or of the wrong type
is an error that names the file and the place in it.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    FiniteFloat,
    JsonValue,
    RootModel,
    ValidationError,
    model_validator,
)

from unteach import registry
from unteach.data import jsonl
from unteach.errors import DataError, OutputError, shown
from unteach.notation import read_json, read_text
from unteach.report import integrity
from unteach.report.integrity import Sealed

Role = Literal["original", "gold", "unlearned"]
ROLES: tuple[Role, ...] = ("original", "gold", "unlearned")
VERSION = 1
"""Version of findings.json that this reader understands."""


def _finite(value: object) -> object:
    """A loss that diverged is written as NaN or Infinity: it is kept as a gap, not as a number."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


_SCALE = re.compile(r"(-?\d+(?:\.\d+)?) to (\d+(?:\.\d+)?)")
ROUNDING = 1e-6
"""How far a mean of numbers of 32 bits may leave its scale."""

Gap = Annotated[FiniteFloat | None, BeforeValidator(_finite)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


def scale(audit: str) -> tuple[float, float] | None:
    """Between which values an audit's number lies, as the first line about it says: 0 to 1."""
    entry = registry.entries("audit").get(audit)
    found = _SCALE.search(entry.summary) if entry else None
    return (float(found[1]), float(found[2])) if found else None


def _is_between(value: float, ends: tuple[float, float]) -> bool:
    return ends[0] - ROUNDING <= value <= ends[1] + ROUNDING


def _require_ordered(low: float | None, high: float | None) -> None:
    if low is not None and high is not None and low > high:
        raise ValueError(f"low is {low:g}, above high, which is {high:g}")


class Against(_Part):
    """One model's mean minus another's over the same examples, with its 95 % interval.

    `within` is the smallest margin at which two one-sided tests at 5 % show the two to be
    equivalent, and `reachable` the smallest that so many examples could be expected to show.
    """

    difference: FiniteFloat
    low: Gap = None
    high: Gap = None
    p: Gap = None
    within: Gap = None
    reachable: Gap = None

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.p is not None and not 0 <= self.p <= 1:
            raise ValueError(f"p is {self.p:g}, and a p-value lies between 0 and 1")
        _require_ordered(self.low, self.high)
        return self


class Finding(_Part):
    """One number about one model, with its 95 % interval; rates are 0 to 1."""

    audit: str
    label: str = ""
    split: str | None = None
    params: dict[str, JsonValue] = Field(default_factory=dict)
    model: Role
    value: FiniteFloat | None
    low: Gap = None
    high: Gap = None
    n: int = Field(default=0, ge=0)
    groups: int = Field(default=0, ge=0)
    unit: str = ""
    percent: bool = False
    note: str = ""
    available: bool = True
    better: Literal["lower", "higher", "gold", "original"] = "gold"
    access: str = ""
    source: str = ""
    version: int = 1
    per_example: tuple[Gap, ...] | None = None
    ids: tuple[str, ...] | None = None
    group_ids: tuple[str, ...] | None = None
    against: dict[str, Against | None] = Field(default_factory=dict)
    """By model: the difference to it; None where the two cannot be paired."""

    @model_validator(mode="after")
    def _whole(self) -> Self:
        between = scale(self.audit)
        if self.value is not None and between and not _is_between(self.value, between):
            raise ValueError(
                f"value is {self.value:g}, and {self.audit} lies between {between[0]:g} and {between[1]:g}"
            )
        _require_ordered(self.low, self.high)
        if self.available and self.value is None:
            raise ValueError("value is null although available is true")
        if not self.available and not self.note:
            raise ValueError("note is empty although available is false: it must give the reason")
        for name in ("ids", "group_ids"):
            given = getattr(self, name)
            if given and self.per_example and len(given) != len(self.per_example):
                raise ValueError(
                    f"{name} has {len(given)} items and per_example has {len(self.per_example)}"
                )
        return self

    @property
    def point(self) -> float:
        """The value of a finding that is available."""
        assert self.available
        assert self.value is not None
        return self.value

    @property
    def lower(self) -> float:
        """The interval's lower end; the value itself where no interval was computed."""
        return self.point if self.low is None else self.low

    @property
    def upper(self) -> float:
        """The interval's upper end; the value itself where no interval was computed."""
        return self.point if self.high is None else self.high


class Stage(_Part):
    """One part of a run and how long it took; a cached one was taken from an earlier run.

    `found` has the numbers that an edit found, by their names.
    """

    stage: str
    seconds: Gap = None
    cached: bool = False
    found: dict[str, Gap] = Field(default_factory=dict)


class SplitRecord(_Part):
    rows: int
    groups: int | None = None
    sha256: str = ""


class ModelRecord(_Part):
    model_config = ConfigDict(extra="allow", frozen=True)
    key: str = ""


class BaseRecord(_Part):
    """The model that the recipe starts from."""

    name: str
    key: str = ""
    parameters: int | None = None


class Varied(_Part):
    """What a sweep varies, and the value in this run."""

    method: str
    key: str
    value: str


class Redacted(_Part):
    """Of which run.json this is a redacted copy, what was removed, and what had changed before."""

    of: str
    removed: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()


class Record(_Part):
    """run.json: what made the numbers."""

    unteach: str
    created: str
    title: str
    source: str = ""
    method: str = ""
    seed: int | None = None
    device: str = ""
    model: BaseRecord
    packages: dict[str, str] = Field(default_factory=dict)
    stages: tuple[Stage, ...] = ()
    seconds: Gap = None
    peak_memory_bytes: int | None = None
    splits: dict[str, SplitRecord] = Field(default_factory=dict)
    models: dict[str, ModelRecord | None] = Field(default_factory=dict)
    notes: tuple[str, ...] = ()
    benchmark: dict[str, JsonValue] | None = None
    varied: Varied | None = None
    redacted: Redacted | None = None
    sealed: Sealed | None = None
    """None of older runs: whether their files were changed cannot be told."""


class Step(_Part):
    """One optimizer step of log.jsonl; a loss that was not a number is None."""

    stage: str
    step: int
    epoch: Gap = None
    loss: Gap = None
    terms: dict[str, Gap] = Field(default_factory=dict)


class Event(_Part):
    """Something noted during training; `level` events carry a split's mean answer probability."""

    event: str
    stage: str = ""
    step: int = 0
    split: str = ""
    probability: Gap = None
    level: Gap = None


class Answer(_Part):
    """The same question answered by every model; `gold` is None where there is no gold model."""

    split: str
    id: str
    group: str = ""
    attribute: str = ""
    question: str
    truth: str
    original: str | None = None
    unlearned: str | None = None
    gold: str | None = None


class Round(_Part):
    """One round of a repeat: rounds.json has a list of them.

    `probability` is by split a mean over rows, before the round and after it: of what is specific in
    the answers of the forget set, and of the whole answers of another split; what a round that was not `kept` did was undone afterwards.
    """

    number: int
    kept: bool
    probability: dict[str, tuple[Gap, Gap]]
    worth: Gap = None
    tokens: int = 0
    rows: int = 0
    ended: str = ""
    splits: tuple[str, ...] = ()
    coverage: Gap = None


class _Rounds(RootModel[tuple[Round, ...]]):
    pass


class _Findings(_Part):
    version: Literal[1]
    findings: tuple[Finding, ...]


@dataclass(frozen=True)
class Run:
    """Everything a report reads from one run folder."""

    folder: Path
    recipe: str
    record: Record
    findings: tuple[Finding, ...]
    steps: tuple[Step, ...] = ()
    events: tuple[Event, ...] = ()
    answers: tuple[Answer, ...] = ()
    rounds: tuple[Round, ...] = ()
    changed: tuple[str, ...] = ()
    """What is no longer as the finished run left it, a sentence each."""

    def finding(self, model: Role, audit: str, split: str | None) -> Finding | None:
        """The finding of that audit and split on that model, available or not.

        Of several it is the one with the audit's default parameters, and else the first.
        """
        found = [f for f in self.findings if (f.model, f.audit, f.split) == (model, audit, split)]
        if len(found) < 2:
            return found[0] if found else None
        plain = resolved(audit, {} if split is None else {"split": split})
        return next((f for f in found if resolved(audit, f.params) == plain), found[0])

    def exactly(self, model: Role, audit: str, params: Mapping[str, Any]) -> Finding | None:
        """The finding with exactly these parameters, available or not; see `resolved`."""
        asked = resolved(audit, params)
        return next(
            (
                f
                for f in self.findings
                if (f.model, f.audit) == (model, audit) and resolved(audit, f.params) == asked
            ),
            None,
        )

    def measured(self, model: Role, audit: str, split: str | None) -> Finding | None:
        """The same, but only if it is available."""
        finding = self.finding(model, audit, split)
        return finding if finding is not None and finding.available else None

    def has(self, model: Role) -> bool:
        """Whether anything at all was measured on that model."""
        return any(f.model == model and f.available for f in self.findings)


def resolved(audit: str, params: Mapping[str, Any]) -> dict[str, JsonValue]:
    """An audit's parameters with the defaults of those not given; as they are if it is unknown."""
    entry = registry.entries("audit").get(audit)
    parameters = entry.parameters if entry else ()
    defaults = {p.name: p.default for p in parameters if p.default is not registry.REQUIRED}
    both = defaults | dict(params)
    return {name: list(v) if isinstance(v, tuple) else v for name, v in both.items()}


def read(folder: Path) -> Run:
    """The files of one run folder.

    Raises:
        OutputError: the folder is not a run folder.
        DataError: one of its files is missing or corrupt; the message names it.
    """
    if not folder.is_dir():
        raise OutputError(
            f"{folder}: no such folder. Give a run folder, as 'unteach run' prints it."
        )
    if not (folder / "run.json").is_file():
        raise OutputError(
            f"{folder}: not a run folder, because it has no run.json. "
            "Give the folder that 'unteach run' wrote, once its run has finished."
        )
    content = read_json(folder / "run.json")
    record = _checked(Record, content, folder / "run.json")
    since = integrity.check(folder, content, record.sealed)
    before = record.redacted.changed if record.redacted else ()
    content = read_json(folder / "findings.json")
    if isinstance(content, dict) and content.get("version") not in (None, VERSION):
        raise DataError(
            f"{folder / 'findings.json'}: is of version {content['version']!r}, "
            f"and this unteach reads version {VERSION}."
        )
    findings = _checked(_Findings, content, folder / "findings.json").findings
    lines = list(_lines(folder / "log.jsonl", needed=_trained(record)))
    rows = _lines(folder / "evidence" / "answers.jsonl", needed=False)
    answers, doubtful = _told_apart([_checked(Answer, row, at) for at, row in rows])
    return Run(
        folder=folder,
        recipe=read_text(folder / "recipe.yaml"),
        record=record,
        findings=findings,
        steps=tuple(_checked(Step, row, at) for at, row in lines if "event" not in row),
        events=tuple(_checked(Event, row, at) for at, row in lines if "event" in row),
        answers=answers,
        rounds=_rounds(folder / "rounds.json"),
        changed=(*before, *since.sentences(), *doubtful),
    )


def _told_apart(answers: Sequence[Answer]) -> tuple[tuple[Answer, ...], list[str]]:
    """The answers whose id no other of their split has, and a sentence on those left out."""
    times = Counter((answer.split, answer.id) for answer in answers)
    double = [f"{id} of {split}" for (split, id), num in times.items() if num > 1]
    if not double:
        return tuple(answers), []
    named = ", ".join(double[:3]) + (f" and {len(double) - 3} more" if len(double) > 3 else "")
    return tuple(a for a in answers if times[a.split, a.id] == 1), [
        f"These ids stand twice in evidence/answers.jsonl, so their answers are not shown: {named}."
    ]


def _rounds(path: Path) -> tuple[Round, ...]:
    """None for a run that has no repeat."""
    return _checked(_Rounds, read_json(path), path).root if path.exists() else ()


def read_all(folders: Sequence[Path]) -> tuple[Run, ...]:
    """Several run folders, in the order given; see `read`."""
    if not folders:
        raise OutputError("no run folder was given: a report needs at least one.")
    return tuple(read(Path(folder)) for folder in folders)


def _trained(record: Record) -> bool:
    return any(stage.stage.endswith(".train") and not stage.cached for stage in record.stages)


def _lines(path: Path, *, needed: bool) -> Iterator[tuple[str, dict[str, Any]]]:
    """The objects of a JSONL file, each with its `file:line`."""
    if needed or path.exists():
        yield from jsonl.objects(path)


M = TypeVar("M", bound=BaseModel)


def _checked(kind: type[M], content: object, where: object) -> M:
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        raise DataError([_sentence(where, e) for e in error.errors()]) from None


def _sentence(where: object, error: Any) -> str:
    place = ""
    for part in error["loc"]:
        place += f"[{part}]" if isinstance(part, int) else f".{part}" if place else str(part)
    at = f"{where}: {place}" if place else f"{where}"
    if error["type"] == "missing":
        return f"{at} is missing."
    message = str(error["msg"]).removeprefix("Value error, ")
    given = error.get("input")
    plain = isinstance(given, str | int | float | bool | None)
    said = f" (it is {shown(given)})" if plain else ""
    return f"{at}: {message[:1].lower()}{message[1:]}{said}."
