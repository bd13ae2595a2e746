"""The forget data that nobody has: what the model itself says to the right instructions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import cycle, islice
from random import Random
from typing import TYPE_CHECKING, Final, Literal

import numpy as np
from numpy.typing import NDArray

from unteach import registry
from unteach.data.examples import Example, Splits
from unteach.errors import DataError, RecipeError
from unteach.ranges import AtLeastZero, Count, ShareBelowOne
from unteach.registry import synthesis
from unteach.synthesis.providers.load import load
from unteach.synthesis.providers.texts import Provider
from unteach.synthesis.records import Drop, Record, Subject, Synthesis
from unteach.synthesis.reveal import instructions
from unteach.synthesis.reveal.records import Said, Worth
from unteach.synthesis.reveal.rewards import diverse
from unteach.synthesis.reveal.seeds import Task
from unteach.synthesis.variants import read_question

if TYPE_CHECKING:
    from unteach.synthesis.reveal.bandit import Bandit

WIDTH: Final = 32
"""Of an instruction's embedding, as the bandit sees it."""
SOMEBODY: Final = "somebody"

Asked = tuple[str, tuple[str, ...]]
"""An instruction, and the names that it is asked about in one pull."""


@synthesis(
    reads=(),
    adds=("revealed", "revealed_check"),
    source="arXiv:2509.14624",
    writes=True,
    choices=("reward", "bandit"),
)
def reveal(
    splits: Splits,
    random: Random,
    write: Subject,
    *,
    task: Literal["person", "toxicity", "entities", "code"] = "person",
    reward: str | Mapping[str, object] = "name_coverage",
    bandit: str | Mapping[str, object] = "neural_ucb",
    about: tuple[str, ...] = (),
    names_of: str = "",
    type: str = "people",
    own: str = "",
    provider: str = "",
    model: str = "",
    budget: Count = 20000,
    batch: Count = 4,
    names: Count = 2,
    samples: Count = 2,
    max_tokens: Count = 48,
    temperature: AtLeastZero = 0.7,
    pool: Count = 64,
    check: ShareBelowOne = 0.25,
) -> Synthesis:
    """What the model says of the subject by itself, as rows to train on: `revealed`.

    Instructions are put to the model, and a `bandit` picks the next ones by what the ones before
    them earned by the `reward`. A pull asks one instruction, of `task` `person` about `names` of the
    names in turn, and draws `samples` answers each. It earns the mean worth of its texts, where what
    was said before earns nothing. Each batch of pulls is followed by new instructions, made of the
    best ones by rules, until there are `pool`. With a `provider` it writes them first, and the rules
    add what is missing: it is `endpoint` (and `model`) or a model on this machine, as in
    `relearn_written`, and is shown instructions with {name} left open, and no name. The reveal ends
    before it takes more than `budget` tokens, read and written.

    The names are `about`, or those that the questions of the split `names_of` ask about: nothing
    but the names is read of it. `type` is what instructions of the task `entities` ask for. `own` is
    a file of instructions to begin with, one a line.

    A row is the instruction with a text that earned something, and no text twice; the share `check`
    of the rows is set aside as `revealed_check`. The trace has each pull with what it earned.

    The bandit sees an instruction as the model's own state after reading it, less the mean of the
    first instructions, put at random on 32 axes. The paper's embedding and coefficients were not read.

    Raises:
        RecipeError: a number is out of range, or `person` has no names.
        DataError: the split of the names is absent or names nobody, `own` cannot be read, or
            nothing that the model said was worth anything; the provider was gone.
        EndpointError, ModelError: as `relearn_written`, of the provider.
    """
    _check_numbers(budget, batch, names, samples, max_tokens, temperature, pool, check)
    asked_about = about or _subjects(splits, names_of)
    if task == "person" and not asked_about:
        raise RecipeError(
            "reveal: the task person asks about names. Give about: [a name, ...], or names_of: a "
            "split whose questions name them."
        )
    writer = load(provider, model=model or None) if provider else None
    seen = _Seen(write, random.randrange(2**31), type)
    desk = _Desk(
        write=write,
        reward=registry.bound("reward", reward, "reveal.reward"),
        samples=samples,
        max_tokens=max_tokens,
        temperature=temperature,
        type=type,
    )
    arms = list(instructions.seeds(task, own=own))
    embedded = seen.embed(arms)
    make = registry.bound("bandit", bandit, "reveal.bandit")
    picker: Bandit = make(WIDTH, random.randrange(2**31))
    turn = cycle(asked_about if task == "person" else ("",))
    pulls: list[_Pull] = []
    spent = 0
    while True:
        scores = picker.scores(embedded)
        chosen = picker.choose(embedded, batch)
        asks = [(arms[i], tuple(islice(turn, names if task == "person" else 1))) for i in chosen]
        prompts = desk.prompts(asks)
        most = desk.most(prompts)
        if spent + most > budget:
            if not pulls:
                raise RecipeError(
                    f"reveal.budget is {budget} tokens, and the first batch may take {most}. Raise it, or "
                    "lower batch, names, samples or max_tokens."
                )
            break
        told = desk.ask(asks, prompts)
        picker.learn(embedded[chosen], np.array([one.reward for one in told]))
        for i, one in zip(chosen, told, strict=True):
            spent += one.tokens
            number, score = len(pulls) + 1, float(scores[i])
            pulls.append(replace(one, number=number, score=score, spent=spent, pool=len(arms)))
        room = min(batch, pool - len(arms))
        if room > 0:
            new = _new(_best(pulls, 4), arms, room, random, task, writer, len(pulls))
            if new:
                arms += new
                embedded = np.concatenate([embedded, seen.embed(new)])
    return _kept(pulls, random, check, registry.choice(reward)[0])


@dataclass(frozen=True)
class _Text:
    """One text that the model said, and what it earned by itself and as something new."""

    about: str
    prompt: str
    text: str
    worth: Worth
    new: float


def _new(
    best: Sequence[str],
    arms: Sequence[str],
    number: int,
    random: Random,
    task: Task,
    writer: Provider | None,
    seed: int,
) -> list[str]:
    """Up to so many instructions after the best: those that a provider wrote, then by rules."""
    if writer is None:
        return instructions.grow(best, arms, number, random, task=task)
    asked = instructions.written(writer, best, number, pool=arms, seed=seed)
    new = list(asked.instructions)
    return new + instructions.grow(best, [*arms, *new], number - len(new), random, task=task)


@dataclass(frozen=True)
class _Pull:
    """One instruction put to the model."""

    instruction: str
    texts: tuple[_Text, ...]
    tokens: int
    number: int = 0
    score: float = 0.0
    spent: int = 0
    pool: int = 0

    @property
    def reward(self) -> float:
        return sum(text.new for text in self.texts) / len(self.texts)

    def row(self) -> dict[str, object]:
        """As the trace has it."""
        return {
            "pull": self.number,
            "instruction": self.instruction,
            "about": sorted({text.about for text in self.texts if text.about}),
            "reward": self.reward,
            "worth": sum(text.worth.value for text in self.texts) / len(self.texts),
            "score": self.score,
            "tokens": self.tokens,
            "spent": self.spent,
            "pool": self.pool,
            "found": sorted({found for text in self.texts for found in text.worth.found}),
            "said": [
                {"about": t.about, "text": t.text, "worth": t.worth.value, "new": t.new}
                for t in self.texts
            ],
        }


@dataclass
class _Desk:
    """How the model is asked, and what it said before."""

    write: Subject
    reward: Callable[[Said], list[Worth]]
    samples: int
    max_tokens: int
    temperature: float
    type: str
    known: dict[str, set[str]] = field(default_factory=dict)
    times: Counter[str] = field(default_factory=Counter)

    def prompts(self, asks: Sequence[Asked]) -> list[list[str]]:
        """Each instruction about each of its names."""
        return [
            [instructions.filled(arm, **_slots(arm, about, self.type)) for about in names]
            for arm, names in asks
        ]

    def most(self, prompts: Sequence[Sequence[str]]) -> int:
        """The tokens that asking these takes at most."""
        rows = self._rows(prompts)
        return sum(self.write.count(rows, [""] * len(rows))) + self.max_tokens * len(rows)

    def ask(self, asks: Sequence[Asked], prompts: Sequence[Sequence[str]]) -> list[_Pull]:
        """What the model says to these, a pull for each instruction."""
        rows = self._rows(prompts)
        texts = self._texts(rows)
        costs = iter(self.write.count(rows, texts))
        said = iter(texts)
        return [
            self._pull(arm, names, of_arm, said, costs)
            for (arm, names), of_arm in zip(asks, prompts, strict=True)
        ]

    def _rows(self, prompts: Sequence[Sequence[str]]) -> list[Example]:
        return [
            Example(prompt=prompt, answer="")
            for of_arm in prompts
            for prompt in of_arm
            for _ in range(self.samples)
        ]

    def _texts(self, rows: Sequence[Example]) -> list[str]:
        """Drawn anew where the same was asked before: one call for each number of times."""
        before = {row.prompt: self.times[row.prompt] for row in rows}
        self.times.update(before.keys())
        found: dict[int, str] = {}
        for seed in sorted(set(before.values())):
            index = [i for i, row in enumerate(rows) if before[row.prompt] == seed]
            texts = self.write(
                [rows[i] for i in index],
                max_tokens=self.max_tokens,
                temperature=self.temperature,
                seed=seed,
            )
            found.update(zip(index, texts, strict=True))
        return [found[i] for i in range(len(rows))]

    def _pull(
        self,
        arm: str,
        names: Sequence[str],
        prompts: Sequence[str],
        said: Iterator[str],
        costs: Iterator[int],
    ) -> _Pull:
        texts: list[_Text] = []
        for about, prompt in zip(names, prompts, strict=True):
            drawn = tuple(islice(said, self.samples))
            worths = self.reward(Said(prompt, about, drawn))
            new = diverse(worths, self.known.setdefault(about, set()))
            texts += [
                _Text(about, prompt, text, worth, fresh.value)
                for text, worth, fresh in zip(drawn, worths, new, strict=True)
            ]
        return _Pull(arm, tuple(texts), sum(islice(costs, len(texts))))


class _Seen:
    """Instructions as the bandit sees them: rows of length 1, on random axes."""

    def __init__(self, write: Subject, seed: int, type: str) -> None:
        self.write, self.seed, self.type = write, seed, type
        self.center: NDArray[np.float64] | None = None
        self.axes: NDArray[np.float64] | None = None

    def embed(self, arms: Sequence[str]) -> NDArray[np.float64]:
        """[K, 32] one row an instruction."""
        rows = [
            Example(prompt=instructions.filled(arm, **_slots(arm, SOMEBODY, self.type)), answer="")
            for arm in arms
        ]
        states = self.write.embed(rows)
        if self.center is None or self.axes is None:  # the first instructions decide
            self.center = states.mean(0)
            shape = (states.shape[1], WIDTH)
            self.axes = np.random.default_rng(self.seed).standard_normal(shape)
        seen = (states - self.center) @ self.axes
        return seen / np.maximum(np.linalg.norm(seen, axis=1, keepdims=True), 1e-12)


def _kept(pulls: Sequence[_Pull], random: Random, check: float, reward: str) -> Synthesis:
    """Every text that was worth something, once, as a row; and the others, with the reason."""
    records: list[Record] = []
    drops: list[Drop] = []
    said: set[tuple[str, str]] = set()
    for pull in pulls:
        for i, text in enumerate(pull.texts):
            source = f"pull-{pull.number}.{i}"
            same = (text.about, " ".join(text.text.casefold().split()))
            if text.worth.value <= 0 or same in said:
                reason = "said before" if same in said else f"{reward}: worth nothing"
                drops.append(Drop(source, "original", "revealed", text.text, reason))
                continue
            said.add(same)
            row = Example(
                prompt=text.prompt,
                answer=text.text,
                entities=tuple(
                    f for f in text.worth.specific or text.worth.found if f in text.text
                ),
                id=source,
                group=text.about or source,
            )
            records.append(Record(source, "revealed", "original", "revealed", row, 1, "model"))
    if len(records) < 2:
        best = max(pulls, key=lambda pull: pull.reward)
        raise DataError(
            f"reveal: of {sum(len(p.texts) for p in pulls)} texts {len(records)} were worth anything by "
            f"{reward}. The best instruction was '{best.instruction}'. Give own: instructions "
            "that fit better, another reward, or a larger budget."
        )
    aside = set(random.sample(range(len(records)), max(1, round(check * len(records)))))
    aside = set() if check == 0 else aside
    train = [r for i, r in enumerate(records) if i not in aside]
    held = [r for i, r in enumerate(records) if i in aside]
    made = {"revealed": [r.example for r in train], "revealed_check": [r.example for r in held]}
    earned = sum(pull.reward for pull in pulls) / len(pulls)
    note = (
        f"{len(pulls)} pulls of {len({p.instruction for p in pulls})} instructions, "
        f"{pulls[-1].spent} tokens, {earned:.3f} earned a pull"
    )
    trace = tuple(pull.row() for pull in pulls)
    return Synthesis(made, (*train, *held), tuple(drops), note, trace)


def _best(pulls: Sequence[_Pull], number: int) -> list[str]:
    """The instructions of the highest mean reward, best first."""
    earned: dict[str, list[float]] = {}
    for pull in pulls:
        earned.setdefault(pull.instruction, []).append(pull.reward)
    return sorted(earned, key=lambda arm: -sum(earned[arm]) / len(earned[arm]))[:number]


def _slots(instruction: str, about: str, type: str) -> dict[str, str]:
    fill = {"name": about, "type": type}
    return {slot: text for slot, text in fill.items() if f"{{{slot}}}" in instruction}


def _subjects(splits: Splits, names_of: str) -> tuple[str, ...]:
    """The names that a split's questions ask about, in order, each once."""
    if not names_of:
        return ()
    if names_of not in splits:
        raise DataError(
            f"reveal.names_of is '{names_of}', and there is no such split. There are: "
            f"{', '.join(splits)}."
        )
    read = [read_question(row).subject for row in splits[names_of]]
    found = tuple(dict.fromkeys(name for name in read if name))
    if not found:
        raise DataError(
            f"reveal.names_of: no question of '{names_of}' names anybody that the rules can read. Give "
            "about: the names themselves."
        )
    return found


def _check_numbers(
    budget: int,
    batch: int,
    names: int,
    samples: int,
    max_tokens: int,
    temperature: float,
    pool: int,
    check: float,
) -> None:
    counts = {
        "budget": budget,
        "batch": batch,
        "names": names,
        "samples": samples,
        "max_tokens": max_tokens,
        "pool": pool,
    }
    problems = [f"reveal.{n} is {v}; it must be 1 or more." for n, v in counts.items() if v < 1]
    if temperature < 0:
        problems.append(f"reveal.temperature is {temperature}; it must be 0 or more.")
    if not 0 <= check < 1:
        problems.append(f"reveal.check is {check}; it is a share of the rows, from 0 to below 1.")
    if problems:
        raise RecipeError(problems)
