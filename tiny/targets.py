"""Words with their times -> labels, and the frames at which a model should say them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor, nn

from tiny.speech.voices import Utterance

FRAME_S = 0.08
"""Of an encoder that subsamples features of 10 ms by eight."""


def targets(
    utterances: Sequence[Utterance],
    tokenize: Callable[[str], list[int]],
    num_frames: Tensor,
    *,
    max_duration: int,
) -> tuple[Tensor, Tensor, Tensor]:
    """Return labels, their number, and the frames each starts and ends at."""
    all_ids, all_spans = [], []
    for utterance, frames in zip(utterances, num_frames.tolist(), strict=True):
        ids: list[int] = []
        spans: list[tuple[float, float]] = []
        for word in utterance.words:
            pieces = tokenize(word.text)
            ids += pieces
            for begin, end in _piece_spans(word.start_s, word.end_s, len(pieces), max_duration):
                spans.append((min(begin, frames - 1), min(end, frames - 1)))
        all_ids.append(torch.tensor(ids, dtype=torch.long))
        all_spans.append(torch.tensor(spans, dtype=torch.long).view(-1, 2))
    # Losses want a place for a label even where nobody speaks.
    all_ids.append(torch.zeros(1, dtype=torch.long))
    all_spans.append(torch.zeros(1, 2, dtype=torch.long))
    return (
        nn.utils.rnn.pad_sequence(all_ids, batch_first=True)[:-1],
        torch.tensor([len(ids) for ids in all_ids[:-1]]),
        nn.utils.rnn.pad_sequence(all_spans, batch_first=True)[:-1],
    )


def _piece_spans(
    start_s: float, end_s: float, num_pieces: int, max_duration: int
) -> Iterator[tuple[int, int]]:
    """Share a word's time among its pieces; one longer than a duration can say is centred."""
    step = (end_s - start_s) / num_pieces / FRAME_S
    half = min(step, max_duration) / 2
    for piece in range(num_pieces):
        middle = start_s / FRAME_S + (piece + 0.5) * step
        yield math.floor(middle - half + 0.5), math.floor(middle + half + 0.5)


def token_of_each_frame(
    labels: Tensor,
    spans: Tensor,
    num_frames: Tensor,
    blank: int,
    max_frames: int,
    *,
    delay: int = 0,
) -> Tensor:
    """Return the token spoken `delay` frames ago, the blank between words, -1 beyond the end."""
    frames = torch.arange(max_frames)
    wanted = torch.full((len(labels), len(frames)), blank)
    for index in range(labels.shape[1]):
        begin, end = spans[:, index, :1], spans[:, index, 1:]
        inside = (frames - delay >= begin) & (frames - delay < torch.maximum(end, begin + 1))
        inside &= end > 0
        wanted = torch.where(inside, labels[:, index, None], wanted)
    return wanted.masked_fill(frames >= num_frames[:, None], -1)
