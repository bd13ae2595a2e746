"""Adapters that read none, or little, of the directions that other adapters read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from unteach.errors import ModelError, RecipeError
from unteach.method.selection.lora import adapted
from unteach.model import adapters
from unteach.model.probe import Probe, Selected
from unteach.ranges import AtLeastZero, Positive, Rank, ShareBelowOne
from unteach.registry import selection

if TYPE_CHECKING:
    from transformers import PreTrainedModel


@selection(source="arXiv:2407.10223", adapter=True)
def orthogonal_lora(
    probe: Probe, *, rank: Rank = 8, alpha: Positive = 16.0, earlier: tuple[str, ...] = ()
) -> Selected:
    """LoRA for one request after another, each orthogonal to those of the requests before, as in O3.

    An adapter adds B A x. The rows of A are drawn at random, made orthonormal and orthogonal to the
    rows of A of every adapter in the folders `earlier`, and never move; only B is trained. So no
    input direction is used twice. The paper trains A too and adds a penalty of 0.1 on the overlap;
    with A frozen the overlap is 0 and stays 0, at half the trained weights. The paper's detector, which
    sets the adapter's strength for each prompt, is not part of it.

    Raises:
        ModelError: a folder holds no LoRA adapter of this model, or no `rank` directions are left.
    """
    before = {folder: adapters.read(Path(folder)) for folder in earlier}
    model = adapted(probe.model, rank, alpha, 0.0, "all-linear")
    _require_shared(model, before, "orthogonal_lora.earlier")
    for name, a in _readers(model):
        used = [adapter[name].down for adapter in before.values() if name in adapter]
        a.data.copy_(_directions(name, tuple(a.shape), used, probe.generator))
        a.requires_grad_(False)
    return Selected(model)


@selection(source="arXiv:2310.14152, arXiv:2509.14624", adapter=True)
def lora_apart(
    probe: Probe,
    *,
    apart_from: tuple[str, ...],
    weight: AtLeastZero = 0.5,
    rank: Rank = 8,
    alpha: Positive = 16.0,
    dropout: ShareBelowOne = 0.0,
) -> Selected:
    """LoRA that is kept apart from adapters trained before in this run, as in O-LoRA.

    `apart_from` names them: each was trained `into` its name with an adapter. The loss gains `weight` x
    the sum over them and over all matrices of ||A A'^T||_F^2, where the rows of A are what an adapter
    reads of its input: 0 where no direction is shared. Both factors are trained. A large weight costs
    the new adapter room to learn; subspaces that do not meet do not make the two indifferent to
    each other, as what they write may meet further on.

    O-LoRA's equation; its code sums absolute values. How Reveal-and-Release weighs it was not read.

    Raises:
        RecipeError: `apart_from` is empty, or the weight is negative.
        ModelError: one of them was not trained as an adapter, or not on these matrices.
    """
    if not apart_from or weight < 0:
        raise RecipeError(
            f"lora_apart: apart_from is {list(apart_from)} and weight is {weight}; name at least one "
            "adapter, and give a weight of 0 or more."
        )
    before = {name: probe.adapter(name) for name in apart_from}
    # every stage draws from the recipe's seed: by that alone both would start with the same A
    drawn = torch.randint(2**31, (len(before),), generator=probe.generator)
    torch.manual_seed(int(drawn[-1]))
    model = adapted(probe.model, rank, alpha, dropout, "all-linear")
    _require_shared(model, before, "lora_apart.apart_from")
    together = [
        (a, adapter[name].down.to(a.device))
        for name, a in _readers(model)
        for adapter in before.values()
        if name in adapter
    ]

    def penalty() -> Tensor:
        return weight * torch.stack([overlap(a, other) for a, other in together]).sum()

    return Selected(model, penalty=penalty if weight else None)


def overlap(a: Tensor, other: Tensor) -> Tensor:
    """||A A'^T||_F^2 of two adapters' A, [rank, D_in] and [rank', D_in]."""
    return (a.float() @ other.T).square().sum()


def _readers(model: PreTrainedModel) -> Iterator[tuple[str, Tensor]]:
    """(parameter that is adapted, A) of each matrix of a model with a fresh adapter."""
    for name, p in model.named_parameters():
        if ".lora_A." in name:
            module = name.partition(".lora_A.")[0].removeprefix("base_model.model.")
            yield f"{module}.weight", p


def _require_shared(
    model: PreTrainedModel, others: Mapping[str, Mapping[str, adapters.Factors]], place: str
) -> None:
    known = {name for name, _ in _readers(model)}
    for called, adapter in others.items():
        if not known & adapter.keys():
            raise ModelError(
                f"{place}: {called} is an adapter of another model: no module has the same name, as "
                f"{next(iter(adapter))}."
            )


def _directions(
    name: str, shape: tuple[int, ...], used: list[Tensor], generator: torch.Generator
) -> Tensor:
    """Random orthonormal rows [rank, D_in], orthogonal to all rows of `used`."""
    rank, width = shape
    wrong = [a for a in used if a.shape[1] != width]
    taken = torch.cat([a for a in used if a.shape[1] == width] or [torch.zeros(0, width)])
    if wrong or len(taken) + rank > width:
        raise ModelError(
            f"orthogonal_lora: {name} reads {width} directions; earlier adapters use "
            f"{sum(map(len, used))} (of width {', '.join(str(a.shape[1]) for a in used)}), and rank "
            f"{rank} does not fit beside them."
        )
    drawn = torch.randn(rank, width, generator=generator)
    # the first columns of Q span what is taken, the last ones are new
    q = torch.linalg.qr(torch.cat([taken, drawn]).T).Q
    return q[:, len(taken) :].T
