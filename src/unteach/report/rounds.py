"""What each round of a repeat did: figures of one run, and a line a round; or a line a run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from unteach.data.examples import must_go
from unteach.recipe import IN_ROUND
from unteach.report import numbers
from unteach.report.cells import Cell, missing, noted
from unteach.report.charts import Line, Panel
from unteach.report.read import Against, Round, Run

HEADINGS = (
    *("Rows revealed", "Worth a pull", "Truth said by then", "Tokens"),
    *("Taken out, a", "Put in, b", "Overlap", "Interference"),
)

Found = Mapping[str, float | None]
"""The numbers that an edit found, by their names."""


@dataclass(frozen=True)
class Row:
    """One round, or of several runs the last kept one of each; `style` is the run's."""

    title: str
    style: int | None
    cells: tuple[Cell, ...]
    outcome: str


@dataclass(frozen=True)
class Rounds:
    """The section; the figure's two sentences are empty where several runs are compared."""

    panels: tuple[Panel, ...]
    see: str
    means: str
    headings: tuple[str, ...]
    rows: tuple[Row, ...]
    footnotes: tuple[str, ...]
    ended: tuple[str, ...]


def rounds(named: Sequence[tuple[str, Run]]) -> Rounds | None:
    """The section on rounds; None where no run has any.

    One run has its figures and a line a round. Of several each has one line: its last round that
    was kept, or the one that was undone where none was.
    """
    shown = [(i, name, run) for i, (name, run) in enumerate(named) if run.rounds]
    if not shown:
        return None
    splits = tuple(
        dict.fromkeys(s for _, _, run in shown for r in run.rounds for s in r.probability)
    )
    alone = len(named) == 1
    lines = []
    for style, name, run in shown:
        found = _released(run)
        for one in run.rounds if alone else [_last(run.rounds)]:
            title = f"{one.number}" if alone else f"{name}, {one.number} of {len(run.rounds)}"
            cells = _cells(one, found.get(one.number, {}), splits)
            outcome = "kept" if one.kept else "undone"
            lines.append(Row(title, None if alone else style, cells, outcome))
    marked = noted([line.cells for line in lines])
    run = shown[0][2]
    return Rounds(
        panels=tuple(_panels(run)) if alone else (),
        see=_see(run.rounds) if alone else "",
        means=_means(run) if alone else "",
        headings=(*HEADINGS, *(f"{_part(split)}, {split}" for split in splits)),
        rows=tuple(
            Row(line.title, line.style, cells, line.outcome)
            for line, cells in zip(lines, marked.lines, strict=True)
        ),
        footnotes=marked.footnotes,
        ended=tuple(_ended(shown, alone)),
    )


def _part(split: str) -> str:
    """What was measured of a split's answers: what is specific is what must go."""
    return "Specific part" if must_go(split) else "Answer"


def _measure(split: str) -> str:
    """The audit that measures the same."""
    return "specific_probability" if must_go(split) else "probability"


def _last(made: Sequence[Round]) -> Round:
    return next((one for one in reversed(made) if one.kept), made[-1])


def _released(run: Run) -> dict[int, Found]:
    """By round, what the last edit of it that took an adapter out has found."""
    places = [(IN_ROUND.fullmatch(stage.stage), stage.found) for stage in run.record.stages]
    return {int(at[2]): found for at, found in places if at and "subtracted" in found}


def _cells(one: Round, found: Found, splits: Sequence[str]) -> tuple[Cell, ...]:
    nothing_asked = "nothing was revealed by asking"
    nobody = "what was revealed is about nobody in the forget set"
    no_edit = "no edit of the round took an adapter out"
    one_adapter = "nothing was there to be put in" if found else no_edit
    asked = one.worth is not None
    return (
        Cell(numbers.count(one.rows)),
        _cell(one.worth, nothing_asked),
        _cell(one.coverage, nobody if asked else nothing_asked),
        Cell(numbers.count(one.tokens)) if asked else missing(nothing_asked),
        _cell(found.get("subtracted"), no_edit),
        _cell(found.get("added"), no_edit),
        _cell(found.get("overlap"), one_adapter),
        _interference(one, found, one_adapter),
        *(_moved(one, split) for split in splits),
    )


def _cell(value: float | None, reason: str) -> Cell:
    return missing(reason) if value is None else Cell(numbers.number(value), value=value)


def _moved(one: Round, split: str) -> Cell:
    """`0.97 → 0.42`, before and after the round, even if it was undone then."""
    before, after = one.probability.get(split, (None, None))
    if before is None or after is None:
        return missing(f"{split} was not measured in this round")
    return Cell(f"{numbers.number(before)} → {numbers.number(after)}", value=after)


def _interference(one: Round, found: Found, reason: str) -> Cell:
    """Of the kept rows: their probability with only the one adapter put in, less that with both."""
    cost = _cost(one, found)
    if cost is None:
        return missing(reason)
    return Cell(numbers.difference(Against(difference=cost)), value=cost)


def _cost(one: Round, found: Found) -> float | None:
    """What taking one adapter out costs the rows that the other one keeps."""
    kept = _kept_split(one, found)
    alone, both = found.get(f"{kept} only added"), found.get(f"{kept} after")
    return None if alone is None or both is None else alone - both


def adapters(run: Run) -> dict[str, float | None]:
    """Overlap and interference of the last round that was kept; nothing if no adapter was put in."""
    if not run.rounds:
        return {}
    one = _last(run.rounds)
    found = _released(run).get(one.number, {})
    if "overlap" not in found:
        return {}
    return {"Overlap": found["overlap"], "Interference": _cost(one, found)}


def _looked_at(found: Found) -> list[str]:
    """The splits that an edit measured before and after."""
    return [name.removesuffix(" after") for name in found if name.endswith(" after")]


def _kept_split(one: Round, found: Found) -> str | None:
    """The split that an edit was to leave as it is: neither revealed in this round nor to go."""
    own = [s for s in _looked_at(found) if s not in one.splits and not must_go(s)]
    return own[0] if own else None


def _panels(run: Run) -> Iterator[Panel]:
    """By round: what is watched and the truth, then what was revealed, then the worth."""
    made = run.rounds
    for split in made[0].probability:
        css = "forgetting" if must_go(split) else "keeping"
        gold = run.measured("gold", _measure(split), split)
        yield Panel(
            f"Probability of the {_part(split).lower()}: {split}",
            tuple(_followed(made, split, css)),
            "after round",
            level=gold.point if gold else None,
            unit_range=True,
        )
    found = _released(run)
    for split in _own_splits(made, found):
        yield Panel(
            f"Rows of each round: {split}",
            tuple(_pieces(made, found, split)),
            "after round",
            unit_range=True,
        )
    worth = [(float(one.number), one.worth) for one in made]
    if sum(value is not None for _, value in worth) > 1:
        xs, ys = zip(*worth, strict=True)
        yield Panel("Worth a pull", (Line(xs, ys, "forgetting", dots=True),), "in round")


def _own_splits(made: Sequence[Round], found: Mapping[int, Found]) -> list[str]:
    """The splits that the rounds themselves revealed, and that their edits measured."""
    each = [(one, _looked_at(found.get(one.number, {}))) for one in made]
    return list(dict.fromkeys(s for one, looked in each for s in looked if s in one.splits))


def _followed(made: Sequence[Round], split: str, css: str) -> Iterator[Line]:
    """Through all rounds that were kept; one that was undone is a faint branch."""
    kept = [one for one in made if one.kept]
    no = (None, None)
    values = (made[0].probability[split][0], *(one.probability.get(split, no)[1] for one in kept))
    numbered = (made[0].number - 1.0, *(float(one.number) for one in kept))
    for one in made:
        if not one.kept:
            ends = one.probability.get(split, no)
            yield Line((one.number - 1.0, float(one.number)), ends, f"{css} raw", dots=True)
    yield Line(numbered, values, css, dots=True)


def _pieces(made: Sequence[Round], found: Mapping[int, Found], split: str) -> Iterator[Line]:
    """A piece a round: each has revealed rows of its own."""
    for one in made:
        own = found.get(one.number, {})
        ends = own.get(f"{split} before"), own.get(f"{split} after")
        css = "forgetting" if one.kept else "forgetting raw"
        yield Line((one.number - 1.0, float(one.number)), ends, css, dots=True)


def _see(made: Sequence[Round]) -> str:
    kept = [one for one in made if one.kept]
    if not kept:
        return "No round was kept, so the model is as it was before."
    said = []
    for split, (before, _) in made[0].probability.items():
        after = kept[-1].probability.get(split, (None, None))[1]
        if before is not None and after is not None:
            said.append(f"{split} goes from {numbers.number(before)} to {numbers.number(after)}")
    over = "1 round that was" if len(kept) == 1 else f"{len(kept)} rounds that were"
    return f"Over the {over} kept {numbers.listed(said) if said else 'nothing was measured'}."


def _means(run: Run) -> str:
    made, found = run.rounds, _released(run)
    said = [
        "These are mean probabilities: of whole answers, and of what is specific in those that go."
    ]
    if _own_splits(made, found):
        said.append("What was revealed is new in every round, so that its pieces need not meet.")
    watched = made[0].probability
    decided = {split for own in found.values() for split in _looked_at(own)}
    if "forget" in watched and len(watched) > 1 and "forget" not in decided:
        said.append("The forget set was measured only: no round was decided by it.")
    if any(run.measured("gold", _measure(split), split) for split in watched):
        said.append("The dashed line is gold's level.")
    if not all(one.kept for one in made):
        said.append("Faint is a round that was undone.")
    return " ".join(said)


def _ended(shown: Sequence[tuple[int, str, Run]], alone: bool) -> Iterator[str]:
    """Why the rounds ended before all were gone through."""
    for _, name, run in shown:
        for one in run.rounds:
            if one.ended:
                yield (
                    f"{one.ended[:1].upper()}{one.ended[1:]}." if alone else f"{name}: {one.ended}."
                )
