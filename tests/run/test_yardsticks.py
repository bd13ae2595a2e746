"""Without a gold model, what is measured of the forgotten is measured of people never taught too."""

from __future__ import annotations

import json
from pathlib import Path

from tests.run.conftest import Ground, stage
from unteach.run.pipeline import run


def test_a_run_without_gold_measures_people_never_taught_by_the_same_audits(
    ground: Ground, cache: Path, tmp_path: Path
):
    """`quick` has the texts of forget and retain only: those of holdout come with no gold model."""
    audits = ["quick", "mia_loss"]
    recipe = ground.recipe(teach=None, method=[stage(steps=1)], audits=audits)
    folder = run(recipe, tmp_path / "run")
    found = json.loads(folder.findings.read_text())["findings"]
    measured = {(f["audit"], f["split"]) for f in found if f["model"] == "original"}
    assert {(name, "holdout") for name in ("probability", "accuracy", "rouge")} <= measured
    assert ("mia_loss", "holdout") not in measured  # it compares with holdout by itself


def test_a_run_with_gold_measures_what_it_was_asked(ground: Ground, cache: Path, tmp_path: Path):
    folder = run(ground.recipe(method=[stage(steps=1)]), tmp_path / "run")
    found = json.loads(folder.findings.read_text())["findings"]
    assert not [f for f in found if f["split"] == "holdout"]
