"""Negative preference optimisation, on numbers worked by hand."""

from __future__ import annotations

from math import exp

import pytest
import torch

from tests.conftest import scores
from unteach.method.objectives.preference import npo


def test_npo_at_the_reference_is_log_two():
    """Model = reference, so the ratio is 0: -2/beta * ln(sigmoid(0)) = 2/0.1 * ln 2 = 13.863."""
    x = scores([[-1.0, -2.0]], ref=scores([[-2.0, -1.0]]))
    assert npo(x, beta=0.1).tolist() == [pytest.approx(13.863, abs=1e-3)]
    assert npo(x, beta=1.0).tolist() == [pytest.approx(1.3863, abs=1e-4)]


def test_npo_away_from_the_reference():
    """s = -1 against -3, beta 0.5: -4 * ln(sigmoid(-0.5 * 2)) = 4 * ln(1 + e) = 5.253."""
    x = scores([[-1.0]], ref=scores([[-3.0]]))
    assert npo(x, beta=0.5).tolist() == [pytest.approx(5.2530, abs=1e-3)]


@pytest.mark.parametrize("beta", [0.1, 1.0])
def test_npo_pulls_less_the_less_sure_the_model_is(beta: float):
    """d/ds = 2 sigmoid(beta (s - s_ref)): 1 at the reference, 2 sigmoid(-4 beta) four nats below."""
    logp = torch.tensor([[-3.0], [-7.0]], requires_grad=True)
    npo(scores(logp, ref=scores([[-3.0], [-3.0]])), beta=beta).sum().backward()
    assert logp.grad is not None
    faded = 2 / (1 + exp(4 * beta))
    assert logp.grad[:, 0].tolist() == pytest.approx([1.0, faded], rel=1e-5)


def test_npo_with_a_small_beta_is_ascent():
    """As beta -> 0 the pull 2 sigmoid(beta x) -> 1, whatever x."""
    logp = torch.tensor([[-3.0], [-40.0]], requires_grad=True)
    npo(scores(logp, ref=scores([[-3.0], [-3.0]])), beta=1e-4).sum().backward()
    assert logp.grad is not None
    assert logp.grad[:, 0].tolist() == pytest.approx([1.0, 1.0], abs=2e-3)
