"""A live stream: audio in, in pieces of any length; events out. The same machine for every wire.

```
feed ──cut──▶ frames ──slot──▶ texts ──tell──▶ events
```
One task carries the texts on. What waits is bounded everywhere: a wire that does not read its
events stops the texts, texts that do not come stop `feed`.
"""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Self

from serve_app.audio.voice import Detector, SileroDetector, VoiceActivity
from serve_app.audio.waveform import BYTES_PER_SAMPLE, SAMPLE_RATE_HZ
from serve_app.errors import AudioTooLongError, EngineError, SpeechError
from serve_app.models.protocols import StreamOptions
from serve_app.pipelines.streaming.endpointing import Cut, Cutter, VoiceTurn
from serve_app.pipelines.streaming.events import (
    Finished,
    SpeechStarted,
    SpeechStopped,
    StreamEvent,
)
from serve_app.pipelines.streaming.host import StreamHost
from serve_app.pipelines.streaming.outbox import Outbox
from serve_app.pipelines.streaming.replay import Kept, SteadySlot
from serve_app.pipelines.streaming.telling import Position, Teller

__all__ = ["SessionSettings", "StreamSession", "VoiceActivity"]

logger = logging.getLogger(__name__)

_PIECE_BYTES = SAMPLE_RATE_HZ // 5 * BYTES_PER_SAMPLE
"""Taken without letting others run: 3 ms of work, where voice activity is watched."""
_MAX_EVENTS = 64
"""That the wire has not read."""
_LEAVING_POLL_S = 0.5
"""An idle stream asks so often whether its replica leaves."""


@dataclass(frozen=True, slots=True)
class SessionSettings:
    """What one stream may cost, and how it is listened to."""

    max_ahead_s: float
    """Audio that may wait for its text; at least one frame may."""
    max_stream_s: float
    """Audio of the stream in all, what was before `offset_s` included."""
    voice_activity: VoiceActivity | None
    """Where it is watched, only what is spoken goes to the model. None: all of it does, and only
    commits, the decoder and the end of the stream end segments."""
    offset_s: float = 0.0
    """Where in a stream that is resumed this session begins."""
    patience_s: float = 120.0
    """To wait for a slot when the one of a running stream was lost."""
    new_detector: Callable[[], Detector] = SileroDetector
    """Makes what tells speech from all else."""


class StreamSession:
    """One live stream, from `open` to `close`. One task may feed, another reads `events()`."""

    def __init__(self, slot: SteadySlot, options: StreamOptions, settings: SessionSettings) -> None:
        self._slot = slot
        self._options = options
        self._settings = settings
        self._cutter = Cutter(slot.step_samples, settings.voice_activity, settings.new_detector)
        self._teller = Teller(settings.offset_s)
        self._outbox = Outbox(_MAX_EVENTS)
        step_s = slot.step_samples / SAMPLE_RATE_HZ
        self._max_waiting = max(1, int(settings.max_ahead_s / step_s))
        self._feeding = asyncio.Lock()
        self._fed = asyncio.Event()
        self._heard = asyncio.Event()
        self._utterance = 0
        """Counts the ends that were asked for."""
        self._heard_utterance = 0
        self._discarded: set[int] = set()
        self._held: deque[tuple[int, StreamEvent]] = deque()
        """Speech that began or stopped in an utterance before which not all is final yet."""
        self._is_finished = False
        self._is_closed = False
        self._error: SpeechError | None = None
        self._carrying = asyncio.create_task(self._carry())

    @classmethod
    async def open(
        cls, host: StreamHost, options: StreamOptions, settings: SessionSettings
    ) -> Self:
        """Take a slot and begin.

        Raises:
            AtCapacityError: no slot is free.
            ModelUnavailableError: no replica came up.
        """
        slot = SteadySlot(host, await host.open(options), options, patience_s=settings.patience_s)
        try:
            return cls(slot, options, settings)
        except BaseException:
            await slot.close()
            raise

    @property
    def num_moves(self) -> int:
        """Slots that the stream took after its first."""
        return self._slot.num_moves

    @property
    def num_contradictions(self) -> int:
        """Texts that took back what was confirmed; it stayed as it was told."""
        return self._teller.num_contradictions

    @property
    def settled_s(self) -> float | None:
        """How far the audio is not needed again: all before is final, or nobody spoke in it. So it
        goes on in a silence, of which no event tells. None while a segment is under way, or an
        event waits to be read."""
        if len(self._outbox) or self._held or self._slot.num_kept or self._is_over:
            return None
        return self._settings.offset_s + self._cutter.start_sample / SAMPLE_RATE_HZ

    @property
    def is_owing(self) -> bool:
        """Whether audio is under way, or an event waits to be read: more will be told by itself."""
        has_more = bool(self._slot.num_waiting or len(self._outbox) or self._held)
        return has_more and not self._is_closed and self._error is None

    async def feed(self, pcm: bytes) -> None:
        """Take PCM16LE mono at 16 kHz, whole samples; wait while too much has no text yet.

        Raises:
            AudioTooLongError: past `max_stream_s`; nothing of `pcm` was taken.
            SpeechError: what ended the stream, as `events()` raises it.
        """
        async with self._feeding:
            if self._is_over:
                return self._raise_error()
            self._check_length(len(pcm) // BYTES_PER_SAMPLE)
            for start in range(0, len(pcm), _PIECE_BYTES):
                for cut in self._cutter.push(pcm[start : start + _PIECE_BYTES]):
                    await self._pass_on(cut)
                await asyncio.sleep(0)  # others run: voice activity takes 1.4 % of what it hears
                if self._is_over:
                    return self._raise_error()

    async def commit(self) -> None:
        """End segment and utterance here; a `Final` with `ends_utterance` follows, even if empty.

        Raises:
            SpeechError: what ended the stream.
        """
        async with self._feeding:
            for cut in self._cutter.end():
                await self._pass_on(cut)

    async def discard(self) -> None:
        """Forget what was fed since the last end of an utterance: no more of it is told.

        Raises:
            SpeechError: what ended the stream.
        """
        async with self._feeding:
            if not self._cutter.has_utterance:
                return
            self._discarded.add(self._utterance)
            while self._held and self._held[-1][0] == self._utterance:
                self._held.pop()
            for cut in self._cutter.end():
                await self._pass_on(cut)

    async def finish(self) -> None:
        """Take no more audio: the rest becomes final, then `events()` ends with `Finished`.

        Raises:
            SpeechError: what ended the stream.
        """
        async with self._feeding:
            if self._cutter.has_utterance:
                for cut in self._cutter.end():
                    await self._pass_on(cut)
            self._is_finished = True
            self._fed.set()

    def configure(self, options: StreamOptions, voice_activity: VoiceActivity | None) -> None:
        """Change what is asked, from the next segment and the next utterance on."""
        self._options = options
        self._cutter.configure(voice_activity)

    def events(self) -> AsyncIterator[StreamEvent]:
        """What there is to tell, for one reader.

        Raises:
            SpeechError: what ended the stream.
        """
        return self._outbox.read()

    async def close(self) -> None:
        """Give everything up at once; may be called at any time, and again."""
        self._is_closed = True
        self._carrying.cancel()
        self._heard.set()
        await self._outbox.abandon()
        await asyncio.gather(self._carrying, return_exceptions=True)
        self._cutter.close()
        await self._slot.close()

    def _check_length(self, num_samples: int) -> None:
        num_samples += self._cutter.num_samples
        duration_s = self._settings.offset_s + num_samples / SAMPLE_RATE_HZ
        if duration_s > self._settings.max_stream_s:
            raise AudioTooLongError(duration_s, self._settings.max_stream_s)

    async def _pass_on(self, cut: Cut) -> None:
        """Hand on what was cut; nothing once the stream has ended or was closed."""
        if isinstance(cut, VoiceTurn):
            return await self._tell_voice(cut)
        while self._slot.num_waiting >= self._max_waiting and not self._is_over:
            self._heard.clear()
            await self._heard.wait()
        if self._is_over:
            return self._raise_error()
        where = cut.start_sample, cut.end_sample
        self._slot.send(Kept(cut.frame, *where, self._options, self._utterance))
        self._utterance += cut.frame.is_last
        self._fed.set()

    def _raise_error(self) -> None:
        if self._error is not None:
            raise self._error

    @property
    def _is_over(self) -> bool:
        return self._is_closed or self._is_finished or self._error is not None

    async def _tell_voice(self, turn: VoiceTurn) -> None:
        at_s = self._settings.offset_s + turn.at_sample / SAMPLE_RATE_HZ
        event = SpeechStarted(at_s) if turn.is_speech else SpeechStopped(at_s)
        if self._held or self._heard_utterance < self._utterance:
            self._held.append((self._utterance, event))
        else:
            await self._outbox.put(event)

    async def _carry(self) -> None:
        """Carry texts to the events until the stream ends."""
        try:
            while await self._carry_one():
                pass
            await self._outbox.put(Finished(self._time_s))
        except SpeechError as error:
            self._error = error
        except Exception:
            logger.exception("a stream failed")
            self._error = EngineError("the streaming model", "internal error")
        self._heard.set()
        await self._outbox.end(self._error)
        await self._slot.close()

    async def _carry_one(self) -> bool:
        """Wait for the next text, or for a frame that has none; False when all is told."""
        if self._slot.num_waiting:
            kept, text = await self._slot.receive()
            end_sample = kept.end_sample - text.num_carried * self._slot.step_samples
            position = Position(kept.start_sample, end_sample, kept.frame.is_last)
            event = self._teller.tell(text, position, muted=kept.utterance in self._discarded)
            if event is not None:
                await self._outbox.put(event)
            self._heard.set()
            if kept.frame.is_last:
                await self._end_utterance(kept.utterance)
            return True
        if self._is_finished:
            return False
        self._fed.clear()
        try:
            async with asyncio.timeout(_LEAVING_POLL_S):
                await self._fed.wait()
        except TimeoutError:
            await self._slot.settle()
        return True

    async def _end_utterance(self, utterance: int) -> None:
        self._heard_utterance = utterance + 1
        self._discarded.discard(utterance)
        while self._held and self._held[0][0] <= self._heard_utterance:
            held = self._held[0]
            await self._outbox.put(held[1])  # others are held behind it meanwhile
            if self._held and self._held[0] is held:
                self._held.popleft()

    @property
    def _time_s(self) -> float:
        return self._settings.offset_s + self._cutter.num_samples / SAMPLE_RATE_HZ
