"""Stop anywhere, go on to the same weights. Tensors only, no pickles, never half-written.

They are the same to the bit on a CPU under the same `conditions`. What is put back lies in memory as
what was computed does, for the order in which a product is summed depends on where its numbers begin.
"""

from __future__ import annotations

import json
import platform
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors import safe_open
from safetensors.torch import save_file

if TYPE_CHECKING:
    import torch
    from torch import Tensor


@dataclass(frozen=True)
class Resumed:
    """What was put back: the step, the notes, and named tensors beside the weights."""

    step: int
    notes: Mapping[str, Any]
    kept: Mapping[str, Tensor]

    def tensors(self, group: str) -> dict[str, Tensor]:
        """The tensors that were saved under this name."""
        prefix = f"{group}/"
        return {n.removeprefix(prefix): t for n, t in self.kept.items() if n.startswith(prefix)}


def conditions(device: torch.device) -> dict[str, str]:
    """What decides, beside a run's recipe, how its numbers are rounded: the same give the same bits."""
    import torch

    if device.type == "cuda":
        processor = torch.cuda.get_device_name(device)
    elif device.type == "cpu":
        processor = f"{platform.machine()} {torch.backends.cpu.get_cpu_capability()}"
    else:
        processor = device.type
    return {
        "torch": torch.__version__,
        "processor": processor,
        "threads": str(torch.get_num_threads()),
    }


@dataclass(frozen=True)
class Checkpoint:
    """A folder that holds the newest state of one training stage, or nothing yet."""

    folder: Path

    def save(
        self,
        step: int,
        model: torch.nn.Module,
        optimizer: torch.optim.Optimizer,
        notes: dict[str, Any],
        kept: Mapping[str, Mapping[str, Tensor]] | None = None,
    ) -> None:
        """Write everything that the next step depends on; replaces the previous state whole.

        `kept` holds groups of tensors beside the weights, as a rule's memory.
        """
        unfinished = self.folder.with_name(self.folder.name + ".unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True)
        moving = {
            n: p.detach().contiguous() for n, p in model.named_parameters() if p.requires_grad
        }
        save_file(moving, unfinished / "weights.safetensors")
        state = optimizer.state_dict()["state"]
        tensors = {
            f"{i}.{k}": v.contiguous()
            for i, s in state.items()
            for k, v in s.items()
            if v is not None
        }
        save_file(tensors, unfinished / "optimizer.safetensors")
        beside = {
            f"{group}/{n}": t.detach().contiguous()
            for group, tensors in (kept or {}).items()
            for n, t in tensors.items()
        }
        if beside:
            save_file(beside, unfinished / "kept.safetensors")
        under = conditions(next(model.parameters()).device)
        (unfinished / "step.json").write_text(
            json.dumps({"step": step, "conditions": under, **notes})
        )
        # the old state goes only when the new one is whole; a kill between the two leaves `.old`
        old = self.folder.with_name(self.folder.name + ".old")
        shutil.rmtree(old, ignore_errors=True)
        if self.folder.exists():
            self.folder.replace(old)
        unfinished.replace(self.folder)
        shutil.rmtree(old, ignore_errors=True)

    def load(self, model: torch.nn.Module, optimizer: torch.optim.Optimizer) -> Resumed | None:
        """Put the newest state back; None if there is none."""
        import torch

        old = self.folder.with_name(self.folder.name + ".old")
        folder = self.folder if (self.folder / "step.json").exists() else old
        if not (folder / "step.json").exists():
            return None
        parameters = dict(model.named_parameters())
        with torch.no_grad():
            for name, values in _read(folder / "weights.safetensors"):
                parameters[name].copy_(values)
        state: dict[int, dict[str, Any]] = {}
        for name, values in _read(folder / "optimizer.safetensors"):
            number, field = name.split(".", 1)
            state.setdefault(int(number), {})[field] = values
        optimizer.load_state_dict(
            {"state": state, "param_groups": optimizer.state_dict()["param_groups"]}
        )
        notes = json.loads((folder / "step.json").read_text())
        beside = folder / "kept.safetensors"
        kept = dict(_read(beside)) if beside.exists() else {}
        return Resumed(notes.pop("step"), notes, kept)

    def clear(self) -> None:
        """The stage is done."""
        for suffix in ("", ".old", ".unfinished"):
            shutil.rmtree(self.folder.with_name(self.folder.name + suffix), ignore_errors=True)

    def step(self) -> int:
        """Steps done in the newest state; 0 if there is none."""
        return int(self._notes().get("step", 0))

    def changed(self, device: torch.device) -> list[str]:
        """The conditions of the newest state that are others now, each as "threads: 1 then, 2 now"."""
        then, now = self._notes().get("conditions", {}), conditions(device)
        return [f"{n}: {then[n]} then, {now[n]} now" for n in then if then[n] != now.get(n)]

    def _notes(self) -> dict[str, Any]:
        for folder in (self.folder, self.folder.with_name(self.folder.name + ".old")):
            if (folder / "step.json").exists():
                return dict(json.loads((folder / "step.json").read_text()))
        return {}


def _read(path: Path) -> Iterator[tuple[str, Tensor]]:
    """Names and values, each in memory of its own rather than in the file, wherever that begins."""
    with safe_open(path, "pt") as file:
        for name in file.keys():  # noqa: SIM118 (not a dict)
            yield name, file.get_tensor(name).clone()
