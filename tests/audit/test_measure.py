"""Scoring against the plain way: one row at a time, nothing shared."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch

from tests.conftest import loaded
from unteach.audit import measure
from unteach.audit.measure import Tokens, measure_tokens
from unteach.data.examples import Example
from unteach.data.render import Encoding, Renderer, encode_all
from unteach.model.load import Loaded
from unteach.model.scores import scored_logits

COLUMNS = ("logp", "hit", "entropy", "std", "rank", "specific", "end")
EXAMPLES = (
    Example("Who?", "Ada Byron.", entities=("Ada",)),
    Example("Where does the engineer live now?", "In a small house in Turin, Italy."),
    Example("Who then?", "Nobody knows, and nobody asks about it any more."),
    Example("", "A text without a question, scored from its second token on."),
    Example("When?", "1843"),
)


@pytest.fixture(scope="module", params=["tiny_folder", "tiny_chat_folder"])
def tiny(request: pytest.FixtureRequest) -> Loaded:
    return loaded(request.getfixturevalue(request.param))


def table(columns: dict[str, list[list[float]]]) -> Tokens:
    """A table from one list a row; columns that are not given are zeros."""
    rows = next(iter(columns.values()))
    kinds = {"hit": bool, "specific": bool, "end": bool, "rank": np.int32}
    flat = {
        name: np.array([x for row in columns.get(name, rows) for x in row]).astype(
            kinds.get(name, np.float32)
        )
        for name in COLUMNS
    }
    return Tokens(offsets=np.cumsum([0, *map(len, rows)]), **flat)


def plain(model: torch.nn.Module, row: Encoding) -> dict[str, list[float]]:
    """The definitions, position by position."""
    with torch.no_grad():
        logits = model(input_ids=torch.tensor([row.ids])).logits[0].double()
    found: dict[str, list[float]] = {name: [] for name in COLUMNS}
    for at in range(row.start, len(row.ids)):
        logq = logits[at - 1].log_softmax(-1)
        q, target = logq.exp(), row.ids[at]
        mean = float((q * logq).sum())
        found["logp"].append(float(logq[target]))
        found["hit"].append(float(int(logq.argmax()) == target))
        found["entropy"].append(-mean)
        found["std"].append(math.sqrt(float((q * (logq - mean) ** 2).sum())))
        found["rank"].append(float((logq > logq[target]).sum()))
        found["specific"].append(float(row.specific[at - row.start]))
        found["end"].append(float(at >= len(row.ids) - row.num_end))
    return found


def same(ours: Tokens, theirs: Tokens) -> None:
    assert ours.offsets.tolist() == theirs.offsets.tolist()
    for name in COLUMNS:
        assert getattr(ours, name) == pytest.approx(getattr(theirs, name), abs=1e-5), name


def test_every_column_is_what_the_plain_way_gives(tiny: Loaded):
    rows = encode_all(Renderer(tiny.tokenizer), EXAMPLES)
    ours = measure_tokens(tiny.model, rows)
    assert len(ours) == len(rows)
    for i, row in enumerate(rows):
        for name, values in plain(tiny.model, row).items():
            assert ours.each(name)[i] == pytest.approx(values, abs=1e-5), (i, name)


@pytest.mark.parametrize("tokens", [1, 120])
def test_a_row_does_not_depend_on_the_rows_beside_it(tiny: Loaded, tokens: int):
    """Each row alone, some of them together, and all together."""
    rows = encode_all(Renderer(tiny.tokenizer), EXAMPLES)
    same(measure_tokens(tiny.model, rows, tokens=tokens), measure_tokens(tiny.model, rows))


def test_a_shared_start_changes_no_number(tiny: Loaded):
    """Five questions whose first 40 tokens are the same pass that start through the model once."""
    start = "In the small town by the sea, tell me: "
    rows = encode_all(
        Renderer(tiny.tokenizer), [Example(start + e.prompt, e.answer) for e in EXAMPLES]
    )
    same(measure_tokens(tiny.model, rows), measure_tokens(tiny.model, rows, tokens=1))


def test_progress_counts_every_row(tiny: Loaded):
    done: list[int] = []
    rows = encode_all(Renderer(tiny.tokenizer), EXAMPLES)
    measure_tokens(tiny.model, rows, progress=done.append, tokens=1)
    assert done == [1, 1, 1, 1, 1]


def test_take_gives_the_rows_asked_for_in_their_order():
    tokens = table({"logp": [[-1.0, -2.0], [-3.0], [-4.0, -5.0, -6.0]]})
    taken = tokens.take([2, 0, 2])
    assert [row.tolist() for row in taken.each("logp")] == [[-4, -5, -6], [-1, -2], [-4, -5, -6]]
    assert taken.offsets.tolist() == [0, 3, 5, 8]


def test_take_of_all_rows_changes_nothing(tiny: Loaded):
    tokens = measure_tokens(tiny.model, encode_all(Renderer(tiny.tokenizer), EXAMPLES))
    same(tokens.take(range(len(tokens))), tokens)


def test_probability_is_the_geometric_mean_over_tokens():
    """Tokens of probability 1/2 and 1/8: sqrt(1/16) = 1/4. One token of 1/3: 1/3."""
    tokens = table({"logp": [[math.log(0.5), math.log(0.125)], [math.log(1 / 3)]]})
    assert tokens.probability() == pytest.approx([0.25, 1 / 3], rel=1e-6)


def test_specific_probability_is_that_of_the_marked_tokens():
    """Of 1/2, 1/8, 1/32 the last two are marked: sqrt(1/256) = 1/16."""
    tokens = table(
        {"logp": [[math.log(0.5), math.log(0.125), math.log(1 / 32)]], "specific": [[0, 1, 1]]}
    )
    assert tokens.specific_probability() == pytest.approx([1 / 16], rel=1e-6)


def row(*ids: int, start: int) -> Encoding:
    return Encoding(ids, start, (True,) * (len(ids) - start))


def asked(tiny: Loaded) -> list[Encoding]:
    """Three questions with 3, 2 and 1 answers, and a text; their rows are mixed."""
    renderer = Renderer(tiny.tokenizer)
    first, second, third = EXAMPLES[0], Example("Where is the mill?", "By the river."), EXAMPLES[1]
    text = renderer.encode(Example("", "Rain fell on the roofs."))
    rows = [renderer.encode(first, a) for a in ("Bo Olin.", "Cy.", "Nobody that I know of.")]
    others = [
        renderer.encode(second),
        renderer.encode(second, "On the hill."),
        renderer.encode(third),
    ]
    return [rows[0], others[0], text, rows[1], others[2], others[1], rows[2]]


@pytest.mark.parametrize("tokens", [1, 60, 150, 100_000])
def test_answers_to_a_question_share_it_and_nothing_changes(tiny: Loaded, tokens: int):
    rows = asked(tiny)
    together = measure_tokens(tiny.model, rows, tokens=tokens)
    for i, row in enumerate(rows):
        alone = measure_tokens(tiny.model, [row])
        assert together.each("logp")[i] == pytest.approx(alone.logp, abs=1e-4)
        assert together.each("entropy")[i] == pytest.approx(alone.entropy, abs=1e-4)
        assert together.each("rank")[i].tolist() == alone.rank.tolist()
        assert together.each("end")[i].tolist() == alone.end.tolist()


def test_a_shared_question_passes_once(tiny: Loaded):
    """Two passes whatever the number of answers: the question, then all of its answers."""
    rows = [Renderer(tiny.tokenizer).encode(EXAMPLES[0], a) for a in ("Bo.", "Cy.", "Di.", "Ed.")]
    seen: list[tuple[int, ...]] = []
    handle = tiny.model.register_forward_pre_hook(
        lambda module, args, kwargs: seen.append(tuple(kwargs["input_ids"].shape)), with_kwargs=True
    )
    measure_tokens(tiny.model, rows)
    handle.remove()
    length = rows[0].start - 1
    assert seen == [(1, length), (4, len(rows[0].ids) - length)]


def test_the_end_of_a_turn_is_marked(tiny: Loaded):
    row = Renderer(tiny.tokenizer).encode(EXAMPLES[0])
    tokens = measure_tokens(tiny.model, [row])
    assert tokens.end.tolist() == [False] * (row.num_scored - row.num_end) + [True] * row.num_end
    assert len(tokens.each("logp", end=False)[0]) == row.num_scored - row.num_end


def test_what_does_not_fit_in_memory_is_halved(tiny: Loaded, monkeypatch: pytest.MonkeyPatch):
    """A device with room for two rows: batches of 7 become ones of 2 or 1, and no number changes."""
    rows = [Renderer(tiny.tokenizer).encode(e) for e in EXAMPLES]
    expected = measure_tokens(tiny.model, rows)
    sizes: list[int] = []

    def cramped(model: Any, batch: Any) -> Any:
        sizes.append(len(batch.index))
        if len(batch.index) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return scored_logits(model, batch)

    monkeypatch.setattr(measure, "scored_logits", cramped)
    found = measure_tokens(tiny.model, rows, tokens=100_000)
    assert found.logp == pytest.approx(expected.logp, abs=1e-4)
    assert max(sizes) > 2
    assert sizes[-1] <= 2


def test_a_broken_model_hits_nothing():
    """Logits that are not numbers: no token is larger than the true one, and none is a hit."""
    found = measure._statistics(torch.full((2, 5), math.nan), torch.tensor([0, 3]))
    assert found["hit"].tolist() == [False, False]
    assert found["logp"].isnan().all()
