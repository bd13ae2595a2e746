"""What changed inside: next tokens, layers, attention, weights and states of several models.

The ReLearn paper (arXiv:2502.11190, section 6) explains why reverse optimisation breaks language
with pictures of one prompt. Here each is measured at the answer positions of many rows, with the
answer given (teacher-forced), averaged over rows, with an interval that resamples persons.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from unteach.audit.entities import extract
from unteach.audit.finding import Finding, mean, resample_groups, statistic
from unteach.audit.judges import Unavailable
from unteach.data.examples import Example
from unteach.data.render import Renderer
from unteach.model.blocks import blocks, reading
from unteach.model.scores import only_positions

if TYPE_CHECKING:
    from transformers import PreTrainedModel

Progress = Callable[[int], None]
Numbers = NDArray[np.float64]

PLACES = 12
"""Answer positions that are reported one by one."""
LONGEST = 64
"""Answer tokens of a row that are looked at: its first."""
TOP = 5
"""First choices of the original model whose mass is followed."""
CHUNK = 2**23
"""Logits that are held at once."""


@dataclass(frozen=True)
class Row:
    """A question with its answer as tokens: `ids[start:]` are the answer's, without the turn's end.

    `subject` are the places in `ids` of the tokens that name whom the question is about; `specific`
    marks the answer's tokens that carry what is specific in it, all of them if it is empty.
    """

    ids: tuple[int, ...]
    start: int
    group: str
    subject: tuple[int, ...] = ()
    specific: tuple[bool, ...] = ()


@dataclass(frozen=True)
class Seen:
    """What one model did at N answer positions, row by row.

    `columns` are [N]: `probability` of the true token, `rank` (log10 of its place, the first choice
    being place 1), `margin` between the first two choices, `entropy` in nats, and `seesaw`, the mass
    on the original model's five first choices. `lens` are [L, N]: `lens_probability` of the true
    token, `lens_kl` of the final from the layer's distribution in nats, `lens_first` 1 from the
    earliest block on that makes the true token its first choice.
    """

    row: NDArray[np.int64]
    place: NDArray[np.int64]
    specific: NDArray[np.bool_]
    columns: Mapping[str, Numbers]
    lens: Mapping[str, Numbers] | Unavailable
    top: Tensor  # [N, 5] token ids
    hidden: Tensor  # [L, N, D] outputs of the blocks


@dataclass(frozen=True)
class Curve:
    """One measure along answer positions (from 1) or blocks (from 0), and perhaps over all of them."""

    measure: str
    xs: tuple[int, ...]
    findings: tuple[Finding, ...]
    overall: Finding | None = None


@dataclass(frozen=True)
class Change:
    """||W - W_original|| / ||W_original|| (Frobenius) of all weights of a kind in a block.

    `block` is None outside the blocks. NaN where zeros have become something: that is no share.
    """

    kind: str
    block: int | None
    value: float


@dataclass(frozen=True)
class Lens:
    """The way from a block's output to logits: final norm, output layer, and a soft cap if any."""

    norm: nn.Module
    head: nn.Module
    cap: float | None = None

    def __call__(self, states: Tensor) -> Tensor:
        """States [N, D] -> logits [N, V], float32."""
        logits = self.head(self.norm(states)).float()
        return self.cap * torch.tanh(logits / self.cap) if self.cap else logits


def rows_of(renderer: Renderer, examples: Sequence[Example]) -> list[Row]:
    """Each example as a Row; at most the first 64 tokens of its answer."""
    found = []
    for i, example in enumerate(examples):
        encoding = renderer.encode(example)
        stop = min(len(encoding.ids) - encoding.num_end, encoding.start + LONGEST)
        ids = encoding.ids[: max(stop, encoding.start + 1)]
        places = subject_places(renderer, example, ids[: encoding.start])
        group = example.group or example.id or str(i)
        specific = encoding.specific[: len(ids) - encoding.start]
        found.append(Row(ids, encoding.start, group, places, specific))
    return found


def subject_places(renderer: Renderer, example: Example, prompt: Sequence[int]) -> tuple[int, ...]:
    """Places of the prompt's tokens that overlap the question's subject, each time it is named.

    The subject is the example's group where the question says it ("Ada Byron"); else the names that
    `entities.extract` finds in the question by their capitals. Empty where neither is there.
    """
    if example.is_text or not example.prompt:
        return ()
    named = example.group and example.group.casefold() in example.prompt.casefold()
    names = [example.group] if named else [n for n in extract(example.prompt) if n[:1].isupper()]

    def written(num_tokens: int) -> str:
        ids = list(prompt[:num_tokens])
        return renderer.tokenizer.decode(ids, clean_up_tokenization_spaces=False)

    text = written(len(prompt)).casefold()
    question = max(text.rfind(example.prompt.casefold()), 0)
    # where each token begins; a character of several tokens begins with its first
    begins = [len(written(i)) for i in range(len(prompt))] if names else []
    found: set[int] = set()
    for name in (name.casefold() for name in names):
        at = text.find(name, question)
        while at >= 0:
            first = bisect_right(begins, at) - 1
            last = bisect_right(begins, at + len(name) - 1) - 1
            found.update(range(first, last + 1))
            at = text.find(name, at + len(name))
    return tuple(sorted(found))


@torch.no_grad()
def observe(
    model: PreTrainedModel,
    rows: Sequence[Row],
    original: Seen | None = None,
    progress: Progress = lambda done: None,
) -> Seen:
    """One forward pass a row. `original` is what the original model did on the same rows."""
    lens = find_lens(model, rows[0].ids)
    depth = len(blocks(model))
    columns: list[dict[str, Tensor]] = []
    lenses: list[dict[str, Tensor]] = []
    tops, hidden, at = [], [], 0
    for row in rows:
        states: dict[int, Tensor] = {}
        targets = torch.tensor(row.ids[row.start :], device=model.device)
        with reading(model, range(depth), states):
            logq = _final(model, row)
        own = logq.topk(TOP, -1).indices
        top = own if original is None else original.top[at : at + len(targets)].to(own.device)
        at += len(targets)
        columns.append(_columns(logq, targets, top))
        tops.append(own.cpu())
        layers = [states[i][0, row.start - 1 : len(row.ids) - 1] for i in range(depth)]
        if isinstance(lens, Lens):
            lenses.append(_through(lens, layers, logq, targets))
        hidden.append(torch.stack([layer.cpu() for layer in layers]))
        progress(1)
    lengths = [len(row.ids) - row.start for row in rows]
    return Seen(
        row=np.repeat(np.arange(len(rows)), lengths),
        place=np.concatenate([np.arange(length) for length in lengths]),
        specific=np.concatenate(
            [row.specific or (True,) * n for row, n in zip(rows, lengths, strict=True)]
        ),
        columns=_joined(columns),
        lens=_joined(lenses) if isinstance(lens, Lens) else lens,
        top=torch.cat(tops),
        hidden=torch.cat(hidden, dim=1),
    )


def _final(model: PreTrainedModel, row: Row) -> Tensor:
    """Log-probabilities [T, V] of the next token at the row's answer positions, float32."""
    ids = torch.tensor([row.ids], device=model.device)
    places = torch.arange(row.start - 1, len(row.ids) - 1, device=model.device)
    with only_positions(model, torch.zeros_like(places), places) as narrowed:
        logits = model(input_ids=ids, use_cache=False).logits
    return (logits if narrowed else logits[:, places]).squeeze(0).float().log_softmax(-1)


def _columns(logq: Tensor, targets: Tensor, top: Tensor) -> dict[str, Tensor]:
    picked = logq.gather(-1, targets[:, None])
    q = logq.exp()
    first, second = q.topk(2, -1).values.unbind(-1)
    return {
        "probability": picked.squeeze(-1).exp(),
        "rank": torch.log10(1 + (logq > picked).sum(-1)),
        "margin": first - second,
        "entropy": torch.special.entr(q).sum(-1),
        "seesaw": q.gather(-1, top).sum(-1),
    }


def _through(
    lens: Lens, layers: Sequence[Tensor], final: Tensor, targets: Tensor
) -> dict[str, Tensor]:
    """Each measure [L, T] of a row; few positions at a time meet the vocabulary."""
    size = max(1, CHUNK // final.shape[-1])
    probability: list[Tensor] = []
    kl: list[Tensor] = []
    hits: list[Tensor] = []
    for layer in layers:
        parts = zip(layer.split(size), final.split(size), targets.split(size), strict=True)
        found = [_of_layer(lens(states), logq, wanted) for states, logq, wanted in parts]
        for values, column in zip((probability, kl, hits), zip(*found, strict=True), strict=True):
            values.append(torch.cat(column))
    return {
        "lens_probability": torch.stack(probability),
        "lens_kl": torch.stack(kl),
        "lens_first": torch.stack(hits).cummax(0).values,
    }


def _of_layer(logits: Tensor, final: Tensor, targets: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    logq = logits.log_softmax(-1)
    picked = logq.gather(-1, targets[:, None])
    hit = ~(logq > picked).any(-1)
    return picked.squeeze(-1).exp(), divergence(final, logq), hit.float()


def divergence(final: Tensor, other: Tensor) -> Tensor:
    """KL(final || other) in nats, [N], of log-probabilities [N, V]."""
    return torch.nn.functional.kl_div(other, final, reduction="none", log_target=True).sum(-1)


def _joined(parts: Sequence[Mapping[str, Tensor]]) -> dict[str, Numbers]:
    """Columns of all rows, side by side along their last axis."""
    return {
        name: torch.cat([part[name] for part in parts], dim=-1).double().cpu().numpy()
        for name in parts[0]
    }


@torch.no_grad()
def find_lens(model: PreTrainedModel, ids: Sequence[int]) -> Lens | Unavailable:
    """Final norm and output layer, found by following what the last block gives out.

    The norm is the module that reads the last block's output and writes what the output layer
    reads. Unavailable where there is none, or where the two do not give the model's own logits.
    """
    head = model.get_output_embeddings()
    if head is None:
        return Unavailable(f"{type(model).__name__} names no output layer.")
    inside = {id(module) for block in blocks(model) for module in block.modules()}
    outside = [m for m in model.modules() if not any(m.children()) and id(m) not in inside]
    # tensors are kept alive until they are compared: freed memory would be given out again
    calls: list[tuple[nn.Module, Tensor, Tensor]] = []
    states: dict[int, Tensor] = {}

    def note(module: nn.Module, args: tuple[Any, ...], output: Any) -> None:
        if args and isinstance(args[0], Tensor) and isinstance(output, Tensor):
            calls.append((module, args[0], output))

    handles = [module.register_forward_hook(note) for module in outside]
    last = len(blocks(model)) - 1
    try:
        with reading(model, {last}, states):
            logits = model(
                input_ids=torch.tensor([list(ids)], device=model.device), use_cache=False
            ).logits
    finally:
        for handle in handles:
            handle.remove()
    given = next((x for module, x, _ in calls if module is head), None)
    for module, x, y in calls:
        if given is not None and module is not head and _same(y, given) and _same(x, states[last]):
            lens = Lens(module, head, getattr(model.config, "final_logit_softcapping", None))
            if torch.allclose(lens(states[last]), logits.float(), rtol=1e-3, atol=1e-3):
                return lens
            return Unavailable(
                f"{type(model).__name__} changes its logits after the output layer, so a layer's "
                "cannot be read with norm and output layer alone."
            )
    return Unavailable(
        f"{type(model).__name__} has no single norm between its last block and its output layer."
    )


def _same(one: Tensor, other: Tensor) -> bool:
    return one.data_ptr() == other.data_ptr() and one.shape == other.shape


def distributions(seen: Seen, groups: Sequence[str]) -> list[Curve]:
    """The columns along the first 12 answer positions, and their mean over all positions.

    A position is averaged over the rows whose answer is that long. `specific` is the probability of
    the true token over the specific tokens alone, and has no positions.
    """
    curves = []
    longest = min(PLACES, int(seen.place.max()) + 1)
    for name, values in seen.columns.items():
        findings = []
        for place in range(longest):
            here = seen.place == place
            findings.append(_mean(values[here], [groups[i] for i in seen.row[here]]))
        overall = _mean(_by_row(seen, values), groups)
        curves.append(Curve(name, tuple(range(1, longest + 1)), tuple(findings), overall))
    specific = _by_row(seen, seen.columns["probability"], seen.specific)
    return [*curves, Curve("specific", (), (), _mean(specific, groups))]


def lens_curves(seen: Seen, groups: Sequence[str]) -> list[Curve] | Unavailable:
    """What the logit lens sees, block by block: a row is the mean over its positions.

    `lens_specific` is `lens_probability` over the specific tokens alone.
    """
    if isinstance(seen.lens, Unavailable):
        return seen.lens
    curves = [_along_blocks(name, seen, values, groups) for name, values in seen.lens.items()]
    wanted = seen.lens["lens_probability"]
    return [*curves, _along_blocks("lens_specific", seen, wanted, groups, seen.specific)]


def similarity(seen: Seen, original: Seen, groups: Sequence[str]) -> list[Curve] | Unavailable:
    """Cosine and linear CKA of the blocks' outputs with the original's, block by block.

    CKA (arXiv:1905.00414) is over all positions together. It is 1 for states that differ by rotation
    and scale, and it is high for any two models where positions are fewer than dimensions.
    """
    if seen.hidden.shape != original.hidden.shape:
        return Unavailable("its blocks are not as many or not as wide as the original's.")
    cosine = torch.stack(
        [
            torch.cosine_similarity(x.double(), y.double(), dim=-1)
            for x, y in zip(seen.hidden, original.hidden, strict=True)
        ]
    )
    labels = [groups[i] for i in seen.row]
    cka = tuple(linear_cka(x, y, labels) for x, y in zip(seen.hidden, original.hidden, strict=True))
    return [
        _along_blocks("cosine", seen, cosine.numpy(), groups),
        Curve("cka", tuple(range(len(cka))), cka),
    ]


def linear_cka(x: Tensor, y: Tensor, groups: Sequence[str]) -> Finding:
    """Linear centred kernel alignment of states [N, D], 0 to 1, resampling groups of positions.

    States are centred once, not in each resample: then a resample is a weight a group, and costs
    three small products instead of N squared.
    """
    ours, theirs = _gram(x), _gram(y)
    names, member = np.unique(np.asarray(groups), return_inverse=True)
    sums = np.zeros((len(names), len(member)))
    sums[member, np.arange(len(member))] = 1
    shared, own, other = (
        sums @ product @ sums.T for product in (ours * theirs, ours**2, theirs**2)
    )

    def aligned(weights: Numbers) -> Numbers:
        def form(product: Numbers) -> Numbers:
            return np.einsum("rg,gh,rh->r", weights, product, weights)

        with np.errstate(invalid="ignore", divide="ignore"):
            found: Numbers = form(shared) / np.sqrt(form(own) * form(other))
        return found

    value = float(aligned(np.ones((1, len(names))))[0])
    drawn = resample_groups(list(names))
    weights = np.array([np.bincount(index, minlength=len(names)) for index in drawn], dtype=float)
    resampled = aligned(weights)
    resampled = resampled[np.isfinite(resampled)]
    return statistic(value, resampled.tolist(), len(member), len(names))


def _gram(states: Tensor) -> Numbers:
    centred = states.double() - states.double().mean(0)
    return (centred @ centred.T).numpy()


def attention_curves(
    model: PreTrainedModel,
    rows: Sequence[Row],
    groups: Sequence[str],
    progress: Progress = lambda done: None,
) -> list[Curve] | Unavailable:
    """Share of attention that falls on the subject's tokens, block by block, mean over heads.

    From the prompt's last position, and from the answer's later positions. `overall` is the mean over
    blocks. Rows whose question names no subject are left out.
    """
    if not any(row.subject for row in rows):
        return Unavailable("no question of this split names its subject with a capital letter.")
    depth = len(blocks(model))
    prompt, answer = (np.full((depth, len(rows)), math.nan) for _ in range(2))
    with _eager(model) as refused:
        if refused:
            return Unavailable(refused)
        for i, row in enumerate(rows):
            shares = _shares(model, row) if row.subject else None
            if isinstance(shares, Unavailable):
                return shares
            if shares is not None:
                prompt[:, i] = shares[:, 0]
                if shares.shape[1] > 1:
                    answer[:, i] = shares[:, 1:].mean(1)
            progress(1)
    return [
        Curve(
            name,
            tuple(range(depth)),
            tuple(_mean(values[block], groups) for block in range(depth)),
            _mean(values.mean(0), groups),
        )
        for name, values in (("attention_prompt", prompt), ("attention_answer", answer))
    ]


@torch.no_grad()
def _shares(model: PreTrainedModel, row: Row) -> Numbers | Unavailable:
    """[L, T] share on the subject's tokens, from the position that predicts each answer token."""
    ids = torch.tensor([row.ids], device=model.device)
    output = model(input_ids=ids, use_cache=False, output_attentions=True)
    found: tuple[Tensor | None, ...] = getattr(output, "attentions", None) or ()
    depth, length = len(blocks(model)), len(row.ids)
    whole = [a for a in found if a is not None and tuple(a.shape[-2:]) == (length, length)]
    if not len(whole) == len(found) == depth:
        return Unavailable(f"{type(model).__name__} gives no attention weights block by block.")
    queries = slice(row.start - 1, length - 1)
    shares = [a[0].float().mean(0)[queries][:, list(row.subject)].sum(-1) for a in whole]
    return torch.stack(shares).double().cpu().numpy()


@contextmanager
def _eager(model: PreTrainedModel) -> Iterator[str]:
    """Attention as plain products, as no other kind gives its weights; yields why not, or nothing."""
    before = model.config._attn_implementation
    try:
        model.set_attn_implementation("eager")
    except (ValueError, AttributeError) as error:
        yield f"{type(model).__name__} has no eager attention: {error}".split("\n")[0]
        return
    try:
        yield ""
    finally:
        model.set_attn_implementation(before)


def weight_changes(model: nn.Module, original: Mapping[str, Tensor]) -> list[Change] | Unavailable:
    """How far the weights of each kind in each block have moved; the Frobenius norm, relative.

    A kind is the name of a matrix within its block (`q_proj`, `down_proj`; `attn.c_proj` where two
    have one name; experts count together), `norms`, `biases`; outside the blocks `embeddings`,
    `output layer`, `norms`. Adapters count once they are merged.
    """
    named = dict(model.named_parameters())
    shapes = {name: p.shape for name, p in named.items()}
    if shapes != {name: p.shape for name, p in original.items()}:
        return Unavailable("its weights have other names or shapes than the original's.")
    moved: dict[tuple[str, int | None], list[float]] = {}
    places = _places(model)
    for name, p in named.items():
        before = original[name].detach().to(p.device).float()
        totals = moved.setdefault(places[name], [0.0, 0.0])
        totals[0] += float((p.detach().float() - before).square().sum(dtype=torch.float64))
        totals[1] += float(before.square().sum(dtype=torch.float64))
    return [
        Change(kind, block, _share(math.sqrt(change), math.sqrt(size)))
        for (kind, block), (change, size) in moved.items()
    ]


def _share(change: float, size: float) -> float:
    if size:
        return change / size
    return math.nan if change else 0.0


def _places(model: nn.Module) -> dict[str, tuple[str, int | None]]:
    """Parameter name -> its kind, and its block."""
    number = {id(p): i for i, block in enumerate(blocks(model)) for p in block.parameters()}
    ends = {"embeddings": "get_input_embeddings", "output layer": "get_output_embeddings"}
    ours: dict[int, str] = {}
    for kind, method in ends.items():
        module = getattr(model, method)() if hasattr(model, method) else None
        for p in module.parameters() if module is not None else ():
            ours.setdefault(id(p), kind)  # tied: the output layer is the embeddings
    paths = {name: _path(name, p) for name, p in model.named_parameters()}
    shared = Counter(path[-1] for path in set(paths.values()))
    kinds = {
        name: path[-1] if shared[path[-1]] == 1 else ".".join(path[-2:])
        for name, path in paths.items()
    }
    return {
        name: (ours.get(id(p)) or kinds[name], number.get(id(p)))
        for name, p in model.named_parameters()
    }


def _path(name: str, p: Tensor) -> tuple[str, ...]:
    """Names of the modules around a matrix, without numbers of blocks or experts."""
    parts = tuple(part for part in name.split(".") if not part.isdecimal())
    if p.ndim < 2:
        return ("biases",) if parts[-1] == "bias" and "norm" not in name else ("norms",)
    return parts[:-1] if parts[-1] == "weight" and len(parts) > 1 else parts


def _along_blocks(
    measure: str,
    seen: Seen,
    values: Numbers,
    groups: Sequence[str],
    only: NDArray[np.bool_] | None = None,
) -> Curve:
    """Values [L, N] as a curve over blocks."""
    findings = tuple(_mean(_by_row(seen, layer, only), groups) for layer in values)
    return Curve(measure, tuple(range(len(values))), findings)


def _mean(values: Sequence[float] | Numbers, groups: Sequence[str]) -> Finding:
    """The mean of what is no count of hits: values that are all 0, or all 1, have no width."""
    finding = mean(list(values), groups)
    if finding.available and finding.groups > 1 and np.ptp(np.asarray(values)) == 0:
        return replace(finding, low=finding.value, high=finding.value)
    return finding


def _by_row(seen: Seen, values: Numbers, only: NDArray[np.bool_] | None = None) -> list[float]:
    """Mean over each row's positions, or those marked in `only`; NaN where a row has none."""
    at = np.ones(len(seen.row), dtype=bool) if only is None else only
    num_rows = int(seen.row.max()) + 1
    sums = np.bincount(seen.row[at], weights=values[at], minlength=num_rows)
    counts = np.bincount(seen.row[at], minlength=num_rows)
    found: list[float] = np.where(counts > 0, sums / np.maximum(counts, 1), math.nan).tolist()
    return found
