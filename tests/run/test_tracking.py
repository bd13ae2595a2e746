"""A run's numbers in TensorBoard, W&B and MLflow: each step's terms, and what the audits found."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.run.conftest import Ground, stage
from unteach.errors import MissingPackageError, RecipeError
from unteach.run import tracking
from unteach.run.folder import RunFolder
from unteach.run.pipeline import run
from unteach.train import log

STAGES = [stage(), stage(steps=2)]
NUM_STEPS = 5  # of both stages
Told = dict[str, list[tuple[int, float]]]


def as_logged(folder: RunFolder) -> Told:
    """What must arrive, from the run's own files."""
    told: Told = {}
    for number, line in enumerate(log.read(folder.log), 1):
        at = line["stage"].replace("[", ".").replace("]", "")
        values = {f"term/{term}": value for term, value in line["terms"].items()}
        values |= {name: line[name] for name in tracking.ALSO}
        for name, value in values.items():
            told.setdefault(f"{at}/{name}", []).append((number, value))
    for one in json.loads(folder.findings.read_text())["findings"]:
        if one["value"] is not None:
            params = [f"{k}={v}" for k, v in one["params"].items() if k != "split"]
            split = one["params"].get("split") or "all"
            name = "/".join(("audit", split, one["audit"], *params, one["model"]))
            told[tracking.as_name(name)] = [(NUM_STEPS, one["value"])]
    return told


@pytest.fixture
def tracked(ground: Ground, tmp_path: Path, cache: Path) -> Callable[[str], RunFolder]:
    def go(name: str) -> RunFolder:
        return run(ground.recipe(method=STAGES, tracking=name), tmp_path / "tracked")

    return go


def told_by(found: Told, wanted: Told) -> None:
    assert found.keys() == wanted.keys()
    for name, points in wanted.items():
        assert [step for step, _ in found[name]] == [step for step, _ in points]
        assert [v for _, v in found[name]] == pytest.approx([v for _, v in points], rel=1e-5)


def test_tensorboard_has_every_step_and_finding(tracked: Callable[[str], RunFolder]):
    pytest.importorskip("tensorboard", reason="the extra 'tracking' is not installed")
    from tensorboard.backend.event_processing.event_accumulator import (
        EventAccumulator,
    )

    folder = tracked("tensorboard")
    events = EventAccumulator(str(folder.path / "tracking" / "tensorboard"))
    events.Reload()
    found = {
        name: [(one.step, one.value) for one in events.Scalars(name)]
        for name in events.Tags()["scalars"]
    }
    told_by(found, as_logged(folder))


def test_mlflow_has_every_step_and_finding(
    tracked: Callable[[str], RunFolder],
    ground: Ground,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    mlflow = pytest.importorskip("mlflow", reason="the extra 'tracking' is not installed")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", (tmp_path / "mlruns").as_uri())
    folder = tracked("mlflow")
    client = mlflow.MlflowClient()
    key = json.loads((folder.path / "tracking" / "run.json").read_text())["mlflow"]
    kept = client.get_run(key)
    assert kept.info.status == "FINISHED"
    assert kept.data.params["seed"] == "0"
    found = {
        name: [(one.step, one.value) for one in client.get_metric_history(key, name)]
        for name in kept.data.metrics
    }
    told_by(found, as_logged(folder))
    with tracking.tracked(ground.recipe(tracking="mlflow"), folder) as again:  # as after a stop
        assert again.steps == NUM_STEPS
        assert mlflow.active_run().info.run_id == key


def records(content: bytes) -> Iterator[bytes]:
    """The records of a file in LevelDB's log format, after W&B's header of 7 bytes."""
    at, whole = 7, b""
    while at < len(content):
        left = 32768 - at % 32768
        if left < 7:
            at += left
            continue
        length, kind = int.from_bytes(content[at + 4 : at + 6], "little"), content[at + 6]
        whole += content[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):  # a whole record, or the last part of one
            yield whole
            whole = b""


def test_wandb_keeps_the_run_offline(
    tracked: Callable[[str], RunFolder], monkeypatch: pytest.MonkeyPatch
):
    wandb = pytest.importorskip("wandb", reason="the extra 'tracking' is not installed")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    folder = tracked("wandb")
    (file,) = (folder.path / "tracking").rglob("*.wandb")
    key = json.loads((folder.path / "tracking" / "run.json").read_text())["wandb"]
    assert key in file.name
    assert wandb.run is None  # it was closed
    from wandb.proto import wandb_internal_pb2

    found: Told = {}
    for data in records(file.read_bytes()):
        record = wandb_internal_pb2.Record()
        record.ParseFromString(data)
        items = {
            (item.key or "/".join(item.nested_key)): json.loads(item.value_json)
            for item in record.history.item
        }
        for name, value in items.items():
            if not name.startswith("_"):
                found.setdefault(name, []).append((items["_step"], value))
    told_by(found, as_logged(folder))


class Kept:
    """A tracker that remembers what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[int, dict[str, float]]] = []

    def log(self, values: dict[str, float], step: int, **how: Any) -> None:
        self.told.append((step, values))


def test_steps_go_on_over_stages_and_after_a_stop():
    """Two stages of two steps: a service that drops what is older than its last step loses none."""
    kept = Kept()
    track = tracking.Tracked([kept])
    line = {"terms": {"forget.nll": 2.0}, "step": 1, **dict.fromkeys(tracking.ALSO, 0.5)}
    track.begin([{"stage": "a", **line}, {"event": "level", "step": 1}])
    track.step("method[1].train", {**line, "levels": {"forget": 0.25}})
    track.step("method[1].train", line)
    assert [step for step, _ in kept.told] == [2, 3]
    assert kept.told[0][1]["method.1.train/term/forget.nll"] == 2.0
    assert kept.told[0][1]["method.1.train/probability/forget"] == 0.25


def test_a_name_is_one_that_all_trackers_take():
    assert tracking.as_name("method[2].repeat[1].train[0]/a=b") == "method.2.repeat.1.train.0/a_b"


def test_a_missing_package_is_named_before_anything_is_done(
    ground: Ground, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("unteach.run.tracking.find_spec", lambda name: None)
    with pytest.raises(MissingPackageError, match=r"mlflow.*unteach\[tracking\]"):
        run(ground.recipe(tracking=["mlflow"]), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_tracking_decides_nothing(ground: Ground):
    """A run that was begun without goes on with it: it is no part of what the recipe is."""
    assert ground.recipe(tracking="wandb").digest() == ground.recipe().digest()
    with pytest.raises(RecipeError, match="tracking"):
        ground.recipe(tracking="elsewhere")
