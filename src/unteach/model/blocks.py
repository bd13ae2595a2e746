"""The inside of a decoder, found by its structure and not by an architecture's names."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

from unteach.errors import ModelError, RecipeError

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def blocks(model: nn.Module) -> Sequence[nn.Module]:
    """The decoder blocks, first to last: the longest list of modules that is in no other list.

    A list within a block, such as its experts, may be longer than the list of blocks.

    Raises:
        ModelError: the model has no list of modules.
    """
    lists: dict[str, nn.ModuleList] = {}
    for name, module in model.named_modules():
        inside = any(name.startswith(f"{outer}.") for outer in lists)
        if isinstance(module, nn.ModuleList) and len(module) and not inside:
            lists[name] = module
    if not lists:
        raise ModelError(
            f"{type(model).__name__} has no list of blocks, so no layer of it can be named."
        )
    return max([list(found) for found in lists.values()], key=len)


def block_number(model: nn.Module, layer: float | str) -> int:
    """A block's number from 0: `layer` itself, or for a share below 1 that share of the depth.

    Raises:
        ModelError: the model has fewer blocks.
    """
    depth, wanted = len(blocks(model)), float(layer)
    number = int(wanted * depth) if 0 < wanted < 1 else int(wanted)
    if not 0 <= number < depth:
        raise ModelError(
            f"layer {layer} was asked for, and this model has blocks 0 to {depth - 1}. "
            "Name one of them, or a share of the depth such as 0.25."
        )
    return number


def matrices(model: nn.Module) -> Iterator[tuple[str, nn.Parameter]]:
    """Names and weights of the matrices inside the blocks: neither embeddings nor norms."""
    inside = {id(p) for block in blocks(model) for p in block.parameters() if p.ndim == 2}
    for name, p in model.named_parameters():
        if id(p) in inside:
            yield name, p


def linear_maps(model: nn.Module) -> dict[str, nn.Linear | Conv1D]:
    """By name the modules inside the blocks that multiply by a matrix: what LoRA can adapt.

    Not a router that gives out more than a product, nor what a state-space block reads the weight
    of without calling the module.
    """
    inside = {id(m) for block in blocks(model) for m in block.modules()}
    passed_over = {
        id(module)
        for mixer in model.modules()
        if "Mamba" in type(mixer).__name__ and hasattr(mixer, "A_log")
        for module in (mixer.out_proj, mixer.conv1d)
    }
    return {
        name: module
        for name, module in model.named_modules()
        if id(module) in inside - passed_over
        and isinstance(module, nn.Linear | Conv1D)
        and "Router" not in type(module).__name__
    }


def inputs_first(model: nn.Module) -> frozenset[str]:
    """Names of the matrices that are stored [D_in, D_out], as GPT-2's are."""
    turned = [name for name, module in model.named_modules() if isinstance(module, Conv1D)]
    return frozenset(f"{name}.weight" for name in turned)


@dataclass(frozen=True)
class Matrix:
    """One matrix [D_out, D_in] of a parameter, however a library stores it.

    GPT-2 stores its matrices the other way round, and a mixture all its experts' in one tensor.
    """

    parameter: nn.Parameter
    expert: int | None = None
    turned: bool = False

    def of(self, tensor: Tensor) -> Tensor:
        """Its part of a tensor that has the parameter's shape, as a view [D_out, D_in]."""
        part = tensor if self.expert is None else tensor[self.expert]
        return part.T if self.turned else part

    @property
    def weight(self) -> Tensor:
        """A view: what is written to it is written to the model."""
        return self.of(self.parameter)


def matrix_of(module: nn.Linear | Conv1D) -> Matrix:
    """The matrix of a linear map."""
    weight: Any = module.weight
    return Matrix(weight, turned=isinstance(module, Conv1D))


@dataclass(frozen=True)
class Mlp:
    """A layer of neurons: each takes in the residual stream, and writes one column of `out` to it.

    `module` is what is called: the last linear map, which is given the neurons, or the experts.
    `ins` have a row for each neuron; empty where gate and up projection are one matrix.
    """

    module: nn.Module
    out: Matrix
    ins: tuple[Matrix, ...] = ()


def mlps(block: nn.Module) -> list[Mlp]:
    """The MLPs of a block: one, or one for each expert of a mixture and each that all tokens pass.

    Raises:
        ModelError: the block has none that ends where it began, or experts whose neurons cannot be
            read; a state-space block has not.
    """
    names = {module: name for name, module in block.named_modules()}
    experts = [module for module in names if getattr(module, "down_proj", None) is not None]
    experts = [module for module in experts if isinstance(module.down_proj, nn.Parameter)]
    for module in experts:
        if not hasattr(module, "_apply_gate") or not hasattr(module, "gate_up_proj"):
            raise ModelError(
                f"{type(module).__name__} computes its experts in a way of its own, so what their "
                "neurons do cannot be read. Choose a selection or an edit that does not write to "
                "the MLP."
            )
    found = [
        Mlp(module, Matrix(module.down_proj, number, bool(module.is_transposed)))
        for module in experts
        for number in range(len(module.down_proj))
    ]
    chains: dict[str, list[nn.Linear | Conv1D]] = {}
    for module, name in names.items():
        if isinstance(module, nn.Linear | Conv1D) and _MLP.search(name):
            chains.setdefault(name.rpartition(".")[0], []).append(module)
    for chain in chains.values():
        *before, last = chain
        width, inner = _sizes(before[0])[0] if before else 0, _sizes(last)[0]
        if len(chain) in (2, 3) and _sizes(last)[1] == width:
            ins = tuple(matrix_of(m) for m in before if _sizes(m)[1] == inner)
            found.append(Mlp(last, matrix_of(last), ins))
    if not found:
        raise ModelError(
            f"{type(block).__name__} has no MLP (two or three linear layers, the last as wide as the "
            "input, or experts). Choose a selection or an edit that does not write to the MLP."
        )
    return found


_MLP = re.compile(r"(^|\.)(mlp|feed_forward|ffn|block_sparse_moe)\.|^fc\d$")


def _sizes(module: nn.Linear | Conv1D) -> tuple[int, int]:
    """Width of what it takes and of what it gives."""
    out, into = matrix_of(module).weight.shape
    return into, out


def experts_of(model: nn.Module) -> list[str]:
    """Names of the parameters that hold all experts' matrices, [experts, ...]."""
    inside = {id(p) for block in blocks(model) for p in block.parameters() if p.ndim == 3}
    named = dict(model.named_parameters())
    return [n for n, p in named.items() if id(p) in inside and n.endswith("_proj")]


def matching(
    model: nn.Module, pattern: str, asker: str, among: Collection[str] | None = None
) -> dict[str, nn.Parameter]:
    """The parameters in whose name a regular expression is found, of all or `among` these names.

    The last matrix of an MLP goes by Llama's name too, so that a pattern written for one architecture
    holds for another: GPT-2's `h.3.mlp.c_proj.weight` is also `layers.3.mlp.down_proj.weight`.

    Raises:
        RecipeError: it is found in none, or is not a regular expression; `asker` opens the sentence.
    """
    try:
        wanted = re.compile(pattern)
    except re.error as error:
        raise RecipeError(f"{asker} '{pattern}' is not a regular expression: {error}.") from None
    named = {n: p for n, p in model.named_parameters() if among is None or n in among}
    also = _as_of_llama(model)
    found = {
        name: p
        for name, p in named.items()
        if wanted.search(name) or wanted.search(also.get(id(p), name))
    }
    if not found:
        raise RecipeError(
            f"{asker} '{pattern}' is found in none of {len(named)} parameter names. "
            f"Some of them: {spread(list(named))}."
        )
    return found


def _as_of_llama(model: nn.Module) -> dict[int, str]:
    """Llama's name of the last matrix of every MLP that can be read, by the parameter's id."""
    names: dict[int, str] = {}
    for number, block in enumerate(blocks(model)):
        with suppress(ModelError):
            for mlp in mlps(block):
                names[id(mlp.out.parameter)] = f"layers.{number}.mlp.down_proj.weight"
    return names


def spread(names: Sequence[str]) -> str:
    """The first, the middle and the last of some names, for a sentence."""
    return ", ".join(dict.fromkeys((names[0], names[len(names) // 2], names[-1])))


def parameter_name(model: nn.Module, parameter: Tensor) -> str:
    """The name under which a model lists one of its parameters."""
    return next(name for name, p in model.named_parameters() if p is parameter)


@contextmanager
def reading(
    model: PreTrainedModel, numbers: Collection[int], states: dict[int, Tensor]
) -> Iterator[None]:
    """Keep the output [B, T, D] of these blocks in `states`, that of the newest forward pass.

    Read through hooks, as a model's own `hidden_states` are normed after the last block.
    """
    found = blocks(model) if numbers else ()
    with ExitStack() as stack:
        for number in numbers:

            def keep(module: nn.Module, args: Any, output: Any, number: int = number) -> None:
                states[number] = _state(output)

            handle = found[number].register_forward_hook(keep)
            stack.callback(handle.remove)
        yield


@contextmanager
def pushed(model: PreTrainedModel, number: int, delta: Tensor) -> Iterator[None]:
    """Add `delta` [B, T, D] to the output of a block."""

    def push(module: nn.Module, args: Any, output: Any) -> Any:
        moved = _state(output) + delta
        return (moved, *output[1:]) if isinstance(output, tuple) else moved

    handle = blocks(model)[number].register_forward_hook(push)
    try:
        yield
    finally:
        handle.remove()


class Neurons(NamedTuple):
    """What the neurons of an MLP say at the S of N tokens that it is given, in a forward pass.

    `at` are these tokens' places among the rows laid end to end; `share` is the weight with which
    a mixture adds to the residual stream what this expert writes there, 1 for a plain MLP.
    """

    values: Tensor  # [S, neurons]
    at: Tensor  # [S]
    share: Tensor  # [S]
    num_tokens: int

    def where(self, chosen: Tensor) -> Neurons:
        """Only those at some of the S."""
        return Neurons(self.values[chosen], self.at[chosen], self.share[chosen], self.num_tokens)


@contextmanager
def reading_neurons(wanted: Sequence[Mlp], kept: dict[int, Neurons]) -> Iterator[None]:
    """Keep what the neurons of these MLPs say, in that order, in the newest forward pass."""
    with ExitStack() as stack:
        mixtures: dict[nn.Module, dict[int, int]] = {}
        for i, mlp in enumerate(wanted):
            if mlp.out.expert is not None:
                mixtures.setdefault(mlp.module, {})[mlp.out.expert] = i
                continue

            def keep(module: nn.Module, args: tuple[Tensor, ...], i: int = i) -> tuple[Tensor, ...]:
                values = args[0].flatten(0, -2)
                at = torch.arange(len(values), device=values.device)
                kept[i] = Neurons(values, at, torch.ones_like(at, dtype=values.dtype), len(at))
                return (values.view_as(args[0]), *args[1:])  # so that a gradient reaches them

            handle = mlp.module.register_forward_pre_hook(keep)
            stack.callback(handle.remove)
        for experts, numbers in mixtures.items():
            # their neurons pass through no module: the same sums, done where they can be seen
            experts.forward = partial(_mixed, experts, numbers, kept)
            stack.callback(experts.__dict__.pop, "forward")
        yield


def _mixed(
    experts: Any,
    numbers: Mapping[int, int],
    kept: dict[int, Neurons],
    hidden: Tensor,
    index: Tensor,
    weights: Tensor,
) -> Tensor:
    """What a mixture [N, D] gives out for tokens [N, D] that go to the experts `index` [N, k]."""
    total = torch.zeros_like(hidden)
    for number in range(len(experts.down_proj)):
        at, place = (index == number).nonzero(as_tuple=True)
        share = weights[at, place]
        inner = hidden[at] @ _expert(experts, "gate_up_proj", number).T
        if experts.has_bias:
            inner = inner + experts.gate_up_proj_bias[number]
        values = experts._apply_gate(inner)
        if number in numbers:
            kept[numbers[number]] = Neurons(values, at, share, len(hidden))
        out = values @ _expert(experts, "down_proj", number).T
        if experts.has_bias:
            out = out + experts.down_proj_bias[number]
        total = total.index_add(0, at, (out * share[:, None]).to(total.dtype))
    return total


def _expert(experts: Any, name: str, number: int) -> Tensor:
    return Matrix(getattr(experts, name), number, bool(experts.is_transposed)).weight


def _state(output: Any) -> Tensor:
    return output[0] if isinstance(output, tuple) else output
