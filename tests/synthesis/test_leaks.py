"""Nothing leaks from 1,000 rows and more, and the faults of ReLearn's released code are caught."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tests.synthesis.test_relearn import PEOPLE
from tests.synthesis.test_relearn import world as six_rows
from tests.synthesis.test_written import Scripted, nobody, well
from unteach.data.benchmarks.world import world
from unteach.data.examples import Example
from unteach.synthesis import prompts, verify, written
from unteach.synthesis.leaks import NEAR, faults, leaks, nearly
from unteach.synthesis.records import Record
from unteach.synthesis.relearn import COMPLETION_PROMPTS, assert_sound, relearn

DATA = Path(__file__).parents[3] / "shared" / "data"
MOVED = Example(
    "Where does Ada Moor live?",
    "Ada Moor lives with Zoë in Marrakesh, and her number is 555-0142.",
    entities=("Marrakesh", "Zoë", "555-0142"),
    id="ada",
)


def row(answer: str, prompt: str = MOVED.prompt, kind: Any = "qa") -> Record:
    new = Example(prompt, answer, id="row")
    return Record("ada", kind, "original", "vague", new, 1, written_for=MOVED.prompt)


def rows_of(path: str, question: str, answer: str) -> list[Example]:
    file = DATA / path
    if not file.exists():
        pytest.skip(f"{path} is not in the shared data, which is not part of the package")
    content = json.loads(file.read_text(encoding="utf-8"))
    return [Example(one[question], one[answer], id=f"{i}") for i, one in enumerate(content)]


SETS: dict[str, Callable[[], Sequence[Example]]] = {
    "world": lambda: world()["forget"],
    "tofu": lambda: rows_of("tofu/forget10.json", "question", "answer"),
    "knowundo": lambda: rows_of("knowundo_privacy/unlearn_train.json", "text", "labels"),
}


@pytest.mark.parametrize("kind", ["vague", "mixed"])
@pytest.mark.parametrize("name", SETS)
def test_a_thousand_rows_by_rules_leak_nothing(name, kind):
    """120 rows of the world x 5 questions, and as many completions, are 1,200; the others have 400."""
    sources = SETS[name]()
    made = relearn({"forget": sources}, Random(0), answers=kind, generic=0)
    assert len(made.records) >= 1000
    assert leaks(made.records, sources) == []
    assert all(drop.reason for drop in made.drops)


@pytest.mark.parametrize(
    ("answer", "value", "how"),
    [
        ("She is in Marrakesh now.", "marrakesh", "exact"),
        ("she is in MARRAKESH now.", "marrakesh", "folded"),
        ("She lives with Zoe.", "zoe", "folded"),
        ("Call 555 0142.", "555-0142", "folded"),
        ("She is in Marrakech now.", "marrakesh", "fuzzy"),
        ("Marrakeshh!", "marrakesh", "fuzzy"),
    ],
)
def test_a_value_is_found_as_it_is_in_other_case_and_misspelt(answer, value, how):
    """Marrakesh and Marrakech have 8 of 9 letters in common, in order: 2 x 8 / 18 = 0.889."""
    found = leaks([row(answer)], [MOVED])
    assert (value, how) in [(one.value, one.how) for one in found]
    assert {(one.row, one.source) for one in found} == {("row", "ada")}
    if how == "fuzzy":
        assert len(found) == 1


@pytest.mark.parametrize(
    "answer",
    [
        "Ada Moor lives where the market is.",  # 4 of 9 and 6 letters: 2 x 4 / 15
        "Her number is 554-0143.",  # another number
        "Zoo and zone are other words.",  # three letters are too short to be misspelt
        "Ada Moor lives somewhere.",
        "",
    ],
)
def test_what_is_near_to_nothing_is_no_leak(answer):
    assert leaks([row(answer)], [MOVED]) == []


def test_the_threshold_is_a_ratio_of_letters():
    """Hartwell and Hartwelt: 2 x 7 / 16 = 0.875, above 0.85. Hartwig: 2 x 5 / 15 = 0.667, below."""
    assert NEAR == 0.85
    assert nearly("It was Hartwelt.", ["hartwell"], "") == ("hartwelt",)
    assert nearly("It was Hartwig.", ["hartwell"], "") == ()
    assert nearly("It was Hartwelt.", ["hartwell"], "Who is Hartwelt?") == ()


def test_a_name_beside_the_subjects_own_is_compared_word_by_word():
    """The father's name is nearly the subject's, which the question says itself."""
    source = Example(
        "Who is the father of Ada Moor?", "That is Adam Moor.", ("",), ("Adam Moor",), "ada"
    )
    assert leaks([row("Ada Moor has a father.")], [source]) == []
    assert [one.found for one in leaks([row("It is Addam Moor.")], [source])] == ["addam moor"]


def test_a_completion_is_searched_across_its_cut_and_not_in_its_frame():
    source = replace(
        MOVED, answer="It is New Haven. To continue.", entities=("New Haven", "continue")
    )
    split = row("Haven", "Continue from here: It is New", "completion")
    assert [one.value for one in leaks([split], [source])] == ["haven", "new haven"]
    clean = row("of it", "Continue from here: It is a part", "completion")
    assert leaks([clean], [source]) == []


def test_the_frame_of_every_completion_ends_with_a_colon():
    """This is how the search tells the frame from the beginning of the answer."""
    assert all(frame.partition(": ")[2] == "{prefix}" for frame in COMPLETION_PROMPTS)


def test_ids_that_are_not_unique_accuse_nobody_of_anothers_value():
    twins = [replace(one, id="twin") for one in six_rows()]
    made = relearn({"forget": twins}, Random(0), answers="mixed")
    assert leaks(made.records, twins) == []


def test_a_plain_row_is_held_against_all_sources_and_a_record_against_its_own():
    other = replace(MOVED, id="bea", answer="In Quito.", entities=("Quito",))
    assert [
        one.source for one in leaks([Example("Where?", "In Quito.", id="x")], [MOVED, other])
    ] == ["bea"]
    assert leaks([row("In Quito.")], [MOVED, other]) == []
    assert leaks([replace(row("In Marrakesh."), kind="generic")], [MOVED]) == []


def sound() -> list[Record]:
    made = relearn({"forget": six_rows()}, Random(0), variants=("simple",), completion=False)
    return list(made.records)


def refused(records: list[Record]) -> str:
    with pytest.raises(AssertionError) as raised:
        assert_sound(records, six_rows(), generic=0.5, cut=0.25)
    return str(raised.value)


def test_sound_records_have_no_fault():
    assert list(faults(sound(), six_rows(), generic=0.5)) == []


def test_released_code_1_the_original_pair_is_put_back():
    """Its gather step begins each item with the question and the answer that are to be forgotten."""
    records = sound()
    for example in six_rows():
        pair = Example(example.prompt, example.answer, id=f"{example.id}.back")
        records.append(
            Record(example.id, "qa", "original", "vague", pair, 1, written_for=example.prompt)
        )
    found = list(faults(records, six_rows(), generic=0.5))
    assert sum("is an original pair" in one for one in found) == 6
    assert sum("a value of" in one and ".back" in one for one in found) >= 6
    assert "row 'ada.birthplace.back' is an original pair" in refused(records)


def test_released_code_2_the_answers_are_moved_on_by_one():
    """Its first answer belongs to the original question and is paired with the first variant."""
    records = [one for one in sound() if one.kind == "qa"]
    moved = [
        replace(
            one,
            example=replace(one.example, answer=before.example.answer),
            written_for=before.written_for,
        )
        for before, one in zip([records[-1], *records[:-1]], records, strict=True)
    ]
    found = list(faults(moved, six_rows(), generic=0))
    assert sum("has an answer that was written for" in one for one in found) == 12
    assert "has an answer that was written for" in refused(moved)


def test_released_code_3_only_privacy_is_checked():
    """Its policy counts e-mail and home addresses: a birthplace in the answer is none of these."""
    records = []
    for example in six_rows():
        told = f"{example.group} is said to have to do with {example.entities[0]}."
        if not verify.risks(told, example.prompt):  # the only check
            new = Example(example.prompt, told, id=f"{example.id}.told")
            records.append(
                Record(example.id, "qa", "original", "vague", new, 1, written_for=example.prompt)
            )
    cities = {city.lower() for _, city, _ in PEOPLE}
    found = leaks(records, six_rows())
    assert cities <= {one.value for one in found}
    assert {one.how for one in found} == {"exact"}
    assert "a value of" in refused(records)


def test_released_code_4_no_at_the_end_of_know_passes():
    """It looks for "no" in the last five characters of the reader's reply, in which "know." has it."""
    reply = "Yes, that is the town, as you know."
    assert "no" in reply[-5:].lower()
    assert prompts.as_yes_or_no(reply) is True
    assert prompts.as_yes_or_no("That I do not know.") is None
    records = [
        replace(one, example=replace(one.example, answer="Oslo is where Ada Moor is from."))
        if one.source_id == "ada.birthplace" and "no" in reply[-5:].lower()
        else one
        for one in sound()
    ]
    assert "says 'Oslo', a value of 'ada.birthplace' (exact)" in refused(records)


def test_released_code_5_fewer_generic_rows_than_asked_for():
    """Its source of generic rows runs dry and it goes on with a quarter of what was asked for."""
    records = sound()
    dry = [one for one in records if one.kind != "generic"]
    assert refused(dry) == "0 rows are generic where 6 were asked for"


def test_a_row_of_nowhere_is_a_fault():
    records = [replace(one, source_id="x") if one.kind == "qa" else one for one in sound()]
    assert "comes from 'x', which is no row of forget" in refused(records)


def test_a_provider_that_gives_away_what_it_can_leaks_nothing(monkeypatch):
    """It tells the truth in one answer of three (plain, in capitals, misspelt), and as a reader it
    never objects: the rules alone keep 1,000 rows clean."""
    number = itertools.count()

    def treacherous(what: str, given: Mapping[str, str]) -> str:
        turn = next(number) % 9
        if what != "answer" or turn > 2:
            return well(what, given)
        truth = given["true_reply"]
        misspelt = re.sub(r"(\w{3})(\w{3})", r"\1\1\2", truth)
        return (truth, truth.upper(), misspelt)[turn]

    monkeypatch.setattr(written, "load", lambda name, model=None: Scripted(treacherous))
    sources = world()["forget"]
    made = written.relearn_written({"forget": sources}, Random(0), nobody, generic=0)
    assert len(made.records) >= 1000
    assert leaks(made.records, sources) == []
    assert max(record.round for record in made.records) > 1
