"""The session behind a socket: opened while its client is let in, charged as it is fed, closed."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any, Generic, Protocol, TypeVar

from serve_app.audio.waveform import BYTES_PER_SAMPLE, SAMPLE_RATE_HZ
from serve_app.config import StreamsConfig
from serve_app.errors import AudioTooLongError, KeyLimitError
from serve_app.ingress.auth.audit import current

BYTES_PER_S = SAMPLE_RATE_HZ * BYTES_PER_SAMPLE
_PIECE_BYTES = BYTES_PER_S // 10
"""Of a message, handed on at once: it is charged before it is heard, and may be its last."""

A = TypeVar("A")
"""What is asked of a session."""
E = TypeVar("E")
"""What it tells."""
E_co = TypeVar("E_co", covariant=True)


class Session(Protocol[E_co]):
    """What is fed with PCM16LE mono at 16 kHz, and tells what became of it."""

    async def feed(self, pcm: bytes) -> None:
        """
        Raises:
            SpeechError: what ended the session.
        """
        ...

    async def commit(self) -> None:
        """End what is being said here."""
        ...

    async def finish(self) -> None:
        """Nothing more is fed: the rest is told, then `events()` ends."""
        ...

    def events(self) -> AsyncIterator[E_co]:
        """
        Raises:
            SpeechError: what ended the session.
        """
        ...

    async def close(self) -> None:
        """Give everything up at once."""
        ...

    @property
    def is_owing(self) -> bool:
        """Whether more will be told by itself."""
        ...


S = TypeVar("S", bound=Session[Any])


class Stream(ABC, Generic[A, S, E]):
    """One client's session. What is fed before the session is there waits for it; it may be asked
    for later than its client was let in."""

    def __init__(
        self, new_session: Callable[[A], Coroutine[Any, Any, S]], on_audio: Callable[[float], None]
    ) -> None:
        self._new_session = new_session
        self._on_audio = on_audio
        self._exchange = current()
        self._opening: asyncio.Task[S] | None = None
        self._closing: asyncio.Task[None] | None = None
        self._begun = asyncio.Event()
        self.asked: A | None = None
        self.arrived_at: float | None = None
        """When what is fed now had arrived, by `time.monotonic`; None: just now."""
        self.fed_s = 0.0
        """Audio that was handed on, in seconds."""

    def open(self, asked: A) -> None:
        """Begin to open the session."""
        self.asked = asked
        self._opening = asyncio.create_task(self._new_session(asked))

    async def opened(self, within_s: float) -> None:
        """Return when the session is there, or after `within_s`.

        Raises:
            AtCapacityError: there is no room for it.
            ModelUnavailableError: no replica came up.
        """
        if self._opening is not None:
            await asyncio.wait({self._opening}, timeout=within_s)
            if self._opening.done():
                self._opening.result()

    async def feed(self, pcm: bytes) -> None:
        """Hand PCM16LE mono at 16 kHz on; wait while too much of it is under way.

        Raises:
            SpeechError: as `opened`, and as `Session.feed`.
        """
        session = await self._session()
        self._begun.set()
        for start in range(0, len(pcm), _PIECE_BYTES):
            piece = pcm[start : start + _PIECE_BYTES]
            duration_s = len(piece) / BYTES_PER_S
            self._exchange.audio_s += duration_s
            self._on_audio(duration_s)
            try:
                await self._hand_on(session, piece)
            except AudioTooLongError as error:
                error.param = None  # there is no field to blame
                raise
            self.fed_s += duration_s

    async def commit(self) -> None:
        """See `Session.commit`."""
        session = await self._session()
        self._begun.set()
        await session.commit()

    async def finish(self) -> None:
        """See `Session.finish`; where none was asked for, there is nothing to tell."""
        session = None if self._opening is None else await self._session()
        self._begun.set()
        if session is not None:
            await session.finish()

    async def events(self) -> AsyncIterator[E]:
        """What there is to tell once something was fed.

        Raises:
            SpeechError: what ended the session.
        """
        await self._begun.wait()
        if self._opening is not None:
            async for event in (await self._session()).events():
                yield event

    async def refused(self) -> KeyLimitError:
        """Return once the caller may not go on, and say why."""
        await self._exchange.refused.wait()
        assert self._exchange.refusal is not None
        return self._exchange.refusal

    async def close(self) -> None:
        """Give the session up, even if who waits for that is cancelled; may be called again."""
        if self._closing is None:
            self._closing = asyncio.create_task(self._drop())
        await asyncio.shield(self._closing)

    @property
    def is_owing(self) -> bool:
        """See `Session.is_owing`."""
        session = self._opened_session()
        return session is not None and session.is_owing

    @property
    @abstractmethod
    def limits(self) -> StreamsConfig:
        """What it may cost, as far as that is known."""

    @property
    def patience_s(self) -> float:
        """How much longer than usual the rest of it may take to be told."""
        return 0.0

    async def _hand_on(self, session: S, pcm: bytes) -> None:
        await session.feed(pcm)

    def _opened_session(self) -> S | None:
        opening = self._opening
        if opening is None or not opening.done() or opening.cancelled() or opening.exception():
            return None
        return opening.result()

    async def _session(self) -> S:
        """Waiting for it may be given up; the opening goes on."""
        assert self._opening is not None
        return await asyncio.shield(self._opening)

    async def _drop(self) -> None:
        if self._opening is None:
            return
        self._opening.cancel()
        await asyncio.wait({self._opening})
        if not self._opening.cancelled() and self._opening.exception() is None:
            await self._opening.result().close()
