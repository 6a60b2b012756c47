"""OpenAI's Realtime events of a translation session: the client's, in; the server's, out.

Deltas only append: of one utterance after the other, with a space between. Where a client sends no
audio time stands still; as the protocol has it, what comes next goes on from what was before.
"""

import base64
import math
from collections.abc import Mapping
from typing import Any

from serve_app.audio.frames import PacketDecoder, PacketFormat
from serve_app.errors import InvalidOptionError
from serve_app.ingress.forms import shown
from serve_app.ingress.problems import Problem, failure_of, told
from serve_app.ingress.sockets.connection import Connection
from serve_app.ingress.sockets.translation.stream import SpokenStream
from serve_app.ingress.wires.realtime.events import EventWire, appended
from serve_app.ingress.wires.realtime.items import new_id
from serve_app.ingress.wires.realtime.translations.settings import (
    RATE_HZ,
    Settings,
    Translating,
    expiry,
    updated,
)
from serve_app.pipelines.speech_to_speech.events import (
    ConversationEvent,
    Failed,
    Finished,
    Sound,
    Translated,
)
from serve_app.transcript.render import Json

_FRAME_MS = 200
"""`elapsed_ms` counts in these."""
_DELTA_BYTES = RATE_HZ * 2
"""Of sound: a second."""


class TranslationsWire(EventWire):
    """See `Wire`."""

    def __init__(
        self, connection: Connection, stream: SpokenStream, served: Translating, settings: Settings
    ) -> None:
        super().__init__(connection)
        self._stream = stream
        self._served = served
        self._settings = settings
        self._session_id = new_id("sess")
        self._expires_at = expiry(served)
        self._packets = PacketDecoder(PacketFormat(rate_hz=RATE_HZ))
        self._is_closing = False
        self._elapsed_ms = 0
        self._has_said: set[str] = set()
        """Kinds of deltas that something was told by."""

    async def begin(self) -> None:
        await self._send("session.created", session=self._shown())

    async def tell(self, event: ConversationEvent) -> None:
        match event:
            case Translated(is_final=True):
                self._elapsed_ms = math.floor(event.end_s * 1000 / _FRAME_MS) * _FRAME_MS
                if self._settings.transcription_model is not None and event.source_text:
                    await self._text("session.input_transcript.delta", event.source_text)
                if event.text:
                    await self._text("session.output_transcript.delta", event.text)
            case Sound():
                await self._sound(event.speech.pcm)
            case Failed():
                await self._send_error(told(failure_of(event.error)), None)
            case Finished() if self._is_closing:
                await self._send("session.closed")

    async def complain(self, problem: Problem) -> None:
        await self._send_error(problem, None)

    async def _take(self, event: Mapping[str, Any]) -> bool:
        match event.get("type"):
            case "session.update":
                await self._update(event.get("session"))
            case "session.input_audio_buffer.append":
                await self._feed(await appended(self._packets, event.get("audio")))
            case "session.close":
                self._is_closing = True
                await self._feed(self._packets.flush())
                return False
            case other:
                raise InvalidOptionError(
                    "type", f"{shown(str(other))} is no event of a translation session"
                )
        return True

    async def _update(self, session: Any) -> None:
        settings = updated(self._settings, session)
        await self._stream.change(settings.asked(self._served))
        self._settings = settings
        await self._send("session.updated", session=self._shown())

    async def _feed(self, pcm: bytes) -> None:
        if pcm:
            await self._stream.feed(pcm)

    async def _text(self, kind: str, text: str) -> None:
        delta = f" {text}" if kind in self._has_said else text
        self._has_said.add(kind)
        await self._send(kind, delta=delta, elapsed_ms=self._elapsed_ms)

    async def _sound(self, pcm: bytes) -> None:
        for start in range(0, len(pcm), _DELTA_BYTES):
            await self._send(
                "session.output_audio.delta",
                delta=base64.b64encode(pcm[start : start + _DELTA_BYTES]).decode(),
                sample_rate=RATE_HZ,
                channels=1,
                format="pcm16",
                elapsed_ms=self._elapsed_ms,
            )

    def _shown(self) -> dict[str, Json]:
        asked = self._settings.asked(self._served)
        simulated = {"simulated": True} if asked.is_simulated else {}
        return {**self._settings.shown(self._session_id, self._expires_at), **simulated}
