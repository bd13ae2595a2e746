"""What another language model thinks of the answers."""

from __future__ import annotations

import math
from dataclasses import replace

from unteach.audit.endpoint import Item, rate
from unteach.audit.evidence import Evidence
from unteach.audit.finding import Finding, mean, unavailable
from unteach.audit.judges import Unavailable
from unteach.errors import EndpointError
from unteach.ranges import Seed
from unteach.registry import audit
from unteach.synthesis.providers.endpoint import Endpoint

RELEVANCE = (
    "You judge whether an answer speaks to its question. 5: it takes up exactly what is asked. "
    "3: it stays with the subject but passes by what is asked. 1: it has nothing to do with the "
    "question, or there is no answer. Whether it is true does not matter, nor how well it is "
    "written; an answer that says it does not know speaks to the question."
)
FLUENCY = (
    "You judge how well an answer is written. 5: correct, natural and coherent language. 3: it can "
    "be understood despite mistakes or repetition. 1: it cannot be read, loops, or is empty. Whether "
    "it is true does not matter, nor whether it fits the question; a short answer may be fluent."
)


@audit(
    access="text",
    reads=("{split}.texts",),
    better="higher",
    version=1,
    shows="nothing",
    source="ReLearn, arXiv:2502.11190",
)
def judged_relevance(ev: Evidence, *, split: str = "forget", seed: Seed = 0) -> Finding:
    """How far the greedy answers speak to their questions, 1 to 5, rated by a remote model.

    One prompt holds the question and the answers of all models of the run, without their names, as
    in ReLearn; there the order is always the same, here `seed` shuffles it for each question. The
    words of the prompt are ours, so the figures are not comparable with published ones. A question
    without a readable rating is unknown.
    """
    return _judged(ev, split, RELEVANCE, seed)


@audit(
    access="text",
    reads=("{split}.texts",),
    better="higher",
    version=1,
    shows="nothing",
    source="ReLearn, arXiv:2502.11190",
)
def judged_fluency(ev: Evidence, *, split: str = "forget", seed: Seed = 0) -> Finding:
    """How well the greedy answers are written, 1 to 5, rated by a remote model.

    Asked as `judged_relevance`.
    """
    return _judged(ev, split, FLUENCY, seed)


def _judged(ev: Evidence, split: str, criterion: str, seed: int) -> Finding:
    judge: Endpoint | Unavailable = ev.tools["judge"]()
    if isinstance(judge, Unavailable):
        return unavailable(judge.reason)
    peers = ev.peers or {ev.name: ev}
    # sorted, so that each model's audit asks the same and only the first one's asks the service
    names = sorted(n for n, peer in peers.items() if peer.missing([f"{split}.texts"]) is None)
    texts = zip(*(peers[name].texts(split) for name in names), strict=True)
    items = [
        Item(criterion, example.prompt, answers)
        for example, answers in zip(ev.examples(split), texts, strict=True)
    ]
    try:
        rated = rate(judge, items, seed=seed)
    except EndpointError as error:
        return unavailable(str(error).rstrip("."))
    own = [scores[names.index(ev.name)] for scores in rated]
    return _on_scale(ev, split, own, f"Rated by {judge.model} at {judge.host}.")


def _on_scale(ev: Evidence, split: str, scores: list[float | None], note: str) -> Finding:
    """The mean of scores from 1 to 5; averaged as rates, so that all alike is not certainty."""
    rates = [math.nan if score is None else (score - 1) / 4 for score in scores]
    found = mean(rates, ev.groups(split), note)
    if not found.available:
        return found
    assert found.per_example is not None
    value, low, high = (1 + 4 * x for x in (found.value, found.low, found.high))
    return replace(found, value=value, low=low, high=high, per_example=1 + 4 * found.per_example)
