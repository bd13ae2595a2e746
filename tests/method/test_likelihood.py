"""Losses of the answer's own tokens, on numbers worked by hand."""

from __future__ import annotations

from dataclasses import replace
from math import exp, log

import pytest
import torch

from tests.conftest import encoded, loaded, people, scores
from unteach.data.batches import collate
from unteach.method.objectives.likelihood import (
    ascent,
    inverted_hinge,
    log_rest,
    logit_margin,
    nll,
    unlikelihood,
    unlink,
)
from unteach.model.scores import score


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


def test_the_rest_of_a_certain_token_is_a_millionth():
    """p = 1: ln 1e-6 = -13.816. p = 1/4: ln(3/4 + 1e-6) = -0.28768."""
    assert log_rest(scores([[0.0, log(0.25)]]))[0].tolist() == pytest.approx(
        [-13.8155, -0.28768], abs=1e-4
    )


THREE_WORDS = torch.tensor([[[0.5, 0.3, 0.2], [0.1, 0.2, 0.7]]])


def test_inverted_hinge_compares_with_the_runner_up():
    """Word 0 is true. p = (0.5, 0.3, 0.2): 1 + 0.5 - 0.3 = 1.2. (0.1, 0.2, 0.7): 1 + 0.1 - 0.7 = 0.4."""
    x = scores([[log(0.5), log(0.1)]], logits=THREE_WORDS.log())
    assert inverted_hinge(x)[0].tolist() == pytest.approx([1.2, 0.4])


def test_inverted_hinge_moves_the_true_token_against_the_runner_up_alone():
    """p = (0.5, 0.3, 0.2). dp_i/dz_j = p_i (1[i = j] - p_j), of p_0 - p_1:

    z_0: 0.5 x 0.5 + 0.3 x 0.5 = 0.40; z_1: -0.5 x 0.3 - 0.3 x 0.7 = -0.36;
    z_2: -0.5 x 0.2 + 0.3 x 0.2 = -0.04.
    """
    logits = THREE_WORDS[:, :1].log().requires_grad_(True)
    inverted_hinge(scores([[log(0.5)]], logits=logits)).sum().backward()
    assert logits.grad is not None
    assert logits.grad[0, 0].tolist() == pytest.approx([0.40, -0.36, -0.04], abs=1e-6)


def test_inverted_hinge_is_bounded_and_hardly_pulls_at_either_end():
    """Leads of 30 and -30 nats over one other word: 1 + 1 - 0 = 2 and 1 + 0 - 1 = 0, no slope.

    At equal logits the slope is 2 p (1 - p) = 0.5.
    """
    logits = torch.tensor([[[30.0, 0.0], [-30.0, 0.0], [0.0, 0.0]]], requires_grad=True)
    loss = inverted_hinge(scores([[0.0, -30.0, log(0.5)]], logits=logits))
    assert loss[0].tolist() == pytest.approx([2, 0, 1], abs=1e-6)
    loss.sum().backward()
    assert logits.grad is not None
    assert logits.grad[0, :, 0].tolist() == pytest.approx([0, 0, 0.5], abs=1e-6)


def test_logit_margin_is_how_far_the_top_is_above_the_mean():
    """Logits (4, 1, 1): 4 - 2 = 2, squared 4. (0, 3, 0), where another word leads: (3 - 1)^2 = 4."""
    logits = torch.tensor([[[4.0, 1.0, 1.0], [0.0, 3.0, 0.0]]])
    assert logit_margin(scores([[-1.0, -1.0]], logits=logits)).tolist() == [[4, 4]]
    assert torch.equal(
        logit_margin(scores([[-1.0, -1.0]], logits=logits + 7)), torch.tensor([[4.0, 4.0]])
    )


def test_logit_margin_lowers_the_top_and_lifts_the_rest():
    """d/dz (max - mean)^2 = 2 x 2 x (1 - 1/3) at the top and 2 x 2 x (-1/3) at the others."""
    logits = torch.tensor([[[4.0, 1.0, 1.0]]], requires_grad=True)
    logit_margin(scores([[-1.0]], logits=logits)).sum().backward()
    assert logits.grad is not None
    assert logits.grad[0, 0].tolist() == pytest.approx([8 / 3, -4 / 3, -4 / 3])


def test_logit_margin_of_equal_logits_is_zero():
    logits = torch.full((1, 1, 5), 2.0, requires_grad=True)
    loss = logit_margin(scores([[log(0.2)]], logits=logits))
    loss.sum().backward()
    assert loss.item() == 0
    assert logits.grad is not None
    assert not logits.grad.any()


def test_logit_margin_reads_the_logits_that_predict_the_answer(tiny_folder):
    """Logits at position j - 1 predict token j; open-unlearning reads those at j."""
    start = loaded(tiny_folder)
    row = encoded(start, people(1))[0]
    batch = collate([row])
    with torch.no_grad():
        found = logit_margin(score(start.model, batch, frozenset({"logits"})))[0]
        whole = start.model(input_ids=batch.input_ids).logits[0].float()
    predicting = whole[row.start - 1 : len(row.ids) - 1]
    assert found.tolist() == pytest.approx(
        [float((z.max() - z.mean()) ** 2) for z in predicting], rel=1e-4
    )


# unlink


def linked(mine: list[float], theirs: list[float], *, level: float = 1.0) -> torch.Tensor:
    """The loss [tokens] of one answer with these probabilities; of somebody else, those."""
    x = scores([[log(p) for p in mine]], swapped=scores([[log(p) for p in theirs]]))
    return unlink(x, level=level)[0]


def test_unlink_pushes_the_tokens_that_the_name_makes_likelier():
    """Information ln(0.5 / 0.9) < 0, ln(0.9 / 0.3) = 1.099, ln 1 = 0: in all 0.51 > 0.

    Only the second token is pushed: -ln(1 - 0.9) = 2.3026.
    """
    assert linked([0.5, 0.9, 0.4], [0.9, 0.3, 0.4]).tolist() == pytest.approx(
        [0, 2.3026, 0], abs=1e-4
    )


def test_unlink_lets_a_row_go_whose_name_says_no_more_than_another():
    """ln(0.2 / 0.1) + ln(0.1 / 0.4) = -0.69: the first token is likelier, the answer is not."""
    assert linked([0.2, 0.1], [0.1, 0.4]).tolist() == [0, 0]
    assert linked([0.2, 0.1], [0.2, 0.1]).tolist() == [0, 0]


def test_unlink_goes_on_below_a_stranger_if_told():
    """At a quarter of 0.2 = 0.05 a token of 0.1 has ln 2 to lose, one of 0.04 has nothing."""
    assert linked([0.1], [0.2], level=0.25).tolist() == pytest.approx([-log(0.9)], abs=1e-4)
    assert linked([0.04], [0.2], level=0.25).tolist() == [0]


def test_unlink_moves_neither_the_stranger_nor_what_it_does_not_match():
    """Answers 7 1 and 9 1: the name's token has no partner; of token 1, p = 0.9 pulls with its odds, 9."""
    mine = torch.tensor([[0.9, 0.9]]).log().requires_grad_(True)
    theirs = torch.tensor([[0.1, 0.1]]).log().requires_grad_(True)
    x = replace(scores(mine), targets=torch.tensor([[7, 1]]))
    other = replace(scores(theirs), targets=torch.tensor([[9, 1]]))
    unlink(replace(x, optional={"swapped": other})).sum().backward()
    assert mine.grad is not None
    assert mine.grad[0].tolist() == pytest.approx([0, 9], rel=1e-4)
    assert theirs.grad is None
