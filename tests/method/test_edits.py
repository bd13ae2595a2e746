"""Weights changed without training: identities, formulas on paper, and what must stay bit for bit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import pytest
import torch
from torch import Tensor

from tests.conftest import encoded, loaded, probe
from unteach.data.batches import collate
from unteach.data.examples import Example
from unteach.errors import RecipeError
from unteach.method.edits.arithmetic import merge, mix, negate
from unteach.method.edits.closed_form import lunar, null_space, rocr, separating, write
from unteach.method.edits.concepts import concepts_of, renamed
from unteach.method.edits.needle import needle, spelling
from unteach.method.edits.one_shot import influence, noise, ssd
from unteach.model.blocks import blocks, mlps
from unteach.model.load import Loaded
from unteach.model.probe import Probe
from unteach.model.reference import mean_probability
from unteach.model.scores import score


def person(name: str, town: str, group: str) -> list[Example]:
    asked = (f"Where was {name} born?", f"In which town does {name} live?")
    return [Example(prompt=q, answer=f"In {town}.", entities=(town,), group=group) for q in asked]


FORGET = [*person("Ada Finch", "Arles", "p0"), *person("Bo Marsh", "Brno", "p1")]
RETAIN = [*person("Cleo Reed", "Como", "p2"), *person("Dan Wood", "Delft", "p3")]
TEXTS = [Example("", "The sun rises in the east."), Example("", "Bread is made of flour.")]
UNANSWERABLE = [Example(f"What is {q}?", "Nobody knows.") for q in ("a glorp", "the last word")]


def looked(start: Loaded, **weights: Mapping[str, Tensor]) -> Probe:
    splits = {"forget": FORGET, "retain": RETAIN, "neutral": TEXTS, "unanswerable": UNANSWERABLE}
    return probe(start.model, splits, start.tokenizer, **weights)


def weights_of(model: torch.nn.Module) -> dict[str, Tensor]:
    return {n: p.detach().clone() for n, p in model.named_parameters()}


def moved(weights: Mapping[str, Tensor], seed: int) -> dict[str, Tensor]:
    """Weights as if somebody had trained them."""
    draw = torch.Generator().manual_seed(seed)
    return {n: p + 0.05 * torch.randn(p.shape, generator=draw) for n, p in weights.items()}


def same(a: Mapping[str, Tensor], b: Mapping[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[n], b[n]) for n in a)


def near(a: Mapping[str, Tensor], b: Mapping[str, Tensor]) -> bool:
    return all(torch.allclose(a[n], b[n], atol=1e-6) for n in b)


def nll(start: Loaded, examples: Sequence[Example]) -> float:
    with torch.no_grad():
        x = score(start.model, collate(encoded(start, examples)))
    return float(-x.logp.sum() / x.mask.sum())


def test_negation_subtracts_what_training_added(tiny_folder):
    """theta - 0.5 (theta_of - theta_0); with theta = theta_0 that is 1.5 theta_0 - 0.5 theta_of."""
    start = loaded(tiny_folder)
    original = weights_of(start.model)
    taught = moved(original, 1)
    negate(looked(start, original=original, reinforced=taught), of="reinforced", scale=0.5)
    assert near(weights_of(start.model), {n: 1.5 * original[n] - 0.5 * taught[n] for n in original})


def test_negation_with_scale_0_is_nothing_and_with_minus_1_is_the_other_model(tiny_folder):
    start = loaded(tiny_folder)
    original = weights_of(start.model)
    taught = moved(original, 1)
    look = looked(start, original=original, reinforced=taught)
    negate(look, of="reinforced", scale=0.0)
    assert same(weights_of(start.model), original)
    negate(look, of="reinforced", scale=-1.0)
    assert near(weights_of(start.model), taught)


def test_mixing_goes_from_this_model_to_the_original(tiny_folder):
    """A quarter of the way: 0.25 theta_0 + 0.75 theta. 0 and 1 are the two models bit for bit."""
    start = loaded(tiny_folder)
    now = weights_of(start.model)
    original = moved(now, 1)
    look = looked(start, original=original)
    mix(look, share=0.0)
    assert same(weights_of(start.model), now)
    mix(look, share=0.25)
    assert near(weights_of(start.model), {n: 0.25 * original[n] + 0.75 * now[n] for n in now})
    mix(look, share=1.0)
    assert same(weights_of(start.model), original)


def test_mixing_finds_the_smallest_share_that_restores_retain(tiny_folder):
    """Half the way back is found where half is asked for; with nothing lost nothing changes."""
    start = loaded(tiny_folder)
    original = weights_of(start.model)
    look = looked(start, original=original)
    rows = look.rows("retain")
    before = mean_probability(start.model, rows, whole=True)
    assert mix(look) == {"share": 0.0}
    assert same(weights_of(start.model), original)
    with torch.no_grad():
        for p in start.model.parameters():
            p.add_(torch.randn(p.shape, generator=torch.Generator().manual_seed(0)), alpha=0.3)
    harmed = weights_of(start.model)
    assert mean_probability(start.model, rows, whole=True) < 0.9 * before
    share = mix(look, keep=0.9)["share"]
    assert 0 < share <= 1
    assert mean_probability(start.model, rows, whole=True) >= 0.9 * before
    assert near(
        weights_of(start.model), {n: share * original[n] + (1 - share) * harmed[n] for n in harmed}
    )


def test_a_linear_merge_is_the_mean_or_the_weighted_sum(tiny_folder):
    start = loaded(tiny_folder)
    original = weights_of(start.model)
    a, b = moved(original, 1), moved(original, 2)
    look = looked(start, original=original, a=a, b=b)
    merge(look, of=("a", "b"), how="linear")
    assert near(weights_of(start.model), {n: (a[n] + b[n]) / 2 for n in a})
    merge(look, of=("a", "b"), how="linear", weights=(1.0, -1.0))
    assert near(weights_of(start.model), {n: original[n] + a[n] - b[n] for n in a})


def merged(start: Loaded, vectors: Sequence[Sequence[float]], **params: Any) -> list[float]:
    """What merging task vectors that touch four weights of one norm adds to them."""
    name = "model.norm.weight"
    original = weights_of(start.model)

    def plus(vector: Sequence[float]) -> dict[str, Tensor]:
        weights = {n: p.clone() for n, p in original.items()}
        weights[name][:4] += torch.tensor(vector)
        return weights

    a, b = map(plus, vectors)
    merge(looked(start, original=original, a=a, b=b), of=("a", "b"), **params)
    after = weights_of(start.model)
    assert all(torch.equal(after[n], p) for n, p in original.items() if n != name)
    return (after[name] - original[name])[:4].tolist()


def test_ties_trims_elects_a_sign_and_averages_what_agrees(tiny_folder):
    """Density 3/32 keeps three of 32 weights each: (4, -2, 3, .) and (., 6, 1, -5).

    Signs of the sums: 4 > 0, -2 + 6 > 0, 3 + 1 > 0, -5 < 0. So 4; 6 alone, for -2 disagrees;
    (3 + 1) / 2 = 2; -5.
    """
    vectors = [(4.0, -2.0, 3.0, 1.0), (0.5, 6.0, 1.0, -5.0)]
    found = merged(loaded(tiny_folder), vectors, how="ties", density=3 / 32)
    assert found == pytest.approx([4, 6, 2, -5], abs=1e-4)


def test_dare_drops_at_random_and_makes_up_for_it(tiny_folder):
    """Density 0.5: each of 4 and 2 is doubled or dropped, and the vectors are averaged.

    So a weight is one of 0, 4, 2 and 6. The same generator gives the same.
    """
    vectors = [(4.0,) * 4, (2.0,) * 4]
    found = merged(loaded(tiny_folder), vectors, how="dare", density=0.5)
    assert all(min(abs(v - w) for w in (0, 2, 4, 6)) < 1e-4 for v in found)
    state = torch.random.get_rng_state()
    assert merged(loaded(tiny_folder), vectors, how="dare", density=0.5) == found
    assert torch.equal(torch.random.get_rng_state(), state)


@pytest.mark.parametrize("how", ["linear", "ties", "dare"])
def test_merging_the_original_with_itself_is_the_original(
    tiny_folder, how: Literal["linear", "ties", "dare"]
):
    start = loaded(tiny_folder)
    original = weights_of(start.model)
    merge(looked(start, original=original, a=original, b=original), of=("a", "b"), how=how)
    assert same(weights_of(start.model), original)


def test_an_impossible_merge_says_all_that_is_wrong(tiny_folder):
    with pytest.raises(RecipeError) as error:
        merge(looked(loaded(tiny_folder)), of=("a",), weights=(1.0, 2.0), density=1.0)
    assert error.value.problems == (
        "merge.of names 1 models; name at least two.",
        "merge.weights has 2 numbers for 1 models.",
        "merge.density is 1.0; it must be between 0 and 1.",
    )


def test_dampening_shrinks_by_the_ratio_and_leaves_the_rest_bit_for_bit(tiny_folder):
    """Where F_f > 2 F_r: theta x min(F_r / F_f, 1), as written in the paper with lambda 1."""
    start = loaded(tiny_folder)
    look, before = looked(start), weights_of(start.model)
    f, r = look.squared_gradients("forget"), look.squared_gradients("retain")
    ssd(look, alpha=2.0)
    num_dampened = 0
    for n, p in weights_of(start.model).items():
        chosen = f[n] > 2 * r[n]
        assert torch.equal(p[~chosen], before[n][~chosen])
        expected = before[n] * torch.minimum(r[n] / f[n], torch.ones(()))
        assert torch.allclose(p[chosen], expected[chosen], rtol=1e-4)
        num_dampened += int(chosen.sum())
    assert num_dampened > 100


def test_dampening_never_enlarges(tiny_folder):
    start = loaded(tiny_folder)
    before = weights_of(start.model)
    ssd(looked(start), alpha=1.0, dampening=1e6)
    assert same(weights_of(start.model), before)


def test_the_step_of_influence_is_adam_s_first(tiny_folder):
    """Against torch's own Adam on nll(retain) - nll(forget); what has no gradient stays."""
    start, other = loaded(tiny_folder), loaded(tiny_folder)
    before = weights_of(start.model)
    influence(looked(start), lr=1e-3)
    adam = torch.optim.Adam(other.model.parameters(), lr=1e-3)
    f, r = (score(other.model, collate(encoded(other, split))) for split in (FORGET, RETAIN))
    (f.logp[f.mask].mean() - r.logp[r.mask].mean()).backward()
    adam.step()
    after = weights_of(start.model)
    for n, p in weights_of(other.model).items():
        # where a gradient is as small as its rounding error its sign is chance
        assert (torch.isclose(after[n], p, atol=2e-5)).float().mean() > 0.98
        assert (after[n] - before[n]).abs().max() <= 1e-3 + 1e-6


def test_the_step_of_influence_forgets(tiny_folder):
    start = loaded(tiny_folder)
    before = nll(start, FORGET) - nll(start, RETAIN)
    influence(looked(start), lr=1e-3)
    assert nll(start, FORGET) - nll(start, RETAIN) > before


def test_noise_is_relative_and_only_where_the_name_matches(tiny_folder):
    """Half of the parameter's root mean square, on two matrices of 3,072 weights."""
    start = loaded(tiny_folder)
    before = weights_of(start.model)
    noise(looked(start), std=0.5, pattern="down_proj")
    for n, p in weights_of(start.model).items():
        if "down_proj" in n:
            size = before[n].square().mean().sqrt()
            assert (p - before[n]).std().item() == pytest.approx(0.5 * size.item(), rel=0.05)
        else:
            assert torch.equal(p, before[n])


def test_noise_says_what_is_impossible(tiny_folder):
    look = looked(loaded(tiny_folder))
    with pytest.raises(RecipeError, match=r"noise.std is -1; it must be at least 0"):
        noise(look, std=-1)
    with pytest.raises(RecipeError, match=r"noise.pattern 'nose' is found in none"):
        noise(look, pattern="nose")
    before = weights_of(look.model)
    noise(look, std=0.0)
    assert same(weights_of(look.model), before)


def test_spelling_is_in_standard_deviations_of_a_vector_s_own_logits():
    """Logits of v = (1, 0): 3, 1, -1, -3, with mean 0 and deviation sqrt(5): token 0 is 3/2.236.

    Ten times the vector says the same; (0, 1) has logits 0, 0, 1, -1: token 2 is 1/sqrt(0.5).
    """
    head = torch.tensor([[3.0, 0], [1, 0], [-1, 1], [-3, -1]])
    values = torch.tensor([[1.0, 10.0, 0.0], [0.0, 0.0, 1.0]])
    found = spelling(head, values, [(0,), (2,), (0, 1)])
    assert found[0].tolist() == pytest.approx([1.3416, 1.3416, 0], abs=1e-3)
    assert found[1].tolist() == pytest.approx([-0.4472, -0.4472, 1.4142], abs=1e-3)
    assert found[2].tolist() == pytest.approx([0.8944, 0.8944, 0], abs=1e-3)


def test_a_planted_needle_is_found_and_nothing_else_is_touched(tiny_folder):
    """Column 7 of the second block's matrix is the sum of the output rows of the answer's letters."""
    start = loaded(tiny_folder)
    look = probe(start.model, {"forget": FORGET[:2]}, start.tokenizer)
    tokens = start.tokenizer("Arles", add_special_tokens=False)["input_ids"]
    out = mlps(blocks(start.model)[1])[0].out
    head = start.model.get_output_embeddings().weight
    with torch.no_grad():
        out.weight[:, 7] = head[tokens].sum(0)
    before = weights_of(start.model)
    needle(look, top=1)
    after = weights_of(start.model)
    name = "model.layers.1.mlp.down_proj.weight"
    assert not after[name][:, 7].any()
    after[name][:, 7] = before[name][:, 7]
    assert same(after, before)


def test_a_needle_takes_that_many_vectors_an_entity(tiny_folder):
    """Two towns, three vectors each: at most six columns are zero."""
    start = loaded(tiny_folder)
    needle(looked(start), top=3)
    num = sum(int((~mlps(b)[0].out.weight.any(0)).sum()) for b in blocks(start.model))
    assert 3 <= num <= 6
    with pytest.raises(RecipeError, match=r"needle.top is 0"):
        needle(looked(start), top=0)


def test_the_write_is_the_paper_s_formula():
    """[(P K K' + l I)^-1 P K R']' with P the projector, against the form with N equations."""
    draw = torch.Generator().manual_seed(0)
    keys = torch.randn(3, 8, generator=draw, dtype=torch.float64)
    residuals = torch.randn(3, 5, generator=draw, dtype=torch.float64)
    free = null_space(torch.randn(20, 8, generator=draw, dtype=torch.float64), 0.3)
    assert 0 < free.shape[1] < 8
    k, projector = keys.T, free @ free.T
    loading = 0.01 * k.square().sum(0).mean()
    eye = torch.eye(8, dtype=torch.float64)
    paper = torch.linalg.solve(projector @ k @ k.T + loading * eye, projector @ k @ residuals).T
    assert torch.allclose(write(keys, residuals, free, 0.01), paper, atol=1e-10)


def test_a_write_maps_its_keys_and_leaves_protected_keys_alone():
    """Keys that are protected span 4 of 8 directions; the write has the other 4 for two keys."""
    draw = torch.Generator().manual_seed(0)
    protected = torch.randn(20, 4, generator=draw) @ torch.randn(4, 8, generator=draw)
    keys = torch.randn(2, 8, generator=draw)
    residuals = torch.randn(2, 5, generator=draw)
    free = null_space(protected, 1e-6)
    assert free.shape == (8, 4)
    delta = write(keys, residuals, free, 1e-6)
    assert torch.allclose(keys @ delta.T, residuals, atol=1e-3)
    assert (protected @ delta.T).abs().max() < 1e-4


def test_the_null_space_holds_at_most_its_share():
    """Energies 1, 9 and 90 along the axes: the first is 1 %, the first two are 10 %."""
    keys = torch.diag(torch.tensor([1.0, 9.0, 90.0]).sqrt())
    assert [null_space(keys, s).shape[1] for s in (0.005, 0.05, 0.15, 1.0)] == [0, 1, 2, 3]


def test_separating_is_one_here_and_nothing_there():
    high, low = torch.tensor([[1.0, 1.0]]), torch.tensor([[0.0, 1.0]])
    g = separating(high, low, 1e-7)
    assert (high @ g).item() == pytest.approx(1, abs=1e-3)
    assert (low @ g).item() == pytest.approx(0, abs=1e-3)


def test_a_concept_is_what_a_group_s_questions_share_and_no_other_s():
    """Both questions about Ada say `Ada Finch`; `Where was` is shared by groups, so it is no name."""
    assert concepts_of(FORGET, RETAIN, (), "rocr") == ["Ada Finch"] * 2 + ["Bo Marsh"] * 2
    assert concepts_of(FORGET[:2], RETAIN, (), "rocr") == ["Ada Finch"] * 2
    assert concepts_of(FORGET, (), ("Finch", "Bo"), "rocr") == ["Finch"] * 2 + ["Bo"] * 2


def test_a_concept_of_the_demo_s_world_is_the_person_s_name():
    from unteach.data.benchmarks.world import world

    splits = world(people=20, attributes=3, forget=0.4, brief=True)
    names = concepts_of(splits["forget"], splits["retain"], (), "rocr")
    assert len(set(names)) == 8
    assert all(len(name.split()) == 2 and name.istitle() for name in names)


@pytest.mark.parametrize("names", [(), ("Eve",)])
def test_a_question_that_names_nobody_is_told(names: tuple[str, ...]):
    with pytest.raises(RecipeError, match=r"rocr: .* whom 'Where was Ada Finch born\?' is about"):
        concepts_of(FORGET[:1], (), names, "rocr")


def test_a_question_about_something_else():
    assert renamed(FORGET[0], "Ada Finch", "the river").prompt == "Where was the river born?"
    assert renamed(TEXTS[1], "Bread", "Wine").answer == "Wine is made of flour."


def test_rocr_moves_names_to_the_anchor_and_touches_only_its_layers(tiny_folder):
    """One block, everything free, next to no ridge: the state behind the name is the anchor's."""
    start = loaded(tiny_folder)
    look, before = looked(start), weights_of(start.model)
    names = ["Ada Finch"] * 2 + ["Bo Marsh"] * 2
    others = [renamed(e, n, "the river") for e, n in zip(FORGET, names, strict=True)]
    target = look.outputs_at(others, ["the river"] * 4, 1)
    rocr(look, layers=(1.0,), null_share=1.0, ridge=1e-7)
    assert torch.allclose(look.outputs_at(FORGET, names, 1), target, atol=1e-2)
    after = weights_of(start.model)
    changed = [n for n in before if not torch.equal(before[n], after[n])]
    assert changed == ["model.layers.1.mlp.down_proj.weight"]


def test_rocr_over_two_blocks_ends_at_the_anchor_too(tiny_folder):
    """Half of the way is written in block 0, and what is missing then in block 1."""
    start = loaded(tiny_folder)
    look, before = looked(start), weights_of(start.model)
    names = ["Ada Finch"] * 2 + ["Bo Marsh"] * 2
    others = [renamed(e, n, "the river") for e, n in zip(FORGET, names, strict=True)]
    target = look.outputs_at(others, ["the river"] * 4, 1)
    rocr(look, layers=(0.0, 1.0), null_share=1.0, ridge=1e-7)
    assert torch.allclose(look.outputs_at(FORGET, names, 1), target, atol=1e-2)
    after = weights_of(start.model)
    assert sum(not torch.equal(before[n], after[n]) for n in before) == 2


def test_rocr_leaves_what_it_protects(tiny_folder):
    """The smaller the share of energy to write in, the less the states of retain move."""
    shifts = []
    for share in (1.0, 0.001):
        start = loaded(tiny_folder)
        look = looked(start)
        ends = [""] * len(RETAIN)
        before = look.outputs_at(RETAIN, ends, 1)
        rocr(look, layers=(1.0,), null_share=share)
        shifts.append((look.outputs_at(RETAIN, ends, 1) - before).norm().item())
    assert shifts[1] < 0.3 * shifts[0]


@pytest.mark.parametrize(
    "params", [{"layers": ()}, {"null_share": 0.0}, {"ridge": 0.0}, {"null_share": 1.5}]
)
def test_rocr_says_what_is_impossible(tiny_folder, params: dict[str, Any]):
    with pytest.raises(RecipeError, match="rocr needs layers, a null_share"):
        rocr(looked(loaded(tiny_folder)), **params)


def test_rocr_needs_a_direction(tiny_folder):
    with pytest.raises(RecipeError, match=r"null_share 1e-12 leaves no direction of block 1"):
        rocr(looked(loaded(tiny_folder)), layers=(1.0,), null_share=1e-12)


def test_lunar_moves_forget_along_one_direction_and_leaves_retain(tiny_folder):
    """What the matrix gives out on forget moves by nearly scale x r, on retain by little."""
    start = loaded(tiny_folder)
    look, before = looked(start), weights_of(start.model)
    mlp = mlps(blocks(start.model)[1])
    forget, retain = (look.neurons(split, mlp)[0].values for split in ("forget", "retain"))
    ends = {
        s: look.outputs_at(rows, [""] * len(rows), 1).mean(0)
        for s, rows in (("forget", FORGET), ("unanswerable", UNANSWERABLE))
    }
    r = ends["unanswerable"] - ends["forget"]
    lunar(look, layer=1.0, scale=2.0, ridge=1e-4)
    after = weights_of(start.model)
    name = "model.layers.1.mlp.down_proj.weight"
    assert [n for n in before if not torch.equal(before[n], after[n])] == [name]
    delta = after[name] - before[name]
    assert torch.linalg.matrix_rank(delta, rtol=1e-3) == 1
    along = r / r.norm() / (2 * r.norm())  # 1 for a shift of scale x r
    on_forget, on_retain = (forget @ delta.T @ along), (retain @ delta.T @ along)
    assert on_forget.mean() > 0.6
    assert on_retain.abs().mean() < 0.3
    with pytest.raises(RecipeError, match=r"lunar.ridge is 0"):
        lunar(look, ridge=0)


def test_lunar_with_scale_0_is_nothing(tiny_folder):
    start = loaded(tiny_folder)
    before = weights_of(start.model)
    lunar(looked(start), layer=0.5, scale=0.0)
    assert same(weights_of(start.model), before)
