"""A step shared between two processes is the step of one."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate import PartialState
from safetensors.torch import load_file, save_file

from tests.conftest import encoded, loaded, people
from unteach.audit.gradients import gradient_norms
from unteach.audit.measure import measure_tokens
from unteach.data.examples import Example
from unteach.data.render import Renderer
from unteach.method.objectives.likelihood import ascent, nll
from unteach.method.objectives.preference import npo
from unteach.method.rules.projection import protect
from unteach.method.rules.robust import dro
from unteach.method.rules.step import Step
from unteach.method.rules.sum import weighted_sum
from unteach.method.rules.zeroth import zeroth_order
from unteach.model.generate import continue_ids
from unteach.model.reference import SecondCopy, choose
from unteach.train.checkpoint import Checkpoint
from unteach.train.look import Stop
from unteach.train.loop import Plan, train
from unteach.train.optim import sgd
from unteach.train.term import Term, others_read

ROOT = Path(__file__).parents[2]
TERMS: tuple[Term, ...] = (
    Term("npo", "forget", npo, "sequence", frozenset({"ref.logp"}), coefficient=0.3),
    Term("nll", "retain", nll, "token"),
)


def twice(s: Step) -> list[float]:
    """A rule that goes backward once a term, as those do that compare the terms' gradients."""
    return [s.backward(term)[0] for term in s.terms]


def run(folder: Path, end: Path, state: Path) -> None:
    """Seven runs; the weights and the losses of each go to `end`.

    `uneven`: three rows to forget, so that one process has two of them and the other one. `alone`:
    one row, so that the second process has none at all. `apart`: a backward pass a term. `level`:
    after some steps all rows are at their level, so that nothing moves; momentum would. `rows`,
    `projected`, `values`: rules that ask for the loss of each row, for each side's gradient apart, or
    for values alone.
    """
    found: dict[str, torch.Tensor] = {}
    gated = (Term("ascent", "forget", ascent, "token", level=0.002),)
    for name, num_forget, rule, terms, optimizer in (
        ("uneven", 3, weighted_sum(), TERMS, partial(sgd, lr=0.1)),
        ("alone", 1, weighted_sum(), TERMS, partial(sgd, lr=0.1)),
        ("apart", 3, twice, TERMS, partial(sgd, lr=0.1)),
        ("level", 3, weighted_sum(), gated, partial(sgd, lr=0.1, momentum=0.5)),
        ("rows", 3, dro(), TERMS, partial(sgd, lr=0.1)),
        ("projected", 3, protect(side="retain", fresh=0.5), TERMS, partial(sgd, lr=0.1)),
        ("values", 3, zeroth_order(queries=1, mu=0.01), TERMS, partial(sgd, lr=0.01)),
    ):
        start = loaded(folder)
        odd = Example("Where is Zoë?", "far " * 9 + "away")
        rows = {
            "forget": encoded(start, people(num_forget)),
            "retain": encoded(start, [*people(6, 6), odd]),
        }
        lines: list[dict[str, Any]] = []
        plan = Plan(
            terms=terms,
            rows=rows,
            steps=3 if terms is TERMS else 8,
            batch=5,
            micro_batch=2,
            optimizer=optimizer,
            rule=rule,
            others={
                name: choose(wanted, start.model, rows, lambda: SecondCopy(loaded(folder).model))
                for name, wanted in others_read(terms).items()
            },
            stop=Stop("forget", level=0.0, every=2),
        )
        train(start.model, plan, log=lines.append, checkpoint=Checkpoint(state), keep_end=True)
        if int(os.environ.get("RANK", "0")) == 0:
            Checkpoint(state).clear()
        assert PartialState().num_processes == int(os.environ.get("WORLD_SIZE", "1"))
        found |= {f"{name}.{n}": p.detach().clone() for n, p in start.model.named_parameters()}
        found[f"{name}.loss"] = torch.tensor([line["loss"] for line in lines])
    save_file(found | measured(folder), end)


def measured(folder: Path) -> dict[str, torch.Tensor]:
    """What audits read, of rows of which the two processes share one question's three answers."""
    start = loaded(folder)
    renderer = Renderer(start.tokenizer)
    rows = [renderer.encode(e) for e in people(5)]
    rows += [renderer.encode(people(1)[0], wrong) for wrong in ("Nobody.", "In the far north.")]
    tokens = measure_tokens(start.model, rows, tokens=120)
    prompts = [renderer.prompt_ids(e) for e in people(5)]
    found = {"measured.logp": torch.from_numpy(tokens.logp)}
    found["measured.entropy"] = torch.from_numpy(tokens.entropy)
    found["measured.gradnorm"] = torch.tensor(gradient_norms(start.model, rows[:3]))
    for name, temperature in (("greedy", 0.0), ("sampled", 1.0)):
        seed = torch.Generator().manual_seed(3)
        written = continue_ids(
            start.model,
            start.tokenizer,
            prompts,
            max_tokens=6,
            size=2,
            temperature=temperature,
            generator=seed,
        )
        found[f"measured.{name}"] = torch.tensor([t for ids in written for t in [*ids, -1]])
    return found


def free_port() -> int:
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        return int(door.getsockname()[1])


@pytest.fixture(scope="module")
def ends(tiny_chat_folder, tmp_path_factory) -> list[dict[str, torch.Tensor]]:
    """What one process ended with, and each of two."""
    place = tmp_path_factory.mktemp("ends")
    code = (
        "import sys; from pathlib import Path; from tests.invariants.test_processes import run; "
        "run(*map(Path, sys.argv[1:]))"
    )
    shared = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port()), "WORLD_SIZE": "2"}
    processes = []
    for rank in range(2):
        environment = os.environ | shared | {"RANK": str(rank), "LOCAL_RANK": str(rank)}
        files = [str(tiny_chat_folder), str(place / f"{rank}"), str(place / f"state-{rank}")]
        processes.append(
            subprocess.Popen(
                [sys.executable, "-c", code, *files],
                env=environment | {"PYTHONPATH": str(ROOT)},
                stderr=subprocess.PIPE,
                text=True,
                cwd=ROOT,
            )
        )
    run(tiny_chat_folder, place / "one", place / "state-one")
    try:
        errors = [process.communicate(timeout=90)[1] for process in processes]
    finally:
        for process in processes:
            process.kill()
    assert [process.returncode for process in processes] == [0, 0], errors
    return [load_file(place / name) for name in ("one", "0", "1")]


@pytest.mark.parametrize(
    "name", ["uneven", "alone", "apart", "level", "rows", "projected", "values"]
)
def test_two_processes_end_where_one_does(ends, name: str):
    one, first, second = ends
    names = [n for n in one if n.startswith(f"{name}.")]
    assert len(names) > 20
    for n in names:
        assert torch.equal(first[n], second[n]), n
        assert torch.allclose(first[n], one[n], atol=1e-6 if not n.endswith("loss") else 1e-5), n


def test_two_processes_measure_what_one_does(ends):
    """Each scores and writes its share; both then hold all of it."""
    one, first, second = ends
    names = [n for n in one if n.startswith("measured.")]
    assert len(names) == 5
    for n in names:
        assert torch.equal(first[n], second[n]), n
        assert torch.allclose(first[n].double(), one[n].double(), atol=1e-4), n


def test_a_step_in_which_every_row_is_at_its_level_has_no_loss(ends):
    losses = [end["level.loss"].tolist() for end in ends]
    assert all(loss[0] < -5 and loss[-2:] == [0, 0] for loss in losses)


def test_a_pass_a_term_is_a_pass_for_all(ends):
    for end in ends:
        for n in (n for n in end if n.startswith("uneven.")):
            assert torch.allclose(end[n], end[n.replace("uneven", "apart")], atol=1e-5), n
