"""What is left of the rest."""

from __future__ import annotations

import numpy as np

from unteach.audit.evidence import Evidence
from unteach.audit.finding import Finding, resample_groups, statistic
from unteach.registry import audit


@audit(
    access="logits",
    reads=("{split}.tokens",),
    better="lower",
    version=1,
    shows="language",
    margin=1.25,
    collapse=3.0,
    ratio=True,
    source="standard",
)
def perplexity(ev: Evidence, *, split: str = "neutral") -> Finding:
    """Perplexity, exp of the mean token loss over all texts of the split; 1 is certainty, higher is worse."""
    rows = ev.tokens(split).each("logp")
    loss = np.array([-row.sum(dtype=np.float64) for row in rows])
    count = np.array([len(row) for row in rows])
    groups = ev.groups(split)
    # exp overflows on a destroyed model: its perplexity is then infinite, which is not a number
    with np.errstate(over="ignore"):
        drawn = [float(np.exp(loss[i].sum() / count[i].sum())) for i in resample_groups(groups)]
        value = float(np.exp(loss.sum() / count.sum()))
    return statistic(value, drawn, len(rows), len(set(groups)))
