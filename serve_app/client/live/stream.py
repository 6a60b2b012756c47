"""A live stream over `/asr`: audio in while it is spoken, text out while it is understood.

A connection that breaks is opened again, and what was not final yet is sent once more: no word is
lost, and none is said twice.
"""

import asyncio
import random
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Self

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from serve_app.client.answers import LiveText
from serve_app.client.errors import (
    AnswerTimeoutError,
    ClientError,
    ConnectionLostError,
    ServerError,
    StreamEndedError,
    UnreachableError,
)
from serve_app.client.http import checked_url
from serve_app.client.live.kept import BYTES_PER_SAMPLE, KeptAudio
from serve_app.client.live.said import Said
from serve_app.client.live.sockets import ended_by, may_pass, message_of, open_socket, was_unheard

_PATH = "/asr"
_END_OF_AUDIO = b""
_MAX_UNREAD = 64
_FIRST_PAUSE_S = 0.25
_MAX_PAUSE_S = 5.0
_STEADY_S = 10.0
"""A connection that lasted so long, or gave a text, was a good one: the next loss is a new one."""
_LATELY_S, _SPOKEN_S = 30.0, 3.0
"""A tenth of the time: more than from those whom a server calls idle."""
_JITTER = 0.5
"""Streams that were cut off together must not come back together."""


class LiveStream:
    """One stream, from `open` to `close`; use it in an `async with` block.

        async with LiveStream("http://127.0.0.1:8000", language="en") as stream:
            reading = asyncio.create_task(show(stream))  # async for text in stream: ...
            async for pcm in microphone:
                await stream.send(pcm)
            await stream.finish()
            await reading

    Read while you send: a server whose texts nobody takes stops taking audio.
    """

    def __init__(
        self,
        base_url: str = "http://127.0.0.1:8000",
        api_key: str | None = None,
        *,
        model: str | None = None,
        language: str | None = None,
        open_timeout_s: float = 150.0,
        final_timeout_s: float = 60.0,
        max_away_s: float = 60.0,
    ) -> None:
        """
        Args:
            open_timeout_s: how long a server may take to begin; a model that is scaled to zero is
                loaded first.
            final_timeout_s: how long the last text may take after the last audio.
            max_away_s: how long to try to come back after the connection broke.

        Raises:
            InvalidUrlError: `base_url` is no HTTP address.
        """
        self.base_url = checked_url(base_url)
        self.open_timeout_s = open_timeout_s
        self.final_timeout_s = final_timeout_s
        self.max_away_s = max_away_s
        self.num_returns = 0
        """How often the connection was made again."""
        self._headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self._query = {"model": model, "language": language}
        self._kept = KeptAudio()
        self._said = Said(self._kept)
        self._turn = asyncio.Lock()
        """Held by who sends: what is kept is sent again before anything new."""
        self._connection: ClientConnection | None = None
        self._is_there = asyncio.Event()
        self._is_finished = False
        self._away_since: float | None = None
        self._num_tries = 0
        self._texts: asyncio.Queue[LiveText | ClientError] = asyncio.Queue(_MAX_UNREAD)
        self._running: asyncio.Task[None] | None = None
        self._limit: asyncio.Timeout | None = None

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def open(self) -> None:
        """Connect, and wait until the server takes audio.

        Raises:
            ClientError: it does not, and why.
        """
        connection = await self._connect()
        self._running = asyncio.create_task(self._run(connection))

    async def send(self, pcm: bytes) -> None:
        """Hand over PCM16 (little endian, mono, 16 kHz) of any length, in whole samples.

        Waits while the server has enough to do, and while the connection is being made again.

        Raises:
            ConnectionLostError: the stream is over; reading it tells why.
        """
        if len(pcm) % BYTES_PER_SAMPLE:
            raise ValueError("a sample has two bytes")
        await self._there()
        async with self._turn:
            if pcm:
                self._kept.add(pcm, time.perf_counter())
                await self._deliver(pcm)

    async def finish(self) -> None:
        """No more audio; the text that is still owed follows, the last of it with `is_final`.

        Raises:
            ConnectionLostError: the stream is over; reading it tells why.
        """
        await self._there()
        async with self._turn:
            self._is_finished = True
            self._expect_final()
            await self._deliver(_END_OF_AUDIO)

    async def __aiter__(self) -> AsyncIterator[LiveText]:
        """Each text as it comes, for one reader.

        Raises:
            ConnectionLostError: the connection broke, and could not be made again in time.
            StreamEndedError, ServerError: the server ended the stream.
            AnswerTimeoutError: the last text did not come in time.
        """
        while True:
            text = await self._texts.get()
            if isinstance(text, ClientError):
                raise text
            yield text
            if text.is_final:
                return

    async def close(self) -> None:
        """Give the stream up, at once; may be called twice."""
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)

    async def _there(self) -> None:
        """Wait until there is a connection, or until there will be none."""
        assert self._running is not None, "open the stream first"
        waiting = asyncio.ensure_future(self._is_there.wait())
        try:
            await asyncio.wait({waiting, self._running}, return_when="FIRST_COMPLETED")
        finally:
            waiting.cancel()
        if self._running.done():
            raise ConnectionLostError(self.base_url, "the stream is over")

    async def _deliver(self, message: bytes) -> None:
        """Send; what a connection that has just broken does not take is sent by the next one."""
        if self._connection is not None:
            try:
                await self._connection.send(message)
            except ConnectionClosed:
                self._lose()

    async def _run(self, connection: ClientConnection) -> None:
        """Take the texts of one connection after the other, until the last text or an error."""
        try:
            async with asyncio.timeout(None) as self._limit:
                while not await self._follow(connection):
                    connection = await self._come_back()
        except TimeoutError:
            await self._texts.put(AnswerTimeoutError(self.base_url, self.final_timeout_s))
        except ClientError as error:
            await self._texts.put(error)
        finally:
            self._lose()

    async def _follow(self, connection: ClientConnection) -> bool:
        """Whether the last text was among those of this connection; if not, it broke.

        Raises:
            StreamEndedError: the server has ended the stream for good.
        """
        catching_up = asyncio.create_task(self._catch_up(connection))
        began_at = time.perf_counter()
        last: LiveText | None = None
        try:
            while True:
                text = self._said.hear(await message_of(connection))
                if text is not None and text.is_final:
                    # Of all that was sent, unless a complaint follows.
                    last = text
                elif text is not None:
                    self._away_since = None
                    await self._texts.put(text)
        except ConnectionClosed as error:
            if last is not None:
                await self._texts.put(replace(last, is_final=not self._said.complaint))
                if not self._said.complaint:
                    return True
            ended = ended_by(error, self._said.complaint)
            if not may_pass(ended) and not (was_unheard(error) and self._has_spoken):
                raise ended from error
            return False
        finally:
            if time.perf_counter() - began_at > _STEADY_S:
                self._away_since = None
            self._lose()
            catching_up.cancel()
            await asyncio.gather(catching_up, return_exceptions=True)
            await connection.close()

    async def _catch_up(self, connection: ClientConnection) -> None:
        async with self._turn:
            for pcm in self._kept:
                await connection.send(pcm)
            if self._is_finished:
                self._expect_final()
                await connection.send(_END_OF_AUDIO)
            self._connection = connection
            self._is_there.set()

    async def _come_back(self) -> ClientConnection:
        """
        Raises:
            ConnectionLostError: not within `max_away_s`.
            ClientError: the server is there, and wants no more of this stream.
        """
        if self._away_since is None:
            self._away_since, self._num_tries = time.perf_counter(), 0
        while True:
            pause_s = min(_MAX_PAUSE_S, _FIRST_PAUSE_S * 2**self._num_tries)
            pause_s *= 1.0 + _JITTER * random.random()
            if time.perf_counter() + pause_s - self._away_since > self.max_away_s:
                reason = f"not back within {self.max_away_s:g} s"
                raise ConnectionLostError(self.base_url, reason)
            await asyncio.sleep(pause_s)
            self._num_tries += 1
            try:
                connection = await self._connect()
            except (UnreachableError, AnswerTimeoutError):
                continue
            except (ServerError, StreamEndedError) as error:
                if not may_pass(error):
                    raise
            else:
                self.num_returns += 1
                return connection

    async def _connect(self) -> ClientConnection:
        """A connection whose server takes audio."""
        timeout_s = self.open_timeout_s
        self._said.begin_connection()
        query = {**self._query, "resume": self._said.token}
        connection = await open_socket(
            self.base_url, _PATH, query, headers=self._headers, timeout_s=timeout_s
        )
        try:
            async with asyncio.timeout(timeout_s):
                self._said.hear(await message_of(connection))
        except ConnectionClosed as error:
            raise ended_by(error, self._said.complaint) from error
        except TimeoutError as error:
            await connection.close()
            raise AnswerTimeoutError(self.base_url, timeout_s) from error
        return connection

    @property
    def _has_spoken(self) -> bool:
        """Whoever has and hears of silence was cut off, though the connection did not break."""
        return self._kept.sent_since(time.perf_counter() - _LATELY_S) >= _SPOKEN_S

    def _lose(self) -> None:
        self._connection = None
        self._is_there.clear()

    def _expect_final(self) -> None:
        if self._limit is not None:
            self._limit.reschedule(asyncio.get_running_loop().time() + self.final_timeout_s)
