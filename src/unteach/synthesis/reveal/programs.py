"""What of a text is a program: parsed, and never run."""

from __future__ import annotations

import ast
import re
import textwrap
import warnings
from collections.abc import Iterator
from typing import Final

from unteach.registry import reward
from unteach.synthesis.reveal.records import Said, Worth

_OPEN_FENCE = re.compile(r"^[ \t]{0,8}```[^\n`]*\n", re.MULTILINE)
_LOOPS = (ast.For, ast.AsyncFor, ast.While)
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
LONGEST_CODE: Final = 20_000
"""Characters of a block; a longer one is not read."""


@reward(source="arXiv:2509.14624", experimental=True)
def code(said: Said) -> list[Worth]:
    """1 if a text has Python with a function, class, import or loop; 0.5 if it assigns or calls only.

    Read are fenced blocks, or the whole text where there is none; only what parses counts, and it
    is not run. A fence that is left open may end in the middle of a line: up to three last lines are
    left out. A name, a constant or "Answer: yes" parses too and is worth 0. In a text without
    fences a word before brackets counts as a call only with no space between. `found` is the names
    defined, else what is imported, else the code. How the paper scores code was not read.
    """
    return [_code(text) for text in said.texts]


def _code(text: str) -> Worth:
    best, found = 0.0, []
    for block, is_fenced, is_open in _blocks(text):
        tree = _parsed(block, num_cut=3 if is_open else 0)
        value = _worth_of(tree, block, is_fenced) if tree else 0.0
        if tree and value:
            best = max(best, value)
            found += _defined(tree) or [block.strip()]
    return Worth(best, tuple(dict.fromkeys(found)))


def _blocks(text: str) -> Iterator[tuple[str, bool, bool]]:
    """Each block of code, whether a fence says so, and whether that was left open."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    start, is_fenced = 0, False
    while fence := _OPEN_FENCE.search(text, start):
        is_fenced = True
        end = text.find("```", fence.end())
        yield textwrap.dedent(text[fence.end() : None if end < 0 else end]), True, end < 0
        if end < 0:
            return
        start = end + 3
    if not is_fenced:
        yield textwrap.dedent(text.strip("\n")), False, False


def _parsed(block: str, num_cut: int) -> ast.Module | None:
    if len(block) > LONGEST_CODE:
        return None
    lines = block.split("\n")
    for cut in range(num_cut + 1):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of an escape in a string, which is not our code
                return ast.parse("\n".join(lines[: len(lines) - cut]))
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            continue
    return None


def _worth_of(tree: ast.Module, block: str, is_fenced: bool) -> float:
    nodes = list(ast.walk(tree))
    if any(isinstance(n, (*_LOOPS, *_DEFINITIONS, ast.Import, ast.ImportFrom)) for n in nodes):
        return 1.0
    lines = block.encode().split(b"\n")
    acts = any(
        isinstance(node, ast.Assign | ast.AugAssign | ast.NamedExpr)
        or (isinstance(node, ast.AnnAssign) and node.value is not None)
        or (isinstance(node, ast.Call) and (is_fenced or _is_tight(node, lines)))
        for node in nodes
    )
    return 0.5 if acts else 0.0


def _is_tight(call: ast.Call, lines: list[bytes]) -> bool:
    """Whether the bracket follows at once: "print(x)", not "hello (again)"."""
    line, end = call.func.end_lineno, call.func.end_col_offset
    return line is not None and end is not None and lines[line - 1][end : end + 1] == b"("


def _defined(tree: ast.Module) -> list[str]:
    nodes = list(ast.walk(tree))
    names = [n.name for n in nodes if isinstance(n, _DEFINITIONS)]
    names += [n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)]
    if names:
        return names
    imported = [a.name for n in nodes if isinstance(n, ast.Import) for a in n.names]
    return imported + [n.module for n in nodes if isinstance(n, ast.ImportFrom) and n.module]
