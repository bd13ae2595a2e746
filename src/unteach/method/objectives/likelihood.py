"""Losses of the answer's own tokens: learn them, unlearn them, bound the unlearning.

With L = sum_t w_t log p_t minimised, most are known by a detached weight w (see docs/methods.md):
ascent w = 1, unlikelihood w = p / (1 - p). `inverted_hinge` and `logit_margin` are not of that
form: they look at what else could stand in a token's place.
"""

from __future__ import annotations

from math import log

import torch
from torch import Tensor

from unteach.method.objectives.pairing import partners
from unteach.model.scores import Scores
from unteach.ranges import Positive
from unteach.registry import objective


@objective(unit="token", source="standard")
def nll(x: Scores) -> Tensor:
    """Negative log-likelihood, [B, A] nats: what fine-tuning minimises."""
    return -x.logp


@objective(unit="token", source="arXiv:2210.01504")
def ascent(x: Scores) -> Tensor:
    """Gradient ascent, [B, A] nats: minimising it raises the loss on the answer.

    Unbounded below: run past its early stop it destroys the model. A negative control.
    """
    return x.logp


@objective(unit="token", source="arXiv:1908.04319")
def unlikelihood(x: Scores) -> Tensor:
    """Unlikelihood, [B, A] nats: -log(1 - p) of each true token.

    Bounded below by 0, and its pull p / (1 - p) fades as a token becomes unlikely, so a forgotten
    token is left alone. 1e-6 is added to 1 - p: the pull on a certain token is at most 1e6.
    """
    return -log_rest(x)


@objective(
    unit="token",
    pairs=("swapped",),
    needs=("swapped.logp",),
    source="our own, of arXiv:1908.04319 and arXiv:2407.16997",
)
def unlink(x: Scores, *, level: Positive = 1.0) -> Tensor:
    """Unlikelihood of what the name gives away, [B, A] nats: -log(1 - p), and 0 elsewhere.

    A token's information is log p - log(level x q), where q is its probability in the paired row:
    the same answer to the same question about somebody else, under the model as it is now. Tokens
    with information above 0 are pushed, in rows whose information adds up to more than 0. So the
    words that anybody's answer has are left alone, nothing need be marked as specific, and a row
    is let go once its subject says no more of the answer than a stranger does: as of a model that
    never learned whose it is. Where other names share the answers, q falls along with p.

    A token without a partner, such as the name itself, is not pushed. `level` below 1 goes on until
    the answer is that much less probable than a stranger's, token by token.
    """
    other = x.of("swapped")
    partner = partners(x, other)
    known = other.logp.detach().gather(1, partner.clamp(min=0)) + log(level)
    information = torch.where((partner >= 0) & x.mask, x.logp.detach() - known, 0.0)
    pushed = (information > 0) & (information.sum(-1, keepdim=True) > 0)
    loss = torch.where(pushed, -log_rest(x), 0.0)
    # what is not a number compares as false, and must not pass for nothing to push
    return torch.where(information.isnan(), information, loss)


def log_rest(x: Scores) -> Tensor:
    """log(1 - p), [B, A] nats: of all words but the true one; 1e-6 is added to 1 - p."""
    rest = torch.where(x.mask, -torch.expm1(x.logp), 1.0)
    return (rest + 1e-6).log()  # added, as a clamp would have no slope where p is 1 to 6 digits


@objective(unit="token", needs=("logits",), source="arXiv:2408.06621")
def inverted_hinge(x: Scores) -> Tensor:
    """Inverted hinge (IHL), [B, A] from 0 to 2: 1 + p of the true token - the largest other p.

    It moves probability from the true token to the runner-up alone, so that the answer stays
    fluent, and it is bounded on both sides. Its slope vanishes where p is near 1 as where it is near
    0: what is known by heart goes slowly. The paper's equation; its code was not read.
    """
    p = x.logits.softmax(-1)
    true = x.targets[..., None]
    return 1 + p.gather(-1, true).squeeze(-1) - p.scatter(-1, true, 0.0).amax(-1)


@objective(unit="token", needs=("logits",), source="arXiv:2506.05314")
def logit_margin(x: Scores) -> Tensor:
    """Squared margin of the top logit above the mean logit (PDU's forget loss), [B, A] nats squared.

    (max z - mean z)^2 where an answer token is predicted: 0 when every word is equally likely. It
    never looks at the true token, so whatever the model would say there is flattened. Of a large
    vocabulary it is some hundreds at the start: it needs a strong retain term, which its paper has
    as a constraint (rule `dual`). The released code reads the logits one position too late; ours
    are those that predict the answer.
    """
    return (x.logits.amax(-1) - x.logits.mean(-1)) ** 2
