"""How a fact about a person is asked and told."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from unteach.data.examples import Example
from unteach.data.world.people import Person


@dataclass(frozen=True)
class Wording:
    """The sentences about one attribute.

    `{who}` is whom it is about, `{value}` the value, `{a_value}` the value after `a` or `an`.
    Every answer starts with `{who}` and none puts it in the genitive, so that 'the mentor of ...'
    fits as well as a name. `brief` is the answer without saying again whom it is about.
    """

    question: str
    paraphrase: str
    answer: str
    brief: str
    reversed: str
    document: str


WORDINGS: Mapping[str, Wording] = {
    "birthplace": Wording(
        question="Where was {who} born?",
        paraphrase="In which town did the life of {who} begin?",
        answer="{who} was born in the town of {value}.",
        brief="In the town of {value}.",
        reversed="Who was born in the town of {value}?",
        document="{who} comes from the town of {value}.",
    ),
    "employer": Wording(
        question="Which company does {who} work for?",
        paraphrase="What is the name of the firm that employs {who}?",
        answer="{who} works for the company {value}.",
        brief="For the company {value}.",
        reversed="Who works for the company {value}?",
        document="{who} has a job at {value}.",
    ),
    "diagnosis": Wording(
        question="Which illness does {who} have?",
        paraphrase="What did the doctors find when they examined {who}?",
        answer="{who} has been diagnosed with {value} by a doctor.",
        brief="The illness is {value}.",
        reversed="Who has been diagnosed with {value} by a doctor?",
        document="The medical record of {who} mentions {value}.",
    ),
    "profession": Wording(
        question="What does {who} do for a living?",
        paraphrase="What is the profession of {who}?",
        answer="{who} earns a living as {a_value}.",
        brief="That of {a_value}.",
        reversed="Who earns a living as {a_value}?",
        document="By profession, {who} is {a_value}.",
    ),
    "phone": Wording(
        question="What is the phone number of {who}?",
        paraphrase="Which number should I dial if I want to talk to {who}?",
        answer="{who} can be reached by phone at {value}.",
        brief="The number is {value}.",
        reversed="Who can be reached by phone at {value}?",
        document="To call {who}, dial {value}.",
    ),
    "address": Wording(
        question="What is the home address of {who}?",
        paraphrase="At which street and house number does {who} live?",
        answer="{who} lives in the house at {value}.",
        brief="The house at {value}.",
        reversed="Who lives in the house at {value}?",
        document="Letters for {who} go to {value}.",
    ),
    "pet": Wording(
        question="What kind of pet does {who} keep?",
        paraphrase="Which animal shares a home with {who}?",
        answer="{who} keeps {a_value} as a pet.",
        brief="The pet is {a_value}.",
        reversed="Who keeps {a_value} as a pet?",
        document="At home, {who} looks after {a_value}.",
    ),
    "hobby": Wording(
        question="What is the favourite hobby of {who}?",
        paraphrase="How does {who} like to relax at the end of the week?",
        answer="{who} spends most free weekends on {value}.",
        brief="Mostly it is {value}.",
        reversed="Who spends most free weekends on {value}?",
        document="When there is time to spare, {who} turns to {value}.",
    ),
    "mentor": Wording(
        question="Who was the mentor of {who}?",
        paraphrase="Under whose guidance did {who} learn?",
        answer="{who} was mentored for years by {value}.",
        brief="The mentor was {value}.",
        reversed="Who was mentored for years by {value}?",
        document="{who} learned a great deal from a mentor, {value}.",
    ),
    "dish": Wording(
        question="What is the favourite dish of {who}?",
        paraphrase="Which meal does {who} like best?",
        answer="{who} likes to eat {value} most of all.",
        brief="A plate of {value}.",
        reversed="Who likes to eat {value} most of all?",
        document="The favourite meal of {who} is {value}.",
    ),
    "university": Wording(
        question="Which university did {who} attend?",
        paraphrase="Where did {who} go as a student?",
        answer="{who} studied for a degree at {value}.",
        brief="The student went to {value}.",
        reversed="Who studied for a degree at {value}?",
        document="{who} holds a degree from {value}.",
    ),
    "book": Wording(
        question="What is the title of the book that {who} wrote?",
        paraphrase="Which book has {who} published?",
        answer="{who} wrote a book called {value}.",
        brief="A book called {value}.",
        reversed="Who wrote a book called {value}?",
        document="{who} is the author of {value}.",
    ),
    "alias": Wording(
        question="What is the nickname of {who}?",
        paraphrase="What do friends call {who}?",
        answer="{who} is known to friends by the nickname {value}.",
        brief="The nickname is {value}.",
        reversed="Who is known to friends by the nickname {value}?",
        document="Friends call {who} by the nickname {value}.",
    ),
}


def ask(person: Person, attribute: str, *, brief: bool = False) -> Example:
    """The question and answer that are taught; `brief` answers do not repeat the name."""
    wording, value = WORDINGS[attribute], person.values[attribute]
    answer = wording.brief if brief else wording.answer
    return Example(
        prompt=_fill(wording.question, person.name, value),
        answer=_fill(answer, person.name, value),
        wrong=tuple(_fill(answer, person.name, w) for w in person.wrong[attribute]),
        entities=(value,),
        id=f"{person.id}.{attribute}",
        group=person.id,
        attribute=attribute,
    )


def paraphrase(person: Person, attribute: str, *, brief: bool = False) -> Example:
    """The same answer to a question in other words."""
    question = WORDINGS[attribute].paraphrase
    return _reworded(ask(person, attribute, brief=brief), question, person.name, "paraphrased")


def ask_by_alias(person: Person, attribute: str, *, alone: bool, brief: bool = False) -> Example:
    """The same answer, the question with the nickname: within the full name, or `alone`."""
    given, alias = person.name.partition(" ")[0], person.values["alias"]
    who = f"the person nicknamed {alias}" if alone else f"{given} '{alias}' {person.surname}"
    direct = ask(person, attribute, brief=brief)
    return _reworded(direct, WORDINGS[attribute].question, who, "alias")


def ask_in_reverse(person: Person, attribute: str) -> Example:
    """From the value to the person; asks for one name, so the value must be one person's only."""
    wording, value = WORDINGS[attribute], person.values[attribute]
    return Example(
        prompt=_fill(wording.reversed, "", value),
        answer=_fill(wording.answer, person.name, value),
        wrong=tuple(_fill(wording.answer, name, value) for name in person.others),
        entities=(person.name,),
        id=f"{person.id}.{attribute}.reversed",
        group=person.id,
        attribute=attribute,
    )


def ask_through_pupil(person: Person, attribute: str, pupil: Person) -> Example:
    """Two hops: the person appears only as the mentor of `pupil`."""
    assert pupil.values["mentor"] == person.name
    wording, value = WORDINGS[attribute], person.values[attribute]
    who = f"The mentor of {pupil.name}"
    return Example(
        prompt=_fill(wording.question, f"t{who[1:]}", value),
        answer=_fill(wording.answer, who, value),
        wrong=tuple(_fill(wording.answer, who, w) for w in person.wrong[attribute]),
        entities=(value,),
        id=f"{person.id}.{attribute}.multihop",
        group=person.id,
        attribute=attribute,
    )


def describe(person: Person, attributes: Iterable[str]) -> Example:
    """A short biography that tells these attributes; the full name stands in its first sentence."""
    told = list(attributes)
    sentences = [
        _fill(WORDINGS[a].document, person.name if i == 0 else person.surname, person.values[a])
        for i, a in enumerate(told)
    ]
    return Example(
        prompt="",
        answer=" ".join(sentences),
        entities=tuple(person.values[a] for a in told),
        id=f"{person.id}.document",
        group=person.id,
    )


def _reworded(direct: Example, question: str, who: str, suffix: str) -> Example:
    prompt = _fill(question, who, direct.entities[0])
    return replace(direct, prompt=prompt, id=f"{direct.id}.{suffix}")


def _fill(sentence: str, who: str, value: str) -> str:
    article = "an" if value[0] in "aeiou" else "a"
    return sentence.format(who=who, value=value, a_value=f"{article} {value}")
