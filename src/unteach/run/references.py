"""A gold model that is known by what an earlier audit of it measured, without its weights."""

from __future__ import annotations

from pathlib import Path

from unteach.audit.evidence import VERSION
from unteach.data.examples import Splits, digest
from unteach.errors import ModelError
from unteach.model.load import ModelPlace
from unteach.notation import read_object

RECORD = "run.json"


def folder_of(place: ModelPlace) -> Path | None:
    """The run folder that stands for the model, if it is one."""
    return Path(place.path) if is_run(place.path) else None


def is_run(given: str) -> bool:
    """Whether this is the folder of a run, and no model."""
    return (Path(given) / RECORD).is_file()


def locate(given: str, splits: Splits, rendering: str, dtype: str) -> ModelPlace | None:
    """The model that an earlier run audited, as a reference; None if `given` is no run folder.

    Raises:
        ModelError: its numbers were made in another way than ours would be: another version of the
            measurements, another chat template or tokenizer, another number type, or other rows.
    """
    folder = Path(given)
    if not is_run(given):
        return None
    record = read_object(folder / RECORD)
    model = record.get("models", {}).get("unlearned")
    if model is None:
        raise ModelError(
            f"gold {given}: the run has not audited a model. Finish it, or name the model itself."
        )
    problems = []
    if record.get("evidence") != VERSION or "measured_as" not in model:
        problems.append(
            f"another version of the measurements ({record.get('evidence')}, now {VERSION})"
        )
    if record.get("rendering") != rendering:
        problems.append("another chat template, system message or tokenizer")
    if record.get("dtype") != dtype:
        problems.append(f"another number type ({record.get('dtype')}, now {dtype})")
    theirs = {name: split.get("sha256") for name, split in record.get("splits", {}).items()}
    other = [n for n, rows in splits.items() if n in theirs and theirs[n] != digest(rows)]
    if other:
        problems.append(f"other rows of {', '.join(other)}")
    if problems:
        raise ModelError(
            f"gold {given}: this reference was measured with {'; with '.join(problems)}, so its numbers "
            "cannot be compared with this run's. Audit the gold model again on the same data, or name "
            "the model itself."
        )
    return ModelPlace("gold", str(folder), model["measured_as"])
