"""Findings with rows: what a real audit leaves, with the means that a test asks for."""

from __future__ import annotations

from typing import Any

from tests.report.conftest import Row, finding, spread

FACTS_EACH = 3


def row_finding(
    audit: str,
    split: str,
    model: str,
    value: float,
    *,
    persons: int = 20,
    rows: list[float] | None = None,
    width: float = 0.02,
    **more: Any,
) -> Row:
    """A finding over `persons` with three facts each; `rows` instead of values around `value`."""
    n = persons * FACTS_EACH
    given = rows if rows is not None else spread(value, n, f"{audit} {split} {model}", width)
    known = [x for x in given if x is not None]
    mean = sum(known) / len(known)
    group = "h" if split.startswith("holdout") else "p"
    return finding(
        audit,
        split,
        model,
        mean,
        n=len(known),
        groups=persons,
        low=mean - 0.01,
        high=mean + 0.01,
        per_example=given,
        ids=[f"{group}{i // FACTS_EACH}.{i % FACTS_EACH}" for i in range(n)],
        group_ids=[f"{group}{i // FACTS_EACH}" for i in range(n)],
        **more,
    )
