"""Which specific things of a true answer a reply still says: entity coverage, KFR and KRR.

ReLearn (arXiv:2502.11190) extracts entities with a remote language model. Here they come from the
data (`Example.entities`), or from `extract`, which runs anywhere and gives the same answer twice.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from unteach.audit.text import is_refusal, words

Embed = Callable[[Sequence[str]], NDArray[np.float32]]
"""Texts -> [n, D] rows of length 1."""

SAME_MEANING = 0.8
"""Cosine from which two entities count as one, as in ReLearn."""

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH = r"(?:Jan(?:uary)?|Feb(?:ruary)?|Mar(?:ch)?|Apr(?:il)?|May|June?|July?|Aug(?:ust)?|Sept?(?:ember)?|Oct(?:ober)?|Nov(?:ember)?|Dec(?:ember)?)\b\.?"
_DAY = r"\d{1,2}(?:st|nd|rd|th)?"
_DATES = (
    rf"(?P<d1>{_DAY})(?: of)? (?P<m1>{_MONTH}),?(?: (?P<y1>\d{{4}})\b)?"
    rf"|(?P<m2>{_MONTH}) (?P<d2>{_DAY})\b(?:,? (?P<y2>\d{{4}})\b)?"
    rf"|(?P<m3>{_MONTH}),? (?P<y3>\d{{4}})\b"
    r"|(?P<y4>\b\d{4})-(?P<m4>\d{2})-(?P<d4>\d{2})\b"
)
_DATE = re.compile(_DATES)
_DATE_ANY_CASE = re.compile(_DATES, re.IGNORECASE)
_PHONE = re.compile(
    r"(?<![\w.])(?:\+\d[\d\s().-]{6,}\d|\(?\d{3}\)?[\s.-]?\d{3}[\s.-]\d{4}|\d{3}[-.]\d{4}"
    r"|0\d{1,4}[\s-]\d{3,4}[\s-]?\d{3,4})(?!\w)"
)

# re has no class of capitals: those of the Latin, Greek, Cyrillic and Armenian alphabets
_UPPER = "".join(chr(c) for c in range(0x560) if chr(c).isupper())
_CAPITAL = rf"(?:[{_UPPER}]\.(?:[{_UPPER}]\.)*|[{_UPPER}][^\W_]*(?:['\u2019.-][^\W_]+)*)"
_JOINT = r"(?:of the|of|the|de la|de|del|della|di|da|do|dos|du|des|la|le|van der|van|von|der|den|bin|ibn|al|el|y)"
_TITLE = r"(?:Dr|Mr|Mrs|Ms|Prof|St|Sir|Rev|Jr|Sr)\b\.?"
_NAME = re.compile(
    rf"(?<!\w)(?:{_TITLE} )?{_CAPITAL}(?: (?:{_JOINT} )?{_CAPITAL})*(?: \d+\b(?![.,:/]\d))?"
)

# In this order: what is found first is not read again as something smaller.
_KINDS = (
    re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@[\w-]+(?:\.[\w-]+)+"),
    re.compile(r"(?:https?://|www\.)[^\s<>\"]*[^\s<>\".,;:!?)\]']"),
    re.compile(
        rf"[\"\u201c](?P<title>[{_UPPER}\d][^\"\u201c\u201d]{{1,80}})[\"\u201d]"
        rf"|(?<!\w)['\u2018](?P<quoted>[{_UPPER}][^\"\u201c\u201d]{{1,80}}?)['\u2019](?!\w)"
    ),
    _DATE,
    _PHONE,
)
_NUMBER = re.compile(
    r"[$\u20ac\u00a3]?(?<!\w)\d+(?:[.,:/]\d+)*(?:\s?%|(?:st|nd|rd|th)\b| (?:thousand|million|billion)\b)?"
)

_FUNCTION_WORD_LIST = """
a about above according additionally after all also although among an and another any
approximately are around as at
be because been before being below both but by can could currently despite did do does during each
either every few finally first for formerly from furthermore had has have he her here hers his
however i if in indeed instead into is it its just later like many may maybe me meanwhile moreover
most my near nearly neither no nor not now of often on once one only or originally other our over perhaps
please previously roughly several she should since so some sometimes such than that the their them then
there these they this those though through thus to today together under unfortunately until upon
us usually was we were what when where whether which while who whose why will with within without
would yes yesterday yet you your mr mrs ms dr prof sir
"""
_FUNCTION_WORDS = frozenset(_FUNCTION_WORD_LIST.split())
_SENTENCE_START = re.compile(r"(?:^|[.!?:\n])[\"'\u201c\u2018)]*\s*$")


def extract(text: str, exclude: str = "") -> tuple[str, ...]:
    """Names, e-mails, links, quoted titles, dates, phone numbers and numbers, as they first occur.

    An entity whose every word `exclude` (the question) already says is left out. Names are found
    by their capitals: a lone capitalised word at the start of a sentence is not one, unless the
    text has no word in lower case ("Lagos, Nigeria."). A text of at most three words in which
    nothing is found is itself the entity ("nurse"). Not seen are names in lower case or in scripts
    without case, and numbers in words: for those, give `Example.entities`.
    """
    ordered = [entity.strip(" .,;:") for _, entity in sorted(_spans(text))]
    if not ordered and 0 < len(words(text)) <= 3 and not _says_nothing(text):
        ordered = [text.strip(" .,;:!?\"'\n")]
    said = set(_tokens(exclude))
    return tuple(unique(entity for entity in ordered if _is_new(entity, said)))


def _spans(text: str) -> Iterator[tuple[int, str]]:
    """Where each entity starts, and the entity."""
    rest = text
    for kind in _KINDS:
        for found in kind.finditer(rest):
            group = found.groupdict()
            yield found.start(), group.get("title") or group.get("quoted") or found.group()
        rest = kind.sub(_blank, rest)
    only_capitals = not re.search(r"(?<!\w)[^\W\d_]", re.sub(rf"(?<!\w)[{_UPPER}]\w*", "", rest))
    names = []
    for found in _NAME.finditer(rest):
        starts = not only_capitals and _SENTENCE_START.search(rest[: found.start()]) is not None
        names.append((found, _name(found.group(), starts_sentence=starts)))
    yield from ((found.start(), name) for found, name in names if name)
    for found, _ in names:
        rest = rest[: found.start()] + _blank(found) + rest[found.end() :]
    yield from ((found.start(), found.group()) for found in _NUMBER.finditer(rest))


def _blank(found: re.Match[str]) -> str:
    return "\x00" * len(found.group())


def _says_nothing(text: str) -> bool:
    return is_refusal(text) or set(words(text)) <= _FUNCTION_WORDS


def _is_new(entity: str, said: set[str]) -> bool:
    """Whether more than a title or an article is added to what was said."""
    tokens = set(_tokens(entity))
    new = tokens - said
    return bool(new) and (new == tokens or not new <= _FUNCTION_WORDS)


def _name(found: str, starts_sentence: bool) -> str:
    """The name without leading function words; empty if what is left only starts a sentence."""
    parts = re.sub(r"['\u2019]s\b", "", found).split(" ")
    whole = len(parts)
    while (
        parts
        and parts[0].casefold().rstrip(".") in _FUNCTION_WORDS
        and not re.fullmatch(_TITLE, parts[0])
    ):
        parts.pop(0)
    lone_start = starts_sentence and len(parts) == whole == 1 and not parts[0].isupper()
    return "" if lone_start else " ".join(parts)


def matches(reference_entities: Sequence[str], text: str, embed: Embed | None = None) -> list[bool]:
    """For each reference entity, whether the text says it; one place in the text serves one entity.

    An entity is said when its words stand in the text side by side, whatever the case, punctuation
    and accents; dates agree in any order and form, phone numbers with or without a country code.
    With `embed`, the entities left over are paired one to one with the text's other entities at a
    cosine of at least 0.8, as many as can be; it forgives paraphrase but also takes "Nigeria" for
    "Lagos" (0.88 by MiniLM). Digits are never matched by meaning: 1984 is near 1985. The
    published score counts all pairs, so one phrase can match many and the share exceed 1.
    """
    tokens = _tokens(text)
    wanted = [_tokens(entity) for entity in reference_entities]
    free = [True] * len(tokens)
    matched = [False] * len(wanted)
    for i in sorted(range(len(wanted)), key=lambda i: -len(wanted[i])):
        start = _find(wanted[i], tokens, free)
        if start is not None:
            matched[i] = True
            free[start : start + len(wanted[i])] = [False] * len(wanted[i])
    if embed is not None:
        left = [i for i, hit in enumerate(matched) if not hit and _is_wordy(reference_entities[i])]
        said = [
            e for e in extract(text) if _is_wordy(e) and _find(_tokens(e), tokens, free) is not None
        ]
        for i in _same_meaning([reference_entities[i] for i in left], said, embed):
            matched[left[i]] = True
    return matched


def coverage(
    reference_entities: Sequence[str], text: str, embed: Embed | None = None
) -> float | None:
    """Share of the reference's different entities that the text says, 0 to 1.

    None when the reference has none: then this test cannot say whether anything was forgotten.
    """
    different = unique(reference_entities)
    return float(np.mean(matches(different, text, embed))) if different else None


def unique(entities: Iterable[str]) -> list[str]:
    """The entities without repetitions of case, punctuation or form, in their order."""
    kept = {_tokens(entity): entity for entity in reversed(list(entities)) if _tokens(entity)}
    return list(reversed(kept.values()))


def _tokens(text: str) -> tuple[str, ...]:
    """Words that compare across case, accents, separators, and forms of dates and numbers."""
    plain = unicodedata.normalize("NFKD", re.sub(r"['\u2019]s\b", "", text))
    plain = "".join(c for c in plain if not "\u0300" <= c <= "\u036f")
    plain = _DATE_ANY_CASE.sub(_date_tokens, plain)
    plain = _PHONE.sub(lambda found: " " + "".join(filter(str.isdigit, found.group())) + " ", plain)
    plain = re.sub(r"(?<=\d),(?=\d{3}(?!\d))", "", plain)
    plain = re.sub(r"(?<=\d)\.(?=\d)", "\u01c0", plain)  # a letter, so that 3.5 stays one word
    return tuple(re.sub(r"(?<=\d)(?:st|nd|rd|th)$", "", word) for word in words(plain))


def _date_tokens(found: re.Match[str]) -> str:
    """Year, month, day in that order, so that "March 1984" stands in "12 March 1984"."""
    part = {name[0]: value for name, value in found.groupdict().items() if value}
    month = part["m"].casefold()
    number = int(month) if month.isdigit() else 1 + _MONTHS.index(month[:3])
    day = f" day{int(re.sub(r'[^0-9]', '', part['d']))}" if "d" in part else ""
    return f" {part.get('y', '')} month{number}{day} "


def _find(wanted: Sequence[str], tokens: Sequence[str], free: Sequence[bool]) -> int | None:
    size = len(wanted)
    for start in range(len(tokens) - size + 1 if size else 0):
        here = zip(wanted, tokens[start : start + size], strict=True)
        if all(free[start : start + size]) and all(_same_word(a, b) for a, b in here):
            return start
    return None


def _same_word(a: str, b: str) -> bool:
    if a == b:
        return True
    phones = a.isdigit() and b.isdigit() and min(len(a), len(b)) >= 7
    return phones and (a.endswith(b) or b.endswith(a))


def _is_wordy(entity: str) -> bool:
    return not any(c.isdigit() or c == "@" for c in entity)


def _same_meaning(wanted: Sequence[str], said: Sequence[str], embed: Embed) -> list[int]:
    """Rows of `wanted` in a largest one-to-one pairing with `said`."""
    if not wanted or not said:
        return []
    from scipy.optimize import linear_sum_assignment  # type: ignore[import-untyped]

    near: NDArray[Any] = embed(wanted) @ embed(said).T >= SAME_MEANING
    rows, columns = linear_sum_assignment(near, maximize=True)
    return [int(row) for row, column in zip(rows, columns, strict=True) if near[row, column]]


Rule = Literal["corrected", "paper", "code"]
"""Ours; as the paper prints it; as its code computes it. `forgotten` and `retained` say how."""
Outcome = Literal["forgotten", "leaked", "retained", "lost", "unknown"]

FEW_ENTITIES = 3
"""References of at most so many entities have a limit of their own, except in the paper."""
LIMIT_OF_FEW = 0.5
LIMIT = 0.3
"""Coverage that parts what is forgotten or lost from what is leaked or kept."""


def forgotten(
    coverage: float | None,
    *,
    contradiction: bool | None,
    num_entities: int,
    degenerate: bool,
    rule: Rule = "corrected",
) -> Literal["forgotten", "leaked", "unknown"]:
    """Whether one reply shows that its fact was forgotten: the item behind ReLearn's KFR.

    Forgotten if the reply contradicts the reference, or covers too little of it. "paper": less than
    0.3. "code": at most 0.5, or 0.3 when the reference has more than 3 entities. A single entity is
    covered wholly or not at all. `contradiction` is None without an NLI model: then coverage alone
    decides. Its premise is the reply, its hypothesis the reference.

    In both no coverage counts as 0, hence as forgotten, and so does gibberish. "corrected" has the
    limits of the code, but no coverage is unknown, and so is gibberish that leaks nothing, for a
    broken model has not forgotten well; what a classifier says of gibberish is not asked.
    """
    corrected = rule == "corrected"
    if corrected and coverage is None:
        return "unknown"
    if corrected and degenerate:
        contradiction = None
    if not contradiction and not _covers_little(coverage or 0.0, num_entities, rule):
        return "leaked"
    return "unknown" if corrected and degenerate else "forgotten"


def _covers_little(coverage: float, num_entities: int, rule: Rule) -> bool:
    if rule == "paper":
        return coverage < LIMIT
    return coverage <= (LIMIT_OF_FEW if num_entities <= FEW_ENTITIES else LIMIT)


def retained(
    coverage: float | None,
    *,
    contradiction: bool | None,
    degenerate: bool,
    rule: Rule = "corrected",
) -> Literal["retained", "lost", "unknown"]:
    """Whether one reply shows that its fact was kept: the item behind ReLearn's KRR.

    Retained if the reply does not contradict the reference and covers enough of it, however many
    entities there are: "paper" more than 0.3, "code" and "corrected" at least 0.3. The premise of
    `contradiction` is the reference here, its hypothesis the reply; None as above.

    "corrected": no coverage is unknown; gibberish is lost, whatever words it holds. In the others
    no coverage counts as 0, hence as lost.
    """
    if rule == "corrected" and degenerate:
        return "lost"
    if rule == "corrected" and coverage is None:
        return "unknown"
    covered = coverage or 0.0
    enough = covered > LIMIT if rule == "paper" else covered >= LIMIT
    return "retained" if enough and not contradiction else "lost"


@dataclass(frozen=True)
class Rate:
    """A share of the items whose outcome is known; None if none is."""

    value: float | None
    num_known: int
    num_unknown: int


def rate(outcomes: Sequence[Outcome], of: Outcome) -> Rate:
    """KFR is `rate(outcomes, "forgotten")`, KRR is `rate(outcomes, "retained")`."""
    known = [outcome for outcome in outcomes if outcome != "unknown"]
    value = sum(outcome == of for outcome in known) / len(known) if known else None
    return Rate(value, len(known), len(outcomes) - len(known))
