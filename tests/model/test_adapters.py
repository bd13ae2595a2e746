"""LoRA's factors as files, and the angles between what two adapters read."""

from __future__ import annotations

import json
from math import cos, radians, sin, sqrt
from pathlib import Path

import pytest
import torch

from tests.conftest import adapted, factors, loaded
from unteach.errors import ModelError
from unteach.model.adapters import Factors, angles, overlap, read


def written(tiny_folder: Path, folder: Path, **parameters: object) -> Path:
    """An adapter with something in both factors."""
    model = adapted(loaded(tiny_folder).model, **parameters)
    with torch.no_grad(), torch.random.fork_rng():
        torch.manual_seed(3)
        for name, p in model.named_parameters():
            if "lora_B" in name:
                p.normal_(std=0.1)
    model.save_pretrained(folder)
    return folder


def test_factors_add_what_peft_adds(tiny_folder: Path, tmp_path: Path):
    from peft import PeftModel

    folder = written(tiny_folder, tmp_path / "adapter", rank=3, alpha=12.0)
    base = loaded(tiny_folder).model
    before = {n: p.detach().clone() for n, p in base.named_parameters()}
    merged = PeftModel.from_pretrained(base, folder).merge_and_unload()
    found = read(folder)
    assert found
    for name, p in merged.named_parameters():
        change = found[name].change() if name in found else torch.zeros(())
        assert torch.allclose(p, before[name] + change, atol=1e-6), name


@pytest.mark.parametrize("degrees", [0, 30, 60, 90])
def test_two_directions_meet_at_their_angle(degrees: float):
    """[1, 0] and 5 [cos d, sin d]: the length does not count."""
    other = 5 * torch.tensor([[cos(radians(degrees)), sin(radians(degrees))]])
    assert angles(torch.tensor([[1.0, 0.0]]), other).item() == pytest.approx(
        cos(radians(degrees)), abs=1e-7
    )


def test_angles_between_two_planes():
    """span(e1, e2) and span(e1, e2 + e3): they share e1, and are at 45 degrees else."""
    a = torch.tensor([[1.0, 0, 0], [0, 1, 0]])
    b = torch.tensor([[0.0, 1, 1], [1, 0, 0]])
    assert angles(a, b).tolist() == pytest.approx([1, 1 / sqrt(2)])
    one, other = ({"w": Factors(x, torch.zeros(1, 2), 1.0)} for x in (a, b))
    assert overlap(one, other) == pytest.approx((1 + 1 / 2) / 2)


def test_an_adapter_overlaps_itself_whole_and_a_random_one_by_rank_over_width(tiny_folder: Path):
    """Width 32, rank 2: two random planes share 2/32 of each other on average; 14 matrices."""
    model = loaded(tiny_folder).model
    one, other = factors(model, seed=1), factors(model, seed=2)
    assert overlap(one, one) == pytest.approx(1)
    assert 0.01 < overlap(one, other) < 0.2


def test_what_is_no_plain_lora_is_refused(tiny_folder: Path, tmp_path: Path):
    with pytest.raises(ModelError, match="holds no LoRA adapter"):
        read(tmp_path)
    folder = written(tiny_folder, tmp_path / "adapter")
    config = json.loads((folder / "adapter_config.json").read_text())
    for change, said in (
        ({"use_dora": True}, "not plain LoRA"),
        ({"peft_type": "IA3"}, "of type IA3"),
        ({"rank_pattern": {"q_proj": 4}}, "ranks of their own"),
    ):
        (folder / "adapter_config.json").write_text(json.dumps(config | change))
        with pytest.raises(ModelError, match=said):
            read(folder)
    with pytest.raises(ModelError, match="no matrix in common"):
        overlap(
            {"a": Factors(torch.ones(1, 2), torch.ones(2, 1), 1.0)},
            {"b": Factors(torch.ones(1, 2), torch.ones(2, 1), 1.0)},
        )
