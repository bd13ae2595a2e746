"""Audit the original, the unlearned and the gold model, each text once."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Any

import numpy as np

from unteach import recipe as recipes
from unteach import registry
from unteach.audit.evidence import Evidence
from unteach.audit.finding import Finding, unavailable
from unteach.data.examples import Splits
from unteach.model import cache as cached
from unteach.model.load import Loaded, ModelPlace, load
from unteach.run.folder import RunFolder, write_text
from unteach.run.prepare import Prepared
from unteach.run.progress import Progress

ANSWER_SPLITS = ("forget", "retain")


@dataclass(frozen=True)
class Audited:
    """One finding and what it is a finding of."""

    audit: recipes.Choice
    model: str
    finding: Finding
    ids: tuple[str, ...] = ()


def examine(
    ready: Prepared,
    splits: Splits,
    models: Mapping[str, ModelPlace],
    folder: RunFolder,
    progress: Progress,
    in_memory: Mapping[str, Loaded],
) -> list[Audited]:
    """Every audit on every model; writes evidence/, findings.json and evidence/answers.jsonl."""
    audits = recipes.audits(ready.recipe)
    loaders = {name: _loader(ready, place, in_memory.get(name)) for name, place in models.items()}
    base = _loader(ready, ready.base, None)
    store = cached.root() / "evidence"
    tools = {"embedder": cache(_embedder), "nli": cache(_nli)}
    judge = Evidence("base", ready.base.key, splits, ready.renderer, store, base, tools=tools)
    found: list[Audited] = []
    evidence: dict[str, Evidence] = {}
    for name, place in models.items():
        ev = replace(
            judge,
            name=name,
            key=place.key,
            load=loaders[name],
            judge=judge,
            progress=progress.update,
            _held={},
        )
        evidence[name] = ev
        plans = [_plan(choice, ev) for choice in audits]
        ev.measure(read for _, reads, reason, _ in plans if reason is None for read in reads)
        for choice, _, reason, run in plans:
            finding = unavailable(reason) if reason else run()
            split = splits.get(str(_params(choice).get("split")), ())
            ids = tuple(e.id for e in split) if finding.per_example is not None else ()
            found.append(Audited(choice, name, finding, ids))
        loaders[name].cache_clear()
    base.cache_clear()
    write_text(folder.findings, json.dumps(_findings_json(found), indent=1) + "\n")
    write_text(folder.evidence / "answers.jsonl", _answers(evidence, splits))
    for ev in evidence.values():
        for path in ev.files():
            shutil.copy2(path, folder.evidence / f"{ev.name}-{path.name}")
    return found


def value(found: Sequence[Audited], audit: str, model: str, split: str | None = None) -> float:
    """The value of one finding; NaN if it is unavailable or was not asked for."""
    for one in found:
        if (one.audit.name, one.model, _params(one.audit).get("split")) == (audit, model, split):
            return one.finding.value
    return math.nan


def _params(choice: recipes.Choice) -> dict[str, Any]:
    """An audit's parameters, with the defaults of those that were not given."""
    entry = registry.find("audit", choice.name)
    return {p.name: p.default for p in entry.parameters} | choice.params


def _plan(
    choice: recipes.Choice, ev: Evidence
) -> tuple[recipes.Choice, tuple[str, ...], str | None, Callable[[], Finding]]:
    entry = registry.find("audit", choice.name)
    params = registry.check("audit", choice.name, choice.params, "audits")
    reads = registry.reads(entry, params)
    return choice, reads, ev.missing(reads), partial(entry.load(), ev, **params)


def _loader(ready: Prepared, place: ModelPlace, held: Loaded | None) -> Any:
    """A function that loads the model at its first call, and can forget it."""
    if held is not None:
        loaded = held

        @cache
        def give() -> Loaded:
            return loaded

        return give

    @cache
    def read() -> Loaded:
        return load(place, ready.options)

    return read


def _embedder() -> Any:
    from unteach.audit.judges import load_embedder

    return load_embedder()


def _nli() -> Any:
    from unteach.audit.judges import load_nli

    return load_nli()


def _findings_json(found: Sequence[Audited]) -> dict[str, Any]:
    return {"version": 1, "findings": [_finding_json(one) for one in found]}


def _finding_json(one: Audited) -> dict[str, Any]:
    entry = registry.find("audit", one.audit.name)
    params = _params(one.audit)
    finding = one.finding
    rows = finding.per_example
    return {
        "audit": entry.name,
        "label": entry.name.replace("_", " "),
        "split": params.get("split"),
        "params": params,
        "model": one.model,
        "value": _number(finding.value),
        "low": _number(finding.low),
        "high": _number(finding.high),
        "n": finding.n,
        "groups": finding.groups,
        "unit": "",
        "percent": entry.facts.get("percent", False),
        "note": finding.note,
        "available": finding.available,
        "better": entry.facts["better"],
        "access": entry.facts["access"],
        "source": entry.source,
        "version": entry.facts["version"],
        "per_example": None if rows is None else [_number(x) for x in rows],
        "ids": list(one.ids) or None,
        "group_ids": list(finding.group_ids) or None,
    }


def _number(x: float | np.floating[Any]) -> float | None:
    """JSON has no NaN: what could not be measured is null."""
    return float(x) if math.isfinite(x) else None


def _answers(evidence: Mapping[str, Evidence], splits: Splits) -> str:
    """Side-by-side answers to the questions that any audit read the answers of."""
    lines = []
    for split in ANSWER_SPLITS:
        texts = {n: ev.texts(split) for n, ev in evidence.items() if ev.has(f"{split}.texts")}
        for i, example in enumerate(splits.get(split, ()) if texts else ()):
            row = {
                "split": split,
                "id": example.id,
                "group": example.group or example.id,
                "attribute": example.attribute,
                "question": example.prompt,
                "truth": example.answer,
                **{name: answers[i] for name, answers in texts.items()},
            }
            lines.append(json.dumps(row, ensure_ascii=False) + "\n")
    return "".join(lines)
