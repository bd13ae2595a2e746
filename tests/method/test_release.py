"""An adapter out of the weights and another in, and how much of each."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.conftest import factors, loaded, people, probe
from unteach.errors import ModelError, RecipeError
from unteach.method.edits import release as module
from unteach.method.edits.release import release
from unteach.model.probe import Probe, no_adapter


@pytest.fixture
def looked(tiny_folder: Path) -> Probe:
    start = loaded(tiny_folder)
    splits = {"revealed_check": people(3), "retain": people(4, 3)}
    seen = probe(start.model, splits, start.tokenizer)
    known = {"known": factors(start.model, seed=1), "kept": factors(start.model, seed=2)}
    return replace(seen, adapter=known.__getitem__)


def weights(looked: Probe) -> dict[str, torch.Tensor]:
    return {n: p.detach().clone() for n, p in looked.model.named_parameters()}


def answering(monkeypatch: pytest.MonkeyPatch, *looks: tuple[float, ...]) -> None:
    """The probabilities that are seen, look by look: of what goes, and of what stays.

    Of what goes that of what is specific, of what stays that of the whole answers.
    """
    told = iter([(p, number > 0) for look in looks for number, p in enumerate(look)])

    def answer(model: object, rows: object, *, whole: bool) -> float:
        p, is_kept = next(told)
        assert whole == is_kept
        return p

    monkeypatch.setattr(module, "mean_probability", answer)


def test_scales_of_zero_change_no_bit(looked: Probe):
    before = weights(looked)
    found = release(looked, subtract="known", add="kept", scales=(0.0,), add_scales=(0.0,))
    assert (found["subtracted"], found["added"]) == (0, 0)
    for name, p in weights(looked).items():
        assert torch.equal(p, before[name])


def test_it_takes_the_pair_that_forgets_most_and_keeps_enough(
    looked: Probe, monkeypatch: pytest.MonkeyPatch
):
    """Of retain 0.8 at least 0.9 must stay, which is 0.72.

    b 0: a 1 gives (0.5, 0.75), which passes; a 2 gives (0.1, 0.5), which harms: the end of b 0.
    b 1: a 1 gives (0.6, 0.8), no better; a 2 gives (0.3, 0.73), the best that passes.
    Then the look with only b; only a was looked at before.
    """
    answering(
        monkeypatch,
        *[(0.9, 0.8), (0.5, 0.75), (0.1, 0.5), (0.6, 0.8), (0.3, 0.73), (0.9, 0.85)],
    )
    before = weights(looked)
    found = release(
        looked, subtract="known", add="kept", scales=(2.0, 1.0), add_scales=(0, 1), floor=0.9
    )
    assert (found["subtracted"], found["added"]) == (2, 1)
    assert (found["revealed_check before"], found["revealed_check after"]) == (0.9, 0.3)
    assert (found["retain only subtracted"], found["retain only added"]) == (0.5, 0.85)
    out, into = looked.adapter("known"), looked.adapter("kept")
    for name, p in weights(looked).items():
        change = into[name].change() - 2 * out[name].change() if name in out else 0
        assert torch.allclose(p, before[name] + change, atol=1e-6)


def test_either_of_two_splits_that_stay_can_end_the_search(
    looked: Probe, monkeypatch: pytest.MonkeyPatch
):
    """Of 0.8 and 0.4 half must stay: a 1 leaves (0.6, 0.3), a 2 leaves (0.6, 0.1), which harms."""
    both = replace(looked, splits={**looked.splits, "neutral": people(2, 7)})
    answering(monkeypatch, (0.9, 0.8, 0.4), (0.5, 0.6, 0.3), (0.1, 0.6, 0.1))
    found = release(both, subtract="known", also_keep="neutral", scales=(1, 2, 3), floor=0.5)
    assert found["subtracted"] == 1
    assert found["neutral after"] == 0.3


def test_nothing_changes_where_every_scale_harms(looked: Probe, monkeypatch: pytest.MonkeyPatch):
    answering(monkeypatch, (0.9, 0.8), (0.0, 0.1))
    before = weights(looked)
    found = release(looked, subtract="known", scales=(1.0, 2.0))
    assert found["subtracted"] == 0
    assert all(torch.equal(p, before[name]) for name, p in weights(looked).items())


def test_what_is_wrong_is_said(looked: Probe):
    with pytest.raises(RecipeError, match="0 or more"):
        release(looked, subtract="known", scales=(-1.0,))
    with pytest.raises(RecipeError, match="floor is 2"):
        release(looked, subtract="known", floor=2)
    with pytest.raises(ModelError, match="select: lora"):
        release(replace(looked, adapter=no_adapter), subtract="known")
