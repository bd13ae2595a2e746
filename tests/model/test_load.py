"""A model from whatever a user has, and a sentence where it cannot be."""

from __future__ import annotations

import json
import pickle
import re
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.conftest import adapted, encoded, loaded, people
from unteach.data.batches import collate
from unteach.errors import DeviceError, ModelError
from unteach.model.load import LoadOptions, device, load, load_tokenizer, locate, save
from unteach.model.scores import score

CPU = LoadOptions(device="cpu")


def opened(name: str | Path, options: LoadOptions = CPU):
    return load(locate(str(name), options), options)


def refused(name: str | Path, options: LoadOptions = CPU) -> str:
    with pytest.raises(ModelError) as raised:
        opened(name, options)
    message = str(raised.value)
    assert "\n" not in message
    return message.removeprefix(f"model: {name}: ")


@pytest.fixture
def folder(tiny_folder, tmp_path) -> Path:
    """A copy that a test may spoil."""
    return Path(shutil.copytree(tiny_folder, tmp_path / "model"))


@pytest.fixture
def adapter(tiny_folder, tmp_path) -> Path:
    """An adapter on the tiny model that changes it, without a tokenizer of its own."""
    start = loaded(tiny_folder)
    model = adapted(start.model, rank=2)
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.constant_(parameter, 0.2)
    save(model, start.tokenizer, tmp_path / "adapter")
    for file in (tmp_path / "adapter").glob("tokenizer*"):
        file.unlink()
    return tmp_path / "adapter"


def test_a_folder_is_loaded_ready_for_use(tiny_folder):
    found = opened(tiny_folder)
    assert not found.model.training
    assert found.model.dtype == torch.float32
    assert found.model.device.type == "cpu"
    assert found.tokenizer.pad_token_id == 0
    assert (found.place.name, found.place.path) == (str(tiny_folder), str(tiny_folder))


def test_equal_weights_answer_equally_whatever_the_header_of_their_file(folder):
    """A longer header moves where the weights begin in the file: a sum's order must not follow it."""
    file, words = folder / "model.safetensors", torch.tensor([[5]])
    weights, said = load_file(file), []
    for longer in range(0, 64, 8):
        save_file(weights, file, {"format": "pt", "note": "x" * longer})
        said.append(opened(folder).model(words).logits)
    assert all(torch.equal(logits, said[0]) for logits in said)


def test_the_type_asked_for_is_the_type_loaded(tiny_folder):
    assert opened(tiny_folder, LoadOptions("cpu", "bfloat16")).model.dtype == torch.bfloat16


def test_a_tokenizer_without_padding_pads_with_its_end(folder):
    config = json.loads((folder / "tokenizer_config.json").read_text())
    del config["pad_token"]
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    assert load_tokenizer(locate(str(folder), CPU), CPU).pad_token == "</s>"


def test_what_is_saved_opens_with_plain_transformers(tiny_chat_folder, tmp_path):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    start = loaded(tiny_chat_folder)
    with torch.no_grad():
        start.model.model.norm.weight.mul_(1.5)
    save(start.model, start.tokenizer, tmp_path / "saved")
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "saved", use_safetensors=True)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "saved")
    assert all(
        torch.equal(p, q) for p, q in zip(model.parameters(), start.model.parameters(), strict=True)
    )
    assert tokenizer.chat_template == start.tokenizer.chat_template
    assert tokenizer("Zoë").input_ids == start.tokenizer("Zoë").input_ids
    assert not [*(tmp_path / "saved").glob("*.bin")]


def test_an_adapter_folder_is_the_base_with_the_adapter(tiny_folder, adapter):
    start = loaded(tiny_folder)
    batch = collate(encoded(start, people(3)))
    base = score(start.model, batch).logp
    expected = adapted(start.model, rank=2).eval()
    for name, parameter in expected.named_parameters():
        if "lora_B" in name:
            torch.nn.init.constant_(parameter, 0.2)
    torch_seeded = load_file(adapter / "adapter_model.safetensors")
    with torch.no_grad():
        for name, parameter in expected.named_parameters():
            if "lora_A" in name:
                parameter.copy_(torch_seeded[name.replace(".default", "")])
        found = opened(adapter)
        assert found.place.is_adapter
        assert torch.allclose(
            score(found.model, batch).logp, score(expected, batch).logp, atol=1e-4
        )
        assert not torch.allclose(score(found.model, batch).logp, base, atol=0.01)
    assert found.tokenizer("Zoë").input_ids == start.tokenizer("Zoë").input_ids


def test_the_key_of_an_adapter_changes_with_its_base(folder, adapter):
    """A base that is trained on in place would else be answered with old evidence."""
    config = json.loads((adapter / "adapter_config.json").read_text())
    (adapter / "adapter_config.json").write_text(
        json.dumps(config | {"base_model_name_or_path": str(folder)})
    )
    before = locate(str(adapter), CPU).key
    assert locate(str(adapter), CPU).key == before
    weights = load_file(folder / "model.safetensors")
    weights["model.norm.weight"] += 1
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    assert locate(str(adapter), CPU).key != before


def test_saving_leaves_a_note_of_the_users_alone(tiny_folder, tmp_path):
    start = loaded(tiny_folder)
    note = tmp_path / "README.md"
    note.write_text("mine")
    save(start.model, start.tokenizer, tmp_path)
    assert note.exists()
    assert note.read_text() == "mine"


def test_an_adapter_is_saved_without_an_empty_card(adapter):
    assert not (adapter / "README.md").exists()


def as_pickle(folder: Path) -> None:
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()


def test_a_pickle_is_refused_and_loaded_on_the_users_word(folder):
    as_pickle(folder)
    assert refused(folder) == (
        "pytorch_model.bin is a pickle, which can run code when it is loaded. Convert it to "
        "safetensors, or set allow_pickle: true if you trust it."
    )
    found = opened(folder, LoadOptions("cpu", allow_pickle=True))
    assert torch.isfinite(found.model.lm_head.weight).all()


def armed(path: Path, then: Path) -> None:
    """A pickle that leaves a mark when it is loaded."""

    class Bomb:
        def __reduce__(self) -> tuple[object, ...]:
            return Path.touch, (then,)

    path.write_bytes(pickle.dumps(Bomb()))


def test_a_pickled_adapter_beside_other_safetensors_is_refused(adapter, tmp_path):
    (adapter / "adapter_model.safetensors").rename(adapter / "model.safetensors")
    armed(adapter / "adapter_model.bin", tmp_path / "ran")
    assert refused(adapter).startswith("adapter_model.bin is a pickle, which can run code")
    assert not (tmp_path / "ran").exists()


def test_a_pickle_beside_the_safetensors_that_are_read_is_left_alone(adapter, folder, tmp_path):
    armed(adapter / "adapter_model.bin", tmp_path / "ran")
    armed(folder / "pytorch_model.bin", tmp_path / "ran")
    opened(adapter)
    opened(folder)
    assert not (tmp_path / "ran").exists()


def sharded(folder: Path, shard: str) -> None:
    """The folder's weights behind an index that names this file."""
    weights = load_file(folder / "model.safetensors")
    index = {"metadata": {}, "weight_map": dict.fromkeys(weights, shard)}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    (folder / "model.safetensors").unlink()


def test_an_index_that_names_a_pickle_is_refused(folder, tmp_path):
    sharded(folder, "pytorch_model-00001-of-00001.bin")
    armed(folder / "pytorch_model-00001-of-00001.bin", tmp_path / "ran")
    assert refused(folder).startswith("pytorch_model-00001-of-00001.bin is a pickle, which can run")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("of", ["config.json", "index"])
def test_a_config_that_names_a_pickle_as_its_weights_is_refused(folder, tmp_path, of: str):
    """`transformers_weights` goes before every other file."""
    armed(folder / "adapter_model.bin", tmp_path / "ran")
    named = "adapter_model.bin"
    if of == "index":
        index = {"weight_map": {"model.norm.weight": named}}
        named = "other.safetensors.index.json"
        (folder / named).write_text(json.dumps(index))
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"transformers_weights": named}))
    assert refused(folder).startswith("adapter_model.bin is a pickle, which can run code")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("shard", ["../other/model.safetensors", "/tmp/model.safetensors", "C:\\x"])
@pytest.mark.parametrize("trusted", [True, False])
def test_an_index_that_points_outside_is_refused(folder, shard: str, trusted: bool):
    sharded(folder, shard)
    assert refused(folder, LoadOptions("cpu", allow_pickle=trusted)) == (
        f"model.safetensors.index.json names {shard}, which is outside the folder. Put the file into the "
        "folder, and name it as it is called there."
    )


def test_a_shard_that_is_not_there_is_named(folder):
    sharded(folder, "model-00001-of-00002.safetensors")
    assert refused(folder).startswith("model-00001-of-00002.safetensors is not there")


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"weight_map": 3}'])
def test_a_broken_index_is_a_sentence(folder, text: str):
    sharded(folder, "model-00001-of-00001.safetensors")
    (folder / "model.safetensors.index.json").write_text(text)
    assert "is not an index of weights" in refused(folder)


def test_a_pickle_that_is_broken_is_a_sentence(folder):
    as_pickle(folder)
    (folder / "pytorch_model.bin").write_bytes(b"not a pickle")
    options = LoadOptions("cpu", allow_pickle=True)
    assert refused(folder, options).startswith("cannot be loaded as a causal language model: ")


def test_an_adapter_on_a_base_of_pickles_is_refused(folder, adapter):
    as_pickle(folder)
    config = json.loads((adapter / "adapter_config.json").read_text())
    config["base_model_name_or_path"] = str(folder)
    (adapter / "adapter_config.json").write_text(json.dumps(config))
    assert "is a pickle, which can run code" in refused(adapter)


@pytest.mark.parametrize(
    ("missing", "said"),
    [
        (
            ["config.json"],
            "the folder has neither config.json nor adapter_config.json, so it is not a Hugging "
            "Face model or a PEFT adapter.",
        ),
        (["model.safetensors"], "the folder has no weights (no model.safetensors)."),
    ],
)
def test_a_folder_that_lacks_a_file_says_which(folder, missing: list[str], said: str):
    for name in missing:
        (folder / name).unlink()
    assert refused(folder) == said


def test_an_empty_folder_is_no_model(tmp_path):
    assert refused(tmp_path).startswith("the folder has neither config.json nor adapter_config")


@pytest.mark.parametrize("content", [b"", b"garbage", b"\xff" * 64])
def test_a_broken_weight_file_is_a_sentence(folder, content: bytes):
    (folder / "model.safetensors").write_bytes(content)
    assert refused(folder).startswith("cannot be loaded as a causal language model: ")


def test_a_half_written_weight_file_is_a_sentence(folder):
    whole = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(whole[: len(whole) // 2])
    assert refused(folder).startswith("cannot be loaded as a causal language model: ")


def test_a_weight_that_is_missing_is_not_made_up(folder):
    """transformers would fill it with random numbers and say so in a log."""
    weights = load_file(folder / "model.safetensors")
    del weights["model.layers.1.mlp.up_proj.weight"], weights["model.norm.weight"]
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    assert refused(folder) == (
        "the weight files lack 2 of the weights that config.json calls for, as "
        "model.layers.1.mlp.up_proj.weight. Is the folder complete, and do its files belong together?"
    )


def test_a_weight_that_the_model_has_no_place_for_is_not_left_out(folder):
    weights = load_file(folder / "model.safetensors")
    weights["model.layers.2.mlp.up_proj.weight"] = torch.zeros(96, 32)
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    assert refused(folder) == (
        "the weight files hold 1 that the model has no place for, as "
        "model.layers.2.mlp.up_proj.weight. Is the folder complete, and do its files belong together?"
    )


def test_an_adapter_whose_names_meet_nothing_is_refused(adapter):
    """PEFT would warn, and leave the base as it is."""
    file = adapter / "adapter_model.safetensors"
    save_file({name.replace("model.model", "net"): w for name, w in load_file(file).items()}, file)
    said = refused(adapter)
    assert said.startswith(
        "the weight files lack 28 of the weights that its adapter_config.json calls for, as "
        "base_model.model.model.layers.0.mlp.down_proj.lora_A.weight, and hold 28 that the model has "
        "no place for, as base_net.model.layers.0.mlp.down_proj.lora_A.weight."
    )


def test_an_adapter_that_merges_into_no_weights_is_a_sentence(tiny_folder, tmp_path):
    from peft import PrefixTuningConfig, get_peft_model

    config = PrefixTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=2)
    get_peft_model(loaded(tiny_folder).model, config).save_pretrained(tmp_path)
    assert "of type PREFIX_TUNING stands before each prompt" in refused(tmp_path)


def test_an_adapter_on_an_adapter_is_the_sum_of_both(tiny_folder, adapter, tmp_path):
    """The second was trained on the first: its base path is the first one's folder."""
    second = Path(shutil.copytree(adapter, tmp_path / "second"))
    config = json.loads((second / "adapter_config.json").read_text())
    config["base_model_name_or_path"] = "../adapter"
    (second / "adapter_config.json").write_text(json.dumps(config))
    base, one, two = (opened(f).model.state_dict() for f in (tiny_folder, adapter, second))
    for name, values in base.items():
        assert torch.allclose(two[name] - values, 2 * (one[name] - values), atol=1e-6), name
    assert not torch.equal(two["model.layers.0.mlp.up_proj.weight"], values)


def test_an_adapter_that_is_its_own_base_is_refused(adapter):
    config = json.loads((adapter / "adapter_config.json").read_text())
    (adapter / "adapter_config.json").write_text(
        json.dumps(config | {"base_model_name_or_path": "../adapter"})
    )
    with pytest.raises(ModelError, match="names its own folder as its base"):
        locate(str(adapter), CPU)


@pytest.mark.parametrize("depth", [".", "custom"])
def test_files_that_change_after_they_were_located_are_refused(folder, depth: str):
    (folder / depth).mkdir(exist_ok=True)
    (folder / depth / "modeling.py").write_text("a = 1")
    place = locate(str(folder), CPU)
    load(place, CPU)
    (folder / depth / "modeling.py").write_text("a = 2")
    with pytest.raises(ModelError, match="have changed since they were first read"):
        load(place, CPU)


def test_a_weight_of_another_size_is_a_sentence(folder):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"intermediate_size": 64}))
    assert refused(folder).startswith("cannot be loaded as a causal language model: ")


@pytest.mark.parametrize("text", ["{", "[]", '{"model_type": "nonesuch"}', "{}"])
def test_a_broken_config_is_a_sentence(folder, text: str):
    (folder / "config.json").write_text(text)
    assert re.match(r"cannot be loaded as (a tokenizer|a causal)", refused(folder))


@pytest.mark.parametrize("text", ["{", "{}"])
def test_a_broken_adapter_config_is_a_sentence(adapter, text: str):
    (adapter / "adapter_config.json").write_text(text)
    assert "adapter_config.json" in refused(adapter)


def test_an_adapter_whose_base_is_gone_names_it(adapter):
    config = json.loads((adapter / "adapter_config.json").read_text())
    (adapter / "adapter_config.json").write_text(
        json.dumps(config | {"base_model_name_or_path": "/gone/base"})
    )
    assert "/gone/base" in refused(adapter)


def test_a_folder_without_a_tokenizer_is_a_sentence(folder):
    for file in folder.glob("tokenizer*"):
        file.unlink()
    assert refused(folder).startswith("cannot be loaded as a tokenizer")


@pytest.mark.parametrize("name", ["/no/such/folder", "./none", "~/no/such", "a/b/c"])
def test_a_path_that_is_not_there_says_so(name: str):
    assert refused(name) == "there is no such folder."


def test_a_gguf_file_that_is_not_there_says_so():
    assert refused("none.gguf") == "there is no such file."


def test_a_hub_name_without_a_network_says_so():
    assert refused("nobody/no-such-model").startswith(
        "is no folder here, and cannot be had from the hub (a hub id needs a network or a local copy): "
    )


@pytest.fixture
def hub(folder, tmp_path, monkeypatch) -> Path:
    """A cache of hub models with one in it, at two commits; `main` is the first."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    repository = tmp_path / "hub" / "models--some--model"
    for commit in ("a" * 40, "b" * 40):
        shutil.copytree(folder, repository / "snapshots" / commit)
    weights = load_file(folder / "model.safetensors")
    weights["model.norm.weight"] += 1
    save_file(
        weights, repository / "snapshots" / ("b" * 40) / "model.safetensors", {"format": "pt"}
    )
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("a" * 40)
    return repository


def test_a_hub_model_is_known_by_its_content_and_not_by_its_name(hub, folder):
    first = locate("some/model", CPU)
    assert first.hub == f"some/model@{'a' * 40}"
    assert first.key == locate(str(folder), CPU).key
    other = locate(f"some/model@{'b' * 40}", CPU)
    assert other.key != first.key
    (hub / "refs" / "main").write_text("b" * 40)
    assert locate("some/model", CPU).key == other.key
    assert opened("some/model").model.model.norm.weight[0] == 2


def test_an_adapter_on_a_hub_model_takes_its_revision(hub, adapter):
    config = json.loads((adapter / "adapter_config.json").read_text())
    for revision, commit in ((None, "a"), ("b" * 40, "b")):
        of = {"base_model_name_or_path": "some/model", "revision": revision}
        (adapter / "adapter_config.json").write_text(json.dumps(config | of))
        place = locate(str(adapter), CPU)
        assert place.base is not None
        assert place.base.hub == f"some/model@{commit * 40}"


def test_an_adapter_of_the_hub_is_one(hub, adapter):
    shutil.rmtree(hub / "snapshots" / ("a" * 40))
    shutil.copytree(adapter, hub / "snapshots" / ("a" * 40))
    assert locate("some/model", CPU).is_adapter
    opened("some/model")


@pytest.mark.parametrize("name", ["cuda", "cuda:1", "mps"])
def test_a_device_that_is_absent_says_so(monkeypatch, name: str):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(DeviceError) as raised:
        device(name)
    assert str(raised.value) == (
        f"device: {name} was asked for, but torch sees no such device here. "
        "Use device: cpu, or auto."
    )
    assert device("auto") == "cpu"


def test_a_gpu_beyond_the_last_says_so(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert [device(name) for name in ("auto", "cuda", "cuda:1")] == ["cuda", "cuda", "cuda:1"]
    with pytest.raises(DeviceError, match=r"^device: cuda:2: there are 2 GPUs, from cuda:0\.$"):
        device("cuda:2")


@pytest.mark.parametrize("name", ["gpu", "cuda:first", "cuda:", "", "tpu:0", "CUDA"])
def test_what_is_no_device_says_so(monkeypatch, name: str):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    with pytest.raises(DeviceError) as raised:
        device(name)
    assert str(raised.value) == (
        f"device: '{name}' is not a device. Use auto, cpu, cuda, cuda:1 or mps."
    )


@pytest.mark.parametrize("size", [0, 3, 10, 40])
def test_a_gguf_file_that_was_cut_off_is_refused(tmp_path, monkeypatch, size):
    pytest.importorskip("gguf")
    monkeypatch.setenv("UNTEACH_CACHE", str(tmp_path / "cache"))
    header = b"GGUF" + (3).to_bytes(4, "little") + (9).to_bytes(8, "little") * 4
    (tmp_path / "m.gguf").write_bytes(header[:size])
    with pytest.raises(ModelError, match=r"the GGUF file cannot be converted"):
        locate(str(tmp_path / "m.gguf"), LoadOptions())


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *(("num_attention_heads", 0), ("hidden_size", -1), ("hidden_size", "x"), ("head_dim", 0)),
        *(("rms_norm_eps", "a"), ("vocab_size", -5), ("pad_token_id", 10**6)),
    ],
)
def test_an_impossible_configuration_is_refused(folder: Path, key: str, value: object):
    """Each ended in another exception of transformers', torch's or Python's own."""
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {key: value}))
    place = locate(str(folder), CPU)
    with pytest.raises(ModelError, match=r"cannot be loaded as|lack"):
        load(place, CPU)
