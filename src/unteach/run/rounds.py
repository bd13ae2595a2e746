"""Stages gone through again and again, and what each round did."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import torch

from unteach import recipe as recipes
from unteach.audit.revealed import covered
from unteach.data import jsonl
from unteach.data.examples import Example, read_jsonl
from unteach.model.reference import mean_probability
from unteach.notation import read_json
from unteach.recipe import Repeat, Stage
from unteach.run.folder import RunFolder, write_text
from unteach.run.unlearn import Unlearning
from unteach.synthesis.variants import read_question

Do = Callable[[Stage, str, bool], None]
"""One stage, where it stands, and whether another one follows it."""


@dataclass(frozen=True)
class Round:
    """What a round revealed and did.

    `worth` is the mean reward of a pull in it, None where nothing was revealed by asking.
    `probability` is of a split before and after, a mean over rows: of the whole answers of what is
    watched, and of what is specific in the truth where the data have a forget split; nothing is
    decided by that. `coverage` is the share of that truth that was revealed in the rounds so far, None
    where what was revealed is about nobody in it.
    """

    number: int
    kept: bool
    probability: dict[str, tuple[float, float]]
    worth: float | None = None
    tokens: int = 0
    rows: int = 0
    ended: str = ""
    splits: tuple[str, ...] = field(default=())
    coverage: float | None = None


def repeat(state: Unlearning, plan: Repeat, at: str, do: Do) -> None:
    """Go through the stages up to `plan.rounds` times; see `recipe.Repeat`.

    What is measured after each round is in the run's `rounds.json`. A run that was stopped goes on in
    the round it was in.
    """
    done: list[Round] = []
    followed = [s for s in (plan.watch, "forget") if s in state.splits]
    now = {s: _probability(state, s, plan) for s in followed}
    start = now[plan.watch]
    said: list[tuple[str, str]] = []
    # what the stages add belongs to their round
    given = dict(state.splits)
    for number in range(1, plan.rounds + 1):
        state.round = number
        state.progress.say(f"{at}: round {number} of {plan.rounds}")
        weights = _snapshot(state)
        before = now
        state.splits = dict(given)
        for j, stage in enumerate(plan.stages):
            do(stage, recipes.in_round(at, number, stage.verb, j), True)
        made = tuple(name for name in state.splits if name not in given)
        now = {s: _probability(state, s, plan) for s in followed}
        kept = now[plan.watch] >= plan.keep * start
        told = _told(state)
        revealed = [name for name in made if name in ("revealed", "revealed_check")]
        said += [(row.group or "", row.answer) for s in revealed for row in state.splits[s]]
        one = Round(
            number,
            kept,
            {s: (before[s], now[s]) for s in before},
            told.worth,
            told.tokens,
            sum(len(state.splits[s]) for s in made),
            splits=made,
            coverage=coverage(state.splits.get("forget", ()), said),
        )
        first = done[0].worth if done else one.worth
        if not kept:
            _put_back(state, weights)
            ended = (
                f"round {number} left {plan.watch} at {now[plan.watch]:.2f}, below {plan.keep:g} of "
                f"{start:.2f}: it was undone"
            )
        elif first and one.worth is not None and one.worth < plan.dry * first:
            ended = (
                f"round {number} revealed {one.worth:.3f} a pull, below {plan.dry:g} of {first:.3f}"
            )
        else:
            ended = ""
        done.append(replace(one, ended=ended))
        _write(state.folder, done)
        if ended:
            state.progress.say(f"{at}: {ended}")
            break
    state.round = 0


def coverage(truth: Sequence[Example], said: Sequence[tuple[str, str]]) -> float | None:
    """Share of the facts of `truth` that one text holds whole, None where no text is about any.

    `said` is (name, text); see `audit.revealed.covered`.
    """
    names = {about.casefold() for about, _ in said if about}
    if not any(read_question(fact).subject.casefold() in names for fact in truth):
        return None
    found = covered(truth, said)
    return None if np.isnan(found).all() else float(np.nanmean(found))


@dataclass(frozen=True)
class _Told:
    worth: float | None
    tokens: int


def _told(state: Unlearning) -> _Told:
    """What the pulls of this round's reveals earned, by their traces."""
    rows = [row for path in sorted(state.data.glob("*_trace.jsonl")) for row in jsonl.read(path)]
    pulls = [row for row in rows if "reward" in row]
    if not pulls:
        return _Told(None, 0)
    worth = sum(row["reward"] for row in pulls) / len(pulls)
    return _Told(worth, sum(row["tokens"] for row in pulls))


def last_splits(folder: RunFolder) -> dict[str, list[Example]]:
    """The rows that the last round added, from its files."""
    found = read(folder)
    if not found:
        return {}
    last = found[-1]
    data = folder.data / f"round-{last['number']}"
    return {name: read_jsonl(data / f"{name}.jsonl") for name in last["splits"]}


def read(folder: RunFolder) -> list[dict[str, Any]]:
    """What the rounds of a run did, as it was written; empty for a run without rounds."""
    return read_json(folder.rounds) if folder.rounds.exists() else []


def _write(folder: RunFolder, done: list[Round]) -> None:
    write_text(folder.rounds, json.dumps([asdict(one) for one in done], indent=2) + "\n")


def _probability(state: Unlearning, split: str, plan: Repeat) -> float:
    return mean_probability(state.loaded.model, state.rows(split), whole=split == plan.watch)


def _snapshot(state: Unlearning) -> dict[str, torch.Tensor]:
    return {n: p.detach().cpu().clone() for n, p in state.loaded.model.named_parameters()}


@torch.no_grad()
def _put_back(state: Unlearning, weights: dict[str, torch.Tensor]) -> None:
    for name, p in state.loaded.model.named_parameters():
        p.copy_(weights[name])
