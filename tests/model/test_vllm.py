"""Generation through vLLM, with a stand-in for the package: what it is asked, and what comes back."""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from tests.conftest import loaded
from unteach.errors import MissingPackageError, ModelError
from unteach.model import vllm


@dataclass
class Asked:
    """What the stand-in was asked."""

    folder: str = ""
    prompts: tuple[Any, ...] = ()
    params: tuple[Any, ...] = ()


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Asked:
    """A package that repeats the prompt's last token, ends, and goes on."""
    seen = Asked()

    class Engine:
        def __init__(self, model: str, skip_tokenizer_init: bool) -> None:
            seen.folder = model

        def generate(self, prompts: list[Any], params: list[Any], use_tqdm: bool) -> list[Any]:
            seen.prompts, seen.params = tuple(prompts), tuple(params)
            written = [[p["prompt_token_ids"][-1], 2] for p in prompts]
            return [SimpleNamespace(outputs=[SimpleNamespace(token_ids=w)]) for w in written]

    package = ModuleType("vllm")
    package.LLM = Engine  # type: ignore[attr-defined]
    package.SamplingParams = lambda **given: given  # type: ignore[attr-defined]
    package.TokensPrompt = lambda **given: given  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "vllm", package)
    vllm._engine.cache_clear()
    return seen


def test_prompts_go_in_as_tokens_and_the_end_is_cut(asked: Asked, tiny_chat_folder: Path):
    start = loaded(tiny_chat_folder)
    start.tokenizer.eos_token = start.tokenizer.convert_ids_to_tokens(2)
    found = vllm.continue_ids(start, [(5, 6), (7, 8, 9)], 12, 0.0, 3)
    assert found == [[6], [9]]
    assert asked.folder == start.place.path
    assert [p["prompt_token_ids"] for p in asked.prompts] == [[5, 6], [7, 8, 9]]
    assert asked.params[0] == {"temperature": 0.0, "max_tokens": 12, "seed": 3}
    assert asked.params[0]["seed"] != asked.params[1]["seed"]


def test_a_model_without_a_folder_is_refused(asked: Asked, tiny_chat_folder: Path):
    start = loaded(tiny_chat_folder)
    nowhere = replace(start, place=replace(start.place, path="nowhere"))
    with pytest.raises(ModelError, match=r"^nowhere: vLLM reads a whole model from a folder"):
        vllm.continue_ids(nowhere, [(5,)], 2, 0.0, 0)


def test_without_the_package_it_is_said_before_the_work(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingPackageError, match=r'pip install "unteach\[vllm\]"'):
        vllm.require()
