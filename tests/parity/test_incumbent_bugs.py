"""What goes wrong in published evaluation code, and does not here: one test each.

The faults are those of open-unlearning and of the scripts before it; each test states the wrong
number beside the right one.
"""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.audit.test_audits import given, table
from tests.conftest import loaded
from unteach.audit.audits import membership, memorization
from unteach.audit.measure import measure_tokens
from unteach.data.batches import collate
from unteach.data.examples import Example
from unteach.data.render import Renderer
from unteach.model.generate import continue_ids
from unteach.model.load import Loaded

TWO = (Example("q?", "a", id="1", group="1"), Example("r?", "b", id="2", group="2"))
ROWS = (
    Example("Who is it?", "Ada Byron of Turin, who rows."),
    Example("Where?", "In Lyon."),
    Example("When did Bo come to the mill by the river?", "1843"),
)


@pytest.fixture(scope="module")
def tiny(tiny_chat_folder: Path) -> Loaded:
    return loaded(tiny_chat_folder)


def test_never_right_has_no_extraction_strength():
    """Four tokens, none of them the first choice: 0. The published loop ends at 1/4."""
    found = memorization.extraction_strength(given(TWO[:1], tokens=table(hits=[[0, 0, 0, 0]])))
    assert found.value == 0


def test_only_the_last_token_right_differs_from_never_right():
    """The published number is 1/4 for both."""
    found = memorization.extraction_strength(given(TWO[:1], tokens=table(hits=[[0, 0, 0, 1]])))
    assert found.value == pytest.approx(1 / 4)


def test_the_end_of_the_turn_is_no_strength():
    """Two wrong tokens and the end that any chat model gets right: 0, not 1/3."""
    tokens = table(hits=[[0, 0, 1]], end=[[0, 0, 1]])
    assert memorization.extraction_strength(given(TWO[:1], tokens=tokens)).value == 0
    assert memorization.exact_memorization(given(TWO[:1], tokens=tokens)).value == 0


def test_truth_ratios_stay_with_their_examples():
    """The first row has one wrong answer, the second three: 0.5 : 0.5 and 0.9 : 0.1.

    Code that drops what it could not compute and then pairs what is left by position gives the
    second row's wrong answers to the first.
    """
    examples = [replace(TWO[0], wrong=("v",)), replace(TWO[1], wrong=("w", "x", "y"))]
    ev = given(examples, tokens=table([[0.5], [0.9]]), wrong=table([[0.5], [0.1], [0.1], [0.1]]))
    found = memorization.truth_ratio(ev)
    assert found.per_example == pytest.approx([0.5, 0.9])


def test_an_unknown_example_moves_no_other():
    """Only the end of the turn is scored in the first row: it is unknown, the second is 1."""
    tokens = table(hits=[[1], [1, 1]], end=[[1], [0, 1]])
    found = memorization.exact_memorization(given(TWO, tokens=tokens))
    assert found.per_example is not None
    assert math.isnan(found.per_example[0])
    assert found.per_example[1] == 1
    assert found.value == 1


def test_no_gold_model_is_no_privleak():
    """The published code puts 0.5 in place of the missing AUC and prints a number."""
    ev = given(TWO, tokens=table([[0.5], [0.9]]))
    reason = ev.missing(["forget.tokens", "gold.forget.tokens"])
    assert reason is not None
    assert "there is no gold model" in reason


def test_min_k_of_a_short_answer_takes_a_token():
    """40 % of two tokens are 0.8 of one: the published code takes none, and the mean is NaN."""
    short = np.log(np.array([0.9, 0.2], dtype=np.float32))
    assert membership.lowest([short], 0.4) == pytest.approx([math.log(0.2)], rel=1e-6)


def test_a_padding_token_that_ends_turns_hides_no_real_token(tiny: Loaded):
    """pad = eos: a mask of `ids != pad` drops the ends of turns inside a chat prompt."""
    tokenizer = tiny.tokenizer
    turns = Example("Where?", "In Lyon.", history=(("user", "Who?"), ("assistant", "Ada.")))
    rows = [Renderer(tokenizer).encode(turns), Renderer(tokenizer).encode(ROWS[0])]
    end = tokenizer.convert_tokens_to_ids("<|im_end|>")
    batch = collate(rows, pad=end)
    assert end in rows[0].ids[: rows[0].start]
    for i, row in enumerate(rows):
        assert batch.attention_mask[i].tolist() == [1] * len(row.ids) + [0] * (
            batch.input_ids.shape[1] - len(row.ids)
        )


@pytest.mark.parametrize("pad", [0, 7, 260])
def test_padding_on_the_left_gives_the_same_numbers(tiny: Loaded, pad: int):
    """Ours pads on the right, or prompts on the left; here every row on the left, by hand."""
    rows = [Renderer(tiny.tokenizer).encode(e) for e in ROWS]
    ours = measure_tokens(tiny.model, rows)
    longest = max(len(row.ids) for row in rows)
    ids = torch.tensor([[pad] * (longest - len(r.ids)) + list(r.ids) for r in rows])
    mask = torch.tensor([[0] * (longest - len(r.ids)) + [1] * len(r.ids) for r in rows])
    positions = (mask.cumsum(-1) - 1).clamp(min=0)
    with torch.no_grad():
        logits = tiny.model(input_ids=ids, attention_mask=mask, position_ids=positions).logits
    logp = logits[:, :-1].log_softmax(-1).gather(-1, ids[:, 1:, None]).squeeze(-1)
    for i, row in enumerate(rows):
        assert ours.each("logp")[i] == pytest.approx(logp[i, -row.num_scored :].numpy(), abs=1e-4)


@pytest.mark.parametrize("size", [1, 2, 3])
def test_answers_do_not_depend_on_their_batch(tiny: Loaded, size: int):
    prompts = [Renderer(tiny.tokenizer).prompt_ids(e) for e in ROWS]
    given_: dict[str, Any] = {"max_tokens": 8}
    whole = continue_ids(tiny.model, tiny.tokenizer, prompts, **given_)
    assert continue_ids(tiny.model, tiny.tokenizer, prompts, size=size, **given_) == whole


def test_gradients_are_taken_without_dropout(tiny: Loaded):
    """The published attack leaves the model in training mode, so its score is random."""
    from unteach.audit.gradients import gradient_norms

    rows = [Renderer(tiny.tokenizer).encode(e) for e in ROWS]
    tiny.model.train()
    first = gradient_norms(tiny.model, rows)
    assert tiny.model.training
    assert gradient_norms(tiny.model, rows) == first
    tiny.model.eval()
