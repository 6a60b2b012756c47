"""Scores of a transducer -> its loss, on any device, for words that must come in time.

NeMo's RNNT losses are made for CUDA; on a CPU they loop in Python over frames and labels.
This one is the forward algorithm of Graves (2012), vectorised over batch and labels, and
looping over frames. `windows` says in which frames each label may be emitted (an
alignment-restricted transducer, Mahadeokar et al. 2020): a model that may wait as long as
it likes learns to wait for what comes after a word.
"""

from __future__ import annotations

import torch
from torch import Tensor

from tiny.parakeet.tdt_loss import NEVER, say_within_frame


def rnnt_loss(
    scores: Tensor,
    labels: Tensor,
    num_frames: Tensor,
    num_labels: Tensor,
    *,
    windows: Tensor | None = None,
) -> Tensor:
    """Return the negative log-likelihood of each row, shape (batch,).

    Args:
        scores: (batch, frames, labels + 1, tokens + 1), not normalised, the blank last.
        labels: (batch, labels), padded with any token.
        num_frames, num_labels: (batch,), the valid part of each row.
        windows: (batch, labels, 2), first and last frame at which each label may come.
    """
    index = labels[:, None, :, None].expand(-1, scores.shape[1], -1, 1)
    total = scores.logsumexp(-1)
    # Sums over the labels that may not come would cost 32 bits their precision.
    blank = (scores[..., -1] - total).double()
    emit = (scores[:, :, :-1].gather(3, index)[..., 0] - total[:, :, :-1]).double()
    if windows is not None:
        frame = torch.arange(scores.shape[1], device=scores.device)[None, :, None]
        inside = (frame >= windows[:, None, :, 0]) & (frame <= windows[:, None, :, 1])
        emit = emit + torch.where(inside, 0.0, NEVER)
    alphas = _forward(emit, blank)
    rows = torch.arange(len(labels), device=labels.device)
    last = num_frames - 1
    return -(alphas[rows, last, num_labels] + blank[rows, last, num_labels]).to(scores.dtype)


def _forward(emit: Tensor, blank: Tensor) -> Tensor:
    """Return the log-probability of reaching (frame, labels said), as (batch, frames, labels+1)."""
    batch, _, num_states = blank.shape
    reached = blank.new_full((batch, num_states), NEVER)
    reached[:, 0] = 0.0
    alphas = []
    for emit_here, blank_here in zip(emit.unbind(1), blank.unbind(1), strict=True):
        alphas.append(say_within_frame(reached, emit_here))
        reached = alphas[-1] + blank_here
    return torch.stack(alphas, 1)
