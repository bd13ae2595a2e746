"""What a rule is given at each step."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import torch
    from torch import Tensor
    from transformers import PreTrainedModel

    from unteach.data.batches import Batch

Around = Callable[["Batch"], AbstractContextManager[object]]
"""Entered around each forward pass, with the rows that pass through the model."""


class Summand(Protocol):
    """What a rule may know of a term."""

    @property
    def name(self) -> str: ...
    @property
    def split(self) -> str: ...
    @property
    def coefficient(self) -> float: ...
    @property
    def keeps(self) -> bool:
        """Whether it protects what stays, rather than removing what goes."""
        ...


class Backward(Protocol):
    """Adds the gradients of terms (each a `Summand`), coefficients included, to `.grad`; returns their values.

    The values are the terms' means, without coefficients. `weights` [rows of the step] replaces the
    mean of a single term: its value is then the sum of weight x loss over rows, a row's loss
    being the mean over its tokens where the objective is one of tokens.
    """

    def __call__(
        self, *terms: Any, around: Around | None = None, weights: Tensor | None = None
    ) -> list[float]: ...


@dataclass(frozen=True)
class Step:
    """One training step. A rule leaves its direction in `.grad` of the parameters.

    `.grad` is None at first. With several processes all of these give every process the same.
    """

    number: int  # steps done before this one
    total: int  # steps of the stage
    terms: Sequence[Summand]
    model: PreTrainedModel
    parameters: Sequence[Tensor]
    generator: torch.Generator  # seeded from the recipe and the step
    memory: dict[str, Tensor]  # kept from step to step and in checkpoints
    notes: dict[str, float]  # goes into the step's line of the log
    backward: Backward
    values: Callable[..., list[float]]  # (*terms): their values, by forward passes alone
    row_values: Callable[[Any], Tensor]  # (term): [rows of the step], by forward passes alone
    rows: Mapping[str, int]  # split: how many of its rows are in the step
    taught: Callable[[str], Summand]  # (split): its nll, a term of whoever teaches it again


Rule = Callable[[Step], list[float]]
"""Returns the value of each term of `step.terms`, in their order."""
