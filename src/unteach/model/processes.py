"""Work that no row of depends on another, shared between the processes of one launch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

from torch import distributed

T = TypeVar("T")


def own_share(batches: Sequence[T]) -> list[T]:
    """This process's batches; all of them where there is one process."""
    if not (distributed.is_available() and distributed.is_initialized()):
        return list(batches)
    return list(batches[distributed.get_rank() :: distributed.get_world_size()])


def gathered(found: Mapping[int, T]) -> dict[int, T]:
    """What all processes found, by row number, the same in each of them."""
    if not (distributed.is_available() and distributed.is_initialized()):
        return dict(found)
    parts: list[Mapping[int, T]] = [{} for _ in range(distributed.get_world_size())]
    distributed.all_gather_object(parts, dict(found))
    return {row: value for part in parts for row, value in part.items()}
