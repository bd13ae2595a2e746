"""Who picks the next instructions, and learns from what the model said to them."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class Bandit(Protocol):
    """It sees of an instruction, an arm, only the embedding: a row of length 1.

    `scores` and `choose` change nothing: asked twice, they answer alike. All that a bandit knows
    is its seed and what `learn` was told, so a run goes on where it stopped once the same calls of
    `learn` were made again, with the same rows in each. The pool may grow between calls.
    """

    def scores(self, arms: NDArray[np.float64]) -> NDArray[np.float64]:
        """[K, D] -> [K]: the higher, the sooner it is pulled."""
        ...

    def choose(self, arms: NDArray[np.float64], number: int) -> list[int]:
        """`number` distinct rows of `arms` [K, D], the first choice first; all K if K is less."""
        ...

    def learn(self, arms: NDArray[np.float64], rewards: NDArray[np.float64]) -> None:
        """Take in the arms pulled [n, D] and what each earned [n], in order."""
        ...
