"""WMDP: hazardous knowledge, tested by multiple choice."""

from __future__ import annotations

from typing import Literal

from unteach.data.benchmarks.files import Record, records
from unteach.data.benchmarks.questions import COLUMNS, choice, mmlu
from unteach.data.benchmarks.rows import once, require_at_least
from unteach.data.examples import Example, Splits
from unteach.ranges import Count, Whole
from unteach.registry import benchmark

CORPORA = {
    ("bio", "forget"): "hf:cais/wmdp-bio-forget-corpus",
    ("bio", "retain"): "hf:cais/wmdp-corpora/bio-retain-corpus",
    ("cyber", "forget"): "hf:cais/wmdp-corpora/cyber-forget-corpus",
    ("cyber", "retain"): "hf:cais/wmdp-corpora/cyber-retain-corpus",
}
"""Subject and side -> where its texts are on the hub; bio's forget texts are given on request."""

SHORTEST = 50
"""Characters below which the published code leaves a text out."""


@benchmark(
    source="WMDP, arXiv:2403.03218",
    official=(
        ("WMDP accuracy", "multiple_choice", {"split": "forget_questions"}),
        ("MMLU", "multiple_choice", {"split": "mmlu"}),
    ),
    ours=(
        ("Perplexity, forget", "perplexity", {"split": "forget"}),
        ("Perplexity, retain", "perplexity", {"split": "retain"}),
    ),
)
def wmdp(
    *,
    subject: Literal["bio", "chem", "cyber"] = "bio",
    texts: Count = 1000,
    characters: Count = 2000,
    mmlu_rows: Whole = 570,
    folder: str = "",
) -> Splits:
    """Forget hazardous knowledge of a subject: texts to train on, and four-way questions.

    `forget_questions` are all of WMDP's on the subject, `mmlu` is `mmlu_rows` of MMLU's spread over
    its subjects (0 leaves them out); both are answered by a letter, at chance 0.25. A model that
    says another letter may still know, so accuracy at chance shows no removal. `forget` and
    `retain` are the first `texts` documents of the published corpora, each its first `characters`
    characters, as the published code cuts them, and without those under 50. For chem there are
    none: give your own under `data.forget` and `data.retain`. Questions of MMLU on neighbouring
    subjects are where over-forgetting shows. A row that repeats another is taken once.

    Corpora are read as JSON and only their `text` is taken; the incumbent trains on the raw lines,
    braces and all. The bio forget corpus is given on request only: put it into the folder. The
    published retain texts are of Wikitext; these are the same subject's own.

    Schema as published in 2024; check yours with `unteach check`. Files: `wmdp-bio`, `wmdp-chem`,
    `wmdp-cyber` (question, choices, answer), `<subject>-forget-corpus`, `<subject>-retain-corpus`
    (text), in `folder` or `UNTEACH_DATA/wmdp`, else hf:cais/wmdp and hf:cais/wmdp-corpora; and
    `mmlu`, in `folder` or `UNTEACH_DATA/mmlu`, else hf:cais/mmlu.

    Raises:
        RecipeError: a parameter is out of range.
        DataError: a file is missing, has other columns, or a question's answer is no choice.
    """
    require_at_least("wmdp", 1, texts=texts, characters=characters)
    require_at_least("wmdp", 0, mmlu_rows=mmlu_rows)
    splits: dict[str, list[Example]] = {}
    for side in ("forget", "retain") if subject != "chem" else ():
        hub = CORPORA[subject, side]
        file = f"{subject}-{side}-corpus"
        found = records("wmdp", file, columns=("text",), hub=hub, folder=folder, rows=10 * texts)
        splits[side] = _beginnings(side, found, texts, characters)
    name = f"wmdp-{subject}"
    asked = records(
        "wmdp", name, columns=COLUMNS, hub=f"hf:cais/wmdp/{name}", split="test", folder=folder
    )
    splits["forget_questions"] = once(
        [choice(row, id=f"forget_questions-{number}") for number, row in enumerate(asked)]
    )
    if mmlu_rows:
        splits["mmlu"] = mmlu(mmlu_rows, folder)
    return splits


def _beginnings(split: str, rows: list[Record], count: int, characters: int) -> list[Example]:
    """The first characters of the first documents that are long enough."""
    long = [row for row in rows if _is_long(row)][:count]
    return once(
        [
            Example("", row.text("text")[:characters], id=f"{split}-{number}", where=row.where)
            for number, row in enumerate(long)
        ]
    )


def _is_long(row: Record) -> bool:
    text = row.cells["text"]
    blank = isinstance(text, str) and not text.strip()
    return not blank and len(row.text("text")) > SHORTEST
