"""A long text as passages, each to be asked about by itself: an opening and how it goes on."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from unteach.data.examples import Example
from unteach.synthesis.particulars import units

SHORTEST: Final = 60
"""Words of a passage, or characters in a script without spaces; the last one may be longer."""
SENTENCE_END: Final = re.compile(
    r"[.!?\u2026][\"'\u201d\u2019)\]]*(?=\s)|[\u3002\uff01\uff1f\uff61][\u300d\u300f\u201d\u2019]*"
)
"""A mark that ends a sentence and what closes with it; a Latin one has a space behind it."""


def passages(rows: Sequence[Example], most: int) -> list[Example]:
    """The rows, a long text as up to `most` passages of it, spread over the whole."""
    return [part for row in rows for part in (_parts(row, most) if row.is_text else [row])]


def _parts(row: Example, most: int) -> list[Example]:
    found = _cut(row.answer)
    if len(found) < 2:
        return [row]
    count = min(most, len(found))
    spread = [i * (len(found) - 1) // max(1, count - 1) for i in range(count)]
    return [
        replace(
            row,
            answer=found[n],
            entities=tuple(entity for entity in row.entities if entity in found[n]),
            id=f"{row.id}.passage.{n + 1}",
            group=row.group or row.id,
        )
        for n in spread
    ]


def _cut(text: str) -> list[str]:
    """Whole sentences, until they have so many words; a text without sentences stays as it is."""
    starts = [0]
    for end in SENTENCE_END.finditer(text):
        if len(units(text[starts[-1] : end.end()])) >= SHORTEST:
            starts.append(end.end())
    if len(starts) > 1 and len(units(text[starts[-1] :])) < SHORTEST:
        starts.pop()
    return [text[i:j].strip() for i, j in itertools.pairwise([*starts, len(text)])]
