"""Which weights may move: what is chosen, and that nothing else moves when the loop trains."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from tests.conftest import encoded, loaded, people, probe
from unteach import registry
from unteach.data.batches import collate
from unteach.data.examples import Example
from unteach.errors import DataError, ModelError, RecipeError
from unteach.method.objectives.likelihood import ascent
from unteach.method.rules.sum import weighted_sum
from unteach.method.selection.fisher import fisher_lora, most_relevant
from unteach.method.selection.layers import layers
from unteach.method.selection.lora import lora, memflex
from unteach.method.selection.masks import top_share
from unteach.method.selection.neurons import _attributions, neurons
from unteach.method.selection.orthogonal import lora_apart, orthogonal_lora, overlap
from unteach.method.selection.saliency import saliency_rows, salun
from unteach.method.selection.whole import whole
from unteach.model.blocks import Neurons, blocks, matrices, mlps, reading_neurons
from unteach.model.load import Loaded
from unteach.model.probe import Probe, Selected
from unteach.model.scores import score
from unteach.train.loop import Plan, train
from unteach.train.optim import adamw
from unteach.train.term import Term

FORGET, RETAIN = people(3), people(4, 3)


def looked(start: Loaded, **weights: Mapping[str, Tensor]) -> Probe:
    return probe(start.model, {"forget": FORGET, "retain": RETAIN}, start.tokenizer, **weights)


def weights_of(model: torch.nn.Module) -> dict[str, Tensor]:
    return {n: p.detach().clone() for n, p in model.named_parameters()}


def trained(start: Loaded, selected: Selected) -> dict[str, Tensor]:
    """The model's weights after four steps with momentum and weight decay, which move all they can."""
    plan = Plan(
        terms=[Term("ga", "forget", ascent, "token")],
        rows={"forget": encoded(start, FORGET)},
        steps=4,
        batch=3,
        micro_batch=3,
        optimizer=partial(adamw, lr=0.01, weight_decay=0.1),
        rule=weighted_sum(),
        masks=selected.masks,
        penalty=selected.penalty,
    )
    train(selected.model, plan)
    return weights_of(selected.model)


CHOICES: list[tuple[str, dict[str, Any]]] = [
    ("layers", {"pattern": r"layers\.1\.mlp"}),
    ("saliency_rows", {"share": 0.1}),
    ("salun", {"share": 0.2}),
    ("neurons", {"share": 0.05, "contexts": 2}),
    ("lora", {"rank": 2}),
    ("memflex", {"rank": 2, "cosine": 0.9, "magnitude": 0.0}),
    ("fisher_lora", {"rank": 2}),
    ("orthogonal_lora", {"rank": 2}),
    ("lora_apart", {"rank": 2, "apart_from": ("kept",)}),
]


@pytest.mark.parametrize(("name", "params"), CHOICES, ids=[name for name, _ in CHOICES])
def test_only_what_is_selected_moves(tiny_folder, name: str, params: dict[str, Any]):
    """Slip 7: published masks never reached the weights. So this looks at the weights, after training."""
    start = loaded(tiny_folder)
    selected = registry.find("selection", name).load()(looked(start), **params)
    named = dict(selected.model.named_parameters())
    assert selected.masks.keys() <= {n for n, p in named.items() if p.requires_grad}
    before, after = weights_of(selected.model), trained(start, selected)
    num_moved = 0
    for n, p in before.items():
        free = selected.masks.get(n, torch.tensor(named[n].requires_grad)).expand_as(p)
        assert torch.equal(p[~free], after[n][~free]), n
        num_moved += int((p != after[n]).sum())
    assert num_moved


@pytest.mark.parametrize(("name", "params"), CHOICES, ids=[name for name, _ in CHOICES])
def test_a_selection_changes_no_score(tiny_folder, name: str, params: dict[str, Any]):
    start = loaded(tiny_folder)
    batch = collate(encoded(start, FORGET))
    with torch.no_grad():
        before = score(start.model, batch).logp
        selected = registry.find("selection", name).load()(looked(start), **params)
        after = score(selected.model.eval(), batch).logp
    assert torch.allclose(before, after, atol=2e-5)


def test_whole_is_everything_or_all_but_the_embeddings(tiny_folder):
    start = loaded(tiny_folder)
    start.model.requires_grad_(False)
    model = whole(looked(start)).model
    assert all(p.requires_grad for p in model.parameters())
    model = whole(looked(start), embeddings=False).model
    assert [n for n, p in model.named_parameters() if not p.requires_grad] == [
        "model.embed_tokens.weight"
    ]


def test_layers_are_found_by_name(tiny_folder):
    start = loaded(tiny_folder)
    model = layers(looked(start), pattern=r"layers\.(0|1)\.mlp\.down_proj").model
    assert [n for n, p in model.named_parameters() if p.requires_grad] == [
        f"model.layers.{i}.mlp.down_proj.weight" for i in (0, 1)
    ]


@pytest.mark.parametrize(("ends", "expected"), [((0.0, 0.22), [0]), ((0.5, 1), [1]), ((), [0, 1])])
def test_layers_of_some_blocks_by_share_of_the_depth(tiny_folder, ends, expected):
    """Of two blocks 0.22 is block 0, and 0.5 block 1."""
    model = layers(looked(loaded(tiny_folder)), pattern=r"mlp\.down_proj", blocks=ends).model
    assert [n for n, p in model.named_parameters() if p.requires_grad] == [
        f"model.layers.{i}.mlp.down_proj.weight" for i in expected
    ]


@pytest.mark.parametrize("ends", [(0.5,), (1, 0)])
def test_layers_need_a_first_and_a_last_block(tiny_folder, ends):
    with pytest.raises(RecipeError, match=r"layers.blocks is .* names a first and a last block"):
        layers(looked(loaded(tiny_folder)), pattern="mlp", blocks=ends)


def test_layers_that_do_not_exist_are_named_with_examples(tiny_folder):
    with pytest.raises(RecipeError, match=r"'h\\.7' is found in none .* model.norm.weight"):
        layers(looked(loaded(tiny_folder)), pattern=r"h\.7")


def test_the_top_share_is_taken_over_all_together():
    """Eight scores, share 0.3: the ceiling of 2.4 is 3, and the third highest is 5."""
    scores = {"a": torch.tensor([1.0, 9, 2, 3]), "b": torch.tensor([[7.0, 0], [5, 4]])}
    masks = top_share(scores, 0.3)
    assert masks["a"].tolist() == [False, True, False, False]
    assert masks["b"].tolist() == [[True, False], [True, False]]


def test_a_score_of_zero_is_never_chosen():
    """Half of four are two, but only one is above 0."""
    assert top_share({"a": torch.tensor([0.0, 0, 3, 0])}, 0.5)["a"].tolist() == [0, 0, 1, 0]


@pytest.mark.parametrize("share", [0.0, -0.1, 1.5])
def test_a_share_is_a_share(share: float):
    with pytest.raises(RecipeError, match="above 0 and at most 1"):
        top_share({"a": torch.ones(2)}, share)


def test_nothing_to_choose_from_is_an_error():
    with pytest.raises(ModelError, match="no weight's score is above 0"):
        top_share({"a": torch.zeros(2)}, 0.5)


def test_salient_rows_are_the_longest_gradients_of_all_matrices(tiny_folder):
    """Two blocks of 2 x 32 + 2 x 16 + 2 x 96 + 32 = 320 rows: a tenth of 640 is 64."""
    start = loaded(tiny_folder)
    look = looked(start)
    masks = saliency_rows(look, share=0.1).masks
    lengths = {n: look.gradients("forget")[n].norm(dim=1) for n, _ in matrices(start.model)}
    limit = torch.cat(list(lengths.values())).sort(descending=True).values[63]
    for n, length in lengths.items():
        rows = masks[n].any(1) if n in masks else torch.zeros_like(length, dtype=torch.bool)
        assert torch.equal(rows, length >= limit)
    assert sum(int(m[:, 0].sum()) for m in masks.values()) == 64
    assert all(torch.equal(m, m[:, :1].expand_as(m)) for m in masks.values())  # whole rows


def test_salun_takes_single_weights(tiny_folder):
    start = loaded(tiny_folder)
    look = looked(start)
    masks = salun(look, share=0.2).masks
    num_weights = sum(p.numel() for p in start.model.parameters())
    assert sum(int(m.sum()) for m in masks.values()) == pytest.approx(0.2 * num_weights, abs=2)
    gradients = look.gradients("forget")
    least_in = min(gradients[n].abs()[m].min() for n, m in masks.items())
    most_out = max(gradients[n].abs()[~m].max() for n, m in masks.items() if not m.all())
    assert most_out < least_in


def test_memflex_adapts_the_matrices_that_pass_and_no_others(tiny_folder):
    """Thresholds at the medians: each alone passes 7 of 14 matrices, so both pass fewer."""
    start = loaded(tiny_folder)
    names = [n for n, _ in matrices(start.model)]
    look = looked(start)
    f, r = look.gradients("forget", names, random_answers=True), look.gradients("retain", names)
    cosines = {n: torch.cosine_similarity(f[n].flatten(), r[n].flatten(), 0).item() for n in names}
    sizes = {n: f[n].abs().mean().item() for n in names}
    cosine = sorted(cosines.values())[9] + 1e-4
    magnitude = sorted(sizes.values())[4] - 1e-9
    passing = {n for n in names if cosines[n] < cosine and sizes[n] > magnitude}
    assert 0 < len(passing) < 14
    model = memflex(looked(start), cosine=cosine, magnitude=magnitude, rank=2).model
    adapters = {n.split(".lora_A")[0] for n, _ in model.named_parameters() if ".lora_A" in n}
    assert adapters == {f"base_model.model.{n.removesuffix('.weight')}" for n in passing}


def test_memflex_says_how_far_away_everything_was(tiny_folder):
    with pytest.raises(ModelError, match=r"none of 14 matrices .* their magnitudes from \d"):
        memflex(looked(loaded(tiny_folder)), magnitude=100.0)


def test_neurons_are_rows_of_up_and_gate_and_columns_of_down(tiny_folder):
    """Two blocks of 96 neurons: a tenth of 192 are 20, each with a row, a row and a column."""
    start = loaded(tiny_folder)
    masks = neurons(looked(start), share=0.1, contexts=2).masks
    assert all(".mlp." in n for n in masks)
    count = 0
    for i in (0, 1):
        down = masks.get(f"model.layers.{i}.mlp.down_proj.weight", torch.zeros(32, 96))
        count += int(down[0].sum())
        for part in ("up_proj", "gate_proj"):
            rows = masks.get(f"model.layers.{i}.mlp.{part}.weight", torch.zeros(96, 32))
            assert torch.equal(rows[:, 0].bool(), down[0].bool())
    assert count == 20


def test_a_neuron_s_attribution_is_its_value_times_its_slope(tiny_folder):
    """To first order, h dP/dh is what P loses if the neuron falls silent: checked by scaling it."""
    start = loaded(tiny_folder)
    look, found = looked(start), mlps(blocks(start.model)[1])
    (rows,) = _attributions(look, [FORGET[0]], found)
    best = int(rows[0].argmax())
    assert rows[0].shape == (96,)
    assert rows[0][best] > 0
    batch = collate(encoded(start, FORGET[:1]))
    kept: dict[int, Neurons] = {}
    with reading_neurons(found, kept):
        x = score(start.model, batch)
    values = kept[0].values
    (slope,) = torch.autograd.grad((x.seq_logp / x.length).exp().sum(), [values])
    at = int((values * slope)[:, best].argmax())
    eps = 1e-2

    def nudged(sign: float) -> float:
        def push(module: Any, args: Any) -> Any:
            h = args[0].clone()
            h[0, at, best] *= 1 + sign * eps
            return (h,)

        handle = found[0].module.register_forward_pre_hook(push)
        with torch.no_grad():
            y = score(start.model, batch)
        handle.remove()
        return float((y.seq_logp / y.length).exp())

    measured = (nudged(1) - nudged(-1)) / (2 * eps)
    assert rows[0][best].item() == pytest.approx(measured, rel=0.05)


def test_neurons_need_another_question(tiny_folder):
    start = loaded(tiny_folder)
    same = [Example("Who?", FORGET[0].answer)]
    look = probe(start.model, {"forget": FORGET[:1], "retain": same}, start.tokenizer)
    with pytest.raises(DataError, match="cannot be put behind another question"):
        neurons(look)


def test_the_most_relevant_part_of_a_matrix():
    """diag(3, 2) with row weights 1 and 4: weighted it is diag(3, 8), so the second row comes first.

    Of rank 1 the part is diag(0, 2); with equal weights it would be diag(3, 0).
    """
    matrix = torch.diag(torch.tensor([3.0, 2.0]))
    part = most_relevant(matrix, torch.tensor([1.0, 4.0]), 1)
    assert torch.allclose(part.b @ part.a, torch.diag(torch.tensor([0.0, 2.0])), atol=1e-5)
    part = most_relevant(matrix, torch.ones(2), 1)
    assert torch.allclose(part.b @ part.a, torch.diag(torch.tensor([3.0, 0.0])), atol=1e-5)


def test_fisher_lora_splits_each_matrix_in_two(tiny_folder):
    """The matrix without the part, and the adapter with it, add up to the matrix; its rank is 2."""
    start = loaded(tiny_folder)
    before = weights_of(start.model)
    model: Any = fisher_lora(looked(start), rank=2, alpha=7.0).model
    layer = model.get_base_model().model.layers[0].mlp.up_proj
    delta = layer.get_delta_weight("default")
    whole_again = layer.base_layer.weight + delta
    assert torch.allclose(whole_again, before["model.layers.0.mlp.up_proj.weight"], atol=1e-5)
    sizes = torch.linalg.svdvals(delta)
    assert sizes[1] > 1e-2
    assert sizes[2] < 1e-4
    assert not registry.find("selection", "fisher_lora").facts["adapter"]


def test_an_orthogonal_adapter_reads_what_earlier_ones_do_not(tiny_folder, tmp_path: Path):
    """A_new A_old' = 0 for both adapters before it, when it begins and after it was trained."""
    folders = []
    for seed in (1, 2):
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            model = lora(looked(loaded(tiny_folder)), rank=4).model
        folders.append(str(tmp_path / str(seed)))
        model.save_pretrained(folders[-1])
    start = loaded(tiny_folder)
    selected = orthogonal_lora(looked(start), rank=3, earlier=tuple(folders))
    trained(start, selected)
    checked = 0
    for name, p in selected.model.named_parameters():
        if ".lora_A." in name:
            assert torch.allclose(p @ p.T, torch.eye(3), atol=1e-5)
            for folder in folders:
                old = load_file(f"{folder}/adapter_model.safetensors")[name.replace(".default", "")]
                assert (p @ old.T).abs().max() < 1e-5
                checked += 1
        elif ".lora_B." in name:
            assert p.any()
    assert checked == 2 * 14


def test_the_overlap_of_two_adapters_by_hand():
    """A = [[1, 0], [0, 2]], A' = [[3, 4]]: A A'^T = [3, 8], so 9 + 64 = 73."""
    a, other = torch.tensor([[1.0, 0.0], [0.0, 2.0]]), torch.tensor([[3.0, 4.0]])
    assert overlap(a, other).item() == 73


def test_an_adapter_apart_from_another_turns_away_from_it(tiny_folder):
    """The penalty alone: after training under it, the overlap is less than without it."""

    def left(weight: float) -> float:
        start = loaded(tiny_folder)
        seen = looked(start)
        with torch.random.fork_rng():
            torch.manual_seed(1)
            selected = lora_apart(seen, apart_from=("kept",), weight=weight)
        assert (selected.penalty is None) == (weight == 0)
        trained(start, selected)
        other = seen.adapter("kept")
        return sum(
            float(overlap(p.detach(), other[name.partition(".lora_A.")[0][17:] + ".weight"].down))
            for name, p in selected.model.named_parameters()
            if ".lora_A." in name
        )

    assert left(1.0) < 0.8 * left(0.0)


def test_an_adapter_is_apart_from_something(tiny_folder):
    with pytest.raises(RecipeError, match="name at least one"):
        lora_apart(looked(loaded(tiny_folder)), apart_from=())


def test_an_orthogonal_adapter_needs_room(tiny_folder, tmp_path: Path):
    """Width 32: an adapter of rank 30 leaves two directions, and rank 3 wants three."""
    lora(looked(loaded(tiny_folder)), rank=30).model.save_pretrained(tmp_path)
    with pytest.raises(ModelError, match=r"reads 32 directions; earlier adapters use 30 .* rank 3"):
        orthogonal_lora(looked(loaded(tiny_folder)), rank=3, earlier=(str(tmp_path),))


def test_an_earlier_adapter_must_be_one(tiny_folder, tmp_path: Path):
    with pytest.raises(ModelError, match="holds no LoRA adapter"):
        orthogonal_lora(looked(loaded(tiny_folder)), earlier=(str(tmp_path),))
