"""Make a model that knows, and the gold model that was taught all but the forget split."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from unteach.data.examples import digest
from unteach.data.render import encode_all
from unteach.errors import RecipeError
from unteach.method.objectives.likelihood import nll
from unteach.method.rules.sum import weighted_sum
from unteach.model import cache, fingerprint
from unteach.model.deliver import as_stored, deliver
from unteach.model.load import ModelPlace, load, locate, save
from unteach.run import references
from unteach.run.prepare import Prepared, require_same_tokens
from unteach.run.progress import Progress
from unteach.train.checkpoint import Checkpoint
from unteach.train.loop import Plan, train
from unteach.train.optim import adamw
from unteach.train.term import Term

VERSION = 2
CHECKPOINT_SECONDS = 120
"""Between two states of a teaching, from which the same command goes on after a stop."""


def original(ready: Prepared, progress: Progress) -> tuple[ModelPlace, bool]:
    """The model to unlearn from, and whether it was there already: taught, or the base itself."""
    if ready.recipe.teach is None:
        return ready.base, True
    return _taught(ready, progress, without_forget=False)


def gold(ready: Prepared, progress: Progress) -> tuple[ModelPlace | None, bool]:
    """The model that never saw the forget split, if the recipe has one or teaches one."""
    if ready.recipe.gold is not None:
        kept = references.locate(
            ready.recipe.gold, ready.splits, ready.renderer.key, ready.recipe.dtype
        )
        if kept is not None:
            return kept, True
        found = locate(ready.recipe.gold, ready.options)
        require_same_tokens(ready, found, "gold")
        return found, True
    if ready.recipe.teach is None:
        return None, True
    return _taught(ready, progress, without_forget=True)


def write(place: ModelPlace, folder: Path, ready: Prepared) -> None:
    """A copy of a taught model as a plain folder, which replaces what is there once it is whole."""
    deliver(load(place, ready.options), place.name, folder, ready.options)


def _taught(ready: Prepared, progress: Progress, without_forget: bool) -> tuple[ModelPlace, bool]:
    recipe, teach = ready.recipe, ready.recipe.teach
    assert teach is not None
    taught = {name: ready.splits[name] for name in ("forget", "retain", *teach.also)}
    forget = [row for n, rows in taught.items() if n.startswith("forget") for row in rows]
    retain = [row for n, rows in taught.items() if not n.startswith("forget") for row in rows]
    name = "gold" if without_forget else "original"
    key = fingerprint.key_of(
        VERSION,
        ready.base.key,
        ready.renderer.key,
        teach.model_dump(exclude={"also"}),  # their rows are among those that are hashed
        recipe.seed,
        recipe.dtype,
        digest(forget),
        digest(retain),
        name,
    )

    kept = Checkpoint(cache.root() / "models" / f"{key}.teaching")

    def make(folder: Path) -> None:
        what = "everything but the forget split" if without_forget else "everything"
        progress.say(f"Teaching the {name} model {what} (kept for later runs)")
        loaded = load(ready.base, ready.options)
        rows = encode_all(ready.renderer, [*forget, *retain])
        plan = Plan(
            terms=[Term("taught.nll", "taught", nll, "token")],
            rows={"taught": rows},
            steps=-(-teach.epochs * len(rows) // min(teach.batch, len(rows))),
            batch=teach.batch,
            micro_batch=teach.batch,
            optimizer=partial(adamw, lr=teach.lr),
            rule=weighted_sum(),
            schedule="constant",
            warmup=0.05,
            seed=recipe.seed,
            dtype=recipe.dtype,
            # the same seed and order as the original's: only the forget rows are left out
            without={"taught": frozenset(range(len(forget)))} if without_forget else {},
        )
        loaded.model.requires_grad_(True)
        if done := kept.step():
            progress.say(f"Going on after step {done} of {plan.steps}")
        train(
            loaded.model,
            plan,
            log=_reporter(progress, f"teach {name}"),
            checkpoint=kept,
            checkpoint_seconds=CHECKPOINT_SECONDS,
        )
        as_stored(loaded)
        save(loaded.model, loaded.tokenizer, folder)
        about = {
            "teach": teach.model_dump(),
            "base": ready.base.key,
            "rows": len(rows),
            "what": name,
        }
        (folder / "teach.json").write_text(json.dumps(about, indent=2) + "\n")

    folder, was_there = cache.folder("models", key, make)
    kept.clear()
    return replace(locate(str(folder), ready.options), name=name), was_there


def _reporter(progress: Progress, what: str) -> Callable[[dict[str, object]], None]:
    def report(line: dict[str, object]) -> None:
        detail = f"loss {line['loss']:.3f}  {line['tokens_per_second']:.0f} tokens/s"
        progress.update(what, int(str(line["step"])), int(str(line["steps"])), detail)

    return report


def require_teach(ready: Prepared) -> None:
    """`unteach teach` without a `teach:` in the recipe is a mistake worth a sentence.

    Raises:
        RecipeError: the recipe does not teach.
    """
    if ready.recipe.teach is None:
        raise RecipeError(
            "the recipe has no 'teach:', so there is nothing to teach. Add teach: {epochs: 8}."
        )
