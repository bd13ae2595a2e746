"""Low-rank adapters, by PEFT."""

from __future__ import annotations

from typing import TYPE_CHECKING

from unteach.registry import selection

if TYPE_CHECKING:
    from transformers import PreTrainedModel


@selection(source="arXiv:2106.09685", adapter=True)
def lora(
    model: PreTrainedModel,
    *,
    rank: int = 8,
    alpha: float = 16.0,
    dropout: float = 0.0,
    targets: str = "all-linear",
) -> PreTrainedModel:
    """A LoRA adapter on every linear layer but the output layer; the weights below stay as they are.

    The result is saved as a PEFT adapter folder. `targets` is PEFT's `target_modules`.
    """
    from peft import LoraConfig, get_peft_model

    config = LoraConfig(
        r=rank,
        lora_alpha=alpha,
        lora_dropout=dropout,
        target_modules=targets,
        task_type="CAUSAL_LM",
    )
    return get_peft_model(model, config)
