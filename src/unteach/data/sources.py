"""Files, folders and hub data sets to splits, with every bad row named by file and line."""

from __future__ import annotations

import csv
import io
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from unteach import errors, recipe, registry
from unteach.data import jsonl
from unteach.data.choices import choose_letter
from unteach.data.examples import Example
from unteach.errors import DataError
from unteach.notation import MalformedError, from_json
from unteach.recipe import Source

HUB = "hf:"

USUAL_NAMES: Mapping[str, tuple[str, ...]] = {
    "prompt": ("prompt", "question", "instruction", "input", "query"),
    "answer": ("answer", "response", "output", "completion", "labels"),
    "text": ("text", "content", "document"),
    "messages": ("messages", "conversations", "conversation"),
    "wrong": ("wrong", "perturbed_answer", "wrong_answers"),
    "rephrased": ("rephrased", "paraphrased_answer"),
    "entities": ("entities",),
    "id": ("id",),
    "group": ("group",),
    "attribute": ("attribute",),
    "history": ("history",),
    "choices": ("choices",),
}
"""Field -> columns it is looked for under. The first is our own name and wins over the others."""

LAYOUTS = (("prompt", "answer"), ("messages",), ("text",))
"""The fields that a row may be made of; the first that a file has columns for is taken."""

OPTIONAL = ("wrong", "rephrased", "entities", "id", "group", "attribute", "history", "choices")

SUBJECT = "subject"
"""The column that is the attribute of questions with choices, as MMLU is published."""

FINAL_ANSWER = re.compile(r"^#### *(-?[0-9][0-9,]*(?:\.[0-9]+)?)\s*\Z", re.MULTILINE)
"""The last line of a worked answer, as GSM8K is published."""

ROLES: Mapping[str, str] = {
    "system": "system",
    "user": "user",
    "human": "user",
    "assistant": "assistant",
    "gpt": "assistant",
}
"""Speaker in a file -> role of a chat turn."""


@dataclass(frozen=True)
class _Row:
    where: str
    cells: Mapping[str, Any]


@dataclass(frozen=True)
class _Table:
    """What a file holds; `problems` are the rows that could not be read at all."""

    columns: tuple[str, ...]
    rows: tuple[_Row, ...]
    problems: tuple[str, ...] = ()


def read(data: recipe.Data, root: Path) -> dict[str, list[Example]]:
    """All splits of a run: the benchmark's, and those that add to or replace them.

    Raises:
        RecipeError: no benchmark has that name, or it does not take those parameters.
        DataError: with the problems of all files, not only of the first bad one.
    """
    splits: dict[str, list[Example]] = {}
    problems: list[str] = []
    if data.benchmark:
        entry = registry.find("benchmark", data.benchmark.name, "data.benchmark")
        params = registry.check("benchmark", entry.name, data.benchmark.params, "data.benchmark")
        try:
            splits = {name: list(examples) for name, examples in entry.load()(**params).items()}
        except DataError as error:
            problems += error.problems
    for name, source in data.splits.items():
        try:
            splits[name] = read_split(name, source, root)
        except DataError as error:
            problems += error.problems
    if problems:
        raise DataError(problems)
    return splits


def read_split(name: str, source: Source, root: Path) -> list[Example]:
    """The examples of one split, each with the place it came from.

    A row is a question with its answer, a text, or a chat whose last two messages are the question
    and the answer. Where a question has `choices`, its answer is the right one's number, counted
    from 0, or its letter; see `choose_letter`. Rows without an id are numbered from 0: `forget-0`;
    a row without a group is its own. A relative path is looked for under `root`, the recipe's
    folder, then where we are.

    Raises:
        DataError: the source cannot be read, a column is missing or could be one of two, or rows
            are bad; every bad row has its sentence, up to 50 of them.
    """
    place = f"data.{name}"
    table = _read_table(source, root, place)
    problems = list(table.problems)
    columns: dict[str, str] = {}
    if table.columns or table.rows:
        try:
            columns = _choose_columns(source, table.columns, place)
        except DataError as error:
            raise DataError(shorten([*error.problems, *problems], source.path)) from None
    examples: list[Example] = []
    for number, row in enumerate(table.rows):
        values, faults = _read_values(row, columns)
        problems += faults
        if faults:
            continue
        try:
            examples.append(_make_example(values, f"{name}-{number}", row.where))
        except DataError as error:
            problems.append(f"{row.where}: {error}")
    if problems:
        raise DataError(shorten(problems, source.path))
    return examples


def rows(source: Source, root: Path = Path()) -> list[tuple[str, Mapping[str, Any]]]:
    """Every row of a file or hub data set as it stands, with the place it came from.

    Raises:
        DataError: the source cannot be read, or rows are not objects.
    """
    table = _read_table(source, root, "path")
    if table.problems:
        raise DataError(shorten(table.problems, source.path))
    return [(row.where, row.cells) for row in table.rows]


def shorten(problems: Sequence[str], where: str, limit: int = 50) -> list[str]:
    """The first `limit` problems, and a line that counts the rest."""
    rest = len(problems) - limit
    return [*problems[:limit], f"... and {rest} more in {where}."] if rest > 0 else list(problems)


def _read_table(source: Source, root: Path, place: str) -> _Table:
    if source.path.startswith(HUB):
        return _read_hub(source, place)
    try:
        path = _locate(source.path, root, place)
        if path.is_dir():
            return _read_folder(path, source, place)
        reader = READERS.get(path.suffix.lower())
        if reader is None:
            known = ", ".join(READERS)
            raise DataError(
                f"{source.path}: files ending in '{path.suffix}' cannot be read. Give {known}, a "
                "folder of .txt files, a folder made by save_to_disk, or hf:owner/name/config."
            )
        return reader(path, source.path, source.rows)
    except OSError as error:
        raise DataError(f"{source.path}: cannot be read: {error.strerror or error}.") from None


def _locate(given: str, root: Path, place: str) -> Path:
    path = Path(os.path.expanduser(given))
    folders = list(dict.fromkeys((root.resolve(), Path.cwd())))
    for folder in folders:
        if (folder / path).exists():
            return folder / path
    looked = "" if path.is_absolute() else f" in {' or '.join(map(str, folders))}"
    raise DataError(f"{place}.path: there is no file or folder '{given}'{looked}.")


def _decode(path: Path, shown: str) -> str:
    """The file as text, without a byte-order mark."""
    if not path.is_file():  # a pipe would be waited for without end
        raise DataError(f"{shown}: is not an ordinary file. Give a copy of what it holds.")
    content = path.read_bytes()
    try:
        return content.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        byte = content[error.start]
        raise DataError(
            f"{shown}:{line} is not UTF-8 text (byte 0x{byte:02x}). Save the file as UTF-8."
        ) from None


def _read_json_lines(path: Path, shown: str, num_rows: int | None) -> _Table:
    return _parse_json_lines(_decode(path, shown), shown, num_rows)


def _parse_json_lines(text: str, shown: str, num_rows: int | None) -> _Table:
    rows: list[_Row] = []
    problems: list[str] = []
    for number, line in islice(jsonl.lines(text), num_rows):
        where = f"{shown}:{number}"
        try:
            value = from_json(line)
        except MalformedError as error:
            problems.append(f"{where} is not valid JSON: {error} at column {error.column}.")
            continue
        if isinstance(value, dict):
            rows.append(_Row(where, value))
        else:
            problems.append(f"{where} is {_describe(value)}; each line must be an object.")
    return _Table(_all_columns(rows), tuple(rows), tuple(problems))


def _read_json(path: Path, shown: str, num_rows: int | None) -> _Table:
    text = _decode(path, shown)
    try:
        content = from_json(text)
    except MalformedError as error:
        if _starts_with_an_object(text):  # JSON lines under a .json name, as TOFU is published
            return _parse_json_lines(text, shown, num_rows)
        raise DataError(
            f"{shown}:{error.line} is not valid JSON: {error} at column {error.column}."
        ) from None
    if not isinstance(content, list):
        raise DataError(f"{shown} holds {_describe(content)}; it must be a list of objects.")
    items = [(f"{shown}[{n}]", item) for n, item in enumerate(content[:num_rows])]
    rows = tuple(_Row(where, item) for where, item in items if isinstance(item, dict))
    problems = tuple(
        f"{where} is {_describe(item)}; each item must be an object."
        for where, item in items
        if not isinstance(item, dict)
    )
    return _Table(_all_columns(rows), rows, problems)


def _starts_with_an_object(text: str) -> bool:
    first = text.strip().split("\n", 1)[0]
    try:
        return isinstance(from_json(first), dict)
    except MalformedError:
        return False


def _all_columns(rows: Iterable[_Row]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(column for row in rows for column in row.cells))


def _read_csv(path: Path, shown: str, num_rows: int | None) -> _Table:
    # newline="" leaves line breaks inside quoted cells as they are
    text = _decode(path, shown)
    csv.field_size_limit(max(csv.field_size_limit(), len(text)))  # else 131,072 characters a cell
    reader = csv.reader(io.StringIO(text, newline=""))
    rows: list[_Row] = []
    problems: list[str] = []
    try:
        header = next(reader, [])
        _check_header(header, shown)
        for cells in islice((cells for cells in reader if cells), num_rows):
            where = f"{shown}:{reader.line_num}"
            if len(cells) == len(header):
                rows.append(_Row(where, dict(zip(header, cells, strict=True))))
            else:
                problems.append(
                    f"{where} has {len(cells)} cells; the header has {len(header)}. "
                    "Put cells that hold commas or line breaks in double quotes."
                )
    except csv.Error as error:
        raise DataError(f"{shown}:{reader.line_num} is not readable as CSV: {error}.") from None
    return _Table(tuple(header), tuple(rows), tuple(problems))


def _check_header(header: Sequence[str], shown: str) -> None:
    if not header:
        raise DataError(f"{shown} has no header; its first line must name the columns.")
    twice = next((column for column in header if header.count(column) > 1), None)
    if twice is not None:
        raise DataError(f"{shown}: the header names the column '{twice}' more than once.")


def _read_parquet(path: Path, shown: str, num_rows: int | None) -> _Table:
    import pyarrow
    import pyarrow.parquet

    if not path.is_file():
        raise DataError(f"{shown}: is not an ordinary file. Give a copy of what it holds.")
    try:
        table = pyarrow.parquet.read_table(path)
        kept = table if num_rows is None else table.slice(0, num_rows)
        rows = kept.to_pylist()
    except (pyarrow.ArrowException, ValueError, OverflowError) as error:
        raise DataError(
            f"{shown} is not readable as Parquet: {_one_line(error).rstrip('.')}."
        ) from None
    return _number_rows(table.column_names, rows, shown)


def _number_rows(columns: Sequence[str], rows: Iterable[Mapping[str, Any]], shown: str) -> _Table:
    numbered = tuple(_Row(f"{shown}[{n}]", row) for n, row in enumerate(rows))
    return _Table(tuple(columns), numbered)


def _read_folder(path: Path, source: Source, place: str) -> _Table:
    if (path / "dataset_info.json").is_file() or (path / "dataset_dict.json").is_file():
        return _read_saved(path, source, place)
    files = sorted(path.glob("*.txt"))
    if not files:
        raise DataError(
            f"{source.path}: the folder has no .txt file and was not made by save_to_disk."
        )
    shown = source.path.rstrip("/")
    rows = tuple(
        _Row(
            f"{shown}/{file.name}",
            {
                "text": _decode(file, f"{shown}/{file.name}").rstrip("\r\n"),
                "id": file.name,
                "group": file.name,
            },
        )
        for file in files[: source.rows]
    )
    return _Table(("text", "id", "group"), rows)


def _read_saved(path: Path, source: Source, place: str) -> _Table:
    import datasets

    try:
        saved = datasets.load_from_disk(str(path))
    except (ValueError, OSError, datasets.exceptions.DatasetsError) as error:
        raise DataError(
            f"{source.path}: the data set saved there could not be loaded: "
            f"{_one_line(error).rstrip('.')}. Save it again with save_to_disk."
        ) from None
    if isinstance(saved, datasets.DatasetDict):
        if source.split not in saved:
            raise DataError(
                f"{source.path}: there is no split '{source.split}'. It has: {', '.join(saved)}. "
                f"Name one under {place}.split."
            )
        saved = saved[source.split]
    return _take_rows(saved, source)


def _read_hub(source: Source, place: str) -> _Table:
    owner, *rest = source.path.removeprefix(HUB).split("/", 2)
    if not owner or not rest or not all(rest):
        raise DataError(f"{place}.path: write '{source.path}' as hf:owner/name/config.")
    import datasets

    config = rest[1] if len(rest) > 1 else None
    try:
        loaded = datasets.load_dataset(f"{owner}/{rest[0]}", config, split=source.split)
    except (OSError, ValueError, RuntimeError, datasets.exceptions.DatasetsError) as error:
        raise DataError(
            f"{source.path}: could not be loaded (offline?): {_one_line(error).rstrip('.')}. Check "
            f"the name, the config and the split '{source.split}', or give a local file instead."
        ) from None
    return _take_rows(loaded, source)


def _take_rows(loaded: Any, source: Source) -> _Table:
    """Rows of a `datasets.Dataset`."""
    num_rows = len(loaded) if source.rows is None else min(source.rows, len(loaded))
    return _number_rows(loaded.column_names, loaded.select(range(num_rows)), source.path)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())


READERS: Mapping[str, Callable[[Path, str, int | None], _Table]] = {
    ".jsonl": _read_json_lines,
    ".json": _read_json,
    ".csv": _read_csv,
    ".parquet": _read_parquet,
}
"""Ending of a file -> its reader."""


def _choose_columns(source: Source, columns: Sequence[str], place: str) -> dict[str, str]:
    """Field -> column, for the fields that the rows of this file hold."""
    named = {f: c for f in USUAL_NAMES if (c := getattr(source, f, None)) is not None}
    has = f"It has: {', '.join(columns) or 'none'}."
    problems = [
        f"{source.path}: there is no column '{column}' for {field}. {has} "
        f"Name it under {place}.{field}."
        for field, column in named.items()
        if column not in columns
    ]
    if problems:
        raise DataError(problems)
    free = [column for column in columns if column not in named.values()]
    found = {
        field: [named[field]] if field in named else [name for name in usual if name in free]
        for field, usual in USUAL_NAMES.items()
    }
    layout = _choose_layout(source.path, named, found, has, place)
    problems = [
        f"{source.path}: there is no column for {field} (looked for "
        f"{', '.join(USUAL_NAMES[field])}). {has} Name it under {place}.{field}."
        for field in layout
        if not found[field]
    ]
    used = {field: found[field] for field in (*layout, *OPTIONAL) if found[field]}
    problems += [
        f"{source.path}: {field} could be the column "
        f"{' or '.join(map(repr, candidates))}. Name one under {place}.{field}."
        for field, candidates in used.items()
        if len(candidates) > 1 and candidates[0] != USUAL_NAMES[field][0]
    ]
    if problems:
        raise DataError(problems)
    if "answer" not in layout:
        used.pop("choices", None)
    if "choices" in used and SUBJECT in free:
        used.setdefault("attribute", [SUBJECT])
    return {field: candidates[0] for field, candidates in used.items()}


def _choose_layout(
    shown: str,
    named: Mapping[str, str],
    found: Mapping[str, Sequence[str]],
    has: str,
    place: str,
) -> tuple[str, ...]:
    """The fields a row is made of; a column for one of them may still be missing."""
    asked = [layout for layout in LAYOUTS if any(field in named for field in layout)]
    complete = [layout for layout in LAYOUTS if all(found[field] for field in layout)]
    half = next((field for field in LAYOUTS[0] if found[field]), None)
    if len(asked) > 1:
        raise DataError(
            f"{place} names columns for {', '.join(f for f in named if f not in OPTIONAL)}, but a "
            "row is prompt and answer, messages, or text. Name the columns of one of these."
        )
    if asked:
        return asked[0]
    if not complete and half is None:
        raise DataError(
            f"{shown}: there is no column for prompt and answer, messages, or text. {has} "
            f"Name them under {place}, as in {place}.prompt."
        )
    if complete == [("text",)] and half is not None:
        # plain text beside half of a pair: reading it as text would drop the answers unseen
        raise DataError(
            f"{shown}: the columns '{found['text'][0]}' and '{found[half][0]}' may be a question "
            "with its answer, or a text and something else. "
            f"Name {place}.prompt and {place}.answer, or {place}.text."
        )
    return complete[0] if complete else LAYOUTS[0]


def _read_values(row: _Row, columns: Mapping[str, str]) -> tuple[dict[str, Any], list[str]]:
    """The row's fields in our types, and what is wrong with it."""
    values: dict[str, Any] = {}
    problems: list[str] = []
    for field, column in columns.items():
        if column not in row.cells:
            if field not in OPTIONAL:
                problems.append(f"{row.where} has no '{column}', which is read as {field}.")
            continue
        cell = row.cells[column]
        if cell is None and field in OPTIONAL:
            continue
        numbered = field == "answer" and row.cells.get(columns.get("choices", "")) is not None
        try:
            values[field] = _whole((_parse_label if numbered else PARSERS[field])(cell))
        except ValueError as error:
            problems.append(f"{row.where}: {field} (column '{column}') {error}.")
    return values, problems


def _make_example(values: Mapping[str, Any], number: str, where: str) -> Example:
    prompt, answer = values.get("prompt", ""), values.get("answer", values.get("text", ""))
    history = values.get("history", ())
    if "messages" in values:
        *earlier, (_, prompt), (_, answer) = values["messages"]
        history = tuple(earlier)
    wrong, entities = values.get("wrong", ()), values.get("entities", ())
    if "choices" in values:
        prompt, answer, wrong = choose_letter(prompt, values["choices"], answer)
    final = FINAL_ANSWER.search(answer)
    if final and prompt and not entities:
        entities = (final[1],)
    name = values.get("id") or number
    return Example(
        prompt=prompt,
        answer=answer,
        wrong=wrong,
        rephrased=values.get("rephrased", ()),
        entities=entities,
        id=name,
        group=values.get("group") or name,
        attribute=values.get("attribute", ""),
        history=history,
        where=where,
    )


def _parse_text(cell: object) -> str:
    if not isinstance(cell, str):
        raise ValueError(f"is {_describe(cell)}; it must be text")
    return cell


T = TypeVar("T")


def _whole(value: T) -> T:
    """The value, in whose texts every character is one: JSON can spell half of a surrogate pair."""
    try:
        "".join(_texts_of((value,))).encode()
    except UnicodeEncodeError as error:
        half = error.object[error.start]
        raise ValueError(
            f"holds half of a character (\\u{ord(half):04x}); write the whole one"
        ) from None
    return value


def _texts_of(value: object) -> Iterator[str]:
    for item in value if isinstance(value, tuple) else ():
        yield from (item,) if isinstance(item, str) else _texts_of(item)


def _parse_label(cell: object) -> str:
    """Text or a whole number, which many data sets number their rows with."""
    if isinstance(cell, int) and not isinstance(cell, bool):
        return str(cell)
    return _parse_text(cell)


def _parse_texts(cell: object) -> tuple[str, ...]:
    """A list of texts, or one text; a CSV cell may hold the list as JSON."""
    items = _unpack(cell)
    if isinstance(items, str):
        return (items,) if items else ()
    if not isinstance(items, list):
        raise ValueError(f"is {_describe(cell)}; it must be a text or a list of texts")
    for item in items:
        if not isinstance(item, str):
            raise ValueError(f"holds {_describe(item)}; it must be a list of texts")
    return tuple(items)


def _parse_messages(cell: object) -> tuple[tuple[str, str], ...]:
    turns = _parse_turns(cell)
    if len(turns) < 2 or (turns[-2][0], turns[-1][0]) != ("user", "assistant"):
        roles = ", ".join(role for role, _ in turns[-2:]) or "nothing"
        raise ValueError(f"ends with {roles}; it must end with a user and an assistant message")
    return turns


def _parse_turns(cell: object) -> tuple[tuple[str, str], ...]:
    """Chat turns as (role, content), from objects or from pairs."""
    items = _unpack(cell)
    if items == "":  # an empty cell of a CSV file
        return ()
    if not isinstance(items, list):
        raise ValueError(f"is {_describe(cell)}; it must be a list of messages")
    return tuple(_parse_turn(item, number) for number, item in enumerate(items))


def _parse_turn(item: object, number: int) -> tuple[str, str]:
    if isinstance(item, dict):
        role, content = item.get("role", item.get("from")), item.get("content", item.get("value"))
    elif isinstance(item, list) and len(item) == 2:
        role, content = item
    else:
        raise ValueError(f"has {_describe(item)} as message {number}; it must be {{role, content}}")
    if not isinstance(role, str) or role not in ROLES:
        raise ValueError(
            f"has no known role in message {number}; it must be system, user or assistant"
        )
    if not isinstance(content, str):
        raise ValueError(f"has {_describe(content)} as content of message {number}, not text")
    return ROLES[role], content


def _unpack(cell: object) -> object:
    """The list that a text holds as JSON, or the cell as it is."""
    if isinstance(cell, str) and cell.startswith("["):
        try:
            return from_json(cell)
        except MalformedError:
            return cell  # a text that only begins like a list: "[name] lives in Lyon"
    return cell


def _describe(value: object) -> str:
    """What a value is, without quoting text: what must be forgotten stays out of messages."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return f"{errors.shown(value)}, a number"
    kinds: dict[type, str] = {str: "a text", list: "a list", tuple: "a list", dict: "an object"}
    return kinds.get(type(value), f"a {type(value).__name__}")


PARSERS: Mapping[str, Callable[[object], Any]] = {
    "prompt": _parse_text,
    "answer": _parse_text,
    "text": _parse_text,
    "messages": _parse_messages,
    "wrong": _parse_texts,
    "rephrased": _parse_texts,
    "entities": _parse_texts,
    "id": _parse_label,
    "group": _parse_label,
    "attribute": _parse_label,
    "history": _parse_turns,
    "choices": _parse_texts,
}
"""Field -> what makes its value of a cell; a ValueError ends the sentence about that cell."""
