"""Does forgetting last? What comes back in fewer bits, or after half of the facts is relearned.

Both also move a model that never knew: rounding costs every model something, and relearning teaches
the manner of the answers. So nothing here is read without the gold model's value, which had the
same treatment.
"""

from __future__ import annotations

import numpy as np

from unteach.audit.evidence import Evidence
from unteach.audit.finding import Finding, caution, mean, resample_groups, statistic, unavailable
from unteach.audit.measure import Tokens
from unteach.ranges import Bits, Count, Rate
from unteach.registry import audit

CLEAR = 4.0
"""Standard errors that the original must stand above gold for a share of the way to mean much."""
BROKEN = "a model is broken, before relearning or by it: a probability is not a number"


@audit(
    access="weights",
    reads=("{split}.quantised({bits})",),
    better="gold",
    version=1,
    shows="knowledge",
    rung=5,
    margin=0.1,
    attack="quantisation",
    source="arXiv:2410.16454",
)
def quantised_probability(ev: Evidence, *, split: str = "forget", bits: Bits = 4) -> Finding:
    """Probability of the true answer's tokens once weights are rounded to `bits` bits, 0 to 1.

    The exponential of a mean log-probability, as `probability` has it. Small updates round away,
    and what they hid shows again. Symmetric round-to-nearest, a scale for each row at 8 bits and for
    each 64 weights below; embeddings and output head are left alone. The paper rounds with its
    package's own 8- and 4-bit formats. Small models lose skill at 4 bits, on `retain` too.
    """
    return _mean(ev.quantised(split, bits), ev, split)


@audit(
    access="training",
    reads=("{split}.relearned({epochs}, {lr})",),
    better="gold",
    version=1,
    shows="knowledge",
    rung=6,
    margin=0.1,
    attack="fine-tuning attacks",
    source="RTT, arXiv:2410.08827",
)
def relearned_probability(
    ev: Evidence, *, split: str = "forget", epochs: Count = 3, lr: Rate = 3e-5
) -> Finding:
    """Probability of the true answer's tokens after the other half was relearned, 0 to 1.

    The facts of `forget` are halved, every other one of each person. One copy of the model is
    fine-tuned on each half (all weights, AdamW, 4 rows a step), and the facts of the other half are
    asked for, so that no fact was seen. `split` is `forget` or asks for the same facts otherwise.

    The paper has five parts, relearns four, takes the best of several rates and compares the
    accuracy with the original's. Here it is one rate and one seed: a stronger attack may get more.
    """
    found = _mean(ev.relearned(split, epochs, lr), ev, split)
    return found if found.available else unavailable(BROKEN)


@audit(
    access="training",
    reads=(
        "{split}.relearned({epochs}, {lr})",
        "gold.{split}.relearned({epochs}, {lr})",
        "original.{split}.tokens",
    ),
    better="gold",
    version=1,
    shows="knowledge",
    rung=6,
    margin=0.1,
    chance=0.0,
    attack="fine-tuning attacks",
    source="our own, after arXiv:2410.08827",
)
def relearn_residual(
    ev: Evidence, *, split: str = "forget", epochs: Count = 3, lr: Rate = 3e-5
) -> Finding:
    """What relearning half brings back of the rest: 0 as if never learned, 1 all of it.

    (recovered - gold) / (taught - gold), where recovered is this model's `relearned_probability`,
    gold the gold model's with the same rows and steps, taught the original's `probability`. The
    gold model has 0 by definition. Below 0 it learns less readily than gold. The interval draws
    persons, for all three at once; it is about these two relearnings, not about other seeds.
    """
    gold, original = ev.of("gold"), ev.of("original")
    table = np.stack(
        [
            ev.relearned(split, epochs, lr).probability(),
            gold.relearned(split, epochs, lr).probability(),
            original.tokens(split).probability(),
        ]
    )
    if np.isnan(table).any():
        return unavailable(BROKEN)
    groups = ev.groups(split)
    recovered, never, taught = table.mean(axis=1)
    drawn = np.stack([table[:, rows].mean(axis=1) for rows in resample_groups(groups)])
    way = taught - never
    error = float((drawn[:, 2] - drawn[:, 1]).std())
    if way <= CLEAR * error:
        return unavailable(
            f"the original's {taught:.3f} does not stand {CLEAR:g} standard errors ({error:.3f}) above "
            f"the {never:.3f} of the gold model after relearning: there is no way to measure a share of"
        )
    shares = (drawn[:, 0] - drawn[:, 1]) / (drawn[:, 2] - drawn[:, 1])
    persons = len(set(groups))
    note = f"Recovered {recovered:.3f}, gold {never:.3f}, taught {taught:.3f}."
    if persons > 1:  # of one alone `statistic` says so
        note = f"{note} {caution(persons)}".strip()
    return statistic((recovered - never) / way, shares, len(groups), persons, note)


def _mean(tokens: Tokens, ev: Evidence, split: str) -> Finding:
    return mean(tokens.probability().tolist(), ev.groups(split))
