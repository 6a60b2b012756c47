"""Scripts of what clients and replicas do to a stream, and what comes of them."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from serve_app.audio.voice import LoudnessDetector
from serve_app.audio.waveform import BYTES_PER_SAMPLE, SAMPLE_RATE_HZ
from serve_app.models.protocols import StreamOptions
from serve_app.pipelines.streaming.events import Final, Partial, StreamEvent
from serve_app.pipelines.streaming.fake import FakeHost
from serve_app.pipelines.streaming.session import SessionSettings, StreamSession, VoiceActivity

LIMIT_S = 20.0
"""Of any wait in these tests."""
SETTINGS = SessionSettings(
    max_ahead_s=2.0, max_stream_s=3600.0, voice_activity=None, patience_s=5.0
)
WATCHED = SessionSettings(
    max_ahead_s=2.0,
    max_stream_s=3600.0,
    voice_activity=VoiceActivity(prefix_padding_s=0.05, silence_s=0.2),
    patience_s=5.0,
    new_detector=LoudnessDetector,
)


def noise(rng: random.Random, num_samples: int) -> bytes:
    """Loud, and never twice the same."""
    return rng.randbytes(num_samples * BYTES_PER_SAMPLE)


def silence(num_samples: int) -> bytes:
    """Of zeros."""
    return bytes(num_samples * BYTES_PER_SAMPLE)


def speech(rng: random.Random, num_stretches: int) -> bytes:
    """Stretches of noise, each with silence behind it."""
    return b"".join(
        noise(rng, rng.randrange(500, 20_000)) + silence(rng.randrange(500, 9_000))
        for _ in range(num_stretches)
    )


def split(rng: random.Random, pcm: bytes, largest: int) -> list[bytes]:
    """`pcm` in pieces of at most `largest` samples."""
    pieces = []
    while pcm:
        num_bytes = rng.randrange(1, largest) * BYTES_PER_SAMPLE
        pieces.append(pcm[:num_bytes])
        pcm = pcm[num_bytes:]
    return pieces


class Listener:
    """Reads a session's events from a task of its own, and checks what always holds."""

    def __init__(self, session: StreamSession) -> None:
        self.events: list[StreamEvent] = []
        self.discards = False
        """Whether partials may be of a segment whose final text is never told."""
        self._session = session
        self._changed = asyncio.Condition()
        self.task = asyncio.create_task(self._listen())

    async def _listen(self) -> None:
        confirmed, start_s, final_s = "", 0.0, 0.0
        async for event in self._session.events():
            if isinstance(event, Partial):
                assert start_s <= event.start_s
                assert event.start_s > start_s or event.confirmed.startswith(confirmed)
                assert final_s <= event.start_s <= event.heard_s
                confirmed, start_s = event.confirmed, event.start_s
            if isinstance(event, Final):
                assert self.discards or event.segment.text.startswith(confirmed)
                assert final_s <= event.segment.start_s <= event.segment.end_s <= event.end_s
                confirmed, final_s = "", event.end_s
            async with self._changed:
                self.events.append(event)
                self._changed.notify_all()

    async def all(self) -> list[StreamEvent]:
        """All events, at the end of the stream."""
        async with asyncio.timeout(LIMIT_S):
            await self.task
        return self.events

    async def wait_for(self, kind: type[StreamEvent], num: int = 1) -> list[StreamEvent]:
        """The first `num` events of a kind."""
        async with asyncio.timeout(LIMIT_S), self._changed:
            await self._changed.wait_for(lambda: len(self.of(kind)) >= num)
        return self.of(kind)

    async def wait_until_heard(self, num_samples: int) -> None:
        """A partial that was told of so much."""
        async with asyncio.timeout(LIMIT_S), self._changed:
            heard_s = num_samples / SAMPLE_RATE_HZ
            await self._changed.wait_for(
                lambda: any(partial.heard_s >= heard_s for partial in self.of(Partial))
            )

    def of(self, kind: type[StreamEvent]) -> list[StreamEvent]:
        return [event for event in self.events if isinstance(event, kind)]


@asynccontextmanager
async def opened(
    host: FakeHost,
    settings: SessionSettings = SETTINGS,
    options: StreamOptions | None = None,
) -> AsyncIterator[tuple[StreamSession, Listener]]:
    """A session and who listens to it; closed at the end, its slots given back."""
    async with asyncio.timeout(3 * LIMIT_S):
        options = options or StreamOptions(language="en")
        session = await StreamSession.open(host, options, settings)
        listener = Listener(session)
        try:
            yield session, listener
        finally:
            await session.close()
            await asyncio.gather(listener.task, return_exceptions=True)
    assert host.num_slots_taken == 0


async def heard(
    pcm: bytes, settings: SessionSettings = SETTINGS, options: StreamOptions | None = None
) -> list[StreamEvent]:
    """The events of a stream that nothing happens to, fed at once."""
    async with opened(FakeHost(), settings, options) as (session, listener):
        await session.feed(pcm)
        await session.finish()
        return await listener.all()


def finals(events: list[StreamEvent]) -> list[Final]:
    return [event for event in events if isinstance(event, Final)]
