"""Losses of a whole answer's log-probability against that of a reference."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from unteach.model.scores import Scores
from unteach.registry import objective


@objective(unit="sequence", needs=("ref.logp",), source="arXiv:2404.05868")
def npo(x: Scores, *, beta: float = 0.1) -> Tensor:
    """Negative preference optimisation, [B] nats.

    Ascent whose gradient fades once the model is less sure than the reference; as beta -> 0 it
    becomes plain ascent. Log-probabilities are summed over the answer, as in the paper's code.
    """
    return -2 / beta * F.logsigmoid(-beta * (x.seq_logp - x.ref.seq_logp))
