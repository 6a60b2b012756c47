"""OpenAI's Realtime events of a transcription session: the client's, in; the server's, out.

Deltas carry confirmed text only, so that they never take anything back; `completed` has the whole.
A session of this protocol has no place for resuming: who comes back begins anew.
"""

import logging
import math
from collections.abc import Mapping
from typing import Any

from serve_app.audio.frames import PacketDecoder
from serve_app.errors import (
    InvalidOptionError,
)
from serve_app.ingress.forms import shown
from serve_app.ingress.problems import Problem
from serve_app.ingress.sockets.connection import Connection
from serve_app.ingress.sockets.serving import Sockets
from serve_app.ingress.sockets.transcription.stream import TextStream
from serve_app.ingress.wires.realtime.events import EventWire, appended
from serve_app.ingress.wires.realtime.items import Item, Items, new_id
from serve_app.ingress.wires.realtime.settings import Settings, updated
from serve_app.ingress.wires.rest.answers import simulated_of
from serve_app.pipelines.streaming.events import (
    Final,
    Partial,
    SpeechStarted,
    SpeechStopped,
    StreamEvent,
)
from serve_app.transcript.render import Json, token_logprobs
from serve_app.transcript.types import Segment, Token

_TRANSCRIPTION = "conversation.item.input_audio_transcription"

log = logging.getLogger(__name__)


class RealtimeWire(EventWire):
    """See `Wire`."""

    def __init__(
        self, connection: Connection, stream: TextStream, sockets: Sockets, settings: Settings
    ) -> None:
        super().__init__(connection)
        self._stream = stream
        self._sockets = sockets
        self._settings = settings
        self._session_id = new_id("sess")
        self._packets = PacketDecoder(settings.packet_format)
        self._items = Items()
        self._previous_item_id: str | None = None
        self._has_audio = False
        """Whether anything was appended since the client's last commit."""

    async def begin(self) -> None:
        await self._send("session.created", session=self._shown())

    async def tell(self, event: StreamEvent) -> None:
        match event:
            case SpeechStarted():
                # It may begin where the audio was cleared, and not have been heard before that.
                if not self._items.is_cleared(math.nextafter(event.at_s, math.inf)):
                    await self._speech_started(event.at_s)
            case SpeechStopped():
                await self._cut_off(self._items.newest(), event.at_s)
            case Partial():
                if not self._items.is_cleared(event.heard_s):
                    item, delta = self._items.heard(event)
                    await self._delta(item, delta)
            case Final():
                if event.ends_utterance or not self._items.is_cleared(event.end_s):
                    await self._final(event)

    async def complain(self, problem: Problem) -> None:
        if problem.status >= 500 and self._settings.transcribes:
            for item in self._items.committed:
                await self._send(
                    f"{_TRANSCRIPTION}.failed",
                    item_id=item.item_id,
                    content_index=0,
                    error=problem.body()["error"],
                )
        await self._send_error(problem, None)

    async def _take(self, event: Mapping[str, Any]) -> bool:
        match event.get("type"):
            case "session.update":
                await self._update(event.get("session"))
            case "input_audio_buffer.append":
                await self._append(event.get("audio"))
            case "input_audio_buffer.commit":
                await self._commit()
            case "input_audio_buffer.clear":
                await self._clear()
            case other:
                raise InvalidOptionError(
                    "type", f"{shown(str(other))} is no event of a transcription session"
                )
        return True

    async def _update(self, session: Any) -> None:
        settings = updated(self._settings, session, self._sockets.served)
        if settings.packet_format != self._settings.packet_format:
            packets = PacketDecoder(settings.packet_format)
            await self._feed(self._packets.flush())
            self._packets = packets
        begins_to_watch = not self._settings.voice_activity and bool(settings.voice_activity)
        if begins_to_watch and self._has_audio:
            await self._commit()  # else nothing would ever end what was said unwatched
        await self._stream.change(settings.asked())
        self._settings = settings
        await self._send("session.updated", session=self._shown())

    async def _append(self, audio: Any) -> None:
        pcm = await appended(self._packets, audio)
        self._has_audio = self._has_audio or bool(audio)
        await self._feed(pcm)

    async def _commit(self) -> None:
        if not self._has_audio:
            raise InvalidOptionError("input_audio_buffer", "holds no audio to commit")
        self._has_audio = False
        await self._feed(self._packets.flush())
        item = self._items.newest()
        await self._cut_off(item, self._stream.fed_s)
        await self._stream.commit()

    async def _clear(self) -> None:
        self._packets.flush()
        self._has_audio = False
        await self._stream.discard()
        self._items.clear(self._stream.fed_s)
        await self._send("input_audio_buffer.cleared")

    async def _feed(self, pcm: bytes) -> None:
        if pcm:
            await self._stream.feed(pcm)

    async def _speech_started(self, at_s: float) -> None:
        item = self._items.newest()
        item.is_started, item.start_s = True, at_s
        await self._send(
            "input_audio_buffer.speech_started", item_id=item.item_id, audio_start_ms=_ms(at_s)
        )

    async def _cut_off(self, item: Item, at_s: float) -> None:
        """Commit the item; who was told that speech has begun in it is told that it has ended."""
        if item.is_started:
            await self._send(
                "input_audio_buffer.speech_stopped", item_id=item.item_id, audio_end_ms=_ms(at_s)
            )
        item.is_committed = True
        previous, self._previous_item_id = self._previous_item_id, item.item_id
        await self._send(
            "input_audio_buffer.committed", item_id=item.item_id, previous_item_id=previous
        )

    async def _final(self, event: Final) -> None:
        item, delta = self._items.heard(event)
        await self._delta(item, delta)
        if not event.ends_utterance:
            return
        if not (item.is_committed or item.is_started or item.transcript):
            return  # the silence at the end of the stream
        if not item.is_committed:
            await self._cut_off(item, event.end_s)
        if self._settings.transcribes:
            await self._send(
                f"{_TRANSCRIPTION}.completed",
                item_id=item.item_id,
                content_index=0,
                transcript=item.transcript,
                usage={"type": "duration", "seconds": round(event.end_s - item.start_s, 3)},
                **self._details(item),
            )

    async def _delta(self, item: Item, delta: str) -> None:
        if delta and self._settings.transcribes:
            await self._send(
                f"{_TRANSCRIPTION}.delta", item_id=item.item_id, content_index=0, delta=delta
            )

    def _details(self, item: Item) -> dict[str, Json]:
        details: dict[str, Json] = {}
        languages = {segment.language for segment in item.segments if segment.language}
        if languages:
            details["languages"] = [{"code": code} for code in sorted(languages)]
        if self._settings.logprobs:
            details["logprobs"] = _logprobs(item.segments)
        return details

    def _shown(self) -> dict[str, Json]:
        return {**self._settings.shown(self._session_id), **simulated_of(self._settings.model)}


def _ms(time_s: float) -> int:
    return round(time_s * 1000)


def _logprobs(segments: list[Segment]) -> list[Json] | None:
    """Of each word, because streaming decoders tell no more; None where they tell nothing.

    A word is as probable as its least certain piece.
    """
    tokens: list[Token] = []
    for segment in segments:
        if segment.text and segment.words is None:
            return None
        for word in segment.words or ():
            if not word.confidence:
                return None
            text = f" {word.text}" if tokens else word.text
            tokens.append(Token(text, math.log(word.confidence)))
    return token_logprobs(tokens)
