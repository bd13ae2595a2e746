"""Stop anywhere, go on to the same weights, to the bit."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from transformers import PreTrainedModel

from tests.conftest import adapted, encoded, loaded, people
from unteach.method.objectives.likelihood import nll, unlikelihood
from unteach.method.rules.sum import weighted_sum
from unteach.train.checkpoint import Checkpoint
from unteach.train.look import Stop
from unteach.train.loop import Plan, train
from unteach.train.optim import adamw, sgd
from unteach.train.term import Term

ROOT = Path(__file__).parents[2]


class CrashError(Exception):
    """The power is gone."""


def make_plan(folder: Path, **changes: Any) -> Plan:
    start = loaded(folder)
    plain: dict[str, Any] = {
        "terms": [
            Term("forget", "forget", unlikelihood, "token"),
            Term("retain", "retain", nll, "token"),
        ],
        "rows": {"forget": encoded(start, people(6)), "retain": encoded(start, people(10, 6))},
        "steps": 7,
        "batch": 4,
        "micro_batch": 2,
        "optimizer": partial(adamw, lr=1e-3),
        "rule": weighted_sum(),
        "schedule": "cosine",
        "warmup": 0.2,
    }
    return Plan(**{**plain, **changes})


def whole(folder: Path) -> PreTrainedModel:
    return loaded(folder).model


def with_dropout(folder: Path) -> PreTrainedModel:
    with torch.random.fork_rng():
        torch.manual_seed(3)
        return adapted(loaded(folder).model, rank=2, dropout=0.3)


def crash_at(step: int):
    def log(line: dict[str, Any]) -> None:
        if line["step"] == step:
            raise CrashError

    return log


def same(first: torch.nn.Module, second: torch.nn.Module) -> bool:
    return all(
        torch.equal(p, q) for p, q in zip(first.parameters(), second.parameters(), strict=True)
    )


@pytest.mark.parametrize("make", [whole, with_dropout])
@pytest.mark.parametrize(
    "optimizer",
    [partial(adamw, lr=1e-3), partial(sgd, lr=0.1), partial(sgd, lr=0.1, momentum=0.9)],
    ids=["adamw", "sgd", "momentum"],
)
def test_a_run_that_crashes_twice_ends_where_it_would_have(tiny_folder, tmp_path, make, optimizer):
    plan = make_plan(tiny_folder, optimizer=optimizer)
    straight = make(tiny_folder)
    train(straight, plan)
    checkpoint = Checkpoint(tmp_path / "state")
    for step in (3, 6):
        with pytest.raises(CrashError):
            train(
                make(tiny_folder),
                plan,
                log=crash_at(step),
                checkpoint=checkpoint,
                checkpoint_seconds=0,
            )
        assert checkpoint.step() == step - 1
    again = make(tiny_folder)
    lines: list[dict[str, Any]] = []
    assert train(again, plan, checkpoint=checkpoint, log=lines.append) == 7
    assert [line["step"] for line in lines] == [6, 7]
    assert same(again, straight)


def test_what_is_put_back_lies_in_memory_as_what_was_computed(tiny_folder, tmp_path):
    """In the file it begins where the header ends, and there `torch.dot` sums in another order."""
    model, place = whole(tiny_folder), torch.empty(1).data_ptr() % 64
    optimizer = adamw(list(model.parameters()), lr=1e-3)
    checkpoint, values = Checkpoint(tmp_path / "state"), torch.randn(3072)
    for longer in range(0, 64, 8):
        checkpoint.save(1, model, optimizer, {}, {"rule": {"x" * (1 + longer): values}})
        resumed = checkpoint.load(model, optimizer)
        assert resumed is not None
        (found,) = resumed.tensors("rule").values()
        assert found.data_ptr() % 64 == place
        assert torch.dot(found, values) == torch.dot(values, values)


SCRIPT = """
import sys
from pathlib import Path

from safetensors.torch import save_file

from tests.train.test_checkpoint import make_plan, whole
from unteach.train.checkpoint import Checkpoint
from unteach.train.loop import train

folder, state, end = map(Path, sys.argv[1:])
model = whole(folder)
plan = make_plan(folder, steps=12)
checkpoint = Checkpoint(state)
print("from", checkpoint.step(), flush=True)
train(
    model, plan, checkpoint=checkpoint, checkpoint_seconds=0,
    log=lambda line: print(line["step"], flush=True),
)
save_file({n: p.detach().clone() for n, p in model.named_parameters()}, end)
"""


def test_a_process_that_is_killed_goes_on_to_the_same_weights(tiny_folder, tmp_path):
    """SIGKILL at a random step, perhaps in the middle of a save; a state is saved at each step."""
    end = tmp_path / "end.safetensors"
    command = [sys.executable, "-c", SCRIPT, str(tiny_folder), str(tmp_path / "state"), str(end)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    kill_at = random.randint(2, 10)
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env=environment, cwd=ROOT
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.strip() == str(kill_at):
                process.kill()
                break
    assert process.returncode == -signal.SIGKILL
    assert not end.exists()
    done = subprocess.run(
        command, capture_output=True, text=True, env=environment, cwd=ROOT, check=True
    )
    first = int(done.stdout.split("\n")[0].removeprefix("from "))
    assert kill_at - 2 <= first <= 12, f"killed at {kill_at}"
    straight = whole(tiny_folder)
    train(straight, make_plan(tiny_folder, steps=12))
    found = load_file(end)
    assert all(torch.equal(p, found[n]) for n, p in straight.named_parameters()), (
        f"killed at {kill_at}"
    )


def interrupted(
    model: PreTrainedModel,
    plan: Plan,
    checkpoint: Checkpoint,
    at: int,
    number: signal.Signals = signal.SIGINT,
) -> list[int]:
    steps: list[int] = []

    def log(line: dict[str, Any]) -> None:
        steps.append(line["step"])
        if line["step"] == at:
            signal.raise_signal(number)

    with pytest.raises(KeyboardInterrupt):
        train(model, plan, log=log, checkpoint=checkpoint)
    return steps


def test_a_signal_that_means_ctrl_c_ends_the_step_too(tiny_folder, tmp_path):
    """As SIGTERM does to the command line; where it means anything else, it is left alone."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    checkpoint = Checkpoint(tmp_path / "state")
    try:
        steps = interrupted(
            whole(tiny_folder), make_plan(tiny_folder), checkpoint, 4, signal.SIGTERM
        )
        assert signal.getsignal(signal.SIGTERM) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGTERM, before)
    assert steps == [1, 2, 3, 4]
    assert checkpoint.step() == 4


@pytest.mark.parametrize("at", [1, 4, 7])
def test_ctrl_c_ends_the_step_saves_and_is_passed_on(tiny_folder, tmp_path, at: int):
    plan = make_plan(tiny_folder)
    straight = whole(tiny_folder)
    train(straight, plan)
    before = signal.getsignal(signal.SIGINT)
    checkpoint = Checkpoint(tmp_path / "state")
    assert interrupted(whole(tiny_folder), plan, checkpoint, at) == list(range(1, at + 1))
    assert signal.getsignal(signal.SIGINT) is before
    assert checkpoint.step() == at
    again = whole(tiny_folder)
    assert train(again, plan, checkpoint=checkpoint) == 7
    assert same(again, straight)


def test_ctrl_c_at_the_step_that_ends_training_is_not_lost(tiny_folder, tmp_path):
    plan = make_plan(tiny_folder, stop=Stop("forget", level=1.0, every=3))
    straight = whole(tiny_folder)
    assert train(straight, plan) == 3
    checkpoint = Checkpoint(tmp_path / "state")
    interrupted(whole(tiny_folder), plan, checkpoint, 3)
    again = whole(tiny_folder)
    assert train(again, plan, checkpoint=checkpoint, log=crash_at(4)) == 3
    assert same(again, straight)
    assert not again.training


def saved(folder: Path, path: Path, step: int) -> Checkpoint:
    """A checkpoint of that step, without the steps before it."""
    checkpoint = Checkpoint(path)
    with pytest.raises(CrashError):
        train(
            whole(folder),
            make_plan(folder),
            checkpoint=checkpoint,
            checkpoint_seconds=0,
            log=crash_at(step + 1),
        )
    return checkpoint


def test_a_kill_between_the_two_renames_loses_one_save_and_no_more(tiny_folder, tmp_path):
    """The old state is set aside, the new one is not in place yet."""
    plan = make_plan(tiny_folder)
    straight = whole(tiny_folder)
    train(straight, plan)
    checkpoint = saved(tiny_folder, tmp_path / "state", 3)
    (tmp_path / "state").rename(tmp_path / "state.old")
    (tmp_path / "state.unfinished").mkdir()
    (tmp_path / "state.unfinished" / "weights.safetensors").write_bytes(b"half")
    assert checkpoint.step() == 3
    again = whole(tiny_folder)
    train(again, plan, checkpoint=checkpoint, checkpoint_seconds=0)
    assert same(again, straight)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["state"]


def test_a_kill_before_the_old_state_is_gone_takes_the_new_one(tiny_folder, tmp_path):
    checkpoint = saved(tiny_folder, tmp_path / "state", 3)
    saved(tiny_folder, tmp_path / "other", 2)
    (tmp_path / "other").rename(tmp_path / "state.old")
    assert checkpoint.step() == 3


def test_a_first_save_that_was_cut_off_is_no_state(tiny_folder, tmp_path):
    (tmp_path / "state.unfinished").mkdir()
    checkpoint = Checkpoint(tmp_path / "state")
    model = whole(tiny_folder)
    assert checkpoint.step() == 0
    assert checkpoint.load(model, adamw(model.parameters())) is None
    assert train(model, make_plan(tiny_folder), checkpoint=checkpoint) == 7


def test_a_state_is_tensors_and_json_and_only_of_what_moves(tiny_folder, tmp_path):
    checkpoint = Checkpoint(tmp_path / "state")
    model = with_dropout(tiny_folder)
    train(model, make_plan(tiny_folder), checkpoint=checkpoint, keep_end=True)
    assert sorted(p.name for p in (tmp_path / "state").iterdir()) == [
        *("optimizer.safetensors", "step.json", "weights.safetensors")
    ]
    assert all("lora" in name for name in load_file(tmp_path / "state" / "weights.safetensors"))
    notes = json.loads((tmp_path / "state" / "step.json").read_text())
    assert notes.keys() == {"step", "conditions", "seconds", "stopped"}
    checkpoint.clear()
    assert [*tmp_path.iterdir()] == []
    assert checkpoint.step() == 0


def test_a_finished_stage_is_not_trained_again(tiny_folder, tmp_path):
    checkpoint = Checkpoint(tmp_path / "state")
    first, again = whole(tiny_folder), whole(tiny_folder)
    train(first, make_plan(tiny_folder), checkpoint=checkpoint, keep_end=True)
    assert train(again, make_plan(tiny_folder), checkpoint=checkpoint, log=crash_at(1)) == 7
    assert same(again, first)


def test_the_clock_goes_on_where_it_stood(tiny_folder, tmp_path):
    checkpoint = saved(tiny_folder, tmp_path / "state", 3)
    notes = json.loads((tmp_path / "state" / "step.json").read_text())
    (tmp_path / "state" / "step.json").write_text(json.dumps(notes | {"seconds": 1000.0}))
    lines: list[dict[str, Any]] = []
    train(whole(tiny_folder), make_plan(tiny_folder), checkpoint=checkpoint, log=lines.append)
    assert all(1000 < line["seconds"] < 1100 for line in lines)
