r"""Example -> token ids, and which of them are scored.

The chat template is applied when the tokenizer has one; else a question is written
`Question: ...\\nAnswer: ...`, after earlier turns written likewise. What is scored is the answer with
its end-of-turn token, or every token but the first of a text. Prompt and answer are tokenised
together, and the space between them belongs to the answer: so they meet where the model, given the
prompt, would write on.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise, takewhile
from typing import Any, Final

from unteach.data import templates
from unteach.data.examples import Example
from unteach.data.mentions import places
from unteach.errors import DataError

VERSION: Final = 2
"""Of the rules by which ids and marks are made; part of every key of a measurement."""


@dataclass(frozen=True)
class Encoding:
    """`ids[start:]` are scored; `ids[:start]` are what the model is given.

    `specific` marks the scored tokens that carry what is specific in the answer (the example's
    entities: a name, a number); the whole answer where nothing is known to be specific. The last
    `num_end` tokens close the turn; they are no part of the answer and never specific.
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
        """Content hash of everything that decides the ids and marks, 16 hex digits."""
        probe = self.encode(Example(prompt="Who is Ada?", answer="A person."))
        how = f"{VERSION}|{self.tokenizer.chat_template}|{self.system}|{len(self.tokenizer)}"
        return hashlib.sha256(f"{how}|{probe.ids}".encode()).hexdigest()[:16]

    def encode(self, example: Example, answer: str | None = None) -> Encoding:
        """The example, or its prompt with another answer.

        Raises:
            DataError: a system message meets a tokenizer without chat template.
        """
        wanted = example.entities if answer is None else ()
        answer = example.answer if answer is None else answer
        if example.is_text:
            found = self._read(answer)
            start = len(self._opening) or 1
            specific = _specific(found.spans[start - len(self._opening) :], wanted, answer, 0)
            return Encoding((*self._opening, *found.ids), start, specific)
        prompt = self._prompt(example)
        lead, end = ("", "") if example.continues else self._around(example, answer)
        lead = prompt.space + lead
        scored = self._after(prompt.text, f"{lead}{answer}{end}")
        length = len(lead) + len(answer)
        num_end = sum(begin >= length for begin, _ in scored.spans)
        own = scored.spans[: len(scored.spans) - num_end]
        specific = _specific(own, wanted, answer, len(lead)) + (False,) * num_end
        given = self._given(prompt)
        return Encoding((*given, *scored.ids), len(given), specific, num_end)

    def prompt_ids(self, example: Example) -> tuple[int, ...]:
        """What the model is given before it answers."""
        if example.is_text:
            whole = self.encode(example)
            return whole.ids[: whole.start]
        return self._given(self._prompt(example))

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

    def _prompt(self, example: Example) -> _Prompt:
        if example.continues:
            return _without_last_space(example.prompt, is_opened=True)
        if self.tokenizer.chat_template is not None:
            return _without_last_space(self._templated(example), is_opened=False)
        if self.system is not None or any(role == "system" for role, _ in example.history):
            what = "data.system" if self.system is not None else "a system message"
            raise DataError(
                f"{example.where or example.id}: {what} needs a chat template, which this "
                "model's tokenizer has not. Use a chat model, or leave it out."
            )
        turns = [*example.history, ("user", example.prompt)]
        text = "".join(_plain_turn(role, content) for role, content in turns) + "Answer: "
        return _without_last_space(text, is_opened=True)

    def _templated(self, example: Example, *last: dict[str, str]) -> str:
        """The conversation as the template writes it, opened for an answer or with one."""
        turns = [*self._turns(example), *last]
        return templates.written(
            self.tokenizer, turns, example.where or example.id, is_open=not last
        )

    def _turns(self, example: Example) -> list[dict[str, str]]:
        turns = [{"role": role, "content": content} for role, content in example.history]
        if self.system is not None and not (turns and turns[0]["role"] == "system"):
            turns.insert(0, {"role": "system", "content": self.system})
        return [*turns, {"role": "user", "content": example.prompt}]

    def _around(self, example: Example, answer: str) -> tuple[str, str]:
        """The space before an assistant's answer and what closes it, as the template writes them."""
        eos = self.tokenizer.eos_token or ""
        if self.tokenizer.chat_template is None:
            return "", eos
        opened = self._templated(example)
        whole = self._templated(example, {"role": "assistant", "content": answer})
        rest = whole[len(opened) :] if whole.startswith(opened) else ""
        space = rest[: len(rest) - len(rest.lstrip())]
        for lead in ("", space):
            if rest.startswith(lead + answer):
                return lead, rest[len(lead) + len(answer) :].rstrip() or eos
        # some templates rewrite the answer (strip thinking, trim); then the plain end token it is
        return "", eos

    def _given(self, prompt: _Prompt) -> tuple[int, ...]:
        opening = self._opening if prompt.is_opened else ()
        return (*opening, *self._read(prompt.text).ids)

    @cached_property
    def _opening(self) -> tuple[int, ...]:
        """What the tokenizer puts before any text; what it puts after one is not for us to write."""
        special = frozenset(self.tokenizer.all_special_ids)
        return tuple(takewhile(special.__contains__, self.tokenizer("a")["input_ids"]))

    def _after(self, before: str, text: str) -> _Tokens:
        """The tokens of `text` as they follow those of `before`; spans are places in `text`."""
        # Where a token of both in one go lies across the boundary, no generation could put it there.
        # After a line break nothing is joined, and no tokenizer adds the space of a text's beginning.
        for anchor in (before, "\n"):
            first, whole = self._read(anchor).ids, self._read(anchor + text)
            if first and whole.ids[: len(first)] == first:
                spans = ((begin - len(anchor), end - len(anchor)) for begin, end in whole.spans)
                return _Tokens(whole.ids[len(first) :], tuple(spans)[len(first) :])
        return self._read(text)

    def _read(self, text: str) -> _Tokens:
        is_fast = self.tokenizer.is_fast
        found = self.tokenizer(text, add_special_tokens=False, return_offsets_mapping=is_fast)
        ids = found["input_ids"]
        spans = found["offset_mapping"] if is_fast else self._spans(text, ids)
        return _Tokens(tuple(ids), tuple(map(tuple, spans)))

    def _spans(self, text: str, ids: Sequence[int]) -> list[tuple[int, int]]:
        """Where each token stands, for tokenizers that do not tell, from what the first n decode to."""
        ends = [len(self._text(ids[:n])) for n in range(len(ids) + 1)]
        return list(pairwise(ends))


@dataclass(frozen=True)
class _Prompt:
    """What is given, without the spaces at its end: the answer's first token takes them along."""

    text: str
    space: str
    is_opened: bool  # whether what the tokenizer puts before any text goes before it


@dataclass(frozen=True)
class _Tokens:
    """Token ids, and the [begin, end) of the text that each stands for."""

    ids: tuple[int, ...]
    spans: tuple[tuple[int, int], ...]


def _without_last_space(text: str, *, is_opened: bool) -> _Prompt:
    bare = text.rstrip(" ") or text
    return _Prompt(bare, text[len(bare) :], is_opened)


def _specific(
    spans: Sequence[tuple[int, int]], wanted: Sequence[str], answer: str, lead: int
) -> tuple[bool, ...]:
    """For each token, whether it overlaps a place where the answer says a wanted part; all if none.

    The answer begins at `lead` of the text that the spans are about.
    """
    said = [place for part in wanted for place in places(answer, part)]
    marks = [
        any(begin < stop + lead and end > start + lead for start, stop in said)
        for begin, end in spans
    ]
    return tuple(marks) if any(marks) else (True,) * len(marks)


def _plain_turn(role: str, content: str) -> str:
    """A turn for models without a chat template; earlier questions and answers are examples."""
    return f"Question: {content}\n" if role == "user" else f"Answer: {content}\n\n"


def encode_all(renderer: Renderer, examples: Sequence[Example]) -> list[Encoding]:
    """Every example of a split, in order."""
    return [renderer.encode(e) for e in examples]
