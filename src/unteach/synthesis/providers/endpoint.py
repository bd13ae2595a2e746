"""A language model behind an OpenAI-compatible address, as vLLM, Ollama and llama.cpp serve it.

The key to the service is sent to it and goes nowhere else: not into the cache, an error or a repr.
"""

from __future__ import annotations

import email.utils
import http.client
import json
import os
import random
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from unteach.errors import EndpointError
from unteach.model import cache
from unteach.synthesis.providers.texts import (
    NOTHING,
    ONE_REQUEST,
    Progress,
    Reply,
    Request,
    Spent,
    as_body,
    keep,
    kept,
    places_of,
    prompt_hash,
)

AGAIN = frozenset((408, 409, 425, 429))
"""Statuses below 500 after which the same request may succeed."""
THIS_ONE = frozenset((400, 413, 422))
"""Statuses that refuse one request, which says nothing of the others."""
LONGEST_PAUSE = 120.0
"""Seconds; a service that asks for more is asked again after these."""
SILENCE = 3
"""Requests in a row without any reply after which the service counts as gone."""
MOST_BYTES = 4 * 2**20
"""Of one reply: far above what any `max_tokens` here comes to."""
MILLION = 1_000_000


@dataclass(frozen=True)
class Names:
    """What the service is called in errors, and the variables that say where it is."""

    what: str
    url: str
    model: str
    key: str


PROVIDER = Names("provider", *(f"UNTEACH_PROVIDER_{name}" for name in ("URL", "MODEL", "KEY")))


@dataclass(frozen=True)
class Price:
    """Of a million tokens, in any currency."""

    prompt: float
    completion: float

    def of(self, read: int, written: int) -> float:
        """What so many tokens cost."""
        return (read * self.prompt + written * self.completion) / MILLION


@dataclass
class Meter:
    """What all calls of one endpoint took, also those that were stopped."""

    spent: Spent = field(default_factory=Spent)
    from_cache: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def add(self, spent: Spent) -> None:
        """One try."""
        with self._lock:
            self.spent += spent

    def spare(self) -> None:
        """One reply that was there already."""
        with self._lock:
            self.from_cache += 1


@dataclass(frozen=True)
class Clock:
    """Time, which a test need not spend. A wait ends early when the event is set."""

    now: Callable[[], float] = time.monotonic
    wait: Callable[[threading.Event, float], object] = threading.Event.wait


@dataclass
class Pace:
    """When the next request may be sent, over all threads."""

    _next: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def turn(self, now: float, interval: float) -> float:
        """The time of a request's own turn; turns are `interval` seconds apart."""
        with self._lock:
            turn = max(now, self._next)
            self._next = turn + interval
            return turn

    def hold(self, until: float) -> None:
        """No turn before this time."""
        with self._lock:
            self._next = max(self._next, until)


@dataclass(frozen=True)
class Endpoint:
    """A model at `url` (as far as `/v1`) that is asked by `/chat/completions`.

    `timeout`, of a silence, `patience`, for a whole reply, and `pause`, the wait before the first
    repetition, are seconds. The rate counts every
    request that is sent, repetitions too. A service that does not know `seed` or `max_tokens`
    refuses, and its own words are in the reason.
    """

    url: str
    model: str
    key: str = field(repr=False)
    cache: Path
    concurrency: int = 4
    timeout: float = 60.0
    patience: float = 600.0
    retries: int = 5
    pause: float = 1.0
    requests_per_minute: float | None = None
    price: Price | None = None
    names: Names = PROVIDER
    meter: Meter = field(default_factory=Meter, compare=False)
    pace: Pace = field(default_factory=Pace, repr=False, compare=False)
    clock: Clock = field(default_factory=Clock, repr=False, compare=False)

    @property
    def name(self) -> str:
        return "endpoint"

    @property
    def host(self) -> str:
        """Where it is, without path and without anything secret."""
        return urllib.parse.urlsplit(self.url).netloc.rpartition("@")[2]

    def __call__(
        self, requests: Sequence[Request], progress: Progress = lambda done: None
    ) -> list[Reply]:
        """A reply to each request, in their order; several are asked at once.

        A service that leaves some requests in a row without any reply is gone: the rest is not
        asked, and their replies say so.

        Raises:
            EndpointError: the service refuses whatever it is asked: wrong key, model or address.
        """
        hashes = [prompt_hash(self.host, self.model, request) for request in requests]
        replies: dict[int, Reply] = {}
        call = _Call()
        with ThreadPoolExecutor(max(1, self.concurrency)) as pool:
            futures = {
                pool.submit(self._reply, requests[where[0]], key, call): where
                for key, where in places_of(hashes).items()
            }
            try:
                for future in as_completed(futures):
                    first, *others = futures[future]
                    replies[first] = future.result()
                    again = replace(replies[first], from_cache=bool(replies[first].text))
                    replies.update(dict.fromkeys(others, replace(again, spent=NOTHING)))
                    progress(1 + len(others))
            except BaseException:
                call.stopped.set()
                pool.shutdown(wait=False, cancel_futures=True)
                raise
        return [replies[i] for i in range(len(requests))]

    def _reply(self, request: Request, key: str, call: _Call) -> Reply:
        text = kept(self.cache, key)
        if text:
            self.meter.spare()
            return Reply(text, prompt_hash=key, from_cache=True)
        said, spent = self._said(as_body(self.model, request), call)
        if said.text:
            keep(self.cache, key, said.text, model=self.model, host=self.host)
        return Reply(
            said.text, reason=said.reason, prompt_hash=key, spent=spent, was_asked=said.asked
        )

    def _said(self, body: Mapping[str, Any], call: _Call) -> tuple[_Said, Spent]:
        """What came of a request in the end, and what all its tries took."""
        spent, said = NOTHING, None
        for number in range(self.retries + 1):
            self._wait_for_turn(call)
            if call.stopped.is_set():
                return said or _Said(reason=call.reason, asked=False), spent
            said = self._try(body, call)
            spent += said.spent
            self.meter.add(said.spent)
            if not said.again:
                call.heard()
                return said, spent
            said = replace(said, reason=f"{said.reason}, in {_tries(number + 1)}")
            if number < self.retries:
                self._back_off(number, said.wait, call)
        assert said is not None, "there is a first try"
        if said.silent:
            call.unheard(
                f"not asked: the {self.names.what} at {self.host} gave no reply to {SILENCE} "
                f"requests in a row (the last: {said.reason}). Run again when it answers; "
                "replies that came are kept"
            )
        else:
            call.heard()
        return said, spent

    def _wait_for_turn(self, call: _Call) -> None:
        now = self.clock.now()
        interval = 60 / self.requests_per_minute if self.requests_per_minute else 0.0
        turn = self.pace.turn(now, interval)
        if turn > now:
            self.clock.wait(call.stopped, turn - now)

    def _back_off(self, number: int, asked: float, call: _Call) -> None:
        # a random part, so that requests that failed together do not come back together
        own = self.pause * 2**number * random.SystemRandom().uniform(0.5, 1.0)
        if asked:  # by a service that is asked too often, by whichever thread
            self.pace.hold(self.clock.now() + min(asked, LONGEST_PAUSE))
        self.clock.wait(call.stopped, min(max(asked, own), LONGEST_PAUSE))

    def _try(self, body: Mapping[str, Any], call: _Call) -> _Said:
        try:
            return self._read(self._send(body))
        except urllib.error.HTTPError as error:
            with error:  # it is a response too, and open
                if error.code in THIS_ONE:
                    said = f"refused with status {error.code}. It says: {self._words(error)}"
                    return _Said(reason=said)
                if error.code < 500 and error.code not in AGAIN:
                    call.stopped.set()  # the other threads would be refused too
                    raise EndpointError(self._refusal(error)) from None
                wait = _asked_pause(error.headers.get("Retry-After"))
                return _Said(reason=f"status {error.code}", again=True, silent=True, wait=wait)
        except (OSError, http.client.HTTPException) as error:
            cause = getattr(error, "reason", error)
            said = f"{type(cause).__name__} {self._without_key(str(cause))}".strip()
            return _Said(reason=said, again=True, silent=True)

    def _send(self, body: Mapping[str, Any]) -> bytes:
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if self.key:
            headers["Authorization"] = f"Bearer {self.key}"
        address = f"{self.url.rstrip('/')}/chat/completions"
        request = urllib.request.Request(address, json.dumps(body).encode(), headers)
        # a redirect would carry the key to whatever host it names
        opener = urllib.request.build_opener(_NoRedirect)
        with opener.open(request, timeout=self.timeout) as response:
            return self._whole(response)

    def _whole(self, response: http.client.HTTPResponse) -> bytes:
        """The body, within bounds: a service may go on without end, or a byte at a time."""
        last, content = self.clock.now() + self.patience, bytearray()
        while part := response.read1(2**16):
            content += part
            if len(content) > MOST_BYTES or self.clock.now() > last:
                raise _EndlessReplyError(
                    f"(more than {MOST_BYTES:,} bytes or {self.patience:g} seconds)"
                )
        if response.length:
            raise http.client.IncompleteRead(bytes(content), response.length)
        return bytes(content)

    def _read(self, content: bytes) -> _Said:
        try:
            reply = json.loads(content)
            choice = reply["choices"][0]
            message = choice["message"]
            text, refusal = message.get("content"), message.get("refusal")
            filtered = choice.get("finish_reason") == "content_filter"
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
            return _Said(
                reason="a reply that is no chat completion",
                spent=Spent(1, uncounted=1),
                again=True,
                silent=True,
            )
        spent = self._spent(reply.get("usage"))
        if filtered:
            return _Said(reason="refused by the filter of the service", spent=spent)
        if isinstance(text, str) and text.strip():
            # half of a surrogate pair can be sent as JSON, and cannot be written to a file
            whole = text.encode("utf-8", "replace").decode("utf-8")
            return _Said(self._without_key(whole), spent=spent)
        if isinstance(refusal, str) and refusal.strip():
            return _Said(reason="refused by the model", spent=spent)
        return _Said(reason="an empty reply", spent=spent, again=True)

    def _spent(self, usage: object) -> Spent:
        counts = usage if isinstance(usage, dict) else {}
        read, written = counts.get("prompt_tokens"), counts.get("completion_tokens")
        if not (isinstance(read, int) and isinstance(written, int)):
            return Spent(1, uncounted=1, cost=None if self.price is None else 0.0)
        cost = None if self.price is None else self.price.of(read, written)
        return Spent(1, read, written, cost=cost)

    def _refusal(self, error: urllib.error.HTTPError) -> str:
        place = f"the {self.names.what} at {self.host}"
        if error.code in (401, 403):  # what such a reply says often repeats a part of the key
            return f"{place} refuses the key (status {error.code}): set {self.names.key}."
        if 300 <= error.code < 400:
            return (
                f"{place} redirects elsewhere (status {error.code}), where the key is not sent: "
                f"set {self.names.url} to the address it moved to."
            )
        return (
            f"{place} refuses the request (status {error.code}): set {self.names.url} and "
            f"{self.names.model} to what it knows. It says: {self._words(error)}"
        )

    def _words(self, error: urllib.error.HTTPError) -> str:
        try:
            content = error.read(2000)
        except (OSError, http.client.HTTPException):  # cut off within its body
            content = b""
        # before it is cut, which could leave a part of the key
        said = self._without_key(" ".join(content.decode("utf-8", "replace").split()))
        return said[:300] or "nothing"

    def _without_key(self, text: str) -> str:
        return text.replace(self.key, "***") if self.key else text


@dataclass(frozen=True)
class _Said:
    """One try: a text, or why there is none.

    `again`: another try may give one. `silent`: there was no reply that could be read. `wait`:
    seconds that the service asks for.
    """

    text: str = ""
    reason: str = ""
    spent: Spent = ONE_REQUEST
    again: bool = False
    silent: bool = False
    wait: float = 0.0
    asked: bool = True


@dataclass
class _Call:
    """What the threads of one call share: whether to stop, and how long nothing was heard."""

    stopped: threading.Event = field(default_factory=threading.Event)
    reason: str = "not asked: the run was stopped"
    _silent: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def heard(self) -> None:
        with self._lock:
            self._silent = 0

    def unheard(self, reason: str) -> None:
        with self._lock:
            self._silent += 1
            if self._silent >= SILENCE and not self.stopped.is_set():
                self.reason = reason
                self.stopped.set()


class _EndlessReplyError(OSError):
    """A reply that is longer, or takes longer, than any reply should."""


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        return None


def from_environment(
    names: Names = PROVIDER,
    *,
    url: str | None = None,
    model: str | None = None,
    replies: Path | None = None,
) -> Endpoint:
    """The service that the parameters or else the environment name; one here may need no key.

    `replies` is the folder that keeps what it said, by default one of the cache.

    Raises:
        EndpointError: it is not named, or not by an address.
    """
    said = "url" if url else names.url
    url = (url or os.environ.get(names.url, "")).strip()
    model = (model or os.environ.get(names.model, "")).strip()
    if not url or not model:
        pairs = ((names.url, url), (names.model, model))
        absent = " and ".join(name for name, value in pairs if not value)
        raise EndpointError(
            f"no {names.what} is named: set {absent} (and {names.key}, if it asks for one) to an "
            "OpenAI-compatible address that ends in /v1 and a model there."
        )
    if not _is_address(url):
        raise EndpointError(f"{said} is no address: set it to one like http://localhost:8000/v1.")
    place = urllib.parse.urlsplit(url)
    if place.username or place.password or place.query:
        raise EndpointError(f"{said} holds more than an address: give the key as {names.key}.")
    key = os.environ.get(names.key, "").strip()
    if not (key.isascii() and key.isprintable()):  # the HTTP library would show such a key
        raise EndpointError(f"{names.key} holds characters that no key has: copy it again.")
    return Endpoint(url, model, key, replies or cache.root() / names.what, names=names)


def _is_address(url: str) -> bool:
    try:
        place = urllib.parse.urlsplit(url)
        place.port  # noqa: B018 - reading it is what checks it
    except ValueError:
        return False
    return place.scheme in ("http", "https") and bool(place.hostname) and " " not in url


def _tries(number: int) -> str:
    return "1 try" if number == 1 else f"{number} tries"


def _asked_pause(header: str | None) -> float:
    """Seconds that `Retry-After` asks for, as a number or a date; 0 without one."""
    if not header:
        return 0.0
    try:
        return max(0.0, float(header))
    except ValueError:
        pass
    try:
        return max(0.0, email.utils.parsedate_to_datetime(header).timestamp() - time.time())
    except (ValueError, OverflowError):
        return 0.0
