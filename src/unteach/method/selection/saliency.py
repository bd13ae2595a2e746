"""Only weights that the forget split pulls at hardest."""

from __future__ import annotations

from unteach.method.selection.masks import only, top_share
from unteach.model.blocks import inputs_first, matrices
from unteach.model.probe import Probe, Selected
from unteach.ranges import SomeShare
from unteach.registry import selection


@selection(source="arXiv:2410.16454", reads=("forget",))
def saliency_rows(probe: Probe, *, share: SomeShare = 0.1) -> Selected:
    """The output neurons (matrix rows) on which the forget answers depend most, as in SURE.

    A row's score is the length of the gradient of the forget nll in it. The highest `share` of all
    rows of all matrices in the blocks may move: the paper's 90th percentile. The idea is a large
    learning rate on few weights, so that the change outlives rounding to 4 bits.

    The released code finds the rows anew at each step; we find them once. Embeddings, norms and
    biases stay.
    """
    names = [name for name, _ in matrices(probe.model)]
    gradients = probe.gradients("forget", names)
    first = inputs_first(probe.model)
    lengths = {n: g.float().norm(dim=int(n not in first)) for n, g in gradients.items()}
    rows = top_share(lengths, share)
    return only(
        probe,
        {n: row.unsqueeze(int(n not in first)).expand_as(gradients[n]) for n, row in rows.items()},
    )


@selection(source="arXiv:2310.12508", reads=("forget",))
def salun(probe: Probe, *, share: SomeShare = 0.5) -> Selected:
    """The single weights at which the forget split pulls hardest, as in SalUn.

    The highest `share` of the absolute gradients of the forget nll, over all parameters together;
    0.5 is the paper's median. Weights without any gradient, such as the embeddings of words that do
    not occur, are never among them. The scores and the masks take five bytes a weight.
    """
    gradients = probe.gradients("forget")
    return only(probe, top_share({n: g.abs() for n, g in gradients.items()}, share))
