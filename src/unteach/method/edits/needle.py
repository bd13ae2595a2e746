"""Take out the value vectors of MLPs that spell the forgotten answers."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from unteach.data.render import Encoding
from unteach.errors import ModelError, RecipeError
from unteach.model.blocks import blocks, mlps
from unteach.model.probe import Probe
from unteach.ranges import Count
from unteach.registry import edit


@edit(source="arXiv:2406.11614", reads=("forget",), experimental=True)
def needle(probe: Probe, *, top: Count = 5) -> None:
    """Zero the MLP value vectors whose projection on the vocabulary spells an answer's entity.

    A value vector is a column of an MLP's last matrix: what one neuron writes. Its logits are the
    output layer times it. For each different entity the `top` vectors of all blocks go that have
    the highest mean logit of the entity's tokens, in standard deviations of the vector's own logits.

    ConceptVectors is given one vector a concept, found by hand and by a language model; that
    choice is reconstructed here. Facts that many neurons share are not found in this way, nor is a
    value that people of retain have too left to them.

    Raises:
        RecipeError: `top` is not at least 1.
        ModelError: the model has no output layer.
    """
    if top < 1:
        raise RecipeError(f"needle.top is {top}; it must be at least 1.")
    head = probe.model.get_output_embeddings()
    if head is None:
        raise ModelError("needle reads value vectors by the output layer, and this model has none.")
    with torch.no_grad():
        outs = [mlp.out.weight for block in blocks(probe.model) for mlp in mlps(block)]
        values = torch.cat([w.float() for w in outs], dim=1)  # [D, N] of all blocks
        scores = spelling(head.weight.float(), values, _entities(probe.rows("forget")))
        gone = torch.zeros(values.shape[1], dtype=torch.bool, device=values.device)
        gone[scores.topk(min(top, values.shape[1])).indices.flatten()] = True
        for w, columns in zip(outs, gone.split([w.shape[1] for w in outs]), strict=True):
            w[:, columns] = 0


def spelling(head: Tensor, values: Tensor, entities: Sequence[Sequence[int]]) -> Tensor:
    """How much each value vector says each entity, [entities, N] standard deviations.

    From `head` [V, D] and `values` [D, N]. A vector's logits have mean m'v and variance v'Cv, so
    those of the whole vocabulary are never written out.
    """
    mean = head.mean(0)
    covariance = (head - mean).T @ (head - mean) / len(head)
    spread = (values * (covariance @ values)).sum(0).clamp(min=1e-30).sqrt()
    said = torch.stack([head[list(tokens)].mean(0) for tokens in entities])
    return (said - mean) @ values / spread


def _entities(rows: Sequence[Encoding]) -> list[tuple[int, ...]]:
    """The specific tokens of each row, each combination once."""
    found = (
        tuple(t for t, wanted in zip(row.ids[row.start :], row.specific, strict=True) if wanted)
        for row in rows
    )
    return list(dict.fromkeys(found))
