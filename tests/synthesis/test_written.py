"""ReLearn's data by a provider: what it writes is checked, paired and counted, or dropped by name."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tests.synthesis.service import Answered, Script, Service, completion
from tests.synthesis.test_relearn import world
from unteach import registry
from unteach.data.examples import Example
from unteach.errors import DataError, EndpointError, RecipeError
from unteach.synthesis import leaks, policy, prompts, written
from unteach.synthesis.providers.load import load
from unteach.synthesis.providers.texts import Progress, Provider, Reply, Request, prompt_hash
from unteach.synthesis.records import Record, Synthesis
from unteach.synthesis.written import relearn_written


def nobody(examples: Sequence[Example], **how: Any) -> list[str]:
    """The model of the run, where a provider is asked and it is not."""
    raise AssertionError("another provider was asked for")


Says = Callable[[str, Mapping[str, str]], str]


def task(user: str) -> str:
    """Which of the four things a prompt asks for."""
    if "never sees the true one" in user:
        return "entails"
    if "something personal" in user:
        return "personal"
    return "answer" if "<true_reply>" in user else "question"


def quoted(user: str) -> dict[str, str]:
    """What stands between the tags of a prompt."""
    return {
        name: text.strip() for name, text in re.findall(r"<(\w+)>\n(.*?)\n</\1>", user, re.DOTALL)
    }


def well(what: str, given: Mapping[str, str]) -> str:
    """A provider that does as it is told, and says in each answer which question it is for."""
    asked = given["question"]
    if what == "question":
        variant = next(v for v, says in prompts.QUESTIONS.items() if says in given["prompt"])
        return f"A {variant} thing: {asked}"
    if what == "answer":
        return f"There is much to say where somebody asks this: {asked.rstrip('?')}."
    return "No."


@dataclass
class Scripted:
    """A stand-in for a provider; `says` gets the task and what is quoted. Empty text: no reply."""

    says: Says = well
    name: str = "endpoint"
    model: str = "scripted"
    seen: list[Request] = field(default_factory=list)
    leaves_after: int | None = None

    def __call__(
        self, requests: Sequence[Request], progress: Progress = lambda done: None
    ) -> list[Reply]:
        replies = []
        for request in requests:
            key = prompt_hash("nowhere", self.model, request)
            if self.leaves_after is not None and len(self.seen) >= self.leaves_after:
                replies.append(
                    Reply("", reason="not asked: gone", prompt_hash=key, was_asked=False)
                )
                continue
            self.seen.append(request)
            user = request.messages[-1]["content"]
            text = self.says(task(user), {**quoted(user), "prompt": user})
            replies.append(Reply(text, reason="" if text else "status 500", prompt_hash=key))
        return replies

    def asked_for(self, what: str) -> list[str]:
        users = [request.messages[-1]["content"] for request in self.seen]
        return [user for user in users if task(user) == what]


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Synthesis]:
    def make(provider: Any, forget: list[Example] | None = None, **params: Any) -> Synthesis:
        monkeypatch.setattr(written, "load", lambda name, model=None: provider)
        splits = {"forget": world() if forget is None else forget}
        return relearn_written(splits, Random(0), nobody, **params)

    return make


def of_kind(result: Synthesis, kind: str) -> list[Record]:
    return [record for record in result.records if record.kind == kind]


def test_counts_requests_and_provenance(made):
    """6 rows x 5 questions: 24 written variants, 30 answers, each read twice, 30 completions, and
    0.5 x 60 = 30 generic rows."""
    provider = Scripted()
    result = made(provider)
    counts = Counter(task(request.messages[-1]["content"]) for request in provider.seen)
    assert counts == {"question": 24, "answer": 30, "entails": 30, "personal": 30}
    assert Counter(r.kind for r in result.records) == {"qa": 30, "completion": 30, "generic": 30}
    assert result.drops == ()
    assert [r.example for r in result.records] == result.splits["forget_relearn"]
    assert result.note.startswith("114 requests: 114 answered")
    written_by = {r.prompt_hash: r for r in of_kind(result, "qa")}
    for request in provider.seen:
        if task(request.messages[-1]["content"]) == "answer":
            record = written_by[prompt_hash("nowhere", "scripted", request)]
            assert (record.provider, record.model, record.round) == ("endpoint", "scripted", 1)
            assert quoted(request.messages[-1]["content"])["question"] == record.example.prompt
    assert len(written_by) == 30
    for record in written_by.values():
        assert {"unlearned", "not_entailed", "not_personal", "no_risk", "whole"} <= set(
            record.checks
        )
        assert all(record.checks.values())
    assert {r.provider for r in of_kind(result, "generic")} == {"rules"}


def test_each_question_carries_the_answer_that_was_written_for_it(made):
    """Also where an answer passes only in a later round, which moved the released code's answers."""
    seen: Counter[str] = Counter()

    def late(what, given):
        seen[given["question"]] += what == "answer"
        if what == "answer" and "Ben" in given["question"] and seen[given["question"]] == 1:
            return "He is from Lima, 555-0177."
        return well(what, given)

    for record in of_kind(made(Scripted(late)), "qa"):
        assert record.example.prompt.rstrip("?") in record.example.answer
        assert record.round == (2 if "Ben" in record.example.prompt else 1)
        assert record.written_for == record.example.prompt


def test_the_kind_of_answer_is_asked_for(made):
    provider = Scripted()
    result = made(provider, answers="mixed", mix=(0.5, 0.0, 0.5, 0.0), variants=(), generic=0)
    kinds = [
        kind
        for user in provider.asked_for("answer")
        for kind in prompts.ANSWERS
        if user.startswith(prompts.ANSWERS[kind])
    ]
    assert Counter(kinds) == {"vague": 3, "alternative": 3}
    assert Counter(r.answer_kind for r in of_kind(result, "qa")) == Counter(kinds)
    assert len(provider.asked_for("personal")) == 3  # an alternative is not read for these


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("It was in Oslo, I think.", "the reply says 'oslo'"),
        ("Where was Ada Moor born? in OSLO.", "the reply says 'oslo'"),
        ("Ada Moor was born in Oslo.", "the reply is the true one"),
        ("Ada Moor was born, as one hears, in a place that is", "the reply is cut off"),
        ("All of this is a general matter.", "the reply shares no word with the question"),
        ("Ada Moor was born on 3 May.", "the reply brings in a date"),
        ("Ada Moor was born where ada@moor.org says.", "the reply brings in an e-mail address"),
    ],
)
def test_what_fails_a_rule_is_written_again_with_the_reason_and_dropped(made, text, said):
    def failing(what, given):
        is_hers = "Ada" in given["question"] and "born" in given["question"]
        return text if what == "answer" and is_hers else well(what, given)

    provider = Scripted(failing)
    result = made(provider, variants=(), rounds=2)
    assert [drop.source_id for drop in result.drops] == ["ada.birthplace"]
    assert said in result.drops[0].reason
    assert result.drops[0].text == text
    tries = [user for user in provider.asked_for("answer") if "Ada Moor born" in user]
    assert len(tries) == 2
    assert "was refused" not in tries[0]
    assert said in tries[1]
    assert not any(text in user for user in provider.asked_for("entails"))


def test_a_misspelt_name_is_a_leak(made):
    forget = [Example("Where does Ada Moor live?", "She lives in Marrakesh.", id="a")]
    with pytest.raises(DataError, match="the reply says 'marrakech'"):
        made(
            Scripted(lambda what, given: "Ada Moor lives in Marrakech."),
            forget,
            variants=(),
            generic=0,
        )


def test_variants_in_the_same_words_are_one_question(made):
    """The writer puts every variant alike: one of four is kept, so 6 of 24."""

    def alike(what, given):
        return f"So, {given['question']}" if what == "question" else well(what, given)

    result = made(Scripted(alike), original=False)
    assert Counter(r.variant for r in of_kind(result, "qa")) == {"simple": 6}
    assert {d.reason for d in result.drops} == {
        "no question: the question was put like this before"
    }


@pytest.mark.parametrize(
    ("verdict", "said"),
    [
        ("Yes, as you know.", "a reader learns the true reply from it"),
        ("I do not know.", "is unverified: the reader said 'I do not know.'"),
        ("No idea", "is unverified"),
        ("Nothing is told.", "is unverified"),
        ("", "is unverified: status 500"),
    ],
)
def test_only_no_as_the_first_word_of_the_reader_passes(made, verdict, said):
    def reading(what, given):
        about_ada = what == "entails" and "Ada" in given["question"]
        return verdict if about_ada else well(what, given)

    provider = Scripted(reading)
    result = made(provider, variants=(), rounds=2)
    assert {drop.source_id for drop in result.drops} == {"ada.birthplace", "ada.phone"}
    assert all(said in drop.reason and drop.text for drop in result.drops)
    is_told = "was refused: a reader learns" in "".join(provider.asked_for("answer"))
    assert is_told == verdict.startswith("Yes")


@pytest.mark.parametrize(
    ("reply", "says"),
    [
        *(("no", False), ("No.", False), ("**No**", False), ("NO, it does not.", False)),
        *(("Yes", True), (" yes: the town.", True), ('"No"', False), ("no\nbecause", False)),
        *(("know", None), ("I don't know", None), ("not at all", None), ("no idea", None)),
        *(("", None), ("yes or no", None), ("Let me think. No.", None), ("none.", None)),
    ],
)
def test_a_verdict_is_its_first_word(reply, says):
    assert prompts.as_yes_or_no(reply) is says


@pytest.mark.parametrize(
    ("question", "said"),
    [
        ("Where was Ada Moor, of Oslo, born?", "the question says 'oslo'"),
        ("Where was Ada Moor born?", "the question is the old one"),
        ("Where was she born?", "the question must name Ada Moor"),
        ("Where in the world was Ada Moor", "the question is cut off"),
        ("", "no text came: status 500"),
    ],
)
def test_a_variant_that_fails_is_dropped_and_its_answer_never_asked_for(made, question, said):
    def asking(what, given):
        is_hers = given["question"] == "Where was Ada Moor born?"
        return question if what == "question" and is_hers else well(what, given)

    provider = Scripted(asking)
    result = made(provider, variants=("simple",))
    assert [(d.source_id, d.variant) for d in result.drops] == [("ada.birthplace", "simple")]
    assert said in result.drops[0].reason
    assert len(provider.asked_for("answer")) == 11


def test_a_service_that_is_gone_stops_the_run_and_says_how_far_it_got(made):
    """24 variants are written, and then 10 of 30 answers."""
    with pytest.raises(DataError) as raised:
        made(Scripted(leaves_after=34))
    assert str(raised.value) == (
        "relearn_written stopped while writing answers, round 1, with 10 of 30 requests done: "
        "not asked: gone. The same command goes on from there."
    )


def test_a_text_that_never_comes_is_a_drop_with_the_services_reason(made):
    """What is wrong with the service is not told to the writer."""
    provider = Scripted(
        lambda what, given: (
            "" if what == "answer" and "Cleo" in given["question"] else well(what, given)
        )
    )
    result = made(provider, variants=())
    assert {d.reason for d in result.drops} == {"no text came: status 500"}
    assert "status 500" not in "".join(provider.asked_for("answer"))
    tries = [
        r
        for r in provider.seen
        if "phone number?\n</question>\n<true" in str(r.messages[-1]["content"])
        and "Cleo" in r.messages[-1]["content"]
    ]
    assert len({request.seed for request in tries}) == len(tries) == 3


def test_nothing_passing_is_an_error_with_the_reasons(made):
    with pytest.raises(DataError, match=r"none of the 6 rows .*the reply is cut off.* \(6\)"):
        made(Scripted(lambda what, given: "of the of"), variants=())


def test_generic_rows_that_do_not_exist_are_an_error_before_anything_is_asked(made):
    provider = Scripted()
    with pytest.raises(DataError, match="distinct ones exist; set generic to at most"):
        made(provider, generic=500.0)
    assert provider.seen == []


@pytest.mark.parametrize("generic", [0.0, 0.5, 1.0, 1.2])
def test_the_generic_share_is_honoured_after_drops(made, generic):
    """5 of 6 rows pass: 5 answers and 5 completions, so 0, 5, 10 and 12 generic rows."""

    def failing(what, given):
        return (
            "Oslo."
            if what == "answer" and "Ada Moor born" in given["question"]
            else well(what, given)
        )

    result = made(Scripted(failing), variants=(), generic=generic)
    assert len(of_kind(result, "generic")) == round(10 * generic)


def test_a_text_is_gone_on_with_and_its_other_questions_need_no_writer(made):
    text = "The mill of Hollow Ford was old. Its keeper was called Anselm Pike."
    provider = Scripted(
        lambda what, given: (
            "The mill had seen many days like this one." if what == "answer" else "no"
        )
    )
    forget = [Example("", text, id="text")]
    result = made(provider, forget, variants=("simple",), answers="refusal", generic=0)
    assert {(r.source_id, r.answer_kind) for r in result.records} == {("text", "vague")}
    assert provider.asked_for("question") == []
    as_it_stands = result.records[0].example
    assert [r.example.continues for r in of_kind(result, "qa")].count(True) == 1
    assert result.drops == ()
    assert as_it_stands.group == ""


IN_OTHER_WORDS = {
    "Wo ist Ada Moor geboren und wer ist sie?": (
        "An welchem Ort kam Ada Moor zur Welt?",
        "Ada Moor kam an einem Ort zur Welt, \u00fcber den man wenig sagen kann.",
    ),
    "\u738b\u5c0f\u660e\u51fa\u751f\u5728\u54ea\u91cc\uff1f": (
        "\u738b\u5c0f\u660e\u7684\u51fa\u751f\u5730\u662f\u54ea\u513f\uff1f",
        "\u738b\u5c0f\u660e\u7684\u6545\u4e8b\u8bf4\u6765\u8bdd\u957f\u3002",
    ),
}
CHINESE = "\u738b\u5c0f\u660e\u51fa\u751f\u5728\u54ea\u91cc\uff1f"


def test_questions_in_any_language_are_written_in_it(made):
    """German and Chinese: one variant and two answers each, with a completion that is gone on with."""

    def speaks(what: str, given: Mapping[str, str]) -> str:
        put, answer = next(
            says for old, says in IN_OTHER_WORDS.items() if given["question"] in (old, says[0])
        )
        return put if what == "question" else answer if what == "answer" else "No."

    forget = [
        Example("Wo ist Ada Moor geboren und wer ist sie?", "In Oslo.", id="german"),
        Example(CHINESE, "\u6210\u90fd\u3002", id="chinese", group="\u738b\u5c0f\u660e"),
    ]
    result = made(Scripted(speaks), forget, variants=("simple",), generic=0)
    assert result.drops == ()
    assert Counter(r.source_id for r in of_kind(result, "qa")) == {"german": 2, "chinese": 2}
    for record in of_kind(result, "completion"):
        row = record.example
        assert row.continues
        assert (
            row.prompt + row.answer
            == IN_OTHER_WORDS[forget[record.source_id == "chinese"].prompt][1]
        )
        assert row.answer.startswith(" ") == (record.source_id == "german")


def test_a_text_in_another_language_is_asked_about_as_it_stands_alone(made):
    text = (
        "\u706f\u5854\u5efa\u4e8e1874\u5e74\u3002\u5b88\u5854\u4eba\u591c\u91cc\u6570\u8239\u3002"
    )
    provider = Scripted(
        lambda what, given: (
            "\u706f\u5854\u5efa\u597d\u4e4b\u540e\uff0c\u65e5\u5b50\u6162\u6162\u8fc7\u53bb\u3002"
            if what == "answer"
            else "No."
        )
    )
    forget = [Example("", text, id="t")]
    result = made(provider, forget, variants=("simple",), completion=False, generic=0)
    (row,) = result.splits["forget_relearn"]
    assert row.continues
    assert row.prompt == text[:10]
    assert not row.answer.startswith(" ")
    assert [(d.variant, d.reason) for d in result.drops] == [("simple", written.UNASKED)]


def test_the_model_of_the_run_is_asked_as_a_provider_is():
    """What it is told by a system message opens the turn of the user, for any chat template."""
    asked: list[Example] = []

    def write(examples: Sequence[Example], **how: Any) -> list[str]:
        asked.extend(examples)
        return [
            well(task(one.prompt), {**quoted(one.prompt), "prompt": one.prompt}) for one in examples
        ]

    splits = {"forget": world()}
    made = relearn_written(splits, Random(0), write, provider="itself", variants=(), generic=0)
    assert len(of_kind(made, "qa")) == 6
    assert {(r.provider, r.model) for r in of_kind(made, "qa")} == {("itself", "itself")}
    assert all(one.history == () and one.prompt.startswith("You ") for one in asked)
    assert made.note.startswith("18 requests: 18 answered (0 from the cache)")


def test_the_users_policy_is_a_rule_and_is_told_to_the_reader(made, tmp_path):
    file = tmp_path / "policy.yaml"
    file.write_text("builtin: false\npatterns:\n  a rank: '\\b(?:captain|colonel)\\b'\n", "utf-8")

    def ranked(what, given):
        is_hers = what == "answer" and "Ada Moor born" in given["question"]
        return "Ada Moor was born a Captain." if is_hers else well(what, given)

    provider = Scripted(ranked)
    result = made(provider, variants=(), policy=str(file))
    assert [drop.reason for drop in result.drops] == ["the reply brings in a rank"]
    assert all("likewise a rank." in user for user in provider.asked_for("personal"))


def test_an_alternative_may_hold_a_date_for_a_date(made):
    forget = [Example("When was Ada Moor born?", "Ada Moor was born on 3 May 1954.", id="a")]

    def says(what, given):
        return "Ada Moor was born on 9 June 1971." if what == "answer" else "no"

    result = made(Scripted(says), forget, answers="alternative", variants=(), generic=0)
    assert len(of_kind(result, "qa")) == 1
    with pytest.raises(DataError, match="brings in a date"):
        made(Scripted(says), forget, answers="vague", variants=(), generic=0)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("patterns: {a: '('}", "'(' is no regular expression"),
        ("patterns: {a: 'x*'}", "found in an empty text"),
        ("pattern: {a: x}", "pattern: Extra inputs are not permitted"),
        ("builtin: false", "the policy has no rule at all"),
        ("- a", "the policy: Input should be"),
        ("a: [", "the policy is not YAML"),
    ],
)
def test_a_policy_that_does_not_work_is_named(tmp_path, content, said):
    file = tmp_path / "policy.yaml"
    file.write_text(content, "utf-8")
    with pytest.raises(DataError, match=re.escape(said)):
        policy.read(str(file))


def test_without_a_policy_file_the_rules_are_the_packages_own(tmp_path):
    assert list(policy.read()) == [
        *("an e-mail address", "a phone number", "a street address", "a date")
    ]
    with pytest.raises(DataError, match=r"none\.yaml: the policy cannot be read"):
        policy.read(str(tmp_path / "none.yaml"))


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"temperature": -1.0}, "relearn_written.temperature is -1.0"),
        ({"rounds": 0}, "relearn_written.rounds is 0"),
        ({"variants": ("simpel",)}, "Did you mean 'simple'"),
        ({"cut": 1.0}, "relearn_written.cut is 1.0"),
    ],
)
def test_a_parameter_out_of_range_is_named(made, params, said):
    with pytest.raises(RecipeError, match=re.escape(said)):
        made(Scripted(), **params)


def test_the_registry_reads_it():
    assert registry.check("synthesis", "relearn_written", {"provider": "m", "rounds": 2}, "x") == {
        "provider": "m",
        "rounds": 2,
    }


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Script], Service]]:
    services: list[Service] = []

    def begin(script: Script) -> Service:
        services.append(Service(script))
        monkeypatch.setenv("UNTEACH_PROVIDER_URL", services[-1].url)
        monkeypatch.setenv("UNTEACH_PROVIDER_MODEL", "m")
        monkeypatch.setenv("UNTEACH_PROVIDER_KEY", "secret-key")
        return services[-1]

    yield begin
    for service in services:
        service.close()


def as_script(says: Says) -> Script:
    def script(body: dict[str, Any], number: int) -> Answered:
        user = body["messages"][-1]["content"]
        return completion(says(task(user), {**quoted(user), "prompt": user}))

    return script


def from_service(**params: Any) -> Synthesis:
    return relearn_written({"forget": world()}, Random(0), nobody, **params)


def test_a_service_that_misbehaves_loses_nothing_and_is_asked_once(serve):
    """Each fault is met once, and the same request comes again. 6 rows x 2 questions: 6 variants,
    12 answers, 24 verdicts, so 42 replies. The second run asks nothing."""
    honest = as_script(well)
    faults = {
        2: Answered("slow down", 429, {"Retry-After": "0"}),
        5: Answered("oops", 503),
        9: Answered('{"choices": [{"mess'),
        14: completion(""),
    }
    service = serve(lambda body, number: faults.get(number) or honest(body, number))
    first = from_service(variants=("simple",))
    assert first.drops == ()
    assert len(of_kind(first, "qa")) == 12
    assert len(service.asked) == 42 + 4
    assert {r.model for r in of_kind(first, "qa")} == {"m"}
    second = from_service(variants=("simple",))
    assert len(service.asked) == 46
    assert second.records == first.records
    assert "42 answered (42 from the cache)" in second.note
    assert "secret-key" not in json.dumps([str(first), str(second)])


def test_a_service_that_dies_is_gone_on_with(serve, monkeypatch):
    """What was answered before is not asked again: both runs together ask each of 42 once."""

    def impatient(name: str, model: str | None = None) -> Provider:
        return load(name, model=model, retries=0, concurrency=1)

    monkeypatch.setattr(written, "load", impatient)
    honest = as_script(well)
    dead = Answered("gone", 503)
    is_dead = [True]
    service = serve(
        lambda body, number: dead if is_dead[0] and number >= 10 else honest(body, number)
    )
    with pytest.raises(
        DataError, match=r"writing answers, round 1, with 4 of 12 .*The same command"
    ):
        from_service(variants=("simple",))
    answered = 10
    before = len(service.asked)
    is_dead[0] = False
    assert from_service(variants=("simple",)).drops == ()
    assert len(service.asked) - before == 42 - answered


def test_a_refused_key_is_the_endpoints_error(serve):
    serve(lambda body, number: Answered("bad key", 401))
    with pytest.raises(EndpointError, match="refuses the key"):
        from_service()


def test_a_leaking_service_loses_its_rows_only(serve):
    """Half of the answers give the town away, whatever the reader says of them."""
    service = serve(
        as_script(
            lambda what, given: (
                f"{given['question'].rstrip('?')} - {given['true_reply']}"
                if what == "answer" and "born" in given["question"]
                else well(what, given)
            )
        )
    )
    result = from_service(variants=(), rounds=2)
    assert len(result.drops) == 3
    assert len(of_kind(result, "qa")) == 3
    assert leaks.leaks(result.records, world()) == []
    assert len(service.asked) == 6 + 3 + 2 * 3


def test_a_model_on_this_machine_is_asked_in_process(tiny_chat_folder: Path):
    """A blank model writes nothing that passes; each reason is there, and nothing else breaks."""
    with pytest.raises(DataError, match="could replace none of the 6 rows"):
        from_service(provider=str(tiny_chat_folder), variants=(), rounds=1)
