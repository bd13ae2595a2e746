"""The ten commonest mistakes: one sentence each, no traceback, and the exit code that is promised.

docs/errors.md is made from the cases below. After a change of one:
UPDATE_DOCS=1 python -m pytest tests/test_bad_input.py
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from filelock import FileLock
from safetensors import SafetensorError

from tests.run.conftest import FORGET, KEEP, RETAIN, Call, Ground, call, ground, stage, write_rows
from unteach import registry

__all__ = ["call", "ground"]  # fixtures of tests/run

PAGE = Path(__file__).parents[1] / "docs" / "errors.md"
CHAT = {
    "messages": [
        {"role": "system", "content": "You know everybody."},
        {"role": "user", "content": "Who is Ada?"},
        {"role": "assistant", "content": "An engineer."},
        {"role": "user", "content": "Where was she born?"},
        {"role": "assistant", "content": "In Turin."},
    ]
}

Change = Callable[[pytest.MonkeyPatch], Any]
"""What must be done before the mistake can be made; a context manager is held meanwhile."""


@dataclass(frozen=True)
class Case:
    """A mistake, what is then printed, and how the command ends."""

    kind: str
    recipe: dict[str, Any]
    message: str
    code: int = 2
    change: Change = lambda patch: None


def term(objective: Any, split: str = "forget") -> list[dict[str, Any]]:
    return [stage({"split": split, "objective": objective})]


def write_csv(patch: pytest.MonkeyPatch) -> None:
    Path("people.csv").write_text("question,note\nWho is Ada?,An engineer.\n")


def write_chat(patch: pytest.MonkeyPatch) -> None:
    Path("chat.jsonl").write_text(json.dumps(CHAT) + "\n")


def fill_disk(error: Exception, place: str) -> Change:
    """Writing ends with this error, on a disk of which 12 MB are free."""

    def fail(*given: Any, **also: Any) -> None:
        raise error

    def change(patch: pytest.MonkeyPatch) -> None:
        patch.setattr(place, fail)
        patch.setattr("unteach.model.disk.free_bytes", lambda path: 12_000_000)
        patch.setattr("unteach.run.pipeline.require_space", lambda path, needed, what: None)

    return change


@contextlib.contextmanager
def hold_folder(patch: pytest.MonkeyPatch) -> Iterator[None]:
    with FileLock(".out.lock"):
        yield


DISK_FULL = (
    "error: out: the disk is full (0.0 GB free). Nothing that was finished is lost: make room and "
    "run the same command again to go on.\n"
)
CASES = (
    Case(
        "An objective that does not exist",
        {"method": term("nop")},
        "error: mine.yaml: method[0].train.terms[0].objective: no objective is named 'nop'. "
        "Did you mean 'npo'? Known: {objectives}.\n",
    ),
    Case(
        "A misspelt parameter",
        {"method": term({"name": "npo", "bata": 0.1})},
        "error: mine.yaml: method[0].train.terms[0].objective: npo has no parameter 'bata'. "
        "Did you mean 'beta'? npo takes beta: number above 0 = 0.1, mean: bool = False.\n",
    ),
    Case(
        "A split that is not there",
        {"method": term("npo", split="forgot")},
        "error: no split is named 'forgot', which method[0].train.terms[0] reads. This run has: "
        "forget, retain. Add it under data:, or drop that term.\n",
    ),
    Case(
        "A folder that is no model",
        {"model": "./papers"},
        "error: model: ./papers: the folder has neither config.json nor adapter_config.json, so "
        "it is not a Hugging Face model or a PEFT adapter.\n",
        change=lambda patch: Path("papers").mkdir(),
    ),
    Case(
        "A system message for a model without a chat template",
        {"model": "tiny", "data": {"forget": "chat.jsonl", "retain": "retain.jsonl"}},
        "error: chat.jsonl:1: a system message needs a chat template, which this model's "
        "tokenizer has not. Use a chat model, or leave it out.\n",
        change=write_chat,
    ),
    Case(
        "A CSV file without a needed column",
        {"data": {"forget": "people.csv", "retain": "retain.jsonl"}},
        "error: people.csv: there is no column for answer (looked for answer, response, output, "
        "completion, labels). It has: question, note. Name it under data.forget.answer.\n",
        change=write_csv,
    ),
    Case(
        "The same rows to forget and to keep",
        {"data": {"forget": "forget.jsonl", "retain": "forget.jsonl"}},
        "error: all 3 rows of forget are also in retain (3 rows): what is forgotten in one would "
        "be taught by the other. Give retain other rows.\n",
    ),
    Case(
        "A GPU where there is none",
        {"device": "cuda"},
        "error: device: cuda was asked for, but torch sees no such device here. Use device: cpu, "
        "or auto.\n",
        change=lambda patch: patch.setattr(torch.cuda, "is_available", lambda: False),
    ),
    Case(
        "A full disk",
        {},
        DISK_FULL,
        code=1,
        change=fill_disk(
            OSError(errno.ENOSPC, "No space left on device"), "unteach.run.synthesize.write_jsonl"
        ),
    ),
    Case(
        "A folder that another run is writing to",
        {},
        "error: out: another unteach process is writing to this folder. Wait for it, or choose "
        "another --out.\n",
        change=hold_folder,
    ),
)
ALSO = (
    Case(
        "A full disk, met by safetensors",
        {"method": [stage(checkpoint_seconds=0)], "teach": None},
        DISK_FULL,
        code=1,
        change=fill_disk(
            SafetensorError("I/O error: No space left on device (os error 28)"),
            "unteach.train.checkpoint.save_file",
        ),
    ),
    Case(
        "Several mistakes at once",
        {"method": [stage({"split": "forget", "objective": "nop"}, KEEP, select="lorra")]},
        "error: mine.yaml: method[0].train.terms[0].objective: no objective is named 'nop'. "
        "Did you mean 'npo'? Known: {objectives}.\n"
        "mine.yaml: method[0].train.select: no selection is named 'lorra'. "
        "Did you mean 'lora'? Known: {selections}.\n",
    ),
)


def expected(case: Case) -> str:
    """The message with the names that are registered now."""
    names = {f"{k}s": ", ".join(sorted(registry.entries(k))) for k in ("objective", "selection")}
    message = case.message
    for name, listed in names.items():
        message = message.replace("{" + name + "}", listed)
    return message


@pytest.fixture
def here(
    ground: Ground, tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Ground:
    """A folder with data and a link to each model, so that messages hold no long paths."""
    monkeypatch.chdir(tmp_path)
    write_rows(Path("forget.jsonl"), FORGET)
    write_rows(Path("retain.jsonl"), RETAIN)
    Path("tiny").symlink_to(tiny_folder)
    Path("chat").symlink_to(ground.model)
    return Ground(Path("chat"), {"forget": "forget.jsonl", "retain": "retain.jsonl"})


@pytest.mark.parametrize("case", [*CASES, *ALSO], ids=lambda case: case.kind)
def test_a_mistake_is_one_sentence(
    here: Ground, call: Call, monkeypatch: pytest.MonkeyPatch, case: Case
):
    recipe = here.write(Path("mine.yaml"), **case.recipe)
    with ExitStack() as held:
        changed = case.change(monkeypatch)
        if isinstance(changed, contextlib.AbstractContextManager):
            held.enter_context(changed)
        said = call("run", recipe, "--out", "out", "--quiet")
    assert said.err == expected(case)
    assert said.code == case.code
    assert said.out == ""


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.kind)
def test_the_same_folder_serves_once_the_mistake_is_mended(
    here: Ground, call: Call, monkeypatch: pytest.MonkeyPatch, case: Case
):
    """Nothing that a refused run leaves is in the way of the next."""
    mended = {"audits": [{"name": "probability"}], "teach": None, "method": []}
    with monkeypatch.context() as patch, ExitStack() as held:
        changed = case.change(patch)
        if isinstance(changed, contextlib.AbstractContextManager):
            held.enter_context(changed)
        recipe = here.write(Path("mine.yaml"), **mended | case.recipe)
        call("run", recipe, "--out", "out", "--quiet")
    recipe = here.write(Path("mine.yaml"), **mended)
    said = call("run", recipe, "--out", "out", "--quiet")
    assert (said.code, said.err) == (0, "")


def page() -> str:
    """docs/errors.md."""
    # names that are added later are no reason to write the page again
    said = [
        case.message.removeprefix("error: ").replace("{objectives}.", "...").strip()
        for case in CASES
    ]
    rows = [
        f"| {case.kind} | `{text}` | {case.code} |" for case, text in zip(CASES, said, strict=True)
    ]
    return "\n".join(
        [
            "# What it says when something is wrong",
            "",
            "What a user can put right is one sentence on stderr: what is wrong, where, and what "
            "would be right. All problems of a recipe and of its data are said at once, before a "
            "model is loaded. Exit codes: 0 done, 1 failed (a full disk), 2 wrong usage or input, "
            "130 interrupted. A traceback is a mistake of ours.",
            "",
            "The ten commonest mistakes, word for word; this table is made from "
            "`tests/test_bad_input.py`, which makes each of them.",
            "",
            "| mistake | message | exit |",
            "|---|---|---|",
            *rows,
            "",
        ]
    )


def test_the_page_of_errors_is_up_to_date():
    if os.environ.get("UPDATE_DOCS"):
        PAGE.write_text(page(), encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == page(), (
        f"{PAGE.name} is out of date: UPDATE_DOCS=1 python -m pytest {__file__}"
    )
