"""Four ways to pick the next instructions: two of them count what they do not know yet.

A score with confidence is what an arm is thought to earn, and so much on top as that is uncertain:
the width sqrt(g^T Z^-1 g), with Z = ridge I + the sum of g g^T over all pulls. For `linucb` g is
the embedding itself, for `neural_ucb` the network's gradient there.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from random import Random
from typing import Final, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unteach.errors import RecipeError
from unteach.ranges import AtLeastZero, Count, Positive, Rate, Share
from unteach.registry import bandit
from unteach.synthesis.reveal.bandit import Bandit

Array = NDArray[np.float64]

SAME: Final = 1 - 1e-6
"""Two embeddings whose cosine is above this are one arm."""


@bandit(source="arXiv:1911.04462")
def neural_ucb(
    width: int,
    seed: int,
    *,
    hidden: Count = 32,
    nu: AtLeastZero = 0.2,
    ridge: Positive = 0.1,
    steps: Count = 100,
    lr: Rate = 0.01,
    diagonal: bool = False,
) -> Bandit:
    """NeuralUCB: f(x) + nu sqrt(g^T Z^-1 g / m), f a network of m hidden units, g its gradient.

    For rewards that are no linear function of the embedding. `nu` trades looking around for
    repeating what earned most; `ridge` holds the weights near their start. Each call of `learn`
    adds the g g^T / m of its arms to Z and then fits all weights, from their start, to every
    reward so far: half the squared errors plus m ridge / 2 times the squared way from the start.
    While a batch is chosen, each pick adds its g to a copy of Z, so that a batch is not one arm
    and its twins. The copy is dropped, and Z grows by what was pulled in truth: nothing counts
    twice.

    Z^-1 has p^2 numbers for p = m (D + 1) weights: 1.2 GB at 384 numbers an embedding and 32 units.
    It is kept as one row of p numbers a pull instead, 0.1 MB each, and is exact. `diagonal` keeps
    only the diagonal of Z, p numbers however many pulls there are. It needs a smaller `ridge`,
    about 0.01: each of the many weights sees little of a pull, and with more its widths stay where
    they began.

    As in the paper f is sqrt(m) w^T relu(W x), without biases, and 0 everywhere at the start. The
    paper gets that 0 from doubling the input, (x, x) / sqrt 2, and starting from two blocks; here
    two halves of the units start alike with opposite w, and both read x. The first layer starts at
    variance 2 / m instead of 4 / m, and f, the products g^T g' and what the fit aims at are the
    same, with half the weights. The paper's gamma, which grows with time, is the constant `nu`.
    Adam takes the `steps`: the paper's plain descent needs a smaller `lr` the more pulls there are.

    Raises:
        RecipeError: a parameter is out of range.
    """
    _check("neural_ucb", "hidden", hidden, hidden >= 2 and hidden % 2 == 0, "even and 2 or more")
    _check("neural_ucb", "nu", nu, nu >= 0, "0 or more")
    _check("neural_ucb", "ridge", ridge, ridge > 0, "above 0")
    _check("neural_ucb", "steps", steps, steps >= 1, "1 or more")
    _check("neural_ucb", "lr", lr, lr > 0, "above 0")
    return _NeuralUCB(width, seed, hidden, nu, ridge, steps, lr, diagonal)


@bandit(source="arXiv:1003.0146")
def linucb(width: int, seed: int, *, alpha: AtLeastZero = 1.0, ridge: Positive = 1.0) -> Bandit:
    """LinUCB: theta^T x + alpha sqrt(x^T A^-1 x), theta = A^-1 b, with one model for all arms.

    The paper begins with a model an arm. Here arms share one, so that an instruction never given
    is judged by those like it. A is `ridge` I + the sum of x x^T, b the sum of reward times x;
    the paper's ridge is 1. There is no constant term, so a reward that is linear up to a constant
    takes more pulls. Cheap, and blind to what is not linear in the embedding.

    Raises:
        RecipeError: a parameter is out of range.
    """
    _check("linucb", "alpha", alpha, alpha >= 0, "0 or more")
    _check("linucb", "ridge", ridge, ridge > 0, "above 0")
    return _LinUCB(width, seed, alpha, ridge)


@bandit(source="arXiv:1402.6028")
def epsilon_greedy(width: int, seed: int, *, epsilon: Share = 0.1) -> Bandit:
    """The arm with the highest mean reward, but a share `epsilon` of picks at random.

    An arm not pulled yet counts as the mean of all pulls: it comes before what did worse than
    that and after what did better. Were new arms always first, nothing would be repeated in a pool
    that grows. Ties go to the arm pulled least, then to chance. Arms are known by their embedding
    and nothing is learned of one from another.

    Raises:
        RecipeError: `epsilon` is out of range.
    """
    _check("epsilon_greedy", "epsilon", epsilon, 0 <= epsilon <= 1, "from 0 to 1")
    return _EpsilonGreedy(width, seed, epsilon)


@bandit(source="baseline")
def random_(width: int, seed: int) -> Bandit:
    """Every arm as likely as any other: what the others must beat."""
    return _Random(seed)


class _NeuralUCB:
    def __init__(
        self,
        width: int,
        seed: int,
        hidden: int,
        nu: float,
        ridge: float,
        steps: int,
        lr: float,
        diagonal: bool,
    ) -> None:
        self.seed, self.nu, self.ridge, self.steps, self.lr = seed, nu, ridge, steps, lr
        self.weights = self.start = start_weights(width, hidden, seed)
        self.inverse = nothing_known(hidden * (width + 1), ridge, is_whole=not diagonal)
        self.arms, self.rewards = np.empty((0, width)), np.empty(0)

    def scores(self, arms: Array) -> Array:
        return self._means(arms) + self.nu * widths(self.inverse, self._features(arms))

    def choose(self, arms: Array, number: int) -> list[int]:
        random = _random(self.seed, len(self.rewards))
        means, features = self._means(arms), self._features(arms)
        return _choose(means, self.nu, self.inverse, features, number, random)

    def learn(self, arms: Array, rewards: Array) -> None:
        _assert_fit(arms, rewards, self.arms.shape[1])
        if not len(rewards):
            return
        for feature in self._features(arms):  # by the weights that chose them
            self.inverse = with_pull(self.inverse, feature)
        self.arms = np.concatenate([self.arms, arms])
        self.rewards = np.concatenate([self.rewards, rewards])
        self.weights = fit(
            self.start, self.arms, self.rewards, ridge=self.ridge, steps=self.steps, lr=self.lr
        )

    def _means(self, arms: Array) -> Array:
        with torch.no_grad():
            return value(self.weights, _tensor(arms)).numpy()

    def _features(self, arms: Array) -> Array:
        """The gradients over sqrt m, [K, P]: so their g g^T is what Z adds up."""
        units = len(self.weights.second)
        return gradients(self.weights, _tensor(arms)).numpy() / math.sqrt(units)


class _LinUCB:
    def __init__(self, width: int, seed: int, alpha: float, ridge: float) -> None:
        self.seed, self.alpha, self.pulls = seed, alpha, 0
        self.inverse, self.sums = nothing_known(width, ridge), np.zeros(width)

    def scores(self, arms: Array) -> Array:
        return self._means(arms) + self.alpha * widths(self.inverse, arms)

    def choose(self, arms: Array, number: int) -> list[int]:
        random = _random(self.seed, self.pulls)
        return _choose(self._means(arms), self.alpha, self.inverse, arms, number, random)

    def learn(self, arms: Array, rewards: Array) -> None:
        _assert_fit(arms, rewards, len(self.sums))
        for arm in arms:
            self.inverse = with_pull(self.inverse, arm)
        self.sums = self.sums + rewards @ arms
        self.pulls += len(rewards)

    def _means(self, arms: Array) -> Array:
        return arms @ times(self.inverse, self.sums)


class _EpsilonGreedy:
    def __init__(self, width: int, seed: int, epsilon: float) -> None:
        self.seed, self.epsilon = seed, epsilon
        self.arms, self.rewards = np.empty((0, width)), np.empty(0)

    def scores(self, arms: Array) -> Array:
        is_same = arms @ self.arms.T > SAME
        pulls = is_same.sum(1)
        usual = self.rewards.mean() if len(self.rewards) else 0.0
        return np.where(pulls > 0, is_same @ self.rewards / np.maximum(pulls, 1), usual)

    def choose(self, arms: Array, number: int) -> list[int]:
        random = _random(self.seed, len(self.rewards))
        pulls = (arms @ self.arms.T > SAME).sum(1)
        left = _in_order(-_comparable(self.scores(arms)), pulls, random)
        chosen: list[int] = []
        while left and len(chosen) < number:
            by_chance = random.random() < self.epsilon
            chosen.append(left.pop(random.randrange(len(left)) if by_chance else 0))
        return chosen

    def learn(self, arms: Array, rewards: Array) -> None:
        _assert_fit(arms, rewards, self.arms.shape[1])
        self.arms = np.concatenate([self.arms, arms])
        self.rewards = np.concatenate([self.rewards, rewards])


class _Random:
    def __init__(self, seed: int) -> None:
        self.seed, self.pulls = seed, 0

    def scores(self, arms: Array) -> Array:
        random = _random(self.seed, self.pulls)
        return np.array([random.random() for _ in arms])

    def choose(self, arms: Array, number: int) -> list[int]:
        order = np.argsort(-self.scores(arms), kind="stable").tolist()
        return order[: max(number, 0)]

    def learn(self, arms: Array, rewards: Array) -> None:
        self.pulls += len(rewards)


@dataclass(frozen=True)
class Inverse:
    """Z^-1 as diag(`diagonal`) - `rows`^T `rows`: it is never written out as [P, P]."""

    diagonal: Array  # [P]
    rows: Array  # [n, P], one a pull; none where only the diagonal of Z is kept
    is_whole: bool


def nothing_known(size: int, ridge: float, *, is_whole: bool = True) -> Inverse:
    """The inverse of ridge I, [P, P]."""
    return Inverse(np.full(size, 1 / ridge), np.empty((0, size)), is_whole)


def times(inverse: Inverse, features: Array) -> Array:
    """Z^-1 g of each row of `features`, [K, P] -> [K, P], or of one, [P] -> [P]."""
    return features * inverse.diagonal - (features @ inverse.rows.T) @ inverse.rows


def widths(inverse: Inverse, features: Array) -> Array:
    """sqrt(g^T Z^-1 g) of each row of `features`, [K, P] -> [K]."""
    squares = features**2 @ inverse.diagonal - ((features @ inverse.rows.T) ** 2).sum(1)
    return np.sqrt(np.maximum(squares, 0))  # rounding may leave it just below 0


def with_pull(inverse: Inverse, feature: Array) -> Inverse:
    """The inverse of Z + g g^T from that of Z.

    By Sherman and Morrison it is less by v v^T / (1 + g^T v), v = Z^-1 g: one more row.
    """
    if not inverse.is_whole:
        return replace(inverse, diagonal=inverse.diagonal / (1 + inverse.diagonal * feature**2))
    along = times(inverse, feature)
    row = along / math.sqrt(1 + feature @ along)
    return replace(inverse, rows=np.concatenate([inverse.rows, row[None]]))


class Weights(NamedTuple):
    """Of the network f(x) = sqrt(m) second^T relu(first x)."""

    first: Tensor  # [m, D]
    second: Tensor  # [m]


def start_weights(width: int, hidden: int, seed: int) -> Weights:
    """Two halves of units that are alike and of opposite sign, so that f is 0 everywhere."""
    generator = torch.Generator().manual_seed(seed)
    size = math.sqrt(2 / hidden)
    half = hidden // 2
    first = size * torch.randn(half, width, generator=generator, dtype=torch.float64)
    second = size * torch.randn(half, generator=generator, dtype=torch.float64)
    return Weights(torch.cat([first, first]), torch.cat([second, -second]))


def value(weights: Weights, arms: Tensor) -> Tensor:
    """The network at each row, [K]."""
    return math.sqrt(len(weights.second)) * (torch.relu(arms @ weights.first.T) @ weights.second)


def gradients(weights: Weights, arms: Tensor) -> Tensor:
    """The gradient of f by all weights at each row, [K, P], first layer first, P = m (D + 1)."""
    inside = arms @ weights.first.T
    by_first = ((inside > 0) * weights.second).unsqueeze(2) * arms.unsqueeze(1)
    both = torch.cat([by_first.flatten(1), torch.relu(inside)], 1)
    return math.sqrt(len(weights.second)) * both


def fit(
    start: Weights, arms: Array, rewards: Array, *, ridge: float, steps: int, lr: float
) -> Weights:
    """The weights after regression to the rewards, with a penalty on the way from `start`."""
    x, y = _tensor(arms), _tensor(rewards)
    weights = Weights(*(w.clone().requires_grad_() for w in start))
    adam = torch.optim.Adam(weights, lr=lr)
    for _ in range(steps):
        errors = value(weights, x) - y
        way = sum(((w - s) ** 2).sum() for w, s in zip(weights, start, strict=True))
        loss = (errors**2).sum() / 2 + len(start.second) * ridge * way / 2
        adam.zero_grad()
        loss.backward()
        adam.step()
    return Weights(*(w.detach() for w in weights))


def _choose(
    means: Array, factor: float, inverse: Inverse, features: Array, number: int, random: Random
) -> list[int]:
    """Row after row with the highest score, each as if the rows before it had been pulled."""
    chosen: list[int] = []
    while len(chosen) < min(number, len(means)):
        scores = means + factor * widths(inverse, features)
        scores[chosen] = -np.inf
        best = _in_order(-_comparable(scores), np.zeros(len(scores)), random)[0]
        chosen.append(best)
        inverse = with_pull(inverse, features[best])
    return chosen


def _in_order(first: Array, then: NDArray[np.generic], random: Random) -> list[int]:
    """The indices by `first`, ties by `then`, and what is left by chance; low comes first."""
    chance = random.sample(range(len(first)), len(first))
    return np.lexsort((np.array(chance), then, first)).tolist()


def _comparable(scores: Array) -> Array:
    """Without the last digits, which rounding decides: a tie stays one."""
    return np.round(scores, 12)


def _random(seed: int, pulls: int) -> Random:
    return Random(f"{seed}/{pulls}")


def _tensor(array: Array) -> Tensor:
    return torch.tensor(array, dtype=torch.float64)


def _assert_fit(arms: Array, rewards: Array, width: int) -> None:
    assert arms.shape == (len(rewards), width), (arms.shape, rewards.shape, width)
    assert np.isfinite(rewards).all(), rewards


def _check(name: str, parameter: str, given: float, is_right: bool, right: str) -> None:
    if not is_right:
        raise RecipeError(f"{name}.{parameter} is {given}; it must be {right}.")
