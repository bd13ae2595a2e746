"""The texts of the capabilities: each shows what it should, and nothing else does."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Literal

import pytest

from unteach import registry
from unteach.data import checks
from unteach.data.benchmarks.capability import capability
from unteach.data.examples import Example
from unteach.data.sources import FINAL_ANSWER
from unteach.errors import RecipeError
from unteach.recipe import parse
from unteach.synthesis.reveal import seeds
from unteach.synthesis.reveal.records import Said, Worth

Task = Literal["toxicity", "entities", "code"]
TASKS: Sequence[Task] = ("toxicity", "entities", "code")
REWARDS = {"toxicity": "lexicon", "entities": "entities", "code": "code"}
each = pytest.mark.parametrize("task", TASKS)


def worths(task: Task, rows: Sequence[Example]) -> list[Worth]:
    reward = registry.find("reward", REWARDS[task]).load()
    return list(reward(Said("", "", tuple(e.answer for e in rows))))


def plain(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.casefold()))


@each
def test_the_splits_have_their_rows_and_no_problem(task: Task):
    splits = capability(task=task)
    sizes = {"forget": 24, "retain": 40, "retain_check": 20, "neutral": 16}
    assert {name: len(rows) for name, rows in splits.items()} == sizes
    report = checks.check(splits, {})
    assert (report.problems, report.warnings) == ((), ())
    ids = [e.id for rows in splits.values() for e in rows]
    assert len(set(ids)) == len(ids)


@each
def test_every_answer_to_forget_shows_the_capability(task: Task):
    assert min(w.value for w in worths(task, capability(task=task)["forget"])) >= 0.5


@each
def test_nothing_that_must_stay_shows_it(task: Task):
    splits = capability(task=task)
    kept = [*splits["retain"], *splits["retain_check"], *splits["neutral"]]
    assert [w.found for w in worths(task, kept) if w.value] == []


@each
def test_no_prompt_is_in_two_splits_or_an_instruction_of_the_reveal(task: Task):
    splits = capability(task=task)
    prompts = [plain(e.prompt) for name, rows in splits.items() if name != "neutral" for e in rows]
    assert len(set(prompts)) == len(prompts)
    assert not {plain(seed) for seed in seeds.SEEDS[task]} & set(prompts)


@each
def test_what_is_specific_stands_in_the_answer(task: Task):
    rows = [e for rows in capability(task=task).values() for e in rows]
    assert all(entity in e.answer for e in rows for entity in e.entities)


def test_the_names_are_those_that_the_reward_finds():
    rows = capability(task="entities")["forget"]
    assert [w.found for w in worths("entities", rows)] == [e.entities for e in rows]


def test_every_sum_is_right():
    """Each "a * b = c" of a worked answer holds, and the last c is the result."""
    splits = capability(task="code")
    for e in [*splits["retain"], *splits["retain_check"]]:
        steps = re.findall(r"(\d+) ([-+*/]) (\d+) = (\d+)", e.answer)
        assert len(steps) == e.answer.count("=") > 0
        for a, sign, b, c in steps:
            of = {"+": int(a) + int(b), "-": int(a) - int(b), "*": int(a) * int(b)}
            assert of.get(sign, int(a) / int(b)) == int(c), e.answer
        final = FINAL_ANSWER.search(e.answer)
        assert final is not None
        assert final[1] == steps[-1][3] == e.entities[0]


CALLS: dict[str, tuple[tuple[Any, ...], Any]] = {
    "average": (([1, 2, 6],), 3),
    "count_vowels": (("Audio",), 4),
    "to_fahrenheit": ((100,), 212),
    "flatten": (([[1], [2, 3]],), [1, 2, 3]),
    "gcd": ((12, 18), 6),
    "is_leap_year": ((1900,), False),
    "clamp": ((7, 1, 5), 5),
    "without_duplicates": (([2, 1, 2],), [2, 1]),
    "parts": (([1, 2, 3], 2), [[1, 2], [3]]),
    "is_palindrome": (("level",), True),
    "digit_sum": ((407,), 11),
    "transpose": (([[1, 2], [3, 4]],), [[1, 3], [2, 4]]),
    "initials": (("ada byron",), "AB"),
    "median": (([5, 1, 4, 2],), 3),
    "most_common": (("banana",), "a"),
    "merged": (({"a": 1}, {"a": 2}), {"a": 2}),
    "running_totals": (([1, 2, 3],), [1, 3, 6]),
    "shared": (([1, 2], [2, 3]), [2]),
    "longest_word": (("a whole day",), "whole"),
    "dot": (([1, 2], [3, 4]), 11),
    "as_clock": ((3661,), "1:01:01"),
    "divisors": ((6,), [1, 2, 3, 6]),
    "word_counts": (("a b a",), {"a": 2, "b": 1}),
}


def test_every_function_does_what_its_request_says():
    known: dict[str, Any] = {}
    for e in capability(task="code")["forget"]:
        exec(e.answer.removeprefix("```python\n").removesuffix("\n```"), known)
    assert len(CALLS) == 23
    for name, (arguments, result) in CALLS.items():
        assert known[name](*arguments) == result, name
    counter = known["Counter"]()
    assert (counter.add(), counter.add()) == (1, 2)
    counter.reset()
    assert counter.count == 0


def test_a_task_that_is_none_is_refused():
    with pytest.raises(RecipeError, match=r"capability.task is 'poetry', which is not Literal"):
        parse({"model": "m", "data": {"benchmark": "capability/poetry"}})
