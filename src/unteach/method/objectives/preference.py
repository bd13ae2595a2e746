"""Losses that prefer something to the true answer: the reference, a refusal, a template, doubt.

Most are -2/beta log sigmoid(beta x margin). Its slope in the margin is 1 where the margin is 0 (and
beta small or the model at its reference), and fades once the preference holds. The factor 2/beta,
which some papers leave out, keeps that slope whatever beta is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import log
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from unteach.method.objectives.likelihood import log_rest
from unteach.model.scores import Scores
from unteach.ranges import Finite, Positive
from unteach.registry import objective


@objective(unit="sequence", needs=("ref.logp",), source="arXiv:2404.05868")
def npo(x: Scores, *, beta: Positive = 0.1, mean: bool = False) -> Tensor:
    """Negative preference optimisation, [B] nats.

    Ascent whose gradient fades once the model is less sure than the reference; as beta -> 0 it
    becomes plain ascent. Log-probabilities are summed over the answer, as in the paper's code, or
    with `mean` averaged over its tokens, as in the SemEval-2025 release, which takes one mean of all
    tokens of its micro-batch of one or two rows; here each row has its own.
    """
    return -2 / beta * F.logsigmoid(-beta * _gain(x, mean=mean))


@objective(unit="token", needs=("ref.logp",), source="arXiv:2502.19301")
def tnpo(x: Scores, *, beta: Positive = 4.0) -> Tensor:
    """Negative preference optimisation token by token (TNPO), [B, A] nats.

    Each token fades for itself once it is less probable than under the reference:
    w = 2 p^beta / (p^beta + p_ref^beta). The released code writes that weight out, with 1e-5 below
    the line; the log-sigmoid here has the same slope without it.
    """
    return -2 / beta * F.logsigmoid(-beta * (x.logp - x.ref.logp))


@objective(unit="token", source="arXiv:2602.02824")
def catnip(x: Scores, *, beta: Positive = 0.5, detached: bool = True) -> Tensor:
    """NPO against the model's own doubt 1 - p, token by token (CATNIP), [B, A] nats.

    w = 2 p^beta / (p^beta + (1 - p)^beta): 2 on a certain token, 1 at p = 1/2. It needs neither a
    reference nor retained rows, and long answers are not pushed less. With beta = 1 it is `ascent`
    weighted by 2p. `detached` holds the doubt still; without it the weight is divided by 1 - p,
    which explodes on memorised tokens. What we could read of the paper states neither that choice
    nor beta: both defaults are ours. 1e-6 is added to 1 - p.
    """
    doubt = log_rest(x).detach() if detached else log_rest(x)
    return -2 / beta * F.logsigmoid(-beta * (x.logp - doubt))


@objective(unit="sequence", source="arXiv:2410.07163")
def simnpo(x: Scores, *, beta: Positive = 4.5, delta: Finite = 0.0) -> Tensor:
    """NPO without a reference, on the mean log-probability of the answer's tokens (SimNPO), [B] nats.

    The pull ends where the mean negative log-likelihood of the answer is well above `delta` nats,
    whatever the model knew before. It is shared out over the answer's tokens, so that a token of a
    long answer is pushed less. Defaults are open-unlearning's; the authors' own are beta 2.5 with a
    coefficient of 0.1375.
    """
    return -2 / beta * F.logsigmoid(-beta * (x.seq_logp / x.length + delta))


@objective(
    unit="sequence",
    pairs=("preferred",),
    needs=("ref.logp", "preferred.logp", "preferred.ref.logp"),
    source="arXiv:2305.18290",
)
def dpo(x: Scores, *, beta: Positive = 0.1, mean: bool = False) -> Tensor:
    """Direct preference optimisation: the preferred answers rather than these, [B] nats.

    The margin is how much more the preferred answer gained on the reference than this one did. With
    refusals as the preferred rows it is IdkDPO (TOFU), with the model's own alternatives AltPO.
    Only the margin counts: both answers may become improbable together. Log-probabilities are
    summed, or with `mean` averaged over each answer's tokens, so that a short refusal and a long
    answer weigh alike. The factor 2 / beta is open-unlearning's; the paper and TOFU have none.
    """
    wanted = x.of("preferred")
    margin = _gain(wanted, mean=mean) - _gain(x, mean=mean)
    return -2 / beta * F.logsigmoid(beta * margin)


@objective(
    unit="token",
    pairs=("preferred",),
    needs=("ref.logp", "preferred.logp", "preferred.ref.logp"),
    source="our own, after arXiv:2305.18290",
)
def token_dpo(x: Scores, *, beta: Positive = 0.25) -> Tensor:
    """The preferred answers rather than each token of these, [B, A] nats.

    -2/beta log sigmoid(beta (m - g_t)): g_t is what token t gained on the reference, m what the
    tokens of the preferred answer gained on average. `dpo` looks at the sum, which a few first
    tokens can carry alone; the rest then comes back as soon as these are given. Here no token can
    lose for another. Of one-token answers it is `dpo`.

    Its limits: what the preferred answer gains counts for every token, so where that was improbable
    to begin with, a large `beta` is content before any token has lost much. And tokens that are
    nobody's secret are pushed as far as the others; a weighting spares them. `beta` is of single
    tokens: with 0.25, one that is 9 nats behind is pushed a fifth as hard as at the start.
    """
    behind = _gain(x.of("preferred"), mean=True)[:, None] - (x.logp - x.ref.logp)
    return -2 / beta * F.logsigmoid(beta * behind)


def _gain(x: Scores, *, mean: bool = False) -> Tensor:
    """[B] nats that answers gained on the reference, summed or averaged over their tokens."""
    gain = x.seq_logp - x.ref.seq_logp
    return gain / x.length if mean else gain


@objective(unit="sequence", pairs=("refused",), needs=("refused.logp",), source="arXiv:2410.08109")
def answer_preservation(x: Scores, *, beta: Positive = 0.1) -> Tensor:
    """These answers rather than refusals of the same questions (AP), [B] nats.

    -1/beta log sigmoid(beta (s - s_refused)): for retained rows, paired with refusals of them, so
    that refusing forget questions does not spread. It has no reference: the pull fades once the
    answer is well above its refusal, and an answer that is far above already is left alone.
    """
    return -1 / beta * F.logsigmoid(beta * (x.seq_logp - x.of("refused").seq_logp))


_Function = Callable[[Tensor], Tensor]

# The witness g and the conjugate f* of D_f(P || Q) >= E_P[g] - E_Q[f*(g)], for f = |u - 1| / 2,
# u log u, -(u + 1) log((1 + u) / 2) + u log u, and (u - 1)^2
_DIVERGENCES: Mapping[str, tuple[_Function, _Function]] = {
    "tv": (lambda v: v.tanh() / 2, lambda t: t),
    "kl": (lambda v: v, lambda t: (t - 1).exp()),
    "js": (lambda v: log(2) - F.softplus(-v), lambda t: -(2 - t.exp()).log()),
    "pearson": (lambda v: v, lambda t: t**2 / 4 + t),
}


@objective(
    unit="sequence", pairs=("template",), needs=("template.logp",), source="arXiv:2410.11143"
)
def flat(x: Scores, *, divergence: Literal["tv", "kl", "js", "pearson"] = "kl") -> Tensor:
    """FLAT: how little the model tells template answers from these, as an f-divergence, [B].

    -g(P_template) + f*(g(P)), where P is the mean probability of an answer's tokens, g a divergence's
    witness function and f* its conjugate; negated, it is the variational lower bound on the
    divergence. Bounded, with forget data alone: no reference, no retained rows. A token's pull is
    proportional to its own p: it fades on what is forgotten, and is faint on a template that the
    model would hardly say. Deviations: row by row, where the released code takes g and f* of the
    batch's mean; and P is over answer tokens, where its mean counts prompt and padding as zeros.
    In nats for kl and js, without a unit for tv and pearson.
    """
    witness, conjugate = _DIVERGENCES[divergence]
    return -witness(_mean_p(x.of("template"))) + conjugate(witness(_mean_p(x)))


def _mean_p(x: Scores) -> Tensor:
    """[B] mean probability of an answer's tokens, with gradient."""
    return torch.where(x.mask, x.logp.exp(), 0.0).sum(-1) / x.length


@objective(
    unit="sequence",
    pairs=("refused",),
    needs=("ref.logp", "refused.logp", "refused.ref.logp"),
    source="arXiv:2402.01306, as in SatImp's code",
)
def kto(
    x: Scores, *, beta: Positive = 0.1, logarithm: bool = False, textbook: bool = False
) -> Tensor:
    """Kahneman-Tversky optimisation, the undesirable branch alone, [B] nats.

    2/beta sigmoid(beta x gain - z0): gain is what this answer gained on the reference, z0 what the
    refusal of the same question gained, without gradient. So an answer is pushed until it has
    lost more than its refusal. `logarithm` takes -2/beta log sigmoid(z0 - beta x gain), which is
    NPO moved by z0 and, unlike the sigmoid, still pulls on answers that are far too probable.
    `textbook` keeps z0 at 0 or above and multiplies it by beta; the code that we follow does
    neither. Deviations: z0 is that code's batch mean, here each row's own, as a mean would change
    with the micro-batch; and the code's constant (1 - 2/beta, or 1) is left out.
    """
    z0 = _gain(x.of("refused")).detach()
    if textbook:
        z0 = beta * z0.clamp(min=0)
    excess = beta * _gain(x) - z0
    return 2 / beta * (F.softplus(excess) if logarithm else excess.sigmoid())
