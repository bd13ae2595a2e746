"""What a step does, says and leaves behind."""

from __future__ import annotations

import math
import signal
import threading
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.conftest import adapted, encoded, loaded, people
from unteach.errors import RecipeError
from unteach.method.objectives.likelihood import ascent, nll
from unteach.method.objectives.representation import random_direction
from unteach.method.rules.sum import weighted_sum
from unteach.model.load import Loaded
from unteach.model.reference import mean_probability
from unteach.train.look import Stop
from unteach.train.loop import Plan, train
from unteach.train.optim import sgd
from unteach.train.term import Term

FORGET = Term("forget.ascent", "forget", ascent, "token", coefficient=0.5)
RETAIN = Term("retain.nll", "retain", nll, "token")


@pytest.fixture
def start(tiny_chat_folder) -> Loaded:
    return loaded(tiny_chat_folder)


def make_plan(start: Loaded, **changes: Any) -> Plan:
    """Six rows to forget and ten to keep, four of each a step."""
    rows = {"forget": encoded(start, people(6)), "retain": encoded(start, people(10, first=6))}
    plain: dict[str, Any] = {
        "terms": [FORGET, RETAIN],
        "rows": rows,
        "steps": 4,
        "batch": 4,
        "micro_batch": 4,
        "optimizer": partial(sgd, lr=0.05),
        "rule": weighted_sum(),
    }
    return Plan(**{**plain, **changes})


def lines_of(start: Loaded, **changes: Any) -> list[dict[str, Any]]:
    lines: list[dict[str, Any]] = []
    train(start.model, make_plan(start, **changes), log=lines.append)
    return lines


def weights(model: torch.nn.Module) -> Tensor:
    return torch.nn.utils.parameters_to_vector(model.parameters()).detach().clone()


def test_every_step_has_a_line_with_every_number(start: Loaded):
    lines = lines_of(start)
    assert [line["step"] for line in lines] == [1, 2, 3, 4]
    every = {
        *("step", "steps", "epoch", "seconds", "loss", "terms", "coefficients", "lr"),
        *("grad_norm", "norm.forget", "norm.retain", "cosine"),
        *("tokens_per_second", "memory_bytes"),
    }
    assert all(line.keys() == every for line in lines)
    for line in lines:
        assert line["steps"] == 4
        assert line["loss"] == pytest.approx(
            0.5 * line["terms"]["forget.ascent"] + line["terms"]["retain.nll"]
        )
        assert all(line[k] > 0 for k in ("seconds", "grad_norm", "tokens_per_second"))
        assert line["memory_bytes"] > 1e7
    assert [line["epoch"] for line in lines] == [0.6667, 1.3333, 2.0, 2.6667]
    assert sorted(line["seconds"] for line in lines) == [line["seconds"] for line in lines]


def test_the_value_of_a_term_is_a_mean_over_the_scored_tokens_of_the_step(start: Loaded):
    """An untrained model knows nothing: about ln 261 = 5.56 nats a token."""
    first = lines_of(start, steps=1)[0]["terms"]
    assert first["retain.nll"] == pytest.approx(math.log(261), abs=0.5)
    assert first["forget.ascent"] == pytest.approx(-math.log(261), abs=0.5)


def test_the_rate_is_that_of_the_schedule(start: Loaded):
    """0.05 x (1, 3/4, 1/2, 1/4)."""
    rates = [line["lr"] for line in lines_of(start, schedule="linear")]
    assert rates == pytest.approx([0.05, 0.0375, 0.025, 0.0125])


def test_training_ends_in_evaluation_without_gradients_and_leaves_the_seed_alone(start: Loaded):
    before = torch.random.get_rng_state()
    assert train(start.model, make_plan(start)) == 4
    assert torch.equal(torch.random.get_rng_state(), before)
    assert not start.model.training
    assert all(p.grad is None for p in start.model.parameters())


def test_the_same_seed_gives_the_same_weights_and_another_gives_others(tiny_chat_folder):
    found = []
    for seed in (0, 0, 1):
        start = loaded(tiny_chat_folder)
        with torch.random.fork_rng():
            torch.manual_seed(5)
            model = adapted(start.model, dropout=0.3)
        train(model, make_plan(start, seed=seed))
        found.append(weights(model))
    assert torch.equal(found[0], found[1])
    assert not torch.equal(found[0], found[2])


@pytest.mark.parametrize("limit", [0.01, None])
def test_a_step_is_no_longer_than_the_limit_on_the_gradient(start: Loaded, limit: float | None):
    """With lr 1 the weights move by the gradient itself; its norm is logged as it was found."""
    before = weights(start.model)
    (line,) = lines_of(start, steps=1, optimizer=partial(sgd, lr=1.0), max_grad_norm=limit)
    moved = (weights(start.model) - before).norm().item()
    assert line["grad_norm"] > 0.1
    assert moved == pytest.approx(limit or line["grad_norm"], rel=1e-3)


def test_training_stops_once_the_level_is_reached(start: Loaded):
    """Looked at every second step; any model is under a level of 1."""
    lines = lines_of(start, stop=Stop("forget", level=1.0, every=2))
    assert [line.get("levels", {}).keys() for line in lines] == [set(), {"forget"}]
    rows = make_plan(start).rows["forget"]
    assert lines[-1]["levels"]["forget"] == pytest.approx(
        mean_probability(start.model, rows), rel=1e-4
    )


def test_training_goes_on_while_what_is_kept_is_below_its_floor(start: Loaded):
    stop = Stop("forget", level=1.0, every=3, kept="retain", floor=0.9)
    lines = lines_of(start, stop=stop)
    assert [sorted(line.get("levels", {})) for line in lines] == [
        *([], [], ["forget", "retain"]),
        ["forget", "retain"],  # the last step is looked at whatever its number
    ]


def test_a_level_that_is_not_reached_does_not_stop(start: Loaded):
    assert len(lines_of(start, stop=Stop("forget", level=0.0, every=1))) == 4


def test_rows_left_out_change_neither_the_order_nor_the_place_of_the_rest(start: Loaded):
    whole = make_plan(start, steps=9)
    without = make_plan(start, steps=9, without={"retain": frozenset({0, 3, 4})})
    for step in range(9):
        assert without.window(step)["forget"] == whole.window(step)["forget"]
        assert without.window(step)["retain"] == [
            i for i in whole.window(step)["retain"] if i not in {0, 3, 4}
        ]


def test_a_step_whose_rows_are_all_left_out_is_passed_over(start: Loaded):
    """A batch of two out of four rows of which two are left out: some step has neither."""
    rows = {"retain": encoded(start, people(4))}
    plan = make_plan(
        start, terms=[RETAIN], rows=rows, batch=2, steps=8, without={"retain": frozenset({0, 1})}
    )
    full = [step for step in range(8) if plan.window(step)["retain"]]
    assert len(full) < 8
    lines: list[dict[str, Any]] = []
    assert train(start.model, plan, log=lines.append) == 8
    assert [line["step"] - 1 for line in lines] == full


def test_a_batch_larger_than_the_split_takes_each_row_once(start: Loaded):
    plan = make_plan(start, batch=50)
    assert [sorted(rows) for rows in plan.window(3).values()] == [list(range(6)), list(range(10))]
    assert [line["epoch"] for line in lines_of(start, batch=50)] == [1, 2, 3, 4]


def test_terms_on_one_split_share_its_rows(start: Loaded):
    plan = make_plan(start, terms=[FORGET, Term("forget.nll", "forget", nll, "token"), RETAIN])
    assert list(plan.window(0)) == ["forget", "retain"]
    (line,) = lines_of(start, terms=plan.terms, steps=1)
    assert line["terms"]["forget.nll"] == pytest.approx(-line["terms"]["forget.ascent"])


def test_weights_that_are_not_selected_stay(start: Loaded):
    model = adapted(start.model)
    before = {n: p.detach().clone() for n, p in model.named_parameters()}
    train(model, make_plan(start, steps=2))
    moved = {n for n, p in model.named_parameters() if not torch.equal(p, before[n])}
    assert moved
    assert moved <= {n for n, p in model.named_parameters() if p.requires_grad}


def test_ctrl_c_is_held_back_only_while_training(start: Loaded):
    before = signal.getsignal(signal.SIGINT)
    seen: list[Any] = []
    train(
        start.model, make_plan(start), log=lambda line: seen.append(signal.getsignal(signal.SIGINT))
    )
    assert before not in seen
    assert signal.getsignal(signal.SIGINT) is before


def test_training_works_beside_the_main_thread(start: Loaded):
    done: list[int] = []
    thread = threading.Thread(target=lambda: done.append(train(start.model, make_plan(start))))
    thread.start()
    thread.join()
    assert done == [4]


def test_small_steps_are_not_lost_in_bfloat16(tiny_chat_folder):
    """bfloat16 has 8 bits: to a weight of 0.1 nothing below 0.0002 can be added.

    Twenty steps of 1e-4 add up to 2e-3, which can; so the steps are summed up in float32.
    """
    from unteach.train.optim import adamw

    start = loaded(tiny_chat_folder)
    start.model.to(torch.bfloat16)
    before = weights(start.model)
    train(
        start.model,
        make_plan(
            start,
            steps=20,
            dtype="bfloat16",
            optimizer=partial(adamw, lr=1e-4),
            stop=Stop("forget", level=0.0, every=10),
        ),
    )
    assert start.model.dtype == torch.bfloat16
    moved = (weights(start.model) != before) & (before.abs() > 0.05)
    assert moved.sum() > 0.5 * (before.abs() > 0.05).sum()


def test_runs_of_different_types_follow_one_another(tiny_chat_folder):
    for dtype in ("float32", "bfloat16", "float32"):
        start = loaded(tiny_chat_folder)
        assert train(start.model, make_plan(start, steps=1, dtype=dtype)) == 1


def test_a_loss_that_no_trained_weight_can_change_is_refused_by_name(start: Loaded):
    """It reads block 0 of two, and block 1 alone is trained: no step could ever do anything."""
    for name, p in start.model.named_parameters():
        p.requires_grad_(name == "model.layers.1.mlp.down_proj.weight")
    steer = Term(
        "forget.random_direction",
        "forget",
        partial(random_direction, layer=0),
        "token",
        frozenset({"hidden.0"}),
    )
    before = weights(start.model)
    with pytest.raises(
        RecipeError,
        match=r"forget.random_direction can change none .*layers.1.mlp.down_proj.* layer 0 of 2",
    ):
        lines_of(start, terms=[steer, RETAIN])
    assert torch.equal(weights(start.model), before)


def test_a_stage_that_moves_nothing_is_an_error(start: Loaded):
    """Every row is at its level from the first step on, so none asks for anything."""
    with pytest.raises(RecipeError, match=r"training moved none of \d+ parameters"):
        lines_of(start, terms=[replace(FORGET, level=1.0)])


def test_steps_too_small_for_the_dtype_are_an_error(start: Loaded):
    """A weight of 1 has lost 1e-12 when it goes back to bfloat16."""
    start.model.bfloat16().requires_grad_(False)
    start.model.model.norm.weight.requires_grad_(True)
    with pytest.raises(RecipeError, match="too small for the model's dtype"):
        lines_of(start, optimizer=partial(sgd, lr=1e-12), dtype="bfloat16")
