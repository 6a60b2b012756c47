"""What a decoder process and its parent say to each other: a kind, a length, that many bytes.

    decoder: READY
    parent:  REQUEST (JSON), UPLOAD
    decoder: BLOCK (PCM16LE), …, then END, or REFUSED (an error for the client, as JSON),
             or CRASHED (a bug, as text), after which it exits

Nothing that a decoder says is run or unpickled: a stranger's file may have taken it over.
"""

import json
import struct
from dataclasses import dataclass

from serve_app.errors import (
    AudioTooLongError,
    EmptyAudioError,
    InvalidOptionError,
    SpeechError,
    UndecodableAudioError,
    UnsupportedFormatError,
)

HEADER = struct.Struct("!cQ")
READY, REQUEST, UPLOAD, BLOCK, END, REFUSED, CRASHED = (bytes([kind]) for kind in b"RQUBEFX")
MAX_ANSWER_BYTES = 1 << 20
"""Of one message of a decoder: some thirty times a block."""
OUT_OF_MEMORY_STATUS = 77
"""Exit status of a decoder that wanted more memory than it may have."""

_REFUSALS: dict[str, type[SpeechError]] = {
    error.code: error
    for error in (
        AudioTooLongError,
        EmptyAudioError,
        InvalidOptionError,
        UndecodableAudioError,
        UnsupportedFormatError,
    )
}


@dataclass(frozen=True, slots=True)
class DecoderLimits:
    """What one decoder may use."""

    memory_bytes: int
    """Of address space, its own code included."""
    cpu_s: float
    """Processor time for one upload."""
    max_audio_s: float
    """Length of what it decodes."""


def refusal_to_json(error: SpeechError) -> bytes:
    """An error for the client, as its code and arguments."""
    return json.dumps([error.code, error.args]).encode()


def refusal_from_json(text: bytes) -> SpeechError:
    """The error that a decoder means.

    Raises:
        ValueError: it means none that a decoder may raise.
    """
    match json.loads(text):
        case [str(code), [*arguments]] if code in _REFUSALS:
            try:
                return _REFUSALS[code](
                    *(tuple(each) if isinstance(each, list) else each for each in arguments)
                )
            except TypeError as error:
                raise ValueError(str(error)) from error
    raise ValueError("not an error that a decoder raises")
