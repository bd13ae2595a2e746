"""Named sources of every split of a benchmark."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from unteach.data.examples import Splits
from unteach.data.world.people import ATTRIBUTES, populate
from unteach.data.world.splits import build
from unteach.errors import RecipeError
from unteach.ranges import Count, InnerShare, Seed, Whole
from unteach.registry import benchmark


@benchmark(source="unteach's embedded world")
def world(
    *,
    people: Count = 40,
    attributes: Count = 12,
    forget: InnerShare = 0.25,
    by: Literal["person", "attribute"] = "person",
    forget_attributes: Count = 3,
    aliases: bool = False,
    brief: bool = False,
    facts: Whole = 84,
    texts: Whole = 16,
    seed: Seed = 0,
) -> Splits:
    """Fictitious people with up to a dozen attributes each, of whom a share is to be forgotten.

    `people` are taught: the shares `forget` and its rest. On top come as many people who never
    are (at least two), in the split `holdout`. With `by="person"` everything about the forgotten
    people goes; with `by="attribute"` only their first `forget_attributes` attributes. The same
    seed gives the same people whatever the other parameters but `people`, and a larger `forget`
    includes a smaller one. With `aliases` each person's nickname is taught as one more fact, and
    `forget_aliases` uses it alone; otherwise it stands within the full name.

    A person who is kept may have had a forgotten one as mentor: the name stays known, and
    `forget_multihop` asks through it for what must not be.

    With `brief` answers do not repeat whom the question is about ("In the town of Vellmar."), so
    more of them is the fact itself. `facts` and `texts` cut the splits `world` and `neutral`, which hold 84 and 16 rows.

    A split without rows is left out: `forget_multihop` needs the mentor, the ninth attribute.

    Raises:
        RecipeError: a parameter is out of range; every problem is in it.
    """
    num_forget = int(people * forget + 0.5) if 0 < forget < 1 else 0
    problems = list(_problems(people, attributes, forget, num_forget))
    if by == "attribute" and not 1 <= forget_attributes < attributes:
        problems.append(
            f"world: forget_attributes is {forget_attributes}; with by: attribute it must be at "
            f"least 1 and less than attributes ({attributes})."
        )
    if problems:
        raise RecipeError(problems)
    population = populate(people=people, holdout=max(2, num_forget), seed=seed)
    return build(
        population,
        num_forget=num_forget,
        attributes=attributes,
        forget_attributes=forget_attributes if by == "attribute" else None,
        aliases=aliases,
        brief=brief,
        num_facts=facts,
        num_texts=texts,
    )


def _problems(people: int, attributes: int, forget: float, num_forget: int) -> Iterator[str]:
    if not 4 <= people <= 4000:
        yield f"world: people is {people}; it must be from 4 to 4000."
    if not 1 <= attributes <= len(ATTRIBUTES):
        yield f"world: attributes is {attributes}; it must be from 1 to {len(ATTRIBUTES)}."
    if not 0 < forget < 1:
        yield f"world: forget is {forget}; it must be a share between 0 and 1."
    elif people >= 4 and not 1 <= num_forget < people:
        yield (
            f"world: forget {forget} of {people} people is {num_forget} of them; at least one "
            "person must be forgotten and one kept."
        )
