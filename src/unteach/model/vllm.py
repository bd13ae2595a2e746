"""Generation through vLLM, for those who have it: many times faster on an accelerator.

vLLM loads the model from its folder beside ours, so both must fit in memory.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from unteach.errors import MissingPackageError, ModelError
from unteach.model.load import Loaded


def require() -> None:
    """Refuse before the work where vLLM is not installed.

    Raises:
        MissingPackageError: it is not.
    """
    if importlib.util.find_spec("vllm") is None:
        raise MissingPackageError("vllm", "generate: vllm", "vllm")


def continue_ids(
    loaded: Loaded,
    prompts: Sequence[Sequence[int]],
    max_tokens: int,
    temperature: float,
    seed: int,
) -> list[list[int]]:
    """Token ids of one continuation of every prompt, without the token that ends it.

    Greedy at a temperature of 0. Sampled texts are not those that transformers would draw.

    Raises:
        ModelError: the model has no folder that vLLM could load.
    """
    from vllm import SamplingParams, TokensPrompt

    folder = loaded.place.path
    if loaded.place.is_adapter or not Path(folder).is_dir():
        raise ModelError(
            f"{folder}: vLLM reads a whole model from a folder, and there is none. Keep save_model on "
            "and merge the adapter, or leave out 'generate'."
        )
    ends = {loaded.tokenizer.eos_token_id}
    params = [
        SamplingParams(temperature=temperature, max_tokens=max_tokens, seed=seed + i)
        for i in range(len(prompts))
    ]
    given = [TokensPrompt(prompt_token_ids=list(prompt)) for prompt in prompts]
    written = _engine(folder).generate(given, params, use_tqdm=False)
    return [[t for t in out.outputs[0].token_ids if t not in ends] for out in written]


@lru_cache(maxsize=1)
def _engine(folder: str) -> Any:
    from vllm import LLM

    return LLM(model=folder, skip_tokenizer_init=True)
