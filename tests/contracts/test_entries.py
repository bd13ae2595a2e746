"""Contracts of every registered function, whatever its kind."""

from __future__ import annotations

import inspect

import pytest
import torch

from tests.conftest import encoded, loaded, people
from unteach import registry
from unteach.data.batches import collate
from unteach.model.scores import score
from unteach.registry import REQUIRED, Entry

BUILT_IN = [
    pytest.param(entry, id=f"{kind}-{name}")
    for kind in registry.ROOMS
    for name, entry in registry.entries(kind).items()
    if entry.module.startswith("unteach.")
]


@pytest.mark.parametrize("entry", BUILT_IN)
def test_what_is_read_from_source_is_what_import_gives(entry: Entry):
    function = entry.load()
    keyword_only = [
        p
        for p in inspect.signature(function).parameters.values()
        if p.kind is inspect.Parameter.KEYWORD_ONLY
    ]
    assert [(p.name, p.default) for p in entry.parameters] == [
        (p.name, p.default) for p in keyword_only
    ]
    assert inspect.getdoc(function) is not None
    assert entry.doc == inspect.getdoc(function)
    assert function.__module__ == entry.module


@pytest.mark.parametrize("entry", BUILT_IN)
def test_an_entry_says_what_it_is_and_where_it_comes_from(entry: Entry):
    assert entry.summary.endswith((".", ":"))
    assert entry.source
    defaults = {p.name: p.default for p in entry.parameters if p.default is not REQUIRED}
    required = {p.name for p in entry.parameters} - set(defaults)
    if not required:
        assert registry.check(entry.kind, entry.name, defaults, "here") == defaults


def entries(kind: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(
        "entry", [p for p in BUILT_IN if str(p.id).startswith(f"{kind}-")]
    )


@entries("selection")
def test_a_selection_leaves_something_to_move_and_the_scores_as_they_are(tiny_folder, entry: Entry):
    start = loaded(tiny_folder)
    batch = collate(encoded(start, people(3)), pad=0)
    with torch.no_grad():
        before = score(start.model, batch).logp
        model = entry.load()(start.model).eval()
        assert torch.allclose(score(model, batch).logp, before, atol=1e-6)
    moving = [name for name, p in model.named_parameters() if p.requires_grad]
    assert moving
    assert all("lora" in name for name in moving) is entry.facts["adapter"]


@entries("optimizer")
def test_an_optimizer_goes_downhill_at_the_rate_given(entry: Entry):
    weight = torch.tensor([1.0], requires_grad=True)
    optimizer = entry.load()([weight], lr=0.1)
    assert [group["lr"] for group in optimizer.param_groups] == [0.1]
    (weight**2).sum().backward()
    optimizer.step()
    assert 0 < weight.item() < 1


@entries("rule")
def test_a_rule_gives_back_a_value_a_term_and_leaves_a_direction(entry: Entry):
    weight = torch.tensor([1.0, 2.0], requires_grad=True)
    losses = {"first": lambda: weight[0] ** 2, "second": lambda: weight.prod()}

    def backward(*terms: str) -> list[float]:
        values = [losses[t]() for t in terms]
        torch.stack(values).sum().backward()
        return [v.item() for v in values]

    assert entry.load()()(["first", "second"], [weight], backward) == [1.0, 2.0]
    assert weight.grad is not None
    assert weight.grad.isfinite().all()
    assert weight.grad.any()
