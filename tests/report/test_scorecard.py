import csv
import io
from pathlib import Path
from typing import Any

import pytest

from tests.report.conftest import SCRIPT, TOFU, Row, finding, tofu, unclosed, write_run
from unteach import registry
from unteach.report.cells import Better, Cell, Format
from unteach.report.read import Against, Run, read, read_all
from unteach.report.scorecard import Scorecard, claim, scorecard, scorecards
from unteach.report.table import models

FORMATS: tuple[Format, ...] = ("text", "markdown", "csv", "latex", "html")
FORGET10: Row = {"name": "tofu", "split": "forget10"}


def card(runs: list[Run]) -> Scorecard:
    (only,) = scorecards(runs)
    return only


def cells(of: Scorecard, title: str) -> tuple[Cell, ...]:
    return next(row.cells for row in of.rows if row.metric.title == title)


def of_tofu(tmp_path: Path, rows: dict[str, list[Row]], **record: Any) -> list[Run]:
    """A run of tofu a title, with these findings."""
    return [
        read(
            write_run(tmp_path / title, found, **({"title": title, "benchmark": FORGET10} | record))
        )
        for title, found in rows.items()
    ]


def test_the_card_has_the_rows_of_the_benchmark_in_their_order(tofu_runs: list[Path]) -> None:
    found = card(list(read_all(tofu_runs)))
    facts = registry.find("benchmark", "tofu").facts
    titles = [title for title, _, _ in (*facts["official"], *facts["ours"])]
    assert [row.metric.title for row in found.rows] == titles
    assert sum(row.metric.official for row in found.rows) == len(facts["official"])
    assert (found.benchmark, found.variant, found.source) == (
        "tofu",
        "tofu/forget10",
        "TOFU, arXiv:2401.06121",
    )


def test_a_row_of_ours_that_nobody_asked_for_is_of_another_variant(tmp_path: Path) -> None:
    """`capability` has a reward a task; of `code` the other two say nothing."""
    params = {"split": "forget", "reward": "code", "max_tokens": 96}
    worth = finding("revealed_worth", "forget", value=0.2, params=params)
    about = {"name": "capability", "task": "code"}
    runs = of_tofu(tmp_path, {"a": [worth]}, benchmark=about)
    found = card(runs)
    assert "Official" not in "".join(scorecard(runs, format) for format in FORMATS)
    assert [row.metric.title for row in found.rows] == ["Python when asked"]
    assert not found.has_official


def test_original_and_gold_that_runs_share_appear_once(tofu_runs: list[Path]) -> None:
    found = card(list(read_all(tofu_runs)))
    assert [m.label for m in found.models] == [
        "original",
        "gold",
        "NPO",
        "ReLearn",
        "Gradient ascent",
    ]


def test_every_value_is_that_of_its_audit_with_its_parameters(tofu_runs: list[Path]) -> None:
    """Three truth ratios and three ROUGE-L differ by split, aggregate or length alone."""
    found = card(list(read_all(tofu_runs)))
    for title, values in TOFU.items():
        assert [cell.value for cell in cells(found, title)] == list(values), title


def test_parameters_left_out_are_the_defaults(tmp_path: Path) -> None:
    rows = [
        finding("truth_ratio", value=0.2, params={"split": "forget"}),
        finding("privleak", value=-20.0, params={}),
    ]
    found = card(of_tofu(tmp_path, {"A": rows}))
    assert cells(found, "Truth ratio, bounded")[0].value == 0.2
    assert cells(found, "PrivLeak")[0].value == -20.0
    assert cells(found, "Forget truth ratio")[0].value is None


def test_what_is_unavailable_is_never_a_number(tmp_path: Path) -> None:
    rows = [
        finding("forget_quality", model=m, value=None, note="there is no gold model")
        for m in ("original", "unlearned")
    ]
    rows += [finding("model_utility", None, m, 0.5, params={}) for m in ("original", "unlearned")]
    runs = of_tofu(tmp_path, {"A": rows})
    found = card(runs)
    quality = cells(found, "Forget quality")
    assert [(c.text, c.value, c.footnote) for c in quality] == [("n/a", None, 1)] * 2
    assert found.footnotes[0] == "Forget quality: there is no gold model"
    # all rows that were not asked for share a footnote
    assert found.footnotes[1:] == ("The run did not ask for this row of the scorecard.",)
    lines = list(csv.DictReader(io.StringIO(scorecard(runs, "csv"))))
    assert (lines[0]["value"], lines[0]["low"], lines[0]["n"]) == ("n/a", "n/a", "n/a")
    assert lines[0]["note"] == "there is no gold model"


def test_p_values_and_percentages_are_as_published(tofu_runs: list[Path]) -> None:
    found = card(list(read_all(tofu_runs)))
    assert cells(found, "Forget quality")[0].text == "3.9e-22"
    assert cells(found, "PrivLeak")[0].text == "-99.5\u00a0%"
    assert "3.9e-22" in scorecard(read_all(tofu_runs), "text")


@pytest.mark.parametrize(
    ("title", "better"),
    [
        ("Forget quality", "higher"),
        ("Forget probability", "gold"),
        ("PrivLeak", "zero"),
        ("Retain probability", "higher"),
        ("World facts ROUGE-L", "original"),
        ("World facts probability", "original"),
        ("Repetition", "lower"),
    ],
)
def test_the_direction_is_of_the_audit_on_that_split(
    tofu_runs: list[Path], title: str, better: Better
) -> None:
    found = card(list(read_all(tofu_runs)))
    assert [row.metric.better for row in found.rows if row.metric.title == title] == [better]


def test_hazardous_questions_are_not_to_be_answered_as_by_the_original(tmp_path: Path) -> None:
    """The audit's own direction is the original's; of what is to be forgotten, lower is better."""
    runs = [
        read(
            write_run(
                tmp_path / name,
                [
                    finding(
                        "multiple_choice", split, m, v, better="original", params={"split": split}
                    )
                    for split in ("forget_questions", "mmlu")
                    for m, v in (("original", 0.6), ("unlearned", value))
                ],
                title=name,
                benchmark={"name": "wmdp", "subject": "cyber"},
                models={"original": {"key": "o"}},
            )
        )
        for name, value in (("kept", 0.59), ("gone", 0.26))
    ]
    found = card(runs)
    assert found.variant == "wmdp/cyber"
    assert [row.metric.better for row in found.rows[:2]] == ["lower", "original"]
    assert [cell.mark for cell in cells(found, "WMDP accuracy")] == ["", "", "best"]
    assert [cell.mark for cell in cells(found, "MMLU")] == ["", "best", ""]


def test_marks_are_of_methods_and_never_of_a_destroyed_one(tofu_runs: list[Path]) -> None:
    """Forget ROUGE-L, gold 0.387: distances 0.075 and 0.004, [0.27, 0.35] overlaps [0.35, 0.43].

    PrivLeak: |-41.2| and |-8.7|, intervals 3 wide either way. KFR: the destroyed one has 1.0.
    """
    found = card(list(read_all(tofu_runs)))
    assert [c.mark for c in cells(found, "Forget ROUGE-L")] == ["", "", "tie", "best", ""]
    assert [c.mark for c in cells(found, "PrivLeak")] == ["", "", "", "best", ""]
    assert [c.mark for c in cells(found, "KFR")] == ["", "", "best", "", ""]


def test_one_method_alone_is_not_marked(tofu_runs: list[Path]) -> None:
    found = card(list(read_all(tofu_runs[:1])))
    assert not any(cell.mark for row in found.rows for cell in row.cells)


def test_each_benchmark_and_variant_has_its_own_card(tmp_path: Path) -> None:
    runs = [
        read(tofu(tmp_path / "a", 0)),
        read(tofu(tmp_path / "b", 1, benchmark={"name": "tofu", "split": "forget05"})),
        read(tofu(tmp_path / "c", 2, benchmark=FORGET10 | {"forget_authors": 2, "folder": "/x"})),
        *(
            read(write_run(tmp_path / name, [finding()], title=name, benchmark=about))
            for name, about in (
                ("no card", {"name": "world"}),
                ("unknown", {"name": "of a plug-in"}),
                ("none", None),
            )
        ),
    ]
    found = scorecards(runs)
    assert [one.name for one in found] == [
        "tofu/forget10",
        "tofu/forget05",
        "tofu/forget10 (forget_authors = 2)",
    ]
    # the names and colours of the methods are those of the leaderboard
    methods = [model for one in found for model in one.models if model.role == "unlearned"]
    assert methods == [m for m in models(runs) if m.role == "unlearned"][:3]
    assert [m.style for m in methods] == [0, 1, 2]


def test_a_variant_that_is_not_given_is_the_default(tmp_path: Path) -> None:
    assert (
        card([read(tofu(tmp_path / "a", 0, benchmark={"name": "tofu"}))]).variant == "tofu/forget10"
    )


def test_runs_without_a_card_give_nothing(tmp_path: Path) -> None:
    plain = [read(write_run(tmp_path / "a", [finding()]))]
    other = [read(write_run(tmp_path / "b", [finding("refusal")], benchmark=FORGET10))]
    for runs in (plain, other):
        assert scorecards(runs) == ()
        assert [scorecard(runs, format) for format in FORMATS] == [""] * len(FORMATS)


@pytest.mark.parametrize("format", FORMATS)
def test_every_format_has_every_model_row_and_reason(tofu_runs: list[Path], format: Format) -> None:
    runs = read_all(tofu_runs)
    text = scorecard(runs, format)
    for word in ("original", "gold", "NPO", "ReLearn", "Gradient ascent", "n/a", "3.9e-22"):
        assert word in text
    for row in card(list(runs)).rows:
        assert row.metric.title in text
    assert "it is the reference itself" in text
    assert "tofu/forget10" in text


def test_text_fits_a_line_and_has_both_blocks(tofu_runs: list[Path]) -> None:
    text = scorecard(read_all(tofu_runs), "text")
    assert max(map(len, text.splitlines())) <= 120
    assert text.count("Official:") == text.count("Ours beside it:") == 2


def test_csv_is_long(tofu_runs: list[Path]) -> None:
    runs = read_all(tofu_runs)
    lines = list(csv.DictReader(io.StringIO(scorecard(runs, "csv"))))
    assert len(lines) == 5 * len(card(list(runs)).rows)
    assert lines[0] == {
        "benchmark": "tofu/forget10",
        "metric": "Forget quality",
        "block": "official",
        "model": "original",
        "role": "original",
        "value": "3.9e-22",
        "low": "n/a",
        "high": "n/a",
        "n": "400",
        "note": "",
    }
    assert {line["block"] for line in lines} == {"official", "ours"}


def test_markdown_rows_have_equal_numbers_of_cells(tofu_runs: list[Path]) -> None:
    text = scorecard(read_all(tofu_runs), "markdown")
    assert {line.count("|") for line in text.splitlines() if line.startswith("|")} == {7}


def test_html_is_well_formed(tofu_runs: list[Path]) -> None:
    assert unclosed(scorecard(read_all(tofu_runs), "html")) == ()


def test_texts_of_a_run_are_escaped_in_each_format(tmp_path: Path) -> None:
    title = f"{SCRIPT}|a_b & 5%"
    about = FORGET10 | {"questions": f"{SCRIPT}_%"}
    rows = [finding("forget_quality", value=None, note=f"{SCRIPT} _"), finding(value=0.5)]
    runs = of_tofu(tmp_path, {"x": rows}, title=title, benchmark=about)
    for format in ("html", "markdown"):
        assert "<script" not in scorecard(runs, format)
    assert r"\|a_b" in scorecard(runs, "markdown")
    latex = scorecard(runs, "latex")
    assert r"a\_b \& 5\%" in latex
    assert r"\_\%" in latex
    formula = of_tofu(tmp_path, {"y": rows}, title="=1+1")
    assert "'=1+1" in scorecard(formula, "csv")


def difference(value: float, half: float, within: float | None, reachable: float) -> Against:
    return Against(
        difference=value, low=value - half, high=value + half, within=within, reachable=reachable
    )


@pytest.mark.parametrize(
    ("against", "said"),
    [
        (difference(0.00, 0.04, 0.0312, 0.06), "equal within 0.04"),
        (difference(0.02, 0.01, 0.03, 0.02), "equal within 0.03"),  # different, but by so little
        (difference(0.20, 0.05, 0.24, 0.08), "differs"),
        (difference(-0.20, 0.05, 0.24, 0.08), "differs"),
        (difference(0.06, 0.12, 0.16, 0.1624), "undecided: could not show less than 0.16"),
        (difference(0.07, 0.08, 0.12, 0.08), "undecided"),
        (difference(0.03, 0.04, None, 0.04), "too few people or documents to say"),
    ],
)
def test_what_a_difference_shows(against: Against, said: str) -> None:
    assert claim(against, 0.5, 0.5) == said


def test_no_equality_is_claimed_of_what_is_not_from_0_to_1() -> None:
    """A margin of 0.05 says nothing of a number of words."""
    assert claim(difference(0.0, 0.01, 0.01, 0.01), 12.0, 12.0) == ""
    assert claim(difference(0.0, 0.01, 0.01, 0.01), 0.5, None) == ""


def test_only_rows_that_can_be_paired_stand_against_gold(tofu_runs: list[Path]) -> None:
    found = card(list(read_all(tofu_runs)))
    titles = [row.metric.title for row in found.paired]
    assert titles[0] == "Forget probability"
    assert "Forget quality" not in titles
    assert found.unpaired[:3] == ("Forget quality", "Model utility", "PrivLeak")
    assert {*titles, *found.unpaired} == {row.metric.title for row in found.rows}
