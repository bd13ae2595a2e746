"""The two numbers by which TOFU ranks methods: how like a retrained model, and how useful still."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from unteach.audit import published
from unteach.audit.audits.ability import probability_of_options
from unteach.audit.audits.knowledge import rouge
from unteach.audit.audits.memorization import answer_losses, probability, truth_ratio
from unteach.audit.evidence import Evidence
from unteach.audit.finding import Finding, unavailable
from unteach.audit.statistics import harmonic_mean_finding, ks, wasserstein
from unteach.ranges import Count
from unteach.registry import audit


@audit(
    access="logits",
    reads=(
        "{split}.rephrased",
        "{split}.wrong",
        "gold.{split}.rephrased",
        "gold.{split}.wrong",
    ),
    better="higher",
    version=1,
    shows="nothing",
    source="TOFU, arXiv:2401.06121",
)
def forget_quality(ev: Evidence, *, split: str = "forget") -> Finding:
    """P-value of a test whether truth ratios differ from the gold model's, 0 to 1.

    The two-sided Kolmogorov-Smirnov test on the ratios R = p(wrong) / p(rephrased true answer) of
    the two models, one an example. Low: this model can be told from one that was retrained.

    High is no proof of equivalence: the fewer the questions, the larger p, and a model that was
    never unlearned passes with few enough. The test also takes questions about one person as
    independent. So there is no interval, and the note gives what p does not say: the gap between
    the two distributions, 0 to 1, log10 p, the distance W1 that a ratio must move on average, and
    the number of questions.
    """
    gold = ev.of("gold")
    if gold is ev:
        return unavailable("it is the reference itself, the gold model")
    ours, theirs = _ratios(ev, split), _ratios(gold, split)
    if np.isnan(ours).any() or np.isnan(theirs).any():
        return unavailable("a truth ratio is not a number: one of the two models is broken")
    found = ks(ours, theirs)
    groups = ev.groups(split)
    return Finding(
        value=found.p,
        low=math.nan,
        high=math.nan,
        n=len(ours),
        groups=len(set(groups)),
        per_example=ours,
        group_ids=tuple(groups),
        note=(
            f"KS gap {found.statistic:.3f}, log10 p {found.log10_p:.2f}, "
            f"W1 {wasserstein(ours, theirs):.3g}, {len(ours)} questions. "
            "With fewer questions p is larger: a high p does not show that the models are alike."
        ),
    )


@audit(
    access="logits",
    reads=(
        "{retain}.tokens",
        "{retain}.texts({max_tokens})",
        "{retain}.rephrased",
        "{retain}.wrong",
        "{authors}.tokens",
        "{authors}.texts({max_tokens})",
        "{authors}.wrong",
        "{facts}.tokens",
        "{facts}.texts({max_tokens})",
        "{facts}.wrong",
    ),
    better="higher",
    version=1,
    shows="nothing",
    source="TOFU, arXiv:2401.06121",
)
def model_utility(
    ev: Evidence,
    *,
    retain: str = "retain",
    authors: str = "real_authors",
    facts: str = "world",
    max_tokens: Count = 200,
) -> Finding:
    """Harmonic mean of nine parts about what is to stay, 0 to 1; 0 if any part is.

    Of each split the probability of the true answer, ROUGE-L recall and the truth ratio
    max(0, 1 - R). On `authors` and `facts` the probability is that among the options, and R takes
    the true answer itself, not in other words. The note lists the parts.

    A harmonic mean follows its lowest parts: a gain in one that is high already hardly counts.
    """
    parts = {f"{retain} probability": probability(ev, split=retain)}
    for split in (authors, facts):
        parts[f"{split} probability"] = probability_of_options(ev, split=split)
    for split in (retain, authors, facts):
        parts[f"{split} ROUGE-L"] = rouge(ev, split=split, max_tokens=max_tokens)
    parts[f"{retain} truth ratio"] = truth_ratio(
        ev, split=retain, true="rephrased", aggregate="true_better"
    )
    for split in (authors, facts):
        parts[f"{split} truth ratio"] = truth_ratio(
            ev, split=split, true="tokens", aggregate="true_better"
        )
    for name, part in parts.items():
        if not part.available:
            return unavailable(f"{name}: {part.note}")
    found = harmonic_mean_finding(list(parts.values()))
    values = ", ".join(f"{name} {part.value:.3f}" for name, part in parts.items())
    return replace(found, note=f"Parts: {values}. {found.note}".strip())


def _ratios(ev: Evidence, split: str) -> NDArray[np.float64]:
    """[n] TOFU's R = p(wrong) / p(rephrased true answer)."""
    return published.truth_ratio_of(*answer_losses(ev, split, "rephrased"))
