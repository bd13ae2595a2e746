"""ReLearn's table (arXiv:2502.11190): a row a model, what was forgotten, then what was kept.

First by the rules of the paper, then by ours. It is made for runs that measured KFR or KRR by
`rule: paper`, as the suite `relearn` and the scorecard of KnowUnDo do.
"""

from __future__ import annotations

import csv
import io
import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from unteach.report import cells, numbers, scorecard, table
from unteach.report.cells import Cell, Format
from unteach.report.read import Finding, Role, Run, resolved
from unteach.report.table import Board, Column, Model, Row, competitors, models

Preset = Literal["paper", "corrected"]
PAIRS = (("forget_val", "retain_val"), ("forget", "retain"))
"""Splits of the two sides; the first pair that was measured is shown."""
CAPTIONS: Mapping[Preset, str] = {
    "paper": "ReLearn's table, by the rules of the paper",
    "corrected": "The same, corrected",
}
NOTES: Mapping[Preset, str] = {
    "paper": (
        "KFR: answers that say less than 0.3 of the true entities, or contradict the truth. KRR: "
        "answers that say more than 0.3 and contradict nothing. PPL: mean perplexity of the answers "
        "under the model before it was taught. LS: at most 0.6. Published values do not compare: "
        "there a remote model finds the entities, and answers are sampled."
    ),
    "corrected": (
        "KFR and KRR leave out answers without entities to look for; gibberish is no forgetting and "
        "no retention. PPL is the median, and LS is robust to length, at most 1."
    ),
}
SUM_NOTE = (
    "The interval of KFR + KRR joins those of its parts by their squares, with the correlation "
    "that people who are in both splits make (MOVER, Zou and Donner 2008)."
)
ENTITIES_ALONE = "By entities alone"
"""A KFR or KRR whose note begins so had no classifier to look for contradictions."""
SUM = Column("kfr_krr", "KFR + KRR", "keep", better="higher")


@dataclass(frozen=True)
class Setting:
    """What one table is about; `data` names the benchmark, `hashes` are of the two splits."""

    data: str
    hashes: tuple[str, ...]
    forget: str
    retain: str
    max_tokens: int


@dataclass(frozen=True)
class Measure:
    """A column and the parameters of its audit."""

    column: Column
    params: Mapping[str, Any]


@dataclass(frozen=True)
class Table:
    """One table; `findings` has a line a model, an entry a column, without the sum's."""

    preset: Preset
    setting: Setting
    board: Board
    findings: tuple[tuple[Finding | None, ...], ...]

    @property
    def caption(self) -> str:
        """What the table is, of which data."""
        of = self.setting
        data = f"{of.data}, " if of.data else ""
        return (
            f"{CAPTIONS[self.preset]}: {data}{of.forget} and {of.retain}, "
            f"answers of at most {of.max_tokens} tokens"
        )

    @property
    def note(self) -> str:
        """What a reader must know of the columns."""
        alone = any(f and f.note.startswith(ENTITIES_ALONE) for line in self.findings for f in line)
        said = "Contradictions were not looked for everywhere: no classifier was at hand."
        return " ".join([NOTES[self.preset], SUM_NOTE, *([said] if alone else [])])


def results(runs: Sequence[Run], format: Format) -> str:
    """What a command prints of runs: the scorecard, or else the leaderboard; then ReLearn's table.

    An empty line stands between two tables. Only in CSV do the lines of ReLearn's table follow
    those of the scorecard at once: their columns are the same.
    """
    card, own = scorecard.scorecard(runs, format), relearn_table(runs, format)
    if format == "csv" and card and own:
        return card + own.partition("\n")[2]
    return "\n".join(part for part in (card or table.table(runs, format), own) if part)


def relearn_table(runs: Sequence[Run], format: Format) -> str:
    """ReLearn's tables of the runs as text in that format; empty if nothing was measured by it."""
    made = tables(runs)
    return _csv(made) if format == "csv" else "\n".join(_written(one, format) for one in made)


def tables(runs: Sequence[Run]) -> tuple[Table, ...]:
    """By the paper, then corrected, of each data that runs measured by the paper's rule."""
    chosen: dict[Setting, list[Run]] = defaultdict(list)
    for run in runs:
        if setting := _setting(run):
            chosen[setting].append(run)
    methods = {id(m.run): m for m in models(runs) if m.role == "unlearned"}
    return tuple(
        made
        for setting, own in chosen.items()
        for preset in NOTES
        if (made := _table(preset, setting, own, methods)) is not None
    )


def _setting(run: Run) -> Setting | None:
    """The run's data, and the longest answers that it judged by the paper's rule."""
    about = run.record.benchmark or {}
    options = ", ".join(f"{k}: {v}" for k, v in about.items() if k not in ("name", "folder"))
    data = " ".join(
        part for part in (str(about.get("name", "")), options and f"({options})") if part
    )
    for pair in PAIRS:
        rates = (("kfr", pair[0]), ("krr", pair[1]))
        judged = (resolved(f.audit, f.params) for f in run.findings if (f.audit, f.split) in rates)
        lengths = [p["max_tokens"] for p in judged if p.get("rule") == "paper"]
        if lengths:
            splits = (run.record.splits.get(name) for name in pair)
            hashes = tuple(split.sha256 if split else "" for split in splits)
            return Setting(data, hashes, *pair, max(n for n in lengths if isinstance(n, int)))
    return None


def _table(
    preset: Preset, setting: Setting, own: Sequence[Run], methods: Mapping[int, Model]
) -> Table | None:
    """The table of these runs; None if they have neither rate. `methods` have their names."""
    shown = tuple(methods[id(m.run)] if m.role == "unlearned" else m for m in models(own))
    measures = [
        measure
        for measure in (*_forget(preset, setting), *_retain(preset, setting))
        if measure.column.audit not in JUDGED
        or any(_available(_found(measure, m.run, m.role)) for m in shown)
    ]
    found = [tuple(_found(measure, m.run, m.role) for m in shown) for measure in measures]
    by_audit = {m.column.audit: line for m, line in zip(measures, found, strict=True)}
    rates = list(zip(by_audit["kfr"], by_audit["krr"], strict=True))
    if not any(f for pair in rates for f in pair):
        return None
    competing = competitors(shown)
    lines = [
        _cells(measure, shown, line, competing)
        for measure, line in zip(measures, found, strict=True)
    ]
    sums = [_sum(*pair) for pair in rates]
    lines.append(cells.ranked(sums, "higher", [None] * len(sums), competing))
    noted = cells.noted(lines)
    board = Board(
        (*(measure.column for measure in measures), SUM),
        tuple(Row(m, tuple(line[i] for line in noted.lines)) for i, m in enumerate(shown)),
        noted.footnotes,
    )
    return Table(preset, setting, board, tuple(zip(*found, strict=True)))


JUDGED = {"judged_fluency": "Flu", "judged_relevance": "Rel"}
"""Columns that are shown where they were measured."""


def _forget(preset: Preset, setting: Setting) -> Iterator[Measure]:
    rouge = Column("forget_rouge", "ROUGE-L", "forget", "rouge", better="gold", over="Forget")
    rate = Column("kfr", "KFR", "forget", "kfr", better="higher", over="Forget")
    yield from _side(preset, rouge, rate, setting.forget, setting.max_tokens)


def _retain(preset: Preset, setting: Setting) -> Iterator[Measure]:
    rouge = Column("retain_rouge", "ROUGE-L", "keep", "rouge", better="higher", over="Retain")
    rate = Column("krr", "KRR", "keep", "krr", better="higher", over="Retain")
    yield from _side(preset, rouge, rate, setting.retain, setting.max_tokens)


def _side(
    preset: Preset, rouge: Column, rate: Column, split: str, max_tokens: int
) -> Iterator[Measure]:
    """ROUGE-L, the rate, PPL, LS, and on the paper's side the judges'."""
    at = {"split": split, "max_tokens": max_tokens}
    by_paper = preset == "paper"
    average = "mean" if by_paper else "median"
    score = "linguistic_score" if by_paper else "robust_linguistic_score"

    def column(title: str, audit: str, better: cells.Better = "higher") -> Column:
        key = f"{rouge.over.lower()}_{title.lower()}"
        return Column(key, title, rouge.side, audit, better=better, over=rouge.over)

    yield Measure(rouge, at)
    yield Measure(rate, {**at, "rule": preset})
    yield Measure(column("PPL", "answer_perplexity", "original"), {**at, "average": average})
    yield Measure(column("LS", score), at)
    if by_paper:
        for audit, title in JUDGED.items():
            yield Measure(column(title, audit), {"split": split})


def _found(measure: Measure, run: Run, role: Role) -> Finding | None:
    return run.exactly(role, measure.column.audit, measure.params)


def _available(finding: Finding | None) -> bool:
    return finding is not None and finding.available


def _cells(
    measure: Measure,
    shown: Sequence[Model],
    found: Sequence[Finding | None],
    competing: Sequence[bool],
) -> tuple[Cell, ...]:
    column = measure.column
    metric = scorecard.Metric(column.name, True, column.audit, measure.params, column.direction)
    unasked = "The run did not ask for this column."
    return scorecard.compared(metric, shown, found, competing, unasked)


def _sum(kfr: Finding | None, krr: Finding | None) -> Cell:
    """KFR + KRR, 0 to 2, with an interval where both rates have one and say whose they are."""
    if kfr is None or krr is None or not kfr.available or not krr.available:
        return cells.missing("KFR + KRR needs both rates.")
    value = kfr.point + krr.point
    low, high = _joined(kfr, krr)
    return Cell(
        numbers.number(value),
        "" if low is None or high is None else numbers.interval(low, high),
        value,
        low,
        high,
    )


def _joined(one: Finding, other: Finding) -> tuple[float | None, float | None]:
    """The 95 % interval of a sum of two rates from the intervals of each; see `SUM_NOTE`.

    The distances of the ends from the values join like standard errors: the root of a^2 + b^2 +
    2 r a b. `r` is 0 where no person is in both splits.
    """
    r = _correlation(one, other)
    if r is None or None in (one.low, one.high, other.low, other.high):
        return None, None

    def joined(a: float, b: float) -> float:
        return math.sqrt(max(0.0, a**2 + b**2 + 2 * r * a * b))

    value = one.point + other.point
    below = joined(one.point - one.lower, other.point - other.lower)
    above = joined(one.upper - one.point, other.upper - other.point)
    return value - below, value + above


def _correlation(one: Finding, other: Finding) -> float | None:
    """That of two means whose persons are drawn together, -1 to 1; None if persons are not known.

    A person moves a mean by the sum of what their rows are above it.
    """
    if not one.per_example or not one.group_ids or not other.per_example or not other.group_ids:
        return None
    a, b = _by_person(one), _by_person(other)
    size = math.sqrt(sum(x**2 for x in a.values()) * sum(x**2 for x in b.values()))
    together = sum(x * b[person] for person, x in a.items() if person in b)
    return together / size if size else 0.0


def _by_person(finding: Finding) -> dict[str, float]:
    """Sum over each person's rows of their distance from the mean; unknown rows have none."""
    assert finding.per_example
    assert finding.group_ids
    moved: dict[str, float] = defaultdict(float)
    for person, x in zip(finding.group_ids, finding.per_example, strict=True):
        if x is not None:
            moved[person] += x - finding.point
    return moved


def _written(one: Table, format: Format) -> str:
    """The caption, the table with its legend and footnotes, and the note."""
    if format == "html":
        shown = table.html_table(one.board, ("forget", "keep"), one.caption)
        return shown + cells.html_notes(f"{table.LEGEND} {one.note}", one.board.footnotes)
    body = table.written(one.board, format)
    if format == "markdown":
        return f"**{cells.in_markdown(one.caption)}**\n\n{body}\n{cells.in_markdown(one.note)}\n"
    if format == "latex":
        head = rf"\par\textbf{{{cells.latex(one.caption)}}}\par\smallskip"
        return f"{head}\n{body}\\par {cells.latex(one.note)}\n"
    return f"{one.caption}\n\n{body}{one.note}\n"


def _csv(made: Sequence[Table]) -> str:
    """A line a value, with the columns of the scorecard's; a block is `relearn, paper`."""
    if not made:
        return ""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(scorecard.COLUMNS)
    for one in made:
        for i, column in enumerate(one.board.columns):
            for row, line in zip(one.board.rows, one.findings, strict=True):
                cell, finding = row.cells[i], line[i] if i < len(line) else None
                ends = (
                    "n/a" if end is None else repr(end) for end in (cell.value, cell.low, cell.high)
                )
                writer.writerow(
                    [
                        cells.no_formula(one.setting.data),
                        column.name,
                        f"relearn, {one.preset}",
                        cells.no_formula(row.model.label),
                        row.model.role,
                        *ends,
                        finding.n if finding and finding.available else "n/a",
                        cells.no_formula(finding.note if finding else cell.reason),
                    ]
                )
    return out.getvalue()
