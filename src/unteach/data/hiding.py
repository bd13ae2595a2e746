"""What must not be read any more, found wherever it stands: names, facts, whole sentences.

A text is looked at as a sequence of words without case, accents, spacing and punctuation, so
`ada_byron`, `AdaByron`, `ADA  BYRON's` and `Ada-Byron` are one name. In scripts without spaces each
character is a word.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import dataclass

from unteach.data.entities import typed
from unteach.data.examples import Example
from unteach.data.mentions import WRITTEN_TOGETHER

HIDDEN = "[redacted]"
GAP = 4
"""Characters that may stand between two words of one name."""
SHORTEST = 3
"""Letters from which on a single word of a subject's name is looked for."""
_WORD = re.compile(r"(?:[^\W\d_][\u0300-\u036f]*)+|\d+")
_ENDS = ("'", "\u2019")
_OPENS = re.compile(r"[.!?:\n\"\u201c]")
_ORDINARY = frozenset(
    [
        "yes",
        "no",
        "true",
        "false",
        "none",
        "unknown",
        "a",
        "b",
        "c",
        "d",
        "e",
        "about",
        "an",
        "and",
        "are",
        "as",
        "at",
        "by",
        "can",
        "could",
        "did",
        "do",
        "does",
        "for",
        "from",
        "had",
        "has",
        "have",
        "he",
        "her",
        "his",
        "how",
        "i",
        "if",
        "in",
        "is",
        "it",
        "its",
        "may",
        "my",
        "not",
        "of",
        "on",
        "or",
        "our",
        "she",
        "should",
        "so",
        "that",
        "the",
        "their",
        "them",
        "there",
        "these",
        "they",
        "this",
        "those",
        "to",
        "us",
        "was",
        "we",
        "were",
        "what",
        "when",
        "where",
        "which",
        "who",
        "whom",
        "whose",
        "why",
        "will",
        "with",
        "would",
        "you",
        "your",
    ]
)
"""Words that stand everywhere, and say nothing where they stand alone."""


@dataclass(frozen=True)
class _Word:
    folded: str
    start: int
    end: int
    capital: bool


@dataclass(frozen=True)
class Hiding:
    """What is looked for, each as its letters and digits alone, in order.

    `subjects` are those whom it is all about, `facts` what is said of them. `parts` are single words
    of names, found only where they are written with a capital.
    """

    subjects: tuple[str, ...]
    facts: tuple[str, ...]
    parts: frozenset[str]

    def finds(self, text: str) -> bool:
        """Whether anything stands in the text."""
        return any(True for _ in self._places(text, self.subjects, self.facts))

    def hide(self, text: str) -> str:
        """The text without what was found; nothing of it where it names one of the subjects.

        What else is said of somebody would tell the fact in other words.
        """
        if any(True for _ in self._places(text, self.subjects)):
            return HIDDEN
        return self.cut(text)

    def cut(self, text: str) -> str:
        """The text without what was found: for titles, paths and notes."""
        kept, at = [], 0
        for start, end in self._places(text, self.subjects, self.facts):
            kept += [text[at:start], HIDDEN]
            at = end
        return "".join([*kept, text[at:]])

    def _places(self, text: str, *of: Sequence[str]) -> Iterator[tuple[int, int]]:
        words = list(_words(text))
        i = 0
        while i < len(words):
            num = max(_length(words, i, wanted) for wanted in of)
            if not num and self.facts in of and words[i].capital and words[i].folded in self.parts:
                num = 1
            if num:
                start, end = words[i].start, words[i + num - 1].end
                following = words[i + num] if i + num < len(words) else None
                if following and following.folded == "s" and text[end : following.start] in _ENDS:
                    end, num = following.end, num + 1
                yield start, end
            i += num or 1


def _length(words: Sequence[_Word], at: int, wanted: Sequence[str]) -> int:
    """Words of the longest of the sorted `wanted` that begins here; 0 if none does."""
    found, letters = 0, ""
    for i in range(at, len(words)):
        if i > at and words[i].start - words[i - 1].end > GAP:
            break
        letters += words[i].folded
        place = bisect_left(wanted, letters)
        if place == len(wanted) or not wanted[place].startswith(letters):
            break
        if wanted[place] == letters:
            found = i - at + 1
    return found


def hiding(
    rows: Iterable[Example], subjects: Iterable[str] = (), others: Iterable[Example] = ()
) -> Hiding:
    """What to look for so that nothing of these rows can be read.

    Their names (by the rules of `data.entities`, by their capitals and by their groups), what is
    marked as specific, and each question and answer whole. Answers that say nothing by themselves,
    as "Yes", are left where they stand; and a word of a name alone, or one of which only its capital
    says that it is a name, if these rows or `others` write it without.
    """
    rows = list(rows)
    texts = [text for row in (*rows, *others) for text in (row.prompt, row.answer)]
    ordinary = {w.folded for text in texts for w in _words(text) if not w.capital} | _ORDINARY
    about, said = {*subjects}, set[str]()
    for row in rows:
        about |= {row.group} if _is_name(row.group) else set()
        said |= {*row.entities, row.prompt, row.answer, *row.rephrased}
        said |= {content for _, content in row.history}
        for text in (row.prompt, row.answer, *row.rephrased):
            for name in typed(text):
                (about if name.type == "PERSON" else said).add(name.text)
            for run in _capitals(text, ordinary):
                (about if text == row.prompt and " " in run else said).add(run)
    parts = (w for name in about for w in _words(name) if w.capital and len(w.folded) >= SHORTEST)
    return Hiding(_wanted(about), _wanted(said), frozenset(w.folded for w in parts) - ordinary)


def _capitals(text: str, ordinary: Set[str]) -> Iterator[str]:
    """Words with capitals that open no sentence, with their neighbours: names of any kind."""
    run: list[_Word] = []
    before = 0
    for word in [*_words(text), None]:
        opens = not text[:before].strip() or (word and _OPENS.search(text[before : word.start]))
        near = bool(run) and word is not None and word.start - run[-1].end <= 1
        if run and not (near and word and word.capital):
            if len(run) > 1 or run[0].folded not in ordinary:
                yield text[run[0].start : run[-1].end]
            run = []
        if word and word.capital and (run or not opens):
            run.append(word)
        before = word.end if word else before


def _is_name(group: str) -> bool:
    """Whether the name of a group is that of somebody, rather than a number of ours: `forget3`."""
    return len(list(_words(group))) > 1 and not any(c.isdigit() for c in group)


def _wanted(texts: Iterable[str]) -> tuple[str, ...]:
    letters = {"".join(word.folded for word in _words(text)) for text in texts}
    return tuple(sorted(letters - _ORDINARY - {""}))


def _words(text: str) -> Iterator[_Word]:
    for match in _WORD.finditer(text):
        start = match.start()
        cuts = [i for i in range(start + 1, match.end()) if _is_cut(text, i)]
        for begin, end in zip([start, *cuts], [*cuts, match.end()], strict=True):
            word = text[begin:end]
            yield _Word(_folded(word), begin, end, word[0].isupper())


def _is_cut(text: str, i: int) -> bool:
    """Whether a word ends before `i` without a space: AdaByron, or a script that has none."""
    before, after = text[i - 1], text[i]
    return (before.islower() and after.isupper()) or bool(
        (WRITTEN_TOGETHER.match(before) or WRITTEN_TOGETHER.match(after))
        and not unicodedata.combining(after)
    )


def _folded(word: str) -> str:
    if word.isascii():
        return word.lower()
    plain = unicodedata.normalize("NFKD", word)
    return "".join(c for c in plain if not unicodedata.combining(c)).casefold()
