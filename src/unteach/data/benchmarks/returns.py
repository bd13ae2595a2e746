"""RETURN: forget real people; `return` is a word of Python's, hence the name."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from unteach.data.benchmarks.files import Record, records
from unteach.data.benchmarks.rows import once, require_at_least
from unteach.data.examples import Example, Splits
from unteach.errors import DataError, RecipeError
from unteach.ranges import InnerShare, Seed, Whole
from unteach.registry import benchmark

LISTS = ("qa_list", "data")
"""Columns that may hold a person's questions: as published, and as the paper's code writes them."""

ANSWERS = ("answer", "gold_answer")
"""Likewise of a question's answer."""


@benchmark(
    source="RETURN, arXiv:2407.10058",
    official=(
        ("Forget, ROUGE recall", "rouge", {"split": "forget_unseen"}),
        ("Retain, ROUGE recall", "rouge", {"split": "retain_unseen"}),
        ("Refusals, forget", "refusal", {"split": "forget_unseen"}),
        ("Refusals, retain", "refusal", {"split": "retain_unseen"}),
    ),
    ours=(
        ("Forget, accuracy", "accuracy", {"split": "forget_unseen"}),
        ("Retain, accuracy", "accuracy", {"split": "retain_unseen"}),
        ("Forget as trained, ROUGE recall", "rouge", {"split": "forget"}),
        ("Degenerate, retain", "degenerate", {"split": "retain_unseen"}),
    ),
)
def return_(
    *, forget: InnerShare = 0.1, people: Whole = 0, seed: Seed = 0, folder: str = ""
) -> Splits:
    """RETURN: forget a share of real people, asked with questions that training did not see.

    Of each person's questions (20 as published) one half is trained on, in `forget` and `retain`,
    and the other is asked, in `forget_unseen` and `retain_unseen`. People are put in an order that
    depends on `seed` and their names alone: the first `forget` of them are forgotten, so a larger
    share includes a smaller one. `people` takes only so many from the front (0: all). There is no
    gold model, for the knowledge is of pretraining, and no neighbours.

    The paper keeps the people of whom its model gets 80 % right: give the file filtered for your
    model. It scores 1 - accuracy after / accuracy before, where an answer is right that an NLI
    model does not find contradicted; here ROUGE recall and refusals take its place, and the report
    sets the unlearned model beside the original. Questions are asked without the published
    instruction to be brief.

    Schema as read in the paper's code; check yours with `unteach check`. File: `RETURN` (`name`,
    and the questions as a list of objects in `qa_list` or `data`, each with `question` and
    `answer` or `gold_answer`; or a question a row, with `name`, `question`, `answer`), in `folder`
    or `UNTEACH_DATA/return`, else hf:zhliu/RETURN.

    Raises:
        RecipeError: a parameter is out of range, or leaves nobody to forget or to keep.
        DataError: the file is missing or has other columns, or a person has fewer than 2 questions.
    """
    require_at_least("return", 0, people=people)
    found = records("return", "RETURN", columns=("name",), hub="hf:zhliu/RETURN", folder=folder)
    known: dict[str, list[Example]] = {}
    for row in found:
        known.setdefault(row.text("name"), []).extend(_questions(row))
    order = sorted(known, key=lambda name: hashlib.sha256(f"{seed}|{name}".encode()).digest())
    chosen = order[: people or None]
    num_forget = int(len(chosen) * forget + 0.5) if 0 < forget < 1 else 0
    if not 0 < num_forget < len(chosen):
        raise RecipeError(
            f"return: forget {forget} of {len(chosen)} people is {num_forget} of them; at least "
            "one must be forgotten and one kept."
        )
    sides = {"forget": chosen[:num_forget], "retain": chosen[num_forget:]}
    splits: dict[str, list[Example]] = {}
    for side, names in sides.items():
        splits[side], splits[f"{side}_unseen"] = _halves([once(known[name]) for name in names])
    return splits


def _halves(each: Sequence[Sequence[Example]]) -> tuple[list[Example], list[Example]]:
    """The first half of every person's questions, and the second."""
    alone = [rows[0] for rows in each if len(rows) < 2]
    if alone:
        raise DataError(
            [f"{e.where}: {e.group} has one question; there must be two." for e in alone]
        )
    seen = [example for rows in each for example in rows[: len(rows) // 2]]
    return seen, [example for rows in each for example in rows[len(rows) // 2 :]]


def _questions(row: Record) -> list[Example]:
    name = row.text("name")
    listed = next((row.cells[column] for column in LISTS if column in row.cells), None)
    if listed is None:
        return [_question(row, name)]
    if not isinstance(listed, list) or not all(isinstance(item, Mapping) for item in listed):
        raise DataError(f"{row.where}: the questions of {name} must be a list of objects.")
    return [_question(Record(f"{row.where}[{n}]", item), name) for n, item in enumerate(listed)]


def _question(row: Record, name: str) -> Example:
    cells: Mapping[str, Any] = row.cells
    column = next((column for column in ANSWERS if column in cells), None)
    if column is None or "question" not in cells:
        raise DataError(
            f"{row.where}: a question of {name} needs 'question' and 'answer'. It has: "
            f"{', '.join(cells)}."
        )
    prompt, answer = row.text("question"), row.text(column)
    label = hashlib.sha256(f"{name}|{prompt}".encode()).hexdigest()[:12]
    return Example(prompt, answer, id=f"return-{label}", group=name, where=row.where)
