"""What must not depend on where the program runs: Windows, a script off the path, a narrow code page."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import namedtuple
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.run.conftest import write_data
from unteach import __version__
from unteach.run.folder import peak_memory


def python(*words: str | Path, **variables: str) -> subprocess.CompletedProcess[bytes]:
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONIOENCODING"} | variables
    return subprocess.run([sys.executable, *words], capture_output=True, env=environment)


def test_the_package_is_run_as_a_module():
    said = python("-m", "unteach", "--version")
    assert (said.returncode, said.stdout.decode().strip()) == (0, __version__)


def test_peak_memory_is_known_on_windows(monkeypatch: pytest.MonkeyPatch):
    """No `resource`, no /proc; psutil tells the peak of the working set."""
    Memory = namedtuple("Memory", "rss peak_wset")

    def refuse(self: Path, *given: Any, **also: Any) -> str:
        raise FileNotFoundError(self)

    monkeypatch.setitem(sys.modules, "resource", None)
    monkeypatch.setattr(Path, "read_text", refuse)
    monkeypatch.setattr(psutil.Process, "memory_info", lambda self: Memory(5_000_000, 7_000_000))
    assert peak_memory() == 7_000_000


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has its own source, tested above")
def test_peak_memory_is_known_without_proc(monkeypatch: pytest.MonkeyPatch):
    def refuse(self: Path, *given: Any, **also: Any) -> str:
        raise FileNotFoundError(self)

    monkeypatch.setattr(Path, "read_text", refuse)
    assert 1e7 < peak_memory() < 1e12


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"PYTHONIOENCODING": "cp1252"}, rb"Splits: \u6570\u636e"),
        ({"PYTHONIOENCODING": "utf-16-le"}, "Splits: 数据".encode("utf-16-le")),
        ({}, "Splits: 数据".encode()),
    ],
    ids=["code-page", "asked-for", "here"],
)
def test_what_a_code_page_lacks_is_printed(
    variables: dict[str, str],
    said: bytes,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    """Where another encoding than UTF-8 is asked for, what it lacks is escaped."""
    monkeypatch.chdir(tmp_path)
    data = [f"--set=data.{name}={path}" for name, path in write_data(tmp_path / "d").items()]
    start = "import sys; sys.argv = ['unteach', *sys.argv[1:-1], '\\u6570\\u636e']; "
    start += "from unteach.cli import main; main()"
    done = python("-c", start, "synthesize", "idk_nll", *data, "-q", "--out", "here", **variables)
    assert done.returncode == 0, done.stderr
    assert said in done.stdout
    assert Path("数据", "forget.jsonl").is_file()


def test_a_pipe_is_utf8_whatever_the_system_speaks(tmp_path: Path):
    """A model's name is printed as a recipe has it, on a system whose own encoding is ASCII."""
    narrow = {"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "LC_ALL": "C"}
    start = "from unteach import cli; cli._methods = lambda: {'\\u6570': {'summary': '', 'source': ''}};"
    start += "import sys; sys.argv = ['unteach', 'list', 'methods']; cli.main()"
    done = python("-c", start, **narrow)
    assert done.returncode == 0, done.stderr
    assert "数" in done.stdout.decode()
