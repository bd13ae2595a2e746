"""What a model cannot read, and a device cannot hold, is said in one sentence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import loaded
from tests.run.conftest import Ground
from tests.run.test_architectures import checkpoint, checkpoints
from unteach.errors import DataError, DeviceError, ModelError
from unteach.model.generate import continue_ids
from unteach.model.memory import enough_memory
from unteach.run.prepare import prepare

__all__ = ["checkpoints"]


def test_a_row_longer_than_the_context_is_named(ground: Ground, checkpoints: Path, tmp_path: Path):
    path = checkpoint(checkpoints, "gpt2")
    rows = tmp_path / "forget.jsonl"
    rows.write_text(json.dumps({"prompt": "Who?", "answer": "A" * 1100}) + "\n")
    changes: dict[str, Any] = {"model": str(path), "teach": None}
    recipe = ground.recipe(data={**ground.data, "forget": str(rows), "max_tokens": 4096}, **changes)
    with pytest.raises(DataError, match=r"the model's context is 1024\. Split"):
        prepare(recipe, tmp_path)


def test_tokens_without_embeddings_are_refused(ground: Ground, checkpoints: Path, tmp_path: Path):
    path = checkpoint(checkpoints / "narrow", "llama", vocab_size=100)
    recipe = ground.recipe(model=str(path), teach=None)
    with pytest.raises(ModelError, match="its embeddings have 100 rows"):
        prepare(recipe, tmp_path)


def test_a_text_ends_where_the_context_does(checkpoints: Path):
    """1024 positions: after a prompt of 1020 tokens come 5, the last of which is never read."""
    start = loaded(checkpoint(checkpoints, "gpt2"))
    start.model.generation_config.eos_token_id = None
    start.tokenizer.eos_token = None
    found = continue_ids(start.model, start.tokenizer, [[5] * 1020, [5] * 10], max_tokens=8)
    assert [len(ids) for ids in found] == [5, 8]
    with pytest.raises(ModelError, match="context of 1024"):
        continue_ids(start.model, start.tokenizer, [[5] * 1025], max_tokens=8)


@pytest.mark.parametrize(
    "error", [MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory")]
)
def test_out_of_memory_says_what_to_lower(error: Exception):
    why = r"method\[0\].train: out of memory. Lower train.micro_batch"
    with pytest.raises(DeviceError, match=why), enough_memory("method[0].train"):
        raise error
    with pytest.raises(RuntimeError, match="another"), enough_memory("x"):
        raise RuntimeError("another")
