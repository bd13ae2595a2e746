"""Names to functions, with their parameters checked before anything heavy is imported.

A function is registered by its decorator and by nothing else. Built-in functions are *read*, not
imported: their file is parsed, so `unteach list` and `unteach check` know every name, parameter and
default without importing torch. Third-party functions use the same decorators and are found
through the entry-point group `unteach`, which is imported only when a name is unknown.
"""

from __future__ import annotations

import ast
import difflib
import importlib
import importlib.metadata
import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args

from pydantic import ConfigDict, TypeAdapter, ValidationError

from unteach import ranges
from unteach.errors import RecipeError, UnknownNameError, shown

F = TypeVar("F", bound=Callable[..., Any])

REQUIRED: Any = inspect.Parameter.empty

ROOMS: Mapping[str, str] = {
    "benchmark": "data",
    "synthesis": "synthesis",
    "reward": "synthesis/reveal",
    "bandit": "synthesis/reveal",
    "objective": "method/objectives",
    "weighting": "method/weightings",
    "selection": "method/selection",
    "rule": "method/rules",
    "edit": "method/edits",
    "optimizer": "train",
    "audit": "audit/audits",
}
"""Kind of function -> the folder of the package that holds the built-in ones."""

Unit = Literal["token", "sequence"]


@dataclass(frozen=True)
class Parameter:
    """One keyword parameter of a registered function."""

    name: str
    annotation: str
    default: Any = REQUIRED

    @property
    def wanted(self) -> str:
        """What it may be, as a user reads it."""
        return ranges.words(self.annotation)

    def __str__(self) -> str:
        text = f"{self.name}: {self.wanted}"
        return text if self.default is REQUIRED else f"{text} = {self.default!r}"


@dataclass(frozen=True)
class Entry:
    """All that is known of a registered function; `load` imports it."""

    kind: str
    name: str
    module: str
    doc: str
    parameters: tuple[Parameter, ...]
    facts: Mapping[str, Any] = field(default_factory=dict)
    attribute: str = ""

    @property
    def summary(self) -> str:
        return self.doc.strip().split("\n", 1)[0]

    @property
    def source(self) -> str:
        return str(self.facts.get("source", ""))

    @property
    def experimental(self) -> bool:
        """Whether its equation is a reconstruction; see its docstring."""
        return bool(self.facts.get("experimental", False))

    def load(self) -> Callable[..., Any]:
        return getattr(importlib.import_module(self.module), self.attribute or self.name)

    def signature(self) -> str:
        """The parameters as a user reads them."""
        return ", ".join(map(str, self.parameters)) or "no parameters"


_live: dict[tuple[str, str], Entry] = {}  # registered by import: third-party code and tests


def _register(kind: str, facts: dict[str, Any]) -> Callable[[F], F]:
    def keep(function: F) -> F:
        entry = Entry(
            kind=kind,
            name=function.__name__.rstrip("_"),  # `return_` is the benchmark `return`
            module=function.__module__,
            doc=inspect.getdoc(function) or "",
            parameters=tuple(
                Parameter(p.name, _annotation_text(p.annotation), p.default)
                for p in inspect.signature(function).parameters.values()
                if p.kind is inspect.Parameter.KEYWORD_ONLY
            ),
            facts=facts,
            attribute=function.__name__,
        )
        if not function.__module__.startswith("unteach."):
            known = _live.get((kind, entry.name)) or _built_in(kind).get(entry.name)
            if known and (known.module, known.attribute) != (entry.module, entry.attribute):
                raise RecipeError(
                    f"two functions are registered as {kind} '{entry.name}': one in "
                    f"{known.module}, one in {entry.module}. Rename one of them."
                )
            _live[kind, entry.name] = entry
        return function

    return keep


def _annotation_text(annotation: Any) -> str:
    if isinstance(annotation, str):
        return annotation
    if isinstance(annotation, type) and not get_args(annotation):
        return annotation.__name__
    return ranges.named(annotation)


def objective(
    *,
    unit: Unit,
    needs: Iterable[str] = (),
    pairs: Iterable[str] = (),
    source: str = "",
    experimental: bool = False,
) -> Callable[[F], F]:
    """Register `(Scores, *, ...) -> Tensor`, an unreduced loss: [B, A] a token, or [B] a sequence.

    `needs` names what it reads beyond `logp`: `logits` or `hidden.{layer}` (filled in from the
    parameter of that name), of the model itself, of another model (`ref.logits`,
    `reinforced.logits`), or of the rows paired with these (`preferred.logp`,
    `preferred.ref.logp`). `pairs` names the pairs; the recipe's term says which split each one is.
    An objective that needs nothing but hidden states never sees `logp`.

    `experimental` marks an equation that is a reconstruction, not read in a paper or its code.
    """
    return _register(
        "objective",
        {
            "unit": unit,
            "needs": needs,
            "pairs": pairs,
            "source": source,
            "experimental": experimental,
        },
    )


def weighting(
    *, needs: Iterable[str] = (), source: str = "", experimental: bool = False
) -> Callable[[F], F]:
    """Register `(Scores, *, ...) -> Tensor` [B, A], a weight that carries no gradient."""
    return _register("weighting", {"needs": needs, "source": source, "experimental": experimental})


def synthesis(
    *,
    reads: Iterable[str],
    adds: Iterable[str],
    source: str = "",
    writes: bool = False,
    choices: Iterable[str] = (),
    experimental: bool = False,
) -> Callable[[F], F]:
    """Register `(Splits, Random, *, ...) -> Synthesis`, which adds splits and edits none.

    With `writes` it takes a third argument, a `Writer`: the model itself writes text for it.
    `choices` are kinds of registered functions: the parameter of that name names one of the kind,
    alone or with its own parameters.
    """
    return _register(
        "synthesis",
        {
            "reads": reads,
            "adds": adds,
            "source": source,
            "writes": writes,
            "choices": choices,
            "experimental": experimental,
        },
    )


def reward(*, source: str = "", experimental: bool = False) -> Callable[[F], F]:
    """Register `(Said, *, ...) -> list[Worth]`: what each text that a model said is worth revealing."""
    return _register("reward", {"source": source, "experimental": experimental})


def bandit(*, source: str = "", experimental: bool = False) -> Callable[[F], F]:
    """Register `(width, seed, *, ...) -> Bandit`, a maker of who picks the next instructions."""
    return _register("bandit", {"source": source, "experimental": experimental})


def selection(
    *,
    source: str = "",
    adapter: bool = False,
    reads: Iterable[str] = (),
    experimental: bool = False,
) -> Callable[[F], F]:
    """Register `(Probe, *, ...) -> Selected`, which decides what may move.

    `reads` names the splits that it looks at through the probe. `adapter` says that the original
    is what remains when the adapter is switched off.
    """
    return _register(
        "selection",
        {"source": source, "adapter": adapter, "reads": reads, "experimental": experimental},
    )


def rule(*, source: str = "", experimental: bool = False) -> Callable[[F], F]:
    """Register `(*, ...) -> Rule`, a maker of the function that leaves a direction in `.grad`."""
    return _register("rule", {"source": source, "experimental": experimental})


def edit(
    *, source: str = "", reads: Iterable[str] = (), experimental: bool = False
) -> Callable[[F], F]:
    """Register `(Probe, *, ...) -> None`, which changes the weights in place without training.

    `reads` names the splits that it looks at through the probe. It may return numbers that it found,
    by name, for the log. By its parameters `of` it reads whole models that earlier stages trained
    into these names; by `subtract` and `add` their adapters.
    """
    return _register("edit", {"source": source, "reads": reads, "experimental": experimental})


def optimizer(*, source: str = "") -> Callable[[F], F]:
    """Register `(parameters, *, lr, ...) -> torch.optim.Optimizer`."""
    return _register("optimizer", {"source": source})


def benchmark(
    *,
    source: str = "",
    official: Iterable[tuple[str, str, Mapping[str, Any]]] = (),
    ours: Iterable[tuple[str, str, Mapping[str, Any]]] = (),
    audit_rows: int | None = None,
) -> Callable[[F], F]:
    """Register `(*, ...) -> Splits`, a named source of every split of a benchmark.

    The first parameter is its variant: `tofu/forget10`. `official` is the benchmark's scorecard, a
    row each: its published name, the audit that computes it and that audit's parameters; `ours`
    are the rows beside it. A recipe asks for both by the benchmark's name: `audits: tofu`. Audits
    read the first `audit_rows` rows of every split; all, if it is not given.
    """
    return _register(
        "benchmark",
        {"source": source, "official": official, "ours": ours, "audit_rows": audit_rows},
    )


def audit(
    *,
    access: Literal["text", "logits", "weights", "training"],
    reads: Iterable[str],
    better: Literal["lower", "higher", "gold", "original"],
    version: int,
    shows: Literal["knowledge", "language", "conduct", "nothing"],
    rung: int = 0,
    knowing: Literal["high", "low"] = "high",
    margin: float = 0.0,
    gate: bool = False,
    chance: float | None = None,
    collapse: float = 0.0,
    ratio: bool = False,
    only: Mapping[str, Any] | None = None,
    attack: str = "",
    source: str = "",
    percent: bool = False,
    choices: Iterable[str] = (),
) -> Callable[[F], F]:
    """Register `(Evidence, *, ...) -> Finding`, one number about one model.

    `reads` names evidence as `split.tokens`, `split.wrong` or `split.texts`; `{split}` in it is
    filled from the parameter of that name. `better` says where a good model's value lies.
    `choices` are kinds of registered functions, as in `synthesis`.

    What the verdict makes of it (`report/verdict.py`) is declared here and nowhere else. `shows`:

    - `knowledge`: of the forgotten, on a split that must go, and then it is a test of leaks; of
      what was to be kept, on any other. `knowing` is the side on which a model lies that knows,
      `margin` the difference, in the audit's unit, up to which two models count as level, `rung`
      the access that the test stands for (`report/ladder.py`). A `gate` must be shown level with
      the yardstick before anything is called forgotten; others can only raise an alarm. `chance`
      is the value that a model has which knows nothing, where that is known beforehand: without
      another yardstick it can show a model level, and no more.
    - `language`: repetition and the like, compared with the original's; past `margin` it is
      strained, past `collapse` it is broken. With `ratio` both are factors. `better` says which
      way is worse.
    - `conduct`: what an observer sees without reading any answer, as refusals: a tell.
    - `nothing`: a published aggregate of other audits, or a number on no scale of leak or damage.

    `only` names parameters with which it means that; with others it takes no part. `attack` is the
    entry of the ladder's list of attacks that it makes.
    """
    return _register(
        "audit",
        {
            "access": access,
            "reads": reads,
            "better": better,
            "version": version,
            "shows": shows,
            "rung": rung,
            "knowing": knowing,
            "margin": margin,
            "gate": gate,
            "chance": chance,
            "collapse": collapse,
            "ratio": ratio,
            "only": only,
            "attack": attack,
            "source": source,
            "percent": percent,
            "choices": choices,
        },
    )


def entries(kind: str) -> dict[str, Entry]:
    """Every entry of a kind by name: built-in ones, and those that imported code registered."""
    return {**_built_in(kind), **{name: e for (k, name), e in _live.items() if k == kind}}


def find(kind: str, name: str, where: str = "") -> Entry:
    """The entry of that name.

    Raises:
        UnknownNameError: no function of this kind has that name, in the package or in any plug-in.
    """
    found = entries(kind).get(name)
    if found is None:
        _load_plugins()
        found = entries(kind).get(name)
    if found is None:
        known = sorted(entries(kind))
        close = difflib.get_close_matches(name, known, n=1)
        hint = f" Did you mean '{close[0]}'?" if close else ""
        prefix = f"{where}: " if where else ""
        raise UnknownNameError(
            f"{prefix}no {kind} is named '{name}'.{hint} Known: {', '.join(known)}."
        )
    return found


def check(kind: str, name: str, params: Mapping[str, Any], where: str = "") -> dict[str, Any]:
    """`params` converted to the declared types; `where` opens each problem.

    Raises:
        RecipeError: the name is unknown, a parameter is misspelt, missing or of the wrong type; all
            problems of this one choice are in it.
    """
    entry = find(kind, name, where)
    by_name = {p.name: p for p in entry.parameters}
    prefix = f"{where}: " if where else ""
    problems: list[str] = []
    checked: dict[str, Any] = {}
    for given, value in params.items():
        if given not in by_name:
            close = difflib.get_close_matches(given, list(by_name), n=1)
            hint = f" Did you mean '{close[0]}'?" if close else ""
            problems.append(
                f"{prefix}{name} has no parameter '{given}'.{hint} {name} takes {entry.signature()}."
            )
            continue
        try:
            checked[given] = _adapter(by_name[given].annotation).validate_python(value)
        except ValidationError as error:
            problems.append(f"{prefix}{name}.{given} is {_unfit(by_name[given], value, error)}.")
    missing = [p for p in entry.parameters if p.default is REQUIRED and p.name not in params]
    problems += [
        f"{prefix}{name} needs the parameter '{p.name}'. {name} takes {entry.signature()}."
        for p in missing
    ]
    for choice_of in entry.facts.get("choices", ()):
        if choice_of in checked:
            try:
                check(choice_of, *choice(checked[choice_of]), f"{prefix}{name}.{choice_of}")
            except RecipeError as error:
                problems += error.problems
    if problems:
        raise RecipeError(problems)
    return checked


def _unfit(parameter: Parameter, value: object, error: ValidationError) -> str:
    if parameter.wanted != parameter.annotation:
        return f"{shown(value)}, which is not a {parameter.wanted}"
    said = "; ".join(e["msg"] for e in error.errors())
    return f"{shown(value)}, which is not {parameter.wanted}: {said}"


def choice(given: str | Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """(name, parameters) of a function that a parameter names: `npo`, or `{name: npo, beta: 0.1}`."""
    if isinstance(given, str):
        return given, {}
    return str(given.get("name", "")), {k: v for k, v in given.items() if k != "name"}


def bound(kind: str, given: str | Mapping[str, Any], where: str) -> Callable[..., Any]:
    """The function that a parameter names, with its own parameters filled in.

    Raises:
        RecipeError: as `check`.
    """
    name, params = choice(given)
    return partial(find(kind, name, where).load(), **check(kind, name, params, where))


def reads(entry: Entry, params: Mapping[str, Any]) -> tuple[str, ...]:
    """The splits or evidence that a function reads, with `{split}` and other parameters filled in."""
    return _filled(entry, "reads", params)


def adds(entry: Entry, params: Mapping[str, Any]) -> tuple[str, ...]:
    """The splits that a synthesis adds, filled in likewise."""
    return _filled(entry, "adds", params)


def needs(entry: Entry, params: Mapping[str, Any]) -> frozenset[str]:
    """An objective's `needs`, or a weighting's, with `{layer}` and other parameters filled in."""
    return frozenset(_filled(entry, "needs", params))


def _filled(entry: Entry, fact: str, params: Mapping[str, Any]) -> tuple[str, ...]:
    values = {p.name: p.default for p in entry.parameters} | dict(params)
    return tuple(item.format_map(values) for item in entry.facts[fact])


@cache
def _adapter(annotation: str) -> TypeAdapter[Any]:
    names = {"Literal": Literal, "Sequence": list, "Mapping": dict, **ranges.RANGES}
    declared = eval(annotation, names)  # text of a signature, our own or a plug-in's
    return TypeAdapter(declared, config=ConfigDict(allow_inf_nan=False))


@cache
def _built_in(kind: str) -> dict[str, Entry]:
    folder = Path(__file__).parent / ROOMS[kind]
    found: dict[str, Entry] = {}
    for path in sorted(folder.rglob("*.py")):
        for entry in _parse(path, kind):
            found[entry.name] = entry
    return found


@cache
def _facts(kind: str) -> dict[str, Any]:
    """What the decorator of a kind takes, with its defaults."""
    taken = inspect.signature(globals()[kind]).parameters.values()
    return {p.name: None if p.default is REQUIRED else p.default for p in taken}


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def _parse(path: Path, kind: str) -> list[Entry]:
    inside = path.relative_to(Path(__file__).parent).with_suffix("")
    module = ".".join(("unteach", *(part for part in inside.parts if part != "__init__")))
    found = []
    for node in _tree(path).body:
        if not isinstance(node, ast.FunctionDef):
            continue
        for mark in node.decorator_list:
            if (
                isinstance(mark, ast.Call)
                and isinstance(mark.func, ast.Name)
                and mark.func.id == kind
            ):
                given = {str(k.arg): ast.literal_eval(k.value) for k in mark.keywords}
                facts = {n: given.get(n, default) for n, default in _facts(kind).items()}
                parameters = tuple(
                    Parameter(
                        arg.arg,
                        ast.unparse(arg.annotation) if arg.annotation else "object",
                        REQUIRED if default is None else ast.literal_eval(default),
                    )
                    for arg, default in zip(
                        node.args.kwonlyargs, node.args.kw_defaults, strict=True
                    )
                )
                found.append(
                    Entry(
                        kind,
                        node.name.rstrip("_"),
                        module,
                        ast.get_docstring(node) or "",
                        parameters,
                        facts,
                        attribute=node.name,
                    )
                )
    return found


@cache
def _load_plugins() -> None:
    for point in importlib.metadata.entry_points(group="unteach"):
        point.load()
