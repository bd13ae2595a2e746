"""Statistics against numbers done by hand, published tables and published logs."""

from __future__ import annotations

import json
import math
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats  # type: ignore[import-untyped]

from unteach.audit.finding import Finding, mean, statistic, unavailable
from unteach.audit.statistics import (
    Difference,
    auc,
    auc_finding,
    clopper_pearson,
    design_effect,
    groups_needed,
    harmonic_mean,
    harmonic_mean_finding,
    holm,
    ks,
    null_half_width,
    paired,
    pooled,
    tpr_at_fpr,
    unpaired,
    upper_bound,
    wasserstein,
)

LOGS = Path(__file__).parents[3] / "shared" / "data" / "tofu_eval_logs_llama32_1b"
published = pytest.mark.skipif(
    not LOGS.is_dir(), reason="the published TOFU logs are not beside this checkout"
)
RETRAINED = ("retain99", "retain95", "retain90")


@cache
def log(name: str) -> dict[str, Any]:
    return json.loads((LOGS / name / "TOFU_EVAL.json").read_text(encoding="utf-8"))


def scores(metric: dict[str, Any], key: str = "score") -> list[float]:
    return [row[key] for row in metric["value_by_index"].values()]


def alone(n: int) -> list[str]:
    """Every row its own group."""
    return [str(i) for i in range(n)]


def of_rows(values: list[float], groups: list[str] | None = None) -> Finding:
    return mean(values, groups or alone(len(values)))


def difference(ours: list[float], other: list[float], groups: list[str] | None = None):
    found = paired(of_rows(ours, groups), of_rows(other, groups))
    assert isinstance(found, Difference)
    return found


def test_clopper_pearson_of_a_textbook():
    """4 of 20 (Fleiss et al. 2003): 0.0573 to 0.4366."""
    found = clopper_pearson(4, 20)
    assert (found.low, found.high) == pytest.approx((0.0573, 0.4366), abs=1e-4)


def test_clopper_pearson_of_none_and_all():
    """0 of 10: the upper end solves (1 - p)^10 = 0.025, so 1 - 0.025^0.1 = 0.3085."""
    none, every = clopper_pearson(0, 10), clopper_pearson(10, 10)
    assert (none.low, none.high) == pytest.approx((0.0, 0.3085), abs=1e-4)
    assert (every.low, every.high) == pytest.approx((0.6915, 1.0), abs=1e-4)


def test_clopper_pearson_solves_the_binomial_tails():
    """1 of 3: at the lower end P(X >= 1) = 1 - (1 - p)^3 is 2.5 %, at the upper P(X <= 1) is."""
    found = clopper_pearson(1, 3)
    assert 1 - (1 - found.low) ** 3 == pytest.approx(0.025)
    assert (1 - found.high) ** 3 + 3 * found.high * (1 - found.high) ** 2 == pytest.approx(0.025)


@pytest.mark.parametrize(
    ("n", "bound"), [(40, 0.072), (100, 0.030), (200, 0.015), (400, 0.0075), (1000, 0.0030)]
)
def test_upper_bound_without_a_hit(n: int, bound: float):
    """1 - 0.05^(1/n); for n = 100: 1 - exp(-2.9957 / 100) = 0.0295."""
    assert upper_bound(0, n) == pytest.approx(bound, abs=5e-4)
    assert upper_bound(0, n) == pytest.approx(1 - 0.05 ** (1 / n))


def test_what_it_takes_to_show_a_rate_below_one_percent():
    assert upper_bound(0, 298) > 0.01 > upper_bound(0, 299)
    assert upper_bound(0, 597) > 0.005 > upper_bound(0, 598)


def test_all_hits_have_no_upper_bound_below_one():
    assert upper_bound(7, 7) == 1.0


@pytest.mark.parametrize(("hits", "n"), [(0, 0), (3, 2), (-1, 2)])
def test_a_rate_of_nothing_is_refused(hits: int, n: int):
    with pytest.raises(ValueError, match="a rate needs"):
        clopper_pearson(hits, n)
    with pytest.raises(ValueError, match="a rate needs"):
        upper_bound(hits, n)


def test_auc_counts_pairs_and_half_of_ties():
    """Pairs (1,1) tie, (1,2) lost, (3,1) and (3,2) won: (0.5 + 0 + 1 + 1) / 4 = 0.625."""
    assert auc([1.0, 3.0], [1.0, 2.0]) == 0.625


def test_auc_of_either_side_adds_up_to_one():
    rng = np.random.default_rng(1)
    a, b = rng.integers(5, size=30), rng.integers(6, size=20)
    assert auc(a, b) + auc(b, a) == pytest.approx(1)
    assert auc(a, a) == 0.5


def test_auc_depends_on_order_alone():
    a, b = np.array([0.1, 0.5, 0.9]), np.array([0.2, 0.5])
    assert auc(a, b) == auc(np.exp(20 * a), np.exp(20 * b))


def test_auc_takes_infinite_scores():
    assert auc([math.inf, -math.inf], [0.0]) == 0.5


@pytest.mark.parametrize("members", [[], [math.nan, 1.0]])
def test_auc_of_nothing_is_refused(members: list[float]):
    with pytest.raises(ValueError, match="members must be numbers"):
        auc(members, [1.0])


@published
@pytest.mark.parametrize("name", RETRAINED)
@pytest.mark.parametrize("attack", ["mia_loss", "mia_min_k", "mia_min_k_plus_plus", "mia_zlib"])
def test_auc_of_published_attacks(name: str, attack: str):
    """The logs' scores are losses, so a member of forget lies below the holdout."""
    found = log(name)[attack]
    ours = auc(scores(found["holdout"]), scores(found["forget"]))
    assert ours == pytest.approx(found["auc"], rel=1e-9)


@pytest.mark.parametrize(
    ("n", "width"), [(40, 0.127), (100, 0.080), (200, 0.057), (400, 0.040), (1000, 0.025)]
)
def test_half_width_under_the_null(n: int, width: float):
    """n = 40: 1.96 * sqrt(81 / (12 * 1600)) = 1.96 * 0.06495 = 0.127."""
    assert null_half_width(n, n) == pytest.approx(width, abs=6e-4)


def test_auc_finding_under_the_null_is_as_wide_as_the_formula_says():
    rng = np.random.default_rng(3)
    a, b = rng.normal(size=200), rng.normal(size=200)
    found = auc_finding(a, b, member_groups=alone(200), other_groups=alone(200))
    assert found.value == pytest.approx(auc(a, b))
    assert found.low < found.value < found.high
    assert (found.high - found.low) / 2 == pytest.approx(null_half_width(200, 200), rel=0.1)
    assert (found.n, found.groups, found.note) == (400, 400, "")


def test_auc_interval_by_hand():
    """Members 2 and 0 against others 1 and -1: wins 1, 1 and 0, 1, so 3 / 4.

    Members win 1 and 0.5, others lose to 1 and 0.5: of either the SE is 0.25, together 0.3536, with
    (2 * 0.0625)^2 / (2 * 0.0625^2) = 2 degrees, t.975 = 4.303. On the logit 1.0986 +- 4.303 *
    0.3536 / (0.75 * 0.25) = 8.113: 0.0009 to 0.9999.
    """
    found = auc_finding([2.0, 0.0], [1.0, -1.0], member_groups=["a", "b"], other_groups=["c", "d"])
    assert (found.low, found.value, found.high) == pytest.approx((0.0009, 0.75, 0.9999), abs=1e-4)


def test_auc_of_nothing_but_ties_has_no_interval():
    found = auc_finding([1.0] * 3, [1.0] * 3, member_groups=alone(3), other_groups=alone(3))
    assert found.value == 0.5
    assert math.isnan(found.low)


def test_equal_answers_of_one_person_widen_the_interval_of_an_auc():
    """Each of 50 persons four times, on either side: the width doubles against single rows."""
    rng = np.random.default_rng(7)
    a, b = rng.normal(size=50).repeat(4), rng.normal(size=50).repeat(4)
    persons = [str(i // 4) for i in range(200)]
    by_person = auc_finding(a, b, member_groups=persons, other_groups=persons)
    by_row = auc_finding(a, b, member_groups=alone(200), other_groups=alone(200))
    widths = by_person.high - by_person.low, by_row.high - by_row.low
    assert widths[0] == pytest.approx(2 * widths[1], rel=0.15)


def test_auc_of_few_texts_says_what_is_chance():
    rng = np.random.default_rng(0)
    found = auc_finding(
        rng.normal(size=40),
        rng.normal(size=40),
        member_groups=alone(40),
        other_groups=alone(40),
        note="By loss.",
    )
    assert found.note == "By loss. With 40 and 40 texts an AUC within 0.13 of 0.5 is chance."


def test_auc_of_perfect_separation_is_not_certain():
    """Ten disjoint pairs of persons, all won: 0.025^(1/10) = 0.6915 is still possible."""
    found = auc_finding(
        np.arange(10) + 100.0,
        np.arange(30),
        member_groups=alone(10),
        other_groups=alone(30),
    )
    assert (found.low, found.value, found.high) == pytest.approx((0.6915, 1.0, 1.0), abs=1e-4)
    turned = auc_finding(
        np.arange(10) - 100.0, np.arange(30), member_groups=alone(10), other_groups=alone(30)
    )
    assert (turned.low, turned.value, turned.high) == pytest.approx((0.0, 0.0, 0.3085), abs=1e-4)


def test_auc_leaves_out_what_is_unknown():
    found = auc_finding(
        [1.0, math.nan, 3.0],
        [1.0, 2.0, math.nan],
        member_groups=["a", "b", "c"],
        other_groups=["d", "e", "f"],
    )
    assert (found.value, found.n, found.groups) == (0.625, 4, 4)
    assert found.note.startswith("2 of 6 unknown, left out.")
    assert found.note.endswith("Only 2 persons or documents: the interval is rough.")
    assert found.per_example is not None
    assert np.isnan(found.per_example).tolist() == [False, True, False]
    assert found.group_ids == ("a", "b", "c")


def test_auc_without_a_score_on_one_side_is_no_number():
    found = auc_finding([math.nan], [1.0], member_groups=["a"], other_groups=["b"])
    assert not found.available
    assert found.note.startswith("an AUC needs a score on either side.")


def test_auc_of_one_person_has_no_interval():
    found = auc_finding([1.0, 3.0], [1.0, 2.0], member_groups=["a", "a"], other_groups=["b", "c"])
    assert found.value == 0.625
    assert math.isnan(found.low)
    assert math.isnan(found.high)
    assert found.note.endswith("One group only: no interval.")


def test_tpr_at_fpr_by_hand():
    """100 others 0 to 99, one may be above: the threshold is 98. Of 97, 98, 98.5, 200 two are."""
    found = tpr_at_fpr([97.0, 98.0, 98.5, 200.0], np.arange(100), fpr=0.01)
    assert (found.rate, found.hits, found.n, found.fpr) == (0.5, 2, 4, 0.01)
    exact = clopper_pearson(2, 4)
    assert (found.low, found.high) == (exact.low, exact.high)


def test_tpr_with_few_others_lets_none_of_them_through():
    """1 % of 50 is no whole text, so the threshold is the largest other."""
    found = tpr_at_fpr([49.0, 49.5], np.arange(50))
    assert (found.rate, found.fpr) == (0.5, 0.0)


def test_tpr_with_ties_stays_below_the_rate_that_was_asked_for():
    """Two of ten may be above, but three tie at the top: none is above them."""
    found = tpr_at_fpr([5.0, 6.0], [1.0] * 7 + [5.0] * 3, fpr=0.2)
    assert (found.rate, found.fpr) == (0.5, 0.0)


def test_tpr_rounds_false_positives_as_people_do():
    """0.29 of 100 others are 29, though 0.29 * 100 is 28.999... in floats."""
    assert tpr_at_fpr([1000.0], np.arange(100), fpr=0.29).fpr == 0.29


def test_ks_by_hand():
    """1, 2 against 3, 4: the gap is 1, and 2 of the C(4, 2) = 6 orders are so extreme: 1/3."""
    found = ks([1.0, 2.0], [3.0, 4.0])
    assert (found.statistic, found.p) == pytest.approx((1, 1 / 3))
    assert found.log10_p == pytest.approx(math.log10(1 / 3))


def test_ks_of_equal_samples():
    assert ks([1.0, 2.0], [2.0, 1.0]).p == 1.0


@published
@pytest.mark.parametrize(
    ("taught", "gold", "p"),
    [
        ("forget01", "retain99", 0.006760732303569208),
        ("forget05", "retain95", 1.4275699621532978e-12),
        ("forget10", "retain90", 3.9054713571083378e-22),
    ],
)
def test_ks_is_the_published_forget_quality(taught: str, gold: str, p: float):
    full = log(f"full/evals_{taught}")
    ours = ks(scores(full["forget_truth_ratio"]), scores(log(gold)["forget_truth_ratio"]))
    assert full["forget_quality"]["agg_value"] == p
    assert ours.p == pytest.approx(p, rel=1e-6)
    assert ours.log10_p == pytest.approx(math.log10(p), rel=1e-9)


def test_ks_below_the_smallest_float_has_a_logarithm():
    """2000 rows each, apart: z^2 = 2000 * 2000 / 4000 = 1000, (ln 2 - 2000) / ln 10 = -868.288.

    The exact p is 2 / C(4000, 2000), 10^-1202: the asymptotic form is too large, never too small.
    """
    found = ks(np.arange(2000), np.arange(2000) + 2000)
    assert (found.statistic, found.p) == (1.0, 0.0)
    assert found.log10_p == pytest.approx(-868.288, abs=1e-3)


def test_log10_p_does_not_rise_where_p_underflows():
    """At D = 0.8 the exact p is 7e-321; at 0.82 the asymptotic form alone would be 1e-292."""
    a = np.arange(1000) / 1000
    near, far = ks(a, a + 0.8), ks(a, a + 0.82)
    assert near.p > 0 == far.p
    assert far.log10_p <= near.log10_p


def test_wasserstein_by_hand():
    """0, 1, 3 to 5, 6, 8 is 5 each; 0, 1 to 0, 3 is (0 + 2) / 2; order does not matter."""
    assert wasserstein([0.0, 1.0, 3.0], [5.0, 6.0, 8.0]) == pytest.approx(5)
    assert wasserstein([1.0, 0.0], [0.0, 3.0]) == pytest.approx(1)


@pytest.mark.parametrize("compare", [ks, wasserstein])
def test_samples_with_nan_are_refused(compare: Any):
    with pytest.raises(ValueError, match="b must be numbers"):
        compare([1.0], [math.nan])


def test_difference_is_ours_minus_other():
    """(0.5 + 0.5) / 2 - (0.25 + 0.5) / 2 = 0.125."""
    found = difference([0.5, 0.5], [0.25, 0.5])
    assert found.value == 0.125
    assert (found.n, found.groups) == (2, 2)
    assert found.note == (
        "So few cannot have a p below 0.5. Only 2 persons or documents: the interval is rough."
    )


def test_two_groups_leave_everything_possible():
    """Differences 0 and 1: +1 and -1 are the sums of all sign patterns, so p is 1."""
    found = difference([0.5, 1.0], [0.5, 0.0])
    assert (found.low, found.high, found.low90, found.high90) == (-1.0, 1.0, -1.0, 1.0)
    assert found.within == 1.0
    assert found.p == 1.0


def test_the_interval_of_a_difference_by_hand():
    """Gaps 0.1 and 0.3 of four persons each: 0.2, SE = 0.1 / sqrt(7) = 0.0378, no skewness.

    95 %: the tail is 2.5 % (1 - 2 / 8) = 1.875 %, t with 7 degrees 2.561, so 0.2 +- 0.0968. 90 %: 3.75 %,
    2.090, +-0.0790. p: only all signs alike reach the sum of 1.6: 2 of 256.
    """
    found = difference([0.1, 0.3] * 4, [0.0] * 8)
    assert (found.low, found.high) == pytest.approx((0.1032, 0.2968), abs=2e-4)
    assert (found.low90, found.high90) == pytest.approx((0.1210, 0.2790), abs=2e-4)
    assert found.within == found.high90
    assert found.p == 2 / 256
    assert found.spread == pytest.approx(0.1 * math.sqrt(8 / 7))


def test_a_skewed_difference_reaches_further_on_its_long_side():
    found = difference([0.0, 0.0, 0.0, 0.0, 0.1, 0.1, 0.2, 0.9], [0.05] * 8)
    assert found.high - found.value > 1.5 * (found.value - found.low)


def test_an_unseen_kind_of_person_is_allowed_for_on_request():
    """Gaps of +-0.01 at 20 persons are level within 0.006, and within 0.14 whoever was not seen."""
    found = difference([0.5] * 20, [0.49, 0.51] * 10)
    assert found.within == pytest.approx(0.004, abs=0.002)
    assert found.unseen == pytest.approx(1 - 0.05 ** (1 / 20))
    assert found.within_unseen == pytest.approx(found.unseen, abs=0.01)


@pytest.mark.parametrize(("n", "margin"), [(200, 0.093), (400, 0.065), (1000, 0.041)])
def test_reachable_margin_of_a_published_table(n: int, margin: float):
    """A fifth of the rows unlike: SE = sqrt(0.2 / n), times 1.645 + 1.282; n = 200: 0.0925."""
    unlike = n // 10
    ours = [1.0] * unlike + [0.0] * (n - unlike)
    other = [0.0] * unlike + [1.0] * unlike + [0.0] * (n - 2 * unlike)
    found = difference(ours, other)
    # rates are not refused, so the exact interval takes a row more: 7 % of the margin at 200
    assert found.reachable == pytest.approx(2.926 * math.sqrt(0.2 / n), rel=0.08)
    assert found.reachable == pytest.approx(margin, rel=0.08)


def test_the_reachable_margin_is_reached_four_times_in_five():
    """100 pairs of equal models, 100 rows of noise 1 each: the margin is 2.93 * 0.1 = 0.293."""
    rng = np.random.default_rng(2)
    passed = [
        difference(rng.normal(size=100).tolist(), [0.0] * 100).equivalent(0.2926)
        for _ in range(100)
    ]
    assert np.mean(passed) == pytest.approx(0.8, abs=0.1)


def test_the_interval_of_a_difference_is_that_of_the_paired_rows():
    """Noise that both share cancels: d = +-0.1, SE = 0.1 / 20, so 0 +- 1.96 * 0.005 = 0.0098."""
    common = np.linspace(0, 10, 400)
    ours = (common + 0.1 * np.resize([1, -1], 400)).tolist()
    found = difference(ours, common.tolist())
    assert (found.low, found.high) == pytest.approx((-0.0098, 0.0098), abs=0.001)
    assert (found.low90, found.high90) == pytest.approx((-0.0082, 0.0082), abs=0.001)
    assert found.within == max(abs(found.low90), abs(found.high90))
    assert found.p > 0.8
    assert found.equivalent(0.01)
    assert not found.equivalent(0.007)


def test_a_difference_far_from_zero_has_the_smallest_p():
    """None of 10,000 random signs gives such a sum, nor does it have to: (0 + 1) / 10,001."""
    found = difference((np.arange(50) % 2 + 10.0).tolist(), [0.0] * 50)
    assert found.p == pytest.approx(1 / 10_001)


def test_few_persons_cannot_have_a_small_p():
    """Four persons: all four signs alike by chance in 2 of 16 cases."""
    found = difference([5.0, 6.0, 7.0, 9.0], [0.0, 0.0, 0.0, 0.0])
    assert found.p == 0.125
    assert found.note.startswith("So few cannot have a p below 0.125.")
    assert "So few" not in difference([5.0, 6.0, 7.0, 9.0, 5.0, 6.0], [0.0] * 6).note


def test_turning_a_difference_round_turns_its_signs():
    rng = np.random.default_rng(4)
    a, b = rng.random(60).tolist(), rng.random(60).tolist()
    there, back = difference(a, b), difference(b, a)
    assert (back.value, back.low90, back.high90) == pytest.approx(
        (-there.value, -there.high90, -there.low90)
    )
    assert (back.p, back.within, back.reachable) == pytest.approx(
        (there.p, there.within, there.reachable)
    )


def test_differences_within_a_person_count_once():
    """20 persons, 20 equal differences each: the SE of 20 rows is sqrt(20) times that of 400."""
    gaps = np.resize([0.0, 1.0], 20).repeat(20).tolist()
    by_person = difference(gaps, [0.0] * 400, [str(i // 20) for i in range(400)])
    by_row = difference(gaps, [0.0] * 400)
    assert by_person.reachable == pytest.approx(math.sqrt(20) * by_row.reachable, rel=0.1)


def test_rows_that_either_does_not_know_are_dropped():
    """Left are rows 0 and 3: (0.5 + 1) / 2 - (0 + 0) / 2 = 0.75, not 1.5 / 3 - 1 / 3."""
    found = difference([0.5, math.nan, 0.0, 1.0], [0.0, 1.0, math.nan, 0.0])
    assert (found.value, found.n, found.groups) == (0.75, 2, 2)


def test_no_leak_in_either_model_is_not_certainty():
    """0 of 100 in both: 1 - 0.05^0.01 = 0.0295 of the rows may be 1, or as many -1."""
    found = difference([0.0] * 100, [0.0] * 100)
    assert (found.low, found.value, found.high) == pytest.approx((-0.0295, 0, 0.0295), abs=1e-4)
    assert found.within == pytest.approx(0.0295, abs=1e-4)
    assert found.reachable == pytest.approx(found.within)
    assert found.p == 1.0
    assert found.note == "The difference is the same in every group."


def test_a_leak_of_every_fact_against_none_is_not_certainty_either():
    """A share s = 0.0295 of rows at -1 instead of 1 moves the mean by 2 s: 0.9410."""
    found = difference([1.0] * 100, [0.0] * 100)
    assert (found.low, found.value, found.high) == pytest.approx((0.9410, 1, 1), abs=2e-4)
    assert found.p == pytest.approx(1 / 10_001)


def test_two_persons_alike_do_not_show_equivalence():
    """Each +1 and -1: both means 0. Of four rows 1 - 0.05^(1/4) = 0.527 may be unlike.

    Of two persons it is 1 - sqrt(0.05) = 0.776.
    """
    found = difference([1.0, 0.0, 1.0, 0.0], [0.0, 1.0, 0.0, 1.0], list("aabb"))
    assert (found.within, found.within_unseen) == pytest.approx((0.527, 0.776), abs=1e-3)
    assert not found.equivalent(0.5)


def test_unbounded_values_that_differ_alike_have_no_reachable_margin():
    found = difference([-2.0] * 10, [-3.0] * 10)
    assert (found.value, found.p) == (1.0, 2 / 2**10)
    assert all(math.isnan(x) for x in (found.low, found.high90, found.within, found.reachable))
    assert found.note == "The difference is the same in every group."


def test_a_difference_of_one_person_has_no_interval():
    found = difference([1.0, 0.0], [0.0, 0.0], ["a", "a"])
    assert found.value == 0.5
    assert all(math.isnan(x) for x in (found.low, found.high90, found.p, found.within))
    assert math.isnan(found.reachable)
    assert not found.equivalent(1.0)
    assert found.note == "One group only: no interval."


def test_a_margin_of_nothing_is_refused():
    with pytest.raises(ValueError, match="a margin is above 0"):
        difference([0.5, 0.5], [0.25, 0.5]).equivalent(0.0)


def test_what_is_no_mean_over_the_same_rows_has_no_difference():
    here = of_rows([0.0, 1.0, 1.0])
    separated = auc_finding(
        [5.0, 6.0, 7.0], [1.0, 2.0], member_groups=alone(3), other_groups=alone(2)
    )
    assert paired(here, of_rows([0.0, 1.0])) is None
    assert paired(here, of_rows([0.0, 1.0, 1.0], ["x", "y", "z"])) is None
    assert paired(here, statistic(3.0, [2.0, 4.0], n=3, groups=3)) is None
    assert paired(separated, separated) is None
    assert paired(here, unavailable("no gold model")) is None
    assert paired(of_rows([math.nan, 1.0]), of_rows([1.0, math.nan])) is None


def apart(ours: list[float], other: list[float]) -> Difference:
    """Means over different persons, one row each."""
    found = unpaired(of_rows(ours), of_rows(other, [f"other {i}" for i in range(len(other))]))
    assert isinstance(found, Difference)
    return found


def test_the_difference_of_other_persons_by_hand():
    """0.1 and 0.3 against 0.2 and 0.4, four times each: SE = sqrt(2) * 0.0378 = 0.0535, 14 degrees.

    p: t = -0.1 / 0.0535 = -1.871, 0.082. 95 %: tail 1.875 %, t 2.298, so +-0.1228.
    """
    found = apart([0.1, 0.3] * 4, [0.2, 0.4] * 4)
    assert (found.value, found.p) == pytest.approx((-0.1, 0.082), abs=1e-3)
    assert (found.low, found.high) == pytest.approx((-0.2228, 0.0228), abs=1e-3)
    assert (found.n, found.groups) == (16, 8)


def test_rates_of_other_persons_keep_their_bounds():
    """0 of 8 against 0 of 8: two beta shares of the unseen may add up, so more than 0.312."""
    found = apart([0.0] * 8, [0.0] * 8)
    assert found.within == pytest.approx(0.312, abs=1e-3)
    assert found.p == 1.0
    assert apart([1.0] * 8, [0.0] * 8).p == pytest.approx(2 / math.comb(16, 8))
    assert apart([1.0] * 8, [0.0] * 8).high == 1.0


def test_other_persons_are_not_compared_by_what_is_no_mean():
    assert unpaired(of_rows([0.0, 1.0]), statistic(3.0, [2.0, 4.0], n=3, groups=3)) is None
    assert math.isnan(apart([0.5], [0.2, 0.3]).low)


def test_seeds_leave_what_persons_do_and_the_noise_of_training():
    """0.2, 0.3 and 0.4 of [-0.1, +0.2] each: t.975 with 2 degrees 4.303 * 0.1 / sqrt(3) = 0.2484.

    Down hypot(0.1, 0.2484) = 0.2678, up hypot(0.2, 0.2484) = 0.3189.
    """
    seeds = [Finding(x, x - 0.1, x + 0.2, n=24, groups=8) for x in (0.2, 0.3, 0.4)]
    found = pooled(seeds)
    assert (found.low, found.value, found.high) == pytest.approx((0.0322, 0.3, 0.6189), abs=1e-4)
    assert (found.n, found.groups, found.note) == (72, 8, "Over 3 seeds.")


def test_seeds_of_a_rate_keep_its_bounds():
    found = pooled([Finding(x, 0.0, 1.0, n=8, groups=8) for x in (0.1, 0.9)])
    assert (found.low, found.value, found.high) == (0.0, 0.5, 1.0)


def test_one_seed_stands_alone_and_none_is_refused():
    alone = pooled([of_rows([0.5] * 8)])
    assert alone.note == "One seed: the noise of training is not known."
    assert not pooled([of_rows([0.5] * 8), unavailable("no gold model")]).available
    with pytest.raises(ValueError, match="there is no finding to pool"):
        pooled([])


def test_the_number_of_groups_that_would_decide():
    """Spread 0.1, margin 0.05: (t.95 + t.90) 0.1 / sqrt(G) (1 + 32 / G^2) is 0.0502 at 38, 0.0495 at 39."""
    gaps = np.resize([0.1, -0.1], 20) * math.sqrt(19 / 20)
    found = difference((0.5 + gaps).tolist(), [0.5] * 20)
    assert found.spread == pytest.approx(0.1)
    needed = groups_needed(found, 0.05)
    assert needed is not None
    for groups, enough in ((needed, True), (needed - 1, False)):
        t = stats.t.ppf(0.95, groups - 1) + stats.t.ppf(0.90, groups - 1)
        assert (t * 0.1 / math.sqrt(groups) * (1 + 32 / groups**2) <= 0.05) == enough


def test_the_number_of_groups_that_would_decide_between_rates():
    """Nothing said by either: 1 - 0.05^(1/n) is 0.05 at n = 58.4 rows; by threes at 20 persons."""
    groups = [str(i // 3) for i in range(24)]
    assert groups_needed(difference([0.0] * 24, [0.0] * 24, groups), 0.05) == 20
    assert groups_needed(difference([0.0] * 24, [0.0] * 24), 0.05) == 59


def test_how_many_groups_would_decide_is_not_known_without_a_spread():
    assert groups_needed(difference([-2.0] * 10, [-3.0] * 10), 0.1) is None
    assert groups_needed(difference([1.0, 0.0], [0.0, 0.0], ["a", "a"]), 0.1) is None
    with pytest.raises(ValueError, match="a margin is above 0"):
        groups_needed(difference([0.5, 0.5], [0.25, 0.5]), 0.0)


def test_design_effect_of_equal_and_of_opposite_rows():
    """Persons (1, 1) and (0, 0): 1^2 + 1^2 over 4 * 0.25 = 2. Persons (0, 1) twice: 0."""
    assert design_effect([1.0, 1.0, 0.0, 0.0], list("aabb")) == 2.0
    assert design_effect([0.0, 1.0, 0.0, 1.0], list("aabb")) == 0.0
    assert design_effect([0.0, 1.0, 0.5, 0.25], list("abcd")) == 1.0


def test_design_effect_of_a_known_correlation():
    """20 questions a person that share a tenth of their variance: 1 + 19 * 0.1 = 2.9."""
    rng = np.random.default_rng(6)
    shared, own = rng.normal(size=(3000, 1)), rng.normal(size=(3000, 20))
    values = (math.sqrt(0.1) * shared + math.sqrt(0.9) * own).ravel()
    groups = [str(i // 20) for i in range(len(values))]
    assert design_effect(values, groups) == pytest.approx(2.9, rel=0.05)


def test_design_effect_is_the_ratio_of_the_bootstrap_variances():
    rng = np.random.default_rng(8)
    values = (rng.normal(size=(50, 1)) + rng.normal(size=(50, 4))).ravel()
    groups = [str(i // 4) for i in range(200)]
    by_person, by_row = of_rows(values.tolist(), groups), of_rows(values.tolist())
    ratio = ((by_person.high - by_person.low) / (by_row.high - by_row.low)) ** 2
    assert design_effect(values, groups) == pytest.approx(ratio, rel=0.15)


def test_design_effect_that_is_not_defined():
    assert math.isnan(design_effect([0.0, 1.0], ["a", "a"]))
    assert math.isnan(design_effect([0.3, 0.3], ["a", "b"]))


def test_design_effect_leaves_out_what_is_unknown():
    values = [1.0, 1.0, 0.0, 0.0, math.nan]
    assert design_effect(values, list("aabbc")) == 2.0


def test_holm_by_hand():
    """Sorted 0.005 * 4, 0.01 * 3, 0.03 * 2, 0.04 * 1 = 0.02, 0.03, 0.06, 0.04 -> 0.06."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_holm_ends_at_one():
    assert holm([0.6, 0.7]) == [1.0, 1.0]
    assert holm([0.2]) == [0.2]
    assert holm([]) == []


def test_holm_refuses_what_is_no_p_value():
    with pytest.raises(ValueError, match=r"a p value is from 0 to 1, and 1\.5 is not"):
        holm([0.1, 1.5])


def test_harmonic_mean_by_hand():
    """2 / (1 / 1 + 1 / 0.5) = 2 / 3; 3 / (1 + 2 + 4) = 0.42857."""
    assert harmonic_mean([1.0, 0.5]) == pytest.approx(2 / 3)
    assert harmonic_mean([1.0, 0.5, 0.25]) == pytest.approx(3 / 7)


def test_harmonic_mean_is_zero_if_one_value_is():
    assert harmonic_mean([0.9, 0.0]) == 0.0
    assert harmonic_mean([0.9, 5e-324]) == 0.0


@pytest.mark.parametrize("values", [[], [0.5, -0.1], [0.5, math.nan], [0.0, -0.1]])
def test_harmonic_mean_of_no_or_negative_values_is_refused(values: list[float]):
    with pytest.raises(ValueError, match="a harmonic mean"):
        harmonic_mean(values)


@published
@pytest.mark.parametrize("name", [*RETRAINED, "full/evals_forget10"])
def test_harmonic_mean_is_the_published_model_utility(name: str):
    found = log(name)
    parts = ["Q_A_ROUGE", "Truth_Ratio"]
    metrics = [f"{split}_{part}" for split in ("retain", "ra", "wf") for part in parts]
    metrics += ["retain_Q_A_Prob", "ra_Q_A_Prob_normalised", "wf_Q_A_Prob_normalised"]
    ours = harmonic_mean([found[metric]["agg_value"] for metric in metrics])
    assert ours == pytest.approx(found["model_utility"]["agg_value"], rel=1e-9)


def test_harmonic_mean_of_one_finding_is_that_finding():
    part = of_rows(np.linspace(0.2, 0.9, 30).tolist())
    found = harmonic_mean_finding([part])
    assert found.value == pytest.approx(part.value)
    assert (found.low, found.high) == pytest.approx((part.low, part.high), abs=0.01)
    assert (found.n, found.groups, found.note) == (30, 30, "")
    assert found.per_example is None


def test_harmonic_mean_finding_has_the_error_of_its_parts():
    """Both parts 0.5, so H = 2ab / (a + b) moves by half of either: SE = 0.5 * sqrt(2) * 0.025.

    400 rows of 0 and 1: SE 0.025 a part. H +- 1.96 * 0.01768 = 0.0346.
    """
    first = of_rows([0.0, 1.0] * 200)
    second = of_rows([0.0, 1.0] * 200, [f"other {i}" for i in range(400)])
    found = harmonic_mean_finding([first, second])
    assert found.value == 0.5
    assert (found.low, found.high) == pytest.approx((0.4654, 0.5346), abs=0.004)
    assert (found.n, found.groups) == (800, 800)


def test_parts_about_the_same_persons_share_their_luck():
    """Twice the same rows say no more than once: the interval is that of one part."""
    part = of_rows([0.0, 1.0] * 200)
    twice = harmonic_mean_finding([part, part])
    once = harmonic_mean_finding([part])
    assert (twice.low, twice.value, twice.high) == pytest.approx((once.low, once.value, once.high))
    assert (twice.n, twice.groups) == (800, 400)


def test_a_part_of_zero_is_named():
    found = harmonic_mean_finding([of_rows([0.5] * 6), of_rows([0.0] * 6)])
    # of six persons 1 - 0.05^(1/6) = 0.393 may be 1: 2 * 0.5 * 0.393 / 0.893 = 0.44 and more
    assert (found.low, found.value) == (0.0, 0.0)
    assert 0.4 < found.high < 0.6
    assert found.note == "Part 2 is 0."


def test_a_part_that_is_unavailable_is_named():
    found = harmonic_mean_finding([of_rows([0.5] * 6), unavailable("no split is named 'wf'")])
    assert not found.available
    assert found.note == "part 2 of 2 is unavailable: no split is named 'wf'"


def test_a_part_that_cannot_be_resampled_leaves_the_value():
    found = harmonic_mean_finding([of_rows([0.5] * 6), statistic(1.0, [1.0, 1.0], n=6, groups=6)])
    assert found.value == pytest.approx(2 / 3)
    assert math.isnan(found.low)
    assert found.note == "Part 2 is no mean over examples: no interval."


def test_a_part_about_one_person_leaves_the_value():
    found = harmonic_mean_finding([of_rows([0.5] * 6), of_rows([1.0, 1.0], ["a", "a"])])
    assert found.value == pytest.approx(2 / 3)
    assert math.isnan(found.high)
    assert found.note == "One group only: no interval."


def test_a_part_that_falls_below_zero_in_a_resample_is_zero_there():
    """Similarities of +-0.5, mean 0.1: by luck below 0, where 1 / mean would turn the sign."""
    part = of_rows([0.5, 0.5, 0.5, -0.5, -0.5])
    found = harmonic_mean_finding([part, of_rows([0.5] * 5)])
    assert found.value == pytest.approx(1 / 6)
    assert found.low == 0.0
    assert found.high <= 0.5
