"""The page on what changed inside: from explain.json to figures, each with two sentences.

It holds numbers and names of models, and no text of any split.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Literal

from jinja2 import Template
from pydantic import ConfigDict, TypeAdapter
from pydantic.dataclasses import dataclass

from unteach import __version__
from unteach.report import numbers
from unteach.report.cells import Cell, html_cell, missing
from unteach.report.charts import Line, Panel, Style, css_class, panel, sample
from unteach.report.html import template

Role = Literal["original", "gold", "unlearned"]
VERSION = 1
"""Version of explain.json."""

_STRICT = ConfigDict(extra="forbid")


@dataclass(frozen=True, config=_STRICT)
class Value:
    """A number with its 95 % interval; null where it could not be measured, and the note says why."""

    value: float | None
    low: float | None
    high: float | None
    n: int = 0
    groups: int = 0
    note: str = ""


@dataclass(frozen=True, config=_STRICT)
class CurveRecord:
    """One measure of one model on one split, along answer positions or blocks."""

    measure: str
    split: str
    model: str
    xs: list[int]
    values: list[Value]
    overall: Value | None = None


@dataclass(frozen=True, config=_STRICT)
class WeightRecord:
    """Relative change of the weights of a kind in a block; `block` is null outside the blocks."""

    model: str
    kind: str
    block: int | None
    change: float | None


@dataclass(frozen=True, config=_STRICT)
class Missing:
    """What could not be measured of a model, and why."""

    measure: str
    split: str
    model: str
    reason: str


@dataclass(frozen=True, config=_STRICT)
class ModelRecord:
    label: str
    role: Role
    key: str


@dataclass(frozen=True, config=_STRICT)
class SplitRecord:
    """Rows looked at, of how many; their persons, answer tokens, and rows that name a subject."""

    rows: int
    of: int
    groups: int
    tokens: int
    subjects: int


@dataclass(frozen=True, config=_STRICT)
class Explained:
    """All that was measured: what explain.json holds."""

    unteach: str
    splits: dict[str, SplitRecord]
    models: list[ModelRecord]
    curves: list[CurveRecord]
    weights: list[WeightRecord]
    missing: list[Missing]
    notes: list[str]
    version: int = VERSION


@dataclass(frozen=True)
class Part:
    """The panels of one split, or of all there is."""

    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True)
class Figure:
    """One question: what to see in its figure, and what that means."""

    name: str
    question: str
    parts: tuple[Part, ...]
    see: str
    means: str


@dataclass(frozen=True)
class Board:
    """A table with a line a model, below the figure of that name."""

    figure: str
    title: str
    headings: tuple[str, ...]
    lines: tuple[tuple[ModelRecord, tuple[Cell, ...]], ...]


MEASURES = {
    "probability": "probability of the true token",
    "rank": "place of the true token, log10",
    "margin": "first choice minus second",
    "entropy": "entropy, nats",
    "seesaw": "mass on the original's top 5",
}
TOTALS = {"specific": "probability of the specific tokens", **MEASURES}
LENS = {
    "lens_probability": "probability of the true token",
    "lens_specific": "the same, specific tokens only",
    "lens_kl": "KL(final || block), nats",
    "lens_first": "share found at this block or before",
}
ATTENTION = {
    "attention_prompt": "from the prompt's last position",
    "attention_answer": "from the answer's positions",
}
SIMILARITY = {"cosine": "cosine", "cka": "linear CKA"}
RATES = {"probability", "margin", "seesaw", "lens_probability", "lens_specific", "lens_first"}


def to_json(found: Explained) -> str:
    """The text of explain.json."""
    return TypeAdapter(Explained).dump_json(found, indent=1).decode() + "\n"


def render(found: Explained) -> str:
    """The page as text. The same numbers always give the same text."""
    return _template().render(
        found=found,
        methods=_methods(found),
        figures=figures(found),
        boards=[*(_board(found, split) for split in found.splits), _outside(found)],
        css={model.label: css_class(style(found, model.label)) for model in found.models},
    )


def figures(found: Explained) -> tuple[Figure, ...]:
    """One a question; a figure without any curve is left out."""
    every = (_next_token(found), _lens(found), _attention(found), _weights(found), _states(found))
    return tuple(figure for figure in every if any(part.panels for part in figure.parts))


def style(found: Explained, label: str) -> Style:
    """How a model looks in every figure."""
    if label in ("original", "gold"):
        return "original" if label == "original" else "gold"
    return _methods(found).index(label)


def _next_token(found: Explained) -> Figure:
    return Figure(
        "next",
        "What would each model say next?",
        _parts(found, MEASURES, "token of the answer"),
        "On the forget set the true token, where it is what is specific in the answer, has "
        f"probability {_overall(found, 'specific')}, and over all answer tokens the original's five "
        f"first choices hold {_overall(found, 'seesaw')} of the mass.",
        f"{_beside_gold(found, 'specific')}; a method with less left on the original's first "
        "choices than gold has pushed the mass to words that answer nothing, which is the seesaw "
        "that breaks language.",
    )


def _lens(found: Explained) -> Figure:
    return Figure(
        "lens",
        "In which block does the answer appear?",
        _parts(found, LENS, "block"),
        "Read through the final norm and output layer, the specific tokens of the forget set's "
        f"answers are most probable {_peaks(found)}.",
        "A method that stands above gold in an earlier block and falls towards the last has hidden "
        "the answer at the end, and one on gold's curve in every block shows no more of it than "
        "gold; the divergence says how late a model settles on what it will say.",
    )


def _attention(found: Explained) -> Figure:
    return Figure(
        "attention",
        "Does each model still look at whom the question is about?",
        _parts(found, ATTENTION, "block"),
        "Before it answers a question of the forget set, the share of attention on the subject's "
        f"tokens is, on average over blocks, {_overall(found, 'attention_prompt')}.",
        "A fall from the original on the forget set alone suggests that a method keeps the model from "
        "reading the name, and one on the retain set as well that it reads names less altogether; "
        "gold's curve shows how far two trainings differ.",
    )


def _weights(found: Explained) -> Figure:
    kinds = dict.fromkeys(w.kind for w in found.weights if w.block is not None)
    panels = []
    for kind in kinds:
        lines = []
        for model in _methods(found, gold=True):
            own = [w for w in found.weights if w.model == model and w.kind == kind]
            within = [(w.block, w.change) for w in own if w.block is not None]
            xs = tuple(float(block) for block, _ in within)
            if within:
                lines.append(_line(found, model, xs, tuple(change for _, change in within)))
        panels.append(Panel(kind, tuple(lines), "block"))
    return Figure(
        "weights",
        "Which weights have moved?",
        (Part("relative change of the weights", tuple(panels)),),
        f"Measured against the original's own weights, the most moved are {_most_moved(found)}.",
        "A change in a few kinds or blocks shows where a method works; a much smaller one than gold's "
        "is a turn of the original's weights and not the model that was never taught, though size "
        "alone does not say whether the knowledge is gone.",
    )


def _states(found: Explained) -> Figure:
    return Figure(
        "states",
        "How far have the states inside moved from the original's?",
        _parts(found, SIMILARITY, "block"),
        f"The states at the forget set's answer positions are least like the original's {_lows(found)}.",
        "Gold's band is what not having been taught changes; a method below it on the retain set has "
        "changed states that had nothing to forget.",
    )


def _parts(found: Explained, measures: dict[str, str], x_title: str) -> tuple[Part, ...]:
    parts = []
    for split, about in found.splits.items():
        panels = []
        for measure, title in measures.items():
            curves = [c for c in found.curves if (c.measure, c.split) == (measure, split)]
            lines = [line for curve in curves for line in _drawn(found, curve)]
            if lines:
                panels.append(Panel(title, tuple(lines), x_title, unit_range=measure in RATES))
        persons = "person or document" if about.groups == 1 else "persons or documents"
        title = f"{split} set, {about.rows} rows of {about.of}, {about.groups} {persons}"
        parts.append(Part(title, tuple(panels)))
    return tuple(parts)


def _drawn(found: Explained, curve: CurveRecord) -> list[Line]:
    """The band, as an outline that the page fills, and the curve over it."""
    xs = tuple(float(x) for x in curve.xs)
    ends = [
        (x, v.low, v.high)
        for x, v in zip(xs, curve.values, strict=True)
        if v.low is not None and v.high is not None
    ]
    css = css_class(style(found, curve.model))
    band = Line(
        (*(x for x, _, _ in ends), *(x for x, _, _ in reversed(ends))),
        (*(low for _, low, _ in ends), *(high for _, _, high in reversed(ends))),
        f"area {css}",
    )
    line = _line(found, curve.model, xs, tuple(v.value for v in curve.values))
    return [band, line] if len(ends) > 1 else [line]


def _line(
    found: Explained, model: str, xs: tuple[float, ...], ys: tuple[float | None, ...]
) -> Line:
    return Line(xs, ys, css_class(style(found, model)), dots=len(xs) < 13)


def _methods(found: Explained, gold: bool = False) -> list[str]:
    """Labels of the unlearned models, in order; with gold's after them."""
    roles = ("unlearned", "gold") if gold else ("unlearned",)
    return [m.label for role in roles for m in found.models if m.role == role]


def _board(found: Explained, split: str) -> Board:
    lines = []
    for model in found.models:
        values = [_total(found, measure, split, model.label) for measure in TOTALS]
        lines.append((model, tuple(_cell(value) for value in values)))
    title = f"Mean over all answer tokens of the {split} set"
    return Board("next", title, tuple(TOTALS.values()), tuple(lines))


def _outside(found: Explained) -> Board:
    """Change of what is in no block: embeddings, output layer, final norm."""
    own = {(w.kind, w.model): w.change for w in found.weights if w.block is None}
    kinds = tuple(dict.fromkeys(kind for kind, _ in own))
    lines = []
    for model in found.models:
        if model.role != "original":
            changes = [own.get((kind, model.label)) for kind in kinds]
            lines.append((model, tuple(_cell(Value(change, None, None)) for change in changes)))
    return Board("weights", "Relative change outside the blocks", kinds, tuple(lines))


def _cell(value: Value | None) -> Cell:
    if value is None or value.value is None:
        return missing((value and value.note) or "not measured")
    known = value.low is not None and value.high is not None
    ends = numbers.interval(value.low or 0.0, value.high or 0.0) if known else ""
    return Cell(numbers.number(value.value), ends, value.value, value.low, value.high)


def _total(found: Explained, measure: str, split: str, model: str) -> Value | None:
    for curve in found.curves:
        if (curve.measure, curve.split, curve.model) == (measure, split, model):
            return curve.overall
    return None


def _overall(found: Explained, measure: str) -> str:
    """`0.98 (original), 0.12 (gold), 0.00 (ga)` on the forget set."""

    def said(label: str) -> str | None:
        value = _total(found, measure, "forget", label)
        return None if value is None or value.value is None else numbers.number(value.value)

    return _said(found, said)


def _peaks(found: Explained) -> str:
    def peak(curve: CurveRecord) -> str | None:
        known = [(v.value, x) for x, v in zip(curve.xs, curve.values, strict=True) if v.value]
        value, block = max(known, default=(None, 0))
        return None if value is None else f"{numbers.number(value)} in block {block}"

    return f"at {_of_curves(found, 'lens_specific', peak)}"


def _lows(found: Explained) -> str:
    def low(curve: CurveRecord) -> str | None:
        pairs = zip(curve.xs, curve.values, strict=True)
        known = [(v.value, x) for x, v in pairs if v.value is not None]
        value, block = min(known, default=(None, 0))
        return None if value is None else f"cosine {numbers.number(value)} in block {block}"

    return f"at {_of_curves(found, 'cosine', low)}"


def _of_curves(found: Explained, measure: str, say: Callable[[CurveRecord], str | None]) -> str:
    curves = {c.model: c for c in found.curves if (c.measure, c.split) == (measure, "forget")}
    return _said(found, lambda label: say(curves[label]) if label in curves else None)


def _most_moved(found: Explained) -> str:
    def most(label: str) -> str | None:
        own = [w for w in found.weights if w.model == label and w.change is not None]
        if not own:
            return None
        top = max(own, key=lambda w: w.change or 0.0)
        place = "" if top.block is None else f" of block {top.block}"
        return f"{top.kind}{place} by {numbers.number(top.change or 0.0)}"

    return _said(found, most)


def _said(found: Explained, say: Callable[[str], str | None]) -> str:
    parts = [f"{said} ({m.label})" for m in found.models if (said := say(m.label)) is not None]
    return numbers.listed(parts) if parts else "not measured"


def _beside_gold(found: Explained, measure: str) -> str:
    """Which methods' intervals meet gold's on the forget set, and which lie to a side."""
    gold = _total(found, measure, "forget", "gold")
    if gold is None or gold.low is None or gold.high is None:
        return "There is no interval of a gold model, so no curve shows the level to reach"
    sides: dict[str, list[str]] = {"at gold's level": [], "above gold": [], "below gold": []}
    for label in _methods(found):
        own = _total(found, measure, "forget", label)
        if own is None or own.low is None or own.high is None:
            continue
        above, below = own.low > gold.high, own.high < gold.low
        side = "above gold" if above else "below gold" if below else "at gold's level"
        sides[side].append(label)
    said = [
        f"{numbers.listed(labels)} {'is' if len(labels) == 1 else 'are'} {side}"
        for side, labels in sides.items()
        if labels
    ]
    return f"By the 95 % intervals {numbers.listed(said)}" if said else "No method has an interval"


@cache
def _template() -> Template:
    return template(
        "explain.html.j2", panel=panel, html_cell=html_cell, sample=sample, version=__version__
    )
