"""Named lists of audits. `standard` is what a run measures unless its recipe says otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Named = tuple[str, dict[str, Any]]


def _over(audit: str, *splits: str) -> tuple[Named, ...]:
    return tuple((audit, {"split": split}) for split in splits)


QUICK: tuple[Named, ...] = (
    *_over("probability", "forget", "forget_paraphrased", "retain"),
    *_over("accuracy", "forget", "retain"),
    *_over("rouge", "forget", "retain"),
)

STANDARD: tuple[Named, ...] = (
    *_over("specific_probability", "forget", "forget_paraphrased", "retain", "retain_paraphrased"),
    *_over("specific_probability", "holdout", "neighbours", "same_answer", "world"),
    *_over("probability", "forget", "forget_paraphrased", "forget_reversed"),
    *_over("probability", "retain", "retain_paraphrased", "neighbours", "same_answer"),
    *_over("probability", "holdout", "world"),
    *_over("truth_ratio", "forget"),
    *_over("extraction_strength", "forget", "retain"),
    *_over("exact_memorization", "forget", "retain"),
    ("likelihood_leak", {}),
    *_over("name_information", "forget"),
    ("mia_loss", {}),
    ("mia_min_k", {}),
    *_over("accuracy", "forget", "retain"),
    *_over("rouge", "forget", "retain"),
    *_over("similarity", "forget", "retain"),
    ("kfr", {}),
    ("krr", {}),
    *_over("linguistic_score", "forget", "retain"),
    *_over("robust_linguistic_score", "forget", "retain"),
    *_over("repetition", "forget", "retain"),
    *_over("refusal", "forget", "retain"),
    *_over("degenerate", "forget", "retain"),
    *_over("perplexity", "neutral"),
)

LASTING: tuple[Named, ...] = (
    *(
        ("quantised_probability", {"split": split, "bits": bits})
        for split in ("forget", "retain")
        for bits in (8, 4)
    ),
    *_over("relearned_probability", "forget"),
    *_over("relearn_residual", "forget"),
    *_over("relearned_information", "forget"),
)

RELEARN: tuple[Named, ...] = (
    *_over("rouge", "forget", "retain"),
    ("kfr", {"rule": "paper"}),
    ("krr", {"rule": "paper"}),
    *_over("answer_perplexity", "forget", "retain"),
    *_over("linguistic_score", "forget", "retain"),
    ("kfr", {}),
    ("krr", {}),
    *(
        ("answer_perplexity", {"split": split, "average": "median"})
        for split in ("forget", "retain")
    ),
    *_over("robust_linguistic_score", "forget", "retain"),
)
"""The columns of ReLearn's tables, then the corrected ones; of answers as long as `standard`'s."""

SUITES: Mapping[str, tuple[Named, ...]] = {
    "quick": QUICK,
    "standard": STANDARD,
    "lasting": LASTING,
    "relearn": RELEARN,
}
