"""Contracts of every registered function, whatever its kind."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
import torch

from tests.conftest import encoded, loaded, people, probe
from unteach import registry
from unteach.data.batches import collate
from unteach.model.scores import score
from unteach.registry import REQUIRED, Entry
from unteach.report import ladder

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
def test_a_selection_leaves_something_to_move_and_the_scores_as_they_are(
    tiny_chat_folder, entry: Entry
):
    start = loaded(tiny_chat_folder)
    batch = collate(encoded(start, people(3)), pad=0)
    splits = {"forget": people(3), "retain": people(4, first=3)}
    with torch.no_grad():
        before = score(start.model, batch).logp
    selected = entry.load()(
        probe(start.model, splits, start.tokenizer), **SELECTED.get(entry.name, {})
    )
    with torch.no_grad():
        assert torch.allclose(score(selected.model.eval(), batch).logp, before, atol=1e-4)
    moving = {name: p for name, p in selected.model.named_parameters() if p.requires_grad}
    assert moving
    assert selected.masks.keys() <= moving.keys()
    assert all(mask.shape == moving[name].shape for name, mask in selected.masks.items())
    assert all(mask.dtype == torch.bool for mask in selected.masks.values())
    assert any(mask.any() for mask in selected.masks.values()) or not selected.masks
    if entry.facts["adapter"]:
        assert all("lora" in name for name in moving)


SELECTED: dict[str, dict[str, Any]] = {
    "layers": {"pattern": "down_proj"},
    "lora_apart": {"apart_from": ("kept",)},
    "memflex": {"cosine": 1.0, "magnitude": 0.0},
}
"""Parameters that suit a random model of two blocks, where the defaults do not."""


@entries("optimizer")
def test_an_optimizer_goes_downhill_at_the_rate_given(entry: Entry):
    weight = torch.tensor([1.0], requires_grad=True)
    optimizer = entry.load()([weight], lr=0.1)
    assert [group["lr"] for group in optimizer.param_groups] == [0.1]
    (weight**2).sum().backward()
    optimizer.step()
    assert 0 < weight.item() < 1


@entries("audit")
def test_an_audit_declares_what_the_verdict_makes_of_it(entry: Entry):
    """Side, direction, margin and rung stand where it is registered; nothing is taken for granted."""
    facts = entry.facts
    attacks = {attack.name for attack in ladder.ATTACKS}
    if facts["shows"] == "knowledge":
        assert facts["rung"] in ladder.RUNGS
        assert facts["margin"] > 0
        assert facts["rung"] <= 2 or not facts["gate"]  # a claim begins with who asks and who reads
    elif facts["shows"] == "language":
        assert facts["collapse"] > facts["margin"] > 0
        assert facts["better"] in ("lower", "higher")
    elif facts["shows"] == "conduct":
        assert facts["margin"] > 0
    else:
        assert facts["shows"] == "nothing"
        assert not facts["gate"]
    assert not facts["attack"] or facts["attack"] in attacks
    assert set(facts["only"] or {}) <= {p.name for p in entry.parameters}
