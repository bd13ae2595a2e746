"""JSON and YAML as anybody may have written it: read within bounds, or refused by a reason.

What a parser leaves open is closed here: nesting without end, whole numbers of thousands of digits,
aliases that unfold to more than a memory holds, a key that stands twice.
"""

from __future__ import annotations

import json
from collections.abc import Hashable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from unteach.errors import DataError

DEEPEST = 64
"""Levels of nesting; a recipe has a dozen."""
MOST_VALUES = 100_000
"""Values of a YAML file, with what its aliases stand for."""


class MalformedError(ValueError):
    """Text that cannot be read. The reason is part of a sentence; `line` and `column` count from 1."""

    def __init__(self, reason: str, line: int = 1, column: int = 1) -> None:
        super().__init__(reason)
        self.line, self.column = line, column


def from_json(text: str) -> Any:
    """The value.

    Raises:
        MalformedError: it is not JSON, or holds what no program can hold.
    """
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise MalformedError(error.msg, error.lineno, error.colno) from None
    except RecursionError:
        raise MalformedError("It is nested too deeply") from None
    except ValueError:  # the one that is left: Python's bound on digits
        raise MalformedError("It holds a whole number of thousands of digits") from None


def read_json(path: Path) -> Any:
    """The value in a file that a program wrote.

    Raises:
        DataError: it is missing, unreadable or not JSON.
    """
    try:
        return from_json(read_text(path))
    except MalformedError as error:
        raise DataError(
            f"{path}: is not JSON at line {error.line}, column {error.column}: {error}."
        ) from None


def read_object(path: Path) -> dict[str, Any]:
    """As `read_json`, of a file that holds an object.

    Raises:
        DataError: also if it holds anything else.
    """
    value = read_json(path)
    if not isinstance(value, dict):
        raise DataError(f"{path}: must be a JSON object.")
    return value


def read_text(path: Path) -> str:
    """A file as text.

    Raises:
        DataError: it is missing or unreadable, is no ordinary file, or not UTF-8.
    """
    try:
        if path.exists() and not path.is_file():  # a pipe would be waited for without end
            raise DataError(f"{path}: is not an ordinary file.")
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise DataError(
            f"{path}: this file is missing, so the run did not finish or the folder was not copied "
            "whole. Start the run again to finish it."
        ) from None
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: is not UTF-8 text (byte {error.start}).") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}.") from None


def from_yaml(text: str) -> Any:
    """The value of the only document; a date is text, as nothing here is a date.

    Raises:
        MalformedError: it is not YAML, holds a key twice, or unfolds beyond bounds.
    """
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        _measure(node, {}, ())
        return loader.construct_document(node)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        at = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        reason = " ".join(filter(None, (error.context, error.problem)))
        raise MalformedError(reason, *at) from None
    except yaml.YAMLError as error:
        raise MalformedError(" ".join(str(error).split())) from None
    except RecursionError:
        raise MalformedError("it is nested too deeply") from None
    finally:
        loader.dispose()


class _Loader(yaml.SafeLoader):
    """Without dates; a scalar that its tag does not fit is an error of YAML, like any other."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - as the base class has it
        first: [(tag, pattern) for tag, pattern in known if not tag.endswith(":timestamp")]
        for first, known in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def __init__(self, text: str) -> None:
        try:
            super().__init__(text)
        except yaml.reader.ReaderError as error:
            raise MalformedError(f"{error.reason} (character {error.position + 1})") from None

    def fetch_flow_collection_start(self, TokenClass: Any) -> None:
        """Bounded here already, as the scanner's time grows with the square of the depth."""
        if self.flow_level >= DEEPEST:
            raise yaml.scanner.ScannerError(
                None, None, f"it is nested more than {DEEPEST} levels deep", self.get_mark()
            )
        super().fetch_flow_collection_start(TokenClass)

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        """As YAML has it; `!!int x` is refused with its place."""
        try:
            return super().construct_object(node, deep)
        except (ValueError, LookupError, AttributeError, TypeError) as error:
            if isinstance(error, MalformedError) or not isinstance(node, yaml.ScalarNode):
                raise
            tag = node.tag.rpartition(":")[2]
            raise yaml.constructor.ConstructorError(
                None, None, f"'{node.value[:40]}' cannot be read as {tag}", node.start_mark
            ) from None


class _Size(NamedTuple):
    values: int
    levels: int


def _measure(node: yaml.Node, known: dict[int, _Size], above: tuple[int, ...]) -> _Size:
    """What a node unfolds to; it is checked on the way, and each node is looked at once."""
    if id(node) in above:
        raise _at(node, "it holds itself by an alias")
    if id(node) not in known:
        _require_single_keys(node)
        below = [_measure(child, known, (*above, id(node))) for child in _children(node)]
        values = 1 + sum(size.values for size in below)
        levels = 1 + max((size.levels for size in below), default=0)
        known[id(node)] = _Size(values, levels)
    size = known[id(node)]
    if size.values > MOST_VALUES:
        raise _at(node, f"with its aliases it holds more than {MOST_VALUES:,} values")
    if size.levels + len(above) > DEEPEST:
        raise _at(node, f"it is nested more than {DEEPEST} levels deep")
    return size


def _children(node: yaml.Node) -> Iterator[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield from (key, value)
    elif isinstance(node, yaml.SequenceNode):
        yield from node.value


def _require_single_keys(node: yaml.Node) -> None:
    """YAML itself keeps the last of two values for one key, without a word."""
    if not isinstance(node, yaml.MappingNode):
        return
    seen: set[Hashable] = set()
    for key, _ in node.value:
        if isinstance(key, yaml.ScalarNode):
            if (key.tag, key.value) in seen:
                raise _at(key, f"the key '{key.value}' is there twice")
            seen.add((key.tag, key.value))


def _at(node: yaml.Node, reason: str) -> MalformedError:
    return MalformedError(reason, node.start_mark.line + 1, node.start_mark.column + 1)
