"""LoRA adapters as files: the two factors of each matrix, and what they add to it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from unteach.errors import ModelError

WEIGHTS = "adapter_model.safetensors"
_PREFIX = "base_model.model."


@dataclass(frozen=True)
class Factors:
    """One matrix's adapter: it adds `scale` x up @ down, to what reads the columns of `down`."""

    down: Tensor  # [rank, D_in], LoRA's A
    up: Tensor  # [D_out, rank], LoRA's B
    scale: float

    def change(self) -> Tensor:
        """[D_out, D_in] what the adapter adds to the matrix, in float32."""
        return self.scale * self.up @ self.down


def read(folder: Path) -> Mapping[str, Factors]:
    """The factors of an adapter folder, by the name of the parameter that each adds to.

    Raises:
        ModelError: the folder holds no plain LoRA adapter.
    """
    try:
        config = json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))
        tensors = load_file(folder / WEIGHTS)
    except (OSError, ValueError):
        raise ModelError(
            f"{folder}: holds no LoRA adapter (adapter_config.json with {WEIGHTS})."
        ) from None
    down = {name: w.float() for name, w in tensors.items() if name.endswith(".lora_A.weight")}
    if config.get("peft_type") != "LORA" or config.get("use_dora") or not down:
        raise ModelError(
            f"{folder}: is an adapter of type {config.get('peft_type')}, not plain LoRA, so what it adds to a "
            "matrix is not the product of two factors. Train one with select: lora."
        )
    if config.get("target_parameters"):
        raise ModelError(
            f"{folder}: it adapts the experts of a mixture, whose factors are not those of one matrix. "
            "Train one of the other matrices, by lora's targets."
        )
    if config.get("rank_pattern") or config.get("alpha_pattern"):
        raise ModelError(
            f"{folder}: its modules have ranks of their own (rank_pattern), which is not read here. "
            "Train one with select: lora."
        )
    rank = config["r"]
    scale = config["lora_alpha"] / (rank**0.5 if config.get("use_rslora") else rank)
    found = {}
    for name, a in down.items():
        module = name.removesuffix(".lora_A.weight")
        up = tensors[f"{module}.lora_B.weight"].float()
        found[f"{module.removeprefix(_PREFIX)}.weight"] = Factors(a, up, scale)
    return found


def angles(a: Tensor, b: Tensor) -> Tensor:
    """[min(rank)] cosines of the principal angles between what two adapters read, from 1 to 0.

    `a` [rank, D_in] and `b` [rank', D_in] are LoRA's A. 1: a direction both read; 0: one at a right
    angle to all that the other reads.
    """
    one, other = (torch.linalg.qr(x.double().T).Q for x in (a, b))
    return torch.linalg.svdvals(one.T @ other).clamp(max=1.0)


def overlap(one: Mapping[str, Factors], other: Mapping[str, Factors]) -> float:
    """Mean squared cosine of the principal angles over the matrices that both adapt, 0 to 1.

    The share of one subspace that lies in the other; rank / D_in for two drawn at random.

    Raises:
        ModelError: they share no matrix.
    """
    shared = [name for name in one if name in other]
    if not shared:
        raise ModelError("the two adapters adapt no matrix in common, so no angle is between them.")
    shares = [angles(one[name].down, other[name].down).square().mean() for name in shared]
    return float(torch.stack(shares).mean())
