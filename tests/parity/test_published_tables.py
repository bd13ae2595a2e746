"""The published TOFU table from per-sample logs, and the table of docs/parity.md.

Six logs of Llama-3.2-1B-Instruct: the model that knows everything on forget01, forget05 and
forget10, and the three that were retrained without those. Every aggregate is compared with the
log's `agg_value` and, where it is there, with TOFU_SUMMARY.json.

Exceptions: `privleak` of a retrained model was published against an AUC of 0.5, so that is what we
say; its `forget_quality` was not published. Nothing else is left out.

After a change: UPDATE_DOCS=1 python -m pytest tests/parity/test_published_tables.py
"""

from __future__ import annotations

import copy
import json
import math
import os
import re
import zlib
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from unteach.audit import published
from unteach.audit.published import (
    closer_to_1,
    forget_quality,
    membership_auc,
    privleak,
    probability_among,
    relative_difference,
    tofu_table,
    true_better,
    truth_ratio_of,
)
from unteach.audit.statistics import harmonic_mean
from unteach.errors import DataError

ROOT = Path(__file__).parents[2]
LOGS = ROOT.parent / "shared" / "data" / "tofu_eval_logs_llama32_1b"
PAGE = ROOT / "docs" / "parity.md"
TABLE = re.compile(r"(<!-- parity: tofu -->\n)(.*?)(<!-- /parity -->)", re.DOTALL)
RETRAINED: Mapping[str, str] = {
    "full/evals_forget10": "retain90",
    "full/evals_forget05": "retain95",
    "full/evals_forget01": "retain99",
}
NAMES = (*RETRAINED, *RETRAINED.values())
TOLERANCE = 1e-6

with_logs = pytest.mark.skipif(
    not LOGS.is_dir(), reason="the published TOFU logs are not beside this checkout"
)
every_log = pytest.mark.parametrize("name", NAMES)


@cache
def log(name: str, file: str = "TOFU_EVAL") -> dict[str, Any]:
    return json.loads((LOGS / name / f"{file}.json").read_text(encoding="utf-8"))


def recomputed(name: str) -> dict[str, float]:
    if name in RETRAINED:
        return tofu_table(log(name), log(RETRAINED[name]))
    return tofu_table(log(name), reference_auc=0.5)


def logged(name: str) -> dict[str, float]:
    """Every number that was published for a log; the attacks' are their AUC."""
    values = {metric: entry["agg_value"] for metric, entry in log(name).items()}
    return {metric: value for metric, value in values.items() if value is not None}


def off(ours: float, theirs: float) -> float:
    return abs(ours - theirs) / abs(theirs)


@with_logs
@every_log
def test_every_aggregate(name: str):
    ours, theirs = recomputed(name), logged(name)
    beside = {metric for metric in ours if "." in metric}  # other kinds of ROUGE, see below
    assert ours.keys() - beside == theirs.keys()
    assert len(theirs) == (31 if name in RETRAINED else 29)
    assert {m: off(ours[m], theirs[m]) for m in theirs if off(ours[m], theirs[m]) > TOLERANCE} == {}


@with_logs
@every_log
def test_the_summary(name: str):
    ours, summary = recomputed(name), log(name, "TOFU_SUMMARY")
    assert {m: off(ours[m], v) for m, v in summary.items() if off(ours[m], v) > TOLERANCE} == {}


@with_logs
@every_log
def test_the_other_kinds_of_rouge(name: str):
    """They were logged for each sample, but not averaged."""
    ours = recomputed(name)
    beside = [metric for metric in ours if "." in metric]
    assert len(beside) == 8
    for key in beside:
        metric, _, kind = key.partition(".")
        samples = log(name)[metric]["value_by_index"].values()
        assert ours[key] == pytest.approx(float(np.mean([s[kind] for s in samples])), rel=TOLERANCE)


@with_logs
@every_log
def test_what_two_attacks_score(name: str):
    """On forget the loss attack is the mean token loss, zlib divides it by the compressed size."""
    kinds = ("forget_Q_A_Prob", "forget_Q_A_ROUGE")
    losses, texts = (log(name)[kind]["value_by_index"] for kind in kinds)
    scores = {a: log(name)[a]["forget"]["value_by_index"] for a in ("mia_loss", "mia_zlib")}
    for index, row in losses.items():
        loss, text = row["avg_loss"], texts[index]["ground_truth"]
        assert scores["mia_loss"][index]["score"] == pytest.approx(loss, rel=TOLERANCE)
        per_byte = loss / len(zlib.compress(text.encode()))
        assert scores["mia_zlib"][index]["score"] == pytest.approx(per_byte, rel=TOLERANCE)


@with_logs
def test_no_aggregate_of_a_log_is_read():
    emptied = copy.deepcopy(log("full/evals_forget01"))
    for entry in emptied.values():
        entry.pop("agg_value", None)
        entry.pop("auc", None)
        for side in ("forget", "holdout"):
            entry.get(side, {}).pop("agg_value", None)
    assert tofu_table(emptied, log("retain99")) == recomputed("full/evals_forget01")


def _without_stemmer() -> Any:
    from rouge_score.rouge_scorer import RougeScorer

    return RougeScorer(["rouge1", "rougeL"], use_stemmer=False)


def _of_probabilities(right_nll: Any, wrong_nll: Sequence[Any]) -> Any:
    return [np.exp(-w).mean() / np.exp(-r) for r, w in zip(right_nll, wrong_nll, strict=True)]


@with_logs
@pytest.mark.parametrize(
    ("formula", "wrong", "moved"),
    [
        ("membership_auc", lambda f, h: 1 - membership_auc(f, h), ("mia_loss", "privleak")),
        ("_rouge", _without_stemmer, ("forget_Q_A_ROUGE", "retain_Q_A_ROUGE", "model_utility")),
        (
            "truth_ratio_of",
            _of_probabilities,
            ("forget_truth_ratio", "forget_quality", "ra_Truth_Ratio", "model_utility"),
        ),
        ("closer_to_1", true_better, ("forget_truth_ratio",)),
        ("EPSILON", 1e-3, ("wf_Q_A_Prob_normalised",)),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_wrong_formula_is_noticed(
    formula: str, wrong: object, moved: Sequence[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(published, formula, wrong)
    name = "full/evals_forget10"
    ours, theirs = recomputed(name), logged(name)
    assert [m for m in moved if off(ours[m], theirs[m]) < 1e-3] == []


@with_logs
def test_without_a_retrained_model_there_is_nothing_to_compare_with():
    table = tofu_table(log("retain99"))
    assert not {"forget_quality", "privleak"} & table.keys()
    assert tofu_table(log("retain99"), reference_auc=0.5)["privleak"] == pytest.approx(5.875)


@with_logs
def test_the_log_of_another_forget_set_is_refused():
    with pytest.raises(DataError, match=r"400 forget samples .* retrained model 40: .* retain99"):
        tofu_table(log("full/evals_forget10"), log("retain99"))


@with_logs
@pytest.mark.parametrize(
    ("break_it", "said"),
    [
        (lambda d: d.pop("ra_Q_A_Prob"), "has no 'ra_Q_A_Prob': .* not of the summary"),
        (lambda d: d["wf_Q_A_ROUGE"].pop("value_by_index"), "'wf_Q_A_ROUGE' has no 'value_by_"),
        (lambda d: d["mia_loss"].pop("holdout"), "has no 'mia_loss.holdout'"),
        (lambda d: d.update(mia_loss=0.5), "'mia_loss' must be an object"),
        (
            lambda d: d["forget_Q_A_Prob"]["value_by_index"]["3"].pop("avg_loss"),
            "sample 3 of 'forget_Q_A_Prob' has no 'avg_loss'",
        ),
        (
            lambda d: d["exact_memorization"]["value_by_index"]["5"].update(score=None),
            "sample 5 of 'exact_memorization' must hold numbers",
        ),
        (
            lambda d: d["retain_Q_A_PERT_Prob"]["value_by_index"].pop("9"),
            "'retain_Q_A_PARA_Prob' and 'retain_Q_A_PERT_Prob' are not about the same samples",
        ),
    ],
)
def test_what_is_missing_is_named(break_it: Callable[[dict[str, Any]], object], said: str):
    broken = copy.deepcopy(log("retain99"))
    break_it(broken)
    with pytest.raises(DataError, match=said):
        tofu_table(broken)


def test_a_summary_is_no_log():
    with pytest.raises(DataError, match="has no 'forget_Q_A_Prob'"):
        tofu_table({"forget_quality": 0.5, "model_utility": 0.6})


def test_truth_ratio_by_hand():
    """p(right) = 0.5; wrong 0.1 and 0.4: their geometric mean is 0.2, so R = 0.2 / 0.5 = 0.4."""
    nll = [-math.log(p) for p in (0.5, 0.1, 0.4)]
    assert truth_ratio_of(nll[:1], [nll[1:]]) == pytest.approx([0.4])
    assert closer_to_1([0.4, 1.0, 4.0]) == pytest.approx([0.4, 1.0, 0.25])
    assert true_better([0.4, 1.0, 4.0]) == pytest.approx([0.6, 0.0, 0.0])


def test_a_right_answer_without_probability_gives_no_infinity():
    """p(right) = e^-2000 is 0 in floats: R = 0.5 / 1e-10."""
    ratio = truth_ratio_of([2000.0], [[-math.log(0.5)]])
    assert ratio == pytest.approx([5e9])
    assert closer_to_1(ratio) == pytest.approx([2e-10])
    assert closer_to_1([0.0]) == pytest.approx([0.0])


def test_probability_among_by_hand():
    """0.3 / (0.3 + 0.1 + 0.2) = 0.5; the number of wrong answers may differ."""
    found = probability_among(
        [-math.log(0.3), -math.log(0.2)], [[-math.log(0.1), -math.log(0.2)], [-math.log(0.6)]]
    )
    assert found == pytest.approx([0.5, 0.25])


def test_harmonic_mean_by_hand():
    """3 / (1 / 1 + 1 / 0.5 + 1 / 0.25) = 3 / 7."""
    assert harmonic_mean([1, 0.5, 0.25]) == pytest.approx(3 / 7)
    assert harmonic_mean([1, 0, 0.25]) == 0


def test_forget_quality_of_equal_and_of_separate_ratios():
    """4 against 4 wholly apart: 2 of the C(8, 4) = 70 orders are as extreme, p = 2 / 70."""
    assert forget_quality([1, 2, 3, 4], [1, 2, 3, 4]) == pytest.approx(1)
    assert forget_quality([1, 2, 3, 4], [5, 6, 7, 8]) == pytest.approx(2 / 70)


def test_membership_auc_by_hand():
    """Pairs (forget, holdout) with holdout above: (1, 2), (1, 3), and the tie (2, 2) by half,
    (2, 3): 3.5 of 4.
    """
    assert membership_auc([1, 2], [2, 3]) == pytest.approx(3.5 / 4)
    assert membership_auc([2, 3], [1, 2]) == pytest.approx(0.5 / 4)
    assert membership_auc([1, 1], [1, 1]) == pytest.approx(0.5)
    assert math.isnan(membership_auc([1, math.nan], [2, 3]))


def test_privleak_by_hand():
    """Everything still known: ((1 - 1) - (1 - 0.4)) / (1 - 0.4) = -100 %; overdone, AUC 0.1:
    (0.9 - 0.6) / 0.6 = +50 %.
    """
    assert privleak(1.0, 0.4) == pytest.approx(-100)
    assert privleak(0.4, 0.4) == pytest.approx(0)
    assert privleak(0.1, 0.4) == pytest.approx(50)
    assert math.isnan(privleak(0.5, 1.0))
    assert relative_difference(3, 2) == pytest.approx(50)


def rows() -> list[tuple[str, ...]]:
    """A row a metric: the log, the first of equals, on which we are furthest from the published."""
    found: dict[str, list[tuple[float, str, float, float]]] = {}
    for name in NAMES:
        ours = recomputed(name)
        for metric, value in logged(name).items():
            found.setdefault(metric, []).append(
                (_bound(off(ours[metric], value)), name, value, ours[metric])
            )
    made: list[tuple[str, ...]] = []
    for metric, cases in sorted(found.items()):
        worst, name, theirs, value = max(cases, key=lambda case: case[0])
        shown = (f"{theirs:.6g}", f"{value:.6g}", f"{worst:.0e}")
        made.append((f"`{metric}`", str(len(cases)), name, *shown))
    return made


def _bound(difference: float) -> float:
    """The next power of ten above, at least 1e-12: what lies below depends on the machine."""
    return 10.0 ** max(-12, math.ceil(math.log10(difference)) if difference else -12)


@with_logs
def test_the_page():
    head = ("metric", "logs", "worst on", "published", "ours", "relative difference below")
    lines = [head, ("---",) * len(head), *rows()]
    table = "".join(f"| {' | '.join(line)} |\n" for line in lines)
    text = PAGE.read_text(encoding="utf-8")
    assert TABLE.search(text)
    fresh = TABLE.sub(lambda found: found[1] + table + found[3], text)
    if os.environ.get("UPDATE_DOCS"):
        PAGE.write_text(fresh, encoding="utf-8")
        return
    assert text == fresh, f"the table is out of date: UPDATE_DOCS=1 python -m pytest {__file__}"
