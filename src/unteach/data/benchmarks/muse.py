"""MUSE: forget news articles or the Harry Potter books."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from unteach.data.benchmarks.files import Record, records
from unteach.data.benchmarks.rows import once, require_at_least, texts
from unteach.data.examples import Example, Splits
from unteach.errors import RecipeError
from unteach.ranges import Count, Whole
from unteach.registry import benchmark

FOLDS = 4
"""Forget sets of rising size (scal), and requests that follow one another (sust)."""


@benchmark(
    source="MUSE, arXiv:2407.06460",
    official=(
        ("VerbMem f", "verbmem", {"split": "forget_verbatim"}),
        ("KnowMem f", "knowmem", {"split": "forget_qa"}),
        ("KnowMem r", "knowmem", {"split": "retain_qa"}),
        ("PrivLeak", "privleak", {"split": "forget_seen", "attack": "min_k"}),
    ),
    ours=(
        ("PrivLeak, absolute", "privleak_absolute", {"split": "forget_seen", "attack": "min_k"}),
        ("Extraction strength", "extraction_strength", {"split": "forget_verbatim"}),
        ("Exact memorisation", "exact_memorization", {"split": "forget_verbatim"}),
        ("Perplexity, retain", "perplexity", {"split": "retain"}),
        ("Degenerate answers", "degenerate", {"split": "retain_qa"}),
    ),
)
def muse(
    *,
    corpus: Literal["news", "books"] = "news",
    request: Literal["all", "scal", "sust"] = "all",
    fold: Count = 1,
    words: Count = 1000,
    shots: Whole = 10,
    folder: str = "",
) -> Splits:
    """Forget news articles or books: texts, passages to go on with, questions, and membership.

    `request` is what to forget: the whole forget set, the `fold`-th of four sets of rising size
    (`scal`), or the `fold`-th of four requests one after the other (`sust`). With `sust` the split
    `forget_earlier` holds the requests before it, so that what was forgotten stays audited: start
    from the model that the request before left.

    Texts (forget, retain, forget_seen, holdout) are cut into pieces of at most `words` words, and
    a document is a group. The published protocol cuts into 2,048 tokens; there is no tokenizer
    here, and 1,000 English words are some 1,300 to 1,600 tokens: set `data.max_tokens: 2048`.
    `retain` is `raw/retain1`, which methods may train on. `forget_verbatim` are beginnings of
    forget texts with how they go on; `forget_qa` and `retain_qa` follow up to `shots` published
    examples as earlier turns. `forget_seen` against `holdout` is the membership test. A row that
    repeats another is taken once.

    Schema as published in 2024; check yours with `unteach check`. Files: `<corpus>/raw/forget`,
    `raw/retain1`, `scal/forget_1`.. and `sust/forget_1`.. (text), `privleak/forget` and `holdout`
    (text), `verbmem/forget` (prompt, gt), `knowmem/forget_qa`, `forget_qa_icl`, `retain_qa`,
    `retain_qa_icl` (question, answer), in `folder` or `UNTEACH_DATA/muse`, else
    hf:muse-bench/MUSE-News or MUSE-Books.

    Raises:
        RecipeError: a parameter is out of range.
        DataError: a file is missing or has other columns.
    """
    require_at_least("muse", 0, shots=shots)
    require_at_least("muse", 1, words=words)
    if not 1 <= fold <= FOLDS:
        raise RecipeError(f"muse: fold is {fold}; it must be from 1 to {FOLDS}.")
    if request == "all" and fold != 1:
        raise RecipeError(f"muse: fold is {fold}, but request is all. Set request to scal or sust.")

    def read(config: str, split: str, *columns: str) -> list[Record]:
        return records(
            "muse",
            f"{corpus}/{config}/{split}",
            columns=columns,
            hub=f"hf:muse-bench/MUSE-{corpus.capitalize()}/{config}",
            split=split,
            folder=folder,
        )

    asked = ("raw", "forget") if request == "all" else (request, f"forget_{fold}")
    splits = {
        "forget": texts("forget", read(*asked, "text"), words),
        "retain": texts("retain", read("raw", "retain1", "text"), words),
        "forget_verbatim": _continued(read("verbmem", "forget", "prompt", "gt")),
        "forget_seen": texts("forget_seen", read("privleak", "forget", "text"), words),
        "holdout": texts("holdout", read("privleak", "holdout", "text"), words),
    }
    for side in ("forget", "retain"):
        shown = read("knowmem", f"{side}_qa_icl", "question", "answer")[:shots]
        asked_of = read("knowmem", f"{side}_qa", "question", "answer")
        splits[f"{side}_qa"] = _asked(f"{side}_qa", asked_of, shown)
    if request == "sust" and fold > 1:
        earlier = [row for k in range(1, fold) for row in read("sust", f"forget_{k}", "text")]
        splits["forget_earlier"] = texts("forget_earlier", earlier, words)
    return splits


def _continued(rows: Sequence[Record]) -> list[Example]:
    """Beginnings of texts with how they go on."""
    found = []
    for number, row in enumerate(rows):
        prompt, answer = row.text("prompt"), row.text("gt")
        # both are published trimmed: glued together, the last word and the next would be one
        gap = "" if prompt[-1].isspace() or answer[0].isspace() else " "
        name = f"forget_verbatim-{number}"
        found.append(Example(prompt, gap + answer, id=name, continues=True, where=row.where))
    return once(found)


def _asked(split: str, rows: Sequence[Record], shown: Sequence[Record]) -> list[Example]:
    """Questions after the examples that are shown first."""
    turns = [
        turn
        for row in shown
        for turn in (("user", row.text("question")), ("assistant", row.text("answer")))
    ]
    return once(
        [
            Example(
                row.text("question"),
                row.text("answer"),
                id=f"{split}-{number}",
                history=tuple(turns),
                where=row.where,
            )
            for number, row in enumerate(rows)
        ]
    )
