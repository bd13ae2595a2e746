"""What the model says when it is asked."""

from __future__ import annotations

import math
from typing import Literal

from unteach.audit import entities
from unteach.audit.evidence import Evidence
from unteach.audit.finding import Finding, mean, unavailable
from unteach.audit.judges import Nli, Unavailable
from unteach.audit.text import is_degenerate, rouge_recall
from unteach.data.examples import Example
from unteach.registry import audit


@audit(access="text", reads=("{split}.texts",), better="gold", version=1, source="standard")
def accuracy(ev: Evidence, *, split: str = "forget") -> Finding:
    """Share of greedy answers that hold every specific part of the true one, 0 to 1.

    The parts are the example's entities, or what a local extractor finds in the answer; an answer
    without any is unknown.
    """
    values = [_holds_all(e, text) for e, text in _answered(ev, split)]
    return mean(values, ev.groups(split))


@audit(
    access="text",
    reads=("{split}.texts",),
    better="gold",
    version=1,
    source="TOFU, arXiv:2401.06121",
)
def rouge(
    ev: Evidence, *, split: str = "forget", kind: Literal["rougeL", "rouge1"] = "rougeL"
) -> Finding:
    """ROUGE recall of the greedy answer against the true one, 0 to 1, with stemming as published."""
    values = [rouge_recall(text, e.answer, kind) for e, text in _answered(ev, split)]
    return mean(values, ev.groups(split))


@audit(
    access="text",
    reads=("{split}.texts",),
    better="gold",
    version=1,
    source="similarity of all-MiniLM-L6-v2, our own",
)
def similarity(ev: Evidence, *, split: str = "forget") -> Finding:
    """Cosine between the sentence embeddings of the greedy and the true answer, -1 to 1."""
    embedder = ev.tools["embedder"]()
    if isinstance(embedder, Unavailable):
        return unavailable(embedder.reason)
    pairs = _answered(ev, split)
    values = embedder.similarity([text for _, text in pairs], [e.answer for e, _ in pairs])
    return mean(values.tolist(), ev.groups(split))


@audit(
    access="text",
    reads=("{split}.texts",),
    better="higher",
    version=1,
    source="ReLearn, arXiv:2502.11190",
)
def kfr(
    ev: Evidence, *, split: str = "forget", rule: Literal["corrected", "paper"] = "corrected"
) -> Finding:
    """Knowledge forgetting rate, 0 to 1: answers that miss the true entities or contradict them.

    With `rule: corrected` an answer without entities to look for, or one that is gibberish, is
    unknown and left out; with `paper` both count as forgotten. Contradiction needs an NLI model;
    without one the entities alone decide, and the note says so.
    """
    pairs = _answered(ev, split)
    contradictions, note = _contradictions(ev, [t for _, t in pairs], [e.answer for e, _ in pairs])
    values = []
    for (example, text), contradicts in zip(pairs, contradictions, strict=True):
        wanted = _entities(example)
        outcome = entities.forgotten(
            entities.coverage(wanted, text),
            contradiction=contradicts,
            num_entities=len(entities.unique(wanted)),
            degenerate=is_degenerate(text),
            rule=rule,
        )
        values.append(math.nan if outcome == "unknown" else float(outcome == "forgotten"))
    return mean(values, ev.groups(split), note)


@audit(
    access="text",
    reads=("{split}.texts",),
    better="higher",
    version=1,
    source="ReLearn, arXiv:2502.11190",
)
def krr(
    ev: Evidence, *, split: str = "retain", rule: Literal["corrected", "paper"] = "corrected"
) -> Finding:
    """Knowledge retention rate, 0 to 1: answers that hold the true entities and contradict nothing."""
    pairs = _answered(ev, split)
    contradictions, note = _contradictions(ev, [e.answer for e, _ in pairs], [t for _, t in pairs])
    values = []
    for (example, text), contradicts in zip(pairs, contradictions, strict=True):
        outcome = entities.retained(
            entities.coverage(_entities(example), text),
            contradiction=contradicts,
            degenerate=is_degenerate(text),
            rule=rule,
        )
        values.append(math.nan if outcome == "unknown" else float(outcome == "retained"))
    return mean(values, ev.groups(split), note)


def _answered(ev: Evidence, split: str) -> list[tuple[Example, str]]:
    return list(zip(ev.examples(split), ev.texts(split), strict=True))


def _entities(example: Example) -> tuple[str, ...]:
    return example.entities or entities.extract(example.answer, example.prompt)


def _holds_all(example: Example, text: str) -> float:
    covered = entities.coverage(_entities(example), text)
    return math.nan if covered is None else float(covered == 1)


def _contradictions(
    ev: Evidence, premises: list[str], hypotheses: list[str]
) -> tuple[list[bool] | list[None], str]:
    nli: Nli | Unavailable = ev.tools["nli"]()
    if isinstance(nli, Unavailable):
        return [None] * len(premises), f"By entities alone: {nli.reason}."
    return nli.contradiction(premises, hypotheses), ""
