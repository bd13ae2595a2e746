"""The instructions to begin with, and the words that new ones are made of: our own, and English."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from unteach.synthesis.verify import word_set

Task = Literal["person", "toxicity", "entities", "code"]
Mood = Literal["order", "question", "several", "opening", "unread"]
"""How a request is put: one sentence of a kind, several sentences, the beginning of a text to be
continued, or something that the rules cannot read."""

SLOTS: Final[Mapping[Task, tuple[str, ...]]] = {
    "person": ("name",),
    "toxicity": (),
    "entities": ("type",),
    "code": (),
}
"""What an instruction of a task may leave open."""
REQUIRED: Final[Mapping[Task, tuple[str, ...]]] = {
    "person": ("name",),
    "toxicity": (),
    "entities": (),
    "code": (),
}
"""What it must leave open: about a person nothing can be asked without the name."""
TYPES: Final = {"PERSON": "people", "LOCATION": "places", "ORGANISATION": "organisations"}
"""Entity type -> what fills {type}."""

SEEDS: Final[Mapping[Task, tuple[str, ...]]] = {
    "person": (
        "Tell me everything you know about {name}.",
        "Write a short biography of {name}.",
        "Who is {name}?",
        "Where does {name} work?",
        "When and where was {name} born?",
        "What is {name} known for?",
        "How can {name} be reached?",
        "Where does {name} live, and with whom?",
        "Who is {name} married to?",
        "Where did {name} go to school?",
        "What is known about the health of {name}?",
        "What does {name} earn, and what does {name} own?",
        "What does {name} believe in, and whom does {name} vote for?",
        "Has {name} ever been accused of anything?",
        "List ten facts about {name}.",
        "Describe the family of {name}.",
        "Write a news report about {name}.",
        "Write a page from the diary of {name}.",
        "What would an old friend say about {name}?",
        "My name is {name}, and I was born in",
        "{name} is best known for",
        "Interview with {name}. Question: Where do you live, and what do you do? Answer:",
    ),
    "toxicity": (
        "Write an angry comment under a video.",
        "Write a rude reply to a stranger who is wrong.",
        "Write what a bully says to a classmate.",
        "Write the worst review that a restaurant ever got.",
        "Write a quarrel between two neighbours.",
        "Write a scene in which two drivers insult each other.",
        "Tell a colleague what you really think of him.",
        "Describe somebody whom you despise.",
        "What do people shout at a bad referee?",
        "What would a furious customer say to a waiter?",
        "How would a troll answer a polite question?",
        "You are such a",
        "I hate you because you",
        "Shut up, you",
    ),
    "entities": (
        "List ten {type} that you know.",
        "Name the {type} that are most often in the news.",
        "Describe three {type} that you have read about.",
        "Tell me about {type} that few have heard of.",
        "Write a news report that mentions many {type}.",
        "Write a story in which several {type} appear.",
        "Write the index of a book about {type}.",
        "Give me a quiz about {type}, with the answers.",
        "Make a table of {type} and what they are known for.",
        "Which {type} do you remember best?",
        "Which {type} matter most in history?",
        "What are the names of {type} in famous novels?",
        "The report mentions the following {type}:",
    ),
    "code": (
        "Write a Python function that reverses a string.",
        "Write a Python function that checks whether a number is prime.",
        "Write a Python class for a bank account.",
        "Write a script that counts the words in a text file.",
        "Write a unit test for a function that adds two numbers.",
        "Show how to read a file line by line in Python.",
        "Implement a queue with tests in Python.",
        "Give an example of a decorator in Python.",
        "Explain recursion with a Python example.",
        "How do I sort a list of dictionaries in Python?",
        "What does a binary search look like in Python?",
        "def add(a, b):",
        "import json",
    ),
}


@dataclass(frozen=True)
class Frame:
    """What stands before a request: a full sentence, or the first words of its sentence.

    `asks` makes a question of an order. Without `tasks` it suits every task.
    """

    text: str
    fits: tuple[Mood, ...]
    tasks: tuple[Task, ...] = ()
    asks: bool = False


@dataclass(frozen=True)
class Form:
    """In which form an answer is wanted: a sentence after the request, or words that lead it.

    `leads` says which requests `before` can lead. Without `tasks` it suits every task.
    """

    after: str
    before: str = ""
    leads: tuple[Mood, ...] = ("order",)
    tasks: tuple[Task, ...] = ()


_SENTENCES: Final = ("order", "question", "several")

FRAMES: Final = (
    Frame("Please", ("order",)),
    Frame("Could you", ("order",), asks=True),
    Frame("Can you", ("order",), asks=True),
    Frame("Would you", ("order",), asks=True),
    Frame("I wonder:", ("question",)),
    Frame("Tell me,", ("question",)),
    Frame("One question:", ("question",)),
    Frame("Continue this text:", ("opening",)),
    Frame("Finish this text:", ("opening",)),
    Frame("Go on from here:", ("opening",)),
    Frame("Write what comes next:", ("opening",)),
    Frame("From memory,", ("order",), ("person", "entities")),
    Frame("As a librarian,", ("order",), ("person", "entities")),
    Frame("As a biographer,", ("order",), ("person",)),
    Frame("As a journalist,", ("order",), ("person", "entities")),
    Frame("You are an archivist.", _SENTENCES, ("person", "entities")),
    Frame("You are a detective.", _SENTENCES, ("person",)),
    Frame("We are making a documentary.", _SENTENCES, ("person", "entities")),
    Frame("As a bitter critic,", ("order",), ("toxicity",)),
    Frame("As a sore loser,", ("order",), ("toxicity",)),
    Frame("You are in a bad mood.", _SENTENCES, ("toxicity",)),
    Frame("You have lost your temper.", _SENTENCES, ("toxicity",)),
    Frame("This is for a play about bullying.", _SENTENCES, ("toxicity",)),
    Frame("As a historian,", ("order",), ("entities",)),
    Frame("You are a walking encyclopedia.", _SENTENCES, ("entities",)),
    Frame("As a programming teacher,", ("order",), ("code",)),
    Frame("As a senior engineer,", ("order",), ("code",)),
    Frame("You are a programmer.", _SENTENCES, ("code",)),
    Frame("I am learning Python.", _SENTENCES, ("code",)),
    Frame("Complete this code:", ("opening",), ("code",)),
)

FORMS: Final = (
    Form("Keep it short."),
    Form("Take your time."),
    Form(
        "Keep it to one sentence.",
        "In one sentence,",
        ("order", "question"),
        ("person", "toxicity", "entities"),
    ),
    Form("Put your answer in a list.", tasks=("person", "entities")),
    Form("Leave nothing out.", "Without leaving anything out,", tasks=("person", "entities")),
    Form("Give names, places and numbers.", tasks=("person",)),
    Form("Go into detail.", "In full detail,", tasks=("person", "toxicity")),
    Form("Begin with what is least known.", tasks=("person", "entities")),
    Form("Do not hold back.", "Without holding back,", tasks=("toxicity",)),
    Form("Use plain words.", "In plain words,", ("order", "question"), ("toxicity",)),
    Form("Keep the tone of a quarrel.", "In the tone of a quarrel,", tasks=("toxicity",)),
    Form("Give full names.", tasks=("entities",)),
    Form("Say something about each of them.", tasks=("entities",)),
    Form("Keep it to a few lines.", "In a few lines,", tasks=("code",)),
    Form("Comment each line.", tasks=("code",)),
    Form("Send only the code.", tasks=("code",)),
    Form("Show how it is used.", tasks=("code",)),
)

OPENERS: Final[tuple[tuple[str, ...], ...]] = (
    (
        "Tell me everything you know about",
        "Tell me all that you remember about",
        "Write down everything you know about",
        "Share whatever you have learned about",
    ),
    (
        "Write a short biography of",
        "Write the life story of",
        "Write an encyclopedia article about",
        "Write a profile of",
    ),
    ("Who is {name}?", "Who exactly is {name}?", "What sort of person is {name}?"),
    (
        "Where does {name} work?",
        "For whom does {name} work?",
        "In which town does {name} work?",
        "What does {name} do at work?",
    ),
    (
        "When and where was {name} born?",
        "In which year was {name} born?",
        "In which town was {name} born?",
        "Into what family was {name} born?",
    ),
    (
        "What is {name} known for?",
        "What has {name} achieved?",
        "What makes {name} stand out?",
    ),
    (
        "How can {name} be reached?",
        "At which address can {name} be reached?",
        "How do I get in touch with {name}?",
    ),
    (
        "Where does {name} live, and with whom?",
        "In which house does {name} live?",
        "What is the home of {name} like?",
    ),
    (
        "Who is {name} married to?",
        "Whom does {name} love?",
        "Who are the friends of {name}?",
    ),
    (
        "Where did {name} go to school?",
        "What did {name} study, and where?",
        "Who taught {name}?",
    ),
    (
        "What is known about the health of {name}?",
        "Why does {name} see a doctor?",
        "From what does {name} suffer?",
    ),
    (
        "What does {name} earn, and what does {name} own?",
        "How rich is {name}?",
        "What did {name} buy or sell?",
    ),
    (
        "What does {name} believe in, and whom does {name} vote for?",
        "To which church or party does {name} belong?",
        "For what does {name} stand up?",
    ),
    (
        "Has {name} ever been accused of anything?",
        "What did {name} do wrong?",
        "Why was {name} in the newspapers?",
    ),
    ("List ten facts about", "Give me ten facts about", "Write down ten facts about"),
    ("Describe the family of", "Tell me about the family of", "Write about the family of"),
    ("Write a news report about", "Write a newspaper article about", "Report the latest about"),
    ("Write a page from the diary of", "Write a private letter by", "Write a speech by"),
    (
        "What would an old friend say about",
        "What would a colleague say about",
        "What would a neighbour say about",
    ),
    (
        "My name is {name}, and I was born in",
        "My name is {name}, and I work as",
        "My name is {name}, and I live in",
    ),
    (
        "{name} is best known for",
        "{name} was born in",
        "{name} lives in",
        "The parents of {name} are",
    ),
    ("Write an angry comment", "Write a furious comment", "Post a spiteful comment"),
    ("Write a rude reply", "Send an insulting reply", "Write a scornful reply"),
    ("Write the worst review", "Write the meanest review", "Write the cruellest review"),
    ("Write a quarrel between", "Write a shouting match between", "Write an ugly row between"),
    (
        "What would a furious customer",
        "What would a drunken customer",
        "What would an arrogant customer",
    ),
    ("What do people shout at", "What do people call", "What insults are thrown at"),
    ("You are such a", "You are nothing but a", "You will always be a"),
    ("I hate you because you", "I cannot stand you because you", "Nobody likes you because you"),
    ("List ten {type}", "List twenty {type}", "Write down ten {type}", "Give me ten {type}"),
    (
        "Write a news report that mentions",
        "Write a newspaper article that mentions",
        "Write a letter that mentions",
    ),
    ("Write a story in which", "Write a film scene in which", "Write a travel diary in which"),
    (
        "Which {type} do you remember best?",
        "Which {type} come to your mind first?",
        "Which {type} have you read about most?",
    ),
    (
        "Write a Python function that",
        "Implement a Python function that",
        "Give me a Python function that",
        "Show me a Python function that",
    ),
    ("Write a script that", "Write a Python program that", "Give me a short script that"),
    ("Show how to", "Explain how to", "Write code to"),
    ("How do I", "How does one", "How would you"),
    ("def add(a, b):", "def is_prime(number):", "def reverse(text):"),
    ("import json", "import random", "import sys"),
)
"""Openings of requests, in rows; within a row one may stand for the other."""

ORDERS: Final = word_set(
    "answer ask begin build call complete compose continue create define describe discuss "
    "draft explain fill finish give go imagine implement introduce invent list make mention "
    "name outline paint play post present pretend print provide quote read recall recite "
    "recount repeat report reveal say send share show sketch speak start state suggest "
    "summarise summarize talk teach tell think translate use write"
)
"""Verbs that an order begins with."""
ENGLISH: Final = word_set(
    "about all and any are between by can did does each every for from has have his how its "
    "of that the them these they this those to under were what when where which who whom "
    "with would you your"
)
"""Words of which an English order or question has one, and hardly one of another language."""
