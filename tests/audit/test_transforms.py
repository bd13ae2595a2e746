"""Rounded and relearned copies: their arithmetic, what they leave alone, and how they are measured."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel

from tests.conftest import loaded
from unteach.audit import kinds, transforms
from unteach.audit.evidence import Evidence
from unteach.audit.measure import measure_tokens
from unteach.audit.transforms import half_of, halves, quantised, relearned, rounded, unscored
from unteach.data.examples import Example, Splits
from unteach.data.render import Encoding, Renderer, encode_all
from unteach.errors import DivergedError
from unteach.model.fingerprint import of_weights
from unteach.model.load import Loaded

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def changed_weights(before: PreTrainedModel, after: PreTrainedModel) -> set[str]:
    pairs = zip(before.named_parameters(), after.parameters(), strict=True)
    return {name for (name, old), new in pairs if not torch.equal(old, new)}


class TestRounding:
    def test_four_bits_have_fifteen_levels(self):
        """The largest, 1, is level 7, so a level is 1/7. 0.5 is 3.5, to even: 4. 0.26 is 1.82: 2."""
        found = rounded(torch.tensor([[-1.0, 0.5, 0.26]]), 4)
        assert found[0].tolist() == pytest.approx([-1, 4 / 7, 2 / 7])

    def test_below_eight_bits_each_group_has_its_own_scale(self):
        """Groups of 2 at 2 bits (-1, 0, 1 times the largest): (4, 1), (0.2, 0.1) and 3 alone.

        1/4 rounds to 0, 0.1/0.2 = 0.5 to even, 0. The last group is shorter.
        """
        found = rounded(torch.tensor([[4.0, 1.0, 0.2, 0.1, 3.0]]), 2, group=2)
        assert found[0].tolist() == pytest.approx([4, 0, 0.2, 0, 3])

    def test_at_eight_bits_a_row_has_one_scale(self):
        """A level is 127/127 = 1 in the first row, whatever the group; 0.4 rounds to 0 there."""
        found = rounded(torch.tensor([[127.0, 2.4, 0.4], [0.127, 0.0, 0.0524]]), 8, group=1)
        assert found[0].tolist() == [127, 2, 0]
        assert found[1].tolist() == pytest.approx([0.127, 0, 0.052])

    def test_zeros_stay_zeros(self):
        assert not rounded(torch.zeros(2, 3), 4).any()

    @pytest.mark.parametrize("bits", [2, 4, 8])
    def test_once_rounded_stays(self, bits: int):
        once = rounded(torch.randn(3, 130, generator=torch.Generator().manual_seed(0)), bits)
        assert torch.allclose(rounded(once, bits), once)

    def test_sixteen_bits_hardly_show(self):
        weight = torch.randn(4, 100, generator=torch.Generator().manual_seed(0))
        assert torch.allclose(rounded(weight, 16), weight, atol=1e-4)

    def test_the_dtype_stays(self):
        assert rounded(torch.ones(2, 2, dtype=torch.bfloat16), 4).dtype == torch.bfloat16


class TestQuantised:
    def test_only_linear_maps_change_and_only_in_the_copy(self, knowing: Loaded):
        before = of_weights(knowing.model)
        changed = changed_weights(knowing.model, quantised(knowing.model, 4))
        assert of_weights(knowing.model) == before
        assert {name.split(".")[-2] for name in changed} == {
            *("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
        }

    def test_an_output_head_of_its_own_is_left_alone(self, blank: Loaded):
        config = type(blank.model.config)(
            **{
                **blank.model.config.to_dict(),
                "tie_word_embeddings": False,
            }
        )
        untied = type(blank.model)(config)
        changed = changed_weights(untied, quantised(untied, 2))
        assert changed
        assert not {name for name in changed if "lm_head" in name or "embed" in name}

    def test_weights_that_are_stored_inputs_first(self):
        """GPT-2's [in, out]: a group is of the inputs of one output, as in any other model."""
        config = GPT2Config(vocab_size=11, n_embd=8, n_layer=1, n_head=2, n_positions=8)
        model = GPT2LMHeadModel(config)
        after = quantised(model, 4, group=4)
        old, new = (m.transformer.h[0].mlp.c_fc.weight for m in (model, after))
        assert torch.allclose(new, rounded(old.T, 4, group=4).T)
        assert torch.equal(after.transformer.wpe.weight, model.transformer.wpe.weight)

    def test_many_bits_leave_the_answers_and_two_do_not(self, knowing: Loaded, people: Splits):
        rows = encode_all(Renderer(knowing.tokenizer), people["forget"])
        whole, fine, coarse = (
            measure_tokens(model, rows).probability()
            for model in (knowing.model, quantised(knowing.model, 16), quantised(knowing.model, 2))
        )
        assert fine == pytest.approx(whole, abs=1e-2)
        assert coarse.mean() < whole.mean() - 0.2


@pytest.fixture(scope="module")
def rows(blank: Loaded, people: Splits) -> list[list[Encoding]]:
    """The two halves of forget."""
    known = halves(people["forget"])
    renderer = Renderer(blank.tokenizer)
    return [
        [renderer.encode(e) for e in people["forget"] if half_of(e, known) == half]
        for half in (0, 1)
    ]


class TestRelearned:
    def test_what_was_never_known_is_learned_of_one_half_alone(
        self, blank: Loaded, rows: list[list[Encoding]]
    ):
        before = of_weights(blank.model)
        after = relearned(blank.model, rows[0], epochs=40, lr=1e-2)
        taught, other = (measure_tokens(after, half).probability().mean() for half in rows)
        assert of_weights(blank.model) == before
        assert taught > 0.8
        assert other < taught - 0.3

    def test_what_is_known_stays(self, knowing: Loaded, rows: list[list[Encoding]]):
        before = of_weights(knowing.model)
        after = relearned(knowing.model, rows[0], epochs=3, lr=3e-5)
        assert of_weights(knowing.model) == before
        assert changed_weights(knowing.model, after)
        for half in rows:
            old, new = (measure_tokens(m, half).probability() for m in (knowing.model, after))
            assert new == pytest.approx(old, abs=0.05)

    def test_the_same_twice_and_ready_to_be_read(self, blank: Loaded, rows: list[list[Encoding]]):
        first, second = (relearned(blank.model, rows[0], epochs=2, lr=1e-3) for _ in range(2))
        assert of_weights(first) == of_weights(second)
        assert not first.training
        assert not any(p.requires_grad or p.grad is not None for p in first.parameters())
        assert all(p.grad is None for p in blank.model.parameters())

    def test_steps_are_epochs_over_rows(self, blank: Loaded, rows: list[list[Encoding]]):
        """4 rows 3 times, 3 a step: 4 steps of 3 rows."""
        seen: list[int] = []
        relearned(
            blank.model, [*rows[0], *rows[1]], epochs=3, lr=1e-4, batch=3, progress=seen.append
        )
        assert seen == [3] * 4

    def test_a_copy_that_is_dropped_is_gone(self, blank: Loaded, rows: list[list[Encoding]]):
        after = weakref.ref(relearned(blank.model, rows[0], epochs=1, lr=1e-4))
        gc.collect()
        assert after() is None


def fact(person: str, attribute: str, **changes: Any) -> Example:
    example = Example(f"{person}, {attribute}?", f"{person}'s {attribute}", group=person)
    return replace(example, attribute=attribute, id=f"{person}.{attribute}", **changes)


FACTS = [fact(p, a) for p in ("ada", "bea", "cal") for a in ("birth", "work", "home")]


class TestHalves:
    def test_every_other_fact_of_each_person(self):
        """9 facts, 3 of each: 5 and 4 in all, 2 and 1 or 1 and 2 of each person."""
        known = halves(FACTS)
        second = [e.group for e in FACTS if half_of(e, known) == 1]
        assert len(second) == 4
        assert all(second.count(person) in (1, 2) for person in ("ada", "bea", "cal"))

    def test_people_with_one_fact_are_halved_too(self):
        known = halves([e for e in FACTS if e.attribute == "birth"])
        assert sorted(v for name, v in known.items() if name[0] != "id") == [0, 0, 1]

    def test_the_order_of_rows_does_not_count(self):
        assert halves(FACTS) == halves(FACTS[::-1])

    def test_one_fact_in_two_rows_is_in_one_half(self):
        again = replace(FACTS[0], prompt="In other words?", answer="Otherwise", id="other")
        known = halves([*FACTS, again])
        assert known["id", "ada", "other"] == half_of(FACTS[0], known)

    @pytest.mark.parametrize(
        "same",
        [
            fact("ada", "birth", prompt="x", answer="y"),
            replace(FACTS[0], attribute="", id="", prompt="x"),
            replace(FACTS[0], attribute="", answer="y", id="ada.birth.paraphrased"),
        ],
        ids=["attribute", "answer", "id"],
    )
    def test_a_fact_is_found_in_other_words(self, same: Example):
        given = FACTS if same.attribute or same.id else [replace(e, attribute="") for e in FACTS]
        known = halves(given)
        assert half_of(same, known) == half_of(given[0], known)

    @pytest.mark.parametrize(
        "other",
        [
            fact("dan", "birth"),
            replace(FACTS[0], attribute="", answer="y", id="ada.birth"),
            Example("", "A life of ada.", group="ada", id="ada.document"),
        ],
        ids=["person", "same id", "document"],
    )
    def test_what_is_not_held_has_no_half(self, other: Example):
        assert half_of(other, halves(FACTS)) is None

    def test_nobody_is_not_one_person(self):
        """Without a group, rows of one attribute are different facts if their answers differ."""
        rows = [
            replace(e, group="", id=str(i)) for i, e in enumerate(FACTS) if e.attribute == "work"
        ]
        assert len({name for name in halves(rows) if name[0] != "id"}) == 3


@pytest.fixture
def ev(blank: Loaded, people: Splits, tmp_path: Path) -> Evidence:
    return Evidence("m", "key", people, Renderer(blank.tokenizer), tmp_path, lambda: blank)


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[Mapping[str, Any]]:
    """The arguments of every copy that is made."""
    seen: list[Mapping[str, Any]] = []

    def noted(name: str) -> Any:
        whole = getattr(transforms, name)

        def call(model: PreTrainedModel, given: Any, **arguments: Any) -> PreTrainedModel:
            seen.append({"kind": name, "given": given, **arguments})
            return whole(model, given, **arguments)

        return call

    for name in ("quantised", "relearned"):
        monkeypatch.setattr(kinds, name, noted(name))
    return seen


def again(ev: Evidence, **changes: Any) -> Evidence:
    def refuse() -> Loaded:
        raise AssertionError("a model was loaded")

    return replace(ev, **{"load": refuse, **changes})


READS = [
    "forget.quantised(4)",
    "retain.quantised(4)",
    "forget.relearned(1, 0.001)",
    "forget_paraphrased.relearned(1, 0.001)",
]


class TestEvidence:
    def test_quantised_rows_are_those_of_the_copy(self, ev: Evidence, blank: Loaded):
        rows = [ev.renderer.encode(e) for e in ev.splits["forget"]]
        expected = measure_tokens(quantised(blank.model, 4), rows)
        assert ev.quantised("forget", 4).logp == pytest.approx(expected.logp, abs=1e-5)

    def test_each_row_is_scored_by_the_copy_that_did_not_see_its_fact(
        self, ev: Evidence, made: list[Mapping[str, Any]]
    ):
        """In the split's order, and by the copy that was taught the other half."""
        found = ev.relearned("forget", 1, 1e-3)
        assert len(made) == 2
        for call in made:
            taught = set(call["given"])
            copy = relearned(ev.model().model, call["given"], epochs=1, lr=1e-3)
            rows = [(i, ev.renderer.encode(e)) for i, e in enumerate(ev.splits["forget"])]
            unseen = [(i, row) for i, row in rows if row not in taught]
            assert len(unseen) == 2
            expected = measure_tokens(copy, [row for _, row in unseen])
            own = found.take([i for i, _ in unseen])
            assert own.logp == pytest.approx(expected.logp, abs=1e-5)

    def test_a_copy_serves_every_split(self, ev: Evidence, made: list[Mapping[str, Any]]):
        """One in 4 bits, and two that relearned a half each."""
        ev.measure(READS)
        assert [call["kind"] for call in made] == ["quantised", "relearned", "relearned"]

    def test_it_is_read_back_without_a_model(self, ev: Evidence):
        ev.measure(READS)
        second = again(ev)
        second.measure(READS)
        assert np.array_equal(
            second.relearned("forget_paraphrased", 1, 1e-3).logp,
            ev.relearned("forget_paraphrased", 1, 1e-3).logp,
        )
        assert np.array_equal(second.quantised("retain", 4).logp, ev.quantised("retain", 4).logp)
        assert len(second.files()) == len(READS)

    @pytest.mark.parametrize(
        "read", ["forget.quantised(8)", "forget.relearned(2, 0.001)", "forget.relearned(1, 0.002)"]
    )
    def test_other_parameters_are_another_measurement(self, ev: Evidence, read: str):
        ev.measure(READS)
        with pytest.raises(AssertionError, match="a model was loaded"):
            again(ev).measure([read])

    def test_other_facts_to_relearn_are_another_measurement(self, ev: Evidence):
        ev.measure(READS)
        fewer = {**ev.splits, "forget": ev.splits["forget"][::-1]}
        with pytest.raises(AssertionError, match="a model was loaded"):
            again(ev, splits=fewer).relearned("forget_paraphrased", 1, 1e-3)
        assert len(again(ev, splits=fewer).quantised("retain", 4)) == len(ev.splits["retain"])

    def test_a_model_that_breaks_has_no_numbers(
        self, ev: Evidence, monkeypatch: pytest.MonkeyPatch
    ):
        def diverge(*given: Any, **arguments: Any) -> None:
            raise DivergedError("the loss is not a finite number at step 1.")

        monkeypatch.setattr(kinds, "relearned", diverge)
        found = ev.relearned("forget", 1, 1e-3)
        assert np.isnan(found.probability()).all()
        assert np.array_equal(found.offsets, ev.tokens("forget").offsets)
        assert np.array_equal(found.end, ev.tokens("forget").end)
        assert not found.hit.any()

    def test_progress_counts_rows(self, ev: Evidence):
        said: list[tuple[str, int, int]] = []
        told = replace(ev, progress=lambda what, done, total: said.append((what, done, total)))
        told.relearned("forget", 2, 1e-3)
        assert said == 2 * [
            ("m: relearning", 2, 4),
            ("m: relearning", 4, 4),
            ("m: scored when relearned", 2, 2),
        ]


ONE = {"forget": FACTS[:1]}


@pytest.mark.parametrize(
    ("splits", "read", "reason"),
    [
        ({}, "forget.quantised(1)", "bits is 1; it must be from 2 to 16."),
        (
            {},
            "forget.relearned(0, 0.1)",
            "epochs is 0 and lr 0.1; epochs must be at least 1 and lr above 0.",
        ),
        (
            ONE,
            "forget.relearned(1, 0.1)",
            "the split 'forget' holds one fact, so half of it cannot be relearned.",
        ),
        (
            {"retain": [fact("dan", "birth"), FACTS[0]]},
            "retain.relearned(1, 0.1)",
            "1 of 2 rows of 'retain' hold no single fact of 'forget', so it is not known which half "
            "must not be relearned for them. Rows are matched by group and attribute, group and "
            "answer, or an id with a suffix.",
        ),
        (
            {},
            "original.forget.tokens",
            "there is no original model to compare with. Name the model as it was before it was "
            "unlearned, with --original.",
        ),
    ],
)
def test_why_something_cannot_be_read(splits: Splits, read: str, reason: str, tmp_path: Path):
    ev = Evidence("m", "k", {"forget": FACTS, **splits}, Renderer(None), tmp_path, None)
    assert ev.missing([read]) == reason


def test_relearning_needs_the_forget_split(tmp_path: Path):
    ev = Evidence("m", "k", {"other": FACTS}, Renderer(None), tmp_path, None)
    reason = ev.missing(["other.relearned(1, 0.1)"])
    assert reason == "no split is named 'forget'. This run has: other."


def test_a_split_may_be_named_like_a_model():
    assert kinds.parse("original.tokens") == kinds.Read("", "original", "tokens")
    assert kinds.parse("original.gold.quantised(4)") == kinds.Read(
        "original", "gold", "quantised", (4,)
    )


def test_unscored_rows_have_the_shape_of_scored_ones(tiny_chat_folder: Path):
    tiny = loaded(tiny_chat_folder)
    rows = encode_all(Renderer(tiny.tokenizer), FACTS[:2])
    real, none = measure_tokens(tiny.model, rows), unscored(rows)
    for column in ("logp", "hit", "entropy", "std", "rank", "specific", "end"):
        assert getattr(none, column).dtype == getattr(real, column).dtype
        assert len(getattr(none, column)) == len(getattr(real, column))
    assert np.array_equal(none.specific, real.specific)
