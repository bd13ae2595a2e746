"""An adapter that begins as the part of each matrix that the forget split alone uses."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from unteach.method.selection.lora import adapted
from unteach.model.blocks import linear_maps, matrix_of
from unteach.model.probe import Probe, Selected
from unteach.ranges import Positive, Rank
from unteach.registry import selection


@selection(source="arXiv:2408.06621", reads=("forget", "retain"))
def fisher_lora(probe: Probe, *, rank: Rank = 8, alpha: Positive = 16.0) -> Selected:
    """LoRA that begins as each matrix's most forget-relevant part, as in LoKU (FILA).

    Each row of a matrix is weighted by the root of its sum of F_forget / F_retain, the ratio of
    mean squared gradients. The `rank` largest parts of the weighted matrix go into the adapter, and
    are taken out of the matrix, so that the outputs are at first what they were. Training the adapter
    then moves what matters to the forget split and little to retain.

    As the matrices change, the original is not the model with its adapter switched off. Row weights
    are used because a low-rank part under element-wise weights has no closed form. The formula is
    the paper's as recalled, not as read in its code. One backward pass a row of both splits.
    """
    maps = {name: matrix_of(module) for name, module in linear_maps(probe.model).items()}
    maps = {name: matrix for name, matrix in maps.items() if min(matrix.weight.shape) >= rank}
    forget, retain = (
        probe.squared_gradients(split, [f"{name}.weight" for name in maps])
        for split in ("forget", "retain")
    )
    weights = {
        n: _row_weights(matrix.of(forget[f"{n}.weight"]), matrix.of(retain[f"{n}.weight"]))
        for n, matrix in maps.items()
    }
    del forget, retain
    model = adapted(probe.model, rank, alpha, 0.0, list(maps))
    with torch.no_grad():
        for name, weight in weights.items():
            layer = model.get_base_model().get_submodule(name)
            part = most_relevant(maps[name].weight, weight, rank)
            half = layer.scaling["default"] ** 0.5  # an adapter adds scaling x B A
            layer.lora_A["default"].weight.copy_(part.a / half)
            layer.lora_B["default"].weight.copy_(part.b / half)
            layer.base_layer.weight -= layer.get_delta_weight("default")
    return Selected(model)


class Part(NamedTuple):
    """A part of a matrix [D_out, D_in] as a product b a."""

    b: Tensor  # [D_out, rank]
    a: Tensor  # [rank, D_in]


def most_relevant(matrix: Tensor, row_weights: Tensor, rank: int) -> Part:
    """The product of that rank which is nearest to `matrix`, a row's error counting by its weight."""
    u, s, v = torch.linalg.svd(row_weights[:, None] * matrix.float(), full_matrices=False)
    root = s[:rank].sqrt()
    return Part(u[:, :rank] * root / row_weights[:, None], root[:, None] * v[:rank])


def _row_weights(forget: Tensor, retain: Tensor) -> Tensor:
    """[D_out] root of the sum over a row of F_forget / F_retain, all above 0."""
    floor = 1e-3 * retain.mean() + 1e-30  # a weight that retain never uses has no finite ratio
    weights = (forget / (retain + floor)).sum(1).sqrt()
    return weights.clamp(min=1e-3 * weights.max() + 1e-30)
