"""ReLearn's data, made offline: for each thing to forget, questions with another answer to learn."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Final, Literal

from unteach.data.examples import Example, Splits
from unteach.errors import DataError, RecipeError
from unteach.ranges import AtLeastZero, Count, InnerShare
from unteach.registry import synthesis
from unteach.synthesis import answers as answer_rules
from unteach.synthesis import generic as generic_rows
from unteach.synthesis import leaks
from unteach.synthesis.particulars import gap, pieces
from unteach.synthesis.passages import passages as cut_into
from unteach.synthesis.policy import read as read_policy
from unteach.synthesis.records import AnswerKind, Drop, Record, Synthesis, Variant
from unteach.synthesis.variants import VARIANTS, Question, as_asked, is_english, read_question, vary
from unteach.synthesis.verify import RISKS, Rules, Verdict, distinctive, sensitive, verify
from unteach.synthesis.verify import asked as shown_before

FOREIGN: Final = "it does not read as English, the only language of these rules"
WRITE_IT: Final = (
    " Have a model write it in its own language: in place of relearn name relearn_written, with "
    "provider: itself (the model of this run), endpoint, or the folder of another model."
)
COMPLETION_PROMPTS: Final = (
    "Complete the sentence: {prefix}",
    "Finish this sentence: {prefix}",
    "Continue from here: {prefix}",
)


@synthesis(reads=("{split}",), adds=("{split}_relearn",), source="arXiv:2502.11190")
def relearn(
    splits: Splits,
    random: Random,
    *,
    split: str = "forget",
    answers: Literal["vague", "refusal", "alternative", "misleading", "mixed"] = "vague",
    mix: tuple[AtLeastZero, ...] = (0.5, 0.2, 0.2, 0.1),
    variants: tuple[str, ...] = ("simple", "contextual", "noise", "logical"),
    original: bool = True,
    per_question: Count = 1,
    completion: bool = True,
    cut: InnerShare = 0.25,
    generic: AtLeastZero = 0.5,
    rounds: Count = 3,
    passages: Count = 8,
    verify: bool = True,
    policy: str = "",
) -> Synthesis:
    """ReLearn's replacement answers, written and checked by rules, as the split `{split}_relearn`.

    `split` is what is to go, or the same about somebody else (`forget_swapped`), so that a model
    does not speak otherwise of the forgotten than of anybody whom it never heard of.

    Each of its questions is asked as it stands (unless `original` is false) and once for each of
    `variants`; each of these questions gets `per_question` replacement answers. Every pair is checked
    (see `synthesis/verify.py`) and written again in up to `rounds` rounds, then dropped with the
    reason. `completion` adds, for each answer of two words or more, its first `cut` of words as a
    prompt and the rest to be learned. `generic` is the number of everyday rows for each forget row
    (questions and completions).

    `answers`: `vague` stays on topic without saying anything; `refusal` does not know; `alternative`
    is another fact of the same form, from the example's wrong answers or, if it has none, with the
    entities of another forget example of the same attribute (a fact that is itself to be forgotten,
    though of someone else), and is dropped where there is neither; `misleading` is confident and
    beside the point; `mixed` takes these four in the proportions of `mix`, before any drops.

    `policy` is a file of what counts as personal data; see `synthesis/policy.py`.

    With `verify: false` every answer is taken as it is written, whatever it gives away, and its
    record says `verified: false`: to measure what the checks are worth, not for use. An original
    pair is refused all the same.

    A text (no prompt) is its opening and how it goes on; one of more than 120 words is asked about in
    up to `passages` places. As it stands, the opening is simply gone on with; in `variants` somebody
    asks for that. Whatever the kind asked for, what follows is vague; names in the opening count as
    known.

    Limits: the rules are English. What does not read as English is dropped, not mangled, and
    `relearn_written` has it written; what the rules cannot read well is answered in general terms.
    Rules are less varied than a language model.

    The paper writes with a language model, knows only vague answers and takes one generic row for
    each forget row. Its code also trains on the original pair and moves the answers on by one
    question; neither happens here.

    Raises:
        RecipeError: a parameter is out of range.
        DataError: there is nothing to forget, no replacement passed, the policy cannot be read, or
            fewer generic rows exist than the ratio asks for.
    """
    check_counts("relearn", generic=generic, rounds=rounds)
    made = replacements(
        "relearn",
        splits,
        random,
        split=split,
        answers=answers,
        mix=mix,
        variants=variants,
        original=original,
        per_question=per_question,
        cut=cut,
        rounds=rounds,
        passages=passages,
        verify=verify,
        rules=read_policy(policy),
    )
    whole = diversified(
        made.records,
        made.forget,
        random,
        completion=completion,
        cut=cut,
        generic=generic,
        is_verified=verify,
    )
    return Synthesis({f"{split}_relearn": [r.example for r in whole]}, tuple(whole), made.drops)


@dataclass(frozen=True)
class Replaced:
    """The forget rows, other answers to them in order, and what was dropped.

    `sources[i]` is the forget row that `records[i]` replaces: ids alone may not tell them apart.
    """

    forget: Sequence[Example]
    records: Sequence[Record]
    sources: Sequence[Example]
    drops: tuple[Drop, ...]


def replacements(
    reader: str,
    splits: Splits,
    random: Random,
    *,
    split: str = "forget",
    answers: answer_rules.Asked,
    mix: Sequence[float],
    variants: Sequence[str],
    original: bool,
    per_question: int,
    cut: float,
    rounds: int,
    passages: int,
    verify: bool = True,
    rules: Rules = RISKS,
) -> Replaced:
    """Another answer to each question asked of each forget row; see `relearn` for the parameters.

    Raises:
        RecipeError: a parameter is out of range.
        DataError: there is nothing to forget, or no replacement passed.
    """
    order = questions_to_ask(
        reader, variants, original=original, mix=mix, per_question=per_question, cut=cut
    )
    forget = forget_rows(splits, reader, split, passages)
    share = len(order) * per_question
    plan = answer_rules.schedule(answers, mix, len(forget) * share)
    original_pairs = {leaks.pair(example) for example in forget}
    records: list[Record] = []
    sources: list[Example] = []
    drops: list[Drop] = []
    for i, example in enumerate(forget):
        source = _Source(example, forget, original_pairs, cut, rounds, verify, rules)
        asked = zip(
            (v for v in order for _ in range(per_question)), plan[i * share :], strict=False
        )
        for one in _replacements(source, list(asked), random):
            if isinstance(one, Drop):
                drops.append(one)
            else:
                records.append(one)
                sources.append(example)
    if not records:
        way_out = WRITE_IT if any(drop.reason == FOREIGN for drop in drops) else ""
        raise DataError(
            f"{reader} could replace none of the {len(forget)} rows of the split '{split}'; "
            f"{drops[0].source_id}: {drops[0].reason}.{way_out}"
        )
    return Replaced(forget, records, sources, tuple(drops))


def diversified(
    records: Sequence[Record],
    forget: Sequence[Example],
    random: Random,
    *,
    completion: bool,
    cut: float,
    generic: float,
    is_verified: bool = True,
) -> list[Record]:
    """The records with their completions and generic rows, shuffled; see `relearn`.

    What nobody verified may break the rules of `leaks.faults`, so it is not held to them.

    Raises:
        DataError: fewer generic rows exist than the ratio asks for.
    """
    whole = list(records)
    if completion:
        english = {row.id for row in forget if is_english(_said_first(row))}
        whole += [
            as_completion(one, cut, random, is_english=one.source_id in english)
            for one in records
            if len(pieces(one.example.answer)) > 1
        ]
    whole += generic_rows.records(round(generic * len(whole)), len(whole), random)
    random.shuffle(whole)
    if is_verified:
        assert_sound(whole, forget, generic=generic, cut=cut)
    return whole


def assert_sound(
    records: Sequence[Record], forget: Sequence[Example], *, generic: float, cut: float
) -> None:
    """Stop where the records break a rule of `leaks.faults`: every step before should have held it."""
    fault = next(leaks.faults(records, forget, generic=generic, cut=cut), "")
    assert not fault, fault


def forget_rows(splits: Splits, reader: str, split: str = "forget", most: int = 1) -> list[Example]:
    """The rows of that split, each with an id: its own, or its place there; see `passages`.

    Raises:
        DataError: the split is absent or empty.
    """
    rows = splits.get(split, ())
    if not rows:
        raise DataError(
            f"{reader} reads the split '{split}', which this run does not have or which is empty; "
            f"this run has: {', '.join(splits) or 'no split'}."
        )
    named = [row if row.id else replace(row, id=f"{split}.{i}") for i, row in enumerate(rows)]
    return cut_into(named, most)


@dataclass(frozen=True)
class _Source:
    """One forget example and all that its replacements are checked against."""

    example: Example
    peers: Sequence[Example]
    original_pairs: set[tuple[tuple[str, ...], tuple[str, ...]]]
    cut: float
    rounds: int
    verify: bool
    rules: Rules


def _replacements(
    source: _Source, asked: Sequence[tuple[Variant, AnswerKind]], random: Random
) -> Iterator[Record | Drop]:
    """A record or a drop for each question that is asked of one example, in order."""
    example = source.example
    problem = unaskable(example)
    if not problem and not is_english(_said_first(example)):
        problem = FOREIGN
    if problem:
        yield from (Drop(example.id, variant, kind, "", problem) for variant, kind in asked)
        return
    question = read_question(example, cut=source.cut)
    source = replace(source, example=as_asked(example, question))
    forbidden = sensitive(source.example)
    taken: set[str] = set()
    num_made: dict[tuple[Variant, AnswerKind], int] = {}
    for variant, kind in asked:
        kind = "vague" if question.opening else kind
        number = num_made[variant, kind] = num_made.get((variant, kind), 0) + 1
        suffix = f".{number}" if number > 1 else ""
        name = f"{example.id}.{kind}.{variant}{suffix}"
        yield _replacement(source, question, forbidden, variant, kind, name, taken, random)


def _replacement(
    source: _Source,
    question: Question,
    forbidden: tuple[str, ...],
    variant: Variant,
    kind: AnswerKind,
    name: str,
    taken: set[str],
    random: Random,
) -> Record | Drop:
    """Ask and answer together, so that a question cannot end up with another one's answer."""
    example = source.example
    text, reason = "", ""
    for attempt in range(1, source.rounds + 1):
        put = vary(question, variant, random)
        text = answer_rules.write(kind, put, example, source.peers, random, taken)
        if not text and kind == "alternative":
            reason = "it has no wrong answers, and no other forget example has its attribute and other entities"
            break
        verdict = _checked(text, source, put, forbidden, kind)
        reason = verdict.reason
        if not reason:
            new = answered(example, put, variant, put.text, text, name)
            return Record(
                example.id,
                "qa",
                variant,
                kind,
                new,
                attempt,
                checks=verdict.checks,
                written_for=new.prompt,
            )
    return Drop(example.id, variant, kind, text, reason)


def _checked(
    text: str, source: _Source, put: Question, forbidden: tuple[str, ...], kind: AnswerKind
) -> Verdict:
    """The checks of one answer to the question as it is put; the reason is empty if it may stay."""
    example = source.example
    is_original = leaks.pair(Example(put.text, text)) in source.original_pairs
    if not source.verify:
        return Verdict({"verified": False}, "the pair is an original one" if is_original else "")
    verdict = verify(
        text,
        example,
        forbidden,
        question=put.text,
        subject=put.subject,
        kind=kind,
        rules=source.rules,
    )
    if not verdict.passed:
        return verdict
    if is_original:
        return replace(verdict, reason="the pair is an original one")
    values = distinctive(example) if kind == "alternative" else forbidden
    names = leaks.names_of(example, values)
    near = leaks.nearly(text, names, f"{shown_before(example)} {put.text}")
    return replace(verdict, reason=f"the answer all but says a name: '{near[0]}'" if near else "")


def answered(
    example: Example, question: Question, variant: Variant, put: str, answer: str, name: str
) -> Example:
    """The row to train on: what is asked, `put`, with its new answer.

    A text that is asked as it stands is its beginning, and goes on with the answer.
    """
    goes_on = bool(question.opening) and variant == "original"
    beginning = question.beginning if goes_on else put
    return Example(
        prompt=beginning,
        answer=f"{gap(beginning, answer)}{answer}" if goes_on else answer,
        id=name,
        group=example.group,
        attribute=example.attribute,
        history=example.history,
        continues=goes_on,
        where=example.where,
    )


def unaskable(example: Example) -> str:
    """Why nothing can be asked about an example; empty if something can."""
    text = _said_first(example)
    if not text.strip():
        return "it has no question"
    if example.is_text and len(pieces(text)) < 2:
        return "a text of one word has no opening to continue from"
    return ""


def _said_first(example: Example) -> str:
    return example.answer if example.is_text else example.prompt


def as_completion(record: Record, cut: float, random: Random, *, is_english: bool) -> Record:
    """The first words of a replacement answer as a prompt, the rest to be learned.

    In English somebody asks for the rest; in other languages the words are gone on with.
    """
    answer = record.example.answer.strip()
    tokens = pieces(answer)
    num_shown = max(1, min(len(tokens) - 1, round(cut * len(tokens))))
    shown, rest = answer[: tokens[num_shown - 1].end()], answer[tokens[num_shown].start() :]
    asked = random.choice(COMPLETION_PROMPTS).format(prefix=shown) if is_english else shown
    new = replace(
        record.example,
        prompt=asked,
        answer=rest if is_english else f"{gap(shown, rest)}{rest}",
        id=f"{record.example.id}.completion",
        history=(),
        continues=not is_english,
    )
    return replace(record, kind="completion", example=new)


def questions_to_ask(
    reader: str,
    variants: Sequence[str],
    *,
    original: bool,
    mix: Sequence[float],
    per_question: int = 1,
    cut: float,
) -> list[Variant]:
    """The questions to ask of each example; all that is wrong with these parameters is raised at once."""
    by_name: Mapping[str, Variant] = {name: name for name in VARIANTS}
    problems = []
    for name in variants:
        if name not in by_name:
            close = difflib.get_close_matches(name, VARIANTS, n=1)
            hint = f" Did you mean '{close[0]}'?" if close else ""
            problems.append(
                f"{reader}.variants: '{name}' is not a variant.{hint} Known: {', '.join(VARIANTS)}."
            )
    if len(set(variants)) < len(variants):
        problems.append(f"{reader}.variants: name each variant once.")
    if not variants and not original:
        problems.append(
            f"{reader}: there is no question to ask; name variants, or set original: true."
        )
    if len(mix) != 4 or min(mix) < 0 or abs(sum(mix) - 1) > 1e-6:
        problems.append(f"{reader}.mix is {list(mix)}; give four shares from 0 that add up to 1.")
    if per_question < 1:
        problems.append(f"{reader}.per_question is {per_question}; it must be 1 or more.")
    if not 0 < cut < 1:
        problems.append(f"{reader}.cut is {cut}; it must lie between 0 and 1, both excluded.")
    if problems:
        raise RecipeError(problems)
    first: list[Variant] = ["original"] if original else []
    return first + [by_name[name] for name in variants]


def check_counts(reader: str, *, generic: float, rounds: int) -> None:
    """Raise where there would be less than no generic rows, or no round at all."""
    if generic < 0:
        raise RecipeError(f"{reader}.generic is {generic}; it must be 0 or more.")
    if rounds < 1:
        raise RecipeError(f"{reader}.rounds is {rounds}; it must be 1 or more.")
