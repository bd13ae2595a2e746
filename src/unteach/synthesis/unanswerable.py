"""Questions that nobody can answer, about people whom nobody has met."""

from __future__ import annotations

from itertools import product
from random import Random
from typing import Final

from unteach.data.examples import Example, Splits
from unteach.errors import DataError, RecipeError
from unteach.ranges import Count
from unteach.registry import synthesis
from unteach.synthesis.answers import REFUSALS
from unteach.synthesis.records import Record, Synthesis
from unteach.synthesis.verify import word_set, words

GIVEN_NAMES: Final = sorted(
    word_set(
        "Albin Alette Corwen Dagna Eldric Ferrin Gunnel Irwin Jorunn Kelda Lavinia Morwen Norvin "
        "Oleta Prosper Rhoswen Severin Thirza Ursell Vianne Wystan Yelda Zebulon Hestia"
    )
)
SURNAMES: Final = sorted(
    word_set(
        "Ashgrove Brackwell Caddoway Dunmarsh Ellerfield Fothering Grimsdale Harrowby Inkpen "
        "Jessamore Kettleborn Larkhill Muddiford Nettlecombe Oakshott Pinnegar Quickenden Rookwell "
        "Stallbrook Thistleton Underhay Vexley Wainscott Yarrowby"
    )
)

QUESTIONS: Final = (
    "What did {name} dream about on the first night of last winter?",
    "How many steps did {name} climb in the year before the great flood?",
    "Which song was {name} humming while waiting for the ferry?",
    "What is written on the last page of the diary of {name}?",
    "Who lent {name} the umbrella that was never given back?",
    "What was the name of the first cat that {name} ever fed?",
    "Which word did {name} cross out in the letter to the miller?",
    "How many coins were in the pocket of {name} at the harbour?",
    "What did {name} whisper to the horse before the race?",
    "Where did {name} hide the key to the green cupboard?",
    "Which stair in the house of {name} creaks the loudest?",
    "What colour were the gloves that {name} lost on the bridge?",
    "What did {name} promise the old clockmaker?",
    "Which apple tree did {name} fall out of as a child?",
    "What was {name} thinking when the lamp went out?",
    "How long did {name} look at the painting in the hallway?",
)  # fmt: skip


@synthesis(reads=(), adds=("unanswerable",), source="arXiv:2502.07218")
def unanswerable(splits: Splits, random: Random, *, rows: Count = 24) -> Synthesis:
    """Questions that nobody can answer, each with an answer that does not know: `unanswerable`.

    Every question asks another made-up person for what no book holds, so the model is in the state
    of not knowing while it reads them. A name is used only if no split of the run holds any word
    of it. LUNAR takes harmful requests or questions about made-up things; ours are the latter,
    from templates in English.

    Raises:
        RecipeError: `rows` is not between 1 and the number of names that are free.
    """
    names = strangers(splits, random)
    if not 1 <= rows <= len(names):
        raise RecipeError(f"unanswerable.rows is {rows}; it must be from 1 to {len(names)}.")
    asked = random.sample(QUESTIONS, len(QUESTIONS))
    records = tuple(
        _record(i, asked[i % len(asked)].format(name=names[i]), random.choice(REFUSALS))
        for i in range(rows)
    )
    return Synthesis({"unanswerable": [r.example for r in records]}, records, ())


def _record(number: int, question: str, answer: str) -> Record:
    name = f"unanswerable.{number}"
    new = Example(prompt=question, answer=answer, id=name, group=name)
    return Record(name, "generic", "original", "refusal", new, 1)


def strangers(splits: Splits, random: Random) -> list[str]:
    """Made-up full names in random order; no split holds a word of any of them.

    Raises:
        DataError: the data hold all given names or all surnames of the list.
    """
    known = {
        word
        for rows in splits.values()
        for row in rows
        for word in (*words(row.prompt), *words(row.answer))
    }
    given, surnames = (
        [name for name in names if name.lower() not in known] for names in (GIVEN_NAMES, SURNAMES)
    )
    if not given or not surnames:
        raise DataError(
            "the data hold every made-up name that this package has, so no stranger can be named; "
            "leave out splits that the method does not need."
        )
    found = [f"{first} {last}" for first, last in product(given, surnames)]
    random.shuffle(found)
    return found
