"""The stages of a method, applied to the original model."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from peft import PeftModel

from unteach import recipe as recipes
from unteach import registry
from unteach.data.examples import Example
from unteach.data.render import Encoding, encode_all
from unteach.errors import DataError, DivergedError, ModelError, RecipeError
from unteach.model import adapters
from unteach.model.deliver import write
from unteach.model.load import Loaded, ModelPlace, load, locate
from unteach.model.probe import Probe, Selected, no_adapter
from unteach.model.reference import (
    AdapterOff,
    Reference,
    SecondCopy,
    choose,
    mean_probability,
)
from unteach.run import references
from unteach.run.folder import RunFolder
from unteach.run.prepare import Prepared
from unteach.run.progress import Progress
from unteach.run.tracking import Tracked
from unteach.train import log
from unteach.train.checkpoint import Checkpoint
from unteach.train.look import Stop
from unteach.train.loop import Plan, train
from unteach.train.term import Term, from_recipe, others_read, told_apart

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

ORIGINAL = "original"


@dataclass
class Unlearning:
    """What the stages of one run work on and hand on."""

    ready: Prepared
    folder: RunFolder
    progress: Progress
    loaded: Loaded
    original: ModelPlace
    gold: ModelPlace | None
    splits: dict[str, list[Example]]
    levels: dict[float | str, float] = field(default_factory=dict)
    round: int = 0  # of a repeat, from 1
    tracked: Tracked = field(default_factory=Tracked)

    @property
    def data(self) -> Path:
        """The folder of the rows that are made at this point."""
        return self.folder.data / f"round-{self.round}" if self.round else self.folder.data

    def kept_adapter(self, name: str) -> Path:
        """Where the adapter that a stage of this round trained into a name is kept."""
        return self.folder.adapters / (f"round-{self.round}" if self.round else "") / name

    def kept_model(self, name: str) -> Path:
        """Where the whole model that a stage of this round trained into a name is, while it is needed."""
        return self.folder.state / f"into-{name}{f'-{self.round}' if self.round else ''}"

    def side(self, name: str) -> ModelPlace:
        """Where the model that an earlier stage trained into this name is, or the original.

        Raises:
            RecipeError: no earlier stage trained a model of that name.
        """
        if name == ORIGINAL:
            return self.original
        for state in (self, replace(self, round=0)):  # of this round, or from before the rounds
            if state.kept_model(name).is_dir():
                return locate(str(state.kept_model(name)), self.ready.options)
        raise RecipeError(
            f"no stage before this one trains a model into '{name}'. Add a stage "
            f"train: {{into: {name}, ...}} before it."
        )

    def adapter(self, name: str) -> Mapping[str, adapters.Factors]:
        """The adapter that an earlier stage trained into this name.

        Raises:
            ModelError: none did, or not as an adapter.
        """
        for state in (self, replace(self, round=0)):
            if state.kept_adapter(name).is_dir():
                return adapters.read(state.kept_adapter(name))
        return no_adapter(name)

    def rows(self, split: str) -> list[Encoding]:
        """A split as token ids."""
        return encode_all(self.ready.renderer, self.splits[split])

    def probe(self) -> Probe:
        """The model as it is now, to be looked at."""
        return Probe(
            model=self.loaded.model,
            splits=self.splits,
            renderer=self.ready.renderer,
            generator=torch.Generator().manual_seed(self.ready.recipe.seed),
            weights=lambda name: _weights(load(self.side(name), self.ready.options).model),
            adapter=self.adapter,
        )

    def hold(self, model: PreTrainedModel) -> None:
        """Go on with this model."""
        self.loaded = replace(self.loaded, model=model)


def edit_stage(state: Unlearning, choice: recipes.Choice, at: str) -> dict[str, float]:
    """Change the weights as the edit says; returns the numbers that it found, if any."""
    entry = registry.find("edit", choice.name)
    params = registry.check("edit", choice.name, choice.params, at)
    with torch.random.fork_rng():
        torch.manual_seed(state.ready.recipe.seed)
        found = entry.load()(state.probe(), **params)
    if not all(p.isfinite().all() for p in state.loaded.model.parameters()):
        raise DivergedError(f"{at}: {choice} left weights that are not finite numbers.")
    state.progress.say(f"{at}: {choice}")
    if found:
        values = "  ".join(f"{name} {value:.3g}" for name, value in found.items())
        state.progress.say(f"{at}: {values}")
    return dict(found or {})


def train_stage(state: Unlearning, stage: recipes.Train, at: str, more_follow: bool) -> int:
    """Train as the stage says; returns the number of steps done."""
    if stage.into is None:
        return _train(state, stage, at, more_follow)
    folder, adapter = state.kept_model(stage.into), state.kept_adapter(stage.into)
    if folder.is_dir() or adapter.is_dir():  # trained before this run was interrupted
        return 0
    beside = replace(state, loaded=replace(state.loaded, model=deepcopy(state.loaded.model)))
    done = _train(beside, stage, at, more_follow=False)
    model = beside.loaded.model
    is_read = {
        name
        for _, s in recipes.stages(state.ready.recipe.method)
        for _, name in recipes.models_read(s)
    }
    if not isinstance(model, PeftModel):
        write(model, beside.loaded.tokenizer, folder)
    else:
        if stage.into in is_read:  # a later stage reads the model below it too, as it is now
            write(deepcopy(model).merge_and_unload(), beside.loaded.tokenizer, folder)
        write_adapter(state, model, adapter)
    _checkpoint(state, at).clear()
    return done


def write_adapter(state: Unlearning, model: PeftModel, folder: Path) -> None:
    """An adapter alone. It names its base only where that is the hub model this run began with."""
    repository, _, commit = state.original.hub.partition("@")
    config = model.peft_config[model.active_adapter]
    config.base_model_name_or_path = repository  # None would be the path it was loaded from
    config.revision = commit or None
    write(model, state.loaded.tokenizer, folder)


def _train(state: Unlearning, stage: recipes.Train, at: str, more_follow: bool) -> int:
    entry = registry.find("selection", stage.select.name)
    state.levels |= _levels(state, stage)
    terms = told_apart([from_recipe(term, state.levels) for term in stage.terms])
    names = {t.split for t in terms} | {s for t in terms for s in t.pairs.values()}
    names |= {stage.stop.split, "retain"} if stage.stop else set()
    rows = {n: state.rows(n) for n in sorted(names) if n in state.splits}
    _require_partners(terms, rows, at)
    stop = _stop(state, stage, rows)
    selected = _select(state, stage, at)
    model = selected.model
    chosen = registry.check("optimizer", stage.optimizer.name, stage.optimizer.params, at)
    ruled = registry.check("rule", stage.rule.name, stage.rule.params, at)
    first = len(rows[terms[0].split])
    per_epoch = first / min(stage.batch, first)
    plan = Plan(
        terms=terms,
        rows=rows,
        steps=stage.steps or max(1, round((stage.epochs or 0) * per_epoch)),
        batch=stage.batch,
        micro_batch=stage.micro_batch or stage.batch,
        optimizer=partial(registry.find("optimizer", stage.optimizer.name).load(), **chosen),
        rule=registry.find("rule", stage.rule.name).load()(**ruled),
        others=_others(state, terms, rows, model, has_adapter=bool(entry.facts["adapter"])),
        masks=selected.masks,
        penalty=selected.penalty,
        schedule=stage.schedule,
        warmup=stage.warmup,
        max_grad_norm=stage.max_grad_norm,
        seed=state.ready.recipe.seed,
        stop=stop,
        dtype=state.ready.recipe.dtype,
    )
    checkpoint = _checkpoint(state, at)
    lines = log.read(state.folder.log)
    log.rewind(state.folder.log, at, checkpoint.step() + 1)
    state.tracked.begin(log.read(state.folder.log))
    if lines and checkpoint.step():
        state.progress.say(f"{at}: going on after step {checkpoint.step()} of {plan.steps}")
        if changed := checkpoint.changed(model.device):
            state.progress.say(
                f"warning: {at}: {'; '.join(changed)}. Sums are rounded otherwise from here on, so the "
                "weights will not be the very bits of a run that nobody stopped."
            )

    def report(line: dict[str, Any]) -> None:
        log.append(state.folder.log, {"stage": at, **line})
        state.tracked.step(at, line)
        values = "  ".join(f"{name} {value:.3f}" for name, value in line["terms"].items())
        state.progress.update(at, line["step"], line["steps"], values)
        for split, probability in line.get("levels", {}).items():
            event = {"event": "level", "stage": at, "step": line["step"], "split": split}
            level = plan.stop.level if plan.stop and split == plan.stop.split else None
            log.append(state.folder.log, {**event, "probability": probability, "level": level})

    try:
        done = train(
            model,
            plan,
            log=report,
            checkpoint=checkpoint,
            checkpoint_seconds=stage.checkpoint_seconds,
            keep_end=more_follow and stage.into is None,
        )
    except DivergedError as error:
        raise DivergedError(f"{at}: {error}") from None
    except RecipeError as error:
        raise RecipeError([f"{at}: {problem}" for problem in error.problems]) from None
    # where the selection changes the model below it too, an adapter alone says nothing
    if isinstance(model, PeftModel) and (more_follow or not entry.facts["adapter"]):
        model = model.merge_and_unload()
    state.hold(model)
    return done


def _select(state: Unlearning, stage: recipes.Train, at: str) -> Selected:
    entry = registry.find("selection", stage.select.name)
    params = registry.check("selection", stage.select.name, stage.select.params, at)
    with torch.random.fork_rng():  # an adapter starts from random weights
        torch.manual_seed(state.ready.recipe.seed)
        return entry.load()(state.probe(), **params)


def _others(
    state: Unlearning,
    terms: list[Term],
    rows: Mapping[str, list[Encoding]],
    model: PreTrainedModel,
    has_adapter: bool,
) -> dict[str, Reference]:
    """Every other model that the terms read, in the cheapest form."""
    others: dict[str, Reference] = {}
    for name, by_split in others_read(terms).items():
        if name == "ref":
            others[name] = choose(
                by_split,
                model,
                rows,
                lambda: AdapterOff(model) if has_adapter else SecondCopy(_frozen(model)),
            )
        else:
            side = load(state.side(name), state.ready.options).model.requires_grad_(False)
            others[name] = choose(by_split, side, rows, partial(SecondCopy, side))
    return others


def _frozen(model: PreTrainedModel) -> PreTrainedModel:
    return deepcopy(model).requires_grad_(False)


def _weights(model: PreTrainedModel) -> dict[str, Tensor]:
    return {name: p.detach() for name, p in model.named_parameters()}


def _checkpoint(state: Unlearning, at: str) -> Checkpoint:
    return Checkpoint(state.folder.state / at.replace("[", "-").replace("]", ""))


def _require_partners(terms: list[Term], rows: Mapping[str, list[Encoding]], at: str) -> None:
    for term in terms:
        for pair, split in term.pairs.items():
            mine, theirs = len(rows[term.split]), len(rows[split])
            if theirs == 0 or theirs % mine:
                raise DataError(
                    f"{at}: {term.name} compares each of {mine} rows of '{term.split}' with its {pair} "
                    f"row, and '{split}' has {theirs}. It needs as many, or a multiple."
                )


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
            if references.folder_of(state.gold):
                raise ModelError(
                    f"gold {state.gold.path}: a level 'gold' needs the model itself, and this is an audit "
                    "of it. Name the model's folder as gold:."
                )
            model = load(state.gold, state.ready.options).model
            found[level] = mean_probability(model, state.rows(split))
        else:
            found[level] = mean_probability(state.loaded.model, state.rows(level))
            state.progress.say(
                f"level: the answers of '{level}' have probability {found[level]:.3f}"
            )
    return found


def _stop(
    state: Unlearning, stage: recipes.Train, rows: Mapping[str, list[Encoding]]
) -> Stop | None:
    asked = stage.stop
    if asked is None:
        return None
    stop = Stop(asked.split, state.levels[asked.level], asked.every)
    if "retain" not in rows or not (asked.keep or asked.drop or asked.best):
        return replace(stop, best=asked.best)
    if "retain before" not in state.levels:
        state.levels["retain before"] = mean_probability(state.loaded.model, rows["retain"])
    start = state.levels["retain before"]
    return replace(
        stop,
        kept="retain",
        floor=asked.keep * start,
        least=0.0 if asked.drop is None else (1 - asked.drop) * start,
        start=start,
        best=asked.best,
    )
