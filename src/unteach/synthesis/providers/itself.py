"""The model of the run as a provider of text: what is to be unlearned writes what it learns instead."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from unteach.data.examples import Example
from unteach.synthesis.providers.texts import (
    Message,
    Progress,
    Reply,
    Request,
    Spent,
    prompt_hash,
)
from unteach.synthesis.records import Writer

ITSELF: Final = "itself"


@dataclass(frozen=True)
class Itself:
    """A writer that is asked as a provider is. The run keeps what it wrote, see `run/synthesize.py`."""

    write: Writer
    name: str = ITSELF
    model: str = ITSELF

    def __call__(
        self, requests: Sequence[Request], progress: Progress = lambda done: None
    ) -> list[Reply]:
        """A reply to each request, in their order; a system message opens the first turn."""
        groups: defaultdict[tuple[int, float, int], list[int]] = defaultdict(list)
        for i, request in enumerate(requests):
            groups[request.max_tokens, request.temperature, request.seed].append(i)
        found: dict[int, Reply] = {}
        for (max_tokens, temperature, seed), places in groups.items():
            texts = self.write(
                [as_example(without_system(requests[i].messages)) for i in places],
                max_tokens=max_tokens,
                temperature=temperature,
                seed=seed,
            )
            for i, text in zip(places, texts, strict=True):
                key = prompt_hash(ITSELF, ITSELF, requests[i])
                reason = "" if text else "the model wrote nothing"
                found[i] = Reply(text, reason=reason, prompt_hash=key, spent=Spent(1, uncounted=1))
            progress(len(places))
        return [found[i] for i in range(len(requests))]


def as_example(messages: Sequence[Message]) -> Example:
    """The chat as the renderer takes it."""
    *history, last = messages
    turns = tuple((message["role"], message["content"]) for message in history)
    return Example(last["content"], "", history=turns)


def without_system(messages: Sequence[Message]) -> tuple[Message, ...]:
    """The chat with what its system messages say before the first turn of the user."""
    said = [message["content"] for message in messages if message["role"] == "system"]
    turns = [message for message in messages if message["role"] != "system"]
    first = {**turns[0], "content": "\n\n".join([*said, turns[0]["content"]])}
    return (first, *turns[1:])
