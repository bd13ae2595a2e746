"""Whatever a YAML or JSON text holds, it is read or refused by a reason."""

from __future__ import annotations

from typing import Any

import pytest

from unteach.notation import MalformedError, from_json, from_yaml


def refused(read: Any, text: str) -> tuple[int, str]:
    with pytest.raises(MalformedError) as raised:
        read(text)
    return raised.value.line, str(raised.value)


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("a: 1\nb:\n  c: 1\n  c: 2", 4, "the key 'c' is there twice"),
        ("a: &x [*x]", 1, "it holds itself by an alias"),
        ("a: " + "[" * 70 + "]" * 70, 1, "it is nested more than 64 levels deep"),
        ("a: " + "[" * 5000, 1, "it is nested more than 64 levels deep"),
        ("a: !!int x", 1, "'x' cannot be read as int"),
        ("a: !!timestamp x", 1, "'x' cannot be read as timestamp"),
        ("a: !!bool x", 1, "'x' cannot be read as bool"),
        (f"a: {'9' * 5000}", 1, f"'{'9' * 40}' cannot be read as int"),
        ("a: [", 1, "while parsing a flow node expected the node content, but found '<stream end>'"),
        ("a: 1\n---\nb: 2", 2, "expected a single document in the stream but found another document"),
        ("a: \x00", 1, "special characters are not allowed (character 4)"),
        ("a: !!python/object:os.system x", 1, "could not determine a constructor for the tag "
         "'tag:yaml.org,2002:python/object:os.system'"),
    ],
)  # fmt: skip
def test_yaml_that_is_refused(text: str, line: int, reason: str):
    assert refused(from_yaml, text) == (line, reason)


def test_aliases_that_unfold_without_bound_are_refused():
    """Nine levels of nine aliases each would be 9^9, some 400 million values."""
    bomb = "a0: &a0 [x]\n" + "".join(
        f"a{n + 1}: &a{n + 1} [{', '.join([f'*a{n}'] * 9)}]\n" for n in range(9)
    )
    line, reason = refused(from_yaml, bomb)
    assert (line, reason) == (6, "with its aliases it holds more than 100,000 values")


def test_aliases_that_nest_without_bound_are_refused():
    deep = "a0: &a0 [x]\n" + "".join(f"a{n + 1}: &a{n + 1} [*a{n}]\n" for n in range(100))
    assert refused(from_yaml, deep)[1] == "it is nested more than 64 levels deep"


def test_yaml_that_people_write_is_read():
    text = "base: &base {lr: 1e-5, on: yes}\nother: {<<: *base, seed: 3}\ntitle: 2024-13-45"
    read = from_yaml(text)
    assert read["other"] == {"lr": "1e-5", True: True, "seed": 3}
    assert read["title"] == "2024-13-45"  # no date, however it looks
    assert from_yaml("") is None


def test_json_that_is_refused():
    assert refused(from_json, "[" * 100_000) == (1, "It is nested too deeply")
    assert refused(from_json, "9" * 5000) == (1, "It holds a whole number of thousands of digits")
    assert refused(from_json, '{"a":\n}') == (2, "Expecting value")
    assert from_json("[1]") == [1]
