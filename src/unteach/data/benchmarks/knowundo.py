"""KnowUnDo: some facts about a person are to be forgotten, others about the same person kept."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

from unteach.data.benchmarks.files import Record, find, records
from unteach.data.examples import Example, Splits
from unteach.errors import DataError
from unteach.registry import benchmark

HUB = "hf:zjunlp/KnowUnDo"
SPLITS: Mapping[str, tuple[str, str]] = {
    "forget": ("unlearn", "train"),
    "retain": ("retention", "train"),
    "forget_val": ("unlearn", "val"),
    "retain_val": ("retention", "val"),
}
"""Split -> its scope and its side as published: unlearn_train, retention_train, ..."""

TYPOS: Mapping[str, str] = {" andfthe ": " and the "}
"""In one row of unlearn_train; the same row of full.json, which models are taught, has no typo."""

POSSESSIVE = re.compile(r"['\u2019]s\b.*|['\u2019]$")


@benchmark(
    source="KnowUnDo, arXiv:2407.01920; scored as ReLearn, arXiv:2502.11190",
    official=(
        ("Forget ROUGE-L", "rouge", {"split": "forget_val", "max_tokens": 128}),
        ("KFR", "kfr", {"split": "forget_val", "rule": "paper", "max_tokens": 128}),
        ("Forget PPL", "answer_perplexity", {"split": "forget_val", "max_tokens": 128}),
        ("Forget LS", "linguistic_score", {"split": "forget_val", "max_tokens": 128}),
        ("Retain ROUGE-L", "rouge", {"split": "retain_val", "max_tokens": 128}),
        ("KRR", "krr", {"split": "retain_val", "rule": "paper", "max_tokens": 128}),
        ("Retain PPL", "answer_perplexity", {"split": "retain_val", "max_tokens": 128}),
        ("Retain LS", "linguistic_score", {"split": "retain_val", "max_tokens": 128}),
        ("1 - Unlearn Success", "exact_memorization", {"split": "forget_val"}),
        ("Retention Success", "exact_memorization", {"split": "retain_val"}),
    ),
    ours=(
        ("KFR, corrected", "kfr", {"split": "forget_val", "max_tokens": 128}),
        ("KRR, corrected", "krr", {"split": "retain_val", "max_tokens": 128}),
        (
            "Forget PPL (median)",
            "answer_perplexity",
            {"split": "forget_val", "max_tokens": 128, "average": "median"},
        ),
        (
            "Forget LS (length-robust)",
            "robust_linguistic_score",
            {"split": "forget_val", "max_tokens": 128},
        ),
        (
            "Retain PPL (median)",
            "answer_perplexity",
            {"split": "retain_val", "max_tokens": 128, "average": "median"},
        ),
        (
            "Retain LS (length-robust)",
            "robust_linguistic_score",
            {"split": "retain_val", "max_tokens": 128},
        ),
        ("Forget probability", "probability", {"split": "forget_val"}),
        ("Retain probability", "probability", {"split": "retain_val"}),
    ),
)
def knowundo(*, part: Literal["privacy", "copyright"] = "privacy", folder: str = "") -> Splits:
    """Fictitious authors whose private facts go and whose public ones stay; or books likewise.

    `forget` and `retain` are to train with, `forget_val` and `retain_val` to measure with: other
    questions about the same people. The published models were taught all four, so teach
    `forget_val` and `retain_val` as well if you teach one yourself.

    The scorecard has the layout of ReLearn's tables, on the val splits. Two things differ: answers
    are greedy, where the paper averages over three samplings, and its judges' fluency and relevance
    are left out. Unlearn Success is 1 - token accuracy; its row shows the accuracy.

    `group` is the name in the question: of its runs of two or more capitalised words, the one that
    most questions of the benchmark hold. That finds one of 55 persons for all 1,059 rows of `privacy`
    but one, which names a street alone. A question whose name occurs in no other question is a
    group of its own. For `copyright` the rule was not tried: that part is on the hub only.

    Raises:
        DataError: a file is missing, or a row of it is not as it should be.
    """
    found = {name: _read(part, *place, folder) for name, place in SPLITS.items()}
    splits = {name: _examples(name, rows) for name, rows in found.items()}
    named = Counter(
        name for rows in splits.values() for e in rows for name in set(_names(e.prompt))
    )
    return {
        split: [replace(example, group=_group(example, named)) for example in rows]
        for split, rows in splits.items()
    }


def _read(part: str, scope: str, side: str, folder: str) -> list[Record]:
    """The rows of one of the four files, of a local folder or of the hub."""
    columns, hub = ("text", "labels"), f"{HUB}/{part}"
    places = (
        (f"knowundo_{part}", f"{scope}_{side}"),
        ("knowundo", f"{part}/{scope}_{side}"),
    )
    for benchmark_folder, file in places:
        if find(benchmark_folder, file, folder):
            return records(benchmark_folder, file, columns=columns, hub=hub, folder=folder)
    whole = records(
        "knowundo", f"{part}/{scope}_{side}", columns=(side,), hub=hub, split=scope, folder=folder
    )
    # on the hub a split is one row, whose columns `train` and `val` each hold a list of rows
    return [row for record in whole for row in _unpack(record, side)]


def _unpack(record: Record, side: str) -> Iterator[Record]:
    cell: Any = record.cells[side]
    if not isinstance(cell, list) or not all(isinstance(row, dict) for row in cell):
        raise DataError(f"{record.where}: '{side}' must be a list of objects.")
    for number, row in enumerate(cell):
        yield Record(f"{record.where}.{side}[{number}]", row)


def _examples(split: str, found: Sequence[Record]) -> list[Example]:
    return [
        Example(
            prompt=record.text("text"),
            answer=_corrected(record.text("labels")),
            id=f"{split}-{row}",
            where=record.where,
        )
        for row, record in enumerate(found)
    ]


def _corrected(text: str) -> str:
    for typo, right in TYPOS.items():
        text = text.replace(typo, right)
    return text


def _names(question: str) -> list[str]:
    """Runs of two or more capitalised words, without the first word, which opens the question."""
    found: list[str] = []
    run: list[str] = []
    for word in [*question.split()[1:], ""]:
        bare = POSSESSIVE.sub("", word.strip('"\u201c\u201d,;:?!()'))
        is_name = bare[:1].isupper()
        if is_name:
            run.append(bare)
        if not is_name or not word.endswith(bare):  # "Ada Byron's Analytical ..." ends at the 's
            if len(run) > 1:
                found.append(" ".join(run))
            run = []
    return found


def _group(example: Example, named: Mapping[str, int]) -> str:
    name = max(_names(example.prompt), key=lambda name: named[name], default="")
    return name if name and named[name] > 1 else example.id
