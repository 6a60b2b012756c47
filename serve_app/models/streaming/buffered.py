"""Offline transducers on streams: each step encodes the past, a chunk and what follows it.

    forgotten | left: seen again | chunk: decoded now | right: heard, decoded for now

The encoder sees all three parts at once, the decoder goes on through the chunk from where it stood,
and looks ahead into the right part for a text that may still change. NeMo's own pipeline goes the
same way (`BufferedRNNTPipeline`, stateful); its decoding computer does it here.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from nemo.collections.asr.models import EncDecRNNTModel

from serve_app.audio.waveform import SAMPLE_RATE_HZ
from serve_app.config import ModelConfig
from serve_app.errors import ConfigError
from serve_app.models.offline.recognizer import device_name
from serve_app.models.offline.words import TimedPiece, words_of
from serve_app.models.protocols import ModelInfo, StreamOptions
from serve_app.models.streaming.decoders import Decoded, TransducerDecoder
from serve_app.models.streaming.segments import (
    Said,
    Segment,
    SegmentRecognizer,
    num_certain,
    said_of,
    streaming_of,
)
from serve_app.models.streaming.windows import Window, as_batch, frames_in
from serve_app.transcript.types import Word

_DEFAULT_CHUNK_S = 2.0
_DEFAULT_RIGHT_S = 2.0


@dataclass(slots=True, eq=False)
class BufferedSegment(Segment):
    window: Window = field(default_factory=Window)
    decoded: Decoded = field(default_factory=Decoded)
    ahead: Decoded = field(default_factory=Decoded)
    """From where `decoded` ends to the end of what was heard."""


class BufferedRecognizer(SegmentRecognizer[BufferedSegment]):
    """A step is a chunk; its parts are rounded up to whole frames of the encoder."""

    def __init__(self, model: Any, config: ModelConfig) -> None:
        """
        Raises:
            ConfigError: the checkpoint holds no transducer.
        """
        if not isinstance(model, EncDecRNNTModel):
            raise ConfigError(
                f"models.{config.name}.kind",
                f"{config.checkpoint} holds a {type(model).__name__}, which is no transducer",
            )
        self._model = model
        self._device: torch.device = next(model.parameters()).device
        self._decoder = TransducerDecoder(
            model, cuda_graphs=config.cuda_graphs and self._device.type == "cuda"
        )
        self._frame_s = float(
            model.cfg.preprocessor.window_stride * model.encoder.subsampling_factor
        )
        self._frame_samples = round(self._frame_s * SAMPLE_RATE_HZ)
        settings = streaming_of(config)
        chunk_s = _DEFAULT_CHUNK_S if settings.chunk_s is None else settings.chunk_s
        right_s = _DEFAULT_RIGHT_S if settings.right_s is None else settings.right_s
        self._left_frames = frames_in(settings.left_s, self._frame_s)
        self._right_frames = frames_in(right_s, self._frame_s)
        super().__init__(
            config,
            ModelInfo(config.name, config.kind, config.languages, device=device_name(self._device)),
            step_samples=frames_in(chunk_s, self._frame_s) * self._frame_samples,
        )
        self._only_language = config.languages[0] if len(config.languages) == 1 else None

    def _begin(self, slot: int, options: StreamOptions) -> BufferedSegment:
        return BufferedSegment(slot, options)

    @torch.inference_mode()
    def _advance(self, segments: Sequence[BufferedSegment]) -> None:
        for segment in segments:
            segment.window.hear(segment.arrived)
        waiting = [
            segment
            for segment in segments
            if segment.window.end > segment.decoded.num_frames * self._frame_samples
        ]
        if not waiting:
            return
        signal, num_samples = as_batch([segment.window for segment in waiting], self._device)
        encoded, num_encoded = self._model(input_signal=signal, input_signal_length=num_samples)
        ends = [
            segment.window.start // self._frame_samples + count
            for segment, count in zip(waiting, num_encoded.tolist(), strict=True)
        ]
        self._decode(waiting, encoded, ends)
        for segment in waiting:
            kept = segment.decoded.num_frames - self._left_frames
            segment.window.forget(kept * self._frame_samples)

    def _decode(
        self, segments: Sequence[BufferedSegment], encoded: torch.Tensor, ends: Sequence[int]
    ) -> None:
        """Up to the right part for good, and to the frame in `ends` for now."""
        firsts = [segment.window.start // self._frame_samples for segment in segments]
        rows = [segment.decoded for segment in segments]
        certain = [
            end if segment.ended is not None else min(end, self._certain(segment))
            for segment, end in zip(segments, ends, strict=True)
        ]
        self._extend(rows, encoded, firsts, certain)
        for segment in segments:
            segment.ahead = Decoded(
                num_frames=segment.decoded.num_frames, state=segment.decoded.state
            )
        self._extend([segment.ahead for segment in segments], encoded, firsts, ends)

    def _certain(self, segment: BufferedSegment) -> int:
        """Frames of the segment that have all of their right part."""
        return segment.window.end // self._frame_samples - self._right_frames

    def _extend(
        self,
        rows: Sequence[Decoded],
        encoded: torch.Tensor,
        firsts: Sequence[int],
        ends: Sequence[int],
    ) -> None:
        """Decode each row on to the frame of the segment that `ends` names; `encoded` begins at the
        one that `firsts` does."""
        counts = [max(end - row.num_frames, 0) for row, end in zip(rows, ends, strict=True)]
        starts = [row.num_frames - first for row, first in zip(rows, firsts, strict=True)]
        places = torch.tensor(starts, device=self._device)[:, None] + torch.arange(
            max(counts), device=self._device
        )
        places = places.clamp(max=encoded.shape[-1] - 1)
        wanted = encoded.gather(2, places[:, None].expand(-1, encoded.shape[1], -1))
        self._decoder.extend(rows, wanted, torch.tensor(counts, device=self._device))

    def _finish(self, segments: Sequence[BufferedSegment]) -> None:
        """What was decoded for now is for good: a last step would decode the same again."""
        for segment in segments:
            segment.decoded.pieces.extend(segment.ahead.pieces)

    def _said(self, segment: BufferedSegment) -> Said:
        language = segment.options.language or self._only_language
        certain = self._words(segment, segment.decoded.pieces)
        if segment.ended is not None:
            return said_of(certain, num_certain=len(certain), language=language)
        words = self._words(segment, [*segment.decoded.pieces, *segment.ahead.pieces])
        return said_of(words, num_certain=num_certain(certain, segment), language=language)

    def _words(self, segment: BufferedSegment, pieces: Sequence[TimedPiece]) -> tuple[Word, ...]:
        return words_of(pieces, frame_s=self._frame_s, duration_s=segment.duration_s)

    def _quiet_s(self, segment: BufferedSegment) -> float | None:
        pieces = [*segment.decoded.pieces[-1:], *segment.ahead.pieces[-1:]]
        if not pieces:
            return None
        return max(segment.ahead.num_frames - pieces[-1].end_frame, 0) * self._frame_s
