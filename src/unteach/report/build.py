"""Run folders to a Report: plain data in the order of the page, with nothing left to compute."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Literal

import numpy as np

from unteach.data.examples import must_go
from unteach.report import integrity, kept, ladder, numbers, verdict
from unteach.report.cells import ARROWS, Cell
from unteach.report.charts import (
    Estimate,
    Line,
    Panel,
    Part,
    People,
    Person,
    Point,
    SideBySide,
    Style,
    Tradeoff,
)
from unteach.report.read import Against, Answer, Event, Finding, Record, Run, Step, read_all
from unteach.report.redact import read_redacted
from unteach.report.relearn import Table, tables
from unteach.report.rounds import Rounds, adapters, rounds
from unteach.report.scorecard import Scorecard, scorecards
from unteach.report.table import Board, Model, board, labels, models
from unteach.report.verdict import Verdict

MAX_POINTS = 120
"""Points a training curve is thinned to."""
MAX_PEOPLE = 30
"""People a figure shows; the ones with most left come first."""
MAX_CHARACTERS = 280
"""Characters of an answer on the page."""
MAX_CARDS = 12
"""Verdicts shown in full; of more runs each is folded to its status."""
MAX_FINDINGS = 500
"""Findings the appendix lists before it points to findings.json instead."""
SPREAD, WORST, RETAINED = 4, 2, 3
"""Questions shown: spread over the forget set, with most left, and of the retain set."""

Chosen = Literal["spread over the forget set", "most probable after unlearning", "retain set"]


@dataclass(frozen=True)
class Card:
    """The verdict on one run."""

    label: str
    style: int
    source: str
    verdict: Verdict
    limits: tuple[str, ...]  # those that not every card has


@dataclass(frozen=True)
class Curves:
    """The training of one stage of one run."""

    label: str
    stage: str
    num_steps: int
    panels: tuple[Panel, ...]


@dataclass(frozen=True)
class Sweep:
    """One method over the values of one key, in the order of the values."""

    method: str
    key: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True)
class PersonChart:
    label: str
    chart: People
    num_people: int
    rows_each: str


@dataclass(frozen=True)
class Reply:
    """What one model answered; `probability` is that of the true answer, not of this one."""

    label: str
    style: Style
    text: str
    full: str
    probability: str


@dataclass(frozen=True)
class Question:
    id: str
    split: str
    chosen: Chosen
    question: str
    truth: str
    replies: tuple[Reply, ...]


@dataclass(frozen=True)
class Unmeasured:
    what: str
    models: str
    reason: str


@dataclass(frozen=True)
class Appendix:
    """Every finding of one run, as rows of text under their headings."""

    label: str
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Provenance:
    """What made one run, as pairs of a name and its value."""

    label: str
    facts: tuple[tuple[str, str], ...]
    stages: tuple[tuple[str, str, str], ...]
    splits: tuple[tuple[str, str, str, str], ...]
    packages: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]
    recipe: str


@dataclass(frozen=True)
class Report:
    title: str
    created: str
    redacted: bool
    changed: tuple[str, ...]
    base_model: str
    has_gold: bool
    failed: tuple[tuple[str, str], ...]  # name and reason of each run that did not end
    cards: tuple[Card, ...]
    folded: bool
    limits: tuple[str, ...]
    scorecards: tuple[Scorecard, ...]
    relearn: tuple[Table, ...]
    board: Board
    parts: SideBySide | None
    tradeoff: Tradeoff | None
    unplotted: tuple[str, ...]
    sweeps: tuple[Sweep, ...]
    curves: tuple[Curves, ...]
    rounds: Rounds | None
    people: tuple[PersonChart, ...]
    questions: tuple[Question, ...]
    unmeasured: tuple[Unmeasured, ...]
    untested: tuple[str, ...]
    appendix: tuple[Appendix, ...]
    num_findings: int
    provenance: tuple[Provenance, ...]


HIDDEN_REASON = "(said on the console alone, as it may quote a row)"


def build(
    folders: Sequence[Path],
    *,
    redact: bool = False,
    title: str | None = None,
    failed: Mapping[str, str] | None = None,
) -> Report:
    """The report on one or many run folders; `failed` names runs that are not there, and why.

    With `redact` each run is read as its redacted copy would be; see `report/redact.py`.

    Raises:
        OutputError: a folder is not a run folder.
        DataError: a file of a run is missing or corrupt.
    """
    runs = tuple(map(read_redacted, folders)) if redact else read_all(folders)
    names = labels(runs)
    named = list(zip(names, runs, strict=True))
    verdicts = [verdict.judge(run) for run in runs]
    common = _common_limits(verdicts)
    leaderboard = board(runs)
    plotted = _tradeoff(runs)
    num_findings = sum(len(run.findings) for run in runs)
    return Report(
        title=title or _title(runs, names),
        created=max(run.record.created for run in runs),
        redacted=all(run.record.redacted for run in runs),
        changed=tuple(said for name, run in named for said in _changed(name, run, len(runs))),
        base_model=numbers.listed(list(dict.fromkeys(run.record.model.name for run in runs))),
        has_gold=all(run.has("gold") for run in runs),
        failed=tuple((n, HIDDEN_REASON if redact else why) for n, why in (failed or {}).items()),
        cards=tuple(
            _card(name, i, run, judged, common)
            for i, ((name, run), judged) in enumerate(zip(named, verdicts, strict=True))
        ),
        folded=len(runs) > MAX_CARDS,
        limits=common,
        scorecards=scorecards(runs),
        relearn=tables(runs),
        board=leaderboard,
        parts=_parts(leaderboard),
        tradeoff=plotted,
        unplotted=tuple(_unplotted(runs, plotted)),
        sweeps=tuple(_sweeps(runs)),
        curves=tuple(curves for name, run in named for curves in _curves(name, run)),
        rounds=rounds(named),
        people=tuple(_people(named)),
        questions=tuple(_questions(runs)),
        unmeasured=tuple(_unmeasured(named)),
        untested=(*(attack.words for attack in ladder.untested(runs)), *ladder.OUTSIDE),
        appendix=tuple(_appendix(name, run) for name, run in named)
        if num_findings <= MAX_FINDINGS
        else (),
        num_findings=num_findings,
        provenance=tuple(_provenance(name, run) for name, run in named),
    )


def _common_limits(verdicts: Sequence[Verdict]) -> tuple[str, ...]:
    """The limits of the evidence that every run shares, to be said once."""
    each = [judged.limits for judged in verdicts]
    return tuple(said for said in each[0] if all(said in limits for limits in each))


def _card(name: str, style: int, run: Run, judged: Verdict, common: tuple[str, ...]) -> Card:
    own = tuple(said for said in judged.limits if said not in common)
    return Card(name, style, run.record.source, judged, own)


def _title(runs: Sequence[Run], names: Sequence[str]) -> str:
    if len(runs) == 1:
        return names[0]
    return f"{len(runs)} ways to forget, compared"


PARTS: Mapping[str, str] = {
    "probability_forget": "Forget probability",
    "probability_paraphrased": "Forget, paraphrased",
    "kfr": "Forgotten (KFR)",
    "krr": "Retained (KRR)",
    "linguistic_score": "Forget LS",
    "probability_retain": "Retain probability",
}
"""Column of the leaderboard -> title of its panel, in the order of the panels."""
FEW = 3
"""Runs from which on they are shown side by side."""


def _parts(shown: Board) -> SideBySide | None:
    """The rates of the leaderboard that tell parts of a method apart, as far as they were measured."""
    methods = [i for i, row in enumerate(shown.rows) if row.model.role == "unlearned"]
    place = {column.key: i for i, column in enumerate(shown.columns)}
    places = [
        place[key]
        for key in PARTS
        if any(shown.rows[i].cells[place[key]].value is not None for i in methods)
    ]
    rows = tuple(
        Part(row.model.label, _style(row.model), tuple(_of_cell(row.cells[i]) for i in places))
        for row in shown.rows
    )
    rows = tuple(row for row in rows if any(row.values))
    if sum(isinstance(row.style, int) for row in rows) < FEW:
        return None
    return SideBySide(
        tuple(PARTS[shown.columns[i].key] for i in places),
        tuple(ARROWS[shown.columns[i].direction] for i in places),
        rows,
    )


def _of_cell(cell: Cell) -> Estimate | None:
    if cell.value is None:
        return None
    return Estimate(
        cell.value,
        cell.value if cell.low is None else cell.low,
        cell.value if cell.high is None else cell.high,
    )


def _tradeoff(runs: Sequence[Run]) -> Tradeoff | None:
    """Forget against retain probability; against KRR if some model lacks the latter."""
    shown = models(runs)
    by_probability = _points(shown, "probability")
    by_krr = _points(shown, "krr") if len(by_probability) < len(shown) else ()
    points, words = (
        (by_krr, "knowledge retention rate")
        if len(by_krr) > len(by_probability)
        else (by_probability, "probability of the true answers, retain set")
    )
    if not any(isinstance(p.style, int) for p in points):
        return None
    golds = [p for p in points if p.style == "gold"]
    originals = [p for p in points if p.style == "original"]
    return Tradeoff(
        points=points,
        x_title="probability of the true answers, forget set",
        y_title=words,
        band=_band(golds[0].x) if len(golds) == 1 else None,
        floor=kept.KEPT * originals[0].y.value if len(originals) == 1 else None,
    )


def _unplotted(runs: Sequence[Run], drawn: Tradeoff | None) -> Iterator[str]:
    """Which models are not in the figure of `_tradeoff` and why, a sentence a reason."""
    without: dict[str, list[str]] = defaultdict(list)
    for model in models(runs):
        if model.run.measured(model.role, "probability", "forget") is None:
            without["forget probability was not measured"].append(model.label)
        elif not any(model.run.measured(model.role, a, "retain") for a in ("probability", "krr")):
            without["neither probability nor KRR was measured on retain"].append(model.label)
        elif drawn and model.label not in [point.label for point in drawn.points]:
            without["the others have another retain measure"].append(model.label)
    for reason, whose in without.items():
        yield f"{numbers.listed(whose)}: {reason}."


def _points(shown: Sequence[Model], audit: str) -> tuple[Point, ...]:
    pairs = [(model, _both(model, ("probability", "forget"), (audit, "retain"))) for model in shown]
    return tuple(
        Point(model.label, _style(model), _estimate(pair[0]), _estimate(pair[1]))
        for model, pair in pairs
        if pair
    )


def _both(
    model: Model, one: tuple[str, str], other: tuple[str, str]
) -> tuple[Finding, Finding] | None:
    found = [model.run.measured(model.role, *at) for at in (one, other)]
    return (found[0], found[1]) if found[0] and found[1] else None


def _style(model: Model) -> Style:
    if model.role == "unlearned":
        assert model.style is not None
        return model.style
    return model.role


def _estimate(finding: Finding) -> Estimate:
    return Estimate(finding.point, finding.lower, finding.upper)


def _band(gold: Estimate) -> tuple[float, float]:
    """The range that the verdict counts as the gold model's level."""
    return (
        min(gold.low, gold.value - verdict.TOLERANCE),
        max(gold.high, gold.value + verdict.TOLERANCE),
    )


SWEPT = (
    ("Forget", ("probability", "forget"), "forgetting"),
    ("Forget, in other words", ("probability", "forget_paraphrased"), "forgetting"),
    ("Retain", ("probability", "retain"), "keeping"),
    ("Retain, answered right (KRR)", ("krr", "retain"), "keeping"),
)
"""Measures that a sweep's figure follows: title, audit and split, colour."""
WIDE = 50
"""Times that the largest of a sweep's values may be the smallest, for an axis that is a scale."""


def _sweeps(runs: Sequence[Run]) -> Iterator[Sweep]:
    """A figure for each method of which one number was varied over at least two values."""
    together: dict[tuple[str, str], list[tuple[float, Run]]] = defaultdict(list)
    for run in runs:
        varied = run.record.varied
        if varied is not None and (value := _number_of(varied.value)) is not None:
            together[varied.method, varied.key].append((value, run))
    for (method, key), found in together.items():
        ordered = sorted(found, key=lambda pair: pair[0])
        values = [value for value, _ in ordered]
        if len(set(values)) > 1:
            panels = tuple(_swept(values, [run for _, run in ordered], key.rpartition(".")[2]))
            if panels:
                yield Sweep(method, key, panels)


def _swept(values: Sequence[float], runs: Sequence[Run], name: str) -> Iterator[Panel]:
    """A panel a measure; values of very different sizes stand side by side, at no scale."""
    sizes = [abs(value) for value in values if value]
    named = max(sizes) > WIDE * min(sizes)
    x_names = tuple(f"{value:g}" for value in values) if named else ()
    xs = tuple(map(float, range(len(values)))) if named else tuple(values)
    for title, at, css in SWEPT:
        measured = [run.measured("unlearned", *at) for run in runs]
        if any(measured):
            ys = tuple(None if f is None else f.point for f in measured)
            line = Line(xs, ys, css, dots=True)
            yield Panel(title, (line,), name, unit_range=True, x_names=x_names)
    released = [adapters(run) for run in runs]
    for title in dict.fromkeys(title for one in released for title in one):
        line = Line(xs, tuple(one.get(title) for one in released), "forgetting", dots=True)
        yield Panel(title, (line,), name, x_names=x_names)


def _number_of(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _curves(name: str, run: Run) -> Iterator[Curves]:
    """One set of panels a training stage; teaching and gold are not the method's."""
    stages = dict.fromkeys(step.stage for step in run.steps if step.stage.startswith("method"))
    for stage in stages:
        steps = [step for step in run.steps if step.stage == stage]
        events = [
            e
            for e in run.events
            if e.stage == stage and e.event == "level" and e.probability is not None
        ]
        terms = list(dict.fromkeys(term for step in steps for term in step.terms))
        panels = [_term_panel(term, steps) for term in terms] or [_loss_panel(steps)]
        panels += [_level_panel(split, events) for split in dict.fromkeys(e.split for e in events)]
        yield Curves(name, stage, len(steps), tuple(panels))


def _term_panel(term: str, steps: Sequence[Step]) -> Panel:
    css = "forgetting" if must_go(term.partition(".")[0]) else "keeping"
    had = [step for step in steps if term in step.terms]
    return Panel(f"Loss: {term}", _smoothed(had, [s.terms[term] for s in had], css))


def _loss_panel(steps: Sequence[Step]) -> Panel:
    return Panel("Loss", _smoothed(steps, [s.loss for s in steps], "keeping"))


def _smoothed(steps: Sequence[Step], values: Sequence[float | None], css: str) -> tuple[Line, ...]:
    """The raw curve, faint, under its running mean over a twentieth of the steps."""
    xs = [float(step.step) for step in steps]
    window = len(xs) // 20
    raw = _thinned(xs, values, f"{css} raw" if window >= 2 else css)
    if window < 2:
        return (raw,)
    means = [_mean(values[max(0, i - window) : i + window + 1]) for i in range(len(values))]
    return raw, _thinned(xs, means, css)


def _mean(values: Sequence[float | None]) -> float | None:
    known = [v for v in values if v is not None]
    return float(np.mean(known)) if known else None


def _thinned(xs: Sequence[float], ys: Sequence[float | None], css: str) -> Line:
    every = math.ceil(len(xs) / MAX_POINTS) or 1
    return Line(tuple(xs[::every]), tuple(ys[::every]), css)


def _level_panel(split: str, events: Sequence[Event]) -> Panel:
    seen = [e for e in events if e.split == split]
    css = "forgetting" if must_go(split) else "keeping"
    levels = [e.level for e in seen if e.level is not None]
    return Panel(
        f"Probability of the true answer: {split}",
        (
            Line(
                tuple(float(e.step) for e in seen),
                tuple(e.probability for e in seen),
                css,
                dots=True,
            ),
        ),
        level=levels[-1] if levels else None,
        unit_range=True,
    )


def _people(named: Sequence[tuple[str, Run]]) -> Iterator[PersonChart]:
    """Before and after by person; every chart keeps the order of what is left, averaged over runs."""
    after = [_by_group(run.measured("unlearned", "probability", "forget")) for _, run in named]
    left: dict[str, list[float]] = defaultdict(list)
    for means in after:
        for group, value in means.items():
            left[group].append(value)
    order = sorted(left, key=lambda group: (-float(np.mean(left[group])), group))
    for i, (name, run) in enumerate(named):
        original = _by_group(run.measured("original", "probability", "forget"))
        gold_finding = run.measured("gold", "probability", "forget")
        gold = _by_group(gold_finding)
        groups = [group for group in order if group in after[i]]
        if not groups:
            continue
        rows = tuple(
            Person(g, original.get(g), after[i].get(g), gold.get(g)) for g in groups[:MAX_PEOPLE]
        )
        finding = run.measured("unlearned", "probability", "forget")
        assert finding is not None
        yield PersonChart(
            label=name,
            chart=People(name, i, rows, _band(_estimate(gold_finding)) if gold_finding else None),
            num_people=len(groups),
            rows_each=_rows_each(finding),
        )


def _by_group(finding: Finding | None) -> dict[str, float]:
    """Mean of the rows of each group that have a value."""
    if finding is None or not finding.per_example or not finding.group_ids:
        return {}
    values: dict[str, list[float]] = defaultdict(list)
    for group, value in zip(finding.group_ids, finding.per_example, strict=True):
        if value is not None:
            values[group].append(value)
    return {group: float(np.mean(of)) for group, of in values.items()}


def _rows_each(finding: Finding) -> str:
    sizes = (
        [finding.group_ids.count(g) for g in set(finding.group_ids)] if finding.group_ids else []
    )
    low, high = min(sizes), max(sizes)
    return f"{low}" if low == high else f"{low} to {high}"


def _questions(runs: Sequence[Run]) -> Iterator[Question]:
    """Some spread over the forget set by position, those with most left, and some retained."""
    asked = {(a.split, a.id): a for run in reversed(runs) for a in run.answers}
    forget, retain = (_side([*asked.values()], side) for side in ("forget", "retain"))
    spread = _spread(forget, SPREAD)
    remaining = {
        answer: value
        for answer in forget
        if answer not in spread and (value := _remaining(runs, answer)) is not None
    }
    worst = sorted(remaining, key=lambda answer: -remaining[answer])[:WORST]
    chosen: list[tuple[Answer, Chosen]] = [(a, "spread over the forget set") for a in spread]
    chosen += [(a, "most probable after unlearning") for a in worst]
    chosen += [(a, "retain set") for a in _spread(retain, RETAINED)]
    for answer, why in chosen:
        yield Question(
            id=answer.id,
            split=answer.split,
            chosen=why,
            question=answer.question,
            truth=answer.truth,
            replies=tuple(_replies(runs, answer)),
        )


def _side(answers: Sequence[Answer], side: str) -> list[Answer]:
    """The answers of that split; where there are none, of the first made beside it (`forget_val`)."""
    splits = dict.fromkeys(a.split for a in answers)
    others = [split for split in splits if split.startswith(f"{side}_")]
    split = side if side in splits else next(iter(others), side)
    return [a for a in answers if a.split == split]


def _spread(answers: Sequence[Answer], num: int) -> list[Answer]:
    """One of each of so many equal stretches, by position, so that results have no say.

    The place in the stretch moves along, because rows come person by person in one order of
    attributes, and a fixed stride would show the same attribute each time.
    """
    if len(answers) <= num:
        return list(answers)
    starts = [i * len(answers) // num for i in range(num + 1)]
    return [answers[start + i % (end - start)] for i, (start, end) in enumerate(pairwise(starts))]


def _remaining(runs: Sequence[Run], answer: Answer) -> float | None:
    """Mean probability of the true answer over the unlearned models."""
    return _mean([_probability(run, "unlearned", answer) for run in runs])


def _probability(
    run: Run, role: Literal["original", "gold", "unlearned"], answer: Answer
) -> float | None:
    finding = run.measured(role, "probability", answer.split)
    if (
        finding is None
        or not finding.ids
        or not finding.per_example
        or answer.id not in finding.ids
    ):
        return None
    return finding.per_example[finding.ids.index(answer.id)]


def _replies(runs: Sequence[Run], answer: Answer) -> Iterator[Reply]:
    for model in models(runs):
        same = [a for a in model.run.answers if (a.split, a.id) == (answer.split, answer.id)]
        text = getattr(same[0], model.role) if same else None
        if text is None:
            continue
        probability = _probability(model.run, model.role, answer)
        yield Reply(
            label=model.label,
            style=_style(model),
            text=_clipped(text),
            full="" if len(text) <= MAX_CHARACTERS else text[:2000],
            probability="n/a" if probability is None else numbers.number(probability),
        )


def _clipped(text: str) -> str:
    if len(text) <= MAX_CHARACTERS:
        return text
    return f"{text[:MAX_CHARACTERS].rstrip()} … ({len(text) - MAX_CHARACTERS} more characters)"


def _unmeasured(named: Sequence[tuple[str, Run]]) -> Iterator[Unmeasured]:
    """Each unavailable finding once, with the models that lack it."""
    found: dict[tuple[str, str], list[str]] = defaultdict(list)
    for name, run in named:
        for finding in run.findings:
            if not finding.available:
                model = finding.model if finding.model != "unlearned" else name
                found[_measure(finding), finding.note].append(model)
    for (what, reason), whose in found.items():
        yield Unmeasured(what, numbers.listed(list(dict.fromkeys(whose))), reason)


def _measure(finding: Finding) -> str:
    name = (finding.label or finding.audit).replace("_", " ")
    split = f" on {finding.split.replace('_', ' ')}" if finding.split else ""
    return name + split


HEADINGS = (
    *("Measure", "Model", "Value", "95 % interval"),
    *("Rows / groups", "Access", "Audit version, source", "Note"),
)
DIFFERENCES = {"original": "Minus original", "gold": "Minus gold"}
"""Model -> the appendix's column of differences to it, left out where there is none."""


def _appendix(name: str, run: Run) -> Appendix:
    order: Mapping[str, int] = {"original": 0, "gold": 1, "unlearned": 2}
    findings = sorted(run.findings, key=lambda f: (f.audit, f.split or "", order[f.model]))
    to = [model for model in DIFFERENCES if any(f.against.get(model) for f in findings)]
    return Appendix(
        name,
        (*HEADINGS[:4], *(DIFFERENCES[model] for model in to), *HEADINGS[4:]),
        tuple(_finding_row(f, to) for f in findings),
    )


def _finding_row(f: Finding, to: Sequence[str]) -> tuple[str, ...]:
    params = ", ".join(f"{k}={v}" for k, v in f.params.items() if k != "split")
    return (
        _measure(f) + (f" ({params})" if params else ""),
        f.model,
        numbers.brief(f) if f.available else "n/a",
        numbers.bounds(f) if f.available else "",
        *(_difference(f.against.get(model)) for model in to),
        f"{f.n} / {f.groups}" if f.available else "",
        f.access,
        f"v{f.version} {f.source}".strip(),
        f.note,
    )


def _difference(against: Against | None) -> str:
    if against is None:
        return ""
    return f"{numbers.difference(against)} {numbers.difference_bounds(against)}".strip()


def _changed(name: str, run: Run, num_runs: int) -> Iterator[str]:
    """What is no longer as the finished run left it, weights too."""
    weights = integrity.check_weights(run.folder, run.record.sealed).sentences()
    for said in (*run.changed, *weights):
        yield f"{name}: {said}" if num_runs > 1 else said


UNSEALED = (
    "This run holds no hashes of its files (an older unteach wrote it): a change of them since then "
    "would not be noticed."
)


def _removed(record: Record) -> Iterator[str]:
    if record.redacted:
        yield f"Removed from this copy. {'. '.join(record.redacted.removed)}."


def _provenance(name: str, run: Run) -> Provenance:
    record = run.record
    size = (
        f" ({numbers.count(record.model.parameters)} parameters)" if record.model.parameters else ""
    )
    facts = [
        ("Method", record.method),
        ("Source", record.source),
        ("Starting model", record.model.name + size),
        ("Content key of the starting model", record.model.key),
        *((f"Content key, {role}", m.key) for role, m in record.models.items() if m is not None),
        ("Created", record.created),
        ("Seed", "" if record.seed is None else str(record.seed)),
        ("Device", record.device),
        ("Time in all", "" if record.seconds is None else numbers.duration(record.seconds)),
        (
            "Peak memory",
            "" if record.peak_memory_bytes is None else numbers.memory(record.peak_memory_bytes),
        ),
        ("unteach", record.unteach),
    ]
    return Provenance(
        label=name,
        facts=tuple((key, value or "not recorded") for key, value in facts),
        stages=tuple(
            (
                s.stage,
                "not recorded" if s.seconds is None else numbers.duration(s.seconds),
                "from an earlier run" if s.cached else "",
            )
            for s in record.stages
        ),
        splits=tuple(
            (
                split,
                numbers.count(s.rows),
                "" if s.groups is None else numbers.count(s.groups),
                s.sha256,
            )
            for split, s in record.splits.items()
        ),
        packages=tuple(record.packages.items()),
        notes=(*record.notes, *_removed(record), *(() if record.sealed else (UNSEALED,))),
        recipe=run.recipe,
    )
