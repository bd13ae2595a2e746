"""The documentation against the code: tables, links and snippets.

Tables stand between `<!-- table: NAME -->` and `<!-- /table -->` and are made from the registries.
After a change of those: UPDATE_DOCS=1 python -m pytest tests/test_docs.py
"""

from __future__ import annotations

import os
import re
import shlex
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import pytest
import typer
import yaml
from typer.core import TyperGroup

from unteach import recipe, registry
from unteach.cli import app
from unteach.data.sources import USUAL_NAMES
from unteach.data.world.splits import MEANING
from unteach.suites import SUITES

ROOT = Path(__file__).parents[1]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
SHOWN_TO_FAIL = {"errors.md"}  # its commands are wrong on purpose
TABLE = re.compile(r"(<!-- table: (\w+) -->\n)(.*?)(<!-- /table -->)", re.DOTALL)
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
ARXIV = re.compile(r"arXiv:(\d{4}\.\d{4,5})")

page = pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))


@page
def test_tables_are_those_of_the_registries(path: Path):
    text = path.read_text(encoding="utf-8")
    fresh = TABLE.sub(lambda found: found[1] + TABLES[found[2]]() + found[4], text)
    if os.environ.get("UPDATE_DOCS"):
        path.write_text(fresh, encoding="utf-8")
        return
    assert text == fresh, (
        f"a table of {path.name} is out of date: UPDATE_DOCS=1 python -m pytest {__file__}"
    )


def test_every_table_is_on_some_page():
    shown = {found[2] for path in PAGES for found in TABLE.finditer(path.read_text("utf-8"))}
    assert shown == set(TABLES)


@page
def test_relative_links_resolve(path: Path):
    text = re.sub(r"<!--.*?-->", "", FENCE.sub("", path.read_text("utf-8")), flags=re.DOTALL)
    for target in LINK.findall(text):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        there = (path.parent / name).resolve() if name else path
        assert there.exists(), f"{path.name} links to {target}, which is not there"
        if anchor:
            assert anchor in _anchors(there), f"{there.name} has no heading for #{anchor}"


@page
def test_python_snippets_compile(path: Path):
    for code in _blocks(path, "python"):
        compile(code, path.name, "exec")


@page
def test_yaml_snippets_are_recipes(path: Path):
    for code in _blocks(path, "yaml"):
        content = yaml.safe_load(code)
        recipe.parse({"method": content} if isinstance(content, list) else content, path.name)


@page
def test_commands_parse(path: Path):
    for line in _commands(path):
        program, *rest = shlex.split(line, comments=True)
        if program == "unteach":
            _parse_command(rest)
        elif program == "make":
            makefile = (ROOT / "Makefile").read_text("utf-8")
            for target in (word for word in rest if "=" not in word):
                assert re.search(rf"^{target}:", makefile, re.MULTILINE), line
        elif line.startswith("pip install"):
            known = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
            extras = set(known["project"]["optional-dependencies"])
            asked = re.findall(r"\[([\w,-]+)\]", line)
            assert {e for found in asked for e in found.split(",")} <= extras, line
            pins = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
            assert set(re.findall(r"[\w-]+==[\w.]+", line)) <= set(pins), line


def _anchors(path: Path) -> set[str]:
    """Headings as GitHub and mkdocs name them in links."""
    heads = re.findall(r"^#+ (.+)$", FENCE.sub("", path.read_text("utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


def _blocks(path: Path, language: str) -> list[str]:
    if path.name in SHOWN_TO_FAIL:
        return []
    return [code for found, code in FENCE.findall(path.read_text("utf-8")) if found == language]


def _commands(path: Path) -> Iterator[str]:
    for block in _blocks(path, "bash"):
        for line in block.replace("\\\n", " ").splitlines():
            if line.strip() and not line.startswith("#"):
                yield line


def _parse_command(args: Sequence[str]) -> None:
    """The command exists and takes these arguments; it is not run."""
    group = typer.main.get_command(app)
    assert isinstance(group, TyperGroup)
    context = group.make_context("unteach", list(args))
    if any(arg in ("--help", "--version") for arg in args):
        return
    name, command, rest = group.resolve_command(context, [*context._protected_args, *context.args])
    assert command is not None
    with command.make_context(name, rest, parent=context) as parsed:
        source = str(parsed.params.get("recipe_name") or "audit")
        changes = parsed.params.get("changes") or []
    if not source.endswith((".yaml", "audit")):
        recipe.read(source, changes)


def _methods() -> str:
    rows = []
    for name, path in recipe.shipped().items():
        one = recipe.read(name)
        if one.method:
            opening = _opening(path) or one.title
            known = one.confidence or ""
            if one.as_published:
                opening += f" **As published**: on the demo's world `{one.as_published}` serves."
            rows.append((f"`{name}`", opening, _stages(one.method), known, _linked(one.source)))
    return _table(("method", "what it does", "stages", "confidence", "source"), rows)


def _opening(path: Path) -> str:
    """The comment that a recipe file starts with."""
    lines = path.read_text("utf-8").splitlines()
    return " ".join(line[1:].strip() for line in lines[: _first_key(lines)])


def _first_key(lines: Sequence[str]) -> int:
    return next(i for i, line in enumerate(lines) if not line.startswith("#"))


def _stages(method: Sequence[recipe.Stage]) -> str:
    said = []
    for stage in method:
        if stage.repeat:
            said.append(f"{stage.repeat.rounds} times: {_stages(stage.repeat.stages)}")
        if stage.synthesize:
            said.append(f"synthesize {stage.synthesize.name}")
        if stage.train:
            train = stage.train
            usual = ("whole", "weighted_sum", "adamw")
            chosen = [c.name for c in (train.select, train.rule, train.optimizer)]
            where = ", ".join(name for name in chosen if name not in usual)
            into = f" into {train.into}" if train.into else ""
            terms = " + ".join(_term(term) for term in train.terms)
            said.append(f"train{into}{f' ({where})' if where else ''} {terms}")
        if stage.edit:
            said.append(f"edit {stage.edit}")
    return "; ".join(said)


def _term(term: recipe.Term) -> str:
    factor = "" if term.coefficient == 1 else f"{term.coefficient:g} "
    weighting = f" x {term.weighting.name}" if term.weighting else ""
    level = "" if term.down_to is None else f" down to {term.down_to}"
    against = "".join(f" against `{split}`" for split in term.pairs.values())
    return f"{factor}{term.objective.name}{weighting} on `{term.split}`{against}{level}"


def _registered(kind: str, facts: Sequence[str], *files: str) -> str:
    """A row for each function of a kind, or for those in these files."""
    rows = [
        (
            f"`{name}`",
            entry.summary,
            _parameters(entry),
            *(_words(entry.facts[fact]) for fact in facts),
            _linked(entry.source) + (" (experimental)" if entry.experimental else ""),
        )
        for name, entry in sorted(registry.entries(kind).items())
        if not files or entry.module.rpartition(".")[2] in files
    ]
    return _table((kind, "what it is", "parameters", *facts, "source"), rows)


def _objectives(*files: str) -> str:
    return _registered("objective", ("unit", "needs"), *files)


def _parameters(entry: registry.Entry) -> str:
    shown = (
        p.name if p.default is registry.REQUIRED else f"{p.name}={p.default}"
        for p in entry.parameters
    )
    return ", ".join(f"`{text}`" for text in shown)


def _suites() -> str:
    rows = []
    for suite, named in SUITES.items():
        splits: dict[str, list[str]] = {}
        for audit, params in named:
            splits.setdefault(audit, []).append(params.get("split", _own_split(audit)))
        rows += [
            (f"`{suite}`", f"`{audit}`", ", ".join(dict.fromkeys(n))) for audit, n in splits.items()
        ]
    return _table(("suite", "audit", "splits"), rows)


def _own_split(audit: str) -> str:
    """The split that an audit reads unless another is given."""
    parameters = registry.find("audit", audit).parameters
    return next(str(p.default) for p in parameters if p.name == "split")


def _splits() -> str:
    return _table(("split", "what it holds"), [(f"`{n}`", text) for n, text in MEANING.items()])


def _columns() -> str:
    rows = [(f"`{field}`", ", ".join(map(_code, names))) for field, names in USUAL_NAMES.items()]
    return _table(("field", "columns it is found under"), rows)


TABLES: Mapping[str, Callable[[], str]] = {
    "methods": _methods,
    "likelihood": lambda: _objectives("likelihood"),
    "preference": lambda: _objectives("preference"),
    "distillation": lambda: _objectives("distillation", "divergence"),
    "representation": lambda: _objectives("representation"),
    "edits": lambda: _registered("edit", ("reads",)),
    "weightings": lambda: _registered("weighting", ()),
    "selections": lambda: _registered("selection", ("reads",)),
    "rules": lambda: _registered("rule", ()),
    "optimizers": lambda: _registered("optimizer", ()),
    "rewards": lambda: _registered("reward", ()),
    "bandits": lambda: _registered("bandit", ()),
    "syntheses": lambda: _registered("synthesis", ("reads", "adds")),
    "benchmarks": lambda: _registered("benchmark", ()),
    "audits": lambda: _registered("audit", ("access", "better", "shows", "rung", "gate")),
    "suites": _suites,
    "splits": _splits,
    "columns": _columns,
}


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    cells = ([cell.replace("|", "\\|") for cell in line] for line in lines)
    return "".join(f"| {' | '.join(line)} |\n" for line in cells)


def _words(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, tuple | list) else str(value)


def _code(text: str) -> str:
    return f"`{text}`"


def _linked(source: str) -> str:
    return ARXIV.sub(r"[arXiv:\1](https://arxiv.org/abs/\1)", source)
