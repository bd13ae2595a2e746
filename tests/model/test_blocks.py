"""The inside of models, found without knowing their architecture."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from tests.conftest import adapted, loaded
from unteach.errors import ModelError, RecipeError
from unteach.model.blocks import (
    Neurons,
    block_number,
    blocks,
    linear_maps,
    matching,
    matrices,
    mlps,
    pushed,
    reading,
    reading_neurons,
)

SIZES: dict[str, Any] = {
    "vocab_size": 64,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 64,
    **dict.fromkeys(("pad_token_id", "bos_token_id", "eos_token_id"), 0),
}
IDS = torch.tensor([[1, 2, 3, 4]])


def tiny(kind: str, **changes: Any) -> Any:
    from transformers import AutoConfig, AutoModelForCausalLM

    with torch.random.fork_rng():
        torch.manual_seed(0)
        config = AutoConfig.for_model(kind, **{**SIZES, **changes})
        return AutoModelForCausalLM.from_config(config).eval()


EXPERTS = {"num_experts": 4, "num_local_experts": 4, "num_experts_per_tok": 2}
DEEPSEEK = {
    "n_routed_experts": 4,
    "n_shared_experts": 1,
    "num_experts_per_tok": 2,
    "n_group": 1,
    "topk_group": 1,
    "first_k_dense_replace": 1,
    "moe_intermediate_size": 24,
    "q_lora_rank": 16,
    "kv_lora_rank": 16,
    "qk_rope_head_dim": 8,
    "qk_nope_head_dim": 8,
    "v_head_dim": 8,
    "num_key_value_heads": 4,
}


@pytest.mark.parametrize(
    ("kind", "num_in", "changes"),
    [
        *(
            ("llama", 2, {}),
            ("gpt_neox", 1, {}),
            ("phi", 1, {}),
            ("phi3", 0, {}),
            ("gemma2", 2, {}),
        ),
        ("opt", 1, {"ffn_dim": 48, "word_embed_proj_dim": 32}),
        ("gpt2", 1, {"n_embd": 32, "n_inner": 48, "n_layer": 3, "n_head": 4}),
    ],
)
def test_blocks_and_the_ends_of_their_mlp_are_found(kind: str, num_in: int, changes: Any):
    model = tiny(kind, **changes)
    assert len(blocks(model)) == 3
    for block in blocks(model):
        (mlp,) = mlps(block)
        assert tuple(mlp.out.weight.shape) == (32, 48)
        assert [tuple(m.weight.shape) for m in mlp.ins] == [(48, 32)] * num_in


@pytest.mark.parametrize(
    ("kind", "widths", "changes"),
    [
        ("mixtral", [48] * 4, EXPERTS),
        ("qwen3_moe", [24] * 4, {**EXPERTS, "moe_intermediate_size": 24}),
        ("gpt_oss", [48] * 4, EXPERTS),
        ("deepseek_v3", [24] * 5, DEEPSEEK),  # the fifth is what all tokens pass
    ],
)
def test_a_mixture_has_an_mlp_an_expert(kind: str, widths: list[int], changes: Any):
    model = tiny(kind, **changes)
    found = mlps(blocks(model)[2])
    assert [tuple(m.out.weight.shape) for m in found] == [(32, width) for width in widths]
    assert [m.out.expert for m in found[:4]] == [0, 1, 2, 3]
    with torch.no_grad():
        found[1].out.weight[:, 5] = 7.0
    experts = found[1].out.parameter[1]
    assert int((experts == 7.0).sum()) == 32


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        ("mixtral", EXPERTS),
        ("qwen3_moe", {**EXPERTS, "moe_intermediate_size": 24}),
        ("gpt_oss", EXPERTS),
        ("deepseek_v3", DEEPSEEK),
        ("gpt2", {"n_embd": 32, "n_inner": 48, "n_layer": 3, "n_head": 4}),
    ],
)
def test_what_neurons_write_is_what_their_mlps_give_out(kind: str, changes: Any):
    """To write 1 into every column adds the sum of the neurons to each place, each by its share."""
    model = tiny(kind, **changes)
    kept: dict[int, Neurons] = {}
    before: dict[int, torch.Tensor] = {}
    after: dict[int, torch.Tensor] = {}
    found = mlps(blocks(model)[2])
    with torch.no_grad(), reading(model, {2}, before):
        plain = model(IDS).logits
    with torch.no_grad(), reading_neurons(found, kept):
        assert torch.allclose(model(IDS).logits, plain, atol=1e-5)
    assert not any("forward" in m.module.__dict__ for m in found)  # what was put in is gone
    expected = torch.zeros(4)
    for i, mlp in enumerate(found):
        assert kept[i].num_tokens == 4
        expected.index_add_(0, kept[i].at, kept[i].values.sum(-1) * kept[i].share)
        with torch.no_grad():
            mlp.out.weight.add_(1)
    with torch.no_grad(), reading(model, {2}, after):
        model(IDS)
    moved = (after[2] - before[2])[0]
    assert torch.allclose(moved, expected[:, None].expand_as(moved), atol=1e-4)


def test_blocks_are_found_below_an_adapter():
    assert len(blocks(adapted(tiny("llama")))) == 3


def test_a_list_within_a_block_is_no_list_of_blocks():
    """Two blocks of four experts each: the blocks are two."""

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.experts = nn.ModuleList(nn.Linear(2, 2) for _ in range(4))

    model = nn.Sequential(nn.ModuleList(Block() for _ in range(2)))
    assert [type(b) for b in blocks(model)] == [Block, Block]


def test_a_model_without_blocks_is_told_apart():
    with pytest.raises(ModelError, match="Linear has no list of blocks"):
        blocks(nn.Linear(2, 2))


@pytest.mark.parametrize(
    ("kind", "why"),
    [("mamba", "MambaBlock has no MLP"), ("llama4_text", "Llama4TextExperts computes its experts")],
)
def test_what_has_no_mlp_that_can_be_read_is_refused(kind: str, why: str):
    model = tiny(kind, num_local_experts=2, intermediate_size_mlp=48)
    with pytest.raises(ModelError, match=why):
        mlps(blocks(model)[0])


def test_linear_maps_are_what_an_adapter_can_change():
    """Of a mixture not the router; of a Mamba block not the last matrix, which is read uncalled."""

    def kinds(kind: str, **changes: Any) -> set[str]:
        return {name.rpartition(".")[2] for name in linear_maps(tiny(kind, **changes))}

    assert kinds("mixtral", **EXPERTS) == {"q_proj", "k_proj", "v_proj", "o_proj"}
    assert kinds("gpt_neox") == {"query_key_value", "dense", "dense_h_to_4h", "dense_4h_to_h"}
    assert kinds("mamba") == {"in_proj", "x_proj", "dt_proj"}
    assert kinds("gpt2", n_embd=32, n_layer=2, n_head=4) == {"c_attn", "c_proj", "c_fc"}


def test_a_layer_is_a_number_or_a_share_of_the_depth():
    """Three blocks: 0.22 x 3 = 0.66 is block 0, 0.5 x 3 = 1.5 is block 1, 0.99 x 3 is block 2."""
    model = tiny("llama")
    given: list[float | str] = [0, 2, "1", 0.22, 0.5, 0.99, 1.0]
    assert [block_number(model, layer) for layer in given] == [0, 2, 1, 0, 1, 2, 1]
    for layer in (3, -1):
        with pytest.raises(ModelError, match=f"layer {layer} .* blocks 0 to 2"):
            block_number(model, layer)


def test_matrices_are_those_inside_blocks():
    """A Llama block has seven; embeddings, output layer and norms are none of them."""
    model = tiny("llama", tie_word_embeddings=False)
    names = [name for name, _ in matrices(model)]
    assert len(names) == 3 * 7
    assert all(".layers." in name and "norm" not in name for name in names)


def test_parameters_are_found_by_a_pattern():
    model = tiny("llama")
    found = matching(model, r"layers\.[01]\.mlp\.down", "x")
    assert list(found) == [f"model.layers.{i}.mlp.down_proj.weight" for i in (0, 1)]
    with pytest.raises(
        RecipeError, match=r"x 'nose' is found in none .* model.embed_tokens.weight"
    ):
        matching(model, "nose", "x")
    with pytest.raises(RecipeError, match=r"x '\[' is not a regular expression"):
        matching(model, "[", "x")


@pytest.mark.parametrize(
    ("kind", "changes", "name"),
    [
        ("gpt2", {"n_embd": 32, "n_layer": 3, "n_head": 4}, "transformer.h.1.mlp.c_proj.weight"),
        ("mixtral", EXPERTS, "model.layers.1.mlp.experts.down_proj"),
        ("opt", {"word_embed_proj_dim": 32}, "model.decoder.layers.1.fc2.weight"),
    ],
)
def test_a_pattern_of_llama_finds_the_same_matrix_elsewhere(kind: str, changes: Any, name: str):
    assert list(matching(tiny(kind, **changes), r"layers\.1\.mlp\.down_proj", "x")) == [name]


def test_a_push_adds_to_what_a_block_gives_out(tiny_folder):
    model = loaded(tiny_folder).model
    before: dict[int, torch.Tensor] = {}
    after: dict[int, torch.Tensor] = {}
    with torch.no_grad(), reading(model, {0, 1}, before):
        plain = model(IDS).logits
    with torch.no_grad(), pushed(model, 0, torch.ones(1, 4, 32)), reading(model, {0}, after):
        moved = model(IDS).logits
    assert torch.allclose(after[0], before[0] + 1, atol=1e-6)
    assert not torch.allclose(moved, plain, atol=1e-3)
    with torch.no_grad():
        assert torch.equal(model(IDS).logits, plain)  # hooks are gone
