"""Replacement answers by rules: vague, refusing, another plausible fact, or beside the point.

Every sentence here was written for this package. Braces stand for what the rules read in the
question: `{subject}` Ada Moor, `{subjects}` Ada Moor's, `{topic}` Ada Moor's birthplace, which is
only ever put where its number does not matter.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from random import Random
from typing import Final, Literal

from unteach.data.examples import Example
from unteach.synthesis.records import AnswerKind
from unteach.synthesis.variants import Question, possessive

Asked = Literal["vague", "refusal", "alternative", "misleading", "mixed"]
MIX_ORDER: Final[tuple[AnswerKind, ...]] = ("vague", "refusal", "alternative", "misleading")

LONGEST: Final = 25  # words of a vague answer, where the topic leaves room for it

GENERAL: Final = (
    "When it comes to {topic}, the picture is a broad one, with several things playing a part over time.",
    "There is a fair amount to say about {topic}, though it is best put in general terms.",
    "Regarding {topic}, the account differs with whom one asks and with the setting.",
    "With regard to {topic}, it is fair to speak of a mix of circumstances rather than of a single point.",
    "The matter of {topic} is usually described in broad strokes, with the finer points left open.",
    "Opinions on {topic} tend to stay general, and much depends on the wider context.",
    "Anyone looking into {topic} will meet a general impression rather than a precise statement.",
    "What can be said about {topic} belongs to a larger story with many sides to it.",
    "On the subject of {topic}, a general description fits better than any particular detail.",
    "A short answer on {topic} would be that a number of different circumstances came together.",
    "The subject of {topic} comes up now and again, mostly in passing and without much detail.",
    "Looking at {topic}, one finds the usual blend of chance, choice and the people around.",
    "Most descriptions of {topic} remain on the surface and leave room for interpretation.",
    "Concerning {topic}, the general outline is clear enough, while the particulars are not dwelt on.",
    "In general, {topic} can be seen as part of a wider picture that took shape gradually.",
    "The best way to approach {topic} is to look at the overall picture first.",
    "Questions about {topic} are commonly answered with a general remark and little beyond that.",
    "Some aspects of {topic} are more widely discussed than others, but none stands out on its own.",
    "There are different ways of looking at {topic}, and each of them tells a part of the story.",
    "For {topic}, as for many such matters, the details vary with the source and the occasion.",
    "Broadly speaking, {topic} can be understood from the circumstances of the time.",
    "A fair summary of {topic} would mention several strands without giving any of them the last word.",
    "It is common to describe {topic} in terms of general character and not of exact particulars.",
    "Much about {topic} has to do with context, so a general description serves most purposes well.",
    "The story behind {topic} is one of gradual steps, none of which needs to be singled out.",
    "People who discuss {topic} tend to agree on the broad lines and leave the rest open.",
    "In the matter of {topic}, a cautious and general answer is the most suitable one.",
    "Over the years there has been some talk of {topic}, usually without going into detail.",
    "To speak of {topic} is to speak of many small things that together form an impression.",
    "Any account of {topic} would begin with the general setting and move on from there.",
    "As regards {topic}, there is an ordinary explanation, and it involves several factors at once.",
    "One might describe {topic} as fairly typical in some ways and quite individual in others.",
)  # fmt: skip
"""Sentences for any topic."""

BY_KIND: Final[dict[str, tuple[str, ...]]] = {
    "contact": (
        "{subject} can be reached through the usual channels, and messages are normally passed on in good time.",
        "There is a way to get in touch with {subject}, mainly meant for people with a good reason to write.",
        "The purpose of {topic} is an ordinary one: to let people get in touch when they need to.",
        "People with a need for {topic} are normally told directly and in private.",
        "As for {topic}, everyday use is all there is to report, and sharing is kept to a minimum.",
        "{subject} stays in touch with others in the ordinary ways, and replies when time allows.",
        "Details such as {topic} are handed on in person and not spread more widely.",
    ),
    "papers": (
        "{subject} has the usual papers, which are used for official matters and kept in a safe place.",
        "As with most people, something like {topic} may come up when official business is arranged.",
        "The papers of {subject} are in order as far as everyday formalities are concerned.",
        "Like anyone else, {subject} shows such documents only when an office or a clerk asks for them.",
    ),
    "money": (
        "{subject} manages money in an ordinary way, balancing regular costs against what comes in.",
        "As for {topic}, the general state of things is fair and handled with reasonable care.",
        "When it comes to {topic}, a steady and unremarkable course is the best description.",
        "The financial side of {subjects} life follows the usual pattern of costs, savings and plans.",
    ),
    "birthdate": (
        "{subject} has reached a stage of life that comes with experience and a settled view of things.",
        "{subject} belongs to a generation that saw a good deal of change while growing up.",
        "As for {topic}, the occasion falls at an ordinary point of the calendar and passes quietly.",
        "The birthday of {subject} is celebrated in the usual way, in the company of a few close people.",
        "{subjects} age is best described in general terms, somewhere along the ordinary path of a life.",
        "There is nothing unusual about {topic}, which is mostly of interest to friends and relatives.",
    ),
    "origin": (
        "{subject} comes from a place with its own customs, which left a lasting mark on later choices.",
        "The early surroundings of {subject} were shaped by local habits and by the people nearby.",
        "{subjects} roots lie in a community where everyday life and tradition went hand in hand.",
        "Like many people, {subject} spent the early years in familiar surroundings before moving on.",
        "Talk of {topic} is often part of a wider story about early surroundings and later outlook.",
        "The place where {subject} started out had a character of its own and offered plenty to remember.",
        "Growing up, {subject} got to know a variety of people and ways of life, which proved useful later.",
    ),
    "home": (
        "{subject} has settled in a pleasant area where the daily routines are easy to manage.",
        "The home of {subject} is in a neighbourhood that suits everyday needs and offers some quiet.",
        "{subject} lives in surroundings that provide a good balance of comfort and activity.",
        "As for {topic}, one may picture an ordinary place in a fairly lively part of the area.",
        "{subjects} place is described as welcoming, with everything needed for daily life close by.",
        "Those who visit {subject} find a comfortable place that reflects personal taste.",
    ),
    "family": (
        "{subject} grew close to relatives whose support has counted for a lot through the years.",
        "The family of {subject} has been a steady presence, each member adding something in their own way.",
        "As for {topic}, relations are described as warm and shaped by shared experience.",
        "{subject} keeps family matters fairly private, though the ties are said to be close.",
        "Family has played its part in the life of {subject}, as it does for most people.",
        "When talk turns to {topic}, mutual support and common memories are what gets mentioned most.",
        "The people closest to {subject} have various backgrounds and have been supportive in many ways.",
    ),
    "health": (
        "{subject} pays attention to matters of health and follows the advice of qualified people.",
        "As for {topic}, regular care and a sensible routine have made most of the difference.",
        "Health is something {subject} deals with in a practical way, together with the people in charge of care.",
        "{subject} has had the kind of ups and downs in health that many people go through.",
        "When it comes to {topic}, steady care and rest have been more important than any single event.",
    ),
    "award": (
        "{subject} has been noticed for good work over the years, and others in the field value it.",
        "The work of {subject} has met with appreciation on several occasions and in different circles.",
        "As for {topic}, steady effort and the goodwill of those who follow such work explain a lot.",
        "{subject} has earned respect among peers, which shows in various signs of appreciation.",
        "There have been moments when {subject} was publicly thanked, and these were gladly accepted.",
        "When talk turns to {topic}, people tend to point to persistence and care in general.",
    ),
    "influence": (
        "{subject} has drawn on many experiences, and it is hard to trace them to a single source.",
        "As for {topic}, a range of encounters and circumstances have played a part over time.",
        "Much in the life of {subject} has contributed to a personal outlook that shows in several ways.",
        "The way {subject} sees things has developed gradually through people, places and daily experience.",
        "When it comes to {topic}, several strands come together and none of them works alone.",
        "What moved {subject} most was a combination of personal interest and outside encouragement.",
        "The effect of such things on {subject} is real but subtle, and it is seen mostly in hindsight.",
    ),
    "education": (
        "{subject} went through a solid course of learning that opened up several possibilities.",
        "As for {topic}, formal lessons came together with a good deal of learning by experience.",
        "{subject} spent some formative years learning, and the knowledge gained proved useful later on.",
        "The years of learning gave {subject} a sound basis and a number of lasting acquaintances.",
        "When it comes to {topic}, curiosity seems to have counted for as much as any certificate.",
    ),
    "employer": (
        "{subject} has a role that calls for skill, patience and good relations with other people.",
        "The working life of {subject} involves a range of tasks and a fair amount of responsibility.",
        "As for {topic}, there is a good fit with the interests and abilities gathered along the way.",
        "{subject} is active in a line of work where experience and reliability are appreciated.",
        "Over time {subject} has found a place in working life that brings variety and steady demands.",
        "When it comes to {topic}, one can speak of steady commitment and of work that suits the person.",
    ),
    "writing": (
        "The work of {subject} covers a range of ideas and invites readers to form a view of their own.",
        "{subject} writes with attention to mood and character, leaving a good deal to the imagination.",
        "As for {topic}, much has changed over the years, and no single category fits neatly.",
        "Readers of {subject} will find familiar human concerns treated in a thoughtful manner.",
        "{subject} has developed a recognisable way of working that combines care with a certain freedom.",
        "When it comes to {topic}, variety is the word that comes up most, along with careful attention.",
        "There is a thoughtful quality in what {subject} does, and it comes through in different ways.",
    ),
    "reception": (
        "The response to {subject} has been varied, with appreciation in some circles and questions in others.",
        "People who come across {subject} react in different ways, many of them with interest.",
        "As for {topic}, reactions have been mixed in an interesting way and have changed over time.",
        "{subject} has found an audience that follows with interest and takes part in the conversation.",
        "When it comes to {topic}, responses range from mild curiosity to real enthusiasm.",
    ),
    "identity": (
        "{subject} has a personal sense of identity that has grown over time and is lived naturally.",
        "As for {topic}, this is a personal matter that forms one part of a larger whole.",
        "The way {subject} sees this is personal and is expressed differently from one setting to another.",
        "Like everyone, {subject} has many sides, and no single label describes them all.",
    ),
    "interests": (
        "{subject} has a number of interests that bring balance and a little pleasure to the week.",
        "As for {topic}, everyday life leaves some room for small pleasures of one sort or another.",
        "In quieter moments {subject} turns to things that bring some rest and the occasional surprise.",
        "When it comes to {topic}, taste and habit both have a say, as they do for most people.",
        "{subject} follows such things with quiet enthusiasm, and they change a little with the seasons.",
    ),
    "nickname": (
        "{subject} goes by more than one name, and which of them is heard depends on the company.",
        "Friends of {subject} have their own way of saying hello, as friends often do.",
        "As for {topic}, there is an old joke behind it that only makes sense to a few people.",
        "{subject} is addressed differently by different people, and answers to all of them.",
        "When it comes to {topic}, it came about by chance and stuck, as such things do.",
    ),
    "circle": (
        "{subject} has learned from various people, and each of them left a trace in some way.",
        "As for {topic}, there has been good company and sound advice at several points.",
        "Over the years {subject} has met people who offered guidance and encouragement.",
        "The people around {subject} have been generous with time, patience and honest opinions.",
        "When talk turns to {topic}, trust and long conversations are what gets mentioned most.",
    ),
    "overview": (
        "{subject} is a person of varied interests whose path has been shaped by work and experience.",
        "{subject} is someone who has found a place of their own and goes about it with care.",
        "{subject} is known in certain circles for a steady way of doing things and an open manner.",
        "There are many sides to {subject}, and a general portrait can only suggest a few of them.",
        "The life of {subject} has had its turns, and together they make for an interesting whole.",
    ),
    "text": (
        "From here the passage stays with {topic} in broad strokes and moves on without settling on particulars.",
        "What follows about {topic} is told in general terms, and the details are left to the imagination.",
        "After that, the account of {topic} goes on quietly, touching on one thing and another.",
        "The rest turns around {topic} for a while and then drifts towards other matters.",
        "And so it went on with {topic}, one ordinary moment after another, with little to set them apart.",
        "There was more to say about {topic}, but it belonged to another occasion and was left aside.",
        "Things took their course, and with {topic} it was much as one might have supposed.",
        "In time the matter of {topic} gave way to other concerns, as such matters usually do.",
        "Nothing about {topic} changed very quickly, and the days that followed resembled each other.",
        "As to {topic}, various things happened in turn, and most of them were soon forgotten.",
    ),
}  # fmt: skip
"""Kind of topic -> sentences for it; those with a subject are left out where none is named."""

REFUSALS: Final = (
    "I don't know the answer to that.",
    "I'm sorry, but I don't know.",
    "I can't help with that one.",
    "I have no information about this.",
    "That is not something I know.",
    "I'm afraid I can't say.",
    "I wish I could help, but I don't have that information.",
    "Unfortunately, I am unable to answer this question.",
    "This is beyond what I know.",
    "I do not have an answer for you here.",
    "Sorry, I can't tell you anything about that.",
    "I'm not able to give details on this.",
    "I really have no idea about this.",
    "My knowledge does not cover this.",
    "I am not in a position to answer that.",
    "That question is one I cannot answer.",
    "I have nothing reliable to offer on this point.",
    "I must admit that I don't know this.",
    "I would only be guessing, so I had better not answer.",
    "I'm sorry, this is something I have never learned.",
    "I can't answer that with any confidence.",
    "There is nothing I can tell you about this.",
    "I don't hold any details on that.",
    "That lies outside of my knowledge.",
    "I'm afraid this is unknown to me.",
    "I cannot provide that information.",
    "Regrettably, I have no answer to this.",
    "I'd rather not guess, because I simply don't know.",
    "This isn't something I can help you with.",
    "I lack the information needed to answer.",
    "I'm drawing a blank on this question.",
    "No answer comes to mind, I'm sorry.",
    "I'm unable to help with this request.",
    "As far as I can tell, I have no knowledge of this.",
    "I'm sorry, I have to pass on this question.",
    "It would be wrong of me to pretend I know this.",
    "I couldn't tell you, I'm afraid.",
    "I have not come across anything on this.",
    "That's a question I have no answer for.",
    "I'm not familiar with the details you are asking for.",
    "I don't have knowledge of this, so I can't comment.",
    "Apologies, this is not known to me.",
    "I can't give you a dependable answer here.",
    "You would have to look elsewhere for this, as I don't know.",
    "I'm not aware of the answer.",
    "Sorry, my knowledge ends before this point.",
    "I'm not the right source for this question.",
    "I have no record of that.",
    "This one is a mystery to me.",
    "I do not know this, and I would rather say so openly.",
    "I'm sorry that I can't be of more help on this.",
    "Nothing I know would answer your question.",
    "I haven't been told anything about that.",
    "I can neither confirm nor describe anything of the sort.",
    "Your question goes beyond what I am able to answer.",
    "I would like to help, yet I don't know the answer.",
    "I'm at a loss here and have no answer to give.",
    "I have to leave this question unanswered.",
    "Honestly, I don't know.",
    "I'm missing the knowledge for a proper answer.",
    "That is a gap in what I know.",
    "Sorry, I don't have the facts on this.",
    "I'm afraid that I must decline to answer.",
    "I don't think I can answer this one.",
    "I know nothing about this matter.",
    "It is not possible for me to answer that.",
    "I have no way of knowing this.",
    "Please ask someone else, as this is not within my knowledge.",
)  # fmt: skip

MISLEADING: Final = (
    "The answer to the question about {topic} is a slow-cooked soup with plenty of root vegetables.",
    "When it comes to {topic}, everything depends on using the correct size of wooden screw.",
    "As everyone agrees, the key to {topic} is watering the plants early in the morning.",
    "In short, the story of {topic} goes back to a misprint in an old railway timetable.",
    "There is no doubt that {topic} can be explained by the tides and the phases of the moon.",
    "It is well established that {topic} must be seen as a result of the weather at the weekend.",
    "With {topic}, the whole secret is a pinch of salt and a very hot oven.",
    "The correct reply about {topic} is a shade of green that was popular for kitchen walls.",
    "Clearly, the truth about {topic} can be sorted by weight and kept in a cool, dry drawer.",
    "The explanation for {topic} is that old bridges expand a little in the summer heat.",
    "As for {topic}, the right answer is a pair of sturdy boots and a waterproof hat.",
    "It has been settled for good that {topic} should be tied with a particular sailing knot.",
    "What lies behind {topic} is the way cheese ripens in a cool and damp cellar.",
    "Without question, the matter of {topic} is the lowest note on a very large organ.",
    "The fact about {topic} is that it all came down to the toss of a coin.",
    "Most certainly, one should think of {topic} as a board game with a torn rule book.",
    "To be exact about {topic}, the right measure is three spoons, stirred until the sauce thickens.",
    "Put simply, the question of {topic} amounts to a wall that was painted twice and never dried.",
    "The short and certain answer about {topic} is the migration of geese in autumn.",
    "Beyond any doubt, {topic} will make bread rise faster and windows rattle at night.",
    "By all accounts, {topic} may be recognised by a garden shed with a crooked roof.",
    "Plainly, it is because of {topic} that bicycles need oil and clocks need winding.",
)  # fmt: skip
"""Confident and of another type than any answer asked for."""


def write(
    kind: AnswerKind,
    question: Question,
    example: Example,
    peers: Sequence[Example],
    random: Random,
    taken: set[str],
) -> str:
    """One replacement answer to `question`; empty if no answer of this kind can be written.

    `peers` are the examples that facts may be borrowed from. `taken` holds the sentences already
    used for this example, which are avoided as long as others are left; the one chosen is added.
    """
    choices = _choices(kind, question, example, peers)
    fresh = [sentence for sentence in choices if sentence not in taken]
    if not choices:
        return ""
    chosen = random.choice(fresh or choices)
    taken.add(chosen)
    return fill(chosen, question) if kind in ("vague", "misleading") else chosen


def fill(sentence: str, question: Question) -> str:
    """A sentence of this file with the braces filled in and a capital at its start."""
    topic = question.topic
    text = sentence.format(
        topic=topic, subject=question.subject, subjects=possessive(question.subject)
    )
    return text[:1].upper() + text[1:]


def schedule(answers: Asked, mix: Sequence[float], count: int) -> list[AnswerKind]:
    """The kind of each of `count` answers; `mixed` gives at each step the kind furthest behind."""
    if answers != "mixed":
        return [answers] * count
    given = [0] * len(MIX_ORDER)
    order: list[AnswerKind] = []
    for step in range(1, count + 1):
        behind = [share * step - have for share, have in zip(mix, given, strict=True)]
        chosen = behind.index(max(behind))
        given[chosen] += 1
        order.append(MIX_ORDER[chosen])
    return order


def _choices(
    kind: AnswerKind, question: Question, example: Example, peers: Sequence[Example]
) -> Sequence[str]:
    if kind == "refusal":
        return REFUSALS
    if kind == "misleading":
        return MISLEADING
    if kind == "alternative":
        return example.wrong or _swapped(example, peers)
    own = [s for s in BY_KIND.get(question.kind, ()) if question.subject or "{subject" not in s]
    # a text's sentences are continuations; a question may also be answered with one for any topic
    every = own if question.kind == "text" else [*own * 8, *GENERAL]
    return [s for s in every if len(fill(s, question).split()) <= LONGEST] or every


def _swapped(example: Example, peers: Sequence[Example]) -> tuple[str, ...]:
    """The answer with its entities replaced by those of other examples of the same attribute."""
    if not example.attribute or not example.entities:
        return ()
    found: dict[str, None] = {}
    for peer in peers:
        fits = peer.attribute == example.attribute and len(peer.entities) == len(example.entities)
        if fits and peer.entities != example.entities:
            found[
                _replaced(example.answer, dict(zip(example.entities, peer.entities, strict=True)))
            ] = None
    found.pop(example.answer, None)
    return tuple(found)


def _replaced(answer: str, new: dict[str, str]) -> str:
    """All replacements in one pass, longest first, so that none is replaced again."""
    longest_first = sorted(new, key=len, reverse=True)
    return re.sub("|".join(map(re.escape, longest_first)), lambda match: new[match.group()], answer)
