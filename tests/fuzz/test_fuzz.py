"""A small part of the fuzz; `python -m tests.fuzz.run` does thousands."""

from __future__ import annotations

import os

from tests.fuzz.run import outcomes


def test_hostile_input_is_accepted_or_refused_in_a_sentence():
    counts, defects = outcomes(seed=0, number=int(os.environ.get("UNTEACH_FUZZ_CASES", "150")))
    assert defects == []
    assert {kind for kind, _ in counts} == {"parameter", "recipe", "yaml", "data", "run folder"}
