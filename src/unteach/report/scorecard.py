"""A benchmark's scorecard: a row a metric, a column a model, every value with its 95 % interval.

First the rows that the benchmark publishes, under its names, then ours beside them. Which audit with
which parameters makes a row is written with the benchmark; see `registry.benchmark`. What was not
measured is `n/a` with the reason in a footnote, never a number.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from unteach import registry
from unteach.data.examples import must_go
from unteach.report import cells, numbers
from unteach.report.cells import ARROWS, Better, Cell, Format
from unteach.report.read import Against, Finding, Role, Run, resolved
from unteach.report.table import Model, competitors, models
from unteach.report.verdict import TOLERANCE

LEGEND = cells.legend("row")
BLOCKS = ("Official", "Ours beside it")
COLUMNS = ("benchmark", "metric", "block", "model", "role", "value", "low", "high", "n", "note")
"""Those of the CSV; a block is `official` or `ours`."""
WIDTH = 120
"""Characters of a terminal's line; models that do not fit go into a block below."""

KNOWLEDGE = (
    "probability",
    "specific_probability",
    "rouge",
    "accuracy",
    "truth_ratio",
    "exact_memorization",
    "extraction_strength",
    "similarity",
    "open_qa",
    "knowmem",
    "verbmem",
)
"""Audits of what a model knows: what is forgotten is to be as gold knows it, what is kept is not."""
RELATIVE = ("privleak", "privleak_absolute")
"""Audits that compare with the gold model themselves, so that 0 is as good as gold."""


@dataclass(frozen=True)
class Metric:
    """A row's name as published, the audit that makes it, with all its parameters."""

    title: str
    official: bool
    audit: str
    params: Mapping[str, Any]
    better: Better


@dataclass(frozen=True)
class Row:
    """One metric of every model; `gold` is the difference to the gold model, where there is one."""

    metric: Metric
    findings: tuple[Finding | None, ...]
    cells: tuple[Cell, ...]
    gold: tuple[Against | None, ...]


@dataclass(frozen=True)
class Scorecard:
    """One benchmark in one variant. `options` are the parameters that are not as published."""

    benchmark: str
    variant: str
    options: str
    source: str
    models: tuple[Model, ...]
    rows: tuple[Row, ...]
    footnotes: tuple[str, ...]

    @property
    def name(self) -> str:
        """`tofu/forget10`, with what is not as published in brackets."""
        return f"{self.variant} ({self.options})" if self.options else self.variant

    @property
    def methods(self) -> tuple[int, ...]:
        """The places of the unlearned models among `models`."""
        return tuple(i for i, model in enumerate(self.models) if model.role == "unlearned")

    @property
    def paired(self) -> tuple[Row, ...]:
        """The rows in which some unlearned model could be paired with the gold model."""
        return tuple(row for row in self.rows if any(row.gold[i] for i in self.methods))

    @property
    def has_official(self) -> bool:
        """Whether a row is as somebody published it."""
        return any(row.metric.official for row in self.rows)

    @property
    def unpaired(self) -> tuple[str, ...]:
        """Titles of rows that were measured, but could not be paired with the gold model."""
        paired = self.paired
        return tuple(
            row.metric.title
            for row in self.rows
            if row not in paired and any(row.cells[i].value is not None for i in self.methods)
        )


def scorecard(runs: Sequence[Run], format: Format) -> str:
    """The scorecards of one or many runs as text in that format; empty if they have none."""
    return _WRITERS[format](scorecards(runs))


def scorecards(runs: Sequence[Run]) -> tuple[Scorecard, ...]:
    """One for each benchmark of the runs, in each variant, of which any row was asked for."""
    chosen: dict[tuple[str, str, str], list[Run]] = {}
    for run in runs:
        if of := _benchmark(run):
            chosen.setdefault(of, []).append(run)
    cards = [_scorecard(*of, own, models(runs)) for of, own in chosen.items()]
    return tuple(card for card in cards if any(any(row.findings) for row in card.rows))


def _benchmark(run: Run) -> tuple[str, str, str] | None:
    """A run's benchmark, its variant, and in words what is not as published; None without a card."""
    about = run.record.benchmark or {}
    entry = registry.entries("benchmark").get(str(about.get("name")))
    if entry is None or not (entry.facts["official"] or entry.facts["ours"]):
        return None
    if not entry.parameters:
        return entry.name, entry.name, ""
    first, *others = entry.parameters
    variant = about.get(first.name, first.default)
    options = [
        f"{p.name} = {about[p.name]}"
        for p in others
        if p.name in about and about[p.name] != p.default and p.name != "folder"
    ]
    return entry.name, f"{entry.name}/{variant}" if variant else entry.name, ", ".join(options)


def _scorecard(
    benchmark: str, variant: str, options: str, own: Sequence[Run], everyone: Sequence[Model]
) -> Scorecard:
    """`everyone` gives the methods the names and colours that they have in the leaderboard."""
    methods = {id(m.run): m for m in everyone if m.role == "unlearned"}
    shown = tuple(methods[id(m.run)] if m.role == "unlearned" else m for m in models(own))
    entry = registry.find("benchmark", benchmark)
    metrics = [
        _metric(title, audit, params, own, official=block == "official")
        for block in ("official", "ours")
        for title, audit, params in entry.facts[block]
    ]
    found = [
        tuple(m.run.exactly(m.role, metric.audit, metric.params) for m in shown)
        for metric in metrics
    ]
    # a row of ours may belong to another variant, and is there if it was asked for
    asked = [i for i, metric in enumerate(metrics) if metric.official or any(found[i])]
    metrics, found = [metrics[i] for i in asked], [found[i] for i in asked]
    competing = competitors(shown)
    lines = [
        compared(metric, shown, of, competing) for metric, of in zip(metrics, found, strict=True)
    ]
    noted = cells.noted(lines)
    rows = tuple(
        Row(metric, of, line, tuple(f.against.get("gold") if f else None for f in of))
        for metric, of, line in zip(metrics, found, noted.lines, strict=True)
    )
    return Scorecard(benchmark, variant, options, entry.source, shown, rows, noted.footnotes)


def _metric(
    title: str, audit: str, params: Mapping[str, Any], own: Sequence[Run], *, official: bool
) -> Metric:
    whole = resolved(audit, params)
    found = (f for run in own for f in run.findings if f.audit == audit)
    entry = registry.entries("audit").get(audit)
    measured = next(found, None)
    better: Better = measured.better if measured else entry.facts["better"] if entry else "gold"
    has_gold = any(run.has("gold") for run in own)
    return Metric(
        title, official, audit, whole, _direction(audit, whole.get("split"), better, has_gold)
    )


def _direction(audit: str, split: object, better: Better, has_gold: bool) -> Better:
    """Where a good value lies on that split: an audit has one direction for all of them."""
    if audit in RELATIVE:
        return "zero"
    if not isinstance(split, str) or split == "holdout":
        return better
    if must_go(split):
        return ("gold" if has_gold else "lower") if better == "original" else better
    if better == "gold" and audit in KNOWLEDGE:
        return "higher" if split.startswith("retain") else "original"
    return better


def compared(
    metric: Metric,
    shown: Sequence[Model],
    found: Sequence[Finding | None],
    competing: Sequence[bool],
    unasked: str = "The run did not ask for this row of the scorecard.",
) -> tuple[Cell, ...]:
    """One measure of every model, marked; `unasked` is the footnote of a model without a finding."""
    made = [_cell(metric, finding, unasked) for finding in found]
    ideals = [_ideal(metric, model) for model in shown]
    return cells.ranked(made, metric.better, ideals, competing)


def _cell(metric: Metric, finding: Finding | None, unasked: str) -> Cell:
    if finding is None:
        return cells.missing(unasked)
    if not finding.available:
        return cells.missing(f"{metric.title}: {finding.note}")
    return cells.measured(finding)


def _ideal(metric: Metric, model: Model) -> float | None:
    """The value of the model that the metric says is to be met; None if it names none."""
    if metric.better not in ("gold", "original"):
        return None
    role: Role = "gold" if metric.better == "gold" else "original"
    finding = model.run.exactly(role, metric.audit, metric.params)
    return finding.point if finding and finding.available else None


def claim(against: Against, *values: float | None) -> str:
    """What a difference to the gold model shows, in a word or two; empty where no claim is made.

    Equal: two one-sided tests at 5 % show a difference below a margin of at most `TOLERANCE`. That
    is a margin for measures from 0 to 1, so there is no claim if one of `values` is outside.
    """
    if against.within is None:
        return "too few people or documents to say"
    if not all(v is not None and 0 <= v <= 1 for v in values):
        return ""
    if against.within <= TOLERANCE:
        return f"equal within {numbers.margin(against.within)}"
    if against.low is not None and against.high is not None and against.low * against.high > 0:
        return "differs"
    if against.reachable is None or against.reachable <= TOLERANCE:
        return "undecided"
    reachable = numbers.margin(against.reachable, down=True)
    return f"undecided: could not show less than {reachable}"


def _blocks(card: Scorecard) -> Iterator[tuple[str, tuple[Row, ...]]]:
    """The name of each block and its rows, without a block that is empty."""
    for name, official in zip(_block_names(card), (True, False), strict=True):
        rows = tuple(row for row in card.rows if row.metric.official == official)
        if rows:
            yield name, rows


def _block_names(card: Scorecard) -> tuple[str, str]:
    return BLOCKS if card.has_official else (BLOCKS[0], "Ours")


def _title(metric: Metric) -> str:
    return f"{metric.title} ({ARROWS[metric.better]})"


def _heading(card: Scorecard) -> str:
    return f"{card.name}: {card.source}" if card.source else card.name


def _markdown(cards: Sequence[Scorecard]) -> str:
    return "\n".join(_markdown_card(card) for card in cards)


def _markdown_card(card: Scorecard) -> str:
    empty = [""] * len(card.models)
    lines = [f"**{cells.in_markdown(_heading(card))}**", ""]
    lines.append(cells.markdown_line(["Metric", *(model.label for model in card.models)]))
    lines.append(f"|---|{'---:|' * len(card.models)}")
    for name, rows in _blocks(card):
        lines.append(cells.markdown_line([f"**{name}**", *empty]))
        lines += [
            cells.markdown_line([_title(row.metric), *map(cells.plain, row.cells)]) for row in rows
        ]
    notes = [f"\n{cells.in_markdown(note)}" for note in cells.plain_notes(card.footnotes)]
    return "\n".join([*lines, "", LEGEND, *notes, ""])


def _csv(cards: Sequence[Scorecard]) -> str:
    """A line a value. Rates are 0 to 1; what has no value says why in its note."""
    if not cards:
        return ""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for card in cards:
        for row in card.rows:
            for model, finding, cell in zip(card.models, row.findings, row.cells, strict=True):
                ends = (
                    "n/a" if end is None else repr(end) for end in (cell.value, cell.low, cell.high)
                )
                writer.writerow(
                    [
                        cells.no_formula(card.name),
                        cells.no_formula(row.metric.title),
                        "official" if row.metric.official else "ours",
                        cells.no_formula(model.label),
                        model.role,
                        *ends,
                        finding.n if finding and finding.available else "n/a",
                        cells.no_formula(finding.note if finding else cell.reason),
                    ]
                )
    return out.getvalue()


def _latex(cards: Sequence[Scorecard]) -> str:
    return "\n".join(_latex_card(card) for card in cards)


def _latex_card(card: Scorecard) -> str:
    width = len(card.models) + 1
    heads = ["Metric", *(model.label for model in card.models)]
    lines = [rf"\par\textbf{{{cells.latex(_heading(card))}}}\par\smallskip"]
    lines += [rf"\begin{{tabular}}{{l{'r' * len(card.models)}}}", r"\toprule"]
    lines.append(" & ".join(map(cells.latex, heads)) + r" \\")
    for name, rows in _blocks(card):
        lines.append(r"\midrule")
        lines.append(rf"\multicolumn{{{width}}}{{l}}{{\emph{{{name}}}}} \\")
        lines += [
            " & ".join([cells.latex(_title(row.metric)), *map(cells.latex_cell, row.cells)])
            + r" \\"
            for row in rows
        ]
    lines += [r"\bottomrule", r"\end{tabular}", "", *cells.latex_notes(LEGEND, card.footnotes)]
    return "\n".join([*lines, ""])


def _text(cards: Sequence[Scorecard]) -> str:
    return "\n".join(_text_card(card) for card in cards)


def _text_card(card: Scorecard) -> str:
    """As many models side by side as fit a line, the rest in blocks below."""
    columns = [
        [model.label, *(cells.plain(row.cells[i]) for row in card.rows)]
        for i, model in enumerate(card.models)
    ]
    titles = ["", *(_title(row.metric) for row in card.rows)]
    blocks = [_text_block(card, titles, part) for part in _fitting(titles, columns)]
    notes = [LEGEND, *cells.plain_notes(card.footnotes)]
    return "\n\n".join([_heading(card), *blocks, "\n".join(notes)]) + "\n"


def _text_block(card: Scorecard, titles: Sequence[str], columns: Sequence[Sequence[str]]) -> str:
    head, *lines = cells.aligned(list(zip(titles, *columns, strict=True))).split("\n")
    num_official = sum(row.metric.official for row in card.rows)
    parts = [[head], lines[:num_official], lines[num_official:]]
    names = ["", *_block_names(card)]
    return "\n".join(
        "\n".join([f"{name}:", *part] if name else part)
        for name, part in zip(names, parts, strict=True)
        if part
    )


def _fitting(
    titles: Sequence[str], columns: Sequence[Sequence[str]]
) -> Iterator[list[Sequence[str]]]:
    """The columns in parts that fit a line of `WIDTH` beside the titles; one at least in each."""
    room = WIDTH - max(map(len, titles))
    part: list[Sequence[str]] = []
    used = 0
    for column in columns:
        width = max(map(len, column)) + 2
        if part and used + width > room:
            yield part
            part, used = [], 0
        part.append(column)
        used += width
    yield part


def _html(cards: Sequence[Scorecard]) -> str:
    return Markup("\n").join(
        html_scorecard(card, caption=_heading(card)) + cells.html_notes(LEGEND, card.footnotes)
        for card in cards
    )


def _no_lead(_: Model) -> Markup:
    return Markup("")


def html_scorecard(
    card: Scorecard, *, caption: str = "", lead: Callable[[Model], Markup] = _no_lead
) -> Markup:
    """One `<table>` of the whole card; `lead` draws a marker before a model's name."""
    bodies = [
        (
            name,
            [
                _html_row(
                    row.metric.title, ARROWS[row.metric.better], map(cells.html_cell, row.cells)
                )
                for row in rows
            ],
        )
        for name, rows in _blocks(card)
    ]
    return _html_table(card.models, bodies, caption, lead)


def html_against(
    card: Scorecard, *, caption: str = "", lead: Callable[[Model], Markup] = _no_lead
) -> Markup:
    """One `<table>` of the unlearned models' differences to gold, of the rows that have any."""
    bodies = [
        (name, [_html_row(row.metric.title, "", _html_differences(card, row)) for row in paired])
        for name, rows in _blocks(card)
        if (paired := [row for row in rows if row in card.paired])
    ]
    shown = [card.models[i] for i in card.methods]
    return _html_table(shown, bodies, caption, lead, css="board scorecard against")


def _html_differences(card: Scorecard, row: Row) -> Iterator[Markup]:
    for i in card.methods:
        against, ours = row.gold[i], row.findings[i]
        if against is None or ours is None:
            yield Markup('<td class="missing">n/a</td>')
            continue
        gold = card.models[i].run.exactly("gold", row.metric.audit, row.metric.params)
        said = claim(against, ours.value, gold.value if gold else None)
        yield Markup('<td class="{}"><b>{}</b> {}<small>{}</small></td>').format(
            "equal" if said.startswith("equal") else "",
            numbers.difference(against),
            numbers.difference_bounds(against),
            said,
        )


def _html_row(title: str, arrow: str, tds: Iterator[Markup]) -> Markup:
    return Markup('<tr><th scope="row">{}<small>{}</small></th>{}</tr>').format(
        title, arrow, Markup("").join(tds)
    )


def _html_table(
    shown: Sequence[Model],
    bodies: Sequence[tuple[str, Sequence[Markup]]],
    caption: str,
    lead: Callable[[Model], Markup],
    css: str = "board scorecard",
) -> Markup:
    heads = Markup("").join(
        Markup('<th scope="col">{}{}</th>').format(lead(model), model.label) for model in shown
    )
    parts = Markup("\n").join(
        Markup(
            '<tbody><tr class="block"><th scope="rowgroup" colspan="{}">{}</th></tr>\n{}</tbody>'
        ).format(len(shown) + 1, name, Markup("\n").join(rows))
        for name, rows in bodies
    )
    title = Markup("<caption>{}</caption>").format(caption) if caption else ""
    return Markup(
        '<table class="{}">{}<thead><tr><th scope="col">Metric</th>{}</tr></thead>\n{}</table>'
    ).format(css, title, heads, parts)


_WRITERS: Mapping[Format, Callable[[Sequence[Scorecard]], str]] = {
    "markdown": _markdown,
    "csv": _csv,
    "latex": _latex,
    "html": _html,
    "text": _text,
}
