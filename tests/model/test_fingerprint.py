"""Content keys: what changes a model's numbers changes its key, and nothing else does."""

from __future__ import annotations

import shutil

import pytest
import torch

from tests.conftest import loaded
from unteach.model import fingerprint


def test_a_key_is_16_hex_digits_of_the_content():
    assert fingerprint.key_of("a", {"y": 1, "x": 2}) == fingerprint.key_of("a", {"x": 2, "y": 1})
    assert fingerprint.key_of("a") != fingerprint.key_of("b")
    assert len(fingerprint.key_of("a")) == 16


def test_a_copy_of_a_folder_has_its_key(tiny_folder, tmp_path):
    shutil.copytree(tiny_folder, tmp_path / "copy")
    assert fingerprint.of_folder(tmp_path / "copy") == fingerprint.of_folder(tiny_folder)
    (tmp_path / "copy" / "README.md").write_text("Read me.")
    assert fingerprint.of_folder(tmp_path / "copy") == fingerprint.of_folder(tiny_folder)


@pytest.mark.parametrize(
    "name", ["config.json", "model.safetensors", "tokenizer.json", "merges.txt", "modeling_x.py"]
)
def test_a_folder_with_another_file_has_another_key(tiny_folder, tmp_path, name: str):
    shutil.copytree(tiny_folder, tmp_path / "copy")
    with (tmp_path / "copy" / name).open("ab") as file:
        file.write(b" ")
    assert fingerprint.of_folder(tmp_path / "copy") != fingerprint.of_folder(tiny_folder)


def test_of_a_large_file_the_ends_the_size_and_blocks_between_count(tmp_path, monkeypatch):
    """Four blocks of 10 bytes, of a file of 1000: at 0, 330, 660 and 990."""
    monkeypatch.setattr(fingerprint, "BLOCK", 10)
    monkeypatch.setattr(fingerprint, "NUM_BLOCKS", 4)
    file = tmp_path / "model.safetensors"

    def key(content: bytes) -> str:
        file.write_bytes(content)
        return fingerprint.of_file(file)

    zeros = bytes(1000)
    plain = key(zeros)
    assert all(key(zeros[:at] + b"\1" + zeros[at + 1 :]) != plain for at in (0, 330, 669, 999))
    assert key(zeros[:500] + b"\1" + zeros[501:]) == plain
    assert key(bytes(1001)) != plain


def test_weights_in_memory_have_a_key_that_one_bit_changes(tiny_folder):
    model = loaded(tiny_folder).model
    before = fingerprint.of_weights(model)
    assert fingerprint.of_weights(loaded(tiny_folder).model) == before
    with torch.no_grad():
        model.model.norm.weight[3] += 1e-6
    assert fingerprint.of_weights(model) != before
    half = fingerprint.of_weights(loaded(tiny_folder).model.to(torch.bfloat16))
    assert half != before
