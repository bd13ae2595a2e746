"""Each text is measured once, is found again on disk, and never taken for another's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import loaded
from unteach.audit.evidence import Evidence
from unteach.audit.kinds import OTHERS, TABLES
from unteach.audit.measure import Tokens, measure_tokens
from unteach.data.examples import Example, Splits
from unteach.data.render import Renderer
from unteach.model.load import Loaded

ADA = Example(
    "Who wrote the first program?",
    "Ada Byron.",
    wrong=("Bo Olin.", "Cy Marsh."),
    rephrased=("It was Ada.",),
    id="a",
)
BEA = Example(
    "Who owns the mill?",
    "Bea Holt owns it.",
    wrong=("Di Lund owns it.",),
    rephrased=("Bea.",),
    id="b",
)
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

    return replace(ev, **{"load": refuse, **changes})  # type: ignore[arg-type]


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
    alone = replace(ev, store=tmp_path / "other")
    ev.measure(["forget.tokens", "retain.tokens", "neutral.tokens"])
    for split in SPLITS:
        assert ev.tokens(split).logp == pytest.approx(alone.tokens(split).logp, abs=1e-5)


READS = {"recalled": "forget.recalled(retain, 1)", "samples": "forget.samples(2, 0.5, 48, 0)"}
NOT_HERE = ("harness", "strangers")
"""One needs another package, the other questions that name somebody: see test_linked.py."""


def test_everything_is_read_back_without_a_model(ev: Evidence):
    first = replace(ev, base=ev)
    kinds = [kind for kind in [*TABLES, *OTHERS] if kind not in NOT_HERE]
    reads = [READS.get(kind, f"forget.{kind}") for kind in kinds]
    first.measure(reads)
    second = again(first)
    second.measure(reads)
    assert second.texts("forget") == first.texts("forget")
    assert np.array_equal(second.fluency("forget"), first.fluency("forget"), equal_nan=True)
    assert equal(second.tokens("forget"), first.tokens("forget"))
    assert equal(second.wrong("forget"), first.wrong("forget"))
    assert all(path.is_file() for path in second.files())
    assert second.samples("forget", 2, 0.5) == first.samples("forget", 2, 0.5)
    assert equal(second.recalled("forget", "retain", 1), first.recalled("forget", "retain", 1))
    assert len(second.files()) == len(reads)


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
    judged = replace(ev, base=ev)
    texts = judged.texts("forget")
    judged._texts["forget.texts(48)"] = [texts[0], ""]
    found = judged.fluency("forget")
    row = ev.renderer.encode(ADA, texts[0])
    expected = 1 / measure_tokens(tiny.model, [row]).probability()[0]
    assert found[0] == pytest.approx(expected, rel=1e-5)
    assert np.isnan(found[1])


def test_another_judge_is_another_fluency(ev: Evidence):
    judged = replace(ev, base=ev)
    judged.fluency("forget")
    stranger = again(ev, key="another judge")
    with pytest.raises(AssertionError, match="a model was loaded"):
        again(judged, base=stranger).fluency("forget")


@pytest.mark.parametrize(
    ("read", "reason"),
    [
        (
            "holdout.tokens",
            "no split is named 'holdout'. This run has: forget, neutral, retain.",
        ),
        ("retain.wrong", "the split 'retain' has rows without wrong answers."),
        ("neutral.texts", "the split 'neutral' holds texts, not questions that can be answered."),
        ("forget.fluency", "no base model is at hand to compare with."),
        (
            "gold.forget.tokens",
            "there is no gold model to compare with. Name one that was retrained without the forget "
            "split, as gold: in the recipe or with --retrained.",
        ),
        ("retain.rephrased", "the split 'retain' has rows without the answer in other words."),
        (
            "forget.recalled(holdout, 4)",
            "no split is named 'holdout'. This run has: forget, neutral, retain.",
        ),
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
    assert said == [("original: forget, tokens", 2, 2), ("original: forget, answers", 2, 2)]


def test_an_unknown_kind_is_the_authors_mistake(ev: Evidence):
    with pytest.raises(AssertionError, match=r"forget\.states"):
        ev.missing(["forget.states"])


def test_the_file_says_what_it_holds(ev: Evidence):
    ev.tokens("forget")
    with np.load(ev.files()[0]) as file:
        assert str(file["about"]) == '{"model": "key", "what": "forget.tokens"}'


def test_a_shorter_answer_is_the_beginning_of_a_longer_one(ev: Evidence, passes: list[int]):
    ev.measure(["forget.texts(3)", "forget.texts(9)"])
    count = len(passes)
    assert count > 0
    long, short = ev._held["forget.texts(9)"], ev._held["forget.texts(3)"]
    assert short == [ids[:3] for ids in long]
    ev.texts("forget", 3)
    assert len(passes) == count
    assert ev.answers("forget") == ev.texts("forget", 9)


def test_samples_differ_and_are_drawn_again_alike(ev: Evidence, tmp_path: Path):
    first = ev.samples("forget", 4, 1.0)
    assert [len(one) for one in first] == [4, 4]
    assert len(set(first[0])) > 1
    elsewhere = replace(ev, store=tmp_path / "other")
    assert elsewhere.samples("forget", 4, 1.0) == first
    assert elsewhere.samples("forget", 4, 1.0, seed=1) != first


def test_recalled_answers_come_after_examples(ev: Evidence):
    """The answer's tokens are the same; what comes before them is not."""
    shown = ev.recalled("forget", "retain", 2)
    assert np.array_equal(shown.offsets, ev.tokens("forget").offsets)
    assert not np.allclose(shown.logp, ev.tokens("forget").logp)


def test_texts_are_recalled_after_texts(ev: Evidence):
    shown, alone = ev.recalled("neutral", "neutral", 1), ev.tokens("neutral")
    assert len(shown.logp) == len(alone.logp)
    assert not np.allclose(shown.logp, alone.logp)


def test_gradients_are_of_every_row_and_leave_nothing(ev: Evidence, tiny: Loaded):
    found = ev.gradnorm("forget")
    assert (found > 0).all()
    assert all(p.grad is None for p in tiny.model.parameters())


def test_another_model_is_read_by_its_name(ev: Evidence):
    gold = replace(ev, name="gold", key="gold")
    ours = replace(ev, peers={"gold": gold})
    assert ours.missing(["gold.forget.tokens"]) is None
    assert ours.of("gold") is gold


def test_a_model_known_by_its_files_alone(ev: Evidence, tmp_path: Path):
    ev.measure(["forget.tokens"])
    (tmp_path / "run" / "evidence").mkdir(parents=True)
    for path in ev.files():
        path.rename(tmp_path / "run" / "evidence" / f"unlearned-{path.name}")
    kept = replace(ev, load=None, also=(tmp_path / "run" / "evidence",), store=tmp_path / "new")
    assert kept.missing(["forget.tokens"]) is None
    assert len(kept.tokens("forget")) == 2
    assert kept.missing(["forget.texts(9)"]) == (
        f"{tmp_path / 'run'} did not measure forget.texts(9) on these rows. Audit it again with the "
        "same audits, or name the model itself."
    )


def test_a_damaged_file_is_measured_again(ev: Evidence, passes: list[int]):
    first = ev.tokens("forget")
    (path,) = ev.store.glob("*.npz")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    for damaged in (bytes(content), b"", path.read_bytes()[:100]):
        path.write_bytes(damaged)
        count = len(passes)
        assert equal(replace(ev).tokens("forget"), first)
        assert len(passes) > count
