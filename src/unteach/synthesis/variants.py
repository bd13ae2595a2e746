"""Read a question by rules, and ask it in other ways.

English only. A question is read into its subject (who or what it names), its topic (a noun phrase)
and the kind of topic; the variants and the replacement answers are written from these.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random
from typing import Final

from unteach.data.examples import Example
from unteach.synthesis.particulars import bounded, pieces
from unteach.synthesis.passages import SENTENCE_END
from unteach.synthesis.records import Variant
from unteach.synthesis.verify import STOP_WORDS, capital_runs, normalise, straight, word_set, words

CUT_OFF: Final = " ..."
"""Behind an opening that ends within a sentence."""
VARIANTS: Final = ("simple", "contextual", "noise", "logical")


@dataclass(frozen=True)
class Question:
    """A question and what the rules read in it."""

    text: str
    subject: str  # "Ada Moor", or empty if nothing is named
    topic: str  # "Ada Moor's birthplace"; fits after "about"
    kind: str  # a key of the kinds in TOPICS, or empty
    opening: str = ""  # for a text: its first words, which stand in for the question

    @property
    def beginning(self) -> str:
        """The opening as the text has it."""
        return self.opening.removesuffix(CUT_OFF)


TOPICS: Final[tuple[tuple[str, str, str], ...]] = (
    (r"e-?mail|inbox", "contact", "email address"),
    (r"phone|telephone|mobile|cell number", "contact", "phone number"),
    (r"contact|reach\b|get in touch|correspond|communicat", "contact", "contact details"),
    (
        r"passport|social security|\bssn\b|id number|national insurance|licen[cs]e",
        "papers",
        "papers",
    ),
    (
        r"salary|income|earn|net worth|\biban\b|\bbank|credit card|account number",
        "money",
        "finances",
    ),
    (
        r"date of birth|birth ?date|birthday|when was .*born|how old|what age\b|^age$|year of birth",
        "birthdate",
        "date of birth",
    ),
    (r"birth ?place|\bborn\b|place of birth", "origin", "birthplace"),
    (
        r"home ?town|grow up|grew up|upbringing|childhood|background|heritage|nationality|native|origin",
        "origin",
        "background",
    ),
    (r"address\b|resid|\blives?\b|\bliving (?:at|in)\b|\bhome\b", "home", "home"),
    (r"spouse|husband|\bwife\b|marri|marry|wedding|fianc|partner", "family", "marriage"),
    (r"\bchild\b|children|\bsons?\b|daughter|\bkids?\b", "family", "children"),
    (r"sibling|\bbrother|\bsister", "family", "siblings"),
    (r"parent|father|mother|\bmum\b|\bdad\b", "family", "parents"),
    (r"relative|family|cousin|uncle|\baunt|ancest", "family", "family"),
    (
        r"diagnos|illness|disease|health|allerg|medication|medical (?:condition|history|record)|blood type|treated for|^condition",
        "health",
        "health",
    ),
    (r"award|prize|honou?r|accolade|medal|recogni[tsz]", "award", "awards"),
    (r"inspir|motivat", "influence", "inspiration"),
    (r"impact|contribut|significance", "influence", "impact"),
    (r"influenc|\bshap(?:e|ed|es|ing)\b|affect", "influence", "influences"),
    (
        r"school|universit|college|degree|stud(?:y|ied|ies)\b|\beducat(?:ed|ion)\b|graduat|alma mater",
        "education",
        "education",
    ),
    (
        r"employ|company|work(?:s|ed|ing)? (?:for|at)\b|\bfirm\b|\bboss\b|colleague|workplace",
        "employer",
        "employer",
    ),
    (
        r"occupation|profession|\bjobs?\b|career|vocation|do for a living|work(?:s|ed)? as\b",
        "employer",
        "career",
    ),
    (r"\bgenre", "writing", "genre"),
    (r"\bstyle", "writing", "writing style"),
    (r"\btheme|\bmessage\b|motif", "writing", "themes"),
    (r"process|routine|research", "writing", "way of working"),
    (r"critic|review|receiv|reception|readers|\bfans?\b|audience", "reception", "reception"),
    (r"\bbooks?\b|novel|\bwrit|\bwrote\b|publish|literature|stories", "writing", "books"),
    (r"gender|identif|sexual|orientation", "identity", "identity"),
    (r"nickname|\balias|pen name|stage name", "nickname", "nickname"),
    (r"mentor|teacher|\bcoach\b|role model", "circle", "mentor"),
    (r"\bfriends?\b|acquaintance", "circle", "friends"),
    (r"\bdish|\bfood|\bmeal|\beat\b|recipe", "interests", "taste in food"),
    (r"hobb|free time|spare time|enjoy|favou?rite|pastime|collects?\b", "interests", "interests"),
    (r"\bpets?\b|\bdogs?\b|\bcats?\b", "interests", "pets"),
    (r"language|\bspeaks?\b", "interests", "languages"),
    (
        r"^who (?:is|was)\s*\??$|tell me about\s*[.?]?$|^describe\s*\.?$",
        "overview",
        "life and work",
    ),
)
"""(what an attribute or a question must hold, kind of topic, its noun); the first match counts."""

REVERSED: Final[dict[str, tuple[str, ...]]] = {
    "birthplace": (
        "Which place can call {subject} one of its own by birth?",
        "Which town's birth register would have {subject} in it?",
    ),
    "background": (
        "Which place or surroundings can claim a part in raising {subject}?",
        "What kind of upbringing would lead to someone like {subject}?",
    ),
    "date of birth": (
        "On which day do people wish {subject} a happy birthday?",
        "Which day of the year belongs to {subject} as a birthday?",
    ),
    "home": (
        "Which front door belongs to {subject}?",
        "Who has {subject} as a neighbour?",
        "Which place does a letter go to if it is meant for {subject}?",
    ),
    "phone number": (
        "Which number rings when someone calls {subject}?",
        "Which entry in a phone book would belong to {subject}?",
    ),
    "email address": (
        "Which inbox would a message to {subject} land in?",
        "Which mailbox belongs to {subject}?",
    ),
    "contact details": ("Through which channel does a message arrive with {subject}?",),
    "marriage": ("Who can call {subject} their husband or wife?", "Who is married to {subject}?"),
    "children": ("Who can call {subject} their father or mother?",),
    "siblings": ("Who can call {subject} their brother or sister?",),
    "parents": (
        "Who can call {subject} their child?",
        "What do the people who raised {subject} do?",
    ),
    "family": ("Who would count {subject} among their relatives?",),
    "health": (
        "Which condition is {subject} a patient for?",
        "What would be written in the medical file of {subject}?",
    ),
    "awards": (
        "Which honours list {subject} among those they were given to?",
        "Which jury once picked {subject}?",
    ),
    "education": ("Which school counts {subject} among its former students?",),
    "employer": (
        "Which organisation has {subject} on its staff list?",
        "Who pays {subject} for their work?",
    ),
    "career": ("Which line of work counts {subject} among its people?",),
    "genre": ("Which shelf of a bookshop would hold the work of {subject}?",),
    "books": ("Which titles have the name of {subject} on the cover?",),
    "writing style": ("By which traits would a reader recognise a page by {subject}?",),
    "themes": ("Which ideas would lead a reader to {subject}?",),
    "influences": ("What left its mark on {subject}, seen from the outside?",),
    "inspiration": ("What can be said to have set {subject} in motion?",),
    "impact": ("What would be different today without {subject}?",),
    "reception": ("What do those who have come across {subject} say afterwards?",),
    "nickname": (
        "By which other name do friends call {subject}?",
        "Whom do people mean by the name that friends gave {subject}?",
    ),
    "mentor": (
        "Who can say that they guided {subject} for years?",
        "Who counts {subject} among their pupils?",
    ),
    "friends": ("Who would call {subject} a friend?",),
    "interests": ("Which pastime counts {subject} among its followers?",),
    "pets": ("Which animal has {subject} as its keeper?",),
    "taste in food": ("Which plate would make {subject} happiest?",),
    "languages": ("In which languages could one talk with {subject}?",),
    "life and work": ("If somebody mentions {subject}, whom do they mean?",),
}
"""Topic noun -> the same relation asked from its other side."""

REVERSED_ANY: Final = (
    "Someone knows all about {topic}; what would they have to tell?",
    "If {topic} came up in a conversation, what would be said?",
    "Suppose the facts about {topic} were unknown; which gap would that leave?",
    "Which answer would people have in mind when they ask about {topic}?",
    "What would somebody need to know in order to explain {topic}?",
    "What would have to be true for a statement about {topic} to be right?",
)

CONTEXTS: Final = (
    "I am preparing a short profile for a newsletter. {q}",
    "This came up in a conversation yesterday. {q}",
    "I am checking a few details before a meeting. {q}",
    "We are putting together a quiz for a small group of friends. {q}",
    "I have been reading a little on this subject. {q}",
    "For a summary that I have to hand in tomorrow: {q}",
    "My colleague and I disagree about something. {q}",
    "I am writing an introduction and want to get it right. {q}",
    "Suppose I had to explain this to a newcomer. {q}",
    "I could not find this in my own notes. {q}",
    "{q} One sentence is enough, as it goes into a table.",
    "{q} I only need this one point, nothing else.",
    "{q} I am asking because a reader wrote in about it.",
    "{q} Please keep to the essentials.",
)
CONTEXTS_NAMED: Final = (
    "I am collecting notes about {subject} for an article. {q}",
    "A friend mentioned {subject} the other day. {q}",
    "I have to introduce {subject} at an event next week. {q}",
    "I am filling in a page about {subject} and one line is missing. {q}",
    "Somebody asked me about {subject} and I was not sure. {q}",
)

_ASK_PHRASE: Final = (
    "Could you tell me {it}?",
    "Please tell me {it}.",
    "I would like to know {it}.",
    "Do you know {it}?",
    "I wonder if you could tell me {it}.",
    "Would you mind telling me {it}?",
)
_ASK_WHOLE: Final = (
    "Please answer: {q}",
    "I have a question: {q}",
    "Quick question: {q}",
    "Here is my question: {q}",
    "Answer this for me: {q}",
    "Something I would like to know: {q}",
    "One question, please: {q}",
    "May I ask something? {q}",
)
_TEXT_PROMPTS: Final[dict[Variant, tuple[str, ...]]] = {
    "original": ("Continue the text: {q}",),
    "simple": (
        "Carry on from here: {q}",
        "Write what follows: {q}",
        "Go on with this passage: {q}",
    ),
    "contextual": (
        "I am reading a passage aloud and lost my place. Continue it: {q}",
        "A page of my copy is torn. Continue the text: {q}",
    ),
    "logical": ('What comes after these words? "{q}"', 'Which words follow "{q}"?'),
}

_QUOTED: Final = re.compile(r"\"[^\"]*\"|(?<!\w)'[^']+'(?!\w)")
_ABSTRACT: Final = re.compile(r"(?:tion|ment|ness|ity|ism|ure|ship|ance|ence|[^su]s)$")
_ADJECTIVE: Final = re.compile(r"(?:ary|al|ic|ous|ive|ful|able|ible)$")
_AUX: Final = "is|are|was|were|did|does|has|have|had|can|could|will|would|should"
_ENGLISH: Final = word_set(
    "what where who whom whose when how which why does did can could has have had would should are were "
    "the of tell please name list describe explain give write and is to for with about"
)
_FOREIGN: Final = word_set(
    "der die das ist und wo wer wie wann wurde le les est et où qui quel quelle el los las es y que qué "
    "quién dónde cuál cómo une il della di che dove qual quem onde het een wat waar hoe en van är och vad "
    "gdzie jest kto co jak"
)
_LEADS: Final = STOP_WORDS | word_set(
    "regarding describe explain list write concerning considering"
)
_BEFORE_PERSON: Final = word_set(
    "author writer mr mrs ms dr professor by about called named"
) | frozenset(_AUX.split("|"))
_BEFORE_PLACE: Final = word_set("in at from on near to into through within across")
_MODIFIER: Final = re.compile(
    r"(?:.*(?:an|ese|ish|ern)|[A-Z]{2,}\+?|French|Greek|Dutch|Swiss|Thai|Arab)$"
)
_CALENDAR: Final = re.compile(
    r"January|February|March|April|May|June|July|August|September|October|November|December|"
    r"(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day"
)
_IRREGULAR: Final = dict(
    pair.split(":")
    for pair in word_set(
        "begin:began write:wrote grow:grew win:won get:got go:went come:came become:became "
        "take:took make:made give:gave find:found meet:met study:studied teach:taught spend:spent "
        "leave:left choose:chose say:said tell:told buy:bought sell:sold keep:kept hold:held lose:lost "
        "speak:spoke draw:drew drive:drove build:built have:had do:did see:saw know:knew think:thought "
        "bring:brought feel:felt sing:sang run:ran read:read put:put set:set"
    )
)
_NOT_A_VERB: Final = re.compile(
    r".*ly$|first|also|later|ever|most|still|often|not|always|never|and|or|as|in|of|at|on"
)


def is_english(text: str) -> bool:
    """Whether the text reads as English: more English than other function words, Latin letters."""
    letters = [c for c in text if c.isalpha()]
    latin = sum(c < "ɐ" for c in letters)
    tokens = [word.lower() for word in re.findall(r"[^\W\d_]+", text)]
    english = sum(token in _ENGLISH for token in tokens)
    return (
        bool(letters)
        and latin / len(letters) > 0.8
        and english > sum(t in _FOREIGN for t in tokens)
    )


def read_question(example: Example, *, cut: float = 0.25) -> Question:
    """What the rules read in an example's question; for a text, in its opening words.

    The opening of a text is its first sentence if that has 4 to 30 words and is not the whole text,
    else the first `cut` of its words, 20 at most.
    """
    if example.is_text:
        opening = _opening(example.answer, cut)
        subject = _subject(opening, example.group)
        topic = subject or _keyword(opening)
        text = _TEXT_PROMPTS["original"][0].format(q=opening)
        return Question(text, subject, topic, "text", opening)
    text = straight(" ".join(example.prompt.split()))
    subject = _subject(text, example.group)
    kind, noun = _kind(text, subject, example.attribute)
    return Question(example.prompt, subject, _topic(text, subject, noun), kind)


def as_asked(example: Example, question: Question) -> Example:
    """The example as the rest of the synthesis treats it: a text becomes opening and rest."""
    if not question.opening:
        return example
    rest = example.answer.strip()[len(question.beginning) :].strip()
    return replace(example, prompt=question.text, answer=rest)


def vary(question: Question, variant: Variant, random: Random) -> Question:
    """The same question asked in another way; subject and topic stay."""
    if variant == "original":
        return question
    plain = replace(question, text=straight(" ".join(question.text.split())))
    return replace(question, text=_WRITERS[variant](plain, random))


def _simple(question: Question, random: Random) -> str:
    if question.opening:
        return random.choice(_TEXT_PROMPTS["simple"]).format(q=question.opening)
    request = re.match(r"(?:can|could|would|will) you (?:please )?(\w.*?)\??$", question.text, re.I)
    if request:
        asked = request.group(1)
        forms = (
            f"Please {asked}.",
            f"{asked[:1].upper()}{asked[1:]}.",
            f"I would like you to {asked}.",
        )
        return random.choice(forms)
    phrase = _clause(question) or _asked_phrase(question.text)
    if phrase:
        return random.choice(_ASK_PHRASE).format(it=phrase)
    return random.choice(_ASK_WHOLE).format(q=question.text)


def _contextual(question: Question, random: Random) -> str:
    if question.opening:
        return random.choice(_TEXT_PROMPTS["contextual"]).format(q=question.opening)
    frames = CONTEXTS + CONTEXTS_NAMED * 2 if question.subject else CONTEXTS
    return random.choice(frames).format(q=question.text, subject=question.subject)


def _logical(question: Question, random: Random) -> str:
    if question.opening:
        return random.choice(_TEXT_PROMPTS["logical"]).format(q=question.opening)
    noun = question.topic.removeprefix(possessive(question.subject)).strip()
    frames = REVERSED.get(noun, REVERSED_ANY) if question.subject else REVERSED_ANY
    return random.choice(frames).format(subject=question.subject, topic=question.topic)


def _noise(question: Question, random: Random) -> str:
    """Typos in one or two plain words, and mostly no capitals and no closing mark."""
    named = set(words(question.subject)) | set(words(question.opening))
    tokens = question.text.split(" ")
    plain = [
        i
        for i, token in enumerate(tokens)
        if len(token) >= 4
        and token.isalpha()
        and token[1:].islower()
        and (i == 0 or token.islower())
        and not set(words(token)) & named
    ]
    for i in random.sample(plain, min(len(plain), random.choice((1, 2)))):
        tokens[i] = _typo(tokens[i], random)
    text = " ".join(tokens)
    if random.random() < 0.6 or not plain:
        text = text.rstrip("?.! ") or text
    if random.random() < 0.5:
        text = text.lower()
    return text if text != question.text else text[:1].lower() + text[1:] + "?"


_WRITERS: Final[dict[Variant, Callable[[Question, Random], str]]] = {
    "simple": _simple,
    "contextual": _contextual,
    "noise": _noise,
    "logical": _logical,
}


def possessive(name: str) -> str:
    return f"{name}'" if name.endswith("s") else f"{name}'s"


def _typo(word: str, random: Random) -> str:
    i = random.randrange(1, len(word) - 2)
    swapped = word[:i] + word[i + 1] + word[i] + word[i + 2 :]
    dropped = word[:i] + word[i + 1 :]
    doubled = word[:i] + word[i] * 2 + word[i + 1 :]
    return random.choice([form for form in (swapped, dropped, doubled) if form != word])


def _opening(text: str, cut: float) -> str:
    text = text.strip()
    for end in SENTENCE_END.finditer(text):
        first = text[: end.end()]
        num_words = len(pieces(first))
        if num_words > 30 or first == text:
            break
        if num_words >= 4 and not re.search(r"\b(?:[A-Z]|Mrs?|Ms|Dr|St|No|vs|etc)\.$", first):
            return first
    tokens = pieces(text)
    num_words = max(1, min(20, round(cut * len(tokens)), len(tokens) - 1))
    return f"{text[: tokens[num_words - 1].end()]}{CUT_OFF}"


def _subject(text: str, group: str) -> str:
    """The person or thing the question names; empty if it names none."""
    if group and re.search(bounded(group), text):
        return group
    bare = _QUOTED.sub(lambda match: "_" * len(match.group()), text)
    best, best_score = "", 0.0
    for run in capital_runs(bare):
        name, start = run.text, run.start
        first, _, rest = name.partition(" ")
        if start == 0 and normalise(first).removesuffix("'s") in _LEADS:
            start += len(name) - len(rest.lstrip("abcdefghijklmnopqrstuvwxyz "))
            name = rest.lstrip("abcdefghijklmnopqrstuvwxyz ")
        before = words(bare[:start])[-1:] or [""]
        is_place = before[0] in _BEFORE_PLACE or before[0].isdigit()
        is_place |= bool(re.search(r"[A-Z]\w*, $", bare[:start]))  # Seoul, South Korea
        after = bare[run.end :].lstrip()
        score: float = 4 * run.is_possessive + 3 * (" " in name) + 2 * (before[0] in _BEFORE_PERSON)
        score += 0.5 * (before[0] in ("of", "the")) - 5 * (is_place and not run.is_possessive)
        if (
            after[:1].islower()
            and not run.is_possessive
            and all(map(_MODIFIER.match, name.split()))
        ):
            score -= 3
        if name and score > best_score and not _CALENDAR.fullmatch(name):
            best, best_score = f"the {name}" if before[0] == "the" else name, score
    return best


def _kind(text: str, subject: str, attribute: str) -> tuple[str, str]:
    asked = re.sub(r"^write\b", "", text, flags=re.IGNORECASE)
    plain = _QUOTED.sub("", asked.replace(subject, "") if subject else asked).lower()
    spoken = attribute.replace("_", " ").lower()
    for source in (spoken, plain):
        for pattern, kind, noun in TOPICS:
            if source and re.search(pattern, source.strip()):
                return kind, noun
    return "", spoken


def _topic(text: str, subject: str, noun: str) -> str:
    if noun and subject:
        return f"{possessive(subject)} {noun}"
    phrase = _noun_phrase(text)
    if phrase:
        short = re.split(r",| (?:born|who|that|which|whose|where|when) ", phrase)[0]
        if len(short.split()) <= 9:
            return short
    keyword = _keyword(text.replace(subject, " ") if subject else text)
    if not subject:
        head = re.match(
            rf"(?:which|what)\s+(?:\S+\s+)?([a-z]{{4,}})\s+(?:{_AUX})\b", text, re.IGNORECASE
        )
        return f"the {head.group(1)}" if head else keyword or "this question"
    if keyword and _ABSTRACT.search(keyword) and " " not in keyword:
        return f"{subject} and {keyword}"
    return f"the case of {subject}"


def _noun_phrase(text: str) -> str:
    """NP of `What is NP?`; empty if what follows may not be one."""
    match = re.match(
        r"(?:what|who)(?:'s|\s+(?:is|are|was|were))\s+((?:the|[A-Z][^?]*?'s?)\s[^?]*?)\s*\?$",
        text[:1].lower() + text[1:],
    )
    return match.group(1) if match and " like " not in match.group(1) else ""


def _asked_phrase(text: str) -> str:
    """What fits after `tell me`: `the genre of ...`, or `who Ada Moor's parents are`; else empty."""
    phrase = _noun_phrase(text)
    if len(phrase.split()) > 16:
        return ""
    first, verb = text.split()[:2] if phrase else ("", "")
    return (
        f"who {phrase} {verb}"
        if first == "Who" and len(phrase.split()) <= 5
        else (phrase if first == "What" else "")
    )


def _keyword(text: str) -> str:
    """The last plain content word, with the article that stands before it; empty if there is none."""
    bare = _QUOTED.sub(" ", text)
    found = [
        match
        for match in re.finditer(r"\b(?:((?:a|an|the|this|these)\s+))?([a-z]{4,})\b", bare)
        if match.group(2) not in STOP_WORDS
        and not re.fullmatch(r".*ly|.*ed|born|built|held|written|sold", match.group(2))
    ]
    nouns = [m for m in found if _ABSTRACT.search(m.group(2)) or m.group(1)]
    nouns = [m for m in nouns if not _ADJECTIVE.search(m.group(2))]
    chosen = (nouns or found)[-1:]
    return " ".join(chosen[0].group().split()) if chosen else ""


def _clause(question: Question) -> str:
    """`Where did Ada Moor study?` as `where Ada Moor studied`; empty if that is not safe."""
    if not question.subject:
        return ""
    match = re.match(
        rf"(?P<wh>[A-Z][^A-Z?\"]*?)\s+(?P<aux>{_AUX})\s+(?P<who>(?:the\s)?(?:author\s|writer\s)?"
        rf"{re.escape(question.subject)})(?!['\w])(?P<rest>[^?]*)\?$",
        question.text,
    )
    if not match or not re.match(
        r"(?:\w+ )?(?:what|where|when|who|whom|which|how|why)\b", match["wh"], re.I
    ):
        return ""
    rest = match["rest"].strip()
    verb = (
        _inflect(rest, match["aux"])
        if match["aux"] in ("did", "does")
        else f"{match['aux']} {rest}"
    )
    if match["aux"] == "have" or not verb:
        return ""
    return f"{match['wh'][0].lower()}{match['wh'][1:]} {match['who']} {verb}".strip()


def _inflect(rest: str, aux: str) -> str:
    verb, space, tail = rest.partition(" ")
    if not verb.isalpha() or not verb.islower() or _NOT_A_VERB.fullmatch(verb):
        return ""
    return (_past(verb) if aux == "did" else _third(verb)) + space + tail


def _past(verb: str) -> str:
    if verb in _IRREGULAR:
        return _IRREGULAR[verb]
    if verb.endswith("e"):
        return f"{verb}d"
    if re.search(r"[^aeiou]y$", verb):
        return f"{verb[:-1]}ied"
    return (
        f"{verb}{verb[-1]}ed" if re.fullmatch(r"[^aeiou]+[aeiou][bdgmnprt]", verb) else f"{verb}ed"
    )


def _third(verb: str) -> str:
    if verb in ("have", "do", "go"):
        return {"have": "has", "do": "does", "go": "goes"}[verb]
    if re.search(r"[^aeiou]y$", verb):
        return f"{verb[:-1]}ies"
    return f"{verb}es" if re.search(r"(?:s|x|z|ch|sh|o)$", verb) else f"{verb}s"
