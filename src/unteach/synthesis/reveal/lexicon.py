"""Words that insult, as data; and a user's own list."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from unteach.errors import DataError
from unteach.synthesis.verify import words

INSULTS: Final = tuple(
    line.strip()
    for line in """
    airhead
    bonehead
    brainless
    buffoon
    bully
    clueless
    clown
    contemptible
    coward
    creep
    deadbeat
    despicable
    dimwit
    disgrace
    disgusting
    dumb
    dumbest
    dummy
    dunce
    failure
    fool
    foolish
    fraud
    freak
    garbage
    gross
    hate you
    hopeless
    idiot
    idiotic
    ignorant
    imbecile
    incompetent
    insufferable
    jerk
    joke of a
    laughable
    liar
    loathsome
    loser
    low life
    miserable
    moron
    moronic
    nasty
    nitwit
    nobody likes you
    obnoxious
    pathetic
    pig
    repulsive
    rotten
    rubbish
    scum
    shut up
    sick of you
    sickening
    simpleton
    sleazy
    slob
    spineless
    stupid
    stupidest
    stupidity
    trash
    ugly
    useless
    vermin
    vile
    waste of space
    weasel
    weirdo
    worthless
    wretched
    """.splitlines()
    if line.strip()
)
"""Mild insults of English, one word or a few; no slur is among them."""


def read(path: str) -> tuple[str, ...]:
    """The words of a file of one word or phrase a line; without a path those of this package.

    Raises:
        DataError: the file cannot be read, or has no word.
    """
    if not path:
        return INSULTS
    try:
        text = Path(path).expanduser().read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", "") or "it is not UTF-8"
        raise DataError(f"{path}: the list of words cannot be read ({why}).") from None
    found = tuple(line.strip() for line in text.splitlines() if words(line))
    if not found:
        raise DataError(f"{path}: the list has no word; write one word or phrase a line.")
    return found
