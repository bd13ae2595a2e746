"""The nearest retained row by shared rare words."""

import math
from collections import Counter
from random import Random

import pytest

from unteach.data.benchmarks.world import world
from unteach.data.examples import Example
from unteach.errors import DataError
from unteach.synthesis.neighbours import _vectors, neighbours


def test_weights_by_hand():
    """Three rows: `a` is in all (ln 1 = 0), `b` in two (ln 1.5 = 0.405), `c`, `d` in one (ln 3 = 1.099).

    Row 1 is b, c: length sqrt(0.405^2 + 1.099^2) = 1.171, so 0.346 and 0.938.
    Row 2 is b alone, counted twice: 1. Their cosine is 0.346.
    """
    first, second, third = _vectors(["A b c", "a b B", "a d"])
    assert first == pytest.approx({"b": 0.3462, "c": 0.9381}, abs=1e-4)
    assert second == {"b": 1.0}
    assert third == {"d": 1.0}
    assert all(math.isclose(sum(w * w for w in v.values()), 1) for v in (first, second, third))


def test_rare_words_count_more_than_common_ones():
    """Two retained rows share "where was", one shares the harbour: the harbour is rarer."""
    forget = [Example("Where was Ada?", "At the harbour.", id="ada")]
    retain = [
        Example("Where was Ben?", "In a wood."),
        Example("Where was Cleo?", "In a hut."),
        Example("Who runs the harbour?", "Dan."),
    ]
    made = neighbours({"forget": forget, "retain": retain}, Random(0))
    assert [row.prompt for row in made.splits["forget_neighbours"]] == ["Who runs the harbour?"]


def test_rows_are_those_of_retain_and_equals_are_drawn_from():
    """All four are equally near, as no word tells them apart from the forget row's point of view."""
    forget = [Example("Is it so?", "Red.", id=f"f{i}") for i in range(40)]
    retain = [Example("Is it so?", answer, id=answer) for answer in ("Blue.", "Green.", "Pink.")]
    made = neighbours({"forget": forget, "retain": retain}, Random(0))
    rows = made.splits["forget_neighbours"]
    assert all(row in retain for row in rows)
    assert set(Counter(row.id for row in rows)) == {"Blue.", "Green.", "Pink."}
    assert [record.source_id for record in made.records] == [row.id for row in forget]


def test_the_neighbour_of_a_birthplace_is_a_birthplace():
    splits = world(people=6, attributes=3, forget=0.5, brief=True, facts=4, texts=2)
    made = neighbours(splits, Random(0))
    near = made.splits["forget_neighbours"]
    assert [row.attribute for row in near] == [row.attribute for row in splits["forget"]]
    assert all(row in splits["retain"] for row in near)
    assert neighbours(splits, Random(0)) == made


def test_texts_have_neighbours_too():
    forget = [Example("", "The mill stood by the river.", id="t")]
    retain = [Example("", "A cat slept."), Example("", "The river was cold.", id="near")]
    made = neighbours({"forget": forget, "retain": retain}, Random(0))
    assert made.splits["forget_neighbours"] == [retain[1]]


def test_both_splits_are_needed():
    with pytest.raises(DataError, match="neighbours reads the split 'retain'"):
        neighbours({"forget": [Example("Q?", "A.")], "retain": []}, Random(0))
