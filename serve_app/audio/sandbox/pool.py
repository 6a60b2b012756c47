"""Uploads in, blocks of PCM out, whatever an upload does to the process that decodes it."""

import asyncio
import contextlib
import logging
import os
from collections import Counter, deque
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing

from serve_app.audio.sandbox import confinement
from serve_app.audio.sandbox.messages import DecoderLimits, DecoderRequest
from serve_app.audio.sandbox.process import CHILD, DecoderProcess
from serve_app.audio.waveform import MAX_SPLIT_CHANNELS, SAMPLE_RATE_HZ, Block, Channel
from serve_app.errors import (
    AtCapacityError,
    AudioTooLongError,
    ConfigError,
    UndecodableAudioError,
)

_log = logging.getLogger(__name__)

_PAUSE_AFTER_FAILED_START_S = 1.0
_CPU_S, _CPU_S_PER_AUDIO_S = 30.0, 0.1
"""Some ten times what it takes: Opus, the slowest codec, 2.3 ms for a second of audio, and to
listen for speech 5 ms, for each channel."""


class DecoderPool:
    """`num_decoders` warm child processes; each decodes one upload at a time.

    Belongs to the event loop that started it. A decoder is replaced, in the background, when its
    upload killed it or when whoever wanted the audio has left before the end. What runs in them is
    `module`.
    """

    def __init__(
        self,
        *,
        num_decoders: int,
        max_waiting: int,
        timeout_s: float,
        memory_bytes: int,
        max_audio_s: float,
        cpu_s: float | None = None,
        retry_after_s: float = 2.0,
        module: str = CHILD,
    ) -> None:
        self._num_decoders = num_decoders
        self._max_waiting = max_waiting
        self._timeout_s = timeout_s
        self._retry_after_s = retry_after_s
        self._module = module
        self._max_audio_s = max_audio_s
        self._cpu_s = cpu_s
        self._limits = DecoderLimits(memory_bytes)
        self._idle: list[DecoderProcess] = []
        self._waiting: deque[asyncio.Future[DecoderProcess]] = deque()
        self._keepers: list[asyncio.Task[None]] = []
        self._decoders: set[DecoderProcess] = set()
        self._closed = False
        self.num_lost = 0
        """Decoders that have ended and were replaced, so far."""

    @property
    def num_busy(self) -> int:
        return len(self._decoders) - len(self._idle)

    @property
    def num_waiting(self) -> int:
        """Recordings that wait for a decoder."""
        return len(self._waiting)

    @property
    def pids(self) -> frozenset[int]:
        """Of the decoders that are ready or at work."""
        return frozenset(decoder.pid for decoder in self._decoders)

    async def start(self) -> None:
        """Return once all decoders are warm.

        Raises:
            ConfigError: one does not start, as when it may have too little memory.
        """
        starts = (
            DecoderProcess.start(self._limits, self._timeout_s, self._module)
            for _ in range(self._num_decoders)
        )
        results = await asyncio.gather(*starts, return_exceptions=True)
        decoders = [each for each in results if isinstance(each, DecoderProcess)]
        for decoder in decoders:
            self._welcome(decoder)
        self._keepers = [asyncio.create_task(self._keep(decoder)) for decoder in decoders]
        failures = [each for each in results if isinstance(each, BaseException)]
        if failures:
            await self.close()
            raise ConfigError(
                "preprocessor",
                f"a decoder does not start: {failures[0]} (is decoder_memory_bytes too small?)",
            )
        for missing in sorted(confinement.ALL - decoders[0].barriers):
            _log.warning("decoders run without %s: this kernel does not offer it", missing)

    async def close(self) -> None:
        """End all decoders. Who is still decoding or waiting gets an `AtCapacityError`."""
        self._closed = True
        for future in self._waiting:
            if not future.done():
                future.set_exception(self._at_capacity())
        for keeper in self._keepers:
            keeper.cancel()
        await asyncio.gather(*self._keepers, return_exceptions=True)
        await asyncio.gather(*(decoder.end() for decoder in self._decoders))

    async def decode(
        self, data: bytes, *, channel: Channel = "mix", unheard_s: float = 0.0
    ) -> AsyncGenerator[Block, None]:
        """Blocks of about a second, decoded little ahead of whoever iterates. A recording of up to
        `unheard_s` is not listened to.

        Raises:
            AtCapacityError: too many wait for a decoder already, or the pool closes.
            AudioError, InvalidOptionError: see `decode.decode_blocks`.
            UndecodableAudioError: decoding it crashed, or took too much time or memory.
        """
        decoder = await self._borrow()
        request = self._request(channel, self._max_audio_s, unheard_s=unheard_s)
        async with aclosing(self._blocks(decoder, request, data)) as blocks:
            async for block in blocks:
                yield block

    async def decode_file(
        self,
        fill: Callable[[int], Awaitable[int]],
        *,
        channel: Channel,
        max_audio_s: float,
        unheard_s: float = 0.0,
    ) -> AsyncGenerator[Block, None]:
        """The same of what `fill` writes into the descriptor that it gets, and tells the length
        of. Raises what `fill` does, too."""
        decoder = await self._borrow()
        inbox = os.dup(decoder.inbox)  # its own, so that it stays this file whatever ends
        try:
            os.lseek(inbox, 0, os.SEEK_SET)
            num_bytes = await fill(inbox)
            request = self._request(
                channel, max_audio_s, unheard_s=unheard_s, inbox_bytes=num_bytes
            )
            async with aclosing(self._blocks(decoder, request)) as blocks:
                async for block in blocks:
                    yield block
        finally:
            os.ftruncate(inbox, 0)
            os.close(inbox)
            if decoder.at_rest:
                self._offer(decoder)

    def _request(
        self,
        channel: Channel,
        max_audio_s: float,
        *,
        unheard_s: float = 0.0,
        inbox_bytes: int | None = None,
    ) -> DecoderRequest:
        most_heard_s = max_audio_s * (MAX_SPLIT_CHANNELS if channel == "split" else 1)
        cpu_s = self._cpu_s or _CPU_S + _CPU_S_PER_AUDIO_S * most_heard_s
        return DecoderRequest(channel, max_audio_s, cpu_s, unheard_s, inbox_bytes)

    async def _blocks(
        self, decoder: DecoderProcess, request: DecoderRequest, data: bytes = b""
    ) -> AsyncGenerator[Block, None]:
        num_samples: Counter[int] = Counter()
        try:
            await decoder.send(request, data)
            while (block := await decoder.next_block()) is not None:
                num_samples[block.channel] += len(block.pcm)
                heard_s = num_samples[block.channel] / SAMPLE_RATE_HZ
                if heard_s > request.max_audio_s:
                    raise AudioTooLongError(heard_s, request.max_audio_s)
                yield block
        except UndecodableAudioError as error:
            if self._closed:
                raise self._at_capacity() from error
            raise
        finally:
            if not decoder.at_rest:
                decoder.kill()
            elif request.inbox_bytes is None:
                self._offer(decoder)

    async def _borrow(self) -> DecoderProcess:
        while True:
            if self._closed:
                raise self._at_capacity()
            decoder = self._idle.pop() if self._idle else await self._wait()
            if decoder.alive:
                return decoder

    async def _wait(self) -> DecoderProcess:
        if len(self._waiting) >= self._max_waiting:
            raise self._at_capacity()
        future = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        try:
            decoder: DecoderProcess = await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled() and future.exception() is None:
                self._offer(future.result())
            raise
        finally:
            with contextlib.suppress(ValueError):
                self._waiting.remove(future)
        return decoder

    def _offer(self, decoder: DecoderProcess) -> None:
        """Give a decoder to whoever waits longest, or let it wait."""
        while self._waiting:
            future = self._waiting.popleft()
            if not future.done():
                future.set_result(decoder)
                return
        self._idle.append(decoder)

    def _welcome(self, decoder: DecoderProcess) -> None:
        self._decoders.add(decoder)
        self._offer(decoder)

    async def _keep(self, decoder: DecoderProcess) -> None:
        """Put a new decoder in the place of one that has ended, each time."""
        while True:
            try:
                await decoder.ended()
            finally:
                await decoder.end()
                self._decoders.discard(decoder)
                with contextlib.suppress(ValueError):
                    self._idle.remove(decoder)
            self.num_lost += 1
            decoder = await self._replacement()
            self._welcome(decoder)

    async def _replacement(self) -> DecoderProcess:
        while True:
            try:
                return await DecoderProcess.start(self._limits, self._timeout_s, self._module)
            except (OSError, EOFError, ValueError) as error:
                _log.error("a decoder does not start: %r", error)
                await asyncio.sleep(_PAUSE_AFTER_FAILED_START_S)

    def _at_capacity(self) -> AtCapacityError:
        return AtCapacityError("decoding", self._retry_after_s)
