"""What must hold of replacement data, looked for in the finished rows: nothing given away, pairs true.

The checks made while writing look at one text at a time. These look at what will be trained on, so
that a fault in any step between is seen too.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal

from unteach.data.examples import Example
from unteach.synthesis import verify
from unteach.synthesis.records import Record
from unteach.synthesis.variants import as_asked, read_question

NEAR: Final = 0.85
"""Ratio of difflib from which two runs of words count as one: a letter in seven or so may differ."""
SHORTEST: Final = 5
"""Letters; shorter words are too often one letter apart."""


@dataclass(frozen=True)
class Leak:
    """A sensitive value of a source, and the words of a row that say it.

    `exact` is as the source writes it, `folded` in other case, accents, number or spacing, `fuzzy`
    nearly so.
    """

    row: str
    source: str
    value: str
    found: str
    how: Literal["exact", "folded", "fuzzy"]

    def __str__(self) -> str:
        return f"row '{self.row}' says '{self.found}', a value of '{self.source}' ({self.how})"


def leaks(
    rows: Iterable[Record | Example], sources: Iterable[Example], *, cut: float = 0.25
) -> list[Leak]:
    """Every sensitive value (see `verify.sensitive`) of its source that a row's answer says.

    A record is held against its own source, and generic records against none; an alternative, which
    says something of the same form, against what is distinctive (see `verify.distinctive`). A plain
    row, which does not say where it comes from, is held against all sources. Of a completion the prompt is searched
    too, for it is the beginning of an answer. `cut` is as in `relearn`: it decides what of a
    source without a question is its opening, which is known.

    Fuzzy are names (what the source lists as its entities, or writes with a capital) of 5 letters
    or more: a run of as many words whose difflib ratio is 0.85 or more and which the question does
    not say. A number with another digit is another number, and one plain word is often near another
    ("world", "word"), so these are found as they are, or in the plural.
    """
    secrets = [_Secret.of(source, cut) for source in sources]
    by_source: dict[str, list[_Secret]] = {}
    for secret in secrets:
        by_source.setdefault(secret.source.id, []).append(secret)
    found = []
    for row in rows:
        if isinstance(row, Example):
            found += [leak for one in secrets for leak in one.said_by(row.answer, row.prompt, row)]
        elif row.kind != "generic":
            whole = row.kind == "completion"
            # "Finish this sentence: <how the answer begins>"
            begun = row.example.prompt if whole else ""
            if not row.example.continues:
                begun = begun.partition(": ")[2]
            text = f"{begun} {row.example.answer}"
            shown = row.written_for or row.example.prompt
            each = [
                list(one.said_by(text, shown, row.example, row.answer_kind == "alternative"))
                for one in by_source.get(row.source_id, ())
            ]
            each.sort(key=len)  # where ids are not unique, the likeliest source
            found += each[0] if each else []
    return found


def nearly(text: str, names: Iterable[str], shown: str) -> tuple[str, ...]:
    """The words of a text that are nearly one of the `names`, and that `shown` does not say."""
    return tuple(found for _, found in _nearly(text, names, shown))


def names_of(example: Example, forbidden: Iterable[str]) -> tuple[str, ...]:
    """Those of an example's sensitive values that are names, so that a misspelt one counts too."""
    listed = verify.normalise(" ".join(example.entities))
    return tuple(
        value
        for value in forbidden
        if sum(map(str.isalpha, value)) >= SHORTEST
        and not any(map(str.isdigit, value))
        and (value in listed or any(map(str.isupper, _as_spelled(value, example.answer))))
    )


def pair(example: Example) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Question and answer as plain words: what must not come back."""
    return tuple(verify.words(example.prompt)), tuple(verify.words(example.answer))


def faults(
    records: Sequence[Record],
    sources: Sequence[Example],
    *,
    generic: float,
    cut: float = 0.25,
) -> Iterator[str]:
    """What is wrong with the records of a synthesis that replaces answers; nothing if all is well.

    No answer says a sensitive value of its source; no original pair is among them; each question
    carries the answer that was written for it; the generic rows are the share that was asked for.
    """
    originals = {pair(one) for one in sources}
    known = {one.id for one in sources}
    for record in records:
        name = record.example.id
        if record.kind != "generic" and record.source_id not in known:
            yield f"row '{name}' comes from '{record.source_id}', which is no row of forget"
        if pair(record.example) in originals:
            yield f"row '{name}' is an original pair"
        if record.kind == "qa" and record.written_for != record.example.prompt:
            yield f"row '{name}' has an answer that was written for '{record.written_for}'"
    yield from map(str, leaks(records, sources, cut=cut))
    num_generic = sum(record.kind == "generic" for record in records)
    wanted = round(generic * (len(records) - num_generic))
    if num_generic != wanted:
        yield f"{num_generic} rows are generic where {wanted} were asked for"


@dataclass(frozen=True)
class _Secret:
    """What a row must not say of one source."""

    source: Example  # as it is asked
    values: tuple[str, ...]
    names: tuple[str, ...]
    distinctive: tuple[str, ...]

    @classmethod
    def of(cls, source: Example, cut: float) -> _Secret:
        has_text = bool(source.answer.strip())
        put = as_asked(source, read_question(source, cut=cut)) if has_text else source
        values = verify.sensitive(put)
        return cls(put, values, names_of(put, values), verify.distinctive(put))

    def said_by(
        self, text: str, prompt: str, row: Example, is_alternative: bool = False
    ) -> Iterator[Leak]:
        source = self.source
        values = self.distinctive if is_alternative else self.values
        held = verify.leaks(text, values)
        for value in held:
            spelled = _as_spelled(value, source.answer)
            how: Literal["exact", "folded"] = (
                "exact" if spelled and spelled in verify.straight(text) else "folded"
            )
            yield Leak(row.id, source.id, value, spelled if how == "exact" else value, how)
        names = names_of(source, values) if is_alternative else self.names
        others = [name for name in names if name not in held]
        for value, words in _nearly(text, others, f"{verify.asked(source)} {prompt}"):
            yield Leak(row.id, source.id, value, words, "fuzzy")


def _nearly(text: str, names: Iterable[str], shown: str) -> Iterator[tuple[str, str]]:
    """Each name that a run of as many words comes near to, and that run."""
    known = verify.STOP_WORDS.union(verify.words(shown))
    spoken = verify.words(text)
    for name in names:
        parts = verify.words(name)
        whole = " ".join(parts)
        runs = (spoken[i : i + len(parts)] for i in range(len(spoken) - len(parts) + 1))
        for run in runs:
            if not known.issuperset(run) and _is_near(whole, " ".join(run)):
                yield name, " ".join(run)
                break


@lru_cache(maxsize=1 << 16)
def _is_near(one: str, other: str) -> bool:
    match = difflib.SequenceMatcher(None, one, other, autojunk=False)
    return (
        match.real_quick_ratio() >= NEAR and match.quick_ratio() >= NEAR and match.ratio() >= NEAR
    )


def _as_spelled(value: str, answer: str) -> str:
    match = re.search(re.escape(value), verify.straight(answer), re.IGNORECASE)
    return match.group() if match else ""
