"""What the model says when it is asked."""

from __future__ import annotations

import math
from typing import Literal

from unteach.audit import entities
from unteach.audit.evidence import Evidence
from unteach.audit.finding import Finding, mean, unavailable
from unteach.audit.judges import Embedder, Nli, Unavailable
from unteach.audit.kinds import MAX_NEW_TOKENS
from unteach.audit.text import Rouge, before, is_degenerate, words
from unteach.audit.text import rouge as overlap
from unteach.data.examples import Example
from unteach.model.generate import as_text
from unteach.ranges import Count
from unteach.registry import audit

STOPS = ("\n\n", "\nQuestion", "Question:")
"""Where an answer after examples ends: a model without a chat template goes on with a question."""


@audit(
    access="text",
    reads=("{split}.texts",),
    better="gold",
    version=1,
    shows="knowledge",
    rung=1,
    margin=0.1,
    gate=True,
    source="standard",
)
def accuracy(ev: Evidence, *, split: str = "forget") -> Finding:
    """Share of greedy answers that hold every specific part of the true one, 0 to 1.

    The parts are the example's entities, or what a local extractor finds in the answer; an answer
    without any is unknown.
    """
    values = [holds_all(e, text) for e, text in _answered(ev, split)]
    return mean(values, ev.groups(split))


@audit(
    access="text",
    reads=("{split}.texts({max_tokens})",),
    better="gold",
    version=1,
    shows="knowledge",
    rung=1,
    margin=0.1,
    source="TOFU, arXiv:2401.06121",
)
def rouge(
    ev: Evidence,
    *,
    split: str = "forget",
    kind: Literal["rougeL", "rouge1", "rougeL_f1"] = "rougeL",
    max_tokens: Count = 48,
    stem: bool = True,
) -> Finding:
    """ROUGE of the greedy answer against the true one, 0 to 1.

    Recall with stemming, as TOFU; `rougeL_f1` is the harmonic mean of recall and precision, which
    an answer that runs on does not win. Answers are cut after `max_tokens`; TOFU takes 200. A
    truth in a script that ROUGE cannot read is unknown.
    """
    values = [_overlap(text, e.answer, kind, stem) for e, text in _answered(ev, split, max_tokens)]
    return mean(values, ev.groups(split))


@audit(
    access="text",
    reads=("{split}.texts({max_tokens})",),
    better="gold",
    version=1,
    shows="knowledge",
    rung=1,
    margin=0.1,
    gate=True,
    source="MUSE, arXiv:2407.06460",
)
def verbmem(
    ev: Evidence,
    *,
    split: str = "forget_verbatim",
    max_tokens: Count = 128,
    variant: Literal["muse", "incumbent"] = "muse",
) -> Finding:
    """MUSE's verbatim memorisation: ROUGE-L F1 of how the model goes on with a text, 0 to 1.

    `muse` is as first published: no stemming, and the true continuation is cut to `max_tokens`
    tokens (a begin token counts), as many as the model may write. `incumbent` is
    open-unlearning's: it stems and does not cut, so a model that goes on word for word stays below
    1 where the truth is longer.
    """
    published = variant == "muse"
    values = [
        _overlap(
            text,
            _beginning(ev, e.answer, max_tokens) if published else e.answer,
            "rougeL_f1",
            stem=not published,
        )
        for e, text in _answered(ev, split, max_tokens)
    ]
    return mean(values, ev.groups(split))


@audit(
    access="text",
    reads=("{split}.texts({max_tokens})",),
    better="gold",
    version=1,
    shows="knowledge",
    rung=1,
    margin=0.1,
    gate=True,
    source="MUSE, arXiv:2407.06460",
)
def knowmem(
    ev: Evidence,
    *,
    split: str = "forget_qa",
    max_tokens: Count = 32,
    variant: Literal["muse", "incumbent"] = "muse",
) -> Finding:
    """MUSE's memory of knowledge: ROUGE-L F1 of the greedy answer against the true one, 0 to 1.

    The answer ends at an empty line or the next "Question:"; blank lines before it are skipped,
    which the published code takes for its end. Without stemming as `muse`, with it as `incumbent`.
    Published prompts show examples first: they are the rows' history.
    """
    stem = variant == "incumbent"
    values = [
        _overlap(before(text, STOPS), e.answer, "rougeL_f1", stem)
        for e, text in _answered(ev, split, max_tokens)
    ]
    return mean(values, ev.groups(split))


@audit(
    access="text",
    reads=("{split}.texts",),
    better="gold",
    version=1,
    shows="knowledge",
    rung=1,
    margin=0.1,
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
    reads=("{split}.texts({max_tokens})",),
    better="higher",
    version=2,
    shows="knowledge",
    rung=1,
    margin=0.1,
    gate=True,
    only={"rule": "corrected"},
    knowing="low",
    source="ReLearn, arXiv:2502.11190",
)
def kfr(
    ev: Evidence,
    *,
    split: str = "forget",
    rule: Literal["corrected", "paper", "code"] = "corrected",
    max_tokens: Count = 48,
) -> Finding:
    """Knowledge forgetting rate, 0 to 1: answers that miss the true entities or contradict them.

    With `rule: corrected` an answer without entities to look for, or one that is gibberish, is
    unknown and left out; with `paper` and `code` both count as forgotten. An answer misses them that
    says less than 0.3 of them (`paper`); else at most 0.5 of up to three, 0.3 of more, as ReLearn's
    code has it. Contradiction needs an NLI model; without one the entities alone decide, and the
    note says so. The paper finds entities by a remote model, so its values do not transfer.
    """
    pairs = _answered(ev, split, max_tokens)
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
    reads=("{split}.texts({max_tokens})",),
    better="higher",
    version=2,
    shows="knowledge",
    rung=1,
    margin=0.1,
    source="ReLearn, arXiv:2502.11190",
)
def krr(
    ev: Evidence,
    *,
    split: str = "retain",
    rule: Literal["corrected", "paper", "code"] = "corrected",
    max_tokens: Count = 48,
) -> Finding:
    """Knowledge retention rate, 0 to 1: answers that hold the true entities and contradict nothing.

    An answer holds them that says more than 0.3 of them with `rule: paper`, at least 0.3 with the
    others. With `corrected` an answer without entities to look for is unknown and left out, and
    gibberish is lost; with `paper` and `code` an answer without entities is lost.
    """
    pairs = _answered(ev, split, max_tokens)
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


@audit(
    access="text",
    reads=("{split}.texts",),
    better="gold",
    version=1,
    shows="knowledge",
    rung=1,
    margin=0.1,
    only={"rule": "corrected"},
    source="ReLearn, arXiv:2502.11190",
)
def entity_coverage(
    ev: Evidence, *, split: str = "forget", rule: Literal["corrected", "paper"] = "corrected"
) -> Finding:
    """ReLearn's ECS: share of the true answer's specific parts that the greedy one says, 0 to 1.

    `corrected` counts each part once if its words are there; an answer without parts is unknown.
    `paper` counts every pair of a true and a given part with a cosine of at least 0.8 by the local
    embedder, which may exceed 1, and is 0 where either answer has none. Parts that share a word
    with the question are dropped on the given side only, as in its code. There a remote model
    finds the parts; here the example names those of the truth, and a local extractor the others.
    """
    pairs = _answered(ev, split)
    if rule == "corrected":
        covered = [entities.coverage(_entities(e), text) for e, text in pairs]
        return mean([math.nan if x is None else x for x in covered], ev.groups(split))
    embedder: Embedder | Unavailable = ev.tools["embedder"]()
    if isinstance(embedder, Unavailable):
        return unavailable(embedder.reason)
    values = [_matching_pairs(e, text, embedder) for e, text in pairs]
    return mean(values, ev.groups(split))


@audit(
    access="text",
    reads=("{split}.texts",),
    better="gold",
    version=1,
    shows="knowledge",
    rung=1,
    margin=0.1,
    only={"premise": "answer"},
    source="ReLearn, arXiv:2502.11190",
)
def entailment_score(
    ev: Evidence, *, split: str = "forget", premise: Literal["answer", "truth"] = "answer"
) -> Finding:
    """Share of answers that follow from the truth or from which it follows, by NLI, 0 to 1.

    With the answer as `premise` the truth follows from it: it is said, perhaps in other words. With
    the truth the answer says nothing beyond it, which also a vague one does. ReLearn takes the
    answer on forget, the truth on retain, and of the three labels uses contradiction alone.
    """
    return inferred(ev, split, premise, "entailment")


@audit(
    access="text",
    reads=("{split}.texts",),
    better="gold",
    version=1,
    shows="nothing",
    source="ReLearn, arXiv:2502.11190",
)
def contradiction(
    ev: Evidence, *, split: str = "forget", premise: Literal["answer", "truth"] = "answer"
) -> Finding:
    """Share of greedy answers that contradict the true one, by a local NLI model, 0 to 1.

    ReLearn takes the answer as `premise` on forget and the truth on retain.
    """
    return inferred(ev, split, premise, "contradiction")


def holds_all(example: Example, text: str) -> float:
    """1 if the text says every specific part of the example's answer, else 0; NaN without parts."""
    covered = entities.coverage(_entities(example), text)
    return math.nan if covered is None else float(covered == 1)


def inferred(
    ev: Evidence,
    split: str,
    premise: Literal["answer", "truth"],
    label: Literal["entailment", "contradiction"],
) -> Finding:
    """Share of answers of which a local NLI model says `label`, with the answer or truth as premise."""
    nli: Nli | Unavailable = ev.tools["nli"]()
    if isinstance(nli, Unavailable):
        return unavailable(nli.reason)
    texts, truths = ev.texts(split), [e.answer for e in ev.examples(split)]
    pair = (texts, truths) if premise == "answer" else (truths, texts)
    found = nli.entailment(*pair) if label == "entailment" else nli.contradiction(*pair)
    # an empty answer says nothing: what a classifier makes of it is chance
    values = [float(x and text != "") for x, text in zip(found, texts, strict=True)]
    return mean(values, ev.groups(split))


def _answered(
    ev: Evidence, split: str, max_tokens: int = MAX_NEW_TOKENS
) -> list[tuple[Example, str]]:
    return list(zip(ev.examples(split), ev.texts(split, max_tokens), strict=True))


def _overlap(text: str, truth: str, kind: Rouge, stem: bool) -> float:
    try:
        return overlap(text, truth, kind, stem=stem)
    except ValueError:  # a truth in a script that it does not read
        return math.nan


def _beginning(ev: Evidence, text: str, max_tokens: int) -> str:
    tokenizer = ev.renderer.tokenizer
    return as_text(tokenizer, tokenizer(text)["input_ids"][:max_tokens])


def _entities(example: Example) -> tuple[str, ...]:
    return example.entities or entities.extract(example.answer, example.prompt)


def _matching_pairs(example: Example, text: str, embed: entities.Embed) -> float:
    """Pairs of one meaning over the true parts, as published: 0 without parts on either side."""
    wanted = entities.unique(_entities(example))
    asked = set(words(example.prompt))
    said = [e for e in entities.extract(text) if not asked & set(words(e))]
    if not wanted or not said:
        return 0.0
    alike = embed(wanted) @ embed(said).T >= entities.SAME_MEANING
    return float(alike.sum() / len(wanted))


def _contradictions(
    ev: Evidence, premises: list[str], hypotheses: list[str]
) -> tuple[list[bool] | list[None], str]:
    nli: Nli | Unavailable = ev.tools["nli"]()
    if isinstance(nli, Unavailable):
        return [None] * len(premises), f"By entities alone: {nli.reason}."
    return nli.contradiction(premises, hypotheses), ""
