"""The training loop: the only place that reduces a loss, accumulates and steps."""

from __future__ import annotations

import math
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import psutil
import torch
from accelerate import PartialState
from torch import Tensor

from unteach.data.batches import rows_of_step
from unteach.data.render import Encoding
from unteach.errors import DivergedError, RecipeError
from unteach.method.objectives.likelihood import nll
from unteach.method.rules.step import Rule, Step
from unteach.model.blocks import spread
from unteach.model.fingerprint import of_parameters
from unteach.model.reference import Reference
from unteach.train.backward import Passes
from unteach.train.checkpoint import Checkpoint
from unteach.train.look import Look, Stop
from unteach.train.optim import schedule_factor
from unteach.train.term import Term

if TYPE_CHECKING:
    from transformers import PreTrainedModel

Log = Callable[[dict[str, Any]], None]


@dataclass(frozen=True)
class Plan:
    """Everything that decides a training stage but the weights it starts from."""

    terms: Sequence[Term]
    rows: Mapping[str, Sequence[Encoding]]
    steps: int
    batch: int
    micro_batch: int
    optimizer: Callable[[Sequence[Tensor]], torch.optim.Optimizer]
    rule: Rule
    others: Mapping[str, Reference] = field(default_factory=dict)
    masks: Mapping[str, Tensor] = field(default_factory=dict)
    penalty: Callable[[], Tensor] | None = None
    schedule: str = "constant"
    warmup: float = 0.0
    max_grad_norm: float | None = 1.0
    seed: int = 0
    pad: int = 0
    stop: Stop | None = None
    dtype: str = "float32"
    without: Mapping[str, frozenset[int]] = field(default_factory=dict)

    def window(self, step: int) -> dict[str, list[int]]:
        """Row numbers of each split that meet in a step, in an order that `without` leaves as it is."""
        splits = dict.fromkeys(term.split for term in self.terms)
        drawn = {
            s: rows_of_step(
                len(self.rows[s]), min(self.batch, len(self.rows[s])), step, self.seed + i
            )
            for i, s in enumerate(splits)
        }
        return {
            s: [i for i in rows if i not in self.without.get(s, ())] for s, rows in drawn.items()
        }


def train(
    model: PreTrainedModel,
    plan: Plan,
    *,
    log: Log = lambda line: None,
    checkpoint: Checkpoint | None = None,
    checkpoint_seconds: float = 120,
    keep_end: bool = False,
) -> int:
    """Train in place; returns the number of steps done. Resumes from `checkpoint` if it holds one.

    With `keep_end` the finished state is checkpointed too: another stage follows in the same run.

    Raises:
        DivergedError: a loss or a gradient is not a finite number.
        RecipeError: a term can change no trained weight, or at the end no weight has changed.
        KeyboardInterrupt: Ctrl-C, passed on once the step under way is done and saved.
    """
    processes = PartialState(cpu=model.device.type == "cpu")
    named = [(n, p) for n, p in model.named_parameters() if p.requires_grad]
    parameters = [p for _, p in named]
    masks = [plan.masks.get(name) for name, _ in named]
    with _must_move(named), _in_float32(parameters):
        optimizer = plan.optimizer(parameters)
        base_rates = [group["lr"] for group in optimizer.param_groups]
        pass_rows = len(plan.rows[plan.terms[0].split])
        memory: dict[str, Tensor] = {}
        look = Look(model, plan.rows, plan.stop, plan.dtype, parameters) if plan.stop else None
        resumed = checkpoint.load(model, optimizer) if checkpoint else None
        step, elapsed = (resumed.step, resumed.notes["seconds"]) if resumed else (0, 0.0)
        if resumed and resumed.notes.get("stopped"):
            model.eval()
            return step
        if resumed:
            memory |= resumed.tensors("rule")
            if look:
                look.restore(resumed.tensors("best"))
        began = saved = time.perf_counter()
        model.train()

        def save(**notes: Any) -> None:
            if checkpoint and processes.is_main_process:
                seconds = elapsed + time.perf_counter() - began
                kept = {"rule": memory, "best": look.state() if look else {}}
                checkpoint.save(step, model, optimizer, {"seconds": seconds, **notes}, kept)

        with torch.random.fork_rng(), _interrupt_between_steps() as interrupted:
            while step < plan.steps:
                seed = plan.seed * 1_000_003 + step
                torch.manual_seed(seed)  # dropout, the same when resumed
                started = time.perf_counter()
                window = plan.window(step)
                if not any(window.values()):  # all of this step's rows are left out
                    step += 1
                    continue
                factor = schedule_factor(plan.schedule, plan.warmup, step, plan.steps)
                for group, rate in zip(optimizer.param_groups, base_rates, strict=True):
                    group["lr"] = rate * factor
                optimizer.zero_grad(set_to_none=True)
                passes = Passes(
                    model=model,
                    rows=plan.rows,
                    window=window,
                    others=plan.others,
                    parameters=parameters,
                    masks=masks,
                    processes=processes,
                    step=step,
                    micro_batch=plan.micro_batch,
                    pad=plan.pad,
                    dtype=plan.dtype,
                )
                now_at = Step(
                    number=step,
                    total=plan.steps,
                    terms=plan.terms,
                    model=model,
                    parameters=parameters,
                    generator=torch.Generator().manual_seed(seed),
                    memory=memory,
                    notes={},
                    backward=passes.backward,
                    values=passes.values,
                    row_values=passes.row_values,
                    rows={split: len(drawn) for split, drawn in window.items()},
                    taught=_taught,
                )
                losses = plan.rule(now_at)
                if plan.penalty:  # the same on every process, so it is not summed over them
                    penalty = plan.penalty()
                    penalty.backward()
                    now_at.notes["penalty"] = penalty.item()
                passes.narrow()
                norm = _clip(parameters, plan.max_grad_norm)
                _require_finite(step + 1, plan.terms, losses, norm)
                with _held(parameters, masks):
                    optimizer.step()
                now = time.perf_counter()
                step += 1
                tokens = sum(len(plan.rows[s][i].ids) for s, rows in window.items() for i in rows)
                line: dict[str, Any] = {
                    "step": step,
                    "steps": plan.steps,
                    "epoch": round(step * min(plan.batch / pass_rows, 1), 4),
                    "seconds": round(elapsed + now - began, 3),
                    "loss": sum(t.coefficient * v for t, v in zip(plan.terms, losses, strict=True)),
                    "terms": {t.name: v for t, v in zip(plan.terms, losses, strict=True)},
                    "coefficients": {t.name: t.coefficient for t in plan.terms},
                    "lr": base_rates[0] * factor,
                    "grad_norm": norm,
                    **now_at.notes,
                    "tokens_per_second": round(tokens / (now - started), 1),
                    "memory_bytes": _memory(model),
                }
                done = False
                if look and (step % look.stop.every == 0 or step == plan.steps):
                    done, line["levels"] = look()
                log(line)
                if interrupted():
                    save(stopped=done)
                    raise KeyboardInterrupt
                if done:
                    break
                if step < plan.steps and time.perf_counter() - saved >= checkpoint_seconds:
                    save()
                    saved = time.perf_counter()
        optimizer.zero_grad(set_to_none=True)
        if look:
            look.put_back_best()
        model.eval()
        if keep_end:
            save(stopped=True)
        return step


def _require_finite(step: int, terms: Sequence[Term], losses: Sequence[float], norm: float) -> None:
    bad = [t.name for t, loss in zip(terms, losses, strict=True) if not math.isfinite(loss)]
    if bad or not math.isfinite(norm):
        what = f"the loss of {' and '.join(bad)}" if bad else "the gradient"
        raise DivergedError(
            f"{what} is not a finite number at step {step}. Lower the learning rate, stop earlier, or "
            "use an objective that is bounded."
        )


@contextmanager
def _held(parameters: Sequence[Tensor], masks: Sequence[Tensor | None]) -> Iterator[None]:
    """Put masked weights back bit for bit: decay and momentum move what has no gradient too."""
    before = [
        None if m is None else p.detach().clone() for p, m in zip(parameters, masks, strict=True)
    ]
    yield
    with torch.no_grad():
        for p, mask, held in zip(parameters, masks, before, strict=True):
            if mask is not None and held is not None:
                p.copy_(torch.where(mask, p, held))


def _taught(split: str) -> Term:
    """The term of somebody who teaches the split's true answers again."""
    return Term(f"{split}.nll", split, nll, "token")


@contextmanager
def _interrupt_between_steps() -> Iterator[Callable[[], bool]]:
    """Hold Ctrl-C back until the step is done: half a step is not a state that can be resumed.

    So too any other signal that means the same, as SIGTERM to the command line.
    """
    asked: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    stops = [
        number
        for number in (signal.SIGINT, signal.SIGTERM)
        if signal.getsignal(number) is signal.default_int_handler
    ]
    for number in stops:
        signal.signal(number, lambda number, frame: asked.append(number))
    try:
        yield lambda: bool(asked)
    finally:
        for number in stops:
            signal.signal(number, signal.default_int_handler)


@contextmanager
def _must_move(named: Sequence[tuple[str, Tensor]]) -> Iterator[None]:
    """Refuse to call a model trained whose weights are, bit for bit, what they were."""
    before = of_parameters(named)
    yield
    if of_parameters(named) == before:
        raise RecipeError(
            f"training moved none of {len(named)} parameters ({spread([n for n, _ in named])}): either no "
            "row asked for a change, or each was too small for the model's dtype. Look at grad_norm in "
            "the log; if it is above 0, raise the learning rate."
        )


@contextmanager
def _in_float32(parameters: Sequence[Tensor]) -> Iterator[None]:
    """Hold what is trained in float32: to most weights bfloat16 cannot add a step of 1e-5."""
    before = [p.dtype for p in parameters]
    for p in parameters:
        p.data = p.data.float()
    try:
        yield
    finally:
        for p, dtype in zip(parameters, before, strict=True):
            p.data = p.data.to(dtype)


def _clip(parameters: Sequence[Tensor], limit: float | None) -> float:
    norm = torch.nn.utils.clip_grad_norm_(parameters, float("inf") if limit is None else limit)
    return float(norm)


def _memory(model: PreTrainedModel) -> int:
    """Bytes in use: of the GPU if the model is there, else of this process."""
    if model.device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(model.device))
    return int(psutil.Process().memory_info().rss)
