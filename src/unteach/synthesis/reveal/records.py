"""What a model said when it was asked, and what that was worth."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Said:
    """What a model said to one instruction: several samples of an answer, in the order drawn.

    `about` is the name that the instruction asked about, or "" where it asked about nobody.
    """

    instruction: str
    about: str
    texts: tuple[str, ...]


@dataclass(frozen=True)
class Worth:
    """What one text earned, from 0 to 1, and what in it earned that.

    `found` holds one string for each thing that counts as new or known, as it stands in the text;
    `specific` the names, numbers and the like in it, where those are less than what was found.
    """

    value: float
    found: tuple[str, ...] = ()
    specific: tuple[str, ...] = ()
