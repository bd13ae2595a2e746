"""Each text is measured once, is found again on disk, and never taken for another's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import loaded
from unteach.audit.evidence import KINDS, Evidence
from unteach.audit.measure import Tokens, measure_tokens
from unteach.data.examples import Example, Splits
from unteach.data.render import Renderer
from unteach.model.load import Loaded

ADA = Example("Who wrote the first program?", "Ada Byron.", wrong=("Bo Olin.", "Cy Marsh."), id="a")
BEA = Example("Who owns the mill?", "Bea Holt owns it.", wrong=("Di Lund owns it.",), id="b")
CAL = Example("Who rows the boat?", "Cal Fenn.", id="c")
RAIN = Example("", "Rain fell on the roofs all night.", id="rain")
SPLITS: Splits = {
    "forget": [ADA, BEA],
    "retain": [BEA, CAL],
    "neutral": [RAIN],
}


@pytest.fixture(scope="module")
def tiny(tiny_chat_folder: Path) -> Loaded:
    return loaded(tiny_chat_folder)


@pytest.fixture
def ev(tiny: Loaded, tmp_path: Path) -> Evidence:
    return Evidence("original", "key", SPLITS, Renderer(tiny.tokenizer), tmp_path, lambda: tiny)


@pytest.fixture
def passes(tiny: Loaded) -> Iterator[list[int]]:
    """Rows of every forward pass of the model, one number a pass."""
    seen: list[int] = []
    handle = tiny.model.register_forward_pre_hook(
        lambda module, args, kwargs: seen.append(len(kwargs["input_ids"])), with_kwargs=True
    )
    yield seen
    handle.remove()


def again(ev: Evidence, **changes: object) -> Evidence:
    """What another process sees: the same files and no model."""

    def refuse() -> Loaded:
        raise AssertionError("a model was loaded")

    return replace(ev, _held={}, **{"load": refuse, **changes})  # type: ignore[arg-type]


def equal(a: Tokens, b: Tokens) -> bool:
    return all(np.array_equal(getattr(a, n), getattr(b, n)) for n in ("offsets", "logp", "rank"))


def test_tokens_are_those_of_the_answers(ev: Evidence, tiny: Loaded):
    rows = [ev.renderer.encode(e) for e in SPLITS["forget"]]
    assert equal(ev.tokens("forget"), measure_tokens(tiny.model, rows))


def test_wrong_answers_come_example_by_example(ev: Evidence, tiny: Loaded):
    pairs = [(ADA, "Bo Olin."), (ADA, "Cy Marsh."), (BEA, "Di Lund owns it.")]
    rows = [ev.renderer.encode(e, wrong) for e, wrong in pairs]
    assert ev.wrong("forget").probability() == pytest.approx(
        measure_tokens(tiny.model, rows).probability(), rel=1e-5
    )


def test_the_second_reading_runs_no_model(ev: Evidence, passes: list[int]):
    first = ev.tokens("forget")
    count = len(passes)
    assert count > 0
    assert ev.tokens("forget") is first
    assert len(passes) == count


def test_a_row_of_two_splits_is_scored_once(ev: Evidence, passes: list[int]):
    """Three different questions in four rows: one batch of 3, after one pass over their start."""
    ev.measure(["forget.tokens", "retain.tokens", "forget.tokens"])
    assert passes == [1, 3]
    assert equal(ev.tokens("forget").take([1]), ev.tokens("retain").take([0]))
    assert passes == [1, 3]


def test_together_or_alone_gives_the_same(ev: Evidence, tmp_path: Path):
    alone = replace(ev, store=tmp_path / "other", _held={})
    ev.measure(["forget.tokens", "retain.tokens", "neutral.tokens"])
    for split in SPLITS:
        assert ev.tokens(split).logp == pytest.approx(alone.tokens(split).logp, abs=1e-5)


def test_everything_is_read_back_without_a_model(ev: Evidence):
    first = replace(ev, judge=ev)
    reads = [f"forget.{kind}" for kind in KINDS]
    first.measure(reads)
    second = again(first)
    second.measure(reads)
    assert second.texts("forget") == first.texts("forget")
    assert np.array_equal(second.fluency("forget"), first.fluency("forget"), equal_nan=True)
    assert equal(second.tokens("forget"), first.tokens("forget"))
    assert equal(second.wrong("forget"), first.wrong("forget"))
    assert all(path.is_file() for path in second.files())
    assert len(second.files()) == len(KINDS)


def test_what_is_not_on_disk_needs_the_model(ev: Evidence):
    ev.tokens("forget")
    with pytest.raises(AssertionError, match="a model was loaded"):
        again(ev).tokens("retain")


def test_nothing_half_written_is_left(ev: Evidence):
    ev.measure(["forget.tokens", "retain.tokens", "forget.texts"])
    assert {path.suffix for path in ev.store.iterdir()} == {".npz"}


CHANGES: dict[str, Callable[[Evidence], Evidence]] = {
    "model": lambda ev: again(ev, key="another key"),
    "row": lambda ev: again(ev, splits={**ev.splits, "forget": [ADA, CAL]}),
    "order": lambda ev: again(ev, splits={**ev.splits, "forget": [BEA, ADA]}),
    "system message": lambda ev: again(ev, renderer=replace(ev.renderer, system="Be kind.")),
}


@pytest.mark.parametrize("what", CHANGES)
def test_another_key_for_another(ev: Evidence, what: str):
    ev.tokens("forget")
    again(ev).tokens("forget")
    with pytest.raises(AssertionError, match="a model was loaded"):
        CHANGES[what](ev).tokens("forget")


def test_the_name_of_a_split_is_not_in_its_key(ev: Evidence):
    """The same rows under another name are the same measurement."""
    ev.tokens("forget")
    renamed = again(ev, splits={"erase": SPLITS["forget"]})
    assert equal(renamed.tokens("erase"), ev.tokens("forget"))


def test_fluency_is_the_judges_perplexity(ev: Evidence, tiny: Loaded):
    """1 / p of the greedy answer; an empty answer has none."""
    judged = replace(ev, judge=ev)
    texts = judged.texts("forget")
    judged._held["forget.texts"] = [texts[0], ""]
    found = judged.fluency("forget")
    row = ev.renderer.encode(ADA, texts[0])
    expected = 1 / measure_tokens(tiny.model, [row]).probability()[0]
    assert found[0] == pytest.approx(expected, rel=1e-5)
    assert np.isnan(found[1])


def test_another_judge_is_another_fluency(ev: Evidence):
    judged = replace(ev, judge=ev)
    judged.fluency("forget")
    stranger = again(ev, key="another judge")
    with pytest.raises(AssertionError, match="a model was loaded"):
        again(judged, judge=stranger).fluency("forget")


@pytest.mark.parametrize(
    ("read", "reason"),
    [
        (
            "holdout.tokens",
            "no split is named 'holdout'. This run has: forget, neutral, retain.",
        ),
        ("retain.wrong", "the split 'retain' has rows without wrong answers."),
        ("neutral.texts", "the split 'neutral' holds texts, not questions that can be answered."),
        ("forget.fluency", "no base model is at hand to judge the fluency of answers."),
    ],
)
def test_why_something_cannot_be_read(ev: Evidence, read: str, reason: str):
    assert again(ev).missing(["forget.tokens", read]) == reason


def test_what_can_be_read_has_no_reason(ev: Evidence):
    reads = ["forget.tokens", "forget.wrong", "retain.texts", "neutral.tokens"]
    assert again(ev).missing(reads) is None


def test_groups_are_persons_and_else_rows(ev: Evidence):
    grouped = replace(ev, splits={"forget": [replace(ADA, group="ada"), BEA]})
    assert grouped.groups("forget") == ["ada", "b"]


def test_progress_says_what_is_measured(ev: Evidence):
    said: list[tuple[str, int, int]] = []
    told = replace(ev, progress=lambda what, done, total: said.append((what, done, total)))
    told.tokens("forget")
    told.texts("forget")
    assert said == [("original: forget", 2, 2), ("original: forget, answers", 2, 2)]


def test_an_unknown_kind_is_the_authors_mistake(ev: Evidence):
    with pytest.raises(AssertionError, match=r"forget\.states"):
        ev.missing(["forget.states"])


def test_the_file_says_what_it_holds(ev: Evidence):
    ev.tokens("forget")
    with np.load(ev.files()[0]) as file:
        assert str(file["about"]) == '{"model": "key", "what": "tokens", "split": "forget"}'
