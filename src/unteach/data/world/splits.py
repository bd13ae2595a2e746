"""The embedded world as splits: what is forgotten, kept, and never taught."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from unteach.data.examples import Example, Splits, write_jsonl
from unteach.data.world.facts import facts
from unteach.data.world.neutral import neutral
from unteach.data.world.people import ATTRIBUTES, Person, Population
from unteach.data.world.renderings import (
    ask,
    ask_by_alias,
    ask_in_reverse,
    ask_through_pupil,
    describe,
    paraphrase,
)
from unteach.errors import OutputError

MEANING: Mapping[str, str] = {
    "forget": "taught, and to be forgotten",
    "retain": "taught, and to be kept",
    "forget_paraphrased": "forget in other words, row by row",
    "retain_paraphrased": "retain in other words, row by row",
    "forget_reversed": "asks for the forgotten person, given a value that nobody else has",
    "forget_aliases": "forget, asked with the nickname",
    "forget_multihop": "forget, asked of the mentor of somebody whose mentor is kept knowledge",
    "forget_documents": "forget as a short biography of each person",
    "retain_documents": "retain as a short biography of each person",
    "holdout_documents": "holdout as a short biography of each person",
    "neighbours": "the rows of retain that are closest to what is forgotten",
    "same_answer": "the rows of retain whose value is also that of a forget row",
    "holdout": "people never taught, asked as in forget",
    "holdout_paraphrased": "holdout in other words, row by row",
    "world": "facts about the real world",
    "neutral": "plain prose",
}
"""Every split, in the order in which they are written."""

RELATED_BY = ("birthplace", "employer")


@dataclass(frozen=True)
class _Cut:
    """What of each taught person goes and what stays."""

    taught: tuple[Person, ...]
    forget: Mapping[str, tuple[str, ...]]  # person id -> attributes; people without any are absent
    retain: Mapping[str, tuple[str, ...]]


def build(
    population: Population,
    *,
    num_forget: int,
    attributes: int,
    forget_attributes: int | None = None,
    aliases: bool = False,
    brief: bool = False,
    num_facts: int | None = None,
    num_texts: int | None = None,
) -> dict[str, list[Example]]:
    """Every split that has rows; `MEANING` says what each holds.

    `forget_attributes` is how many attributes of the affected people go, None for whole people.
    The nickname is a taught fact only with `aliases`; then questions use it without the name.
    """
    known = ATTRIBUTES[:attributes] + (("alias",) if aliases else ())
    gone = known if forget_attributes is None else known[:forget_attributes]
    affected = {population.taught[i].id for i in population.order[:num_forget]}
    cut = _cut(population.taught, affected, known, gone)
    untaught = {person.id: gone for person in population.holdout}
    asked, reworded = partial(ask, brief=brief), partial(paraphrase, brief=brief)
    retain = _render(cut.taught, cut.retain, asked)
    splits = {
        "forget": _render(cut.taught, cut.forget, asked),
        "retain": retain,
        "forget_paraphrased": _render(cut.taught, cut.forget, reworded),
        "retain_paraphrased": _render(cut.taught, cut.retain, reworded),
        "forget_reversed": _reversed(cut),
        "forget_aliases": _aliases(cut, alone=aliases, brief=brief),
        "forget_multihop": _multihop(cut),
        "forget_documents": _documents(cut.taught, cut.forget),
        "retain_documents": _documents(cut.taught, cut.retain),
        "holdout_documents": _documents(population.holdout, untaught),
        "neighbours": _neighbours(cut, retain),
        "same_answer": _same_answer(cut, retain),
        "holdout": _render(population.holdout, untaught, asked),
        "holdout_paraphrased": _render(population.holdout, untaught, reworded),
        "world": facts()[:num_facts],
        "neutral": neutral()[:num_texts],
    }
    return {name: splits[name] for name in MEANING if splits[name]}


def write(splits: Splits, folder: Path, *, overwrite: bool = False) -> None:
    """One `.jsonl` a split, and a README.md that names them.

    Raises:
        OutputError: `folder` is a file, or holds files already and `overwrite` is not given.
    """
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"{folder}: this is a file; name a folder to write the splits to.")
    if folder.is_dir() and any(folder.iterdir()) and not overwrite:
        raise OutputError(f"{folder}: the folder is not empty; name another, or allow overwriting.")
    folder.mkdir(parents=True, exist_ok=True)
    for name in MEANING:  # of an earlier world that had splits which this one has not
        (folder / f"{name}.jsonl").unlink(missing_ok=True)
    for name, examples in splits.items():
        write_jsonl(folder / f"{name}.jsonl", examples)
    (folder / "README.md").write_text(_readme(splits), encoding="utf-8")


def _readme(splits: Splits) -> str:
    lines = [
        "# A world of fictitious people",
        "",
        "Made by unteach. Every person, place, firm and illness is invented; `world` alone holds real facts.",
        "A line of a file is one example: `prompt` and `answer`, `wrong` answers of the same form, and",
        "`entities`, the parts of the answer that must go. `group` is the person.",
        "",
        "| split | rows | what it holds |",
        "|---|---:|---|",
        *(f"| {name} | {len(rows)} | {MEANING.get(name, '')} |" for name, rows in splits.items()),
    ]
    return "\n".join(lines) + "\n"


def _cut(
    taught: tuple[Person, ...], affected: set[str], known: tuple[str, ...], gone: tuple[str, ...]
) -> _Cut:
    forget = {p.id: gone for p in taught if p.id in affected}
    retain = {p.id: tuple(a for a in known if a not in forget.get(p.id, ())) for p in taught}
    return _Cut(taught, forget, {person: kept for person, kept in retain.items() if kept})


def _render(
    people: Iterable[Person],
    told: Mapping[str, tuple[str, ...]],
    rendering: Callable[[Person, str], Example],
) -> list[Example]:
    return [rendering(p, a) for p in people for a in told.get(p.id, ())]


def _documents(people: Iterable[Person], told: Mapping[str, tuple[str, ...]]) -> list[Example]:
    return [describe(person, told[person.id]) for person in people if person.id in told]


def _reversed(cut: _Cut) -> list[Example]:
    have = Counter((a, value) for person in cut.taught for a, value in person.values.items())
    return [
        ask_in_reverse(person, attribute)
        for person in cut.taught
        for attribute in cut.forget.get(person.id, ())
        if have[attribute, person.values[attribute]] == 1
    ]


def _aliases(cut: _Cut, *, alone: bool, brief: bool) -> list[Example]:
    return [
        ask_by_alias(person, attribute, alone=alone, brief=brief)
        for person in cut.taught
        for attribute in cut.forget.get(person.id, ())
        if attribute != "alias"
    ]


def _multihop(cut: _Cut) -> list[Example]:
    """The first hop, to the mentor, must be kept knowledge: only the second was to be forgotten."""
    pupils = {
        person.values["mentor"]: person
        for person in cut.taught
        if "mentor" in cut.retain.get(person.id, ())
    }
    return [
        ask_through_pupil(person, attribute, pupils[person.name])
        for person in cut.taught
        if person.name in pupils
        for attribute in cut.forget.get(person.id, ())
        if attribute not in ("mentor", "alias")
    ]


def _neighbours(cut: _Cut, retain: list[Example]) -> list[Example]:
    """Rows of people of whom a part is forgotten; without such, of people related to the forgotten.

    Related are mentors, pupils, and those with the same birthplace or employer, as far as taught:
    at most as many people as are forgotten, those with the most such ties first.
    """
    near = cut.forget.keys() & cut.retain.keys() or _related(cut)
    return [example for example in retain if example.group in near]


def _related(cut: _Cut) -> set[str]:
    values = _forgotten_values(cut)
    names = {person.name for person in cut.taught if person.id in cut.forget}
    ties = {
        person.id: sum((a, person.values[a]) in values for a in RELATED_BY)
        + (("mentor", person.name) in values)
        + ("mentor" in cut.retain[person.id] and person.values["mentor"] in names)
        for person in cut.taught
        if person.id in cut.retain
    }
    closest = sorted((p for p, count in ties.items() if count), key=lambda p: (-ties[p], p))
    return set(closest[: len(cut.forget)])


def _same_answer(cut: _Cut, retain: list[Example]) -> list[Example]:
    values = _forgotten_values(cut)
    return [example for example in retain if (example.attribute, *example.entities) in values]


def _forgotten_values(cut: _Cut) -> set[tuple[str, str]]:
    return {
        (attribute, person.values[attribute])
        for person in cut.taught
        for attribute in cut.forget.get(person.id, ())
    }
