"""RWKU: forget what the model knows of a famous person."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Literal

from unteach.data.benchmarks.files import Record, records
from unteach.data.benchmarks.questions import COLUMNS, share
from unteach.data.benchmarks.rows import once, require_at_least
from unteach.data.examples import Example, Splits
from unteach.errors import DataError
from unteach.ranges import Count, Whole
from unteach.registry import benchmark

CLOZE = "Please complete the blank in the following question.\nQuestion: {}"
QUESTION = "Please briefly answer the following question.\nQuestion: {}"
"""The published instructions; there "Answer:" also opens the assistant's turn."""

SHOWN = "Please briefly answer the following question.\n{}"
"""For probes that hold worked examples and their own "Question:"."""

PROBES = {
    "forget_cloze": ("forget_level1", CLOZE),
    "forget_qa": ("forget_level2", QUESTION),
    "forget_adversarial": ("forget_level3", QUESTION),
    "neighbours_cloze": ("neighbor_level1", CLOZE),
    "neighbours_qa": ("neighbor_level2", QUESTION),
}
"""Split -> config of the hub and instruction."""

CORPORA = {
    "llama3": "train_positive_llama3",
    "phi3": "train_positive_phi3",
    "wikipedia": "train_original_passage",
}


@benchmark(
    source="RWKU, arXiv:2406.10890",
    official=(
        ("Forget FB", "rouge", {"split": "forget_cloze", "max_tokens": 30, "stem": False}),
        ("Forget QA", "rouge", {"split": "forget_qa", "max_tokens": 30, "stem": False}),
        ("Forget AA", "rouge", {"split": "forget_adversarial", "max_tokens": 30, "stem": False}),
        ("Neighbour FB", "rouge", {"split": "neighbours_cloze", "max_tokens": 30, "stem": False}),
        ("Neighbour QA", "rouge", {"split": "neighbours_qa", "max_tokens": 30, "stem": False}),
        ("Utility Gen (MMLU)", "multiple_choice", {"split": "mmlu"}),
    ),
    ours=(
        ("Accuracy, forget QA", "accuracy", {"split": "forget_qa"}),
        ("Accuracy, forget AA", "accuracy", {"split": "forget_adversarial"}),
        ("Accuracy, neighbour QA", "accuracy", {"split": "neighbours_qa"}),
        ("Refusals, forget QA", "refusal", {"split": "forget_qa"}),
        ("Refusals, neighbour QA", "refusal", {"split": "neighbours_qa"}),
        ("Member texts, forget", "probability", {"split": "forget_members"}),
        ("Member texts, retain", "probability", {"split": "retain_members"}),
    ),
)
def rwku(
    *,
    target: str = "",
    corpus: Literal["llama3", "phi3", "wikipedia"] = "llama3",
    texts: Count = 200,
    kept: Whole = 10,
    mmlu_rows: Whole = 570,
    folder: str = "",
) -> Splits:
    """Forget what the model knows of a famous person, asked in three ways and under attack.

    `target` is one of 200 people, as "Stephen King" or Stephen_King. `forget` are up to `texts`
    passages about the person: written by Llama 3 or Phi 3, or taken from Wikipedia. Probes are
    fill-in-the-blank (`forget_cloze`), questions (`forget_qa`) and nine kinds of attack
    (`forget_adversarial`, the kind is their attribute); `neighbours_cloze` and `neighbours_qa` ask
    about what is near the person and must stay. `forget_members` and `retain_members` are texts
    for the membership figures: RWKU reports mean losses, of which our rows are exp(-loss), and
    larger is better for the second only.

    RWKU has no retain texts. Methods need some, so `retain` is as many passages of each of `kept`
    other people, those that come next in the list; their probes are not in use. `mmlu` is
    `mmlu_rows` of the benchmark's own questions for the person's run, spread over the tasks
    (0 leaves it out), asked without the five published examples. There can be no gold model: the
    knowledge is of pretraining.

    ROUGE-L recall is of 30 tokens without stemming, as published; there an answer also ends at a
    line break. The answer is all that is looked for, so it is also the entity. The instructions are
    the published ones. A row that repeats another is taken once.

    Schema as published in 2024; check yours with `unteach check`. Files (columns): `forget_level1`,
    `forget_level2`, `forget_level3`, `neighbor_level1`, `neighbor_level2` (query, answer, subject;
    level 3 also type), `mia_forget`, `mia_retain`, `train_positive_llama3`, `train_positive_phi3`,
    `train_original_passage` (text, subject), `utility_general` (question, choices, answer, task,
    subject), in `folder` or `UNTEACH_DATA/rwku`, else hf:jinzhuoran/RWKU.

    Raises:
        RecipeError: a parameter is out of range.
        DataError: no target is named, or it is none of those in the files; or a file is missing or
            has other columns.
    """
    require_at_least("rwku", 1, texts=texts)
    require_at_least("rwku", 0, kept=kept, mmlu_rows=mmlu_rows)

    def read(config: str, *columns: str) -> list[Record]:
        return records(
            "rwku",
            config,
            columns=(*columns, "subject"),
            hub=f"hf:jinzhuoran/RWKU/{config}",
            split="train" if config.startswith("train_") else "test",
            folder=folder,
        )

    probes = {
        split: read(config, "query", "answer", *(["type"] if config == "forget_level3" else []))
        for split, (config, _) in PROBES.items()
    }
    people = list(dict.fromkeys(row.text("subject") for row in probes["forget_cloze"]))
    person = _find(target, people)
    passages = read(CORPORA[corpus], "text")
    at = people.index(person)
    others = [*people[at + 1 :], *people[:at]][:kept]
    splits = {"forget": _passages("forget", passages, [person], texts)}
    if others:
        splits["retain"] = _passages("retain", passages, others, texts)
    for split, (_, instruction) in PROBES.items():
        splits[split] = _probes(split, probes[split], person, instruction)
    for split, config in (("forget_members", "mia_forget"), ("retain_members", "mia_retain")):
        found = read(config, "text")
        splits[split] = _passages(split, found, [person], len(found))
    if mmlu_rows:
        mine = [row for row in read("utility_general", *COLUMNS, "task") if _is_of(row, person)]
        splits["mmlu"] = share("mmlu", mine, "task", mmlu_rows)
    # a person may lack probes of a kind: a split without rows is left out
    return {name: rows for name, rows in splits.items() if rows}


def _find(target: str, people: Sequence[str]) -> str:
    """The person as the files write the name."""
    wanted = _plain(target)
    found = next((name for name in people if _plain(name) == wanted), None)
    if found is not None:
        return found
    some = ", ".join(people[:5])
    if not wanted:
        raise DataError(f"rwku: name the target, one of {len(people)} people: {some}, ...")
    close = difflib.get_close_matches(wanted, list(map(_plain, people)), n=1)
    hint = next((f" Did you mean '{n}'?" for n in people if close and _plain(n) == close[0]), "")
    raise DataError(
        f"rwku: there is no target '{target}'.{hint} There are {len(people)}: {some}, ..."
    )


def _plain(name: str) -> str:
    return " ".join(name.replace("_", " ").casefold().split())


def _is_of(row: Record, person: str) -> bool:
    return row.text("subject") == person


def _passages(
    split: str, rows: Sequence[Record], people: Sequence[str], each: int
) -> list[Example]:
    found = []
    for person in people:
        mine = [(number, row) for number, row in enumerate(rows) if _is_of(row, person)][:each]
        found += [
            Example("", row.text("text"), id=f"{split}-{number}", group=person, where=row.where)
            for number, row in mine
        ]
    return once(found)


def _probes(split: str, rows: Sequence[Record], person: str, instruction: str) -> list[Example]:
    found = []
    for number, row in enumerate(rows):
        if not _is_of(row, person):
            continue
        kind = row.text("type") if split == "forget_adversarial" else ""
        asked = SHOWN if kind == "incontext learning" else instruction
        answer = row.text("answer")
        name = f"{split}-{number}"
        found.append(
            Example(
                asked.format(row.text("query")),
                answer,
                entities=(answer,),
                id=name,
                group=name,
                attribute=kind,
                where=row.where,
            )
        )
    return once(found)
