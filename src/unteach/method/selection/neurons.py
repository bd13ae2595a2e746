"""Only MLP neurons that carry the fact."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from unteach.data.batches import collate
from unteach.data.examples import Example
from unteach.errors import DataError
from unteach.method.selection.masks import only, top_share
from unteach.model.blocks import blocks, inputs_of, mlp_in, mlp_out, parameter_name
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
    columns of the down projection.

    Reconstructed: the code is not published, nor are the share and the number of contexts. P is the
    geometric mean over tokens, as a product over a long answer is too small for a float. The paper
    trains in each epoch only on what is still answered; that is not part of a selection. And each
    pattern of attributions is divided by its length before they are compared: slopes are all but 0 where
    a model is certain, and are not behind a question to which the answer does not belong.

    Raises:
        DataError: every retain answer is also the forget answer, so there is no other question.
    """
    probe.model.requires_grad_(True)
    outs = [mlp_out(block) for block in blocks(probe.model)]
    total = [torch.zeros(out.in_features, device=out.weight.device) for out in outs]
    for example in probe.splits["forget"]:
        found = _attributions(probe, _behind_others(probe, example, contexts), outs)
        own, *others = map(_of_length_one, found)
        for kept, mine, theirs in zip(total, own, zip(*others, strict=True), strict=True):
            kept += mine - torch.stack(theirs).mean(0)
    chosen = top_share({str(i): kept for i, kept in enumerate(total)}, share)
    masks: dict[str, Tensor] = {}
    for i, block in enumerate(blocks(probe.model)):
        out, mask = outs[i].weight, chosen[str(i)]
        masks[parameter_name(probe.model, out)] = mask[None].expand_as(out)
        for module in mlp_in(block):
            name = parameter_name(probe.model, module.weight)
            masks[name] = mask[:, None].expand_as(module.weight)
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
    probe: Probe, examples: Sequence[Example], outs: Sequence[nn.Linear]
) -> list[list[Tensor]]:
    """For each example, for each MLP: [D_in] the highest over tokens of h dP/dh.

    Tokens that all examples start with count for nothing.
    """
    batch = collate([probe.renderer.encode(e) for e in examples], device=probe.model.device)
    kept: dict[int, Tensor] = {}
    with torch.enable_grad(), inputs_of(outs, kept):
        x = score(probe.model, batch)
        p = (x.seq_logp / x.length).exp()
        # rows do not see one another, so one backward pass serves all
        slopes = torch.autograd.grad(p.sum(), [kept[i] for i in range(len(outs))])
    found = [(kept[i].detach() * slope).amax(1) for i, slope in enumerate(slopes)]
    return [[rows[b] for rows in found] for b in range(len(examples))]
