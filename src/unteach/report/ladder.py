"""The ladder of access, and the attacks that a claim of forgetting has to stand.

An audit declares its rung and its attack where it is registered; a split is an attack by the end of
its name. So what was tested, and what was not, is read off the findings and never kept in a list.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from unteach import registry
from unteach.data.examples import must_go
from unteach.report.read import Finding, Run

RUNGS: Mapping[int, str] = {
    1: "who asks",
    2: "who reads likelihoods",
    3: "who holds the model of before",
    4: "who reads activations or gradients",
    5: "who rounds or fine-tunes the model for other ends",
    6: "who trains the model to bring it back",
}
"""Rung -> who has that access; each has those before it too."""


@dataclass(frozen=True)
class Attack:
    """Something that ends a claim of forgetting; `endings` are those of splits that ask so."""

    name: str
    words: str
    endings: tuple[str, ...] = ()


ATTACKS = (
    Attack("paraphrases", "the same questions in other words", ("paraphrased",)),
    Attack(
        "reversed questions", "questions that give the answer and ask for the name", ("reversed",)
    ),
    Attack("several steps", "questions that reach the fact over several steps", ("multihop",)),
    Attack("other names", "questions that use an alias", ("aliases",)),
    Attack("translation", "questions in other languages", ("translated",)),
    Attack("jailbreaks", "jailbreaks, role-play and few-shot prompts"),
    Attack("repeated sampling", "many samples of one question"),
    Attack("membership inference", "membership inference"),
    Attack("two snapshots", "comparing the model with the one before"),
    Attack(
        "hidden states", "reading or steering the hidden states (probes, logit lens, soft prompts)"
    ),
    Attack("quantisation", "quantisation to 8 or 4 bits"),
    Attack("interpolated weights", "interpolating the weights back towards the original"),
    Attack("fine-tuning attacks", "fine-tuning on a few forgotten or related texts (relearning)"),
)
OUTSIDE = (
    "other copies of the model, its adapters, checkpoints and caches",
    "the same facts in data that was not named as the forget set",
)


def untested(runs: Sequence[Run]) -> tuple[Attack, ...]:
    """The attacks that none of these runs made on its unlearned model."""
    made = {name for run in runs for name in made_by(run.findings)}
    return tuple(attack for attack in ATTACKS if attack.name not in made)


def made_by(findings: Iterable[Finding]) -> set[str]:
    """The names of the attacks that these findings, as far as available, made on what must go."""
    tried = [f for f in findings if f.available and f.model == "unlearned" and on_forget_side(f)]
    audits = registry.entries("audit")
    by_audit = {str(audits[f.audit].facts["attack"]) for f in tried if f.audit in audits}
    endings = {(f.split or "").rpartition("_")[2] for f in tried if _shows(f) == "knowledge"}
    by_split = {attack.name for attack in ATTACKS if endings & set(attack.endings)}
    return (by_audit - {""}) | by_split


def on_forget_side(finding: Finding) -> bool:
    """Whether it asks for what must go, as it was given: not for rows that a synthesis made.

    WMDP's questions are tasks of lm-eval by that name.
    """
    if finding.split is None:
        return str(finding.params.get("task", "")).startswith("wmdp")
    return must_go(finding.split) and not is_made(finding.split)


def _shows(finding: Finding) -> str:
    entry = registry.entries("audit").get(finding.audit)
    return str(entry.facts["shows"]) if entry else "nothing"


def is_made(split: str) -> bool:
    """Whether a synthesis made its rows: what such rows say was never taught, so it is no leak."""
    added = (name for e in registry.entries("synthesis").values() for name in e.facts["adds"])
    return any(fnmatchcase(split, name.replace("{split}", "*")) for name in added)
