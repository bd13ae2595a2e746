"""A run's numbers to TensorBoard, Weights & Biases or MLflow, through accelerate's trackers.

Only numbers and names leave: the terms of each step, what the audits found, the recipe's settings. No
text of the data does.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final

from unteach.errors import MissingPackageError, OutputError
from unteach.recipe import Recipe
from unteach.run.folder import RunFolder, write_text
from unteach.train import log

if TYPE_CHECKING:
    from accelerate.tracking import GeneralTracker

PROJECT: Final = "unteach"
"""The project of W&B, and the experiment of MLflow; their own variables win over it."""
ALSO: Final = ("loss", "lr", "grad_norm", "tokens_per_second")
"""What is tracked of a step beside its terms."""


@dataclass
class Tracked:
    """Where a run's numbers go; nowhere by default. A step is one of all stages, counted from 1."""

    trackers: Sequence[GeneralTracker] = ()
    steps: int = 0

    def begin(self, lines: Sequence[Mapping[str, Any]]) -> None:
        """Go on after these lines of the log."""
        self.steps = sum("step" in line and "terms" in line for line in lines)

    def step(self, stage: str, line: Mapping[str, Any]) -> None:
        """The numbers of one training step."""
        self.steps += 1
        values = {f"term/{name}": value for name, value in line["terms"].items()}
        values |= {name: line[name] for name in ALSO}
        values |= {f"probability/{split}": p for split, p in line.get("levels", {}).items()}
        self._log({f"{stage}/{name}": value for name, value in values.items()})

    def findings(self, folder: RunFolder) -> None:
        """What the audits of a run found of each model."""
        found = json.loads(folder.findings.read_text("utf-8"))["findings"]
        self._log({_called(one): one["value"] for one in found if one["value"] is not None})

    def _log(self, values: Mapping[str, float]) -> None:
        named = {as_name(name): float(value) for name, value in values.items()}
        for tracker in self.trackers:
            tracker.log(named, step=self.steps)


def as_name(name: str) -> str:
    """A name that all three take: `method[2].train/loss` is `method.2.train/loss`."""
    return re.sub(r"[^\w./ -]", "_", re.sub(r"\[(\w+)\]", r".\1", name))


def _called(finding: Mapping[str, Any]) -> str:
    """`audit/forget/quantised_probability/bits=4/unlearned`."""
    params = finding["params"]
    told = [f"{name}={value}" for name, value in params.items() if name != "split"]
    split = params.get("split") or "all"
    return "/".join(("audit", split, finding["audit"], *told, finding["model"]))


def require_trackers(recipe: Recipe) -> None:
    """Refuse a recipe whose trackers are not installed.

    Raises:
        MissingPackageError: a package is missing; its message has the command that installs it.
    """
    for name in recipe.tracking:
        if find_spec(name) is None:
            raise MissingPackageError(name, f"tracking: [{name}]", "tracking")


@contextmanager
def tracked(recipe: Recipe, folder: RunFolder) -> Iterator[Tracked]:
    """Trackers of this run, closed at its end; a run that goes on goes on in the same ones.

    Raises:
        OutputError: a tracker cannot begin, as W&B without a key.
    """
    from accelerate import PartialState

    if not recipe.tracking or not PartialState().is_main_process:
        yield Tracked()
        return
    opened: list[GeneralTracker] = []
    try:
        for name in dict.fromkeys(recipe.tracking):
            tracker = _opened(name, recipe, folder)
            opened.append(tracker)
        track = Tracked(opened)
        track.begin(log.read(folder.log))
        yield track
    finally:
        for tracker in opened:
            tracker.finish()


def _opened(name: str, recipe: Recipe, folder: RunFolder) -> GeneralTracker:
    from accelerate import tracking

    known = _read(folder)
    is_new = name not in known
    title, at = folder.path.resolve().name, folder.path / "tracking"
    at.mkdir(parents=True, exist_ok=True)
    if name == "tensorboard":
        made: GeneralTracker = tracking.TensorBoardTracker("tensorboard", at)
    elif name == "wandb":
        made = tracking.WandBTracker(
            PROJECT,
            dir=str(at),
            name=title,
            id=known.setdefault(name, uuid.uuid4().hex),
            resume="allow",
        )
    else:
        made = tracking.MLflowTracker(PROJECT, run_id=known.get(name), run_name=title)
    try:
        made.start()
        if is_new:
            made.store_init_configuration(_settings(recipe))
    except _failures(name) as error:
        said = " ".join(str(error).split()).rstrip(".")
        raise OutputError(f"tracking: {name} could not begin: {said}.") from None
    known[name] = made.tracker.info.run_id if name == "mlflow" else known.get(name, "")
    write_text(at / "run.json", json.dumps(known) + "\n")
    return made


def _read(folder: RunFolder) -> dict[str, str]:
    """Tracker -> the id under which this run is known there."""
    path = folder.path / "tracking" / "run.json"
    return json.loads(path.read_text("utf-8")) if path.exists() else {}


def _failures(name: str) -> tuple[type[Exception], ...]:
    """What a tracker raises where it is the user's to put right."""
    if name == "wandb":
        import wandb

        return (wandb.Error, OSError)
    if name == "mlflow":
        from mlflow.exceptions import MlflowException

        return (MlflowException, OSError)
    return (OSError,)


def _settings(recipe: Recipe) -> dict[str, str | int | float | bool]:
    return {
        "model": recipe.model,
        "seed": recipe.seed,
        "recipe": recipe.digest(),
        "method": " + ".join(stage.verb for stage in recipe.method),
    }
