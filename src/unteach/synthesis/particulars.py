"""What is particular in a text: the words that what is to be kept hardly has. No language is assumed.

A word ends at a space or a mark. In scripts that put no space between words (Han, kana, Thai, Lao,
Khmer, Burmese) each character counts as one.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Final

from unteach.data.examples import Example, Splits, must_go
from unteach.data.mentions import UNSPACED
from unteach.synthesis.verify import STOP_WORDS

_MARKS = "\u0300-\u036f\u0591-\u05c7\u0610-\u061a\u064b-\u065f\u0900-\u0dff"
_IN_WORD = rf"(?:[{_MARKS}]|[^\W_{UNSPACED}])"
_UNIT = re.compile(rf"[{UNSPACED}]|{_IN_WORD}+(?:['\u2019-]{_IN_WORD}+)*")

ONE_WORD_IN: Final = 1000
ONE_CHARACTER_IN: Final = 200
"""A word, or a character that is one, is common from this frequency on; see `Common`."""
FEW: Final = 8
"""Words that a replacement is chosen from: the one nearest in length."""


def units(text: str) -> list[re.Match[str]]:
    """The words of a text and where they stand; a character each where none is parted by spaces."""
    return list(_UNIT.finditer(text))


def pieces(text: str) -> list[re.Match[str]]:
    """The words of a text with the marks that touch them, as spaces or its script part them."""
    return list(re.finditer(rf"[{UNSPACED}][^\w\s]*|[^\s{UNSPACED}]+", text))


def gap(before: str, after: str) -> str:
    """What stands between a text and how it goes on: a space, or nothing where none is written."""
    unspaced = re.search(rf"[{UNSPACED}\s]\W*\Z", before) or re.match(rf"[{UNSPACED}\s]", after)
    return "" if unspaced or not before else " "


def says(text: str, phrase: str) -> bool:
    """Whether the text holds the phrase as a whole, whatever the case."""
    return bool(phrase) and re.search(bounded(phrase.lower()), text.lower()) is not None


def share_characters(one: str, other: str) -> bool:
    """Whether two neighbouring characters of a script without spaces stand in both texts."""
    pairs = re.compile(rf"(?=([{UNSPACED}]{{2}}))")
    return bool(set(pairs.findall(one)) & set(pairs.findall(other)))


def words(text: str) -> list[str]:
    """The words of a text in lower case, each once and in order."""
    return list(dict.fromkeys(_folded(unit.group()) for unit in units(text)))


def bounded(phrase: str) -> str:
    """A pattern of this phrase as a whole; at a script without spaces any place is a boundary."""
    own = rf"[^\W{UNSPACED}]"
    before = rf"(?<!{own})" if re.match(own, phrase) else ""
    after = rf"(?!{own})" if re.search(rf"{own}\Z", phrase) else ""
    return f"{before}{re.escape(phrase)}{after}"


@dataclass(frozen=True)
class Particulars:
    """Which words are particular, and which of other rows may stand for them, by their script.

    Particular is a word with a digit, and one that is not among the `common`: at least one in
    1,000 of the words to be kept, or in 200 of the characters in a script without spaces, and
    twice. Where no split is to be kept, all rows are counted.
    """

    common: frozenset[str]
    donors: Mapping[str, Sequence[str]]

    @classmethod
    def of(cls, splits: Splits) -> Particulars:
        kept = [row for name, rows in splits.items() if not must_go(name) for row in rows]
        every = [row for rows in splits.values() for row in rows]
        counts = Counter(_folded(unit) for unit in _words(kept or every))
        total = sum(counts.values())
        often = {
            word
            for word, count in counts.items()
            if count >= max(2, total / (ONE_CHARACTER_IN if _is_unspaced(word) else ONE_WORD_IN))
        }
        common = STOP_WORDS | often
        donors: defaultdict[str, dict[str, None]] = defaultdict(dict)
        for word in _words(kept or every):
            if _is_particular(word, common) and not _has_digit(word):
                donors[_script(word)].setdefault(_folded(word))
        return cls(common, {script: list(found) for script, found in donors.items()})

    def __call__(self, text: str) -> list[str]:
        """The particular words of a text in lower case, each once and in order; all where none is."""
        found = words(text)
        return [word for word in found if _is_particular(word, self.common)] or found

    def others(self, given: Iterable[str], own: Iterable[str], random: Random) -> dict[str, str]:
        """Another word for each of these; it is none of a text's `own` where there is a choice."""
        mine = dict.fromkeys(own)
        found: dict[str, str] = {}
        for word in given:
            if _has_digit(word):
                found[word] = _other_number(word, random)
                continue
            donors = self.donors.get(_script(word), ())
            free = [other for other in donors if other not in mine]
            free = free or [other for other in mine if other != word and not _has_digit(other)]
            few = random.sample(free, min(FEW, len(free)))
            if few:
                found[word] = min(few, key=lambda other: abs(len(other) - len(word)))
        return found


def replaced(text: str, others: Mapping[str, str]) -> str:
    """The text with other words in place of its own, given in lower case; a capital stays one."""

    def other(match: re.Match[str]) -> str:
        word = match.group()
        new = others.get(_folded(word))
        if new is None:
            return word
        return new.upper() if word.isupper() and len(word) > 1 else _capital(new, word)

    return _UNIT.sub(other, text)


def _capital(new: str, like: str) -> str:
    return new[:1].upper() + new[1:] if like[0].isupper() else new


def _words(rows: Iterable[Example]) -> Iterator[str]:
    for row in rows:
        for text in (*(content for _, content in row.history), row.prompt, row.answer):
            yield from (unit.group() for unit in units(text))


def _folded(word: str) -> str:
    return word.lower()


def _is_particular(word: str, common: frozenset[str]) -> bool:
    return _has_digit(word) or _folded(word) not in common


def _has_digit(word: str) -> bool:
    return any(map(str.isdigit, word))


def _is_unspaced(word: str) -> bool:
    return re.match(rf"[{UNSPACED}]", word) is not None


def _script(word: str) -> str:
    """LATIN, CYRILLIC, CJK, HIRAGANA: how the name of its first character begins."""
    return unicodedata.name(word[0], "").partition(" ")[0]


def _other_number(word: str, random: Random) -> str:
    """As many digits, none of which is the old one; letters beside them stay."""
    return re.sub(r"\d", lambda m: random.choice([d for d in "123456789" if d != m.group()]), word)
