"""Audit the original, the unlearned and the gold model, each text once."""

from __future__ import annotations

import importlib.metadata
import json
import math
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Any

from unteach import recipe as recipes
from unteach import registry
from unteach.audit.endpoint import load_endpoint
from unteach.audit.evidence import Evidence
from unteach.audit.finding import Finding, unavailable
from unteach.audit.judges import load_embedder, load_gibberish, load_nli
from unteach.audit.statistics import paired
from unteach.data.examples import Splits, never_taught
from unteach.model import cache as cached
from unteach.model import fingerprint
from unteach.model.load import Loaded, LoadOptions, ModelPlace, device, load
from unteach.run import references
from unteach.run.folder import RunFolder, json_number, write_text
from unteach.run.prepare import Prepared
from unteach.run.progress import Progress

ANSWER_SIDES = ("forget", "retain")
"""Splits of these names, or made beside them as `forget_val`, are shown with their answers."""
AGAINST = ("original", "gold")
"""Models that every other one is compared with, example by example."""


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
    """Every audit on every model; writes evidence/, findings.json and evidence/answers.jsonl.

    First every model is measured, one after the other, then the audits read what was measured: an
    audit may read the gold model's evidence beside that of its own model.
    """
    splits = audited_rows(ready.recipe, splits)
    audits = recipes.audits(ready.recipe)
    if "gold" not in models:
        audits = tuple(dict.fromkeys([*audits, *_yardsticks(audits, splits)]))
    evidence = _evidence(ready, splits, models, progress, in_memory)
    plans = {name: [_plan(choice, ev) for choice in audits] for name, ev in evidence.items()}
    for name, ev in evidence.items():
        ev.measure(_wanted(plans, name))
        _unload(ev)  # the next model takes its place in memory
    base = next(iter(evidence.values())).of("base")
    base.measure(_wanted(plans, "base"))
    _unload(base)
    found = [_audited(plan, name, splits, evidence) for name in evidence for plan in plans[name]]
    write_text(folder.findings, json.dumps(_findings_json(found), indent=1) + "\n")
    write_text(folder.evidence / "answers.jsonl", _answers(evidence, splits))
    for ev in evidence.values():
        for path in ev.files():
            kept = folder.evidence / f"{ev.name}-{path.name.rpartition('-')[2]}"
            if path != kept:
                shutil.copy2(path, kept)
    return found


def _yardsticks(audits: Sequence[recipes.Choice], splits: Splits) -> Iterator[recipes.Choice]:
    """The same audits on people never taught, for a run that has no gold model to compare with.

    Of `forget` it is `holdout`, of `forget_paraphrased` `holdout_paraphrased`. Audits that compare
    two splits have their yardstick in themselves, and what was relearned was relearned of `forget`.
    """
    for choice in audits:
        params, facts = _params(choice), registry.find("audit", choice.name).facts
        split = never_taught(str(params.get("split", "")))
        alone = "other" not in params and facts["access"] != "training"
        if facts["shows"] == "knowledge" and alone and split in splits:
            yield choice.model_copy(update={"split": split})


def audited_rows(recipe: recipes.Recipe, splits: Splits) -> Splits:
    """The rows that audits read: the first of each split, where the recipe or benchmark says so."""
    chosen = recipe.data.benchmark
    own = registry.find("benchmark", chosen.name).facts["audit_rows"] if chosen else None
    limit = recipe.data.audit_rows or own
    return {name: rows[:limit] for name, rows in splits.items()}


def _evidence(
    ready: Prepared,
    splits: Splits,
    models: Mapping[str, ModelPlace],
    progress: Progress,
    in_memory: Mapping[str, Loaded],
) -> dict[str, Evidence]:
    """What is to be measured of each model; nothing is loaded yet."""
    store = cached.root() / "evidence"
    tools = {
        "embedder": cache(load_embedder),
        "nli": cache(load_nli),
        "gibberish": cache(load_gibberish),
        "judge": cache(load_endpoint),
    }
    base = Evidence(
        name="base",
        key=measured_as(ready.base, ready.options),
        splits=splits,
        renderer=ready.renderer,
        store=store,
        load=_loader(ready, ready.base, None),
        engine=ready.recipe.generate,
        tools=tools,
        progress=progress.update,
    )
    evidence: dict[str, Evidence] = {}
    for name, place in models.items():
        kept = references.folder_of(place)
        evidence[name] = replace(
            base,
            name=name,
            key=measured_as(place, ready.options),
            load=None if kept else _loader(ready, place, in_memory.get(name)),
            also=(kept / "evidence",) if kept else (),
            base=base,
            peers=evidence,
        )
    return evidence


def measured_as(place: ModelPlace, options: LoadOptions) -> str:
    """Key of all but the rows that decides a model's numbers: the same weights give others elsewhere."""
    if references.folder_of(place):
        return place.key  # as it was measured then
    kind = device(options.device).partition(":")[0]
    versions = [importlib.metadata.version(package) for package in ("torch", "transformers")]
    return fingerprint.key_of(place.key, options.dtype, kind, versions)


@dataclass(frozen=True)
class _Plan:
    """One audit of one model: what it reads, or why it cannot be made."""

    choice: recipes.Choice
    reads: tuple[str, ...]
    reason: str | None
    run: Callable[[], Finding]


def _plan(choice: recipes.Choice, ev: Evidence) -> _Plan:
    entry = registry.find("audit", choice.name)
    params = registry.check("audit", choice.name, choice.params, "audits")
    reads = registry.reads(entry, params)
    return _Plan(choice, reads, ev.missing(reads), partial(entry.load(), ev, **params))


def _wanted(plans: Mapping[str, Sequence[_Plan]], model: str) -> list[str]:
    """All that is read of this model: by the audits of it, and by those of others."""
    prefix = f"{model}."
    wanted = []
    for name, planned in plans.items():
        for read in (read for plan in planned if plan.reason is None for read in plan.reads):
            if read.startswith(prefix):
                wanted.append(read.removeprefix(prefix))
            elif name == model:
                wanted.append(read)
    return wanted


def _audited(plan: _Plan, model: str, splits: Splits, evidence: Mapping[str, Evidence]) -> Audited:
    finding = unavailable(plan.reason) if plan.reason else plan.run()
    split = splits.get(str(_params(plan.choice).get("split")), ())
    ids = tuple(e.id for e in split) if finding.per_example is not None else ()
    return Audited(plan.choice, model, finding, ids)


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


def _unload(ev: Evidence) -> None:
    load: Any = ev.load
    if load is not None:
        load.cache_clear()


def _findings_json(found: Sequence[Audited]) -> dict[str, Any]:
    by_audit = {(one.audit, one.model): one.finding for one in found}
    return {
        "version": 1,
        "findings": [
            _finding_json(one, {m: by_audit.get((one.audit, m)) for m in AGAINST}) for one in found
        ],
    }


def _finding_json(one: Audited, others: Mapping[str, Finding | None]) -> dict[str, Any]:
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
        "value": json_number(finding.value),
        "low": json_number(finding.low),
        "high": json_number(finding.high),
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
        "per_example": None if rows is None else [json_number(x) for x in rows],
        "ids": list(one.ids) or None,
        "group_ids": list(finding.group_ids) or None,
        "against": {
            name: _difference_json(finding, other)
            for name, other in others.items()
            if other is not None and other.available and finding.available and name != one.model
        },
    }


def _difference_json(ours: Finding, other: Finding) -> dict[str, Any] | None:
    """This model's value minus another's, paired example by example; null if rows do not match."""
    difference = paired(ours, other)
    if difference is None:
        return None
    return {
        "difference": json_number(difference.value),
        "low": json_number(difference.low),
        "high": json_number(difference.high),
        "p": json_number(difference.p),
        "within": json_number(difference.within),
        "reachable": json_number(difference.reachable),
    }


def _answers(evidence: Mapping[str, Evidence], splits: Splits) -> str:
    """Side-by-side answers to the questions that any audit read the answers of."""
    lines = []
    shown = [s for side in ANSWER_SIDES for s in splits if s == side or s.startswith(f"{side}_")]
    for split in shown:
        texts = {n: said for n, ev in evidence.items() if (said := ev.answers(split)) is not None}
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
