"""A Report as one self-contained HTML file: no scripts, no network, every model text escaped."""

from __future__ import annotations

import os
import tempfile
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from unteach import __version__
from unteach.errors import OutputError
from unteach.report import cells, charts, scorecard, table, verdict
from unteach.report.build import Report


def render(report: Report) -> str:
    """The page as text. The same report always gives the same text."""
    return _template().render(report=report)


def write(report: Report, path: Path) -> Path:
    """Write the page so that `path` always holds a whole page: the old one or the new one.

    Raises:
        OutputError: the file cannot be written there.
    """
    text = render(report)
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror}.") from None
    part = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        part.chmod(0o644)  # mkstemp makes it private to its owner; a report is to be passed on
        os.replace(part, path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise OutputError(f"{path}: cannot be written: {error.strerror}.") from None
    return path


@cache
def _template() -> Template:
    return template(
        "page.html.j2",
        tradeoff=charts.tradeoff,
        MANY=charts.MANY,
        panel=charts.panel,
        side_by_side=charts.side_by_side,
        people=charts.people,
        key=charts.key,
        html_cell=cells.html_cell,
        html_table=table.html_table,
        legend=table.LEGEND,
        html_scorecard=scorecard.html_scorecard,
        html_against=scorecard.html_against,
        row_marks=cells.marks("row"),
        tolerance=verdict.TOLERANCE,
        version=__version__,
        key_of=lambda model: charts.key(model.role if model.style is None else model.style),
    )


def template(name: str, **named: object) -> Template:
    """A page's template, which escapes all that it is given; `named` are what it may call."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(named)
    return environment.get_template(name)
