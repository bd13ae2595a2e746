"""What was measured of one model: each text once, whatever number of audits read it."""

from __future__ import annotations

import json
import zipfile
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from unteach.audit import transforms
from unteach.audit.kinds import (
    CHANGED,
    KINDS,
    LEARNERS,
    MAX_NEW_TOKENS,
    OTHERS,
    RELEARNED,
    STRANGERS,
    TABLES,
    Part,
    Read,
    about_strangers,
    answers,
    missing,
    parse,
)
from unteach.audit.measure import Tokens, measure_tokens
from unteach.data.examples import Example, Splits, digest
from unteach.data.render import Encoding, Renderer
from unteach.errors import DivergedError
from unteach.model import cache
from unteach.model.fingerprint import key_of
from unteach.model.generate import as_text, continue_ids
from unteach.model.load import Loaded

VERSION = 4
SEED = 20261
"""Seed of sampled answers: the same for every model, so that they can be compared."""
ABSENT = {
    "gold": (
        "there is no gold model to compare with. Name one that was retrained without the "
        "forget split, as gold: in the recipe or with --retrained."
    ),
    "original": (
        "there is no original model to compare with. Name the model as it was before it was "
        "unlearned, with --original."
    ),
}


@dataclass
class Evidence:
    """Measurements of one model on the splits of a run, made when first read and kept on disk.

    `load` gives the model; it is called only when something is not in `store` yet. Where it is None
    there is no model, only what `also`, folders of an earlier run, holds of it. `peers` are the
    evidence of all models of the run by name, this one's among them; `base` is that of the model
    before it was taught anything.
    """

    name: str
    key: str
    splits: Splits
    renderer: Renderer
    store: Path
    load: Callable[[], Loaded] | None
    base: Evidence | None = None
    peers: Mapping[str, Evidence] = field(default_factory=dict)
    also: tuple[Path, ...] = ()
    engine: Literal["transformers", "vllm"] = "transformers"
    tools: dict[str, Any] = field(default_factory=dict)
    progress: Callable[[str, int, int], None] = lambda what, done, total: None
    _held: dict[str, Any] = field(default_factory=dict, init=False, repr=False)
    _texts: dict[str, list[str]] = field(default_factory=dict, init=False, repr=False)
    _renamed: dict[str, list[Example | None]] = field(default_factory=dict, init=False, repr=False)

    def examples(self, split: str) -> Sequence[Example]:
        return self.splits[split]

    def groups(self, split: str) -> list[str]:
        """The person or document of each example."""
        return [e.group or e.id for e in self.splits[split]]

    def renamed(self, split: str) -> list[Example | None]:
        """Each example about somebody who was made up; None where its question names nobody."""
        if split not in self._renamed:
            self._renamed[split] = about_strangers(self, split)
        return self._renamed[split]

    def tokens(self, split: str) -> Tokens:
        """The answers' tokens under this model, one row an example."""
        return self._get(f"{split}.tokens")

    def wrong(self, split: str) -> Tokens:
        """The wrong answers' tokens; example i's come before example i + 1's."""
        return self._get(f"{split}.wrong")

    def rephrased(self, split: str) -> Tokens:
        """The tokens of the true answers in other words, likewise."""
        return self._get(f"{split}.rephrased")

    def strangers(self, split: str) -> Tokens:
        """The tokens of the answers about somebody else: one row for each of `renamed` but None."""
        return self._get(f"{split}.strangers")

    def recalled(self, split: str, shown: str, shots: int) -> Tokens:
        """The answers' tokens after the first `shots` examples of the split `shown`."""
        return self._get(f"{split}.recalled({shown}, {shots})")

    def quantised(self, split: str, bits: int) -> Tokens:
        """The answers' tokens under this model in `bits` bits; see `transforms.quantised`."""
        return self._get(f"{split}.quantised({bits})")

    def relearned(self, split: str, epochs: int, lr: float) -> Tokens:
        """The answers' tokens, each row after this model relearned half of the other facts.

        Two copies of the model are fine-tuned, each on one half of `forget`; a row is scored by
        the one that did not see its fact. Where that broke the model, its rows are NaN.
        """
        return self._get(f"{split}.relearned({epochs}, {lr})")

    def relearned_strangers(self, split: str, epochs: int, lr: float) -> Tokens:
        """The same copies on the answers about somebody else: rows as those of `strangers`."""
        return self._get(f"{split}.relearned_strangers({epochs}, {lr})")

    def texts(self, split: str, max_tokens: int = MAX_NEW_TOKENS) -> list[str]:
        """The greedy answer to each question."""
        name = f"{split}.texts({max_tokens})"
        if name not in self._texts:
            tokenizer = self.renderer.tokenizer
            self._texts[name] = [as_text(tokenizer, ids) for ids in self._get(name)]
        return self._texts[name]

    def samples(
        self,
        split: str,
        number: int,
        temperature: float,
        max_tokens: int = MAX_NEW_TOKENS,
        seed: int = 0,
    ) -> list[list[str]]:
        """`number` sampled answers to each question."""
        return self._get(f"{split}.samples({number}, {temperature}, {max_tokens}, {seed})")

    def fluency(self, split: str, max_tokens: int = MAX_NEW_TOKENS) -> NDArray[np.float64]:
        """[n] perplexity of each greedy answer under the base model; NaN for an empty answer."""
        return np.array(self._get(f"{split}.fluency({max_tokens})"), dtype=np.float64)

    def gradnorm(self, split: str) -> NDArray[np.float64]:
        """[n] size of the gradient of each answer's loss; see `gradient_norms`."""
        return np.array(self._get(f"{split}.gradnorm"), dtype=np.float64)

    def harness(self, task: str, limit: int, shots: int, batch: int = 16) -> dict[str, Any]:
        """The result of a task of lm-eval's."""
        return self._get(f"{task}.harness({limit}, {shots}, {batch})")

    def of(self, model: str) -> Evidence:
        """The evidence of the `gold`, `original` or `base` model; `missing` says if there is none."""
        found = self.base if model == "base" else self.peers.get(model)
        assert found is not None, f"there is no model '{model}'"
        return found

    def missing(self, reads: Iterable[str]) -> str | None:
        """Why these cannot be read, or None if they can; decided without a model."""
        for read in map(parse, reads):
            if read.model in ABSENT and read.model not in self.peers:
                return ABSENT[read.model]
            if (read.model == "base" or read.kind == "fluency") and self.base is None:
                return "no base model is at hand to compare with."
            owner = self.of(read.model) if read.model else self
            reason = missing(owner, read) or owner.unkept(read)
            if reason:
                return reason
        return None

    def unkept(self, read: Read) -> str | None:
        """Why a model that is known by an earlier run's evidence alone cannot give this."""
        if self.load is not None or self._found(read):
            return None
        return (
            f"{self.also[0].parent} did not measure {read.name} on these rows. Audit it again with "
            "the same audits, or name the model itself."
        )

    def measure(self, reads: Iterable[str]) -> None:
        """Measure what is read of this model itself, so that what follows runs no model."""
        asked = [r for r in map(parse, sorted(set(reads))) if not r.model]
        self._measure_tables([r for r in asked if r.kind in TABLES])
        self._measure_changed([r for r in asked if r.kind in CHANGED])
        # longest answers first: a shorter one is the beginning of a longer one
        for read in sorted(asked, key=lambda r: (KINDS.index(r.kind), _negated(r))):
            self._get(read.name)

    def answers(self, split: str) -> list[str] | None:
        """The greedy answers that this run read, the longest if there are several; None if none."""
        lengths = [
            r.arguments[0] for r in map(parse, self._held) if r.name.startswith(f"{split}.texts(")
        ]
        return self.texts(split, max(lengths)) if lengths else None

    def files(self) -> list[Path]:
        """The files that hold what was read in this run."""
        paths = (self._found(parse(name)) for name in self._held)
        return [path for path in paths if path is not None]

    def model(self) -> Loaded:
        """The model, for what is not measured yet."""
        assert self.load is not None, "`missing` says so before"
        return self.load()

    def score(self, rows: Sequence[Encoding], what: str) -> Tokens:
        """The tokens of any rows under this model; they are not kept."""
        return measure_tokens(self.model().model, rows, self.counter(what, len(rows)))

    def write(
        self,
        prompts: Sequence[Sequence[int]],
        max_tokens: int,
        what: str,
        temperature: float = 0.0,
        seed: int = 0,
    ) -> list[list[int]]:
        """What this model writes after each prompt: token ids; drawn at a temperature above 0."""
        loaded = self.model()
        if self.engine == "vllm":
            from unteach.model import vllm

            return vllm.continue_ids(loaded, prompts, max_tokens, temperature, SEED + seed)
        return continue_ids(
            loaded.model,
            loaded.tokenizer,
            prompts,
            max_tokens,
            self.counter(what, len(prompts)),
            temperature=temperature,
            generator=torch.Generator().manual_seed(SEED + seed) if temperature else None,
        )

    def counter(self, what: str, total: int) -> Callable[[int], None]:
        """A function that is told how many more rows are done."""
        done = 0

        def count(more: int) -> None:
            nonlocal done
            done += more
            self.progress(f"{self.name}: {what}", done, total)

        return count

    def _get(self, name: str) -> Any:
        read = parse(name)
        if read.name not in self._held:
            path = self._found(read)
            if path is None:
                path = self._path(read)
                _write(path, read, self._measured(read), self._about(read))
            self._held[read.name] = _read(path, read)
        return self._held[read.name]

    def _measured(self, read: Read) -> Any:
        if read.kind in TABLES:
            return self.score(self._rows(read), f"{read.split}, {read.kind}")
        if read.kind in CHANGED:
            return self._under_copies([read])[read]
        if read.kind == "texts" and (longer := self._longer(read)) is not None:
            return [ids[: read.arguments[0]] for ids in longer]
        return OTHERS[read.kind](self, read.split, *read.arguments)

    def _longer(self, read: Read) -> list[list[int]] | None:
        """Greedy answers of the same split that were cut off later, if this run read some."""
        for held, ids in self._held.items():
            other = parse(held)
            if (other.split, other.kind) == (
                read.split,
                "texts",
            ) and other.arguments > read.arguments:
                return ids
        return None

    def _measure_tables(self, reads: Sequence[Read]) -> None:
        """All tables in one pass: a row that several of them hold is scored once."""
        absent = [read for read in reads if self._found(read) is None]
        if len(absent) < 2:
            return
        encoded = {read: self._rows(read) for read in absent}
        rows = list(dict.fromkeys(row for part in encoded.values() for row in part))
        number = {row: i for i, row in enumerate(rows)}
        table = self.score(rows, "answers scored")
        for read, part in encoded.items():
            own = table.take([number[row] for row in part])
            _write(self._path(read), read, own, self._about(read))

    def _measure_changed(self, reads: Sequence[Read]) -> None:
        """All tables under changed copies: a copy that several of them need is made once."""
        absent = [read for read in reads if self._found(read) is None]
        for read, table in self._under_copies(absent).items():
            _write(self._path(read), read, table, self._about(read))

    def _under_copies(self, reads: Sequence[Read]) -> dict[Read, Tokens]:
        """The tables; one copy at a time is in memory, beside the model."""
        rows = {read: self._asked(read) for read in reads}
        parts = [
            (read, part)
            for read in reads
            for part in CHANGED[read.kind](self, read.split, *read.arguments)
        ]
        scored: dict[Read, list[tuple[Sequence[int], Tokens]]] = {read: [] for read in reads}
        for copy in dict.fromkeys(part.copy for _, part in parts):
            same = [(read, part) for read, part in parts if part.copy == copy]
            wanted = dict.fromkeys(rows[read][i] for read, part in same for i in part.rows)
            number = {row: i for i, row in enumerate(wanted)}
            table = self._under_copy(same[0][1], list(wanted))
            for read, part in same:
                own = table.take([number[rows[read][i]] for i in part.rows])
                scored[read].append((part.rows, own))
        return {read: _in_order(pieces) for read, pieces in scored.items()}

    def _under_copy(self, part: Part, rows: Sequence[Encoding]) -> Tokens:
        """What a copy makes of the rows; NaN where the model broke as it was changed."""
        try:
            copy = part.make(self.counter("relearning", part.learned))
        except DivergedError:
            return transforms.unscored(rows)
        return measure_tokens(copy, rows, self.counter(f"scored when {part.copy[0]}", len(rows)))

    def _asked(self, read: Read) -> dict[int, Encoding]:
        """What changed copies score, by the number of its example."""
        if read.kind not in STRANGERS:
            return dict(enumerate(answers(self, read.split)))
        others = enumerate(self.renamed(read.split))
        return {i: self.renderer.encode(other) for i, other in others if other}

    def _rows(self, read: Read) -> list[Encoding]:
        return TABLES[read.kind](self, read.split, *read.arguments)

    def _found(self, read: Read) -> Path | None:
        """The file that holds it, of this cache or of an earlier run; a damaged one holds nothing."""
        path = self._path(read)
        kept = (next(folder.glob(f"*{path.name}"), None) for folder in self.also)
        return next((found for found in (path, *kept) if found and _is_there(found)), None)

    def _path(self, read: Read) -> Path:
        return self.store / f"{key_of(*self._key(read))}.npz"

    def _key(self, read: Read) -> tuple[Any, ...]:
        """All that decides the numbers: a change of any of it is another file."""
        how: tuple[Any, ...] = ()
        if read.kind == "harness":
            from unteach.audit.harness import version

            return VERSION, self.key, read.name, version()
        if read.kind in ("texts", "samples", "fluency"):
            how = (SEED, self.engine, self.base.key if read.kind == "fluency" and self.base else "")
        elif read.kind == "recalled":
            how = (digest(self.splits[read.arguments[0]]),)
        elif read.kind in CHANGED:
            learned = digest(self.splits[RELEARNED]) if read.kind in LEARNERS else ""
            how = (transforms.SETTINGS, learned)
        if read.kind in STRANGERS:
            how = (*how, digest([e for e in self.renamed(read.split) if e]))
        rows = digest(self.splits[read.split])
        return VERSION, self.key, rows, self.renderer.key, read.kind, read.arguments, how

    def _about(self, read: Read) -> dict[str, str]:
        return {"model": self.key, "what": read.name}


def _negated(read: Read) -> tuple[float, ...]:
    return tuple(-a for a in read.arguments if isinstance(a, int | float))


def _in_order(pieces: Sequence[tuple[Sequence[int], Tokens]]) -> Tokens:
    """One table of row numbers and their tables."""
    numbers = np.concatenate([rows for rows, _ in pieces])
    tables = [table for _, table in pieces]
    lengths = np.concatenate([np.diff(table.offsets) for table in tables])
    columns = [f.name for f in fields(Tokens) if f.name != "offsets"]
    joined = Tokens(
        offsets=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        **{c: np.concatenate([getattr(table, c) for table in tables]) for c in columns},
    )
    return joined.take(np.argsort(numbers).tolist())


def _is_there(path: Path) -> bool:
    if not path.is_file():
        return False
    state = path.stat()
    return _is_whole(path, state.st_mtime_ns, state.st_size)


@lru_cache(maxsize=4096)
def _is_whole(path: Path, changed: int, size: int) -> bool:
    """Whether every array agrees with its checksum; looked at once for each state of the file."""
    try:
        with zipfile.ZipFile(path) as file:
            return file.testzip() is None
    except (OSError, zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError):
        return False


def _write(path: Path, read: Read, value: Any, about: dict[str, str]) -> None:
    arrays: dict[str, Any] = {"about": np.array(json.dumps(about))}
    arrays |= {"json": np.array(json.dumps(value))} if read.kind in OTHERS else asdict(value)
    unfinished = path.with_name(path.name + ".unfinished")
    with cache.writing():
        path.parent.mkdir(parents=True, exist_ok=True)
        with unfinished.open("wb") as file:
            np.savez_compressed(file, **arrays)
        unfinished.replace(path)


def _read(path: Path, read: Read) -> Any:
    with np.load(path, allow_pickle=False) as file:
        if read.kind in OTHERS:
            return json.loads(str(file["json"]))
        return Tokens(**{name: file[name] for name in file.files if name != "about"})
