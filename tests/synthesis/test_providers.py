"""Providers of text: an endpoint on a real local server that misbehaves, and a model on disk."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import loaded
from tests.synthesis.service import Answered, Script, Service, completion
from unteach.data.examples import Example
from unteach.data.render import Renderer
from unteach.errors import EndpointError, ModelError, OutputError, RecipeError
from unteach.model.load import LoadOptions
from unteach.synthesis.providers.endpoint import PROVIDER, Clock, Endpoint, Pace, Price
from unteach.synthesis.providers.load import load
from unteach.synthesis.providers.texts import (
    Message,
    Provider,
    Reply,
    Request,
    Spent,
    prompt_hash,
    summary,
)

KEY = "sk-not-for-anybody-else"
HELLO: tuple[Message, ...] = ({"role": "user", "content": "hello"},)


class Stop(Exception):  # noqa: N818 - what a user does with Ctrl-C
    """A run that is killed."""


@dataclass
class Fake:
    """A clock that only waiting moves."""

    time: float = 1000.0
    waits: list[float] = field(default_factory=list)

    def wait(self, event: threading.Event, seconds: float) -> None:
        self.waits.append(seconds)
        self.time += seconds

    @property
    def clock(self) -> Clock:
        return Clock(lambda: self.time, self.wait)


Start = Callable[[Script], tuple[Service, Endpoint]]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    services: list[Service] = []

    def begin(script: Script) -> tuple[Service, Endpoint]:
        services.append(Service(script))
        folder = tmp_path / "replies"
        return services[-1], Endpoint(services[-1].url, "m", KEY, folder, timeout=10.0, pause=0.0)

    yield begin
    for service in services:
        service.close()


def hello(max_tokens: int = 9, temperature: float = 0.0, seed: int = 0) -> Request:
    return Request(HELLO, max_tokens, temperature, seed)


def questions(number: int) -> list[Request]:
    return [Request(({"role": "user", "content": f"number {i}"},), 9) for i in range(number)]


def echo(body: dict[str, Any]) -> Answered:
    return completion(f"re: {body['messages'][-1]['content']}")


ECHOES = [f"re: number {i}" for i in range(200)]


def texts(replies: list[Reply]) -> list[str]:
    return [reply.text for reply in replies]


class TestAsking:
    def test_a_reply_is_asked_for_once(self, start: Start):
        service, endpoint = start(lambda body, n: completion("hi"))
        (first,) = endpoint([hello(seed=7)])
        (second,) = endpoint([hello(seed=7)])
        assert service.asked == [
            {"model": "m", "messages": list(HELLO), "seed": 7, "max_tokens": 9, "temperature": 0.0}
        ]
        assert service.authorization == [f"Bearer {KEY}"]
        assert (first.text, first.from_cache, first.spent) == ("hi", False, Spent(1, 10, 3))
        assert second == replace(first, from_cache=True, spent=Spent())
        assert (endpoint.meter.spent, endpoint.meter.from_cache) == (Spent(1, 10, 3), 1)

    def test_whatever_is_asked_differently_is_asked_anew(self, start: Start):
        service, endpoint = start(lambda body, n: completion(f"reply {n}"))
        asked = [
            hello(),
            hello(seed=1),
            hello(max_tokens=8),
            hello(temperature=0.5),
            Request(({"role": "user", "content": "bye"},), 9),
        ]
        one = replace(endpoint, concurrency=1)
        replies = [*one(asked), *replace(one, model="other")([hello()])]
        assert texts(replies) == [f"reply {n}" for n in range(6)]
        assert len({reply.prompt_hash for reply in replies}) == 6
        assert texts(one([hello()])) == ["reply 0"]
        assert len(service.asked) == 6

    def test_the_order_is_that_of_the_requests(self, start: Start):
        """The first of four threads is answered only when all the others have been."""
        others = threading.Event()

        def script(body: dict[str, Any], n: int) -> Answered:
            if body["messages"][-1]["content"] == "number 0":
                assert others.wait(20)
            elif body["messages"][-1]["content"] == "number 39":
                others.set()
            return echo(body)

        _, endpoint = start(script)
        assert texts(endpoint(questions(40))) == ECHOES[:40]

    def test_several_are_asked_at_once(self, start: Start):
        """Four requests answer only when all four are there; one after another would hang."""
        together = threading.Barrier(4, timeout=20)

        def script(body: dict[str, Any], n: int) -> Answered:
            together.wait()
            return echo(body)

        _, endpoint = start(script)
        assert texts(endpoint(questions(8))) == ECHOES[:8]

    def test_what_is_asked_twice_in_one_call_is_sent_once(self, start: Start):
        service, endpoint = start(lambda body, n: completion(f"reply {n}"))
        done: list[int] = []
        replies = endpoint([hello(), hello(), hello()], done.append)
        assert texts(replies) == ["reply 0"] * 3
        assert [reply.from_cache for reply in replies] == [False, True, True]
        assert (len(service.asked), sum(done)) == (1, 3)

    def test_nothing_asks_nothing(self, start: Start):
        service, endpoint = start(lambda body, n: completion("hi"))
        assert endpoint([]) == []
        assert service.asked == []

    def test_prints_nothing(self, start: Start, capfd: pytest.CaptureFixture[str]):
        _, endpoint = start(lambda body, n: Answered(status=500))
        replace(endpoint, retries=0)(questions(5))
        assert capfd.readouterr() == ("", "")


class TestFailures:
    @pytest.mark.parametrize(
        "failure",
        [
            Answered(status=429, headers={"Retry-After": "0"}),
            Answered(status=429, headers={"Retry-After": "Thu, 01 Jan 1970 00:00:00 GMT"}),
            Answered(status=429, headers={"Retry-After": "soon"}),
            Answered(status=500, body="<html>"),
            Answered(status=503),
            Answered('{"choices": [{"message": {"content": "cut o'),
            Answered('{"choices": [', claimed=500),
            Answered("[" * 100_000),
            Answered("[]"),
            Answered('{"choices": []}'),
            Answered('{"choices": [{"message": "hi"}]}'),
            Answered("null"),
            Answered(b"\xff\xfe"),
            completion(""),
            completion(" \n"),
            completion(None),
        ],
    )
    def test_what_may_pass_is_tried_again(self, start: Start, failure: Answered):
        service, endpoint = start(lambda body, n: failure if n < 3 else completion("at last"))
        (reply,) = endpoint([hello()])
        assert reply.text == "at last"
        assert (len(service.asked), reply.spent.requests) == (4, 4)

    def test_a_service_that_hangs_is_asked_again(self, start: Start):
        hangs = Answered(hang=True)
        service, endpoint = start(lambda body, n: hangs if n == 0 else completion("hi"))
        assert texts(replace(endpoint, timeout=0.2)([hello()])) == ["hi"]
        assert len(service.asked) == 2

    def test_the_pause_is_what_the_service_asks_for(self, start: Start):
        """7 s, then no wish: 2 ** 1 s times 0.5 to 1; then 1000 s, of which 120 are waited."""
        wishes = ["7", None, "1000"]

        def script(body: dict[str, Any], n: int) -> Answered:
            if n == len(wishes):
                return completion("hi")
            wish = wishes[n]
            return Answered(status=429, headers={"Retry-After": wish} if wish else {})

        _, endpoint = start(script)
        fake = Fake()
        replace(endpoint, pause=1.0, clock=fake.clock)([hello()])
        assert (fake.waits[0], fake.waits[2], len(fake.waits)) == (7.0, 120.0, 3)
        assert 1.0 <= fake.waits[1] <= 2.0

    @pytest.mark.parametrize(
        ("failure", "reason"),
        [
            (Answered(status=500), "status 500, in 3 tries"),
            (Answered(status=429), "status 429, in 3 tries"),
            (Answered("{"), "a reply that is no chat completion, in 3 tries"),
            (completion(""), "an empty reply, in 3 tries"),
        ],
    )
    def test_what_never_comes_has_its_reason_and_is_not_kept(
        self, start: Start, failure: Answered, reason: str
    ):
        service, endpoint = start(lambda body, n: failure)
        (reply,) = replace(endpoint, retries=2)([hello()])
        assert (reply.text, reply.reason, reply.was_asked) == ("", reason, True)
        assert len(service.asked) == 3
        assert not endpoint.cache.exists()

    def test_a_time_out_has_its_reason(self, start: Start):
        _, endpoint = start(lambda body, n: Answered(hang=True))
        (reply,) = replace(endpoint, retries=1, timeout=0.1)([hello()])
        assert reply.reason == "TimeoutError timed out, in 2 tries"

    def test_a_host_that_is_not_there_has_its_reason(self, tmp_path: Path):
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            port = closed.getsockname()[1]
        endpoint = Endpoint(f"http://127.0.0.1:{port}/v1", "m", KEY, tmp_path, retries=0)
        (reply,) = endpoint([hello()])
        assert "ConnectionRefusedError" in reply.reason
        assert reply.reason.endswith("in 1 try")

    def test_one_request_that_is_refused_costs_no_other(self, start: Start):
        def script(body: dict[str, Any], n: int) -> Answered:
            bad = body["messages"][-1]["content"] == "number 3"
            return Answered(f"too long,\n says {KEY}", 400) if bad else echo(body)

        service, endpoint = start(script)
        replies = endpoint(questions(20))
        assert texts(replies) == [*ECHOES[:3], "", *ECHOES[4:20]]
        assert replies[3].reason == "refused with status 400. It says: too long, says ***"
        assert len(service.asked) == 20

    @pytest.mark.parametrize(
        ("refusal", "reason"),
        [
            ({"message": {"content": None, "refusal": "I won't."}}, "refused by the model"),
            (
                {"message": {"content": "I w"}, "finish_reason": "content_filter"},
                "refused by the filter of the service",
            ),
        ],
    )
    def test_a_refusal_by_the_model_is_not_tried_again(
        self, start: Start, refusal: dict[str, Any], reason: str
    ):
        service, endpoint = start(lambda body, n: Answered(json.dumps({"choices": [refusal]})))
        (reply,) = endpoint([hello()])
        assert (reply.text, reply.reason) == ("", reason)
        assert len(service.asked) == 1

    @pytest.mark.parametrize(
        ("status", "said"),
        [
            (401, "the provider at .* refuses the key .*: set UNTEACH_PROVIDER_KEY"),
            (403, "set UNTEACH_PROVIDER_KEY"),
            (402, "It says: unknown model for "),
            (404, "set UNTEACH_PROVIDER_URL and UNTEACH_PROVIDER_MODEL .* It says: unknown model"),
        ],
    )
    def test_a_refusal_of_everything_is_an_error_at_once(
        self, start: Start, status: int, said: str
    ):
        service, endpoint = start(lambda _, n: Answered(f"unknown model for {KEY}\nor so", status))
        with pytest.raises(EndpointError, match=said) as caught:
            endpoint(questions(100))
        assert KEY not in str(caught.value)
        assert "\n" not in str(caught.value)
        assert len(service.asked) <= 4, "what its four threads had sent by then"

    def test_a_redirect_does_not_carry_the_key_away(self, start: Start):
        elsewhere, _ = start(lambda body, n: completion("caught"))
        there = {"Location": f"{elsewhere.url}/chat/completions"}
        _, endpoint = start(lambda body, n: Answered(status=302, headers=there))
        with pytest.raises(EndpointError, match="redirects elsewhere"):
            endpoint([hello()])
        assert elsewhere.asked == []

    def test_nothing_is_lost_on_a_service_that_fails_every_second_time(self, start: Start):
        failures = [
            Answered(status=429, headers={"Retry-After": "0"}),
            Answered(status=500),
            Answered('{"choices": [{"mess'),
            completion(""),
        ]

        def script(body: dict[str, Any], n: int) -> Answered:
            return failures[n // 2 % len(failures)] if n % 2 else echo(body)

        _, endpoint = start(script)
        done: list[int] = []
        replies = replace(endpoint, retries=30)(questions(60), done.append)
        assert texts(replies) == ECHOES[:60]
        assert sum(done) == 60
        assert summary(replies).startswith("60 requests: 60 answered (0 from the cache). ")

    def test_a_service_that_is_gone_is_not_asked_for_every_row(self, start: Start):
        """10 are answered; then 3 in a row fail twice each, while others are on their way."""
        service, endpoint = start(lambda b, n: echo(b) if n < 10 else Answered(status=503))
        replies = replace(endpoint, retries=1)(questions(200))
        assert len(service.asked) < 40
        assert sum(map(bool, texts(replies))) == 10
        rest = [reply for reply in replies if not reply.was_asked]
        assert len(rest) > 150
        assert "gave no reply to 3 requests in a row (the last: status 503" in rest[0].reason
        assert rest[0].spent == Spent()
        assert "status 503, in 2 tries: " in summary(replies)

    def test_bad_requests_in_a_row_do_not_make_a_service_gone(self, start: Start):
        def script(body: dict[str, Any], n: int) -> Answered:
            number = int(body["messages"][-1]["content"].split()[1])
            return echo(body) if number >= 10 else (Answered("no", 400), completion(""))[number % 2]

        _, endpoint = start(script)
        replies = replace(endpoint, retries=0)(questions(30))
        assert texts(replies) == [""] * 10 + ECHOES[10:30]


class TestGoingOn:
    def test_a_second_run_asks_nothing(self, start: Start):
        service, endpoint = start(lambda body, n: echo(body))
        first = endpoint(questions(30))
        second = replace(endpoint, key="", concurrency=1)(questions(30))
        assert len(service.asked) == 30
        assert texts(second) == texts(first)
        assert [r.prompt_hash for r in second] == [r.prompt_hash for r in first]
        assert all(reply.from_cache for reply in second)

    def test_a_run_that_was_killed_goes_on(self, start: Start):
        """Killed at the 10th reply: those 10 are kept, and those that were on their way."""
        killed = threading.Event()

        def script(body: dict[str, Any], n: int) -> Answered:
            assert n < 20 or killed.wait(20)  # the service is not quicker than the kill
            return echo(body)

        service, endpoint = start(script)
        done: list[int] = []

        def progress(number: int) -> None:
            done.append(number)
            if len(done) == 10:
                killed.set()
                raise Stop

        with pytest.raises(Stop):
            endpoint(questions(100), progress)
        before = len(service.asked)
        assert 10 <= before < 100
        assert len(list(endpoint.cache.glob("*.json"))) == before
        assert texts(endpoint(questions(100))) == ECHOES[:100]
        assert len(service.asked) == 100

    def test_only_what_failed_is_asked_again(self, start: Start):
        broken = threading.Event()
        broken.set()

        def script(body: dict[str, Any], n: int) -> Answered:
            bad = body["messages"][-1]["content"] in ("number 3", "number 30")
            return completion("") if bad and broken.is_set() else echo(body)

        service, endpoint = start(script)
        assert texts(replace(endpoint, retries=0)(questions(40))).count("") == 2
        broken.clear()
        assert texts(endpoint(questions(40))) == ECHOES[:40]
        assert len(service.asked) == 42

    @pytest.mark.parametrize("cut", ['{"text": "h', "3", "{}", '{"text": null}'])
    def test_a_kept_reply_that_was_cut_off_is_asked_for_again(self, start: Start, cut: str):
        service, endpoint = start(lambda body, n: completion("hi"))
        endpoint([hello()])
        (kept,) = endpoint.cache.iterdir()
        kept.write_text(cut)
        assert texts(endpoint([hello()])) == ["hi"]
        assert len(service.asked) == 2

    def test_a_reply_that_no_file_can_hold_is_made_one_that_can_be(self, start: Start):
        _, endpoint = start(lambda body, n: completion("half \ud83d pair \u00e9"))
        first, second = texts(endpoint([hello()])), texts(endpoint([hello()]))
        assert first == second == ["half ? pair \u00e9"]

    def test_a_folder_that_cannot_be_written_is_an_error(self, start: Start, tmp_path: Path):
        _, endpoint = start(lambda body, n: completion("hi"))
        (tmp_path / "file").write_text("")
        with pytest.raises(OutputError, match="a reply cannot be kept there"):
            replace(endpoint, cache=tmp_path / "file" / "replies")([hello()])


class TestPace:
    def test_requests_are_spaced(self, start: Start):
        """20 a minute: one every 3 s, repetitions too; the first at once, so 4 waits for 5."""
        fake = Fake()
        at: list[float] = []

        def script(body: dict[str, Any], n: int) -> Answered:
            at.append(fake.time)
            return Answered(status=500) if n == 1 else echo(body)

        _, endpoint = start(script)
        slow = replace(endpoint, concurrency=1, requests_per_minute=20.0, clock=fake.clock)
        assert texts(slow(questions(4))) == ECHOES[:4]
        assert at == [1000.0, 1003.0, 1006.0, 1009.0, 1012.0]
        slow(questions(4))
        assert len(at) == 5, "what is in the cache waits for no turn"

    def test_turns_are_apart_over_threads_and_calls(self):
        pace = Pace()
        with ThreadPoolExecutor(8) as pool:
            turns = list(pool.map(lambda _: pace.turn(100.0, 6.0), range(50)))
        assert sorted(turns) == [100.0 + 6 * i for i in range(50)]
        assert pace.turn(1000.0, 6.0) == 1000.0, "turns that nobody took do not pile up"

    def test_a_service_that_asks_for_a_pause_gets_it_from_every_thread(self):
        pace = Pace()
        pace.hold(130.0)
        assert [pace.turn(100.0, 2.0) for _ in range(3)] == [130.0, 132.0, 134.0]


class TestTheKey:
    def test_is_nowhere_but_in_the_request(self, start: Start):
        echoed = completion(f"your key is {KEY}")
        _, endpoint = start(lambda body, n: echoed if n == 0 else Answered(f"bad key {KEY}", 400))
        replies = [*endpoint([hello()]), *endpoint([hello(seed=1)])]
        assert texts(replies) == ["your key is ***", ""]
        shown = repr(endpoint) + str(endpoint) + repr(endpoint.meter)
        assert KEY not in shown + repr(replies) + summary(replies)
        files = [p for p in endpoint.cache.parent.rglob("*") if p.is_file()]
        assert len(files) == 1
        assert all(KEY not in p.name + p.read_text() for p in files)

    def test_is_not_cut_in_half_by_the_length_of_an_error(self, start: Start):
        """The words of an error end after 300 characters; the key begins at the 290th."""
        _, endpoint = start(lambda body, n: Answered("x" * 290 + KEY, 400))
        assert KEY[:6] not in endpoint([hello()])[0].reason

    def test_is_left_out_where_there_is_none(self, start: Start):
        service, endpoint = start(lambda body, n: completion("hi"))
        replace(endpoint, key="")([hello()])
        assert service.authorization == [None]


class TestSummary:
    def test_says_what_came_of_it(self, start: Start):
        """12 answers of 10 + 3 tokens and an empty one in 2 tries: 140 read, 42 written.

        At 2 and 10 a million: (140 * 2 + 42 * 10) / 1e6 = 0.0007.
        """

        def script(body: dict[str, Any], n: int) -> Answered:
            content = body["messages"][-1]["content"]
            if content == "number 14":
                return Answered("no", 400)
            return completion("") if content == "number 13" else echo(body)

        _, endpoint = start(script)
        paid = replace(endpoint, retries=1, price=Price(2.0, 10.0))
        endpoint(questions(1))
        assert endpoint.meter.spent.cost is None
        replies = paid(questions(15))
        line = summary(replies)
        assert line == (
            "15 requests: 13 answered (1 from the cache), 2 without a text (an empty reply, in 2 "
            "tries: 1; refused with status 400. It says: no: 1). 15 sent, 140 tokens read and 42 "
            "written, cost 0.0007."
        )
        assert "\n" not in line

    def test_without_counts_the_tokens_are_a_lower_bound(self, start: Start):
        bare = Answered(json.dumps({"choices": [{"message": {"content": "hi"}}], "usage": [1]}))
        _, endpoint = start(lambda body, n: bare if n else completion("hi"))
        one = replace(endpoint, concurrency=1, price=Price(1.0, 1.0))
        replies = one(questions(2))
        assert replies[1].spent == Spent(1, 0, 0, uncounted=1, cost=0.0)
        assert "at least 10 tokens read and at least 3 written, cost at least 1.3e-05" in summary(
            replies
        )

    def test_of_nothing(self):
        assert summary([]) == (
            "0 requests: 0 answered (0 from the cache). 0 sent, 0 tokens read and 0 written."
        )

    def test_a_reply_is_a_text_or_a_reason(self):
        with pytest.raises(AssertionError):
            Reply("", prompt_hash="h")
        with pytest.raises(AssertionError):
            Reply("hi", reason="failed", prompt_hash="h")


@pytest.fixture
def open_local(tiny_chat_folder: Path, tmp_path: Path) -> Callable[..., Any]:
    def begin(folder: Path = tiny_chat_folder, **changes: Any) -> Any:
        options = LoadOptions(device="cpu")
        found = load(str(folder), options=options, replies=tmp_path / "local")
        return replace(found, **changes)  # type: ignore[type-var]

    return begin


class TestLocal:
    def test_writes_what_the_model_writes_after_its_template(self, open_local: Any):
        from unteach.model.generate import continue_texts

        local = open_local()
        loaded_ = local.loaded
        chat = Example(
            "Who?", "", history=(("system", "Be kind."), ("user", "a"), ("assistant", "b"))
        )
        turns = [("system", "Be kind."), ("user", "a"), ("assistant", "b"), ("user", "Who?")]
        messages = tuple({"role": role, "content": content} for role, content in turns)
        ids = Renderer(loaded_.tokenizer).prompt_ids(chat)
        (expected,) = continue_texts(loaded_.model, loaded_.tokenizer, [ids], 12)
        (reply,) = local([Request(messages, 12)])
        assert reply.text == expected
        assert (reply.spent.requests, reply.spent.prompt_tokens) == (1, len(ids))
        assert 0 < reply.spent.completion_tokens <= 12
        assert (local.name, Path(local.model).name[:9]) == ("local", "tiny_chat")

    def test_order_batches_and_company_change_nothing(self, open_local: Any, tmp_path: Path):
        asked = [
            Request(({"role": "user", "content": "x" * (i % 7)},), 4 + i % 2, (i % 3) / 2, i % 2)
            for i in range(24)
        ]
        together = open_local()(asked)
        alone = open_local(cache=tmp_path / "other", chunk=1)
        assert texts(together) == [alone([request])[0].text for request in asked]

    def test_a_seed_says_which_text_is_drawn(self, open_local: Any):
        drawn = texts(open_local()([hello(temperature=1.0, seed=i) for i in (0, 1, 0)]))
        assert drawn[0] == drawn[2] != drawn[1]

    def test_a_second_run_writes_nothing(self, open_local: Any, monkeypatch: pytest.MonkeyPatch):
        first = open_local()(questions(5))
        local = open_local()
        monkeypatch.setattr(local.loaded.model, "forward", lambda **_: pytest.fail("it ran"))
        second = local(questions(5))
        assert second == [replace(r, from_cache=True, spent=Spent()) for r in first]

    def test_a_run_that_was_killed_goes_on(self, open_local: Any):
        done: list[int] = []

        def progress(number: int) -> None:
            done.append(number)
            if len(done) == 5:
                raise Stop

        with pytest.raises(Stop):
            open_local(chunk=2)(questions(12), progress)
        replies = open_local(chunk=2)(questions(12))
        assert sum(reply.from_cache for reply in replies) == 6, "three chunks of two"
        assert all(reply.text for reply in replies)

    def test_another_model_of_the_same_name_shares_nothing(
        self, open_local: Any, tmp_path: Path, tiny_chat_folder: Path
    ):
        import torch

        from unteach.model.load import save

        folder = tmp_path / "model"
        start = loaded(tiny_chat_folder)
        save(start.model, start.tokenizer, folder)
        (first,) = open_local(folder)([hello()])
        with torch.no_grad():
            start.model.get_input_embeddings().weight.mul_(-1)
        save(start.model, start.tokenizer, folder)
        (second,) = open_local(folder)([hello()])
        assert not second.from_cache
        assert second.prompt_hash != first.prompt_hash

    def test_what_is_too_long_says_so_and_costs_no_other(self, open_local: Any):
        """The tiny model takes 1,024 tokens, one a byte."""
        long = Request(({"role": "user", "content": "x" * 1020},), 9)
        first, second = open_local()([long, hello()])
        assert (first.text, bool(second.text)) == ("", True)
        assert "more than the 1024 tokens" in first.reason

    def test_a_model_that_writes_nothing_is_asked_once(
        self, open_local: Any, monkeypatch: pytest.MonkeyPatch
    ):
        module = "unteach.synthesis.providers.local.continue_ids"
        monkeypatch.setattr(
            module, lambda model, tokenizer, prompts, *_, **__: [[] for _ in prompts]
        )
        local = open_local()
        (first,), (second,) = local([hello()]), local([hello()])
        assert (first.reason, first.from_cache) == ("the model wrote nothing", False)
        assert (second.reason, second.from_cache) == ("the model wrote nothing", True)

    @pytest.mark.parametrize("with_template", [False, True])
    def test_a_system_message_without_a_place_stands_before_the_question(
        self, open_local: Any, tiny_folder: Path, with_template: bool
    ):
        """Neither a model without a template nor one that refuses system messages stops a run."""
        local = open_local() if with_template else open_local(tiny_folder)
        if with_template:
            local.loaded.tokenizer.chat_template = (
                "{% for m in messages %}{% if m.role == 'system' %}"
                "{{ raise_exception('System role not supported') }}{% endif %}"
                "{{ m.role }}: {{ m.content }}\n{% endfor %}"
            )
        system: Message = {"role": "system", "content": "Be kind."}
        (reply,) = local([Request((system, *HELLO), 9)])
        (same,) = local([Request(({"role": "user", "content": "Be kind.\n\nhello"},), 9)])
        assert reply.text == same.text

    def test_turns_that_no_template_takes_are_an_error(self, open_local: Any):
        local = open_local()
        local.loaded.tokenizer.chat_template = (
            "{% if messages|length > 2 %}{{ raise_exception('two turns only') }}{% endif %}"
            "{{ messages[0].content }}"
        )
        turns: tuple[Message, ...] = (*HELLO, {"role": "assistant", "content": "hi"}, *HELLO)
        with pytest.raises(
            ModelError, match="chat template refuses this conversation: two turns only"
        ):
            local([Request(turns, 9)])


class TestLoading:
    @pytest.fixture(autouse=True)
    def _nothing_set(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in (PROVIDER.url, PROVIDER.model, PROVIDER.key):
            monkeypatch.delenv(name, raising=False)

    def test_an_endpoint_by_parameters_or_environment(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ):
        monkeypatch.setenv("UNTEACH_CACHE", str(tmp_path))
        monkeypatch.setenv("UNTEACH_PROVIDER_URL", "https://host:81/v1")
        monkeypatch.setenv("UNTEACH_PROVIDER_KEY", f" {KEY}\n")
        found = load("endpoint", model="m", concurrency=2, requests_per_minute=30)
        assert isinstance(found, Endpoint)
        assert (found.name, found.host, found.model, found.key) == ("endpoint", "host:81", "m", KEY)
        assert (found.concurrency, found.requests_per_minute) == (2, 30)
        assert found.cache == tmp_path / "provider"
        other = load("endpoint", url="http://localhost:1/v1", model="n", replies=tmp_path)
        assert isinstance(other, Endpoint)
        assert (other.host, other.model, other.cache) == ("localhost:1", "n", tmp_path)

    def test_says_what_is_not_set(self):
        with pytest.raises(EndpointError, match="set UNTEACH_PROVIDER_URL and UNTEACH_PROVIDER_M"):
            load("endpoint")
        with pytest.raises(EndpointError, match=r"set UNTEACH_PROVIDER_MODEL \("):
            load("endpoint", url="http://localhost/v1")

    @pytest.mark.parametrize(
        ("url", "said"),
        [
            ("localhost:80/v1", "url is no address"),
            ("http://host:port/v1", "url is no address"),
            ("http://[::1/v1", "url is no address"),
            ("http://my host/v1", "url is no address"),
            ("http://me:secret@host/v1", "url holds more than an address"),
            ("http://:secret@host/v1", "url holds more than an address"),
            ("http://host/v1?key=secret", "url holds more than an address"),
        ],
    )
    def test_wants_an_address_and_nothing_else(self, url: str, said: str):
        with pytest.raises(EndpointError, match=said) as caught:
            load("endpoint", url=url, model="m")
        assert "secret" not in str(caught.value)

    def test_parameters_out_of_range_are_named_together(self):
        with pytest.raises(RecipeError) as caught:
            load("endpoint", concurrency=0, requests_per_minute=0, timeout=0, retries=-1)
        assert [line.split(":")[1] for line in caught.value.problems] == [
            " concurrency is 0",
            " requests_per_minute is 0",
            " timeout is 0",
            " retries is -1",
        ]

    def test_a_model_here_has_no_url(self, tiny_chat_folder: Path):
        with pytest.raises(RecipeError, match="or say provider: endpoint"):
            load(str(tiny_chat_folder), url="http://localhost/v1")

    def test_a_model_that_is_not_there_is_an_error(self, tmp_path: Path):
        with pytest.raises(ModelError, match="there is no such folder"):
            load(str(tmp_path / "absent"))
        with pytest.raises(ModelError, match="there is no such file"):
            load(str(tmp_path / "absent.gguf"))

    def test_an_endpoint_needs_no_torch(self):
        code = (
            "from unteach.synthesis.providers.load import load\n"
            "load('endpoint', url='http://localhost/v1', model='m')\n"
            "import sys\nprint('torch' in sys.modules)"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert done.stdout == "False\n", done.stderr


def test_both_are_providers(open_local: Any, start: Start):
    _, endpoint = start(lambda body, n: completion("hi"))
    providers: list[Provider] = [endpoint, open_local()]
    assert [one.name for one in providers] == ["endpoint", "local"]
    for one in providers:
        (reply,) = one([hello()])
        assert reply.text


def test_a_hash_hangs_on_everything_that_is_asked():
    same = prompt_hash("place", "m", hello())
    assert same == prompt_hash("place", "m", hello())
    others = [
        prompt_hash("elsewhere", "m", hello()),
        prompt_hash("place", "n", hello()),
        prompt_hash("place", "m", hello(seed=1)),
    ]
    assert len({same, *others}) == 4


def test_a_reply_without_end_is_given_up(start: Start):
    service, endpoint = start(lambda body, number: Answered(endless=True, claimed=10**12))
    (reply,) = replace(endpoint, retries=1)([hello()])
    assert reply.text == ""
    assert "more than 4,194,304 bytes or 600 seconds" in reply.reason
    assert len(service.asked) == 2


def test_a_reply_that_takes_without_end_is_given_up(start: Start):
    """A clock that passes 400 seconds a look; the service itself never pauses for long."""
    _, endpoint = start(lambda body, number: Answered(endless=True, claimed=10**12))
    times = iter(range(0, 10**6, 400))
    slow = replace(endpoint, retries=0, clock=Clock(lambda: float(next(times)), lambda *_: None))
    (reply,) = slow([hello()])
    assert "600 seconds" in reply.reason
