"""LUME: forget stories, made-up people and Wikipedia pages, as in SemEval-2025 task 4."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from unteach.data.benchmarks.files import Record, find, records
from unteach.data.benchmarks.questions import mmlu
from unteach.data.benchmarks.rows import once, require_at_least
from unteach.data.examples import Example, Splits
from unteach.errors import DataError
from unteach.ranges import Whole
from unteach.registry import benchmark

HUB = "hf:llmunlearningsemeval2025organization/semeval25-unlearning-dataset-public"
TASKS = ("task1", "task2", "task3")
"""Long stories, biographies of made-up people with private details, and Wikipedia pages."""

KINDS = ("sc", "qa")
"""Sentence completion, which shows regurgitation, and question with a short answer."""


@benchmark(
    source="SemEval-2025 task 4, arXiv:2504.02883; LUME, arXiv:2502.15097",
    official=(
        ("Task aggregate", "lume_task_aggregate", {}),
        ("MIA score", "lume_mia_score", {}),
        ("MMLU", "multiple_choice", {"split": "mmlu"}),
        ("Final score", "lume_final_score", {}),
    ),
    ours=(
        ("ROUGE, forget", "rouge", {"split": "forget", "max_tokens": 256}),
        ("ROUGE, retain", "rouge", {"split": "retain", "max_tokens": 256}),
        ("Extraction strength", "extraction_strength", {"split": "forget"}),
        ("Probability, retain", "probability", {"split": "retain"}),
    ),
)
def lume(
    *,
    part: Literal["train", "validation"] = "train",
    mmlu_rows: Whole = 570,
    folder: str = "",
) -> Splits:
    """Forget stories, made-up people and Wikipedia pages, completed and asked about.

    `forget` and `retain` are the benchmark's two halves, a document a group. A row whose id ends
    in `sc` and a digit is the beginning of a document with how it goes on; `qa` is a question with
    a short answer. Their attribute says which, with the task: task2_qa. `forget_members` and
    `holdout` are the documents of the membership test, where the files are there: the data set has
    them beside its tables, so a run from the hub is without them, and without MIA score. `mmlu`
    is `mmlu_rows` of MMLU (0 leaves it out).

    Questions go through the chat template and are taught to end; the published script hands them
    to the model as plain text. Rows that repeat another are taken once.

    Schema as of the 2025 task; check yours with `unteach check`. Files (columns): `train/forget`,
    `train/retain`, `validation/forget`, `validation/retain`, or as downloaded
    `data/forget_train-00000-of-00001` and so on (id, input, output, task), by rows or, as the task
    page writes them, with one object a column; `mia_data/member`, `mia_data/nonmember`
    (document); in `folder` or `UNTEACH_DATA/lume`, else on the hub. And `mmlu`, in `folder` or
    `UNTEACH_DATA/mmlu`, else hf:cais/mmlu.

    Raises:
        RecipeError: a parameter is out of range.
        DataError: a file is missing or has other columns, or an id or task is none of these.
    """
    require_at_least("lume", 0, mmlu_rows=mmlu_rows)
    splits = {side: once(_rows(side, part, folder)) for side in ("forget", "retain")}
    for split, name in (("forget_members", "member"), ("holdout", "nonmember")):
        file = f"mia_data/{name}"
        if find("lume", file, folder):
            found = records("lume", file, columns=("document",), hub=HUB, folder=folder)
            splits[split] = once(
                [
                    Example("", row.text("document"), id=f"{split}-{number}", where=row.where)
                    for number, row in enumerate(found)
                ]
            )
    if mmlu_rows:
        splits["mmlu"] = mmlu(mmlu_rows, folder)
    return splits


def _rows(side: str, part: str, folder: str) -> list[Example]:
    files = (f"{part}/{side}", f"data/{side}_{part}-00000-of-00001")
    file = next((name for name in files if find("lume", name, folder)), files[0])
    columns = ("id", "input", "output", "task")
    found = records("lume", file, columns=columns, hub=HUB, split=f"{side}_{part}", folder=folder)
    rows = [row for record in found for row in _turned(record, columns)]
    problems: list[str] = []
    examples = []
    for row in rows:
        name, task = row.text("id"), row.text("task").lower()
        document, kind = name[:-3], name[-3:-1]
        if kind not in KINDS:
            problems.append(
                f"{row.where}: the id '{name}' must end in sc or qa and one more digit."
            )
        elif task not in TASKS:
            problems.append(
                f"{row.where}: the task is '{row.text('task')}'; it must be Task1 to Task3."
            )
        else:
            examples.append(_example(row, name, document, task, kind))
    if problems:
        raise DataError(problems)
    return examples


def _example(row: Record, name: str, document: str, task: str, kind: str) -> Example:
    prompt, answer = row.text("input"), row.text("output")
    if kind == "sc" and not (prompt[-1].isspace() or answer[0].isspace()):
        answer = f" {answer}"
    return Example(
        prompt,
        answer,
        id=name,
        group=document or name,
        attribute=f"{task}_{kind}",
        continues=kind == "sc",
        where=row.where,
    )


def _turned(record: Record, columns: Sequence[str]) -> list[Record]:
    """The rows of a table that was written with one object a column; else the row itself."""
    cells: Mapping[str, Any] = record.cells
    if not all(isinstance(cells[column], Mapping) for column in columns):
        return [record]
    keys = cells["id"].keys()
    if any(cells[column].keys() != keys for column in columns):
        raise DataError(f"{record.where}: the columns {', '.join(columns)} differ in their rows.")
    return [
        Record(f"{record.where}[{key}]", {column: cells[column][key] for column in columns})
        for key in keys
    ]
