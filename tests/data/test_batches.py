"""Rows as tensors, and which rows meet in a step."""

from __future__ import annotations

from collections import Counter

import pytest

from unteach.data.batches import by_length, collate, rows_of_step, shared_prefix
from unteach.data.render import Encoding


def row(ids: list[int], start: int) -> Encoding:
    return Encoding(tuple(ids), start, (True,) * (len(ids) - start))


def test_rows_are_padded_on_the_right():
    """Five tokens of which three are scored, and three of which one is."""
    batch = collate([row([1, 2, 3, 4, 5], 2), row([1, 6, 7], 2)], [40, 7], pad=9)
    assert batch.input_ids.tolist() == [[1, 2, 3, 4, 5], [1, 6, 7, 9, 9]]
    assert batch.attention_mask.tolist() == [[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]]
    assert batch.start.tolist() == [2, 2]
    assert batch.length.tolist() == [5, 3]
    assert batch.num_scored.tolist() == [3, 1]
    assert batch.specific.tolist() == [[True, True, True], [True, False, False]]
    assert batch.index == (40, 7)
    assert batch.prefix == 1


def test_rows_are_numbered_where_no_numbers_are_given():
    assert collate([row([1, 2], 1), row([1, 3], 1)]).index == (0, 1)


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([([1, 2, 3, 4], 3), ([1, 2, 3, 5], 3)], 2),  # the last given token is each row's own
        ([([1, 2, 3, 4], 3), ([1, 2, 3, 5], 2)], 1),
        ([([1, 2, 3, 4], 3), ([1, 9, 3, 5], 3)], 1),
        ([([1, 2, 3, 4], 3), ([8, 2, 3, 4], 3)], 0),
        ([([1, 2, 3], 1), ([1, 2, 3], 1)], 0),  # texts
        ([([1, 2, 3, 4], 3)], 2),
    ],
)
def test_the_shared_start_leaves_each_row_what_says_its_first_scored_token(rows, expected):
    assert shared_prefix([row(ids, start) for ids, start in rows]) == expected


def test_batches_by_length_start_with_the_longest_and_hold_every_row_once():
    rows = [[0] * n for n in (3, 9, 1, 7, 5)]
    assert by_length(rows, 2) == [[1, 3], [4, 0], [2]]


def test_a_pass_gives_every_row_once_and_the_next_pass_another_order():
    steps = [rows_of_step(10, 4, step, seed=0) for step in range(10)]
    drawn = [i for step in steps for i in step]
    passes = [drawn[at : at + 10] for at in range(0, 40, 10)]
    assert all(sorted(p) == list(range(10)) for p in passes)
    assert len({tuple(p) for p in passes}) == 4


def test_rows_of_a_step_depend_on_nothing_but_the_arguments():
    assert rows_of_step(10, 4, 7, seed=3) == rows_of_step(10, 4, 7, seed=3)
    assert rows_of_step(10, 4, 7, seed=3) != rows_of_step(10, 4, 7, seed=4)


def test_a_batch_larger_than_the_split_goes_on_into_the_next_pass():
    assert Counter(rows_of_step(3, 6, 0, seed=0)) == {0: 2, 1: 2, 2: 2}
