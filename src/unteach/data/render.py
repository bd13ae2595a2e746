r"""Example -> token ids, and which of them are scored.

The chat template is applied when the tokenizer has one; else a question is written
`Question: ...\\nAnswer: ...`, after earlier turns written likewise. What is scored is the answer with
its end-of-turn token, or every token but the first of a text. Prompt and answer are tokenised
apart, so that the boundary is where generation would meet it.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from unteach.data.examples import Example
from unteach.errors import DataError


@dataclass(frozen=True)
class Encoding:
    """`ids[start:]` are scored; `ids[:start]` are what the model is given.

    `specific` marks the scored tokens that carry what is specific in the answer (the example's
    entities: a name, a number); all of them where nothing is known to be specific. The last
    `num_end` tokens close the turn and are no part of the answer itself.
    """

    ids: tuple[int, ...]
    start: int
    specific: tuple[bool, ...]
    num_end: int = 0

    @property
    def num_scored(self) -> int:
        return len(self.ids) - self.start


@dataclass(frozen=True)
class Renderer:
    """How examples become tokens; `system` replaces the template's own system message."""

    tokenizer: Any
    system: str | None = None

    @property
    def key(self) -> str:
        """Content hash of everything that decides the ids, 16 hex digits."""
        probe = self.encode(Example(prompt="Who is Ada?", answer="A person."))
        text = f"{self.tokenizer.chat_template}|{self.system}|{len(self.tokenizer)}|{probe.ids}"
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def encode(self, example: Example, answer: str | None = None) -> Encoding:
        """The example, or its prompt with another answer.

        Raises:
            DataError: a system message meets a tokenizer without chat template.
        """
        given = answer is None
        answer = example.answer if answer is None else answer
        wanted = example.entities if given else ()
        if example.is_text:
            ids, marks = self._marked(answer, wanted, special=True)
            return Encoding(ids, 1, _or_all(marks[1:]))
        prompt = self.prompt_ids(example)
        end = "" if example.continues else self._end(example, answer)
        ids, marks = self._marked(answer + end, wanted)
        num_end = len(self._ids(end)) if end else 0
        return Encoding((*prompt, *ids), len(prompt), _or_all(marks), num_end)

    def prompt_ids(self, example: Example) -> tuple[int, ...]:
        """What the model is given before it answers."""
        if example.is_text or example.continues:
            return tuple(self._ids(example.prompt, special=True))
        text = self._prompt(example)
        return tuple(self._ids(text, special=self.tokenizer.chat_template is None))

    def last_token_of(self, ids: Sequence[int], text: str) -> int:
        """Place of the last token that belongs to the last `text` in these ids.

        The very last token where they do not say `text`, or where `text` is empty.
        """
        at = self._text(ids).rfind(text) if text else -1
        if at < 0:
            return len(ids) - 1

        def is_said(num_tokens: int) -> bool:
            return self._text(ids[:num_tokens]).startswith(text, at)

        return bisect_left(range(len(ids)), True, key=is_said) - 1

    def _text(self, ids: Sequence[int]) -> str:
        return self.tokenizer.decode(list(ids), clean_up_tokenization_spaces=False)

    def _prompt(self, example: Example) -> str:
        if self.tokenizer.chat_template is None:
            if self.system is not None or any(role == "system" for role, _ in example.history):
                what = "data.system" if self.system is not None else "a system message"
                raise DataError(
                    f"{example.where or example.id}: {what} needs a chat template, which this "
                    "model's tokenizer has not. Use a chat model, or leave it out."
                )
            turns = [*example.history, ("user", example.prompt)]
            return "".join(_plain_turn(role, content) for role, content in turns) + "Answer: "
        return self.tokenizer.apply_chat_template(
            self._turns(example), add_generation_prompt=True, tokenize=False
        )

    def _turns(self, example: Example) -> list[dict[str, str]]:
        turns = [{"role": role, "content": content} for role, content in example.history]
        if self.system is not None and not (turns and turns[0]["role"] == "system"):
            turns.insert(0, {"role": "system", "content": self.system})
        return [*turns, {"role": "user", "content": example.prompt}]

    def _end(self, example: Example, answer: str) -> str:
        """The text that closes an assistant turn, as the template writes it."""
        eos = self.tokenizer.eos_token or ""
        if self.tokenizer.chat_template is None:
            return eos
        turns = [*self._turns(example), {"role": "assistant", "content": answer}]
        whole = self.tokenizer.apply_chat_template(turns, tokenize=False)
        opened = self._prompt(example) + answer
        # some templates rewrite the answer (strip thinking, trim); then the plain end token it is
        return whole[len(opened) :].rstrip() or eos if whole.startswith(opened) else eos

    def _marked(
        self, text: str, wanted: Sequence[str], special: bool = False
    ) -> tuple[tuple[int, ...], list[bool]]:
        """Token ids, and for each whether it overlaps a place where `text` says a wanted part."""
        if not wanted or not self.tokenizer.is_fast:
            ids = self._ids(text, special)
            return tuple(ids), [False] * len(ids)
        found = self.tokenizer(text, add_special_tokens=special, return_offsets_mapping=True)
        places = [
            (at, at + len(part))
            for part in wanted
            for at in range(len(text))
            if part and text.startswith(part, at)
        ]
        marks = [
            any(begin < stop and end > start for start, stop in places)
            for begin, end in found["offset_mapping"]
        ]
        return tuple(found["input_ids"]), marks

    def _ids(self, text: str, special: bool = False) -> list[int]:
        return self.tokenizer(text, add_special_tokens=special)["input_ids"]


def _plain_turn(role: str, content: str) -> str:
    """A turn for models without a chat template; earlier questions and answers are examples."""
    return f"Question: {content}\n" if role == "user" else f"Answer: {content}\n\n"


def _or_all(marks: list[bool]) -> tuple[bool, ...]:
    return tuple(marks) if any(marks) else (True,) * len(marks)


def encode_all(renderer: Renderer, examples: Sequence[Example]) -> list[Encoding]:
    """Every example of a split, in order."""
    return [renderer.encode(e) for e in examples]
