"""Arrivals in, what came of them out. They wait for nobody: slow answers do not thin the load."""

import asyncio
import struct
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import soundfile

from loadtest.scaling.loads import Arrival

_BOUNDARY = "chorus-scaling-7f3a"
_TIMEOUT_S = 180.0
TINY = Path(__file__).resolve().parents[2] / "tiny"


@dataclass(frozen=True, slots=True)
class Outcome:
    """Of one arrival; `took_s` is from when it should have been sent."""

    arrival: Arrival
    took_s: float
    status: int
    """0: no answer."""


class Uploads:
    """Somebody who says digits for as long as is wanted: of noise, long recordings would be rid."""

    def __init__(self, longest_s: float = 60.0) -> None:
        path = TINY / "data/george.flac"
        samples, self._rate_hz = soundfile.read(path, dtype="int16")
        self._pcm = np.resize(samples, round(longest_s * self._rate_hz)).tobytes()

    def request(self, audio_s: float, model: str, host: str) -> bytes:
        """One whole request, from its first byte to its last."""
        samples = self._pcm[: 2 * round(audio_s * self._rate_hz)]
        form = struct.pack("<HHIIHH", 1, 1, self._rate_hz, 2 * self._rate_hz, 2, 16)
        body = b"WAVEfmt " + struct.pack("<I", len(form)) + form
        body += b"data" + struct.pack("<I", len(samples)) + samples
        wav = b"RIFF" + struct.pack("<I", len(body)) + body
        parts = (
            f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="model"\r\n\r\n{model}\r\n'
            f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="a.wav"'
            "\r\n\r\n"
        ).encode()
        content = parts + wav + f"\r\n--{_BOUNDARY}--\r\n".encode()
        head = (
            f"POST /v1/audio/transcriptions HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n"
            f"Content-Type: multipart/form-data; boundary={_BOUNDARY}\r\n"
            f"Content-Length: {len(content)}\r\n\r\n"
        )
        return head.encode() + content


async def send_all(
    url: str, model: str, arrivals: Sequence[Arrival], uploads: Uploads, began_at: float
) -> list[Outcome]:
    """Each at its time after `began_at`, of `time.perf_counter`; until all have their answer."""
    netloc = urlsplit(url).netloc

    async def send(arrival: Arrival) -> Outcome:
        due_at = began_at + arrival.at_s
        await asyncio.sleep(max(0.0, due_at - time.perf_counter()))
        status = 0
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                status = await _ask(netloc, uploads.request(arrival.audio_s, model, netloc))
        except (OSError, EOFError, ValueError, TimeoutError):
            pass
        return Outcome(arrival, time.perf_counter() - due_at, status)

    return list(await asyncio.gather(*(send(arrival) for arrival in arrivals)))


async def _ask(netloc: str, request: bytes) -> int:
    host, _, port = netloc.partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        writer.write(request)
        answer = await reader.read()
    finally:
        writer.close()
    return int(answer.split(maxsplit=2)[1]) if answer else 0
