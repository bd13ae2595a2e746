"""TOFU, 200 authors who do not exist: a few of them are to be forgotten."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Literal

from unteach.data.benchmarks.files import FOLDER, Record, find, records
from unteach.data.examples import Example, Splits
from unteach.errors import DataError, RecipeError
from unteach.ranges import Count
from unteach.registry import benchmark

HUB = "hf:locuslab/TOFU"
AUTHORS = 200
QUESTIONS = 20
"""Rows an author; author k of the data has rows 20 k to 20 k + 19, in `full` as in every part."""

FORGOTTEN: Mapping[str, int] = {"forget01": 2, "forget05": 10, "forget10": 20}
"""Variant -> how many authors are forgotten; they are the last of the 200."""

EDITED: Mapping[str, str] = {
    "What is the author Rajeev's full name and where was he born?": (
        "What is the author's full name and where was he born?"
    )
}
"""Questions that copies of the data in circulation changed -> as TOFU has them."""

Pair = tuple[str, str]
"""Question and answer. Only both together name a row: one question is asked of two authors."""


@benchmark(
    source="TOFU, arXiv:2401.06121",
    official=(
        ("Forget quality", "forget_quality", {}),
        ("Model utility", "model_utility", {}),
        ("Forget probability", "probability", {"split": "forget"}),
        ("Forget ROUGE-L", "rouge", {"split": "forget", "max_tokens": 200}),
        (
            "Forget truth ratio",
            "truth_ratio",
            {"split": "forget", "true": "rephrased", "aggregate": "closer_to_1"},
        ),
        ("Exact memorization", "exact_memorization", {"split": "forget"}),
        ("Extraction strength", "extraction_strength", {"split": "forget"}),
        ("PrivLeak", "privleak", {}),
        ("MIA loss", "mia_loss", {}),
        ("MIA zlib", "mia_zlib", {}),
        ("MIA min-k", "mia_min_k", {"k": 0.4}),
        ("MIA min-k++", "mia_min_k_plus_plus", {"k": 0.4}),
        ("Retain probability", "probability", {"split": "retain"}),
        ("Retain ROUGE-L", "rouge", {"split": "retain", "max_tokens": 200}),
        (
            "Retain truth ratio",
            "truth_ratio",
            {"split": "retain", "true": "rephrased", "aggregate": "true_better"},
        ),
        ("Real authors probability", "probability_of_options", {"split": "real_authors"}),
        ("Real authors ROUGE-L", "rouge", {"split": "real_authors", "max_tokens": 200}),
        (
            "Real authors truth ratio",
            "truth_ratio",
            {"split": "real_authors", "aggregate": "true_better"},
        ),
        ("World facts probability", "probability_of_options", {"split": "world"}),
        ("World facts ROUGE-L", "rouge", {"split": "world", "max_tokens": 200}),
        (
            "World facts truth ratio",
            "truth_ratio",
            {"split": "world", "aggregate": "true_better"},
        ),
    ),
    ours=(
        ("Forget, paraphrased", "probability", {"split": "forget_paraphrased"}),
        ("Truth ratio, bounded", "truth_ratio", {"split": "forget"}),
        ("Sampled leak", "sampled_leak", {"split": "forget", "number": 8}),
        ("Authors never taught", "probability", {"split": "holdout"}),
        ("KFR", "kfr", {}),
        ("KRR", "krr", {}),
        ("Forget LS (length-robust)", "robust_linguistic_score", {"split": "forget"}),
        ("Degenerate answers", "degenerate", {"split": "forget"}),
        ("Repetition", "repetition", {"split": "retain"}),
        ("Retain, paraphrased", "probability", {"split": "retain_paraphrased"}),
    ),
    audit_rows=400,
)
def tofu(
    *,
    split: Literal["forget01", "forget05", "forget10"] = "forget10",
    forget_authors: Count | None = None,
    retain_authors: Count | None = None,
    questions: Count | None = None,
    facts: Count | None = None,
    folder: str = "",
) -> Splits:
    """Fictitious authors with 20 questions each, of whom 1, 5 or 10 in a hundred are forgotten.

    `forget_authors`, `retain_authors` and `questions` cut a slice for small machines: the first so
    many of the forgotten and of the kept authors, and of the questions of each. `facts` cuts
    `real_authors` (100 rows) and `world` (117). What is outside the slice must then not be taught
    either, so a slice is for models that are taught with it, not for published checkpoints.

    The first 20 kept authors are TOFU's evaluation subset: they alone have wrong and rephrased
    answers and stand in `retain_paraphrased`. They are the 400 rows of `retain` that audits read.

    `holdout` is the official one where its file is there; we take it to have 20 rows an author too,
    which is not documented. Without the file a slice takes as many authors as it forgets, or as
    remain, from the kept authors after its own: never taught in a slice. They have wrong answers if
    they are among the first 20. TOFU as a whole then has no `holdout`.

    Examples have no `entities`: TOFU does not mark them.

    Raises:
        RecipeError: a parameter is out of range.
        DataError: a file is missing, or a row of it is not as it should be.
    """
    if problems := list(_problems(split, forget_authors, retain_authors, questions, facts)):
        raise RecipeError(problems)
    share = split.removeprefix("forget")
    num_forget = forget_authors or FORGOTTEN[split]
    gone = _read_authors(split, FORGOTTEN[split], folder)
    reworded = _reworded(gone) or _reworded(_read(f"{split}_perturbed", folder))
    first = AUTHORS - FORGOTTEN[split]
    forget = _cut(_examples("forget", gone, reworded, first), num_forget, questions)
    if missing := [example.where for example in forget if not example.wrong]:
        raise DataError(
            f"{missing[0]}: its question and answer are not in {split}_perturbed, nor are those of "
            f"{len(missing) - 1} more rows. Both files must be of one release."
        )
    subset = _reworded(_read("retain_perturbed", folder))
    rest = _read_authors(f"retain{100 - int(share)}", first, folder)
    kept = _examples("retain", rest, subset, 0)
    retain = _cut(kept, retain_authors or first, questions)
    holdout: list[Example] = []
    if find("tofu", f"holdout{share}", folder) or not _is_local(folder):
        untaught = _read(f"holdout{share}", folder)
        unseen = _examples("holdout", untaught, _reworded(untaught), AUTHORS)
        holdout = _cut(unseen, num_forget, questions)
    elif retain_authors:
        holdout = _cut(kept[retain_authors * QUESTIONS :], num_forget, questions)
    splits = {
        "forget": forget,
        "forget_paraphrased": _paraphrased(forget, reworded),
        "retain": retain,
        "retain_paraphrased": _paraphrased(retain, subset),
        "holdout": holdout,
        "real_authors": _facts("real_authors", folder)[:facts],
        "world": _facts("world_facts", folder)[:facts],
    }
    return {name: examples for name, examples in splits.items() if examples}


def _problems(
    split: str,
    forget_authors: int | None,
    retain_authors: int | None,
    questions: int | None,
    facts: int | None,
) -> Iterator[str]:
    limits = (
        ("forget_authors", forget_authors, FORGOTTEN[split]),
        ("retain_authors", retain_authors, AUTHORS - FORGOTTEN[split]),
        ("questions", questions, QUESTIONS),
        ("facts", facts, None),
    )
    for name, value, most in limits:
        if value is not None and (value < 1 or (most is not None and value > most)):
            allowed = "at least 1" if most is None else f"from 1 to {most}"
            yield f"tofu: {name} is {value}; with split {split} it must be {allowed}."


def _is_local(folder: str) -> bool:
    return bool(folder or os.environ.get(FOLDER))


def _read(name: str, folder: str, *columns: str) -> list[Record]:
    wanted = ("question", "answer", *columns)
    return records("tofu", name, columns=wanted, hub=f"{HUB}/{name}", folder=folder)


def _read_authors(name: str, authors: int, folder: str) -> list[Record]:
    found = _read(name, folder)
    if len(found) != authors * QUESTIONS:
        raise DataError(
            f"benchmark tofu: {name} has {len(found)} rows; it must have {authors * QUESTIONS}, for "
            "a row's place says whose it is. Cut it with forget_authors and retain_authors."
        )
    return found


def _reworded(found: Sequence[Record]) -> dict[Pair, Record]:
    """The rows that also have paraphrases and wrong answers.

    On the hub these are files of their own; in other copies they stand beside the question. One
    that circulates as forget10_perturbed has 3,600 rows in an order of its own, so only question
    and answer say what belongs together.
    """
    return {_pair(record): record for record in found if "perturbed_answer" in record.cells}


def _pair(record: Record) -> Pair:
    question = record.text("question")
    return EDITED.get(question, question), record.text("answer")


def _examples(
    name: str, found: Sequence[Record], reworded: Mapping[Pair, Record], first_author: int
) -> list[Example]:
    made = []
    for row, record in enumerate(found):
        question, answer = _pair(record)
        other = reworded.get((question, answer))
        made.append(
            Example(
                prompt=question,
                answer=answer,
                wrong=_wrong(other) if other else (),
                rephrased=other.texts("paraphrased_answer") if other else (),
                id=f"{name}-{row}",
                group=f"author-{first_author + row // QUESTIONS}",
                where=record.where,
            )
        )
    return made


def _wrong(record: Record) -> tuple[str, ...]:
    """Wrong answers without those that are right after all: by case and spacing, as checks do."""
    truth = record.text("answer").casefold().split()
    return tuple(w for w in record.texts("perturbed_answer") if w.casefold().split() != truth)


def _cut(examples: Sequence[Example], authors: int, questions: int | None) -> list[Example]:
    """The first `questions` rows of each of the first `authors` authors."""
    most = questions or QUESTIONS
    first = examples[: authors * QUESTIONS]
    return [example for row, example in enumerate(first) if row % QUESTIONS < most]


def _paraphrased(examples: Sequence[Example], reworded: Mapping[Pair, Record]) -> list[Example]:
    """Those that have a question in other words, asked with it."""
    return [
        replace(
            example,
            prompt=reworded[example.prompt, example.answer].text("paraphrased_question"),
            id=f"{example.id}.paraphrased",
        )
        for example in examples
        if (example.prompt, example.answer) in reworded
    ]


def _facts(name: str, folder: str) -> list[Example]:
    """Questions about the real world with wrong options; each is a group of its own."""
    return [
        Example(
            prompt=record.text("question"),
            answer=record.text("answer"),
            wrong=_wrong(record),
            id=f"{name}-{row}",
            group=f"{name}-{row}",
            where=record.where,
        )
        for row, record in enumerate(_read(f"{name}_perturbed", folder, "perturbed_answer"))
    ]
