"""Rules on losses of three weights, worked by hand; the attack on the tiny model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from math import log, sqrt
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tests.conftest import encoded, loaded, people
from unteach.data.batches import Batch, collate
from unteach.errors import RecipeError
from unteach.method.objectives.likelihood import ascent, nll
from unteach.method.rules.dual import dual
from unteach.method.rules.latent import Attack, latent
from unteach.method.rules.moved import moved
from unteach.method.rules.projection import pcgrad, protect
from unteach.method.rules.relearning import relearning
from unteach.method.rules.robust import dro, soft_extreme
from unteach.method.rules.sharpness import sam
from unteach.method.rules.step import Rule, Step
from unteach.method.rules.sum import weighted_sum
from unteach.method.rules.zeroth import alternate, zeroth_order
from unteach.model.scores import score
from unteach.train.loop import Plan, train
from unteach.train.optim import sgd
from unteach.train.term import Term


@dataclass(frozen=True)
class Toy:
    """A term whose rows' losses [rows] are a function of the weights [3]."""

    split: str
    rows: Callable[[Tensor], Tensor]
    coefficient: float = 1.0
    name: str = "toy"

    @property
    def keeps(self) -> bool:
        return not self.split.startswith("forget")


class Weights(nn.Module):
    """The weights [3] as two parameters, and a third that no loss reads."""

    def __init__(self, *at: float) -> None:
        super().__init__()
        self.first = nn.Parameter(torch.tensor(at[:2], dtype=torch.float64))
        self.second = nn.Parameter(torch.tensor(at[2:], dtype=torch.float64))
        self.unread = nn.Parameter(torch.ones(1, dtype=torch.float64))

    def now(self) -> Tensor:
        return torch.cat([self.first, self.second])


@dataclass
class Ground:
    """Weights, and the passes that a step offers, counted."""

    model: Weights = field(default_factory=lambda: Weights(1.0, 2.0, 3.0))
    memory: dict[str, Tensor] = field(default_factory=dict)
    passes: list[tuple[str, int]] = field(default_factory=list)
    taught: dict[str, Toy] = field(default_factory=dict)
    num_rows: int = 1

    def step(self, rule: Rule, *terms: Toy, number: int = 0, total: int = 10) -> Step:
        """One step of the rule from here; the weights stay, the direction is in `.grad`."""
        self.passes.clear()
        self.model.zero_grad(set_to_none=True)
        step = Step(
            number=number,
            total=total,
            terms=terms,
            model=self.model,
            parameters=list(self.model.parameters()),
            generator=torch.Generator().manual_seed(number),
            memory=self.memory,
            notes={},
            backward=self._backward,
            values=self._values,
            row_values=lambda t: t.rows(self.model.now()).detach(),
            rows={t.split: self.num_rows for t in terms},
            taught=lambda split: self.taught[split],
        )
        self.values = rule(step)
        return step

    @property
    def direction(self) -> Tensor:
        assert self.model.unread.grad is None
        parts = [self.model.first.grad, self.model.second.grad]
        return torch.cat(
            [
                torch.zeros(n).double() if g is None else g
                for n, g in zip((2, 1), parts, strict=True)
            ]
        )

    def _backward(
        self, *terms: Toy, around: Any = None, weights: Tensor | None = None
    ) -> list[float]:
        self.passes.append(("backward", len(terms)))
        found = []
        for t in terms:
            losses = t.rows(self.model.now())
            value = losses.mean() if weights is None else (weights * losses).sum()
            (t.coefficient * value).backward()
            found.append(value.item())
        return found

    def _values(self, *terms: Any) -> list[float]:
        self.passes.append(("values", len(terms)))
        return [t.rows(self.model.now()).mean().item() for t in terms]


def linear(split: str, *slope: float, coefficient: float = 1.0, name: str = "toy") -> Toy:
    """A loss with this gradient everywhere."""
    way = torch.tensor(slope, dtype=torch.float64)
    return Toy(split, lambda w: (w * way).sum()[None], coefficient, name)


def bowl(split: str, *scales: float) -> Toy:
    """Half the sum of scale x weight^2, whose gradient is scale x weight."""
    scale = torch.tensor(scales, dtype=torch.float64)
    return Toy(split, lambda w: (scale * w**2).sum()[None] / 2)


def after(rule: Rule, *terms: Toy) -> list[float]:
    ground = Ground()
    ground.step(rule, *terms)
    return ground.direction.tolist()


def some_slopes() -> list[tuple[list[float], list[float]]]:
    draws = torch.randn(20, 2, 3, generator=torch.Generator().manual_seed(0)).tolist()
    return [(f, r) for f, r in draws]


# the values of linear terms at (1, 2, 3)
F, R = linear("forget", 2.0, 0.0, 0.0), linear("retain", -1.0, 1.0, 0.0)


def test_the_sum_weighs_each_gradient_by_its_coefficient():
    """0.5 x (2, 0, 0) + (-1, 1, 0) = (0, 1, 0); the values are 2 x 1 = 2 and -1 + 2 = 1."""
    ground = Ground()
    ground.step(weighted_sum(), replace(F, coefficient=0.5), R)
    assert ground.direction.tolist() == [0, 1, 0]
    assert ground.values == [2, 1]


def test_the_sum_is_the_same_whether_it_looks_or_not_and_looks_when_told():
    """Norms 2 and sqrt 2; cosine -2 / (2 sqrt 2) = -0.707."""
    ground, rule = Ground(), weighted_sum(look=2)
    notes = ground.step(rule, R, F, number=2).notes
    assert notes == {
        "norm.forget": pytest.approx(2),
        "norm.retain": pytest.approx(sqrt(2)),
        "cosine": pytest.approx(-sqrt(0.5)),
    }
    looked, values = ground.direction, ground.values
    assert ground.step(rule, R, F, number=3).notes == {}
    assert ground.passes == [("backward", 2)]
    assert torch.equal(looked, ground.direction)
    assert ground.values == values == [1, 2]


def test_the_sum_of_one_side_is_one_pass():
    for look in (0, 1):
        ground = Ground()
        assert ground.step(weighted_sum(look=look), F, F).notes == {}
        assert ground.passes == [("backward", 2)]


def test_protecting_forget_is_blur():
    """g_f = (2, 0, 0), g_r = (-1, 1, 0): <g_r,g_f> = -2, |g_f|^2 = 4, so 1 + 0.5 of g_f.

    (-1, 1, 0) + 1.5 x (2, 0, 0) = (2, 1, 0).
    """
    ground = Ground()
    notes = ground.step(protect(), R, F).notes
    assert ground.direction.tolist() == [2, 1, 0]
    assert ground.values == [1, 2]
    assert notes["protect.added"] == 1.5
    assert notes["cosine"] == pytest.approx(-sqrt(0.5))


def test_protecting_retain_is_gru():
    """<g_f,g_r> = -2 and |g_r|^2 = 2: (2, 0, 0) + 1 x (-1, 1, 0) = (1, 1, 0); without conflict g_f."""
    gru = protect(side="retain", gamma=0.0, only_if_conflict=True)
    assert after(gru, F, R) == [1, 1, 0]
    assert after(gru, F, linear("retain", 1.0, 1.0, 0.0)) == [2, 0, 0]
    with_retain = protect(side="retain", gamma=0.0, only_if_conflict=True, plus=1.0)
    assert after(with_retain, F, R) == [0, 2, 0]


@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("side", ["forget", "retain"])
def test_the_protected_side_gets_its_share(side: Any, gamma: float):
    """<u,g> = gamma |g|^2; if only in conflict, at least that."""
    for forget, retain in some_slopes():
        g = torch.tensor(forget if side == "forget" else retain).double()
        terms = linear("forget", *forget), linear("retain", *retain)
        always = torch.tensor(after(protect(side=side, gamma=gamma), *terms)).double()
        assert (always @ g).item() == pytest.approx(gamma * (g @ g).item(), abs=1e-6)
        rule = protect(side=side, gamma=gamma, only_if_conflict=True)
        gated = torch.tensor(after(rule, *terms)).double()
        assert (gated @ g).item() >= gamma * (g @ g).item() - 1e-6


def test_the_two_sides_are_mirror_images():
    """Roles swapped, the direction is the same."""
    for forget, retain in some_slopes():
        for gamma, gated in ((1.0, False), (0.0, True)):
            one = protect(side="forget", gamma=gamma, only_if_conflict=gated)
            other = protect(side="retain", gamma=gamma, only_if_conflict=gated)
            first = after(one, linear("forget", *forget), linear("retain", *retain))
            second = after(other, linear("forget", *retain), linear("retain", *forget))
            assert first == pytest.approx(second)


def test_blur_on_wmdp_is_a_coefficient_of_the_retain_term():
    """g_f + alpha (g_r - g_f <g_f,g_r>/|g_f|^2): alpha 3 with the slopes above is (2, 3, 0)."""
    assert after(protect(), F, replace(R, coefficient=3.0)) == pytest.approx([2, 3, 0])


def test_without_conflict_the_direction_is_that_of_the_other_side_bit_for_bit():
    rule = protect(side="retain", gamma=0.0, only_if_conflict=True)
    third = linear("forget", 0.1, 0.7, 1 / 3)
    assert after(rule, third, linear("retain", 1.0, 1.0, 1.0)) == [0.1, 0.7, 1 / 3]


def test_a_protected_side_that_does_not_pull_leaves_the_other_as_it_is():
    """Every forget row is at its level already, so |g_f| = 0."""
    ground = Ground()
    notes = ground.step(protect(), linear("forget", 0.0, 0.0, 0.0), R).notes
    assert ground.direction.tolist() == [-1, 1, 0]
    assert "cosine" not in notes


def test_the_average_of_the_protected_gradient():
    """fresh 0.75, g_r = (0, 4, 0) then (0, 0, 4): averages (0, 4, 0), then (0, 1, 3).

    g_f = (0, -5, 0): first <g_f,g> = -20, |g|^2 = 16, and nothing of it is left. Then <g_f,g> = -5,
    |g|^2 = 10: (0, -5, 0) + 0.5 x (0, 1, 3) = (0, -4.5, 1.5).
    """
    ground = Ground()
    rule = protect(side="retain", gamma=0.0, only_if_conflict=True, fresh=0.75)
    forget = linear("forget", 0.0, -5.0, 0.0)
    ground.step(rule, forget, linear("retain", 0.0, 4.0, 0.0))
    assert ground.direction.tolist() == [0, 0, 0]
    ground.step(rule, forget, linear("retain", 0.0, 0.0, 4.0))
    assert ground.direction.tolist() == [0, -4.5, 1.5]
    assert {k: v.tolist() for k, v in ground.memory.items()} == {
        "protected.0": [0, 1],
        "protected.1": [3],
    }


def test_no_average_never_forgets_a_step():
    with pytest.raises(RecipeError, match=r"protect.fresh is 0.0; it is a share above 0"):
        protect(fresh=0.0)


@pytest.mark.parametrize("rule", [protect(), dual()])
def test_a_rule_between_sides_wants_both(rule: Rule):
    with pytest.raises(RecipeError, match="all terms of this stage are on one side"):
        Ground().step(rule, F, F)


def test_pcgrad_frees_each_of_two_from_the_other():
    """g_f loses <g_f,g_r>/|g_r|^2 = -1 of g_r: (1, 1, 0). g_r loses -0.5 of g_f: (0, 1, 0)."""
    ground = Ground()
    notes = ground.step(pcgrad(), R, F).notes
    assert ground.direction.tolist() == [1, 2, 0]
    assert ground.values == [1, 2]
    assert notes["pcgrad.conflicts"] == 1
    assert notes["cosine"] == pytest.approx(-sqrt(0.5))


FOUR = "forget", "forget_a", "retain", "facts"


def naive_pcgrad(slopes: list[list[float]]) -> Tensor:
    """The paper's algorithm on whole gradients, in the order given."""
    original = torch.tensor(slopes).double()
    total = torch.zeros(3).double()
    for i in range(len(slopes)):
        g = original[i].clone()
        for j in range(len(slopes)):
            if j != i and g @ original[j] < 0:
                g -= (g @ original[j]) / (original[j] @ original[j]) * original[j]
        total += g
    return total


def test_pcgrad_of_many_is_the_paper_s():
    draws = torch.randn(20, 4, 3, generator=torch.Generator().manual_seed(1)).tolist()
    for slopes in draws:
        terms = [linear(s, *g) for s, g in zip(FOUR, slopes, strict=True)]
        assert after(pcgrad(order="given"), *terms) == pytest.approx(naive_pcgrad(slopes).tolist())


def test_pcgrad_draws_its_order_from_the_step():
    draws = torch.randn(4, 3, generator=torch.Generator().manual_seed(1)).tolist()
    terms = [linear(s, *g) for s, g in zip(FOUR, draws, strict=True)]
    ground, found = Ground(), set()
    for number in [*range(12), *range(12)]:
        ground.step(pcgrad(), *terms, number=number)
        found.add(tuple(ground.direction.tolist()))
    assert 1 < len(found) <= 12  # the same number gives the same order


def test_pcgrad_between_sides_sums_each_side_first():
    """Two forget terms that oppose each other, (3, 0, 0) and (-1, 0, 0), are one: (2, 0, 0)."""
    three = linear("forget", 3.0, 0.0, 0.0), R, linear("forget_a", -1.0, 0.0, 0.0)
    ground = Ground()
    ground.step(pcgrad(between="sides"), *three)
    assert ground.direction.tolist() == [1, 2, 0]
    assert ground.values == [3, 1, -1]
    assert after(pcgrad(between="sides"), F, F) == [4, 0, 0]


def test_pcgrad_without_conflict_is_the_sum():
    terms = linear("forget", 1.0, 0.0, 2.0), linear("retain", 1.0, 1.0, 0.0)
    assert after(pcgrad(), *terms) == after(weighted_sum(), *terms)


def test_dual_raises_a_multiplier_above_its_limit_and_lowers_it_below():
    """L_r = 1 against a limit of 0.4 and a rate of 2: 1 + 2 x 0.6 = 2.2; then with 3.5 -4, so 0.

    The gradient is g_f + lam g_r with the lam from before the step: (2, 0, 0) + 1 x (-1, 1, 0).
    """
    ground, rule = Ground(), dual(limit=0.4, dual_lr=2.0, start=1.0)
    notes = ground.step(rule, F, R).notes
    assert notes == {"multiplier.toy": 1, "limit.toy": 0.4}
    assert ground.direction.tolist() == [1, 1, 0]
    assert ground.values == [2, 1]
    assert ground.memory["multiplier.0"].item() == pytest.approx(2.2)
    ground.step(rule, F, linear("retain", -3.0, 0.0, 0.0))
    assert ground.direction.tolist() == pytest.approx([2 - 2.2 * 3, 0, 0])
    assert ground.memory["multiplier.0"].item() == 0  # 2.2 + 2 x (-3 - 0.4) is below 0


def test_a_multiplier_takes_the_place_of_the_coefficient():
    """Whatever the coefficient is; that of the forget term counts."""
    for coefficient in (0.25, 1.0, 7.0):
        keep = replace(R, coefficient=coefficient)
        found = after(dual(start=3.0), keep, replace(F, coefficient=2.0))
        assert found == pytest.approx([4 - 3, 3, 0])
    with pytest.raises(RecipeError, match="coefficient is 0"):
        after(dual(), F, replace(R, coefficient=0.0))


def test_dual_with_many_constraints_is_the_sum_by_hand():
    """Multipliers 2, 0 and 0.5; the second costs no backward pass, as 0 of it is wanted."""
    ground = Ground()
    for i, lam in enumerate((2.0, 0.0, 0.5)):
        ground.memory[f"multiplier.{i}"] = torch.tensor(lam)
    keeps = (
        linear("retain", 1.0, 0.0, 0.0, coefficient=4.0, name="a"),
        linear("facts", 0.0, 1.0, 0.0, name="b"),
        linear("texts", 0.0, 0.0, 1.0, coefficient=0.1, name="c"),
    )
    ground.step(dual(), keeps[0], F, *keeps[1:])
    assert ground.direction.tolist() == pytest.approx([2 + 2, 0, 0.5])
    assert ground.values == [1, 2, 2, 3]
    assert ground.passes == [("backward", 1), ("values", 1), ("backward", 1), ("backward", 1)]


def test_without_a_limit_it_is_the_first_value_and_the_slack():
    """1 at the first step and slack 0.1: 1.1 from then on. A loss of 1.4 is 0.3 above it."""
    ground, rule = Ground(), dual()
    ground.step(rule, F, R)
    assert ground.memory["multiplier.0"].item() == pytest.approx(0.9)
    notes = ground.step(rule, F, linear("retain", 1.4, 0.0, 0.0), number=1).notes
    assert notes["limit.toy"] == pytest.approx(1.1)
    assert ground.memory["multiplier.0"].item() == pytest.approx(0.9 + 0.3)


def test_multipliers_rest_in_the_warmup():
    """A fifth of ten steps: steps 0 and 1."""
    ground, rule = Ground(), dual(limit=0.0, warmup=0.2)
    for number, expected in enumerate((1, 1, 2, 3)):
        ground.step(rule, F, R, number=number)
        assert ground.memory["multiplier.0"].item() == expected


def test_a_multiplier_is_never_below_zero():
    ground, rule = Ground(), dual(limit=0.0, dual_lr=5.0)
    for number in range(30):
        slope = torch.randn(3, generator=torch.Generator().manual_seed(number)).tolist()
        ground.step(rule, F, linear("retain", *slope), number=number)
        assert ground.memory["multiplier.0"].item() >= 0


def test_sam_takes_the_forget_gradient_a_little_uphill():
    """A bowl of scales (1, 0, 4) at (1, 2, 3): g = (1, 0, 12), |g| = sqrt 145, rise 0.5 g / |g|.

    There it is scale x weight = (1 + 0.5 / |g|, 0, 12 + 4 x 6 / |g|). The retain slope is added.
    """
    ground = Ground()
    before = [p.detach().clone() for p in ground.model.parameters()]
    data = [p.data_ptr() for p in ground.model.parameters()]
    notes = ground.step(sam(radius=0.5), R, bowl("forget", 1.0, 0.0, 4.0)).notes
    norm = sqrt(145)
    assert ground.direction.tolist() == pytest.approx([1 + 0.5 / norm - 1, 1, 12 + 24 / norm])
    assert ground.values == [1, 0.5 + 18]
    rise = ((1 + 0.5 / norm) ** 2 - 1) / 2 + 2 * ((3 + 6 / norm) ** 2 - 9)
    assert notes == {"sam.norm": pytest.approx(norm), "sam.rise": pytest.approx(rise)}
    for p, old, place in zip(ground.model.parameters(), before, data, strict=True):
        assert torch.equal(p, old)
        assert p.data_ptr() == place


def test_sam_without_a_radius_is_the_sum_and_may_take_either_side():
    terms = bowl("forget", 1.0, 0.0, 4.0), bowl("retain", 0.0, 2.0, 1.0)
    for side in ("forget", "retain", "both"):
        assert after(sam(radius=0.0, side=side), *terms) == after(weighted_sum(), *terms)
    # the retain slope (0, 4, 3) is 5 long, so uphill is (1, 2 + 0.8, 3 + 0.6)
    assert after(sam(radius=1.0, side="retain"), *terms) == pytest.approx([1, 5.6, 12 + 3.6])


# Two rows: forgetting them costs w0^2 / 2 and w1^2 / 2; who teaches the first raises w1, and the
# second w0, as facts that share what recalls them do.
GOES = Toy("forget", lambda w: w[:2] ** 2 / 2, coefficient=2.0)
COMES_BACK = Toy("forget", lambda w: -w[:2].flip(0) * 7)


def test_relearning_forgets_one_half_where_the_other_has_been_taught_again():
    """At (1, 2, 3), one step of 0.5 x sign: w0 is 1.5 or w1 is 2.5 as the second or first is taught.

    The gradient of the asked row, with coefficient 2, is (3, 0, 0) or (0, 5, 0), and its value 1.125
    or 3.125; that of retain is added at the weights as they are, which stay.
    """
    found = {}
    for number in range(8):
        ground = Ground(taught={"forget": COMES_BACK}, num_rows=2)
        before = [p.data_ptr() for p in ground.model.parameters()]
        step = ground.step(relearning(lr=0.5), GOES, R, number=number)
        found[tuple(ground.direction.tolist())] = tuple(ground.values)
        assert step.notes["relearning.nll"] in (-14, -7)
        assert [p.data_ptr() for p in ground.model.parameters()] == before
        assert ground.model.now().tolist() == [1, 2, 3]
    assert found == {(3 - 1, 1, 0): (1.125, 1), (0 - 1, 5 + 1, 0): (3.125, 1)}


def test_relearning_takes_several_steps_from_where_it_is():
    """0.5 twice is 1: w0 is 2 or w1 is 3."""
    ground = Ground(taught={"forget": COMES_BACK}, num_rows=2)
    ground.step(relearning(lr=0.5, steps=2), GOES)
    assert ground.direction.tolist() in ([4, 0, 0], [0, 6, 0])
    assert len(ground.passes) == 4  # two of the attack, one of forgetting, and none is left


def test_relearning_with_a_single_row_is_the_sum():
    ground = Ground()
    one = bowl("forget", 1.0, 0.0, 4.0)
    ground.step(relearning(), R, one)
    assert ground.direction.tolist() == after(weighted_sum(), R, one)


def test_relearning_refuses_what_it_cannot_do():
    with pytest.raises(RecipeError, match=r"relearning\.lr is 0; it is above 0"):
        relearning(lr=0)
    with pytest.raises(RecipeError, match=r"relearning\.steps is 0; it must be 1 or more"):
        relearning(steps=0)
    with pytest.raises(RecipeError, match="no term of this stage is on it"):
        Ground().step(relearning(split="forget_val"), GOES)


def test_sam_where_nothing_pulls_leaves_the_other_side():
    ground = Ground()
    notes = ground.step(sam(), linear("forget", 0.0, 0.0, 0.0), R).notes
    assert ground.direction.tolist() == [-1, 1, 0]
    assert notes == {"sam.norm": 0}


def test_weights_come_back_from_elsewhere_even_after_an_error():
    model = Weights(0.1, 0.2, 0.3)
    parameters = list(model.parameters())
    before = [p.detach().clone() for p in parameters]

    def fail() -> None:
        with moved(parameters, [torch.full_like(p, 1e6) for p in parameters]):
            assert model.first[0].item() == pytest.approx(1e6)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert all(torch.equal(p, old) for p, old in zip(parameters, before, strict=True))


def test_zeroth_order_finds_the_slope_along_each_direction():
    """A difference of a quadratic is exact: each query gives <g,u> u, with u from the seeds."""
    ground, queries = Ground(), 3
    terms = replace(bowl("forget", 1.0, 0.5, 4.0), coefficient=-2.0), R
    notes = ground.step(zeroth_order(queries=queries, mu=0.1), *terms, number=7).notes
    exact = -2 * torch.tensor([1, 1, 12]).double() + torch.tensor([-1, 1, 0]).double()
    drawn = torch.Generator().manual_seed(7)
    expected, slopes = torch.zeros(3).double(), []
    for seed in torch.randint(2**62, (queries,), generator=drawn).tolist():
        own = torch.Generator().manual_seed(seed)
        u = torch.cat([torch.randn(n, generator=own, dtype=torch.float64) for n in (2, 1)])
        slopes.append((exact @ u).item())
        expected += slopes[-1] * u / queries
    assert torch.cat([ground.model.first.grad, ground.model.second.grad]).tolist() == pytest.approx(  # type: ignore[list-item]
        expected.tolist()
    )
    assert notes["zeroth.slope"] == pytest.approx(sum(map(abs, slopes)) / queries)
    assert ground.passes == [("values", 2)] * 2 * queries


def test_zeroth_order_is_the_gradient_on_average():
    """4000 directions in four dimensions: each entry is within 5 |g| sqrt(2 / 4000) of the exact."""
    ground = Ground()
    ground.step(zeroth_order(queries=4000, mu=0.01), bowl("forget", 1.0, 0.5, 4.0))
    assert ground.model.first.grad is not None
    assert ground.model.second.grad is not None
    found = torch.cat([ground.model.first.grad, ground.model.second.grad])
    exact = torch.tensor([1, 1, 12]).double()
    assert (found - exact).abs().max().item() < 5 * exact.norm().item() * sqrt(2 / 4000)
    assert ground.values[0] == pytest.approx(0.5 + 1 + 18, abs=0.01)


def test_zeroth_order_leaves_weights_and_mode_as_they_were_and_switches_dropout_off():
    ground = Ground()
    before = [p.detach().clone() for p in ground.model.parameters()]
    modes = []

    def rows(w: Tensor) -> Tensor:
        modes.append(ground.model.training)
        return w[None, 0]

    ground.step(zeroth_order(), Toy("forget", rows))
    assert not any(modes)
    assert ground.model.training
    assert all(torch.equal(p, q) for p, q in zip(ground.model.parameters(), before, strict=True))


def test_zeroth_order_refuses_no_query():
    for params in ({"queries": 0}, {"mu": 0.0}):
        with pytest.raises(RecipeError, match=r"queries is at least 1, mu above 0"):
            zeroth_order(**params)


def test_alternate_goes_round_and_ends_on_zeroth_order():
    """Two steps of one kind, one of the other, twice round in six steps."""
    ground, kinds = Ground(), []
    for number in range(6):
        notes = ground.step(alternate(first=2, zeroth=1), F, R, number=number).notes
        kinds.append(notes["zeroth"])
        assert ground.passes[0][0] == ("values" if notes["zeroth"] else "backward")
    assert kinds == [0, 0, 1, 0, 0, 1]
    with pytest.raises(RecipeError, match="each is at least 1"):
        alternate(first=0)


def rows_at(*losses: float, split: str = "forget") -> Toy:
    """Rows with these losses at (1, 2, 3); each moves with one weight, by its loss."""
    scale = torch.tensor(losses, dtype=torch.float64) / torch.tensor([1.0, 2.0, 3.0])
    return Toy(split, lambda w: scale * w)


def test_dro_follows_the_row_that_lags_behind():
    """Losses ln 1.5, ln 2, ln 3 at temperature 1: weights 1.5, 2, 3 of 6.5; value ln(6.5 / 3).

    The gradient of row i is its weight x loss / weight of the model.
    """
    losses = log(1.5), log(2), log(3)
    ground = Ground()
    notes = ground.step(dro(), R, rows_at(*losses)).notes
    weights = 1.5 / 6.5, 2 / 6.5, 3 / 6.5
    expected = [w * loss / at for w, loss, at in zip(weights, losses, (1, 2, 3), strict=True)]
    assert ground.direction.tolist() == pytest.approx(
        [expected[0] - 1, expected[1] + 1, expected[2]]
    )
    assert ground.values == pytest.approx([1, log(6.5 / 3)])
    assert notes == {"dro.largest.toy": pytest.approx(3 / 6.5)}


def test_dro_as_released_favours_what_is_forgotten_already():
    """Slip 9. The other sign: weights 1/1.5, 1/2, 1/3 of 1.5; value -ln(1.5 / 3) = ln 2."""
    ground = Ground()
    ground.step(dro(worst=False), rows_at(log(1.5), log(2), log(3)))
    assert ground.values == pytest.approx([log(2)])
    largest = soft_extreme(torch.tensor([log(1.5), log(2), log(3)]), -1.0).weights
    assert largest.tolist() == pytest.approx([4 / 9, 3 / 9, 2 / 9])


@pytest.mark.parametrize("worst", [True, False])
def test_dro_is_the_gradient_of_its_value(worst: bool):
    losses = torch.randn(6, generator=torch.Generator().manual_seed(3)).double()
    for temperature in (0.3, 1.0, 20.0):
        way = 1 if worst else -1
        free = losses.clone().requires_grad_(True)
        value = way * temperature * ((way * free / temperature).exp().mean().log())
        value.backward()
        found = soft_extreme(losses, way / temperature)
        assert found.value == pytest.approx(value.item())
        assert free.grad is not None
        assert found.weights.tolist() == pytest.approx(free.grad.tolist())


def test_dro_between_the_mean_and_the_worst_row():
    losses = torch.tensor([1.0, 2.0, 6.0])
    assert soft_extreme(losses, 1e-4).value == pytest.approx(3, abs=1e-2)
    assert soft_extreme(losses, 1e4).value == pytest.approx(6, abs=1e-3)
    assert soft_extreme(losses, -1e4).value == pytest.approx(1, abs=1e-3)
    assert soft_extreme(1e6 * losses, 1.0).value == pytest.approx(6e6)


def test_dro_leaves_out_rows_that_are_let_go():
    """Under ascent, losses are below 0, and a row at its level has 0: it must not lead."""
    found = soft_extreme(torch.tensor([0.0, -1.0, -1.0]), 1.0)
    assert found.weights.tolist() == pytest.approx([0, 0.5, 0.5])
    assert found.value == pytest.approx(-1)
    ground = Ground()
    notes = ground.step(dro(), R, rows_at(0.0, 0.0, 0.0)).notes
    assert ground.direction.tolist() == [-1, 1, 0]
    assert ground.values == [1, 0]
    assert notes == {}


def test_dro_refuses_a_temperature_of_zero():
    with pytest.raises(RecipeError, match=r"dro.temperature is 0.0; it is above 0"):
        dro(temperature=0.0)


@dataclass
class Attacked:
    model: Any
    batch: Batch

    def nll(self) -> float:
        with torch.no_grad():
            return -score(self.model, self.batch).logp.sum().item() / int(
                self.batch.num_scored.sum()
            )

    def under(self, **params: Any) -> float:
        chosen = {"number": 0, "radius": 1.0, "steps": 16, "lr": 0.05, "where": "prompt", **params}
        with Attack(self.model, **chosen)(self.batch):
            return self.nll()


@pytest.fixture
def attacked(tiny_folder) -> Attacked:
    start = loaded(tiny_folder)
    return Attacked(start.model, replace(collate(encoded(start, people(4)), pad=0), prefix=0))


def test_the_attack_makes_the_answer_likely_or_unlikely(attacked: Attacked):
    plain = attacked.nll()
    assert attacked.under(steps=0) == attacked.under(radius=0.0) == plain
    assert attacked.under() < plain - 0.1
    assert attacked.under(way=-1) > plain + 0.1
    assert attacked.under(where="all") < attacked.under()
    assert attacked.nll() == plain


def test_the_attack_says_what_it_won(attacked: Attacked):
    """In nats a token; what the last of its steps won is not in it."""
    gains: list[float] = []
    plain, found = attacked.nll(), attacked.under(steps=30, gains=gains)
    assert gains == [pytest.approx(plain - found, rel=0.1)]


def test_the_attack_stays_in_its_radius_and_places(attacked: Attacked):
    attack = Attack(attacked.model, 1, 0.3, 16, 0.05, "prompt")
    delta = attack.found(attacked.batch)
    assert not delta.requires_grad
    assert delta.shape == (*attacked.batch.input_ids.shape, 32)
    lengths = delta.norm(dim=-1)
    assert lengths.max().item() == pytest.approx(0.3, abs=1e-6)
    for row, start in zip(lengths, attacked.batch.start.tolist(), strict=True):
        assert row[:start].any()
        assert not row[start:].any()


def test_the_attack_gives_the_weights_no_gradient(attacked: Attacked):
    with Attack(attacked.model, 0, 1.0, 3, 0.05, "prompt")(attacked.batch):
        pass
    assert all(p.grad is None for p in attacked.model.parameters())


@dataclass
class Watched:
    """A model and the passes that were asked for: splits and whether something was around them."""

    batch: Batch
    seen: list[tuple[str, float]] = field(default_factory=list)

    def backward(self, *terms: Toy, around: Any = None) -> list[float]:
        for t in terms:
            way = 0 if around is None else around.way
            self.seen.append((t.split, way))
            if around is not None:
                with around(self.batch):
                    pass
        return [float(len(t.split)) for t in terms]


def test_latent_attacks_answers_and_replacements_in_opposite_ways(attacked: Attacked):
    watched = Watched(attacked.batch)
    names = "retain", "forget", "forget_idk", "forget_paraphrased"
    step = Step(
        number=0,
        total=1,
        terms=[linear(name, 0.0, 0.0, 0.0) for name in names],
        model=attacked.model,
        parameters=[],
        generator=torch.Generator(),
        memory={},
        notes={},
        backward=watched.backward,  # type: ignore[arg-type]
        values=lambda *terms: [],
        row_values=lambda term: torch.zeros(0),
        rows={},
        taught=lambda split: linear(split, 0.0, 0.0, 0.0),
    )
    values = latent(steps=4, splits=("forget", "forget_paraphrased"))(step)
    assert values == [6, 6, 10, 18]
    assert watched.seen == [
        ("forget", 1),
        ("forget_paraphrased", 1),
        ("forget_idk", -1),
        ("retain", 0),
    ]
    assert step.notes["attack.gain"] > 0


def trained(
    tiny_folder: Any, rule: Rule, num_steps: int = 1, **changes: Any
) -> tuple[Any, list[Any]]:
    """The tiny model after steps of GradDiff under the rule, and the lines of its log."""
    start = loaded(tiny_folder)
    start.model.requires_grad_(True)
    rows = encoded(start, people(8))
    lines: list[Any] = []
    plan = Plan(
        terms=[Term("f", "forget", ascent, "token"), Term("r", "retain", nll, "token")],
        rows={"forget": rows[:4], "retain": rows[4:]},
        steps=num_steps,
        batch=4,
        micro_batch=2,
        optimizer=partial(sgd, lr=0.1),
        rule=rule,
        **changes,
    )
    train(start.model, plan, log=lines.append)
    return start.model, lines


RULES: dict[str, Callable[..., Rule]] = {
    "weighted_sum": weighted_sum,
    "protect": protect,
    "gru": partial(protect, side="retain", gamma=0.0, only_if_conflict=True, fresh=0.8),
    "pcgrad": pcgrad,
    "dual": dual,
    "sam": sam,
    "zeroth_order": zeroth_order,
    "alternate": partial(alternate, first=1, zeroth=1),
    "dro": dro,
    "latent": partial(latent, layer=0.5, steps=2),
}


@pytest.mark.parametrize("name", RULES)
def test_a_rule_trains_the_tiny_model_the_same_twice(tiny_folder, name: str):
    """The values are those of the terms; all that is logged is finite."""
    weights = []
    for _ in range(2):
        model, lines = trained(tiny_folder, RULES[name](), 2)
        weights.append(torch.nn.utils.parameters_to_vector(model.parameters()).detach())
        assert set(lines[0]["terms"]) == {"f", "r"}
        assert lines[0]["terms"]["f"] < 0 < lines[0]["terms"]["r"]
        numbers = [v for line in lines for v in line.values() if isinstance(v, float)]
        assert torch.tensor(numbers).isfinite().all()
    assert torch.equal(*weights)


@pytest.mark.parametrize("name", ["protect", "gru", "pcgrad", "dual", "dro"])
def test_the_clip_acts_on_what_the_rule_leaves(tiny_folder, name: str):
    """Slip of BLUR's code: it clips before there is a gradient. A step of sgd is rate x limit long."""
    before = torch.nn.utils.parameters_to_vector(loaded(tiny_folder).model.parameters()).detach()
    model, lines = trained(tiny_folder, RULES[name](), max_grad_norm=0.01)
    now = torch.nn.utils.parameters_to_vector(model.parameters()).detach()
    assert lines[0]["grad_norm"] > 0.01
    assert (now - before).norm().item() == pytest.approx(0.1 * 0.01, rel=1e-2)


def test_a_step_under_a_rule_does_not_depend_on_how_it_is_cut(tiny_folder):
    for name in ("protect", "pcgrad", "sam", "dro"):
        whole, cut = (
            torch.nn.utils.parameters_to_vector(
                _after_one(tiny_folder, RULES[name](), size).parameters()
            )
            for size in (4, 1)
        )
        assert torch.allclose(whole, cut, atol=2e-6), name


def _after_one(tiny_folder: Any, rule: Rule, micro_batch: int) -> Any:
    start = loaded(tiny_folder)
    start.model.requires_grad_(True)
    rows = encoded(start, people(8))
    terms = [Term("f", "forget", ascent, "token"), Term("r", "retain", nll, "token")]
    plan = Plan(
        terms=terms,
        rows={"forget": rows[:4], "retain": rows[4:]},
        steps=1,
        batch=4,
        micro_batch=micro_batch,
        optimizer=partial(sgd, lr=0.01),
        rule=rule,
    )
    train(start.model, plan)
    return start.model
