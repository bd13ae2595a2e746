"""The page on what a model revealed: from reveal.json to tables, two figures and samples."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from itertools import accumulate
from typing import Annotated, Any, Self, TypeVar

import numpy as np
from jinja2 import Template
from markupsafe import Markup, escape
from numpy.typing import NDArray
from pydantic import (
    ConfigDict,
    Field,
    FiniteFloat,
    JsonValue,
    TypeAdapter,
    ValidationError,
    model_validator,
)
from pydantic.dataclasses import dataclass

from unteach import __version__, registry
from unteach.audit.finding import in_unit
from unteach.audit.intervals import students
from unteach.data.hiding import HIDDEN
from unteach.errors import DataError
from unteach.report import numbers
from unteach.report.cells import Cell, Noted, html_cell, missing, noted
from unteach.report.charts import Line, Panel, Style, css_class, panel, sample
from unteach.report.html import template
from unteach.report.read import Against

VERSION = 1
"""Version of reveal.json."""
POINTS = 60
"""Points of a learning curve."""
RECENT = 0.2
"""Share of the budget that the curve of recent pulls looks back."""
SAMPLES = 10
"""Texts shown: those worth most."""
RANDOM = "random"
"""The bandit that learns nothing: what choosing is worth is measured against it."""

T = TypeVar("T")
_STRICT = ConfigDict(extra="forbid")
_UNITS = ((10_000_000, 1_000_000, "million "), (10_000, 1000, "thousand "))
"""Tokens from which on an axis counts in units of so many."""


@dataclass(frozen=True, config=_STRICT)
class Number:
    """A mean over `n` seeds with its 95 % interval; null ends where there is one seed."""

    value: FiniteFloat
    low: FiniteFloat | None
    high: FiniteFloat | None
    n: int


@dataclass(frozen=True, config=_STRICT)
class Text:
    """One text that the model said: its worth by itself, and what of it was new."""

    about: str
    text: str
    worth: FiniteFloat
    new: FiniteFloat


@dataclass(frozen=True, config=_STRICT)
class Pull:
    """One instruction put to the model; `spent` counts the tokens up to and with this pull."""

    number: int
    instruction: str
    about: tuple[str, ...]
    reward: FiniteFloat
    worth: FiniteFloat
    tokens: int
    spent: int
    pool: int
    found: tuple[str, ...]
    said: tuple[Text, ...]


@dataclass(frozen=True, config=_STRICT)
class Study:
    """One bandit with one seed; `coverage` of the truth by pull, null where none is known.

    `true` is the share of its rows that hold a fact of the truth.
    """

    bandit: str
    seed: int
    rows: int
    pulls: Annotated[tuple[Pull, ...], Field(min_length=1)]
    coverage: tuple[FiniteFloat | None, ...]
    true: FiniteFloat | None = None

    @model_validator(mode="after")
    def _one_a_pull(self) -> Self:
        if len(self.coverage) != len(self.pulls):
            raise ValueError(
                f"coverage has {len(self.coverage)} values for {len(self.pulls)} pulls"
            )
        return self


@dataclass(frozen=True, config=_STRICT)
class Sum:
    """One bandit over its seeds; `beyond_random` is its reward minus that of `random`, by seed."""

    bandit: str
    pulls: FiniteFloat
    reward: Number | None
    found: Number | None
    coverage: Number | None
    beyond_random: Number | None
    true: Number | None = None


@dataclass(frozen=True, config=_STRICT)
class Best:
    """An instruction with its mean reward over all the times it was pulled."""

    instruction: str
    reward: FiniteFloat
    times: int


@dataclass(frozen=True, config=_STRICT)
class Revealed:
    """All that was revealed: what reveal.json holds. `choice` is the recipe's stage."""

    unteach: str
    title: str
    model: str
    choice: dict[str, JsonValue]
    studies: tuple[Study, ...]
    sums: tuple[Sum, ...]
    best: tuple[Best, ...]
    version: int = VERSION


@dataclass(frozen=True)
class Figure:
    """One question: what to see in its figure, and what that means."""

    name: str
    question: str
    panels: tuple[Panel, ...]
    see: str
    means: str


@dataclass(frozen=True, config=ConfigDict(arbitrary_types_allowed=True))
class Sample:
    """A text as the page shows it: what was counted in it is marked."""

    worth: str
    instruction: str
    about: str
    by: str
    text: Markup
    counted: int


def pull(row: Mapping[str, Any]) -> Pull:
    """A pull from its line of the trace, without the score that the bandit gave it.

    Raises:
        DataError: the line is not one of a trace.
    """
    fields = {("number" if k == "pull" else k): v for k, v in row.items() if k != "score"}
    return _checked(
        lambda: TypeAdapter(Pull).validate_python(fields), f"trace: pull {row.get('pull')}"
    )


def to_json(found: Revealed) -> str:
    """The text of reveal.json."""
    return TypeAdapter(Revealed).dump_json(found, indent=1).decode() + "\n"


def from_json(text: str) -> Revealed:
    """What a reveal.json holds.

    Raises:
        DataError: it is no JSON, of another version, or something in it is missing or wrong.
    """
    found = _checked(lambda: TypeAdapter(Revealed).validate_json(text), "reveal.json")
    if found.version != VERSION:
        raise DataError(
            f"reveal.json: is of version {found.version}, and this unteach reads version {VERSION}."
        )
    return found


def _checked(make: Callable[[], T], where: str) -> T:
    try:
        return make()
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        said = str(first["msg"]).removeprefix("Value error, ")
        raise DataError(f"{where}: {f'{place}: ' if place else ''}{said}.") from None


def render(found: Revealed, redact: bool = False) -> str:
    """The page as text. The same numbers always give the same text.

    `redact` hides every text of the model, and every name that it was asked about, in instructions
    too; of the reward it leaves the name. What else an instruction of the user's own says, stays.
    """
    hide = _hiding(found) if redact else str
    return _template().render(
        found=found,
        redacted=redact,
        title=hide(found.title) or "What the model reveals",
        lead=_lead(found),
        reward=_about_reward(found),
        seeds=_seeds(found),
        board=_board(found),
        figures=figures(found),
        css={one.bandit: css_class(style(found, one.bandit)) for one in found.sums},
        best=[(hide(one.instruction), numbers.number(one.reward), one.times) for one in found.best],
        samples=samples(found, redact=redact),
        settings=_settings(found, hide, redact),
    )


def style(found: Revealed, bandit: str) -> Style:
    """How a bandit looks in every figure: `random`, which all are compared with, as an original."""
    if bandit == RANDOM:
        return "original"
    return [one.bandit for one in found.sums if one.bandit != RANDOM].index(bandit)


def figures(found: Revealed) -> tuple[Figure, ...]:
    """What a pull earned, and what was found by then, over the tokens spent."""
    window = RECENT * _end(found)

    def recent(study: Study) -> list[float | None]:
        return [
            float(np.mean([p.reward for p in study.pulls if last - window < p.spent <= last]))
            if last >= window
            else None
            for last in (p.spent for p in study.pulls)
        ]

    earned = (
        _panel(found, "mean reward, all pulls so far", _so_far),
        _panel(found, f"mean reward, pulls of the last {RECENT * 100:.0f} % of the tokens", recent),
    )
    told = [_panel(found, "different things found", _distinct)]
    if any(one.coverage for one in found.sums):
        title = "share of the truth that was said"
        told.insert(0, _panel(found, title, lambda study: list(study.coverage)))
    return (
        Figure(
            "earned",
            "Which bandit learns what to ask?",
            earned,
            f"Over all tokens a pull has earned {_said(found, 'reward')} on average.",
            f"{_beside_random(found)} A falling curve does not mean that nothing was learned: what "
            "was said before earns nothing, so a model runs out of what is new.",
        ),
        Figure("told", "How much is out by then?", tuple(told), *_told(found)),
    )


def _told(found: Revealed) -> tuple[str, str]:
    things = f"different things were found: {_said(found, 'found')}"
    if not any(one.coverage for one in found.sums):
        return (
            f"By the end so many {things}.",
            "No truth is known here, so nothing says how much of it this is. A curve that still "
            "rises at the end says that more was to be had for more tokens.",
        )
    return (
        f"By the end this share of the facts of the forget set had been said whole: "
        f"{_said(found, 'coverage')}; and so many {things}.",
        "The facts were looked for afterwards, and no bandit saw them. What was not said in these "
        "tokens is not thereby unknown to the model. Things that are no such facts may be made up.",
    )


def samples(found: Revealed, *, redact: bool = False) -> tuple[Sample, ...]:
    """The texts worth most over all studies, each once, the first said first among equals."""
    hide = _hiding(found) if redact else str
    every = [(s, p, text) for s in found.studies for p in s.pulls for text in p.said]
    first = {(text.about, text.text): (s, p, text) for s, p, text in reversed(every)}
    in_order = [first.pop(key) for _, _, t in every if (key := (t.about, t.text)) in first]
    best = sorted(in_order, key=lambda one: -one[2].worth)[:SAMPLES]
    return tuple(_sample(*one, hide, redact) for one in best if one[2].worth > 0)


def _sample(study: Study, of: Pull, text: Text, hide: Callable[[str], str], redact: bool) -> Sample:
    spans, counted = _spans(text.text, of.found)
    return Sample(
        worth=numbers.number(text.worth),
        instruction=hide(of.instruction),
        about=hide(text.about),
        by=f"{study.bandit}, seed {study.seed}, pull {of.number}",
        text=escape(HIDDEN) if redact else _marked(text.text, spans),
        counted=counted,
    )


def _spans(text: str, found: Sequence[str]) -> tuple[list[tuple[int, int]], int]:
    """Where in a text what was found stands, without overlaps; and how many of them are in it."""
    ends: list[tuple[int, int]] = []
    counted = 0
    for thing in found:
        # what was found belongs to a pull, which has several texts
        own = [m.span() for m in re.finditer(rf"(?<!\w){re.escape(thing)}(?!\w)", text) if thing]
        ends += own
        counted += bool(own)
    joined: list[tuple[int, int]] = []
    for start, end in sorted(ends):
        if joined and start < joined[-1][1]:
            joined[-1] = joined[-1][0], max(end, joined[-1][1])
        else:
            joined.append((start, end))
    return joined, counted


def _marked(text: str, spans: Sequence[tuple[int, int]]) -> Markup:
    parts, last = [], 0
    for start, end in spans:
        parts += [escape(text[last:start]), Markup("<mark>{}</mark>").format(text[start:end])]
        last = end
    return Markup("").join([*parts, escape(text[last:])])


def _hiding(found: Revealed) -> Callable[[str], str]:
    """A function that puts `person 1` in place of a name that was asked about, or a part of it."""
    asked = found.choice.get("about") or ()
    listed = [asked] if isinstance(asked, str) else asked if isinstance(asked, list | tuple) else []
    said = (text.about for s in found.studies for p in s.pulls for text in p.said)
    pulled = (name for s in found.studies for p in s.pulls for name in p.about)
    every = [str(name) for name in (*listed, *pulled, *said) if name]
    if not every:
        return str
    whole: dict[str, int] = {}
    parts: dict[str, int] = {}
    for name in every:
        number = whole.setdefault(name.casefold(), len(whole) + 1)
        for part in re.findall(r"\w{3,}", name):
            parts.setdefault(part, number)
    # of a whole name the case does not matter; a part of one may be a word if it is small
    pattern = re.compile(
        rf"(?<!\w)(?:(?i:{_any_of(whole)}){f'|{_any_of(parts)}' if parts else ''})(?!\w)"
    )

    def person(match: re.Match[str]) -> str:
        number = whole.get(match[0].casefold()) or parts.get(match[0])
        return f"person {number}" if number else "a person"  # some letters fold to none of these

    return lambda text: pattern.sub(person, text)


def _any_of(texts: Iterable[str]) -> str:
    """A pattern of any of them, the longest first."""
    return "|".join(re.escape(text) for text in sorted(texts, key=len, reverse=True))


def _panel(found: Revealed, title: str, values: Callable[[Study], Sequence[float | None]]) -> Panel:
    """A curve a bandit, mean over seeds, over its 95 % interval where there are several.

    `values` gives what a study had reached after each pull; between two pulls it stays.
    """
    end = _end(found)
    start = max(study.pulls[0].spent for study in found.studies)
    at = np.unique(np.linspace(start, end, POINTS))
    _, unit, words = next((u for u in _UNITS if end >= u[0]), (0, 1, ""))
    xs = tuple(float(x) / unit for x in at)
    lines: list[Line] = []
    for one in found.sums:
        studies = [study for study in found.studies if study.bandit == one.bandit]
        seen = np.array([_at(study, values(study), at) for study in studies])
        lines += _drawn(xs, seen, css_class(style(found, one.bandit)))
    return Panel(title, tuple(lines), f"{words}tokens spent")


def _at(study: Study, values: Sequence[float | None], at: NDArray[np.float64]) -> list[float]:
    """What was reached when so many tokens were spent; NaN before the first pull."""
    ends = [one.spent for one in study.pulls]
    index = np.searchsorted(ends, at, side="right") - 1
    known = [np.nan if value is None else value for value in values]
    return [known[i] if i >= 0 else np.nan for i in index]


def _drawn(xs: Sequence[float], seen: NDArray[np.float64], css: str) -> Iterator[Line]:
    """The band, as an outline that the page fills, and the mean of [seeds, points] over it."""
    known = np.asarray(~np.isnan(seen).any(0))
    if not known.any():
        return
    kept = tuple(x for x, is_known in zip(xs, known, strict=True) if is_known)
    seen = seen[:, known]
    if len(seen) > 1:
        bounds = (0.0, 1.0 if in_unit(seen) else math.inf)  # rewards and shares, or counts
        ends = [students(column).clipped(bounds) for column in seen.T]
        outline = (*(end.low for end in ends), *(end.high for end in reversed(ends)))
        yield Line((*kept, *reversed(kept)), outline, f"area {css}")
    yield Line(kept, tuple(seen.mean(0).tolist()), css)


def _end(found: Revealed) -> int:
    return max(study.pulls[-1].spent for study in found.studies)


def _so_far(study: Study) -> list[float]:
    totals = accumulate(one.reward for one in study.pulls)
    return [total / number for number, total in enumerate(totals, start=1)]


def _distinct(study: Study) -> list[float]:
    known: set[str] = set()
    counts = []
    for one in study.pulls:
        known.update(one.found)
        counts.append(float(len(known)))
    return counts


HEADINGS = (
    *("Reward a pull", "Beyond random", "Different things found"),
    *("Share of the truth said", "Share of its rows that are true"),
)


def _board(found: Revealed) -> Noted:
    """A line a bandit, in the columns of `HEADINGS`."""
    no_truth = "the recipe has no forget set with facts that could be looked for"
    lines = []
    for one in found.sums:
        alone = (
            "it is random itself"
            if one.bandit == RANDOM
            else "the bandit random was not run with its seeds"
        )
        lines.append(
            (
                _cell(one.reward, "no pull was made"),
                _difference(one.beyond_random, alone),
                _cell(one.found, "no pull was made"),
                _cell(one.coverage, no_truth),
                _cell(one.true, no_truth),
            )
        )
    return noted(lines)


def _cell(value: Number | None, reason: str) -> Cell:
    if value is None:
        return missing(reason)
    known = value.low is not None and value.high is not None
    ends = numbers.interval(value.low or 0.0, value.high or 0.0) if known else ""
    return Cell(numbers.number(value.value), ends, value.value, value.low, value.high)


def _difference(value: Number | None, reason: str) -> Cell:
    if value is None:
        return missing(reason)
    against = Against(difference=value.value, low=value.low, high=value.high)
    return Cell(numbers.difference(against), numbers.difference_bounds(against), value.value)


def _beside_random(found: Revealed) -> str:
    """By the intervals: which bandits earned more than random, and which cannot be told from it."""
    sides: dict[str, list[str]] = {
        "earned more than random": [],
        "earned less than random": [],
        "cannot be told from random": [],
    }
    given = [(one.bandit, one.beyond_random) for one in found.sums if one.beyond_random]
    for bandit, beyond in given:
        if beyond.low is None or beyond.high is None:
            continue
        more, less, same = sides
        side = more if beyond.low > 0 else less if beyond.high < 0 else same
        shown = _difference(beyond, "")
        sides[side].append(f"{bandit} ({shown.text} {shown.interval})")
    said = [f"{numbers.listed(labels)} {side}" for side, labels in sides.items() if labels]
    if said:
        return f"By the 95 % intervals over seeds {numbers.listed(said)}."
    if given:
        return "With one seed a difference to random may be luck."
    return "Without random beside another bandit nothing says what choosing is worth."


def _said(found: Revealed, measure: str) -> str:
    """`0.31 [0.28, 0.34] (neural_ucb) and 0.24 [0.21, 0.27] (random)`."""
    parts = []
    for one in found.sums:
        cell = _cell(getattr(one, measure), "not measured")
        shown = " ".join(part for part in (cell.text, cell.interval) if part)
        parts.append(f"{shown} ({one.bandit})")
    return numbers.listed(parts)


def _lead(found: Revealed) -> str:
    settings = _resolved(found)
    names = {text.about for s in found.studies for p in s.pulls for text in p.said if text.about}
    asked = {
        "person": f"what it holds of {_counted(len(names), 'name')}",
        "toxicity": "rude and hateful text",
        "entities": f"names of {settings['type']}",
        "code": "code",
    }[str(settings["task"])]
    budget = settings["budget"]
    assert isinstance(budget, int)
    bandits = _counted(len(found.sums), "bandit")
    return (
        f"{found.model} was made to say {asked}, with no forget data at hand. A pull puts one "
        "instruction to the model and earns what is new in its answers; a bandit picks the next "
        f"instructions by what the ones before earned. Here {bandits} had "
        f"{numbers.count(budget)} tokens each, read and written"
        f"{f', for each of {len(_seeds(found))} seeds' if len(_seeds(found)) > 1 else ''}. "
        "No model was changed."
    )


def _counted(number: int, what: str) -> str:
    return f"{numbers.count(number)} {what}{'' if number == 1 else 's'}"


def _seeds(found: Revealed) -> list[int]:
    return list(dict.fromkeys(study.seed for study in found.studies))


def _about_reward(found: Revealed) -> tuple[str, str]:
    """The reward's name, and what it says of itself first; empty for one that is not installed."""
    name, _ = registry.choice(_resolved(found)["reward"])  # type: ignore[arg-type]
    entry = registry.entries("reward").get(name)
    return name, entry.summary if entry else ""


def _resolved(found: Revealed) -> dict[str, JsonValue]:
    """The stage's parameters with the defaults of those not given."""
    entry = registry.find("synthesis", "reveal")
    given = {k: v for k, v in found.choice.items() if k != "name"}
    return {p.name: p.default for p in entry.parameters} | given


def _settings(found: Revealed, hide: Callable[[str], str], redact: bool) -> list[tuple[str, str]]:
    """The stage's parameters as text; a redacted page has the names of functions alone."""
    shown = []
    for name, value in _resolved(found).items():
        if name in ("reward", "bandit"):
            called, params = registry.choice(value)  # type: ignore[arg-type]
            given = ", ".join(f"{k}={v}" for k, v in params.items())
            text = f"{called}({'…' if redact else given})" if params else called
        else:
            text = ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
        shown.append((name.replace("_", " "), hide(text)))
    return shown


@cache
def _template() -> Template:
    return template(
        "reveal.html.j2",
        panel=panel,
        html_cell=html_cell,
        line=sample,
        headings=HEADINGS,
        version=__version__,
    )
