"""Losses of the answer's own log-probability, on numbers worked by hand."""

from __future__ import annotations

from math import exp, log

import pytest
import torch

from tests.conftest import scores
from unteach.method.objectives.likelihood import ascent, nll, unlikelihood


def test_nll_is_what_the_likelihood_lacks():
    """p = 1/2 and 1/4: -ln p = 0.693 and 1.386."""
    x = scores([[log(0.5), log(0.25)]])
    assert nll(x).tolist() == [[pytest.approx(0.6931, abs=1e-4), pytest.approx(1.3863, abs=1e-4)]]


def test_ascent_is_its_opposite():
    """p = 1/2 and 1/4: ln p = -0.693 and -1.386."""
    x = scores([[log(0.5), log(0.25)]])
    assert torch.equal(ascent(x), -nll(x))


def test_unlikelihood_is_of_the_rest():
    """p = 1/2: -ln(1 - 1/2) = 0.693. p = 0.9: -ln 0.1 = 2.303. p = 0.01: -ln 0.99 = 0.01005."""
    loss = unlikelihood(scores([[log(0.5), log(0.9), log(0.01)]]))
    assert loss[0].tolist() == pytest.approx([0.6931, 2.3026, 0.01005], abs=1e-4)


def test_unlikelihood_pulls_with_the_odds():
    """d/dlogp of -ln(1 - p) is p / (1 - p): 1 at a half, 9 at 0.9, 1/99 at 0.01."""
    logp = torch.tensor([[0.5, 0.9, 0.01]]).log().requires_grad_(True)
    unlikelihood(scores(logp)).sum().backward()
    assert logp.grad is not None
    assert logp.grad[0].tolist() == pytest.approx([1, 9, 1 / 99], rel=1e-4)


def test_unlikelihood_still_pulls_on_what_is_certain():
    """Logits 30 and 0: p = 1 - 9.4e-14, which float32 rounds to 1; to the rest 1e-6 is added.

    -ln 1e-6 = 13.8. The pull on logp is 1 / 1e-6, and a logp that is certain moves with its logits
    by 1 - p: 1e6 x 9.4e-14 = 9.4e-8, small but not 0. With logits 14 and 0, 1 - p = 8.3e-7, and the
    pull is 0.83 / 1.83 = 0.45 (of the 1 that it would be without the floor).
    """
    logits = torch.tensor([[[30.0, 0.0], [14.0, 0.0]]], requires_grad=True)
    loss = unlikelihood(scores(logits.log_softmax(-1)[..., 0]))
    assert loss[0, 0].item() == pytest.approx(13.8155, abs=1e-3)
    loss.sum().backward()
    assert logits.grad is not None
    rest = 1 / (1 + exp(14))
    assert logits.grad[0, 0, 1].item() == pytest.approx(-9.36e-8, rel=0.01)
    assert logits.grad[0, 1, 1].item() == pytest.approx(-rest / (rest + 1e-6), rel=0.1)


def test_unlikelihood_of_what_is_not_scored_is_nothing():
    """The second row has one token; its padding has logp 0, which would count as certain."""
    assert unlikelihood(scores([[log(0.5), log(0.5)], [log(0.5)]]))[1, 1].item() == pytest.approx(
        0, abs=2e-6
    )
