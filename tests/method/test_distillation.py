"""Objectives with an edited teacher, on vocabularies of two to six words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from math import exp, log

import pytest
import torch
from torch import Tensor

from tests.conftest import scores
from unteach.errors import RecipeError
from unteach.method.objectives.distillation import (
    ce_u,
    elm,
    max_entropy,
    swapped_teacher,
    undial,
    unilogit,
    whp,
)
from unteach.method.objectives.divergence import kl
from unteach.method.objectives.likelihood import unlikelihood
from unteach.model.scores import Scores

Loss = Callable[[Scores], Tensor]


def rows(
    logits: Tensor, targets: Sequence[Sequence[int]] | None = None, **optional: Scores
) -> Scores:
    """Scores of logits [B, A, V]; targets are 0 if not given, and shorter rows are padded."""
    B, A, _ = logits.shape
    given = [[0] * A] * B if targets is None else targets
    ids = torch.tensor([[*row, *[0] * (A - len(row))] for row in given])
    mask = torch.tensor([[a < len(row) for a in range(A)] for row in given])
    logp = logits.log_softmax(-1).gather(-1, ids[..., None]).squeeze(-1)
    x = scores(torch.where(mask, logp, 0.0), logits=logits, **optional)  # type: ignore[arg-type]
    return replace(x, targets=ids, mask=mask)


def chances(*tokens: Sequence[float]) -> Tensor:
    """Logits [1, A, V] of one row with these probabilities."""
    return torch.tensor([tokens]).log()


def noise(seed: int, *shape: int) -> Tensor:
    return 2 * torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def slope(loss: Loss, logits: Tensor, *more: Sequence[Sequence[int]], **optional: Scores) -> Tensor:
    logits = logits.clone().requires_grad_(True)
    x = rows(logits, *more, **optional)  # type: ignore[arg-type]
    (found,) = torch.autograd.grad(loss(x).sum(), logits)
    return found


# undial


def test_undial_lowers_the_true_token_of_the_reference():
    """Reference (3/4, 1/4), true token the first, beta = ln 3: odds 3 become 1, so the teacher is even.

    From the model (3/4, 1/4): 1/2 ln(0.5 / 0.75) + 1/2 ln(0.5 / 0.25) = -0.20273 + 0.34657 = 0.14384.
    """
    z = chances([0.75, 0.25])
    assert undial(rows(z, ref=rows(z)), beta=log(3)).item() == pytest.approx(0.14384, abs=1e-5)


def test_undial_pulls_by_what_the_model_has_more_than_the_teacher():
    """As above: p - teacher = (0.75 - 0.5, 0.25 - 0.5)."""
    z = chances([0.75, 0.25])
    found = slope(partial(undial, beta=log(3)), z, ref=rows(z))
    assert found.flatten().tolist() == pytest.approx([0.25, -0.25], abs=1e-6)


def test_undial_of_a_model_that_has_arrived_is_zero_and_pulls_nowhere():
    """Reference (3/4, 1/4), beta = ln 3, model (1/2, 1/2)."""
    z, ref = chances([0.5, 0.5]), rows(chances([0.75, 0.25]))
    assert undial(rows(z, ref=ref), beta=log(3)).item() == pytest.approx(0, abs=1e-6)
    assert slope(partial(undial, beta=log(3)), z, ref=ref).abs().max() < 1e-6


def test_undial_without_a_beta_is_kl():
    x = rows(noise(0, 2, 3, 5), ref=rows(noise(1, 2, 3, 5)))
    assert torch.equal(undial(x, beta=0.0), kl(x))


def test_undial_lowers_each_token_where_it_is_the_true_one():
    """Targets 2 and 0 of three even words, beta 10: odds of the true one become exp(-10) to 2."""
    z = torch.zeros(1, 2, 3)
    found = slope(undial, z, [[2, 0]], ref=rows(z))
    true = exp(-10) / (exp(-10) + 2)
    for at, word in enumerate((2, 0)):
        teacher = [1 / (exp(-10) + 2)] * 3
        teacher[word] = true
        expected = [1 / 3 - t for t in teacher]
        assert found[0, at].tolist() == pytest.approx(expected, abs=1e-6)


def test_undial_touches_no_word_where_nothing_is_scored():
    """Regression: upstream the label -100 named the word V - 100 at every prompt and pad position."""
    z = noise(0, 2, 3, 120)
    other = z.clone()
    other[1, 1:] += 50 * noise(1, 2, 120)
    targets = [[5, 6, 7], [8]]
    ref = rows(noise(2, 2, 3, 120), targets)
    assert torch.equal(undial(rows(z, targets, ref=ref)), undial(rows(other, targets, ref=ref)))
    found = slope(undial, z, targets, ref=ref)
    assert not found[1, 1:].any()
    assert found[1, 0].any()


# ce_u and unilogit


def test_ce_u_is_from_the_model_without_the_true_token():
    """p = (0.5, 0.3, 0.2), the first true: teacher (0, 0.6, 0.4); 0.6 ln 2 + 0.4 ln 2 = ln 2 = 0.69315."""
    z = chances([0.5, 0.3, 0.2])
    assert ce_u(rows(z), skip=0).item() == pytest.approx(0.69315, abs=1e-5)


def test_ce_u_pulls_by_the_true_token_and_pushes_the_others_in_proportion():
    """As above: p - teacher = (0.5, -0.3, -0.2)."""
    found = slope(partial(ce_u, skip=0), chances([0.5, 0.3, 0.2]))
    assert found.flatten().tolist() == pytest.approx([0.5, -0.3, -0.2], abs=1e-6)


def test_ce_u_is_unlikelihood():
    """In value and gradient, but for the 1e-6 that unlikelihood adds to 1 - p."""
    z, targets = noise(0, 3, 4, 7).double(), [[1, 2, 3, 4], [5, 6], [0, 0, 1]]
    mine, theirs = partial(ce_u, skip=0), unlikelihood
    x = rows(z, targets)
    assert torch.allclose(mine(x)[x.mask], theirs(x)[x.mask], rtol=1e-4, atol=1e-5)
    scored = x.mask[..., None]
    assert torch.allclose(
        slope(mine, z, targets) * scored, slope(theirs, z, targets) * scored, atol=1e-4
    )


def test_ce_u_pulls_on_what_is_certain():
    """Logits 80 and 0, 0: the true one's slope is p = 1, the others' -1/2; the loss is 80 - ln 2."""
    z = torch.tensor([[[80.0, 0.0, 0.0]]])
    assert ce_u(rows(z), skip=0).item() == pytest.approx(80 - log(2), abs=1e-3)
    found = slope(partial(ce_u, skip=0), z)
    assert found.flatten().tolist() == pytest.approx([1, -0.5, -0.5], abs=1e-6)


def test_ce_u_skips_the_first_tokens():
    x = rows(noise(0, 2, 3, 4), [[1, 2, 3], [1]])
    assert ce_u(x)[:, 0].tolist() == [0, 0]
    assert torch.equal(ce_u(x)[:, 1:], ce_u(x, skip=0)[:, 1:])
    assert ce_u(x, skip=2)[0].count_nonzero() == 1
    assert not ce_u(x, skip=9).any()


def test_unilogit_forward_is_from_the_model_with_the_true_token_at_its_even_share():
    """p = (0.6, 0.2, 0.2), the first true: teacher (1/3, 1/3, 1/3).

    1/3 ln(1/3 / 0.6) + 2/3 ln(1/3 / 0.2) = -0.19593 + 0.34055 = 0.14462;
    the slope is p - teacher = (0.26667, -0.13333, -0.13333).
    """
    z, loss = chances([0.6, 0.2, 0.2]), partial(unilogit, reverse=False)
    assert loss(rows(z)).item() == pytest.approx(0.14462, abs=1e-5)
    assert slope(loss, z).flatten().tolist() == pytest.approx(
        [0.26667, -0.13333, -0.13333], abs=1e-5
    )


def test_unilogit_reverse():
    """0.6 ln(0.6 / (1/3)) + 0.4 ln(0.2 / (1/3)) = 0.35267 - 0.20433 = 0.14834."""
    assert unilogit(rows(chances([0.6, 0.2, 0.2]))).item() == pytest.approx(0.14834, abs=1e-5)


@pytest.mark.parametrize("reverse", [False, True])
def test_unilogit_rests_where_the_true_token_has_its_even_share(reverse: bool):
    """p = (1/4, 0.5, 0.2, 0.05) of four words: the teacher is the model itself."""
    z, loss = chances([0.25, 0.5, 0.2, 0.05]), partial(unilogit, reverse=reverse)
    assert loss(rows(z)).item() == pytest.approx(0, abs=1e-6)
    assert slope(loss, z).abs().max() < 1e-6


# max_entropy


def test_max_entropy_is_from_the_even_distribution():
    """p = (3/4, 1/4): 1/2 ln(0.5 / 0.75) + 1/2 ln(0.5 / 0.25) = 0.14384; slope p - 1/2."""
    z = chances([0.75, 0.25])
    assert max_entropy(rows(z)).item() == pytest.approx(0.14384, abs=1e-5)
    assert slope(max_entropy, z).flatten().tolist() == pytest.approx([0.25, -0.25], abs=1e-6)


def test_max_entropy_of_an_even_model_is_zero_and_pulls_nowhere():
    z = torch.full((1, 1, 6), 3.0)
    assert max_entropy(rows(z)).item() == pytest.approx(0, abs=1e-6)
    assert slope(max_entropy, z).abs().max() < 1e-6


# whp


def with_reinforced(z: Tensor, ref: Tensor, reinforced: Tensor) -> Scores:
    return rows(z, ref=rows(ref), reinforced=rows(reinforced))


REF, REINFORCED = torch.tensor([[[1.0, 0.0]]]), torch.tensor([[[2.0, -1.0]]])


def test_whp_lowers_what_reinforcement_raises():
    """z_ref = (1, 0), z_reinforced = (2, -1), alpha 5: the first word by 5 x 1, the second not: (-4, 0).

    Teacher = (1, e^4) / (1 + e^4) = (0.01799, 0.98201). From an even model:
    0.01799 ln(0.03597) + 0.98201 ln(1.96403) = -0.05981 + 0.66288 = 0.60307.
    """
    x = with_reinforced(torch.zeros(1, 1, 2), REF, REINFORCED)
    assert whp(x).item() == pytest.approx(0.60307, abs=1e-4)


def test_hard_whp_is_the_nll_of_the_teachers_first_choice():
    """As above, the first choice is the second word. Model (0.8, 0.2): -ln 0.2 = 1.60944."""
    x = with_reinforced(chances([0.8, 0.2]), REF, REINFORCED)
    assert whp(x, hard=True).item() == pytest.approx(1.60944, abs=1e-5)
    found = slope(
        partial(whp, hard=True), chances([0.8, 0.2]), ref=rows(REF), reinforced=rows(REINFORCED)
    )
    assert found.flatten().tolist() == pytest.approx([0.8, -0.8], abs=1e-6)


def test_whp_pays_no_heed_to_what_reinforcement_lowers():
    x = with_reinforced(noise(0, 2, 3, 5), z := noise(1, 2, 3, 5), z - noise(2, 2, 3, 5).abs())
    assert torch.allclose(whp(x), kl(x), atol=1e-6)


# swapped_teacher


def test_swapped_teacher_is_the_reference_on_the_other_row():
    """Same answer, so each token has its partner. Teacher (3/4, 1/4), model even: 0.13081 (see kl)."""
    z = torch.zeros(1, 1, 2)
    x = rows(z, swapped=rows(z, ref=rows(chances([0.75, 0.25]))))
    assert swapped_teacher(x).item() == pytest.approx(0.13081, abs=1e-5)


def test_swapped_teacher_leaves_out_the_name_and_finds_what_follows():
    """Answer 7 8 1 2 3 (a name of two tokens), with another name of one: 9 1 2 3.

    Tokens 1 2 3 are columns 2 to 4 of the row, and columns 1 to 3 of its pair. The three stand for
    all five, so each weighs 5/3.
    """
    z, teacher = noise(0, 1, 5, 10), noise(1, 1, 4, 10)
    x = rows(z, [[7, 8, 1, 2, 3]], swapped=rows(teacher, [[9, 1, 2, 3]], ref=rows(teacher)))
    loss = swapped_teacher(x)
    assert loss[0, :2].tolist() == [0, 0]
    expected = kl(rows(z[:, 2:], ref=rows(teacher[:, 1:])))
    assert torch.allclose(loss[:, 2:], 5 / 3 * expected, atol=1e-6)


def test_swapped_teacher_of_answers_with_nothing_in_common_pulls_nowhere():
    other = rows(noise(1, 1, 2, 6), [[3, 4]], ref=rows(noise(1, 1, 2, 6)))
    assert not slope(swapped_teacher, noise(0, 1, 2, 6), [[1, 2]], swapped=other).any()


def test_swapped_teacher_does_not_match_padding():
    """Rows of 1 and 3 tokens, pairs of 3 and 1; pad positions carry id 0, as does a real token."""
    other = noise(1, 2, 3, 6)
    pair = rows(other, [[0, 0, 1], [0]], ref=rows(other, [[0, 0, 1], [0]]))
    x = rows(noise(0, 2, 3, 6), [[0], [0, 0, 1]], swapped=pair)
    loss = swapped_teacher(x)
    assert (loss != 0).tolist() == [[True, False, False], [True, False, False]]


def test_swapped_teacher_matches_frequent_tokens_of_long_answers():
    """One token 300 times over: a matcher's heuristic for text would pass over it."""
    z = noise(0, 1, 300, 3)
    x = rows(z, [[1] * 300], swapped=rows(z, [[1] * 300], ref=rows(noise(1, 1, 300, 3))))
    assert (swapped_teacher(x) > 0).all()


# elm


def contrasted(z: Tensor, ref: Tensor, novice: Tensor, expert: Tensor, *more: object) -> Scores:
    return rows(
        z,
        *more,  # type: ignore[arg-type]
        ref=rows(ref, *more),  # type: ignore[arg-type]
        novice=rows(novice, *more, ref=rows(novice, *more)),  # type: ignore[arg-type]
        expert=rows(expert, *more, ref=rows(expert, *more)),  # type: ignore[arg-type]
    )


def test_elm_multiplies_by_the_odds_of_novice_to_expert():
    """ref (1/2, 1/4, 1/4), novice (1/4, 1/2, 1/4), expert (1/2, 1/4, 1/4): ratios 1/2, 2, 1.

    eta 1 at the first token: teacher ~ (1/4, 1/2, 1/4). From the model (1/2, 1/4, 1/4):
    1/4 ln(1/2) + 1/2 ln 2 + 0 = 0.17329.
    eta 2 at the last: ~ (1/8, 1, 1/4) = (1/11, 8/11, 2/11).
    1/11 ln(2/11) + 8/11 ln(32/11) + 2/11 ln(8/11) = -0.15498 + 0.77665 - 0.05790 = 0.56377.
    """
    word, novice = [0.5, 0.25, 0.25], [0.25, 0.5, 0.25]
    z = chances(word, word)
    x = contrasted(z, z, chances(novice, novice), z)
    loss = elm(x, eta_last=2.0, temperature=1.0)
    assert loss[0].tolist() == pytest.approx([0.17329, 0.56377], abs=1e-4)


def test_elm_keeps_the_top_words_only():
    """ref (0.4, 0.3, 0.3), novice to expert 1/4, 2, 1/2 (up to a factor): products 0.1, 0.6, 0.15.

    The top two of them are 0.8 and 0.2 of the teacher. Model even: 0.8 ln 2.4 + 0.2 ln 0.6 = 0.59821.
    """
    ref, novice, expert = chances([0.4, 0.3, 0.3]), chances([2, 8, 2]), chances([8, 4, 4])
    x = contrasted(torch.zeros(1, 1, 3), ref, novice, expert)
    assert elm(x, top_k=2, temperature=1.0).item() == pytest.approx(0.59821, abs=1e-4)


def test_elm_divides_by_the_temperature():
    """Teacher ~ (1, 16) to the power 1/2 = (1, 4) / 5; even model: 0.2 ln 0.4 + 0.8 ln 1.6 = 0.19275."""
    even = torch.zeros(1, 1, 2)
    x = contrasted(even, chances([1, 16]), even, even)
    assert elm(x, temperature=2.0).item() == pytest.approx(0.19275, abs=1e-4)


def test_elm_ramps_over_a_rows_own_tokens():
    """Beside a longer row, and with padding, the loss of the shorter row is what it is alone."""
    parts = [noise(seed, 2, 6, 9) for seed in range(4)]
    both = elm(contrasted(*parts, [[1, 2, 3], [1, 2, 3, 4, 5, 6]]), top_k=4)
    alone = elm(contrasted(*(p[:1, :3] for p in parts), [[1, 2, 3]]), top_k=4)
    assert torch.allclose(both[0, :3], alone[0], rtol=1e-5)
    assert not both[0, 3:].any()


def test_elm_of_a_pair_that_is_cut_short_is_zero_from_there():
    z, ids = noise(0, 1, 3, 5), [[1, 2, 3]]
    short = rows(noise(1, 1, 2, 5), [[1, 2]], ref=rows(noise(1, 1, 2, 5)))
    whole = rows(noise(2, 1, 3, 5), ids, ref=rows(noise(2, 1, 3, 5)))
    x = rows(z, ids, ref=rows(noise(3, 1, 3, 5)), novice=short, expert=whole)
    loss = elm(x)
    assert (loss[0, :2] > 0).all()
    assert loss[0, 2] == 0


def test_elm_is_finite_at_large_differences():
    """eta 1000 times 160 nats: teacher logits of 1.6e5."""
    far = torch.tensor([[[80.0, -80.0, 0.0]] * 2])
    loss = partial(elm, eta_first=1000.0)
    x = contrasted(far, far, -far, far)
    assert loss(x).isfinite().all()
    found = slope(loss, far, ref=x.ref, novice=x.of("novice"), expert=x.of("expert"))
    assert found.isfinite().all()
    assert found.any()


@pytest.mark.parametrize("wrong", [{"top_k": 0}, {"temperature": 0.0}])
def test_elm_says_what_it_cannot_do(wrong: dict[str, float]):
    z = torch.zeros(1, 1, 2)
    with pytest.raises(RecipeError, match="top_k must be 1 or more, and temperature above 0"):
        elm(contrasted(z, z, z, z), **wrong)  # type: ignore[arg-type]


# what they have in common


def everything(z: Tensor, targets: Sequence[Sequence[int]], teacher: Tensor) -> Scores:
    """The model's logits; every other model and every paired row has those of `teacher`."""
    there = rows(teacher, targets)
    pair = rows(teacher, targets, ref=there)
    return rows(z, targets, ref=there, reinforced=there, swapped=pair, novice=pair, expert=pair)


IDENTITIES: dict[str, Loss] = {
    "undial": partial(undial, beta=0.0),
    "whp": whp,
    "swapped_teacher": swapped_teacher,
    "elm": partial(elm, top_k=9, temperature=1.0),
}

EVERY: dict[str, Loss] = {
    "undial": undial,
    "ce_u": ce_u,
    "unilogit": unilogit,
    "max_entropy": max_entropy,
    "whp": whp,
    "whp hard": partial(whp, hard=True),
    "swapped_teacher": swapped_teacher,
    "elm": elm,
}


@pytest.mark.parametrize("name", IDENTITIES)
def test_an_edit_that_changes_nothing_pulls_nowhere_at_the_start(name: str):
    """Teacher and model are the reference: KL = 0, and so is its slope."""
    z, targets = noise(0, 2, 4, 9), [[1, 2, 3, 4], [5, 6]]
    logits = z.clone().requires_grad_(True)
    loss = IDENTITIES[name](everything(logits, targets, z))
    (found,) = torch.autograd.grad(loss.sum(), logits)
    assert loss.abs().max() < 1e-5
    assert found.abs().max() < 1e-6


@pytest.mark.parametrize("name", EVERY)
def test_a_loss_is_a_distance_on_scored_tokens_and_nothing_elsewhere(name: str):
    z, targets = noise(0, 2, 4, 9), [[1, 2, 3, 4], [5, 6]]
    logits = z.clone().requires_grad_(True)
    x = everything(logits, targets, noise(1, 2, 4, 9))
    loss = EVERY[name](x)
    (found,) = torch.autograd.grad(loss.sum(), logits)
    assert loss.shape == x.mask.shape
    assert (loss >= -1e-6).all()
    assert not loss[~x.mask].any()
    assert not found[~x.mask].any()
    assert found[0, 1:].abs().sum() > 1e-3


@pytest.mark.parametrize("name", EVERY)
def test_a_loss_does_not_depend_on_the_level_of_the_models_logits(name: str):
    z, targets = noise(0, 2, 4, 9), [[1, 2, 3, 4], [5, 6]]
    teacher = noise(1, 2, 4, 9)
    first, second = (EVERY[name](everything(z + up, targets, teacher)) for up in (0, 5))
    assert torch.allclose(first, second, atol=1e-4)


@pytest.mark.parametrize("name", ["undial", "ce_u", "unilogit", "max_entropy", "whp"])
def test_steps_down_the_loss_make_the_true_token_less_probable(name: str):
    """Five words, the true one at 0.9; the reference says so too, and reinforcement yet more."""
    logits = chances([0.9, 0.025, 0.025, 0.025, 0.025]).expand(1, 2, 5).clone().requires_grad_(True)
    ref = rows(logits.detach().clone())
    more = ref.logits.clone()
    more[..., 0] += 2
    before = rows(logits).p[0, 1].item()
    for _ in range(200):
        loss = EVERY[name](rows(logits, ref=ref, reinforced=rows(more)))
        (found,) = torch.autograd.grad(loss.sum(), logits)
        logits = (logits - found).detach().requires_grad_(True)
    assert before == pytest.approx(0.9, abs=1e-5)
    assert rows(logits).p[0, 1].item() < 0.25
