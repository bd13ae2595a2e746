"""A run folder that can be given away: its numbers, without what was to be forgotten.

What is copied is listed here, and all else stays behind. In what is copied, names of splits and files
included, `data.hiding` finds what must not be read.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

from unteach import registry
from unteach.data.examples import Example, must_go, read_jsonl, write_jsonl
from unteach.data.hiding import HIDDEN, Hiding, hiding
from unteach.errors import DataError
from unteach.model import fingerprint
from unteach.notation import MalformedError, from_yaml
from unteach.report.read import ROLES, Answer, Run, read

KEPT = frozenset(
    [
        "access",
        "audit",
        "better",
        "created",
        "device",
        "dtype",
        "event",
        "key",
        "label",
        "rendering",
        "role",
        "sha256",
        "stage",
        "unit",
        "unteach",
    ]
)
"""Fields whose values are words of this program, or hashes."""
PRIVATE = frozenset(["about", "own", "pattern", "words"])
"""Parameters of a recipe that say what is looked for, in words of the user."""
LEFT_OUT: Mapping[str, str] = {
    "model": "weights may hold what was to be forgotten; --with-model takes them along",
    "adapters": "weights that were trained on what was to be forgotten",
    "state": "what an unfinished run goes on from",
}
"""Folder -> why it stays behind."""


@dataclass
class _Redaction:
    """What stands in the place of what, and how many texts that changed, by file."""

    hiding: Hiding
    splits: Mapping[str, str]
    rows: dict[str, str] = field(default_factory=dict)
    persons: dict[str, str] = field(default_factory=dict)
    changed: Counter[str] = field(default_factory=Counter)

    def split(self, name: str) -> str:
        """The name of a split, or what begins with one, as the term `forget.npo`."""
        head, dot, tail = name.partition(".")
        return f"{self.splits.get(head, head)}{dot}{tail}"

    def row(self, id: str, split: str) -> str:
        """A row's id; `row 3` where it is of what must go, or says too much itself."""
        return self._numbered(self.rows, "row", id, split)

    def person(self, group: str, split: str) -> str:
        return self._numbered(self.persons, "person", group, split)

    def _numbered(self, given: dict[str, str], word: str, name: str, split: str) -> str:
        if name and name not in given and (must_go(split) or self.hiding.finds(name)):
            given[name] = f"{word} {len(given) + 1}"
        return given.get(name, name)

    def text(self, text: str, where: str) -> str:
        """A text of a row or a model."""
        return self._noted(text, self.hiding.hide(text), where)

    def tree(self, value: Any, where: str, key: str = "") -> Any:
        """Anything that JSON can hold; `key` is the field that it stands in."""
        if key == "packages":
            return value
        if isinstance(value, Mapping):
            return {self.split(str(k)): self.tree(v, where, str(k)) for k, v in value.items()}
        if isinstance(value, list):
            return [self.tree(item, where, key) for item in value]
        if not isinstance(value, str):
            return value
        if value in ROLES or key in KEPT or self.split(value) != value:
            return self.split(value)
        if key in PRIVATE:
            return self._noted(value, HIDDEN, where)
        # the folders above a file say whose machine it was
        text = Path(value).name if Path(value).is_absolute() else value
        return self._noted(text, self.hiding.cut(text), where)

    def _noted(self, before: str, after: str, where: str) -> str:
        self.changed[where] += before != after
        return after


def redact(folder: Path, out: Path, *, with_model: bool = False) -> tuple[str, ...]:
    """Write the copy into the new folder `out`, but for its report; returns what was removed.

    Raises:
        OutputError, DataError: as `read`.
    """
    run = read(folder)
    if run.record.redacted:
        raise DataError(f"{folder}: this is a redacted copy already. Give the run that it is of.")
    record = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    doing = _begun(run)
    out.mkdir(parents=True, exist_ok=True)
    removed = [*_write_data(run, record, out, doing), *_write_answers(run, out, doing)]
    _write(out / "findings.json", _findings(folder, doing))
    if (folder / "rounds.json").exists():
        _write(out / "rounds.json", doing.tree(_read(folder / "rounds.json"), "rounds.json"))
    if (folder / "log.jsonl").exists():
        lines = (folder / "log.jsonl").read_text(encoding="utf-8").split("\n")
        rows = [doing.tree(json.loads(line), "log.jsonl") for line in lines if line.strip()]
        _write_lines(out / "log.jsonl", rows)
    (out / "recipe.yaml").write_text(_recipe(run.recipe, doing), encoding="utf-8")
    kept = _record(record, doing)
    removed += [f"{name}: {n} texts that name it" for name, n in doing.changed.items() if n]
    removed += _stay_behind(folder, out, with_model)
    kept["redacted"] = {
        "of": fingerprint.of_file(folder / "run.json"),
        "removed": removed,
        "changed": [doing.hiding.cut(said) for said in run.changed],
    }
    _write(out / "run.json", kept)
    return tuple(removed)


def read_redacted(folder: Path) -> Run:
    """A run as its redacted copy would be read.

    Raises:
        OutputError, DataError: as `read`.
    """
    run = read(folder)
    if run.record.redacted:
        return run
    with tempfile.TemporaryDirectory() as place:
        redact(folder, Path(place))
        copy = read(Path(place))
    return replace(
        copy, folder=folder, record=copy.record.model_copy(update={"sealed": run.record.sealed})
    )


def _begun(run: Run) -> _Redaction:
    """What to look for, by the rows that must go; they are numbered in their order."""
    rows = list(_forgotten(run))
    about = list(_values_of("about", _content(run.recipe)))
    about += [row.group for split, row in rows if split.startswith("revealed")]
    names = {
        *run.record.splits,
        *(a.split for a in run.answers),
        *(f.split or "" for f in run.findings),
    }
    found = hiding((row for _, row in rows), about, _others(run))
    named = [name for name in sorted(names) if found.finds(name)]
    splits = {
        name: f"{name.partition('_')[0] if must_go(name) else 'split'}_{number}"
        for number, name in enumerate(named, 1)
    }
    doing = _Redaction(found, splits)
    for split, row in rows:
        doing.row(row.id, split)
        doing.person(row.group, split)
    return doing


def _forgotten(run: Run) -> Iterator[tuple[str, Example]]:
    """The rows of every split that must go, with its name; of what a synthesis wrote, the prompts.

    Its answers are refusals and made-up facts, which need not be looked for in other files.
    """
    made = {
        name
        for entry in registry.entries("synthesis").values()
        for name in registry.adds(entry, {"split": "forget"})
    }
    given = set(run.record.splits) - made
    given |= {name for name in _data_of(run.recipe) if isinstance(name, str)}
    for path in sorted((run.folder / "data").rglob("*.jsonl"), key=lambda p: (len(p.parts), p)):
        split = path.stem
        if must_go(split) and (split in run.record.splits or path.parent.name.startswith("round-")):
            whole = split in given or split.startswith("revealed")
            for row in read_jsonl(path):
                yield split, row if whole else replace(row, answer="", rephrased=(), entities=())
    for answer in run.answers:
        if must_go(answer.split):
            group = "" if answer.group == answer.id else answer.group
            yield answer.split, Example(answer.question, answer.truth, id=answer.id, group=group)
    for finding in run.findings:
        if must_go(finding.split or ""):
            for id, group in zip(finding.ids or (), finding.group_ids or (), strict=False):
                yield finding.split or "", Example("", "", id=id, group=group)


def _others(run: Run) -> Iterator[Example]:
    for name in run.record.splits:
        path = run.folder / "data" / f"{name}.jsonl"
        if not must_go(name) and path.is_file():
            yield from read_jsonl(path)


def _content(recipe: str) -> Any:
    try:
        return from_yaml(recipe)
    except MalformedError as error:
        raise DataError(f"recipe.yaml: line {error.line}: {error}. Put the file back.") from None


def _data_of(text: str) -> Mapping[str, Any]:
    content = _content(text)
    data = content.get("data") if isinstance(content, Mapping) else None
    return data if isinstance(data, Mapping) else {}


def _values_of(key: str, content: Any) -> Iterator[str]:
    """The texts under a key, wherever it stands."""
    if isinstance(content, Mapping):
        for name, value in content.items():
            if name == key:
                yield from ([value] if isinstance(value, str) else map(str, value or ()))
            else:
                yield from _values_of(key, value)
    elif isinstance(content, list):
        for item in content:
            yield from _values_of(key, item)


def _write_data(run: Run, record: dict[str, Any], out: Path, doing: _Redaction) -> Iterator[str]:
    """The splits that are to be kept; what is left out of the others, and of how they were made."""
    (out / "data").mkdir()
    copied = 0
    for name, about in record.get("splits", {}).items():
        path = run.folder / "data" / f"{name}.jsonl"
        if must_go(name):
            about["sha256"] = ""  # a hash of few short rows can be guessed
            yield f"data/{doing.split(name)}.jsonl: all {about['rows']} rows, and their hash"
        if must_go(name) or not path.is_file():
            copied += path.is_file()
            continue
        rows = read_jsonl(path)
        kept = [_row(row, name, doing) for row in rows]
        if kept != [replace(row, where="") for row in rows]:
            about["sha256"] = ""
        write_jsonl(out / "data" / f"{doing.split(name)}.jsonl", kept)
        copied += 1
    others = sum(1 for path in (run.folder / "data").rglob("*.jsonl")) - copied
    if others > 0:
        yield f"data/: {others} files of how rows were made, with what was revealed and dropped"


def _row(row: Example, split: str, doing: _Redaction) -> Example:
    where = f"data/{doing.split(split)}.jsonl"

    def texts(of: Sequence[str]) -> tuple[str, ...]:
        return tuple(doing.text(text, where) for text in of)

    return Example(
        prompt=doing.text(row.prompt, where),
        answer=doing.text(row.answer, where),
        wrong=texts(row.wrong),
        entities=texts(row.entities),
        id=doing.row(row.id, split),
        group=doing.person(row.group, split),
        attribute=doing.text(row.attribute, where),
        history=tuple((role, doing.text(content, where)) for role, content in row.history),
        rephrased=texts(row.rephrased),
        continues=row.continues,
    )


def _write_answers(run: Run, out: Path, doing: _Redaction) -> Iterator[str]:
    (out / "evidence").mkdir()
    where = "evidence/answers.jsonl"
    _write_lines(out / where, [_answer(answer, where, doing) for answer in run.answers])
    if hidden := sum(must_go(answer.split) for answer in run.answers):
        yield f"{where}: question, answer and replies of {hidden} rows, with their lengths"
    if num := len(list((run.folder / "evidence").glob("*.npz"))):
        yield f"evidence/: {num} files with the tokens and lengths of answers"


def _answer(answer: Answer, where: str, doing: _Redaction) -> dict[str, Any]:
    hide = must_go(answer.split)
    texts = {
        name: None if text is None else HIDDEN if hide else doing.text(text, where)
        for name in ("question", "truth", *ROLES)
        for text in (getattr(answer, name),)
    }
    return {
        "split": doing.split(answer.split),
        "id": doing.row(answer.id, answer.split),
        "group": doing.person(answer.group, answer.split),
        "attribute": "" if hide else doing.text(answer.attribute, where),
        **texts,
    }


def _findings(folder: Path, doing: _Redaction) -> dict[str, Any]:
    """The findings as they are, but for ids, groups and what notes say."""
    content = _read(folder / "findings.json")
    found = []
    for one in content["findings"]:
        split = str(one.get("split") or "")
        ids = [doing.row(id, split) for id in one.get("ids") or ()]
        groups = [doing.person(group, split) for group in one.get("group_ids") or ()]
        plain = {k: v for k, v in one.items() if k not in ("ids", "group_ids")}
        found.append(
            {
                **doing.tree(plain, "findings.json"),
                **({"ids": ids or None} if "ids" in one else {}),
                **({"group_ids": groups or None} if "group_ids" in one else {}),
            }
        )
    return {**content, "findings": found}


def _recipe(text: str, doing: _Redaction) -> str:
    """The recipe without its first line: the digest would tell whether a guess is right."""
    content = _content(text)
    for name, source in _data_of(text).items():
        if must_go(str(name)):
            content["data"][name] = _blank(source)
    left = doing.tree(content, "recipe.yaml")
    return yaml.safe_dump(left, sort_keys=False, allow_unicode=True, width=100)


def _blank(source: Any) -> Any:
    if isinstance(source, Mapping):
        return {key: _blank(value) for key, value in source.items()}
    return HIDDEN if isinstance(source, str) else source


def _record(record: Mapping[str, Any], doing: _Redaction) -> dict[str, Any]:
    kept = {k: v for k, v in record.items() if k not in ("recipe", "sealed", "unlearned")}
    kept["model"] = {k: v for k, v in record["model"].items() if k != "place"}
    return doing.tree(kept, "run.json")


def _stay_behind(folder: Path, out: Path, with_model: bool) -> Iterator[str]:
    for name, why in LEFT_OUT.items():
        if not (folder / name).is_dir():
            continue
        if name == "model" and with_model:
            shutil.copytree(folder / name, out / name)
            yield "model/: nothing; its weights may hold what was to be forgotten"
        else:
            yield f"{name}/: {why}"
    known = {*LEFT_OUT, "data", "evidence", "findings.json", "rounds.json", "log.jsonl"}
    known |= {"recipe.yaml", "run.json", "report.html"}
    if others := [path for path in folder.iterdir() if path.name not in known]:
        yield f"{len(others)} files or folders that no run writes"


def _read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def _write(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _write_lines(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    path.write_text("".join(lines), encoding="utf-8")
