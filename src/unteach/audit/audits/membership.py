"""Can a text that was to be forgotten be told from one that was never seen?

Every attack gives each text a score, higher for what looks more like a member of the training data.
The finding is the AUC: how often a text of `split` scores above one of `other`, a tie counting
half. The incumbent's logs take a score of the loss's kind, lower for members, and the share of
pairs in which the holdout's is the larger: the same number.

0.5 is chance. Above it forget texts still look like members; below it they look less known than
texts never seen, which gives them away as well. Where the two splits differ in kind (topic, date,
length), no model has 0.5, so the gold model's value is the yardstick.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from unteach.audit import published
from unteach.audit.evidence import Evidence
from unteach.audit.finding import Finding, caution, resample_groups, unavailable
from unteach.audit.intervals import percentiles
from unteach.audit.measure import Tokens
from unteach.audit.statistics import auc, auc_finding, clopper_pearson, tpr_at_fpr
from unteach.errors import RecipeError
from unteach.ranges import Count, SomeShare
from unteach.registry import audit

Values = NDArray[np.float64]
Attack = Literal["min_k", "loss", "zlib", "min_k_plus_plus"]

LEAST_STD = 1e-3
"""Least standard deviation of log p that min-k++ divides by, as published: a variance of 1e-6."""
NO_SCORE = "no example could be judged on one side"


@audit(
    access="logits",
    reads=("{split}.tokens", "{other}.tokens"),
    better="gold",
    version=1,
    shows="knowledge",
    rung=2,
    margin=0.1,
    chance=0.5,
    attack="membership inference",
    source="arXiv:1709.01604",
)
def mia_loss(ev: Evidence, *, split: str = "forget", other: str = "holdout") -> Finding:
    """AUC of telling `split` from `other` by the mean token log-probability, 0 to 1.

    The tokens that close the turn count, as published.
    """
    return _told_apart(ev, split, other, lambda s: _loss(ev, s))


@audit(
    access="logits",
    reads=("{split}.tokens", "{other}.tokens"),
    better="gold",
    version=1,
    shows="knowledge",
    rung=2,
    margin=0.1,
    chance=0.5,
    attack="membership inference",
    source="arXiv:2012.07805",
)
def mia_zlib(ev: Evidence, *, split: str = "forget", other: str = "holdout") -> Finding:
    """AUC of telling `split` from `other` by loss over compressed size, 0 to 1.

    The size is that of the answer's text in bytes after zlib, for a text that repeats itself has a
    low loss without having been seen. As the loss is a mean over tokens and the size grows with the
    text, longer texts score higher: that is as published, and another reason to look at the gold
    model's value.
    """
    return _told_apart(ev, split, other, lambda s: _zlib(ev, s))


@audit(
    access="logits",
    reads=("{split}.tokens", "{other}.tokens"),
    better="gold",
    version=1,
    shows="knowledge",
    rung=2,
    margin=0.1,
    chance=0.5,
    attack="membership inference",
    source="Min-K% Prob, arXiv:2310.16789",
)
def mia_min_k(
    ev: Evidence, *, split: str = "forget", other: str = "holdout", k: SomeShare = 0.4
) -> Finding:
    """AUC of telling `split` from `other` by the least likely tokens, 0 to 1.

    The mean log-probability of the lowest share `k` of the tokens, of one token at least: the
    published code takes none of a short answer, and its mean is NaN. The tokens that close the turn
    are left out. The published code drops the last token, whatever it is: of a text that is a word.
    """
    return _told_apart(ev, split, other, lambda s: _min_k(ev, s, k))


@audit(
    access="logits",
    reads=("{split}.tokens", "{other}.tokens"),
    better="gold",
    version=1,
    shows="knowledge",
    rung=2,
    margin=0.1,
    chance=0.5,
    attack="membership inference",
    source="Min-K%++, arXiv:2404.02936",
)
def mia_min_k_plus_plus(
    ev: Evidence, *, split: str = "forget", other: str = "holdout", k: SomeShare = 0.4
) -> Finding:
    """AUC of telling `split` from `other` by standardised least likely tokens, 0 to 1.

    As `mia_min_k`, of (log p - mean) / standard deviation, both over the vocabulary under the
    model's distribution at that place: a rare word weighs less where anything could have come.
    """
    return _told_apart(ev, split, other, lambda s: _min_k_plus_plus(ev, s, k))


@audit(
    access="logits",
    reads=(
        "{split}.tokens",
        "{other}.tokens",
        "{reference}.{split}.tokens",
        "{reference}.{other}.tokens",
    ),
    better="gold",
    version=1,
    shows="knowledge",
    rung=2,
    margin=0.1,
    chance=0.5,
    attack="membership inference",
    source="arXiv:2111.08440",
)
def mia_reference(
    ev: Evidence,
    *,
    split: str = "forget",
    other: str = "holdout",
    reference: Literal["base", "gold"] = "base",
) -> Finding:
    """AUC of telling `split` from `other` by the gain over a reference model, 0 to 1.

    The mean token log-probability minus that of the model before it was taught anything, or of the
    gold model. This takes out how hard a text is for any model. The reference itself has no
    finding: its every gain is 0.
    """
    known = ev.of(reference)
    if known.key == ev.key:
        return unavailable(f"it is the reference itself, the {reference} model")
    return _told_apart(ev, split, other, lambda s: _loss(ev, s) - _loss(known, s))


@audit(
    access="weights",
    reads=("{split}.gradnorm", "{other}.gradnorm"),
    better="gold",
    version=1,
    shows="knowledge",
    rung=4,
    margin=0.1,
    chance=0.5,
    attack="membership inference",
    source="arXiv:2402.17012",
)
def mia_gradnorm(ev: Evidence, *, split: str = "forget", other: str = "holdout") -> Finding:
    """AUC of telling `split` from `other` by the size of the gradient, 0 to 1.

    A text that was learnt pulls less at the weights, so a smaller gradient is more like a member's.
    """
    return _told_apart(ev, split, other, lambda s: -ev.gradnorm(s))


@audit(
    access="logits",
    reads=(
        "{split}.tokens",
        "{other}.tokens",
        "{split}.recalled({other}, {shots})",
        "{other}.recalled({other}, {shots})",
    ),
    better="gold",
    version=1,
    shows="knowledge",
    rung=2,
    margin=0.1,
    chance=0.5,
    attack="membership inference",
    source="ReCall, arXiv:2406.15968",
)
def mia_recall(
    ev: Evidence, *, split: str = "forget", other: str = "holdout", shots: Count = 4
) -> Finding:
    """AUC of telling `split` from `other` by what a prefix of others changes, 0 to 1.

    The score is LL(x | prefix) / LL(x), of mean token log-probabilities, where the prefix is the
    first `shots` rows of `other`, as earlier turns of a chat or as text before a text. Both are
    negative, so the score is above 1 where the prefix makes x less likely. That is how members
    behave: they were near 0 already, and what is strange before them disturbs. Non-members gain
    from an example of their kind.

    The rows of the prefix are not compared. The tokens that close the turn are left out, for a
    prefix of turns teaches those.
    """
    rows = len(ev.examples(other))
    if not 1 <= shots < rows:
        return unavailable(
            f"shots is {shots}: the first rows of '{other}' are the prefix and the others are "
            f"compared, so it must be at least 1 and less than the {rows} rows that there are"
        )
    return auc_finding(
        _recall(ev, split, other, shots),
        _recall(ev, other, other, shots)[shots:],
        member_groups=ev.groups(split),
        other_groups=ev.groups(other)[shots:],
    )


@audit(
    access="logits",
    reads=("{split}.tokens", "{other}.tokens"),
    better="gold",
    version=1,
    shows="knowledge",
    rung=2,
    margin=0.1,
    chance=0.01,
    attack="membership inference",
    source="arXiv:2112.03570",
)
def mia_tpr(
    ev: Evidence, *, split: str = "forget", other: str = "holdout", k: SomeShare = 0.4
) -> Finding:
    """Share of `split` that min-k finds while it takes 1 % of `other` for members, 0 to 1.

    An AUC averages over all texts; here a few that are known for certain are enough. A model that
    knows none has 0.01. With fewer than 100 rows in `other` none of them may be taken for a member,
    and one odd row there hides all of `split`.
    """
    sides = _sides([ev], split, other, lambda model, s: _min_k(model, s, k))
    if sides is None:
        return unavailable(NO_SCORE)
    found = _resampled(sides, lambda members, others: tpr_at_fpr(members[0], others[0]).rate)
    if found.value in (0.0, 1.0) and found.low == found.high:
        # none is found in any resample, or all are in every one, which is no certainty
        groups = len(set(sides.groups))
        exact = clopper_pearson(round(found.value) * groups, groups)
        found = replace(found, low=exact.low, high=exact.high)
    return found


@audit(
    access="logits",
    reads=(
        "{split}.tokens",
        "{other}.tokens",
        "gold.{split}.tokens",
        "gold.{other}.tokens",
    ),
    better="gold",
    version=1,
    shows="knowledge",
    rung=2,
    margin=10.0,
    knowing="low",
    chance=0.0,
    attack="membership inference",
    source="MUSE, arXiv:2407.06460",
)
def privleak(
    ev: Evidence,
    *,
    split: str = "forget",
    other: str = "holdout",
    attack: Literal["min_k", "loss", "zlib", "min_k_plus_plus"] = "min_k",
    k: SomeShare = 0.4,
) -> Finding:
    """PrivLeak: a percentage from -100 up, 0 is ideal; how far the AUC is from the gold model's.

    100 (a - g) / g, where a is 1 - AUC of the attack on this model and g the gold model's.
    Negative: forget texts look more like members than to the gold model (-100: each one more than
    any text of `other`). Positive: less, so too much was done, and that shows too.

    There is no bound above: with a gold AUC of 0.98, so g = 0.02, an AUC of 0.5 gives 2400, where
    `privleak_absolute` gives -0.48. Without a gold model there is no finding; the incumbent then
    takes 0.5 for the gold model's AUC, and does not say so. Only the two min-k attacks read `k`.
    """
    found = _against_gold(ev, split, other, attack, k, published.privleak)
    if math.isnan(found.value) and found.available:
        return unavailable(
            "the gold model's AUC is 1, so its 1 - AUC is 0 and nothing can be divided by it; "
            "privleak_absolute has a value"
        )
    return found


@audit(
    access="logits",
    reads=(
        "{split}.tokens",
        "{other}.tokens",
        "gold.{split}.tokens",
        "gold.{other}.tokens",
    ),
    better="gold",
    version=1,
    shows="knowledge",
    rung=2,
    margin=0.1,
    chance=0.0,
    attack="membership inference",
    source="our own, after MUSE, arXiv:2407.06460",
)
def privleak_absolute(
    ev: Evidence,
    *,
    split: str = "forget",
    other: str = "holdout",
    attack: Literal["min_k", "loss", "zlib", "min_k_plus_plus"] = "min_k",
    k: SomeShare = 0.4,
) -> Finding:
    """AUC of a membership attack minus the gold model's, -1 to 1; 0 is ideal.

    Positive: forget texts look more like members than to the gold model; negative: less. That is
    the opposite sign of `privleak`, which divides by 1 - AUC of the gold model and explodes where
    that AUC is near 1.
    """
    return _against_gold(ev, split, other, attack, k, lambda ours, gold: ours - gold)


def _told_apart(ev: Evidence, split: str, other: str, score: Callable[[str], Values]) -> Finding:
    return auc_finding(
        score(split), score(other), member_groups=ev.groups(split), other_groups=ev.groups(other)
    )


def _loss(ev: Evidence, split: str) -> Values:
    return _means(ev.tokens(split))


def _zlib(ev: Evidence, split: str) -> Values:
    sizes = [len(zlib.compress(e.answer.encode())) for e in ev.examples(split)]
    return _loss(ev, split) / np.array(sizes)


def _min_k(ev: Evidence, split: str, k: float) -> Values:
    return lowest(ev.tokens(split).each("logp", end=False), k)


def _min_k_plus_plus(ev: Evidence, split: str, k: float) -> Values:
    tokens = ev.tokens(split)
    columns = (tokens.each(name, end=False) for name in ("logp", "entropy", "std"))
    # the mean of log p under the model's own distribution is minus its entropy
    rows = [
        (logp + entropy) / np.maximum(std, LEAST_STD)
        for logp, entropy, std in zip(*columns, strict=True)
    ]
    return lowest(rows, k)


ATTACKS: Mapping[Attack, Callable[[Evidence, str, float], Values]] = {
    "min_k": _min_k,
    "loss": lambda ev, split, k: _loss(ev, split),
    "zlib": lambda ev, split, k: _zlib(ev, split),
    "min_k_plus_plus": _min_k_plus_plus,
}
"""What scores every text of a split; higher is more like a member."""


def _recall(ev: Evidence, split: str, shown: str, shots: int) -> Values:
    after = _means(ev.recalled(split, shown, shots), end=False)
    # a text known for certain has a log-probability of 0, which nothing can be divided by
    return after / np.minimum(_means(ev.tokens(split), end=False), -published.EPSILON)


def _means(tokens: Tokens, *, end: bool = True) -> Values:
    rows = tokens.each("logp", end=end)
    return np.array([row.mean(dtype=np.float64) if len(row) else math.nan for row in rows])


def lowest(rows: Sequence[NDArray[np.float32]], k: float) -> Values:
    """[n] the mean of the lowest share k of each row, one value at least; NaN of an empty row."""
    if not 0 < k <= 1:
        raise RecipeError(f"k is {k}; it is a share of the tokens, above 0 and at most 1.")
    counts = [max(1, int(len(row) * k)) for row in rows]
    least = [np.sort(row)[:count] for row, count in zip(rows, counts, strict=True)]
    return np.array([row.mean(dtype=np.float64) if len(row) else math.nan for row in least])


def _against_gold(
    ev: Evidence,
    split: str,
    other: str,
    attack: Attack,
    k: float,
    change: Callable[[float, float], float],
) -> Finding:
    """`change` of this model's AUC and the gold model's."""
    gold = ev.of("gold")
    if gold is ev:
        return unavailable("it is the reference itself, the gold model")
    sides = _sides([ev, gold], split, other, lambda model, s: ATTACKS[attack](model, s, k))
    if sides is None:
        return unavailable(NO_SCORE)
    found = _resampled(sides, lambda members, others: change(*_aucs(members, others)))
    ours, golds = _aucs(sides.members, sides.others)
    note = f"AUC {ours:.3f}, the gold model's {golds:.3f}."
    if {ours, golds} & {0.0, 1.0}:  # it is that in every resample too, which is no certainty
        found = replace(found, low=math.nan, high=math.nan)
        note += " One is 0 or 1: no interval."
    return replace(found, note=f"{note} {found.note}".strip())


def _aucs(members: Values, others: Values) -> list[float]:
    return [auc(ours, theirs) for ours, theirs in zip(members, others, strict=True)]


@dataclass(frozen=True)
class _Sides:
    """Scores of both splits under some models, of the rows that every model gave one."""

    members: Values  # [models, n]
    others: Values  # [models, m]
    groups: list[str]
    other_groups: list[str]
    unknown: int


def _sides(
    models: Sequence[Evidence], split: str, other: str, score: Callable[[Evidence, str], Values]
) -> _Sides | None:
    """None if a side has no row with a score."""
    members, others = (np.stack([score(model, s) for model in models]) for s in (split, other))
    known, known_others = ~np.isnan(members).any(0), ~np.isnan(others).any(0)
    if not known.any() or not known_others.any():
        return None
    return _Sides(
        members[:, known],
        others[:, known_others],
        np.asarray(models[0].groups(split))[known].tolist(),
        np.asarray(models[0].groups(other))[known_others].tolist(),
        int((~known).sum() + (~known_others).sum()),
    )


def _resampled(sides: _Sides, value_of: Callable[[Values, Values], float]) -> Finding:
    """`value_of` both sides, with a percentile interval (`statistic`) that draws groups of either.

    All models share a draw. No interval if a side has one group or a resample has no value.
    """
    # another seed for the other side: with the same, sides of as many groups would be drawn alike
    pairs = zip(
        resample_groups(sides.groups, seed=0),
        resample_groups(sides.other_groups, seed=1),
        strict=True,
    )
    drawn = [value_of(sides.members[:, i], sides.others[:, j]) for i, j in pairs]
    groups, other_groups = len(set(sides.groups)), len(set(sides.other_groups))
    low = high = math.nan
    if min(groups, other_groups) > 1 and np.isfinite(drawn).all():
        interval = percentiles(drawn, min(groups, other_groups))
        low, high = interval.low, interval.high
    n = sides.members.shape[1] + sides.others.shape[1]
    notes = [caution(min(groups, other_groups))]
    if sides.unknown:
        notes.insert(0, f"{sides.unknown} of {n + sides.unknown} unknown, left out.")
    if not np.isfinite(drawn).all():
        notes.append("Some resamples have no value: no interval.")
    return Finding(
        value=value_of(sides.members, sides.others),
        low=low,
        high=high,
        n=n,
        groups=groups + other_groups,
        note=" ".join(filter(None, notes)),
    )
