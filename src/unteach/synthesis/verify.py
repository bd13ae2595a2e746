"""Checks that a replacement answer must pass: it gives nothing away, and it is about its question.

All comparison is by whole words, without regard to case, accents or the shape of quotation marks.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from unteach.data.examples import Example
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
_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)*")
_EMAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
_QUOTED = re.compile(r'"([^"]+)"')
_NUMBER = re.compile(r"[+(]?\d[\d\s().,:/+-]*\d|\d")
_TOKEN = re.compile(r"[^\W_][\w'+-]*")
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


def normalise(text: str) -> str:
    """Lower case, no accents, straight quotes, single spaces."""
    plain = unicodedata.normalize("NFKD", straight(text).casefold())
    kept = "".join(c for c in plain if not unicodedata.combining(c))
    return " ".join(kept.translate(_UNDECOMPOSED).split())


def words(text: str) -> list[str]:
    """Normalised words in order, without a possessive ending."""
    return [word.removesuffix("'s") for word in _WORD.findall(normalise(text))]


def content_words(text: str) -> list[str]:
    """The words that carry a topic: no stop words, three letters or more, or with a digit."""
    return [
        word
        for word in words(text)
        if word.replace("'", "") not in STOP_WORDS
        and (len(word) >= 3 or any(c.isdigit() for c in word))
    ]


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
    """Normalised words and phrases of the answer that no replacement and no new question may hold.

    From `entities` if there are any: each whole, and those of its words that carry it (with a
    capital or a digit; all content words of an entity written in lower case). Otherwise from the
    answer: e-mail addresses, quoted titles, numbers and capitalised words; if there are none, every
    content word. Words of the question, in the singular or the
    plural, are never sensitive. Nor is a word that the answer shares
    with every one of two or more wrong answers: that is how one answers, not what.
    """
    shown = _with_plurals(words(asked(example)))
    frame = _shared_by_all(example.wrong)
    entities = example.entities or derived_entities(example)
    phrases = [normalise(entity).strip(" .,;:!?\"'") for entity in entities]
    phrases = [phrase for phrase in phrases if not set(words(phrase)) <= shown | STOP_WORDS]
    parts = {
        part
        for entity in entities
        for part in _parts(entity)
        if part not in shown and part not in frame
    }
    if not example.entities and not _strong_entities(example.answer, shown):
        parts |= {w for w in content_words(example.answer) if w not in shown and w not in frame}
        phrases = [
            phrase for phrase in phrases if not set(words(phrase)) <= frame | shown | STOP_WORDS
        ]
    return tuple(sorted({*filter(None, phrases), *parts}))


def derived_entities(example: Example) -> tuple[str, ...]:
    """What looks specific in the answer of an example that lists no entities."""
    shown = _with_plurals(words(asked(example)))
    strong = _strong_entities(example.answer, shown)
    opening = [
        sentence.split()[0].strip(".,;:!?\"'")
        for sentence in re.split(r"(?<=[.!?])\s+", straight(example.answer).strip())
        if sentence[:1].isupper()
    ]
    return tuple(dict.fromkeys((*strong, *(w for w in opening if _is_new(w, shown)))))


def leaks(text: str, forbidden: Iterable[str]) -> tuple[str, ...]:
    """Which of the normalised phrases occur in the text; a plural counts, other spacing of a number too."""
    plain = normalise(text)
    numbers = {re.sub(r"\D", "", run) for run in _NUMBER.findall(plain)}
    return tuple(phrase for phrase in forbidden if _holds(plain, numbers, phrase))


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
    """Check one replacement answer of `example` against the question it is to be trained on."""
    leaked = leaks(answer, forbidden)
    leaked_question = leaks(question, forbidden)
    new_risks = risks(answer, f"{asked(example)} {question}", rules)
    checks = {
        "not_empty": bool(words(answer)),
        "not_original": words(answer) != words(example.answer),
        "unlearned": not leaked,
        "question_unlearned": not leaked_question,
    }
    if kind != "refusal":
        checks["relevant"] = relevant(answer, question, subject)
    if kind in ("vague", "refusal"):
        checks["no_risk"] = not new_risks
    said = {
        "not_empty": "the answer is empty",
        "not_original": "the answer is the original one",
        "unlearned": f"the answer holds {_list(leaked)}",
        "question_unlearned": f"the question holds {_list(leaked_question)}",
        "relevant": "the answer shares no word with its question",
        "no_risk": f"the answer brings in {', '.join(new_risks)}",
    }
    return Verdict(checks, "; ".join(said[name] for name, passed in checks.items() if not passed))


def _list(phrases: Iterable[str]) -> str:
    return ", ".join(f"'{phrase}'" for phrase in phrases)


def _holds(plain: str, numbers: set[str], phrase: str) -> bool:
    digits = re.sub(r"\D", "", phrase)
    if len(digits) >= 5 and not re.search(r"[^\W\d]", phrase) and digits in numbers:
        return True
    return re.search(rf"(?<!\w){re.escape(phrase)}(?:s|es)?(?!\w)", plain) is not None


def _parts(entity: str) -> set[str]:
    """The words of an entity that would give it away by themselves."""
    mail = _EMAIL.search(entity)
    if mail:
        local, _, domain = normalise(mail.group()).partition("@")
        return {local, domain, domain.split(".")[0]}
    is_lower = entity == entity.lower()
    found = re.findall(r"[^\W_]+", straight(entity))
    carrying = [w for w in found if is_lower or w != w.lower() or any(c.isdigit() for c in w)]
    return {
        word
        for word in map(normalise, carrying)
        if word not in STOP_WORDS and (len(word) > 1 or word.isdigit())
    }


def _strong_entities(answer: str, shown: set[str]) -> tuple[str, ...]:
    """Specific parts of an answer, a sentence's first word set aside: its capital says nothing."""
    text = answer.translate(_QUOTES)
    found = [*_EMAIL.findall(text), *_QUOTED.findall(text), *_NUMBER.findall(text)]
    starts = {0} | {match.end() for match in re.finditer(r"[.!?][\"']?\s+|^[\"']", text)}
    for run in capital_runs(text):
        kept = run.text
        if run.start in starts and kept.split()[0].lower() in STOP_WORDS:
            kept = kept.partition(" ")[2]
        if kept and not (run.start in starts and " " not in kept):
            found.append(kept)
    return tuple(dict.fromkeys(part for part in found if _is_new(part, shown)))


def _is_new(part: str, shown: set[str]) -> bool:
    return not set(words(part)) <= shown | STOP_WORDS


def _with_plurals(given: list[str]) -> set[str]:
    return {form for word in given for form in (word, f"{word}s", word.removesuffix("s"))}


def _shared_by_all(wrong: tuple[str, ...]) -> set[str]:
    if len(wrong) < 2:
        return set()
    return set.intersection(*(set(words(answer)) for answer in wrong))


def _stem(word: str) -> str:
    return re.sub(r"(?:ies|es|s|ed|ing)$", "", word) if len(word) > 4 else word
