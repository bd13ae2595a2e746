"""One gradient for the sum of all terms."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from unteach.registry import rule

if TYPE_CHECKING:
    from torch import Tensor

Rule = Callable[[Sequence[Any], "Sequence[Tensor]", Callable[..., list[float]]], list[float]]
"""(terms, parameters, backward) -> the value of each term; the step's direction is left in `.grad`.

`backward(*terms)` adds the gradients of those terms, coefficients included, to `.grad`.
"""


@rule(source="standard")
def weighted_sum() -> Rule:
    """The gradient of the weighted sum: one backward pass over everything."""

    def step(
        terms: Sequence[Any], parameters: Sequence[Tensor], backward: Callable[..., list[float]]
    ) -> list[float]:
        return backward(*terms)

    return step
