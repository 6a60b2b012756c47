"""Audio as it arrives, in; where somebody speaks, and what is said without a break, out.

What is cut depends on the samples alone, except where a client falls silent on the wire: that ends
an utterance too.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Coroutine, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from serve_app.audio.voice import Detector, VoiceActivity
from serve_app.audio.waveform import BYTES_PER_SAMPLE, SAMPLE_RATE_HZ
from serve_app.errors import SpeechError
from serve_app.models.protocols import Speech
from serve_app.pipelines.streaming.endpointing import CutFrame, Cutter, VoiceTurn

_STEP = SAMPLE_RATE_HZ // 10
"""Of what is cut out; no model steps by it."""
_PAUSE = SAMPLE_RATE_HZ // 5
"""Of what is too long, so much is looked for that is quieter than the rest."""
_SEARCHED = 1 / 3
"""Of what is too long, the last part is searched for a pause."""
_ECHO_S = 0.25
"""Behind the sound: what a room and the way to it add."""
_REMEMBERED = 4096
"""Arrivals: minutes of them, whatever the packets."""


@dataclass(frozen=True, slots=True)
class Onset:
    """Somebody began to speak; an `Offset` and a `Spoken` follow."""

    at_sample: int


@dataclass(frozen=True, slots=True)
class Offset:
    """The speech ended there."""

    at_sample: int


@dataclass(frozen=True, slots=True)
class Spoken:
    """What was said, with a little of the silence around it."""

    pcm: bytes
    """PCM16LE mono at 16 kHz."""
    start_sample: int
    end_sample: int


Heard: TypeAlias = Onset | Offset | Spoken


class Utterances:
    """Cuts one stream; each `Onset` is followed by its `Offset` and its `Spoken`."""

    def __init__(
        self,
        voice_activity: VoiceActivity,
        max_utterance_s: float,
        new_detector: Callable[[], Detector],
    ) -> None:
        self._cutter = Cutter(_STEP, voice_activity, new_detector)
        self._max_bytes = int(max_utterance_s * SAMPLE_RATE_HZ) * BYTES_PER_SAMPLE
        self._pcm = bytearray()
        self._start: int | None = None
        """Where the speech under way begins; None while nobody speaks."""
        self._has_ended = False
        """Whether its end was told, and the rest of it is still to come."""

    @property
    def num_samples(self) -> int:
        """Of the whole stream, so far."""
        return self._cutter.num_samples

    def push(self, pcm: bytes) -> Iterator[Heard]:
        """Take PCM16LE mono at 16 kHz, as far as the iterator is drawn."""
        for cut in self._cutter.push(pcm):
            yield from self._taken(cut)

    def end(self) -> Iterator[Heard]:
        """End what is being said here; nothing where nobody speaks."""
        if not self._cutter.has_utterance:
            return
        for cut in self._cutter.end():
            yield from self._taken(cut)

    def close(self) -> None:
        """Nothing follows; may be called again."""
        self._cutter.close()

    def _taken(self, cut: CutFrame | VoiceTurn) -> Iterator[Heard]:
        if isinstance(cut, VoiceTurn):
            self._has_ended = not cut.is_speech
            yield Onset(cut.at_sample) if cut.is_speech else Offset(cut.at_sample)
            return
        if self._start is None:
            self._start = cut.start_sample
        self._pcm += cut.frame.pcm
        if cut.frame.is_last:
            if not self._has_ended:
                yield Offset(cut.end_sample)
            yield self._cut_off(len(self._pcm))
            self._start = None
        elif len(self._pcm) >= self._max_bytes and not self._has_ended:
            spoken = self._cut_off(_quietest(self._pcm))
            yield Offset(spoken.end_sample)
            yield spoken
            self._start = spoken.end_sample
            yield Onset(spoken.end_sample)

    def _cut_off(self, num_bytes: int) -> Spoken:
        assert self._start is not None, "nobody spoke"
        pcm = bytes(self._pcm[:num_bytes])
        del self._pcm[:num_bytes]
        return Spoken(pcm, self._start, self._start + num_bytes // BYTES_PER_SAMPLE)


class Arrivals:
    """When which sample arrived, by `time.monotonic`."""

    def __init__(self) -> None:
        self._until: deque[tuple[int, float]] = deque(maxlen=_REMEMBERED)

    def note(self, num_samples: int, at: float) -> None:
        """So many samples of the stream were there then."""
        self._until.append((num_samples, at))

    def of(self, sample: int) -> float:
        """When all before `sample` were there."""
        found = time.monotonic()
        for num_samples, at in reversed(self._until):
            if num_samples < sample:
                break
            found = at
        return found


class EchoGuard:
    """Whether the sound that a client was sent is presumed to be playing: one after the other,
    from when each was sent. What is heard meanwhile may be that sound, and counts as silence."""

    def __init__(self, *, is_on: bool) -> None:
        self._is_on = is_on
        self._playing: deque[tuple[float, float]] = deque(maxlen=_REMEMBERED)
        """From when to when; what is heard later than it arrived has its own past."""

    def sent(self, speech: Speech) -> None:
        """The client plays it when it has played what it was sent before."""
        begins_at = now = time.monotonic()
        until = now + speech.duration_s
        if self._playing and self._playing[-1][1] >= now:
            begins_at, before = self._playing.pop()
            until = before + speech.duration_s
        self._playing.append((begins_at, until))

    def heard(self, pcm: bytes, arrived_at: float) -> bytes:
        """`pcm`, or as much silence; what arrived later is heard later."""
        while self._playing and self._playing[0][1] + _ECHO_S <= arrived_at:
            self._playing.popleft()
        is_playing = self._is_on and any(begins_at <= arrived_at for begins_at, _ in self._playing)
        return bytes(len(pcm)) if is_playing else pcm


class Quiet:
    """Calls `end` where nothing has arrived for `quiet_s`; never, where that is None."""

    def __init__(self, quiet_s: float | None, end: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._quiet_s = quiet_s
        self._end = end
        self._timer: asyncio.TimerHandle | None = None
        self._ending: asyncio.Task[None] | None = None

    def stop(self) -> None:
        """Something arrives, or nothing is waited for."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def begin(self) -> None:
        """What arrived was heard: the silence counts from now."""
        self.stop()
        if self._quiet_s is not None:
            self._timer = asyncio.get_running_loop().call_later(self._quiet_s, self._elapsed)

    async def close(self) -> None:
        self.stop()
        if self._ending is not None:
            self._ending.cancel()
            await asyncio.gather(self._ending, return_exceptions=True)

    def _elapsed(self) -> None:
        self._timer = None
        if self._ending is None or self._ending.done():
            self._ending = asyncio.create_task(self._ended())

    async def _ended(self) -> None:
        with suppress(SpeechError):  # a session that is over tells why by its events
            await self._end()


def _quietest(pcm: bytearray) -> int:
    """Where in the last part of it a pause is, in bytes: the middle of its quietest stretch."""
    samples = np.frombuffer(bytes(pcm), dtype="<i2").astype(np.float64)
    first = int(len(samples) * (1 - _SEARCHED))
    energy = np.concatenate([[0.0], np.cumsum(samples[first:] ** 2)])
    width = min(_PAUSE, len(energy) - 1)
    place = first + int(np.argmin(energy[width:] - energy[:-width])) + width // 2
    return place * BYTES_PER_SAMPLE
