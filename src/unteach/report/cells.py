"""One value of a table with its interval, mark and footnote, and how each format writes it.

The leaderboard (`table.py`) and the scorecard (`scorecard.py`) are made of these cells.
"""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from markupsafe import Markup

from unteach.report import numbers
from unteach.report.read import Finding

Format = Literal["markdown", "csv", "latex", "html", "text"]
Better = Literal["lower", "higher", "gold", "original", "zero"]
Mark = Literal["", "best", "tie"]

MARKS: Mapping[Mark, str] = {"": "", "best": "●", "tie": "○"}
ARROWS: Mapping[Better, str] = {
    "lower": "↓ lower",
    "higher": "↑ higher",
    "gold": "≈ near gold",
    "original": "≈ near original",
    "zero": "≈ near 0",
}


@dataclass(frozen=True)
class Cell:
    text: str
    interval: str = ""
    value: float | None = None
    low: float | None = None
    high: float | None = None
    mark: Mark = ""
    reason: str = ""
    footnote: int | None = None


@dataclass(frozen=True)
class Noted:
    """Lines of cells whose reasons have become footnotes, numbered from 1."""

    lines: tuple[tuple[Cell, ...], ...]
    footnotes: tuple[str, ...]


def marks(line: Literal["column", "row"]) -> str:
    """What the marks mean, where the methods of one `line` are compared."""
    return f"● best method of the {line}; ○ its 95 % interval overlaps the best's."


def legend(line: Literal["column", "row"]) -> str:
    """What marks and brackets mean."""
    return f"{marks(line)} Brackets are 95 % intervals."


def measured(finding: Finding) -> Cell:
    """The cell of an available finding."""
    return Cell(
        text=numbers.brief(finding),
        interval=numbers.bounds(finding),
        value=finding.point,
        low=finding.low,
        high=finding.high,
    )


def missing(reason: str) -> Cell:
    """The cell of what was not measured: never a number."""
    return Cell("n/a", reason=reason)


def distance(value: float | None, better: Better, ideal: float | None) -> float | None:
    """How far from good, less being better; None if that cannot be said.

    `ideal` is the value of the model that is to be met, where `better` names one.
    """
    if value is None:
        return None
    if better in ("lower", "higher"):
        return value if better == "lower" else -value
    if better == "zero":
        return abs(value)
    return None if ideal is None else abs(value - ideal)


def ranked(
    cells: Sequence[Cell],
    better: Better,
    ideals: Sequence[float | None],
    competing: Sequence[bool],
) -> tuple[Cell, ...]:
    """The cells of one measure with their marks; `ideals` holds for each what it is to meet, if any."""
    return marked(
        cells,
        [
            distance(cell.value, better, ideal) if may else None
            for cell, ideal, may in zip(cells, ideals, competing, strict=True)
        ],
    )


def marked(cells: Sequence[Cell], distances: Sequence[float | None]) -> tuple[Cell, ...]:
    """The cells of one measure, with the best marked and those whose interval overlaps the best's.

    A cell without a distance does not compete. Nothing is marked where fewer than two compete, or
    all are alike.
    """
    competing = {i: d for i, d in enumerate(distances) if d is not None}
    if len(competing) < 2 or len({cells[i].value for i in competing}) == 1:
        return tuple(cells)
    least = min(competing.values())
    best = [cells[i] for i in competing if competing[i] == least]
    return tuple(
        replace(cell, mark=_mark(cell, competing[i] == least, best)) if i in competing else cell
        for i, cell in enumerate(cells)
    )


def _mark(cell: Cell, is_best: bool, best: Sequence[Cell]) -> Mark:
    if is_best:
        return "best"
    return "tie" if any(_overlap(cell, other) for other in best) else ""


def _overlap(one: Cell, other: Cell) -> bool:
    if one.low is None or one.high is None or other.low is None or other.high is None:
        return False
    return one.low <= other.high and other.low <= one.high


def noted(lines: Sequence[Sequence[Cell]]) -> Noted:
    """The cells with footnotes in the order of the lines; equal reasons share one."""
    reasons = list(dict.fromkeys(cell.reason for line in lines for cell in line if cell.reason))
    return Noted(
        tuple(
            tuple(
                replace(cell, footnote=reasons.index(cell.reason) + 1) if cell.reason else cell
                for cell in line
            )
            for line in lines
        ),
        tuple(reasons),
    )


def plain(cell: Cell) -> str:
    """A cell as one line: `● 0.12 [0.08, 0.17]` or `n/a (1)`."""
    note = f"({cell.footnote})" if cell.footnote else ""
    return " ".join(part for part in (MARKS[cell.mark], cell.text, cell.interval, note) if part)


def plain_notes(footnotes: Sequence[str]) -> list[str]:
    """`(1) reason`, one a line."""
    return [f"({i}) {note}" for i, note in enumerate(footnotes, start=1)]


def aligned(lines: Sequence[Sequence[str]]) -> str:
    """Lines of equally many texts in columns two spaces apart, the first flush left."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(
            text.ljust(width) if i == 0 else text.rjust(width)
            for i, (text, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def in_markdown(text: str) -> str:
    """Text for Markdown, which would read a tag as one; quotes stay as they are."""
    return html.escape(text, quote=False)


def markdown_line(texts: Sequence[str]) -> str:
    """One line of a Markdown table."""
    safe = [in_markdown(text).replace("|", "\\|").replace("\n", " ") for text in texts]
    return f"| {' | '.join(safe)} |"


def no_formula(text: str) -> str:
    """A text for CSV; a spreadsheet would run a cell that starts like a formula."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@")) else text


_LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "●": r"$\bullet$",
    "○": r"$\circ$",
    "↓": r"$\downarrow$",
    "↑": r"$\uparrow$",
    "≈": r"$\approx$",
    "<": "$<$",
    ">": "$>$",
    "\u202f": r"\,",
    "\u00a0": "~",
} | {sign: f"\\{sign}" for sign in "&%$#_{}"}


def latex(text: str) -> str:
    """A text with all that LaTeX would read as a command made harmless."""
    return "".join(_LATEX.get(sign, sign) for sign in text)


def latex_cell(cell: Cell) -> str:
    """The interval stands small beside its value."""
    note = rf"\textsuperscript{{{cell.footnote}}}" if cell.footnote else ""
    value = f"{latex(' '.join(p for p in (MARKS[cell.mark], cell.text) if p))}{note}"
    small = rf" {{\scriptsize {latex(cell.interval)}}}" if cell.interval else ""
    return value + small


def latex_notes(legend: str, footnotes: Sequence[str]) -> list[str]:
    """What stands below a table, a paragraph each."""
    return [
        rf"\par\smallskip {latex(legend)}",
        *(
            rf"\par\textsuperscript{{{i}}}\,{latex(note)}"
            for i, note in enumerate(footnotes, start=1)
        ),
    ]


def html_cell(cell: Cell) -> Markup:
    """A `<td>`; the reason of a missing value is its title as well as its footnote."""
    if cell.footnote:
        return Markup('<td class="missing" title="{}">{}<sup>{}</sup></td>').format(
            cell.reason, cell.text, cell.footnote
        )
    words = {"": "", "best": "best of the methods", "tie": "not told apart from the best"}[
        cell.mark
    ]
    mark = (
        Markup('<span class="mark" role="img" aria-label="{}">{}</span> ').format(
            words, MARKS[cell.mark]
        )
        if cell.mark
        else ""
    )
    return Markup('<td class="{}">{}<b>{}</b><small>{}</small></td>').format(
        cell.mark, mark, cell.text, cell.interval
    )


def html_notes(legend: str, footnotes: Sequence[str]) -> Markup:
    """The legend as a paragraph, and the footnotes as a numbered list."""
    notes = Markup("").join(Markup("<li>{}</li>").format(note) for note in footnotes)
    listed = Markup("<ol>{}</ol>\n").format(notes) if notes else ""
    return Markup("\n<p>{}</p>\n{}").format(legend, listed)
