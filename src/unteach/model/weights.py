"""The weight files that a folder is read from: which they are, and whether they may be read."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from math import prod
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from safetensors import safe_open

from unteach.errors import ModelError

if TYPE_CHECKING:
    import torch

INDEX = ".index.json"
MODEL = (
    *("model.safetensors", f"model.safetensors{INDEX}"),
    *("pytorch_model.bin", f"pytorch_model.bin{INDEX}"),
)
ADAPTER = ("adapter_model.safetensors", "adapter_model.bin")
"""In the order in which transformers and PEFT take them."""


def files(name: str, folder: Path, *, adapter: bool, allow_pickle: bool) -> tuple[Path, ...]:
    """The files that the weights of a folder would be read from.

    Raises:
        ModelError: there are none, one is a pickle and pickles are refused, or an index names a file
            that is absent or outside the folder. `name` is what the user called the model.
    """
    first = _named_by_config(folder) if not adapter else None
    known = ADAPTER if adapter else MODEL
    chosen = first or next((n for n in known if (folder / n).is_file()), None)
    if chosen is None:
        raise ModelError(f"model: {name}: the folder has no weights (no {known[0]}).")
    parts = _shards(name, folder / chosen) if chosen.endswith(INDEX) else [chosen]
    for part in parts:
        inside = PurePosixPath(part.replace("\\", "/"))
        if inside.is_absolute() or ".." in inside.parts or ":" in inside.parts[0]:
            raise ModelError(
                f"model: {name}: {chosen} names {part}, which is outside the folder. Put the file into "
                "the folder, and name it as it is called there."
            )
        if not part.endswith(".safetensors") and not allow_pickle:
            raise ModelError(
                f"model: {name}: {part} is a pickle, which can run code when it is loaded. Convert it "
                "to safetensors, or set allow_pickle: true if you trust it."
            )
        if not (folder / part).is_file():
            raise ModelError(
                f"model: {name}: {part} is not there, and the weights are in it. Is the folder complete?"
            )
    return tuple(folder / part for part in parts)


def number_type(paths: Sequence[Path]) -> torch.dtype | None:
    """The number type that most weights have in these files; None where they are pickles."""
    import torch

    sizes: Counter[str] = Counter()
    for path in paths:
        if path.suffix != ".safetensors":
            return None
        with safe_open(path, "pt") as file:
            for name in file.keys():  # noqa: SIM118 (not a dict)
                part = file.get_slice(name)
                sizes[part.get_dtype()] += prod(part.get_shape())
    known = {
        "F64": torch.float64,
        "F32": torch.float32,
        "F16": torch.float16,
        "BF16": torch.bfloat16,
    }
    return known.get(sizes.most_common(1)[0][0]) if sizes else None


def _named_by_config(folder: Path) -> str | None:
    """What config.json says the weights are in, which transformers reads before anything else."""
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None  # whoever reads it next says so
    named = config.get("transformers_weights") if isinstance(config, dict) else None
    return str(named) if named else None


def _shards(name: str, index: Path) -> list[str]:
    try:
        parts = json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()
        return sorted({str(part) for part in parts})
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise ModelError(
            f"model: {name}: {index.name} is not an index of weights (JSON with a weight_map)."
        ) from None
