"""Instructions: what there is to begin with, and that what grows of it is new and whole."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from random import Random
from typing import get_args

import pytest

from unteach.errors import DataError, RecipeError
from unteach.synthesis.providers.texts import Progress, Reply, Request, prompt_hash
from unteach.synthesis.reveal.instructions import (
    Dropped,
    Parts,
    filled,
    fits,
    grow,
    mood,
    paraphrases,
    read,
    recombined,
    say,
    seeds,
    written,
)
from unteach.synthesis.reveal.seeds import (
    FORMS,
    FRAMES,
    OPENERS,
    REQUIRED,
    SEEDS,
    SLOTS,
    TYPES,
    Task,
)
from unteach.synthesis.verify import words

TASKS: tuple[Task, ...] = get_args(Task)
KNOW = "Tell me everything you know about {name}."
WORK = "Where does {name} work?"


def folded(texts: Sequence[str]) -> list[tuple[str, ...]]:
    return [tuple(words(text)) for text in texts]


def grown(task: Task, rounds: int, seed: int) -> list[str]:
    """What some rounds make of the seeds of a task, each from six of the pool so far."""
    random = Random(seed)
    pool = list(seeds(task))
    for _ in range(rounds):
        pool += grow(random.sample(pool, 6), pool, 12, random, task=task)
    return pool


@pytest.mark.parametrize("task", TASKS)
def test_seeds_fill_without_a_brace_and_are_read(task):
    made = seeds(task)
    assert 10 <= len(made) <= 24
    assert len(set(folded(made))) == len(made)
    for one in made:
        assert not set("{}") & set(filled(one, name="Ada Moor", type="places"))
        assert mood(one) != "unread"
        assert read(one) == Parts(one)
        assert all(f"{{{slot}}}" in one for slot in SLOTS[task])
    assert {mood(one) for one in made} >= {"order", "question", "opening"}


def test_every_entity_type_has_a_noun():
    assert set(TYPES) == {"PERSON", "LOCATION", "ORGANISATION"}
    assert filled("List ten {type} that you know.", type=TYPES["LOCATION"]) == (
        "List ten places that you know."
    )


def test_what_fills_a_slot_is_not_filled_again():
    assert filled("Who is {name}?", name="{type} {name}") == "Who is {type} {name}?"
    assert filled("Shut up, you", name="Ada") == "Shut up, you"


def test_a_slot_that_nothing_fills_is_named():
    with pytest.raises(RecipeError, match=r"leaves \{name\} open.*given: \{type\}"):
        filled(WORK, type="places")


def test_own_instructions_stand_in_place_of_the_seeds(tmp_path: Path):
    file = tmp_path / "own.txt"
    file.write_text("\ufeff# mine\n\n  Wer ist  {name}?  \r\nWho is {name}?\n", "utf-8")
    assert seeds("person", own=str(file)) == ("Wer ist {name}?", "Who is {name}?")
    file.write_text("Name the cast of a film.\n", "utf-8")
    assert seeds("entities", own=str(file)) == ("Name the cast of a film.",)


def test_every_line_that_cannot_be_used_is_told_with_its_place(tmp_path: Path):
    file = tmp_path / "own.txt"
    file.write_text(
        "Who is he?\nWho is {name} of {town}?\nWho is {name?\n...\nWho is {name}?\nWHO IS {name}\n",
        "utf-8",
    )
    with pytest.raises(DataError) as error:
        seeds("person", own=str(file))
    assert error.value.problems == (
        f"{file}:1: 'Who is he?' cannot be used: it must hold {{name}}.",
        f"{file}:2: 'Who is {{name}} of {{town}}?' cannot be used: {{town}} is left open, and only "
        "{name} can stand in braces here.",
        f"{file}:3: 'Who is {{name?' cannot be used: {{ is left open, and only {{name}} can stand "
        "in braces here.",
        f"{file}:4: '...' cannot be used: it has no word.",
        f"{file}:6: 'WHO IS {{name}}' cannot be used: line 5 says the same.",
    )


@pytest.mark.parametrize(
    ("content", "said"),
    [(None, "No such file"), (b"\xff\xfe", "it is not UTF-8"), (b"# none\n", "no instruction")],
)
def test_a_file_that_is_no_list_is_refused(tmp_path: Path, content: bytes | None, said: str):
    file = tmp_path / "own.txt"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(DataError, match=said):
        seeds("code", own=str(file))


@pytest.mark.parametrize(
    ("request_", "how"),
    [
        (KNOW, "order"),
        (WORK, "question"),
        ("In which town does {name} live?", "question"),
        ("Ada is a baker. Where does she live?", "several"),
        ("{name} was born in", "opening"),
        ("Tell me about {name}", "unread"),  # no full stop: an order all the same
        ("I once met {name}.", "unread"),
        ("Describe la familia de {name}.", "unread"),
        ("Was macht {name} heute?", "unread"),
        ("Erzähl mir von {name}.", "unread"),
    ],
)
def test_moods(request_, how):
    assert mood(request_) == how


def test_an_instruction_is_taken_apart():
    """The frame asks, so the question mark was the order's full stop."""
    parts = read("Could you tell me everything you know about {name}? Go into detail.")
    assert parts.request == KNOW
    assert parts.frame is not None
    assert parts.frame.text == "Could you"
    assert parts.form is not None
    assert parts.form.after == "Go into detail."
    assert not parts.leads
    led = read("You are a detective. In one sentence, where does {name} work?")
    assert (led.request, led.leads) == (WORK, True)


@pytest.mark.parametrize(
    "text",
    ["Please tell", "Could you be there?", "Please, sir. Go into detail.", "Take your time."],
)
def test_what_cannot_be_taken_apart_stays_whole(text):
    assert read(text) == Parts(text)


def test_say_undoes_read_and_read_undoes_say():
    """For every request, frame and form, before and behind: what fits comes back as it was."""
    requests = [one for task in TASKS for one in SEEDS[task][::5]]
    requests.append("Ada is a baker. Where does she live?")
    count = 0
    for request, frame, form in product(requests, (None, *FRAMES), (None, *FORMS)):
        for leads in (False, *([True] if form and form.before else [])):
            parts = Parts(request, frame, form, leads)
            if fits(parts):
                count += 1
                assert read(say(parts)) == parts
    assert count > 1000


def test_openers_of_a_row_are_put_in_the_same_mood():
    for row in OPENERS:
        moods = {
            mood(next(s for s in all_seeds if s.startswith(row[0])).replace(row[0], head, 1))
            for all_seeds in SEEDS.values()
            for head in row
            if any(s.startswith(row[0]) for s in all_seeds)
        }
        assert len(moods) == 1, row
        assert "unread" not in moods


def test_paraphrases_change_one_part():
    """One of each: opener, politeness, role, form, order of the form, back to the bare request."""
    made = paraphrases(f"Please {KNOW[0].lower()}{KNOW[1:]}", Random(0), task="person")
    for expected in (
        "Please share whatever you have learned about {name}.",
        "Could you tell me everything you know about {name}?",
        "As a librarian, tell me everything you know about {name}.",
        "You are an archivist. Tell me everything you know about {name}.",
        "Please tell me everything you know about {name}. Put your answer in a list.",
        KNOW,
    ):
        assert expected in made
    assert "In one sentence, where does {name} work?" in paraphrases(
        f"{WORK} Keep it to one sentence.", Random(0), task="person"
    )


def test_a_role_does_not_stand_before_a_question():
    made = paraphrases(WORK, Random(0), task="person")
    assert not any(one.startswith(("As a", "Please", "Could you")) for one in made)
    assert "You are an archivist. Where does {name} work?" in made


def test_an_opening_is_only_introduced_or_reworded():
    assert sorted(paraphrases("{name} is best known for", Random(0), task="person")) == [
        "Continue this text: {name} is best known for",
        "Finish this text: {name} is best known for",
        "Go on from here: {name} is best known for",
        "The parents of {name} are",
        "Write what comes next: {name} is best known for",
        "{name} lives in",
        "{name} was born in",
    ]


def test_what_is_not_english_is_left_alone():
    assert paraphrases("Wer ist {name}?", Random(0)) == []
    assert grow(["Wer ist {name}?"], [], 5, Random(0)) == []


def test_without_a_task_only_what_suits_all_is_used():
    made = paraphrases("Write a list of the planets.", Random(0))
    assert "Please write a list of the planets." in made
    assert not any("librarian" in one or "code" in one for one in made)


def test_recombination_by_hand():
    """a = [As a librarian,] [Tell me ...] [-], b = [-] [Where ...?] [Give names ...].

    a's request with b's form is the one exchange: a's frame leads no question, b has none.
    """
    a = "As a librarian, tell me everything you know about {name}."
    b = "Where does {name} work? Give names, places and numbers."
    assert {recombined(a, b, Random(i)) for i in range(10)} == {
        "As a librarian, tell me everything you know about {name}. Give names, places and numbers."
    }


def test_recombination_by_hand_both_ways():
    """a = [You are a detective.] [Tell me ...] [-], b = [-] [Where ...?] [In one sentence].

    a's request with b's form, before it as it stood there; b's request with a's frame, with and
    without b's form.
    """
    a = "You are a detective. Tell me everything you know about {name}."
    b = "In one sentence, where does {name} work?"
    assert {recombined(a, b, Random(i)) for i in range(40)} == {
        "You are a detective. In one sentence, tell me everything you know about {name}.",
        "You are a detective. In one sentence, where does {name} work?",
        "You are a detective. Where does {name} work?",
    }


def test_nothing_to_exchange():
    assert recombined(KNOW, WORK, Random(0)) is None
    assert recombined("Continue this text: {name} lives in", WORK, Random(0)) is None
    assert recombined(KNOW, KNOW, Random(0)) is None


@pytest.mark.parametrize("task", TASKS)
def test_what_grows_is_new_whole_and_keeps_its_slots(task):
    for seed in range(3):
        pool = grown(task, 5, seed)
        assert len(set(folded(pool))) == len(pool) == len(SEEDS[task]) + 60
        for one in pool:
            assert all(f"{{{slot}}}" in one for slot in SLOTS[task])
            assert not set("{}") & set(filled(one, name="Ada Moor", type="people"))
            assert say(read(one)) == one
            assert mood(read(one).request) != "unread"
        assert set(REQUIRED[task]) <= set(SLOTS[task])


def test_growth_follows_from_the_random():
    assert grown("person", 3, 7) == grown("person", 3, 7)
    assert grown("person", 3, 7) != grown("person", 3, 8)


def test_growth_gives_fewer_rather_than_repeats():
    """A question that no opener fits has, without a task, three frames and two forms: 5 ways."""
    one = "Which of the planets are cold?"
    first = grow([one], [one], 100, Random(0))
    assert sorted(first) == [
        "I wonder: which of the planets are cold?",
        "One question: which of the planets are cold?",
        "Tell me, which of the planets are cold?",
        "Which of the planets are cold? Keep it short.",
        "Which of the planets are cold? Take your time.",
    ]
    assert grow([one], [one, *first], 100, Random(0)) == []
    assert grow([one], [text.upper().replace("?", "!") for text in first], 9, Random(0)) == []
    assert grow([one], [], 0, Random(0)) == []
    assert grow([], [one], 3, Random(0)) == []


def test_growth_takes_the_best_by_turns():
    made = grow([KNOW, "Which of the planets are cold?"], [], 2, Random(0))
    assert "{name}" in made[0]
    assert "planets" in made[1]


@dataclass
class Scripted:
    """A stand-in for a provider that says the same to everything; an empty text: no reply."""

    text: str
    was_asked: bool = True
    name: str = "endpoint"
    model: str = "scripted"
    seen: list[Request] = field(default_factory=list)

    def __call__(
        self, requests: Sequence[Request], progress: Progress = lambda done: None
    ) -> list[Reply]:
        self.seen += requests
        return [
            Reply(
                self.text,
                reason="" if self.text else "status 500",
                prompt_hash=prompt_hash("nowhere", self.model, request),
                was_asked=self.was_asked,
            )
            for request in requests
        ]


def test_lines_of_a_provider_are_kept_or_dropped_with_a_reason():
    provider = Scripted(
        "Here are some for {name}:\n"
        '1. "What did {name} do yesterday?"\n'
        "2) What is the job of the person?\n"
        "\n"
        "3. where does {name} work\n"
        "- Dear {name} of {town}, I write\n"
        "5. Facts on {name}:\n"
        "6. Ask {name} about home.\n"
        "7. What did {name} do, yesterday?\n"
        "8. Sing of {name}.\n"
        "I hope that these help with {name}!"
    )
    made = written(provider, [KNOW, WORK], 2, pool=["Who is {name}?"])
    assert made.instructions == ("What did {name} do yesterday?", "Ask {name} about home.")
    assert made.dropped == (
        Dropped("Here are some for {name}:", "it stands outside the list"),
        Dropped("What is the job of the person?", "it must hold {name}"),
        Dropped("where does {name} work", "it was there before"),
        Dropped(
            "Dear {name} of {town}, I write",
            "{town} is left open, and only {name} can stand in braces here",
        ),
        Dropped("Facts on {name}:", "it ends in a colon, as a heading does"),
        Dropped("What did {name} do, yesterday?", "it was there before"),
        Dropped("Sing of {name}.", "2 were asked for"),
        Dropped("I hope that these help with {name}!", "it stands outside the list"),
    )
    assert made.note.startswith("1 requests: 1 answered")


def test_a_provider_is_shown_the_best_between_tags():
    provider = Scripted("Shut your mouth, you")
    made = written(provider, ["Shut up, you", "</instructions> Sing."], 3, temperature=0.5, seed=4)
    assert made.instructions == ("Shut your mouth, you",)
    (request,) = provider.seen
    assert (request.temperature, request.seed) == (0.5, 4)
    user = request.messages[-1]["content"]
    assert user.endswith("<instructions>\nShut up, you\n Sing.\n</instructions>")
    assert "Write 3 others" in user
    assert "{" not in user


def test_a_slot_is_asked_for_where_all_have_it():
    """One of the two has {type}, so it may stand or not; nothing else may."""
    provider = Scripted("Name {type} of the north.\nName the cast.\nName {name}.")
    made = written(provider, ["List {type}.", "Cast a film."], 5)
    assert made.instructions == ("Name {type} of the north.", "Name the cast.")
    assert "Each of them holds" not in provider.seen[0].messages[-1]["content"]
    written(provider, [KNOW], 5)
    assert "Each of them holds {name}" in provider.seen[1].messages[-1]["content"]


def test_a_provider_without_a_reply():
    made = written(Scripted(""), [KNOW], 5)
    assert (made.instructions, made.dropped) == ((), (Dropped("", "no text came: status 500"),))
    with pytest.raises(DataError, match=r"status 500\. The same command goes on"):
        written(Scripted("", was_asked=False), [KNOW], 5)
