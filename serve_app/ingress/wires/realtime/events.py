"""JSON events, as all realtime protocols of OpenAI's have them: the client's, in; ours, out.

A client's mistake is answered, and leaves the session as it was.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

from serve_app.audio.frames import PacketDecoder
from serve_app.errors import MessageError, RequestError, UndecodableAudioError
from serve_app.ingress.problems import Problem, problem_of, told
from serve_app.ingress.sockets.connection import LARGE_CHARACTERS, Connection, json_of
from serve_app.ingress.sockets.inbox import Heard
from serve_app.ingress.wires.realtime.items import new_id
from serve_app.transcript.render import Json

_MAX_MISTAKES = 100
"""One after another; who makes more is not listening."""


class EventWire(ABC):
    """What these wires share; see `Wire`."""

    resumes = False
    """There is no place for a token in these protocols."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._num_mistakes = 0

    async def hear(self, message: Heard) -> bool:
        event_id: str | None = None
        try:
            if isinstance(message, bytes):
                raise MessageError("binary is not understood here: send events as JSON")
            event = await json_of(message)
            event_id = _event_id(event)
            is_more = await self._take(event)
        except (RequestError, MessageError, UndecodableAudioError) as error:
            # The client's mistake, which leaves the session as it was.
            self._num_mistakes += 1
            if self._num_mistakes >= _MAX_MISTAKES:
                raise
            await self._send_error(told(problem_of(error)), event_id)
            return True
        self._num_mistakes = 0
        return is_more

    @abstractmethod
    async def _take(self, event: Mapping[str, Any]) -> bool:
        """Take one event; False if it was the last."""

    async def _send_error(self, problem: Problem, event_id: str | None) -> None:
        error: dict[str, Json] = {**problem.body()["error"], "event_id": event_id}
        await self._send("error", error=error)

    async def _send(self, kind: str, **body: Json) -> None:
        await self._connection.send({"type": kind, "event_id": new_id("event"), **body})


async def appended(packets: PacketDecoder, audio: Any) -> bytes:
    """The samples that an event appends.

    Raises:
        MessageError: it holds no base64, or too much.
    """
    if not isinstance(audio, str):
        raise MessageError("audio: is no base64 text", "audio")
    try:
        if len(audio) > LARGE_CHARACTERS:
            return await asyncio.to_thread(packets.decode_base64, audio)
        return packets.decode_base64(audio)
    except UndecodableAudioError as error:
        raise MessageError(str(error), "audio") from error


def _event_id(event: Mapping[str, object]) -> str | None:
    event_id = event.get("event_id")
    return event_id[:512] if isinstance(event_id, str) else None
