"""The simulated engine for live streams: it costs what a GPU's step would, and knows no speech.

Its words are those that the simulated engine for recordings finds in the same samples.
"""

import time
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from serve_app.audio.waveform import SAMPLE_RATE_HZ, Pcm
from serve_app.config import ModelConfig
from serve_app.models.protocols import ModelInfo, StreamOptions
from serve_app.models.simulated import WORD_SAMPLES, words_in
from serve_app.models.streaming.segments import (
    Said,
    Segment,
    SegmentRecognizer,
    num_certain,
    said_of,
    streaming_of,
)
from serve_app.transcript.types import Word

_FRAME_SAMPLES = 1_280
_DEFAULT_LOOK_AHEAD = 1


@dataclass(slots=True, eq=False)
class SimulatedSegment(Segment):
    words: list[Word] = field(default_factory=list)
    rest: Pcm = field(default_factory=lambda: np.zeros(0, dtype=np.int16))
    """Heard, and too short for a word yet."""
    num_decoded: int = 0
    """Samples in front of `rest`."""
    spoken: str | None = None


class SimulatedStreamingRecognizer(SegmentRecognizer[SimulatedSegment]):
    """Finds a word in each half second that is not digital silence, when it has all of it."""

    def __init__(self, config: ModelConfig) -> None:
        self._config = config
        context = streaming_of(config).att_context
        look_ahead = _DEFAULT_LOOK_AHEAD if context is None else context[1]
        super().__init__(
            config,
            ModelInfo(
                config.name, config.kind, config.languages, device="simulated", simulated=True
            ),
            step_samples=(look_ahead + 1) * _FRAME_SAMPLES,
        )

    def _begin(self, slot: int, options: StreamOptions) -> SimulatedSegment:
        return SimulatedSegment(slot, options)

    def _advance(self, segments: Sequence[SimulatedSegment]) -> None:
        cost = self._config.simulated
        time.sleep(cost.fixed_s + cost.per_stream_s * len(segments))
        for segment in segments:
            segment.spoken = segment.spoken or self._heard(segment)
            segment.rest = np.concatenate([segment.rest, segment.arrived])
            self._decode(segment)

    def _finish(self, segments: Sequence[SimulatedSegment]) -> None:
        for segment in segments:
            num_left = max(segment.num_samples - segment.num_decoded, 0)
            segment.rest = segment.rest[:num_left]
            self._decode(segment)

    def _decode(self, segment: SimulatedSegment) -> None:
        num_whole = len(segment.rest) // WORD_SAMPLES * WORD_SAMPLES
        if segment.ended is not None:
            num_whole = len(segment.rest)
        offset_s = segment.num_decoded / SAMPLE_RATE_HZ
        written = self._written(segment)
        for word in words_in(
            segment.rest[:num_whole], "" if written == segment.spoken else written
        ):
            segment.words.append(
                replace(word, start_s=word.start_s + offset_s, end_s=word.end_s + offset_s)
            )
        segment.rest = segment.rest[num_whole:]
        segment.num_decoded += num_whole

    def _heard(self, segment: SimulatedSegment) -> str:
        """What is named, or some language of those that may be spoken, by the first frame."""
        options = segment.options
        if options.language is not None:
            return options.language
        target = options.target_language
        possible = self._config.sources_of(target) if target else self._config.languages
        return possible[zlib.crc32(segment.arrived.tobytes()) % len(possible)]

    def _written(self, segment: SimulatedSegment) -> str:
        return segment.options.target_language or segment.spoken or self._config.languages[0]

    def _said(self, segment: SimulatedSegment) -> Said:
        words = list(segment.words)
        if self._config.chooses_pnc and segment.options.pnc and words:
            words[0] = replace(words[0], text=words[0].text.capitalize())
            if segment.ended is not None:
                words[-1] = replace(words[-1], text=f"{words[-1].text}.")
        written = self._written(segment)
        said = said_of(words, num_certain=num_certain(words, segment), language=written)
        if written != segment.spoken:
            said = replace(said, words=None, spoken_language=segment.spoken)
        return said

    def _quiet_s(self, segment: SimulatedSegment) -> float | None:
        if not segment.words:
            return None
        return segment.num_decoded / SAMPLE_RATE_HZ - segment.words[-1].end_s
