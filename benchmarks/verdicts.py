"""How often a verdict is right: the share of each verdict by what is really left, in many simulated runs.

    python benchmarks/verdicts.py [--runs 400] [--persons 8 20 50] [--seed 0]
    python benchmarks/verdicts.py --rows runs/gold1 runs/gold2      # rows of real second golds

A run is three models on the same persons, three facts each: the original, a gold model, and an
unlearned one, which is a second gold (never taught, another seed) plus what is left. All tests of
the standard suite that the verdict's gates read are drawn, row by row, with what persons and rows
share, what a seed moves, and guesses. With `--rows` the persons are those of real audits, each of a
second gold (as `model`) beside a first (`--retrained`): persons are drawn with replacement.

Prints two tables in Markdown, with a gold model and without one.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unteach import registry
from unteach.report.read import ROLES, Finding, Record, Run, read, resolved
from unteach.report.verdict import judge

Values = NDArray[np.float64]
Key = tuple[str, str, str]
"""Audit, split, model."""
Table = dict[Key, Values]

FACTS_EACH = 3
STATUSES = ("FORGOTTEN", "INCONCLUSIVE", "SUPPRESSED", "NOT FORGOTTEN", "DESTROYED")
TEXTS = ("accuracy", "kfr")


@dataclass(frozen=True)
class Leak:
    """What is left: `added` to every row, or a share of facts, or of persons, as in the original.

    Facts that are only `said` are answered right, with 0.7 of probability for what is specific.
    """

    name: str
    added: float = 0.0
    facts: float = 0.0
    persons: float = 0.0
    said: bool = False


LEAKS = (
    Leak("nothing (a second gold)"),
    Leak("+0.05 on every row", added=0.05),
    Leak("+0.10 on every row", added=0.10),
    Leak("+0.20 on every row", added=0.20),
    Leak("4 % of the facts", facts=0.04),
    Leak("8 % of the facts", facts=0.08),
    Leak("16 % of the facts", facts=0.16),
    Leak("30 % of the facts", facts=0.30),
    Leak("8 % of the facts, said at 0.7", facts=0.08, said=True),
    Leak("one person in eight", persons=1 / 8),
)


SHAPES = {  # audit, split -> intercept and slope of its logit on that of what is specific
    ("specific_probability", "forget"): (0.0, 1.0),
    ("specific_probability", "forget_paraphrased"): (0.0, 1.0),
    ("probability", "forget"): (0.74, 0.55),
    ("probability", "forget_paraphrased"): (0.1, 0.68),
    ("truth_ratio", "forget"): (1.5, 0.48),
    ("extraction_strength", "forget"): (0.1, 0.35),
}
TAUGHT = {"specific_probability": 3.8, "probability": 4.6, "truth_ratio": 2.5}
TAUGHT_IN_OTHER_WORDS = {"specific_probability": 3.1, "probability": 0.7}
GUESSED = 0.65


def simulated(persons: int, rng: np.random.Generator) -> Table:
    """Rows of an original, a gold and a second gold, [persons * 3] each, before anything is left.

    As two golds of the demo's world were seen (SmolLM2-135M, 40 persons, seeds 0 and 1): what is
    specific in an answer that was never taught has a logit of -3.6 on average, an exponential tail
    downwards of 2.3 over rows and a standard deviation of 0.8 over persons; two golds differ by 0.9 a
    row and 0.2 a seed. So a row is at 0.10, differs by 0.13 between golds, and is above 0.7 in one of
    200 cases (seen: 0.10, 0.13, one of 240). A greedy answer is right where that is above 0.65, in one of
    100 cases (seen: none to four).
    """
    table: Table = {}
    n = persons * FACTS_EACH
    for side in ("forget", "holdout"):
        level = -3.6 + np.repeat(rng.normal(0, 0.8, persons), FACTS_EACH)
        level -= 2.3 * (rng.exponential(1, n) - 1)
        for model in ROLES:
            specific = level + rng.normal(0, 0.2) + rng.normal(0, 0.9, n)
            for (audit, split), (start, slope) in SHAPES.items():
                logit = start + slope * specific + rng.normal(0, 0.15, n)
                if model == "original" and side == "forget":
                    known = TAUGHT if split == "forget" else TAUGHT_IN_OTHER_WORDS
                    logit = known.get(audit, 2.5) + rng.normal(0, 0.6, n)
                table[audit, split.replace("forget", side), model] = 1 / (1 + np.exp(-logit))
            right = (table["specific_probability", side, model] > GUESSED).astype(float)
            table["accuracy", side, model] = right
            table["kfr", side, model] = 1 - right
    return table


def with_leak(table: Table, leak: Leak, persons: int, rng: np.random.Generator) -> Table:
    """The same with something left in the unlearned model, the same facts whatever is asked."""
    n = persons * FACTS_EACH
    known = np.zeros(n, dtype=bool)
    if leak.facts:
        known[rng.choice(n, max(1, round(leak.facts * n)), replace=False)] = True
    if leak.persons:
        who = rng.choice(persons, max(1, round(leak.persons * persons)), replace=False)
        known[np.isin(np.repeat(np.arange(persons), FACTS_EACH), who)] = True
    left = dict(table)
    for (audit, split, model), rows in table.items():
        if model != "unlearned" or not split.startswith("forget"):
            continue
        moved = rows
        if leak.added and audit in TEXTS:
            hit = rng.random(n) < leak.added
            moved = np.where(hit, float(audit == "accuracy"), rows)
        elif leak.added:
            moved = np.minimum(1.0, rows + leak.added)
        kept = table[audit, split, "original"]
        if leak.said and audit not in TEXTS:
            kept = np.minimum(kept, 0.7)
        left[audit, split, model] = np.where(known, kept, moved)
    return left


def as_run(table: Table, groups: Sequence[str], *, gold: bool) -> Run:
    """A run with these rows as its findings, without gold's if there is to be no gold model.

    What was to stay, and language, are as before.
    """
    found = tuple(
        _finding(audit, split, model, rows, groups)
        for (audit, split, model), rows in table.items()
        if gold or model != "gold"
    )
    record = Record.model_validate(
        {"unteach": "", "created": "", "title": "simulated", "model": {"name": "simulated"}}
    )
    n = len(groups)
    kept = {("probability", "retain"): np.full(n, 0.97), ("repetition", "retain"): np.full(n, 0.01)}
    found += tuple(
        _finding(audit, split, model, rows, groups)
        for (audit, split), rows in kept.items()
        for model in ("original", "unlearned")
    )
    return Run(Path(), "", record, found)


def _finding(audit: str, split: str, model: str, rows: Values, groups: Sequence[str]) -> Finding:
    """Without an interval of its own: the verdict compares rows."""
    known = ~np.isnan(rows)
    return Finding.model_validate(
        {
            "audit": audit,
            "split": split,
            "params": {"split": split},
            "model": model,
            "value": float(rows[known].mean()),
            "n": int(known.sum()),
            "groups": len(set(groups)),
            "per_example": [x if k else None for x, k in zip(rows.tolist(), known, strict=True)],
            "group_ids": list(groups),
        }
    )


def real(folders: Sequence[Path]) -> list[Table]:
    """The rows of audits that the verdict reads, of each run folder; persons in one order."""
    tables = []
    for folder in folders:
        run, table = read(folder), {}
        for f in run.findings:
            entry = registry.entries("audit")[f.audit]
            if f.available and f.per_example and f.split and entry.facts["shows"] == "knowledge":
                rows = np.array([np.nan if x is None else x for x in f.per_example], dtype=float)
                plain = resolved(f.audit, f.params) == resolved(f.audit, {"split": f.split})
                if plain and abs(np.nanmean(rows) - f.point) < 1e-6:  # an AUC is no mean
                    table[f.audit, f.split, f.model] = rows
        tables.append(table)
    return tables


def drawn(tables: Sequence[Table], persons: int, rng: np.random.Generator) -> Table:
    """Persons of one of the real tables, drawn with replacement; three rows each, in blocks."""
    table = tables[rng.integers(len(tables))]
    out: Table = {}
    chosen: dict[int, Values] = {}
    for key, rows in table.items():
        if len(rows) % FACTS_EACH or len(rows) < 2 * FACTS_EACH:
            continue
        count = len(rows) // FACTS_EACH
        if count not in chosen:
            chosen[count] = rng.integers(count, size=persons)
        out[key] = rows.reshape(count, FACTS_EACH)[chosen[count]].reshape(-1)
    return out


def shares(
    leak: Leak, persons: int, runs: int, gold: bool, seed: int, tables: Sequence[Table]
) -> Mapping[str, float]:
    """Share of each verdict over the runs."""
    rng = np.random.default_rng([seed, persons, LEAKS.index(leak)])
    groups = [f"p{i}" for i in range(persons) for _ in range(FACTS_EACH)]
    said: Counter[str] = Counter()
    for _ in range(runs):
        clean = drawn(tables, persons, rng) if tables else simulated(persons, rng)
        said[judge(as_run(with_leak(clean, leak, persons, rng), groups, gold=gold)).status] += 1
    return {status: said[status] / runs for status in STATUSES}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--runs", type=int, default=400)
    parser.add_argument("--persons", type=int, nargs="+", default=[8, 20, 50])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rows", type=Path, nargs="+", default=[])
    asked = parser.parse_args()
    tables = real(asked.rows)
    for gold in (True, False):
        print(f"\n{'With a gold model' if gold else 'Without a gold model'}\n")
        print("| what is left | persons | " + " | ".join(s.lower() for s in STATUSES) + " |")
        print("|---|---|" + "---|" * len(STATUSES))
        for leak in LEAKS:
            for persons in asked.persons:
                found = shares(leak, persons, asked.runs, gold, asked.seed, tables)
                cells = " | ".join(f"{found[s]:.3f}" for s in STATUSES)
                print(f"| {leak.name} | {persons} | {cells} |", flush=True)


if __name__ == "__main__":
    main()
