"""People who speak in live streams, with the package's client, which comes back when it is cut."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

from loadtest.faults.clients.told import (
    CUT,
    OK,
    PROXY,
    REFUSED,
    SERVER,
    UNREACHABLE,
    WRONG,
    Attempt,
    Request,
    compared,
)
from loadtest.users.checking import words_of
from serve_app.client.errors import ClientError, ServerError, StreamEndedError, UnreachableError
from serve_app.client.live import LiveStream

_PACKET_S = 0.1
_BYTES_PER_S = 32_000
_KEEP_ON_S = 120.0
_PAUSE_S = 0.5


@dataclass(frozen=True, slots=True)
class Talk:
    """What is said in one stream, and the words that an undisturbed server says of it."""

    pcm: bytes
    words: tuple[str, ...]

    @property
    def duration_s(self) -> float:
        return len(self.pcm) / _BYTES_PER_S


async def speak(
    url: str, model: str, talk: Talk, told: Callable[[Request], None]
) -> tuple[str, ...]:
    """At the pace of speech, until the last text; the words that were heard."""
    request = Request("live", time.monotonic())
    told(request)
    heard: tuple[str, ...] = ()
    outcome, detail = OK, ""
    try:
        stream = await _opened(url, model, request)
        try:
            heard = words_of(await _talk(stream, talk, request))
        finally:
            await stream.close()
        request.is_answered = True
        request.words = compared(talk.words, heard)
        if talk.words and not request.words.is_right:
            outcome, request.said = WRONG, " ".join(heard)
    except ClientError as error:
        refused = isinstance(error, UnreachableError)
        outcome, detail = UNREACHABLE if refused else SERVER, f"{type(error).__name__}: {error}"
        if isinstance(error, StreamEndedError):
            detail = f"closed with {error.code}: {error.reason}"
        request.complaint = detail
    request.ended_at = time.monotonic()
    request.attempts.append(Attempt(request.began_at, request.ended_at, outcome, detail))
    return tuple(heard)


async def _opened(url: str, model: str, request: Request) -> LiveStream:
    """Tried again where nothing was begun: the client does so only for streams that were open."""
    while True:
        began_at = time.monotonic()
        stream = LiveStream(url, model=model, language="en", open_timeout_s=60, max_away_s=120)
        try:
            await stream.open()
            return stream
        except (UnreachableError, ServerError) as error:
            lost = isinstance(error, ServerError) and error.is_lost_ingress
            refused = isinstance(error, UnreachableError) or error.status in (429, 503)
            if not (lost or refused) or began_at - request.began_at > _KEEP_ON_S:
                raise
            outcome = PROXY if lost else REFUSED
            attempt = Attempt(began_at, time.monotonic(), outcome, str(error)[:80])
            request.attempts.append(attempt)
        await asyncio.sleep(_PAUSE_S)


async def _talk(stream: LiveStream, talk: Talk, request: Request) -> str:
    sending = asyncio.create_task(_send(stream, talk))
    confirmed, last_at, num_returns = "", time.monotonic(), 0
    try:
        async for text in stream:
            now = time.monotonic()
            if now - last_at > request.silence_s:
                request.silence_s, request.silence_at = now - last_at, last_at
            for _ in range(stream.num_returns - num_returns):
                request.attempts.append(Attempt(last_at, now, CUT, "was taken up again"))
            last_at, num_returns = now, stream.num_returns
            if not text.confirmed.startswith(confirmed):
                request.complaint = f"took back {confirmed[len(text.confirmed) :]!r}"
            confirmed = text.confirmed
        return confirmed
    finally:
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)


async def _send(stream: LiveStream, talk: Talk) -> None:
    """Each packet leaves when its last sample has been said."""
    began_at = time.monotonic()
    size = int(_PACKET_S * _BYTES_PER_S)
    for start in range(0, len(talk.pcm), size):
        packet = talk.pcm[start : start + size]
        said_at = began_at + (start + len(packet)) / _BYTES_PER_S
        await asyncio.sleep(max(0.0, said_at - time.monotonic()))
        await stream.send(packet)
    await stream.finish()
