"""One "I don't know" for each forget question, row by row."""

from __future__ import annotations

from random import Random

from unteach.data.examples import Example, Splits
from unteach.errors import DataError, RecipeError
from unteach.registry import synthesis
from unteach.synthesis.answers import REFUSALS
from unteach.synthesis.records import Record, Synthesis
from unteach.synthesis.relearn import forget_rows
from unteach.synthesis.variants import as_asked, read_question
from unteach.synthesis.verify import sensitive, verify


@synthesis(reads=("forget",), adds=("forget_idk",), source="arXiv:2401.06121")
def refusals(splits: Splits, random: Random, *, per_question: int = 1) -> Synthesis:
    """Each forget question with an answer that does not know, as the split `forget_idk`.

    Aligned with the forget split: rows `i * per_question` and on belong to forget row i, and no row
    is dropped. A text is put as "Continue the text: <opening>". The sentences are English and our
    own, whatever the language of the question; the paper's list has a hundred others.

    Raises:
        RecipeError: `per_question` is not between 1 and the number of sentences.
        DataError: there is nothing to forget, or a row has an answer that every sentence repeats.
    """
    if not 1 <= per_question <= len(REFUSALS):
        raise RecipeError(
            f"refusals.per_question is {per_question}; it must be from 1 to {len(REFUSALS)}."
        )
    records = [
        record
        for example in forget_rows(splits, "refusals")
        for record in _refuse(example, per_question, random)
    ]
    return Synthesis({"forget_idk": [r.example for r in records]}, tuple(records), ())


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
