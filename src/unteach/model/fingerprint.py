"""Content keys, so that a cached number can never belong to another model, split or rendering."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import nn

BLOCK = 1 << 20
NUM_BLOCKS = 64
SUFFIXES = frozenset((".json", ".safetensors", ".bin", ".jinja", ".model", ".gguf", ".txt", ".py"))
"""What a model is read from; .txt is the vocabulary of some tokenizers, .py a model's own code."""


def key_of(*parts: Any) -> str:
    """16 hex digits from anything JSON can write."""
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def of_folder(folder: Path) -> str:
    """Content key of a model folder: its weights, configuration, vocabulary and code.

    Configuration files are hashed whole. Weight files up to 64 MiB too; of larger ones the first
    MiB (the header with names and shapes), the size, and 64 evenly spaced blocks of a MiB.
    """
    total = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        if path.suffix in SUFFIXES:
            total.update(path.name.encode())
            total.update(of_file(path).encode())
    return total.hexdigest()[:16]


def of_file(path: Path) -> str:
    """Content key of one file; see `of_folder`."""
    total = hashlib.sha256()
    size = path.stat().st_size
    total.update(str(size).encode())
    with path.open("rb") as file:
        if size <= NUM_BLOCKS * BLOCK:
            total.update(file.read())
        else:
            for block in range(NUM_BLOCKS):
                file.seek(block * (size - BLOCK) // (NUM_BLOCKS - 1))
                total.update(file.read(BLOCK))
    return total.hexdigest()[:16]


def of_weights(model: nn.Module) -> str:
    """Content key of a model in memory: every parameter, whole."""
    total = hashlib.sha256()
    for name, parameter in model.named_parameters():
        total.update(name.encode())
        flat = parameter.detach().cpu().contiguous().flatten()
        total.update(flat.view(dtype=_bytes()).numpy().data)
    return total.hexdigest()[:16]


def _bytes() -> Any:
    import torch

    return torch.uint8
