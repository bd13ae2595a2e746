"""A tokenizer's chat template, applied to what it was not written for."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

from jinja2 import TemplateError

from unteach.errors import DataError, ModelError

Turn = dict[str, str]

SECONDS = 20.0
"""How long a template may take over one short question."""

_REFUSALS = (TemplateError, TypeError, ValueError, LookupError, AttributeError, ArithmeticError)
"""What a template's own `raise_exception`, or a mistake in it, ends in."""


def written(tokenizer: Any, turns: Sequence[Turn], where: str, *, is_open: bool) -> str:
    """The conversation as the template writes it, open for an answer or not.

    A system message that the template refuses or leaves out, as those of Mistral and Gemma do, goes
    before the first user turn, with an empty line between.

    Raises:
        DataError: the template refuses the conversation.
    """
    try:
        text = _applied(tokenizer, turns, is_open)
        if turns[0]["role"] != "system" or turns[0]["content"].strip() in text:
            return text
    except _REFUSALS as error:
        if turns[0]["role"] != "system":
            raise _refused(where, error) from None
    try:
        return _applied(tokenizer, folded(turns), is_open)
    except _REFUSALS as error:
        raise _refused(where, error) from None


def folded(turns: Sequence[Turn]) -> list[Turn]:
    """The conversation with its system message at the head of the first user turn."""
    system, *rest = turns
    at = next((i for i, turn in enumerate(rest) if turn["role"] == "user"), None)
    if at is None:
        return list(turns)
    content = f"{system['content']}\n\n{rest[at]['content']}"
    return [*rest[:at], {"role": "user", "content": content}, *rest[at + 1 :]]


def require_sound(tokenizer: Any, name: str, seconds: float = SECONDS) -> None:
    """Refuse a template that does not end, raises at a plain question, or leaves the question out.

    Raises:
        ModelError: it does; `name` is the model's.
    """
    if tokenizer.chat_template is None:
        return
    said: list[str] = []
    errors: list[DataError] = []

    def ask() -> None:
        try:
            for question in ("Who is Ada?", "Where is Bo?"):
                turn = {"role": "user", "content": question}
                said.append(written(tokenizer, [turn], "a plain question", is_open=True))
        except DataError as error:
            errors.append(error)

    # a thread, as no signal ends a loop on every system; it does not keep the program from ending
    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(seconds)
    right = "Give the tokenizer the template that the model was trained with."
    if asking.is_alive():
        raise ModelError(
            f"model: {name}: its chat template is not done with a plain question after "
            f"{seconds:g} seconds. {right}"
        )
    if errors:
        raise ModelError(f"model: {name}: {errors[0]}")
    if said[0] == said[1]:
        raise ModelError(
            f"model: {name}: its chat template leaves the question out: two questions are written "
            f"alike. {right}"
        )


def _applied(tokenizer: Any, turns: Sequence[Turn], is_open: bool) -> str:
    return str(
        tokenizer.apply_chat_template(list(turns), add_generation_prompt=is_open, tokenize=False)
    )


def _refused(where: str, error: Exception) -> DataError:
    said = str(error).strip().split("\n")[0] or type(error).__name__
    return DataError(
        f"{where}: the model's chat template refuses this conversation: {said}. Turns alternate "
        "between user and assistant in most templates; change the row, or the template."
    )
