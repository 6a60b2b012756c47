"""Encoder frames of many streams in, the pieces that each of them adds out.

Whatever a decoder keeps between two steps lies in the stream itself, so rows of a step need nothing
of each other, and what it does in a step depends on the step's frames alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from nemo.collections.asr.models import EncDecHybridRNNTCTCModel
from nemo.collections.asr.parts.utils.rnnt_utils import batched_hyps_to_hypotheses

from serve_app.models.decoding import (
    extend_by_best_path,
    keep_times_and_confidences,
    pieces_of,
    vocabulary_of,
)
from serve_app.models.offline.words import TimedPiece


@dataclass(slots=True, eq=False)
class Decoded:
    """What a decoder has found in a segment, and where it stands."""

    pieces: list[TimedPiece] = field(default_factory=list)
    num_frames: int = 0
    """Decoded so far."""
    state: Any = None
    """The decoder's own; None at the start."""

    @property
    def quiet_frames(self) -> int | None:
        """Since the last piece; None before the first."""
        return max(self.num_frames - self.pieces[-1].end_frame, 0) if self.pieces else None


class FrameDecoder(Protocol):
    """Decodes greedily, a batch of streams at a time."""

    def extend(
        self, rows: Sequence[Decoded], encoded: torch.Tensor, num_frames: torch.Tensor
    ) -> None:
        """Go on in each row by its next `num_frames` of `encoded`, `(num_rows, width, longest)`."""
        ...


class TransducerDecoder:
    """NeMo's label looping, RNN-T or TDT, taken up again where each row stood."""

    def __init__(self, model: Any, *, cuda_graphs: bool) -> None:
        keep_times_and_confidences(model, cuda_graphs=cuda_graphs)
        self._computer = model.decoding.decoding.decoding_computer
        self._vocabulary = vocabulary_of(model)

    def extend(
        self, rows: Sequence[Decoded], encoded: torch.Tensor, num_frames: torch.Tensor
    ) -> None:
        if encoded.shape[-1] == 0:
            return
        states = [row.state for row in rows]
        together = None
        if any(state is not None for state in states):
            together = self._computer.merge_to_batched_state(states)
        found, together = self._computer(encoded.transpose(1, 2), num_frames, together)
        hypotheses = batched_hyps_to_hypotheses(found, batch_size=len(rows))
        states = self._computer.split_batched_state(together)[: len(rows)]
        for row, hypothesis, state, count in zip(
            rows, hypotheses, states, num_frames.tolist(), strict=True
        ):
            row.pieces.extend(pieces_of(hypothesis, self._vocabulary))
            row.num_frames += count
            row.state = state


class CtcDecoder:
    """The best path; its state is the piece, or blank, of the last frame."""

    def __init__(self, model: Any) -> None:
        is_hybrid = isinstance(model, EncDecHybridRNNTCTCModel)
        self._head = model.ctc_decoder if is_hybrid else model.decoder
        self._vocabulary = vocabulary_of(model)

    def extend(
        self, rows: Sequence[Decoded], encoded: torch.Tensor, num_frames: torch.Tensor
    ) -> None:
        if encoded.shape[-1] == 0:
            return
        best, ids = self._head(encoder_output=encoded).float().max(dim=-1)
        for row, row_ids, row_best, count in zip(
            rows, ids.tolist(), best.exp().tolist(), num_frames.tolist(), strict=True
        ):
            row.state = extend_by_best_path(
                row.pieces,
                row_ids[:count],
                row_best[:count],
                self._vocabulary,
                before=len(self._vocabulary) if row.state is None else row.state,
                first_frame=row.num_frames,
            )
            row.num_frames += count
