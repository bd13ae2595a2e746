"""What a model reveals to each bandit, at the same cost; no model is changed."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from itertools import accumulate
from pathlib import Path

import numpy as np

import unteach
from unteach import registry
from unteach.audit.intervals import students
from unteach.audit.revealed import held
from unteach.data import jsonl
from unteach.data.examples import Example, write_jsonl
from unteach.errors import RecipeError
from unteach.model.disk import whole_disk
from unteach.model.load import load
from unteach.recipe import Choice, Recipe, stages
from unteach.report import reveal as page
from unteach.run import teach
from unteach.run.folder import require_new, write_text
from unteach.run.prepare import prepare
from unteach.run.progress import Progress
from unteach.run.synthesize import ModelWriter, add_splits


def reveal(
    recipe: Recipe,
    out: Path,
    *,
    bandits: Sequence[str] = (),
    seeds: Sequence[int] = (),
    root: Path = Path(),
    overwrite: bool = False,
    redact: bool = False,
    progress: Progress | None = None,
) -> page.Revealed:
    """Ask the recipe's model by its first `reveal`, once a bandit and seed, and write what it said.

    The first bandit and seed are those whose rows are written to `out/revealed.jsonl`; every other is
    beside them in a folder of its own, with its trace. All draw on one store of replies: the same
    question asked again gets the same answer, and costs the budget but no time. A call that was stopped
    goes on from there. reveal.json and reveal.html have the pulls of all.

    Raises:
        RecipeError: the recipe has no `reveal` stage, or a bandit has no such name.
        DataError: see `synthesis.reveal.reveal`.
        OutputError: `out` holds something else and `overwrite` is false.
    """
    progress = progress or Progress(quiet=True)
    choice = _stage(recipe)
    default, params = registry.choice(choice.params.get("bandit", "neural_ucb"))
    for name in bandits:
        registry.find("bandit", name, "reveal: --bandits")
    if not (out / "replies").is_dir():
        require_new(out, overwrite)
    ready = prepare(recipe, root)
    with whole_disk(out):
        original = teach.original(ready, progress)[0]
        loaded = load(original, ready.options)
        write = ModelWriter(loaded, ready.renderer, out / "replies")
        studies = []
        for name in bandits or (default,):
            picked = {"name": name, **(params if name == default else {})}
            asked = Choice.model_validate({**choice.model_dump(), "bandit": picked})
            for seed in seeds or (recipe.seed,):
                folder = out / f"{name}-{seed}"
                splits = {n: list(rows) for n, rows in ready.splits.items()}
                progress.say(f"reveal: {name}, seed {seed}")
                add_splits(splits, asked, seed, folder, progress, write)
                made = [*splits["revealed"], *splits["revealed_check"]]
                studies.append(_study(name, seed, folder, splits.get("forget", ()), made))
                if len(studies) == 1:
                    write_jsonl(out / "revealed.jsonl", made)
        found = _revealed(recipe, choice, studies)
        write_text(out / "reveal.json", page.to_json(found))
        write_text(out / "reveal.html", page.render(found, redact=redact))
    return found


def _stage(recipe: Recipe) -> Choice:
    for _, stage in stages(recipe.method):
        if stage.synthesize and stage.synthesize.name == "reveal":
            return stage.synthesize
    raise RecipeError(
        "reveal: the recipe has no stage synthesize: {name: reveal, ...}. Shipped ones that have are "
        "listed by: unteach list methods."
    )


def _study(
    bandit: str, seed: int, folder: Path, truth: Sequence[Example], rows: Sequence[Example]
) -> page.Study:
    """One reveal as it went, by its trace, and how many of its rows are true."""
    trace = jsonl.read(folder / "reveal_trace.jsonl")
    facts = [fact for fact in truth if fact.entities]
    said = held(facts, [(text["about"], text["text"]) for pull in trace for text in pull["said"]])
    kept = held(facts, [(row.group or "", row.answer) for row in rows])
    ends = accumulate(len(pull["said"]) for pull in trace)
    return page.Study(
        bandit,
        seed,
        len(rows),
        tuple(page.pull(p) for p in trace),
        tuple(float(said[:, :end].any(1).mean()) if facts else None for end in ends),
        float(kept.any(0).mean()) if facts else None,
    )


def _revealed(recipe: Recipe, choice: Choice, studies: Sequence[page.Study]) -> page.Revealed:
    by_bandit: dict[str, list[page.Study]] = defaultdict(list)
    for study in studies:
        by_bandit[study.bandit].append(study)
    sums = [_sum(name, of_one, by_bandit.get("random", ())) for name, of_one in by_bandit.items()]
    return page.Revealed(
        unteach=unteach.__version__,
        title=recipe.title,
        model=recipe.model,
        choice=choice.model_dump(mode="json"),
        studies=tuple(studies),
        sums=tuple(sums),
        best=_best(studies),
    )


def _sum(bandit: str, studies: Sequence[page.Study], random: Sequence[page.Study]) -> page.Sum:
    """Over seeds: the mean reward a pull, distinct things found, coverage; and beyond random's."""
    rewards = {s.seed: float(np.mean([p.reward for p in s.pulls])) for s in studies}
    found = {s.seed: float(len({f for p in s.pulls for f in p.found})) for s in studies}
    known = {s.seed: s.coverage[-1] for s in studies if s.coverage and s.coverage[-1] is not None}
    theirs = {s.seed: float(np.mean([p.reward for p in s.pulls])) for s in random}
    beyond = {seed: rewards[seed] - theirs[seed] for seed in rewards if seed in theirs}
    return page.Sum(
        bandit=bandit,
        pulls=float(np.mean([len(s.pulls) for s in studies])),
        reward=_over_seeds(rewards),
        found=_over_seeds(found),
        coverage=_over_seeds(known),
        beyond_random=_over_seeds(beyond if bandit != "random" else {}),
        true=_over_seeds({s.seed: s.true for s in studies}),
    )


def _over_seeds(values: Mapping[int, float | None]) -> page.Number | None:
    """The mean over seeds, with Student's interval from two seeds on."""
    given = {str(seed): value for seed, value in values.items() if value is not None}
    if not given:
        return None
    values_of = np.array(list(given.values()))
    if len(given) < 2:
        return page.Number(float(values_of[0]), None, None, 1)
    ends = students(values_of)
    return page.Number(float(values_of.mean()), ends.low, ends.high, len(given))


def _best(studies: Sequence[page.Study], number: int = 12) -> tuple[page.Best, ...]:
    """The instructions that earned most a pull over all studies, among those pulled at least twice."""
    earned: dict[str, list[float]] = defaultdict(list)
    for study in studies:
        for pull in study.pulls:
            earned[pull.instruction].append(pull.reward)
    times = Counter({arm: len(rewards) for arm, rewards in earned.items()})
    often = {arm for arm in earned if times[arm] > 1} or set(earned)
    ranked = sorted(often, key=lambda arm: (-float(np.mean(earned[arm])), arm))[:number]
    return tuple(page.Best(arm, float(np.mean(earned[arm])), times[arm]) for arm in ranked)
