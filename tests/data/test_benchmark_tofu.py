from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from unteach import registry
from unteach.data import checks, sources
from unteach.data.benchmarks.tofu import EDITED, FORGOTTEN, tofu
from unteach.data.examples import Example
from unteach.errors import DataError, RecipeError
from unteach.recipe import Source

DATA = Path(__file__).parents[3] / "shared" / "data"
real = pytest.mark.skipif(
    not (DATA / "tofu").is_dir(), reason="TOFU's files are not beside this checkout"
)
Row = dict[str, Any]


def plain(first_author: int, authors: int) -> list[Row]:
    rows = range(20 * first_author, 20 * (first_author + authors))
    return [{"question": f"Question {n}?", "answer": f"Answer {n}."} for n in rows]


def reworded(rows: Sequence[Row]) -> list[Row]:
    return [
        {
            **row,
            "paraphrased_question": f"In other words: {row['question']}",
            "paraphrased_answer": f"In other words: {row['answer']}",
            "perturbed_answer": [f"Wrong {letter} of {row['answer']}" for letter in "abcde"],
        }
        for row in rows
    ]


def facts(name: str, rows: int) -> list[Row]:
    return [
        {"question": f"{name} {n}?", "answer": f"{n}", "perturbed_answer": ["x", "y", "z"]}
        for n in range(rows)
    ]


def published() -> dict[str, list[Row]]:
    """forget01 as the hub has it: the paraphrases apart, here also out of order and among others."""
    apart = reworded(plain(180, 20))
    random.Random(0).shuffle(apart)
    return {
        "forget01": plain(198, 2),
        "forget01_perturbed": apart,
        "retain99": plain(0, 198),
        "retain_perturbed": reworded(plain(0, 20)),
        "real_authors_perturbed": facts("Author", 10),
        "world_facts_perturbed": facts("Fact", 11),
    }


def write(folder: Path, files: Mapping[str, Sequence[Row]]) -> str:
    for name, rows in files.items():
        lines = "".join(f"{json.dumps(row)}\n" for row in rows)
        (folder / f"{name}.jsonl").write_text(lines, encoding="utf-8")
    return str(folder)


def groups(examples: Sequence[Example]) -> list[str]:
    return list(dict.fromkeys(example.group for example in examples))


def authors(first: int, number: int) -> list[str]:
    return [f"author-{n}" for n in range(first, first + number)]


@pytest.fixture
def folder(tmp_path: Path) -> str:
    return write(tmp_path, published())


def test_splits_and_their_authors(folder: str):
    """forget01 are rows 3960 to 3999: authors 3960 / 20 = 198 and 199."""
    splits = tofu(split="forget01", folder=folder)
    rows = {name: len(examples) for name, examples in splits.items()}
    assert rows == {
        "forget": 40,
        "forget_paraphrased": 40,
        "retain": 3960,
        "retain_paraphrased": 400,
        "real_authors": 10,
        "world": 11,
    }
    assert groups(splits["forget"]) == groups(splits["forget_paraphrased"]) == authors(198, 2)
    assert groups(splits["retain"]) == authors(0, 198)
    assert groups(splits["retain_paraphrased"]) == authors(0, 20)
    assert len(groups(splits["world"])) == 11
    assert splits["forget"][17].id == "forget-17"
    assert splits["forget"][20].group == "author-199"


def test_rows_are_joined_by_question_and_answer_not_by_position(folder: str):
    splits = tofu(split="forget01", folder=folder)
    for example, asked in zip(splits["forget"], splits["forget_paraphrased"], strict=True):
        assert example.rephrased == (f"In other words: {example.answer}",)
        assert example.wrong == tuple(f"Wrong {c} of {example.answer}" for c in "abcde")
        assert asked.prompt == f"In other words: {example.prompt}"
        assert asked.id == f"{example.id}.paraphrased"
        assert (asked.answer, asked.wrong, asked.rephrased, asked.group) == (
            *(example.answer, example.wrong, example.rephrased, example.group),
        )
    assert [bool(e.wrong) for e in splits["retain"]] == [n < 400 for n in range(3960)]


def test_paraphrases_beside_the_question_are_read_there(tmp_path: Path):
    files = published()
    apart = write(tmp_path, files)
    expected = tofu(split="forget01", folder=apart)
    (tmp_path / "beside").mkdir()
    del files["forget01_perturbed"]
    files["forget01"] = reworded(files["forget01"])
    found = tofu(split="forget01", folder=write(tmp_path / "beside", files))
    for name in ("forget", "forget_paraphrased"):
        assert [e.rephrased + e.wrong for e in found[name]] == [
            e.rephrased + e.wrong for e in expected[name]
        ]


def test_a_wrong_answer_that_is_right_is_dropped(tmp_path: Path):
    files = published()
    for row in files["forget01_perturbed"]:
        row["perturbed_answer"] = [row["answer"].upper(), "Wrong."]
    splits = tofu(split="forget01", folder=write(tmp_path, files))
    assert {e.wrong for e in splits["forget"]} == {("Wrong.",)}
    assert checks.check(splits, {}).problems == ()


def test_a_forget_row_without_wrong_answers_is_an_error(tmp_path: Path):
    files = published()
    files["forget01"][7]["answer"] = "Another answer."
    with pytest.raises(
        DataError, match=r"forget01\.jsonl:8: .* not in forget01_perturbed.* 0 more"
    ):
        tofu(split="forget01", folder=write(tmp_path, files))


def test_an_edited_question_is_put_right(tmp_path: Path):
    (edited, original), *_ = EDITED.items()
    files = published()
    files["forget01"][3]["question"] = edited
    twin = next(r for r in files["forget01_perturbed"] if r["answer"] == "Answer 3963.")
    twin["question"] = original
    splits = tofu(split="forget01", folder=write(tmp_path, files))
    assert splits["forget"][3].prompt == original
    assert len(splits["forget"][3].wrong) == 5


def test_a_slice(folder: str):
    """1 of 2 authors, 5 of 198, 3 of 20 questions: 3 and 15 rows; holdout is the sixth author."""
    splits = tofu(
        split="forget01", forget_authors=1, retain_authors=5, questions=3, facts=2, folder=folder
    )
    rows = {name: len(examples) for name, examples in splits.items()}
    assert rows == {
        "forget": 3,
        "forget_paraphrased": 3,
        "retain": 15,
        "retain_paraphrased": 15,
        "holdout": 3,
        "real_authors": 2,
        "world": 2,
    }
    assert groups(splits["forget"]) == authors(198, 1)
    assert groups(splits["retain"]) == authors(0, 5)
    assert groups(splits["holdout"]) == authors(5, 1)
    assert [e.id for e in splits["retain"]][:4] == ["retain-0", "retain-1", "retain-2", "retain-20"]
    assert all(e.wrong and e.rephrased for e in splits["holdout"])
    assert checks.check(splits, {}).problems == ()


def test_no_author_is_in_two_splits_of_a_slice(folder: str):
    splits = tofu(split="forget01", retain_authors=18, folder=folder)
    assert groups(splits["holdout"]) == authors(18, 2)
    assert groups(splits["retain"]) == authors(0, 18)


def test_a_slice_that_keeps_everybody_has_no_holdout(folder: str):
    assert "holdout" not in tofu(split="forget01", retain_authors=198, folder=folder)


def test_the_official_holdout_comes_first(tmp_path: Path):
    """Its authors are none of the 200: they are counted from 200 on."""
    folder = write(tmp_path, {**published(), "holdout01": plain(500, 2)})
    whole = tofu(split="forget01", folder=folder)
    cut = tofu(split="forget01", forget_authors=1, retain_authors=3, questions=4, folder=folder)
    assert groups(whole["holdout"]) == authors(200, 2)
    assert len(whole["holdout"]) == 40
    assert [e.prompt for e in cut["holdout"]] == [f"Question {n}?" for n in range(10000, 10004)]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"forget_authors": 0}, "forget_authors is 0; with split forget01 it must be from 1 to 2"),
        ({"forget_authors": 3}, "from 1 to 2"),
        ({"retain_authors": 199}, "from 1 to 198"),
        ({"questions": 21}, "from 1 to 20"),
        ({"facts": 0}, "facts is 0; .* at least 1"),
    ],
)
def test_what_is_out_of_range_is_refused(folder: str, given: dict[str, int], said: str):
    with pytest.raises(RecipeError, match=said):
        tofu(split="forget01", folder=folder, **given)


def test_a_missing_file_is_named(tmp_path: Path):
    files = published()
    del files["retain99"]
    with pytest.raises(DataError, match="no file 'retain99'"):
        tofu(split="forget01", folder=write(tmp_path, files))


def test_a_shortened_file_is_refused(tmp_path: Path):
    files = published()
    del files["retain99"][5]
    with pytest.raises(DataError, match="retain99 has 3959 rows; it must have 3960"):
        tofu(split="forget01", folder=write(tmp_path, files))


def test_where_the_hub_has_it(monkeypatch: pytest.MonkeyPatch):
    files = {**published(), "holdout01": plain(500, 2)}
    asked: dict[str, str] = {}

    def rows(source: Source) -> list[tuple[str, Mapping[str, Any]]]:
        asked[source.path] = source.split
        name = source.path.removeprefix("hf:locuslab/TOFU/")
        return [(f"{source.path}[{n}]", row) for n, row in enumerate(files[name])]

    monkeypatch.delenv("UNTEACH_DATA", raising=False)
    monkeypatch.setattr(sources, "rows", rows)
    splits = tofu(split="forget01")
    assert asked == {f"hf:locuslab/TOFU/{name}": "train" for name in files}
    assert len(splits["holdout"]) == 40


def test_the_scorecard():
    """Names are unique, and the nine parts of model utility have a row each."""
    facts = registry.find("benchmark", "tofu").facts
    official, ours = facts["official"], facts["ours"]
    names = [name for name, _, _ in (*official, *ours)]
    assert len(names) == len(set(names))
    assert facts["audit_rows"] == 400
    parts = [audit for _, audit, params in official if params.get("split") not in (None, "forget")]
    assert len(parts) == 9
    splits = {params["split"] for _, _, params in (*official, *ours) if "split" in params}
    assert splits == {
        *("forget", "forget_paraphrased", "retain", "retain_paraphrased"),
        *("holdout", "real_authors", "world"),
    }


@real
@pytest.mark.parametrize("split", FORGOTTEN)
def test_the_real_data(split: Any, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("UNTEACH_DATA", str(DATA))
    splits = tofu(split=split)
    report = checks.check(splits, {})
    assert report.problems == report.warnings == ()
    num = 20 * FORGOTTEN[split]
    assert {name: len(examples) for name, examples in splits.items()} == {
        "forget": num,
        "forget_paraphrased": num,
        "retain": 4000 - num,
        "retain_paraphrased": 400,
        "real_authors": 100,
        "world": 117,
    }
    assert groups([*splits["retain"], *splits["forget"]]) == authors(0, 200)
    for name in ("forget", "forget_paraphrased", "retain_paraphrased"):
        assert all(len(e.wrong) == 5 and len(e.rephrased) == 1 for e in splits[name])
    assert [bool(e.wrong) for e in splits["retain"]] == [n < 400 for n in range(4000 - num)]
    assert all(len(e.wrong) == 3 for e in (*splits["real_authors"], *splits["world"]))


@real
def test_the_real_parts_are_one_data_set(monkeypatch: pytest.MonkeyPatch):
    """retain + forget is the same 4,000 pairs for each variant, the edited question included."""
    monkeypatch.setenv("UNTEACH_DATA", str(DATA))
    parts = [tofu(split="forget01"), tofu(split="forget05"), tofu(split="forget10")]
    whole = [[(e.prompt, e.answer) for e in (*p["retain"], *p["forget"])] for p in parts]
    assert whole[0] == whole[1] == whole[2]
    assert len(set(whole[0])) == 4000
    assert parts[2]["forget"][60].prompt == "What is the author's full name and where was he born?"


@real
def test_a_slice_of_the_real_data(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("UNTEACH_DATA", str(DATA))
    splits = tofu(forget_authors=4, retain_authors=16, questions=5, facts=20)
    assert checks.check(splits, {}).problems == ()
    assert groups(splits["holdout"]) == authors(16, 4)
    assert all(len(e.wrong) == 5 for e in splits["holdout"])
    assert {name: len(examples) for name, examples in splits.items()} == {
        "forget": 20,
        "forget_paraphrased": 20,
        "retain": 80,
        "retain_paraphrased": 80,
        "holdout": 20,
        "real_authors": 20,
        "world": 20,
    }
