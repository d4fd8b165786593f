"""The sum over all alignments of one line without listing them: forwards and backwards.

In T steps over the 2L+1 states of a label with blanks around its characters.

Graves, Fernandez, Gomez, Schmidhuber, "Connectionist Temporal Classification", ICML 2006.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import pad

from crnn_lib.ctc._checks import ROUNDING, check_line, plain_label, warn_of_scores
from crnn_lib.ctc.definition import NEVER, _with_blanks


@dataclass(frozen=True)
class Trellis:
    """What forward-backward finds out about a line and a label. All float64 natural logarithms.

    Attributes
    ----------
    states : Tensor, (S,)
        The label with blanks around its characters, as class indices. S = 2L + 1.
    alpha : Tensor, (T, S)
        Sum over all ways to state s at frame t. The emission at t is included.
    beta : Tensor, (T, S)
        Sum over all ways from state s at frame t to the end. The emission at t is NOT included,
        so ``alpha + beta`` sums all alignments through (t, s).
    state_occupancy : Tensor, (T, S)
        Posterior of state s at frame t, given the label: ``alpha + beta - log_prob``.
    occupancy : Tensor, (T, C)
        The same for classes; the literature's log gamma.
    log_prob : float
        Log-probability of the label. If it is -inf, so are the occupancies.
    """

    states: Tensor
    alpha: Tensor
    beta: Tensor
    state_occupancy: Tensor
    occupancy: Tensor
    log_prob: float


def forward_backward(log_probs: Tensor, label: Sequence[int], *, blank: int = 0) -> Trellis:
    """Sum over all alignments of a label without listing them (Graves et al., section 4.1).

    Alignments that meet in a state share their past, so one number per frame and state is enough.
    ``log_probs`` is one line, (T, C). Raises what :func:`ctc_loss` raises, and warns as it does.

    >>> import math
    >>> trellis = forward_backward(torch.tensor([[0.6, 0.4], [0.6, 0.4]]).log(), [1])
    >>> round(math.exp(trellis.log_prob), 6)
    0.64
    >>> trellis.occupancy.exp()  # "a" in the first frame: aa and a-, 0.4 of the 0.64
    tensor([[0.3750, 0.6250],
            [0.3750, 0.6250]], dtype=torch.float64)
    """
    label = plain_label(label)
    batch = check_line(log_probs, label, blank)
    states = torch.tensor(_with_blanks(label, blank), device=log_probs.device)  # (S,)
    emitted = log_probs.detach().double()[:, states]  # (T, S)

    alpha = torch.full_like(emitted, NEVER)
    alpha[0, :2] = emitted[0, :2]
    for t in range(1, len(emitted)):
        alpha[t] = _enter_states(alpha[t - 1], states) + emitted[t]

    beta = torch.full_like(emitted, NEVER)
    beta[-1, -2:] = 0.0
    for t in reversed(range(len(emitted) - 1)):  # the same, reading from the right
        beta[t] = _enter_states((beta[t + 1] + emitted[t + 1]).flip(0), states.flip(0)).flip(0)

    log_prob = alpha[-1, -2:].logsumexp(0)
    warn_of_scores(log_probs[None], batch[1], log_prob[None] > ROUNDING, 2)
    through = alpha + beta - log_prob.where(log_prob > NEVER, 0.0)  # (T, S)
    occupancy = through.new_full(log_probs.shape, NEVER)  # (T, C)
    for s, c in enumerate(states):
        occupancy[:, c] = torch.logaddexp(occupancy[:, c], through[:, s])
    return Trellis(states, alpha, beta, through, occupancy, log_prob.item())


def _enter_states(last: Tensor, states: Tensor, never: float = NEVER) -> Tensor:
    """Sum of the ways into each state, (..., S): from itself, from the one before, past a blank.

    Only a blank between different characters can be passed; between equal ones it is needed.
    """
    one_before, two_before = (pad(last, (k, 0), value=never)[..., :-k] for k in (1, 2))
    may_pass = states != pad(states, (2, 0), value=-1)[..., :-2]
    may_pass[..., 0::2] = False  # a blank is entered from its neighbour only
    return torch.stack([last, one_before, two_before.where(may_pass, never)]).logsumexp(0)
