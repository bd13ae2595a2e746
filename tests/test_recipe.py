"""Reading, overriding, checking and writing recipes."""

from __future__ import annotations

import re

import pytest
import yaml

from unteach import recipe, registry
from unteach.errors import RecipeError
from unteach.suites import SUITES

TEXT = """
model: m
data: {forget: a.jsonl, retain: {path: b.jsonl}}
method:
  - train:
      terms:
        - {split: forget, objective: npo}
        - {split: retain, objective: nll}
      epochs: 3
"""


def changed(*overrides: str, text: str = TEXT) -> recipe.Recipe:
    plain = yaml.safe_load(text)
    for override in overrides:
        recipe.override(plain, override)
    return recipe.parse(plain, "r.yaml")


CARDS = [name for name in registry.entries("benchmark") if recipe.card(name)]


def problems(*overrides: str, text: str = TEXT) -> list[str]:
    with pytest.raises(RecipeError) as raised:
        changed(*overrides, text=text)
    assert str(raised.value) == "\n".join(raised.value.problems)
    return list(raised.value.problems)


@pytest.mark.parametrize("name", recipe.shipped())
def test_a_shipped_recipe_is_fine_names_its_paper_and_survives_being_written(name: str):
    first = recipe.read(name)
    again = recipe.parse(yaml.safe_load(first.to_yaml()))
    assert first.title
    assert first.source or not first.method
    assert again == first
    assert again.digest() == first.digest()


def test_an_unknown_recipe_names_those_that_there_are():
    with pytest.raises(RecipeError, match=r"^nope: no such file, and no shipped recipe .*: .*ga"):
        recipe.read("nope")


@pytest.mark.parametrize("text", ["model: [", "\xff", "- a", "text", ""])
def test_a_file_that_is_no_mapping_is_refused_by_name(tmp_path, text: str):
    file = tmp_path / "r.yaml"
    file.write_bytes(text.encode("latin-1"))
    with pytest.raises(
        RecipeError,
        match=r"r\.yaml:(1: not readable as YAML| not readable as YAML| a recipe is a mapping)",
    ):
        recipe.read(file)


def test_problems_of_every_kind_come_at_once():
    text = """
mdel: x
data: {Bad-name: a.jsonl, forget: {path: f.jsonl, rows: 0}}
method:
  - train:
      terms:
        - {split: forget, objective: {name: npo, bata: 0.1}, coeficient: 2}
        - {split: forget, objective: nop, weighting: confidense}
      optimizer: {name: adamw, lr: fast}
      select: all
      epochs: 1
  - synthesize: relern
audits: [probabilty, {name: quick, split: forget}]
seed: -1
"""
    found = problems(text=text)
    known = sorted(registry.entries("audit"))
    assert found == [
        "r.yaml: model is missing.",
        "r.yaml: data.forget.rows: this should be a whole number from 1 (it is 0).",
        "r.yaml: method[0].train.terms[0].objective: npo has no parameter 'bata'. "
        "Did you mean 'beta'? npo takes beta: number above 0 = 0.1, mean: bool = False.",
        "r.yaml: method[0].train.terms[0].coeficient: there is no such key. Did you mean "
        "'coefficient'? Keys here: split, objective, weighting, coefficient, down_to, pairs.",
        *[p for p in found if "terms[1]" in p],
        *[p for p in found if "select" in p],
        "r.yaml: method[0].train.optimizer: adamw.lr is 'fast', which is not a "
        "number above 0, up to 10.",
        *[p for p in found if "synthesize" in p],
        "r.yaml: audits[0]: no audit is named 'probabilty'. Did you mean 'probability'? "
        f"Known: {', '.join(known)}. Suites: {', '.join([*SUITES, *CARDS])}.",
        "r.yaml: audits[1]: the suite 'quick' takes no parameters; it was given split.",
        "r.yaml: seed: this should be a whole number from 0, below 2 ** 32 (it is -1).",
        *[p for p in found if "mdel" in p],
        "r.yaml: data: 'Bad-name' cannot name a split; use lower-case words joined by '_', "
        "as in forget_paraphrased.",
    ]
    assert len(found) == 14
    assert [p.split(" Known")[0] for p in found if "terms[1]" in p] == [
        "r.yaml: method[0].train.terms[1].objective: no objective is named 'nop'. "
        "Did you mean 'npo'?",
        "r.yaml: method[0].train.terms[1].weighting: no weighting is named 'confidense'. "
        "Did you mean 'confidence'?",
    ]
    assert "r.yaml: mdel: there is no such key. Did you mean 'model'?" in found[-2]


def test_yaml_that_reads_a_key_as_true_is_explained():
    assert problems(text=TEXT.replace("split: forget", "on: forget")) == [
        "r.yaml: method[0].train.terms[0].split is missing.",
        "r.yaml: method[0].train.terms[0]: YAML reads a key here as True, not as a word, as it "
        "does with on, off, yes, no and numbers. Use another name, or put it in quotes.",
    ]


def test_the_wrong_shape_is_said_in_yaml_words():
    assert problems("teach=on", "method={train: 1}", "data=3") == [
        "r.yaml: data: this should be a mapping (it is 3).",
        "r.yaml: teach: this should be a mapping (it is True).",
        "r.yaml: method: this should be a list.",
    ]


def test_a_recipe_without_data_is_refused():
    assert problems(text="model: m\ndata: {}") == [
        "r.yaml: data: name a benchmark, or give at least a forget split."
    ]


def test_a_stage_is_one_verb_and_one_length():
    assert problems("method.0.synthesize=relearn", "method.0.train.steps=4") == [
        "r.yaml: method[0].train: give either epochs or steps."
    ]
    assert problems("method.0.synthesize=relearn") == [
        "r.yaml: method[0]: a stage is one of 'synthesize', 'train', 'edit' or 'repeat'."
    ]


def test_a_recipe_without_model_and_data_is_tried_on_the_demos_world():
    method = {
        "method": [{"train": {"terms": [{"split": "forget", "objective": "nll"}], "steps": 1}}]
    }
    found = recipe.parse(method)
    assert found.model == recipe.DEMO["model"]
    assert found.data.benchmark is not None
    assert found.data.benchmark.params["people"] == 20
    assert found.teach == recipe.Teach(**recipe.DEMO["teach"])
    changed = recipe.read("npo", ["data.benchmark.people=9"]).data.benchmark
    assert changed is not None
    assert changed.params["people"] == 9
    with pytest.raises(RecipeError, match=r"r\.yaml: model is missing"):
        recipe.parse({**method, "data": {"forget": "f.jsonl"}}, "r.yaml")


def test_a_loss_that_compares_rows_is_told_which():
    assert problems("method.0.train.terms.0.objective=dpo") == [
        "r.yaml: method[0].train.terms[0]: dpo compares each row with its preferred row. Say which "
        "split holds them: pairs: {preferred: <split>}."
    ]
    assert problems("method.0.train.terms.0.pairs={preferred: forget_idk}") == [
        "r.yaml: method[0].train.terms[0]: npo compares no rows, so it takes no pairs. Drop them."
    ]


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ("method.0.train.terms.0.objective=whp", "train.terms[0]"),
        ("method.0={edit: {name: negate, of: reinforced}}", "edit.of"),
        ("method.0={edit: {name: merge, of: [original, reinforced]}}", "edit.of"),
    ],
)
def test_a_model_that_no_stage_trains_is_named(change: str, place: str):
    assert problems(change) == [
        f"r.yaml: method[0].{place} reads a model 'reinforced', and no stage before it trains one. "
        "Add a stage train: {into: reinforced, ...} before it."
    ]


def test_a_name_of_a_model_is_given_once():
    assert problems("method.0.train.into=original") == [
        "r.yaml: method[0].train.into: there is a model 'original' already. Use another name."
    ]


def test_a_weighting_of_tokens_does_not_fit_a_loss_of_whole_answers():
    assert problems("method.0.train.terms.0.weighting=confidence") == [
        "r.yaml: method[0].train.terms[0]: npo is one loss for a whole answer, and a weighting "
        "weighs its tokens. Drop the weighting, or use an objective of tokens."
    ]


@pytest.mark.parametrize(
    ("given", "level"), [("1e-2", 0.01), ("0.3", 0.3), ("holdout", "holdout"), ("gold", "gold")]
)
def test_a_level_is_a_probability_or_a_name(given: str, level: float | str):
    """YAML 1.1 reads 1e-2 as text, which would then be looked for among the splits."""
    chosen = changed(f"method.0.train.terms.0.down_to={given}")
    assert chosen.method[0].train
    assert chosen.method[0].train.terms[0].down_to == level


@pytest.mark.parametrize("place", ["terms.0.down_to", "stop.level"])
def test_a_level_beyond_one_is_refused(place: str):
    assert problems(f"method.0.train.{place}=30")[0].endswith(
        ": a level is a probability from 0 to 1, or the name of a split (it is 30)."
    )


def test_overrides_reach_nested_values_lists_and_choices_written_as_a_word():
    chosen = changed(
        "method.0.train.terms.0.objective.beta=1e-1",
        "method.0.train.terms.1.objective=ascent",
        "method.0.train.optimizer.name=sgd",
        "method.0.train.optimizer.lr=1e-3",
        "data.forget.rows=4",
        "data.holdout=h.jsonl",
        "teach.epochs=2",
        "audits=quick",
        "title=npo, twice",
    )
    train = chosen.method[0].train
    assert train is not None
    assert str(train.terms[0].objective) == "npo(beta=1e-1)"
    assert train.terms[1].objective.name == "ascent"
    assert train.optimizer.params == {"lr": "1e-3"}
    assert chosen.data.splits["forget"] == recipe.Source(path="a.jsonl", rows=4)
    assert chosen.data.splits["holdout"] == recipe.Source(path="h.jsonl")
    assert chosen.teach == recipe.Teach(epochs=2)
    assert [a.name for a in chosen.audits] == ["quick"]
    assert chosen.title == "npo, twice"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("epochs", "write it as key.path=value, as in method.0.train.epochs=3."),
        ("=3", "write it as key.path=value, as in method.0.train.epochs=3."),
        ("method.1.train.steps=3", "the recipe has no method.1."),
        ("method.-1.train.steps=3", "the recipe has no method.-1."),
        ("method.first.train.steps=3", "the recipe has no method.first."),
        ("method.4=3", "the recipe has no method.4; it has 1 there."),
        ("title=[a", "the value is not readable as YAML. Quote it if it holds : or [."),
        ("title=a: b: c", "the value is not readable as YAML. Quote it if it holds : or [."),
    ],
)
def test_an_override_that_fits_nowhere_says_so(text: str, said: str):
    assert problems(text) == [f"--set {text}: {said}"]


def test_an_override_of_a_value_as_if_it_had_parts_is_refused():
    assert problems("seed.x=1") == [
        "r.yaml: seed: this should be a whole number from 0, below 2 ** 32."
    ]


def test_the_digest_is_that_of_the_content():
    assert changed().digest() == changed().digest()
    assert re.fullmatch(r"[0-9a-f]{16}", changed().digest())
    variants = [
        *("model=n", "seed=1", "dtype=bfloat16", "data.forget=c.jsonl", "data.max_tokens=99"),
        *("data.system=Hello", "teach.epochs=1", "gold=g", "audits=quick", "device=cpu"),
        *("method.0.train.epochs=4", "method.0.train.terms.0.coefficient=2"),
        *("method.0.train.terms.0.objective.beta=0.2", "method.0.train.max_grad_norm=null"),
        *("method.0.train.terms.1.weighting=confidence", "method.0.train.terms.0.down_to=gold"),
    ]
    digests = {changed(v).digest() for v in variants} | {changed().digest()}
    assert len(digests) == len(variants) + 1


@pytest.mark.parametrize(
    "override",
    [
        "method.0.train.max_grad_norm=null",
        "method.0.train.terms.0.down_to=1e-2",
        "method.0.train.optimizer={name: adamw, lr: 1e-5}",
        "method.0.train.stop={level: gold, keep: 0.9}",
        "data.forget={path: a.jsonl, rows: 3}",
        "title='Zoë: \"on\"'",
        "audits=[]",
        "audits=[quick, {name: probability, split: forget}]",
    ],
)
def test_what_is_written_is_read_back_equal(override: str):
    first = changed(override)
    assert recipe.parse(yaml.safe_load(first.to_yaml())) == first


def test_suites_are_spelled_out_and_an_audit_named_twice_is_kept_once():
    chosen = changed("audits=[{name: accuracy, split: forget}, quick, quick]")
    spelled = recipe.audits(chosen)
    assert spelled[0].name == "accuracy"
    assert len(spelled) == len(set(map(str, spelled))) == len(SUITES["quick"])
    assert changed("audits=[]").audits == ()
    assert changed("audits={name: probability, split: retain}").audits[0].params == {
        "split": "retain"
    }


def test_every_suite_holds_audits_that_fit():
    for name in SUITES:
        assert len(recipe.audits(changed(f"audits={name}"))) == len(SUITES[name])
    for audit, params in (pair for suite in SUITES.values() for pair in suite):
        registry.check("audit", audit, params, name)


def test_a_benchmark_may_be_named_with_its_variant():
    for given in ("data.benchmark=tofu/forget05", "data.benchmark.split=forget05"):
        found = changed("data.benchmark=tofu", given).data.benchmark
        assert found is not None
        assert (found.name, found.params) == ("tofu", {"split": "forget05"})
    both = changed("data.benchmark=tofu/forget05", "data.benchmark.questions=4").data.benchmark
    assert both is not None
    assert both.params == {"split": "forget05", "questions": 4}


def test_the_scorecard_of_a_benchmark_is_a_suite():
    spelled = recipe.audits(changed("audits=tofu"))
    assert [c.name for c in spelled][:2] == ["forget_quality", "model_utility"]
    assert len(spelled) == len({(a, str(p)) for _, a, p in recipe.card("tofu")})


@pytest.mark.parametrize("name", CARDS)
def test_the_rows_of_a_scorecard_are_audits_with_their_parameters(name: str):
    for title, audit, params in recipe.card(name):
        assert title
        registry.check("audit", audit, params)


def test_a_number_out_of_range_is_refused_with_the_range():
    nonsense = (
        *("method.0.train.epochs=.inf", "method.0.train.epochs=1e300", "method.0.train.batch=0"),
        *("seed=2024-01-01", "seed=true", "seed=.nan", "device=banana", "device=cuda:x"),
        *("method.0.train.terms.0.coefficient=.nan", "method.0.train.max_grad_norm=-1"),
        *("data.max_tokens=7", "method.0.train.warmup=2", "dtype=int8", "method.0.train.steps=1.5"),
    )
    for change in nonsense:
        said = problems(change)
        assert len(said) == 1, (change, said)
    assert problems("method.0.train.epochs=.inf") == [
        "r.yaml: method[0].train.epochs: this should be a number above 0, up to 10000 (it is inf)."
    ]
    assert problems("device=banana") == [
        "r.yaml: device: a device is auto, cpu, cuda, cuda:1 or mps (it is 'banana')."
    ]


def test_a_model_that_can_only_be_a_path_must_be_there(tmp_path):
    given = recipe.build(yaml.safe_load(TEXT), (), "r.yaml")
    there = given.model_copy(update={"model": str(tmp_path)})
    gone = given.model_copy(update={"model": f"{tmp_path}/x", "gold": "./gold.gguf"})
    assert list(recipe.missing_models(there)) == []
    assert list(recipe.missing_models(gone)) == [
        f"model: {tmp_path}/x: there is no such file or folder.",
        "gold: ./gold.gguf: there is no such file or folder.",
    ]


def test_a_loss_below_all_that_is_trained_is_refused_before_anything_is_read():
    steer = (
        "method.0.train.terms=[{split: forget, objective: {name: random_direction, layer: 0.22}}]"
    )
    select = "method.0.train.select={{name: layers, pattern: mlp, blocks: [{}, 0.9]}}"
    (said,) = problems(steer, select.format(0.5))
    assert "random_direction reads layer 0.22" in said
    assert "the first of the blocks that are trained is 0.5" in said
    changed(steer, select.format(0.2))
    changed(select.format(0.5))  # npo reads the output
