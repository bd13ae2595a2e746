"""The original model beside the trained one, in each of its forms."""

from __future__ import annotations

import copy
from functools import partial

import pytest
import torch

from tests.conftest import adapted, encoded, loaded, people
from unteach.data.batches import collate
from unteach.data.examples import Example
from unteach.method.objectives.divergence import kl
from unteach.method.objectives.likelihood import ascent
from unteach.method.rules.sum import weighted_sum
from unteach.model.fingerprint import of_weights
from unteach.model.reference import (
    AdapterOff,
    Cached,
    SecondCopy,
    answer_logp,
    choose,
    mean_probability,
    tabulate,
)
from unteach.model.scores import beside, score
from unteach.train.loop import Plan, train
from unteach.train.optim import sgd
from unteach.train.term import Term

EXAMPLES = [*people(5), Example("", "A text."), Example("Where is Zoë?", "Far, far away.")]
LOGP, LOGITS = frozenset({"logp"}), frozenset({"logp", "logits"})


def test_answer_logp_is_that_of_each_row_alone_in_the_order_given(tiny_chat_folder):
    start = loaded(tiny_chat_folder)
    rows = encoded(start, EXAMPLES)
    start.model.train()
    found = answer_logp(start.model, rows, batch=3)
    assert start.model.training
    start.model.eval()
    for row, logp in zip(rows, found, strict=True):
        with torch.no_grad():
            alone = score(start.model, collate([row])).logp[0]
        assert logp.shape == (row.num_scored,)
        assert torch.allclose(logp, alone, atol=1e-5)


def test_a_probability_is_the_mean_over_rows_of_their_specific_tokens(tiny_chat_folder):
    start = loaded(tiny_chat_folder)
    rows = encoded(start, EXAMPLES)
    with torch.no_grad():
        each = [score(start.model, collate([row])).specific_p.item() for row in rows]
    assert mean_probability(start.model, rows) == pytest.approx(sum(each) / len(each), rel=1e-4)
    whole = [logp.mean().exp().item() for logp in answer_logp(start.model, rows)]
    assert any(not all(row.specific) for row in rows)
    found = mean_probability(start.model, rows, whole=True)
    assert found == pytest.approx(sum(whole) / len(whole), rel=1e-4)


def test_what_is_cached_is_what_the_model_says(tiny_chat_folder):
    start = loaded(tiny_chat_folder)
    rows = encoded(start, EXAMPLES)
    needs = frozenset({"logp", "logits", "hidden.1"})
    cached = Cached({"forget": tabulate(start.model, rows, needs)})
    index = [6, 0, 3]
    batch = collate([rows[i] for i in index], index)
    found = cached("forget", batch, needs)
    with torch.no_grad():
        live = score(start.model, batch, needs)
    assert torch.allclose(found.logp, live.logp, atol=1e-5)
    assert torch.allclose(found.logits, live.logits, atol=1e-5)
    assert torch.allclose(found.hidden(1), live.hidden(1), atol=1e-5)
    assert torch.equal(found.mask, live.mask)
    assert torch.equal(found.specific, live.specific)
    assert not found.logp.requires_grad


def test_an_adapter_switched_off_is_the_base(tiny_chat_folder):
    """Also after the adapter has learnt something, and with dropout, which only training has."""
    base = loaded(tiny_chat_folder).model
    batch = collate(encoded(loaded(tiny_chat_folder), EXAMPLES))
    model = adapted(loaded(tiny_chat_folder).model, dropout=0.5)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.fill_(0.3)
        expected = score(base, batch, frozenset({"logits"}))
        assert not torch.allclose(score(model.eval(), batch).logp, expected.logp, atol=0.1)
    model.train()
    found = AdapterOff(model)("forget", batch, LOGITS)
    assert model.training
    assert torch.equal(found.logp, expected.logp)
    assert torch.equal(found.logits, expected.logits)
    assert not found.logits.requires_grad


def test_switching_the_adapter_off_in_between_leaves_its_gradient(tiny_chat_folder):
    """The loop scores the model first, then the reference, and only then goes backward."""
    start = loaded(tiny_chat_folder)
    model = adapted(start.model)
    moving = {name for name, p in model.named_parameters() if p.requires_grad}
    batch = collate(encoded(start, EXAMPLES))
    x = score(model, batch, frozenset({"logits"}))
    x = beside(x, ref=AdapterOff(model)("forget", batch, LOGITS))
    (kl(x) + x.logp).sum().backward()
    assert {name for name, p in model.named_parameters() if p.requires_grad} == moving
    assert all(p.grad is not None for n, p in model.named_parameters() if "lora_B" in n)
    assert any(p.grad.any() for p in model.parameters() if p.grad is not None)


def test_the_second_copy_is_not_moved_by_training(tiny_chat_folder):
    start = loaded(tiny_chat_folder)
    frozen = copy.deepcopy(start.model).requires_grad_(False)
    before = of_weights(frozen)
    plan = Plan(
        terms=[
            Term("kl", "forget", kl, "token", frozenset({"logits", "ref.logits"})),
            Term("ascent", "forget", ascent, "token"),
        ],
        rows={"forget": encoded(start, EXAMPLES)},
        steps=2,
        batch=4,
        micro_batch=4,
        optimizer=partial(sgd, lr=0.1),
        rule=weighted_sum(),
        others={"ref": SecondCopy(frozen)},
    )
    train(start.model, plan)
    assert of_weights(frozen) == before
    assert of_weights(start.model) != before
    assert not frozen.training


@pytest.mark.parametrize(
    ("wanted", "num_rows", "is_cached"),
    [
        ({"forget": LOGP}, 500, True),
        ({"retain": LOGITS}, 3, True),
        ({"forget": LOGP, "retain": LOGITS}, 500, False),
        ({"retain": frozenset({"hidden.0"})}, 60, True),
    ],
)
def test_what_fits_into_the_memory_of_a_second_model_is_kept(
    tiny_folder, wanted, num_rows, is_cached
):
    """35,360 weights of 4 bytes. A row has 10 tokens: 40 bytes of logp, 10 kB of logits, 1.3 kB of states."""
    start = loaded(tiny_folder)
    rows = dict.fromkeys(("forget", "retain"), encoded(start, people(1)) * num_rows)
    found = choose(wanted, start.model, rows, lambda: SecondCopy(start.model))
    assert type(found) is (Cached if is_cached else SecondCopy)
    if isinstance(found, Cached):
        assert set(found.table) == set(wanted)
