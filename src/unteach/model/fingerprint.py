"""Content keys, so that a cached number can never belong to another model, split or rendering."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor, nn

SUFFIXES = frozenset(
    (
        *(".json", ".safetensors", ".bin", ".pt", ".pth", ".ckpt", ".gguf"),
        *(".jinja", ".model", ".txt", ".py"),
    )
)
"""What a model is read from; .txt is the vocabulary of some tokenizers, .py a model's own code."""
SETTLED = 2.0
"""Seconds after which a file that is written again shows another time of change."""

_known: dict[tuple[str, int, int, int, int, int], str] = {}


def key_of(*parts: Any) -> str:
    """16 hex digits from anything JSON can write."""
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def of_folder(folder: Path) -> str:
    """Content key of a model folder and what lies below it: weights, configuration, vocabulary, code.

    Every file is hashed whole. What is hidden, as the caches of version control, is no part of it.
    """
    total = hashlib.sha256()
    for path in sorted(_files(folder)):
        total.update(path.relative_to(folder).as_posix().encode())
        total.update(of_file(path).encode())
    return total.hexdigest()[:16]


def of_file(path: Path) -> str:
    """Content key of one file, hashed whole.

    Within this process a file is hashed again only if its size, inode or a time of change differs; one
    that was changed just now always is, as its times may stay the same when it is changed once more.
    """
    seen = path.stat()
    identity = (
        *(str(path.resolve()), seen.st_dev, seen.st_ino, seen.st_size),
        *(seen.st_mtime_ns, seen.st_ctime_ns),
    )
    if identity in _known:
        return _known[identity]
    began = time.time()
    total = hashlib.sha256(str(seen.st_size).encode())
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            total.update(block)
    key = total.hexdigest()[:16]
    if began - max(seen.st_mtime, seen.st_ctime) > SETTLED:
        _known[identity] = key
    return key


def of_weights(model: nn.Module) -> str:
    """Content key of a model in memory: name, shape and values of every parameter and saved buffer.

    Neither their order nor the number type counts, so a model in float32 has the key of the bfloat16
    files that it was read from.
    """
    saved = model.state_dict()
    named = [*model.named_parameters(), *model.named_buffers()]  # what is tied is named once
    found = [(n, list(t.shape), _digest(t)) for n, t in named if n in saved]
    return key_of(sorted(found))


def of_parameters(named: Iterable[tuple[str, Tensor]]) -> str:
    """Content key of the values of these."""
    return key_of([(name, _digest(values)) for name, values in named])


def _digest(values: Tensor) -> str:
    import torch

    flat = values.detach().cpu().contiguous().flatten()
    flat = flat.float() if flat.is_floating_point() else flat
    return hashlib.sha256(flat.view(dtype=torch.uint8).numpy().data).hexdigest()


def _files(folder: Path) -> Iterator[Path]:
    seen = set()
    for place, below, names in os.walk(folder, followlinks=True):
        inside = Path(place)
        if (real := inside.resolve()) in seen:  # a link to a folder above
            below.clear()
            continue
        seen.add(real)
        below[:] = [name for name in below if not name.startswith(".")]
        yield from (inside / name for name in names if Path(name).suffix in SUFFIXES)
