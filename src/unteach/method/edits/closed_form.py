"""Least-squares writes to the last matrix of an MLP: what it is given maps to something else.

Keys are what the matrix is given, [N, D_in], a row each; residuals are what is to be added to what
it gives out, [N, D].
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from unteach.errors import RecipeError
from unteach.method.edits.concepts import concepts_of, renamed
from unteach.model.blocks import Matrix, Mlp, Neurons, block_number, blocks, mlps
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
        written = _written(blocks(model)[number])
        found = probe.neurons_at(examples, names, written)
        missing = target - probe.outputs_at(examples, names, numbers[-1])
        missing = missing / (len(numbers) - i) / _shares(found)[:, None]
        splits = dict.fromkeys(("retain", general))
        kept = [probe.neurons(split, written, prompts=True) for split in splits]
        for mlp, keys, *theirs in zip(written, found, *kept, strict=True):
            free = null_space(torch.cat([said.values for said in theirs]), null_share)
            if not free.shape[1]:
                raise RecipeError(
                    f"rocr.null_share {null_share} leaves no direction of block {number} to write "
                    "in; raise it."
                )
            _add(mlp.out, write(keys.values, missing[keys.at], free, ridge))


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
    matrix. The change is of rank one: every forget question is moved in the same direction. In a
    mixture each expert's matrix is changed by the tokens that go to it, so that what a token's
    experts add together is the shift.

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
    written = _written(blocks(probe.model)[number])
    forget, kept = probe.neurons("forget", written), [probe.neurons("retain", written)]
    if general != "retain":
        kept.append(probe.neurons(general, written, prompts=True))
    wanted = 1 / _shares(forget)
    for mlp, said, *theirs in zip(written, forget, *kept, strict=True):
        low = torch.cat([other.values for other in theirs])
        reader = separating(said.values, low, ridge, wanted[said.at])
        _add(mlp.out, torch.outer(scale * direction, reader))


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


def separating(high: Tensor, low: Tensor, ridge: float, wanted: Tensor | None = None) -> Tensor:
    """The vector g [D_in] for which g'x is nearest to `wanted` (1) on `high` and to 0 on `low`."""
    both = torch.cat([high, low])
    gram = both.T @ both
    eye = torch.eye(len(gram), device=gram.device, dtype=gram.dtype)
    loading = ridge * gram.diagonal().mean().clamp(min=1e-30)
    sums = (high if wanted is None else high * wanted[:, None]).sum(0)
    return torch.linalg.solve(gram + loading * eye, sums)


def _written(block: nn.Module) -> list[Mlp]:
    """The MLPs of a block that a write changes: of a mixture its experts, each by its own tokens."""
    found = mlps(block)
    return [mlp for mlp in found if mlp.out.expert is not None] or found


def _shares(said: Sequence[Neurons]) -> Tensor:
    """[N] with what weight a token's experts together add what they write; 1 for a plain MLP."""
    total = said[0].share.new_zeros(said[0].num_tokens)
    for one in said:
        total.index_add_(0, one.at, one.share)
    return total


def _add(out: Matrix, delta: Tensor) -> None:
    with torch.no_grad():
        out.weight.add_(delta.to(out.weight))
