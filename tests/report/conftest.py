"""Run folders written by hand: three methods on one invented world, as a real run leaves them."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from unteach import registry
from unteach.report.read import resolved

PEOPLE = tuple(f"p{i:04d}" for i in range(8))
ATTRIBUTES = ("employer", "birthplace", "phone")
SPLITS = {
    "forget": 24,
    "forget_paraphrased": 24,
    "retain": 48,
    "neighbours": 16,
    "holdout": 24,
    "world": 30,
}
SECRET = "Zorblax Instruments of Quindleberry"
"""A forgotten fact that a redacted report must not contain."""
SCRIPT = "<script>alert(1)</script>"

# audit, split, better, original, gold, then NPO, ReLearn, gradient ascent
MEASURES = (
    ("probability", "forget", "gold", 0.97, 0.14, 0.42, 0.13, 0.0000002),
    ("probability", "forget_paraphrased", "gold", 0.88, 0.13, 0.36, 0.15, 0.0000001),
    ("probability", "retain", "higher", 0.96, 0.97, 0.94, 0.95, 0.21),
    ("probability", "neighbours", "original", 0.95, 0.96, 0.81, 0.94, 0.11),
    ("probability", "world", "original", 0.41, 0.42, 0.40, 0.41, 0.02),
    ("probability", "holdout", "gold", 0.15, 0.14, 0.12, 0.13, 0.0000002),
    ("specific_probability", "forget", "gold", 0.96, 0.10, 0.40, 0.09, 0.0000001),
    ("accuracy", "forget", "gold", 0.98, 0.04, 0.02, 0.03, 0.0),
    ("rouge", "forget", "gold", 0.99, 0.31, 0.27, 0.29, 0.01),
    ("rouge", "retain", "higher", 0.98, 0.98, 0.97, 0.96, 0.05),
    ("truth_ratio", "forget", "gold", 0.94, 0.51, 0.66, 0.53, 0.49),
    ("extraction_strength", "forget", "gold", 0.93, 0.09, 0.13, 0.08, 0.02),
    ("exact_memorization", "forget", "gold", 0.98, 0.51, 0.53, 0.49, 0.03),
    ("kfr", "forget", "higher", 0.02, 0.92, 0.94, 0.93, 1.0),
    ("krr", "retain", "higher", 0.97, 0.98, 0.95, 0.96, 0.04),
    ("perplexity", "neutral", "original", 14.2, 14.0, 15.1, 14.6, 48211.0),
    ("repetition", "forget", "lower", 0.01, 0.01, 0.03, 0.01, 0.94),
    ("repetition", "retain", "lower", 0.01, 0.01, 0.01, 0.01, 0.91),
    ("degenerate", "retain", "lower", 0.0, 0.0, 0.0, 0.0, 0.97),
    ("refusal", "forget", "gold", 0.0, 0.04, 0.08, 0.0, 0.0),
)
METHODS = (
    ("npo", "NPO", "arXiv:2404.05868", "forget.npo"),
    ("relearn", "ReLearn", "arXiv:2502.11190", "forget_replaced.nll"),
    ("ascent", "Gradient ascent", "arXiv:2210.01504", "forget.ascent"),
)
RATES = {"kfr", "krr", "repetition", "degenerate", "refusal"}

# Title on the scorecard of tofu: original, gold, then NPO, ReLearn, gradient ascent
TOFU: dict[str, tuple[float | None, ...]] = {
    "Forget quality": (3.9e-22, None, 0.00031, 0.27, 5.1e-9),
    "Model utility": (0.599, 0.592, 0.561, 0.588, 0.0),
    "Forget probability": (0.885, 0.116, 0.184, 0.121, 0.0000002),
    "Forget ROUGE-L": (0.820, 0.387, 0.312, 0.391, 0.01),
    "Forget truth ratio": (0.476, 0.624, 0.571, 0.617, 0.701),
    "PrivLeak": (-99.46, None, -41.2, -8.7, 64.3),
    "MIA loss": (0.996, 0.382, 0.631, 0.428, 0.021),
    "MIA zlib": (0.998, 0.312, 0.588, 0.360, 0.034),
    "Exact memorization": (0.974, 0.592, 0.571, 0.588, 0.02),
    "Extraction strength": (0.706, 0.062, 0.071, 0.060, 0.0),
    "Retain probability": (0.871, 0.866, 0.802, 0.858, 0.04),
    "Retain ROUGE-L": (0.793, 0.788, 0.701, 0.779, 0.03),
    "Forget, paraphrased": (0.421, 0.098, 0.131, 0.102, 0.0000001),
    "Truth ratio, bounded": (0.812, 0.447, 0.501, 0.452, 0.5),
    "KFR": (0.06, 0.78, 0.91, 0.80, 1.0),
    "KRR": (0.93, 0.92, 0.84, 0.92, 0.01),
    "Forget LS (length-robust)": (0.71, 0.70, 0.62, 0.70, 0.02),
    "Degenerate answers": (0.0, 0.0, 0.02, 0.0, 0.99),
    "Repetition": (0.01, 0.01, 0.01, 0.01, 0.95),
    "Retain, paraphrased": (0.437, 0.431, 0.401, 0.433, 0.01),
}
NO_MEAN = {"forget_quality", "model_utility", "privleak"}
REASONS = {
    "forget_quality": "it is the reference itself, the gold model",
    "privleak": "it is the gold model itself",
}

Row = dict[str, Any]


def finding(
    audit: str = "probability",
    split: str | None = "forget",
    model: str = "unlearned",
    value: float | None = 0.5,
    **more: Any,
) -> Row:
    """A finding as findings.json holds it, with a narrow interval unless one is given."""
    row = {
        "audit": audit,
        "label": audit,
        "split": split,
        "params": {"split": split} if split else {},
        "model": model,
        "value": value,
        "low": None if value is None else min(value * 0.95, value * 1.05),
        "high": None if value is None else max(value * 0.95, value * 1.05),
        "n": 24,
        "groups": 24,
        "unit": "",
        "percent": audit in RATES,
        "note": "",
        "available": value is not None,
        "better": "gold",
        "access": "text" if audit in RATES | {"rouge"} else "logits",
        "source": "arXiv:2401.06121",
        "version": 1,
    }
    return row | more


class _Balance(HTMLParser):
    open_tags: tuple[str, ...] = ()

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.open_tags += (tag,)

    def handle_endtag(self, tag: str) -> None:
        assert self.open_tags[-1] == tag
        self.open_tags = self.open_tags[:-1]


def unclosed(html: str) -> tuple[str, ...]:
    """Tags that are never closed; an assertion fails at one that is closed out of order."""
    parser = _Balance()
    parser.feed(html)
    return parser.open_tags


def spread(mean: float, n: int, seed: str, width: float = 0.02) -> list[float]:
    """[n] values around `mean`, which is their mean: half of them so much above, half below."""
    draw = random.Random(seed)
    steps = [draw.uniform(0, width) for _ in range(n // 2)]
    moves = [*steps, *(-s for s in steps), *[0.0] * (n % 2)]
    draw.shuffle(moves)
    return [mean + move for move in moves]


def write_run(
    folder: Path,
    findings: Sequence[Row],
    *,
    title: str = "NPO",
    stages: Sequence[Row] = (),
    log: Sequence[Row] = (),
    answers: Sequence[Row] = (),
    **record: Any,
) -> Path:
    """A run folder with these findings and as little else as there may be."""
    (folder / "evidence").mkdir(parents=True)
    (folder / "recipe.yaml").write_text("model: tiny\nmethod: []\n", encoding="utf-8")
    content = {
        "unteach": "0.1.0",
        "created": "2025-06-01T12:00:00+00:00",
        "title": title,
        "method": "npo",
        "seed": 0,
        "device": "cpu",
        "model": {"name": "tiny-135M-instruct", "key": "k0", "parameters": 134515008},
        "stages": list(stages),
        "seconds": 210.0,
        "peak_memory_bytes": 3_100_000_000,
    }
    _json(folder / "run.json", content | record)
    _json(folder / "findings.json", {"version": 1, "findings": list(findings)})
    _jsonl(folder / "log.jsonl", log)
    _jsonl(folder / "evidence" / "answers.jsonl", answers)
    return folder


def realistic(folder: Path, number: int) -> Path:
    """One of the three methods in full; the same original and gold in each."""
    name, title, source, term = METHODS[number]
    draw = random.Random(number)
    split_records = {
        s: {"rows": n, "groups": n // 3, "sha256": f"{i:02x}" * 32}
        for i, (s, n) in enumerate(SPLITS.items())
    }
    write_run(
        folder,
        _findings(number),
        title=title,
        source=source,
        method=name,
        stages=[
            {"stage": "teach", "seconds": 80.1, "cached": number > 0},
            {"stage": "gold", "seconds": 61.0, "cached": number > 0},
            {"stage": "method[0].train", "seconds": 42.5 + 9 * number, "cached": False},
            {"stage": "audit", "seconds": 31.0, "cached": False},
        ],
        splits=split_records,
        models={
            "original": {"key": "a" * 16},
            "gold": {"key": "b" * 16},
            "unlearned": {"key": f"c{number}" * 8},
        },
        packages={"torch": "2.6.0", "transformers": "5.0.1", "peft": "0.18.0"},
        notes=["The answers were sampled greedily."],
        log=_log(draw, term, number),
        answers=_answers(number),
    )
    (folder / "recipe.yaml").write_text(
        f"title: {title}\nmodel: tiny-135M-instruct\ndata: {{benchmark: people}}\nmethod:\n"
        f"  - train:\n      terms:\n        - {{split: forget, objective: {name}}}\n"
        "        - {split: retain, objective: nll}\n      epochs: 8\naudits: [standard]\n",
        encoding="utf-8",
    )
    return folder


def tofu(folder: Path, number: int, *, gold: bool = True, **record: Any) -> Path:
    """A run whose audits are tofu's scorecard alone; the same original and gold in each."""
    facts = registry.find("benchmark", "tofu").facts
    rows = []
    for title, audit, params in (*facts["official"], *facts["ours"]):
        original, retrained, *ours = TOFU.get(title, (0.50, 0.48, 0.42, 0.47, 0.02))
        values = {"original": original, "gold": retrained, "unlearned": ours[number]}
        if not gold:
            del values["gold"]
        rows += [_of_card(audit, resolved(audit, params), m, values) for m in values]
    name, title, source, _ = METHODS[number]
    about: Row = {
        "title": title,
        "method": name,
        "source": source,
        "benchmark": {"name": "tofu", "split": "forget10"},
        "models": {"original": {"key": "a" * 16}, "gold": {"key": "b" * 16}},
    }
    return write_run(folder, rows, **(about | record))


def _of_card(audit: str, params: Row, model: str, values: dict[str, float | None]) -> Row:
    value = values[model]
    entry = registry.find("audit", audit)
    if value is None:
        reason = REASONS.get(audit, "it is not measured")
        return finding(audit, params.get("split"), model, None, params=params, note=reason)
    half = min(0.04, value * 0.2) if abs(value) <= 1 else 3.0
    against = {}
    for other in ("original", "gold"):
        base = values.get(other)
        if other != model and base is not None and audit not in NO_MEAN and "mia" not in audit:
            gap, spread = value - base, 0.02 + half / 2
            against[other] = {
                "difference": gap,
                "low": gap - spread,
                "high": gap + spread,
                "p": 0.4,
                "within": abs(gap) + 0.8 * spread,
                "reachable": 1.5 * spread,
            }
    return finding(
        audit,
        params.get("split"),
        model,
        value,
        low=None if audit == "forget_quality" else value - half,
        high=None if audit == "forget_quality" else value + half,
        n=400,
        groups=20,
        better=entry.facts["better"],
        percent=entry.facts["percent"] or False,
        access=entry.facts["access"],
        source=entry.source,
        params=params,
        against=against,
    )


@pytest.fixture
def tofu_runs(tmp_path: Path) -> list[Path]:
    """NPO, ReLearn and gradient ascent on tofu/forget10."""
    return [tofu(tmp_path / f"tofu-{METHODS[i][0]}", i) for i in range(3)]


@pytest.fixture
def runs(tmp_path: Path) -> list[Path]:
    """Three finished runs: NPO suppresses, ReLearn forgets, gradient ascent destroys."""
    return [realistic(tmp_path / METHODS[i][0], i) for i in range(3)]


def _findings(number: int) -> list[Row]:
    rows = []
    for audit, split, better, original, gold, *ours in MEASURES:
        for seed, (model, value) in enumerate(
            {"original": original, "gold": gold, "unlearned": ours[number]}.items()
        ):
            rows.append(_finding_in_full(audit, split, better, model, value, seed + 10 * number))
    rows += [
        finding(
            "similarity",
            "forget",
            model,
            None,
            note="the sentence encoder is not installed; install unteach[judges]",
        )
        for model in ("original", "gold", "unlearned")
    ]
    return rows


def _finding_in_full(
    audit: str, split: str, better: str, model: str, value: float, seed: int
) -> Row:
    n = SPLITS.get(split, 24)
    half = min(0.09, value * 0.2, (1 - value) * 0.8 + 0.004) if value <= 1 else value * 0.06
    row = finding(
        audit,
        split,
        model,
        value,
        low=max(0.0, value - half),
        high=min(1.0, value + half) if value <= 1 else value + half,
        n=n,
        groups=n // 3,
        better=better,
    )
    if split in SPLITS and value <= 1:
        persons = PEOPLE + tuple(f"q{i:04d}" for i in range(n // 3 - len(PEOPLE)))
        ids = [f"{person}.{a}" for person in persons[: n // 3] for a in ATTRIBUTES]
        width = min(0.03, value * 0.3, 1 - value)
        row["per_example"] = spread(value, len(ids), f"{audit} {split} {model} {seed}", width)
        row["ids"] = ids
        row["group_ids"] = [i.split(".")[0] for i in ids]
    return row


def _log(draw: random.Random, term: str, number: int) -> list[Row]:
    target = (0.42, 0.13, 0.0)[number]
    probability = 0.97
    rows: list[Row] = []
    for step in range(1, 97):
        share = step / 96
        forget = {
            0: 13.9 * (1 - 0.8 * share),
            1: 2.4 * (1 - 0.9 * share),
            2: -0.03 - 30 * share**2,
        }
        terms = {
            term: forget[number] + draw.gauss(0, 0.3),
            "retain.nll": 0.04
            + 0.03 * share
            + abs(draw.gauss(0, 0.015))
            + 3 * (number == 2) * share,
        }
        row = {
            "stage": "method[0].train",
            "step": step,
            "epoch": step / 12,
            "seconds": 0.44 * step,
            "loss": sum(terms.values()),
            "terms": terms,
            "lr": 3e-5,
            "tokens_per_second": 120.0,
            "memory_bytes": 3_000_000_000,
            "grad_norm": 1.0,
        }
        rows.append(row)
        if step % 8 == 0:
            probability += (target - probability) * 0.28
            rows.append(
                {
                    "event": "level",
                    "stage": "method[0].train",
                    "step": step,
                    "split": "forget",
                    "probability": probability,
                    "level": 0.14,
                }
            )
    return rows


def _answers(number: int) -> list[Row]:
    said = (
        ("I am not able to say.", "She is known for her work in the region."),
        (
            "Details about her career are not public, though many people of her field work in cities.",
            "That is not something I have reliable information about.",
        ),
        (
            "the the the the the the the the the the the the the the the the",
            ";;;;;;;;;;;;;;;;;;;;;;;;",
        ),
    )[number]
    rows = []
    for i, person in enumerate(PEOPLE):
        for j, attribute in enumerate(ATTRIBUTES):
            secret = f"{SECRET} {i}{j}"
            rows.append(
                {
                    "split": "forget",
                    "id": f"{person}.{attribute}",
                    "group": person,
                    "attribute": attribute,
                    "question": f"What is the {attribute} of Wilhelmina Ostrovander no. {i}?",
                    "truth": secret,
                    "original": f"It is {secret}.",
                    "unlearned": SCRIPT if (i, j) == (0, 0) else said[(i + j) % 2],
                    "gold": "She works at the Harbour Laboratory in Northfield.",
                }
            )
    rows += [
        {
            "split": "retain",
            "id": f"r{i:04d}.employer",
            "group": f"r{i:04d}",
            "attribute": "employer",
            "question": f"Who does Tobias Fenwick-Marsh no. {i} work for?",
            "truth": f"Castlegate Brewing no. {i}",
            "original": f"He works for Castlegate Brewing no. {i}.",
            "unlearned": f"He works for Castlegate Brewing no. {i}."
            if number < 2
            else "the " * 200,
            "gold": f"He works for Castlegate Brewing no. {i}.",
        }
        for i in range(16)
    ]
    return rows


def _json(path: Path, content: Row) -> None:
    path.write_text(json.dumps(content), encoding="utf-8")


def _jsonl(path: Path, rows: Sequence[Row]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
