"""What a run leaves in `model/` is what it measured: an audit of the folder finds the same numbers."""

from __future__ import annotations

import json
import shutil
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel

from tests.conftest import loaded
from tests.run.conftest import ASCENT, KEEP, Call, Ground, stage
from unteach.errors import DivergedError, ModelError, OutputError
from unteach.model.load import LoadOptions, load, locate, save
from unteach.report.read import read
from unteach.run import examine, pipeline
from unteach.run.examine import measured_as
from unteach.run.folder import RunFolder
from unteach.run.pipeline import audit, run

LORA = {"name": "lora", "rank": 2}
AUDITS = [{"name": "probability"}, {"name": "probability", "split": "retain"}]
CPU = LoadOptions("cpu")


def adapter_of(folder: Path, out: Path, config: Any) -> Path:
    """An adapter of that kind on the model of a folder, with something in every tensor."""
    from peft import get_peft_model

    start = loaded(folder)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PEFT's, of a head that is tied
        model = get_peft_model(start.model, config)
        with torch.no_grad(), torch.random.fork_rng():
            torch.manual_seed(5)
            for p in model.parameters():
                if p.requires_grad:
                    p.add_(torch.randn_like(p) * 0.2)
        model.save_pretrained(out)
    return out


def kinds() -> dict[str, Any]:
    from peft import IA3Config, LoraConfig

    linear = ["q_proj", "v_proj", "down_proj"]
    return {
        "lora": LoraConfig(r=2, target_modules=linear, task_type="CAUSAL_LM"),
        "dora": LoraConfig(r=2, target_modules=linear, use_dora=True, task_type="CAUSAL_LM"),
        "ia3": IA3Config(
            target_modules=linear, feedforward_modules=["down_proj"], task_type="CAUSAL_LM"
        ),
        "head": LoraConfig(r=2, target_modules=["q_proj", "lm_head"], task_type="CAUSAL_LM"),
        "saved": LoraConfig(
            r=2, target_modules=["q_proj"], modules_to_save=["lm_head"], task_type="CAUSAL_LM"
        ),
    }


def numbers(folder: RunFolder) -> dict[str, float]:
    """By split, of what both a run and an audit without gold measure."""
    found = json.loads(folder.findings.read_text())["findings"]
    ours = [f for f in found if f["model"] == "unlearned" and f["split"] != "holdout"]
    return {f["split"]: f["value"] for f in ours}


def audited_anew(
    ground: Ground, model: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> dict[str, float]:
    """An audit of a folder that shares no measurement with anything before."""
    with monkeypatch.context() as patch:
        patch.setenv("UNTEACH_CACHE", str(out / "cache"))
        recipe = ground.recipe(teach=None, method=[], audits=AUDITS)
        return numbers(audit(recipe, str(model), out / "audit"))


def whole_model(folder: Path) -> PreTrainedModel:
    """As plain transformers opens it."""
    return AutoModelForCausalLM.from_pretrained(folder, use_safetensors=True, dtype="auto")


@pytest.mark.parametrize("kind", ["lora", "dora", "ia3", "head", "saved"])
@pytest.mark.parametrize("select", ["whole", LORA], ids=["whole", "lora"])
def test_an_adapter_in_is_in_what_comes_out(
    ground: Ground, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, select: Any
):
    """The user's own fine-tune is not lost on the way, whatever trained on top of it."""
    given = adapter_of(ground.model, tmp_path / "given", kinds()[kind])
    train = stage(ASCENT, KEEP, select=select)
    recipe = ground.recipe(model=str(given), teach=None, method=[train], audits=AUDITS)
    folder = run(recipe, tmp_path / "run")
    shutil.rmtree(given)  # what is delivered is complete
    shutil.move(folder.path, tmp_path / "moved")
    moved = RunFolder(tmp_path / "moved")
    again = audited_anew(ground, moved.model, tmp_path, monkeypatch)
    assert again == numbers(moved)
    whole_model(moved.model)


@pytest.mark.parametrize("kind", ["lora", "dora", "ia3", "head", "saved"])
def test_an_adapter_is_loaded_as_peft_applies_it(ground: Ground, tmp_path: Path, kind: str):
    """Also on an output layer that shares its weights with the embeddings."""
    from peft import PeftModel

    given = adapter_of(ground.model, tmp_path / "given", kinds()[kind])
    base = whole_model(ground.model)
    ids = torch.arange(40, 60)[None]
    if kind in ("head", "saved"):  # PEFT itself would merge the head into the embeddings
        base.lm_head.weight = torch.nn.Parameter(base.lm_head.weight.detach().clone())
        base.config.tie_word_embeddings = False
    with torch.no_grad():
        expected = PeftModel.from_pretrained(base, given).eval()(ids).logits
        found = load(locate(str(given), CPU), CPU).model(ids).logits
    assert torch.allclose(found, expected, atol=1e-4)


@pytest.mark.parametrize(
    "before",
    [stage(steps=2), stage(steps=2, select=LORA), {"edit": {"name": "noise", "std": 0.05}}],
    ids=["whole", "lora", "edit"],
)
def test_an_adapter_stage_does_not_lose_what_came_before_it(
    ground: Ground, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: dict[str, Any]
):
    method = [before, stage(ASCENT, KEEP, steps=2, select=LORA)]
    folder = run(ground.recipe(method=method, audits=AUDITS, teach=None), tmp_path / "run")
    assert audited_anew(ground, folder.model, tmp_path, monkeypatch) == numbers(folder)


def test_a_chain_of_adapter_recipes_keeps_every_link(
    ground: Ground, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    from unteach.run.compare import compare_methods

    method = [stage(ASCENT, KEEP, select=LORA)]
    recipe = ground.write(tmp_path / "link.yaml", method=method, audits=AUDITS, teach=None)
    found = compare_methods(
        [str(recipe)], tmp_path / "chain", vary={"seed": ["0", "1", "2"]}, chain=True
    )
    last = found.runs[-1]
    key = last.read_record()["models"]["original"]["key"]
    assert key == found.runs[-2].read_record()["models"]["unlearned"]["key"]
    assert audited_anew(ground, last.model, tmp_path, monkeypatch) == numbers(last)
    assert len({numbers(one)["forget"] for one in found.runs}) == 3


@pytest.mark.parametrize("select", ["whole", LORA], ids=["whole", "lora"])
def test_a_kill_during_the_audit_changes_no_number(
    ground: Ground, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, select: Any
):
    """An adapter in, an adapter method: resumed, killed, and killed with another cache."""
    given = adapter_of(ground.model, tmp_path / "given", kinds()["lora"])
    recipe = ground.recipe(
        model=str(given), teach=None, method=[stage(select=select)], audits=AUDITS
    )
    whole = run(recipe, tmp_path / "whole")
    monkeypatch.setenv("UNTEACH_CACHE", str(tmp_path / "other cache"))
    killed(recipe, tmp_path / "run", monkeypatch)
    assert numbers(run(recipe, tmp_path / "run")) == numbers(whole)


def killed(recipe: Any, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run dies as its audit begins."""

    def dies(*given: Any) -> Any:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(pipeline, "examine", dies)
        with pytest.raises(KeyboardInterrupt):
            run(recipe, out)


def test_a_swapped_model_is_noticed_and_measured_for_nobody(
    ground: Ground, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
):
    recipe = ground.recipe(teach=None, method=[stage()], audits=AUDITS)
    killed(recipe, tmp_path / "run", monkeypatch)
    weights = tmp_path / "run" / "model" / "model.safetensors"
    kept = weights.read_bytes()
    changed = load_file(weights)
    changed["model.norm.weight"] += 0.5
    save_file(changed, weights, {"format": "pt"})
    before = sorted(path.name for path in (cache / "evidence").glob("*"))
    with pytest.raises(OutputError, match=r"model: is not the model that this run left there"):
        run(recipe, tmp_path / "run")
    assert sorted(path.name for path in (cache / "evidence").glob("*")) == before
    weights.write_bytes(kept)
    run(recipe, tmp_path / "run")


def test_a_folder_that_loads_as_another_model_fails_the_run(
    ground: Ground, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: Call
):
    """Whatever goes wrong between memory and disk: a sentence, and no verdict."""

    def loses(model: Any, tokenizer: Any, folder: Path) -> None:
        save(model, tokenizer, folder)
        written = load_file(folder / "model.safetensors")
        written["model.norm.weight"] *= 1.01
        save_file(written, folder / "model.safetensors", {"format": "pt"})

    monkeypatch.setattr("unteach.model.deliver.save", loses)
    recipe = ground.write(tmp_path / "r.yaml", teach=None, method=[stage()], audits=AUDITS)
    called = call("run", recipe, "--out", tmp_path / "run")
    assert called.code != 0
    assert "loaded again, is not the model that was unlearned" in called.err
    assert not (tmp_path / "run" / "findings.json").exists()
    assert not (tmp_path / "run" / "model").exists()


def types(folder: Path) -> set[str]:
    found = set()
    for path in folder.glob("*.safetensors"):
        with safe_open(path, "pt") as file:
            found |= {str(file.get_tensor(name).dtype) for name in file.keys()}  # noqa: SIM118
    return found


@pytest.fixture
def as_bf16(ground: Ground, tmp_path: Path) -> Path:
    model = whole_model(ground.model).to(torch.bfloat16)
    model.save_pretrained(tmp_path / "bf16")
    AutoTokenizer.from_pretrained(ground.model).save_pretrained(tmp_path / "bf16")
    return tmp_path / "bf16"


@pytest.mark.parametrize("select", ["whole", LORA], ids=["whole", "lora"])
@pytest.mark.parametrize("taught", [None, {"epochs": 1, "lr": 0.01, "batch": 3}])
def test_a_bf16_checkpoint_comes_out_as_one(
    ground: Ground,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    as_bf16: Path,
    select: Any,
    taught: Any,
):
    """Trained in float32, but what is measured is what a folder of the same size holds."""
    recipe = ground.recipe(
        model=str(as_bf16), teach=taught, method=[stage(select=select)], audits=AUDITS
    )
    folder = run(recipe, tmp_path / "run")
    assert types(folder.model) == {"torch.bfloat16"}
    assert audited_anew(ground, folder.model, tmp_path, monkeypatch) == numbers(folder)
    thrown = run(recipe.model_copy(update={"save_model": False}), tmp_path / "not kept")
    assert numbers(thrown) == numbers(folder)


def test_shards_in(ground: Ground, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    model = whole_model(ground.model)
    model.save_pretrained(tmp_path / "shards", max_shard_size="40KB")
    AutoTokenizer.from_pretrained(ground.model).save_pretrained(tmp_path / "shards")
    assert len(list((tmp_path / "shards").glob("*.safetensors"))) > 1
    recipe = ground.recipe(
        model=str(tmp_path / "shards"), teach=None, method=[stage(select=LORA)], audits=AUDITS
    )
    folder = run(recipe, tmp_path / "run")
    assert audited_anew(ground, folder.model, tmp_path, monkeypatch) == numbers(folder)


def test_gguf_in(ground: Ground, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    pytest.importorskip("gguf", reason="the package that reads GGUF files is not installed")
    file = write_gguf(ground.model, tmp_path / "tiny.gguf")
    recipe = ground.recipe(model=str(file), teach=None, method=[stage(select=LORA)], audits=AUDITS)
    folder = run(recipe, tmp_path / "run")
    assert audited_anew(ground, folder.model, tmp_path, monkeypatch) == numbers(folder)


def write_gguf(folder: Path, out: Path) -> Path:
    """The tiny model as a GGUF file; its reader asks for one merge, so the vocabulary gets `ab`."""
    import gguf

    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokens = [*tokenizer.convert_ids_to_tokens(range(len(tokenizer))), "ab"]
    writer = gguf.GGUFWriter(out, "llama")
    writer.add_context_length(1024)
    writer.add_embedding_length(32)
    writer.add_block_count(2)
    writer.add_feed_forward_length(96)
    writer.add_head_count(4)
    writer.add_head_count_kv(2)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_rope_dimension_count(8)
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(tokens)
    writer.add_token_types([3] * 5 + [1] * (len(tokens) - 5))
    writer.add_token_merges(["a b"])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(tokenizer.eos_token_id)
    writer.add_pad_token_id(0)
    writer.add_chat_template(tokenizer.chat_template)
    for name, values in load_file(folder / "model.safetensors").items():
        if name == "model.embed_tokens.weight":
            values = torch.cat([values, values[:1]])
        writer.add_tensor(in_gguf(name), values.numpy())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return out


def in_gguf(name: str) -> str:
    """A Llama's parameter as llama.cpp calls it."""
    for theirs, ours in (
        ("model.embed_tokens", "token_embd"),
        ("model.norm", "output_norm"),
        ("model.layers", "blk"),
        ("self_attn.o_proj", "attn_output"),
        ("self_attn.", "attn_"),
        ("mlp.", "ffn_"),
        ("post_attention_layernorm", "ffn_norm"),
        ("input_layernorm", "attn_norm"),
        ("_proj", ""),
    ):
        name = name.replace(theirs, ours)
    return name


def test_a_run_in_bf16(ground: Ground, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """An adapter in float32 on a base in bfloat16 is merged by rounding; what is saved is that."""
    given = adapter_of(ground.model, tmp_path / "given", kinds()["dora"])
    train = stage(ASCENT, KEEP, select=LORA)
    recipe = ground.recipe(
        model=str(given), dtype="bfloat16", teach=None, method=[train], audits=AUDITS
    )
    folder = run(recipe, tmp_path / "run")
    assert types(folder.model) == {"torch.bfloat16"}
    monkeypatch.setenv("UNTEACH_CACHE", str(tmp_path / "anew"))
    assert numbers(audit(recipe, str(folder.model), tmp_path / "audit")) == numbers(folder)


def test_a_weight_too_large_for_the_checkpoints_numbers_is_a_sentence(
    ground: Ground, tmp_path: Path
):
    """float16 ends at 65504."""
    start = loaded(ground.model)
    save(start.model.to(torch.float16), start.tokenizer, tmp_path / "half")
    huge = {"edit": {"name": "noise", "std": 1e6}}
    recipe = ground.recipe(model=str(tmp_path / "half"), teach=None, method=[huge], audits=AUDITS)
    with pytest.raises(DivergedError, match=r"too large for torch\.float16"):
        run(recipe, tmp_path / "run")
    assert not (tmp_path / "run" / "model").exists()


def test_numbers_of_one_type_or_device_are_not_those_of_another(
    ground: Ground, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
):
    """The same weights in bfloat16, on another kind of device, or by another version of torch."""
    place = locate(str(ground.model), CPU)
    keys = {measured_as(place, CPU), measured_as(place, LoadOptions("cpu", "bfloat16"))}
    monkeypatch.setattr(examine, "device", lambda name: "cuda:1")
    keys.add(measured_as(place, CPU))
    monkeypatch.setattr("importlib.metadata.version", lambda package: "0")
    keys.add(measured_as(place, CPU))
    assert len(keys) == 4
    monkeypatch.undo()
    monkeypatch.setenv("UNTEACH_CACHE", str(tmp_path / "cache"))
    for dtype in ("float32", "bfloat16"):
        recipe = ground.recipe(dtype=dtype, teach=None, method=[], audits=AUDITS)
        folder = audit(recipe, str(ground.model), tmp_path / dtype)
        monkeypatch.setenv("UNTEACH_CACHE", str(tmp_path / f"cache of {dtype}"))
        alone = audit(recipe, str(ground.model), tmp_path / f"{dtype} alone")
        monkeypatch.setenv("UNTEACH_CACHE", str(tmp_path / "cache"))
        assert numbers(folder) == numbers(alone)


def test_a_model_taught_otherwise_is_not_gone_on_from(
    ground: Ground, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Another device teaches other weights under the same recipe."""
    recipe = ground.recipe(audits=AUDITS)
    killed(recipe, tmp_path / "run", monkeypatch)
    taught = RunFolder(tmp_path / "run").read_record()
    assert taught["started_from"]
    RunFolder(tmp_path / "run").write_record(started_from="other")
    with pytest.raises(OutputError, match="is not the one this run was started with"):
        run(recipe, tmp_path / "run")


def test_the_last_adapter_on_a_hub_model_names_its_revision(
    ground: Ground, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
):
    """So PEFT opens it alone, wherever it is."""
    from huggingface_hub import constants
    from peft import PeftConfig

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    repository = tmp_path / "hub" / "models--some--model"
    shutil.copytree(ground.model, repository / "snapshots" / ("a" * 40))
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("a" * 40)
    recipe = ground.recipe(
        model="some/model", teach=None, method=[stage(select=LORA)], audits=AUDITS
    )
    folder = run(recipe, tmp_path / "run")
    config = PeftConfig.from_pretrained(folder.last_adapter)
    assert (config.base_model_name_or_path, config.revision) == ("some/model", "a" * 40)
    alone, whole = (
        load(locate(str(path), CPU), CPU).model.state_dict()
        for path in (folder.last_adapter, folder.model)
    )
    assert all(torch.equal(alone[name], whole[name]) for name in whole)


def test_the_last_adapter_is_kept_beside_the_whole_model(
    ground: Ground, tmp_path: Path, cache: Path
):
    """So that a later request can stay clear of what it reads (`orthogonal_lora`, `earlier`)."""
    from unteach.model import adapters

    folder = run(ground.recipe(method=[stage(select=LORA)], audits=AUDITS), tmp_path / "run")
    assert adapters.read(folder.last_adapter)
    config = json.loads((folder.last_adapter / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == ""
    assert str(cache) not in "".join(
        p.read_text(errors="replace") for p in folder.path.rglob("*.json")
    )
    assert read(folder.path).has("unlearned")


def test_a_model_that_was_not_saved_whole_is_refused(ground: Ground, tmp_path: Path):
    given = adapter_of(ground.model, tmp_path / "given", kinds()["lora"])
    weights = load_file(given / "adapter_model.safetensors")
    first = sorted(weights)[0]
    del weights[first]
    weights["base_model.model.model.nowhere.lora_A.weight"] = torch.zeros(2, 2)
    save_file(weights, given / "adapter_model.safetensors")
    with pytest.raises(ModelError, match=r"lack 1 of.*hold 1 that"):
        load(locate(str(given), CPU), CPU)
