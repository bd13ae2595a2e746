from pathlib import Path

import pytest

from tests.report.conftest import Row, finding, tofu, write_run
from unteach.report.read import Finding, read
from unteach.report.verdict import Verdict, judge, level, untested

GOLD: dict[tuple[str, str], tuple[float, float, float]] = {
    # original, gold, unlearned: a model that has forgotten and lost nothing
    ("probability", "forget"): (0.95, 0.15, 0.16),
    ("probability", "forget_paraphrased"): (0.90, 0.14, 0.13),
    ("rouge", "forget"): (0.99, 0.30, 0.28),
    ("kfr", "forget"): (0.02, 0.92, 0.93),
    ("probability", "retain"): (0.95, 0.96, 0.94),
    ("krr", "retain"): (0.97, 0.97, 0.96),
    ("repetition", "retain"): (0.01, 0.01, 0.02),
}


def verdict(
    folder: Path,
    unlearned: dict[tuple[str, str], float] | None = None,
    *,
    drop: tuple[str, ...] = (),
    gold: bool = True,
    extra: tuple[Row, ...] = (),
    **more: object,
) -> Verdict:
    """The verdict on `GOLD` with some of the unlearned model's values replaced."""
    rows = []
    for (audit, split), (before, never, after) in GOLD.items():
        if audit in drop:
            continue
        value = (unlearned or {}).get((audit, split), after)
        rows.append(finding(audit, split, "original", before))
        rows.append(finding(audit, split, "unlearned", value, **more))
        if gold:
            rows.append(finding(audit, split, "gold", never))
    return judge(read(write_run(folder, [*rows, *extra])))


def test_level_with_gold_everywhere_and_nothing_lost_is_forgotten(tmp_path: Path) -> None:
    said = verdict(tmp_path / "run")
    assert said.status == "FORGOTTEN"
    assert said.flags == ()
    assert "as fluently" in said.language


def test_text_passes_and_likelihood_fails_is_suppression(tmp_path: Path) -> None:
    """0.60 is above gold's 0.15 + 0.05; ROUGE-L and KFR stay at gold's level.

    Of the way from 0.95 to 0.15 the probability came (0.95 - 0.60) / 0.80 = 44 %.
    """
    said = verdict(tmp_path / "run", {("probability", "forget"): 0.60})
    assert said.status == "SUPPRESSED"
    assert "0.60 (gold 0.15)" in said.reason
    assert "suppression, not deletion" in said.reason
    assert "44\u00a0%" in said.leak


def test_a_leak_only_through_paraphrases_is_found(tmp_path: Path) -> None:
    said = verdict(tmp_path / "run", {("probability", "forget_paraphrased"): 0.5})
    assert said.status == "SUPPRESSED"
    assert "paraphrases" in said.reason


@pytest.mark.parametrize(("audit", "value"), [("rouge", 0.8), ("kfr", 0.3)])
def test_answers_that_give_it_away_are_not_forgotten(
    tmp_path: Path, audit: str, value: float
) -> None:
    said = verdict(tmp_path / "run", {(audit, "forget"): value})
    assert said.status == "NOT FORGOTTEN"


def test_without_text_a_leak_is_not_called_suppression(tmp_path: Path) -> None:
    said = verdict(tmp_path / "run", {("probability", "forget"): 0.6}, drop=("rouge", "kfr"))
    assert said.status == "NOT FORGOTTEN"


def test_a_broken_model_is_destroyed_though_it_passes_every_leak_test(tmp_path: Path) -> None:
    """Repetition on retain 0.01 -> 0.80 is more than the 0.30 that counts as collapse."""
    said = verdict(tmp_path / "run", {("repetition", "retain"): 0.80})
    assert said.status == "DESTROYED"
    assert "COLLAPSED" in said.reason


def test_perplexity_three_times_the_originals_is_collapse(tmp_path: Path) -> None:
    rows = (
        finding("perplexity", "neutral", "original", 14.0),
        finding("perplexity", "neutral", "unlearned", 42.1),
    )
    assert verdict(tmp_path / "run", extra=rows).status == "DESTROYED"


def test_breaking_down_only_on_the_forgotten_is_a_flag(tmp_path: Path) -> None:
    rows = (
        finding("degenerate", "forget", "original", 0.0),
        finding("degenerate", "forget", "unlearned", 0.9),
    )
    said = verdict(tmp_path / "run", extra=rows)
    assert said.status == "FORGOTTEN"
    assert said.flags == ("BROKEN ON FORGET",)
    assert "break down" in said.reason


def test_losing_most_of_the_retain_set_is_destruction(tmp_path: Path) -> None:
    """0.40 / 0.97 = 41 % and 0.40 / 0.95 = 42 %: both under a half."""
    said = verdict(tmp_path / "run", {("krr", "retain"): 0.4, ("probability", "retain"): 0.4})
    assert said.status == "DESTROYED"


def test_losing_some_of_the_retain_set_is_damage(tmp_path: Path) -> None:
    said = verdict(tmp_path / "run", {("krr", "retain"): 0.8, ("probability", "retain"): 0.8})
    assert said.status == "FORGOTTEN"
    assert said.flags == ("RETAIN DAMAGED",)
    assert "97\u00a0% → 80\u00a0%" in said.kept


def test_a_difference_within_the_interval_is_not_called_a_loss(tmp_path: Path) -> None:
    """0.90 / 0.97 = 93 %, but intervals of the unlearned model reach 0.99, above 0.97."""
    values = {("krr", "retain"): 0.90, ("probability", "retain"): 0.88}
    said = verdict(tmp_path / "run", values, high=0.99, low=0.1)
    assert "within the interval" in said.kept
    assert said.flags == ()


def test_far_below_gold_is_over_forgetting(tmp_path: Path) -> None:
    """0.01 is below 0.15 - 0.05 and below half of 0.15."""
    values = {("probability", "forget"): 0.01, ("probability", "forget_paraphrased"): 0.01}
    said = verdict(tmp_path / "run", values)
    assert said.status == "FORGOTTEN"
    assert said.flags == ("OVER-FORGOTTEN",)
    assert "noticeable" in said.reason


def test_without_gold_people_never_taught_are_the_yardstick(tmp_path: Path) -> None:
    rows = (finding("probability", "holdout", "original", 0.16),)
    said = verdict(tmp_path / "run", gold=False, extra=rows)
    assert said.status == "FORGOTTEN"
    assert "There is no gold model" in said.leak
    assert "never taught" in said.reason


def test_without_any_yardstick_nothing_is_claimed(tmp_path: Path) -> None:
    said = verdict(tmp_path / "run", gold=False)
    assert said.status == "INCONCLUSIVE"
    assert "nothing to compare" in said.reason


def test_without_likelihoods_nothing_is_claimed(tmp_path: Path) -> None:
    assert verdict(tmp_path / "run", drop=("probability",)).status == "INCONCLUSIVE"


def test_an_original_that_never_knew_shows_nothing(tmp_path: Path) -> None:
    rows = [
        finding("probability", "forget", model, value)
        for model, value in (("original", 0.16), ("gold", 0.15), ("unlearned", 0.14))
    ]
    said = judge(read(write_run(tmp_path / "run", rows)))
    assert said.status == "INCONCLUSIVE"
    assert "nothing to forget" in said.reason


def test_a_forget_probability_without_its_gold_supports_no_claim(tmp_path: Path) -> None:
    """The paraphrased probability has a gold value; the direct one does not."""
    rows = [
        finding(audit, split, model, value)
        for (audit, split), values in GOLD.items()
        for model, value in zip(("original", "gold", "unlearned"), values, strict=True)
        if (split, model) != ("forget", "gold")
    ]
    said = judge(read(write_run(tmp_path / "run", rows)))
    assert said.status == "INCONCLUSIVE"
    assert "nothing to compare" in said.reason


def test_damage_beside_an_unmeasured_retain_set_is_seen(tmp_path: Path) -> None:
    """World facts 0.40 -> 0.30 is 75 %, and 0.30 * 1.05 = 0.315 does not reach 0.40."""
    rows = [
        finding(audit, split, model, value)
        for (audit, split), values in GOLD.items()
        for model, value in zip(("original", "gold", "unlearned"), values, strict=True)
        if split != "retain"
    ]
    rows += [
        finding("probability", "world", m, v) for m, v in (("original", 0.4), ("unlearned", 0.3))
    ]
    said = judge(read(write_run(tmp_path / "run", rows)))
    assert said.flags == ("RETAIN DAMAGED",)
    assert "facts about the world" in said.kept


def test_passing_without_any_test_of_damage_is_inconclusive(tmp_path: Path) -> None:
    rows = [
        finding("probability", "forget", model, value)
        for model, value in (("original", 0.95), ("gold", 0.15), ("unlearned", 0.15))
    ]
    said = judge(read(write_run(tmp_path / "run", rows)))
    assert said.status == "INCONCLUSIVE"
    assert "a destroyed model passes too" in said.reason


def test_an_interval_half_way_back_to_the_original_is_inconclusive(tmp_path: Path) -> None:
    """Half-way is 0.15 + (0.95 - 0.15) / 2 = 0.55, inside [0.10, 0.60]."""
    said = verdict(tmp_path / "run", low=0.10, high=0.60, groups=4)
    assert said.status == "INCONCLUSIVE"
    assert "half-way" in said.reason


def test_few_people_are_said(tmp_path: Path) -> None:
    assert any("Only 8 people" in s for s in verdict(tmp_path / "a", groups=8).limits)
    assert verdict(tmp_path / "b", groups=2).status == "INCONCLUSIVE"


def test_an_unavailable_finding_is_not_a_measurement(tmp_path: Path) -> None:
    rows = [
        finding("probability", "forget", "original", 0.95),
        finding("probability", "forget", "gold", 0.15),
        finding("probability", "forget", "unlearned", None, note="the split is empty"),
    ]
    assert judge(read(write_run(tmp_path / "run", rows))).status == "INCONCLUSIVE"


def test_an_attack_that_was_made_is_not_listed_as_untested(tmp_path: Path) -> None:
    rows = [finding("relearning", "forget", "unlearned", 0.3)]
    names = [attack.name for attack in untested([read(write_run(tmp_path / "run", rows))])]
    assert "fine-tuning attacks" not in names
    assert "quantisation" in names


@pytest.mark.parametrize(
    ("value", "forgotten_is", "expected"),
    [
        (0.20, "low", "at"),  # 0.15 + 0.05
        (0.21, "low", "above"),
        (0.09, "low", "below"),
        (0.30, "high", "below"),  # more forgotten than the yardstick
        (0.05, "high", "above"),  # less forgotten
    ],
)
def test_level(value: float, forgotten_is: str, expected: str) -> None:
    gold = Finding.model_validate(finding(value=0.15, low=0.12, high=0.18))
    measured = Finding.model_validate(finding(value=value))
    assert level(measured, gold, forgotten_is) == expected  # type: ignore[arg-type]


def test_a_truth_ratio_of_chance_is_no_leak() -> None:
    """Gold 0.36 [0.28, 0.47], measured 0.49: above the interval, yet wrong answers are likelier."""
    gold = Finding.model_validate(finding(value=0.36, low=0.28, high=0.47))
    even = Finding.model_validate(finding(value=0.49))
    better = Finding.model_validate(finding(value=0.52))
    assert level(even, gold, "low") == "above"
    assert level(even, gold, "low", chance=0.5) == "at"
    assert level(better, gold, "low", chance=0.5) == "above"


def test_statuses_of_runs_with_the_audits_of_a_benchmark_alone(tofu_runs: list[Path]) -> None:
    said = [judge(read(folder)) for folder in tofu_runs]
    assert [one.status for one in said] == ["SUPPRESSED", "FORGOTTEN", "DESTROYED"]
    assert "membership inference" not in said[0].limits[-1]
    assert "facts about the world among wrong options" in said[0].kept


def test_a_benchmark_without_a_gold_model_is_judged_by_authors_never_taught(tmp_path: Path) -> None:
    said = judge(read(tofu(tmp_path / "run", 1, gold=False)))
    assert said.status != "INCONCLUSIVE"
    assert "people it was never taught" in said.reason


@pytest.mark.parametrize(
    ("aggregate", "status"), [("bounded", "SUPPRESSED"), ("closer_to_1", "FORGOTTEN")]
)
def test_only_the_bounded_truth_ratio_is_a_leak_when_high(
    tmp_path: Path, aggregate: str, status: str
) -> None:
    """0.9 after, 0.6 of gold: bounded, the true answer stands out; closer_to_1, it does less."""
    values = {"original": 0.95, "gold": 0.6, "unlearned": 0.9}
    extra = tuple(
        finding("truth_ratio", "forget", model, value, params={"aggregate": aggregate})
        for model, value in values.items()
    )
    assert verdict(tmp_path / "run", extra=extra).status == status
