"""Content keys: what changes a model's numbers changes its key, and nothing else does."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

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


def test_a_file_in_a_folder_below_counts_and_a_hidden_one_does_not(tiny_folder, tmp_path):
    shutil.copytree(tiny_folder, tmp_path / "copy")
    before = fingerprint.of_folder(tmp_path / "copy")
    for name, counts in (("shards", True), (".cache", False)):
        (tmp_path / "copy" / name).mkdir()
        (tmp_path / "copy" / name / "model-1.safetensors").write_bytes(b"one")
        now = fingerprint.of_folder(tmp_path / "copy")
        assert (now != before) is counts
        before = now
    (tmp_path / "copy" / "shards" / "model-1.safetensors").write_bytes(b"two")
    assert fingerprint.of_folder(tmp_path / "copy") != before


def test_a_folder_behind_a_link_counts_and_a_circle_ends(tiny_folder, tmp_path):
    shutil.copytree(tiny_folder, tmp_path / "copy")
    before = fingerprint.of_folder(tmp_path / "copy")
    (tmp_path / "copy" / "up").symlink_to(tmp_path / "copy")
    assert fingerprint.of_folder(tmp_path / "copy") == before
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "part.safetensors").write_bytes(b"one")
    (tmp_path / "copy" / "linked").symlink_to(tmp_path / "elsewhere")
    assert fingerprint.of_folder(tmp_path / "copy") != before


def test_every_byte_of_a_large_file_counts(tmp_path):
    """65 MiB, as such files were sampled once."""
    file = tmp_path / "model.safetensors"
    file.write_bytes(bytes(65 << 20))
    plain = fingerprint.of_file(file)
    for at in (0, 30_000_001, (65 << 20) - 1):
        with file.open("r+b") as opened:
            opened.seek(at)
            opened.write(b"\1")
        assert fingerprint.of_file(file) != plain
        with file.open("r+b") as opened:
            opened.seek(at)
            opened.write(b"\0")
    assert fingerprint.of_file(file) == plain


def test_a_file_is_hashed_again_whatever_its_times_are_set_to(tmp_path):
    """Old times, so that its key is kept; then other content of that size, with the same times."""
    file = tmp_path / "model.safetensors"
    file.write_bytes(b"one")
    os.utime(file, (1, 1))
    first = fingerprint.of_file(file)
    file.write_bytes(b"two")
    os.utime(file, (1, 1))
    assert fingerprint.of_file(file) != first


def test_a_settled_file_is_read_once(tmp_path, monkeypatch):
    file = tmp_path / "model.safetensors"
    file.write_bytes(b"one")
    monkeypatch.setattr(fingerprint, "SETTLED", -1.0)
    first = fingerprint.of_file(file)
    monkeypatch.setattr(Path, "open", None)
    assert fingerprint.of_file(file) == first


def test_weights_in_memory_have_a_key_that_one_bit_changes(tiny_folder):
    model = loaded(tiny_folder).model
    before = fingerprint.of_weights(model)
    assert fingerprint.of_weights(loaded(tiny_folder).model) == before
    with torch.no_grad():
        model.model.norm.weight[3] += 1e-6
    assert fingerprint.of_weights(model) != before
    half = fingerprint.of_weights(loaded(tiny_folder).model.to(torch.bfloat16))
    assert half != before


def test_weights_have_one_key_in_whatever_order_and_number_type_they_are(tiny_folder):
    half = loaded(tiny_folder).model.to(torch.bfloat16)
    key = fingerprint.of_weights(half)
    assert fingerprint.of_weights(half.to(torch.float32)) == key
    turned = torch.nn.Module()
    parts = {"a": torch.nn.Linear(2, 3), "b": torch.nn.Linear(3, 2)}
    other = torch.nn.Module()
    for name in ("a", "b"):
        turned.add_module(name, parts[name])
    for name in ("b", "a"):
        other.add_module(name, parts[name])
    assert fingerprint.of_weights(turned) == fingerprint.of_weights(other)
    turned.register_buffer("c", torch.ones(2))
    assert fingerprint.of_weights(turned) != fingerprint.of_weights(other)
