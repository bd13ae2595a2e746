"""Tasks of the lm-eval package on a model in memory.

The package is optional and imported when it is asked for. A task whose data cannot be had, because
the hub does not answer, is unavailable with its reason. A folder named by `UNTEACH_TASKS` adds tasks
of one's own, whose rows may be local files.
"""

from __future__ import annotations

import contextlib
import copy
import difflib
import importlib.metadata
import importlib.util
import io
import logging
import math
import os
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from unteach.audit.judges import Unavailable
from unteach.model.fingerprint import key_of, of_file
from unteach.model.load import Loaded

FOLDER = "UNTEACH_TASKS"
RESAMPLES = 200
"""Bootstrap resamples for the standard error of a metric that is not a mean."""


@dataclass(frozen=True)
class HarnessResult:
    """The first metric that a task lists: its value over `n` questions, and the standard error.

    `stderr` is NaN where the task has none. `per_example` is empty where the metric is not one
    number a question.
    """

    metric: str
    value: float
    stderr: float
    n: int
    per_example: tuple[float, ...] = ()


def evaluate(
    loaded: Loaded,
    task: str,
    *,
    limit: int = 200,
    shots: int = 0,
    batch_size: int = 16,
    seed: int = 0,
    folder: Path | None = None,
) -> HarnessResult | Unavailable:
    """The result of a task or a group of tasks on this model, without a chat template.

    `limit` is the number of questions in all: the first ones of the task, or as many of each part
    of a group, rounded up. `shots` questions with answers are shown before each, drawn by `seed`.
    `folder` holds further tasks, by default the one in `UNTEACH_TASKS`.
    """
    parts = _load(task, shots, folder)
    if isinstance(parts, Unavailable):
        return parts
    from lm_eval import evaluate as run
    from lm_eval.models.huggingface import HFLM

    for part in parts["tasks"].values():
        part.set_config(key="num_fewshot", value=shots)
        part.set_fewshot_seed(seed=seed)
    with _quiet(), _seeded(seed):
        # it may give the tokenizer a padding token, which would change what our keys stand for
        tokenizer = copy.deepcopy(loaded.tokenizer)
        found = run(
            HFLM(pretrained=loaded.model, tokenizer=tokenizer, batch_size=batch_size),
            parts,
            limit=math.ceil(limit / len(parts["tasks"])),
            bootstrap_iters=RESAMPLES,
            log_samples=True,
        )
    return _first_metric(found, task)


@cache
def missing(task: str, shots: int = 0, folder: Path | None = None) -> str | None:
    """Why `evaluate` cannot give this task, or None if it can; no model is needed.

    It fetches the task's data, if they are not here yet.
    """
    found = _load(task, shots, folder)
    return found.reason if isinstance(found, Unavailable) else None


def version(folder: Path | None = None) -> str:
    """Content key of the package's version and of the files in the folder of one's own tasks.

    What `evaluate` gives may change with it, so it belongs into the key of a kept result.
    """
    own = _own(folder)
    files = sorted(path for path in own.rglob("*") if path.is_file()) if own else []
    package = importlib.metadata.version("lm_eval") if _installed() else ""
    return key_of(package, [(path.name, of_file(path)) for path in files])


def _load(task: str, shots: int, folder: Path | None) -> dict[str, Any] | Unavailable:
    """lm-eval's own form of a task: `tasks` are its parts by name."""
    if not _installed():
        return Unavailable(
            "the package 'lm-eval' is not installed: pip install \"unteach[lm-eval]\""
        )
    import datasets

    own = _own(folder)
    if own and not own.is_dir():
        return Unavailable(f"{FOLDER} is '{own}', and there is no such folder of tasks")
    with _quiet(), _seeded(0):  # some parts of a task are named at random
        manager = _manager(own, task)
        if task not in manager.all_tasks:
            close = difflib.get_close_matches(task, manager.all_tasks, n=1)
            hint = f"; did you mean '{close[0]}'?" if close else ""
            return Unavailable(f"lm-eval has no task '{task}'{hint}")
        if task in manager.all_tags:
            return Unavailable(f"'{task}' is a list of tasks without a common score: name one")
        try:
            parts = manager.load([task])
        # what lm-eval and datasets raise when data, or a package that a task needs, are not here
        except (OSError, ValueError, KeyError, ImportError, datasets.exceptions.DatasetsError) as e:
            said = " ".join(str(e).split()).rstrip(".")
            return Unavailable(f"the task '{task}' could not be loaded (offline?): {said}")
    fixed = [p for p in parts["tasks"].values() if shots and p.get_config("num_fewshot") == 0]
    if fixed:  # lm-eval would go on without them
        return Unavailable(f"the task '{task}' is defined without examples shown: ask for 0 shots")
    return parts


def _installed() -> bool:
    return importlib.util.find_spec("lm_eval") is not None


def _own(folder: Path | None) -> Path | None:
    given = os.environ.get(FOLDER)
    return folder or (Path(given).expanduser() if given else None)


def _manager(own: Path | None, task: str) -> Any:
    """The index that knows the task; that of the package's own tasks takes seconds to make."""
    if own:
        manager = _index(own, False)
        if task in manager.all_subtasks:
            return manager
    return _index(own, True)


@cache
def _index(own: Path | None, with_defaults: bool) -> Any:
    from lm_eval.tasks import TaskManager

    return TaskManager(include_path=str(own) if own else None, include_defaults=with_defaults)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep its progress bars and advice, which it writes to stderr, out of our progress lines."""
    logger = logging.getLogger("lm_eval")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with contextlib.redirect_stderr(io.StringIO()):
            yield
    finally:
        logger.setLevel(level)


@contextlib.contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Global random numbers from `seed`, which tasks draw from, and afterwards as they were."""
    import torch

    state, numpy_state = random.getstate(), np.random.get_state()  # noqa: NPY002
    with torch.random.fork_rng():
        random.seed(seed)
        np.random.seed(seed)  # noqa: NPY002
        torch.manual_seed(seed)
        try:
            yield
        finally:
            random.setstate(state)
            np.random.set_state(numpy_state)  # noqa: NPY002


def _first_metric(found: Mapping[str, Any], task: str) -> HarnessResult | Unavailable:
    """`results` has `acc,none` and `acc_stderr,none`: a metric and the filter of the answers."""
    scores = found["results"].get(task, {})
    name = next((k for k in scores if "," in k and "_stderr," not in k), None)
    if name is None:
        return Unavailable(f"the task '{task}' has no score of its own: name one of its parts")
    metric, _, filtered = name.partition(",")
    stderr = scores.get(f"{metric}_stderr,{filtered}")
    rows = [
        row
        for part in found["samples"].values()
        for row in sorted(part, key=lambda row: row["doc_id"])
        if row["filter"] == filtered
    ]
    values = [row.get(metric) for row in rows]
    numbers = all(isinstance(value, int | float) for value in values)
    return HarnessResult(
        metric=metric,
        value=float(scores[name]),
        stderr=float(stderr) if isinstance(stderr, int | float) else math.nan,
        n=len(rows),
        per_example=tuple(float(value) for value in values) if numbers else (),
    )
