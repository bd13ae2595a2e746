"""Seeded hostile input: recipes, YAML, data files and run folders that no friend would write."""

from __future__ import annotations

import contextlib
import copy
import csv
import io
import json
import math
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

from tests.report.conftest import realistic
from unteach import recipe, registry, sweep
from unteach.data import checks, sources
from unteach.recipe import Source
from unteach.report.build import build

NUMBERS: tuple[Any, ...] = (
    *(math.nan, math.inf, -math.inf, 0, -1, 0.5, 1.5, 1, 2, 1e300, -1e300, 5e-324, 2**31, 2**64),
    *(10**400, -(10**5000), True, False, None),
)
OTHERS: tuple[Any, ...] = (
    *("", " ", "x", "nan", "1e-5", "-1", "9" * 5000, "\ud800", "\0", "x" * 100_000, "~nobody/x"),
    *(
        [],
        {},
        [[]],
        [None],
        {"name": "npo"},
        {"name": {}},
        {"a": {"b": [1]}},
        b"x",
        {1: 2},
        [1] * 500,
    ),
)
DEEP: Any = "x"
for _ in range(200):
    DEEP = [DEEP]
HOSTILE = (*NUMBERS, *OTHERS, DEEP)

PIECES = (
    *(
        "[" * 3000,
        "{" * 3000,
        "- " * 400,
        "&a [*a]",
        "<<: *x",
        "!!int x",
        "!!python/object:os.system x",
    ),
    *(
        "2024-13-45",
        ".nan",
        ".inf",
        "\0",
        "\ufeff",
        "\ud83d",
        "\u2028",
        "'",
        '"',
        ":",
        "? ",
        "---\n",
        "%",
    ),
    *(
        "*x",
        "\t",
        "9" * 5000,
        "1e999",
        "null",
        "~",
        "\\ud800",
        "on: 1\n",
        "a: 1\na: 2\n",
        "\r",
        "| \n",
    ),
)


@dataclass(frozen=True)
class Case:
    """One input; `tried` raises a UserError or accepts it, and whatever else is a defect."""

    kind: str
    what: str
    tried: Callable[[], object]


def cases(seed: int, number: int, folder: Path) -> Iterator[Case]:
    """So many cases, of each kind about as many; files are written under `folder`."""
    random = Random(seed)
    makers = (_parameter, _field, _yaml, _data, _run_folder)
    for i in range(number):
        place = folder / str(i)
        yield makers[i % len(makers)](random, place)
        shutil.rmtree(place, ignore_errors=True)


def _parameter(random: Random, place: Path) -> Case:
    """A registered function with one or two parameters that no one should accept unseen."""
    kind = random.choice(list(registry.ROOMS))
    entry = random.choice(list(registry.entries(kind).values()))
    names = [p.name for p in entry.parameters] or ["x"]
    given = {random.choice(names): _hostile(random) for _ in range(random.choice((1, 1, 2)))}
    return Case(
        "parameter", f"{kind} {entry.name} {short(given)}", lambda: _valid(kind, entry, given)
    )


def _valid(kind: str, entry: registry.Entry, given: Mapping[str, Any]) -> None:
    """What passes is inside its range: no number is NaN or infinite."""
    for value in registry.check(kind, entry.name, given, "here").values():
        for number in value if isinstance(value, tuple) else (value,):
            assert not isinstance(number, float) or math.isfinite(number), (entry.name, value)


def _field(random: Random, place: Path) -> Case:
    """A shipped recipe of which some values are replaced."""
    name = random.choice(list(_shipped()))
    content = copy.deepcopy(_shipped()[name])
    changed = []
    for _ in range(random.choice((1, 1, 2, 4))):
        holder, key = random.choice(list(_places(content)) or [(content, "seed")])
        holder[key] = _hostile(random)
        changed.append(f"{key}={short(holder[key])}")
    if random.random() < 0.3:
        extra = random.choice((*recipe.Recipe.model_fields, "x"))
        content[extra] = _hostile(random)
        changed.append(f"{extra}={short(content[extra])}")
    return Case("recipe", f"{name} {changed}", lambda: _built(content))


def _built(content: dict[str, Any]) -> None:
    made = recipe.build(content, (), "here")
    made.digest()
    recipe.audits(made)
    list(recipe.missing_models(made))


def _places(node: Any) -> Iterator[tuple[Any, Any]]:
    items = node.items() if isinstance(node, dict) else enumerate(node)
    for key, value in list(items):
        yield node, key
        if isinstance(value, dict | list):
            yield from _places(value)


@cache
def _shipped() -> dict[str, dict[str, Any]]:
    return {
        name: recipe.with_demo(recipe.content_of(path, "x"))
        for name, path in recipe.shipped().items()
    }


@cache
def _texts() -> tuple[str, ...]:
    files = (*recipe.shipped().values(), *sweep.shipped().values())
    return tuple(path.read_text("utf-8") for path in files)


def _yaml(random: Random, place: Path) -> Case:
    """A recipe or sweep file with pieces put in, taken out or turned round."""
    file = place / "r.yaml"
    _write(file, _mangled(random, random.choice(_texts())))

    def tried() -> None:
        if sweep.is_sweep(file):
            sweep.read(file)
        else:
            recipe.read(file)

    return Case("yaml", short(file.read_bytes()), tried)


def _data(random: Random, place: Path) -> Case:
    """A file of examples of some format, more or less broken."""
    kind = random.choice((".jsonl", ".json", ".csv", ".txt", ".parquet"))
    rows = [_row(random, n) for n in range(random.randrange(6))]
    file = place / f"a{kind}"
    text = _as_text(kind, rows)
    _write(file, _mangled(random, text) if random.random() < 0.7 else text)
    path = "." if kind == ".txt" else file.name

    def tried() -> None:
        found = sources.read_split("forget", Source(path=path), place)
        checks.require_clean({"forget": found}, {})

    return Case("data", short(file.read_bytes()), tried)


def _row(random: Random, number: int) -> dict[str, Any]:
    row: dict[str, Any] = {"prompt": f"Where is {number}?", "answer": "In Lyon.", "id": number}
    for field in random.sample(list(sources.USUAL_NAMES), random.choice((0, 0, 1, 2))):
        row[field] = random.choice(
            ("x", "[", "[1", '["a"]', 3, None, [], [["user"]], {}, "\ud800", 0)
        )
    return row


def _as_text(kind: str, rows: list[dict[str, Any]]) -> str:
    if kind == ".csv":
        out = io.StringIO(newline="")
        names = list(dict.fromkeys(name for row in rows for name in row)) or ["text"]
        writer = csv.DictWriter(out, names)
        writer.writeheader()
        writer.writerows(rows)
        return out.getvalue()
    if kind == ".jsonl":
        return "".join(f"{json.dumps(row)}\n" for row in rows)
    return json.dumps(rows)


def _run_folder(random: Random, place: Path) -> Case:
    """The folder of a run, one file of which is broken or holds something else."""
    realistic(place, random.randrange(3))
    file = random.choice([p for p in sorted(place.rglob("*")) if p.is_file()])
    if random.random() < 0.5 or file.suffix != ".json":
        _write(file, _mangled(random, file.read_text("utf-8")))
        what = "mangled"
    else:
        content = json.loads(file.read_text("utf-8"))
        holder, key = random.choice(list(_places(content)))
        holder[key] = _hostile(random, _json_values())
        what = f"{key}={short(holder[key])}"
        file.write_text(json.dumps(content), "utf-8")
    return Case("run folder", f"{file.name} {what}", lambda: build([place]))


@cache
def _json_values() -> tuple[Any, ...]:
    """Those of the hostile values that Python writes as JSON."""
    kept = []
    for value in HOSTILE:
        with contextlib.suppress(TypeError, ValueError):
            json.dumps(value)
            kept.append(value)
    return tuple(kept)


def _hostile(random: Random, values: Sequence[Any] = HOSTILE) -> Any:
    """A copy, for the next change may go inside it."""
    return copy.deepcopy(random.choice(values))


def _mangled(random: Random, text: str) -> str:
    for _ in range(random.choice((1, 1, 2, 5))):
        at = random.randrange(len(text) + 1)
        until = min(len(text), at + random.choice((0, 0, 1, 5, 50)))
        text = text[:at] + random.choice((*PIECES, "", text[until : until + 80])) + text[until:]
    return text


def _write(file: Path, text: str) -> None:
    """Half characters become bytes that are not UTF-8."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(text.encode("utf-8", "surrogatepass"))


def short(value: object) -> str:
    """A value as a case is named."""
    try:
        text = ascii(value)
    except ValueError:
        text = "a number of thousands of digits"
    return text if len(text) < 100 else f"{text[:100]}..."
