"""Where a text says a name or a number: whole words, however they are spelled.

Case, composed or decomposed accents, curly or straight quotation marks, kinds of dashes, invisible
characters and the amount of space make no difference. "Ann" is not said by "Annaberg", nor "5" by
"1955" or "1.5". Scripts that write words together, or endings onto them (Chinese, Thai, Korean),
know no such limit.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import Final

UNSPACED: Final = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff\u3400-\u9fff"
    "\uf900-\ufaff\U00020000-\U0003ffff"
)
"""Thai, Lao, Burmese, Khmer, kana and Han, which put no space between words: for a class of a pattern."""
WRITTEN_TOGETHER: Final = re.compile(
    rf"[{UNSPACED}\u0f00-\u0fff\u1100-\u11ff\u3100-\u318f\uac00-\ud7ff]"
)
"""These, and Tibetan, Bopomofo and Hangul, which write endings onto words."""

_QUOTES: Final = dict.fromkeys("\u2018\u2019\u201a\u201b\u02bc\u02b9\u2032\u00b4`", "'")
_DOUBLE: Final = dict.fromkeys("\u201c\u201d\u201e\u201f\u00ab\u00bb\u2033", '"')
_DASHES: Final = dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212", "-")
ALIKE: Final = str.maketrans({**_QUOTES, **_DOUBLE, **_DASHES})
"""Quotation marks and dashes, one for one, as a keyboard has them."""

_DECIMAL: Final = re.compile(r"\d[.,]\d")


def places(text: str, part: str) -> list[tuple[int, int]]:
    """Every [start, stop) of `text` that says `part`; none for an empty part."""
    folded = list(_folded(text))
    plain = "".join(char for char, _, _ in folded)
    wanted = "".join(char for char, _, _ in _folded(part)).strip()
    found = []
    at = plain.find(wanted) if wanted else -1
    while at >= 0:
        last = at + len(wanted)
        if not _runs_on(plain, at) and not _runs_on(plain, last):
            found.append((folded[at][1], folded[last - 1][2]))
        at = plain.find(wanted, at + 1)
    return found


def _folded(text: str) -> Iterator[tuple[str, int, int]]:
    """Each character as it is compared, with the [start, stop) of the text that it comes from."""
    start, after_space = 0, False
    while start < len(text):
        stop = start + 1
        while stop < len(text) and _belongs_before(text[stop]):
            stop += 1
        written = unicodedata.normalize("NFKC", text[start:stop].translate(ALIKE))
        for char in unicodedata.normalize("NFKC", written.casefold()):
            if unicodedata.category(char) == "Cf" or (char.isspace() and after_space):
                continue
            after_space = char.isspace()
            yield " " if after_space else char, start, stop
        start = stop


def _belongs_before(char: str) -> bool:
    """Whether this is a mark, or a later part of a Korean syllable."""
    return unicodedata.category(char)[0] == "M" or "\u1160" <= char <= "\u11ff"


def _runs_on(text: str, at: int) -> bool:
    """Whether a word or a number runs over the place between `at - 1` and `at`."""
    if not 0 < at < len(text):
        return False
    left, right = text[at - 1], text[at]
    if _belongs_before(right):
        return True
    if _is_letter(left) and _is_letter(right):
        return not (WRITTEN_TOGETHER.match(left) or WRITTEN_TOGETHER.match(right))
    return any(_DECIMAL.match(text, start) for start in (at - 2, at - 1) if start >= 0)


def _is_letter(char: str) -> bool:
    return char.isalnum() or unicodedata.category(char)[0] == "M"
