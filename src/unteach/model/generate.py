"""What a model writes after a prompt: the most likely text, or one drawn at random."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from transformers import LogitsProcessorList

from unteach.data.batches import by_length
from unteach.model.forks import opened
from unteach.model.memory import run_in_batches
from unteach.model.processes import gathered, own_share
from unteach.model.scores import can_share_prefix, context_of, require_room

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

Progress = Callable[[int], None]

Pick = Callable[[Tensor, Sequence[int], int], Tensor]
"""Logits [B, V], the prompts' numbers and the step -> the tokens to write, [B]."""


def continue_texts(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[Sequence[int]],
    max_tokens: int = 48,
    progress: Progress = lambda done: None,
    size: int | None = None,
    temperature: float = 0.0,
    generator: torch.Generator | None = None,
) -> list[str]:
    """One continuation of every prompt, as text; see `continue_ids`."""
    written = continue_ids(
        model, tokenizer, prompts, max_tokens, progress, size, temperature, generator
    )
    return [as_text(tokenizer, ids) for ids in written]


def as_text(tokenizer: PreTrainedTokenizerBase, ids: Sequence[int]) -> str:
    """What was written, without special tokens and outer spaces."""
    return str(tokenizer.decode(list(ids), skip_special_tokens=True)).strip()


def continue_ids(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[Sequence[int]],
    max_tokens: int = 48,
    progress: Progress = lambda done: None,
    size: int | None = None,
    temperature: float = 0.0,
    generator: torch.Generator | None = None,
) -> list[list[int]]:
    """The token ids of one continuation of every prompt, without the token that ends it.

    Greedy at a temperature of 0, else drawn at random. Prompts of like length share a batch; rows
    that are finished leave it. A batch that does not fit in memory is halved.

    A drawn text depends on the model, the temperature, one number taken from `generator`, its
    prompt, and how many times the same prompt came before. It does not depend on the other
    prompts, their order or `size`, beyond the rounding of a batched product; a longer `max_tokens`
    goes on where a shorter one stopped. A text ends where the context does.
    """
    pick: Pick = _most_likely
    if temperature:
        assert temperature > 0, "a temperature is not negative"
        assert generator is not None, "drawing at random takes a generator"
        pick = _drawn(prompts, max_tokens, temperature, generator)
    ends = _end_ids(model, tokenizer)
    require_room(model, max(map(len, prompts), default=0))
    found: dict[int, list[int]] = {}

    def run(index: Sequence[int]) -> None:
        answers = _continued(
            model, [list(prompts[i]) for i in index], index, max_tokens, ends, pick
        )
        found.update(zip(index, answers, strict=True))
        progress(len(index))

    size = size or (32 if model.device.type == "cpu" else 256)
    run_in_batches(
        own_share(by_length(prompts, size)),
        lambda index: len(index) * (max(len(prompts[i]) for i in index) + max_tokens),
        run,
    )
    every = gathered(found)
    return [every[i] for i in range(len(prompts))]


def _most_likely(logits: Tensor, numbers: Sequence[int], step: int) -> Tensor:
    return logits.argmax(-1)


def _drawn(
    prompts: Sequence[Sequence[int]],
    max_tokens: int,
    temperature: float,
    generator: torch.Generator,
) -> Pick:
    """One uniform number a row and step decides the token, by the inverse of the distribution."""
    uniform = _uniform(prompts, max_tokens, generator)

    def pick(logits: Tensor, numbers: Sequence[int], step: int) -> Tensor:
        # on the CPU in float64: a sum over a large vocabulary, alike on every device
        p = (logits.cpu().double() / temperature).softmax(-1)
        up_to = p.cumsum(-1)
        at = uniform[list(numbers), step, None] * up_to[:, -1:]
        return torch.searchsorted(up_to, at, right=True).squeeze(-1).to(logits.device)

    return pick


def _uniform(
    prompts: Sequence[Sequence[int]], max_tokens: int, generator: torch.Generator
) -> Tensor:
    """[n, max_tokens] in [0, 1); a row is seeded by one draw, its prompt and its repetition."""
    start = int(torch.randint(2**62, (), generator=generator, device=generator.device))
    seen: Counter[tuple[int, ...]] = Counter()
    rows = []
    for prompt in map(tuple, prompts):
        text = f"{start}|{seen[prompt]}|{prompt}"
        seen[prompt] += 1
        seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:7], "big")
        own = torch.Generator().manual_seed(seed)
        rows.append(torch.rand(max_tokens, generator=own, dtype=torch.float64))
    return torch.stack(rows) if rows else torch.empty(0, max_tokens, dtype=torch.float64)


def _end_ids(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> frozenset[int]:
    config = model.generation_config.eos_token_id if model.generation_config else None
    listed = config if isinstance(config, list) else [config]
    return frozenset(i for i in [*listed, tokenizer.eos_token_id] if i is not None)


@torch.no_grad()
def _continued(
    model: PreTrainedModel,
    prompts: Sequence[list[int]],
    numbers: Sequence[int],
    max_tokens: int,
    ends: frozenset[int],
    pick: Pick,
) -> list[list[int]]:
    """What is written after each prompt; `numbers` are the prompts' places among all of them."""
    if not can_share_prefix(model):
        pairs = zip(prompts, numbers, strict=True)
        return [_continued_plain(model, p, number, max_tokens, ends, pick) for p, number in pairs]
    room = context_of(model.config.get_text_config()) or math.inf
    start = opened(model, prompts)
    cache, ids, mask, positions = start.cache, start.ids, start.mask, start.positions
    answers: list[list[int]] = [[] for _ in prompts]
    alive = list(range(len(prompts)))
    for step in range(max_tokens):
        logits = model(
            input_ids=ids,
            attention_mask=mask,
            position_ids=positions,
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        ).logits[:, -1]
        chosen = pick(logits, [numbers[row] for row in alive], step)
        staying = [row for row, token in enumerate(chosen.tolist()) if token not in ends]
        for row in staying:
            answers[alive[row]].append(int(chosen[row]))
        staying = [
            row for row in staying if len(prompts[alive[row]]) + len(answers[alive[row]]) <= room
        ]
        if not staying:
            break
        if len(staying) < len(alive):
            keep = torch.tensor(staying, device=model.device)
            cache.batch_select_indices(keep)
            chosen, mask, positions = chosen[keep], mask[keep], positions[keep]
            alive = [alive[row] for row in staying]
        ids = chosen[:, None]
        mask = torch.cat([mask, torch.ones_like(ids)], dim=1)
        positions = positions[:, -1:] + 1
    return answers


def _continued_plain(
    model: PreTrainedModel,
    prompt: Sequence[int],
    number: int,
    max_tokens: int,
    ends: frozenset[int],
    pick: Pick,
) -> list[int]:
    """For architectures whose cache rows cannot be dropped: transformers' own generation."""
    ids = torch.tensor([list(prompt)], device=model.device)
    room = context_of(model.config.get_text_config()) or math.inf

    def only_picked(so_far: Tensor, logits: Tensor) -> Tensor:
        chosen = pick(logits, [number], so_far.shape[1] - len(prompt))
        return torch.full_like(logits, -torch.inf).scatter(-1, chosen[:, None], 0.0)

    out = model.generate(
        input_ids=ids,
        attention_mask=torch.ones_like(ids),
        max_new_tokens=int(min(max_tokens, room - len(prompt) + 1)),
        do_sample=False,
        eos_token_id=sorted(ends) or None,
        pad_token_id=0,
        logits_processor=LogitsProcessorList([] if pick is _most_likely else [only_picked]),
    )
    return [t for t in out[0, ids.shape[1] :].tolist() if t not in ends]
