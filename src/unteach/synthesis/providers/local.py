"""A model on this machine that writes text: a folder, a GGUF file, a hub id, or one in memory."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch

from unteach.data.batches import by_length
from unteach.data.render import Renderer
from unteach.errors import DataError, ModelError
from unteach.model import cache, fingerprint
from unteach.model.generate import as_text, continue_ids
from unteach.model.load import Loaded, LoadOptions, load, locate
from unteach.synthesis.providers.itself import as_example, without_system
from unteach.synthesis.providers.texts import (
    NOTHING,
    Progress,
    Reply,
    Request,
    Spent,
    keep,
    kept,
    places_of,
    prompt_hash,
)

CHUNK = 256
"""Texts that are written before they are kept; a run that is stopped loses no more."""


@dataclass(frozen=True)
class Local:
    """A loaded model. `loaded.place.key` must be that of its weights: replies are kept under it.

    Requests share a batch if they have `max_tokens`, `temperature` and, if drawn, `seed` in common.
    One seed for all is enough: a drawn text depends on its prompt too.
    """

    loaded: Loaded = field(repr=False)
    cache: Path
    chunk: int = CHUNK

    @property
    def name(self) -> str:
        return "local"

    @property
    def model(self) -> str:
        return self.loaded.place.name

    def __call__(
        self, requests: Sequence[Request], progress: Progress = lambda done: None
    ) -> list[Reply]:
        """A reply to each request, in their order.

        Without a chat template a turn is written `Question: ...`; a system message stands before
        the first turn where the template has no place for one.

        Raises:
            ModelError: the chat template refuses the turns.
        """
        renderer = Renderer(self.loaded.tokenizer)
        written_as = (self.loaded.tokenizer.chat_template, str(self.loaded.model.dtype))
        place = fingerprint.key_of(self.loaded.place.key, *written_as)
        hashes = [prompt_hash(place, self.model, request) for request in requests]
        places = places_of(hashes)
        asked = {key: requests[where[0]] for key, where in places.items()}
        replies: dict[str, Reply] = {}

        def found(key: str, reply: Reply) -> None:
            replies[key] = reply
            progress(len(places[key]))

        prompts: dict[str, list[int]] = {}
        for key, request in asked.items():
            text = kept(self.cache, key)
            if text is not None:
                found(key, _reply(key, text, from_cache=True))
                continue
            prompt = self._prompt_ids(renderer, request)
            too_long = self._too_long(prompt, request)
            if too_long:
                found(key, Reply("", reason=too_long, prompt_hash=key))
            else:
                prompts[key] = prompt
        for keys in _chunks(asked, prompts, self.chunk):
            written = self._write([prompts[key] for key in keys], asked[keys[0]])
            texts = [as_text(self.loaded.tokenizer, ids) for ids in written]
            for key, text in zip(keys, texts, strict=True):
                keep(self.cache, key, text, model=self.model, host="local")
            for key, text, ids in zip(keys, texts, written, strict=True):
                found(key, _reply(key, text, spent=Spent(1, len(prompts[key]), len(ids))))
        return [
            replies[key] if places[key][0] == i else _again(replies[key])
            for i, key in enumerate(hashes)
        ]

    def _write(self, prompts: Sequence[Sequence[int]], like: Request) -> list[list[int]]:
        return continue_ids(
            self.loaded.model,
            self.loaded.tokenizer,
            prompts,
            like.max_tokens,
            temperature=like.temperature,
            generator=torch.Generator().manual_seed(like.seed),
        )

    def _prompt_ids(self, renderer: Renderer, request: Request) -> list[int]:
        messages = request.messages
        has_system = any(message["role"] == "system" for message in messages)
        if has_system and self.loaded.tokenizer.chat_template is None:
            messages = without_system(messages)
        try:
            return list(renderer.prompt_ids(as_example(messages)))
        except DataError as error:
            raise ModelError(f"provider: {self.model}{error}") from None

    def _too_long(self, prompt: Sequence[int], request: Request) -> str:
        most = getattr(self.loaded.model.config, "max_position_embeddings", None)
        if most is None or len(prompt) + request.max_tokens <= most:
            return ""
        return f"too long: prompt and text would be more than the {most} tokens the model takes"


def open_model(
    name: str, *, options: LoadOptions | None = None, replies: Path | None = None
) -> Local:
    """The model of that name, folder or file; `replies` keeps what it wrote.

    Raises:
        ModelError: it cannot be loaded.
        DeviceError: the device asked for is absent.
        MissingPackageError: a GGUF file needs a package that is not installed.
    """
    options = options or LoadOptions()
    return Local(load(locate(name, options), options), replies or cache.root() / "provider")


def _reply(key: str, text: str, *, from_cache: bool = False, spent: Spent = NOTHING) -> Reply:
    # an empty text is kept too: the model would write it again
    reason = "" if text else "the model wrote nothing"
    return Reply(text, reason=reason, prompt_hash=key, from_cache=from_cache, spent=spent)


def _again(reply: Reply) -> Reply:
    """The reply to a request that was made twice."""
    return replace(reply, from_cache=bool(reply.text), spent=NOTHING)


def _chunks(
    asked: Mapping[str, Request], prompts: Mapping[str, Sequence[int]], size: int
) -> Iterator[list[str]]:
    """Keys whose texts can be written together, those of like length side by side."""
    groups: defaultdict[tuple[int, float, int], list[str]] = defaultdict(list)
    for key in prompts:
        request = asked[key]
        seed = request.seed if request.temperature else 0
        groups[request.max_tokens, request.temperature, seed].append(key)
    for keys in groups.values():
        for index in by_length([prompts[key] for key in keys], size):
            yield [keys[i] for i in index]
