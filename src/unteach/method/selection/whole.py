"""Every weight may move."""

from __future__ import annotations

from typing import TYPE_CHECKING

from unteach.registry import selection

if TYPE_CHECKING:
    from transformers import PreTrainedModel


@selection(source="standard")
def whole(model: PreTrainedModel, *, embeddings: bool = True) -> PreTrainedModel:
    """Every weight, or every weight but the token embeddings (and the output layer tied to them)."""
    model.requires_grad_(True)
    if not embeddings:
        model.get_input_embeddings().requires_grad_(False)
    return model
