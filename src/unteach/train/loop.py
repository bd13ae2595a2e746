"""The training loop: the only place that reduces a loss, accumulates and steps.

Denominators are counted over the whole step before any forward pass, so a step does not depend on
how it is cut into micro-batches or shared between processes. Gradients are summed across processes
once per `backward`, by hand and not by a wrapper around the model: a rule that projects one term's
gradient on another's then sees the whole step's gradients.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import psutil
import torch
from accelerate import PartialState
from accelerate.utils import reduce
from torch import Tensor

from unteach.data.batches import collate, rows_of_step
from unteach.data.render import Encoding
from unteach.model.reference import Reference, mean_probability
from unteach.model.scores import score, with_reference
from unteach.train.checkpoint import Checkpoint
from unteach.train.optim import schedule_factor
from unteach.train.term import Term, total

if TYPE_CHECKING:
    from transformers import PreTrainedModel

Log = Callable[[dict[str, Any]], None]


@dataclass(frozen=True)
class Stop:
    """End early once `split` is at most `level` probable and `kept` at least `floor` probable."""

    split: str
    level: float
    every: int
    kept: str | None = None
    floor: float = 0.0


@dataclass(frozen=True)
class Plan:
    """Everything that decides a training stage but the weights it starts from."""

    terms: Sequence[Term]
    rows: Mapping[str, Sequence[Encoding]]
    steps: int
    batch: int
    micro_batch: int
    optimizer: Callable[[Sequence[Tensor]], torch.optim.Optimizer]
    rule: Callable[..., list[float]]
    reference: Reference | None = None
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
        KeyboardInterrupt: Ctrl-C, passed on once the step under way is done and saved.
    """
    processes = PartialState(cpu=model.device.type == "cpu")
    parameters = [p for p in model.parameters() if p.requires_grad]
    with _in_float32(parameters):
        optimizer = plan.optimizer(parameters)
        base_rates = [group["lr"] for group in optimizer.param_groups]
        pass_rows = len(plan.rows[plan.terms[0].split])
        resumed = checkpoint.load(model, optimizer) if checkpoint else None
        step, elapsed = (resumed["step"], resumed["seconds"]) if resumed else (0, 0.0)
        if resumed and resumed.get("stopped"):
            model.eval()
            return step
        began = saved = time.perf_counter()
        model.train()

        def save(**notes: Any) -> None:
            if checkpoint and processes.is_main_process:
                seconds = elapsed + time.perf_counter() - began
                checkpoint.save(step, model, optimizer, {"seconds": seconds, **notes})

        with torch.random.fork_rng(), _interrupt_between_steps() as interrupted:
            while step < plan.steps:
                torch.manual_seed(plan.seed * 1_000_003 + step)  # dropout, the same when resumed
                started = time.perf_counter()
                window = plan.window(step)
                if not any(window.values()):  # all of this step's rows are left out
                    step += 1
                    continue
                factor = schedule_factor(plan.schedule, plan.warmup, step, plan.steps)
                for group, rate in zip(optimizer.param_groups, base_rates, strict=True):
                    group["lr"] = rate * factor
                optimizer.zero_grad(set_to_none=True)
                backward = _backward(model, plan, window, processes, parameters)
                losses = plan.rule(plan.terms, parameters, backward)
                norm = _clip(parameters, plan.max_grad_norm)
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
                    "lr": base_rates[0] * factor,
                    "grad_norm": norm,
                    "tokens_per_second": round(tokens / (now - started), 1),
                    "memory_bytes": _memory(model),
                }
                done = False
                if plan.stop and (step % plan.stop.every == 0 or step == plan.steps):
                    done, line["levels"] = _reached(model, plan, plan.stop)
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
        model.eval()
        if keep_end:
            save(stopped=True)
        return step


@contextmanager
def _interrupt_between_steps() -> Iterator[Callable[[], bool]]:
    """Hold Ctrl-C back until the step is done: half a step is not a state that can be resumed."""
    asked: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    before = signal.signal(signal.SIGINT, lambda number, frame: asked.append(number))
    try:
        yield lambda: bool(asked)
    finally:
        signal.signal(signal.SIGINT, before)


def _backward(
    model: PreTrainedModel,
    plan: Plan,
    window: Mapping[str, Sequence[int]],
    processes: PartialState,
    parameters: Sequence[Tensor],
) -> Callable[..., list[float]]:
    """`backward(*terms)`: add the terms' gradients to `.grad`, and return their values.

    Each split's rows pass through the model once for all of its terms, `micro_batch` rows at a
    time, and each pass is freed before the next.
    """
    counts = {
        (split, unit): sum(plan.rows[split][i].num_scored for i in rows)
        if unit == "token"
        else len(rows)
        for split, rows in window.items()
        for unit in ("token", "sequence")
    }
    rank, world = processes.process_index, processes.num_processes

    def backward(*terms: Term) -> list[float]:
        values = torch.zeros(len(terms), device=model.device)
        # gradients of earlier calls in this step are whole already; only this call's are summed
        before = [p.grad for p in parameters] if world > 1 else []
        for p in parameters if world > 1 else ():
            p.grad = None
        for split in dict.fromkeys(t.split for t in terms):
            mine = [(k, t) for k, t in enumerate(terms) if t.split == split]
            needs = frozenset(n for _, t in mine for n in t.needs)
            rows = sorted(window[split][rank::world], key=lambda i: len(plan.rows[split][i].ids))
            for at in range(0, len(rows), plan.micro_batch):
                part = rows[at : at + plan.micro_batch]
                batch = collate(
                    [plan.rows[split][i] for i in part], part, pad=plan.pad, device=model.device
                )
                with _autocast(model, plan.dtype):
                    scores = score(model, batch, needs)
                if any(n.startswith("ref.") for n in needs):
                    assert plan.reference is not None
                    scores = with_reference(scores, plan.reference(split, batch, needs))
                parts = [(k, t, total(t, scores) / counts[split, t.unit]) for k, t in mine]
                loss = sum((t.coefficient * value for _, t, value in parts), torch.zeros(()))
                if loss.requires_grad:
                    loss.backward()
                for k, _, value in parts:
                    values[k] += value.detach()
        if world > 1:
            # a weight that nothing pulls has no gradient, which to momentum is not a gradient of 0
            pulled = reduce(
                torch.tensor([p.grad is not None for p in parameters]).to(values), "sum"
            )
            for p, earlier, num in zip(parameters, before, pulled.tolist(), strict=True):
                if num:
                    p.grad = reduce(torch.zeros_like(p) if p.grad is None else p.grad, "sum")
                    p.grad += 0 if earlier is None else earlier
                else:
                    p.grad = earlier
            values = reduce(values, "sum")
        return values.tolist()

    return backward


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


def _autocast(model: PreTrainedModel, dtype: str) -> AbstractContextManager[object]:
    if dtype == "float32":
        return nullcontext()
    return torch.autocast(model.device.type, getattr(torch, dtype))


def _clip(parameters: Sequence[Tensor], limit: float | None) -> float:
    norm = torch.nn.utils.clip_grad_norm_(parameters, float("inf") if limit is None else limit)
    return float(norm)


def _reached(model: PreTrainedModel, plan: Plan, stop: Stop) -> tuple[bool, dict[str, float]]:
    splits = [stop.split] if stop.kept is None else [stop.split, stop.kept]
    with _autocast(model, plan.dtype):
        levels = {split: mean_probability(model, plan.rows[split]) for split in splits}
    low = levels[stop.split] <= stop.level
    return low and (stop.kept is None or levels[stop.kept] >= stop.floor), levels


def _memory(model: PreTrainedModel) -> int:
    """Bytes in use: of the GPU if the model is there, else of this process."""
    if model.device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(model.device))
    return int(psutil.Process().memory_info().rss)
