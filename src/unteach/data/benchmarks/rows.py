"""What rows of public benchmarks need before they are splits: pieces, no repeats, a fair share."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from unteach.data.benchmarks.files import Record
from unteach.data.examples import Example
from unteach.errors import RecipeError


def pieces(text: str, words: int) -> list[str]:
    """The text in pieces of at most `words` words, as they stand but for the space around each."""
    starts = [found.start() for found in re.finditer(r"\S+", text)][::words]
    ends = [*starts[1:], len(text)]
    return [text[begin:end].strip() for begin, end in zip(starts, ends, strict=True)]


def texts(split: str, rows: Sequence[Record], words: int, column: str = "text") -> list[Example]:
    """The documents in pieces, without those said before; a document is a group."""
    return once(
        [
            Example(
                prompt="",
                answer=piece,
                id=f"{split}-{number}-{at}",
                group=f"{split}-{number}",
                where=row.where,
            )
            for number, row in enumerate(rows)
            for at, piece in enumerate(pieces(row.text(column), words))
        ]
    )


def once(examples: Sequence[Example]) -> list[Example]:
    """Without rows that repeat an earlier prompt, answer and history, up to case and spacing.

    Published files hold some, and a row counted twice is refused before a run.
    """
    first: dict[tuple[object, ...], Example] = {}
    for example in examples:
        turns = tuple((role, _plain(content)) for role, content in example.history)
        first.setdefault((_plain(example.prompt), _plain(example.answer), turns), example)
    return list(first.values())


def spread(examples: Sequence[Example], count: int) -> list[Example]:
    """`count` examples, taken as the first of every group, then the second; in their own order."""
    seen: Counter[str] = Counter()
    dealt = []
    for number, example in enumerate(examples):
        dealt.append((seen[example.group], number))
        seen[example.group] += 1
    return [examples[number] for number in sorted(number for _, number in sorted(dealt)[:count])]


def require_at_least(benchmark: str, least: int, **given: int) -> None:
    """Hold numbers of words or rows to a bound.

    Raises:
        RecipeError: with every parameter below it.
    """
    problems = [
        f"{benchmark}: {name} is {number}; it must be at least {least}."
        for name, number in given.items()
        if number < least
    ]
    if problems:
        raise RecipeError(problems)


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())
