"""A conversation over `/ws/translate`: somebody's speech in; its text and sound in another
language out, utterance by utterance.
"""

import asyncio
import io
import json
import time
import wave
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from serve_app.client.errors import (
    AnswerTimeoutError,
    ConnectionLostError,
    StreamEndedError,
)
from serve_app.client.http import checked_url
from serve_app.client.live.sockets import ended_by, open_socket

_PATH = "/ws/translate"
_FLUSH = "__flush__"
_END_OF_AUDIO = b""


@dataclass(frozen=True, slots=True)
class SpokenTranslation:
    """One utterance, as far as it is told. Each that is yielded has more than the one before."""

    utterance: int
    source: str | None = None
    """ISO 639-1 of what was spoken; None where no word was."""
    target: str | None = None
    text: str = ""
    source_text: str | None = None
    start_s: float = 0.0
    end_s: float = 0.0
    part: bytes = b""
    """PCM16LE of the sentence that is new, if one is."""
    sample_rate: int = 0
    """Of it."""
    is_final: bool = False
    """Whether the text is whole; a model for live streams tells it as it grows."""
    is_done: bool = False
    """Whether nothing follows."""
    problem: str = ""
    """Why it could not be translated or spoken."""
    text_s: float | None = None
    """From the arrival of the end of its speech to its text, by the server's clock."""
    sound_s: float | None = None
    """And to its first sound."""


class Conversation:
    """From `open` to `close`; use it in an `async with` block.

        async with Conversation(mode="en->ru", source_text=True) as talk:
            reading = asyncio.create_task(show(talk))  # async for each in talk: ...
            async for pcm in microphone:
                await talk.send(pcm)
            await talk.finish()
            await reading

    Read while you send: a server whose words nobody takes stops taking audio.
    """

    def __init__(
        self,
        base_url: str = "http://127.0.0.1:8000",
        api_key: str | None = None,
        *,
        mode: str,
        sample_rate: int = 16_000,
        open_timeout_s: float = 30.0,
        final_timeout_s: float = 120.0,
        **wanted: Any,
    ) -> None:
        """
        Args:
            mode: `en->ru`, `auto->ru` or `auto`.
            sample_rate: of what is sent: mono PCM16LE.
            final_timeout_s: how long the rest may take after the last audio.
            wanted: further fields of the first message: `languages`, `model`, `voice`, `speech`,
                `source_text`, `silence_ms`, `half_duplex`, `output_sample_rate`.

        Raises:
            InvalidUrlError: `base_url` is no HTTP address.
        """
        self.base_url = checked_url(base_url)
        self.open_timeout_s = open_timeout_s
        self.final_timeout_s = final_timeout_s
        self.ready: Mapping[str, Any] = {}
        """What the server has agreed to."""
        self._headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        named = {name: value for name, value in wanted.items() if value is not None}
        self._wanted = {"mode": mode, "sample_rate": sample_rate, "events": True, **named}
        self._connection: ClientConnection | None = None
        self._limit: tuple[float, float] | None = None
        """How long the server may take, in seconds, and until when that is, by `time.monotonic`."""

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
        self._connection = await open_socket(
            self.base_url, _PATH, {}, headers=self._headers, timeout_s=self.open_timeout_s
        )
        complaint = ""
        try:
            self._limit = self._limited(self.open_timeout_s)
            await self._connection.send(json.dumps(self._wanted))
            first = await self._message()
            while isinstance(first, dict) and first.get("type") == "error":
                complaint = _complaint(first)
                first = await self._message()  # what it is closed with says what helps
            if not isinstance(first, dict) or first.get("type") != "ready":
                raise StreamEndedError(0, _complaint(None))
        except BaseException as error:
            await self._connection.close()
            if isinstance(error, ConnectionClosed):
                raise ended_by(error, complaint) from error
            raise
        self.ready, self._limit = first, None

    async def send(self, pcm: bytes) -> None:
        """Hand audio over; waits while the server has enough to do.

        Raises:
            ConnectionLostError: the conversation is over; reading it tells why.
        """
        if pcm:
            await self._deliver(pcm)

    async def flush(self) -> None:
        """End the utterance here; raises as `send` does."""
        await self._deliver(_FLUSH)

    async def finish(self) -> None:
        """No more audio: the rest is told, then reading ends; raises as `send` does."""
        self._limit = self._limited(self.final_timeout_s)
        await self._deliver(_END_OF_AUDIO)

    async def __aiter__(self) -> AsyncIterator[SpokenTranslation]:
        """Each thing that is new of an utterance, for one reader.

        Raises:
            StreamEndedError: the server ended the conversation, and why.
            AnswerTimeoutError: the rest did not come in time.
        """
        under_way: dict[int, SpokenTranslation] = {}
        sounding: SpokenTranslation | None = None
        complaint = ""
        try:
            while True:
                message = await self._message()
                if isinstance(message, bytes):
                    if sounding is not None:
                        pcm, rate_hz = _samples(message)
                        yield replace(sounding, part=pcm, sample_rate=rate_hz)
                    sounding = None
                    continue
                if message.get("type") == "error":
                    complaint = _complaint(message)
                if (number := message.get("utterance")) is None:
                    continue
                each = _told(under_way.get(number, SpokenTranslation(number)), message)
                under_way[number] = each
                if message["type"] == "audio":
                    sounding = each
                elif message["type"] in ("translation", "done"):
                    yield each
                if each.is_done:
                    del under_way[number]
        except ConnectionClosed as error:
            ended = ended_by(error, complaint)
            if ended.code != 1000:
                raise ended from error

    async def close(self) -> None:
        """Give the conversation up, at once; may be called twice."""
        if self._connection is not None:
            await self._connection.close()

    async def _deliver(self, message: str | bytes) -> None:
        assert self._connection is not None, "open the conversation first"
        try:
            await self._connection.send(message)
        except ConnectionClosed as error:
            raise ConnectionLostError(self.base_url, "the conversation is over") from error

    async def _message(self) -> bytes | dict[str, Any]:
        assert self._connection is not None, "open the conversation first"
        receiving = asyncio.ensure_future(self._connection.recv())
        try:
            while True:  # the limit may be set while it is waited
                left_s = 1.0 if self._limit is None else self._limit[1] - time.monotonic()
                done, _ = await asyncio.wait({receiving}, timeout=max(min(left_s, 1.0), 0.0))
                if done:
                    return _parsed(receiving.result())
                if self._limit is not None and self._limit[1] <= time.monotonic():
                    raise AnswerTimeoutError(self.base_url, self._limit[0])
        finally:
            receiving.cancel()

    @staticmethod
    def _limited(limit_s: float) -> tuple[float, float]:
        return limit_s, time.monotonic() + limit_s


def _told(each: SpokenTranslation, message: Mapping[str, Any]) -> SpokenTranslation:
    match message["type"]:
        case "translation":
            return replace(
                each,
                source=message["src"],
                target=message["tgt"],
                text=message["text"],
                source_text=message["source_text"],
                start_s=message["start_s"],
                end_s=message["end_s"],
                is_final=message["is_final"],
            )
        case "failed":
            return replace(each, problem=_complaint(message))
        case "done":
            latency_ms = message["latency_ms"]
            return replace(
                each,
                is_done=True,
                text_s=_seconds(latency_ms["text"]),
                sound_s=_seconds(latency_ms["sound"]),
            )
    return each


def _parsed(message: str | bytes) -> bytes | dict[str, Any]:
    """
    Raises:
        StreamEndedError: it is no message of a Chorus server.
    """
    if isinstance(message, bytes):
        return message
    try:
        fields = json.loads(message)
    except ValueError:
        fields = None
    if not isinstance(fields, dict):
        raise StreamEndedError(0, _complaint(None))
    return fields


def _complaint(message: Any) -> str:
    error = message.get("error") if isinstance(message, dict) else None
    return str(error["message"]) if error else "this is no Chorus server's message"


def _seconds(time_ms: float | None) -> float | None:
    return None if time_ms is None else time_ms / 1000


def _samples(recording: bytes) -> tuple[bytes, int]:
    with wave.open(io.BytesIO(recording)) as file:
        return file.readframes(file.getnframes()), file.getframerate()
