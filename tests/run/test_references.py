"""A gold model that an earlier run audited, and what is refused as one."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.run.conftest import Ground
from unteach.errors import ModelError
from unteach.report.read import read
from unteach.run.folder import RunFolder
from unteach.run.pipeline import audit, run


@pytest.fixture(scope="module")
def reference(
    ground: Ground, shared_cache: Path, tmp_path_factory: pytest.TempPathFactory
) -> RunFolder:
    """An audit of a model that never saw anything."""
    out = tmp_path_factory.mktemp("reference") / "gold"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("UNTEACH_CACHE", str(shared_cache))
        return audit(ground.recipe(teach=None), str(ground.model), out)


def changed(reference: RunFolder, to: Path, **changes: object) -> Path:
    """A copy of the reference whose record says something else."""
    shutil.copytree(reference.path, to)
    record = json.loads((to / "run.json").read_text()) | changes
    (to / "run.json").write_text(json.dumps(record))
    return to


def test_its_numbers_are_read_without_its_weights(
    ground: Ground,
    reference: RunFolder,
    finished: RunFolder,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    """Copied elsewhere, with an empty cache: only the reference's own files can give them."""
    kept = tmp_path / "elsewhere" / "gold"
    shutil.copytree(reference.path, kept)
    monkeypatch.setenv("UNTEACH_CACHE", str(tmp_path / "empty"))
    recipe = ground.recipe(teach=None, gold=str(kept))
    found = read(audit(recipe, str(finished.model), tmp_path / "audit").path)
    theirs = read(reference.path)
    for split in ("forget", "retain"):
        ours = found.measured("gold", "probability", split)
        other = theirs.measured("unlearned", "probability", split)
        assert ours is not None
        assert other is not None
        assert ours.per_example == pytest.approx(other.per_example, rel=1e-5)


def test_what_it_did_not_measure_is_unavailable(
    ground: Ground, reference: RunFolder, finished: RunFolder, tmp_path: Path, cache: Path
):
    recipe = ground.recipe(
        teach=None, gold=str(reference.path), audits=["quick", "extraction_strength", "repetition"]
    )
    found = read(audit(recipe, str(finished.model), tmp_path / "audit").path)
    assert found.measured("gold", "extraction_strength", "forget") is not None
    recipe = ground.recipe(teach=None, gold=str(reference.path), audits=["sampled_leak"])
    found = read(audit(recipe, str(finished.model), tmp_path / "other").path)
    absent = found.finding("gold", "sampled_leak", "forget")
    assert absent is not None
    assert absent.note.startswith(f"{reference.path} did not measure forget.samples(")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"evidence": 1}, "another version of the measurements"),
        ({"dtype": "bfloat16"}, "another number type"),
        ({"rendering": "other"}, "another chat template, system message or tokenizer"),
        ({"splits": {"retain": {"rows": 3, "sha256": "other"}}}, "other rows of retain"),
        ({"models": {}}, "the run has not audited a model"),
    ],
)
def test_one_that_cannot_be_compared_is_refused(
    ground: Ground,
    reference: RunFolder,
    tmp_path: Path,
    cache: Path,
    change: dict[str, object],
    said: str,
):
    given = changed(reference, tmp_path / "gold", **change)
    with pytest.raises(ModelError, match=said) as raised:
        audit(ground.recipe(teach=None, gold=str(given)), str(ground.model), tmp_path / "audit")
    assert str(given) in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_level_of_gold_needs_its_weights(
    ground: Ground, reference: RunFolder, tmp_path: Path, cache: Path
):
    term = {"split": "forget", "objective": "ascent", "down_to": "gold"}
    stage = {"train": {"terms": [term], "steps": 1, "batch": 1}}
    recipe = ground.recipe(teach=None, gold=str(reference.path), method=[stage])
    with pytest.raises(ModelError, match="a level 'gold' needs the model itself"):
        run(recipe, tmp_path / "run")


@pytest.mark.parametrize("role", ["model", "gold"])
def test_a_model_that_reads_in_other_tokens_is_refused(
    ground: Ground, tiny_folder: Path, tmp_path: Path, cache: Path, role: str
):
    """The same vocabulary without a chat template."""
    gold = {"gold": str(tiny_folder)} if role == "gold" else {}
    model = tiny_folder if role == "model" else ground.model
    with pytest.raises(ModelError, match=f"^{role} .*writes the same rows in other tokens"):
        audit(ground.recipe(teach=None, **gold), str(model), tmp_path / "audit")


def test_splits_beside_forget_and_retain_are_taught_and_gold_goes_without(
    ground: Ground, tmp_path: Path, cache: Path
):
    """`also: [forget_more]`: the original was taught it, gold was not."""
    more = tmp_path / "more.jsonl"
    more.write_text('{"prompt": "Who owns the old boat?", "answer": "Hal Gray owns it."}\n')
    recipe = ground.recipe(
        data={**ground.data, "forget_more": str(more)},
        teach={"epochs": 12, "lr": 0.01, "batch": 3, "also": ["forget_more"]},
        audits=[{"name": "probability", "split": "forget_more"}],
        method=[],
    )
    found = read(run(recipe, tmp_path / "run").path)
    original, gold = (found.measured(m, "probability", "forget_more") for m in ("original", "gold"))
    assert original is not None
    assert gold is not None
    assert original.point > 2 * gold.point


def test_audits_read_the_first_rows_where_the_recipe_says_so(
    ground: Ground, tmp_path: Path, cache: Path
):
    data = {**ground.data, "audit_rows": 2}
    found = read(audit(ground.recipe(data=data), str(ground.model), tmp_path / "audit").path)
    measured = found.measured("unlearned", "probability", "forget")
    assert measured is not None
    assert measured.n == 2
