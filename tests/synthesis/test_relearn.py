"""ReLearn's data: nothing leaks, each question has its own answer, counts and order are as asked."""

import json
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest

from unteach import recipe, registry
from unteach.data.examples import Example
from unteach.errors import DataError, RecipeError
from unteach.synthesis import answers as answer_rules
from unteach.synthesis.generic import GENERIC, WORDINGS
from unteach.synthesis.records import Record, Synthesis
from unteach.synthesis.relearn import relearn
from unteach.synthesis.verify import leaks, sensitive

TOFU = Path(__file__).parents[3] / "shared" / "data" / "tofu" / "forget01.json"
PEOPLE = (
    ("Ada Moor", "Oslo", "555-0142"),
    ("Ben Reyes", "Lima", "555-0177"),
    ("Cleo Tan", "Quito", "555-0199"),
)


def world() -> list[Example]:
    """Three people with a birthplace and a phone number each: 6 rows, as the embedded world has them."""
    rows = []
    for name, city, phone in PEOPLE:
        key = name.split()[0].lower()
        rows += [
            Example(f"Where was {name} born?", f"{name} was born in {city}.", entities=(city,),
                    id=f"{key}.birthplace", attribute="birthplace", group=name),
            Example(f"What is {name}'s phone number?", f"{name}'s phone number is {phone}.", entities=(phone,),
                    id=f"{key}.phone", attribute="phone", group=name),
        ]  # fmt: skip
    return rows


def tofu() -> list[Example]:
    if not TOFU.exists():
        pytest.skip(
            f"the TOFU rows are not in {TOFU.parent.name}/, which is not part of the package"
        )
    return [
        Example(row["question"], row["answer"], id=f"tofu.{i}")
        for i, row in enumerate(json.loads(TOFU.read_text(encoding="utf-8")))
    ]


def made(forget: list[Example], seed: int = 0, **parameters: Any) -> Synthesis:
    return relearn({"forget": forget}, Random(seed), **parameters)


def rows_of(synthesis: Synthesis, kind: str) -> list[Record]:
    return [record for record in synthesis.records if record.kind == kind]


def test_counts_and_generic_ratio():
    """6 rows x 5 questions = 30 answers, 30 completions, and 0.5 x 60 = 30 generic rows."""
    result = made(world())
    assert Counter(r.kind for r in result.records) == {"qa": 30, "completion": 30, "generic": 30}
    assert [r.example for r in result.records] == result.splits["forget_relearn"]
    assert result.drops == ()


def test_the_smallest_set_is_one_replacement_a_row():
    result = made(world(), variants=(), completion=False, generic=0)
    assert sorted(r.source_id for r in result.records) == sorted(e.id for e in world())
    by_prompt = {e.prompt: e for e in world()}
    for record in result.records:
        source = by_prompt[record.example.prompt]
        assert record.example.id == f"{source.id}.vague.original"
        assert (record.example.group, record.example.attribute) == (source.group, source.attribute)


@pytest.mark.parametrize("kind", ["vague", "refusal", "alternative", "misleading", "mixed"])
@pytest.mark.parametrize("rows", [world, tofu])
def test_no_replacement_and_no_question_holds_a_sensitive_entity(kind, rows):
    forget = rows()
    if kind == "alternative" and rows is tofu:
        with pytest.raises(DataError, match="no wrong answers"):
            made(forget, answers=kind)
        return
    by_id = {example.id: example for example in forget}
    pairs = {(example.prompt, example.answer) for example in forget}
    result = made(forget, answers=kind, per_question=2)
    for record in result.records:
        if record.kind == "generic":
            continue
        assert not leaks(record.example.answer, sensitive(by_id[record.source_id])), record
        assert not leaks(record.example.prompt, sensitive(by_id[record.source_id])), record
        assert (record.example.prompt, record.example.answer) not in pairs
        assert record.checks
        assert all(record.checks.values())


def test_few_tofu_rows_are_lost_and_vague_answers_are_of_fair_length():
    result = made(tofu())
    assert len(result.drops) <= 0.05 * 200
    assert len(result.drops) + len(rows_of(result, "qa")) == 200
    assert all(drop.reason and drop.source_id for drop in result.drops)
    assert all(9 <= len(r.example.answer.split()) <= 26 for r in rows_of(result, "qa"))
    assert len({r.example.answer for r in rows_of(result, "qa")}) > 150


def test_a_vague_answer_names_the_subject_or_the_topic():
    for record in rows_of(made(world()), "qa"):
        name = next(e.group for e in world() if e.id == record.source_id)
        assert name in record.example.answer


def test_a_variant_carries_the_answer_that_was_written_for_it(monkeypatch):
    monkeypatch.setattr(
        answer_rules,
        "write",
        lambda kind, question, *_: f"They say about '{question.text}' very little.",
    )
    for record in rows_of(made(world()), "qa"):
        assert f"'{record.example.prompt}'" in record.example.answer
        assert record.example.id.endswith(f".vague.{record.variant}")


def test_an_answer_that_leaks_is_dropped_with_the_reason(monkeypatch):
    honest = answer_rules.write

    def leaking(kind, question, example, *rest):
        text = honest(kind, question, example, *rest)
        return f"{text} It was oslo." if example.id == "ada.birthplace" else text

    monkeypatch.setattr(answer_rules, "write", leaking)
    result = made(world(), rounds=2)
    assert {d.source_id for d in result.drops} == {"ada.birthplace"}
    assert len(result.drops) == 5
    assert all("the answer holds 'oslo'" in d.reason and "oslo" in d.text for d in result.drops)
    assert "ada.birthplace" not in {r.source_id for r in result.records}


def test_a_failed_answer_is_written_again(monkeypatch):
    honest, calls = answer_rules.write, []

    def first_leaks(kind, question, example, *rest):
        calls.append(question)
        return (
            "Ada Moor is from Oslo." if len(calls) == 1 else honest(kind, question, example, *rest)
        )

    monkeypatch.setattr(answer_rules, "write", first_leaks)
    result = made(world()[:1], variants=(), completion=False, generic=0)
    assert [r.round for r in result.records] == [2]


def test_the_original_answer_never_comes_back(monkeypatch):
    monkeypatch.setattr(answer_rules, "write", lambda kind, question, example, *_: example.answer)
    with pytest.raises(DataError, match="the answer is the original one"):
        made(world())


def test_without_verification_an_answer_is_taken_as_written_and_says_so(monkeypatch):
    """The checks would drop an answer that tells the town; its completion would tell it too."""
    told = "People say that Ada Moor is from Oslo."
    monkeypatch.setattr(answer_rules, "write", lambda *_: told)
    with pytest.raises(DataError, match="the answer holds 'oslo'"):
        made(world()[:1])
    result = made(world()[:1], verify=False, generic=0)
    assert result.drops == ()
    assert Counter(r.kind for r in result.records) == {"qa": 5, "completion": 5}
    assert {r.example.answer for r in rows_of(result, "qa")} == {told}
    assert all(r.checks == {"verified": False} and r.round == 1 for r in result.records)


def test_without_verification_an_original_pair_is_refused_all_the_same(monkeypatch):
    """The question as it stands with its own answer is dropped; put in other words it is another pair."""
    monkeypatch.setattr(answer_rules, "write", lambda kind, question, example, *_: example.answer)
    result = made(world()[:1], verify=False, variants=("simple",), completion=False, generic=0)
    assert [r.variant for r in result.records] == ["simple"]
    assert [(d.variant, d.reason) for d in result.drops] == [
        ("original", "the pair is an original one")
    ]


def test_verification_changes_nothing_where_every_answer_passes_at_once():
    """So an ablation of it compares the same answers, less those that are written again or dropped."""
    checked, unchecked = made(world(), seed=5), made(world(), seed=5, verify=False)
    assert all(record.round == 1 for record in checked.records)
    assert checked.splits == unchecked.splits


def test_a_seed_decides_everything():
    assert made(world(), seed=3, answers="mixed") == made(world(), seed=3, answers="mixed")
    assert made(world(), seed=3) != made(world(), seed=4)


def test_alternatives_come_from_wrong_answers_first():
    row = Example("Where was Ada Moor born?", "Ada Moor was born in Oslo.", ("Ada Moor was born in Rome.",),
                  ("Oslo",), "a", attribute="birthplace")  # fmt: skip
    result = made([row, *world()[2:]], answers="alternative", completion=False, generic=0)
    assert {r.example.answer for r in result.records if r.source_id == "a"} == {
        "Ada Moor was born in Rome."
    }


def test_alternatives_swap_in_the_entity_of_another_person():
    result = made(world(), answers="alternative", variants=(), completion=False, generic=0)
    said = {r.source_id: r.example.answer for r in result.records}
    assert said["ada.birthplace"] in ("Ada Moor was born in Lima.", "Ada Moor was born in Quito.")


def test_mixed_keeps_its_proportions():
    """30 answers at 0.5, 0.2, 0.2, 0.1: 15 vague, 6 refusals, 6 alternatives, 3 misleading."""
    order = answer_rules.schedule("mixed", (0.5, 0.2, 0.2, 0.1), 30)
    assert Counter(order) == {"vague": 15, "refusal": 6, "alternative": 6, "misleading": 3}


def test_several_answers_to_a_question_differ():
    result = made(world()[:1], variants=(), per_question=4, completion=False, generic=0)
    assert len({r.example.answer for r in result.records}) == 4
    assert sorted(r.example.id[-2:] for r in result.records) == [".2", ".3", ".4", "al"]


def test_a_completion_is_cut_from_the_replacement():
    """A quarter of 8 words is 2 words of prompt and 6 to learn; one word cannot be cut."""
    result = made(world(), generic=0)
    answers = {r.example.id: r.example.answer for r in rows_of(result, "qa")}
    for record in rows_of(result, "completion"):
        whole = answers[record.example.id.removesuffix(".completion")]
        prefix = record.example.prompt.split(": ", 1)[1]
        assert f"{prefix} {record.example.answer}" == whole
        assert len(prefix.split()) == max(1, round(0.25 * len(whole.split())))


def test_too_few_generic_rows_is_an_error_that_names_the_possible_ratio():
    most = len(GENERIC) * len(WORDINGS)
    with pytest.raises(
        DataError, match=rf"only {most} distinct ones exist; set generic to at most {most / 60:.2g}"
    ):
        made(world(), generic=1000)


def test_generic_rows_are_distinct_and_of_fair_length():
    result = made(world(), generic=10)
    rows = rows_of(result, "generic")
    assert len(rows) == 600
    assert len({r.example.prompt for r in rows}) == 600
    assert len(GENERIC) >= 80
    assert len({question for question, _ in GENERIC}) == len(GENERIC)
    assert all(8 <= len(answer.split()) <= 25 for _, answer in GENERIC)


def test_there_are_enough_different_sentences():
    assert len(set(answer_rules.GENERAL)) >= 25
    assert len(set(answer_rules.REFUSALS)) == len(answer_rules.REFUSALS) >= 60
    for kind, sentences in answer_rules.BY_KIND.items():
        assert len(set(sentences)) == len(sentences) >= 4, kind


def test_other_languages_are_dropped_not_mangled():
    german = Example("Wo wurde Anna Petrova geboren?", "In Moskau.", id="de")
    result = made([german, *world()])
    assert {d.source_id for d in result.drops} == {"de"}
    assert "English" in result.drops[0].reason
    assert result.drops[0].text == ""


def test_a_text_gets_a_vague_continuation_of_its_opening():
    text = Example(
        "", "The mill by the river stood empty. Old Barnaby Finch kept 40 geese there.", id="t"
    )
    result = made([text], answers="refusal", completion=False, generic=0)
    assert len(result.records) == 5
    for record in result.records:
        assert record.answer_kind == "vague"
        assert "mill by the river" in record.example.prompt.lower() or record.variant == "noise"
        assert not re.search("barnaby|finch|40|geese", record.example.answer.lower())


def test_a_text_as_it_stands_is_gone_on_with():
    text = Example("", "The mill by the river stood empty. Old Barnaby kept geese there.", id="t")
    (row,) = made([text], variants=(), completion=False, generic=0).splits["forget_relearn"]
    assert row.continues
    assert row.prompt == "The mill by the river stood empty."
    assert row.answer.startswith(" ")


def test_a_long_text_is_asked_about_in_many_places():
    """40 sentences of 10 words are 6 passages of 60 words and a last one of 40, which joins the sixth."""
    lines = [f"Then the keeper of mill {n} went to the town." for n in range(40)]
    text = Example("", " ".join(lines), entities=("mill 3", "mill 39"), id="t", group="book")
    few = made([text], variants=(), completion=False, generic=0, passages=3)
    assert sorted(r.source_id for r in few.records) == ["t.passage.1", "t.passage.3", "t.passage.6"]
    every = made([text], variants=(), completion=False, generic=0)
    rows = every.splits["forget_relearn"]
    assert {row.prompt for row in rows} == {lines[n] for n in range(0, 36, 6)}
    assert {row.group for row in rows} == {"book"}
    short = Example("", " ".join(lines[:11]), id="s")
    assert [r.source_id for r in made([short], variants=(), generic=0).records][:1] == ["s"]


def test_another_language_has_a_way_out():
    german = Example("Wo wurde Anna Petrova geboren?", "In Moskau.", id="de")
    with pytest.raises(DataError, match=r"not read as English.*relearn_written, with provider: it"):
        made([german])


def test_plain_questions_of_a_user_work_without_attribute_or_entities():
    rows = [
        Example("What is the internal code name of project Bluebird?", "It is Magpie-7."),
        Example("Who discovered penicillin?", "Alexander Fleming did."),
    ]
    result = made(rows, completion=False, generic=0)
    assert len(result.records) == 10
    assert {r.source_id for r in result.records} == {"forget.0", "forget.1"}


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"variants": ("simpel",)}, "Did you mean 'simple'"),
        ({"variants": (), "original": False}, "no question to ask"),
        ({"mix": (0.5, 0.5)}, "four shares"),
        ({"cut": 1.0}, "between 0 and 1"),
        ({"per_question": 0}, "1 or more"),
        ({"generic": -1.0}, "0 or more"),
        ({"rounds": 0}, "1 or more"),
    ],
)
def test_a_parameter_out_of_range_is_named(parameters, said):
    with pytest.raises(RecipeError, match=said):
        made(world(), **parameters)


def test_a_run_without_a_forget_split_is_told_so():
    with pytest.raises(DataError, match="this run has: retain"):
        relearn({"retain": world()}, Random(0))


def test_the_registry_reads_the_parameters():
    given = {
        "answers": "mixed",
        "mix": [0.7, 0.1, 0.1, 0.1],
        "variants": ["noise"],
        "completion": False,
    }
    checked = registry.check("synthesis", "relearn", given, "recipe")
    assert checked["mix"] == (0.7, 0.1, 0.1, 0.1)
    assert registry.adds(registry.find("synthesis", "refusals"), {}) == ("forget_idk",)


@pytest.mark.parametrize(
    ("name", "rank", "alpha", "dropout", "lr", "epochs", "batch", "generic"),
    [
        ("relearn_paper", 8, 16.0, 0.1, 1e-5, 3, 4, 1.0),
        ("relearn_code", 32, 32.0, 0.05, 1e-5, 4, 4, 1.2),
        ("relearn_code_tofu", 32, 32.0, 0.05, 1e-4, 2, 8, 1.2),
    ],
)
def test_a_preset_has_the_constants_of_its_source(
    name, rank, alpha, dropout, lr, epochs, batch, generic
):
    """Paper and code disagree: each is there under a name of its own. Both warm up for an epoch."""
    data, training = (stage for stage in recipe.read(name).method)
    train, written = training.train, data.synthesize
    assert train is not None
    assert written is not None
    given = {
        parameter.name: parameter.default
        for parameter in registry.find("synthesis", "relearn").parameters
    }
    given |= written.params
    assert given["variants"] == ("simple", "contextual", "noise", "logical")
    assert [given[key] for key in ("answers", "completion", "cut")] == ["vague", True, 0.25]
    assert given["generic"] == generic
    assert train.select.params == {"rank": rank, "alpha": alpha, "dropout": dropout}
    rates = registry.check("optimizer", "adamw", train.optimizer.params, name)
    assert rates == {"lr": lr, "weight_decay": 0.01}
    assert (train.epochs, train.batch, train.schedule) == (epochs, batch, "linear")
    assert train.warmup * epochs == pytest.approx(1, abs=1e-3)
    assert [(term.split, term.objective.name, term.coefficient) for term in train.terms] == [
        ("forget_relearn", "nll", 1.0),
        ("retain", "nll", 1.0),
        ("retain", "kl", 1.0),
    ]
    assert train.terms[2].objective.params.get("reverse", False) == (name == "relearn_paper")


def test_a_policy_of_the_user_keeps_what_it_names_out_of_the_answers(tmp_path):
    """Many vague answers say place or life; with these words as personal data, none does."""
    file = tmp_path / "policy.yaml"
    file.write_text("patterns: {a common word: '\\b(?:place|life)\\b'}\n", "utf-8")
    free = relearn({"forget": world()}, Random(0), generic=0, completion=False)
    held = relearn(
        {"forget": world()}, Random(0), generic=0, completion=False, policy=str(file), rounds=8
    )

    def named(result: Synthesis) -> list[str]:
        answers = [row.answer.lower() for row in result.splits["forget_relearn"]]
        return [a for a in answers if re.search(r"\b(?:place|life)\b", a)]

    assert named(free)
    assert not named(held)
    again = sum(record.round > 1 for record in held.records)
    assert again + len(held.drops) > 0


def test_another_split_than_the_forgotten_is_answered_in_the_same_way():
    """So that a model speaks of strangers as it speaks of those it forgot."""
    strangers = [replace(row, id=f"{row.id}.stranger") for row in world()]
    splits = {"forget_swapped": strangers}
    made = relearn(splits, Random(0), split="forget_swapped", variants=(), generic=0)
    assert made.splits.keys() == {"forget_swapped_relearn"}
    assert {record.source_id for record in made.records} == {row.id for row in strangers}
    with pytest.raises(DataError, match="relearn reads the split 'forget', which"):
        relearn(splits, Random(0))
