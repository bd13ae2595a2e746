"""One change of each weight, from gradients or at random."""

from __future__ import annotations

import torch

from unteach.errors import RecipeError
from unteach.model.blocks import matching
from unteach.model.probe import Probe
from unteach.ranges import AtLeastZero, Positive, Rate
from unteach.registry import edit


@edit(source="arXiv:2308.07707", reads=("forget", "retain"))
def ssd(probe: Probe, *, alpha: AtLeastZero = 10.0, dampening: AtLeastZero = 1.0) -> None:
    """Selective synaptic dampening: shrink weights that matter much more to forget than to retain.

    F is the mean over rows of the squared gradient. Where F_forget > alpha F_retain a weight is
    multiplied by min(dampening F_retain / F_forget, 1); all others stay bit for bit.

    The paper compares with all training data, forget included. With 40 % of the data to forget that
    ratio could not exceed 2.5, so we compare with retain alone. It sees each weight alone: what two
    weights do together it cannot. One backward pass a row, and two more numbers a weight.
    """
    forget, retain = probe.squared_gradients("forget"), probe.squared_gradients("retain")
    with torch.no_grad():
        for name, p in probe.model.named_parameters():
            f, r = forget[name], retain[name]
            factor = (dampening * r / f).clamp(max=1).to(p.dtype)
            p.copy_(torch.where(f > alpha * r, factor * p, p))


@edit(source="IAU (github.com/Lolo1222/IAU)", reads=("forget", "retain"))
def influence(probe: Probe, *, lr: Rate = 1e-3, eps: Positive = 1e-8) -> None:
    """One step of Adam down grad nll(retain) - grad nll(forget), as in IAU.

    Adam's first step is lr g / (|g| + eps): nearly lr for every weight that has any gradient,
    however small. The paper also trains the original with a penalty that makes this step accurate;
    a model that exists already has no such training, so that part is left out.
    """
    forget, retain = probe.gradients("forget"), probe.gradients("retain")
    with torch.no_grad():
        for name, p in probe.model.named_parameters():
            g = retain[name] - forget[name]
            p.sub_(lr * g / (g.abs() + eps))


@edit(source="standard")
def noise(probe: Probe, *, std: AtLeastZero = 0.1, pattern: str = "") -> None:
    """Gaussian noise on the parameters whose name matches, relative to the size of each.

    `std` times the root mean square of the parameter; `pattern` is a regular expression, and all
    parameters without one. It forgets and harms alike: a control, or a start for repair on retain.

    Raises:
        RecipeError: no parameter's name matches, or `std` is negative.
    """
    if std < 0:
        raise RecipeError(f"noise.std is {std}; it must be at least 0.")
    found = matching(probe.model, pattern, "noise.pattern")
    with torch.no_grad():
        for p in found.values():
            drawn = torch.randn(p.shape, generator=probe.generator).to(p)
            p.add_(std * p.float().square().mean().sqrt().to(p.dtype) * drawn)
