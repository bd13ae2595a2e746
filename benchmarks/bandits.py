"""What each bandit loses to always pulling the best arm, and how long a pull takes it.

Arms are random directions, spread evenly along the one that decides their reward. Three surfaces
say what an arm earns, with noise: one is linear in the embedding up to a constant, two are not. Regret is the sum
over all pulls of what the best arm would have earned more.

    python benchmarks/bandits.py --width 16 --arms 40 --pulls 80 --seeds 5 --out bandits.json
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unteach import registry

Array = NDArray[np.float64]

SURFACES: Mapping[str, Callable[[Array], Array]] = {
    "affine": lambda u: (1 + u) / 2,
    "cosine": lambda u: (1 + np.cos(3 * u)) / 2,
    "bump": lambda u: np.exp(-8 * (u - 0.5) ** 2),
}
"""The reward, 0 to 1, of an arm whose cosine with the hidden direction is u."""

BANDITS: Mapping[str, tuple[str, dict[str, float]]] = {
    "random": ("random", {}),
    "epsilon_greedy": ("epsilon_greedy", {}),
    "linucb": ("linucb", {}),
    "neural_ucb": ("neural_ucb", {}),
    "neural_ucb, diagonal": ("neural_ucb", {"diagonal": True, "ridge": 0.01}),
}


def main() -> None:
    """Run every bandit on every surface, print a table of regrets, and write it as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--width", type=int, default=16, help="numbers of an embedding")
    parser.add_argument("--arms", type=int, default=40)
    parser.add_argument("--pulls", type=int, default=80)
    parser.add_argument("--batch", type=int, default=1, help="arms a round, all different")
    parser.add_argument("--noise", type=float, default=0.05, help="deviation of a reward")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    regrets: dict[str, dict[str, list[float]]] = {}
    seconds: dict[str, float] = {}
    print(f"{'mean regret (least, most)':22} " + " ".join(f"{name:>22}" for name in SURFACES))
    for label in BANDITS:
        began = time.perf_counter()
        regrets[label] = {
            surface: [regret(label, surface, seed, given) for seed in range(given.seeds)]
            for surface in SURFACES
        }
        pulls = given.pulls * given.seeds * len(SURFACES)
        seconds[label] = (time.perf_counter() - began) / pulls
        cells = [
            f"{statistics.mean(found):8.1f} ({min(found):4.1f}, {max(found):5.1f})"
            for found in regrets[label].values()
        ]
        print(f"{label:25} " + " ".join(cells) + f"  {1000 * seconds[label]:6.1f} ms a pull")
    if given.out:
        given.out.write_text(json.dumps({"regret": regrets, "seconds": seconds}, indent=1) + "\n")


def regret(label: str, surface: str, seed: int, given: argparse.Namespace) -> float:
    """What one run lost, in rewards."""
    name, parameters = BANDITS[label]
    random = np.random.default_rng(seed)
    arms, cosines = pool(given.arms, given.width, random)
    earns = SURFACES[surface](cosines)
    bandit = registry.find("bandit", name).load()(given.width, seed, **parameters)
    lost = 0.0
    for _ in range(given.pulls // given.batch):
        pulled = bandit.choose(arms, given.batch)
        lost += float((earns.max() - earns[pulled]).sum())
        bandit.learn(arms[pulled], earns[pulled] + given.noise * random.normal(size=len(pulled)))
    return lost


def pool(number: int, width: int, random: np.random.Generator) -> tuple[Array, Array]:
    """Arms [K, D] of length 1, and the cosine of each with a hidden direction, from -1 to 1."""
    hidden, *rest = random.normal(size=(number + 1, width))
    hidden /= np.linalg.norm(hidden)
    across = np.stack(rest)
    across -= np.outer(across @ hidden, hidden)
    across /= np.linalg.norm(across, axis=1, keepdims=True)
    cosines = random.uniform(-1, 1, number)
    return cosines[:, None] * hidden + np.sqrt(1 - cosines[:, None] ** 2) * across, cosines


if __name__ == "__main__":
    main()
