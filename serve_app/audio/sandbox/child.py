"""A decoder process: uploads in, blocks of PCM out, over the socket that it gets as its stdin.

Large uploads lie in its inbox instead, a nameless file that only its parent can write.

Started and watched by its parent (`process`); `messages` says what goes over the socket. It has no
environment and little memory, opens nothing once it is warm (`confinement`), and ends with its
parent.
"""

import ctypes
import json
import math
import os
import resource
import signal
import socket
import struct
import sys
import time
import traceback
from collections.abc import Iterator
from typing import IO, Protocol

from serve_app.audio.codecs.source import FileSource
from serve_app.audio.decode import decode_blocks, heard_blocks
from serve_app.audio.sandbox.confinement import confine
from serve_app.audio.sandbox.messages import (
    BLOCK,
    CRASHED,
    END,
    HEADER,
    MAX_ANSWER_BYTES,
    OUT_OF_MEMORY_STATUS,
    READY,
    REFUSED,
    DecoderLimits,
    DecoderRequest,
    block_to_bytes,
    refusal_to_json,
)
from serve_app.audio.voice import ADDRESS_BYTES, SileroDetector
from serve_app.audio.waveform import MAX_SPLIT_CHANNELS, Channel, Pcm
from serve_app.errors import SpeechError

_MAX_OPEN_FILES = 16
_NUM_DETECTORS = MAX_SPLIT_CHANNELS + 1
"""Made while files can be opened: one for each channel, and one that is always fresh."""
_WARM_UP = struct.pack(">4s5I", b".snd", 24, 8820, 3, 44_100, 1) + bytes(8820)
"""A tenth of a second of silence as AU: decoded once, so that the first client does not wait."""
_PR_SET_PDEATHSIG = 1
"""<linux/prctl.h>"""


class Decode(Protocol):
    """See `decode.decode_blocks`."""

    def __call__(
        self, data: bytes | FileSource, *, channel: Channel = ..., max_audio_s: float = ...
    ) -> Iterator[Pcm]: ...


def main(decode: Decode = decode_blocks) -> None:
    parent_pid, inbox = int(sys.argv[1]), int(sys.argv[2])
    limits = DecoderLimits(**json.loads(sys.argv[3]))
    _die_with(parent_pid)
    peer = socket.socket(fileno=os.dup(0))
    _to_null(0)
    _limit(limits)
    try:
        _serve(peer, inbox, decode)
    except MemoryError:
        os._exit(OUT_OF_MEMORY_STATUS)


def _serve(peer: socket.socket, inbox: int, decode: Decode) -> None:
    SileroDetector.keep_ready(_NUM_DETECTORS)
    list(heard_blocks(_WARM_UP))
    with peer, peer.makefile("rb") as requests:
        barriers = confine()
        list(heard_blocks(_WARM_UP))  # a barrier in the way of decoding shows here
        _say(peer, READY, json.dumps(barriers).encode())
        os.close(2)  # codecs write about what they meet; a stranger is not to fill a log
        while (heard := _hear(requests)) is not None:
            request = DecoderRequest(**json.loads(heard))
            upload: bytes | FileSource
            if request.inbox_bytes is None:
                upload = _hear(requests) or b""
            else:
                upload = FileSource(inbox, request.inbox_bytes)
            _answer(decode, request, upload, peer)


def _answer(
    decode: Decode, request: DecoderRequest, upload: bytes | FileSource, peer: socket.socket
) -> None:
    """Decode one upload. What the client is to blame for is told; all else ends the process."""
    _allow_processor_time(request.cpu_s)
    try:
        for block in heard_blocks(
            upload,
            channel=request.channel,
            max_audio_s=request.max_audio_s,
            unheard_s=request.unheard_s,
            decode=decode,
        ):
            _say(peer, BLOCK, block_to_bytes(block))
        _say(peer, END)
    except SpeechError as error:
        _say(peer, REFUSED, refusal_to_json(error))
    except (MemoryError, OSError):
        raise
    except Exception:
        _say(peer, CRASHED, traceback.format_exc(limit=-8).encode()[:MAX_ANSWER_BYTES])
        os._exit(1)


def _say(peer: socket.socket, kind: bytes, payload: bytes = b"") -> None:
    peer.sendall(HEADER.pack(kind, len(payload)) + payload)


def _hear(requests: IO[bytes]) -> bytes | None:
    """The payload of the next message; None once the parent has gone."""
    header = requests.read(HEADER.size)
    if len(header) < HEADER.size:
        return None
    _, num_bytes = HEADER.unpack(header)
    return requests.read(num_bytes)


def _die_with(parent_pid: int) -> None:
    """Have the kernel end this process when its parent ends, however that happens."""
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent_pid:
        sys.exit("the parent of this decoder has gone")


def _to_null(descriptor: int) -> None:
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, descriptor)
    os.close(null)


def _limit(limits: DecoderLimits) -> None:
    """From the start, so that a decoder with too little memory never gets ready."""
    for what, most in (
        (resource.RLIMIT_AS, limits.memory_bytes + _NUM_DETECTORS * ADDRESS_BYTES),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NPROC, 0),
        (resource.RLIMIT_NOFILE, _MAX_OPEN_FILES),
    ):
        resource.setrlimit(what, (most, most))


def _allow_processor_time(cpu_s: float) -> None:
    """From now; the kernel kills what uses more. Only the soft limit, which can be moved on."""
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (math.ceil(time.process_time() + cpu_s), hard))


if __name__ == "__main__":
    main()
