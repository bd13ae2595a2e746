"""What is left of the rest."""

from __future__ import annotations

import math

import numpy as np

from unteach.audit.evidence import Evidence
from unteach.audit.finding import Finding, caution, unavailable
from unteach.audit.intervals import by_spread, persons
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
    tokens = np.concatenate(rows).astype(np.float64)
    seen = persons(-tokens, np.repeat(ev.groups(split), [len(row) for row in rows]))
    ends = by_spread(seen.estimate())
    # exp overflows on a destroyed model: its perplexity is then infinite, which is not a number
    with np.errstate(over="ignore"):
        value, low, high = np.exp([seen.mean, max(0.0, ends.low), ends.high]).tolist()
    if not math.isfinite(value):
        return unavailable("the value is not finite")
    return Finding(value, low, high, len(rows), seen.number, note=caution(seen.number))
