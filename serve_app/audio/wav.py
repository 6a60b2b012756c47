"""PCM, in; the bytes of a WAV file, out. No codec is needed for that, and none is imported."""

import struct

_UNKNOWN_BYTES = 0xFFFFFFFF
"""It goes on to the end of the file."""


def wav_of(pcm: bytes, sample_rate_hz: int) -> bytes:
    """A whole file of mono PCM16LE."""
    return wav_header(sample_rate_hz, len(pcm)) + pcm


def wav_header(sample_rate_hz: int, num_bytes: int | None) -> bytes:
    """Of mono PCM16LE; None: of a length that is not known yet."""
    riff = _UNKNOWN_BYTES if num_bytes is None else 36 + num_bytes
    data = _UNKNOWN_BYTES if num_bytes is None else num_bytes
    return struct.pack(
        "<4sI4s4sIHHIIHH4sI",
        *(b"RIFF", riff, b"WAVE", b"fmt ", 16, 1, 1),
        *(sample_rate_hz, 2 * sample_rate_hz, 2, 16, b"data", data),
    )
