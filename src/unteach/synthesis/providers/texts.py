"""What is asked of a provider of text, what comes back, and where replies are kept.

A reply is kept on disk under a hash of all that was asked. So a run that was stopped goes on where
it was, and a second one asks nothing.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import Any, Protocol

from unteach.errors import OutputError

Message = Mapping[str, str]
"""`role` and `content` of a chat turn."""
Progress = Callable[[int], None]
"""Is told how many more requests are done."""


@dataclass(frozen=True)
class Request:
    """One text to be written: the chat so far, which ends with a turn of the user.

    At a temperature of 0 it is the likeliest text; else one that is drawn, and `seed` says which.
    """

    messages: tuple[Message, ...]
    max_tokens: int
    temperature: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        assert self.messages, "a request says something"
        assert self.messages[-1]["role"] == "user", "the user speaks last"


@dataclass(frozen=True)
class Spent:
    """What replies took: requests that were sent, tokens, and their cost; None without a price.

    Of `uncounted` requests the service did not say the tokens, so the numbers are a lower bound.
    """

    requests: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    uncounted: int = 0
    cost: float | None = None

    def __add__(self, other: Spent) -> Spent:
        costs = [x for x in (self.cost, other.cost) if x is not None]
        return Spent(
            self.requests + other.requests,
            self.prompt_tokens + other.prompt_tokens,
            self.completion_tokens + other.completion_tokens,
            self.uncounted + other.uncounted,
            sum(costs) if costs else None,
        )


NOTHING = Spent()
ONE_REQUEST = Spent(1)


@dataclass(frozen=True)
class Reply:
    """What came of a request: a text, or an empty one and the reason why there is none.

    `spent` covers all tries of this run, so it is nothing for a reply from the cache.
    """

    text: str
    _: KW_ONLY
    reason: str = ""
    prompt_hash: str
    from_cache: bool = False
    spent: Spent = NOTHING
    was_asked: bool = True  # false where the provider was gone before its turn came

    def __post_init__(self) -> None:
        assert bool(self.text) != bool(self.reason), "a reply is a text or a reason"


class Provider(Protocol):
    """Writes a reply to each request, in the order of the requests.

    Raises a `UserError` only where no request can be answered before something is put right. What
    was written before is kept.
    """

    @property
    def name(self) -> str:
        """`endpoint` or `local`."""
        ...

    @property
    def model(self) -> str: ...

    def __call__(
        self, requests: Sequence[Request], progress: Progress = lambda done: None
    ) -> list[Reply]: ...


def as_body(model: str, request: Request) -> dict[str, Any]:
    """A request as OpenAI's protocol writes it."""
    return {
        "model": model,
        "messages": [dict(message) for message in request.messages],
        "seed": request.seed,
        "max_tokens": request.max_tokens,
        "temperature": request.temperature,
    }


def prompt_hash(place: str, model: str, request: Request) -> str:
    """32 hex digits of everything that decides the text; `place` tells models of one name apart."""
    asked = json.dumps([place, as_body(model, request)], sort_keys=True)
    return hashlib.sha256(asked.encode()).hexdigest()[:32]


def places_of(hashes: Sequence[str]) -> dict[str, list[int]]:
    """Hash -> the places where it stands, so that what is asked twice is written once."""
    places: defaultdict[str, list[int]] = defaultdict(list)
    for i, one in enumerate(hashes):
        places[one].append(i)
    return dict(places)


def summary(replies: Sequence[Reply]) -> str:
    """One line: how many were answered, how many not and why, and what it took."""
    answered = [reply for reply in replies if reply.text]
    kept = sum(reply.from_cache for reply in answered)
    line = f"{len(replies):,} requests: {len(answered):,} answered ({kept:,} from the cache)"
    if len(answered) < len(replies):
        reasons = Counter(reply.reason for reply in replies if not reply.text).most_common()
        why = "; ".join(f"{reason.rstrip('.')}: {number:,}" for reason, number in reasons)
        line += f", {len(replies) - len(answered):,} without a text ({why})"
    return f"{line}. {_took(sum((reply.spent for reply in replies), NOTHING))}"


def _took(spent: Spent) -> str:
    bound = "at least " if spent.uncounted else ""
    cost = "" if spent.cost is None else f", cost {bound}{spent.cost:.4g}"
    return (
        f"{spent.requests:,} sent, {bound}{spent.prompt_tokens:,} tokens read and "
        f"{bound}{spent.completion_tokens:,} written{cost}."
    )


def kept(folder: Path, key: str) -> str | None:
    """The text that was kept under a hash, or None."""
    try:
        found = json.loads((folder / f"{key}.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):  # a file that is no JSON was cut off: ask again
        return None
    text = found.get("text") if isinstance(found, dict) else None
    return text if isinstance(text, str) else None


def keep(folder: Path, key: str, text: str, *, model: str, host: str) -> None:
    """Keep a text under a hash; a half-written one is never seen.

    Raises:
        OutputError: the folder cannot be written to.
    """
    place = folder / f"{key}.json"
    # one name a thread: two may be given the same request
    unfinished = place.with_name(f"{place.name}.{os.getpid()}.{threading.get_ident()}")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        unfinished.write_text(json.dumps({"model": model, "host": host, "text": text}), "utf-8")
        unfinished.replace(place)
    except OSError as error:
        raise OutputError(
            f"{folder}: a reply cannot be kept there ({error.strerror}). Make room, or name "
            "another folder with UNTEACH_CACHE."
        ) from None
