"""How much of the truth is in what a model revealed, where the truth is known."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from unteach.audit.entities import matches
from unteach.data.examples import Example
from unteach.synthesis.variants import read_question


def covered(truth: Sequence[Example], said: Sequence[tuple[str, str]]) -> NDArray[np.float64]:
    """[n] 1 for each fact that one text about its subject holds whole, 0 else, NaN if it names nothing.

    `said` is (name, text). A fact's subject is read from its question, and is one of the names
    whatever the case; a fact is held if all its entities are.
    """
    return np.where([bool(fact.entities) for fact in truth], held(truth, said).any(1), np.nan)


def held(truth: Sequence[Example], said: Sequence[tuple[str, str]]) -> NDArray[np.bool_]:
    """[len(truth), len(said)] whether a text is about the fact's subject and holds it whole."""
    found = np.zeros((len(truth), len(said)), dtype=bool)
    texts: dict[str, list[int]] = defaultdict(list)
    for j, (about, _) in enumerate(said):
        texts[about.casefold()].append(j)
    for i, fact in enumerate(truth):
        if fact.entities:
            for j in texts[read_question(fact).subject.casefold()]:
                found[i, j] = all(matches(fact.entities, said[j][1]))
    return found
