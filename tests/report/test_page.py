import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.report.conftest import SCRIPT, SECRET, finding, tofu, write_run
from unteach.errors import OutputError
from unteach.report.build import build
from unteach.report.html import render, write


def test_the_page_has_its_sections_in_order(runs: list[Path]) -> None:
    page = render(build(runs))
    headings = re.findall(r'<h2 id="(\w+)"', page)
    assert headings == [
        "verdict",
        "table",
        "tradeoff",
        "training",
        "people",
        "answers",
        "unmeasured",
        "all",
        "made",
    ]
    for status in ("SUPPRESSED", "FORGOTTEN", "DESTROYED"):
        assert f'<span class="chip">{status}</span>' in page
    assert len(page.encode()) < 500_000


def test_model_text_is_escaped(runs: list[Path]) -> None:
    page = render(build(runs))
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "<script" not in page.lower()


def test_every_text_of_a_run_is_escaped(tmp_path: Path) -> None:
    """The same attack in each place where a run's own text reaches the page."""
    bad = '"><script>alert(1)</script>'
    rows = [
        finding(
            model=m, value=v, per_example=[v] * 2, ids=[bad, "b"], group_ids=[bad, "b"], source=bad
        )
        for m, v in (("original", 0.9), ("gold", 0.1), ("unlearned", 0.2))
    ]
    rows += [finding("probability", "retain", m, 0.9) for m in ("original", "gold", "unlearned")]
    rows += [finding("rouge", bad, "unlearned", None, note=bad, label=bad)]
    folder = write_run(
        tmp_path / "run",
        rows,
        title=bad,
        source=bad,
        device=bad,
        notes=[bad],
        packages={bad: bad},
        splits={bad: {"rows": 2, "sha256": bad}},
        stages=[{"stage": bad}],
        log=[{"stage": "method[0].train", "step": 1, "terms": {bad: 0.1}}],
        answers=[
            dict.fromkeys(
                ("id", "group", "question", "truth", "original", "unlearned", "gold"), bad
            )
            | {"split": "forget"}
        ],
    )
    (folder / "recipe.yaml").write_text(bad)
    page = render(build([folder]))
    assert "<script" not in page
    assert page.count("&lt;script&gt;") > 15


def test_answers_of_a_benchmark_that_measures_on_other_rows_are_shown(tmp_path: Path) -> None:
    """KnowUnDo asks about `forget_val` and `retain_val`; where there is `forget`, that is shown."""

    def asked(split: str) -> dict[str, str]:
        return {"split": split, "id": f"{split}-1", "question": f"asked of {split}?", "truth": "t"}

    rows = [finding(model=m, value=0.5) for m in ("original", "unlearned")]
    splits = "forget_val", "forget_late", "retain", "retain_val"
    folder = write_run(tmp_path / "run", rows, answers=[asked(split) for split in splits])
    page = render(build([folder]))
    assert "asked of forget_val?" in page
    assert "asked of retain?" in page
    assert "asked of forget_late?" not in page
    assert "asked of retain_val?" not in page
    assert "asked of forget_val?" not in render(build([folder], redact=True))


def test_nothing_is_loaded_or_run(runs: list[Path]) -> None:
    page = render(build(runs))
    assert "http://" not in page
    assert "https://" not in page
    assert not re.search(r"<(script|link|img|iframe|object|embed|base|form)\b", page)
    assert not re.search(r"\bon\w+=|url\(|@import|\bsrc=", page)
    assert "default-src 'none'" in page


def test_a_redacted_page_has_no_text_of_the_forget_set(runs: list[Path]) -> None:
    plain, redacted = render(build(runs)), render(build(runs, redact=True))
    for text in (SECRET, "Wilhelmina Ostrovander", "Harbour Laboratory", "not able to say"):
        assert text in plain
        assert text not in redacted
    assert "characters]" not in redacted
    assert "p0000.employer" not in redacted
    assert "row 1" in redacted
    assert "Tobias Fenwick-Marsh" in redacted


def test_redaction_hides_people_whom_no_id_names(tmp_path: Path) -> None:
    rows = [
        finding(model=m, value=0.5, per_example=[0.5], ids=["row7"], group_ids=["Jane Doe"])
        for m in ("original", "unlearned")
    ]
    folder = write_run(tmp_path / "run", rows)
    assert "Jane Doe" in render(build([folder]))
    redacted = render(build([folder], redact=True))
    assert "Jane Doe" not in redacted
    assert "person 1" in redacted


def test_the_same_files_give_the_same_page(runs: list[Path]) -> None:
    assert render(build(runs)) == render(build(runs))


def test_a_run_with_next_to_nothing_still_makes_a_page(tmp_path: Path) -> None:
    page = render(build([write_run(tmp_path / "run", [])], title="Nothing & all"))
    assert "INCONCLUSIVE" in page
    assert "<title>Nothing &amp; all</title>" in page


def test_unmeasured_audits_and_untested_attacks_are_listed(runs: list[Path]) -> None:
    page = render(build(runs))
    assert "the sentence encoder is not installed" in page
    assert "quantisation to 8 or 4 bits" in page


def test_questions_are_shared_by_every_model(runs: list[Path]) -> None:
    report = build(runs)
    assert [q.split for q in report.questions] == ["forget"] * 6 + ["retain"] * 3
    assert {len(q.replies) for q in report.questions} == {5}
    assert len({q.id for q in report.questions}) == 9
    assert "more characters)" in report.questions[-1].replies[-1].text
    assert SCRIPT in {reply.text for q in report.questions for reply in q.replies}


def test_people_are_means_over_their_questions(tmp_path: Path) -> None:
    """p1: (0.2 + 0.4) / 2 = 0.3, p2: 0.8; most left first."""
    rows = [
        finding(
            model=m, per_example=[0.2, 0.4, 0.8], ids=["a", "b", "c"], group_ids=["p1", "p1", "p2"]
        )
        for m in ("original", "unlearned")
    ]
    (chart,) = build([write_run(tmp_path / "run", rows)]).people
    assert [row.label for row in chart.chart.rows] == ["p2", "p1"]
    assert [row.unlearned for row in chart.chart.rows] == pytest.approx([0.8, 0.3])
    assert chart.rows_each == "1 to 2"


def test_write_replaces_the_whole_file_and_leaves_nothing_beside_it(
    runs: list[Path], tmp_path: Path
) -> None:
    path = tmp_path / "out" / "report.html"
    path.parent.mkdir()
    path.write_text("old")
    assert write(build(runs[:1]), path) == path
    assert path.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    assert [p.name for p in path.parent.iterdir()] == ["report.html"]
    with pytest.raises(OutputError, match="cannot be written"):
        write(build(runs[:1]), tmp_path / "absent" / "report.html")


def test_the_report_room_imports_no_torch() -> None:
    code = "import sys, unteach.report.html; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_benchmark_has_its_scorecard_before_the_leaderboard(tofu_runs: list[Path]) -> None:
    page = render(build(tofu_runs))
    headings = re.findall(r'<h2 id="(\w+)"', page)
    assert headings[:3] == ["verdict", "scorecard1", "table"]
    assert "Scorecard: tofu/forget10" in page
    assert "docs/parity.md" in page
    assert "3.9e-22" in page
    assert "This is not the benchmark as published" not in page


def test_differences_to_gold_say_what_they_show(tofu_runs: list[Path], tmp_path: Path) -> None:
    page = render(build(tofu_runs))
    assert "Against gold" in page
    assert 'class="equal"' in page
    assert "by their intervals above: Forget quality, Model utility, PrivLeak" in page
    assert "Against gold" not in render(build([tofu(tmp_path / "run", 1, gold=False)]))


def test_a_slice_of_a_benchmark_says_so(tmp_path: Path) -> None:
    about = {"name": "tofu", "split": "forget05", "forget_authors": 4, "folder": "/private/place"}
    page = render(build([tofu(tmp_path / "run", 1, benchmark=about)]))
    assert "Scorecard: tofu/forget05" in page
    assert "but with <b>forget_authors = 4</b>" in page
    assert "/private/place" not in page


def test_the_appendix_has_differences_where_there_are_any(
    tofu_runs: list[Path], runs: list[Path]
) -> None:
    """Forget probability of NPO: 0.184 - 0.885 = -0.70 and 0.184 - 0.116 = +0.07."""
    (appendix,) = build(tofu_runs[:1]).appendix
    at = appendix.headings.index("Minus original")
    assert appendix.headings[at + 1] == "Minus gold"
    shown = {row[:2]: row for row in appendix.rows}
    row = shown["probability on forget", "unlearned"]
    assert [cell.split(" ")[0] for cell in row[at : at + 2]] == ["-0.70", "+0.07"]
    assert shown["probability on forget", "original"][at] == ""
    assert {len(row) for row in appendix.rows} == {len(appendix.headings)}
    assert "Minus gold" not in build(runs).appendix[0].headings


def test_runs_of_a_benchmark_alone_are_plotted(tofu_runs: list[Path]) -> None:
    report = build(tofu_runs)
    assert report.tradeoff is not None
    assert [p.label for p in report.tradeoff.points] == [
        "original",
        "gold",
        "NPO",
        "ReLearn",
        "Gradient ascent",
    ]
    assert report.unplotted == ()


def test_a_run_without_a_retain_measure_says_why_it_is_not_plotted(tmp_path: Path) -> None:
    whole = [finding("probability", split) for split in ("forget", "retain")]
    a = write_run(tmp_path / "a", whole, title="Whole")
    b = write_run(tmp_path / "b", whole[:1], title="Half")
    both = build([a, b])
    assert both.unplotted == ("Half: neither probability nor KRR was measured on retain.",)
    assert "Not in this figure. Half: neither" in render(both)
    alone = render(build([b]))
    assert "Not in a figure of forgotten against kept. Half: neither" in alone


def test_many_verdicts_are_folded(tmp_path: Path) -> None:
    folders = [write_run(tmp_path / str(i), [], title=f"M{i}") for i in range(13)]
    assert '<details class="card folded' not in render(build(folders[:12]))
    page = render(build(folders))
    assert page.count('<details class="card folded inconclusive"><summary><h3>') == 13
    assert '<article class="card' not in page
