"""Contracts of every registered objective and weighting, so that a new one is tested unwritten."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import pytest
import torch
from torch import Tensor

from tests.conftest import encoded, loaded, people, scores
from unteach import registry
from unteach.data.batches import collate
from unteach.data.examples import Example
from unteach.data.render import Encoding
from unteach.method.rules.sum import weighted_sum
from unteach.model.reference import SecondCopy
from unteach.model.scores import Scores, score, with_reference
from unteach.registry import Entry
from unteach.train.loop import Plan, train
from unteach.train.optim import sgd
from unteach.train.term import Term, total


def every(kind: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(
        "entry", [pytest.param(e, id=name) for name, e in registry.entries(kind).items()]
    )


@dataclass(frozen=True)
class Ground:
    """A model, a reference that differs from it, and five rows of different lengths."""

    model: torch.nn.Module
    reference: SecondCopy
    rows: Sequence[Encoding]

    def scores(self, rows: Sequence[Encoding], needs: frozenset[str]) -> Scores:
        batch = collate(rows, pad=0)
        found = score(self.model, batch, needs)
        if any(n.startswith("ref.") for n in needs):
            found = with_reference(found, self.reference("forget", batch, needs))
        return found


@pytest.fixture
def ground(tiny_chat_folder) -> Ground:
    start = loaded(tiny_chat_folder)
    other = copy.deepcopy(start.model).requires_grad_(False)
    noise = torch.Generator().manual_seed(1)
    for parameter in other.parameters():
        parameter += 0.02 * torch.randn(parameter.shape, generator=noise)
    long = Example("Where is everyone?", "In a very, very long answer " * 3, id="long")
    rows = encoded(start, [*people(3), Example("", "A text."), long])
    return Ground(start.model, SecondCopy(other), rows)


def needs_of(entry: Entry) -> frozenset[str]:
    return frozenset(entry.facts["needs"])


def term_of(entry: Entry, **changes: object) -> Term:
    plain = Term(entry.name, "forget", entry.load(), entry.facts["unit"], needs_of(entry))
    return replace(plain, **changes)  # type: ignore[arg-type]


def gradient(model: torch.nn.Module, loss: Tensor) -> Tensor:
    model.zero_grad(set_to_none=True)
    loss.backward()
    return torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])


@every("objective")
def test_the_loss_is_unreduced_finite_and_of_the_declared_unit(ground: Ground, entry: Entry):
    x = ground.scores(ground.rows, needs_of(entry))
    loss = entry.load()(x)
    assert loss.shape == (x.mask.shape if entry.facts["unit"] == "token" else x.mask.shape[:1])
    assert loss.dtype == torch.float32
    assert loss.isfinite().all()


@every("objective")
def test_the_loss_moves_the_model(ground: Ground, entry: Entry):
    x = ground.scores(ground.rows, needs_of(entry))
    found = gradient(ground.model, total(term_of(entry), x))
    assert found.isfinite().all()
    assert found.norm() > 1e-6


@every("objective")
def test_the_loss_is_finite_where_a_token_is_certain_or_hopeless(entry: Entry):
    """Three words; the true one leads by 80 nats, trails by 80, or is level; so does the reference."""
    lead = torch.tensor([[80.0, 80, -80, -80, 0, 0]])
    logits = torch.zeros(1, 6, 3).index_put(
        (torch.zeros(6, dtype=torch.long), torch.arange(6), torch.zeros(6, dtype=torch.long)),
        lead[0],
    )
    ref_logits = logits[:, [0, 2, 2, 0, 4, 0]]
    logits.requires_grad_(True)

    def at(values: Tensor, **optional: Scores) -> Scores:
        return scores(values.log_softmax(-1)[..., 0], logits=values, **optional)  # type: ignore[arg-type]

    loss = total(term_of(entry), at(logits, ref=at(ref_logits)))
    assert loss.isfinite()
    (slope,) = torch.autograd.grad(loss, logits)
    assert slope.isfinite().all()
    assert slope.any()


@every("objective")
def test_the_loss_is_unchanged_by_padding(ground: Ground, entry: Entry):
    """Three rows alone, and the same beside one that is 80 tokens longer, which is then left out."""
    alone = ground.scores(ground.rows[:3], needs_of(entry))
    beside = ground.scores([*ground.rows[:3], ground.rows[4]], needs_of(entry))
    first, second = entry.load()(alone), entry.load()(beside)[:3]
    if entry.facts["unit"] == "token":
        first, second = first[alone.mask], second[beside.mask[:3]]
    assert torch.allclose(first, second, atol=1e-5)
    assert torch.allclose(
        gradient(ground.model, first.sum()), gradient(ground.model, second.sum()), atol=1e-4
    )


def after_a_step(ground: Ground, term: Term, micro_batch: int) -> Tensor:
    model = copy.deepcopy(ground.model)
    plan = Plan(
        terms=[term],
        rows={"forget": ground.rows},
        steps=1,
        batch=5,
        micro_batch=micro_batch,
        optimizer=partial(sgd, lr=0.1),
        rule=weighted_sum(),
        reference=ground.reference,
        max_grad_norm=1.0,
    )
    train(model, plan)
    return torch.nn.utils.parameters_to_vector(model.parameters()).detach()


@every("objective")
def test_a_step_does_not_depend_on_how_it_is_cut(ground: Ground, entry: Entry):
    whole, cut = (after_a_step(ground, term_of(entry), size) for size in (5, 1))
    start = torch.nn.utils.parameters_to_vector(ground.model.parameters()).detach()
    assert not torch.allclose(whole, start, atol=1e-5)
    assert torch.allclose(whole, cut, atol=1e-6)


def without(x: Scores, need: str) -> Scores:
    """The scores less one thing that may be declared in needs."""
    if need == "ref.logits":
        return replace(x, optional={**x.optional, "ref": replace(x.ref, optional={})})
    name = "ref" if need == "ref.logp" else need
    return replace(x, optional={k: v for k, v in x.optional.items() if k != name})


@pytest.mark.parametrize("kind", ["objective", "weighting"])
def test_a_function_reads_all_that_it_declares_and_nothing_else(ground: Ground, kind: str):
    """`ground.scores` holds what is declared and no more; less any of it, the function fails."""
    for entry in registry.entries(kind).values():
        x = ground.scores(ground.rows, needs_of(entry))
        entry.load()(x)
        for need in needs_of(entry):
            with pytest.raises(LookupError, match="which its decorator does not declare in needs"):
                entry.load()(without(x, need))


def test_scores_refuse_what_was_not_asked_for():
    x = scores([[-1.0]])
    reads: list[Callable[[Scores], object]] = [lambda s: s.logits, lambda s: s.ref]
    for read in reads:
        with pytest.raises(LookupError, match=r"reads '(logits|ref)', which its decorator"):
            read(x)


@every("weighting")
def test_a_weight_is_finite_not_negative_and_of_the_shape_of_the_tokens(
    ground: Ground, entry: Entry
):
    x = ground.scores(ground.rows, needs_of(entry))
    weight = entry.load()(x)
    assert weight.shape == x.mask.shape
    assert weight.isfinite().all()
    assert (weight >= 0).all()
    extreme = entry.load()(scores([[0.0, -80.0, -1.0]]))
    assert extreme.isfinite().all()


@every("weighting")
def test_no_gradient_goes_through_a_weight(ground: Ground, entry: Entry):
    """The slope is that of the loss with the weights as constants."""
    x = ground.scores(ground.rows, needs_of(entry))
    term = Term("t", "forget", lambda s: -s.logp, "token", weighting=entry.load())
    constant = entry.load()(x).detach()
    expected = gradient(ground.model, (-x.logp * constant)[x.mask].sum())
    x = ground.scores(ground.rows, needs_of(entry))
    assert torch.allclose(gradient(ground.model, total(term, x)), expected, atol=1e-6)


@every("weighting")
def test_a_weight_is_unchanged_by_padding(ground: Ground, entry: Entry):
    alone = ground.scores(ground.rows[:3], needs_of(entry))
    beside = ground.scores([*ground.rows[:3], ground.rows[4]], needs_of(entry))
    first, second = entry.load()(alone)[alone.mask], entry.load()(beside)[:3][beside.mask[:3]]
    assert torch.allclose(first, second, atol=1e-5)
