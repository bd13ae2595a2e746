"""The commands. Nothing heavy is imported before a command needs it."""

from __future__ import annotations

import errno
import io
import json
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from unteach import __version__, recipe, registry, sweep
from unteach.errors import DiskFullError, RecipeError, UserError

app = typer.Typer(
    name="unteach",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode=None,
    help="Make a language model forget what it must, keep the rest, and show the evidence.",
)

RecipeArgument = Annotated[
    str, typer.Argument(help="a recipe file, or the name of a shipped recipe")
]
RecipeOrSweep = Annotated[
    str, typer.Argument(help="a recipe or sweep file, or the name of a shipped one")
]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", help="change a value of the recipe, as in method.1.train.epochs=3"),
]
Benchmark = Annotated[
    str | None,
    typer.Option("--benchmark", help="its data and scorecard, as in tofu/forget10; see list"),
]
Out = Annotated[Path | None, typer.Option("--out", help="the run folder to write")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="replace a run that is there already")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="no progress")]
Json = Annotated[bool, typer.Option("--json", help="print the result as JSON")]
Redact = Annotated[
    bool, typer.Option("--redact", help="a page without the forgotten, wherever it stands")
]


INTERRUPTED = 130


def main() -> None:
    """Run a command; exit 0 done, 1 failed, 2 usage or bad input, 130 interrupted."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C
    _print_anything()
    try:
        app(standalone_mode=True)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1 if isinstance(error, DiskFullError) else 2)
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:
            raise
        print(f"error: {str(error.filename)[:80]}...: this name is too long.", file=sys.stderr)
        sys.exit(2)
    except SystemExit as end:
        if end.code == INTERRUPTED:  # typer has turned Ctrl-C into this, without a word
            print("\ninterrupted: run the same command again to go on", file=sys.stderr)
        raise


def _print_anything() -> None:
    """Print UTF-8 into files and pipes, and in a terminal escape what its own encoding lacks.

    PYTHONIOENCODING is obeyed. Windows would otherwise end in an error at the first dash or name
    that its code page has not.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            is_given = stream.isatty() or "PYTHONIOENCODING" in os.environ
            stream.reconfigure(encoding=None if is_given else "utf-8", errors="backslashreplace")


@app.callback(invoke_without_command=True)
def about(
    version: Annotated[bool, typer.Option("--version", help="print the version")] = False,
) -> None:
    if version:
        print(__version__)
        raise typer.Exit


@app.command()
def run(
    recipe_name: RecipeArgument,
    benchmark: Benchmark = None,
    changes: Set = None,
    out: Out = None,
    overwrite: Overwrite = False,
    redact: Redact = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Forget, audit and report, into one run folder; the same command goes on after a stop.

    Example: unteach run npo --set method.0.train.epochs=3 --out runs/npo-3
    """
    chosen = recipe.read(recipe_name, [*_of_benchmark(benchmark), *(changes or [])])
    name = Path(recipe_name).stem
    _prepare()
    from unteach.run.pipeline import run as start

    folder = start(
        chosen,
        out or Path("runs") / name,
        root=recipe.folder_of(recipe_name),
        name=name,
        overwrite=overwrite,
        redact=redact,
        progress=_progress(quiet),
    )
    _results([folder.path], folder.report, as_json)


@app.command()
def teach(
    recipe_name: RecipeArgument,
    out: Annotated[Path, typer.Option("--out", help="a folder for original/ and gold/")],
    benchmark: Benchmark = None,
    changes: Set = None,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Make the model that knows, and the gold model that was taught all but the forget split.

    Example: unteach teach unteach --out models
    """
    chosen = recipe.read(recipe_name, [*_of_benchmark(benchmark), *(changes or [])])
    _prepare()
    from unteach.model.disk import whole_disk
    from unteach.run import teach as teaching
    from unteach.run.folder import require_new
    from unteach.run.prepare import prepare

    for name in ("original", "gold"):
        require_new(out / name, overwrite)
    with whole_disk(out):
        ready = prepare(chosen, recipe.folder_of(recipe_name))
        teaching.require_teach(ready)
        progress = _progress(quiet)
        made = {
            "original": teaching.original(ready, progress)[0],
            "gold": teaching.gold(ready, progress)[0],
        }
        for name, place in made.items():
            assert place is not None
            teaching.write(place, out / name, ready)
    _say(
        as_json,
        {name: str(out / name) for name in made},
        f"Models: {out / 'original'}, {out / 'gold'}",
    )


@app.command()
def synthesize(
    recipe_name: RecipeArgument,
    out: Annotated[Path, typer.Option("--out", help="a folder for the splits, as JSONL")],
    changes: Set = None,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Write the data that the recipe's synthesis stages make, without any model.

    Example: unteach synthesize relearn --set data.forget=mine.jsonl --out data
    """
    chosen = recipe.read(recipe_name, changes or [])
    from unteach.run.synthesize import write_synthesis

    made = write_synthesis(chosen, recipe.folder_of(recipe_name), out, _progress(quiet), overwrite)
    _say(as_json, made, f"Splits: {out}")


@app.command()
def reveal(
    recipe_name: RecipeArgument,
    out: Annotated[Path, typer.Option("--out", help="a folder for what was revealed")],
    bandits: Annotated[
        str, typer.Option("--bandits", help="one reveal each, as in neural_ucb,linucb,random")
    ] = "",
    seeds: Annotated[str, typer.Option("--seeds", help="one reveal a seed, as in 0,1,2,3,4")] = "",
    benchmark: Benchmark = None,
    changes: Set = None,
    overwrite: Overwrite = False,
    redact: Redact = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Make a model say what it holds, without any forget data; nothing is unlearned.

    Example: unteach reveal reveal_person --out revealed

    Example: unteach reveal reveal_person --bandits neural_ucb,linucb,random --seeds 0,1,2,3,4 --out study
    """
    chosen = recipe.read(recipe_name, [*_of_benchmark(benchmark), *(changes or [])])
    numbers = _seeds(seeds)
    _prepare()
    from unteach.run.reveal import reveal as start

    found = start(
        chosen,
        out,
        bandits=_split(bandits),
        seeds=numbers,
        root=recipe.folder_of(recipe_name),
        overwrite=overwrite,
        redact=redact,
        progress=_progress(quiet),
    )
    shown = {"rows": str(out / "revealed.jsonl"), "report": str(out / "reveal.html")}
    lines = [
        f"{one.bandit:<16}{_bracketed(one.reward)} a pull"
        + (f", {_bracketed(one.coverage)} of the truth" if one.coverage else "")
        for one in found.sums
    ]
    _say(as_json, shown, "\n".join([*lines, *(f"{k.title()}: {v}" for k, v in shown.items())]))


@app.command()
def undo(
    folder: Annotated[Path, typer.Argument(help="a run folder of rounds")],
    rounds: Annotated[str, typer.Option("--rounds", help="which to take back, as in 2,3")],
    out: Annotated[Path, typer.Option("--out", help="a folder for the model without them")],
    overwrite: Overwrite = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """The model of a run without some of its rounds, from the adapters that each round kept.

    Example: unteach undo runs/reveal_person --rounds 3 --out model-of-two-rounds
    """
    numbers = _seeds(rounds)
    _prepare()
    from unteach.run.undo import undo as start

    start(folder, numbers, out, overwrite=overwrite, progress=_progress(quiet))
    _say(as_json, {"model": str(out)}, f"Model: {out}")


@app.command()
def audit(
    model: Annotated[
        str, typer.Argument(help="a model folder, adapter folder, GGUF file or hub id")
    ],
    recipe_name: Annotated[
        str | None,
        typer.Option("--recipe", help="whose data, teaching, gold model and audits to use"),
    ] = None,
    benchmark: Benchmark = None,
    forget: Annotated[
        str | None, typer.Option("--forget", help="a file of what must be gone, without a recipe")
    ] = None,
    retain: Annotated[
        str | None, typer.Option("--retain", help="a file of what must be kept")
    ] = None,
    original: Annotated[
        str | None, typer.Option("--original", help="the model before it was unlearned")
    ] = None,
    retrained: Annotated[
        str | None,
        typer.Option(
            "--retrained",
            help="the gold model, which never saw the forget split, or an audit of it",
        ),
    ] = None,
    changes: Set = None,
    out: Out = None,
    overwrite: Overwrite = False,
    redact: Redact = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Audit a model that anyone unlearned; it needs no metadata of ours.

    Example: unteach audit ./model --original base --forget f.jsonl --retain r.jsonl

    Example: unteach audit ./model --benchmark tofu/forget10 --retrained ./gold
    """
    named = {"gold": retrained, "data.forget": forget, "data.retain": retain}
    given = _of_benchmark(benchmark)
    given += [f"{key}={json.dumps(value)}" for key, value in named.items() if value]
    given += changes or []
    if recipe_name is None:
        plain = {"model": original or model, "title": f"Audit of {Path(model).name}", "data": {}}
        chosen = recipe.build(plain, given, "audit")
    else:
        chosen = recipe.read(recipe_name, given)
        if original and not chosen.teach:  # what is taught starts from the recipe's own model
            chosen = chosen.model_copy(update={"model": original})
    _prepare()
    from unteach.run.pipeline import audit as start

    folder = start(
        chosen,
        model,
        out or Path("runs") / f"audit-{Path(model).name}",
        original=original,
        root=recipe.folder_of(recipe_name) if recipe_name else Path(),
        overwrite=overwrite,
        redact=redact,
        progress=_progress(quiet),
    )
    _results([folder.path], folder.report, as_json)


@app.command()
def compare(
    runs: Annotated[list[Path] | None, typer.Argument(help="run folders to compare")] = None,
    methods: Annotated[
        str, typer.Option("--methods", help="recipes to run first, as in ga,npo,relearn; or all")
    ] = "",
    sweep_name: Annotated[
        str, typer.Option("--sweep", help="a sweep file, or the name of a shipped sweep, to run")
    ] = "",
    seeds: Annotated[
        str, typer.Option("--seeds", help="run each method once a seed, as in 0,1,2")
    ] = "",
    keep: Annotated[
        str,
        typer.Option(
            "--keep", help="methods or runs whose weights are kept: all, none, or npo,idk_nll"
        ),
    ] = "all",
    vary: Annotated[
        str,
        typer.Option(
            "--vary", help="run each method once a value, as in method.0.train.epochs=1,2,4"
        ),
    ] = "",
    chain: Annotated[
        bool, typer.Option("--chain", help="each run begins with the model of the one before")
    ] = False,
    benchmark: Benchmark = None,
    changes: Set = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="the folder for runs and report.html, or the page")
    ] = None,
    layout: Annotated[
        Literal["text", "markdown", "csv", "latex", "html"], typer.Option("--format")
    ] = "text",
    overwrite: Overwrite = False,
    redact: Redact = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """One table and one page over several runs, or over a sweep of methods.

    Example: unteach compare runs/npo runs/relearn --out compare.html

    Example: unteach compare --methods npo,relearn --seeds 0,1,2 --out runs/sweep

    Example: unteach compare --methods npo --vary data.benchmark.forget=0.1,0.2,0.4 --out runs/scale

    Example: unteach compare --sweep relearn_ablation --out runs/ablation
    """
    if sum(map(bool, (runs, methods, sweep_name))) != 1:
        raise RecipeError(
            "compare: give run folders, or one of --methods and --sweep to run first."
        )
    if sweep_name and (vary or chain):
        raise RecipeError(
            "compare: --vary and --chain go with --methods; a sweep says what varies."
        )
    if runs:
        from unteach.report.build import build
        from unteach.report.html import write

        page = out or Path("compare.html")
        write(build(runs, redact=redact), page)
        _results(runs, page, as_json, layout)
        return
    names = list(_methods()) if methods == "all" else _split(methods)
    numbers = _seeds(seeds)
    varied = _varied(vary)
    overrides = [*_of_benchmark(benchmark), *(changes or [])]
    keep_models = None if keep == "all" else [] if keep == "none" else _split(keep)
    chosen = sweep.read(sweep_name, overrides) if sweep_name else None
    if chain and not varied:
        raise RecipeError(
            "compare: --chain needs --vary, which says what the runs one after another do."
        )
    _prepare()
    from unteach.run.compare import compare_methods, compare_sweep

    if chosen:
        made = compare_sweep(
            chosen,
            out or Path("runs") / Path(sweep_name).stem,
            seeds=numbers,
            keep_models=keep_models,
            overwrite=overwrite,
            redact=redact,
            progress=_progress(quiet),
        )
    else:
        made = compare_methods(
            names,
            out or Path("runs/compare"),
            overrides=overrides,
            seeds=numbers,
            vary=varied,
            chain=chain,
            keep_models=keep_models,
            overwrite=overwrite,
            redact=redact,
            progress=_progress(quiet),
        )
    _results([folder.path for folder in made.runs], made.report, as_json, layout, made.failed)
    if made.failed:
        for name, why in made.failed.items():
            typer.echo(f"{name} failed: {why}", err=True)
        raise typer.Exit(1)


@app.command()
def demo(
    out: Annotated[Path, typer.Option("--out", help="the folder for runs and report.html")] = Path(
        "runs/demo"
    ),
    methods: Annotated[str, typer.Option("--methods")] = "ga,relearn,unteach",
    changes: Set = None,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """The main job on a real 135M model, offline, in minutes on two CPU cores.

    Teaches SmolLM2-135M-Instruct three facts about each of 20 fictitious people (a slice of the
    embedded world), makes it forget eight of the people by several methods, and compares each
    with a model that was never taught them.

    Example: unteach demo --out runs/demo
    """
    _prepare()
    from unteach.run.compare import compare_methods

    made = compare_methods(
        _split(methods),
        out,
        overrides=changes or [],
        keep_models=["unteach"],
        overwrite=overwrite,
        title="Forgetting 8 of 20 people: a real 135M model on a laptop",
        progress=_progress(quiet),
    )
    _results([folder.path for folder in made.runs], made.report, as_json)


@app.command()
def report(
    runs: Annotated[list[Path], typer.Argument(help="run folders")],
    out: Annotated[Path | None, typer.Option("--out", help="the page to write")] = None,
    redact: Redact = False,
    as_json: Json = False,
) -> None:
    """Render the report again, from a run's files alone.

    Example: unteach report runs/npo --redact --out public.html
    """
    from unteach.report.build import build
    from unteach.report.html import write

    page = out or runs[0] / "report.html"
    write(build(runs, redact=redact), page)
    _results(runs, page, as_json)


@app.command()
def redact(
    folder: Annotated[Path, typer.Argument(help="a run folder")],
    out: Annotated[Path, typer.Argument(help="a new folder for the copy")],
    with_model: Annotated[
        bool, typer.Option("--with-model", help="take model/ along, whatever its weights hold")
    ] = False,
    as_json: Json = False,
) -> None:
    """A copy of a whole run folder that can be given away, and what was removed from it.

    Example: unteach redact runs/npo npo-to-publish
    """
    from unteach.run.redact import redact as start

    removed = start(folder, out, with_model=with_model)
    lines = ["Removed:", *(f"  {line}" for line in removed), f"Copy: {out}"]
    _say(as_json, {"copy": str(out), "removed": removed}, "\n".join(lines))


@app.command()
def score(
    log: Annotated[
        Path,
        typer.Argument(
            help="a TOFU_EVAL.json or MUSE_EVAL.json of open-unlearning, or an "
            "eval_log_aggregated.json of locuslab/tofu"
        ),
    ],
    retrained: Annotated[
        Path | None, typer.Option("--retrained", help="the log of the retrained model")
    ] = None,
    reference_auc: Annotated[
        float | None,
        typer.Option("--reference-auc", min=0, max=1, help="its Min-K AUC, for privleak"),
    ] = None,
    as_json: Json = False,
) -> None:
    """The benchmark's table from somebody's per-sample records, without any model.

    Example: unteach score TOFU_EVAL.json --retrained retain90/TOFU_EVAL.json
    """
    from unteach.audit.published import table

    theirs = _records(retrained) if retrained else None
    found = table(_records(log), theirs, reference_auc=reference_auc)
    width = max(map(len, found))
    _say(as_json, dict(found), "\n".join(f"{n:<{width}}  {v:.6g}" for n, v in found.items()))


def _records(path: Path) -> Any:
    from unteach.errors import DataError

    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}.") from None
    except ValueError:
        raise DataError(f"{path}: is not JSON. Give a TOFU_EVAL.json.") from None


@app.command("list")
def list_(
    kind: Annotated[
        str, typer.Argument(help="methods, sweeps, audits, objectives, ...; all if left out")
    ] = "",
    as_json: Json = False,
) -> None:
    """Everything that can be named in a recipe or to a command, with its source.

    Example: unteach list audits
    """
    groups = {"methods": _methods(), "sweeps": _sweeps()}
    groups |= {_plural(k): _entries(k) for k in registry.ROOMS}
    if kind and kind not in groups:
        raise RecipeError(f"list: there is no '{kind}'. Kinds: {', '.join(groups)}.")
    shown = {kind: groups[kind]} if kind else groups
    lines = []
    for title, items in shown.items():
        lines.append(f"{title}:")
        width = max((len(n) for n in items), default=0)
        lines += [f"  {n:<{width}}  {e['summary']}" + _source(e) for n, e in items.items()]
    _say(as_json, shown, "\n".join(lines))


@app.command()
def show(
    name: Annotated[str, typer.Argument(help="a method, sweep, objective, audit, benchmark, ...")],
    as_json: Json = False,
) -> None:
    """One entry in full: what it does, its parameters with defaults, its source.

    Example: unteach show npo
    """
    found: dict[str, Any] = {}
    texts = []
    if name in recipe.shipped():
        text = recipe.shipped()[name].read_text(encoding="utf-8")
        found["method"] = {"recipe": text}
        texts.append(f"method {name} (a shipped recipe)\n\n{text}")
    if name in sweep.shipped():
        text = sweep.shipped()[name].read_text(encoding="utf-8")
        found["sweep"] = {"file": text}
        texts.append(f"sweep {name} (for compare --sweep)\n\n{text}")
    for kind in registry.ROOMS:
        entry = registry.entries(kind).get(name)
        if entry:
            found[kind] = _entry(entry) | {"doc": entry.doc}
            facts = [
                f"{k}: {_words(v)}"
                for k, v in entry.facts.items()
                if v not in ((), "", False, None)
            ]
            parameters = [f"  {p}" for p in entry.parameters] or ["  no parameters"]
            texts.append(
                "\n".join([f"{kind} {name}", "", entry.doc, "", *facts, "parameters:", *parameters])
            )
    if not found:
        import difflib

        known = [*recipe.shipped(), *sweep.shipped()]
        known += [n for k in registry.ROOMS for n in registry.entries(k)]
        close = difflib.get_close_matches(name, known, n=1)
        hint = f" Did you mean '{close[0]}'?" if close else " `unteach list` shows all names."
        raise RecipeError(f"show: nothing is named '{name}'.{hint}")
    _say(as_json, found, "\n\n".join(texts).rstrip())


@app.command()
def check(
    recipe_name: RecipeOrSweep,
    changes: Set = None,
    as_json: Json = False,
) -> None:
    """Everything that can be wrong with a recipe or a sweep and its data, before it costs anything.

    Example: unteach check mine.yaml
    """
    if sweep.is_sweep(recipe_name):
        runs = {one.name: one for one in sweep.read(recipe_name, changes or []).runs}
        found = sweep.for_each(
            recipe_name, runs, lambda name: _checked(runs[name].recipe, runs[name].root)
        )
        _say(as_json, {"runs": found}, _said_of(recipe_name, found))
        return
    one = _checked(recipe.read(recipe_name, changes or []), recipe.folder_of(recipe_name))
    _say(as_json, one, _said_of(recipe_name, {"": one}))


def _checked(chosen: recipe.Recipe, root: Path) -> dict[str, Any]:
    """The rows of each split, and the warnings."""
    from unteach.run.readers import check_data

    splits, warnings = check_data(chosen, root)
    sizes = {name: len(rows) for name, rows in splits.items()}
    return {"splits": sizes, "warnings": list(warnings)}


def _said_of(source: str, found: dict[str, dict[str, Any]]) -> str:
    """The warnings, each once, and a line for all runs that have the same rows."""
    lines = list(dict.fromkeys(f"warning: {w}" for one in found.values() for w in one["warnings"]))
    alike: dict[str, list[str]] = {}
    for name, one in found.items():
        rows = ", ".join(f"{split} {size}" for split, size in one["splits"].items())
        alike.setdefault(rows, []).append(name)
    for rows, names in alike.items():
        runs = f"Runs: {', '.join(names)}. " if any(names) else ""
        lines.append(f"{source}: fine. {runs}Rows: {rows}")
    lines.append("Row lengths are checked against data.max_tokens when the run starts.")
    return "\n".join(lines)


@app.command()
def world(
    out: Annotated[Path, typer.Option("--out", help="the folder to write, one JSONL a split")],
    people: Annotated[int, typer.Option(help="4 to 4000")] = 40,
    attributes: Annotated[int, typer.Option(help="1 to 12")] = 12,
    forget: Annotated[
        float, typer.Option(help="share of the people that is to be forgotten")
    ] = 0.25,
    by: Annotated[Literal["person", "attribute"], typer.Option()] = "person",
    forget_attributes: Annotated[int, typer.Option(help="with --by attribute")] = 3,
    aliases: Annotated[bool, typer.Option(help="teach nicknames as facts")] = False,
    seed: Annotated[int, typer.Option()] = 0,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Write the embedded world of fictitious people as files that a person can read.

    Example: unteach world --people 40 --out world
    """
    from unteach.data.benchmarks.world import world as make
    from unteach.data.world.splits import write

    splits = make(
        people=people,
        attributes=attributes,
        forget=forget,
        by=by,
        forget_attributes=forget_attributes,
        aliases=aliases,
        seed=seed,
    )
    write(splits, out, overwrite=overwrite)
    sizes = {name: len(rows) for name, rows in splits.items()}
    _say(as_json, sizes, f"{out}: " + ", ".join(f"{n} {s}" for n, s in sizes.items()))


@app.command()
def explain(
    runs: Annotated[list[Path], typer.Argument(help="run folders that kept their model")],
    out: Annotated[
        Path, typer.Option("--out", help="the folder for explain.json and explain.html")
    ] = Path("runs/explain"),
    rows: Annotated[int, typer.Option(min=1, help="first rows of forget and of retain")] = 40,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """What changed inside: next tokens, layers, attention, weights and states, beside gold.

    Example: unteach explain runs/ga runs/npo runs/relearn --out runs/explain
    """
    _prepare()
    from unteach.run.explain import explain as start

    page = start(runs, out, rows=rows, progress=_progress(quiet))
    numbers = page.with_suffix(".json")
    _say(as_json, {"page": str(page), "numbers": str(numbers)}, f"Page: {page}\nNumbers: {numbers}")


def _prepare() -> None:
    """Before torch is imported: let it keep its buffers."""
    from unteach.model.allocator import keep_buffers

    keep_buffers()


def _progress(quiet: bool) -> Any:
    from unteach.run.progress import Progress

    return Progress(quiet=quiet)


def _results(
    runs: list[Path],
    page: Path,
    as_json: bool,
    layout: Any = "text",
    failed: Mapping[str, str] | None = None,
) -> None:
    """The verdict and the table on stdout, and where the page is; why any other run failed."""
    from unteach.report.read import read_all
    from unteach.report.relearn import results
    from unteach.report.verdict import judge

    read = read_all(runs)
    verdicts = {str(run.folder): judge(run) for run in read}
    for one in read:
        for said in one.changed:
            print(f"warning: {one.folder}: {said}", file=sys.stderr)
    if as_json:
        content = {
            "report": str(page),
            "runs": {
                folder: {"status": v.status, "reason": v.reason} for folder, v in verdicts.items()
            },
        }
        content |= {"failed": dict(failed)} if failed else {}
        print(json.dumps(content, indent=2, ensure_ascii=False))
        return
    print(results(read, layout))
    if layout == "text":
        for folder, verdict in verdicts.items():
            print(f"\n{folder}: {verdict.status}\n  {verdict.reason}")
        print(f"\nReport: {page}")


def _bracketed(number: Any) -> str:
    """A number of a reveal with its interval over seeds, where there is one."""
    between = f" [{number.low:.3f}, {number.high:.3f}]" if number.low is not None else ""
    return f"{number.value:.3f}{between}"


def _split(names: str) -> list[str]:
    """The parts of `ga, npo,relearn`."""
    return [name.strip() for name in names.split(",") if name.strip()]


def _of_benchmark(name: str | None) -> list[str]:
    """A benchmark's data, and its scorecard as the audits, as changes of a recipe."""
    if not name:
        return []
    plain = name.partition("/")[0]
    registry.find("benchmark", plain, "--benchmark")
    audits = [f"audits={plain}"] if recipe.card(plain) else []
    return [f"data={json.dumps({'benchmark': name})}", *audits]


def _varied(text: str) -> dict[str, list[str]]:
    """The key and values of `method.0.train.epochs=1,2,4`."""
    if not text:
        return {}
    key, _, values = text.partition("=")
    if not key or not _split(values):
        raise RecipeError(
            f"compare: --vary {text}: write it as key.path=value,value, as in "
            "method.0.train.epochs=1,2,4."
        )
    return {key: _split(values)}


def _seeds(text: str) -> list[int]:
    given = _split(text)
    for seed in given:
        if not seed.isdecimal():
            raise RecipeError(
                f"compare: --seeds {text}: '{seed}' is not a whole number. Write it as 0,1,2."
            )
    return [int(seed) for seed in given]


def _methods() -> dict[str, dict[str, Any]]:
    found = {}
    for name in recipe.shipped():
        one = recipe.read(name)
        if one.method:
            instead = f" (as published; here {one.as_published} serves)" if one.as_published else ""
            found[name] = {
                "summary": one.title + instead,
                "source": one.source,
                "as_published": one.as_published,
            }
    return found


def _sweeps() -> dict[str, dict[str, Any]]:
    files = {name: sweep.read_file(path) for name, path in sweep.shipped().items()}
    return {
        name: {"summary": f"{file.title} ({len(file.runs)} runs)", "source": ""}
        for name, file in files.items()
    }


def _entries(kind: str) -> dict[str, dict[str, Any]]:
    return {name: _entry(entry) for name, entry in sorted(registry.entries(kind).items())}


def _entry(entry: registry.Entry) -> dict[str, Any]:
    parameters = {
        p.name: {"type": p.wanted}
        | ({} if p.default is registry.REQUIRED else {"default": p.default})
        for p in entry.parameters
    }
    return {"summary": entry.summary, "source": entry.source, "parameters": parameters}


def _plural(kind: str) -> str:
    return {"synthesis": "syntheses"}.get(kind, f"{kind}s")


def _source(item: dict[str, Any]) -> str:
    return f"  [{item['source']}]" if item["source"] else ""


def _words(value: Any) -> str:
    if isinstance(value, tuple | list) and value and isinstance(value[0], tuple | list):
        rows = [(title, audit, _given(params)) for title, audit, params in value]
        width = max(len(title) for title, _, _ in rows)
        return "".join(f"\n  {title:<{width}}  {audit}{params}" for title, audit, params in rows)
    return ", ".join(map(str, value)) if isinstance(value, tuple | list) else str(value)


def _given(params: Any) -> str:
    """Parameters as they stand in a call; nothing if there are none."""
    return f"({', '.join(f'{k}={v}' for k, v in params.items())})" if params else ""


def _say(as_json: bool, content: Any, text: str) -> None:
    print(json.dumps(content, indent=2, ensure_ascii=False) if as_json else text)
