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
    texts: dict[str, list[str]] = defaultdict(list)
    for about, text in said:
        texts[about.casefold()].append(text)
    found = np.full(len(truth), np.nan)
    for i, fact in enumerate(truth):
        if fact.entities:
            about = read_question(fact).subject.casefold()
            found[i] = any(all(matches(fact.entities, text)) for text in texts[about])
    return found
