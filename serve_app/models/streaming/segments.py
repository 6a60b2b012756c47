"""Frames of slots in, texts of segments out: what all streaming models share. No torch.

A kind of model says how one fused step of many segments goes. Where a segment ends does not depend
on the kind (`ends`); what is carried into the next one is stepped there at once.
"""

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import zip_longest
from typing import Generic, Literal, TypeVar

import numpy as np

from serve_app.audio.waveform import SAMPLE_RATE_HZ, Pcm
from serve_app.config import ModelConfig, StreamingConfig
from serve_app.models.protocols import ModelInfo, StreamFrame, StreamOptions, StreamText
from serve_app.models.streaming.ends import EndRule
from serve_app.transcript.types import Word

_NOTHING: Pcm = np.zeros(0, dtype=np.int16)


@dataclass(slots=True, eq=False)
class Segment:
    """The unit of a model's state; each kind adds what it keeps."""

    slot: int
    options: StreamOptions
    num_samples: int = 0
    """Heard so far, `arrived` included; where it has ended, without what was carried."""
    arrived: Pcm = field(default_factory=lambda: _NOTHING)
    """What the step adds."""
    recent: deque[bytes] = field(default_factory=deque)
    """The last frames: no more than may be carried."""
    ended: Literal["asked", "blank", "length"] | None = None
    num_carried: int = 0
    """Frames that it heard and that are the next one's."""

    @property
    def duration_s(self) -> float:
        return self.num_samples / SAMPLE_RATE_HZ


@dataclass(frozen=True, slots=True)
class Said:
    """What a segment says so far."""

    confirmed: str
    tentative: str = ""
    """With its own leading space: the text is `confirmed + tentative`."""
    words: tuple[Word, ...] | None = None
    """Of a segment that has ended."""
    language: str | None = None
    spoken_language: str | None = None


S = TypeVar("S", bound=Segment)


class SegmentRecognizer(ABC, Generic[S]):
    """A `StreamingRecognizer` without its model. When a step raises, what is in its slots is lost:
    release them."""

    def __init__(self, config: ModelConfig, info: ModelInfo, *, step_samples: int) -> None:
        self.info = info
        self.step_samples = step_samples
        settings = streaming_of(config)
        self.num_slots = settings.num_slots
        most_samples = int(settings.max_segment_s * SAMPLE_RATE_HZ)
        self._rule = EndRule(step_samples, max(most_samples // step_samples, 1) * step_samples)
        self._segments: list[S | None] = [None] * self.num_slots

    def occupy(self, slot: int, options: StreamOptions) -> None:
        if self._segments[slot] is not None:
            raise ValueError(f"slot {slot} is occupied")
        self._segments[slot] = self._begin(slot, options)

    def release(self, slot: int) -> None:
        self._segment(slot)
        self._segments[slot] = None
        self._forget(slot)

    def step(self, frames: Sequence[StreamFrame]) -> list[StreamText]:
        if len({frame.slot for frame in frames}) < len(frames):
            raise ValueError("two frames of one slot are two steps")
        segments = [self._hear(frame) for frame in frames]
        if segments:
            self._advance(segments)
        over = [each for each in segments if each.ended is None and self._ends(each)]
        if over:
            self._finish(over)
        texts = [self._text(segment) for segment in segments]
        self._carry(over)
        return texts

    def _carry(self, ended: Sequence[S]) -> None:
        """Step what was carried into the next segments, as a replay would: so that they stand where
        they would stand then."""
        carried = [
            [StreamFrame(each.slot, pcm) for pcm in list(each.recent)[-each.num_carried :]]
            for each in ended
            if each.num_carried
        ]
        for frames in zip_longest(*carried):
            texts = self.step([frame for frame in frames if frame is not None])
            assert all(text.ended is None for text in texts), "nothing ends in what is carried"

    def _segment(self, slot: int) -> S:
        segment = self._segments[slot]
        if segment is None:
            raise ValueError(f"slot {slot} is free")
        return segment

    def _hear(self, frame: StreamFrame) -> S:
        segment = self._segment(frame.slot)
        segment.arrived = np.frombuffer(frame.pcm, dtype="<i2")
        num_arrived = len(segment.arrived)
        is_whole = num_arrived == self.step_samples
        if not is_whole and (num_arrived > self.step_samples or not frame.is_last):
            raise ValueError(f"a frame of {num_arrived} samples; a step takes {self.step_samples}")
        segment.num_samples += num_arrived
        segment.recent.append(frame.pcm)
        if len(segment.recent) > self._rule.most_carried:
            segment.recent.popleft()
        if frame.is_last:
            segment.ended = "asked"
        return segment

    def _ends(self, segment: S) -> bool:
        """Whether it ends by itself behind this step; then it is cut where it does."""
        quiet_s = self._quiet_s(segment)
        end = self._rule.end_of(segment.num_samples, quiet_s, segment.options.blank_s)
        if end is None:
            return False
        segment.ended, segment.arrived = end.reason, _NOTHING
        segment.num_carried = end.num_carried
        segment.num_samples -= end.num_carried * self.step_samples
        return True

    def _text(self, segment: S) -> StreamText:
        said = self._said(segment)
        if segment.ended is not None:
            self._forget(segment.slot)
            self._segments[segment.slot] = self._begin(segment.slot, segment.options)
        else:
            said = replace(said, words=None)
        return StreamText(
            confirmed=said.confirmed,
            tentative=said.tentative,
            words=said.words,
            ended=segment.ended,
            num_samples=segment.num_samples,
            num_carried=segment.num_carried,
            language=said.language,
            spoken_language=said.spoken_language,
        )

    @abstractmethod
    def _begin(self, slot: int, options: StreamOptions) -> S:
        """A new segment."""

    @abstractmethod
    def _advance(self, segments: Sequence[S]) -> None:
        """One fused step: hear what has arrived in each; to the very end in those that `ended`."""

    def _finish(self, segments: Sequence[S]) -> None:
        """Hear those to their end that were found to end by themselves. The last `num_carried`
        frames that they heard are not theirs any more."""

    @abstractmethod
    def _said(self, segment: S) -> Said:
        """All of it as confirmed, with its words, where it has ended."""

    @abstractmethod
    def _quiet_s(self, segment: S) -> float | None:
        """Seconds without a new word up to where the decoder is; None before the first."""

    def _forget(self, slot: int) -> None:
        """Let go of what the model keeps for the slot elsewhere than in its segment."""


def streaming_of(config: ModelConfig) -> StreamingConfig:
    if config.streaming is None:
        raise ValueError(f"{config.name} takes recordings, no streams")
    return config.streaming


def said_of(words: Sequence[Word], *, num_certain: int, language: str | None) -> Said:
    """The text of `words`, of which the first `num_certain` stay as they are."""
    confirmed, tentative = joined([word.text for word in words], num_certain)
    return Said(confirmed, tentative, tuple(words), language=language, spoken_language=language)


def joined(words: Sequence[str], num_certain: int) -> tuple[str, str]:
    """What is confirmed and what is tentative, with the space between them."""
    confirmed, rest = " ".join(words[:num_certain]), " ".join(words[num_certain:])
    return confirmed, f" {rest}" if confirmed and rest else rest


def num_certain(words: Sequence[Word], segment: Segment) -> int:
    """All, where the segment has ended; else all but the last, which may still grow by a piece."""
    return len(words) if segment.ended is not None else max(len(words) - 1, 0)
