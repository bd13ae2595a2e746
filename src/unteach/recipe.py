"""The recipe: one YAML of some 10 to 25 lines, checked whole before torch is imported."""

from __future__ import annotations

import copy
import difflib
import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)
from pydantic_core import PydanticCustomError

from unteach import notation, registry
from unteach.errors import RecipeError, UnknownNameError, shown
from unteach.ranges import (
    AtLeastZero,
    Count,
    Epochs,
    Finite,
    Length,
    Passes,
    Positive,
    Rate,
    Seed,
    Share,
    SomeShare,
)
from unteach.suites import SUITES

DEMO: Mapping[str, Any] = {
    "model": "smollm2-135m-instruct",
    "data": {
        "benchmark": {
            "name": "world",
            "people": 20,
            "attributes": 3,
            "forget": 0.4,
            "brief": True,
            "facts": 16,
            "texts": 6,
        }
    },
    "teach": {"epochs": 7, "lr": 1e-4, "batch": 6},
}
"""What a recipe that names neither model nor data is tried on: it is a method and no more."""

DEVICE = re.compile(r"auto|cpu|mps|cuda(:[0-9]{1,3})?")
"""Where a run can be; whether it is there is seen once torch is loaded."""

SPLIT_NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Choice(_Part):
    """A registered function and its parameters: `npo`, or `{name: npo, beta: 0.1}`."""

    model_config = ConfigDict(extra="allow", frozen=True)
    name: str

    @property
    def params(self) -> dict[str, Any]:
        return dict(self.model_extra or {})

    def __hash__(self) -> int:
        return hash(str(self))

    def __str__(self) -> str:
        given = ", ".join(f"{k}={v}" for k, v in self.params.items())
        return f"{self.name}({given})" if given else self.name


def _as_choice(value: object) -> object:
    return {"name": value} if isinstance(value, str) else value


def _as_benchmark(value: object) -> object:
    """`tofu/forget05` is the benchmark with its first parameter."""
    content = _as_choice(value)
    if not isinstance(content, dict) or "/" not in str(content.get("name", "")):
        return content
    name, _, variant = content["name"].partition("/")
    entry = registry.entries("benchmark").get(name)
    first = {entry.parameters[0].name: variant} if entry and entry.parameters else {}
    return {**content, "name": name, **first}


def _registered(kind: str) -> AfterValidator:
    """The choice names a function of this kind, and its parameters fit."""

    def check(choice: Choice) -> Choice:
        try:
            registry.check(kind, choice.name, choice.params)
        except RecipeError as error:
            raise _problems(*error.problems) from None
        return choice

    return AfterValidator(check)


def card(benchmark: str) -> tuple[tuple[str, str, Mapping[str, Any]], ...]:
    """The rows of a benchmark's scorecard: published name, audit, parameters; its own, then ours."""
    entry = registry.entries("benchmark").get(benchmark)
    return (*entry.facts["official"], *entry.facts["ours"]) if entry else ()


def _suite(name: str) -> tuple[tuple[str, Mapping[str, Any]], ...] | None:
    """The audits of a suite, or of a benchmark's scorecard; None if nothing has that name."""
    if name in SUITES:
        return SUITES[name]
    rows = card(name)
    return tuple((audit, params) for _, audit, params in rows) if rows else None


def _audit_or_suite(choice: Choice) -> Choice:
    if _suite(choice.name) is not None:
        if choice.params:
            given = ", ".join(choice.params)
            raise _problems(f"the suite '{choice.name}' takes no parameters; it was given {given}.")
        return choice
    try:
        registry.check("audit", choice.name, choice.params)
    except UnknownNameError as error:
        cards = [name for name in registry.entries("benchmark") if card(name)]
        raise _problems(f"{error} Suites: {', '.join([*SUITES, *cards])}.") from None
    except RecipeError as error:
        raise _problems(*error.problems) from None
    return choice


def _problems(*sentences: str) -> PydanticCustomError:
    """Whole sentences about one place; `_sentences` puts the place before each."""
    return PydanticCustomError("sentences", "{sentences}", {"sentences": sentences})


Benchmark = Annotated[Choice, BeforeValidator(_as_benchmark), _registered("benchmark")]
Synthesis = Annotated[Choice, BeforeValidator(_as_choice), _registered("synthesis")]
Objective = Annotated[Choice, BeforeValidator(_as_choice), _registered("objective")]
Weighting = Annotated[Choice, BeforeValidator(_as_choice), _registered("weighting")]
Selection = Annotated[Choice, BeforeValidator(_as_choice), _registered("selection")]
Rule = Annotated[Choice, BeforeValidator(_as_choice), _registered("rule")]
Edit = Annotated[Choice, BeforeValidator(_as_choice), _registered("edit")]
Optimizer = Annotated[Choice, BeforeValidator(_as_choice), _registered("optimizer")]
AuditOrSuite = Annotated[Choice, BeforeValidator(_as_choice), AfterValidator(_audit_or_suite)]


def _as_level(value: object) -> object:
    """A probability or a name; YAML 1.1 reads 1e-2 as text, so text that is a number is one."""
    try:
        level = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return value
    if isinstance(value, bool) or not 0 <= level <= 1:
        raise ValueError("a level is a probability from 0 to 1, or the name of a split")
    return level


Level = Annotated[float | str, BeforeValidator(_as_level)]


class Source(_Part):
    """Where the examples of one split come from: a file, a folder of .txt, or a hub data set.

    `path` is a file (.jsonl, .json, .csv, .parquet), a folder of .txt files, or
    `hf:owner/name/config`. The other fields name columns; a column that is not named is looked
    for under its usual names (prompt or question, answer or response, text, messages).
    """

    path: str
    prompt: str | None = None
    answer: str | None = None
    text: str | None = None
    messages: str | None = None
    wrong: str | None = None
    entities: str | None = None
    group: str | None = None
    id: str | None = None
    split: str = "train"
    rows: Count | None = Field(default=None, description="read only the first rows")


def _as_source(value: object) -> object:
    return {"path": value} if isinstance(value, str) else value


AnySource = Annotated[Source, BeforeValidator(_as_source)]


class Teach(_Part):
    """How to make a model that knows: plain fine-tuning on everything that is taught.

    The gold model is made in the same way, seed and order, without the forget split. `also` names
    splits that are taught beside forget and retain; gold goes without those named forget_...
    """

    epochs: Passes = 8
    lr: Rate = 1e-4
    batch: Count = 8
    also: tuple[str, ...] = ()


class Term(_Part):
    """split x objective x weighting x coefficient.

    `down_to` stops pushing a row once the probability of its answer is at that level: a number, or
    the name of a split whose mean probability, as the stage begins, is the level (`holdout`:
    people never taught), or `gold`: the gold model's mean on this term's split.

    `pairs` says for an objective that compares rows which split the others are in, as
    `{preferred: forget_idk}`; row i is compared with row i there, or with one of its k rows if that
    split is k times as long.
    """

    split: str
    objective: Objective
    weighting: Weighting | None = None
    coefficient: Finite = 1.0
    down_to: Level | None = None
    pairs: dict[str, str] = Field(default_factory=dict)

    def __hash__(self) -> int:
        return hash(self.model_dump_json())

    @model_validator(mode="after")
    def _fits_its_objective(self) -> Self:
        entry = registry.find("objective", self.objective.name)
        wanted = list(entry.facts["pairs"])
        if set(wanted) != set(self.pairs):
            asked = f"{{{', '.join(f'{name}: <split>' for name in wanted)}}}"
            raise ValueError(
                f"{entry.name} compares each row with its {' and its '.join(wanted)} row. Say which "
                f"split holds them: pairs: {asked}"
                if wanted
                else f"{entry.name} compares no rows, so it takes no pairs. Drop them"
            )
        if self.weighting and entry.facts["unit"] == "sequence":
            raise ValueError(
                f"{entry.name} is one loss for a whole answer, and a weighting weighs its tokens. "
                "Drop the weighting, or use an objective of tokens"
            )
        return self


class Stop(_Part):
    """End training early once the mean answer probability of `split` is at most `level`.

    `level` is read as in `Term.down_to`. `keep` holds training on until the mean answer
    probability of the retain split is at least that share of what it was before; `drop` ends it
    once that has lost more than this share, forgotten or not. With `best` the weights of the best
    look so far are put back at the end: of all looks the one that is the least above the level on
    `split` and below the start on retain, both counted together.
    """

    split: str = "forget"
    level: Level = "holdout"
    keep: Share = 0.0
    drop: SomeShare | None = None
    best: bool = False
    every: Count = Field(default=5, description="steps between two looks")


class Train(_Part):
    """One training stage. An epoch is one pass over the first term's split.

    With `into` it trains a copy under that name, for later stages to read or to merge; the model
    itself stays as it was.
    """

    terms: tuple[Term, ...] = Field(min_length=1)
    into: str | None = Field(default=None, pattern=SPLIT_NAME.pattern + "$")
    select: Selection = Choice(name="whole")
    rule: Rule = Choice(name="weighted_sum")
    optimizer: Optimizer = Choice.model_validate({"name": "adamw", "lr": 1e-5})
    epochs: Epochs | None = None
    steps: Count | None = None
    batch: Count = Field(default=8, description="rows of each split in a step")
    micro_batch: Count | None = Field(default=None, description="rows in memory at once")
    schedule: Literal["constant", "linear", "cosine"] = "constant"
    warmup: Share = Field(default=0.0, description="share of the steps")
    max_grad_norm: Positive | None = 1.0
    stop: Stop | None = None
    checkpoint_seconds: AtLeastZero = 120

    @model_validator(mode="after")
    def _one_length(self) -> Self:
        if (self.epochs is None) == (self.steps is None):
            raise ValueError("give either epochs or steps")
        return self

    @model_validator(mode="after")
    def _can_change_what_it_reads(self) -> Self:
        """A loss of one block's states cannot be changed by blocks after it; the loop sees the rest."""
        given = self.select.params.get("blocks", ()) if self.select.name == "layers" else ()
        for first, term in ((float(given[0]), t) for t in self.terms if given):
            deepest = _deepest_state(term)
            if deepest is not None and (deepest < 1) == (first < 1) and deepest < first:
                raise ValueError(
                    f"{term.objective.name} reads layer {deepest:g}, and the first of the blocks that are "
                    f"trained is {first:g}, which comes after it: no step could change the loss. Select "
                    "that block or earlier ones, or read a later layer"
                )
        return self


def _deepest_state(term: Term) -> float | None:
    """The last layer that a term reads which reads hidden states alone; None of any other term."""
    entry = registry.find("objective", term.objective.name)
    needs = registry.needs(entry, term.objective.params)
    own = [n for n in needs if n.partition(".")[0] in ("logp", "logits", "hidden")]
    read = [float(n.removeprefix("hidden.")) for n in own if n.startswith("hidden.")]
    alone = read and len(read) == len(own) and term.weighting is None and term.down_to is None
    return max(read) if alone else None


class Repeat(_Part):
    """Stages that are gone through again, each time on the model that the round before left.

    After a round the mean answer probability of `watch` is looked at: if it is below the share
    `keep` of what it was before the first, that round is undone and is the last. `dry` ends the
    rounds too, once what the model revealed in one is worth no more than this share of what it was
    in the first. Files of a round are under its number, and its adapters are kept.
    """

    stages: tuple[Stage, ...] = Field(min_length=1)
    rounds: Count = 3
    watch: str = "retain"
    keep: Share = 0.9
    dry: Share = 0.0

    @model_validator(mode="after")
    def _is_flat(self) -> Self:
        if any(stage.repeat for stage in self.stages):
            raise ValueError("a repeat holds no other one. Put its stages here")
        return self


class Stage(_Part):
    """One step of a method: `synthesize: {...}`, `train: {...}`, `edit: {...}`, or a `repeat` of them."""

    synthesize: Synthesis | None = None
    train: Train | None = None
    edit: Edit | None = None
    repeat: Repeat | None = None

    @model_validator(mode="after")
    def _one_verb(self) -> Self:
        verbs = (self.synthesize, self.train, self.edit, self.repeat)
        if sum(verb is not None for verb in verbs) != 1:
            raise ValueError("a stage is one of 'synthesize', 'train', 'edit' or 'repeat'")
        return self

    @property
    def verb(self) -> str:
        """Which of the four it is."""
        return next(v for v in ("train", "edit", "synthesize", "repeat") if getattr(self, v))


class Data(BaseModel):
    """A benchmark with all its splits, and single splits that add to it or replace one of its."""

    model_config = ConfigDict(extra="allow", frozen=True)
    __pydantic_extra__: dict[str, AnySource] = Field(init=False)
    benchmark: Benchmark | None = None
    system: str | None = Field(default=None, description="system message before every question")
    max_tokens: Length = Field(default=512, description="longest example, prompt and answer")
    audit_rows: Count | None = Field(
        default=None, description="audits read only the first rows of each split"
    )

    @property
    def splits(self) -> dict[str, Source]:
        return dict(self.model_extra or {})


def _as_device(given: str) -> str:
    if not DEVICE.fullmatch(given):
        raise ValueError("a device is auto, cpu, cuda, cuda:1 or mps")
    return given


Device = Annotated[str, AfterValidator(_as_device)]


class Recipe(_Part):
    """A whole run. One that names neither model nor data is a method, tried on the demo's world."""

    model: str
    title: str = ""
    source: str = Field(default="", description="paper or code that the method comes from")
    confidence: Literal["high", "medium", "low"] | None = Field(
        default=None,
        description="how the rule is known: high = read in the paper or its code, medium = in others' "
        "descriptions or with parts of ours, low = reconstructed",
    )
    as_published: str = Field(
        default="",
        description="says that the constants, its source's or reconstructed, are for models of another "
        "size and do not serve on the demo's world; names the shipped recipe that does",
    )
    data: Data
    teach: Teach | None = None
    gold: str | None = Field(default=None, description="a model retrained without the forget split")
    method: tuple[Stage, ...] = ()
    audits: tuple[AuditOrSuite, ...] = (Choice(name="standard"),)
    generate: Literal["transformers", "vllm"] = Field(
        default="transformers", description="what writes the answers that audits read"
    )
    seed: Seed = 0
    device: Device = "auto"
    dtype: Literal["float32", "bfloat16", "float16"] = "float32"
    save_model: bool = True
    tracking: tuple[Literal["tensorboard", "wandb", "mlflow"], ...] = Field(
        default=(), description="where the numbers of each step and audit go too, as they come"
    )
    trust_remote_code: bool = False
    allow_pickle: bool = Field(default=False, description="load weights that are not safetensors")

    @model_validator(mode="before")
    @classmethod
    def _completed(cls, value: Any) -> Any:
        if isinstance(value, dict):
            value = with_demo(value)
        if isinstance(value, dict) and isinstance(value.get("audits"), str | dict):
            value = value | {"audits": [value["audits"]]}
        if isinstance(value, dict) and isinstance(value.get("tracking"), str):
            value = value | {"tracking": [value["tracking"]]}
        return value

    @model_validator(mode="after")
    def _stages_fit_together(self) -> Self:
        if sum(stage.repeat is not None for stage in self.method) > 1:
            raise ValueError("a method has one repeat at most. Put the stages of both into one")
        known = {"original"}
        for at, stage in stages(self.method):
            for place, name in (*models_read(stage), *_adapters_read(stage)):
                if name not in known:
                    raise ValueError(
                        f"{at}.{place} reads a model '{name}', and no stage before it trains "
                        f"one. Add a stage train: {{into: {name}, ...}} before it"
                    )
            if stage.train and stage.train.into:
                if stage.train.into in known | {"ref"}:
                    raise ValueError(
                        f"{at}.train.into: there is a model '{stage.train.into}' already. "
                        "Use another name"
                    )
                known.add(stage.train.into)
        return self

    def digest(self) -> str:
        """Content hash of everything that decides the result, 16 hex digits."""
        decides = self.model_dump(mode="json", exclude={"tracking"})
        text = json.dumps(decides, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def to_yaml(self) -> str:
        """The resolved recipe, as it is written beside the results."""
        content = self.model_dump(mode="json", exclude_defaults=True)
        return yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=100)


IN_ROUND = re.compile(r"method\[(\d+)\]\.repeat\[(\d+)\]\.(\w+)\[(\d+)\]")
"""What `in_round` gives: the repeat's number, the round, the verb and the stage's number in it."""


def in_round(repeat_at: str, number: int, verb: str, stage: int) -> str:
    """The name of a stage of one round, as records and the log have it."""
    return f"{repeat_at}[{number}].{verb}[{stage}]"


def stages(method: Sequence[Stage], at: str = "method") -> Iterator[tuple[str, Stage]]:
    """(place, stage) of every stage that does something, those of a repeat once."""
    for i, stage in enumerate(method):
        if stage.repeat:
            yield from stages(stage.repeat.stages, f"{at}[{i}].repeat.stages")
        else:
            yield f"{at}[{i}]", stage


def models_read(stage: Stage) -> Iterator[tuple[str, str]]:
    """(place, name) of every model by name that a stage reads whole, beside the trained one."""
    for j, term in enumerate(stage.train.terms if stage.train else ()):
        entry = registry.find("objective", term.objective.name)
        for need in entry.facts["needs"]:
            head = need.partition(".")[0]
            if head not in {"logp", "logits", "hidden", "ref", *term.pairs}:
                yield f"train.terms[{j}]", head
    yield from _named(stage, ("of",))


def _adapters_read(stage: Stage) -> Iterator[tuple[str, str]]:
    """(place, name) of every model by name of which a stage reads the adapter alone."""
    yield from _named(stage, ("subtract", "add", "apart_from"))


def _named(stage: Stage, keys: Sequence[str]) -> Iterator[tuple[str, str]]:
    select = stage.train.select if stage.train else None
    for place, choice in (("edit", stage.edit), ("train.select", select)):
        for key in keys:
            named = choice.params.get(key) if choice else None
            for name in [named] if isinstance(named, str) else named or ():
                yield f"{place}.{key}", name


def with_demo(content: Mapping[str, Any]) -> dict[str, Any]:
    """The content of a recipe, with the demo's model, data and teaching if it names no model and no data."""
    if "model" in content or "data" in content:
        return dict(content)
    return {**copy.deepcopy(dict(DEMO)), **content}


def shipped() -> dict[str, Path]:
    """Recipes that come with the package, by name."""
    inside, beside = Path(__file__).parent / "recipes", Path(__file__).parents[2] / "recipes"
    folder = inside if inside.is_dir() else beside
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def read(source: str | Path, overrides: Sequence[str] = ()) -> Recipe:
    """The recipe in a file, or the shipped one of that name, with `key.path=value` overrides.

    Raises:
        RecipeError: with every problem of the file and of the overrides, one a line.
    """
    path = Path(source)
    if not path.is_file():
        known = shipped()
        if str(source) not in known:
            raise RecipeError(
                f"{source}: no such file, and no shipped recipe has that name. "
                f"Shipped recipes: {', '.join(known)}."
            )
        path = known[str(source)]
    content = content_of(path, "a recipe is a mapping of model, data, method, audits")
    return build(content, overrides, str(path))


def content_of(path: Path, shape: str) -> dict[str, Any]:
    """A YAML file's mapping; `shape` says in an error what it should be.

    Raises:
        RecipeError: it is not readable as YAML, or not a mapping.
    """
    try:
        content = notation.from_yaml(path.read_text(encoding="utf-8"))
    except notation.MalformedError as error:
        raise RecipeError(f"{path}:{error.line}: not readable as YAML: {error}.") from None
    except UnicodeDecodeError as error:
        raise RecipeError(f"{path}: not readable as YAML: {error}.") from None
    if not isinstance(content, dict):
        raise RecipeError(f"{path}: {shape}.")
    return content


def build(content: dict[str, Any], overrides: Sequence[str], where: str) -> Recipe:
    """A checked recipe from plain data that `overrides` change; see `read`."""
    content = with_demo(content)
    for text in overrides:
        override(content, text)
    return parse(content, where)


def parse(content: Mapping[str, Any], where: str = "recipe") -> Recipe:
    """A checked recipe from plain data; see `read`."""
    names = list(_bad_split_names(content.get("data"), where))
    try:
        recipe = Recipe.model_validate(content)
    except ValidationError as error:
        found = error.errors()
        deeper = [e["loc"] for e in found]
        # a list whose only item is wrong is not also too short
        said = [
            e
            for e in found
            if e["type"] != "too_short" or not any(_inside(e["loc"], loc) for loc in deeper)
        ]
        raise RecipeError([*(s for e in said for s in _sentences(where, e)), *names]) from None
    if recipe.data.benchmark is None and not recipe.data.splits:
        names.append(f"{where}: data: name a benchmark, or give at least a forget split.")
    if names:
        raise RecipeError(names)
    return recipe


def override(content: dict[str, Any], text: str) -> None:
    """Apply `method.0.train.epochs=3` to a recipe's content; the value is read as YAML."""
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise RecipeError(
            f"--set {text}: write it as key.path=value, as in method.0.train.epochs=3."
        )
    try:
        put(content, key, notation.from_yaml(value))
    except notation.MalformedError:
        raise RecipeError(
            f"--set {text}: the value is not readable as YAML. Quote it if it holds : or [."
        ) from None
    except RecipeError as error:
        raise RecipeError([f"--set {text}: {said}" for said in error.problems]) from None


def put(content: dict[str, Any], key: str, value: object) -> None:
    """Set `method.0.train.epochs` in a recipe's content to the value, which keeps its type.

    Raises:
        RecipeError: there is no such place; the sentence does not say who asked for it.
    """
    node: Any = content
    *parents, last = key.split(".")
    for depth, part in enumerate(parents):
        if isinstance(node, list) and part.isdigit() and int(part) < len(node):
            node = node[int(part)]
        elif isinstance(node, dict):
            if not isinstance(node.get(part), dict | list):
                # what stands there as one word is short for a split's path, or a choice's name
                short = "path" if parents[:depth] == ["data"] and part != "benchmark" else "name"
                node[part] = {short: node[part]} if isinstance(node.get(part), str) else {}
            node = node[part]
        else:
            raise RecipeError(f"the recipe has no {'.'.join(parents[: depth + 1])}.")
    if isinstance(node, list):
        if not last.isdigit() or int(last) >= len(node):
            raise RecipeError(f"the recipe has no {key}; it has {len(node)} there.")
        node[int(last)] = copy.deepcopy(value)
    else:
        node[last] = copy.deepcopy(value)


def audits(recipe: Recipe) -> tuple[Choice, ...]:
    """The audits asked for, with suites spelled out; one that is named twice is kept once."""
    spelled: list[Choice] = []
    for choice in recipe.audits:
        if (listed := _suite(choice.name)) is not None:
            spelled += [Choice.model_validate({"name": name, **params}) for name, params in listed]
        else:
            spelled.append(choice)
    return tuple(dict.fromkeys(spelled))


def _bad_split_names(data: object, where: str) -> Iterator[str]:
    for name in data if isinstance(data, Mapping) else ():
        known = name in Data.model_fields or not isinstance(name, str)
        if not known and not SPLIT_NAME.fullmatch(name):
            yield (
                f"{where}: data: '{name}' cannot name a split; "
                "use lower-case words joined by '_', as in forget_paraphrased."
            )


def _inside(outer: tuple[int | str, ...], inner: tuple[int | str, ...]) -> bool:
    return len(inner) > len(outer) and inner[: len(outer)] == outer


def _sentences(where: str, error: Any) -> Iterator[str]:
    """What pydantic found at one place, as whole sentences."""
    *outer, last = error["loc"] or ("",)
    if error["type"] == "sentences":
        place = _place(error["loc"])
        yield from (f"{where}: {place}: {text}" for text in error["ctx"]["sentences"])
    elif error["type"] == "extra_forbidden":
        owner = _owner(error["loc"])
        close = difflib.get_close_matches(str(last), owner, n=1)
        hint = f" Did you mean '{close[0]}'?" if close else ""
        place = _place(error["loc"])
        yield f"{where}: {place}: there is no such key.{hint} Keys here: {', '.join(owner)}."
    elif error["type"] == "invalid_key":
        place = f"{_place(outer)}: " if outer else ""
        yield (
            f"{where}: {place}YAML reads a key here as {error['input']}, not as a word, as it does "
            "with on, off, yes, no and numbers. Use another name, or put it in quotes."
        )
    elif error["type"] == "missing":
        yield f"{where}: {_place(error['loc'])} is missing."
    else:
        message = _SHAPES.get(error["type"], str(error["msg"]).removeprefix("Value error, "))
        given = error.get("input")
        said = f" (it is {shown(given)})" if isinstance(given, str | int | float | bool) else ""
        place = f"{_place(error['loc'])}: " if error["loc"] else ""
        yield f"{where}: {place}{message[:1].lower()}{message[1:]}{said}."


_SHAPES: Mapping[str, str] = {
    "model_type": "this should be a mapping",
    "dict_type": "this should be a mapping",
    "tuple_type": "this should be a list",
}


def _place(loc: Sequence[int | str]) -> str:
    place = ""
    for part in loc:
        place += f"[{part}]" if isinstance(part, int) else f".{part}" if place else str(part)
    return place


def _owner(loc: tuple[int | str, ...]) -> list[str]:
    """The keys allowed beside a key that is not."""
    parts: dict[str, type[BaseModel]] = {
        "data": Data,
        "teach": Teach,
        "terms": Term,
        "stop": Stop,
        "train": Train,
        "method": Stage,
        "repeat": Repeat,
        "stages": Stage,
    }
    names = [part for part in loc[:-1] if isinstance(part, str) and part in parts]
    owner: type[BaseModel] = parts[names[-1]] if names else Recipe
    if "data" in loc[:-1] and len(loc) > 2:
        owner = Source
    return list(owner.model_fields)


def missing_models(recipe: Recipe) -> Iterator[str]:
    """A sentence for each model that is named by a path at which nothing is; a hub id may be anywhere."""
    for field, name in (("model", recipe.model), ("gold", recipe.gold)):
        if name is not None and _is_path(name) and not os.path.exists(os.path.expanduser(name)):
            yield f"{field}: {name}: there is no such file or folder."


def _is_path(name: str) -> bool:
    return name.startswith((".", "~", "/")) or name.count("/") > 1 or name.endswith(".gguf")


def folder_of(source: str | Path) -> Path:
    """The folder that relative paths of this recipe's data are looked for under."""
    path = Path(source)
    return path.parent if path.is_file() else Path()
