"""What changed inside: by hand on small numbers, against itself, and on two models."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from tests.conftest import loaded
from tests.model.test_blocks import tiny
from unteach.audit.explain import (
    Curve,
    Lens,
    Row,
    Seen,
    attention_curves,
    distributions,
    divergence,
    find_lens,
    lens_curves,
    linear_cka,
    observe,
    rows_of,
    similarity,
    subject_places,
    weight_changes,
)
from unteach.audit.judges import Unavailable
from unteach.data.examples import Example, Splits
from unteach.data.render import Renderer
from unteach.model.load import Loaded

ROWS = [Row((1, 2, 3, 4, 5), 2, "a", (0, 1)), Row((6, 7, 8, 9), 3, "b", (1,))]
"""Three answer tokens of a and one of b."""


def by_name(curves: list[Curve] | Unavailable) -> dict[str, Curve]:
    assert not isinstance(curves, Unavailable), curves
    return {curve.measure: curve for curve in curves}


def values(curve: Curve) -> list[float]:
    return [finding.value for finding in curve.findings]


def rows_of_split(model: Loaded, examples: Sequence[Example]) -> list[Row]:
    return rows_of(Renderer(model.tokenizer), examples)


def seen_by_hand(probability: list[float]) -> Seen:
    """Rows of two and one answer tokens."""
    return Seen(
        row=np.array([0, 0, 1]),
        place=np.array([0, 1, 0]),
        specific=np.array([False, True, True]),
        columns={"probability": np.array(probability)},
        lens={
            "lens_probability": np.array([[0.1, 0.3, 0.5], [0.2, 0.6, 0.8]]),
            "lens_first": np.array([[0.0, 0, 1], [1, 0, 1]]),
        },
        top=torch.zeros(3, 5, dtype=torch.long),
        hidden=torch.zeros(2, 3, 4),
    )


def test_divergence_of_known_distributions():
    """KL((1/2, 1/2) || (1/4, 3/4)) = 0.5 ln 2 + 0.5 ln(2/3) = 0.3466 - 0.2027 = 0.1438 nats."""
    final, other = torch.tensor([[0.5, 0.5]]).log(), torch.tensor([[0.25, 0.75]]).log()
    assert divergence(final, other).tolist() == [pytest.approx(0.14384, abs=1e-5)]
    assert divergence(final, final).tolist() == [0.0]


def test_a_row_counts_once_however_long_its_answer():
    """Position 1: (0.2 + 0.8)/2 = 0.5. Position 2: 0.6, one row. All: (0.4 + 0.8)/2 = 0.6.

    Of the specific tokens, the second of a and the first of b: (0.6 + 0.8)/2 = 0.7.
    """
    curve, specific = distributions(seen_by_hand([0.2, 0.6, 0.8]), ["a", "b"])
    assert specific.overall is not None
    assert specific.overall.value == pytest.approx(0.7)
    assert curve.xs == (1, 2)
    assert values(curve) == pytest.approx([0.5, 0.6])
    assert curve.overall is not None
    assert curve.overall.value == pytest.approx(0.6)
    assert math.isnan(curve.findings[1].low)  # one group: no interval


def test_earliest_block_is_a_share_that_only_grows():
    """Block 0: row 0 has 0 of 2, row 1 has 1 of 1, so 0.5; block 1: (0.5 + 1)/2 = 0.75."""
    found = by_name(lens_curves(seen_by_hand([0.2, 0.6, 0.8]), ["a", "b"]))
    assert values(found["lens_first"]) == pytest.approx([0.5, 0.75])


def test_the_lens_on_the_specific_tokens_alone():
    """Block 0: (0.3 + 0.5)/2 = 0.4; block 1: (0.6 + 0.8)/2 = 0.7."""
    found = by_name(lens_curves(seen_by_hand([0.2, 0.6, 0.8]), ["a", "b"]))
    assert values(found["lens_specific"]) == pytest.approx([0.4, 0.7])


def test_shares_that_are_all_one_have_no_width(blank: Loaded):
    """A count of hits would have one: two persons of two could be less than all."""
    seen = observe(blank.model, ROWS)
    (first, *_) = distributions(replace(seen, columns={"probability": np.ones(4)}), ["a", "b"])
    assert first.overall is not None
    assert (first.overall.low, first.overall.high) == (1, 1)


def test_a_row_without_a_specific_token_in_sight_is_left_out():
    rows = [Row((1, 2, 3, 4), 2, "a", (), (False, False)), Row((1, 2, 3), 2, "b", (), (True,))]
    *_, found = distributions(observe(tiny("llama"), rows), ["a", "b"])
    assert found.overall is not None
    assert found.overall.n == 1
    assert "1 of 2 unknown" in found.overall.note


def test_next_token_columns_by_hand():
    """Logits 0 but ln 3 for token 2, of four tokens: q = (1, 1, 3, 1)/6.

    True token 2: p = 1/2, place 1, log10 0. Margin 3/6 - 1/6 = 1/3. Entropy
    0.5 ln 2 + 3/6 ln 6 = 0.3466 + 0.8959 = 1.2425. True token 0: p = 1/6, one token above: log10 2.
    Mass on tokens 2 and 0: 4/6.
    """
    from unteach.audit.explain import _columns

    logq = torch.tensor([[0.0, 0.0, math.log(3), 0.0]] * 2).log_softmax(-1)
    found = _columns(logq, torch.tensor([2, 0]), torch.tensor([[2, 0], [2, 0]]))
    assert found["probability"].tolist() == pytest.approx([1 / 2, 1 / 6])
    assert found["rank"].tolist() == pytest.approx([0, math.log10(2)])
    assert found["margin"].tolist() == pytest.approx([1 / 3] * 2)
    assert found["entropy"].tolist() == pytest.approx([1.24245] * 2, abs=1e-5)
    assert found["seesaw"].tolist() == pytest.approx([4 / 6] * 2)


def test_cka_does_not_see_rotation_scale_or_place():
    """Centred Gram matrices of X and of 3 X R + 5 differ by the factor 9, which cancels."""
    draw = torch.Generator().manual_seed(0)
    x = torch.randn(40, 6, generator=draw)
    rotation = torch.linalg.qr(torch.randn(6, 6, generator=draw)).Q
    groups = [str(i // 4) for i in range(40)]
    assert linear_cka(x, 3 * x @ rotation + 5, groups).value == pytest.approx(1)
    other = linear_cka(x, torch.randn(40, 6, generator=draw), groups)
    assert 0 < other.value < 0.5
    assert other.low <= other.value <= other.high


def test_cka_by_hand():
    """x = (1, -1, 0, 0), y = (1, -1, 1, -1): (x.y)^2 / (x.x y.y) = 4 / (2 * 4) = 0.5."""
    x, y = torch.tensor([[1.0], [-1], [0], [0]]), torch.tensor([[1.0], [-1], [1], [-1]])
    assert linear_cka(x, y, list("abcd")).value == pytest.approx(0.5)


def test_cka_of_states_that_do_not_vary_is_not_a_number_but_a_reason():
    found = linear_cka(torch.ones(4, 2), torch.ones(4, 2), list("abcd"))
    assert not found.available
    assert "not finite" in found.note


def test_a_known_change_of_weights():
    """q_proj of block 1 times 1.5: ||0.5 W|| / ||W|| = 0.5; all else is as it was."""
    model = tiny("llama")
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    with torch.no_grad():
        model.model.layers[1].self_attn.q_proj.weight *= 1.5
        model.model.layers[0].input_layernorm.weight *= 2
    found = weight_changes(model, before)
    assert not isinstance(found, Unavailable)
    moved = {(c.kind, c.block): c.value for c in found}
    assert moved["q_proj", 1] == pytest.approx(0.5)
    # two norms of 32 ones: ||(1, .., 1)|| / ||64 ones|| = sqrt(32/64)
    assert moved["norms", 0] == pytest.approx(math.sqrt(0.5))
    assert {place for place, value in moved.items() if value} == {("q_proj", 1), ("norms", 0)}
    assert {kind for kind, block in moved if block is None} == {
        "embeddings",
        "output layer",
        "norms",
    }
    assert len([kind for kind, block in moved if block == 0]) == 8


def test_zeros_that_became_something_have_no_share_of_change():
    model = nn.Sequential(nn.ModuleList([nn.Linear(2, 2)]))
    before = {name: torch.zeros_like(p) for name, p in model.named_parameters()}
    found = weight_changes(model, before)
    assert not isinstance(found, Unavailable)
    assert all(math.isnan(change.value) for change in found)


def test_other_weights_cannot_be_compared():
    found = weight_changes(nn.Sequential(nn.ModuleList([nn.Linear(2, 2)])), {})
    assert isinstance(found, Unavailable)
    assert "names or shapes" in found.reason


@pytest.mark.parametrize("kind", ["llama", "gpt_neox", "phi", "phi3", "gpt2"])
def test_the_lens_after_the_last_block_is_the_model_itself(kind: str):
    extra = {"n_embd": 32, "n_layer": 3, "n_head": 4} if kind == "gpt2" else {}
    model = tiny(kind, **extra)
    assert isinstance(find_lens(model, ROWS[0].ids), Lens)
    seen = observe(model, ROWS)
    assert not isinstance(seen.lens, Unavailable)
    assert seen.lens["lens_probability"].shape == (3, 4)
    assert seen.lens["lens_probability"][-1] == pytest.approx(seen.columns["probability"])
    assert seen.lens["lens_kl"][-1] == pytest.approx(np.zeros(4), abs=1e-6)
    first = seen.columns["rank"] == 0
    assert np.all(seen.lens["lens_first"][-1] >= first)


def test_capped_logits_are_capped_in_every_block():
    """Gemma 2: a cap of 0.1 on logits keeps every probability of 64 tokens under e^0.2 / 64."""
    seen = observe(tiny("gemma2", final_logit_softcapping=0.1), ROWS)
    assert not isinstance(seen.lens, Unavailable)
    assert seen.lens["lens_probability"].max() < math.exp(0.2) / 64
    assert seen.lens["lens_kl"][-1] == pytest.approx(np.zeros(4), abs=1e-6)


def test_a_lens_is_refused_where_logits_are_changed_otherwise():
    """Cohere scales its logits: norm and output layer alone would give others."""
    model = tiny("cohere", logit_scale=5.0)
    found = find_lens(model, ROWS[0].ids)
    assert isinstance(found, Unavailable)
    assert "changes its logits" in found.reason
    seen = observe(model, ROWS)
    assert lens_curves(seen, ["a", "b"]) == found
    assert seen.hidden.shape == (3, 4, 32)


def test_matrices_of_one_name_in_two_places_are_told_apart():
    model = tiny("gpt2", n_embd=32, n_layer=3, n_head=4)
    found = weight_changes(model, dict(model.named_parameters()))
    assert not isinstance(found, Unavailable)
    kinds = {change.kind for change in found if change.block == 0}
    assert kinds == {"c_attn", "attn.c_proj", "c_fc", "mlp.c_proj", "norms", "biases"}


def test_probabilities_are_those_of_a_plain_forward_pass():
    model = tiny("llama")
    seen = observe(model, ROWS)
    with torch.no_grad():
        q = model(input_ids=torch.tensor([ROWS[0].ids])).logits[0].softmax(-1)
    wanted = [q[1, 3], q[2, 4], q[3, 5]]
    assert seen.columns["probability"][:3] == pytest.approx([float(p) for p in wanted])
    assert seen.columns["seesaw"][0] == pytest.approx(float(q[1].topk(5).values.sum()))


def test_chunks_change_nothing(monkeypatch: pytest.MonkeyPatch):
    model = tiny("llama")
    whole = observe(model, ROWS)
    monkeypatch.setattr("unteach.audit.explain.CHUNK", 1)
    parts = observe(model, ROWS)
    assert not isinstance(whole.lens, Unavailable)
    assert not isinstance(parts.lens, Unavailable)
    for name, measured in whole.lens.items():
        assert parts.lens[name] == pytest.approx(measured, abs=1e-5)


def test_attention_falls_on_the_subject_by_hand():
    """With W_q = 0 all scores are equal: position i spreads evenly over i + 1 tokens.

    Row a (answer from 2, subject 0 and 1): from 1: 2/2 = 1; from 2 and 3: (2/3 + 2/4)/2 = 0.5833.
    Row b (answer at 3, subject 1): from 2: 1/3, and no later position.
    """
    model = tiny("llama")
    with torch.no_grad():
        for block in model.model.layers:
            block.self_attn.q_proj.weight.zero_()
    before = model.config._attn_implementation
    found = by_name(attention_curves(model, ROWS, ["a", "b"]))
    assert values(found["attention_prompt"]) == pytest.approx([2 / 3] * 3)
    assert values(found["attention_answer"]) == pytest.approx([7 / 12] * 3)
    assert "1 of 2 unknown" in found["attention_answer"].findings[0].note
    assert model.config._attn_implementation == before


def test_attention_is_unavailable_where_there_is_none():
    model = tiny("mamba", num_hidden_layers=2, state_size=4, intermediate_size=64)
    found = attention_curves(model, ROWS, ["a", "b"])
    assert isinstance(found, Unavailable)
    bare = [Row((1, 2, 3), 1, "a")]
    found = attention_curves(tiny("llama"), bare, ["a"])
    assert isinstance(found, Unavailable)
    assert "no question" in found.reason


def test_the_subject_is_found_in_the_question(tiny_chat_folder):
    renderer = Renderer(loaded(tiny_chat_folder).tokenizer)

    def named(example: Example) -> str:
        ids = renderer.prompt_ids(example)
        places = subject_places(renderer, example, ids)
        return renderer.tokenizer.decode([ids[i] for i in places])

    assert named(Example("Where was Ada Byron born?", "In Turin.")) == "Ada Byron"
    assert named(Example("where was ada byron born?", "x", group="Ada Byron")) == "ada byron"
    assert named(Example("Did Bo Olin meet Bo Olin in Lyon?", "No.")) == "Bo OlinBo OlinLyon"
    assert named(Example("Où est né Émile Zola ?", "À Paris.")) == "Émile Zola"
    assert named(Example("where is it?", "There.")) == ""
    assert subject_places(renderer, Example("", "A text about Ada Byron."), (1, 2)) == ()


def test_a_row_ends_before_the_turn_does(tiny_chat_folder):
    model = loaded(tiny_chat_folder)
    (row,) = rows_of_split(model, [Example("Where?", "In Rome.", id="1")])
    assert model.tokenizer.decode(row.ids[row.start :]) == "In Rome."
    assert row.group == "1"
    (long,) = rows_of_split(model, [Example("Where?", "a" * 200)])
    assert len(long.ids) - long.start == 64


def test_a_model_against_itself(blank: Loaded, people: Splits):
    rows = rows_of_split(blank, people["forget"])
    groups = [row.group for row in rows]
    first = observe(blank.model, rows)
    again = observe(copy.deepcopy(blank.model), rows, first)
    for name, column in first.columns.items():
        assert again.columns[name] == pytest.approx(column)
    found = by_name(similarity(again, first, groups))
    for curve in found.values():
        assert values(curve) == pytest.approx([1, 1])
    changes = weight_changes(blank.model, dict(blank.model.named_parameters()))
    assert not isinstance(changes, Unavailable)
    assert {change.value for change in changes} == {0.0}


def test_a_knowing_model_and_a_blank_one_come_apart(knowing: Loaded, blank: Loaded, people: Splits):
    rows = rows_of_split(knowing, people["forget"])
    groups = [row.group for row in rows]
    knows = observe(knowing.model, rows)
    knows_not = observe(blank.model, rows, knows)
    more, less = (by_name(distributions(seen, groups)) for seen in (knows, knows_not))
    for name, sign in {
        "probability": 1,
        "margin": 1,
        "seesaw": 1,
        "rank": -1,
        "entropy": -1,
    }.items():
        one, other = more[name].overall, less[name].overall
        assert one is not None
        assert other is not None
        assert sign * (one.value - other.value) > 0, name
    deep, shallow = (by_name(lens_curves(seen, groups)) for seen in (knows, knows_not))
    assert values(deep["lens_first"])[-1] > 0.9
    assert values(shallow["lens_first"])[-1] < 0.2
    alike = by_name(similarity(knows_not, knows, groups))
    assert all(value < 0.9 for value in values(alike["cosine"]))
    changes = weight_changes(blank.model, dict(knowing.model.named_parameters()))
    assert not isinstance(changes, Unavailable)
    assert min(change.value for change in changes if change.kind == "q_proj") > 0.1


def test_similarity_needs_states_of_one_shape():
    found = similarity(observe(tiny("llama"), ROWS), seen_by_hand([0, 0, 0]), ["a", "b"])
    assert isinstance(found, Unavailable)
