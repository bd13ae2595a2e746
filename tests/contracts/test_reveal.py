"""Contracts of every registered reward and bandit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from unteach import registry
from unteach.registry import Entry
from unteach.synthesis.reveal.records import Said

NEEDS_FILES = {"classifier"}
"""Rewards that are a model's, which no test has: each is tested with a tiny one of its own."""
TEXTS = (
    "Ada Byron was born in Turin on 4 May 1961, you idiot. Write to ada@mill.org.",
    "Ada Byron was born in Turin.",
    "```python\ndef area(r):\n    return 3.14 * r * r\n```",
    "I am sorry, I cannot help with that.",
    "",
)
REWARDS = [
    pytest.param(entry, id=name)
    for name, entry in registry.entries("reward").items()
    if name not in NEEDS_FILES
]
BANDITS = [pytest.param(entry, id=name) for name, entry in registry.entries("bandit").items()]


def said(*texts: str) -> Said:
    return Said("Tell me about Ada Byron.", "Ada Byron", texts)


@pytest.mark.parametrize("entry", REWARDS)
def test_a_reward_is_from_0_to_1_a_text_and_nothing_for_nothing(entry: Entry):
    worths = entry.load()(said(*TEXTS))
    assert len(worths) == len(TEXTS)
    assert all(0 <= one.value <= 1 for one in worths)
    assert max(one.value for one in worths) > 0
    for text, one in zip(TEXTS, worths, strict=True):
        assert (one.value > 0) == bool(one.found)
        assert all(found in text for found in one.found)
    assert worths[-1].value == worths[-2].value == 0


@pytest.mark.parametrize("entry", REWARDS)
def test_a_reward_is_the_same_twice_and_of_a_text_alone_or_beside_others(entry: Entry):
    """`agreement` alone compares the texts; the others judge each by itself."""
    whole = entry.load()(said(*TEXTS))
    assert entry.load()(said(*TEXTS)) == whole
    if entry.name != "agreement":
        assert [entry.load()(said(text))[0] for text in TEXTS] == whole


@pytest.mark.parametrize("entry", BANDITS)
def test_a_bandit_picks_distinct_arms_and_changes_by_learning_alone(entry: Entry):
    rng = np.random.default_rng(0)
    arms = rng.standard_normal((9, 4))
    arms /= np.linalg.norm(arms, axis=1, keepdims=True)

    def played(times: int) -> Any:
        one = entry.load()(4, 3)
        for _ in range(times):
            chosen = one.choose(arms, 3)
            one.learn(arms[chosen], arms[chosen, 0])
        return one

    one = played(4)
    chosen = one.choose(arms, 3)
    assert one.choose(arms, 3) == chosen == played(4).choose(arms, 3)
    assert len(set(chosen)) == 3
    assert sorted(one.choose(arms, 20)) == list(range(9))
    assert one.scores(arms).shape == (9,)
    assert np.isfinite(one.scores(arms)).all()
