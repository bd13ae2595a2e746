"""Only parameters whose names match, in some of the blocks or in all."""

from __future__ import annotations

from unteach.errors import RecipeError
from unteach.model.blocks import block_number, matching
from unteach.model.blocks import blocks as blocks_of
from unteach.model.probe import Probe, Selected
from unteach.ranges import AtLeastZero
from unteach.registry import selection


@selection(source="standard")
def layers(probe: Probe, *, pattern: str, blocks: tuple[AtLeastZero, ...] = ()) -> Selected:
    r"""Only the parameters in whose name the regular expression `pattern` is found.

    `blocks` names the first and the last block that it is looked for in, as numbers from 0 or as
    shares of the depth, so that a recipe holds for a model of any depth: `mlp\.down_proj` in
    [0.16, 0.22] is one matrix in each of blocks 4 to 6 of 30, and of 2 and 3 of 16. Gradients of
    lower blocks are then never computed, and the optimiser keeps states for the chosen ones alone.

    Raises:
        RecipeError: no parameter's name matches, the pattern is not a regular expression, or
            `blocks` is not a first and a last.
        ModelError: the model has fewer blocks.
    """
    found = matching(probe.model, pattern, "layers.pattern", _inside(probe, blocks))
    for name, p in probe.model.named_parameters():
        p.requires_grad_(name in found)
    return Selected(probe.model)


def _inside(probe: Probe, ends: tuple[float, ...]) -> frozenset[str] | None:
    """The names of the parameters of the blocks from the first to the last; None for no bounds."""
    if not ends:
        return None
    numbers = [block_number(probe.model, end) for end in ends]
    if len(numbers) != 2 or numbers[0] > numbers[1]:
        raise RecipeError(
            f"layers.blocks is {list(ends)}; it names a first and a last block, as in [0.16, 0.22]."
        )
    within = blocks_of(probe.model)[numbers[0] : numbers[1] + 1]
    ids = {id(p) for block in within for p in block.parameters()}
    return frozenset(n for n, p in probe.model.named_parameters() if id(p) in ids)
