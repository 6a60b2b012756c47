"""One class of bad input: what it is, how its bytes are made, what must come back."""

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from serve_app.audio.waveform import SAMPLE_RATE_HZ
from tests.audio.audio_files import encode, speechlike

CLIP = speechlike(2.0, SAMPLE_RATE_HZ)
WAV = encode(CLIP, SAMPLE_RATE_HZ, "WAV", "PCM_16")


@dataclass(frozen=True, slots=True)
class Bad:
    """One row of the table. Where `code` is None, what is bad is forgiven and answered."""

    name: str
    make: Callable[[], bytes]
    status: int
    code: str | None = None
    filename: str = "a.wav"
    fields: Mapping[str, str] = field(default_factory=dict)
    kills: bool = False
    """Whether its decoder has to be replaced."""


def forgiven(name: str, make: Callable[[], bytes], **more: str) -> Bad:
    return Bad(name, make, 200, **more)  # type: ignore[arg-type]


def empty(name: str, make: Callable[[], bytes]) -> Bad:
    return Bad(name, make, 400, "empty_audio")


def undecodable(name: str, make: Callable[[], bytes], *, kills: bool = False) -> Bad:
    return Bad(name, make, 400, "undecodable_audio", kills=kills)


def strange(name: str, make: Callable[[], bytes], filename: str = "a.wav") -> Bad:
    return Bad(name, make, 415, "unsupported_format", filename=filename)


def too_long(name: str, make: Callable[[], bytes]) -> Bad:
    return Bad(name, make, 413, "audio_too_long")


def with_value(data: bytes, offset: int, form: str, *values: float) -> bytes:
    """`data` with `values` packed over what stands at `offset`."""
    changed = bytearray(data)
    struct.pack_into(form, changed, offset, *values)
    return bytes(changed)


def after(data: bytes, mark: bytes, skipped: int, form: str, *values: float) -> bytes:
    """As `with_value`, `skipped` bytes behind the end of the first `mark`."""
    return with_value(data, data.index(mark) + len(mark) + skipped, form, *values)
