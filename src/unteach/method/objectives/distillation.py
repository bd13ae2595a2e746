"""Learn from a teacher whose next-token distribution has been edited.

Each loss is KL(teacher || model) with a teacher that is given as logits and carries no gradient, so its
gradient in the model's logits is p - softmax(teacher). A method is its edit.
"""

from __future__ import annotations

from math import log

import torch
from torch import Tensor

from unteach.errors import RecipeError
from unteach.method.objectives.divergence import distance
from unteach.method.objectives.pairing import partners
from unteach.model.scores import Scores
from unteach.ranges import AtLeastZero, Count, Positive, Whole
from unteach.registry import objective


@objective(unit="token", needs=("logits", "ref.logits"), source="arXiv:2402.10052")
def undial(x: Scores, *, beta: Positive = 10.0) -> Tensor:
    """UNDIAL, [B, A] nats: KL from the reference with the true token's logit lowered by beta.

    Bounded: once the model gives what the lowered reference gives, nothing pulls any more. The true
    token keeps odds of exp(-beta) times what they were. With beta = 0 it is `kl`.

    The paper takes the cross-entropy, which has the same gradient. On answer positions only; the
    released code averages over prompt and padding too, and lowers a wrong token there.
    """
    z = x.ref.logits
    lowered = torch.full_like(x.targets, -beta, dtype=z.dtype)[..., None]
    return distance(x, z.scatter_add(-1, x.targets[..., None], lowered))


@objective(unit="token", needs=("logits",), source="arXiv:2503.01224")
def ce_u(x: Scores, *, skip: Whole = 1) -> Tensor:
    """CE-U, [B, A] nats: KL from the model's own distribution without the true token.

    In value and gradient it is `unlikelihood`, -log(1 - p), computed without that one's floor: the
    teacher gives each other word p_v / (1 - p), and the pull on log p is p / (1 - p).

    The first `skip` scored tokens are left alone, as in the released code: an answer of one token is
    then not pushed at all. The paper takes the cross-entropy, which has the same gradient.
    """
    loss = distance(x, _without_true(x))
    first = torch.arange(loss.shape[-1], device=loss.device) < skip
    return torch.where(first, 0.0, loss)


@objective(unit="token", needs=("logits",), source="arXiv:2505.06027", experimental=True)
def unilogit(x: Scores, *, reverse: bool = True) -> Tensor:
    """Unilogit, [B, A] nats: distance to the model's own distribution with the true token at 1 / V.

    The other words keep their proportions. Nothing pulls once the true token is as probable as a
    word drawn blindly. With reverse, KL(model || teacher); without it, KL(teacher || model).

    A reconstruction: the edit and the direction are from descriptions of the paper, not from its
    text or code.
    """
    others = _without_true(x)
    # then exp(level) / (exp(level) + sum of exp(others)) is 1 / V
    level = others.logsumexp(-1, keepdim=True) - log(others.shape[-1] - 1)
    return distance(x, others.scatter(-1, x.targets[..., None], level), reverse=reverse)


@objective(unit="token", needs=("logits",), source="arXiv:2410.08109")
def max_entropy(x: Scores) -> Tensor:
    """Maximum entropy, [B, A] nats: KL from the uniform distribution over the vocabulary.

    Every position is pushed, also those of grammar; so it forgets language as readily as the fact.
    """
    return distance(x, torch.zeros_like(x.logits))


@objective(
    unit="token", needs=("logits", "ref.logits", "reinforced.logits"), source="arXiv:2310.02238"
)
def whp(x: Scores, *, alpha: AtLeastZero = 5.0, hard: bool = False) -> Tensor:
    """Who's Harry Potter, [B, A] nats: learn what the reference says less what reinforcement adds.

    teacher = z_ref - alpha relu(z_reinforced - z_ref), where an earlier stage trained `reinforced`
    on the forget split. A word whose logit reinforcement raises is lowered. With `hard` the loss is
    the nll of the teacher's first choice, the paper's generic labels; without it KL(softmax(teacher)
    || model).

    It needs a reinforced model that knows the forget split better than the reference: where both
    are certain, nothing is lowered. Logits are compared as they are, as in the paper, so a common
    shift of all logits counts.

    MUSE's release combines the two models at decoding time instead; here the soft form is trained
    into the weights. The paper's dictionary of anchor terms is left out.
    """
    z = x.ref.logits
    teacher = z - alpha * (x.of("reinforced").logits - z).relu()
    return distance(x, _only(teacher, 1) if hard else teacher)


@objective(
    unit="token",
    needs=("logits", "swapped.ref.logits"),
    pairs=("swapped",),
    source="arXiv:2407.16997",
)
def swapped_teacher(x: Scores) -> Tensor:
    """WHP as a causal intervention, [B, A] nats: learn what the reference says of another name.

    The teacher is the reference on the paired row: the same question about somebody else. Tokens of
    the two answers are matched by their ids, in order; a token without a partner, such as the name
    itself, has loss 0, and those with one share the weight of the whole answer: a row counts the
    same however many of its tokens are matched.

    The paper averages the teacher over 20 names (one on TOFU) and swaps the name's tokens back. Here
    there is one name, and its tokens are left out instead.
    """
    teacher, found = _aligned(x, x.of("swapped"))
    weight = x.length / found.sum(-1).clamp(min=1)
    return torch.where(found, distance(x, teacher) * weight[:, None], 0.0)


@objective(
    unit="token",
    needs=("logits", "ref.logits", "novice.ref.logits", "expert.ref.logits"),
    pairs=("novice", "expert"),
    source="arXiv:2410.02760",
)
def elm(
    x: Scores,
    *,
    eta_first: AtLeastZero = 1.0,
    eta_last: AtLeastZero = 1000.0,
    top_k: Count = 50,
    temperature: Positive = 1.2,
) -> Tensor:
    """Erasure of language memory, [B, A] nats: speak as one who knows less than a novice.

    teacher = softmax over the top_k words of (log p_ref + eta (log p_novice - log p_expert)) /
    temperature. All three are the reference: on the row itself and on the paired rows, which are the
    same answer after a prompt that says one is a novice, or an expert. eta rises linearly from
    `eta_first` at a row's first scored token to `eta_last` at its last. A token that a pair lacks has
    loss 0.

    At eta = 1000 hardly more than the word with the highest ratio of novice to expert is left,
    whatever the reference says of it. The released code takes the cross-entropy, of the same gradient.

    Raises:
        RecipeError: top_k is below 1, or temperature not above 0.
    """
    if top_k < 1 or temperature <= 0:
        raise RecipeError(
            f"elm: top_k is {top_k} and temperature is {temperature}; "
            "top_k must be 1 or more, and temperature above 0."
        )
    novice, in_novice = _aligned(x, x.of("novice"))
    expert, in_expert = _aligned(x, x.of("expert"))
    less = novice.log_softmax(-1) - expert.log_softmax(-1)
    eta = eta_first + (eta_last - eta_first) * _progress(x)
    edited = x.ref.logits.log_softmax(-1) + eta[..., None] * less
    teacher = _only(edited, top_k) / temperature
    return torch.where(in_novice & in_expert, distance(x, teacher), 0.0)


def _without_true(x: Scores) -> Tensor:
    """The model's own logits, without gradient, with the true token ruled out."""
    return x.logits.detach().scatter(-1, x.targets[..., None], float("-inf"))


def _only(logits: Tensor, num_words: int) -> Tensor:
    """The largest logits as they are, -inf for all other words."""
    kept = logits.topk(min(num_words, logits.shape[-1]), dim=-1)
    return torch.full_like(logits, float("-inf")).scatter(-1, kept.indices, kept.values)


def _progress(x: Scores) -> Tensor:
    """[B, A] how far each token is in its row: 0 at the first scored one, 1 at the last."""
    steps = torch.arange(x.mask.shape[-1], device=x.mask.device)
    return steps / (x.length[:, None] - 1).clamp(min=1)


def _aligned(x: Scores, other: Scores) -> tuple[Tensor, Tensor]:
    """The reference's logits [B, A, V] where the paired row says the same token; and where it does."""
    partner = partners(x, other)
    found = partner >= 0
    at = partner.clamp(min=0)[..., None].expand(-1, -1, other.ref.logits.shape[-1])
    return other.ref.logits.gather(1, at), found
