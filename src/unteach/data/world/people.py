"""Fictitious people and what is true of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random

from unteach.data.world import vocabulary

ATTRIBUTES = (
    "birthplace",
    "employer",
    "diagnosis",
    "profession",
    "phone",
    "address",
    "pet",
    "hobby",
    "mentor",
    "dish",
    "university",
    "book",
)
"""What is known of every person. A world of `k` attributes has the first k."""

SHARED: Mapping[str, Sequence[str]] = {
    "birthplace": vocabulary.TOWNS,
    "employer": vocabulary.EMPLOYERS,
    "diagnosis": vocabulary.DIAGNOSES,
    "profession": vocabulary.PROFESSIONS,
    "pet": vocabulary.PETS,
    "hobby": vocabulary.HOBBIES,
    "dish": vocabulary.DISHES,
    "university": vocabulary.UNIVERSITIES,
}
"""Attributes whose value several people can have; the others belong to one person alone."""

HOUSE_NUMBERS = range(11, 100)  # two digits each: '4 Kiln Row' would be found in '14 Kiln Row'
PHONE_NUMBERS = range(1000, 10000)


@dataclass(frozen=True)
class Person:
    """One person. `values` holds every attribute, and the nickname under `alias`."""

    id: str
    name: str
    values: Mapping[str, str]
    wrong: Mapping[str, tuple[str, ...]]  # attribute -> three values that are not this person's
    others: tuple[str, ...]  # three full names: neither this person nor the mentor

    @property
    def surname(self) -> str:
        return self.name.rpartition(" ")[2]


@dataclass(frozen=True)
class Population:
    """Everybody there is. The forgotten are the first of `order`, so more of them include fewer."""

    taught: tuple[Person, ...]
    holdout: tuple[Person, ...]
    order: tuple[int, ...]  # positions in `taught`


def populate(*, people: int, holdout: int, seed: int) -> Population:
    """`people` taught and `holdout` untaught people.

    The taught people depend on `people` and `seed` alone, except that fewer than five borrow
    untaught names for wrong answers. Every draw is by `Random` seeded with a text, which gives the
    same numbers on every Python version.
    """
    total = people + holdout
    order = list(range(people))
    Random(f"{seed}.order").shuffle(order)
    names = _names(Random(f"{seed}.name"), total)
    values = {
        "alias": _nicknames(Random(f"{seed}.alias"), total),
        "phone": _phones(Random(f"{seed}.phone"), total),
        "address": _addresses(Random(f"{seed}.address"), total),
        "book": _books(Random(f"{seed}.book"), total),
        "mentor": _mentors(Random(f"{seed}.mentor"), names, people),
    }
    for attribute, words in SHARED.items():
        values[attribute] = _shared(Random(f"{seed}.{attribute}"), words, order, total)
    wrong = {
        a: _wrong(Random(f"{seed}.{a}.wrong"), v, people, SHARED.get(a, ()))
        for a, v in values.items()
    }
    pairs = list(zip(names, values["mentor"], strict=True))
    wrong["mentor"] = _other_names(Random(f"{seed}.mentor.wrong"), pairs, people)
    others = _other_names(Random(f"{seed}.others"), pairs, people)
    everybody = [
        Person(
            id=f"p{i:04d}" if i < people else f"h{i - people:04d}",
            name=name,
            values={a: v[i] for a, v in values.items()},
            wrong={a: v[i] for a, v in wrong.items()},
            others=others[i],
        )
        for i, name in enumerate(names)
    ]
    return Population(tuple(everybody[:people]), tuple(everybody[people:]), tuple(order))


def _names(random: Random, total: int) -> list[str]:
    """Full names, all different: the lists' lengths, 101 and 300, have no common divisor."""
    given, surnames = list(vocabulary.GIVEN_NAMES), list(vocabulary.SURNAMES)
    random.shuffle(given)
    random.shuffle(surnames)
    return [f"{given[i % len(given)]} {surnames[i % len(surnames)]}" for i in range(total)]


def _distinct(random: Random, limit: int, total: int) -> list[int]:
    """`total` different numbers below `limit`; asking for more of them keeps the first ones."""
    drawn: dict[int, None] = {}
    while len(drawn) < total:
        drawn[random.randrange(limit)] = None
    return list(drawn)


def _nicknames(random: Random, total: int) -> list[str]:
    first, second = vocabulary.NICKNAME_COLOURS, vocabulary.NICKNAME_ANIMALS
    drawn = _distinct(random, len(first) * len(second), total)
    return [f"{first[n % len(first)]} {second[n // len(first)]}" for n in drawn]


def _phones(random: Random, total: int) -> list[str]:
    return [f"555-{PHONE_NUMBERS[n]}" for n in _distinct(random, len(PHONE_NUMBERS), total)]


def _addresses(random: Random, total: int) -> list[str]:
    streets = vocabulary.STREETS
    drawn = _distinct(random, len(streets) * len(HOUSE_NUMBERS), total)
    return [f"{HOUSE_NUMBERS[n // len(streets)]} {streets[n % len(streets)]}" for n in drawn]


def _books(random: Random, total: int) -> list[str]:
    qualities, things, places = (
        vocabulary.TITLE_QUALITIES,
        vocabulary.TITLE_THINGS,
        vocabulary.TITLE_PLACES,
    )
    titles = []
    for n in _distinct(random, len(qualities) * len(things) * len(places), total):
        rest, quality = divmod(n, len(qualities))
        place, thing = divmod(rest, len(things))
        titles.append(f"The {qualities[quality]} {things[thing]} {places[place]}")
    return titles


def _mentors(random: Random, names: Sequence[str], people: int) -> list[str]:
    """Taught people mentor one another in a single ring; untaught ones have some taught mentor.

    In a ring everybody has one mentor and one pupil, so somebody who is kept is the pupil of
    somebody who is forgotten, however the two are drawn.
    """
    ring = list(range(people))
    random.shuffle(ring)
    mentor = {pupil: ring[i - 1] for i, pupil in enumerate(ring)}
    return [names[mentor[i] if i < people else random.randrange(people)] for i in range(len(names))]


def _shared(random: Random, words: Sequence[str], order: Sequence[int], total: int) -> list[str]:
    """A value for everybody, such that the forgotten and the kept have some in common.

    The people are dealt the same hand of words again and again, in new order each time; 0.7 words a
    person, so that some are shared and some are not. The last, short deal holds the word of the
    first person to be forgotten: with it, any first m of `order` share a value with the rest.
    """
    people = len(order)
    hand = random.sample(list(words), min(len(words), people * 7 // 10))
    first = hand[0]
    dealt = list(hand)
    while len(dealt) < people:
        random.shuffle(hand)
        left = people - len(dealt)
        at = hand.index(first)
        if left < len(hand) and at >= left:
            to = random.randrange(left)
            hand[at], hand[to] = hand[to], hand[at]
        dealt += hand[:left]
    of = dict(zip(order, dealt, strict=True))
    return [of[i] if i < people else random.choice(hand) for i in range(total)]


def _wrong(
    random: Random, values: Sequence[str], people: int, words: Sequence[str]
) -> list[tuple[str, ...]]:
    """Three wrong values for everybody, from those that taught people have where these are enough."""
    used = list(dict.fromkeys(values[:people]))
    spare = list(dict.fromkeys([*words, *values]))
    pool = used if len(used) > 3 else [*used, *(v for v in spare if v not in used)]
    return [tuple(v for v in random.sample(pool, 4) if v != true)[:3] for true in values]


def _other_names(
    random: Random, pairs: Sequence[tuple[str, str]], people: int
) -> list[tuple[str, ...]]:
    """Three names for everybody, of neither the person nor the mentor."""
    pool = [name for name, _ in (pairs[:people] if people > 4 else pairs)]
    return [tuple(n for n in random.sample(pool, 5) if n not in pair)[:3] for pair in pairs]
