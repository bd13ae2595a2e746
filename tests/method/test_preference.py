"""Preference losses, on numbers worked by hand, and their weights in the common view."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import pairwise
from math import exp, log, tanh

import pytest
import torch
from torch import Tensor

from tests.conftest import scores
from unteach import recipe
from unteach.method.objectives.likelihood import unlikelihood
from unteach.method.objectives.preference import (
    _DIVERGENCES,
    answer_preservation,
    catnip,
    dpo,
    flat,
    kto,
    npo,
    simnpo,
    tnpo,
    token_dpo,
)
from unteach.model.scores import Scores
from unteach.train.term import Term, total

HALF, QUARTER = log(0.5), log(0.25)


def slope(loss: Callable[[Scores], Tensor], logp: Tensor, **beside: Scores) -> list[list[float]]:
    """d loss / d logp, rows of tokens."""
    leaf = logp.clone().requires_grad_(True)
    loss(scores(leaf, **beside)).sum().backward()  # type: ignore[arg-type]
    assert leaf.grad is not None
    return leaf.grad.tolist()


def test_npo_at_the_reference_is_log_two():
    """Model = reference, so the ratio is 0: -2/beta * ln(sigmoid(0)) = 2/0.1 * ln 2 = 13.863."""
    x = scores([[-1.0, -2.0]], ref=scores([[-2.0, -1.0]]))
    assert npo(x, beta=0.1).tolist() == [pytest.approx(13.863, abs=1e-3)]
    assert npo(x, beta=1.0).tolist() == [pytest.approx(1.3863, abs=1e-4)]


def test_npo_away_from_the_reference():
    """s = -1 against -3, beta 0.5: -4 * ln(sigmoid(-0.5 * 2)) = 4 * ln(1 + e) = 5.253."""
    x = scores([[-1.0]], ref=scores([[-3.0]]))
    assert npo(x, beta=0.5).tolist() == [pytest.approx(5.2530, abs=1e-3)]


def test_npo_sums_over_the_answer():
    """Two tokens that gained 1 nat each are a gain of 2, not of 1 as in SOUL's code: 5.253 again."""
    x = scores([[-1.0, -1.0]], ref=scores([[-2.0, -2.0]]))
    assert npo(x, beta=0.5).tolist() == [pytest.approx(5.2530, abs=1e-3)]


def test_npo_of_means_averages_over_the_answer():
    """Two tokens that gained 2 nats each are a mean gain of 2: 5.253, as of one token."""
    x = scores([[-1.0, -1.0]], ref=scores([[-3.0, -3.0]]))
    assert npo(x, beta=0.5, mean=True).tolist() == [pytest.approx(5.2530, abs=1e-3)]


@pytest.mark.parametrize("beta", [0.1, 1.0])
def test_npo_pulls_less_the_less_sure_the_model_is(beta: float):
    """d/ds = 2 sigmoid(beta (s - s_ref)): 1 at the reference, 2 sigmoid(-4 beta) four nats below."""
    found = slope(
        partial(npo, beta=beta), torch.tensor([[-3.0], [-7.0]]), ref=scores([[-3.0], [-3.0]])
    )
    faded = 2 / (1 + exp(4 * beta))
    assert [row[0] for row in found] == pytest.approx([1.0, faded], rel=1e-5)


def test_npo_with_a_small_beta_is_ascent():
    """As beta -> 0 the pull 2 sigmoid(beta x) -> 1, whatever x."""
    found = slope(
        partial(npo, beta=1e-4), torch.tensor([[-3.0], [-40.0]]), ref=scores([[-3.0], [-3.0]])
    )
    assert [row[0] for row in found] == pytest.approx([1.0, 1.0], abs=2e-3)


def test_tnpo_looks_at_each_token_alone():
    """beta 2; tokens at the reference: 2/2 ln 2 = 0.693. One e times as likely: ln(1 + e^2) = 2.1269."""
    x = scores([[-2.0, -1.0]], ref=scores([[-2.0, -2.0]]))
    assert tnpo(x, beta=2.0)[0].tolist() == pytest.approx([0.6931, 2.1269], abs=1e-4)


def test_tnpo_of_one_token_is_npo():
    x = scores([[-1.5], [-4.0]], ref=scores([[-2.0], [-1.0]]))
    assert torch.equal(tnpo(x, beta=0.7)[:, 0], npo(x, beta=0.7))


def test_catnip_is_even_at_a_half():
    """p = 1/2 is as likely as its rest: 2/beta ln 2 = 2.7726 with beta 0.5.

    p = 0.9, beta 1: odds 9, 2 ln(1 + 9) = 4.605. p = 0.1: odds 1/9, 2 ln(10/9) = 0.2107.
    """
    assert catnip(scores([[HALF]])).tolist() == [[pytest.approx(2.7726, abs=1e-3)]]
    assert catnip(scores([[log(0.9), log(0.1)]]), beta=1.0)[0].tolist() == pytest.approx(
        [4.6052, 0.21072], abs=1e-3
    )


def test_catnip_pulls_at_most_twice_as_hard_as_ascent_when_its_doubt_is_held():
    """beta 1, so w = 2p: 1.8 at p = 0.9, 0.2 at 0.1. With a live doubt w / (1 - p): 18 and 0.222."""
    logp = torch.tensor([[0.9, 0.1]]).log()
    assert slope(partial(catnip, beta=1.0), logp)[0] == pytest.approx([1.8, 0.2], rel=1e-4)
    live = slope(partial(catnip, beta=1.0, detached=False), logp)[0]
    assert live == pytest.approx([18, 0.2222], rel=1e-3)


def test_catnip_is_finite_on_what_is_certain():
    """p = 1: the doubt is 1e-6, w = 2 / (1 + 1e-3) with beta 0.5; live, it is some two million."""
    certain = torch.zeros(1, 1)
    assert slope(catnip, certain)[0] == pytest.approx([1.998], abs=1e-3)
    assert slope(partial(catnip, detached=False), certain)[0] == pytest.approx([2e6], rel=0.01)


def test_simnpo_takes_the_mean_over_the_answer():
    """Tokens of 1/2 and 1/8: mean ln p = -2 ln 2 = ln(1/4). beta 1: 2 ln(1 + 1/4) = 0.4463.

    With delta = ln 4 the two cancel: 2 ln 2 = 1.3863.
    """
    x = scores([[HALF, log(0.125)]])
    assert simnpo(x, beta=1.0).tolist() == [pytest.approx(0.4463, abs=1e-4)]
    assert simnpo(x, beta=1.0, delta=log(4)).tolist() == [pytest.approx(1.3863, abs=1e-4)]


def test_simnpo_does_not_count_padding():
    """Alone or beside a longer row, an answer of one token has length 1."""
    x = scores([[HALF], [HALF, HALF, HALF]])
    assert simnpo(x)[0].item() == pytest.approx(simnpo(scores([[HALF]])).item())


B, A, V = 3, 5, 7
RAGGED = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0], [1, 0, 0, 0, 0]]).bool()


def drawn(seed: int) -> Tensor:
    """Logits [B, A, V] of which the true word is sometimes likely and sometimes not."""
    return 2 * torch.randn(
        B, A, V, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)
    )


def of(logits: Tensor, **beside: Scores) -> Scores:
    """Scores of rows of 5, 3 and 1 tokens in float64; word 0 is the true one."""
    logp = torch.where(RAGGED, logits.log_softmax(-1)[..., 0], 0.0)
    return Scores(torch.zeros(B, A, dtype=torch.long), RAGGED, logp, RAGGED, dict(beside))


def sequence(values: Tensor) -> Tensor:
    return values[:, None].expand(B, A)


IDENTITIES: dict[str, tuple[Callable[[Scores], Tensor], str, Callable[[Scores], Tensor]]] = {
    "unlikelihood": (unlikelihood, "token", lambda x: x.p / (1 - x.p)),
    "tnpo": (
        partial(tnpo, beta=4.0),
        "token",
        lambda x: 2 * x.p**4 / (x.p**4 + x.ref.p**4),
    ),
    "catnip": (
        partial(catnip, beta=0.5),
        "token",
        lambda x: 2 * x.p**0.5 / (x.p**0.5 + (1 - x.p) ** 0.5),
    ),
    "catnip, live doubt": (
        partial(catnip, beta=0.5, detached=False),
        "token",
        lambda x: 2 * x.p**0.5 / (x.p**0.5 + (1 - x.p) ** 0.5) / (1 - x.p),
    ),
    "npo": (
        partial(npo, beta=0.1),
        "sequence",
        lambda x: sequence(2 * (0.1 * (x.seq_logp - x.ref.seq_logp)).sigmoid()),
    ),
    "simnpo": (
        partial(simnpo, beta=4.5, delta=0.3),
        "sequence",
        lambda x: sequence(
            2 * (4.5 * (x.seq_logp / RAGGED.sum(-1) + 0.3)).sigmoid() / RAGGED.sum(-1)
        ),
    ),
}


@pytest.mark.parametrize("name", IDENTITIES)
def test_a_loss_pulls_like_ascent_with_its_weight(name: str):
    """methods.md, fact 1: the slope in the logits is that of the sum of w log p, w held still."""
    objective, unit, weight = IDENTITIES[name]
    reference = of(drawn(1))
    logits = drawn(0).requires_grad_(True)
    x = of(logits, ref=reference)
    (found,) = torch.autograd.grad(total(Term("t", "s", objective, unit), x), logits)  # type: ignore[arg-type]
    x = of(logits, ref=reference)
    constant = weight(x).detach()
    (expected,) = torch.autograd.grad((constant * x.logp)[RAGGED].sum(), logits)
    # the 1e-6 that is added to 1 - p is the whole of the difference
    assert torch.allclose(found, expected, rtol=1e-3, atol=1e-6)


def test_dpo_at_the_reference_is_log_two():
    """Neither answer gained: 2/0.1 ln 2 = 13.863, whatever their lengths."""
    wanted = scores([[-3.0]], ref=scores([[-3.0]]))
    x = scores([[-1.0, -2.0]], ref=scores([[-1.0, -2.0]]), preferred=wanted)
    assert dpo(x).tolist() == [pytest.approx(13.863, abs=1e-3)]


def test_dpo_counts_what_each_answer_gained():
    """Preferred -4 against -6, a gain of 2; this one -3 against -2, a gain of -1. The margin is 3.

    beta 0.5: 4 ln(1 + e^-1.5) = 0.8057. As means over 2 and 1 tokens the margin is 1 + 1 = 2:
    4 ln(1 + e^-1) = 1.2530.
    """
    wanted = scores([[-2.0, -2.0]], ref=scores([[-3.0, -3.0]]))
    x = scores([[-3.0]], ref=scores([[-2.0]]), preferred=wanted)
    assert dpo(x, beta=0.5).tolist() == [pytest.approx(0.8057, abs=1e-4)]
    assert dpo(x, beta=0.5, mean=True).tolist() == [pytest.approx(1.2530, abs=1e-4)]


def test_dpo_pulls_one_answer_up_and_the_other_down():
    """At the reference 2 sigmoid(0) = 1 each way; it fades as 2 sigmoid(-beta margin)."""
    wanted = torch.tensor([[-3.0], [-3.0]], requires_grad=True)
    true = torch.tensor([[-1.0], [-5.0]], requires_grad=True)
    start = scores([[-3.0], [-3.0]])
    x = scores(true, ref=scores([[-1.0], [-1.0]]), preferred=scores(wanted, ref=start))
    dpo(x, beta=0.5).sum().backward()
    assert wanted.grad is not None
    assert true.grad is not None
    faded = 2 / (1 + exp(0.5 * 4))
    assert true.grad[:, 0].tolist() == pytest.approx([1, faded], rel=1e-5)
    assert wanted.grad[:, 0].tolist() == pytest.approx([-1, -faded], rel=1e-5)


def test_dpo_without_a_preferred_gain_is_npo():
    """The preferred answer still at its reference: the margin is this answer's loss alone."""
    still = scores([[-3.0], [-2.0]], ref=scores([[-3.0], [-2.0]]))
    x = scores([[-1.0], [-4.0]], ref=scores([[-2.0], [-2.0]]), preferred=still)
    assert torch.equal(dpo(x, beta=0.3), npo(x, beta=0.3))


def test_token_dpo_asks_of_each_token_that_it_falls_behind():
    """Preferred tokens gained 3 and 1, on average 2; these -1 and +4, so 3 behind and 2 ahead.

    beta 0.5: 4 ln(1 + e^-1.5) = 0.8057 and 4 ln(1 + e^1) = 5.2530. Their sums are 4 and 3, a margin
    of 1: `dpo` gives 4 ln(1 + e^-0.5) = 1.8963 and does not see which token leads.
    """
    wanted = scores([[-1.0, -2.0]], ref=scores([[-4.0, -3.0]]))
    x = scores([[-3.0, -1.0]], ref=scores([[-2.0, -5.0]]), preferred=wanted)
    assert token_dpo(x, beta=0.5)[0].tolist() == pytest.approx([0.8057, 5.2530], abs=1e-4)
    assert dpo(x, beta=0.5).tolist() == [pytest.approx(1.8963, abs=1e-4)]


def test_token_dpo_of_one_token_is_dpo():
    """Whatever the preferred answer's length, if `dpo` takes its mean too; else if that has one token."""
    start = scores([[-2.0], [-1.0]])
    longer = scores([[-1.0, -3.0], [-2.0]], ref=scores([[-2.0, -2.5], [-4.0]]))
    x = scores([[-1.5], [-4.0]], ref=start, preferred=longer)
    assert torch.equal(token_dpo(x, beta=0.7)[:, 0], dpo(x, beta=0.7, mean=True))
    single = scores([[-1.0], [-2.0]], ref=scores([[-2.0], [-4.0]]))
    x = scores([[-1.5], [-4.0]], ref=start, preferred=single)
    assert torch.equal(token_dpo(x, beta=0.7)[:, 0], dpo(x, beta=0.7))


def test_token_dpo_without_a_preferred_gain_is_tnpo():
    still = scores([[-3.0, -1.0]], ref=scores([[-3.0, -1.0]]))
    x = scores([[-1.0, -4.0]], ref=scores([[-2.0, -2.0]]), preferred=still)
    assert torch.equal(token_dpo(x, beta=0.7), tnpo(x, beta=0.7))


def test_token_dpo_lets_go_of_a_token_that_is_behind_and_of_no_other():
    """beta 1, nothing gained but that the first of two tokens lost 40 nats: it is let go, the other
    is pushed as at the start, w = 2 sigmoid(0) = 1. `dpo` lets go of both, w = 2 sigmoid(-40) = 0.

    The preferred answer has four tokens and is pulled up by a quarter of what pushes these: 1/4 each.
    """
    true = torch.tensor([[-41.0, -1.0]], requires_grad=True)
    wanted = torch.full((1, 4), -2.0, requires_grad=True)
    beside = scores(wanted, ref=scores([[-2.0] * 4]))
    x = scores(true, ref=scores([[-1.0, -1.0]]), preferred=beside)
    token_dpo(x, beta=1.0).sum().backward()
    assert true.grad is not None
    assert wanted.grad is not None
    assert true.grad[0].tolist() == pytest.approx([0, 1], abs=1e-6)
    assert wanted.grad[0].tolist() == pytest.approx([-0.25] * 4, abs=1e-6)
    true.grad = None
    dpo(x, beta=1.0).sum().backward()
    assert true.grad[0].tolist() == pytest.approx([0, 0], abs=1e-6)  # type: ignore[index]


def test_answer_preservation_compares_the_answer_with_its_refusal():
    """s = -1, its refusal -5, beta 0.5: 2 ln(1 + e^-2) = 0.2539. Equal: 2 ln 2 = 1.3863."""
    x = scores([[-1.0], [-5.0]], refused=scores([[-2.0, -3.0], [-5.0]]))
    assert answer_preservation(x, beta=0.5).tolist() == pytest.approx([0.2539, 1.3863], abs=1e-4)


def test_answer_preservation_holds_the_answer_up_and_leaves_alone_what_is_safe():
    """d/ds = -sigmoid(-beta margin): -1/2 at equal, -sigmoid(-0.1 x 80) = -3.4e-4 at 80 nats above."""
    refused = torch.tensor([[-5.0], [-81.0]], requires_grad=True)
    logp = torch.tensor([[-5.0], [-1.0]], requires_grad=True)
    answer_preservation(scores(logp, refused=scores(refused))).sum().backward()
    assert logp.grad is not None
    assert refused.grad is not None
    assert logp.grad[:, 0].tolist() == pytest.approx([-0.5, -1 / (1 + exp(8))], rel=1e-4)
    assert torch.equal(refused.grad, -logp.grad)


def divergent(divergence: str) -> float:
    """FLAT of an answer of tokens 1/2 and 1/4, mean 3/8, and a template of one token of 1/8."""
    x = scores([[HALF, QUARTER]], template=scores([[log(0.125)]]))
    return flat(x, divergence=divergence).item()  # type: ignore[arg-type]


def test_flat_by_hand():
    """P = 0.375 for the answer, 0.125 for the template.

    tv: -tanh(0.125)/2 + tanh(0.375)/2 = -0.06218 + 0.17917 = 0.11700.
    kl: -0.125 + exp(0.375 - 1) = -0.125 + 0.53526 = 0.41026.
    pearson: -0.125 + 0.375^2/4 + 0.375 = 0.28516.
    js: g(v) = ln 2 - ln(1 + e^-v), g(0.125) = 0.06055; f*(g(v)) = ln((1 + e^v)/2),
    at 0.375 0.20498; -0.06055 + 0.20498 = 0.14443.
    """
    assert divergent("tv") == pytest.approx((tanh(0.375) - tanh(0.125)) / 2, abs=1e-6)
    assert divergent("tv") == pytest.approx(0.11700, abs=1e-5)
    assert divergent("kl") == pytest.approx(0.41026, abs=1e-5)
    assert divergent("pearson") == pytest.approx(0.28516, abs=1e-5)
    assert divergent("js") == pytest.approx(0.14443, abs=1e-5)


GENERATORS: dict[str, Callable[[Tensor], Tensor]] = {
    "tv": lambda u: (u - 1).abs() / 2,
    "kl": lambda u: u * u.log(),
    "js": lambda u: -(u + 1) * ((1 + u) / 2).log() + u * u.log(),
    "pearson": lambda u: (u - 1) ** 2,
}


@pytest.mark.parametrize("divergence", GENERATORS)
def test_flats_conjugates_are_those_of_its_divergences(divergence: str):
    """f*(t) is the largest u t - f(u) over u > 0, at every t = g(v) of a probability v."""
    witness, conjugate = _DIVERGENCES[divergence]
    t = witness(torch.linspace(0, 1, 11, dtype=torch.float64))
    u = torch.linspace(1e-4, 12, 200_001, dtype=torch.float64)
    largest = (u * t[:, None] - GENERATORS[divergence](u)).amax(-1)
    assert torch.allclose(conjugate(t), largest, atol=1e-3)


@pytest.mark.parametrize("divergence", GENERATORS)
def test_flat_lifts_the_template_and_lowers_the_answer(divergence: str):
    """By how much depends on p itself: the pull on a token of 1/4 is half of that on one of 1/2."""
    template = torch.tensor([[0.125]]).log().requires_grad_(True)
    logp = torch.tensor([[0.5, 0.25]]).log().requires_grad_(True)
    flat(scores(logp, template=scores(template)), divergence=divergence).sum().backward()  # type: ignore[arg-type]
    assert logp.grad is not None
    assert template.grad is not None
    assert (logp.grad > 0).all()
    assert (template.grad < 0).all()
    assert logp.grad[0, 0].item() == pytest.approx(2 * logp.grad[0, 1].item(), rel=1e-5)


def test_flat_means_over_the_answer_and_not_over_padding():
    """A short row beside a long one is as it is alone; released code would divide by 3."""
    other = scores([[QUARTER], [HALF, QUARTER]])
    x = scores([[HALF], [HALF, HALF, HALF]], template=other)
    alone = scores([[HALF]], template=scores([[QUARTER]]))
    assert flat(x)[0].item() == pytest.approx(flat(alone).item())


def refused_by(gain: float, *, rows: int = 1) -> Scores:
    """Refusals that gained so many nats on their reference."""
    return scores([[gain - 9.0]] * rows, ref=scores([[-9.0]] * rows))


def test_kto_at_the_reference_is_half_of_its_ceiling():
    """2/0.1 sigmoid(0) = 10; the logarithm is NPO's 2/0.1 ln 2 = 13.863."""
    x = scores([[-2.0]], ref=scores([[-2.0]]), refused=refused_by(0.0))
    assert kto(x).tolist() == [pytest.approx(10)]
    assert kto(x, logarithm=True).tolist() == [pytest.approx(13.863, abs=1e-3)]


def test_kto_compares_with_what_the_refusal_gained():
    """Gain -1, beta 0.5, refusal +2. Released: 4 sigmoid(-0.5 - 2) = 0.30344, 4 ln(1 + e^-2.5) = 0.31556.

    Textbook: 4 sigmoid(0.5 (-1 - 2)) = 0.72970. A refusal that lost 2: released 4 sigmoid(1.5) =
    3.27030; the textbook's z0 is then 0: 4 sigmoid(-0.5) = 1.51016.
    """
    gained, lost = (
        scores([[-3.0]], ref=scores([[-2.0]]), refused=refused_by(z)) for z in (2.0, -2.0)
    )
    assert kto(gained, beta=0.5).item() == pytest.approx(0.30344, abs=1e-5)
    assert kto(gained, beta=0.5, logarithm=True).item() == pytest.approx(0.31556, abs=1e-5)
    assert kto(gained, beta=0.5, textbook=True).item() == pytest.approx(0.72970, abs=1e-5)
    assert kto(lost, beta=0.5).item() == pytest.approx(3.27030, abs=1e-5)
    assert kto(lost, beta=0.5, textbook=True).item() == pytest.approx(1.51016, abs=1e-5)


def test_ktos_logarithm_against_a_refusal_that_gained_nothing_is_npo():
    x = scores([[-1.0], [-8.0]], ref=scores([[-2.0], [-2.0]]), refused=refused_by(0.0, rows=2))
    assert torch.allclose(kto(x, beta=0.3, logarithm=True), npo(x, beta=0.3))


def test_ktos_sigmoid_lets_go_of_what_is_far_above_and_its_logarithm_does_not():
    """Gains of 0 and 100, beta 0.1. Sigmoid: 2 s (1 - s) = 0.5 and 9e-5. Logarithm: 2 s = 1 and 2."""
    logp, start = torch.tensor([[-101.0], [-1.0]]), scores([[-101.0], [-101.0]])
    still = refused_by(0.0, rows=2)
    let_go = slope(kto, logp, ref=start, refused=still)
    held = slope(partial(kto, logarithm=True), logp, ref=start, refused=still)
    assert [row[0] for row in let_go] == pytest.approx([0.5, 9.08e-5], abs=1e-5)
    assert [row[0] for row in held] == pytest.approx([1, 2], abs=1e-3)


def test_kto_does_not_push_the_refusal():
    """z0 is looked at and not differentiated."""
    refusal = torch.tensor([[-8.0]], requires_grad=True)
    logp = torch.tensor([[-2.0]], requires_grad=True)
    x = scores(logp, ref=scores([[-2.0]]), refused=scores(refusal, ref=scores([[-9.0]])))
    kto(x).sum().backward()
    assert logp.grad is not None
    assert refusal.grad is None


@pytest.mark.parametrize("textbook", [False, True])
def test_kto_of_a_row_does_not_depend_on_the_rows_beside_it(textbook: bool):
    """The released code's z0 is the batch's mean, and would."""
    refused = scores([[-8.0], [-3.0]], ref=scores([[-9.0], [-9.0]]))
    both = scores([[-3.0], [-1.0]], ref=scores([[-2.0], [-2.0]]), refused=refused)
    alone = scores([[-3.0]], ref=scores([[-2.0]]), refused=refused_by(1.0))
    assert kto(both, textbook=textbook)[0].item() == pytest.approx(
        kto(alone, textbook=textbook).item()
    )


PAIRED: dict[str, tuple[str, Callable[[Scores], Tensor]]] = {
    "dpo": ("preferred", dpo),
    "dpo, mean": ("preferred", partial(dpo, mean=True)),
    "token_dpo": ("preferred", lambda x: token_dpo(x).sum(-1)),
    "answer_preservation": ("refused", answer_preservation),
    "kto": ("refused", kto),
    "kto, logarithm": ("refused", partial(kto, logarithm=True)),
    **{f"flat, {d}": ("template", partial(flat, divergence=d)) for d in GENERATORS},  # type: ignore[arg-type]
}


@pytest.mark.parametrize("name", PAIRED)
@pytest.mark.parametrize("ours", [0.0, -80.0])
@pytest.mark.parametrize("theirs", [0.0, -80.0])
def test_a_paired_loss_is_finite_where_either_answer_is_certain_or_hopeless(
    name: str, ours: float, theirs: float
):
    pair, loss = PAIRED[name]
    logp = torch.full((1, 3), ours, requires_grad=True)
    other = torch.full((1, 2), theirs, requires_grad=True)
    beside = scores(other, ref=scores([[-1.0, -80.0]]))
    value = loss(scores(logp, ref=scores([[-80.0, -1.0, 0.0]]), **{pair: beside}))  # type: ignore[arg-type]
    value.sum().backward()
    assert value.isfinite().all()
    assert logp.grad is not None
    assert logp.grad.isfinite().all()


@pytest.mark.parametrize("name", PAIRED)
def test_a_paired_loss_only_rises_with_the_answer_that_is_not_wanted(name: str):
    """From -8 to -0.1 nats a token; `answer_preservation` wants this answer, so there it falls."""
    pair, loss = PAIRED[name]
    beside = scores([[-2.0]], ref=scores([[-2.0]]))
    values = [
        loss(scores([[nats, nats]], ref=scores([[-1.0, -1.0]]), **{pair: beside})).item()  # type: ignore[arg-type]
        for nats in (-8.0, -4.0, -2.0, -1.0, -0.1)
    ]
    if name == "answer_preservation":
        values.reverse()
    assert all(low < high for low, high in pairwise(values))


@pytest.mark.parametrize(
    ("name", "objective", "coefficient"),
    [
        ("simnpo", {"beta": 4.5, "delta": 0.0}, 0.125),  # open-unlearning
        ("simnpo_paper", {"beta": 2.5, "delta": 0.0}, 0.1375),  # its authors' TOFU settings
        ("npo", {"beta": 0.1}, 1.0),
        ("tnpo", {"beta": 4.0}, 1.0),
        ("dpo", {"beta": 0.1}, 1.0),
        ("relearn_dpo", {"beta": 0.1}, 1.0),
        ("relearn_dpo_mean", {"beta": 0.1, "mean": True}, 1.0),  # ReLearn's code
    ],
)
def test_a_preset_has_the_constants_of_its_source(name: str, objective: object, coefficient: float):
    """Two code bases differ on SimNPO: both are there under a name of their own."""
    train = recipe.read(name).method[-1].train
    assert train is not None
    assert train.terms[0].objective.params == objective
    assert train.terms[0].coefficient == coefficient
