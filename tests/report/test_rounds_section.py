"""The section on rounds, on runs written by hand."""

import json
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from tests.report.conftest import finding, realistic, unclosed, write_run
from unteach.errors import DataError
from unteach.report.build import build
from unteach.report.charts import Panel, panel
from unteach.report.html import render
from unteach.report.read import read

Row = dict[str, Any]
UNDONE = "round 3 left retain at 0.80, below 0.9 of 0.95: it was undone"
GOLD = finding("specific_probability", "forget", "gold", 0.14)


def a_round(number: int, **more: Any) -> Row:
    """Forget 0.96, 0.64, 0.36 and so on; a round as rounds.json holds it."""
    before = (0.96, 0.64, 0.36)[number - 1]
    row = {
        "number": number,
        "kept": True,
        "probability": {
            "retain": [0.95 - 0.01 * (number - 1), 0.95 - 0.01 * number],
            "forget": [before, (0.64, 0.36, 0.12)[number - 1]],
        },
        "worth": 0.4 / number,
        "tokens": 19840 - number,
        "rows": 60 - 10 * number,
        "ended": "",
        "splits": ["revealed", "revealed_check"],
        "coverage": 0.25 * number,
    }
    return row | more


def released(number: int, method: int = 0, **more: Any) -> Row:
    """The stage of run.json that took the adapter out in that round."""
    found: Row = {
        "subtracted": 1.5,
        "added": 0.5,
        "overlap": 0.05 * number,
        "revealed_check before": 0.9 - 0.1 * number,
        "retain before": 0.95,
        "revealed_check after": 0.3,
        "retain after": 0.93,
        "revealed_check only subtracted": 0.28,
        "retain only subtracted": 0.90,
        "revealed_check only added": 0.8,
        "retain only added": 0.96,
    }
    kept = {k: v for k, v in (found | more).items() if v is not None}
    return {"stage": f"method[{method}].repeat[{number}].edit[3]", "seconds": 1.0, "found": kept}


def with_rounds(folder: Path, made: Any, **record: Any) -> Path:
    write_run(folder, [GOLD], **record)
    (folder / "rounds.json").write_text(json.dumps(made), "utf-8")
    return folder


@pytest.fixture
def three(tmp_path: Path) -> Path:
    """Two rounds that were kept, and a third that was undone."""
    made = [a_round(1), a_round(2), a_round(3, kept=False, ended=UNDONE)]
    return with_rounds(tmp_path / "run", made, stages=[released(i) for i in (1, 2, 3)])


def test_a_run_without_rounds_has_no_section(runs: list[Path]) -> None:
    assert build(runs[:1]).rounds is None
    assert 'id="rounds"' not in render(build(runs))


def test_a_line_a_round(three: Path) -> None:
    """Interference: 0.96 with only the second adapter, 0.93 with both, so 0.03 is lost."""
    made = build([three]).rounds
    assert made is not None
    assert made.headings[-2:] == ("Answer, retain", "Specific part, forget")
    assert [row.title for row in made.rows] == ["1", "2", "3"]
    assert [row.outcome for row in made.rows] == ["kept", "kept", "undone"]
    assert [cell.text for cell in made.rows[0].cells] == [
        *("50", "0.40", "0.25", "19\u202f839", "1.50", "0.50", "0.05", "+0.03"),
        *("0.95 → 0.94", "0.96 → 0.64"),
    ]
    assert made.footnotes == ()
    assert made.ended == (f"R{UNDONE[1:]}.",)


def test_curves_follow_what_was_kept_and_branch_at_what_was_not(three: Path) -> None:
    """Forget: 0.96 before, 0.64 and 0.36 after the rounds kept; the third led from 0.36 to 0.12."""
    shown = {one.title: one for one in panels(three)}
    branch, kept = shown["Probability of the specific part: forget"].lines
    assert kept.xs == (0, 1, 2)
    assert kept.ys == (0.96, 0.64, 0.36)
    assert (branch.xs, branch.ys, branch.css) == ((2, 3), (0.36, 0.12), "forgetting raw")
    own = shown["Rows of each round: revealed_check"]
    assert [line.ys[0] for line in own.lines] == pytest.approx([0.8, 0.7, 0.6])
    assert [line.ys[1] for line in own.lines] == [0.3, 0.3, 0.3]
    assert [line.css for line in own.lines] == ["forgetting", "forgetting", "forgetting raw"]
    assert shown["Worth a pull"].lines[0].ys == pytest.approx((0.4, 0.2, 0.4 / 3))
    for one in shown.values():
        ElementTree.fromstring(panel(one))


def panels(folder: Path) -> tuple[Panel, ...]:
    made = build([folder]).rounds
    assert made is not None
    return made.panels


def test_the_level_is_golds_of_the_same_measure(three: Path) -> None:
    """Rounds measure the specific part of an answer: gold's `probability` is no level."""
    assert [one.level for one in panels(three)[:2]] == [None, 0.14]
    page = render(build([three]))
    assert "The dashed line is gold&#39;s level." in page
    row = finding("probability", "forget", "gold", 0.3)
    content = {"version": 1, "findings": [row]}
    (three / "findings.json").write_text(json.dumps(content), "utf-8")
    assert [one.level for one in panels(three)[:2]] == [None, None]
    assert "dashed line is gold" not in render(build([three]))


def test_the_page_says_what_to_see(three: Path) -> None:
    page = render(build([three]))
    assert page.index('id="table"') < page.index('id="rounds"') < page.index('id="unmeasured"')
    assert "Over the 2 rounds that were kept retain goes from 0.95 to 0.93 and forget" in page
    assert "forget goes from 0.96 to 0.36." in page
    assert "Faint is a round that was undone." in page
    assert "no round was decided by it" in page
    assert f"<p>R{UNDONE[1:]}.</p>" in page
    assert unclosed(re.sub(r"<(meta|!)[^>]*>", "", page)) == ()


def test_what_decided_a_round_is_not_called_measured_only(tmp_path: Path) -> None:
    """An edit may be checked on the forget set itself, where there is one."""
    measured: Row = {"forget before": 0.9, "forget after": 0.4}
    folder = with_rounds(tmp_path / "run", [a_round(1)], stages=[released(1, **measured)])
    assert "no round was decided by it" not in render(build([folder]))


def test_what_was_not_measured_is_no_zero(tmp_path: Path) -> None:
    """No reveal, and an edit that had nothing to put in: no worth, no tokens, no overlap."""
    none: Row = dict.fromkeys(
        ("overlap", "revealed_check only subtracted", "retain only subtracted")
    )
    none |= dict.fromkeys(("revealed_check only added", "retain only added"))
    one = a_round(1, worth=None, tokens=0, coverage=None)
    folder = with_rounds(tmp_path / "a", [one], stages=[released(1, added=0.0, **none)])
    made = build([folder]).rounds
    assert made is not None
    texts = [cell.text for cell in made.rows[0].cells]
    assert texts[:8] == ["50", "n/a", "n/a", "n/a", "1.50", "0.00", "n/a", "n/a"]
    assert made.footnotes == ("nothing was revealed by asking", "nothing was there to be put in")
    assert [one.title for one in made.panels][-1] != "Worth a pull"
    bare = build([with_rounds(tmp_path / "b", [one])]).rounds
    assert bare is not None
    assert [cell.text for cell in bare.rows[0].cells][4:8] == ["n/a"] * 4
    assert bare.footnotes[1:] == ("no edit of the round took an adapter out",)


def test_a_probability_that_is_no_number_is_a_gap(tmp_path: Path) -> None:
    one = a_round(1, probability={"retain": [0.95, float("nan")]})
    made = build([with_rounds(tmp_path / "run", [one])]).rounds
    assert made is not None
    assert made.rows[0].cells[-1].text == "n/a"
    assert made.panels[0].lines[0].ys == (0.95, None)
    assert "kept nothing was measured" in made.see


def test_where_no_round_was_kept_the_model_is_as_before(tmp_path: Path) -> None:
    folder = with_rounds(tmp_path / "run", [a_round(1, kept=False, ended="round 1 was undone")])
    page = render(build([folder]))
    assert "No round was kept, so the model is as it was before." in page
    assert "<td>undone</td>" in page


def test_of_two_repeats_the_edits_of_the_last_are_meant(tmp_path: Path) -> None:
    stages = [released(1, subtracted=3.0), released(1, method=2)]
    made = build([with_rounds(tmp_path / "run", [a_round(1)], stages=stages)]).rounds
    assert made is not None
    assert made.rows[0].cells[4].text == "1.50"


def test_of_several_runs_each_has_the_last_round_it_kept(three: Path, tmp_path: Path) -> None:
    other = a_round(1, probability={"world": [0.4, 0.4]}, ended="it was dry")
    second = with_rounds(tmp_path / "second", [other], title="Second", stages=[released(1)])
    third = realistic(tmp_path / "third", 1)
    report = build([third, three, second])
    made = report.rounds
    assert made is not None
    assert made.panels == ()
    assert [(row.title, row.style) for row in made.rows] == [
        ("NPO, 2 of 3", 1),
        ("Second, 1 of 1", 2),
    ]
    assert made.headings[-1] == "Answer, world"
    assert made.rows[1].cells[-2].text == "n/a"
    assert "forget was not measured in this round" in made.footnotes
    assert made.ended == (f"NPO: {UNDONE}.", "Second: it was dry.")
    assert "Of each run the last round that was kept." in render(report)


def test_bad_rounds_are_one_sentence(three: Path) -> None:
    path = three / "rounds.json"
    path.write_text(path.read_text()[:-20])
    with pytest.raises(DataError, match=r"rounds\.json: is not JSON at line 1"):
        read(three)
    path.write_text('{"number": 1}')
    with pytest.raises(DataError, match=r"rounds\.json: "):
        read(three)
    path.write_text('[{"number": 1, "kept": true}]')
    with pytest.raises(DataError, match=r"rounds\.json: \[0\]\.probability is missing"):
        read(three)
    path.write_text('[{"number": 1, "kept": true, "probability": {"retain": [0.5]}}]')
    with pytest.raises(
        DataError, match=r"rounds\.json: \[0\]\.probability\.retain\[1\] is missing"
    ):
        read(three)


def test_every_text_of_a_round_is_escaped(tmp_path: Path) -> None:
    bad = "<script>alert(1)</script>"
    one = a_round(1, probability={bad: [0.5, 0.4]}, ended=bad, splits=[bad])
    measured: Row = {f"{bad} before": 0.4, f"{bad} after": 0.2}
    stage = released(1, **measured)
    page = render(build([with_rounds(tmp_path / "run", [one], stages=[stage])]))
    assert "<script" not in page
    assert page.count("&lt;script&gt;") > 3


def varied(folder: Path, weight: str, overlap: float, taken: float) -> Path:
    """One run of a sweep over the weight; retain is `taken` below what the other adapter gives."""
    found: Row = {"overlap": overlap, "retain after": 0.96 - taken}
    stage = released(1, **found)
    at = {"method": "Apart", "key": "method.0.select.weight", "value": weight}
    return with_rounds(folder, [a_round(1)], stages=[stage], varied=at)


def test_a_sweep_over_the_weight_draws_overlap_and_interference(tmp_path: Path) -> None:
    each = (("10", 0.01, 0.02), ("0", 0.3, 0.05), ("0.1", 0.2, 0.04))
    folders = [varied(tmp_path / w, w, o, t) for w, o, t in each]
    (drawn,) = build(folders).sweeps
    by_title = {one.title: one for one in drawn.panels}
    assert by_title["Overlap"].lines[0].ys == (0.3, 0.2, 0.01)
    assert by_title["Interference"].lines[0].ys == pytest.approx((0.05, 0.04, 0.02))
    # 0.1 and 10 on one scale would leave the small ones on top of each other
    assert by_title["Overlap"].lines[0].xs == (0.0, 1.0, 2.0)
    assert by_title["Overlap"].x_names == ("0", "0.1", "10")
    svg = panel(by_title["Overlap"])
    ElementTree.fromstring(str(svg))
    assert ">0.1<" in svg
    assert ">10<" in svg
    page = render(build(folders))
    assert "that axis is no scale" in page
    assert "what taking the one out costs the other" in page


def test_values_of_like_size_stay_on_a_scale(tmp_path: Path) -> None:
    folders = [varied(tmp_path / w, w, 0.1, 0.1) for w in ("1", "2", "4")]
    (drawn,) = build(folders).sweeps
    assert drawn.panels[-1].lines[0].xs == (1.0, 2.0, 4.0)
    assert drawn.panels[-1].x_names == ()
    assert "that axis is no scale" not in render(build(folders))
