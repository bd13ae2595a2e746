"""Batches as large as memory allows, found by trying."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from accelerate.utils.memory import clear_device_cache, should_reduce_batch_size

from unteach.errors import DeviceError

if TYPE_CHECKING:
    import torch

TOKENS = {"cpu": 2048}
"""Padded tokens a batch starts with. More is no faster on a CPU; an accelerator wants many more."""
ACCELERATOR_TOKENS = 32768


def budget(device: torch.device) -> int:
    """Padded tokens that a first batch may have on this device."""
    return TOKENS.get(device.type, ACCELERATOR_TOKENS)


@contextmanager
def enough_memory(at: str) -> Iterator[None]:
    """Say in one sentence that memory is out, and what to lower.

    Raises:
        DeviceError: it is.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not isinstance(error, MemoryError) and not should_reduce_batch_size(error):
            raise
        raise DeviceError(
            f"{at}: out of memory. Lower train.micro_batch (rows of one pass; no result changes), "
            "data.max_tokens or the texts' length, set dtype: bfloat16, select: lora, or take a "
            "smaller model."
        ) from None


def run_in_batches(
    batches: Iterable[Sequence[int]],
    cost: Callable[[Sequence[int]], int],
    run: Callable[[Sequence[int]], None],
) -> None:
    """Run every batch; one that does not fit in memory is halved, and so are all that cost as much.

    `cost` is in padded tokens. A single row that does not fit raises what the device raised.
    """
    waiting = deque(list(batch) for batch in batches)
    largest = float("inf")
    while waiting:
        index = waiting.popleft()
        if len(index) > 1 and cost(index) > largest:
            waiting.extendleft(_halves(index))
            continue
        try:
            run(index)
        except RuntimeError as error:
            if len(index) == 1 or not should_reduce_batch_size(error):
                raise
            largest = cost(index) // 2
            waiting.appendleft(index)
            clear_device_cache(garbage_collection=True)


def _halves(index: list[int]) -> tuple[list[int], list[int]]:
    middle = (len(index) + 1) // 2
    return index[middle:], index[:middle]  # extendleft turns them round
