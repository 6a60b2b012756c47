"""Scores of a token-and-duration transducer -> its loss, on any device.

NeMo's own TDT losses need CUDA. This one is the forward algorithm of Xu et al., "Efficient
Sequence Transduction by Jointly Predicting Tokens and Durations" (2023), vectorised over
batch and labels, and looping over frames. Steps of duration zero, which chain labels within
a frame, are a scan in closed form.

Where the times of the words are known, `spans` says which frames a label may start and end
at (an alignment-restricted transducer, Mahadeokar et al. 2020): the model then learns to
emit words when they are said, and learns it faster.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

NEVER = -1e4


def tdt_loss(
    token_log_probs: Tensor,
    duration_log_probs: Tensor,
    labels: Tensor,
    num_frames: Tensor,
    num_labels: Tensor,
    *,
    durations: Sequence[int],
    spans: Tensor | None = None,
    tolerance: float = 1.0,
) -> Tensor:
    """Return the negative log-likelihood of each row, shape (batch,).

    Args:
        token_log_probs: (batch, frames, labels + 1, tokens + 1), the blank last.
        duration_log_probs: (batch, frames, labels + 1, len(durations)).
        labels: (batch, labels), padded with any token.
        num_frames, num_labels: (batch,), the valid part of each row.
        durations: how many frames each duration class moves on; a blank never stays.
        spans: (batch, labels, 2), frame where each label starts and where it ends.
        tolerance: how far, in frames, a label may be from its span.
    """
    emit, skip = _arc_scores(token_log_probs, duration_log_probs, labels)
    if spans is not None:
        emit = emit + _outside_span(spans, emit.shape[1], durations, tolerance)
    alphas = _forward(emit, skip, durations)
    rows = torch.arange(len(labels), device=labels.device)
    endings = []
    for index, duration in enumerate(durations):
        if duration:
            last = num_frames - duration
            at = last.clamp(min=0)
            score = alphas[rows, at, num_labels] + skip[rows, at, num_labels, index]
            endings.append(torch.where(last >= 0, score, torch.full_like(score, NEVER)))
    return -torch.logsumexp(torch.stack(endings), 0)


def _arc_scores(tokens: Tensor, durations: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Return the scores of emitting the next label and of blank, by duration class."""
    index = labels[:, None, :, None].expand(-1, tokens.shape[1], -1, 1)
    emit = tokens[:, :, :-1].gather(3, index) + durations[:, :, :-1]
    return emit, tokens[..., -1:] + durations


def _outside_span(
    spans: Tensor, max_frames: int, durations: Sequence[int], tolerance: float
) -> Tensor:
    """Return 0 where a label may start at a frame and last a duration, a large loss elsewhere."""
    start = torch.arange(max_frames, device=spans.device)[None, :, None, None]
    end = start + torch.tensor(durations, device=spans.device)
    near_start = (start - spans[:, None, :, None, 0]).abs() <= tolerance
    near_end = (end - spans[:, None, :, None, 1]).abs() <= tolerance
    return torch.where(near_start & near_end, 0.0, NEVER)


def _forward(emit: Tensor, skip: Tensor, durations: Sequence[int]) -> Tensor:
    """Return the log-probability of reaching (frame, labels said), as (batch, frames, labels+1)."""
    batch, num_frames, num_states, _ = skip.shape
    nothing = skip.new_full((batch, 1), NEVER)
    emit_by_frame, skip_by_frame = emit.unbind(1), skip.unbind(1)
    alphas: list[Tensor] = []
    for frame in range(num_frames):
        arrivals = []
        for index, duration in enumerate(durations):
            if 0 < duration <= frame:
                before = alphas[frame - duration]
                arrivals.append(before + skip_by_frame[frame - duration][..., index])
                said = before[:, :-1] + emit_by_frame[frame - duration][..., index]
                arrivals.append(torch.cat([nothing, said], 1))
        if frame == 0:
            reached = skip.new_full((batch, num_states), NEVER)
            reached[:, 0] = 0.0
        elif arrivals:
            reached = torch.logsumexp(torch.stack(arrivals), 0)
        else:
            reached = skip.new_full((batch, num_states), NEVER)
        if 0 in durations:
            here = emit_by_frame[frame][..., list(durations).index(0)]
            reached = say_within_frame(reached, here)
        alphas.append(reached)
    return torch.stack(alphas, 1)


def say_within_frame(reached: Tensor, emit: Tensor) -> Tensor:
    """Add the paths that say any number of labels within the frame.

    With C the running sum of the emission scores, alpha[u] = logsum over v <= u of
    (reached[v] - C[v]) + C[u].
    """
    total = torch.cat([emit.new_zeros(len(emit), 1), emit.cumsum(1)], 1)
    return torch.logcumsumexp(reached - total, 1) + total
