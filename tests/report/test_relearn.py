import csv
import io
from pathlib import Path
from typing import Any

import pytest

from tests.report.conftest import METHODS, SCRIPT, Row, finding, unclosed, write_run
from unteach.report.build import build
from unteach.report.cells import Cell, Format
from unteach.report.html import render
from unteach.report.read import Run, read, read_all
from unteach.report.relearn import Table, relearn_table, results, tables
from unteach.report.scorecard import COLUMNS
from unteach.suites import SUITES

FORMATS: tuple[Format, ...] = ("text", "markdown", "csv", "latex", "html")
KNOWUNDO: Row = {"name": "knowundo", "part": "privacy"}
# original, gold, NPO, ReLearn, gradient ascent
VALUES = {
    ("rouge", "forget"): (0.98, 0.31, 0.24, 0.30, 0.01),
    ("rouge", "retain"): (0.99, 0.98, 0.49, 0.69, 0.10),
    ("kfr", "forget"): (0.02, 0.96, 0.82, 0.88, 1.0),
    ("krr", "retain"): (0.98, 0.97, 0.55, 0.74, 0.06),
    ("answer_perplexity", "forget"): (8.6, 9.1, 27.1, 13.2, 1.33),
    ("answer_perplexity", "retain"): (7.46, 7.5, 19.3, 7.18, 27.6),
    ("linguistic_score", "forget"): (0.15, 0.15, 0.09, 0.13, 0.03),
    ("linguistic_score", "retain"): (0.16, 0.16, 0.11, 0.17, 0.04),
    ("robust_linguistic_score", "forget"): (0.71, 0.70, 0.62, 0.70, 0.02),
    ("robust_linguistic_score", "retain"): (0.72, 0.71, 0.60, 0.70, 0.02),
}
KEPT = ("probability", "retain"), ("degenerate", "retain")
"""What the verdict sees that ascent destroyed its model by."""


def relearned(folder: Path, number: int, *, gold: bool = True, **record: Any) -> Path:
    """A run of the suite `relearn`; the same original and gold in each."""
    name, title, source, _ = METHODS[number]
    rows = []
    for audit, params in SUITES["relearn"]:
        split = params.get("split", {"kfr": "forget", "krr": "retain"}.get(audit, ""))
        original, retrained, *ours = VALUES[audit, split]
        models = {"original": original, "gold": retrained, "unlearned": ours[number]}
        for model, value in models.items():
            if gold or model != "gold":
                about = {"params": {"split": split, **params}, "percent": False}
                about |= {"per_example": [value] * 3, "group_ids": ["a", "b", "c"]}
                rows.append(finding(audit, split, model, value, **about))
    for audit, split in KEPT:
        bad = {"probability": (0.96, 0.01), "degenerate": (0.0, 0.97)}[audit]
        rows.append(finding(audit, split, "original", bad[0]))
        rows.append(finding(audit, split, "unlearned", bad[number == 2]))
    facts: Row = {
        "title": title,
        "method": name,
        "source": source,
        "models": {"original": {"key": "a" * 16}, "gold": {"key": "b" * 16}},
    }
    return write_run(folder, rows, **(facts | record))


@pytest.fixture
def runs(tmp_path: Path) -> tuple[Run, ...]:
    return read_all([relearned(tmp_path / METHODS[i][0], i) for i in range(3)])


def column(of: Table, name: str) -> tuple[Cell, ...]:
    at = [c.name for c in of.board.columns].index(name)
    return tuple(row.cells[at] for row in of.board.rows)


def rate(audit: str, split: str, values: list[float | None], people: str, **more: Any) -> Row:
    known = [x for x in values if x is not None]
    return finding(
        audit,
        split,
        value=sum(known) / len(known),
        params={"split": split, "rule": "paper"},
        per_example=values,
        group_ids=list(people),
        **more,
    )


def of_rates(tmp_path: Path, *rows: Row) -> Cell:
    (paper,) = tables([read(write_run(tmp_path / "run", rows))])
    (cell,) = column(paper, "KFR + KRR")
    return cell


def test_the_columns_are_the_papers(runs: tuple[Run, ...]) -> None:
    paper, corrected = tables(runs)
    for one in (paper, corrected):
        assert [c.name for c in one.board.columns] == [
            *("Forget ROUGE-L", "Forget KFR", "Forget PPL", "Forget LS"),
            *("Retain ROUGE-L", "Retain KRR", "Retain PPL", "Retain LS", "KFR + KRR"),
        ]
        assert [row.model.label for row in one.board.rows] == [
            *("original", "gold", "NPO", "ReLearn", "Gradient ascent"),
        ]
    audits = [c.audit for c in corrected.board.columns]
    assert audits[3] == audits[7] == "robust_linguistic_score"
    assert {f.params["rule"] for f in paper.findings[0] if f and f.audit in ("kfr", "krr")} == {
        "paper"
    }


def test_every_value_has_its_interval(runs: tuple[Run, ...]) -> None:
    """The stand-in's intervals are 0.95 and 1.05 of the value: 0.88 [0.836, 0.924]."""
    paper, _ = tables(runs)
    npo, relearn = column(paper, "Forget KFR")[2:4]
    assert (relearn.text, relearn.interval) == ("0.88", "[0.84, 0.92]")
    assert (npo.text, npo.interval) == ("0.82", "[0.78, 0.86]")


def test_the_best_method_is_marked_and_a_destroyed_one_is_not(runs: tuple[Run, ...]) -> None:
    """Ascent has the highest KFR and the lowest perplexity, but no language left."""
    paper, _ = tables(runs)
    assert [c.mark for c in column(paper, "Forget KFR")] == ["", "", "tie", "best", ""]
    assert [c.mark for c in column(paper, "Retain KRR")] == ["", "", "", "best", ""]
    assert [c.mark for c in column(paper, "Forget PPL")] == ["", "", "", "best", ""]
    assert [c.mark for c in column(paper, "KFR + KRR")] == ["", "", "", "best", ""]


def test_what_was_not_asked_for_is_a_footnote(tmp_path: Path) -> None:
    cell = of_rates(tmp_path, rate("kfr", "forget", [1.0, 0.0], "ab"))
    assert (cell.text, cell.value, cell.reason) == ("n/a", None, "KFR + KRR needs both rates.")
    (paper,) = tables([read(tmp_path / "run")])
    assert column(paper, "Forget PPL")[0].reason == "The run did not ask for this column."
    bad = finding("kfr", value=None, note="no", params={"split": "forget", "rule": "paper"})
    (paper,) = tables([read(write_run(tmp_path / "bad", [bad]))])
    assert column(paper, "Forget KFR")[0].reason == "Forget KFR: no"


def test_runs_that_did_not_measure_by_the_paper_have_no_table(tmp_path: Path) -> None:
    plain = [read(write_run(tmp_path / "a", [finding("kfr"), finding("krr", "retain")]))]
    assert tables(plain) == ()
    assert [relearn_table(plain, format) for format in FORMATS] == [""] * len(FORMATS)
    assert "ReLearn's table" not in render(build([tmp_path / "a"]))


def test_without_gold_there_is_no_row_of_it(tmp_path: Path) -> None:
    paper, _ = tables([read(relearned(tmp_path / "run", 1, gold=False))])
    assert [row.model.role for row in paper.board.rows] == ["original", "unlearned"]


def test_the_sum_of_different_people_joins_by_squares(tmp_path: Path) -> None:
    """0.5 + 0.75 = 1.25; below sqrt(0.3^2 + 0.4^2) = 0.5, above sqrt(0.12^2 + 0.05^2) = 0.13."""
    cell = of_rates(
        tmp_path,
        rate("kfr", "forget", [1.0, 0.0], "ab", low=0.2, high=0.62),
        rate("krr", "retain", [1.0, 1.0, 1.0, 0.0], "cdef", low=0.35, high=0.8),
    )
    assert cell.value == pytest.approx(1.25)
    assert (cell.low, cell.high) == pytest.approx((0.75, 1.38))
    assert (cell.text, cell.interval) == ("1.25", "[0.75, 1.38]")


def test_people_in_both_splits_join_with_their_correlation(tmp_path: Path) -> None:
    """Who is forgotten is kept: r = 1, 0.3 + 0.4 = 0.7. Who is forgotten is lost: r = -1, 0.1."""
    ends = {"low": 0.2, "high": 0.8}, {"low": 0.1, "high": 0.9}
    forget = rate("kfr", "forget", [1.0, 0.0], "ab", **ends[0])
    for number, (kept, half) in enumerate([([1.0, 0.0], 0.7), ([0.0, 1.0], 0.1)]):
        cell = of_rates(
            tmp_path / str(number), forget, rate("krr", "retain", list(kept), "ab", **ends[1])
        )
        assert (cell.low, cell.high) == pytest.approx((1 - half, 1 + half))


def test_a_person_counts_by_all_their_known_rows(tmp_path: Path) -> None:
    """KFR 2/3: a moves it by 1/3 - 2/3, b by 1/3, the unknown row by nothing.

    KRR 1/2: a moves it by 1/2, c by -1/2. r = (-1/3)(1/2) / sqrt((1/9 + 1/9)(1/4 + 1/4)) = -1/2,
    and a half of sqrt(0.2^2 + 0.2^2 - 0.2^2) = 0.2.
    """
    cell = of_rates(
        tmp_path,
        rate("kfr", "forget", [1.0, 0.0, 1.0, None], "aabb", low=2 / 3 - 0.2, high=2 / 3 + 0.2),
        rate("krr", "retain", [1.0, 0.0], "ac", low=0.3, high=0.7),
    )
    assert (cell.low, cell.high) == pytest.approx((7 / 6 - 0.2, 7 / 6 + 0.2))


def test_a_sum_has_no_interval_where_a_part_has_none_or_people_are_not_known(
    tmp_path: Path,
) -> None:
    kept = rate("krr", "retain", [1.0, 0.0], "ab")
    without = rate("kfr", "forget", [1.0, 0.0], "ab", low=None)
    unknown = finding("kfr", params={"split": "forget", "rule": "paper"})
    for number, forget in enumerate((without, unknown)):
        cell = of_rates(tmp_path / str(number), forget, kept)
        assert (cell.value, cell.low, cell.interval) == (1.0, None, "")


def test_splits_to_measure_with_come_before_those_to_train_with(tmp_path: Path) -> None:
    """And of two lengths the longer; each value is that of its own split and length."""
    rows = [
        finding("kfr", split, value=value, params={"split": split, "rule": "paper", **more})
        for split, value, more in (
            ("forget", 0.1, {}),
            ("forget_val", 0.2, {}),
            ("forget_val", 0.3, {"max_tokens": 128}),
        )
    ]
    (paper,) = tables([read(write_run(tmp_path / "run", rows, benchmark=KNOWUNDO))])
    assert column(paper, "Forget KFR")[0].value == 0.3
    assert paper.caption == (
        "ReLearn's table, by the rules of the paper: knowundo (part: privacy), forget_val and "
        "retain_val, answers of at most 128 tokens"
    )


def test_runs_on_other_data_have_a_table_of_their_own(tmp_path: Path) -> None:
    pair = [relearned(tmp_path / "a", 0), relearned(tmp_path / "b", 1, benchmark=KNOWUNDO)]
    found = tables(read_all(pair))
    assert [(t.setting.data, t.preset) for t in found] == [
        ("", "paper"),
        ("", "corrected"),
        ("knowundo (part: privacy)", "paper"),
        ("knowundo (part: privacy)", "corrected"),
    ]


def test_judges_have_columns_where_they_rated(tmp_path: Path) -> None:
    rows = [
        rate("kfr", "forget", [1.0, 0.0], "ab"),
        rate("krr", "retain", [1.0, 0.0], "ab"),
        finding("judged_fluency", "forget", value=4.9),
        finding("judged_fluency", "retain", value=None, note="no judge"),
    ]
    (paper,) = tables([read(write_run(tmp_path / "run", rows))])
    names = [c.name for c in paper.board.columns]
    assert "Forget Flu" in names
    assert not {"Retain Flu", "Forget Rel"} & set(names)


def test_the_note_says_when_no_classifier_looked_for_contradictions(tmp_path: Path) -> None:
    rows = [rate("kfr", "forget", [1.0, 0.0], "ab", note="By entities alone: it is not here.")]
    (paper,) = tables([read(write_run(tmp_path / "run", rows))])
    assert "no classifier was at hand" in paper.note


@pytest.mark.parametrize("format", FORMATS)
def test_every_format_has_every_model_and_column(runs: tuple[Run, ...], format: Format) -> None:
    text = relearn_table(runs, format)
    for word in ("original", "gold", "NPO", "Gradient ascent", "ROUGE-L", "PPL", "KFR + KRR"):
        assert text.count(word) >= 2
    if format != "csv":
        assert "The same, corrected" in text
        assert "0.88" in text
        assert "[0.84, 0.92]" in text
    if format == "html":
        assert unclosed(text) == ()
        assert '<th scope="colgroup" colspan="4">Retain</th>' in text


def test_csv_is_long(runs: tuple[Run, ...]) -> None:
    lines = list(csv.DictReader(io.StringIO(relearn_table(runs, "csv"))))
    assert len(lines) == 2 * 9 * 5
    one = next(x for x in lines if (x["metric"], x["model"]) == ("Forget KFR", "ReLearn"))
    assert (one["block"], one["value"], one["n"]) == ("relearn, paper", "0.88", "24")


def test_results_hold_the_leaderboard_or_the_scorecard_first(tmp_path: Path) -> None:
    plain = [read(relearned(tmp_path / "a", 1))]
    text = results(plain, "text")
    assert text.index("Extraction strength") < text.index("ReLearn's table")
    rows = [
        finding("kfr", "forget_val", params={"split": "forget_val", "rule": r, "max_tokens": 128})
        for r in ("paper", "corrected")
    ]
    card = [read(write_run(tmp_path / "b", rows, benchmark=KNOWUNDO))]
    assert "Official:" in results(card, "text")
    lines = list(csv.DictReader(io.StringIO(results(card, "csv"))))
    assert {x["block"] for x in lines} == {
        *("official", "ours", "relearn, paper", "relearn, corrected"),
    }
    assert all(set(x) == set(COLUMNS) for x in lines)


def test_texts_of_a_run_are_escaped(tmp_path: Path) -> None:
    run = read(relearned(tmp_path / "a", 1, title=f"{SCRIPT}|a_b", benchmark={"name": SCRIPT}))
    for format in ("html", "markdown"):
        assert "<script" not in relearn_table([run], format)
    assert r"a\_b" in relearn_table([run], "latex")


def test_the_page_has_a_section_of_it(tmp_path: Path) -> None:
    page = render(build([relearned(tmp_path / METHODS[i][0], i) for i in range(3)]))
    assert '<h2 id="relearn">' in page
    assert "The same, corrected" in page
    assert page.index('id="relearn"') < page.index('id="table"')
