"""A question with choices to a prompt that is answered by one letter."""

from __future__ import annotations

from collections.abc import Sequence
from string import ascii_uppercase

from unteach.errors import DataError


def choose_letter(
    question: str, choices: Sequence[str], answer: int | str
) -> tuple[str, str, tuple[str, ...]]:
    """Prompt, right letter, and the other letters in order.

    The prompt is the question and one line a choice: "A. first". `answer` is the right choice's
    number, counted from 0, or its letter. The letter has no space before it: chat templates trim
    what they are given, and the renderer puts a space where there is no template.

    Raises:
        DataError: there are fewer than 2 choices or more than 26, or the answer is none of them.
    """
    letters = ascii_uppercase[: len(choices)]
    if not 2 <= len(choices) <= len(ascii_uppercase):
        raise DataError(f"'{_shorten(question)}' has {len(choices)} choices; it needs 2 to 26.")
    right = _place(answer, letters)
    if right is None:
        raise DataError(
            f"the answer of '{_shorten(question)}' is '{answer}'; with {len(choices)} choices it "
            f"must be 0 to {len(choices) - 1}, or A to {letters[-1]}."
        )
    lines = (f"{letter}. {choice}" for letter, choice in zip(letters, choices, strict=True))
    prompt = "\n".join((question.strip(), *lines))
    return prompt, letters[right], tuple(x for x in letters if x != letters[right])


def _place(answer: int | str, letters: str) -> int | None:
    """The number of the right choice, or None if there is no such choice."""
    if isinstance(answer, bool):
        return None
    if isinstance(answer, str):
        name = answer.strip().upper()
        if len(name) == 1 and name in letters:
            return letters.index(name)
        if not (name.isascii() and name.isdecimal()):
            return None
        answer = int(name)
    return answer if 0 <= answer < len(letters) else None


def _shorten(question: str, limit: int = 60) -> str:
    line = " ".join(question.split())
    return line if len(line) <= limit else line[: limit - 3] + "..."
