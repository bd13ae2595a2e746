"""One "I don't know" for each question of a split, row by row."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from unteach.data.examples import Example, Splits
from unteach.errors import DataError, RecipeError
from unteach.ranges import Count
from unteach.registry import synthesis
from unteach.synthesis.answers import REFUSALS
from unteach.synthesis.records import Record, Synthesis
from unteach.synthesis.variants import as_asked, read_question
from unteach.synthesis.verify import sensitive, verify


@synthesis(reads=("{split}",), adds=("{split}_idk",), source="arXiv:2401.06121")
def refusals(
    splits: Splits, random: Random, *, split: str = "forget", per_question: Count = 1
) -> Synthesis:
    """Each question of a split with an answer that does not know, as the split `{split}_idk`.

    Aligned with the split: rows `i * per_question` and on belong to its row i, and no row is
    dropped. A text is put as "Continue the text: <opening>". The sentences are English and our
    own, whatever the language of the question; the paper's list has a hundred others.

    Raises:
        RecipeError: `per_question` is not between 1 and the number of sentences.
        DataError: the split is absent or empty, or a row has an answer that every sentence repeats.
    """
    if not 1 <= per_question <= len(REFUSALS):
        raise RecipeError(
            f"refusals.per_question is {per_question}; it must be from 1 to {len(REFUSALS)}."
        )
    records = [
        record
        for example in rows_of(splits, split, "refusals")
        for record in _refuse(example, per_question, random)
    ]
    return Synthesis({f"{split}_idk": [r.example for r in records]}, tuple(records), ())


def rows_of(splits: Splits, split: str, reader: str) -> list[Example]:
    """A split, each row with an id: its own, or its place in the split.

    Raises:
        DataError: the split is absent or empty.
    """
    rows = splits.get(split, ())
    if not rows:
        raise DataError(
            f"{reader} reads the split '{split}', which this run does not have or which is empty; "
            f"this run has: {', '.join(splits) or 'no split'}."
        )
    return [row if row.id else replace(row, id=f"{split}.{i}") for i, row in enumerate(rows)]


def questions_of(splits: Splits, split: str, reader: str) -> list[Example]:
    """A split as it is asked, see `rows_of`: a text becomes its opening and the rest.

    Raises:
        DataError: the split is absent or empty.
    """
    return [as_asked(row, read_question(row)) for row in rows_of(splits, split, reader)]


def _refuse(example: Example, count: int, random: Random) -> list[Record]:
    question = read_question(example)
    source = as_asked(example, question)
    forbidden = sensitive(source)
    made: list[Record] = []
    for attempt, sentence in enumerate(random.sample(REFUSALS, len(REFUSALS)), start=1):
        verdict = verify(sentence, source, forbidden, question="", subject="", kind="refusal")
        if not verdict.passed:
            continue
        new = Example(
            prompt=source.prompt,
            answer=sentence,
            id=f"{example.id}.idk" + (f".{len(made) + 1}" if made else ""),
            group=example.group,
            attribute=example.attribute,
            history=example.history,
            where=example.where,
        )
        made.append(
            Record(example.id, "qa", "original", "refusal", new, attempt, checks=verdict.checks)
        )
        if len(made) == count:
            return made
    raise DataError(
        f"{example.where or example.id}: only {len(made)} of {len(REFUSALS)} refusals avoid the words "
        f"of the answer, and {count} are needed; list what is sensitive under entities."
    )
