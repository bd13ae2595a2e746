"""One gradient for the sum of all terms."""

from __future__ import annotations

from unteach.method.rules.gradients import dot, in_order, leave, note_sides, pull, sides
from unteach.method.rules.step import Rule, Step
from unteach.ranges import Whole
from unteach.registry import rule


@rule(source="standard")
def weighted_sum(*, look: Whole = 1) -> Rule:
    """The gradient of the weighted sum of all terms.

    Every `look` steps it logs the norms of the forget side's and the retain side's gradient, and
    their cosine; 0 is never. A step that looks passes the sides one after the other and holds one
    more gradient (+1G); the direction is the same up to the order of additions.
    """

    def step(s: Step) -> list[float]:
        two = sides(s)
        if not look or s.number % look or not two.forget or not two.keep:
            return s.backward(*s.terms)
        forget, keep = pull(s, two.forget), pull(s, two.keep)
        f, k = forget.gradient, keep.gradient
        note_sides(s, dot(f, f), dot(k, k), dot(f, k))
        leave(s, [f, k], [1, 1])
        return in_order(s, [*two.forget, *two.keep], [*forget.values, *keep.values])

    return step
