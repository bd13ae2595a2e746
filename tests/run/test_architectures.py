"""Every architecture with a method of every family: its weights move, or one sentence says why not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from tests.conftest import byte_tokenizer
from tests.model.test_blocks import DEEPSEEK, EXPERTS
from tests.run.conftest import ASCENT, KEEP, Ground, stage
from unteach.errors import UserError
from unteach.model.load import save
from unteach.run.pipeline import run

SIZES: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 1024,
}
OF_GPT: dict[str, Any] = {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 1024}
KINDS: dict[str, dict[str, Any]] = {
    "llama": {},
    "mistral": {"sliding_window": 64},
    "gemma": {"head_dim": 8},
    "gemma2": {"head_dim": 8},
    "qwen3": {"head_dim": 8},
    "phi": {},
    "phi3": {},
    "gpt2": OF_GPT,
    "gptj": {**OF_GPT, "rotary_dim": 4},
    "gpt_neox": {},
    "falcon": {},
    "bloom": OF_GPT,
    "opt": {"ffn_dim": 48, "word_embed_proj_dim": 32},
    "mixtral": EXPERTS,
    "qwen3_moe": {**EXPERTS, "moe_intermediate_size": 24, "head_dim": 8},
    "gpt_oss": {**EXPERTS, "head_dim": 8},
    "deepseek_v3": DEEPSEEK,
    "llama4_text": {"num_local_experts": 2, "intermediate_size_mlp": 48, "head_dim": 8},
    "mamba": {"state_size": 8},
    "rwkv": {"attention_hidden_size": 32, "context_length": 1024, "num_hidden_layers": 8},
}
STEER = {"split": "forget", "objective": {"name": "random_direction", "layer": 0.5}}
HOLD = {"split": "retain", "objective": {"name": "keep_states", "layer": 0.5}}
LEARN = stage({"split": "forget", "objective": "nll"})["train"]
DOWN = {"name": "layers", "pattern": r"mlp\.down_proj"}
METHODS: dict[str, list[dict[str, Any]]] = {
    "full": [stage(ASCENT, KEEP)],
    "lora": [stage(select="lora")],
    "npo": [stage({"split": "forget", "objective": "npo"}, KEEP)],
    "rmu": [stage(STEER, HOLD, select=DOWN)],
    "lunar": [{"synthesize": "unanswerable"}, {"edit": "lunar"}],
    "klue": [stage(select={"name": "neurons", "contexts": 2})],
    "needle": [{"edit": "needle"}],
    "task_vector": [
        {"train": {**LEARN, "into": "learned"}},
        {"edit": {"name": "negate", "of": "learned"}},
    ],
    "fisher_lora": [stage(select={"name": "fisher_lora", "rank": 2})],
    "memflex": [stage(select={"name": "memflex", "cosine": 1.0, "magnitude": 0.0})],
    "sure": [stage(select="saliency_rows")],
    "dropout": [stage(select={"name": "lora", "dropout": 0.1})],
    "ssd": [{"edit": "ssd"}],
}
NO_MLP, OWN = "has no MLP", "computes its experts in a way of its own"
NO_DROPOUT = "PEFT has none on experts that are one tensor"
REFUSED = {
    **{("deepseek_v3", m): "for an expert's and adapts all" for m in ("fisher_lora", "memflex")},
    **{("mamba", method): NO_MLP for method in ("lunar", "klue", "needle")},
    **{(kind, "rmu"): "is found in none of" for kind in ("mamba", "llama4_text")},
    **{("llama4_text", method): OWN for method in ("lunar", "klue", "needle")},
    **{
        (kind, "dropout"): NO_DROPOUT
        for kind in ("mixtral", "qwen3_moe", "gpt_oss", "deepseek_v3", "llama4_text")
    },
}
"""What cannot work, and the sentence that says so; all else moves weights."""
FEW = [
    *(("gpt2", method) for method in ("lora", "rmu", "lunar", "klue")),
    *(("mixtral", method) for method in ("lora", "lunar", "klue", "dropout")),
    *(("mamba", method) for method in ("full", "lora", "lunar")),
]
WIDE = [(kind, method) for kind in KINDS for method in METHODS if (kind, method) not in FEW]


@pytest.fixture(scope="session")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("checkpoints")


def checkpoint(folder: Path, kind: str, **changes: Any) -> Path:
    """A tiny model of that architecture on disk, under the tokenizer of bytes."""
    from transformers import AutoConfig, AutoModelForCausalLM

    path = folder / kind
    if not path.exists():
        tokenizer = byte_tokenizer(chat=True)
        ids = {f"{n}_token_id": getattr(tokenizer, f"{n}_token_id") for n in ("pad", "bos", "eos")}
        sizes = {**SIZES, "vocab_size": len(tokenizer), "tie_word_embeddings": False, **ids}
        config = AutoConfig.for_model(kind, **{**sizes, **KINDS[kind], **changes})
        with torch.random.fork_rng():
            torch.manual_seed(0)
            save(AutoModelForCausalLM.from_config(config), tokenizer, path)
    return path


def check(kind: str, method: str, checkpoints: Path, ground: Ground, out: Path) -> None:
    path = checkpoint(checkpoints, kind)
    changes: dict[str, Any] = {"model": str(path), "teach": None, "save_model": False}
    audits = [{"name": "probability"}, {"name": "rouge"}]
    recipe = ground.recipe(method=METHODS[method], audits=audits, **changes)
    why = REFUSED.get((kind, method))
    if why:
        with pytest.raises(UserError, match=why) as refused:
            run(recipe, out)
        assert "\n" not in str(refused.value)
        assert not (out / "log.jsonl").exists()  # before the first step
        return
    models = run(recipe, out).read_record()["models"]
    assert models["unlearned"]["key"] != models["original"]["key"]


@pytest.mark.parametrize(("kind", "method"), FEW)
def test_an_architecture_is_unlearned_or_refused(
    kind: str, method: str, checkpoints: Path, ground: Ground, tmp_path: Path, cache: Path
):
    check(kind, method, checkpoints, ground, tmp_path / "run")


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "method"), WIDE)
def test_every_architecture_is_unlearned_or_refused(
    kind: str, method: str, checkpoints: Path, ground: Ground, tmp_path: Path, cache: Path
):
    check(kind, method, checkpoints, ground, tmp_path / "run")
