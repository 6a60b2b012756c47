"""Recordings in, what their streams heard and when out: clients that speak at real-time pace."""

import asyncio
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import websockets
from websockets.asyncio.client import ClientConnection, connect

from loadtest.streams.utterances import Recording

PACKET_S = 0.1
_BYTES_PER_S = 32_000
_OPEN_TIMEOUT_S = 60.0
_FINAL_TIMEOUT_S = 120.0
"""Behind the last packet; a server that takes longer does not hold its streams."""


@dataclass(slots=True)
class Stream:
    """One stream, as its client saw it. Times are seconds."""

    recording: Recording
    text: str = ""
    word_lags_s: list[float] = field(default_factory=list)
    """From the moment at which a word's last sample was said, to that at which it was on show."""
    final_lag_s: float | None = None
    """From the end of the audio to the final text; None if none came."""
    failure: str | None = None

    @property
    def is_right(self) -> bool:
        return tuple(self.text.split()) == self.recording.words

    @property
    def num_wrong(self) -> int:
        """Words that differ; of a text of another length, all that are missing or too many."""
        found = self.text.split()
        pairs = zip(found, self.recording.words, strict=False)
        return sum(a != b for a, b in pairs) + abs(len(found) - len(self.recording.words))


async def speak_all(
    url: str, model: str, recordings: Sequence[Recording], *, apart_s: float
) -> list[Stream]:
    """All at once, but for a start spread over `apart_s`, as callers begin when they like."""
    step_s = apart_s / max(1, len(recordings))
    return list(
        await asyncio.gather(
            *(
                _speak(url, model, recording, delay_s=index * step_s)
                for index, recording in enumerate(recordings)
            )
        )
    )


async def _speak(url: str, model: str, recording: Recording, *, delay_s: float) -> Stream:
    await asyncio.sleep(delay_s)
    stream = Stream(recording)
    address = f"{url.replace('http', 'ws', 1)}/asr?model={model}&language=en"
    try:
        async with connect(address, open_timeout=_OPEN_TIMEOUT_S, max_size=None) as socket:
            await socket.recv()  # its `config`
            began_at = time.perf_counter()
            sending = asyncio.create_task(_send(socket, recording, began_at))
            try:
                await _listen(socket, stream, began_at)
            finally:
                sending.cancel()
    except (OSError, TimeoutError, websockets.WebSocketException) as error:
        stream.failure = f"{type(error).__name__}: {error}"
    return stream


async def _send(socket: ClientConnection, recording: Recording, began_at: float) -> None:
    """Each packet leaves when its last sample has been said."""
    size = int(PACKET_S * _BYTES_PER_S)
    for start in range(0, len(recording.pcm), size):
        packet = recording.pcm[start : start + size]
        said_at = began_at + (start + len(packet)) / _BYTES_PER_S
        await asyncio.sleep(said_at - time.perf_counter())
        await socket.send(packet)
    await socket.send(b"")


async def _listen(socket: ClientConnection, stream: Stream, began_at: float) -> None:
    num_shown = 0
    end_at = began_at + stream.recording.duration_s
    async with asyncio.timeout(stream.recording.duration_s + _FINAL_TIMEOUT_S):
        async for message in socket:
            now = time.perf_counter()
            event = json.loads(message)
            if event["type"] == "final":
                stream.text = event["text"]
                stream.final_lag_s = now - end_at
                return
            if event["type"] != "partial":
                stream.failure = str(event)
                return
            words = event["full_text"].split()
            for index in range(num_shown, min(len(words), len(stream.recording.ends_s))):
                stream.word_lags_s.append(now - began_at - stream.recording.ends_s[index])
            num_shown = max(num_shown, len(words))
    stream.failure = stream.failure or "no final text came"
