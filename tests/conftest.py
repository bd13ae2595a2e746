"""The shared test ground: a tiny random model on disk, without and with a chat template."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

os.environ["HF_HUB_OFFLINE"] = "1"  # before huggingface_hub is imported, which reads it once
os.environ["OMP_NUM_THREADS"] = "1"  # a tiny matrix product is slower on two threads than on one

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

    from unteach.data.examples import Example, Splits
    from unteach.data.render import Encoding
    from unteach.model.adapters import Factors
    from unteach.model.load import Loaded
    from unteach.model.probe import Probe
    from unteach.model.scores import Scores

PAD, BOS, EOS, TURN, END = "<pad>", "<s>", "</s>", "<|im_start|>", "<|im_end|>"

CHAT_TEMPLATE = (
    "{% if messages[0]['role'] != 'system' %}<|im_start|>system\nBe brief.<|im_end|>\n{% endif %}"
    "{% for message in messages %}"
    "<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n"
    "{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
"""ChatML with a default system message, so that all rows start with the same 25 tokens."""


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNTEACH_CACHE", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Llama of 35 thousand weights that reads bytes; no chat template."""
    return _write(tmp_path_factory.mktemp("models") / "tiny", byte_tokenizer())


@pytest.fixture(scope="session")
def tiny_chat_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same weights under a tokenizer with a chat template."""
    return _write(tmp_path_factory.mktemp("models") / "tiny_chat", byte_tokenizer(chat=True))


def loaded(folder: Path) -> Loaded:
    """The model of a folder, freshly read, on the CPU."""
    from unteach.model.load import LoadOptions, load, locate

    options = LoadOptions(device="cpu")
    return load(locate(str(folder), options), options)


def people(num_people: int, first: int = 0) -> list[Example]:
    """Questions about people who differ in name and town; the town is what is specific."""
    from unteach.data.examples import Example

    names = ("Ada", "Bo", "Cleo", "Dimitri", "Eve", "Finn", "Grete", "Hu")
    towns = ("Arles", "Brno", "Como", "Delft", "Essen", "Faro", "Ghent", "Hue")
    return [
        Example(
            prompt=f"Where is {names[i % 8]} {i // 8}?",
            answer=f"In {towns[(3 * i + i // 8) % 8]}.",
            entities=(towns[(3 * i + i // 8) % 8],),
            id=f"person-{i}",
        )
        for i in range(first, first + num_people)
    ]


def adapted(model: PreTrainedModel, **parameters: Any) -> PreTrainedModel:
    """The model with a LoRA adapter, which looks at no data."""
    from unteach.method.selection.lora import lora

    return lora(probe(model, {}), **parameters).model


def probe(
    model: PreTrainedModel,
    splits: Splits,
    tokenizer: PreTrainedTokenizerFast | None = None,
    **weights: Mapping[str, Tensor],
) -> Probe:
    """What a selection or an edit looks at; `weights` are those of models by name."""
    import torch

    from unteach.data.render import Renderer
    from unteach.model.probe import Probe

    renderer = Renderer(tokenizer or byte_tokenizer())
    generator = torch.Generator().manual_seed(0)
    drawn = factors(model)
    return Probe(model, splits, renderer, generator, weights.__getitem__, lambda name: drawn)


def factors(model: PreTrainedModel, rank: int = 2, seed: int = 7) -> Mapping[str, Factors]:
    """An adapter of all matrices drawn at random, as another stage may have trained."""
    import torch

    from unteach.model.adapters import Factors
    from unteach.model.blocks import matrices

    generator = torch.Generator().manual_seed(seed)
    return {
        name: Factors(
            torch.randn(rank, p.shape[1], generator=generator),
            torch.randn(p.shape[0], rank, generator=generator) / 10,
            2.0,
        )
        for name, p in matrices(model)
    }


def encoded(loaded: Loaded, examples: Sequence[Example]) -> list[Encoding]:
    from unteach.data.render import Renderer, encode_all

    return encode_all(Renderer(loaded.tokenizer), examples)


def scores(
    logp: Sequence[Sequence[float]] | Tensor,
    *,
    specific: Sequence[Sequence[bool]] | None = None,
    **optional: Tensor | Scores,
) -> Scores:
    """Scores by hand: rows of nats, of different lengths; `ref=`, `logits=` as declared in needs."""
    import torch

    from unteach.model.scores import Scores

    def padded(rows: Sequence[Sequence[float]]) -> Tensor:
        longest = max(map(len, rows))
        return torch.tensor([[*row, *[0] * (longest - len(row))] for row in rows])

    if isinstance(logp, torch.Tensor):
        values, mask = logp, torch.ones_like(logp, dtype=torch.bool)
    else:
        values, mask = padded(logp).float(), padded([[True] * len(row) for row in logp]).bool()
    marks = mask if specific is None else padded(specific).bool()
    return Scores(torch.zeros_like(mask, dtype=torch.long), mask, values, marks, optional)


def byte_tokenizer(*, chat: bool = False) -> PreTrainedTokenizerFast:
    """One token a UTF-8 byte, and five special tokens; a text starts with BOS."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    names = [PAD, BOS, EOS, TURN, END, *sorted(pre_tokenizers.ByteLevel.alphabet())]
    core = Tokenizer(models.BPE(vocab={name: i for i, name in enumerate(names)}, merges=[]))
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    core.decoder = decoders.ByteLevel()
    core.add_special_tokens([PAD, BOS, EOS, TURN, END])
    core.post_processor = processors.TemplateProcessing(
        single=f"{BOS} $A", special_tokens=[(BOS, names.index(BOS))]
    )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=core,
        pad_token=PAD,
        bos_token=BOS,
        eos_token=END if chat else EOS,
        clean_up_tokenization_spaces=False,
    )
    if chat:
        tokenizer.chat_template = CHAT_TEMPLATE
    return tokenizer


def _write(folder: Path, tokenizer: PreTrainedTokenizerFast) -> Path:
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    from unteach.model.load import save

    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=96,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=1024,
        tie_word_embeddings=True,
        # embeddings of the usual 0.02 would leave a random model blind to what it reads
        initializer_range=0.1,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = LlamaForCausalLM(config)
    save(model, tokenizer, folder)
    return folder
