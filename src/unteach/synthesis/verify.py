"""Checks that a replacement answer must pass: it gives nothing away, and it is about its question.

All comparison is by whole words, without regard to case, accents or the shape of quotation marks;
in scripts that write words together, or put endings onto them, by the characters that carry them.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Final

from unteach.data.entities import PLACES
from unteach.data.examples import Example
from unteach.synthesis.function_words import FUNCTION_WORDS
from unteach.synthesis.pieces import is_attached, pieces
from unteach.synthesis.records import AnswerKind


def word_set(text: str) -> frozenset[str]:
    return frozenset(re.findall(r"\S+", text))


STOP_WORDS = word_set(
    """
    a about above across after again against ago all almost along already also although always am
    among an and another any anyone anything are around as ask at away back be became because become
    been before began behind being below best better between both but by came can cannot come comes
    could did do does doing done down during each either else enough especially even ever every few
    find first for from further gave get give given gives go goes going good got had has have
    having he hence her here hers herself him himself his how however i if in include included
    includes including indeed instead into is it its itself just keep kind kinds knew know known last
    later least less let like likely little made mainly make makes making many may me might more most
    mostly much must my near never new next no none nor not nothing now of off often on
    once one only onto or other others our out over own per perhaps please quite rather really said
    same say says see seen several shall she should since so some someone something sort still such
    take tell than that the their theirs them themselves then there therefore these they thing things
    this those though three through thus to together too toward towards two under until up upon us
    usually very via was way ways we well went were what whatever when where whether which while who
    whom whose why will with within without would yes yet you your
    dont doesnt didnt isnt wasnt cant wont im ive id thats theres
    """
)
"""Words that carry no topic and no fact."""

_UNDECOMPOSED = str.maketrans({"ł": "l", "ø": "o", "đ": "d", "æ": "ae", "œ": "oe", "\u0131": "i"})
_QUOTES = str.maketrans({"\u2018": "'", "\u2019": "'", "\u201c": '"', "\u201d": '"'})
_SIGNS = "\u0900-\u0963\u0966-\u0dff\u0e01-\u0e4e\u0e81-\u0ece\u0f71-\u0fbc\u1000-\u1049\u1056-\u109f\u1780-\u17d3"
_WORD = re.compile(
    rf"(?:[^\W_]|[{_SIGNS}])+(?:'[^\W_]+)*"
)  # \w lacks the vowel signs of India and Siam
_EMAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
_QUOTED = re.compile(r'"([^"]+)"')
_NUMBER = re.compile(r"(?<![^\W\d])(?:[+(]?\d[\d\s().,:/+-]*\d|\d)(?![^\W\d])")
_PUNCTUATED = re.compile(r"[^\W_]\S*[^\w\s']\S*[^\W_]")
_DOTTED = re.compile(r"(?<!\w)(?:[^\W\d_]\.){2,}")
_TOKEN = re.compile(r"[^\W_][\w'+-]*")
_ARTICLES = word_set("the a an i")
_PARTICLES = word_set("of the de la van der von al bin le du")
_MONTH = r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*"
_STREET = r"(?:street|st|road|rd|avenue|ave|lane|ln|drive|dr|boulevard|blvd|square|way|court|close)"
Rules = Mapping[str, re.Pattern[str]]
"""What is personal data: what it is called, with its article, and how it looks in normalised text."""
RISKS: Rules = {
    "an e-mail address": _EMAIL,
    "a phone number": re.compile(r"(?<!\w)\+?(?:\d[\s().-]?){6,}\d(?!\w)"),
    "a street address": re.compile(rf"\b\d+\w?\s+(?:\w+\s+){{1,3}}{_STREET}\b"),
    "a date": re.compile(
        rf"\b(?:\d{{1,4}}[/.-]\d{{1,2}}[/.-]\d{{1,4}}|{_MONTH}\s+\d{{1,2}}\b|"
        rf"\d{{1,2}}(?:st|nd|rd|th)?\s+(?:of\s+)?{_MONTH}\b|(?:1[5-9]|20)\d\d)\b"
    ),
}


@dataclass(frozen=True)
class Run:
    """A run of capitalised words at `text[start:end]`, its possessive ending cut off."""

    start: int
    end: int
    text: str
    is_possessive: bool


@dataclass(frozen=True)
class Verdict:
    """The checks made on one answer; `reason` says what failed and is empty if nothing did."""

    checks: dict[str, bool]
    reason: str

    @property
    def passed(self) -> bool:
        return all(self.checks.values())


def straight(text: str) -> str:
    """The text with straight quotation marks; its length stays."""
    return text.translate(_QUOTES)


@lru_cache(maxsize=1 << 14)
def normalise(text: str) -> str:
    """Lower case, no accents, straight quotes, single spaces."""
    if text.isascii():
        return " ".join(text.casefold().split())
    plain = unicodedata.normalize("NFKD", straight(text).casefold())
    kept = "".join(_ascii_digit(c) for c in plain if not unicodedata.combining(c))
    whole = unicodedata.normalize("NFC", kept)  # Korean syllables came apart
    return " ".join(whole.translate(_UNDECOMPOSED).split())


def words(text: str) -> list[str]:
    """Normalised words in order, without a possessive ending."""
    return [word.removesuffix("'s") for word in _WORD.findall(normalise(text))]


def content_words(text: str) -> list[str]:
    """The words that carry a topic: no stop words, three letters or more, or with a digit."""
    return [
        piece
        for word in words(text)
        if word.replace("'", "") not in STOP_WORDS
        for piece in pieces(word, "")
        if is_attached(piece) or len(piece) >= 3 or any(map(str.isdigit, piece))
    ]


def carried(text: str, known: str) -> frozenset[str]:
    """What the text says that `known` does not: its words but for function words, or their pieces.

    Function words are those of English and of the language that both texts together have most of.
    """
    shown, before = _with_plurals(words(known)), normalise(known)
    empty = _function_words(f"{known} {text}")
    return frozenset(
        piece
        for word in words(text)
        if word not in shown and word.replace("'", "") not in empty
        for piece in pieces(word, before)
        if piece not in shown and (len(piece) > 1 or piece.isdigit() or is_attached(piece))
    )


def capital_runs(text: str) -> list[Run]:
    """Neighbouring capitalised words, as `Basil Mahfouz Al-Kuwaiti` or `Prize of Paris`."""
    runs: list[Run] = []
    tokens = list(_TOKEN.finditer(straight(text)))
    open_run: list[re.Match[str]] = []
    for token in [*tokens, None]:
        joins = bool(
            token and open_run and not text[open_run[-1].end() : token.start()].strip()
        ) and not open_run[-1].group().endswith(("'s", "'"))
        if token and joins and (token.group()[0].isupper() or token.group() in _PARTICLES):
            open_run.append(token)
            continue
        while open_run and open_run[-1].group() in _PARTICLES:
            open_run.pop()
        if open_run:
            start, end = open_run[0].start(), open_run[-1].end()
            name = straight(text)[start:end]
            bare = name.removesuffix("'s").removesuffix("'")
            runs.append(Run(start, end, bare, bare != name))
        open_run = [token] if token and token.group()[0].isupper() else []
    return runs


def asked(example: Example) -> str:
    """All that the model is shown before it answers."""
    return " ".join((*(content for _, content in example.history), example.prompt))


def sensitive(example: Example) -> tuple[str, ...]:
    """Words and phrases of the answer that no replacement and no new question may hold.

    `entities` if there are any: each whole, and all that it carries (see `carried`). Otherwise all
    that the answer carries, and as phrases its names, numbers, titles, and what is written with
    signs within it, as an address. Of a name in several words also its initials. What the question
    holds, in the singular or the plural, is never sensitive; nor is a word that the answer shares
    with every one of two or more wrong answers: that is how one answers, not what.

    They are normalised, but for those with a capital: these are to be matched as they are written.
    """
    return _forbidden(example, " ".join(example.entities) or example.answer)


def distinctive(example: Example) -> tuple[str, ...]:
    """As `sensitive`, of what makes the answer this one: `entities`, or else names, numbers and titles.

    These no other answer of the same form may hold. Empty where the answer has none.
    """
    return _forbidden(example, " ".join(_named(example)))


def leaks(text: str, forbidden: Iterable[str]) -> tuple[str, ...]:
    """Which of the phrases occur in the text; a plural counts, other spacing of a number too.

    So do initials with dots, and a name whose initials are forbidden.
    """
    undotted = " ".join(m.group().replace(".", "") for m in _DOTTED.finditer(text))
    written = f"{straight(text)} {undotted}"
    runs = [run.text for run in capital_runs(text)]
    initials = " ".join(_initials(name) for run in runs for name in (run, run.partition(" ")[2]))
    plain = normalise(f"{written} {initials}")
    numbers = {re.sub(r"\D", "", run) for run in _NUMBER.findall(plain)}
    return tuple(
        phrase
        for phrase in forbidden
        if (_holds(plain, numbers, phrase) if phrase == phrase.lower() else _names(written, phrase))
    )


def relevant(answer: str, question: str, subject: str) -> bool:
    """Whether the answer names the subject or shares a content word with its question."""
    if subject and _holds(normalise(answer), set(), normalise(subject)):
        return True
    return bool(
        {_stem(w) for w in content_words(answer)} & {_stem(w) for w in content_words(question)}
    )


def risks(answer: str, known: str, rules: Rules = RISKS) -> tuple[str, ...]:
    """Which rules' personal data the answer brings in; what `known` says already is not new."""
    plain, shown = normalise(answer), normalise(known)
    return tuple(
        risk
        for risk, pattern in rules.items()
        if any(match.group() not in shown for match in pattern.finditer(plain))
    )


def verify(
    answer: str,
    example: Example,
    forbidden: tuple[str, ...],
    *,
    question: str,
    subject: str,
    kind: AnswerKind,
    rules: Rules = RISKS,
) -> Verdict:
    """Check one replacement answer of `example` against the question it is to be trained on.

    An alternative is judged by form and difference (see `misfit`), every other by `forbidden`.
    """
    is_alternative = kind == "alternative"
    leaked = leaks(answer, distinctive(example) if is_alternative else forbidden)
    leaked_question = leaks(question, forbidden)
    new_risks = risks(answer, f"{asked(example)} {question}", rules)
    unfit = misfit(answer, example) if is_alternative else ""
    checks = {
        "not_empty": bool(words(answer)),
        "not_original": words(answer) != words(example.answer),
        "unlearned": not leaked,
        "question_unlearned": not leaked_question,
    }
    if is_alternative:
        checks["same_form"] = not unfit
    if needs_relevance(example, subject, kind):
        checks["relevant"] = relevant(answer, question, subject)
    if kind in ("vague", "refusal"):
        checks["no_risk"] = not new_risks
    said = {
        "not_empty": "the answer is empty",
        "not_original": "the answer is the original one",
        "unlearned": f"the answer holds {_list(leaked)}",
        "question_unlearned": f"the question holds {_list(leaked_question)}",
        "same_form": unfit,
        "relevant": "the answer shares no word with its question",
        "no_risk": f"the answer brings in {', '.join(new_risks)}",
    }
    return Verdict(checks, "; ".join(said[name] for name, passed in checks.items() if not passed))


def needs_relevance(example: Example, subject: str, kind: AnswerKind) -> bool:
    """Whether an answer of this kind must speak of its question; an alternative must if the true one does."""
    if kind == "alternative":
        return relevant(example.answer, asked(example), subject)
    return kind != "refusal"


def misfit(answer: str, example: Example) -> str:
    """Why an alternative has not the form of the true answer or says the same; empty if it will do.

    A number stands for a number and an address for an address; a brief answer stays brief. Beyond
    the question's words it says something that the true answer does not, and of the true answer's
    own at most half: words such as "her father is a" are the form, and not what is said.
    """
    known = asked(example)
    own, new = carried(example.answer, known), carried(answer, known)
    if not new - own:
        return "the answer says nothing that the true one does not"
    if own and 2 * len(leaks(answer, own)) > len(own):
        return "the answer says more than half of what the true one does"
    if bool(_EMAIL.search(answer)) != bool(_EMAIL.search(example.answer)):
        return "only one of the answer and the true one is an address"
    length, theirs = len(words(answer)), len(words(example.answer))
    if theirs > BRIEF:
        return ""
    if _is_number(own) != _is_number(new):
        return "only one of the answer and the true one is a number"
    return "" if length <= 2 * theirs + 2 else "the answer is no longer brief, as the true one is"


BRIEF: Final = 4
"""Words of an answer that is no sentence."""


def _list(phrases: Iterable[str]) -> str:
    return ", ".join(f"'{phrase}'" for phrase in phrases)


def _holds(plain: str, numbers: set[str], phrase: str) -> bool:
    digits = re.sub(r"\D", "", phrase)
    if len(digits) >= 4 and not re.search(r"[^\W\d]", phrase) and digits in numbers:
        return True
    return _pattern(phrase).search(plain) is not None


@lru_cache(maxsize=1 << 16)
def _pattern(phrase: str) -> re.Pattern[str]:
    """The phrase as words of their own, in the singular or the plural; two digits may touch letters."""
    if phrase.isdigit() and len(phrase) > 1:
        return re.compile(rf"(?<!\d){phrase}(?!\d)")
    forms = [rf"{re.escape(phrase)}(?:s|es)?"]
    forms += [re.escape(phrase[:-1])] * (phrase.endswith("s") and len(phrase) > 3)
    forms += [rf"{re.escape(phrase[:-1])}ies"] * phrase.endswith("y")
    forms += [rf"{re.escape(phrase[:-3])}y"] * (phrase.endswith("ies") and len(phrase) > 4)
    left = "" if is_attached(phrase[0]) else r"(?<!\w)"
    right = "" if is_attached(phrase[-1]) else r"(?!\w)"
    return re.compile(rf"{left}(?:{'|'.join(forms)}){right}")


def _names(written: str, phrase: str) -> bool:
    """Whether the text has the phrase with its capital, other than as the first word of a sentence."""
    start = "" if phrase.isupper() else r"(?!\A)(?<![.!?]\s)"
    return re.search(rf"{start}(?<!\w){re.escape(phrase)}(?!\w)", written.strip()) is not None


def _forbidden(example: Example, said: str) -> tuple[str, ...]:
    """What `said`, part of the answer, carries, and the answer's names as wholes."""
    known = asked(example)
    shown, frame = _with_plurals(words(known)), _shared_by_all(example.wrong)
    empty = _function_words(f"{known} {example.answer}")
    found = set(carried(said, known)) - frame
    for name in _named(example):
        own = set(words(name)) - shown
        if not own or (own <= frame and not example.entities):
            continue
        if not own <= empty or len(words(name)) > 1:
            found.add(normalise(name).strip(" .,;:!?\"'"))
        if own <= empty:  # "The Who", "Will May": in lower case these are other words
            found |= {w for w in name.split() if w[0].isupper() and w.lower() in own - _ARTICLES}
        found |= _short_for(name) - shown - empty
    return tuple(sorted(filter(None, found)))


def _named(example: Example) -> tuple[str, ...]:
    """What an example lists as specific, or else the answer's addresses, titles, numbers and names."""
    if example.entities:
        return example.entities
    text, shown = straight(example.answer), _with_plurals(words(asked(example)))
    found = [*_EMAIL.findall(text), *_QUOTED.findall(text), *_NUMBER.findall(text)]
    found += [mail.partition("@")[2] for mail in _EMAIL.findall(text)]
    found += _PUNCTUATED.findall(text)
    starts = {0} | {match.end() for match in re.finditer(r"[.!?][\"']?\s+|^[\"']", text)}
    for run in capital_runs(text):
        first, _, rest = run.text.partition(" ")
        opens = run.start in starts  # a sentence's first word has a capital whatever it is
        found += [rest] if opens and first.lower() in STOP_WORDS else []
        found += [] if opens and not rest else [run.text]
    return tuple(dict.fromkeys(part for part in found if not set(words(part)) <= shown))


def _short_for(name: str) -> set[str]:
    """Initials of a name in three words or more, and of a place in two, these in capitals only."""
    initials = _initials(name)
    two = "".join(word[0] for word in name.split()) if name in PLACES else ""
    return {initials.lower(), two if len(two) == 2 else ""} - {""}


def _initials(name: str) -> str:
    first = "".join(word[0] for word in name.split() if word[0].isupper())
    return first if len(first) > 2 else ""


def _is_number(pieces_of_it: frozenset[str]) -> bool:
    return bool(pieces_of_it) and all(any(map(str.isdigit, one)) for one in pieces_of_it)


def _ascii_digit(char: str) -> str:
    return str(unicodedata.decimal(char, char))


def _function_words(text: str) -> frozenset[str]:
    """Those of English, and of the language that most words of the text are function words of."""
    spoken = words(text)
    lists = (STOP_WORDS, *_other_languages())
    return STOP_WORDS | max(lists, key=lambda listed: sum(word in listed for word in spoken))


@cache
def _other_languages() -> tuple[frozenset[str], ...]:
    return tuple(frozenset(normalise(text).split()) for text in FUNCTION_WORDS.values())


def _with_plurals(given: list[str]) -> set[str]:
    return {form for word in given for form in (word, f"{word}s", word.removesuffix("s"))}


def _shared_by_all(wrong: tuple[str, ...]) -> set[str]:
    if len(wrong) < 2:
        return set()
    return set.intersection(*(set(words(answer)) for answer in wrong))


def _stem(word: str) -> str:
    return re.sub(r"(?:ies|es|s|ed|ing)$", "", word) if len(word) > 4 else word
