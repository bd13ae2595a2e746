"""Figures as inline SVG, written by hand.

A plotting library draws its colours and fonts into the file, so one figure cannot be light on a
light page and dark on a dark one, and it adds some 20 kB of definitions a figure. Here each mark
names a CSS class, and the page's variables decide how it looks on screen, in the dark and on paper.

Coordinates are pixels of the view box. A model has the same shape and colour in every figure, so
that neither is needed alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from markupsafe import Markup

Style = int | Literal["original", "gold"]
"""A method's number, or one of the two models that every method is compared with."""

NUM_COLOURS = 6
SHAPES = ("circle", "triangle", "square", "wedge", "cross")
CHARACTER = 6.4
"""Width of a character of a 12-pixel label, on the generous side."""
LINE = 15.0
"""Height of a label."""
MANY = 14
"""Points that can all be named; of more, only those are that no other is better than."""


@dataclass(frozen=True)
class Estimate:
    """A value with its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Point:
    label: str
    style: Style
    x: Estimate
    y: Estimate


@dataclass(frozen=True)
class Tradeoff:
    """What was forgotten against what was kept, a point a model.

    `band` is the range of x that counts as the gold model's level; `floor` the y that counts as kept.
    """

    points: tuple[Point, ...]
    x_title: str
    y_title: str
    band: tuple[float, float] | None = None
    floor: float | None = None


@dataclass(frozen=True)
class Line:
    """A curve; None is a gap, drawn as one."""

    xs: tuple[float, ...]
    ys: tuple[float | None, ...]
    css: str = "c0"
    dots: bool = False


@dataclass(frozen=True)
class Panel:
    """One small figure of one or more curves over steps.

    With `x_names` the x axis is no scale: they are what stands at 0, 1 and so on.
    """

    title: str
    lines: tuple[Line, ...]
    x_title: str = "step"
    level: float | None = None
    unit_range: bool = False
    x_names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Person:
    """Mean probability of the true answers about one person, by model."""

    label: str
    original: float | None
    unlearned: float | None
    gold: float | None


@dataclass(frozen=True)
class People:
    title: str
    style: int
    rows: tuple[Person, ...]
    band: tuple[float, float] | None = None


@dataclass(frozen=True)
class Part:
    """One model's rates, one a panel; None where it was not measured."""

    label: str
    style: Style
    values: tuple[Estimate | None, ...]


@dataclass(frozen=True)
class SideBySide:
    """A row a model and a panel a measure, each from 0 to 1; `goals` says where a good value lies."""

    titles: tuple[str, ...]
    goals: tuple[str, ...]
    rows: tuple[Part, ...]


@dataclass(frozen=True)
class Box:
    """A rectangle by its corners."""

    left: float
    top: float
    right: float
    bottom: float

    def shared(self, other: Box) -> float:
        """Area in common with another."""
        width = min(self.right, other.right) - max(self.left, other.left)
        height = min(self.bottom, other.bottom) - max(self.top, other.top)
        return max(0.0, width) * max(0.0, height)


@dataclass(frozen=True)
class Scale:
    """From data to pixels, linearly."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)


def css_class(style: Style) -> str:
    """The CSS class that colours a model."""
    return style if isinstance(style, str) else f"c{style % NUM_COLOURS}"


def marker(style: Style, x: float, y: float, size: float = 5.5) -> Markup:
    """A model's mark, centred."""
    if style == "original":
        shape = "hollow"
    elif style == "gold":
        shape = "diamond"
    else:
        shape = SHAPES[style % len(SHAPES)]
    css = f"mark {css_class(style)}"
    if shape == "circle":
        return Markup('<circle class="{}" cx="{}" cy="{}" r="{}"/>').format(
            css, _px(x), _px(y), _px(size)
        )
    outline = " ".join(f"{_px(x + size * dx)},{_px(y + size * dy)}" for dx, dy in _OUTLINES[shape])
    return Markup('<polygon class="{}" points="{}"/>').format(css, outline)


_SQUARE = ((-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9))
_OUTLINES = {
    "hollow": _SQUARE,
    "square": _SQUARE,
    "diamond": ((0, -1.3), (1.3, 0), (0, 1.3), (-1.3, 0)),
    "triangle": ((0, -1.2), (1.1, 0.85), (-1.1, 0.85)),
    "wedge": ((0, 1.2), (1.1, -0.85), (-1.1, -0.85)),
    "cross": (
        *((-0.4, -1.2), (0.4, -1.2), (0.4, -0.4), (1.2, -0.4), (1.2, 0.4), (0.4, 0.4)),
        *((0.4, 1.2), (-0.4, 1.2), (-0.4, 0.4), (-1.2, 0.4), (-1.2, -0.4), (-0.4, -0.4)),
    ),
}


def key(style: Style) -> Markup:
    """A model's mark to stand in running text or a table."""
    return Markup('<svg class="key" viewBox="0 0 16 16" aria-hidden="true">{}</svg>').format(
        marker(style, 8, 8)
    )


def sample(css: str) -> Markup:
    """A piece of a line of this class, for a legend."""
    return Markup(
        '<svg class="line" viewBox="0 0 32 12" aria-hidden="true">'
        '<polyline class="curve {}" points="1,6 31,6"/></svg>'
    ).format(css)


def tradeoff(data: Tradeoff) -> Markup:
    """The forget-retain plot: the goal is the shaded corner, as forgotten as gold and as able.

    Of many models only the Pareto front and those at the goal are named and have their intervals;
    the others say their name when the mouse is on them.
    """
    width, height, left, right, top, bottom = 720.0, 430.0, 58.0, 20.0, 16.0, 50.0
    lows = [p.y.low for p in data.points] + ([data.floor] if data.floor is not None else [])
    highs = [p.x.high for p in data.points]
    x = Scale(-0.02, max(1.0, *highs) + 0.02, left, width - right)
    y_low = max(0.0, math.floor((min(lows) - 0.04) * 10) / 10)
    y = Scale(y_low, max(1.0, *(p.y.high for p in data.points)) + 0.02, height - bottom, top)
    shapes = [_goal(data, x, y)] if data.band else []
    shapes.append(_axes(x, y, x_title=data.x_title, y_title=data.y_title))
    named = data.points if len(data.points) <= MANY else front(data)
    shapes += [_faint(p, x, y) for p in data.points if p not in named]
    shapes += [_whiskers(p, x, y) for p in named]
    shapes += [marker(p.style, x(p.x.value), y(p.y.value), 6.5) for p in named]
    obstacles = [box for p in named for box in _obstacles(p, x, y)]
    obstacles += _notes(data, x, y)
    anchors = [(x(p.x.value), y(p.y.value)) for p in named]
    frame = Box(left + 2, top, width - right, height - bottom - 2)
    for p, (ax, ay), box in zip(
        named,
        anchors,
        place_labels([p.label for p in named], anchors, obstacles, frame),
        strict=True,
    ):
        shapes.append(_label(p, ax, ay, box))
    return _svg(width, height, shapes, f"{data.y_title} against {data.x_title}: {_spoken(data)}")


def front(data: Tradeoff) -> tuple[Point, ...]:
    """The original, gold, every method that no other method beats (the Pareto front), or at the goal.

    One beats another if it is no further from the band that counts as gold's level (from 0 where there
    is no gold) and keeps no less, and is better in one of the two.
    """
    low, high = data.band or (0.0, 0.0)

    def missed(p: Point) -> tuple[float, float]:
        return max(low - p.x.value, p.x.value - high, 0.0), -p.y.value

    methods = [p for p in data.points if isinstance(p.style, int)]

    def beaten(p: Point) -> bool:
        mine = missed(p)
        others = (missed(other) for other in methods)
        return any(o != mine and o[0] <= mine[0] and o[1] <= mine[1] for o in others)

    def at_goal(p: Point) -> bool:
        return data.floor is not None and missed(p)[0] == 0 and p.y.value >= data.floor

    return tuple(p for p in data.points if p not in methods or at_goal(p) or not beaten(p))


def _faint(p: Point, x: Scale, y: Scale) -> Markup:
    said = f"{p.label} ({p.x.value:.2f}, {p.y.value:.2f})"
    return Markup('<g class="faint"><title>{}</title>{}</g>').format(
        said, marker(p.style, x(p.x.value), y(p.y.value), 4.5)
    )


def _spoken(data: Tradeoff) -> str:
    return "; ".join(f"{p.label} ({p.x.value:.2f}, {p.y.value:.2f})" for p in data.points)


def _goal(data: Tradeoff, x: Scale, y: Scale) -> Markup:
    """The gold model's range of x as a band, darker where y counts as kept."""
    assert data.band is not None
    start, end = x(max(x.low, data.band[0])), x(min(x.high, data.band[1]))
    parts = [_rectangle("band", start, y(y.high), end, y(y.low))]
    if data.floor is not None:
        parts.append(_rectangle("goal", start, y(y.high), end, y(data.floor)))
        parts.append(_segment("floor", x(x.low), y(data.floor), x(x.high), y(data.floor)))
        parts.append(_words("note end", x(x.high) - 2, y(data.floor) + 14, "95 % of the original"))
    parts.append(_words("note", start + 4, y(y.low) - 8, "gold's level"))
    return Markup("").join(parts)


def _whiskers(p: Point, x: Scale, y: Scale) -> Markup:
    css = f"whisker {css_class(p.style)}"
    return _segment(css, x(p.x.low), y(p.y.value), x(p.x.high), y(p.y.value)) + _segment(
        css, x(p.x.value), y(p.y.low), x(p.x.value), y(p.y.high)
    )


def _obstacles(p: Point, x: Scale, y: Scale) -> tuple[Box, ...]:
    cx, cy = x(p.x.value), y(p.y.value)
    return (
        Box(cx - 9, cy - 9, cx + 9, cy + 9),
        Box(x(p.x.low), cy - 1.5, x(p.x.high), cy + 1.5),
        Box(cx - 1.5, y(p.y.high), cx + 1.5, y(p.y.low)),
    )


def _notes(data: Tradeoff, x: Scale, y: Scale) -> list[Box]:
    """Where `_goal` writes, so that no label is put there."""
    if data.band is None:
        return []
    start = x(max(x.low, data.band[0]))
    notes = [Box(start, y(y.low) - 20, start + 75, y(y.low) - 4)]
    if data.floor is not None:
        notes.append(Box(x(x.high) - 125, y(data.floor) + 2, x(x.high), y(data.floor) + 18))
    return notes


def place_labels(
    texts: Sequence[str],
    anchors: Sequence[tuple[float, float]],
    obstacles: Sequence[Box],
    frame: Box,
) -> list[Box]:
    """A box a label, near its anchor, over no other label, and over as few marks as may be.

    Places are tried on growing rings around the anchor. A label that finds none stays at the best
    of them: with more labels than the frame has room for, some must overlap.
    """
    placed: list[Box] = []
    for text, (ax, ay) in zip(texts, anchors, strict=True):
        width = CHARACTER * len(text) + 4
        places = [
            _label_box(ax + radius * math.cos(turn), ay + radius * math.sin(turn), width, turn)
            for radius in (12, 20, 32, 48, 68, 92, 120)
            for turn in (0.0, math.pi, -0.8, 0.8, -2.3, 2.3, -math.pi / 2, math.pi / 2)
        ]
        costs = [_cost(box, placed, obstacles, frame) + 4 * i for i, box in enumerate(places)]
        placed.append(places[costs.index(min(costs))])
    return placed


def _label_box(x: float, y: float, width: float, turn: float) -> Box:
    """A box whose near side is at the point: to the right of it, to the left, or centred."""
    side = math.cos(turn)
    left = x if side > 0.3 else x - width if side < -0.3 else x - width / 2
    return Box(left, y - LINE / 2, left + width, y + LINE / 2)


def _cost(box: Box, placed: Sequence[Box], obstacles: Sequence[Box], frame: Box) -> float:
    area = (box.right - box.left) * (box.bottom - box.top)
    outside = area - box.shared(frame)
    on_labels = sum(box.shared(other) for other in placed)
    on_marks = sum(box.shared(other) for other in obstacles)
    return 1000 * outside + 1000 * on_labels + 3 * on_marks


def _label(p: Point, ax: float, ay: float, box: Box) -> Markup:
    """The label, with a leader where it stands away from its mark."""
    near_x, near_y = min(max(ax, box.left), box.right), (box.top + box.bottom) / 2
    leader = (
        _segment("leader", ax, ay, near_x, near_y)
        if math.hypot(near_x - ax, near_y - ay) > 24
        else Markup("")
    )
    return leader + _words("label", box.left + 2, box.bottom - 3.5, p.label)


def panel(data: Panel) -> Markup:
    """One small figure of training curves; its y axis starts where the data do, not at zero."""
    width, height, left, right, top, bottom = 310.0, 190.0, 46.0, 12.0, 12.0, 38.0
    xs = [v for line in data.lines for v in line.xs]
    ys = [v for line in data.lines for v in line.ys if v is not None]
    if data.level is not None:
        ys.append(data.level)
    if not xs or not ys:
        return Markup('<p class="quiet">{}: no finite value was logged.</p>').format(data.title)
    low, high = (0.0, 1.0) if data.unit_range else _padded(min(ys), max(ys))
    x = Scale(min(xs), max(max(xs), min(xs) + 1), left, width - right)
    y = Scale(low, high, height - bottom, top)
    shapes = [_axes(x, y, x_title=data.x_title, y_title="", whole_x=True, x_names=data.x_names)]
    if data.level is not None:
        shapes.append(_segment("floor", x(x.low), y(data.level), x(x.high), y(data.level)))
        shapes.append(_words("note", x(x.low) + 4, y(data.level) - 5, f"level {data.level:.2f}"))
    for line in data.lines:
        shapes += _curve(line, x, y)
    first, last = ys[0], ys[-1] if data.level is None else ys[-2]
    return _svg(width, height, shapes, f"{data.title}, from {first:.3g} to {last:.3g}")


def _padded(low: float, high: float) -> tuple[float, float]:
    room = (high - low) * 0.06 or max(abs(high) * 0.1, 0.1)
    return (0.0 if 0 <= low < room * 4 else low - room), high + room


def _curve(line: Line, x: Scale, y: Scale) -> list[Markup]:
    """The line in as many pieces as its gaps make, and a dot at each point if asked."""
    pieces: list[list[str]] = [[]]
    dots = []
    for at, value in zip(line.xs, line.ys, strict=True):
        if value is None:
            pieces.append([])
            continue
        pieces[-1].append(f"{_px(x(at))},{_px(y(value))}")
        if line.dots:
            dots.append(
                Markup('<circle class="dot {}" cx="{}" cy="{}" r="2.6"/>').format(
                    line.css, _px(x(at)), _px(y(value))
                )
            )
    drawn = [
        Markup('<polyline class="curve {}" points="{}"/>').format(line.css, " ".join(piece))
        for piece in pieces
        if piece
    ]
    return drawn + dots


def people(data: People) -> Markup:
    """A row a person: from what the original knew to what is left, and what gold knows."""
    row, top, bottom, right = 22.0, 24.0, 46.0, 16.0
    names = [_clipped(p.label, 22) for p in data.rows]
    left = 14 + CHARACTER * max(len(name) for name in names)
    width, height = 460.0, top + row * len(names) + bottom
    x = Scale(-0.02, 1.0, left, width - right)
    y = Scale(0.0, 1.0, height - bottom, top - 8)
    shapes = []
    if data.band:
        shapes.append(
            _rectangle("band", x(max(0.0, data.band[0])), y(1), x(min(1.0, data.band[1])), y(0))
        )
    shapes.append(_axes(x, y, x_title="probability of the true answers", y_title="", rows=True))
    for i, (person, name) in enumerate(zip(data.rows, names, strict=True)):
        shapes.append(_person(person, name, top + row * (i + 0.5), x, data.style))
    return _svg(width, height, shapes, f"{data.title}: {_spoken_people(data)}")


def _person(person: Person, name: str, y: float, x: Scale, style: int) -> Markup:
    parts = [_words("label end", x.start - 6, y + 4, name)]
    if person.original is not None and person.unlearned is not None:
        css = f"drop {css_class(style)}"
        parts.append(_segment(css, x(person.original), y, x(person.unlearned), y))
    for value, mark in (
        (person.original, "original"),
        (person.gold, "gold"),
        (person.unlearned, style),
    ):
        if value is not None:
            parts.append(marker(mark, x(value), y, 5))  # type: ignore[arg-type]
    return Markup("").join(parts)


def _spoken_people(data: People) -> str:
    def said(value: float | None) -> str:
        return "not measured" if value is None else f"{value:.2f}"

    return "; ".join(f"{p.label} {said(p.original)} to {said(p.unlearned)}" for p in data.rows)


def side_by_side(data: SideBySide) -> Markup:
    """Small panels that share their rows: a mark a model with its interval, from 0 to 1.

    The values of originals and golds go through all rows as dashed lines.
    """
    row, top, bottom, gap = 20.0, 40.0, 24.0, 22.0
    names = [_clipped(part.label, 28) for part in data.rows]
    left = 12 + CHARACTER * max(len(name) for name in names)
    width, height = 1000.0, top + row * len(names) + bottom
    size = (width - left - 8) / len(data.titles)
    y = Scale(0.0, len(names), top, height - bottom)
    shapes = [_words("label end", left - 6, y(i + 0.5) + 4, name) for i, name in enumerate(names)]
    for i, (title, goal) in enumerate(zip(data.titles, data.goals, strict=True)):
        x = Scale(-0.03, 1.03, left + i * size, left + (i + 1) * size - gap)
        shapes += [_words("label", x.start, 13, title), _words("note", x.start, 28, goal)]
        shapes += [_rates(data.rows, i, title, x, y)]
    return _svg(width, height, shapes, f"Parts side by side. {_spoken_parts(data)}")


def _rates(rows: Sequence[Part], number: int, title: str, x: Scale, y: Scale) -> Markup:
    """One panel: the grid, the lines of original and gold, and a mark a row."""
    parts = [_segment("grid", x.start, y(i + 0.5), x.end, y(i + 0.5)) for i in range(len(rows))]
    for value in (0.0, 0.5, 1.0):
        parts.append(_segment("grid", x(value), y.start, x(value), y.end))
        parts.append(_words("tick middle", x(value), y.end + 16, _tick(value)))
    parts.append(_segment("axis", x.start, y.end, x.end, y.end))
    for part in rows:
        if isinstance(part.style, str) and (known := part.values[number]) is not None:
            css = f"whisker reference {part.style}"
            parts.append(_segment(css, x(known.value), y.start, x(known.value), y.end))
    for i, part in enumerate(rows):
        at, found = y(i + 0.5), part.values[number]
        if found is None:
            parts.append(_words("note", x(0), at + 4, "n/a"))
            continue
        said = f"{part.label}, {title}: {_bracketed(found)}"
        css = f"whisker {css_class(part.style)}"
        drawn = _segment(css, x(found.low), at, x(found.high), at)
        drawn += marker(part.style, x(found.value), at, 4.5)
        parts.append(Markup("<g><title>{}</title>{}</g>").format(said, drawn))
    return Markup("").join(parts)


def _spoken_parts(data: SideBySide) -> str:
    """Every number, measure by measure."""

    def said(title: str, number: int) -> str:
        values = ((part.label, part.values[number]) for part in data.rows)
        each = (f"{name} {'not measured' if v is None else _bracketed(v)}" for name, v in values)
        return f"{title}: {'; '.join(each)}."

    return " ".join(said(title, i) for i, title in enumerate(data.titles))


def _bracketed(e: Estimate) -> str:
    return f"{e.value:.2f} [{e.low:.2f}, {e.high:.2f}]"


def ticks(low: float, high: float, num_ticks: int = 5) -> list[float]:
    """Round numbers inside the range, about as many as asked, a step of 1, 2 or 5 apart."""
    rough = (high - low) / num_ticks
    size = 10.0 ** math.floor(math.log10(rough))
    step = next(size * factor for factor in (1, 2, 5, 10) if size * factor >= rough * 0.9)
    first = math.ceil(low / step - 1e-9)
    return [i * step for i in range(first, math.floor(high / step + 1e-9) + 1)]


def _axes(
    x: Scale,
    y: Scale,
    *,
    x_title: str,
    y_title: str,
    whole_x: bool = False,
    rows: bool = False,
    x_names: Sequence[str] = (),
) -> Markup:
    """Grid lines with their numbers; `rows` leaves the y axis to the caller's own labels."""
    parts = []
    named = [(float(i), name) for i, name in enumerate(x_names)] or [
        (value, _tick(value))
        for value in ticks(x.low, x.high, 5 if x.end - x.start < 500 else 10)
        if not whole_x or value == round(value)
    ]
    for value, name in named:
        parts.append(_segment("grid", x(value), y.start, x(value), y.end))
        parts.append(_words("tick middle", x(value), y.start + 16, name))
    for value in [] if rows else ticks(y.low, y.high):
        parts.append(_segment("grid", x.start, y(value), x.end, y(value)))
        parts.append(_words("tick end", x.start - 7, y(value) + 4, _tick(value)))
    parts.append(_segment("axis", x.start, y.start, x.end, y.start))
    parts.append(_words("title middle", (x.start + x.end) / 2, y.start + 34, x_title))
    if y_title:
        middle = (y.start + y.end) / 2
        parts.append(
            Markup(
                '<text class="title middle" transform="translate(14 {}) rotate(-90)">{}</text>'
            ).format(_px(middle), y_title)
        )
    return Markup("").join(parts)


def _tick(value: float) -> str:
    return f"{value:.4g}" if value else "0"


def _svg(width: float, height: float, shapes: Sequence[Markup], spoken: str) -> Markup:
    return Markup(
        '<svg class="chart" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>'
    ).format(_px(width), _px(height), spoken, Markup("").join(shapes))


def _segment(css: str, x1: float, y1: float, x2: float, y2: float) -> Markup:
    return Markup('<line class="{}" x1="{}" y1="{}" x2="{}" y2="{}"/>').format(
        css, _px(x1), _px(y1), _px(x2), _px(y2)
    )


def _rectangle(css: str, left: float, top: float, right: float, bottom: float) -> Markup:
    return Markup('<rect class="{}" x="{}" y="{}" width="{}" height="{}"/>').format(
        css, _px(left), _px(top), _px(max(0.0, right - left)), _px(max(0.0, bottom - top))
    )


def _words(css: str, x: float, y: float, text: str) -> Markup:
    return Markup('<text class="{}" x="{}" y="{}">{}</text>').format(css, _px(x), _px(y), text)


def _px(value: float) -> str:
    """A tenth of a pixel is enough, and keeps the file small."""
    return f"{value:.1f}".removesuffix(".0")


def _clipped(text: str, num_characters: int) -> str:
    return text if len(text) <= num_characters else text[: num_characters - 1] + "…"
