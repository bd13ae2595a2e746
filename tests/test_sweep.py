"""Reading and checking sweeps, and what the command line says of them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml

from tests.run.conftest import Call, call
from unteach import recipe, registry, sweep
from unteach.errors import RecipeError

__all__ = ["call"]  # a fixture of tests/run

BASE = """
title: Base
data: {forget: f.jsonl, retain: r.jsonl}
model: m
method:
  - train:
      terms: [{split: forget, objective: npo}, {split: retain, objective: nll}]
      optimizer: adamw
      epochs: 3
"""
DOCS = Path(__file__).parents[1] / "docs" / "recipes.md"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a recipe, so that messages hold no long paths."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "base.yaml").write_text(BASE)
    return tmp_path


def read(text: str, *overrides: str) -> sweep.Sweep:
    Path("s.yaml").write_text(text)
    return sweep.read("s.yaml", overrides)


def problems(text: str, *overrides: str) -> list[str]:
    with pytest.raises(RecipeError) as raised:
        read(text, *overrides)
    return list(raised.value.problems)


def test_runs_are_in_file_order_with_their_names_as_titles(here: Path):
    found = read("title: T\nrecipe: base.yaml\nruns: {Zeta run: {}, 'alpha: 0.5': {}, Mid: {}}")
    assert found.title == "T"
    assert [one.name for one in found.runs] == ["Zeta run", "alpha: 0.5", "Mid"]
    assert [one.folder for one in found.runs] == ["zeta_run", "alpha_0_5", "mid"]
    assert [one.recipe.title for one in found.runs] == ["Zeta run", "alpha: 0.5", "Mid"]


def test_a_later_change_wins_over_an_earlier_one(here: Path):
    """The recipe says 3 epochs, the sweep 4, the run 5, the command line 6; each is there alone too."""
    text = "recipe: base.yaml\nset: {SWEEP}\nruns: {a: {set: {RUN}}}"
    key = "method.0.train.epochs"
    for of_sweep, of_run, overrides, epochs in (
        ("", "", [], 3),
        (f"{key}: 4", "", [], 4),
        (f"{key}: 4", f"{key}: 5", [], 5),
        (f"{key}: 4", f"{key}: 5", [f"{key}=6"], 6),
    ):
        filled = text.replace("SWEEP", of_sweep).replace("RUN", of_run)
        (one,) = read(filled, *overrides).runs
        train = one.recipe.method[0].train
        assert train is not None
        assert train.epochs == epochs


def test_values_keep_the_types_they_have_in_the_file(here: Path):
    """Written as text, 0.00001 is 1e-05, which YAML reads as a word."""
    text = """
recipe: base.yaml
set: {method.0.train.optimizer.lr: 0.00001, data.forget.split: 'null'}
runs:
  a: {set: {method.0.train.epochs: null, method.0.train.steps: 7, title: '12'}}
"""
    (one,) = read(text).runs
    train = one.recipe.method[0].train
    assert train is not None
    assert train.optimizer.params["lr"] == 0.00001
    assert isinstance(train.optimizer.params["lr"], float)
    assert (train.epochs, train.steps) == (None, 7)
    assert one.recipe.data.splits["forget"].split == "null"


def test_runs_do_not_share_what_they_change(here: Path):
    found = read(
        "recipe: base.yaml\nset: {method.0.train.terms: [{split: forget, objective: npo}]}\n"
        "runs: {a: {set: {method.0.train.terms.0.coefficient: 2.0}}, b: {}}"
    )
    trains = [one.recipe.method[0].train for one in found.runs]
    assert [train.terms[0].coefficient for train in trains if train] == [2.0, 1.0]


def test_data_are_beside_the_file_that_names_them(here: Path):
    """Of a recipe file beside its recipe; of a shipped recipe beside the sweep; else where we are."""
    (here / "deep").mkdir()
    (here / "deep" / "base.yaml").write_text(BASE)
    own, of_shipped = read("runs: {a: {recipe: deep/base.yaml}, b: {recipe: npo}}").runs
    assert (own.root, of_shipped.root) == (Path("deep"), Path())
    (here / "deep" / "s.yaml").write_text("recipe: npo\nruns: {a: {}}")
    assert sweep.read("deep/s.yaml").runs[0].root == Path("deep")


def test_a_run_may_name_another_recipe(here: Path):
    found = read("recipe: base.yaml\nruns: {a: {}, b: {recipe: npo}}")
    assert [one.recipe.source for one in found.runs] == ["", recipe.read("npo").source]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "recipes: x\nruns: {a: {sett: {}}, b: 3}\nset: 1",
            [
                "s.yaml: set: this should be a mapping.",
                "s.yaml: run 'a': sett: there is no such key. Did you mean 'set'? "
                "Keys here: recipe, set.",
                "s.yaml: run 'b': this should be a mapping.",
                "s.yaml: recipes: there is no such key. Did you mean 'recipe'? "
                "Keys here: title, recipe, set, runs.",
            ],
        ),
        (
            "recipe: base.yaml\nruns: {}",
            ["s.yaml: runs: this has no run. Give at least one, as in runs: {as it is: {}}."],
        ),
        ("recipe: base.yaml", ["s.yaml: runs is missing."]),
        (
            "recipe: base.yaml\nruns: {no: {}, 0.5: {}}",
            [
                f"s.yaml: runs: YAML reads a key here as {key}, not as a word, as it does with on, "
                "off, yes, no and numbers. Put it in quotes."
                for key in ("False", "0.5")
            ],
        ),
        (
            "recipe: base.yaml\nruns: {DPO: {}, dpo: {}, '?!': {}}",
            [
                "s.yaml: runs 'DPO' and 'dpo' would both be written to the folder dpo. "
                "Give one of them another name.",
                "s.yaml: run '?!': its folder would be called ''. "
                "Give it a name of 1 to 100 letters and digits.",
            ],
        ),
        (
            "recipe: base.yaml\nruns: {a: {}, a: {recipe: npo}}",
            ["s.yaml:2: not readable as YAML: the key 'a' is there twice."],
        ),
        ("runs: {a: {}}", ["s.yaml: run 'a': recipe is missing, here and for the whole sweep."]),
        (
            "recipe: nop\nruns: {a: {}, b: {recipe: base.yaml}, c: {}}",
            [
                "s.yaml: runs 'a', 'c': recipe: there is no file 'nop' beside the sweep, and no "
                "shipped recipe has that name. Did you mean 'npo'?"
            ],
        ),
        (
            "recipe: base.yaml\nset: {sed: 0}\nruns:\n  a: {set: {method.3.train: 1}}\n"
            "  b: {set: {method.0.train.terms.0.objective: nop, 'seed=1': 2}}\n"
            "  c: {set: {method.0.train.batch: many}}",
            [
                "s.yaml: run 'a': set: method.3.train: the recipe has no method.3.",
                "s.yaml: run 'b': set: 'seed=1' is not a path of keys. "
                "Write it as in method.0.train.epochs: 3.",
                "s.yaml: run 'c': method[0].train.batch: this should be a whole number "
                "from 1 (it is 'many').",
                "s.yaml: run 'c': sed: there is no such key. Did you mean 'seed'? "
                f"Keys here: {', '.join(recipe.Recipe.model_fields)}.",
            ],
        ),
    ],
)
def test_every_problem_is_said_at_once(here: Path, text: str, said: list[str]):
    assert problems(text) == said


def test_a_wrong_override_is_said_once_for_all_runs(here: Path):
    assert problems("recipe: base.yaml\nruns: {a: {}, b: {}}", "method.5.train.epochs=1") == [
        "s.yaml: runs 'a', 'b': --set method.5.train.epochs=1: the recipe has no method.5."
    ]


@pytest.mark.parametrize("text", ["runs: [", "- a", "text", ""])
def test_a_file_that_is_no_mapping_is_refused_by_name(here: Path, text: str):
    (said,) = problems(text)
    assert re.match(r"s\.yaml:(1: not readable as YAML| this should be a mapping)", said)
    assert not sweep.is_sweep("s.yaml")


def test_an_unknown_sweep_names_those_that_there_are():
    with pytest.raises(RecipeError) as raised:
        sweep.read("nope")
    assert str(raised.value) == (
        "nope: no such file, and no shipped sweep has that name. "
        f"Shipped sweeps: {', '.join(sweep.shipped())}."
    )


def test_a_sweep_is_told_from_a_recipe_by_its_runs(here: Path):
    Path("s.yaml").write_text("runs: {}")
    assert sweep.is_sweep("s.yaml")
    assert not sweep.is_sweep("base.yaml")
    assert not sweep.is_sweep("relearn")
    assert not sweep.is_sweep("nope")


@pytest.mark.parametrize("name", sweep.shipped())
def test_a_shipped_sweep_is_fine(name: str):
    found = sweep.read(name)
    assert found.title
    assert len(found.runs) > 1


def test_every_run_of_the_ablation_trains_the_same_number_of_steps():
    runs = {one.name: one.recipe for one in sweep.read("relearn_ablation").runs}
    trains = [stage.train for one in runs.values() for stage in one.method if stage.train]
    assert len(runs) == len(trains) == 18
    assert {(train.steps, train.epochs, train.batch) for train in trains} == {(40, None, 8)}
    assert {len(train.terms) for train in trains} == {1, 2, 3}


def test_each_run_of_the_ablation_changes_one_key():
    """All but DPO, which is another recipe."""
    runs = {one.name: one.recipe for one in sweep.read("relearn_ablation").runs}
    whole = runs.pop("mixed answers").model_dump(exclude={"title"})
    del runs["DPO"]
    for one in runs.values():
        mine = one.model_dump(exclude={"title"})
        assert {key for key in whole if whole[key] != mine[key]} == {"method"}
        changed = [
            (verb, key)
            for before, after in zip(whole["method"], mine["method"], strict=True)
            for verb in ("synthesize", "train")
            for key in {**(before[verb] or {}), **(after[verb] or {})}
            if (before[verb] or {}).get(key) != (after[verb] or {}).get(key)
        ]
        assert len(changed) == 1


def test_the_ablation_names_every_kind_of_answer():
    kinds = next(
        p for p in registry.find("synthesis", "relearn").parameters if p.name == "answers"
    ).annotation
    runs = sweep.read("relearn_ablation").runs
    tried = {one.recipe.method[0].synthesize for one in runs}
    named = {
        choice.params.get("answers") for choice in tried if choice and choice.name == "relearn"
    }
    assert named == set(re.findall(r"[\"'](\w+)[\"']", kinds))


def test_the_sweep_in_the_docs_is_one(here: Path):
    """It is fenced as yml, for what is fenced as yaml is checked to be a recipe."""
    (code,) = re.findall(r"^```yml\n(.*?)^```$", DOCS.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    assert [one.name for one in read(code).runs] == list(yaml.safe_load(code)["runs"])


class TestCommands:
    def test_list_names_the_shipped_ones(self, call: Call):
        found = json.loads(call("list", "sweeps", "--json").out)["sweeps"]
        assert set(found) == set(sweep.shipped())
        assert found["relearn_ablation"]["summary"] == ("What each part of ReLearn does (18 runs)")

    def test_show_prints_the_file(self, call: Call):
        said = call("show", "relearn_ablation")
        assert said.out.startswith("sweep relearn_ablation (for compare --sweep)\n\n# ReLearn")

    def test_check_says_the_runs_and_their_rows(self, call: Call):
        said = call("check", "relearn_ablation")
        assert (said.code, said.err) == (0, "")
        runs = ", ".join(one.name for one in sweep.read("relearn_ablation").runs)
        start = f"relearn_ablation: fine. Runs: {runs}. Rows: forget 24, retain 36, "
        assert said.out.startswith(start)

    def test_check_says_which_runs_lack_data(self, call: Call, here: Path):
        Path("s.yaml").write_text("recipe: base.yaml\nruns: {a: {}, b: {}}")
        said = call("check", "s.yaml")
        assert said.code == 2
        assert said.err.startswith("error: s.yaml: runs 'a', 'b': ")
        assert "f.jsonl" in said.err

    def test_a_value_of_set_is_not_also_varied(self, call: Call):
        for given in (["--vary", "seed=1,2"], ["--chain"]):
            said = call("compare", "--sweep", "relearn_ablation", *given)
            assert (said.code, said.err) == (
                2,
                "error: compare: --vary and --chain go with --methods; a sweep says what varies.\n",
            )

    @pytest.mark.parametrize("words", [["runs/a"], ["--methods", "npo"]])
    def test_one_of_runs_methods_and_sweep(self, call: Call, words: list[str]):
        said = call("compare", *words, "--sweep", "relearn_ablation")
        assert (said.code, said.err) == (
            2,
            "error: compare: give run folders, or one of --methods and --sweep to run first.\n",
        )


class TestVaried:
    """Whether the runs differ in one number, so that a figure can be drawn over it."""

    def test_one_number_that_all_runs_set(self, here: Path):
        text = "title: T\nrecipe: base.yaml\nruns: {a: {set: {seed: 1}}, b: {set: {seed: 2}}}"
        at = {"method": "T", "key": "seed"}
        assert [one.varied for one in read(text).runs] == [
            {**at, "value": "1"},
            {**at, "value": "2"},
        ]

    @pytest.mark.parametrize(
        "runs",
        [
            "{a: {set: {seed: 1}}}",
            "{a: {set: {seed: 1}}, b: {}}",
            "{a: {set: {seed: 1}}, b: {set: {seed: 2, title: t}}}",
            "{a: {set: {title: s}}, b: {set: {title: t}}}",
            "{a: {set: {seed: 1}}, b: {set: {seed: 1}}}",
            "{a: {set: {seed: 1}}, b: {recipe: base.yaml, set: {seed: 2}}}",
        ],
        ids=["one run", "not set", "two keys", "words", "the same", "another recipe"],
    )
    def test_anything_else(self, here: Path, runs: str):
        found = read(f"recipe: base.yaml\nruns: {runs}")
        assert [one.varied for one in found.runs] == [None] * len(found.runs)
