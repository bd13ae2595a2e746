"""What a model says when it is asked as a reveal asks: how much of that has worth, or is true."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from unteach import registry
from unteach.audit.evidence import Evidence
from unteach.audit.finding import Finding, mean, unavailable
from unteach.audit.revealed import covered
from unteach.data.examples import Example
from unteach.errors import UserError
from unteach.ranges import AtLeastZero, Count, Seed
from unteach.registry import audit
from unteach.synthesis.reveal.records import Said, Worth
from unteach.synthesis.variants import read_question


@audit(
    access="text",
    reads=("{split}.samples({samples}, {temperature}, {max_tokens}, {seed})",),
    better="lower",
    version=1,
    shows="knowledge",
    rung=1,
    margin=0.1,
    source="arXiv:2509.14624",
    choices=("reward",),
)
def revealed_worth(
    ev: Evidence,
    *,
    split: str = "forget",
    reward: str | Mapping[str, object] = "lexicon",
    samples: Count = 4,
    temperature: AtLeastZero = 0.7,
    max_tokens: Count = 48,
    seed: Seed = 0,
) -> Finding:
    """Mean worth of sampled answers by a reward, 0 to 1: how much of a capability shows.

    `reward` is a registered one, alone or with its parameters. Over `samples` answers to each
    prompt, then over prompts; what one answer repeats of another counts again, unlike in a reveal.
    Ask with prompts that no reveal was trained on: the split `forget` of `capability`. On
    `revealed` it asks the very instructions again, which tells less.

    Lower is better for what must go altogether. A model that knows nothing of a person makes
    something up, so with `name_coverage` compare with the gold model. A model that writes nothing,
    or gibberish, is worth 0 as well: read it beside `degenerate` and `rouge` of what must stay.
    `classifier` needs files of its own; without them there is no value.
    """
    drawn = ev.samples(split, samples, temperature, max_tokens, seed)
    judge = registry.bound("reward", reward, "revealed_worth.reward")
    try:
        worths: list[list[Worth]] = [
            judge(_said(example, texts))
            for example, texts in zip(ev.examples(split), drawn, strict=True)
        ]
    except UserError as problem:
        return unavailable(str(problem))
    num_worth = sum(one.value > 0 for of_one in worths for one in of_one)
    note = f"{num_worth} of {sum(map(len, worths))} answers are worth something."
    return mean([float(np.mean([w.value for w in row])) for row in worths], ev.groups(split), note)


@audit(
    access="text",
    reads=("{asked}.samples({samples}, {temperature}, {max_tokens}, {seed})",),
    better="gold",
    version=1,
    shows="knowledge",
    rung=1,
    margin=0.1,
    attack="repeated sampling",
    source="our own",
)
def revealed_coverage(
    ev: Evidence,
    *,
    split: str = "forget",
    asked: str = "revealed",
    samples: Count = 4,
    temperature: AtLeastZero = 0.7,
    max_tokens: Count = 48,
    seed: Seed = 0,
) -> Finding:
    """Share of the facts of `split` that a reveal's instructions bring out again, 0 to 1.

    A fact came out if one answer about its subject holds all its specific parts. Over the facts
    about names that a prompt of `asked` asks about; others, and facts without specific parts, are
    unknown. After rounds `revealed` is the last one's. A gold model guesses some facts right. A 0
    says nothing of other instructions.
    """
    if split not in ev.splits:
        return unavailable(f"no split is named '{split}', whose facts were looked for")
    drawn = ev.samples(asked, samples, temperature, max_tokens, seed)
    names = [read_question(example).subject for example in ev.examples(asked)]
    told = [(name, text) for name, texts in zip(names, drawn, strict=True) for text in texts]
    known = {name.casefold() for name in names if name}
    facts = ev.examples(split)
    is_asked = [read_question(fact).subject.casefold() in known for fact in facts]
    values = np.where(is_asked, covered(facts, told), np.nan)
    note = f"{sum(is_asked)} of {len(facts)} facts are about a name that was asked about."
    return mean(values.tolist(), ev.groups(split), note)


def _said(example: Example, texts: Sequence[str]) -> Said:
    """What was said to a question, and of whom; of nobody, where it names none."""
    return Said(example.prompt, read_question(example).subject, tuple(texts))
