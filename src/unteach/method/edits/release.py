"""Adapters out of the weights and into them, as much of each as a look at two splits allows."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import torch
from torch import Tensor, nn

from unteach.errors import RecipeError
from unteach.model.adapters import Factors, overlap
from unteach.model.probe import Probe
from unteach.model.reference import mean_probability
from unteach.ranges import AtLeastZero, Count, Share
from unteach.registry import edit


@edit(source="arXiv:2509.14624", reads=("{check}", "{keep}", "{also_keep}"))
def release(
    probe: Probe,
    *,
    subtract: str,
    add: str = "",
    scales: tuple[AtLeastZero, ...] = (0.5, 1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0),
    add_scales: tuple[AtLeastZero, ...] = (0.0, 1.0),
    check: str = "revealed_check",
    keep: str = "retain",
    also_keep: str = "retain",
    floor: Share = 0.95,
    rows: Count = 32,
) -> dict[str, float]:
    """Take an adapter out, put another in: theta - a D_subtract + b D_add, D = scale x B A.

    `subtract` and `add` are adapters that earlier stages trained `into` a name, on this model. a is
    searched in `scales`, b in `add_scales`: of the pairs that leave the mean probability of the
    answers of `keep` and of `also_keep` (plain text, say) at `floor` of what it is now or above, the one
    with the lowest on what is specific in those of `check`. Each is read on its first `rows` rows. For
    one b the search goes up through `scales` and stops at the first that harms one of them. If no pair
    passes, or none lowers `check`, nothing changes. Scales of 0 change nothing.

    Returns a, b, and the probabilities before, after, and with only the one or the other adapter; that
    of `keep` with only `add` minus that with both is what taking out costs the kept, which two
    subspaces that do not meet do not rule out. `overlap` is of what the two adapters read: 0 where no
    direction is shared, 1 where all are.

    The paper's coefficients were not read; this search is ours.

    Raises:
        RecipeError: no scales are given, or `floor` or `rows` is out of range.
        ModelError: a name was not trained as an adapter, or not on this model's matrices.
    """
    if not scales or not add_scales or min(*scales, *add_scales) < 0:
        raise RecipeError(
            "release: scales and add_scales need at least one number each, 0 or more."
        )
    if not 0 <= floor <= 1 or rows < 1:
        raise RecipeError(
            f"release: floor is {floor} and rows is {rows}; floor is a share from 0 to 1, rows 1 or more."
        )
    out, into = probe.adapter(subtract), probe.adapter(add) if add else {}
    kept = {keep, also_keep}
    looked_at = {split: probe.rows(split)[:rows] for split in (check, keep, also_keep)}

    matrices = _Matrices(probe.model, out, into)

    @cache
    def look(a: float, b: float) -> dict[str, float]:
        matrices.set(a, b)
        return {s: mean_probability(probe.model, r, whole=s in kept) for s, r in looked_at.items()}

    before = look(0.0, 0.0)
    chosen = (0.0, 0.0)
    for b in sorted(set(map(float, add_scales))) if add else (0.0,):
        for a in sorted(set(map(float, scales))):
            if any(look(a, b)[split] < floor * before[split] for split in kept):
                break
            if look(a, b)[check] < look(*chosen)[check]:
                chosen = (a, b)
    found = {"subtracted": chosen[0], "added": chosen[1]}
    looks = {"before": before, "after": look(*chosen)}
    if add:
        found["overlap"] = overlap(out, into)
        looks |= {"only subtracted": look(chosen[0], 0.0), "only added": look(0.0, chosen[1])}
    matrices.set(*chosen)
    return found | {f"{s} {name}": p for name, seen in looks.items() for s, p in seen.items()}


class _Matrices:
    """The matrices that two adapters change, to be set to any sum of their weights and the changes."""

    def __init__(
        self, model: nn.Module, out: Mapping[str, Factors], into: Mapping[str, Factors]
    ) -> None:
        parameters = dict(model.named_parameters())
        self.out, self.into = out, into
        self.parameters = {name: parameters[name] for name in (*out, *into)}
        self.start = {name: p.detach().clone() for name, p in self.parameters.items()}

    @torch.no_grad()
    def set(self, a: float, b: float) -> None:
        """theta_start - a D_out + b D_into, bit for bit theta_start where both are 0."""
        for name, p in self.parameters.items():
            p.copy_(self.start[name])
            for scale, adapter in ((-a, self.out), (b, self.into)):
                if scale and name in adapter:
                    p.add_(_change(adapter[name], p), alpha=scale)


def _change(factors: Factors, p: Tensor) -> Tensor:
    return factors.change().to(p.device, p.dtype)
