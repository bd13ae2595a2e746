"""The model's own reasoning about questions, as text to steer or to keep."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import Final

from unteach.data.examples import Example, Splits
from unteach.errors import DataError, RecipeError
from unteach.ranges import Count
from unteach.registry import synthesis
from unteach.synthesis.records import Drop, Record, Synthesis, Writer
from unteach.synthesis.refusals import questions_of

CUE: Final = "{question}\nLet us think step by step."


@synthesis(
    reads=("forget", "{keep}"),
    adds=("forget_traces", "retain_traces"),
    source="arXiv:2506.12963",
    writes=True,
)
def traces(
    splits: Splits, random: Random, write: Writer, *, max_tokens: Count = 60, keep: str = "retain"
) -> Synthesis:
    """The model's own reasoning on forget and on kept questions: `forget_traces`, `retain_traces`.

    Each row is a question with "Let us think step by step." and, as its answer, what the model
    goes on to write (greedy, at most `max_tokens` tokens). `keep` is the split of the kept
    questions. A question on which the model writes nothing is dropped with the reason; rows are
    in order, but not aligned for pairing. A trace is not checked: it may well hold what is to be
    forgotten, which is why it is to be unlearned too.

    R2MU puts the trace between thinking tags, and keeps reasoning data of general problems; ours
    is the model's own reasoning on the questions of `keep`.

    Raises:
        RecipeError: `max_tokens` is below 1.
        DataError: a split is absent or empty, or the model wrote nothing on any of its questions.
    """
    if max_tokens < 1:
        raise RecipeError(f"traces.max_tokens is {max_tokens}; it must be 1 or more.")
    made: dict[str, list[Example]] = {}
    records: list[Record] = []
    drops: list[Drop] = []
    for added, split in (("forget_traces", "forget"), ("retain_traces", keep)):
        asked = [_asked(row) for row in questions_of(splits, split, "traces")]
        written = write(asked, max_tokens=max_tokens)
        found = [_record(row, text) for row, text in zip(asked, written, strict=True) if text]
        drops += [
            Drop(row.id, "contextual", "trace", "", "the model wrote nothing")
            for row, text in zip(asked, written, strict=True)
            if not text
        ]
        if not found:
            raise DataError(
                f"traces: the model wrote nothing on any of the {len(asked)} questions of the "
                f"split '{split}'; it needs a model that answers questions in words."
            )
        made[added] = [record.example for record in found]
        records += found
    return Synthesis(made, tuple(records), tuple(drops))


def _asked(row: Example) -> Example:
    """The question with the cue; what only fits the true answer is left out."""
    return replace(row, prompt=CUE.format(question=row.prompt), wrong=(), entities=())


def _record(asked: Example, text: str) -> Record:
    new = replace(asked, answer=text, id=f"{asked.id}.trace")
    return Record(asked.id, "qa", "contextual", "trace", new, 1, provider="model")
