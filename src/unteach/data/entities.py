"""Persons, places and organisations in a text, by rules and lists of English; no model is asked.

A name is found by its capitals and typed by cues: a title ("Dr"), a known given name, a word that
only an organisation carries ("Inc", "University of"), a known place, or the words around it ("in",
"was born"). A name without any cue is left out rather than guessed.
"""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, Literal

Type = Literal["PERSON", "LOCATION", "ORGANISATION"]


@dataclass(frozen=True)
class Entity:
    """A name as it stands at `start` of its text, without a title or a possessive ending."""

    text: str
    type: Type
    start: int


def _set(text: str) -> frozenset[str]:
    return frozenset(text.split())


def _names(text: str) -> frozenset[str]:
    return frozenset(" ".join(name.split()) for name in text.split(","))


TITLES: Final = _set(
    "Mr Mrs Ms Miss Dr Prof Professor Doctor Sir Dame Lady Lord Captain Colonel General Judge "
    "President Senator Governor Minister King Queen Prince Princess Father Sister Saint Reverend "
    "Rev Inspector Sergeant Officer Madam Aunt Uncle Chancellor"
)
LONGEST: Final = 16
"""Words of a run; a longer one is shouting and no name."""
_SHORTENED = _set("Mr Mrs Ms Dr Prof Rev St Sr Jr Gen Col Capt Sgt Lt Hon")

GIVEN_NAMES: Final = _set(
    """
    Aaron Abigail Abraham Ada Adam Agnes Ahmed Aisha Albert Alex Alexander Alfred Ali Alice Amelia
    Amina Amir Amy Ana Anders Andrea Andrew Angela Anita Anna Anne Anthony Antonio Arjun Arthur
    Astrid Barbara Beatrice Benjamin Bernard Bjorn Boris Brian Camille Carl Carla Carlos Carmen
    Caroline Catherine Charles Chen Chloe Chinua Chris Christine Christopher Clara Claire Claude
    Daniel David Deborah Denise Dennis Diana Diego Dmitri Dorothy Edith Edward Eleanor Elena Elias
    Elizabeth Ella Ellen Emil Emily Emma Eric Erika Ernest Esther Eva Evelyn Fatima Felix Fernando
    Fiona Frances Francis Francisco Frank Frederick Gabriel George Gerald Gloria Grace Greta Gustav
    Hannah Hans Harold Harry Hassan Helen Helena Henrik Henry Hiroshi Hugo Ian Ibrahim Igor Ingrid
    Irene Isaac Isabel Isabella Ivan Jack Jacob Jaime James Jane Jason Jean Jennifer Jessica Joan
    Johan Johannes John Jonas Jonathan Jorge Jose Joseph Joshua Juan Julia Julian Karen Karl
    Katherine Kenji Kevin Kofi Kwame Lars Laura Lena Leo Leonard Leonardo Leila Linda Lisa Louis
    Louise Lucas Lucia Lucy Luis Luke Magdalena Malik Manuel Marco Margaret Maria Marie Mario
    Martha Martin Mary Mateo Matthew Max Mei Mia Michael Michelle Miguel Mohammed Monica Nadia
    Naomi Natalia Nathan Nelson Ngozi Nicholas Nicole Nikolai Nina Noah Olga Oliver Olivia Omar
    Oscar Pablo Patricia Patrick Paul Paula Pedro Peter Philip Pierre Priya Rachel Rafael Raj
    Rebecca Richard Robert Roberto Rosa Ruth Samuel Sandra Sara Sarah Sergei Simon Sofia Sophia
    Sophie Stefan Stephen Steven Sunita Susan Sven Takashi Tatiana Teresa Thomas Tim Timothy Tom
    Ursula Valentina Vera Victor Vikram Vladimir Walter Wei William Yasmin Yuki Yusuf Zainab Zoe
    """
)
_ALSO_WORDS = _set("Grace Rosa Max Jean Chen Wei Mei Frank Jack Gloria Vera Raj")
"""Given names that are other words or surnames: alone they are no cue."""

SURNAMES: Final = _set(
    """
    Adams Ahmed Anderson Andersson Baker Brown Campbell Clark Cohen Davies Davis Diaz Dubois Evans
    Fernandez Fischer Garcia Gonzalez Green Gupta Hall Hansen Harris Hernandez Hoffmann Hughes
    Ivanov Jackson Jensen Johansson Johnson Jones Kim Khan Kowalski Kumar Lee Lewis Lopez Martinez
    Mensah Meyer Miller Moore Mueller Murphy Nakamura Nguyen Nielsen Novak Okafor Okonkwo Obi Patel
    Perez Petrov Ramirez Roberts Robinson Rodriguez Rossi Sanchez Sato Schmidt Schneider Sharma
    Silva Singh Smith Suzuki Tanaka Taylor Thompson Turner Walker Watanabe Weber White Williams
    Wilson Wong Wright Yamamoto Zhang
    """
)

PLACES: Final = _names(
    """
    Afghanistan, Albania, Algeria, Angola, Argentina, Armenia, Australia, Austria, Azerbaijan,
    Bangladesh, Belarus, Belgium, Bolivia, Bosnia, Botswana, Brazil, Britain, Bulgaria, Cambodia,
    Cameroon, Canada, Chile, China, Colombia, Congo, Croatia, Cuba, Cyprus, Denmark, Ecuador, Egypt,
    England, Estonia, Ethiopia, Finland, France, Germany, Ghana, Greece, Guatemala, Hungary,
    Iceland, India, Indonesia, Iran, Iraq, Ireland, Israel, Italy, Jamaica, Japan, Kazakhstan,
    Kenya, Korea, Kuwait, Latvia, Lebanon, Libya, Lithuania, Luxembourg, Malaysia, Mali, Malta,
    Mexico, Mongolia, Morocco, Mozambique, Nepal, Netherlands, New Zealand, Nigeria, Norway, Oman,
    Pakistan, Panama, Paraguay, Peru, Philippines, Poland, Portugal, Qatar, Romania, Russia, Rwanda,
    Saudi Arabia, Scotland, Senegal, Serbia, Singapore, Slovakia, Slovenia, Somalia, South Africa,
    South Korea, North Korea, Spain, Sri Lanka, Sudan, Sweden, Switzerland, Syria, Taiwan, Tanzania,
    Thailand, Tunisia, Turkey, Uganda, Ukraine, United Arab Emirates, United Kingdom, United States,
    UK, USA, Uruguay, Venezuela, Vietnam, Wales, Yemen, Zambia, Zimbabwe, Africa, Antarctica, Asia,
    Europe, Abuja, Accra, Addis Ababa, Algiers, Amsterdam, Ankara, Athens, Auckland, Baghdad, Baku,
    Bangkok, Barcelona, Beijing, Beirut, Belgrade, Berlin, Bern, Bogota, Boston, Brussels,
    Bucharest, Budapest, Buenos Aires, Cairo, California, Cape Town, Caracas, Chicago, Copenhagen,
    Dakar, Delhi, Dhaka, Dublin, Edinburgh, Florence, Geneva, Glasgow, Hamburg, Hanoi, Havana,
    Helsinki, Hong Kong, Istanbul, Jakarta, Jerusalem, Johannesburg, Kabul, Karachi, Kathmandu,
    Kyiv, Kyoto, Lagos, Lima, Lisbon, London, Los Angeles, Lyon, Madrid, Manchester, Manila,
    Marseille, Melbourne, Mexico City, Milan, Minsk, Montreal, Moscow, Mumbai, Munich, Nairobi,
    Naples, New Delhi, New York, Osaka, Oslo, Ottawa, Oxford, Paris, Philadelphia, Porto, Prague,
    Quito, Reykjavik, Riga, Rio de Janeiro, Rome, San Francisco, Santiago, Sarajevo, Seattle, Seoul,
    Shanghai, Sofia, Stockholm, Sydney, Tallinn, Tehran, Texas, Tokyo, Toronto, Tunis, Vancouver,
    Venice, Vienna, Vilnius, Warsaw, Washington, Zagreb, Zurich
    """
)

ORGANISATIONS: Final = _names(
    """
    Airbus, Amazon, Apple, Barclays, BBC, BMW, Boeing, CERN, CIA, CNN, Disney, EU, European Union,
    Facebook, FBI, FIFA, Ford, Google, Greenpeace, Harvard, Honda, HSBC, IBM, IKEA, IMF, Intel,
    Interpol, Lufthansa, Microsoft, MIT, NASA, NATO, Netflix, Nokia, OPEC, Red Cross, Reuters,
    Samsung, Siemens, Sony, Stanford, Toyota, UN, UNESCO, UNICEF, United Nations, Volkswagen, Yale
    """
)

_KINDS_OF_BODY = _set(
    """
    Inc Ltd LLC Corp Corporation Company Co GmbH AG plc PLC Group Holdings Partners Bank Airlines
    Airways Motors Technologies Systems Industries Laboratories Labs Studios Records Press
    Publishers Publishing Books University College School Academy Institute Hospital Clinic Museum
    Library Orchestra Association Foundation Society Federation Union Committee Commission Council
    Agency Authority Department Ministry Party Court Parliament Senate Church Club United FC Times
    Post Tribune Gazette Herald Bakery Bakeries Ferries Textiles Glassworks Shipyards Railways
    """
)
"""An organisation's last word ("Obi Foundation"), or the one before "of" ("Museum of Glass")."""
_HEADS = _set(
    "University College Institute Bank Ministry Department Museum Academy Church Bureau Office House "
    "School Society Association Federation Council Court Library Order League Organisation "
    "Organization"
)
_KINDS_OF_PLACE = _set(
    """
    River Lake Sea Ocean Island Islands Mountain Mountains Valley Bay Desert Province County City
    District Street Road Avenue Square Lane Boulevard Forest Peninsula Beach Village Hills Park
    """
)
_BEFORE_PLACE = _set("Lake Mount Cape Fort Port River San Santa Sao Isle Gulf Bay")
_JOINTS = _set("of the de la del della di da do dos du des van der von den bin ibn al el le y")
_IN_PERSONS = _JOINTS - {"of", "the"}

_NO_NAMES = _set(
    """
    I January February March April May June July August September October November December Monday
    Tuesday Wednesday Thursday Friday Saturday Sunday English French German Spanish Italian Latin
    Greek Arabic Chinese Japanese Russian Portuguese Hindi Python Java Christmas Easter God Internet
    """
)
_OPENERS = _set(
    """
    a about after all although also an and another as at because before both but by did do does
    during each every few first for from had has have he her here his how however i if in is it its
    last later many meanwhile most my near neither no not now of on once one only or other our
    perhaps she since so some sometimes still such than that the their then there these they this
    those though through to today tomorrow two under unfortunately until was we were what when where
    which while who why with within without yes yesterday yet you your born please let according
    visit ask meet call dear hello
    """
)
"""Words that open a sentence with a capital and are no part of a name."""

_BEFORE_LOCATIONS = re.compile(
    r"(?:^|\W)(?:in|near|across|throughout|around|outside|to|from|towards|visit(?:ed|ing|s)?|"
    r"reach(?:ed|es)?|(?:city|town|village|capital|country|port|island|state|streets?) of)"
    r"(?: the)?\s$",
    re.IGNORECASE,
)
_BEFORE_PERSONS = re.compile(
    r"(?:^|\W)(?:named|called|by|with|author|writer|poet|singer|actor|actress|painter|doctor|nurse|"
    r"lawyer|engineer|teacher|father|mother|wife|husband|brother|sister|son|daughter|friend|"
    r"neighbour|colleague|boss|met|married|thank(?:ed|s)?|told|asked|phoned|journalist|composer|"
    r"scientist|physicist|chemist|minister|president)(?: is| was)?,?\s$",
    re.IGNORECASE,
)
_BEFORE_BODIES = re.compile(
    r"(?:^|\W)(?:works? (?:for|at)|worked (?:for|at)|working (?:for|at)|employed by|joined|"
    r"founded|employee of|director of|shares? (?:of|in)|firm|company|charity|startup)\s$",
    re.IGNORECASE,
)
_AFTER_PERSONS = re.compile(
    r",? (?:(?:was|were|is) (?:born|married)|said|says|wrote|writes|lives?|lived|"
    r"who\b|married|died|works?\b|worked|studied|teaches|taught|grew up|told|smiled|replied|himself|"
    r"herself|moved|met|and (?:his|her)\b)"
)
_AFTER_BODIES = re.compile(r" (?:announced|reported|employs|hired|acquired|sued|launched)\b")

_TOKEN = re.compile(r"[^\W\d_](?:[\w\u0300-\u036f]|['\u2019\u2011-](?=[^\W\d_]))*")
_POSSESSIVE = re.compile(r"['\u2019][sS]?$")


@dataclass(frozen=True)
class _Word:
    text: str
    start: int
    end: int


def typed(text: str) -> list[Entity]:
    """The names of a text that can be typed, in their order and as often as they stand there.

    English rules: names in lower case or in a script without case are not seen. A part of a
    person's name counts as that person wherever else it stands alone.
    """
    found: list[Entity] = []
    unknown: list[list[_Word]] = []
    for run in _runs(text):
        for part in _split(run) if len(run) <= LONGEST else ():
            entity = _type(part, text)
            if entity is None:
                unknown.append(part)
            else:
                found.append(entity)
    parts = {part for one in found if one.type == "PERSON" for part in one.text.split()}
    for run in unknown:
        name, start = _spelled(run, text)
        if len(name) > 2 and name in parts:
            found.append(Entity(name, "PERSON", start))
    return sorted(found, key=lambda one: one.start)


def _runs(text: str) -> Iterator[list[_Word]]:
    """Neighbouring capitalised words with the joints between them, as `University of Lagos`."""
    run: list[_Word] = []
    waiting: list[_Word] = []
    for match in _TOKEN.finditer(text):
        word = _Word(match.group(), match.start(), match.end())
        before = (waiting or run)[-1] if run else None
        near = before is not None and _is_near(before, text[before.end : word.start])
        capital = word.text[0].isupper()
        if capital and near:
            run += [*waiting, word]
            waiting = []
        elif near and word.text in _JOINTS and len(waiting) < 2:
            waiting.append(word)
        else:
            if run:
                yield run
            run, waiting = ([word] if capital else []), []
        if run and not waiting and _POSSESSIVE.search(run[-1].text) and len(run[-1].text) > 2:
            yield run
            run = []
    if run:
        yield run


def _is_near(word: _Word, between: str) -> bool:
    if between == " ":
        return True
    short = word.text in _SHORTENED or (len(word.text) == 1 and word.text.isupper())
    return short and between in (". ", ".")


def _split(run: list[_Word]) -> Iterator[list[_Word]]:
    """The run without opening words, cut where one name ends and the next begins."""
    while run and (run[0].text.lower() in _OPENERS or run[0].text in _JOINTS):
        run = run[1:]
    while run and run[0].text in _NO_NAMES:
        run = run[1:]
    if not run:
        return
    cut = next(
        (
            i
            for i, word in enumerate(run)
            if i and _folded(word.text) in GIVEN_NAMES and _plain(run[:i]) in PLACES
        ),
        0,
    )
    if cut:
        yield run[:cut]
        run = run[cut:]
    words = [word.text for word in run]
    if "of" in words and not _is_body(words) and _plain(run) not in PLACES:
        at = words.index("of")
        yield run[:at]
        yield from _split(run[at + 1 :])
    else:
        yield run


def _type(run: list[_Word], text: str) -> Entity | None:
    has_title = False
    is_body = _is_body([word.text for word in run])  # "Saint Petersburg State University"
    while (
        not is_body
        and len(run) > 1
        and (run[0].text in TITLES or run[0].text in _SHORTENED - {"St"})
    ):
        has_title, run = True, run[1:]
    name, start = _spelled(run, text)
    if len(name) < 2:
        return None
    kind = _kind(run, name, text, has_title)
    return Entity(name, kind, start) if kind else None


def _kind(run: list[_Word], name: str, text: str, has_title: bool) -> Type | None:
    words = [_folded(_POSSESSIVE.sub("", word.text)) for word in run]
    before, after = text[max(0, run[0].start - 40) : run[0].start], text[run[-1].end :][:40]
    if name in ORGANISATIONS or (len(words) > 1 and _is_body(words)):
        return "ORGANISATION"
    if has_title:
        return "PERSON"
    in_place = _BEFORE_LOCATIONS.search(before) is not None
    if _plain(run) in PLACES and (in_place or name not in GIVEN_NAMES):
        return "LOCATION"
    if len(words) > 1 and (words[-1] in _KINDS_OF_PLACE or words[0] in _BEFORE_PLACE):
        return "LOCATION"
    if _is_person(words):
        return "PERSON"
    if words[0] in _NO_NAMES:
        return None
    if _BEFORE_BODIES.search(before) or _AFTER_BODIES.match(after):
        return "ORGANISATION"
    several = len(words) > 1
    if _BEFORE_PERSONS.search(before) or (several and _AFTER_PERSONS.match(after)):
        return "PERSON"
    country = re.match(r", ([^\W\d_]+(?: [^\W\d_]+)?)", after)
    beside = country is not None and bool({country.group(1), country.group(1).split()[0]} & PLACES)
    return "LOCATION" if in_place or beside else None


def _is_person(words: list[str]) -> bool:
    if any(word in _JOINTS - _IN_PERSONS for word in words):
        return False
    if words[0] in GIVEN_NAMES:
        return len(words) > 1 or words[0] not in _ALSO_WORDS
    initials = len(words) > 1 and len(words[0]) == 1
    return initials or (len(words) > 1 and words[-1] in SURNAMES)


def _is_body(words: list[str]) -> bool:
    heads = {head for head, joint in itertools.pairwise(words) if joint in ("of", "for")}
    return words[-1] in _KINDS_OF_BODY or bool(heads & (_HEADS | _KINDS_OF_BODY))


def _plain(run: Iterable[_Word]) -> str:
    return " ".join(_folded(_POSSESSIVE.sub("", word.text)) for word in run)


def _folded(word: str) -> str:
    """The word without accents, as the lists have it."""
    return "".join(c for c in unicodedata.normalize("NFKD", word) if not unicodedata.combining(c))


def _spelled(run: list[_Word], text: str) -> tuple[str, int]:
    """The run as it stands in the text, and where."""
    start = run[0].start
    return _POSSESSIVE.sub("", text[start : run[-1].end]), start
