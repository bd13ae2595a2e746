"""The stages of a method, applied to the original model."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch

from unteach import recipe as recipes
from unteach import registry
from unteach.data.examples import Example
from unteach.data.render import Encoding, Renderer, encode_all
from unteach.model.load import Loaded, ModelPlace, load
from unteach.model.reference import choose, mean_probability
from unteach.run.folder import RunFolder
from unteach.run.prepare import Prepared
from unteach.run.progress import Progress
from unteach.train import log
from unteach.train.checkpoint import Checkpoint
from unteach.train.loop import Plan, Stop, train
from unteach.train.term import from_recipe


@dataclass
class Unlearning:
    """What the stages of one run work on and hand on."""

    ready: Prepared
    folder: RunFolder
    progress: Progress
    loaded: Loaded
    gold: ModelPlace | None
    splits: dict[str, list[Example]]
    levels: dict[float | str, float]


def train_stage(state: Unlearning, stage: recipes.Train, at: str, more_follow: bool) -> int:
    """Train as the stage says; returns the number of steps done."""
    ready, model = state.ready, state.loaded.model
    entry = registry.find("selection", stage.select.name)
    params = registry.check("selection", stage.select.name, stage.select.params, at)
    state.levels |= _levels(state, stage)
    terms = [from_recipe(term, state.levels) for term in stage.terms]
    names = {t.split for t in terms} | ({stage.stop.split, "retain"} if stage.stop else set())
    rows: Mapping[str, list[Encoding]] = {
        n: encode_all(ready.renderer, state.splits[n]) for n in names if n in state.splits
    }
    with torch.random.fork_rng():  # an adapter starts from random weights
        torch.manual_seed(ready.recipe.seed)
        model = entry.load()(model, **params)
    needs: dict[str, frozenset[str]] = {}
    for term in terms:
        needs[term.split] = needs.get(term.split, frozenset()) | term.needs
    reference = choose(
        needs,
        model,
        rows,
        copy=lambda: deepcopy(model).requires_grad_(False),
        has_adapter=bool(entry.facts["adapter"]),
    )
    optimizer = registry.find("optimizer", stage.optimizer.name)
    chosen = registry.check("optimizer", stage.optimizer.name, stage.optimizer.params, at)
    rule = registry.find("rule", stage.rule.name)
    ruled = registry.check("rule", stage.rule.name, stage.rule.params, at)
    first = len(rows[terms[0].split])
    per_epoch = first / min(stage.batch, first)
    steps = stage.steps or max(1, round((stage.epochs or 0) * per_epoch))
    plan = Plan(
        terms=terms,
        rows=rows,
        steps=steps,
        batch=stage.batch,
        micro_batch=stage.micro_batch or stage.batch,
        optimizer=partial(optimizer.load(), **chosen),
        rule=rule.load()(**ruled),
        reference=reference,
        schedule=stage.schedule,
        warmup=stage.warmup,
        max_grad_norm=stage.max_grad_norm,
        seed=ready.recipe.seed,
        stop=_stop(state, stage, rows),
        dtype=ready.recipe.dtype,
    )
    checkpoint = Checkpoint(state.folder.state / at.replace("[", "-").replace("]", ""))
    lines = log.read(state.folder.log)
    log.rewind(state.folder.log, at, checkpoint.step() + 1)
    if lines and checkpoint.step():
        state.progress.say(f"{at}: going on after step {checkpoint.step()} of {steps}")

    def report(line: dict[str, Any]) -> None:
        log.append(state.folder.log, {"stage": at, **line})
        values = "  ".join(f"{name} {value:.3f}" for name, value in line["terms"].items())
        state.progress.update(at, line["step"], line["steps"], values)
        for split, probability in line.get("levels", {}).items():
            event = {"event": "level", "stage": at, "step": line["step"], "split": split}
            level = plan.stop.level if plan.stop and split == plan.stop.split else None
            log.append(state.folder.log, {**event, "probability": probability, "level": level})

    done = train(
        model,
        plan,
        log=report,
        checkpoint=checkpoint,
        checkpoint_seconds=stage.checkpoint_seconds,
        keep_end=more_follow,
    )
    if more_follow and entry.facts["adapter"]:
        model = model.merge_and_unload()
    state.loaded = Loaded(model, state.loaded.tokenizer, state.loaded.place)
    return done


def _levels(state: Unlearning, stage: recipes.Train) -> dict[float | str, float]:
    """Each `down_to` and stop level of the stage as a probability, under the model as it is now."""
    asked = [(t.down_to, t.split) for t in stage.terms if t.down_to is not None]
    if stage.stop:
        asked.append((stage.stop.level, stage.stop.split))
    found: dict[float | str, float] = {}
    for level, split in asked:
        if level in state.levels or level in found:
            continue
        if isinstance(level, float | int):
            found[level] = float(level)
        elif level == "gold":
            assert state.gold is not None  # `pipeline` has refused the recipe otherwise
            model = load(state.gold, state.ready.options).model
            found[level] = mean_probability(model, _rows(state, split))
        else:
            found[level] = mean_probability(state.loaded.model, _rows(state, level))
            state.progress.say(
                f"level: the answers of '{level}' have probability {found[level]:.3f}"
            )
    return found


def _rows(state: Unlearning, split: str) -> list[Encoding]:
    renderer: Renderer = state.ready.renderer
    return encode_all(renderer, state.splits[split])


def _stop(
    state: Unlearning, stage: recipes.Train, rows: Mapping[str, list[Encoding]]
) -> Stop | None:
    if stage.stop is None:
        return None
    kept, floor = None, 0.0
    if stage.stop.keep and "retain" in rows:
        if "retain before" not in state.levels:
            state.levels["retain before"] = mean_probability(state.loaded.model, rows["retain"])
        kept, floor = "retain", stage.stop.keep * state.levels["retain before"]
    return Stop(stage.stop.split, state.levels[stage.stop.level], stage.stop.every, kept, floor)
