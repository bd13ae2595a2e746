"""What a selection or an edit looks at, against plain loops; and that looking leaves no trace."""

from __future__ import annotations

import pytest
import torch

from tests.conftest import byte_tokenizer, encoded, loaded, people, probe
from unteach.data.batches import collate
from unteach.data.examples import Example
from unteach.data.render import Renderer
from unteach.model.blocks import Neurons, blocks, mlps, reading_neurons
from unteach.model.fingerprint import of_weights
from unteach.model.scores import score

ROWS = [*people(3), Example("Where is Zoë?", "Far, far away."), Example("", "A text.")]


def slopes(model: torch.nn.Module, value: torch.Tensor) -> dict[str, torch.Tensor]:
    model.zero_grad(set_to_none=True)
    value.backward()
    found = {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}
    model.zero_grad(set_to_none=True)
    return found


def test_gradients_are_those_of_the_mean_over_all_tokens(tiny_folder):
    start = loaded(tiny_folder)
    look = probe(start.model, {"forget": ROWS}, start.tokenizer)
    x = score(start.model, collate(encoded(start, ROWS)))
    expected = slopes(start.model, -x.logp.sum() / x.mask.sum())
    found = look.gradients("forget")
    assert found.keys() == expected.keys()
    for name, g in found.items():
        assert torch.allclose(g, expected[name], atol=1e-5)


def test_squared_gradients_are_the_mean_of_each_row_s_square(tiny_folder):
    start = loaded(tiny_folder)
    look = probe(start.model, {"forget": ROWS[2:]}, start.tokenizer)
    rows = [
        slopes(start.model, -score(start.model, collate([row])).logp.sum())
        for row in encoded(start, ROWS[2:])
    ]
    for name, f in look.squared_gradients("forget").items():
        assert torch.allclose(
            f, torch.stack([r[name] ** 2 for r in rows]).mean(0), rtol=1e-4, atol=1e-8
        )


def test_looking_leaves_no_trace(tiny_folder):
    start = loaded(tiny_folder)
    model = start.model
    before = of_weights(model)
    first, *rest = model.parameters()
    first.requires_grad_(False)
    rest[0].grad = torch.ones_like(rest[0])
    look = probe(model, {"forget": people(2)}, start.tokenizer)
    found = look.gradients("forget", random_answers=True)
    look.squared_gradients("forget")
    assert len(found) == 1 + len(rest)  # the frozen one too
    assert [p.requires_grad for p in model.parameters()] == [False, *[True] * len(rest)]
    assert rest[0].grad is not None
    assert (rest[0].grad == 1).all()
    assert first.grad is None
    assert rest[1].grad is None
    assert of_weights(model) == before


def test_only_the_parameters_asked_for_are_watched(tiny_folder):
    start = loaded(tiny_folder)
    name = "model.layers.0.mlp.down_proj.weight"
    look = probe(start.model, {"forget": people(2)}, start.tokenizer)
    assert list(look.gradients("forget", [name])) == [name]
    whole = look.gradients("forget")[name]
    assert torch.allclose(look.gradients("forget", [name])[name], whole, atol=1e-7)


def test_random_answers_are_drawn_from_the_generator(tiny_folder):
    start = loaded(tiny_folder)

    def drawn() -> torch.Tensor:
        look = probe(start.model, {"forget": people(2)}, start.tokenizer)
        return look.gradients("forget", random_answers=True)["model.norm.weight"]

    true = probe(start.model, {"forget": people(2)}, start.tokenizer).gradients("forget")
    assert torch.equal(drawn(), drawn())
    assert not torch.allclose(drawn(), true["model.norm.weight"], atol=1e-4)


def test_neurons_are_read_where_answers_are_predicted_or_everywhere(tiny_folder):
    start = loaded(tiny_folder)
    look = probe(start.model, {"forget": ROWS}, start.tokenizer)
    found = mlps(blocks(start.model)[1])
    rows = encoded(start, ROWS)
    kept: dict[int, Neurons] = {}
    plain = []
    for row in rows:
        with torch.no_grad(), reading_neurons(found, kept):
            start.model(torch.tensor([row.ids]))
        plain.append(kept[0].values)
    scored = torch.cat([p[r.start - 1 : -1] for p, r in zip(plain, rows, strict=True)])
    said = look.neurons("forget", found)[0]
    assert said.values.shape == scored.shape
    assert said.at.tolist() == list(range(len(scored)))
    assert torch.allclose(said.values.sum(0), scored.sum(0), atol=1e-4)  # in another order
    everywhere = look.neurons("forget", found, prompts=True)[0].values
    assert len(everywhere) == sum(len(row.ids) for row in rows)
    assert torch.allclose(everywhere.sum(0), torch.cat(plain).sum(0), atol=1e-4)


def test_a_place_is_where_the_name_ends(tiny_folder):
    """`Where is Ada 0?`: the key is that of the prompt cut behind the name, for the model is causal."""
    start = loaded(tiny_folder)
    look = probe(start.model, {}, start.tokenizer)
    mlp, example = mlps(blocks(start.model)[1]), people(1)[0]
    ids = look.renderer.prompt_ids(example)
    place = start.tokenizer.decode(list(ids)).index("Ada") + 3 - len("<s>") + 1  # a token a byte
    kept: dict[int, Neurons] = {}
    with torch.no_grad(), reading_neurons(mlp, kept):
        hidden = start.model(torch.tensor([ids[:place]]), output_hidden_states=True).hidden_states
    (found,) = look.neurons_at([example], ["Ada"], mlp)
    assert torch.allclose(found.values[0], kept[0].values[-1], atol=1e-5)
    state = look.outputs_at([example], ["Ada"], 0)
    assert torch.allclose(state[0], hidden[1][0, -1], atol=1e-5)
    last = look.neurons_at([example, example], ["", "Nobody"], mlp)[0].values
    assert torch.equal(last[0], last[1])


def test_a_text_is_its_own_prompt(tiny_folder):
    start = loaded(tiny_folder)
    look = probe(start.model, {}, start.tokenizer)
    text = Example("", "Ada is here.")
    assert look.outputs_at([text], ["Ada"], 1).shape == (1, 32)
    assert not torch.equal(look.outputs_at([text], ["Ada"], 1), look.outputs_at([text], [""], 1))


@pytest.mark.parametrize(
    ("said", "text", "place"),
    [
        ("Ada and Ada.", "Ada", 10),  # the last Ada ends with the eleventh byte
        ("Ada and Bo.", "Ada", 2),
        ("Ada", "Eve", 2),  # not said: the last token
        ("Ada", "", 2),
        ("Zoë is", "Zoë", 3),  # two bytes for the last letter, and so two tokens
        ("Zoë is", "Zo", 1),
    ],
)
def test_the_last_token_of_a_name(said: str, text: str, place: int):
    tokenizer = byte_tokenizer()
    ids = tokenizer(said, add_special_tokens=False)["input_ids"]
    assert Renderer(tokenizer).last_token_of(ids, text) == place
