"""Least-squares writes to the last matrix of an MLP: what it is given maps to something else.

Keys are what the matrix is given, [N, D_in], a row each; residuals are what is to be added to what
it gives out, [N, D].
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from unteach.errors import RecipeError
from unteach.method.edits.concepts import concepts_of, renamed
from unteach.model.blocks import block_number, blocks, mlp_out
from unteach.model.probe import Probe
from unteach.ranges import AtLeastZero, Finite, Positive, SomeShare
from unteach.registry import edit


@edit(source="arXiv:2506.07795", reads=("forget", "retain", "{general}"))
def rocr(
    probe: Probe,
    *,
    layers: tuple[AtLeastZero, ...] = (0.15, 0.2, 0.25),
    anchor: str = "the river",
    concepts: tuple[str, ...] = (),
    general: str = "retain",
    null_share: SomeShare = 0.02,
    ridge: Positive = 0.01,
) -> None:
    """Redirect a concept to an unrelated anchor by a low-rank write, as in ROCR.

    At the last token of the concept's name, each block of `layers` is changed in turn so that its
    MLP adds an equal part of what is missing to the hidden state that the anchor has in the same
    question. Keys of retain and of the `general` split are protected: the write uses only the
    directions that together hold `null_share` of their squared length. A question counts in no
    other way, so the redirection does not depend on its wording.

    `general` names a split of text that is to stay as it is, beside retain.

    The concept is a name of `concepts`, or, without, what the questions of an example's group share
    and no other group's do, in forget or retain. `ridge` is relative to the keys' mean squared length:
    a key with less than that share of itself in the free directions is hardly written. The paper
    takes covariances from Wikipedia and chat templates around the bare name; we take retain, the
    `general` split, and the forget questions. As there is one request, its matrix C of earlier edits
    is 0.

    Raises:
        RecipeError: a parameter is out of range, or an example's concept cannot be told.
    """
    if not layers or not 0 < null_share <= 1 or ridge <= 0:
        raise RecipeError(
            f"rocr needs layers, a null_share above 0 and at most 1, and a ridge above 0; it was given "
            f"{list(layers)}, {null_share} and {ridge}."
        )
    model, examples = probe.model, list(probe.splits["forget"])
    names = concepts_of(examples, probe.splits["retain"], concepts, "rocr")
    others = [renamed(e, name, anchor) for e, name in zip(examples, names, strict=True)]
    numbers = sorted({block_number(model, layer) for layer in layers})
    target = probe.outputs_at(others, [anchor] * len(others), numbers[-1])
    for i, number in enumerate(numbers):
        out = mlp_out(blocks(model)[number])
        keys = probe.inputs_at(examples, names, [out])[0]
        missing = target - probe.outputs_at(examples, names, numbers[-1])
        splits = dict.fromkeys(("retain", general))
        kept = [probe.inputs(split, [out], prompts=True)[0] for split in splits]
        free = null_space(torch.cat(kept), null_share)
        if not free.shape[1]:
            raise RecipeError(
                f"rocr.null_share {null_share} leaves no direction of block {number} to write in; "
                "raise it."
            )
        _add(out, write(keys, missing / (len(numbers) - i), free, ridge))


@edit(source="arXiv:2502.07218", reads=("forget", "retain", "{general}", "unanswerable"))
def lunar(
    probe: Probe,
    *,
    layer: AtLeastZero = 0.7,
    scale: Finite = 2.0,
    ridge: Positive = 0.01,
    general: str = "retain",
) -> None:
    """Answer forget questions as if they could not be answered, by one ridge regression (LUNAR).

    r is the mean hidden state at the end of `unanswerable` questions minus that of forget
    questions, after block `layer`. The block's last MLP matrix is changed so that it gives out
    scale x r more where forget answers are predicted, and what it did where retain answers are and
    at every token of the `general` split: text in other forms than questions, which retain alone
    does not protect.

    The paper fits the matrix by 20 epochs of gradient descent; the same squared error has this
    solution in closed form, with a `ridge` relative to the mean of the diagonal of the inputs' Gram
    matrix. The change is of rank one: every forget question is moved in the same direction.

    Raises:
        RecipeError: `ridge` is not above 0.
    """
    if ridge <= 0:
        raise RecipeError(f"lunar.ridge is {ridge}; it must be above 0.")
    number = block_number(probe.model, layer)
    ends = {
        split: probe.outputs_at(probe.splits[split], [""] * len(probe.splits[split]), number)
        for split in ("forget", "unanswerable")
    }
    direction = ends["unanswerable"].mean(0) - ends["forget"].mean(0)
    out = mlp_out(blocks(probe.model)[number])
    forget, kept = probe.inputs("forget", [out])[0], probe.inputs("retain", [out])[0]
    if general != "retain":
        kept = torch.cat([kept, probe.inputs(general, [out], prompts=True)[0]])
    _add(out, torch.outer(scale * direction, separating(forget, kept, ridge)))


def null_space(keys: Tensor, share: float) -> Tensor:
    """Orthonormal columns [D_in, n] of the least used directions, which hold `share` of the keys' energy."""
    energy, directions = torch.linalg.eigh(keys.T @ keys)  # ascending
    held = energy.clamp(min=0).cumsum(0)
    return directions[:, held <= share * held[-1]]


def write(keys: Tensor, residuals: Tensor, free: Tensor, ridge: float) -> Tensor:
    """The change [D, D_in] that adds `residuals` at `keys` and nothing outside the `free` directions.

    [(P K K' + l I)^-1 P K R']' with the keys as columns of K and P the projector on `free`. That is
    R (K' P K + l I)^-1 K' P, which takes a system of N instead of D_in equations.
    """
    projected = keys @ free
    gram = projected @ projected.T
    eye = torch.eye(len(keys), device=keys.device, dtype=keys.dtype)
    # of the whole keys: what can barely be told from protected keys is barely written
    loading = ridge * keys.square().sum(1).mean().clamp(min=1e-30)
    return residuals.T @ torch.linalg.solve(gram + loading * eye, projected) @ free.T


def separating(high: Tensor, low: Tensor, ridge: float) -> Tensor:
    """The vector g [D_in] for which g'x is nearest to 1 on `high` and to 0 on `low`."""
    both = torch.cat([high, low])
    gram = both.T @ both
    eye = torch.eye(len(gram), device=gram.device, dtype=gram.dtype)
    loading = ridge * gram.diagonal().mean().clamp(min=1e-30)
    return torch.linalg.solve(gram + loading * eye, high.sum(0))


def _add(out: nn.Linear, delta: Tensor) -> None:
    with torch.no_grad():
        out.weight += delta.to(out.weight)
