"""A small world, a model that never saw it and one that knows it by heart."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
import torch

from tests.conftest import loaded
from unteach.data.benchmarks.world import world
from unteach.data.examples import Splits
from unteach.data.render import Renderer, encode_all
from unteach.method.objectives.likelihood import nll
from unteach.method.rules.sum import weighted_sum
from unteach.model.load import Loaded, ModelPlace
from unteach.train.loop import Plan, train
from unteach.train.optim import adamw
from unteach.train.term import Term

STEPS = 160
"""Enough to know every answer by heart."""


@pytest.fixture(scope="session")
def people() -> Splits:
    """Two people to forget and two to keep, with two facts each; a byte is a token, so brief ones."""
    return world(people=4, attributes=2, forget=0.5, brief=True, facts=4, texts=2)


@pytest.fixture(scope="session")
def blank(tiny_chat_folder: Path) -> Loaded:
    """Random weights: it never saw anything."""
    return loaded(tiny_chat_folder)


@pytest.fixture(scope="session")
def knowing(tiny_chat_folder: Path, people: Splits) -> Loaded:
    """The same weights after they memorised forget and retain."""
    found = loaded(tiny_chat_folder)
    rows = encode_all(Renderer(found.tokenizer), [*people["forget"], *people["retain"]])
    plan = Plan(
        terms=[Term("nll", "taught", nll, "token")],
        rows={"taught": rows},
        steps=STEPS,
        batch=len(rows),
        micro_batch=len(rows),
        optimizer=partial(adamw, lr=1e-2),
        rule=weighted_sum(),
        schedule="linear",
        warmup=0.05,
    )
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    train(found.model, plan)
    torch.set_num_threads(threads)
    place = ModelPlace("knowing", found.place.path, "knowing")
    return Loaded(found.model, found.tokenizer, place)
