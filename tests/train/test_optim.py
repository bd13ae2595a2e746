"""Optimisers and schedules, on numbers worked by hand."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from unteach.train.optim import adamw, schedule_factor, sgd


def after(make: Any, num_steps: int = 1, **params: float) -> float:
    """A weight of 1 under the loss 2w, whose slope is 2 everywhere."""
    weight = torch.tensor([1.0], requires_grad=True)
    optimizer = make([weight], **params)
    for _ in range(num_steps):
        optimizer.zero_grad()
        (2 * weight).sum().backward()
        optimizer.step()
    return weight.item()


def test_sgd_goes_down_by_the_rate_times_the_slope():
    """1 - 0.1 x 2 = 0.8."""
    assert after(sgd, lr=0.1) == pytest.approx(0.8)


def test_momentum_adds_what_is_left_of_the_last_step():
    """1 - 0.1 x 2 = 0.8; then 0.8 - 0.1 x (2 + 0.5 x 2) = 0.5."""
    assert after(sgd, 2, lr=0.1, momentum=0.5) == pytest.approx(0.5)


def test_adamw_first_goes_down_by_the_rate():
    """m / sqrt(v) = 2 / sqrt(4) = 1 after bias correction, so 1 - 0.1 = 0.9, then 0.8."""
    assert after(adamw, lr=0.1) == pytest.approx(0.9, abs=1e-5)
    assert after(adamw, 2, lr=0.1) == pytest.approx(0.8, abs=1e-5)


def test_weight_decay_is_apart_from_the_slope():
    """1 x (1 - 0.1 x 0.5) - 0.1 = 0.85."""
    assert after(adamw, lr=0.1, weight_decay=0.5) == pytest.approx(0.85, abs=1e-5)


@pytest.mark.parametrize(
    ("schedule", "warmup", "expected"),
    [
        ("constant", 0.0, [1, 1, 1, 1]),
        ("linear", 0.0, [1, 0.75, 0.5, 0.25]),
        ("cosine", 0.0, [1, 0.853553, 0.5, 0.146447]),  # (1 + cos(pi x)) / 2 at 0, 1/4, 1/2, 3/4
        ("constant", 0.5, [1 / 3, 2 / 3, 1, 1]),  # two steps of rise, then the third is whole
        ("linear", 0.5, [1 / 3, 2 / 3, 1, 0.5]),
        ("cosine", 0.5, [1 / 3, 2 / 3, 1, 0.5]),
        ("linear", 1.0, [0.2, 0.4, 0.6, 0.8]),
    ],
)
def test_the_rate_over_four_steps(schedule: str, warmup: float, expected: list[float]):
    rates = [schedule_factor(schedule, warmup, step, 4) for step in range(4)]
    assert rates == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("schedule", ["constant", "linear", "cosine"])
@pytest.mark.parametrize("warmup", [0.0, 0.05, 0.5, 1.0])
@pytest.mark.parametrize("steps", [1, 3, 100])
def test_no_step_is_wasted_and_none_is_above_the_rate(schedule: str, warmup: float, steps: int):
    assert all(0 < schedule_factor(schedule, warmup, step, steps) <= 1 for step in range(steps))
