"""What a decoder process and its parent say to each other: a kind, a length, that many bytes.

    decoder: READY
    parent:  REQUEST (JSON), and UPLOAD unless the upload is in the decoder's inbox
    decoder: BLOCK (see `block_to_bytes`), …, then END, or REFUSED (an error for the client, as
             JSON), or CRASHED (a bug, as text), after which it exits

Nothing that a decoder says is run or unpickled: a stranger's file may have taken it over.
"""

import json
import struct
from dataclasses import dataclass

import numpy as np

from serve_app.audio.waveform import MAX_SPLIT_CHANNELS, WINDOW, Block, Channel, Pcm
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


@dataclass(frozen=True, slots=True)
class DecoderRequest:
    """One upload to decode."""

    channel: Channel
    max_audio_s: float
    cpu_s: float
    """Processor time that it may take."""
    unheard_s: float = 0.0
    """So short a recording is not listened to."""
    inbox_bytes: int | None = None
    """Set, the upload is that much of the inbox."""


_BLOCK_HEADER = struct.Struct("!HH")
"""The channel, and for how many windows it is told whether there may be speech."""


def block_to_bytes(block: Block) -> bytes:
    """Channel and number of windows, a byte for each window, PCM16LE."""
    head = _BLOCK_HEADER.pack(block.channel, len(block.speech))
    return head + block.speech + block.pcm.astype("<i2", copy=False).tobytes()


def block_from_bytes(payload: bytes) -> Block:
    """
    Raises:
        ValueError: no block is written so.
    """
    if len(payload) < _BLOCK_HEADER.size:
        raise ValueError("a block without a head")
    channel, num_windows = _BLOCK_HEADER.unpack_from(payload)
    if not num_windows or channel >= MAX_SPLIT_CHANNELS:
        raise ValueError("a block of nothing, or of no channel")
    start = _BLOCK_HEADER.size + num_windows
    pcm: Pcm = np.frombuffer(payload[start:], dtype="<i2")
    if -(-len(pcm) // WINDOW) != num_windows:
        raise ValueError("a block that says nothing of some windows")
    return Block(pcm, payload[_BLOCK_HEADER.size : start], channel)


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
