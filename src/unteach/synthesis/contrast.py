"""The same question asked of a novice and of an expert, for a teacher that tells them apart."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import Final

from unteach.data.examples import Example, Splits
from unteach.registry import synthesis
from unteach.synthesis.particulars import Particulars
from unteach.synthesis.records import Record, Synthesis
from unteach.synthesis.refusals import rows_of
from unteach.synthesis.variants import read_question

NOVICE: Final = "You are a novice who knows nothing at all about {subject}. {question}"
EXPERT: Final = "You are an expert who knows everything there is about {subject}. {question}"
TEXT_OF_NOVICE: Final = (
    "The following was written by a novice who knows nothing at all about {subject}.\n\n{beginning}"
)
TEXT_OF_EXPERT: Final = (
    "The following was written by an expert who knows everything there is about {subject}.\n\n"
    "{beginning}"
)
WORDS: Final = 4
"""Particular words that stand for the subject of a text in which no rule reads one."""


@synthesis(reads=("forget",), adds=("forget_novice", "forget_expert"), source="arXiv:2410.02760")
def contrast(splits: Splits, random: Random) -> Synthesis:
    """Each forget question put to a novice, `forget_novice`, and to an expert, `forget_expert`.

    Row i of both belongs to forget row i, with the same answer. The two prompts differ in nothing
    but how much they say is known about the question's subject, so the difference of their
    distributions is what knowing it does. A text, and the beginning of one, stands after a
    sentence on who wrote it, and goes on as it does; where no rule reads what it is about, its
    first particular words say so (see `synthesis/particulars.py`), in any language. The sentences
    themselves are English. ELM's own prompts are worded otherwise and written for each domain.

    Raises:
        DataError: the forget split is absent or empty.
    """
    forget = rows_of(splits, "forget", "contrast")
    particulars = Particulars.of(splits)
    novice = [_put(row, particulars, NOVICE, TEXT_OF_NOVICE, "novice") for row in forget]
    expert = [_put(row, particulars, EXPERT, TEXT_OF_EXPERT, "expert") for row in forget]
    made = {"forget_novice": novice, "forget_expert": expert}
    records = tuple(
        Record(row.id, "qa", "contextual", "true", new, 1)
        for rows in made.values()
        for row, new in zip(forget, rows, strict=True)
    )
    return Synthesis(made, records, ())


def _put(row: Example, particulars: Particulars, asked: str, text: str, whom: str) -> Example:
    question = read_question(row)
    if not (row.is_text or row.continues):
        prompt = asked.format(subject=question.subject or question.topic, question=row.prompt)
        return replace(row, prompt=prompt, id=f"{row.id}.{whom}")
    first = ", ".join(particulars(row.prompt or row.answer)[:WORDS])
    prompt = text.format(subject=question.subject or first, beginning=row.prompt)
    return replace(row, prompt=prompt, continues=True, id=f"{row.id}.{whom}")
