"""A run that is killed anywhere goes on to the same bits, under the same conditions."""

from __future__ import annotations

import io
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.run.conftest import ASCENT, KEEP, Ground, stage
from unteach.recipe import read
from unteach.run.folder import RunFolder
from unteach.run.pipeline import run
from unteach.run.progress import Progress
from unteach.train import log

STEPS, LATER_STEPS = 120, 10
# a shell that starts these tests in the background has all that they start ignore Ctrl-C
HEARS = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
COMMAND = [sys.executable, "-c", f"{HEARS}; from unteach.cli import main; main()"]
NPO = {"split": "forget", "objective": "npo"}


@pytest.fixture
def recipe(ground: Ground, tmp_path: Path) -> Path:
    """A run that saves its state after every step; its second stage needs a reference model."""
    method = [
        stage(ASCENT, KEEP, steps=STEPS, checkpoint_seconds=0, schedule="cosine"),
        stage(NPO, KEEP, steps=LATER_STEPS, checkpoint_seconds=0),
    ]
    return ground.write(
        tmp_path / "recipe.yaml", method=method, audits=[{"name": "probability"}], teach=None
    )


@pytest.fixture
def whole(recipe: Path, tmp_path: Path, cache: Path) -> RunFolder:
    """The run that nobody stopped."""
    return run(read(recipe), tmp_path / "whole")


def start(recipe: Path, out: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*COMMAND, "run", str(recipe), "--out", str(out)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ,
    )


def wait_for_step(process: subprocess.Popen[str], lines: Path, step: int) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until and process.poll() is None:
        if lines.exists() and lines.read_text().count("\n") >= step:
            return
        time.sleep(0.002)
    raise AssertionError(f"step {step} was not reached: {process.communicate()[1]}")


def steps(folder: RunFolder) -> list[tuple[str, int]]:
    lines = [json.loads(line) for line in folder.log.read_text().splitlines()]
    return [(line["stage"], line["step"]) for line in lines]


def same(
    stopped: RunFolder, whole: RunFolder, expected: tuple[int, int] = (STEPS, LATER_STEPS)
) -> None:
    assert (stopped.model / "model.safetensors").read_bytes() == (
        whole.model / "model.safetensors"
    ).read_bytes()
    assert steps(stopped) == steps(whole)
    assert steps(whole) == [
        (f"method[{at}].train", n) for at, last in enumerate(expected) for n in range(1, last + 1)
    ]
    assert stopped.findings.read_text() == whole.findings.read_text()
    assert stopped.report.is_file()
    assert not stopped.state.exists()


class Killed(BaseException):
    """What nobody catches."""


@contextmanager
def dying_after(monkeypatch: pytest.MonkeyPatch, at: int, step: int) -> Iterator[None]:
    """The run in it dies after the line of a step and before its state."""

    def dies(path: Path, line: dict[str, Any]) -> None:
        append(path, line)
        if (line["stage"], line["step"]) == (f"method[{at}].train", step):
            raise Killed

    append = log.append
    with monkeypatch.context() as patch:
        patch.setattr(log, "append", dies)
        with pytest.raises(Killed):
            yield


@pytest.mark.parametrize("select", ["whole", {"name": "lora", "rank": 2, "dropout": 0.5}])
@pytest.mark.parametrize(("at", "step"), [(0, 1), (0, 8), (1, 1), (1, 4)])
def test_a_stop_between_two_states_repeats_the_steps_since_the_last(
    ground: Ground,
    tmp_path: Path,
    cache: Path,
    monkeypatch: pytest.MonkeyPatch,
    select: Any,
    at: int,
    step: int,
):
    """The step is done, and logged, again."""

    method = [
        stage(ASCENT, KEEP, steps=9, checkpoint_seconds=0, select=select),
        stage(NPO, {**KEEP, "objective": "kl"}, steps=5, checkpoint_seconds=0),
    ]
    recipe = ground.recipe(method=method, audits=[{"name": "probability"}], teach=None)
    whole = run(recipe, tmp_path / "whole")
    with dying_after(monkeypatch, at, step):
        run(recipe, tmp_path / "stopped")
    same(run(recipe, tmp_path / "stopped"), whole, (9, 5))


def test_going_on_under_other_conditions_says_that_bits_may_differ(
    ground: Ground, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
):
    method = [stage(ASCENT, KEEP, steps=3, checkpoint_seconds=0)]
    recipe = ground.recipe(method=method, audits=[{"name": "probability"}], teach=None)

    def said(out: Path) -> str:
        with dying_after(monkeypatch, 0, 2):
            run(recipe, out)
        stream = io.StringIO()
        with monkeypatch.context() as patch:
            patch.setattr(torch, "get_num_threads", lambda: threads)
            run(recipe, out, progress=Progress(stream=stream))
        return stream.getvalue()

    threads = before = torch.get_num_threads()
    assert "threads" not in said(tmp_path / "as before")
    threads += 6
    assert f"method[0].train: threads: {before} then, {threads} now." in said(tmp_path / "other")


CHAIN = [
    {"synthesize": {"name": "traces", "max_tokens": 4}},
    stage({"split": "forget", "objective": "nll"}, into="reinforced", checkpoint_seconds=0),
    {"edit": {"name": "noise", "std": 0.05}},
    stage(
        {"split": "forget", "objective": "whp"},
        {"split": "forget_traces", "objective": "ascent"},
        KEEP,
        select={"name": "saliency_rows", "share": 0.3},
        rule={"name": "protect", "side": "retain", "fresh": 0.5},
        steps=4,
        checkpoint_seconds=0,
    ),
    {"edit": {"name": "negate", "of": "reinforced", "scale": 0.1}},
    stage(NPO, KEEP, steps=2, checkpoint_seconds=0),
]


@pytest.mark.parametrize(("at", "step"), [(1, 2), (3, 1), (3, 3), (5, 1)])
def test_a_chain_of_stages_goes_on_in_the_stage_where_it_was(
    ground: Ground,
    tmp_path: Path,
    cache: Path,
    monkeypatch: pytest.MonkeyPatch,
    at: int,
    step: int,
):
    """Text that the model wrote, a model on the side, edits, masks and a rule's memory."""

    recipe = ground.recipe(method=CHAIN, audits=[{"name": "probability"}], teach=None)
    whole = run(recipe, tmp_path / "whole")
    with dying_after(monkeypatch, at, step):
        run(recipe, tmp_path / "stopped")
    stopped = run(recipe, tmp_path / "stopped")
    assert steps(stopped) == steps(whole)
    assert steps(whole)[-1] == ("method[5].train", 2)
    for file in ("model/model.safetensors", "findings.json", "data/forget_traces.jsonl"):
        assert (stopped.path / file).read_bytes() == (whole.path / file).read_bytes()
    assert not stopped.state.exists()


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1])
def test_a_killed_run_goes_on_to_the_same_weights(
    recipe: Path, whole: RunFolder, tmp_path: Path, seed: int
):
    moment = random.Random(seed)
    out = tmp_path / "stopped"
    process = start(recipe, out)
    wait_for_step(process, out / "log.jsonl", moment.randrange(2, STEPS - 40))
    time.sleep(moment.uniform(0, 0.05))  # in the middle of a step, or of writing its state
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not (out / "model").exists()
    same(run(read(recipe), out), whole)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_says_what_to_do_and_leaves_a_state_to_go_on_from(
    recipe: Path, whole: RunFolder, tmp_path: Path, number: signal.Signals
):
    out = tmp_path / "stopped"
    process = start(recipe, out)
    wait_for_step(process, out / "log.jsonl", 5)
    process.send_signal(number)
    said = process.communicate(timeout=30)[1]
    assert process.returncode == 130
    assert said.endswith("\ninterrupted: run the same command again to go on\n")
    assert "Traceback" not in said
    state = json.loads((out / "state" / "method-0.train" / "step.json").read_text())
    assert state["step"] == len(steps(RunFolder(out)))
    same(run(read(recipe), out), whole)
