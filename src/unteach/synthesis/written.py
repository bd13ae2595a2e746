"""ReLearn's data, written by a language model: rules check every text, then the model reads it again."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from random import Random
from typing import Final, Literal

from unteach.data.examples import Example, Splits
from unteach.errors import DataError, RecipeError
from unteach.ranges import AtLeastZero, Count, InnerShare, Seed
from unteach.registry import synthesis
from unteach.synthesis import answers as answer_rules
from unteach.synthesis import generic as generic_rows
from unteach.synthesis import leaks, prompts, verify
from unteach.synthesis.particulars import says, share_characters
from unteach.synthesis.policy import read as read_policy
from unteach.synthesis.providers.itself import ITSELF, Itself
from unteach.synthesis.providers.load import load
from unteach.synthesis.providers.texts import Provider, Reply, Request, summary
from unteach.synthesis.records import AnswerKind, Drop, Record, Synthesis, Variant, Writer
from unteach.synthesis.relearn import (
    answered,
    check_counts,
    diversified,
    forget_rows,
    questions_to_ask,
    unaskable,
)
from unteach.synthesis.variants import Question, as_asked, is_english, read_question, vary

NAME: Final = "relearn_written"
LONGEST_TEXT: Final = 160  # tokens: 40 words, and room to be wordy in any tokenizer
LONGEST_VERDICT: Final = 8

UNASKED: Final = "it is asked for in other words in English alone, and this text is not English"

_WHOLE: Final = re.compile(
    r"[.!?\u2026\u3002\uff01\uff1f\uff61\u0964\u061f\u06d4]"
    r"[\"'*_)\]\u201c\u201d\u2019\u00bb\u00ab\u300d\u300f]*$"
)
"""The end of a sentence, in the scripts that have a mark for it."""


@synthesis(reads=("forget",), adds=("forget_relearn",), source="arXiv:2502.11190", writes=True)
def relearn_written(
    splits: Splits,
    random: Random,
    write: Writer,
    *,
    provider: str = "endpoint",
    model: str = "",
    answers: Literal["vague", "refusal", "alternative", "misleading", "mixed"] = "vague",
    mix: tuple[AtLeastZero, ...] = (0.5, 0.2, 0.2, 0.1),
    variants: tuple[str, ...] = ("simple", "contextual", "noise", "logical"),
    original: bool = True,
    completion: bool = True,
    cut: InnerShare = 0.25,
    generic: AtLeastZero = 0.5,
    rounds: Count = 3,
    passages: Count = 8,
    temperature: AtLeastZero = 0.7,
    policy: str = "",
    seed: Seed = 0,
) -> Synthesis:
    """ReLearn's replacement answers, written by a provider of text, as the split `forget_relearn`.

    `provider` is `endpoint`, any service that speaks OpenAI's protocol (named by
    UNTEACH_PROVIDER_URL, UNTEACH_PROVIDER_MODEL or `model`, and UNTEACH_PROVIDER_KEY), `itself`, the
    model of the run as it is then, or a model on this machine: a folder, a GGUF file or a hub id.
    It is shown the forget questions with their answers: ask a service only what it may read.

    For each question the provider writes one variant a request, then one answer of the kind asked
    for (see `relearn`) to each. Rules read every text first: it is whole, on topic, no original
    pair, holds no sensitive value of the source as it is, in other case or misspelt, and nothing of
    `policy`, a file of what counts as personal data (see `synthesis/policy.py`). Then the provider
    reads each answer that passed: does it tell the true one, does it tell anything personal? Only a
    reply whose first word is "no" lets it pass. What fails is written again with the reason, in up
    to `rounds` rounds, and dropped then with the last one. An `alternative` may hold what the policy
    forbids where the true answer holds it too (a date for a date), and is not read for personal data.

    `temperature` and `seed` are the writer's; the reader takes the likeliest word. Replies are kept,
    so the same command goes on where it was stopped. `completion`, `cut`, `generic` and `passages`
    are as in `relearn`, and so is a text: its opening is gone on with, vaguely.

    Any language is written that the provider writes. Only what this package says by itself is
    English: the everyday rows, and the words in which somebody asks for a text to go on or for an
    answer to be completed. So in other languages a text is asked about as it stands alone, and the
    beginning of an answer is gone on with. A model that thinks aloud before it says yes or no
    cannot be the reader: nothing would pass.

    The paper checks in the same request how private an answer is, and gives no rules. Its code
    trains on the original pair too and moves the answers on by one question; here that is an error.

    Raises:
        RecipeError: a parameter is out of range.
        EndpointError: the service is not named, or refuses whatever it is asked.
        ModelError: the model cannot be loaded.
        DataError: there is nothing to forget, the service was gone before all was asked, no answer
            passed, the policy cannot be read, or fewer generic rows exist than `generic` asks for.
    """
    order = questions_to_ask(NAME, variants, original=original, mix=mix, cut=cut)
    check_counts(NAME, generic=generic, rounds=rounds)
    if temperature < 0:
        raise RecipeError(f"{NAME}.temperature is {temperature}; it must be 0 or more.")
    rules = read_policy(policy)
    forget = forget_rows(splits, NAME, most=passages)
    most = len(forget) * len(order) * (1 + completion)
    generic_rows.records(round(generic * most), most, Random(0))  # before anything is paid for
    asked = Itself(write) if provider == ITSELF else load(provider, model=model or None)
    desk = _Desk(asked, rules, rounds, temperature, seed)
    plan = answer_rules.schedule(answers, mix, len(forget) * len(order))
    slots, drops = _slots(forget, order, plan, cut)
    put, unasked = _put_questions(desk, slots, random)
    answered, unanswered = _answer(desk, put, {leaks.pair(example) for example in forget})
    drops += [*unasked, *unanswered]
    records = [_record(desk, draft) for draft in answered]
    if not records:
        reasons = Counter(drop.reason for drop in drops).most_common(3)
        said = "; ".join(f"{reason} ({number})" for reason, number in reasons)
        raise DataError(
            f"{NAME} could replace none of the {len(forget)} rows of the forget split: {said}. "
            f"{summary(desk.replies)}"
        )
    whole = diversified(records, forget, random, completion=completion, cut=cut, generic=generic)
    rows = [record.example for record in whole]
    return Synthesis({"forget_relearn": rows}, tuple(whole), tuple(drops), summary(desk.replies))


@dataclass(frozen=True)
class _Desk:
    """The provider, how it is asked, and all that it replied so far."""

    provider: Provider
    rules: verify.Rules
    rounds: int
    temperature: float
    seed: int
    replies: list[Reply] = field(default_factory=list)

    def ask(self, requests: Sequence[Request], doing: str) -> list[Reply]:
        """A reply to each request.

        Raises:
            DataError: the provider was gone before all were asked.
        """
        replies = self.provider(requests) if requests else []
        self.replies.extend(replies)
        left = [reply for reply in replies if not reply.was_asked]
        if left:
            done = sum(bool(reply.text) for reply in replies)
            raise DataError(
                f"{NAME} stopped while {doing}, with {done} of {len(requests)} requests done: "
                f"{left[0].reason.rstrip('.')}. The same command goes on from there."
            )
        return replies


@dataclass(frozen=True)
class _Slot:
    """One question to be asked about one forget example, and the kind of answer it is to get."""

    example: Example  # as asked: a text is opening and rest
    question: Question
    forbidden: tuple[str, ...]
    names: tuple[str, ...]
    variant: Variant
    kind: AnswerKind
    put: str = ""  # the question in the words of this variant, once they are there

    @property
    def shown(self) -> str:
        return f"{verify.asked(self.example)} {self.put}"


@dataclass(frozen=True)
class _Draft:
    """What was last written for a slot: it passed if checks were made and there is no reason."""

    slot: _Slot
    text: str = ""
    reason: str = "it was not asked for"
    told: str = ""  # the reason as the writer is told it: not what is wrong with the service
    checks: dict[str, bool] = field(default_factory=dict)
    round: int = 0
    prompt_hash: str = ""

    @property
    def passed(self) -> bool:
        return not self.reason

    def judged(self, checks: dict[str, bool], reason: str) -> _Draft:
        """With further checks, and what of them failed."""
        return replace(self, checks={**self.checks, **checks}, reason=reason, told=reason)

    def as_drop(self) -> Drop:
        slot = self.slot
        return Drop(slot.example.id, slot.variant, slot.kind, self.text, self.reason)


Judge = Callable[[Sequence[_Draft]], list[_Draft]]


def _slots(
    forget: Sequence[Example], order: Sequence[Variant], plan: Sequence[AnswerKind], cut: float
) -> tuple[list[_Slot], list[Drop]]:
    """A slot for each question of each example, or drops where the rules cannot read it."""
    slots: list[_Slot] = []
    drops: list[Drop] = []
    for i, example in enumerate(forget):
        kinds = plan[i * len(order) : (i + 1) * len(order)]
        question = read_question(example, cut=cut)
        put = as_asked(example, question)
        forbidden = verify.sensitive(put)
        slot = _Slot(put, question, forbidden, leaks.names_of(put, forbidden), "original", "vague")
        for variant, kind in zip(order, kinds, strict=True):
            problem = unaskable(example)
            if question.opening and variant != "original" and not is_english(question.opening):
                problem = UNASKED
            if problem:
                drops.append(Drop(example.id, variant, kind, "", problem))
            else:
                kind = "vague" if question.opening else kind
                slots.append(replace(slot, variant=variant, kind=kind))
    return slots, drops


def _put_questions(
    desk: _Desk, slots: Sequence[_Slot], random: Random
) -> tuple[list[_Slot], list[Drop]]:
    """The slots whose question there is, in order, and drops for the others.

    The question as it stands needs no writer, and the opening of a text is only introduced in
    other words.
    """
    taken: set[tuple[str, str]] = set()
    needs = [slot.variant != "original" and not slot.question.opening for slot in slots]
    written = iter(
        _write(
            desk,
            [slot for slot, is_asked in zip(slots, needs, strict=True) if is_asked],
            lambda slot: prompts.question(slot.variant, slot.question.text),
            lambda drafts: [_check_question(draft, taken) for draft in drafts],
            "writing questions",
        )
    )
    put: list[_Slot] = []
    drops: list[Drop] = []
    for slot, is_asked in zip(slots, needs, strict=True):
        if not is_asked:
            put.append(replace(slot, put=vary(slot.question, slot.variant, random).text))
            continue
        draft = next(written)
        if draft.passed:
            put.append(replace(slot, put=draft.text))
        else:
            drops.append(replace(draft.as_drop(), reason=f"no question: {draft.reason}"))
    return put, drops


def _answer(
    desk: _Desk, slots: Sequence[_Slot], originals: set[tuple[tuple[str, ...], tuple[str, ...]]]
) -> tuple[list[_Draft], list[Drop]]:
    """The answers that passed and drops for the others; each draft keeps its own question."""

    def judge(drafts: Sequence[_Draft]) -> list[_Draft]:
        return _read(desk, [_check_answer(draft, desk.rules, originals) for draft in drafts])

    drafts = _write(
        desk,
        slots,
        lambda slot: prompts.answer(slot.kind, _with_history(slot), slot.example.answer),
        judge,
        "writing answers",
    )
    return [d for d in drafts if d.passed], [d.as_drop() for d in drafts if not d.passed]


def _write(
    desk: _Desk,
    slots: Sequence[_Slot],
    compose: Callable[[_Slot], prompts.Chat],
    judge: Judge,
    doing: str,
) -> list[_Draft]:
    """A draft for each slot, written again until it passes or the rounds are over."""
    drafts = [_Draft(slot) for slot in slots]
    for number in range(1, desk.rounds + 1):
        pending = [i for i, draft in enumerate(drafts) if not draft.passed]
        requests = [
            Request(
                _once_more(compose(drafts[i].slot), drafts[i].told),
                LONGEST_TEXT,
                desk.temperature,
                # the same request would bring the same text from where it is kept
                desk.seed + 1_000_003 * (number - 1),
            )
            for i in pending
        ]
        replies = desk.ask(requests, f"{doing}, round {number}")
        fresh = [_drafted(drafts[i], r, number) for i, r in zip(pending, replies, strict=True)]
        has_text = [draft for draft in fresh if draft.text]
        judged = iter(judge(has_text))
        for i, draft in zip(pending, fresh, strict=True):
            drafts[i] = next(judged) if draft.text else draft
    return drafts


def _once_more(chat: prompts.Chat, told: str) -> prompts.Chat:
    return prompts.again(chat, told) if told else chat


def _drafted(before: _Draft, reply: Reply, number: int) -> _Draft:
    """The draft after a reply; without a text, why there is none, and the writer is told as before."""
    if not reply.text:
        return replace(before, text="", reason=f"no text came: {reply.reason}", round=number)
    text = _bare(reply.text)
    return _Draft(before.slot, text, "", "", {}, number, reply.prompt_hash)


def _bare(text: str) -> str:
    """The text on one line, and out of quotation marks that enclose all of it."""
    line = " ".join(text.split())
    match = re.fullmatch(r"[\"\u201c]([^\"\u201c\u201d]+)[\"\u201d]", line)
    return match.group(1).strip() if match else line


def _check_question(draft: _Draft, taken: set[tuple[str, str]]) -> _Draft:
    """Whether a variant asks the same and gives nothing away, by rules.

    `taken` holds the variants that passed, with the id of their example; this one is added.
    """
    slot, text = draft.slot, draft.text
    own = (slot.example.id, text)
    held = [
        *verify.leaks(text, slot.forbidden),
        *leaks.nearly(text, slot.names, verify.asked(slot.example)),
    ]
    subject = slot.question.subject
    names_it = not subject or verify.relevant(text, "", subject) or says(text, subject)
    failed = {
        "whole": ""
        if slot.variant == "noise" or _WHOLE.search(text)
        else "the question is cut off",
        "new": "the question is the old one" if text == slot.question.text else "",
        "distinct": "the question was put like this before" if own in taken else "",
        "question_unlearned": f"the question says {_quoted(held)}" if held else "",
        "same_subject": "" if names_it else f"the question must name {subject}",
        "relevant": ""
        if _is_relevant(text, slot.question.text, subject)
        else "the question shares no word with the old one",
    }
    judged = draft.judged(*_verdict(failed))
    if judged.passed:
        taken.add(own)
    return judged


def _is_relevant(text: str, question: str, subject: str) -> bool:
    return (
        verify.relevant(text, question, subject)
        or says(text, subject)
        or share_characters(text, question)
    )


def _check_answer(
    draft: _Draft, rules: verify.Rules, originals: set[tuple[tuple[str, ...], tuple[str, ...]]]
) -> _Draft:
    """Whether an answer is whole, new, on topic and gives nothing away, by rules."""
    slot, text = draft.slot, draft.text
    truth = slot.example.answer
    is_alternative = slot.kind == "alternative"
    values = verify.distinctive(slot.example) if is_alternative else slot.forbidden
    names = leaks.names_of(slot.example, values)
    held = [*verify.leaks(text, values), *leaks.nearly(text, names, slot.shown)]
    risks = verify.risks(text, slot.shown, rules)
    if is_alternative:  # a date may stand for a date
        risks = tuple(set(risks) - set(verify.risks(truth, "", rules)))
    is_original = (
        verify.words(text) == verify.words(truth)
        or leaks.pair(Example(slot.put, text)) in originals
    )
    question_held = verify.leaks(slot.put, slot.forbidden)
    failed = {
        "whole": "" if verify.words(text) and _WHOLE.search(text) else "the reply is cut off",
        "not_original": "the reply is the true one" if is_original else "",
        "unlearned": f"the reply says {_quoted(held)}" if held else "",
        "question_unlearned": f"the question says {_quoted(question_held)}"
        if question_held
        else "",
        "no_risk": f"the reply brings in {', '.join(sorted(risks))}" if risks else "",
    }
    if is_alternative:
        failed["same_form"] = verify.misfit(text, slot.example)
    if verify.needs_relevance(slot.example, slot.question.subject, slot.kind):
        is_relevant = _is_relevant(text, slot.put, slot.question.subject)
        failed["relevant"] = "" if is_relevant else "the reply shares no word with the question"
    return draft.judged(*_verdict(failed))


def _verdict(failed: dict[str, str]) -> tuple[dict[str, bool], str]:
    """The checks, and the reasons of those that failed."""
    return {name: not why for name, why in failed.items()}, "; ".join(filter(None, failed.values()))


def _read(desk: _Desk, drafts: Sequence[_Draft]) -> list[_Draft]:
    """What passed the rules, read by the provider; what did not comes back as it is."""
    asked = [
        (i, check, prompt)
        for i, draft in enumerate(drafts)
        if draft.passed
        for check, prompt in _reading(desk, draft)
    ]
    requests = [Request(prompt, LONGEST_VERDICT) for _, _, prompt in asked]
    read = list(drafts)
    replies = desk.ask(requests, "checking answers")
    for (i, check, _), reply in zip(asked, replies, strict=True):
        says = prompts.as_yes_or_no(reply.text)
        before = read[i]
        fault = FAULTS[check] if says else ""
        why = fault if says is not None else _unverified(check, reply)
        read[i] = replace(
            before,
            checks={**before.checks, check: not why},
            reason="; ".join(filter(None, (before.reason, why))),
            told="; ".join(filter(None, (before.told, fault))),
        )
    return read


FAULTS: Final = {
    "not_entailed": "a reader learns the true reply from it",
    "not_personal": "a reader learns something personal from it",
}


def _reading(desk: _Desk, draft: _Draft) -> Iterator[tuple[str, prompts.Chat]]:
    slot = draft.slot
    asked = _with_history(slot)
    yield "not_entailed", prompts.entails(asked, slot.example.answer, draft.text)
    if slot.kind != "alternative":
        yield "not_personal", prompts.is_personal(asked, draft.text, desk.rules)


def _unverified(check: str, reply: Reply) -> str:
    said = f"the reader said '{' '.join(reply.text.split())}'" if reply.text else reply.reason
    return f"{check} is unverified: {said}"


def _with_history(slot: _Slot) -> str:
    turns = [f"{role}: {content}" for role, content in slot.example.history]
    return "\n".join([*turns, slot.put])


def _quoted(values: Sequence[str]) -> str:
    return ", ".join(f"'{value}'" for value in dict.fromkeys(values))


def _record(desk: _Desk, draft: _Draft) -> Record:
    slot, example = draft.slot, draft.slot.example
    name = f"{example.id}.{slot.kind}.{slot.variant}"
    new = answered(example, slot.question, slot.variant, slot.put, draft.text, name)
    return Record(
        example.id,
        "qa",
        slot.variant,
        slot.kind,
        new,
        draft.round,
        provider=desk.provider.name,
        checks=draft.checks,
        model=desk.provider.model,
        prompt_hash=draft.prompt_hash,
        written_for=new.prompt,
    )
