"""Tasks of lm-eval on a tiny model, with rows in local files."""

from __future__ import annotations

import importlib.util
import json
import random
import statistics
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.audit.test_ability import Measured
from tests.conftest import loaded
from unteach.audit import harness
from unteach.audit.audits import ability
from unteach.audit.harness import HarnessResult, evaluate, missing, version
from unteach.audit.judges import Unavailable
from unteach.audit.measure import measure_tokens
from unteach.data.render import Renderer
from unteach.data.sources import read_split
from unteach.model.load import Loaded
from unteach.recipe import Source

INSTALLED = importlib.util.find_spec("lm_eval") is not None
needs_lm_eval = pytest.mark.skipif(not INSTALLED, reason="the optional lm-eval is not installed")

LETTERS = """
task: {name}
dataset_path: json
dataset_kwargs: {{data_files: {{test: {rows}, dev: {rows}}}}}
test_split: test
fewshot_split: dev
output_type: multiple_choice
doc_to_text: "Question: {{{{question}}}}\\nA. {{{{choices[0]}}}}\\nB. {{{{choices[1]}}}}\\nAnswer:"
doc_to_choice: [A, B]
doc_to_target: answer
metric_list: [{{metric: acc, aggregation: mean, higher_is_better: true}}]
"""
GROUP = """
group: both
task: [letters, more_letters]
aggregate_metric_list: [{metric: acc, weight_by_size: true}]
"""
NUM_ROWS = 24


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tasks of one's own: two alike, one that shows no examples, and a group."""
    place = tmp_path_factory.mktemp("tasks")
    rows = [
        {"question": f"What is {i}?", "choices": [f"one {i % 7}", f"two {i % 5}"], "answer": i % 2}
        for i in range(NUM_ROWS)
    ]
    (place / "rows.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    for name in ("letters", "more_letters", "shown_none"):
        text = LETTERS.format(name=name, rows=place / "rows.jsonl")
        (place / f"{name}.yaml").write_text(text + "num_fewshot: 0\n" * (name == "shown_none"))
    (place / "both.yaml").write_text(GROUP)
    return place


@pytest.fixture(scope="module", autouse=True)
def _own_datasets(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Tables that datasets makes of the rows go to a folder of the test's."""
    import datasets

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path_factory.mktemp("datasets"))
        yield


@pytest.fixture(autouse=True)
def _forget(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv(harness.FOLDER, raising=False)
    missing.cache_clear()
    yield
    missing.cache_clear()


@pytest.fixture
def only_own(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the package's own tasks, whose index takes seconds to make."""
    own = harness._index(folder, False)
    monkeypatch.setattr(harness, "_index", lambda folder, with_defaults: own)


@pytest.fixture(scope="module")
def tiny(tiny_folder: Path) -> Loaded:
    return loaded(tiny_folder)


def result(*args: Any, **kwargs: Any) -> HarnessResult:
    found = evaluate(*args, **kwargs)
    assert isinstance(found, HarnessResult), found
    return found


def shapes(model: torch.nn.Module, **chosen: Any) -> list[tuple[int, int]]:
    """Rows and tokens of every batch that passes through the model."""
    seen: list[tuple[int, int]] = []

    def note(module: object, args: tuple[Any, ...], kwargs: dict[str, Any], out: object) -> None:
        seen.append(tuple((args[0] if args else kwargs["input_ids"]).shape))

    handle = model.register_forward_hook(note, with_kwargs=True)
    result(**chosen)
    handle.remove()
    return seen


@needs_lm_eval
class TestEvaluate:
    def test_agrees_with_our_own_audit_of_the_same_rows(self, tiny: Loaded, folder: Path):
        rows = read_split("letters", Source(path=str(folder / "rows.jsonl")), folder)
        renderer = Renderer(tiny.tokenizer)
        ev: Any = Measured(
            rows,
            tokens=measure_tokens(tiny.model, [renderer.encode(e) for e in rows]),
            wrong=measure_tokens(
                tiny.model, [renderer.encode(e, w) for e in rows for w in e.wrong]
            ),
        )
        ours = ability.multiple_choice(ev, split="letters")
        theirs = result(tiny, "letters", limit=NUM_ROWS, folder=folder)
        assert theirs.metric == "acc"
        assert ours.per_example is not None
        assert list(theirs.per_example) == ours.per_example.tolist()
        assert theirs.value == pytest.approx(ours.value)

    def test_value_and_error_are_those_of_its_rows(self, tiny: Loaded, folder: Path):
        """The standard error of a mean: standard deviation / sqrt(n)."""
        found = result(tiny, "letters", limit=10, folder=folder)
        assert found.n == len(found.per_example) == 10
        assert found.value == pytest.approx(statistics.fmean(found.per_example))
        assert found.stderr == pytest.approx(statistics.stdev(found.per_example) / 10**0.5)
        assert HarnessResult(**json.loads(json.dumps(asdict(found)))).value == found.value

    def test_the_arguments_reach_it(self, tiny: Loaded, folder: Path):
        """The incumbent passes neither: its batches are of one row and its shots are the task's."""
        chosen: dict[str, Any] = {"loaded": tiny, "task": "letters", "folder": folder}
        plain = shapes(tiny.model, **chosen, limit=8, batch_size=8)
        assert max(rows for rows, _ in plain) == 8
        assert max(rows for rows, _ in shapes(tiny.model, **chosen, limit=4, batch_size=2)) == 2
        shown = shapes(tiny.model, **chosen, limit=8, batch_size=8, shots=2)
        assert min(tokens for _, tokens in shown) > 2 * max(tokens for _, tokens in plain)

    def test_the_batch_size_changes_no_answer(self, tiny: Loaded, folder: Path):
        one, many = (
            result(tiny, "letters", limit=12, batch_size=size, folder=folder) for size in (1, 8)
        )
        assert one == many

    def test_the_limit_of_a_group_is_shared_by_its_parts(
        self, tiny: Loaded, folder: Path, only_own: None
    ):
        """9 questions of 2 parts: 5 of each."""
        found = result(tiny, "both", limit=9, folder=folder)
        part = result(tiny, "letters", limit=5, folder=folder)
        assert found.n == 10
        assert found.per_example == (*part.per_example, *part.per_example)
        assert found.value == pytest.approx(part.value)

    def test_the_folder_may_come_from_the_environment(
        self, tiny: Loaded, folder: Path, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setenv(harness.FOLDER, str(folder))
        assert result(tiny, "letters", limit=2).n == 2

    def test_leaves_everything_else_as_it_was(
        self, tiny: Loaded, folder: Path, capfd: pytest.CaptureFixture[str]
    ):
        before = (
            random.getstate(),
            np.random.get_state()[1].tolist(),  # type: ignore[index]  # noqa: NPY002
            torch.get_rng_state().tolist(),
            len(tiny.tokenizer),
            tiny.tokenizer.padding_side,
        )
        capfd.readouterr()
        result(tiny, "letters", limit=2, shots=1, folder=folder)
        after = (
            random.getstate(),
            np.random.get_state()[1].tolist(),  # type: ignore[index]  # noqa: NPY002
            torch.get_rng_state().tolist(),
            len(tiny.tokenizer),
            tiny.tokenizer.padding_side,
        )
        assert after == before
        assert capfd.readouterr() == ("", "")


@needs_lm_eval
class TestUnavailable:
    def test_a_task_without_examples_is_not_given_some_silently(self, tiny: Loaded, folder: Path):
        found = evaluate(tiny, "shown_none", shots=2, folder=folder)
        assert isinstance(found, Unavailable)
        assert "ask for 0 shots" in found.reason
        assert result(tiny, "shown_none", limit=2, folder=folder).n == 2

    def test_a_folder_that_is_not_there(self, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setenv(harness.FOLDER, "no/such/folder")
        assert missing("letters") == (
            "UNTEACH_TASKS is 'no/such/folder', and there is no such folder of tasks"
        )

    def test_rows_that_are_not_there(self, folder: Path, tmp_path: Path):
        text = LETTERS.format(name="lost", rows=tmp_path / "lost.jsonl")
        (tmp_path / "lost.yaml").write_text(text)
        found = missing("lost", folder=tmp_path)
        assert found is not None
        assert found.startswith("the task 'lost' could not be loaded (offline?): ")

    def test_data_on_a_hub_that_does_not_answer(self, tmp_path: Path):
        text = LETTERS.format(name="remote", rows="x").replace("path: json", "path: no/where")
        (tmp_path / "remote.yaml").write_text(text)
        found = missing("remote", folder=tmp_path)
        assert found is not None
        assert found.startswith("the task 'remote' could not be loaded (offline?): ")

    def test_a_name_that_does_not_exist(self, folder: Path, only_own: None):
        assert missing("leters", folder=folder) == (
            "lm-eval has no task 'leters'; did you mean 'letters'?"
        )

    @pytest.mark.slow
    def test_the_packages_own_tasks(self, tiny: Loaded):
        """Their index takes seconds to make; without the hub none of them has its data."""
        hub = evaluate(tiny, "piqa")
        assert isinstance(hub, Unavailable)
        assert hub.reason.startswith("the task 'piqa' could not be loaded (offline?): ")
        assert missing("piqa") == hub.reason
        assert missing("mmlu") is not None
        assert missing("ai2_arc") == (
            "'ai2_arc' is a list of tasks without a common score: name one"
        )


def test_without_the_package_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(harness, "_installed", lambda: False)
    reason = missing("mmlu")
    assert reason == "the package 'lm-eval' is not installed: pip install \"unteach[lm-eval]\""


def test_the_version_moves_with_the_files_of_ones_own_tasks(tmp_path: Path):
    (tmp_path / "task.yaml").write_text("task: one")
    first = version(tmp_path)
    assert version(tmp_path) == first
    assert version() != first
    (tmp_path / "task.yaml").write_text("task: two")
    assert version(tmp_path) != first


def test_the_first_metric_of_the_answers_kind_is_taken():
    """As gsm8k reports: one metric under two filters, and its rows once under each."""
    rows = [
        {"doc_id": i, "filter": kind, "exact_match": score}
        for kind, scores in (("strict", (1.0, 0.0)), ("flexible", (1.0, 1.0)))
        for i, score in reversed(list(enumerate(scores)))
    ]
    found = {
        "results": {
            "gsm": {
                "alias": "gsm",
                "sample_len": 2,
                "exact_match,strict": 0.5,
                "exact_match_stderr,strict": "N/A",
                "exact_match,flexible": 1.0,
                "exact_match_stderr,flexible": 0.0,
            }
        },
        "samples": {"gsm": rows},
    }
    result = harness._first_metric(found, "gsm")
    assert isinstance(result, HarnessResult)
    assert (result.metric, result.value, result.n) == ("exact_match", 0.5, 2)
    assert result.per_example == (1.0, 0.0)
    assert np.isnan(result.stderr)
    assert isinstance(harness._first_metric(found, "another"), Unavailable)
