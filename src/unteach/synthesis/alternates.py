"""Another plausible answer of the same form for each question to forget."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from random import Random
from typing import Final, Literal

from unteach.data.examples import Example, Splits
from unteach.errors import DataError, RecipeError
from unteach.ranges import AtLeastZero, Count
from unteach.registry import synthesis
from unteach.synthesis import answers as answer_rules
from unteach.synthesis.records import Record, Synthesis, Writer
from unteach.synthesis.refusals import rows_of
from unteach.synthesis.variants import Question, as_asked, read_question
from unteach.synthesis.verify import sensitive, verify, words

REQUEST: Final = (
    "Question: {question}\nAnswer: {answer}\n"
    "Write another answer to this question. Keep the form of the answer, and put something made up "
    "for every name, number, place and other fact in it. Reply with the new answer only."
)
ROUNDS: Final = 3
"""How often the model is asked for an answer that passes."""


@synthesis(reads=("forget",), adds=("forget_alternates",), source="arXiv:2409.13474", writes=True)
def alternates(
    splits: Splits,
    random: Random,
    write: Writer,
    *,
    by: Literal["rules", "model"] = "rules",
    per_question: Count = 1,
    temperature: AtLeastZero = 1.0,
    max_tokens: Count = 64,
) -> Synthesis:
    """Each forget question with another plausible answer of the same form: `forget_alternates`.

    Aligned with the forget split: rows `i * per_question` and on belong to its row i, their
    answers differ, and no row is dropped. Every answer is checked (see `verify.misfit`): it has the
    form of the true one and says something else. Where the true answer shares a word with its
    question, so must the other; brief answers need not.

    `rules` takes the row's own wrong answers and, after those, its answer with the entities of
    another row of the same attribute, of the retain split first. `model` has the model itself
    write at `temperature`, up to three times for each answer; what is still missing is made by
    the rules, and its record says `rules after model`. Small models fall back often.

    AltPO asks for five answers of up to 200 tokens each and does not check them.

    Raises:
        RecipeError: a number is out of range.
        DataError: the forget split is absent or empty, or a row has too few other answers.
    """
    _check_numbers(per_question, temperature, max_tokens)
    sources = [_source(row) for row in rows_of(splits, "forget", "alternates")]
    donors = (splits.get("retain", ()), [source.row for source in sources])
    if by == "model":
        _write_all(sources, per_question, write, temperature, max_tokens, random)
    provider = "rules" if by == "rules" else "rules after model"
    for source in sources:
        _fill(source, per_question, donors, random, provider)
    records = tuple(record for source in sources for record in source.made)
    return Synthesis({"forget_alternates": [r.example for r in records]}, records, ())


@dataclass
class _Source:
    """One forget row as it is asked, what its answers must not hold, and the answers found so far."""

    row: Example
    question: Question
    forbidden: tuple[str, ...]
    made: list[Record] = field(default_factory=list)

    def offer(self, text: str, attempt: int, provider: str) -> None:
        """Take the answer if it passes every check and is a new one."""
        checks = self._checks(text)
        if not all(checks.values()):
            return
        suffix = f".{len(self.made) + 1}" if self.made else ""
        new = Example(
            prompt=self.row.prompt,
            answer=text,
            id=f"{self.row.id}.alternate{suffix}",
            group=self.row.group,
            attribute=self.row.attribute,
            history=self.row.history,
            where=self.row.where,
        )
        self.made.append(
            Record(
                self.row.id, "qa", "original", "alternative", new, attempt, provider, checks=checks
            )
        )

    def _checks(self, text: str) -> Mapping[str, bool]:
        verdict = verify(
            text,
            self.row,
            self.forbidden,
            question=self.row.prompt,
            subject=self.question.subject,
            kind="alternative",
        )
        made = [words(record.example.answer) for record in self.made]
        return {**verdict.checks, "not_repeated": words(text) not in made}


def _source(row: Example) -> _Source:
    question = read_question(row)
    row = as_asked(row, question)
    return _Source(row, question, sensitive(row))


def _write_all(
    sources: Sequence[_Source],
    count: int,
    write: Writer,
    temperature: float,
    max_tokens: int,
    random: Random,
) -> None:
    """Have the model write for all rows at once, and again for those whose answers failed."""
    for attempt in range(1, ROUNDS + 1):
        lacking = [s for s in sources for _ in range(count - len(s.made))]
        if not lacking or (attempt > 1 and not temperature):  # greedy, it says the same again
            return
        texts = write(
            [_request(source.row) for source in lacking],
            max_tokens=max_tokens,
            temperature=temperature,
            seed=random.getrandbits(31),
        )
        for source, text in zip(lacking, texts, strict=True):
            source.offer(_answer_in(text), attempt, "model")


def _request(row: Example) -> Example:
    return Example(REQUEST.format(question=row.prompt, answer=row.answer), "", id=row.id)


def _answer_in(text: str) -> str:
    """The first line of what the model wrote, without a label or quotation marks around it."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    first = re.sub(r"^(?:new |another )?answer\s*:\s*", "", (lines or [""])[0], flags=re.IGNORECASE)
    whole = re.fullmatch(r'["\u201c]([^"\u201c\u201d]*)["\u201d]', first)
    return whole.group(1).strip() if whole else first


def _fill(
    source: _Source,
    count: int,
    donors: Sequence[Sequence[Example]],
    random: Random,
    provider: str,
) -> None:
    """Make by the rules what the row still lacks."""
    for text in _by_rules(source, donors, random):
        if len(source.made) >= count:
            return
        source.offer(text, 1, provider)
    if len(source.made) < count:
        raise DataError(
            f"{source.row.where or source.row.id}: alternates found {len(source.made)} other answers "
            f"that pass its checks, and {count} are needed. Give the row wrong answers, or an "
            "attribute and entities as other rows have them."
        )


def _by_rules(
    source: _Source, donors: Sequence[Sequence[Example]], random: Random
) -> Iterator[str]:
    """The row's wrong answers, then the facts of each donor split put in, in random order."""
    yield from random.sample(source.row.wrong, len(source.row.wrong))
    row, taken = replace(source.row, wrong=()), set[str]()
    for peers in donors:
        while text := _unused(source.question, row, peers, random, taken):
            yield text


def _unused(
    question: Question, row: Example, peers: Sequence[Example], random: Random, taken: set[str]
) -> str:
    """One more answer with another row's facts; empty when there is no other."""
    num_taken = len(taken)
    text = answer_rules.write("alternative", question, row, peers, random, taken)
    return text if len(taken) > num_taken else ""


def _check_numbers(per_question: int, temperature: float, max_tokens: int) -> None:
    problems = []
    if per_question < 1:
        problems.append(f"alternates.per_question is {per_question}; it must be 1 or more.")
    if temperature < 0:
        problems.append(f"alternates.temperature is {temperature}; it must be 0 or more.")
    if max_tokens < 1:
        problems.append(f"alternates.max_tokens is {max_tokens}; it must be 1 or more.")
    if problems:
        raise RecipeError(problems)
