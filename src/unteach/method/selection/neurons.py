"""Only MLP neurons that carry the fact."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from unteach.data.batches import collate
from unteach.data.examples import Example
from unteach.errors import DataError
from unteach.method.selection.masks import only, top_share
from unteach.model.blocks import Mlp, Neurons, blocks, mlps, reading_neurons
from unteach.model.probe import Probe, Selected
from unteach.model.scores import score
from unteach.ranges import Count, SomeShare
from unteach.registry import selection


@selection(source="arXiv:2502.19207", reads=("forget", "retain"), experimental=True)
def neurons(probe: Probe, *, share: SomeShare = 0.05, contexts: Count = 5) -> Selected:
    """The MLP neurons that bring an answer forth only behind its own question, as in KLUE.

    A neuron's attribution is h dP/dh, the highest over tokens, with P the probability of the answer.
    Subtracted is its mean behind `contexts` other questions, drawn from retain: what the neuron does
    for the words of the answer and not for the fact. Of the means over the forget split, the
    highest `share` of all neurons may move: their rows of the up and gate projection, and their
    columns of the down projection. Each expert of a mixture is an MLP of its own.

    Reconstructed: the code is not published, nor are the share and the number of contexts. P is the
    geometric mean over tokens, as a product over a long answer is too small for a float. The paper
    trains in each epoch only on what is still answered; that is not part of a selection. And each
    pattern of attributions is divided by its length before they are compared: slopes are all but 0 where
    a model is certain, and are not behind a question to which the answer does not belong.

    Raises:
        DataError: every retain answer is also the forget answer, so there is no other question.
    """
    probe.model.requires_grad_(True)
    found = [mlp for block in blocks(probe.model) for mlp in mlps(block)]
    total = [torch.zeros(m.out.weight.shape[1], device=m.out.weight.device) for m in found]
    for example in probe.splits["forget"]:
        behind = _attributions(probe, _behind_others(probe, example, contexts), found)
        own, *others = map(_of_length_one, behind)
        for kept, mine, theirs in zip(total, own, zip(*others, strict=True), strict=True):
            kept += mine - torch.stack(theirs).mean(0)
    chosen = top_share({str(i): kept for i, kept in enumerate(total)}, share)
    names = {id(p): name for name, p in probe.model.named_parameters()}
    masks: dict[str, Tensor] = {}
    for i, mlp in enumerate(found):
        for matrix in (mlp.out, *mlp.ins):
            p = matrix.parameter
            mask = masks.setdefault(names[id(p)], torch.zeros_like(p, dtype=torch.bool))
            part = matrix.of(mask)
            (part.T if matrix is mlp.out else part)[chosen[str(i)]] = True
    return only(probe, masks)


def _of_length_one(attributions: Sequence[Tensor]) -> list[Tensor]:
    length = torch.cat(list(attributions)).norm().clamp(min=1e-30)
    return [a / length for a in attributions]


def _behind_others(probe: Probe, example: Example, contexts: int) -> list[Example]:
    """The example, and its answer behind the questions of other examples."""
    others = [e for e in probe.splits["retain"] if e.answer != example.answer]
    if not others:
        raise DataError(
            f"neurons: every row of retain has the answer '{example.answer}', so that answer cannot be "
            "put behind another question."
        )
    order = torch.randperm(len(others), generator=probe.generator).tolist()
    drawn = [others[i] for i in order[:contexts]]
    return [example, *(replace(e, answer=example.answer, entities=()) for e in drawn)]


def _attributions(
    probe: Probe, examples: Sequence[Example], found: Sequence[Mlp]
) -> list[list[Tensor]]:
    """For each example, for each MLP: [neurons] the highest over tokens of h dP/dh.

    Tokens that all examples start with count for nothing.
    """
    batch = collate([probe.renderer.encode(e) for e in examples], device=probe.model.device)
    kept: dict[int, Neurons] = {}
    with torch.enable_grad(), reading_neurons(found, kept):
        x = score(probe.model, batch)
        p = (x.seq_logp / x.length).exp()
        # rows do not see one another, so one backward pass serves all
        slopes = torch.autograd.grad(p.sum(), [kept[i].values for i in range(len(found))])
    highest = [_highest(kept[i], slope, len(examples)) for i, slope in enumerate(slopes)]
    return [[rows[b] for rows in highest] for b in range(len(examples))]


def _highest(said: Neurons, slope: Tensor, num_rows: int) -> Tensor:
    """[rows, neurons] the highest of h dP/dh over a row's tokens; h is 0 where an expert is not asked."""
    products = said.values.new_zeros(said.num_tokens, said.values.shape[1])
    products[said.at] = said.values.detach() * slope
    return products.unflatten(0, (num_rows, -1)).amax(1)
