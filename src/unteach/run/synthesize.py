"""The synthesis stages of a recipe by themselves: data in, data out, no model."""

from __future__ import annotations

import hashlib
import json
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from unteach import registry
from unteach.data import jsonl
from unteach.data.examples import Example, digest, read_jsonl, write_jsonl
from unteach.errors import RecipeError
from unteach.model.disk import whole_disk
from unteach.recipe import Choice, Recipe, stages
from unteach.run.folder import require_new, write_text
from unteach.run.progress import Progress
from unteach.run.readers import check_data
from unteach.synthesis.records import Subject

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from unteach.data.render import Renderer
    from unteach.model.load import Loaded


def add_splits(
    splits: dict[str, list[Example]],
    choice: Choice,
    seed: int,
    folder: Path,
    progress: Progress,
    write: Subject | None = None,
) -> int:
    """Add what one synthesis makes to `splits`; every record and every drop is kept in a file.

    What the model itself wrote (`write`) is written once: a later call reads it from `folder`.
    Returns the number of dropped candidates.

    Raises:
        RecipeError: the synthesis has the model write, and there is none here.
        DataError: it cannot be made from these rows.
    """
    entry = registry.find("synthesis", choice.name)
    params = registry.check("synthesis", choice.name, choice.params, choice.name)
    added = registry.adds(entry, params)
    # two stages may use one synthesis: its name alone would not tell their files apart
    kept = folder / (choice.name if "{" not in "".join(entry.facts["adds"]) else added[0])
    drops = kept.with_name(f"{kept.name}_drops.jsonl")
    if entry.facts["writes"]:
        files = [folder / f"{split}.jsonl" for split in added]
        if all(path.exists() for path in [*files, drops]):
            splits.update({path.stem: read_jsonl(path) for path in files})
            return len(jsonl.read(drops))
        made = entry.load()(splits, random.Random(seed), write or _Nobody(choice), **params)
    else:
        made = entry.load()(splits, random.Random(seed), **params)
    splits.update({name: list(examples) for name, examples in made.splits.items()})
    folder.mkdir(parents=True, exist_ok=True)
    for name, examples in made.splits.items():
        write_jsonl(folder / f"{name}.jsonl", examples)
    if made.trace:
        write_text(kept.with_name(f"{kept.name}_trace.jsonl"), jsonl.dump(made.trace))
    write_text(kept.with_name(f"{kept.name}_records.jsonl"), jsonl.dump(map(asdict, made.records)))
    write_text(drops, jsonl.dump(map(asdict, made.drops)))  # the last: it says that all are there
    counts = ", ".join(f"{len(rows)} rows in {name}" for name, rows in made.splits.items())
    progress.say(f"{choice.name}: {counts}, {len(made.drops)} dropped")
    if made.note:
        progress.say(f"{choice.name}: {made.note}")
    return len(made.drops)


@dataclass(frozen=True)
class _Nobody:
    """Where no model is at hand; some syntheses call their writer only if asked to."""

    choice: Choice

    def __call__(self, examples: Sequence[Example], **how: object) -> list[str]:
        raise RecipeError(
            f"{self.choice.name} has the model itself write text, which only a run can do: "
            "unteach run writes its rows to the run folder's data/."
        )

    def embed(self, examples: Sequence[Example]) -> NDArray[np.float64]:
        raise AssertionError(self(examples))

    def count(self, examples: Sequence[Example], replies: Sequence[str]) -> list[int]:
        raise AssertionError(self(examples))


@dataclass(frozen=True)
class ModelWriter:
    """A loaded model that answers prompts; its replies are kept, so that a stopped run repeats none."""

    loaded: Loaded
    renderer: Renderer
    replies: Path

    @cached_property
    def key(self) -> str:
        """Of the weights as they are when it is first asked; most syntheses never ask."""
        from unteach.model import fingerprint

        return fingerprint.of_weights(self.loaded.model)

    def __call__(
        self,
        examples: Sequence[Example],
        *,
        max_tokens: int = 64,
        temperature: float = 0.0,
        seed: int = 0,
    ) -> list[str]:
        import torch

        from unteach.model.generate import continue_texts

        prompts = [tuple(self.renderer.prompt_ids(example)) for example in examples]
        places = list(self._places(prompts, max_tokens, temperature, seed))
        # a drawn text goes by how many times its prompt came before, so all of a prompt's are written
        absent = {p for p, place in zip(prompts, places, strict=True) if not place.exists()}
        asked = [i for i, prompt in enumerate(prompts) if prompt in absent]
        written = continue_texts(
            self.loaded.model,
            self.loaded.tokenizer,
            [prompts[i] for i in asked],
            max_tokens,
            temperature=temperature,
            generator=torch.Generator().manual_seed(seed),
        )
        found = dict(zip(asked, written, strict=True))
        for i, text in found.items():
            write_text(places[i], text)
        return [found[i] if i in found else p.read_text("utf-8") for i, p in enumerate(places)]

    def embed(self, examples: Sequence[Example]) -> NDArray[np.float64]:
        from unteach.model.states import mean_states

        prompts = [self.renderer.prompt_ids(example) for example in examples]
        found = mean_states(self.loaded.model, prompts)
        return found / np.linalg.norm(found, axis=1, keepdims=True)

    def count(self, examples: Sequence[Example], replies: Sequence[str]) -> list[int]:
        written = self.loaded.tokenizer(list(replies), add_special_tokens=False)["input_ids"]
        return [
            len(self.renderer.prompt_ids(example)) + len(ids)
            for example, ids in zip(examples, written, strict=True)
        ]

    def _places(self, prompts: Sequence[tuple[int, ...]], *how: float) -> Iterator[Path]:
        """The file of each reply, by all that decides it."""
        before: Counter[tuple[int, ...]] = Counter()
        for prompt in prompts:
            asked = json.dumps([self.key, prompt, before[prompt], how])
            before[prompt] += 1
            name = hashlib.sha256(asked.encode()).hexdigest()[:24]
            yield self.replies / f"{name}.txt"


def write_splits(folder: Path, splits: dict[str, list[Example]] | Any) -> dict[str, dict[str, Any]]:
    """Write every split as JSONL; returns its rows, groups and content hash."""
    folder.mkdir(parents=True, exist_ok=True)
    about = {}
    for name, examples in splits.items():
        write_jsonl(folder / f"{name}.jsonl", examples)
        about[name] = _about(examples)
    write_text(folder / "splits.json", json.dumps(about, indent=2) + "\n")
    return about


def write_synthesis(
    recipe: Recipe, root: Path, out: Path, progress: Progress, overwrite: bool = False
) -> dict[str, dict[str, Any]]:
    """Run the recipe's synthesis stages and write all splits to `out`.

    Raises:
        RecipeError: the recipe has no synthesis stage.
        DataError: see `check_data`.
        OutputError: `out` holds something and `overwrite` is false.
    """
    require_new(out, overwrite)
    made = [stage.synthesize for _, stage in stages(recipe.method) if stage.synthesize]
    if not made:
        raise RecipeError("the recipe has no 'synthesize:' stage, so there is nothing to write.")
    splits, _ = check_data(recipe, root)
    with whole_disk(out):
        for choice in made:
            add_splits(splits, choice, recipe.seed, out, progress)
        return write_splits(out, splits)


def _about(examples: Sequence[Example]) -> dict[str, Any]:
    groups = len({e.group or e.id for e in examples})
    return {"rows": len(examples), "groups": groups, "sha256": digest(examples)}
