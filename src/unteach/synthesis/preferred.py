"""Two answers to each question to forget, the one to give and the one to leave: ReLearn for DPO."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from random import Random
from typing import Literal

from unteach.data.examples import Example, Splits
from unteach.errors import RecipeError
from unteach.ranges import AtLeastZero, Count, InnerShare
from unteach.registry import synthesis
from unteach.synthesis.particulars import gap
from unteach.synthesis.records import Record, Synthesis
from unteach.synthesis.relearn import assert_sound, check_counts, replacements
from unteach.synthesis.variants import as_asked, read_question


@synthesis(
    reads=("forget",),
    adds=("forget_preferred", "forget_rejected"),
    source="our own, for a loss of ReLearn's code (arXiv:2502.11190)",
)
def relearn_dpo(
    splits: Splits,
    random: Random,
    *,
    answers: Literal["vague", "refusal", "alternative", "misleading", "mixed"] = "vague",
    mix: tuple[AtLeastZero, ...] = (0.5, 0.2, 0.2, 0.1),
    variants: tuple[str, ...] = ("simple", "contextual", "noise"),
    original: bool = True,
    per_question: Count = 1,
    cut: InnerShare = 0.25,
    rounds: Count = 3,
    passages: Count = 8,
) -> Synthesis:
    """Each question with ReLearn's answer, `forget_preferred`, and the true one, `forget_rejected`.

    Row i of both is the same question, one that `relearn` asks, with the replacement answer that
    `relearn` would keep (same parameters, checks, rounds and drops) and with the original answer of
    its forget row. A replacement that is dropped is in neither. There are no completions and no
    everyday rows. `logical` turns the relation round, so that the original answer is no answer any
    more: it cannot be asked for. A text is an opening to be continued, with its own rest rejected.

    No preferred answer holds a sensitive value of its row. Rejected answers hold them all: they are
    there to be pushed away, with what is specific marked. Do not train on them by `nll`.

    ReLearn's release has a DPO loss over such triples, and nothing that makes them. This is ours.

    Raises:
        RecipeError: a parameter is out of range, or `logical` is among the variants.
        DataError: there is nothing to forget, or no replacement passed.
    """
    _check_variants(variants)
    check_counts("relearn_dpo", generic=0.0, rounds=rounds)
    made = replacements(
        "relearn_dpo",
        splits,
        random,
        answers=answers,
        mix=mix,
        variants=variants,
        original=original,
        per_question=per_question,
        cut=cut,
        rounds=rounds,
        passages=passages,
    )
    assert_sound(made.records, made.forget, generic=0.0, cut=cut)
    rejected = [
        _rejected(record, source, cut)
        for record, source in zip(made.records, made.sources, strict=True)
    ]
    added = {
        "forget_preferred": [record.example for record in made.records],
        "forget_rejected": [record.example for record in rejected],
    }
    return Synthesis(added, (*made.records, *rejected), made.drops)


def _check_variants(variants: Sequence[str]) -> None:
    if "logical" in variants:
        raise RecipeError(
            "relearn_dpo.variants: 'logical' turns the relation round, so the original answer, "
            "which is to be rejected, does not answer it. Leave it out."
        )


def _rejected(record: Record, source: Example, cut: float) -> Record:
    """The question of a replacement, with the original answer of the row that it replaces."""
    put = as_asked(source, read_question(source, cut=cut))
    row = replace(
        record.example,
        answer=f"{gap(record.example.prompt, put.answer)}{put.answer}"
        if record.example.continues
        else put.answer,
        entities=source.entities,
        id=f"{record.example.id}.rejected",
    )
    return Record(source.id, "qa", record.variant, "true", row, 1)
