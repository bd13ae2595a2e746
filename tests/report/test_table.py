import csv
import io
from pathlib import Path

import pytest

from tests.report.conftest import SCRIPT, finding, unclosed, write_run
from unteach.report.cells import Format, markdown_line
from unteach.report.read import Run, read, read_all
from unteach.report.table import board, labels, models, table


def two(tmp_path: Path, **titles: float) -> list[Run]:
    """A run a title, whose forget probability is the number; gold is at 0.15."""
    return [
        read(
            write_run(
                tmp_path / title,
                [
                    finding(model="gold", value=0.15),
                    finding(model="unlearned", value=value, low=value - 0.02, high=value + 0.02),
                    finding("rouge", "forget", "unlearned", None, note="no text was generated"),
                ],
                title=title,
                models={"gold": {"key": "g"}},
            )
        )
        for title, value in titles.items()
    ]


def test_shared_original_and_gold_appear_once(runs: list[Path]) -> None:
    labels_shown = [model.label for model in models(read_all(runs))]
    assert labels_shown == ["original", "gold", "NPO", "ReLearn", "Gradient ascent"]


def test_different_originals_are_told_apart(tmp_path: Path) -> None:
    runs = [
        read(
            write_run(
                tmp_path / t, [finding(model="original")], title=t, models={"original": {"key": t}}
            )
        )
        for t in ("A", "B")
    ]
    assert [m.label for m in models(runs)] == ["original (A)", "original (B)", "A", "B"]


def test_equal_titles_are_told_apart_by_seed_and_then_by_folder(tmp_path: Path) -> None:
    seeds = [read(write_run(tmp_path / f"s{seed}", [], seed=seed)) for seed in (0, 1)]
    assert labels(seeds) == ["NPO (seed 0)", "NPO (seed 1)"]
    same = [read(write_run(tmp_path / name, [])) for name in ("x", "y")]
    assert labels(same) == ["NPO (seed 0), x", "NPO (seed 0), y"]


def test_the_best_is_the_nearest_to_gold_and_overlap_is_marked(tmp_path: Path) -> None:
    """Gold is 0.15: distances 0.02, 0.04 and 0.45. [0.17, 0.21] overlaps [0.15, 0.19]."""
    cells = [row.cells[0] for row in board(two(tmp_path, a=0.17, b=0.19, c=0.60)).rows]
    assert [cell.mark for cell in cells] == ["", "best", "tie", ""]


def test_a_destroyed_model_is_never_marked(runs: list[Path]) -> None:
    ascent = board(read_all(runs)).rows[-1]
    assert ascent.model.label == "Gradient ascent"
    assert not any(cell.mark for cell in ascent.cells)


def test_what_was_not_measured_has_its_reason_in_a_footnote(tmp_path: Path) -> None:
    result = board(two(tmp_path, a=0.2))
    rouge = result.rows[-1].cells[2]
    assert (rouge.text, rouge.value) == ("n/a", None)
    assert rouge.footnote is not None
    assert "no text was generated" in result.footnotes[rouge.footnote - 1]


def test_time_is_of_the_method_alone_and_never_of_a_cached_stage(tmp_path: Path) -> None:
    stages = [
        {"stage": "teach", "seconds": 100.0},
        {"stage": "method[0].synthesize", "seconds": 2.0},
        {"stage": "method[1].train", "seconds": 3.0},
    ]
    timed = read(write_run(tmp_path / "a", [], stages=stages, log=[{"stage": "s", "step": 1}]))
    assert board([timed]).rows[-1].cells[-2].value == 5.0
    stages[1]["cached"] = True
    cached = read(write_run(tmp_path / "b", [], stages=stages, log=[{"stage": "s", "step": 1}]))
    assert board([cached]).rows[-1].cells[-2].text == "n/a"


@pytest.mark.parametrize("format", ["markdown", "csv", "latex", "html", "text"])
def test_every_format_has_every_model_and_reasons(runs: list[Path], format: Format) -> None:
    text = table(read_all(runs), format)
    for label in ("original", "gold", "NPO", "ReLearn", "Gradient ascent"):
        assert label in text
    assert "n/a" in text
    assert "original and gold have none" in text
    assert "0.42" in text


def test_csv_is_numbers_and_intervals(runs: list[Path]) -> None:
    rows = list(csv.DictReader(io.StringIO(table(read_all(runs), "csv"))))
    assert len(rows) == 5
    assert float(rows[2]["probability_forget"]) == 0.42
    assert float(rows[2]["probability_forget_low"]) < 0.42
    assert rows[0]["seconds"] == "n/a"


def test_markdown_says_quotes_as_they_are_and_no_tag() -> None:
    assert markdown_line(["ReLearn's <b>", '"a|b"']) == '| ReLearn\'s &lt;b&gt; | "a\\|b" |'


def test_markdown_rows_have_equal_numbers_of_cells(runs: list[Path]) -> None:
    lines = [x for x in table(read_all(runs), "markdown").splitlines() if x.startswith("|")]
    assert {line.count("|") for line in lines} == {16}


def test_titles_are_escaped_in_each_format(tmp_path: Path) -> None:
    title = f"{SCRIPT}|a_b & 5%"
    runs = [read(write_run(tmp_path / "run", [finding()], title=title))]
    assert "<script" not in table(runs, "html")
    assert "<script" not in table(runs, "markdown")
    assert r"\|a_b" in table(runs, "markdown")
    assert r"a\_b \& 5\%" in table(runs, "latex")
    formula = [read(write_run(tmp_path / "sum", [finding()], title="=1+1"))]
    assert "'=1+1" in table(formula, "csv")


def test_html_is_well_formed(runs: list[Path]) -> None:
    assert unclosed(table(read_all(runs), "html")) == ()
