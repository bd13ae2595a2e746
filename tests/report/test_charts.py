import itertools
import random
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.report.conftest import finding, write_run
from unteach.report import numbers
from unteach.report.build import build
from unteach.report.charts import (
    Box,
    Estimate,
    Line,
    Panel,
    Part,
    Point,
    Scale,
    SideBySide,
    Tradeoff,
    front,
    panel,
    place_labels,
    side_by_side,
    ticks,
    tradeoff,
)


def test_labels_of_crowded_points_do_not_overlap() -> None:
    draw = random.Random(0)
    anchors = [(150 + draw.uniform(-12, 12), 120 + draw.uniform(-12, 12)) for _ in range(9)]
    frame = Box(50, 10, 650, 400)
    boxes = place_labels([f"method {i}" for i in range(9)], anchors, [], frame)
    assert all(a.shared(b) == 0 for a, b in itertools.combinations(boxes, 2))
    assert all(frame.left <= box.left and box.right <= frame.right for box in boxes)


def test_the_front_is_what_no_other_method_beats() -> None:
    """Gold's band is 0.2 to 0.3. A is in it and keeps 0.8; B is in it and keeps less: beaten. C is 0.3 from
    it and keeps 0.9: nobody beats that. D is 0.1 below it, over-forgotten, and keeps 0.85. E is 0.4 away.
    """
    at = {"A": (0.25, 0.8), "B": (0.3, 0.7), "C": (0.6, 0.9), "D": (0.1, 0.85), "E": (0.7, 0.9)}
    points = [
        Point(name, i, Estimate(x, x, x), Estimate(y, y, y))
        for i, (name, (x, y)) in enumerate(at.items())
    ]
    gold = Point("gold", "gold", Estimate(0.25, 0.2, 0.3), Estimate(0.5, 0.4, 0.6))
    found = front(Tradeoff((gold, *points), "x", "y", band=(0.2, 0.3)))
    assert [p.label for p in found] == ["gold", "A", "C", "D"]
    at_goal = front(Tradeoff((gold, *points), "x", "y", band=(0.2, 0.3), floor=0.7))
    assert [p.label for p in at_goal] == ["gold", "A", "B", "C", "D"]


def test_of_many_models_only_the_front_is_named() -> None:
    def at(x: float) -> Estimate:
        return Estimate(x, x, x)

    points = tuple(Point(f"m{i}", i, at(i / 20), at(0.9 - i / 40)) for i in range(20))
    drawn = tradeoff(Tradeoff(points, "x", "y", band=(0.0, 0.01)))
    assert drawn.count('class="faint"') == 19
    assert drawn.count("<title>m") == 19
    assert [p.label for p in front(Tradeoff(points, "x", "y", band=(0.0, 0.01)))] == ["m0"]
    few = tradeoff(Tradeoff(points[:14], "x", "y", band=(0.0, 0.01)))
    assert "faint" not in few


def test_shared_area() -> None:
    """[0, 4] x [0, 3] and [3, 6] x [1, 9] share 1 x 2."""
    assert Box(0, 0, 4, 3).shared(Box(3, 1, 6, 9)) == 2
    assert Box(0, 0, 1, 1).shared(Box(2, 2, 3, 3)) == 0


def test_scale_and_ticks() -> None:
    assert Scale(0, 2, 100, 0)(0.5) == 75
    assert ticks(0, 1) == pytest.approx([0, 0.2, 0.4, 0.6, 0.8, 1.0])
    assert ticks(-31, 2) == pytest.approx([-30, -20, -10, 0])


def test_the_tradeoff_is_well_formed_and_says_what_it_shows() -> None:
    points = (
        Point("a & b", 0, Estimate(0.4, 0.3, 0.5), Estimate(0.9, 0.8, 1.0)),
        Point("gold", "gold", Estimate(0.1, 0.1, 0.2), Estimate(0.95, 0.9, 1.0)),
    )
    svg = tradeoff(Tradeoff(points, "x", "y", band=(0.05, 0.2), floor=0.9))
    root = ElementTree.fromstring(svg)
    assert "a & b (0.40, 0.90)" in root.attrib["aria-label"]
    assert root.find("rect[@class='goal']") is not None


def drawn_parts() -> ElementTree.Element:
    """One panel of rates: gold, and two runs, the second not measured."""
    gold = Part("gold", "gold", (Estimate(0.5, 0.4, 0.6),))
    rows = (gold, Part("a & b", 0, (Estimate(1.0, 0.25, 1.0),)), Part("c", 1, (None,)))
    return ElementTree.fromstring(side_by_side(SideBySide(("KFR",), ("≈ near gold",), rows)))


def test_parts_stand_where_their_numbers_say() -> None:
    """The longest of the names has 5 characters, so panels start at 12 + 5 * 6.4 = 44.

    One panel is 1000 - 44 - 8 = 948 wide and 22 of it are the gap: x from 44 to 970 is -0.03 to 1.03, so
    0.25 is at 44 + 926 * 0.28 / 1.06 = 288.6, and 1 at 44 + 926 * 1.03 / 1.06 = 943.8. A row is 20
    high and the first begins at 40, so that the second is drawn at 70.
    """
    root = drawn_parts()
    assert root.attrib["viewBox"] == "0 0 1000 124"
    (group,) = [g for g in root.findall("g") if "a & b" in g.findtext("title", "")]
    assert group.findtext("title") == "a & b, KFR: 1.00 [0.25, 1.00]"
    line, mark = group.find("line"), group.find("circle")
    assert line is not None
    assert mark is not None
    assert [line.attrib[key] for key in ("x1", "x2", "y1")] == ["288.6", "943.8", "70"]
    assert (mark.attrib["cx"], mark.attrib["cy"]) == ("943.8", "70")


def test_parts_are_all_spoken_and_what_is_missing_is_said() -> None:
    root = drawn_parts()
    assert root.attrib["aria-label"] == (
        "Parts side by side. KFR: gold 0.50 [0.40, 0.60]; a & b 1.00 [0.25, 1.00]; c not measured."
    )
    assert [text.text for text in root.findall("text")].count("n/a") == 1


def test_gold_is_a_line_through_all_rows() -> None:
    """0.5 is the middle of the panel: 44 + 926 / 2 = 507; the rows are from 40 to 100."""
    (line,) = drawn_parts().findall("line[@class='whisker reference gold']")
    assert [line.attrib[key] for key in ("x1", "x2", "y1", "y2")] == ["507", "507", "40", "100"]


def test_runs_are_shown_side_by_side_in_their_order(runs: list[Path]) -> None:
    """The measures of the leaderboard that are there, LS not among them; two runs are too few."""
    parts = build(runs[::-1]).parts
    assert parts is not None
    assert parts.titles == (
        *("Forget probability", "Forget, paraphrased"),
        *("Forgotten (KFR)", "Retained (KRR)", "Retain probability"),
    )
    assert parts.goals[-1] == "↑ higher"
    assert [part.label for part in parts.rows] == [
        *("original", "gold", "Gradient ascent", "ReLearn", "NPO")
    ]
    npo = parts.rows[-1].values
    assert [e.value for e in npo if e] == [0.42, 0.36, 0.94, 0.95, 0.94]
    assert npo[0] is not None
    assert (npo[0].low, npo[0].high) == pytest.approx((0.42 - 0.084, 0.42 + 0.084))
    assert build(runs[:2]).parts is None


def test_a_measure_that_one_run_lacks_is_missing_there_alone(tmp_path: Path) -> None:
    """A run that has none of them is not shown, and then there are too few."""
    rows = [finding("probability", "forget"), finding("kfr", "forget", value=0.25)]
    of = [rows, rows[:1], rows]
    folders = [write_run(tmp_path / str(i), each, title=f"M{i}") for i, each in enumerate(of)]
    parts = build(folders).parts
    assert parts is not None
    assert parts.titles == ("Forget probability", "Forgotten (KFR)")
    assert [part.values[1] is None for part in parts.rows] == [False, True, False]
    empty = write_run(tmp_path / "empty", [finding("mia_loss", None)], title="Other")
    assert build([*folders[:2], empty]).parts is None


def test_a_gap_in_a_curve_splits_the_line() -> None:
    line = Line((1.0, 2.0, 3.0, 4.0, 5.0), (1.0, 2.0, None, 2.0, 1.0))
    root = ElementTree.fromstring(panel(Panel("loss", (line,))))
    assert len(root.findall("polyline")) == 2


def test_a_curve_without_a_finite_value_is_said() -> None:
    assert "no finite value" in panel(Panel("loss", (Line((1.0,), (None,)),)))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0.00"),
        (0.00001, "<0.001"),
        (0.004, "0.004"),
        (0.1234, "0.12"),
        (14.23, "14.2"),
        (48211, "48211"),
        (2e6, "2.0e+06"),
    ],
)
def test_numbers(value: float, text: str) -> None:
    assert numbers.number(value) == text


def test_percent_interval_time_and_memory() -> None:
    assert numbers.number(0.876, percent=True) == "88\u00a0%"
    assert numbers.number(0.013, percent=True) == "1.3\u00a0%"
    assert numbers.interval(0.008, 0.01) == "[0.01, 0.01]"
    assert numbers.interval(0, 1, percent=True) == "[0, 100]"
    assert [numbers.duration(s) for s in (4.21, 80.1, 210, 7300)] == [
        "4.2 s",
        "80 s",
        "3 min 30 s",
        "2 h 01 min",
    ]
    assert [numbers.memory(b) for b in (3_100_000_000, 12_000_000)] == ["3.1 GB", "12 MB"]
    assert numbers.listed(["a", "b", "c"]) == "a, b and c"
