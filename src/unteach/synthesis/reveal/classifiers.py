"""Classifiers of texts and of their tokens, from files that are on this machine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from unteach.errors import ModelError

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

MAX_TOKENS: Final = 512
_TAGS: Final = {
    "PERSON": ("per", "person"),
    "LOCATION": ("loc", "location", "gpe"),
    "ORGANISATION": ("org", "organisation", "organization"),
}


@dataclass(frozen=True)
class Judge:
    """A classifier of texts, or of their tokens, on the CPU in float32."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    labels: dict[int, str]

    def probability(self, text: str, number: int) -> float:
        """Of one label for one text, 0 to 1; texts are not batched, so none is padded."""
        import torch

        row = self.tokenizer(text, truncation=True, return_tensors="pt")
        with torch.inference_mode():
            logits = self.model(**row).logits[0].double()
        several = self.model.config.problem_type == "multi_label_classification"
        shares = logits.sigmoid() if several or len(logits) == 1 else logits.softmax(-1)
        return float(shares[number])


@lru_cache(maxsize=2)
def load(name: str, kind: Literal["text", "token"]) -> Judge:
    """A classifier from a folder or the local hub cache; nothing is downloaded, nothing pickled."""
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError
    from safetensors import SafetensorError

    what = f"model: {name}: cannot be loaded as a {kind} classifier"
    folder = Path(name).expanduser()
    # asked first, because transformers looks for an adapter on the hub even when told not to
    try:
        present = folder.is_dir() or isinstance(try_to_load_from_cache(name, "config.json"), str)
    except HFValidationError:  # a path, and not a hub id
        present = False
    if not present:
        raise ModelError(
            f"{what}: it is no folder and not on this machine. `hf download {name}` fetches a hub "
            "id once; or name a folder."
        )
    from transformers import (
        AutoModelForSequenceClassification,
        AutoModelForTokenClassification,
        AutoTokenizer,
    )

    from unteach.model.load import quiet

    path = str(folder) if folder.is_dir() else name
    of_kind = {"text": AutoModelForSequenceClassification, "token": AutoModelForTokenClassification}
    options: dict[str, Any] = {"local_files_only": True}
    try:
        with quiet():
            model, loading = of_kind[kind].from_pretrained(
                path, dtype="float32", use_safetensors=True, output_loading_info=True, **options
            )
            tokenizer = AutoTokenizer.from_pretrained(path, **options)
    except (
        OSError,
        ValueError,
        RuntimeError,
        KeyError,
        TypeError,
        ImportError,
        SafetensorError,
    ) as e:
        raise ModelError(f"{what}: {str(e).strip().split(chr(10))[0]}") from None
    if loading["missing_keys"]:
        raise ModelError(
            f"{what}: its files lack {len(loading['missing_keys'])} weights, as "
            f"{min(loading['missing_keys'])}. Name a model that was trained as a {kind} classifier."
        )
    positions = getattr(model.config, "max_position_embeddings", None) or MAX_TOKENS
    tokenizer.model_max_length = min(MAX_TOKENS, positions, tokenizer.model_max_length)
    labels = {int(number): str(label) for number, label in model.config.id2label.items()}
    return Judge(model.eval(), tokenizer, labels)


def recognised(name: str, type: str, texts: Sequence[str]) -> list[list[str]]:
    """The names of a type in each text, by a token classifier; long texts are read in pieces."""
    judge = load(name, "token")
    tags = {label.split("-")[-1] for label in judge.labels.values()}
    wanted = {tag for tag in tags if tag.casefold() in _TAGS[type]}
    if not wanted:
        raise ModelError(
            f"entities.model: '{name}' knows no type {type}; its labels are: "
            f"{', '.join(judge.labels.values())}."
        )
    from transformers import pipeline

    from unteach.model.load import quiet

    with quiet():
        read = pipeline(
            "token-classification",
            model=judge.model,
            tokenizer=judge.tokenizer,
            aggregation_strategy="simple",
            stride=judge.tokenizer.model_max_length // 4,
            device="cpu",
        )
        found = [read(text) if text.strip() else [] for text in texts]
    return [
        [_whole(text, one["start"], one["end"]) for one in ones if one["entity_group"] in wanted]
        for text, ones in zip(texts, found, strict=True)
    ]


def _whole(text: str, start: int, end: int) -> str:
    """The whole words of which tokens were marked."""
    while start > 0 and text[start - 1].isalnum() and text[start].isalnum():
        start -= 1
    while end < len(text) and text[end].isalnum() and text[end - 1].isalnum():
        end += 1
    return text[start:end].strip()
