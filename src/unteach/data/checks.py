"""Is the data fit to run on: what stops a run before a model is loaded, and what is only odd.

Fatal is what makes a number or the training wrong: empty rows, a row that is to be both forgotten
and kept, a row counted twice in what is measured, an id of two rows, wrong answers that are right. A repeated row of
`retain` is a warning: it is only practised twice. So is an entity that its answer does not say. One question with two different answers is
neither, as TOFU has one. Splits like forget_paraphrased share answers with forget by design, so
only forget, retain and holdout are compared with one another.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from unteach import registry
from unteach.data.examples import Example, Splits
from unteach.data.mentions import places
from unteach.data.sources import shorten
from unteach.errors import DataError

APART: Mapping[tuple[str, str], str] = {
    ("forget", "retain"): "what is forgotten in one would be taught by the other",
    ("holdout", "forget"): "holdout must not have been taught",
    ("holdout", "retain"): "holdout must not have been taught",
}
"""Pairs of splits that must share no row, and why."""

LISTED: Final = 20
"""Warnings of one kind about one split, before the rest is only counted."""


Key = tuple[str, str, tuple[tuple[str, str], ...]]
"""Prompt, answer and earlier turns as they are compared: without case and spacing."""


@dataclass(frozen=True)
class Report:
    """Sentences about the data: `problems` stop the run, `warnings` do not."""

    problems: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def check(splits: Splits, required: Mapping[str, str]) -> Report:
    """All that is wrong with the splits of a run.

    `required` maps a split that must be there to its reader, as the user knows it: an audit's name
    or a place in the recipe.
    """
    problems = list(_find_missing(splits, required))
    warnings: list[str] = []
    for name, examples in splits.items():
        problems += _find_bad_rows(name, examples)
        (warnings if name == "retain" else problems).extend(_find_repeats(name, examples))
        problems += _find_same_ids(name, examples)
        warnings += shorten(list(_find_unsaid(name, examples)), f"the entities of {name}", LISTED)
    for (first, second), why in APART.items():
        if first in splits and second in splits:
            problems += _find_shared(splits, first, second, why)
    return Report(tuple(problems), tuple(warnings))


def too_long(
    splits: Splits, count: Callable[[Example], int], max_tokens: int, what: str
) -> list[str]:
    """Examples of more than `max_tokens` tokens, which is `what`; `count` gives an example's tokens."""
    advice = "Raise it, or split the text." if "max_tokens" in what else "Split the text."
    return [
        f"{_place(name, row, example)} is {num_tokens} tokens long; {what} {max_tokens}. {advice}"
        for name, examples in splits.items()
        for row, example in enumerate(examples)
        if (num_tokens := count(example)) > max_tokens
    ]


def require_clean(
    splits: Splits, required: Mapping[str, str], *, also: Sequence[str] = ()
) -> tuple[str, ...]:
    """The warnings about data that has no problem. `also` holds problems found by `too_long`.

    Raises:
        DataError: there are problems; the first 50 are in it.
    """
    report = check(splits, required)
    problems = (*report.problems, *also)
    if problems:
        raise DataError(shorten(problems, "the data"))
    return report.warnings


def _find_missing(splits: Splits, required: Mapping[str, str]) -> Iterator[str]:
    has = ", ".join(splits) or "none"
    for name, reader in required.items():
        if name not in splits:
            dropped = "that term" if ".terms[" in reader else reader
            makers = [n for n, e in registry.entries("synthesis").items() if name in _made_by(e)]
            made = f", make it with a stage synthesize: {' or '.join(makers)}" if makers else ""
            yield (
                f"no split is named '{name}', which {reader} reads. This run has: {has}. "
                f"Add it under data:{made}, or drop {dropped}."
            )


def _made_by(synthesis: registry.Entry) -> list[str]:
    return [
        split for of in ("forget", "retain") for split in registry.adds(synthesis, {"split": of})
    ]


def _find_bad_rows(name: str, examples: Sequence[Example]) -> Iterator[str]:
    if not examples:
        yield f"the split '{name}' is empty. Give it at least one row, or leave it out."
    has_prompts = any(example.prompt.strip() for example in examples)
    for row, example in enumerate(examples):
        at = _place(name, row, example)
        if not example.answer.strip():
            yield f"{at} has an empty {'text' if example.is_text else 'answer'}."
        if has_prompts and not example.prompt.strip():
            yield (
                f"{at} has an empty prompt, while other rows of {name} have one. "
                "Fill it in, or put texts into a split of their own."
            )
        truth = _normalize(example.answer)
        for number, wrong in enumerate(example.wrong, 1):
            if not wrong.strip():
                yield f"{at}: wrong answer {number} is empty."
            elif _normalize(wrong) == truth:
                yield f"{at}: wrong answer {number} is the true answer."


def _find_unsaid(name: str, examples: Sequence[Example]) -> Iterator[str]:
    for row, example in enumerate(examples):
        unsaid = [part for part in example.entities if not places(example.answer, part)]
        if unsaid:
            rest = len(unsaid) < len(example.entities)
            yield (
                f"{_place(name, row, example)}: its answer does not say "
                f"{' or '.join(repr(part) for part in unsaid)} as a word of its own, so "
                f"{'only its other entities are' if rest else 'all of the answer is'} taken as specific. "
                "Write entities as the answer has them."
            )


def _find_repeats(name: str, examples: Sequence[Example]) -> Iterator[str]:
    first: dict[Key, int] = {}
    for row, example in enumerate(examples):
        if not example.answer.strip():  # said already
            continue
        earlier = first.setdefault(_key(example), row)
        if earlier != row:
            yield (
                f"{_place(name, row, example)} repeats {_place(name, earlier, examples[earlier])}: "
                "the same prompt and answer. Remove one of them."
            )


def _find_same_ids(name: str, examples: Sequence[Example]) -> Iterator[str]:
    """An id stands for its row wherever answers and numbers are put together again."""
    first: dict[str, int] = {}
    for row, example in enumerate(examples):
        earlier = first.setdefault(example.id, row) if example.id else row
        if earlier != row:
            yield (
                f"{_place(name, row, example)} has the id of {_place(name, earlier, examples[earlier])}. "
                "Give each row of a split its own."
            )


def _find_shared(splits: Splits, first: str, second: str, why: str) -> Iterator[str]:
    theirs: dict[Key, str] = {}
    for row, example in enumerate(splits[second]):
        theirs.setdefault(_key(example), _place(second, row, example))
    examples = splits[first]
    shared = [
        (row, example, theirs[_key(example)])
        for row, example in enumerate(examples)
        if example.answer.strip() and _key(example) in theirs
    ]
    if len(shared) > 1 and len(shared) == len(examples):
        yield (
            f"all {len(examples)} rows of {first} are also in {second} "
            f"({len(splits[second])} rows): {why}. Give {second} other rows."
        )
        return
    for row, example, other in shared:
        yield (
            f"{_place(first, row, example)} of {first} is also in {second} ({other}): {why}. "
            "Remove it from one of them."
        )


def _place(name: str, row: int, example: Example) -> str:
    return example.where or f"{name}[{row}]"


def _key(example: Example) -> Key:
    history = tuple((role, _normalize(content)) for role, content in example.history)
    return _normalize(example.prompt), _normalize(example.answer), history


def _normalize(text: str) -> str:
    return " ".join(text.casefold().split())
