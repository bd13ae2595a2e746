"""The mean with its bootstrap over groups, and what happens to what is unknown."""

from __future__ import annotations

import math

import numpy as np
import pytest

from unteach.audit.finding import mean, resample_groups, statistic, unavailable


def width(values: list[float], groups: list[str]) -> float:
    found = mean(values, groups)
    return found.high - found.low


def test_the_mean_is_over_examples_and_not_over_groups():
    """Group a has three examples and b one: (1 + 1 + 1 + 0) / 4 = 0.75; over groups it were 0.5."""
    found = mean([1.0, 1.0, 1.0, 0.0], ["a", "a", "a", "b"])
    assert found.value == 0.75
    assert (found.n, found.groups, found.available) == (4, 2, True)


def test_two_groups_leave_almost_everything_possible():
    """One hit of two: mid-p solves (1 - p)^2 + p (1 - p) = 0.025 at the upper end: 1 - p = 0.025."""
    found = mean([0.0, 1.0], ["a", "b"])
    assert (found.low, found.value, found.high) == pytest.approx((0.025, 0.5, 0.975), abs=0.005)


def test_no_hit_among_eight_people_still_allows_a_third():
    """0 of 8, mid-p: (1 - p)^8 / 2 = 0.025, so 1 - 0.05^(1/8) = 0.3123, whatever their rows."""
    found = mean([0.0] * 24, [str(i // 3) for i in range(24)])
    assert (found.low, found.high) == pytest.approx((0.0, 0.3123), abs=1e-3)
    turned = mean([1.0] * 24, [str(i // 3) for i in range(24)])
    assert (turned.low, turned.high) == pytest.approx((0.6877, 1.0), abs=1e-3)


def test_equal_values_allow_for_a_person_unlike_them():
    """Of three persons 1 - 0.05^(1/3) = 0.6316 may be 0, or 1: 0.3 * 0.3684, 0.3 + 0.7 * 0.6316."""
    found = mean([0.3] * 6, list("aabbcc"))
    assert (found.low, found.value, found.high) == pytest.approx((0.1105, 0.3, 0.7421), abs=2e-3)


def test_what_is_known_to_lie_in_0_to_1_has_its_interval_there():
    found = mean([0.01, 0.02, 0.0, 0.9, 0.01], list("abcde"))
    assert 0 <= found.low < found.value < found.high <= 1


def test_unbounded_values_have_students_interval():
    """-1, 1, -1, 1 of 8 persons: SE = sqrt(8 / 7 / 8) = 0.378, no skewness.

    2 / 8 of the error is kept for skewness not seen: t.98125 with 7 degrees is 2.561: +-0.968.
    """
    found = mean([-1.0, 1.0] * 4, list("abcdefgh"))
    assert (found.low, found.high) == pytest.approx((-0.968, 0.968), abs=0.001)


def test_unbounded_values_that_are_alike_have_no_interval():
    found = mean([-2.0] * 6, list("abcdef"))
    assert found.value == -2
    assert math.isnan(found.low)
    assert found.note == "All groups are alike, so nothing shows how they differ: no interval."


def test_the_interval_of_many_groups_is_that_of_the_mean():
    """400 groups, half of them 1: standard error 0.5 / 20 = 0.025, so 0.5 +- 1.96 * 0.025 = 0.049."""
    found = mean([0.0, 1.0] * 200, [str(i) for i in range(400)])
    assert found.low == pytest.approx(0.451, abs=0.005)
    assert found.high == pytest.approx(0.549, abs=0.005)


def test_answers_about_one_person_count_as_one():
    """16 persons with four equal answers each know as much as 16 answers: the width doubles."""
    values = [float(person % 2) for person in range(16) for _ in range(4)]
    by_person = [str(person) for person in range(16) for _ in range(4)]
    alone = [str(i) for i in range(64)]
    assert width(values, by_person) == pytest.approx(2 * width(values, alone), rel=0.15)


def test_one_group_has_a_value_but_no_interval():
    found = mean([0.0, 1.0], ["a", "a"])
    assert found.available
    assert found.value == 0.5
    assert math.isnan(found.low)
    assert math.isnan(found.high)
    assert found.note == "One group only: no interval."


def test_few_groups_are_a_warning():
    rough = "Only {} persons or documents: the interval is rough."
    notes = [mean([0.0, 1.0] * n, [str(i // 2) for i in range(2 * n)]).note for n in (2, 4, 5)]
    assert notes == [rough.format(2), rough.format(4), ""]


def test_unknown_is_left_out_and_counted():
    """(1 + 0) / 2; the group whose only example is unknown is no group."""
    found = mean([1.0, math.nan, 0.0], ["a", "b", "c"])
    assert (found.value, found.n, found.groups) == (0.5, 2, 2)
    assert found.note == (
        "1 of 3 unknown, left out. Only 2 persons or documents: the interval is rough."
    )


def test_the_unknown_keep_their_row_in_per_example():
    found = mean([1.0, math.nan, 0.0], ["a", "b", "c"])
    assert found.per_example is not None
    assert np.isnan(found.per_example).tolist() == [False, True, False]
    assert found.group_ids == ("a", "b", "c")


def test_a_note_of_the_audit_comes_first():
    found = mean([1.0, math.nan, 0.0, 0.0, 0.0, 0.0], list("abcdef"), "By rules.")
    assert found.note == "By rules. 1 of 6 unknown, left out."


def test_nothing_known_is_no_number():
    found = mean([math.nan, math.nan], ["a", "b"])
    assert not found.available
    assert (found.n, found.note) == (0, "no example could be judged")
    assert all(math.isnan(x) for x in (found.value, found.low, found.high))


def test_a_note_does_not_replace_the_reason():
    found = mean([math.nan], ["a"], "By entities alone: there is no NLI model.")
    assert found.note == "no example could be judged. By entities alone: there is no NLI model."


def test_no_example_is_no_number():
    assert mean([], []).note == "no example could be judged"


def test_the_same_numbers_give_the_same_interval():
    values, groups = [0.1, 0.7, 0.2, 0.9, 0.4], list("aabbc")
    first, second = mean(values, groups), mean(values, groups)
    assert (first.low, first.high) == (second.low, second.high)


def test_the_order_of_rows_within_groups_does_not_matter():
    first = mean([0.1, 0.7, 0.2, 0.9], list("aabb"))
    second = mean([0.7, 0.1, 0.9, 0.2], list("aabb"))
    assert (first.low, first.high) == (second.low, second.high)


def test_statistic_takes_percentiles_as_wide_as_students_t():
    """8 groups: t.975 is 2.365 where the normal is 1.96, times sqrt(8 / 7): 2.528, a tail of 0.573 %.

    Of resamples 0, 1, ..., 1000 these are 5.73 and 994.27.
    """
    found = statistic(400.0, [float(i) for i in range(1001)], n=9, groups=8)
    assert (found.value, found.low, found.high) == pytest.approx((400.0, 5.73, 994.27), abs=0.01)
    assert (found.n, found.groups, found.per_example) == (9, 8, None)


@pytest.mark.parametrize("value", [math.inf, math.nan])
def test_a_statistic_that_is_not_finite_is_no_number(value: float):
    found = statistic(value, [1.0, 2.0], n=2, groups=2)
    assert not found.available
    assert found.note == "the value is not finite"


def test_a_statistic_of_one_group_has_no_interval():
    """All resamples of one group are the group itself, which is not certainty."""
    found = statistic(2.0, [2.0] * 9, n=4, groups=1)
    assert found.value == 2.0
    assert math.isnan(found.low)
    assert math.isnan(found.high)
    assert found.note == "One group only: no interval."


def test_resamples_draw_whole_groups():
    """Rows 0 and 2 are one person, so each is in a sample as often as the other."""
    for rows in resample_groups(["a", "b", "a"], times=50):
        counts = np.bincount(rows, minlength=3)
        assert counts[0] == counts[2]
        assert counts[0] + counts[1] == 2


def test_resamples_depend_on_the_seed_alone():
    groups = list("aabbc")
    first, again, other = (
        [rows.tolist() for rows in resample_groups(groups, seed=seed, times=20)]
        for seed in (0, 0, 1)
    )
    assert first == again
    assert first != other


def test_unavailable_carries_its_reason():
    found = unavailable("no split is named 'holdout'")
    assert not found.available
    assert found.note == "no split is named 'holdout'"
    assert math.isnan(found.value)
