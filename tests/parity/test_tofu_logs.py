"""Our formulas against published per-sample logs of TOFU's evaluation (Llama-3.2-1B-Instruct).

The logs hold, for each sample, the mean token loss of the true, the paraphrased and the five wrong
answers, and the generated text with its ROUGE. Six logs: the model that knows everything on
forget01, forget05 and forget10, and the three models that were retrained without those.

What agrees with ours by definition is compared to 1e-6 relative, sample by sample and in aggregate:
the probability, ROUGE recall with stemming, and the mean of extraction strength.

Exceptions, each by a definition of ours:
* Truth ratio: the logs give R = p(wrong) / p(right), aggregated as mean(min(R, 1/R)) on forget and
  mean(max(0, 1 - R)) elsewhere; ours is 1 / (1 + R), so we check R = (1 - ours) / ours and rebuild
  both aggregates from it. The logs' p(right) is that of the paraphrased answer on forget and
  retain, and of the plain one on real authors and world facts.
* The logs' R has 1e-10 added to its denominator, ours has not: it matters where p(right) is 1e-6.
* Extraction strength: a model that misses even the last token has 1 / n in the logs, 0 in ours; and
  both strength and exact memorization need the model, so only their means can be compared.
* Intervals and the resampling by author have no counterpart in the logs.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from unteach.audit.audits.memorization import truth_ratio
from unteach.audit.finding import mean
from unteach.audit.measure import Tokens
from unteach.audit.text import rouge
from unteach.data.examples import Example

LOGS = Path(__file__).parents[3] / "shared" / "data" / "tofu_eval_logs_llama32_1b"
NAMES = (
    "full/evals_forget01",
    "full/evals_forget05",
    "full/evals_forget10",
    "retain99",
    "retain95",
    "retain90",
)
SPLITS = ("forget", "retain", "ra", "wf")
RIGHT = {"forget": "PARA_Prob", "retain": "PARA_Prob", "ra": "Prob", "wf": "Prob"}
"""Which answer the logs' truth ratio calls right."""
EPSILON = 1e-10
"""What the published code adds to a denominator."""

pytestmark = pytest.mark.skipif(
    not LOGS.is_dir(), reason="the published TOFU logs are not beside this checkout"
)
every_log = pytest.mark.parametrize("name", NAMES)
every_split = pytest.mark.parametrize("split", SPLITS)
with_paraphrases = [
    *((s, "Prob") for s in SPLITS),
    ("forget", "PARA_Prob"),
    ("retain", "PARA_Prob"),
]


@cache
def log(name: str) -> dict[str, Any]:
    return json.loads((LOGS / name / "TOFU_EVAL.json").read_text(encoding="utf-8"))


def rows(name: str, metric: str) -> Iterator[dict[str, Any]]:
    return iter(log(name)[metric]["value_by_index"].values())


def logged(name: str, metric: str) -> float:
    return float(log(name)[metric]["agg_value"])


def aggregate(values: list[float]) -> float:
    return mean(values, [str(i) for i in range(len(values))]).value


def tokens(losses: list[float]) -> Tokens:
    """A table of one token a row, whose loss is that row's mean loss."""
    n = len(losses)
    flat = np.zeros(n, dtype=np.float32)
    return Tokens(
        offsets=np.arange(n + 1),
        logp=-np.asarray(losses, dtype=np.float32),
        hit=np.zeros(n, dtype=bool),
        entropy=flat,
        std=flat,
        rank=np.zeros(n, dtype=np.int32),
        end=np.zeros(n, dtype=bool),
        specific=np.ones(n, dtype=bool),
    )


class Logged:
    """Stands in for Evidence: what the log says of one split."""

    def __init__(self, name: str, split: str) -> None:
        self.right = [r["avg_loss"] for r in rows(name, f"{split}_Q_A_{RIGHT[split]}")]
        self.of_wrong = [r["avg_loss"] for r in rows(name, f"{split}_Q_A_PERT_Prob")]

    def tokens(self, split: str) -> Tokens:
        return tokens(self.right)

    def wrong(self, split: str) -> Tokens:
        return tokens([loss for losses in self.of_wrong for loss in losses])

    def examples(self, split: str) -> list[Example]:
        return [Example("q", "a", wrong=("w",) * len(losses)) for losses in self.of_wrong]

    def groups(self, split: str) -> list[str]:
        return [str(i) for i in range(len(self.right))]


@every_log
@pytest.mark.parametrize(("split", "kind"), with_paraphrases)
def test_probability(name: str, split: str, kind: str):
    metric = f"{split}_Q_A_{kind}"
    ours = tokens([row["avg_loss"] for row in rows(name, metric)]).probability()
    assert ours == pytest.approx([row["prob"] for row in rows(name, metric)], rel=1e-6)
    assert aggregate(ours.tolist()) == pytest.approx(logged(name, metric), rel=1e-6)


@every_log
@every_split
def test_probability_of_wrong_answers(name: str, split: str):
    metric = f"{split}_Q_A_PERT_Prob"
    losses = [loss for row in rows(name, metric) for loss in row["avg_loss"]]
    theirs = [p for row in rows(name, metric) for p in row["prob"]]
    assert tokens(losses).probability() == pytest.approx(theirs, rel=1e-6)


@every_log
@every_split
def test_truth_ratio(name: str, split: str):
    found = truth_ratio(Logged(name, split), split=split)  # type: ignore[arg-type]
    assert found.per_example is not None
    right = np.exp(-np.asarray(Logged(name, split).right))
    ratio = (1 - found.per_example) / found.per_example * right / (right + EPSILON)
    metric = "forget_truth_ratio" if split == "forget" else f"{split}_Truth_Ratio"
    theirs = [row["score"] for row in rows(name, metric)]
    assert ratio == pytest.approx(theirs, rel=1e-6)
    rebuilt = np.minimum(ratio, 1 / ratio) if split == "forget" else np.maximum(0, 1 - ratio)
    assert aggregate(rebuilt.tolist()) == pytest.approx(logged(name, metric), rel=1e-6)


@every_log
@every_split
def test_rouge(name: str, split: str):
    metric = f"{split}_Q_A_ROUGE"
    sample = list(rows(name, metric))
    ours = [rouge(row["generation"], row["ground_truth"]) for row in sample]
    assert ours == pytest.approx([row["rougeL_recall"] for row in sample], rel=1e-6)
    assert aggregate(ours) == pytest.approx(logged(name, metric), rel=1e-6)


def test_rouge_without_stemming_is_another_number():
    """The check above is not vacuous: the published code stems."""
    sample = list(rows("full/evals_forget10", "forget_Q_A_ROUGE"))
    plain = [rouge(row["generation"], row["ground_truth"], stem=False) for row in sample]
    assert aggregate(plain) == pytest.approx(0.816, abs=1e-3)
    assert logged("full/evals_forget10", "forget_Q_A_ROUGE") == pytest.approx(0.820, abs=1e-3)


@every_log
@pytest.mark.parametrize("metric", ["extraction_strength", "exact_memorization"])
def test_means_of_what_needs_the_model(name: str, metric: str):
    scores = [row["score"] for row in rows(name, metric)]
    assert aggregate(scores) == pytest.approx(logged(name, metric), rel=1e-6)
