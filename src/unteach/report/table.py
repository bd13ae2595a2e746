"""The leaderboard: a row a model, a column a measure, every value with its 95 % interval.

What was not measured is `n/a` with the reason in a footnote, never a number. The best method of a
column is marked `●`, and `○` marks methods whose interval overlaps the best's; a destroyed model is
not marked, because it passes every forget test.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, zip_longest
from typing import Literal

from markupsafe import Markup

from unteach import registry
from unteach.report import cells, numbers
from unteach.report.cells import ARROWS, Better, Cell, Format
from unteach.report.read import Role, Run
from unteach.report.verdict import judge

Side = Literal["forget", "keep"]


@dataclass(frozen=True)
class Model:
    """One model of the comparison; `style` numbers the methods from 0, for colour and shape."""

    label: str
    role: Role
    run: Run
    style: int | None = None


@dataclass(frozen=True)
class Column:
    """A measure: the first of `splits` that any model has is shown. Costs have no audit.

    Neighbours with the same `over` stand under that word, where a format has two lines of heads.
    Without `better` the direction is the audit's own; an audit has one for all splits, which does
    not do for what is to be kept.
    """

    key: str
    title: str
    side: Side
    audit: str = ""
    splits: tuple[str, ...] = ()
    split: str = ""
    better: Better | None = None
    over: str = ""

    @property
    def direction(self) -> Better:
        """Where a good value lies; costs are good when low."""
        return self.better or "lower"

    @property
    def name(self) -> str:
        """Its title with the word that stands over it."""
        return f"{self.over} {self.title}".lstrip()


@dataclass(frozen=True)
class Row:
    model: Model
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Board:
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    footnotes: tuple[str, ...]


LEGEND = cells.legend("column")
COLUMNS = (
    Column("probability_forget", "Forget probability", "forget", "probability", ("forget",)),
    Column(
        "probability_paraphrased",
        "Forget, paraphrased",
        "forget",
        "probability",
        ("forget_paraphrased",),
    ),
    Column("rouge_forget", "ROUGE-L", "forget", "rouge", ("forget",)),
    Column(
        "extraction_strength", "Extraction strength", "forget", "extraction_strength", ("forget",)
    ),
    Column("truth_ratio", "Truth ratio", "forget", "truth_ratio", ("forget",)),
    Column("kfr", "KFR", "forget", "kfr", ("forget",)),
    Column("linguistic_score", "LS", "forget", "linguistic_score", ("forget",)),
    Column(
        "probability_retain",
        "Retain probability",
        "keep",
        "probability",
        ("retain",),
        better="higher",
    ),
    Column("krr", "KRR", "keep", "krr", ("retain",)),
    Column(
        "probability_world", "World facts", "keep", "probability", ("world",), better="original"
    ),
    Column("perplexity", "Perplexity", "keep", "perplexity", ("neutral",)),
    Column("repetition", "Repetition", "keep", "repetition", ("retain", "forget", "neutral")),
    Column("seconds", "Time to unlearn", "keep"),
    Column("peak_memory", "Peak memory", "keep"),
)


def table(runs: Sequence[Run], format: Format) -> str:
    """The leaderboard of one or many runs as text in that format."""
    return written(board(runs), format)


def written(board: Board, format: Format) -> str:
    """Any board as text in that format."""
    return _WRITERS[format](board)


def models(runs: Sequence[Run]) -> tuple[Model, ...]:
    """Originals, then golds, then methods; an original or gold that runs share appears once."""
    shared: dict[tuple[Role, object], Model] = {}
    for role in ("original", "gold"):
        for run in runs:
            if run.has(role):
                shared.setdefault((role, _identity(run, role)), Model(role, role, run))
    several = Counter(model.role for model in shared.values())
    names = labels(runs)
    kept = [
        replace(m, label=f"{m.role} ({names[runs.index(m.run)]})") if several[m.role] > 1 else m
        for m in shared.values()
    ]
    methods = [Model(names[i], "unlearned", run, style=i) for i, run in enumerate(runs)]
    return (*kept, *methods)


def labels(runs: Sequence[Run]) -> list[str]:
    """A title for each run, told apart by seed and, where that does not do, by folder."""
    titles = [run.record.title or run.record.method or run.folder.name for run in runs]
    for how in ("seed", "folder"):
        times = Counter(titles)
        titles = [
            title
            if times[title] == 1
            else f"{title} (seed {run.record.seed})"
            if how == "seed"
            else f"{title}, {run.folder.name}"
            for title, run in zip(titles, runs, strict=True)
        ]
    return titles


def board(runs: Sequence[Run]) -> Board:
    """The leaderboard as data."""
    rows = models(runs)
    columns = tuple(_resolved(column, rows) for column in COLUMNS)
    competing = competitors(rows)
    by_column = cells.noted([_column(column, rows, competing) for column in columns])
    return Board(
        columns,
        tuple(
            Row(model, tuple(line[i] for line in by_column.lines)) for i, model in enumerate(rows)
        ),
        by_column.footnotes,
    )


def competitors(rows: Sequence[Model]) -> tuple[bool, ...]:
    """Which of them may be best: the methods, but for those that destroyed their model."""
    return tuple(m.role == "unlearned" and judge(m.run).status != "DESTROYED" for m in rows)


def _identity(run: Run, role: Role) -> object:
    """Equal for two runs whose models of that role are the same weights, measured on the same data.

    Splits that no audit reads, such as what a method synthesised, do not count.
    """
    record = run.record.models.get(role)
    if record is None or not record.key:
        return run.folder
    read = {finding.split for finding in run.findings}
    return record.key, tuple(
        (name, split.sha256) for name, split in sorted(run.record.splits.items()) if name in read
    )


def _resolved(column: Column, rows: Sequence[Model]) -> Column:
    """The column with its split chosen and its direction read from the findings."""
    for split in column.splits:
        for model in rows:
            finding = model.run.measured(model.role, column.audit, split)
            if finding is not None:
                return replace(column, split=split, better=column.better or finding.better)
    entry = registry.entries("audit").get(column.audit)
    better = column.better or (entry.facts["better"] if entry else "lower")
    return replace(column, split=column.splits[0] if column.splits else "", better=better)


def _cell(column: Column, model: Model) -> Cell:
    if column.key == "seconds":
        return _seconds(model)
    if column.key == "peak_memory":
        return _memory(model)
    finding = model.run.finding(model.role, column.audit, column.split)
    if finding is None:
        return cells.missing(f"{column.audit} on {column.split} is not among this run's audits.")
    if not finding.available:
        return cells.missing(f"{column.audit} on {column.split}: {finding.note}")
    return cells.measured(finding)


def _seconds(model: Model) -> Cell:
    """Seconds spent in the method's own stages; teaching and auditing are not the method's."""
    stages = [s for s in model.run.record.stages if s.stage.startswith("method")]
    if model.role != "unlearned":
        return cells.missing(
            "Time and memory are costs of unlearning; original and gold have none."
        )
    times = [s.seconds for s in stages if s.seconds is not None and not s.cached]
    if not stages or len(times) < len(stages):
        return cells.missing(
            "A stage of the method was not timed, or was taken from an earlier run."
        )
    return Cell(numbers.duration(sum(times)), value=sum(times))


def _memory(model: Model) -> Cell:
    used = model.run.record.peak_memory_bytes
    if model.role != "unlearned":
        return cells.missing(
            "Time and memory are costs of unlearning; original and gold have none."
        )
    if used is None:
        return cells.missing("Peak memory was not recorded.")
    return Cell(numbers.memory(used), value=float(used))


def _column(column: Column, rows: Sequence[Model], competing: Sequence[bool]) -> tuple[Cell, ...]:
    found = [_cell(column, model) for model in rows]
    ideals = [_ideal(column, model) for model in rows]
    return cells.ranked(found, column.direction, ideals, competing)


def _ideal(column: Column, model: Model) -> float | None:
    """The value of the model that the column says is to be met; None if it names none."""
    if column.direction not in ("gold", "original"):
        return None
    role: Role = "gold" if column.direction == "gold" else "original"
    finding = model.run.measured(role, column.audit, column.split)
    return finding.point if finding else None


def _heading(column: Column) -> str:
    return f"{column.name} ({ARROWS[column.direction]})"


def _markdown(board: Board) -> str:
    lines = [cells.markdown_line(["Model", *map(_heading, board.columns)])]
    lines.append(f"|---|{'---:|' * len(board.columns)}")
    lines += [
        cells.markdown_line([row.model.label, *map(cells.plain, row.cells)]) for row in board.rows
    ]
    notes = [f"\n{cells.in_markdown(note)}" for note in cells.plain_notes(board.footnotes)]
    return "\n".join([*lines, "", LEGEND, *notes, ""])


def _csv(board: Board) -> str:
    """Three columns a measure: value, low, high. Rates are 0 to 1, time is seconds, memory bytes."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    header = ["model", "role"]
    for column in board.columns:
        header += [column.key, f"{column.key}_low", f"{column.key}_high"]
    writer.writerow([*header, "notes"])
    for row in board.rows:
        line: list[str] = [cells.no_formula(row.model.label), row.model.role]
        for cell in row.cells:
            line += [
                "n/a" if end is None else repr(end) for end in (cell.value, cell.low, cell.high)
            ]
        notes = dict.fromkeys(cell.reason for cell in row.cells if cell.reason)
        writer.writerow([*line, cells.no_formula(" ".join(notes))])
    return out.getvalue()


def _latex(board: Board) -> str:
    """A booktabs table."""
    heads = ["Model", *map(_heading, board.columns)]
    lines = [rf"\begin{{tabular}}{{l{'r' * len(board.columns)}}}", r"\toprule"]
    lines.append(" & ".join(map(cells.latex, heads)) + r" \\")
    lines.append(r"\midrule")
    lines += [
        " & ".join([cells.latex(row.model.label), *map(cells.latex_cell, row.cells)]) + r" \\"
        for row in board.rows
    ]
    lines += [r"\bottomrule", r"\end{tabular}", "", *cells.latex_notes(LEGEND, board.footnotes)]
    return "\n".join([*lines, ""])


def _text(board: Board) -> str:
    """Two aligned blocks, forget side and keep side, so that a line fits a terminal."""
    blocks = [_block(board, side) for side in ("forget", "keep")]
    notes = [LEGEND, *cells.plain_notes(board.footnotes)]
    return "\n\n".join([*blocks, "\n".join(notes)]) + "\n"


def _block(board: Board, side: str) -> str:
    chosen = [i for i, column in enumerate(board.columns) if column.side == side]
    heads = [
        ["", ""],
        *([board.columns[i].name, ARROWS[board.columns[i].direction]] for i in chosen),
    ]
    body = [[row.model.label, *(cells.plain(row.cells[i]) for i in chosen)] for row in board.rows]
    return cells.aligned([*zip_longest(*heads, fillvalue=""), *body])


def _html(board: Board) -> str:
    return html_table(board, ("forget", "keep")) + cells.html_notes(LEGEND, board.footnotes)


def html_table(
    board: Board,
    sides: Sequence[Side],
    caption: str = "",
    lead: Callable[[Model], Markup] = lambda _: Markup(""),
) -> Markup:
    """One `<table>` of the columns on those sides; `lead` draws a marker before a model's name."""
    chosen = [i for i, column in enumerate(board.columns) if column.side in sides]
    over = _html_over([board.columns[i] for i in chosen])
    heads = Markup("").join(
        Markup('<th scope="col">{}<small>{}</small></th>').format(
            board.columns[i].title, ARROWS[board.columns[i].direction]
        )
        for i in chosen
    )
    rows = Markup("\n").join(
        Markup('<tr class="{}"><th scope="row">{}{}</th>{}</tr>').format(
            row.model.role,
            lead(row.model),
            row.model.label,
            Markup("").join(cells.html_cell(row.cells[i]) for i in chosen),
        )
        for row in board.rows
    )
    title = Markup("<caption>{}</caption>").format(caption) if caption else ""
    return Markup(
        '<table class="board">{}<thead>{}<tr><th scope="col">Model</th>{}</tr></thead>\n'
        "<tbody>{}</tbody></table>"
    ).format(title, over, heads, rows)


def _html_over(columns: Sequence[Column]) -> Markup:
    """The line of words that stand over several columns; empty if none has one."""
    if not any(column.over for column in columns):
        return Markup("")
    words = [(word, len(list(of))) for word, of in groupby(columns, lambda column: column.over)]
    ths = Markup("").join(
        Markup('<th scope="colgroup" colspan="{}">{}</th>').format(num, word)
        if word
        else Markup('<td colspan="{}"></td>').format(num)
        for word, num in words
    )
    return Markup('<tr class="over"><td></td>{}</tr>').format(ths)


_WRITERS: Mapping[Format, Callable[[Board], str]] = {
    "markdown": _markdown,
    "csv": _csv,
    "latex": _latex,
    "html": _html,
    "text": _text,
}
