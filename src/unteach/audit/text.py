"""What can be said of a reply by reading it: overlap, repetition, refusal, gibberish.

No model is needed here. The rules for refusals are for English; the others hold for any script.
"""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from rouge_score.rouge_scorer import RougeScorer


Rouge = Literal["rougeL", "rouge1", "rougeL_f1"]


def rouge(prediction: str, truth: str, kind: Rouge = "rougeL", *, stem: bool = True) -> float:
    """Share of the truth's words that the prediction holds, in order for rougeL; 0 to 1.

    `rougeL` and `rouge1` are that recall; `rougeL_f1` is its harmonic mean with the precision, so
    that what is said beyond the truth counts too. TOFU and ReLearn use recall with the stemmer,
    MUSE as first published the harmonic mean without. The package knows the letters a-z and digits
    only: an accented letter splits its word, on both sides alike.

    Raises:
        ValueError: most letters of the truth are not a-z, or it has neither letter nor digit, so
            the recall is undefined.
    """
    letters = [c for c in truth if c.isalpha()]
    plain = sum(c.isascii() for c in letters)
    if not any(c.isascii() and c.isalnum() for c in truth) or 2 * plain < len(letters):
        raise ValueError(
            f"rouge reads the letters a-z and digits, and the truth has few: {truth!r}"
        )
    name = kind.removesuffix("_f1")
    found = _rouge(name, stem).score(truth, prediction)[name]
    return float(found.recall if name == kind else found.fmeasure)


def before(text: str, stops: Sequence[str]) -> str:
    """The text up to the first of the stops; all of it where there is none."""
    return text[: min((text.index(stop) for stop in stops if stop in text), default=len(text))]


@cache
def _rouge(kind: str, stem: bool) -> RougeScorer:
    from rouge_score.rouge_scorer import RougeScorer

    return RougeScorer([kind], use_stemmer=stem)


def words(text: str) -> list[str]:
    """Case-folded words without punctuation; "don't" is one word, so is each ideograph or kana."""
    return "".join(map(_word_part, unicodedata.normalize("NFKC", text).casefold())).split()


@cache
def _word_part(character: str) -> str:
    if character in "'\u2019":
        return ""
    if unicodedata.category(character)[0] not in "LMN":
        return " "
    return f" {character} " if _script(character) == "IDEOGRAPH" else character


def repetition(text: str, n: int = 3) -> float:
    """Share of word n-grams that repeat an earlier n-gram of the same text, 0 to 1.

    A text of at most n words has no two n-grams to compare: it counts as 0, unless it is one word
    said three times or more, which counts by words ("no no no": 2 of 3).
    """
    found = words(text)
    size = 1 if 3 <= len(found) <= n and len(set(found)) == 1 else n
    grams = list(_ngrams(found, size))
    return 1 - len(set(grams)) / len(grams) if grams else 0.0


def distinct(texts: Sequence[str], n: int) -> float | None:
    """Different word n-grams over all n-grams of the texts together, 0 to 1 (arXiv:1510.03055).

    Low when a model says one thing to everybody. It falls as texts are added, so compare sets of
    one size. None when no text has n words.
    """
    grams = [gram for text in texts for gram in _ngrams(words(text), n)]
    return len(set(grams)) / len(grams) if grams else None


def _ngrams(found: Sequence[str], n: int) -> list[tuple[str, ...]]:
    return list(zip(*(found[i:] for i in range(n)), strict=False))


_I = r"\b(?:i|we)"
_ADVERBS = r"(?:(?:really|simply|honestly|currently|just|actually|also|still|personally|quite|entirely|completely|at all|yet|very|totally) )*"
_ANY_FOUR = r"(?:[\w-]+ ){0,4}?"
_KNOWLEDGE = (
    r"(?:information|info|details?|data|records?|specifics|knowledge|answers?|insights?|clues?|"
    r"idea|recollection|memory)"
)
_MY_KNOWLEDGE = (
    r"(?:my|our) (?:\w+ )?(?:knowledge|training|data|databases?|resources|records|scope|expertise|"
    r"information|understanding|capabilities|programming|memory|sources)"
)
_UNTOLD = r"(?:known|available|disclosed|documented|provided|found|accessible|shared|recorded)\b(?! until)"

# Read on a first sentence in lower case with its contractions written out.
_REFUSALS = tuple(
    re.compile(pattern)
    for pattern in (
        # I do not know, we can not share, I have not been trained on
        rf"{_I} {_ADVERBS}(?:do|can|could|would|will) {_ADVERBS}not {_ADVERBS}(?:be able to |want to |wish to )?"
        r"(?:know|recall|remember|answer|provide|say|share|disclose|reveal|discuss|help|assist|"
        r"comment|confirm|tell|determine|verify|respond|access|possess|find (?:any|that|information)|"
        r"give (?:you|that|any|out)|speak (?:to|about|on)|hold (?:any|the|that))\b(?! (?:\w+ ){0,2}enough)",
        rf"{_I} have {_ADVERBS}(?:not|never) {_ADVERBS}(?:been (?:trained|programmed|informed|taught|briefed)|"
        r"encountered|heard|learned|come across|studied|covered|got|the (?:faintest|foggiest|slightest)|an? clue)\b",
        rf"{_I} (?:can|will|would) not(?:[.,;!]|$| do (?:that|this))",
        # I have no idea, we lack details
        rf"{_I} {_ADVERBS}(?:do not {_ADVERBS}have|have not|have (?:got )?no|have yet to|lack|am lacking|"
        rf"am missing) {_ANY_FOUR}(?:{_KNOWLEDGE}|access|permission|learn|way of knowing)\b",
        # I am not sure, we are at a loss
        rf"{_I} (?:am|are) {_ADVERBS}not {_ADVERBS}(?:sure|certain|aware|familiar|able|allowed|permitted|"
        r"at liberty|authorized|in a position|(?:well-?)?(?:versed|informed|acquainted|equipped|educated)|"
        r"knowledgeable|privy|trained|programmed|the best source)\b",
        rf"{_I} (?:am|are) {_ADVERBS}(?:unsure|unaware|unable to|unfamiliar|uncertain|clueless|uninformed|"
        r"stumped|ignorant|at a loss|in the dark|drawing a blank|still learning)\b",
        rf"{_I} do not (?:think|believe|feel) (?:that )?(?:{_I} (?:can|could|know|have|am)|comfortable|able)\b",
        # I would rather not, I must decline, I wish I knew, I need to look that up
        rf"{_I} (?:would rather|would prefer|prefer|choose) not\b",
        rf"{_I} {_ADVERBS}(?:must |have to |need to )?(?:decline|refuse) to\b",
        r"\bwish i (?:knew|could)\b",
        rf"(?:{_I} (?:need|would need|would have|will have) to|^let me) (?:look|check|find|research|investigate)\b",
        # beyond my knowledge, a mystery to me, not something I can answer
        rf"\b(?:not|no|beyond|outside|out of|blank|gaps?|limits?)\b.*\b{_MY_KNOWLEDGE}\b",
        rf"\b{_MY_KNOWLEDGE}\b.*\b(?:not|no|lacks?)\b",
        r"\b(?:mystery|enigma|unknown|unclear|unfamiliar|uncertain|new|foreign|blank|beyond|not known)\b"
        r"(?: \w+){0,2}? (?:to|for|with|beyond) me\b|\b(?:is|are) beyond me\b|\bescapes me\b",
        r"\bnot (?:something|information|a (?:topic|subject|question|detail|fact)|an area|one) (?:that |which )?(?:i|we)\b",
        r"\bsomething (?:that )?(?:i|we) (?:can|do|could|have) not\b|\b(?:beyond|outside) what (?:i|we)\b",
        # no information is available, that has not been disclosed
        rf"^(?:unfortunately,? |sorry,? |regrettably,? |there (?:is|are|exists?) (?:currently |simply )?|at this time,? |i have )*"
        rf"(?:no|not enough|not any|insufficient|not sufficient) (?:[\w-]+ ){{0,3}}(?:{_KNOWLEDGE}|comment)"
        r"(?= (?:is|are|was|has|have|about|on|regarding|for|that|to|can|could|available|exists?)\b|[.,;!]|$)",
        rf"\b{_KNOWLEDGE}\b[^.;!?]{{0,80}}\b(?:is|are|was|were|has|have|can) not {_ANY_FOUR}{_UNTOLD}",
        r"\b(?:is|are|was|were|has|have) not (?:yet )?(?:been )?(?:made )?public(?:ly (?:known|available|"
        r"disclosed|documented|shared)\b|[.,;!]|$)",
        r"^(?:it|that|this) is (?:not possible|impossible) to (?:say|know|tell|determine|answer|provide)\b",
        r"^(?:the|this) (?:model|assistant|system) (?:can|does|is) not (?:able to )?(?:know|answer|provide|have)\b",
        # without a subject
        r"^(?:do|can|could) not (?:say|know|tell|answer|recall|remember|help)\b",
        r"^(?:not|un) ?(?:sure|certain|known|available)(?: (?:about|of|on) (?:that|this|it)(?: one)?)?[.!?]*$",
        r"^(?:n/?a|no (?:comment|clue)|beats me|who knows|dunno|your guess is as good as mine)[.!?]*$",
        # the forms of apology and of the assistant's voice
        r"^(?:i am |we are )?(?:so |very |truly |deeply )?(?:sorry|afraid)(?:[.!]?$|,? (?:but |that |, )*"
        r"(?:i|we|this|that|there|no|can not)\b)",
        r"^(?:i|we) apologi[sz]e\b(?:,| but| for (?:not|being|the inconvenience|any))",
        r"^as an? (?:ai|artificial intelligence|large language model|language model|assistant)"
        r"(?: (?:language )?(?:model|assistant))?,? (?:i|we)\b",
    )
)
_COURTESY = re.compile(
    r"(?:thanks?\b|that is an? (?:\w+ )?question|what an? |great |good |interesting |hello|hi\b|"
    r"(?:unfortunately|hmm|well|my apologies)[.!])"
)
_ANSWERS_ANYWAY = re.compile(
    r"\b(?:but|though|although|however),? (?:(?:i|we) (?:think|believe|guess|recall|remember|know|suspect)\b|"
    r"(?:s?he|it|they|his|her|its|their|the|my)\b(?: \w+){0,4}? (?:is|was|are|were|has|had|lives?|lived|works?|worked)\b)"
)
_WRITTEN_OUT = (
    ("won't", "will not"),
    ("can't", "can not"),
    ("cannot", "can not"),
    ("n't", " not"),
    ("'m ", " am "),
    ("'re ", " are "),
    ("'ve ", " have "),
    ("'d ", " would "),
    ("'s ", " is "),
)


def is_refusal(text: str) -> bool:
    """Whether the reply declines to answer or says that it does not know. English rules.

    The first sentence decides, courtesies skipped: what a model says after an answer does not take
    the answer back. Quoted words inside a sentence are not the reply's own. "I'm not sure, but I
    think it was 1970" answers, so it is no refusal; nor is a vague reply. Unusual wordings are
    missed, so a rate of refusals is a lower bound.
    """
    sentence = _first_statement(_own_words(text))
    found = next((m for m in (p.search(sentence) for p in _REFUSALS) if m is not None), None)
    return found is not None and _ANSWERS_ANYWAY.search(sentence, found.end()) is None


def _own_words(text: str) -> str:
    """Lower case, contractions written out, quotations taken out."""
    straight = text.translate(str.maketrans("\u2019\u2018\u201c\u201d", "''\"\"")).lower()
    plain = " ".join(straight.split()).strip('"* ')
    for short, full in _WRITTEN_OUT:
        plain = plain.replace(short, full)
    return re.sub(r"\"[^\"]*\"|(?<!\w)'[^']*'(?!\w)", "''", plain)


def _first_statement(plain: str) -> str:
    sentences = re.split(r"(?<=[.!?])\s+", plain)
    return next((s for s in sentences if not _COURTESY.match(s)), sentences[-1])


REPETITIVE = 0.5
"""Repeated 3-grams from which a text is a loop. Fluent replies of 100 words stay below 0.1."""
STUTTER = 1 / 3
"""Words equal to the word before, from which a text stutters, if there are three of them."""
SYMBOLS = 0.5
"""Characters that are no letter, mark or digit, above which a text is noise."""
MAIN_SCRIPT = 0.6
"""Letters in the commonest of three or more scripts, below which a text is a jumble."""
NON_WORDS = 0.5
"""Unpronounceable words among those of four letters or more, above which a text is gibberish."""


def is_degenerate(text: str) -> bool:
    """Whether the reply is empty, a loop, or made of what is not language.

    It looks at characters and repetition only: random real words pass, and only perplexity shows
    them. Names, numbers, addresses and one-word replies pass.
    """
    return _is_loop(text) or _is_noise(text) or _is_jumble(text) or _is_unpronounceable(text)


def _is_loop(text: str) -> bool:
    found = words(text)
    stutters = sum(a == b for a, b in itertools.pairwise(found))
    if repetition(text) >= REPETITIVE or (stutters >= 3 and stutters >= STUTTER * (len(found) - 1)):
        return True
    # "aaaaaaaa", "lolololololo": loops inside words; digits may well repeat (10000000)
    looped = [m.group() for m in re.finditer(r"([^\W\d_]{1,4}?)\1{4,}", "".join(found))]
    return 2 * sum(map(len, looped)) > sum(map(len, found))


def _is_noise(text: str) -> bool:
    visible = [unicodedata.category(c) for c in text if not c.isspace()]
    wordlike = sum(category[0] in "LMN" for category in visible)
    broken = sum(c in ("Cc", "Cn", "Co", "Cs") for c in visible) + text.count("\ufffd")
    if wordlike == 0 or 10 * broken > len(visible):
        return True
    return len(visible) >= 6 and len(visible) - wordlike > SYMBOLS * len(visible)


def _is_jumble(text: str) -> bool:
    """Three scripts or more, none of which leads; or most words change script half-way."""
    letters = [c for c in unicodedata.normalize("NFKC", text) if c.isalpha()]
    scripts = Counter(map(_script, letters))
    if len(scripts) >= 3 and max(scripts.values()) < MAIN_SCRIPT * len(letters):
        return True
    long = [w for w in words(text) if sum(map(str.isalpha, w)) >= 2]
    mixed = sum(len({_script(c) for c in w if c.isalpha()}) > 1 for w in long)
    return mixed >= 2 and 2 * mixed > len(long)


def _is_unpronounceable(text: str) -> bool:
    """Latin words without a vowel, or with six consonants in a row; capitals are abbreviations."""
    found = [w for w in re.findall(r"[^\W\d_]{4,}", text) if w.isascii() and not w.isupper()]
    odd = sum(re.search(r"^[^aeiouy]+$|[^aeiouy]{6}", w.lower()) is not None for w in found)
    return odd >= 2 and odd > NON_WORDS * len(found)


@cache
def _script(letter: str) -> str:
    """The script by its Unicode name; Chinese, Japanese and Korean writing counts as one."""
    name = unicodedata.name(letter, "UNNAMED").split()[0]
    return (
        "IDEOGRAPH"
        if name in ("CJK", "HIRAGANA", "KATAKANA", "HANGUL", "KATAKANA-HIRAGANA")
        else name
    )
