"""Low-rank adapters, by PEFT."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING

from torch import Tensor
from transformers.pytorch_utils import Conv1D

from unteach.errors import ModelError
from unteach.model.blocks import experts_of, linear_maps
from unteach.model.probe import Probe, Selected
from unteach.ranges import AtLeastZero, Finite, Positive, Rank, ShareBelowOne
from unteach.registry import selection

if TYPE_CHECKING:
    from transformers import PreTrainedModel


ALL = "all-linear"


@selection(source="arXiv:2106.09685", adapter=True)
def lora(
    probe: Probe,
    *,
    rank: Rank = 8,
    alpha: Positive = 16.0,
    dropout: ShareBelowOne = 0.0,
    targets: str = "all-linear",
) -> Selected:
    """A LoRA adapter on every linear layer but the output layer; the weights below stay as they are.

    The result is saved as a PEFT adapter folder. `targets` is PEFT's `target_modules`. The experts of
    a mixture are adapted too, without dropout; of a Mamba block all but the last matrix, whose
    product PEFT cannot reach.
    """
    return Selected(adapted(probe.model, rank, alpha, dropout, targets))


@selection(source="arXiv:2407.01920", adapter=True, reads=("forget", "retain"))
def memflex(
    probe: Probe,
    *,
    cosine: Finite = 0.92,
    magnitude: AtLeastZero = 6e-4,
    rank: Rank = 8,
    alpha: Positive = 16.0,
    dropout: ShareBelowOne = 0.0,
) -> Selected:
    """LoRA adapters only where forget and retain pull in different directions, as in MemFlex.

    A matrix gets one if the gradient of the nll of random answers to the forget questions and that
    of the retain split have a cosine below `cosine`, and the first a mean absolute value above
    `magnitude`. The defaults are the paper's for Llama-2 on copyright; it has four such pairs, from
    0.92 to 0.96 and from 2e-4 to 7e-4, so look at the numbers for a model of another size.

    The paper looks at the gradients of a trained adapter's tensors, and replaces half of each
    answer, several times. We look at the matrix itself, as a fresh adapter has no gradient in one
    of its two factors, and replace the whole answer once.

    Raises:
        ModelError: no matrix passes; the sentence says how far away they were.
    """
    names = [f"{name}.weight" for name in linear_maps(probe.model)]
    forget = probe.gradients("forget", names, random_answers=True)
    retain = probe.gradients("retain", names)
    cosines = {n: _cosine(forget[n], retain[n]) for n in names}
    magnitudes = {n: forget[n].abs().mean().item() for n in names}
    passing = [n for n in names if cosines[n] < cosine and magnitudes[n] > magnitude]
    if not passing:
        raise ModelError(
            f"memflex: none of {len(names)} matrices has a cosine below {cosine} and a magnitude above "
            f"{magnitude:g}. Their cosines go from {min(cosines.values()):.3f} to "
            f"{max(cosines.values()):.3f}, their magnitudes from {min(magnitudes.values()):.1e} to "
            f"{max(magnitudes.values()):.1e}."
        )
    modules = [n.removesuffix(".weight") for n in passing]
    return Selected(adapted(probe.model, rank, alpha, dropout, modules))


def adapted(
    model: PreTrainedModel, rank: int, alpha: float, dropout: float, targets: str | Sequence[str]
) -> PreTrainedModel:
    """The model with a fresh adapter; `targets` is PEFT's word for all, or modules by full name.

    Raises:
        ModelError: PEFT has no such adapter for this architecture.
    """
    from peft import LoraConfig, get_peft_model

    experts = experts_of(model) if targets == ALL else []
    if experts and dropout:
        raise ModelError(
            f"lora: dropout is {dropout}, and PEFT has none on experts that are one tensor, as "
            f"{experts[0]}. Set dropout to 0."
        )
    modules = list(linear_maps(model)) if targets == ALL else targets
    config = LoraConfig(
        r=rank,
        lora_alpha=alpha,
        lora_dropout=dropout,
        target_modules=modules if isinstance(modules, str) else list(modules),
        target_parameters=experts or None,
        fan_in_fan_out=any(isinstance(m, Conv1D) for m in linear_maps(model).values()),
        task_type="CAUSAL_LM",
    )
    try:
        with warnings.catch_warnings():
            # of a mixture PEFT sets ranks for experts, and warns where those are no targets
            warnings.filterwarnings("ignore", r"The following \w+_pattern keys", RuntimeWarning)
            adapter = get_peft_model(model, config)
    except ValueError as error:  # which of its many reasons, PEFT says best
        said = str(error).strip().split("\n")[0]
        raise ModelError(f"lora: PEFT cannot adapt {type(model).__name__}: {said}") from None
    named = [] if isinstance(targets, str) else targets
    base = adapter.get_base_model()
    left = [name for name in named if not hasattr(base.get_submodule(name), "lora_A")]
    if left:  # DeepSeek's shared experts have the names that its experts once had
        raise ModelError(
            f"lora: PEFT takes {left[0]} of {type(model).__name__} for an expert's and adapts all experts "
            "instead. Choose select: lora, which adapts them too."
        )
    return adapter


def _cosine(a: Tensor, b: Tensor) -> float:
    a, b = a.float(), b.float()
    return ((a * b).sum() / (a.norm() * b.norm()).clamp(min=1e-30)).item()
