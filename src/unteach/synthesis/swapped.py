"""The same row about something else, as under another name: what is said where it is not known."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from random import Random
from typing import Literal

from unteach.data.examples import Example, Splits
from unteach.errors import DataError, RecipeError
from unteach.ranges import Count
from unteach.registry import synthesis
from unteach.synthesis import particulars as units
from unteach.synthesis.particulars import Particulars, bounded, replaced
from unteach.synthesis.records import Record, Synthesis
from unteach.synthesis.refusals import rows_of
from unteach.synthesis.unanswerable import strangers
from unteach.synthesis.variants import is_english, read_question
from unteach.synthesis.verify import words


@synthesis(reads=("{split}",), adds=("{split}_swapped",), source="arXiv:2407.16997")
def swapped(
    splits: Splits,
    random: Random,
    *,
    split: str = "forget",
    names: Literal["made_up", "retain"] = "made_up",
    per_question: Count = 1,
    nameless: Literal["refuse", "question"] = "refuse",
) -> Synthesis:
    """Each row of a split about something else: another name in prompt and answer, `{split}_swapped`.

    Aligned with the split: rows `i * per_question` and on belong to its row i. The rest of
    the answer stays as it is, so the original model's distribution over it is that of a model
    which does not know the fact. The subject's name is read from the question (see
    `variants.read_question`); its first and its last word are replaced where they stand alone.

    A text, or a text's beginning with how it goes on, says what comes next by all that stands
    before, named or not. So its particular words (see `synthesis/particulars.py`), numbers and
    names are replaced by those of other rows, in any language. Each of its rows keeps another
    share of them, 1 in `per_question` (half where that is 1), so that each word stands once in
    what is no longer its own text. A name that its beginning is about is replaced in every one.

    `made_up` names belong to nobody: the model knows no fact about them, but they only fit
    people. `retain` takes the subjects of the retain split's questions, which fit any domain;
    what is known of them then shows in the distribution. The paper averages over 20 names of
    other entities, on TOFU over one.

    A question that names nothing is refused, or with `nameless: question` its answer is put to the
    questions of other rows instead: what anybody would say who was asked something else.

    Raises:
        RecipeError: `per_question` is below 1, or there are not as many names.
        DataError: a split is absent or empty, a question names nothing, or a text has nothing that
            can be replaced.
    """
    rows = rows_of(splits, split, "swapped")
    pool = strangers(splits, random) if names == "made_up" else _subjects(splits)
    particulars = Particulars.of(splits)
    records = tuple(
        record
        for row in rows
        for record in (
            _elsewhere(row, particulars, pool, per_question, random)
            if row.is_text or row.continues
            else _replaced(row, rows, pool, per_question, nameless, random)
        )
    )
    return Synthesis({f"{split}_swapped": [r.example for r in records]}, records, ())


def stranger(row: Example, names: Sequence[str], random: Random) -> Example | None:
    """The row about the bearer of one of these names, or None if its question names nobody."""
    subject = read_question(row).subject
    asked = row.answer if row.is_text else row.prompt
    if swap(asked, subject, names[0]) == asked:
        return None
    return _renamed(row, subject, names, 1, random)[0].example


def _subjects(splits: Splits) -> list[str]:
    """Whom and what the retained questions name, each once, in their order."""
    read = [read_question(row).subject for row in rows_of(splits, "retain", "swapped")]
    return list(dict.fromkeys(filter(None, read)))


def _replaced(
    row: Example,
    rows: Sequence[Example],
    pool: Sequence[str],
    count: int,
    nameless: str,
    random: Random,
) -> list[Record]:
    subject = read_question(row).subject
    if subject:
        return _renamed(row, subject, pool, count, random)
    others = [other.prompt for other in rows if other.prompt not in ("", row.prompt)]
    if nameless == "refuse" or not others:
        raise DataError(
            f"{row.where or row.id}: swapped can read no name in this row. Set its group to the "
            "name that its question uses, or take it out of this split."
        )
    return [
        _record(replace(row, prompt=prompt), "", "", number)
        for number, prompt in enumerate(random.choices(others, k=count), start=1)
    ]


def _elsewhere(
    row: Example, particulars: Particulars, pool: Sequence[str], count: int, random: Random
) -> list[Record]:
    """The text with other words for all but one share of its particular ones, once a share."""
    text = f"{row.prompt} {row.answer}"
    subject = read_question(row).subject
    if subject != row.group and not is_english(text):  # in German every noun looks like a name
        subject = ""
    named = _renamed(row, subject, pool, count, random) if subject else []
    mine = [word for word in particulars(text) if word not in units.words(subject)]
    random.shuffle(mine)
    made = []
    for number in range(1, count + 1):
        kept = mine[number - 1 :: max(2, count)]
        others = particulars.others([word for word in mine if word not in kept], mine, random)
        example = named[number - 1].example if named else _copy(row, number)
        new = replace(
            example,
            prompt=replaced(example.prompt, others),
            answer=replaced(example.answer, others),
            entities=tuple(replaced(entity, others) for entity in example.entities),
        )
        if (new.prompt, new.answer) == (row.prompt, row.answer):
            raise DataError(
                f"{row.where or row.id}: swapped finds no word in this text that it could replace "
                "by another. Take it out of this split, or join it to the text that it belongs to."
            )
        made.append(Record(row.id, "qa", "original", "true", new, 1))
    return made


def _renamed(
    row: Example, subject: str, pool: Sequence[str], count: int, random: Random
) -> list[Record]:
    taken = set(words(subject)) - {"the"}
    free = [name for name in pool if taken.isdisjoint(_words_of(name))]
    if not 1 <= count <= len(free):
        raise RecipeError(
            f"swapped.per_question is {count}; it must be from 1 to {len(free)}, the number of "
            f"names that can stand for {subject}."
        )
    return [
        _record(row, subject, name, number)
        for number, name in enumerate(random.sample(free, count), start=1)
    ]


@cache
def _words_of(name: str) -> frozenset[str]:
    """Those of one of the few hundred names that every row of a split looks through."""
    return frozenset(words(name))


def _record(row: Example, old: str, new: str, number: int) -> Record:
    renamed = replace(
        _copy(row, number),
        prompt=swap(row.prompt, old, new),
        answer=swap(row.answer, old, new),
        entities=tuple(swap(entity, old, new) for entity in row.entities),
        history=tuple((role, swap(content, old, new)) for role, content in row.history),
    )
    return Record(row.id, "qa", "original", "true", renamed, 1)


def _copy(row: Example, number: int) -> Example:
    """The row under an id of its own; what only fits its true answer is left out."""
    suffix = f".{number}" if number > 1 else ""
    return replace(row, wrong=(), rephrased=(), id=f"{row.id}.swapped{suffix}")


def swap(text: str, old: str, new: str) -> str:
    """The text with one name for another; each name's first and last word stand for it alone."""
    if not old:
        return text
    old, new = old.removeprefix("the "), new.removeprefix("the ")
    forms = {old: new}
    if " " in old:
        forms.setdefault(old.split()[-1], new.split()[-1])
        forms.setdefault(old.split()[0], new.split()[0])
    longest_first = sorted(forms, key=len, reverse=True)
    pattern = "|".join(map(bounded, longest_first))
    return re.sub(pattern, lambda match: forms[match.group()], text)
