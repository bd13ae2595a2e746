"""Where a line of JSON ends: at a line feed, and at nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from unteach.data import jsonl

SEPARATORS = ("\u0085", "\u2028", "\u2029", "\x0b", "\x0c", "\x1c", "\x1d", "\x1e", "\r", "\r\n")


@pytest.mark.parametrize("separator", SEPARATORS)
def test_what_is_written_comes_back_whatever_it_holds(separator: str, tmp_path: Path):
    rows = [{"text": f"one{separator}two\nthree"}, {"text": separator}]
    jsonl.write(tmp_path / "rows.jsonl", rows)
    assert jsonl.read(tmp_path / "rows.jsonl") == rows


def test_lines_are_numbered_as_an_editor_does_and_blank_ones_left_out():
    assert list(jsonl.lines('{"a": "\u2028"}\n\n  \n{}')) == [(1, '{"a": "\u2028"}'), (4, "{}")]
