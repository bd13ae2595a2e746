"""What a name gives away, by hand, on models that differ, and how its rows are made and kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from math import log
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from tests.audit.test_audits import given, table
from tests.conftest import byte_tokenizer
from unteach.audit import kinds, transforms
from unteach.audit.audits.linked import name_information, relearned_information, shared
from unteach.audit.evidence import Evidence
from unteach.audit.measure import Tokens, measure_tokens
from unteach.data.examples import Example, Splits
from unteach.data.render import Encoding, Renderer
from unteach.model.load import Loaded
from unteach.synthesis.swapped import stranger
from unteach.synthesis.unanswerable import GIVEN_NAMES, SURNAMES

if TYPE_CHECKING:
    from transformers import PreTrainedModel

ADA = Example("Ada Moor's town?", "Ada ab", id="1", group="ada")
BEA = Example("Bea Holt's town?", "cd", id="2", group="bea")
NOBODY = Example("why is it so?", "ef", id="3", group="none")
OTHERS = {"1": replace(ADA, answer="Bo ab"), "2": BEA}
RELEARNED = "relearned(3, 3e-05)"
COPIES = "relearned_strangers(3, 3e-05)"


def held(examples: Sequence[Example], own: Tokens, others: Tokens) -> Evidence:
    """Evidence that was measured before; a byte is a token, and one token closes the turn."""
    kinds = {"tokens": own, RELEARNED: own, "strangers": others, COPIES: others}
    ev = replace(given(examples), renderer=Renderer(byte_tokenizer(chat=True)))
    ev._held.update({f"forget.{kind}": tokens for kind, tokens in kinds.items()})
    ev._renamed["forget"] = [OTHERS.get(e.id) for e in examples]
    return ev


OWN = table([[0.9, 0.9, 0.9, 1.0, 0.5, 0.25, 0.9], [0.5, 0.5, 0.9]])
THEIRS = table([[0.1, 0.1, 1.0, 0.25, 0.125, 0.1], [0.5, 0.125, 0.1]])
BOTH = pytest.mark.parametrize("audit", [name_information, relearned_information])


@BOTH
def test_the_shared_tokens_count_and_neither_names_nor_the_end(audit: Any):
    """`Ada ab` and `Bo ab` share ` ab`: ln 1 + ln 2 + ln 2 over 3. `cd`: ln 1 + ln 4 over 2.

    (2/3 ln 2 + ln 2) / 2 = 5/6 ln 2 = 0.578. All else is 0.9 against 0.1.
    """
    found = audit(held([ADA, BEA], OWN, THEIRS))
    assert found.value == pytest.approx(5 / 6 * log(2), abs=1e-6)
    assert found.per_example == pytest.approx([2 / 3 * log(2), log(2)], abs=1e-6)
    assert (found.n, found.groups, found.note[:4]) == (2, 2, "Only")


@BOTH
def test_a_stranger_whom_the_answer_fits_better_is_below_nothing(audit: Any):
    """Of 1/2 against 1 twice: -ln 2."""
    found = audit(held([BEA], table([[0.5, 0.5, 1.0]]), table([[1.0, 1.0, 1.0]])))
    assert found.value == pytest.approx(-log(2), abs=1e-6)


@BOTH
def test_a_row_that_names_nobody_is_unknown_and_counted(audit: Any):
    """It stands between the two, has no row in the strangers' table, and shifts none."""
    rows = [0.01, 0.01, 0.01]
    own = table([*([0.9] * 3 + [1.0, 0.5, 0.25, 0.9], rows), [0.5, 0.5, 0.9]])
    found = audit(held([ADA, NOBODY, BEA], own, THEIRS))
    assert found.value == pytest.approx(5 / 6 * log(2), abs=1e-6)
    assert found.per_example is not None
    assert np.isnan(found.per_example).tolist() == [False, True, False]
    assert found.n == 2
    assert found.note.startswith(
        "A row that names nobody has no stranger. 1 of 3 unknown, left out."
    )


@BOTH
def test_a_broken_model_has_no_value(audit: Any):
    broken = table([[0.9, 0.9, 0.9, 1.0, np.nan, 0.25, 0.9], [0.5, 0.5, 0.9]])
    found = audit(held([ADA, BEA], broken, THEIRS))
    assert not found.available
    assert "a model is broken" in found.note


def test_shared_tokens_are_matched_in_order():
    """`abcab` has `ab` twice, `xab` once; 9 and 8 stand before and after the answers."""
    mine = Encoding((9, 9, 1, 2, 3, 8), 2, (True,) * 4, num_end=1)
    theirs = Encoding((9, 5, 1, 2, 4, 3, 8), 1, (True,) * 6, num_end=1)
    assert shared(mine, theirs).tolist() == [[0, 1], [1, 2], [2, 4]]
    assert shared(replace(mine, num_end=0), replace(theirs, num_end=0)).tolist()[-1] == [3, 5]
    assert shared(mine, replace(theirs, num_end=6)).shape == (0, 2)


class TestStranger:
    NAMES = ("Bo Lund", "Cy Marsh")

    def test_has_another_name_in_question_and_answer(self):
        found = stranger(replace(ADA, group=""), self.NAMES, Random(0))
        assert found is not None
        first, last = found.answer.removesuffix(" ab"), found.prompt.split("'")[0]
        assert last in self.NAMES
        assert last.startswith(f"{first} ")

    @pytest.mark.parametrize(
        "row",
        [NOBODY, Example("", "it rained all night."), Example("And then?", "x", group="Ada Moor")],
    )
    def test_of_nobody_is_none(self, row: Example):
        assert stranger(row, self.NAMES, Random(0)) is None

    def test_of_a_text_goes_by_its_opening(self):
        found = stranger(
            Example("", "Ada Moor rows on the lake. Moor sings."), self.NAMES, Random(0)
        )
        assert found is not None
        assert found.answer in (
            "Bo Lund rows on the lake. Lund sings.",
            "Cy Marsh rows on the lake. Marsh sings.",
        )


@pytest.fixture
def ev(blank: Loaded, people: Splits, tmp_path: Path) -> Evidence:
    return Evidence("m", "key", people, Renderer(blank.tokenizer), tmp_path, lambda: blank)


def again(ev: Evidence, **changes: Any) -> Evidence:
    """What another process sees: the same files and no model."""

    def refuse() -> Loaded:
        raise AssertionError("a model was loaded")

    return replace(ev, **{"load": refuse, **changes})


def names(ev: Evidence) -> list[str]:
    return [other.prompt for other in ev.renamed("forget") if other]


class TestRows:
    def test_are_of_nobody_who_was_taught(self, ev: Evidence):
        taught = " ".join(e.prompt for split in ("forget", "retain") for e in ev.splits[split])
        for prompt in names(ev):
            assert prompt not in taught
            said = set(prompt.replace("'s", "").strip("?").split())
            assert said & set(GIVEN_NAMES)
            assert said & set(SURNAMES)

    def test_are_the_same_in_another_order_and_of_fewer(self, ev: Evidence):
        """So that a run with fewer rows to audit asks of them the same."""
        rows = ev.splits["forget"]
        fewer = replace(ev, splits={**ev.splits, "forget": rows[2::-1]})
        assert names(fewer) == names(ev)[2::-1]

    def test_made_up_names_of_a_synthesis_take_none_away(self, ev: Evidence):
        """`forget_swapped` of the default recipe would leave hardly a name."""
        swapped = [replace(e, id="x") for e in ev.renamed("forget") if e]
        more = replace(ev, splits={**ev.splits, "forget_swapped": swapped})
        assert names(more) == names(ev)

    def test_are_scored_as_they_are(self, ev: Evidence, blank: Loaded):
        rows = [ev.renderer.encode(e) for e in ev.renamed("forget") if e]
        expected = measure_tokens(blank.model, rows)
        assert ev.strangers("forget").logp == pytest.approx(expected.logp, abs=1e-5)

    def test_that_name_nobody_are_left_out(self, ev: Evidence):
        rows = [ev.splits["forget"][0], NOBODY, *ev.splits["forget"][1:]]
        mixed = replace(ev, key="mixed", splits={**ev.splits, "forget": rows})
        assert [other is None for other in mixed.renamed("forget")] == [False, True, *[False] * 3]
        assert len(mixed.strangers("forget")) == len(rows) - 1
        assert mixed.strangers("forget").logp == pytest.approx(
            ev.strangers("forget").logp, abs=1e-5
        )
        found = name_information(mixed)
        assert found.n == len(rows) - 1
        relearned = relearned_information(mixed)
        assert relearned.n == len(rows) - 1


READS = ("forget.relearned(1, 0.001)", "forget.relearned_strangers(1, 0.001)")


class TestEvidence:
    @pytest.fixture
    def made(self, monkeypatch: pytest.MonkeyPatch) -> list[Sequence[Encoding]]:
        """The rows that every copy relearned."""
        seen: list[Sequence[Encoding]] = []

        def call(model: PreTrainedModel, rows: Any, **arguments: Any) -> PreTrainedModel:
            seen.append(rows)
            return transforms.relearned(model, rows, **arguments)

        monkeypatch.setattr(kinds, "relearned", call)
        return seen

    def test_two_copies_serve_both_tables(self, ev: Evidence, made: list[Sequence[Encoding]]):
        ev.measure([*READS, "forget_paraphrased.relearned_strangers(1, 0.001)"])
        assert len(made) == 2

    def test_each_stranger_is_asked_of_the_copy_that_did_not_see_the_fact(
        self, ev: Evidence, made: list[Sequence[Encoding]]
    ):
        found = ev.relearned_strangers("forget", 1, 1e-3)
        pairs = list(zip(ev.splits["forget"], ev.renamed("forget"), strict=True))
        for taught in list(made):
            copy = transforms.relearned(ev.model().model, taught, epochs=1, lr=1e-3)
            rows = [
                (i, ev.renderer.encode(other))
                for i, (own, other) in enumerate(pairs)
                if other and ev.renderer.encode(own) not in taught
            ]
            assert len(rows) == 2
            expected = measure_tokens(copy, [row for _, row in rows])
            own = found.take([i for i, _ in rows])
            assert own.logp == pytest.approx(expected.logp, abs=1e-5)

    def test_both_are_read_back_without_a_model(self, ev: Evidence):
        reads = [*READS, "forget.tokens", "forget.strangers"]
        ev.measure(reads)
        second = again(ev)
        second.measure(reads)
        assert np.array_equal(second.strangers("forget").logp, ev.strangers("forget").logp)
        assert np.array_equal(
            second.relearned_strangers("forget", 1, 1e-3).logp,
            ev.relearned_strangers("forget", 1, 1e-3).logp,
        )

    def test_other_strangers_are_another_measurement(
        self, ev: Evidence, monkeypatch: pytest.MonkeyPatch
    ):
        reads = ["forget.strangers", READS[1]]
        ev.measure(reads)
        monkeypatch.setattr(kinds, "SEED", kinds.SEED + 1)
        for read in reads:
            with pytest.raises(AssertionError, match="a model was loaded"):
                again(ev).measure([read])


NAMELESS = {"forget": [NOBODY, replace(NOBODY, answer="gh", id="4")]}
NO_NAME = (
    "no question of the split 'forget' names anybody, so the same cannot be asked about somebody "
    "else."
)


@pytest.mark.parametrize("read", ["forget.strangers", READS[1]])
@pytest.mark.parametrize(
    ("splits", "reason"),
    [
        (NAMELESS, NO_NAME),
        (
            {"forget": [ADA, BEA], "retain": [replace(BEA, answer=" ".join(SURNAMES))]},
            "the data hold every made-up name",
        ),
        ({"other": [ADA]}, "no split is named 'forget'"),
    ],
)
def test_why_nobody_else_can_be_asked_about(splits: Splits, read: str, reason: str, tmp_path: Path):
    ev = Evidence("m", "k", splits, Renderer(None), tmp_path, None)
    assert str(ev.missing([read])).startswith(reason)


def test_a_name_tells_where_it_was_taught_and_nowhere_else(
    blank: Loaded, knowing: Loaded, people: Splits, tmp_path: Path
):
    """0.21 nats a token before and after relearning, most of them grammar; -0.01 of the other."""
    models: Mapping[str, Loaded] = {"knowing": knowing, "blank": blank}
    first = Evidence("", "", people, Renderer(blank.tokenizer), tmp_path, None)
    for audit in (name_information, relearned_information):
        knows, never = (
            audit(replace(first, name=name, key=name, load=partial(models.__getitem__, name)))
            for name in models
        )
        assert knows.value > 0.15
        assert abs(never.value) < 0.05
        assert (knows.n, knows.groups) == (4, 2)
