"""A source of audio in, one stream's text and how long it took, out."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field

from serve_app.client import ConnectionLostError, LiveStream, LiveText


@dataclass(frozen=True, slots=True)
class Heard:
    """One stream, from its first block to its last word."""

    text: str
    audio_s: float
    final_s: float
    """From the last block to the last word."""
    latencies_s: tuple[float, ...] = field(repr=False)
    """Of each text that says what it heard: since that was handed over."""
    num_returns: int
    """How often its connection broke and was made again."""


async def listen(
    stream: LiveStream, source: AsyncIterator[bytes], show: Callable[[LiveText], None]
) -> Heard:
    """Stream `source` until its end.

    Raises:
        ClientError: the stream ended before.
    """
    num_bytes = 0
    ended_at = 0.0
    async with stream:
        reading = asyncio.create_task(_read(stream, show))
        try:
            async for block in source:
                await stream.send(block)
                num_bytes += len(block)
            ended_at = time.perf_counter()
            await stream.finish()
        except ConnectionLostError:
            pass  # who reads is told why
        except BaseException:
            reading.cancel()
            raise
        text, latencies_s = await reading
    final_s = time.perf_counter() - ended_at
    return Heard(text, num_bytes / 32_000, final_s, tuple(latencies_s), stream.num_returns)


async def until(source: AsyncIterator[bytes], stop: asyncio.Event) -> AsyncIterator[bytes]:
    """`source`, until somebody says stop."""
    async for block in source:
        if stop.is_set():
            return
        yield block


def quantile(values: Sequence[float], share: float) -> float:
    """The nearest rank, of at least one value."""
    ranked = sorted(values)
    return ranked[min(len(ranked) - 1, int(share * len(ranked)))]


async def _read(stream: LiveStream, show: Callable[[LiveText], None]) -> tuple[str, list[float]]:
    latencies_s: list[float] = []
    confirmed = ""
    async for text in stream:
        if text.latency_s is not None:
            latencies_s.append(text.latency_s)
        confirmed = text.confirmed
        show(text)
    return confirmed, latencies_s
