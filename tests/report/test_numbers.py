from pathlib import Path

import pytest

from tests.report.conftest import finding, write_run
from unteach.report import numbers
from unteach.report.read import Against, read


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (3.90547e-22, "3.9e-22"),
        (0.00031, "3.1e-04"),
        (0.0034, "0.003"),
        (0.64, "0.64"),
        (1.0, "1.00"),
    ],
)
def test_a_p_value_keeps_its_order_of_magnitude(value: float, text: str) -> None:
    assert numbers.p_value(value) == text


def test_a_p_value_below_the_smallest_float_is_not_zero() -> None:
    assert numbers.p_value(0.0) == "<1e-300"


def test_forget_quality_and_privleak_are_written_in_their_own_units(tmp_path: Path) -> None:
    rows = [
        finding("forget_quality", value=3.9e-22, low=None, high=None),
        finding("privleak", value=-99.4574, low=-99.8, high=-98.9),
        finding("privleak", value=-8.7, low=-11.7, high=-5.7),
        finding("probability", value=2e-7, low=1e-7, high=3e-7),
    ]
    found = read(write_run(tmp_path / "run", rows)).findings
    assert [numbers.shown(f) for f in found] == [
        "3.9e-22",
        "-99.5\u00a0% [-99.8, -98.9]",
        "-8.7\u00a0% [-11.7, -5.7]",
        "<0.001 [<0.001, <0.001]",
    ]


@pytest.mark.parametrize(
    ("ends", "text"),
    [
        ((0.068, 0.03, 0.106), "+0.07 [0.03, 0.11]"),
        ((-0.001, -0.04, 0.03), "0.00 [-0.04, 0.03]"),  # never -0.00
        ((0.002, -0.001, 0.004), "+0.002 [-0.001, 0.004]"),
        ((-0.3, None, None), "-0.30 "),
        ((0.0, 0.0, 0.0), "0.00 [0.00, 0.00]"),
    ],
)
def test_a_difference_has_its_sign(
    ends: tuple[float, float | None, float | None], text: str
) -> None:
    against = Against(difference=ends[0], low=ends[1], high=ends[2])
    assert f"{numbers.difference(against)} {numbers.difference_bounds(against)}" == text


def test_a_margin_is_rounded_to_the_side_on_which_it_stays_true() -> None:
    """0.0312: below 0.04 is shown, and less than 0.03 is not to be had. 0.03 is 0.03."""
    assert (numbers.margin(0.0312), numbers.margin(0.0312, down=True)) == ("0.04", "0.03")
    assert (numbers.margin(0.03), numbers.margin(0.03, down=True)) == ("0.03", "0.03")
    assert numbers.margin(0.0041) == "0.005"
