"""Seeded lengths in, recordings of noise as whole HTTP requests out."""

import math
import random
import struct
from dataclasses import dataclass

import numpy as np

_BOUNDARY = "chorus-overload-7f3a"
_RATE_HZ = 8_000
_MEDIAN_S, _SPREAD = 6.0, 0.6
_SHORTEST_S, _LONGEST_S = 1.0, 25.0
"""Lengths are log-normal, as those of utterances are; each is one chunk."""


@dataclass(frozen=True, slots=True)
class Upload:
    """One request, from its first byte to its last."""

    audio_s: float
    request: bytes


def make_uploads(count: int, *, model: str, host: str, seed: int = 7) -> list[Upload]:
    """Telephone speech as far as bytes go (G.711), so that the network is not what is measured."""
    rng = random.Random(seed)
    uploads = []
    for _ in range(count):
        audio_s = min(
            max(rng.lognormvariate(math.log(_MEDIAN_S), _SPREAD), _SHORTEST_S), _LONGEST_S
        )
        samples = np.random.default_rng(rng.randrange(2**32)).integers(
            0, 256, round(audio_s * _RATE_HZ), dtype=np.uint8
        )
        uploads.append(Upload(audio_s, _request(_mulaw_wav(samples.tobytes()), model, host)))
    return uploads


def _mulaw_wav(samples: bytes) -> bytes:
    samples += bytes(len(samples) % 2)
    form = struct.pack("<HHIIHHH", 7, 1, _RATE_HZ, _RATE_HZ, 1, 8, 0)
    body = b"WAVEfmt " + struct.pack("<I", len(form)) + form
    body += b"data" + struct.pack("<I", len(samples)) + samples
    return b"RIFF" + struct.pack("<I", len(body)) + body


def _request(wav: bytes, model: str, host: str) -> bytes:
    body = (
        f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="model"\r\n\r\n{model}\r\n'
        f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n'
    ).encode()
    body += wav + f"\r\n--{_BOUNDARY}--\r\n".encode()
    head = (
        f"POST /v1/audio/transcriptions HTTP/1.1\r\nHost: {host}\r\n"
        f"Content-Type: multipart/form-data; boundary={_BOUNDARY}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body
