"""Imports point one way, and nothing heavy is imported before it is needed."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import unteach

PACKAGE = Path(unteach.__file__).parent
ROOMS = (
    *("errors", "notation", "ranges", "suites", "registry", "recipe", "sweep", "data", "model"),
    *("synthesis", "method", "train", "audit", "report", "run", "cli", "__main__"),
)
"""A room imports itself and the rooms before it."""


def imported_rooms(path: Path) -> set[str]:
    """Rooms of the package that a file imports, wherever in the file."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module == "unteach":
            names |= {f"unteach.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(str(node.module))
    rooms = {name.split(".")[1] for name in names if name.startswith("unteach.")}
    return rooms - {"__version__"}


def test_a_room_imports_only_itself_and_rooms_before_it():
    wrong = []
    for path in sorted(PACKAGE.rglob("*.py")):
        room = path.relative_to(PACKAGE).with_suffix("").parts[0]
        if room == "__init__":
            continue
        allowed = set(ROOMS[: ROOMS.index(room) + 1])
        wrong += [f"{path.name}: {r}" for r in imported_rooms(path) - allowed]
    assert wrong == []


def heavy_after(code: str) -> str:
    """The heavy packages that a fresh interpreter has loaded after running the code."""
    tail = "\nimport sys\nprint(*sorted({'torch', 'transformers', 'peft'} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code + tail], capture_output=True, text=True, check=True
    )
    return done.stdout.splitlines()[-1]


def test_importing_the_light_rooms_loads_no_torch():
    rooms = ("recipe", "registry", "cli", "report.build", "report.html", "data.sources")
    assert heavy_after("".join(f"import unteach.{room}\n" for room in rooms)) == ""


@pytest.mark.parametrize(
    "commands", [[["--help"], ["list"], ["show", "npo"], ["check", "ga"], ["check", "unteach"]]]
)
def test_commands_that_only_look_load_no_torch(commands: list[list[str]]):
    code = (
        "from typer.testing import CliRunner\nfrom unteach.cli import app\n"
        f"for command in {commands}:\n"
        "    done = CliRunner().invoke(app, command)\n"
        "    assert done.exit_code == 0, (command, done.output)\n"
    )
    assert heavy_after(code) == ""
