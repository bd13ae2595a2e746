"""A sweep: one YAML of several runs that differ in parts, checked whole before torch is imported."""

from __future__ import annotations

import difflib
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from unteach import recipe as recipes
from unteach.errors import DataError, RecipeError

T = TypeVar("T")
LONGEST_NAME = 100
"""Characters of a run's folder that every file system takes."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Variation(_Part):
    """One run as the file has it: what it changes, and its recipe if that is not the sweep's."""

    recipe: str | None = Field(default=None, description="a shipped recipe, or a file beside this")
    set: dict[str, Any] = Field(default_factory=dict, description="changes, as those of --set")


class SweepFile(_Part):
    """A sweep as the file has it: the recipe and the changes of all runs, and each run's own."""

    title: str = ""
    recipe: str | None = None
    set: dict[str, Any] = Field(default_factory=dict)
    runs: dict[str, Variation] = Field(min_length=1)


@dataclass(frozen=True)
class SweepRun:
    """One run of a sweep; relative paths of its data are looked for under `root`.

    `varied` is there where all runs differ in one number only: its `key`, this run's `value`, and as
    `method` the sweep's title. A page then has a figure over it.
    """

    name: str
    folder: str
    recipe: recipes.Recipe
    root: Path
    varied: Mapping[str, str] | None = None


@dataclass(frozen=True)
class Sweep:
    """The runs of a sweep in the order of its file."""

    title: str
    runs: tuple[SweepRun, ...]


def shipped() -> dict[str, Path]:
    """Sweeps that come with the package, by name."""
    inside, beside = Path(__file__).parent / "sweeps", Path(__file__).parents[2] / "sweeps"
    folder = inside if inside.is_dir() else beside
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def is_sweep(source: str | Path) -> bool:
    """Whether the file has the key `runs`, which no recipe has, or a shipped sweep has the name."""
    path = Path(source)
    if not path.is_file():
        return str(source) in shipped() and str(source) not in recipes.shipped()
    try:
        return "runs" in _content(path)
    except RecipeError:
        return False


def read_file(source: str | Path) -> SweepFile:
    """The sweep in a file, or the shipped one of that name; its recipes are not looked at.

    Raises:
        RecipeError: with every problem of the file, one a line.
    """
    path = _path(source)
    content = _content(path)
    try:
        file = SweepFile.model_validate(content)
    except ValidationError as error:
        raise RecipeError([_sentence(path, e) for e in error.errors()]) from None
    if problems := list(_bad_names(path, list(file.runs))):
        raise RecipeError(problems)
    return file


def read(source: str | Path, overrides: Sequence[str] = ()) -> Sweep:
    """A sweep with the recipe of every run, each checked.

    Changes come in this order: those of the sweep's `set`, of the run's `set`, and `overrides`, which
    are written `key.path=value`. A value of a `set` keeps the type that it has in the file.

    Raises:
        RecipeError: with every problem of the file and of its runs; see `for_each`.
    """
    file, path = read_file(source), _path(source)
    made = for_each(path, file.runs, lambda name: _run(path, file, name, overrides))
    return Sweep(file.title, tuple(made.values()))


def for_each(source: str | Path, names: Iterable[str], make: Callable[[str], T]) -> dict[str, T]:
    """What `make` gives for each run, by name.

    Raises:
        RecipeError: with every problem that `make` raised, one a line; one that several runs share
            is said once, with their names.
    """
    made: dict[str, T] = {}
    problems: dict[str, list[str]] = defaultdict(list)
    for name in names:
        try:
            made[name] = make(name)
        except (RecipeError, DataError) as error:
            for problem in error.problems:
                problems[problem].append(f"'{name}'")
    if problems:
        raise RecipeError(
            [
                f"{source}: {'run' if len(who) == 1 else 'runs'} {', '.join(who)}: {said}"
                for said, who in problems.items()
            ]
        )
    return made


def _run(path: Path, file: SweepFile, name: str, overrides: Sequence[str]) -> SweepRun:
    """One run; its problems do not say where yet, for other runs may have the same."""
    one = file.runs[name]
    given = one.recipe or file.recipe
    if given is None:
        raise RecipeError("recipe is missing, here and for the whole sweep.")
    beside, known = path.parent / given, recipes.shipped()
    if beside.is_file():
        place, root = beside, beside.parent
    elif given in known:
        # what it lacks is named in the sweep, and so looked for beside that
        place, root = known[given], Path() if path in shipped().values() else path.parent
    else:
        raise RecipeError(
            f"recipe: there is no file '{given}' beside the sweep, and no shipped recipe has that "
            f"name.{_guess(given, known)}"
        )
    content = recipes.with_demo(_content(place))
    for key, value in [*file.set.items(), *one.set.items()]:
        _put(content, key, value)
    try:
        made = recipes.build(content, overrides, str(path))
    except RecipeError as error:
        raise RecipeError([text.removeprefix(f"{path}: ") for text in error.problems]) from None
    titled = made.model_copy(update={"title": name})
    return SweepRun(name, slug(name), titled, root, _varied(file, name))


def _varied(file: SweepFile, name: str) -> dict[str, str] | None:
    """The one number that all runs of a sweep set, with its value in this one."""
    keys = {key for one in file.runs.values() for key in one.set}
    if len(keys) != 1 or len(file.runs) < 2:
        return None
    (key,) = keys
    values = [one.set.get(key) for one in file.runs.values()]
    is_number = all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in values)
    if not is_number or len(set(values)) < len(values) or any(r.recipe for r in file.runs.values()):
        return None
    return {"method": file.title or "Sweep", "key": key, "value": str(file.runs[name].set[key])}


def _put(content: dict[str, Any], key: str, value: object) -> None:
    """Change one value as `--set` does, but to the value itself: as text it could lose its type."""
    if "=" in key or not key:
        raise RecipeError(
            f"set: '{key}' is not a path of keys. Write it as in method.0.train.epochs: 3."
        )
    try:
        recipes.put(content, key, value)
    except RecipeError as error:
        raise RecipeError([f"set: {key}: {said}" for said in error.problems]) from None


def slug(name: str) -> str:
    """A run's folder: its name in lower case, with `_` for what is neither letter nor digit."""
    return re.sub(r"[\W_]+", "_", name.lower()).strip("_")


def _bad_names(path: Path, names: Sequence[str]) -> Iterator[str]:
    """Names that make no folder, or the folder of another run."""
    first: dict[str, str] = {}
    for name in names:
        folder = slug(name)
        if not 1 <= len(folder) <= LONGEST_NAME:
            yield (
                f"{path}: run '{name}': its folder would be called '{folder}'. Give it a name of 1 to "
                f"{LONGEST_NAME} letters and digits."
            )
        elif folder in first:
            yield (
                f"{path}: runs '{first[folder]}' and '{name}' would both be written to the folder "
                f"{folder}. Give one of them another name."
            )
        first.setdefault(folder, name)


def _path(source: str | Path) -> Path:
    path, known = Path(source), shipped()
    if path.is_file():
        return path
    if str(source) not in known:
        raise RecipeError(
            f"{source}: no such file, and no shipped sweep has that name. "
            f"Shipped sweeps: {', '.join(known)}."
        )
    return known[str(source)]


def _content(path: Path) -> dict[str, Any]:
    return recipes.content_of(path, "this should be a mapping of keys to values")


_SHAPES: Mapping[str, str] = {
    "model_type": "this should be a mapping",
    "dict_type": "this should be a mapping",
    "string_type": "this should be text",
    "too_short": "this has no run. Give at least one, as in runs: {as it is: {}}",
}


def _sentence(path: Path, error: Any) -> str:
    """What pydantic found at one place, as a whole sentence."""
    loc = list(error["loc"])
    owner: type[BaseModel] = SweepFile
    where = str(path)
    if loc[-1] == "[key]" or error["type"] == "invalid_key":
        named = loc[:-2] if loc[-1] == "[key]" else loc[:-1]
        place = f"{'.'.join(map(str, named))}: " if named else ""
        return (
            f"{where}: {place}YAML reads a key here as {error['input']}, not as a word, as it does "
            "with on, off, yes, no and numbers. Put it in quotes."
        )
    if loc[0] == "runs" and len(loc) > 1:
        owner, where, loc = Variation, f"{path}: run '{loc[1]}'", loc[2:]
    place = f"{'.'.join(map(str, loc))}: " if loc else ""
    if error["type"] == "extra_forbidden":
        keys = list(owner.model_fields)
        hint = _guess(str(loc[-1]), keys)
        return f"{where}: {place}there is no such key.{hint} Keys here: {', '.join(keys)}."
    if error["type"] == "missing":
        return f"{where}: {place.removesuffix(': ')} is missing."
    return f"{where}: {place}{_SHAPES.get(error['type'], error['msg'])}."


def _guess(name: str, known: Sequence[str] | Mapping[str, object]) -> str:
    close = difflib.get_close_matches(name, list(known), n=1)
    return f" Did you mean '{close[0]}'?" if close else ""
