"""A decoder that a stranger has taken over, in the real sandbox: it does what an upload tells it.

What begins as no order is decoded as ever. Runs as `python -m tests.hostile.taken_over`.
"""

import ctypes
import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping

import numpy as np

from serve_app.audio.decode import decode_blocks
from serve_app.audio.sandbox import child
from serve_app.audio.waveform import SAMPLE_RATE_HZ, Channel, Pcm
from tests.hostile.trespasses import TRESPASSES, errno_of

ORDER = b"!order "
_PEER = 3
"""The descriptor that a decoder speaks on."""


def _block(num_samples: int = SAMPLE_RATE_HZ) -> Pcm:
    return np.zeros(num_samples, np.int16)


def _eat_memory() -> Iterator[Pcm]:
    held = []
    while True:
        held.append(bytearray(b"x") * (1 << 24))
        yield _block(1)


def _eat_time() -> Iterator[Pcm]:
    yield _block(1)
    while True:
        pass


def _hang() -> Iterator[Pcm]:
    yield _block(1)
    time.sleep(1e6)


def _flood() -> Iterator[Pcm]:
    while True:
        yield _block()


def _say(message: bytes) -> Iterator[Pcm]:
    os.write(_PEER, message)
    yield _block()


def _fault() -> Iterator[Pcm]:
    yield _block(1)
    ctypes.string_at(0)


def _abort() -> Iterator[Pcm]:
    yield _block(1)
    os.abort()


def _leave() -> Iterator[Pcm]:
    yield _block(1)
    os._exit(0)


def _kill_itself() -> Iterator[Pcm]:
    yield _block(1)
    signal.raise_signal(signal.SIGKILL)


def _blunder() -> Iterator[Pcm]:
    yield _block(1)
    raise KeyError("a bug")


ORDERS: Mapping[str, Callable[[], Iterator[Pcm]]] = {
    "eat memory": _eat_memory,
    "eat processor time": _eat_time,
    "hang": _hang,
    "flood": _flood,
    "talk nonsense": lambda: _say(b"nonsense" * 64),
    "promise two exabytes": lambda: _say(b"B" + b"\x1f" + b"\xff" * 7),
    "send half a sample": lambda: _say(b"B" + bytes(7) + b"\x01" + b"x"),
    "send an order to unpickle": lambda: _say(b"F" + bytes(7) + b"\x10" + b"cos\nsystem\n(S'i"),
    "refuse with an error of another's": lambda: _say(
        b"F" + bytes(7) + b"\x16" + b'["engine_failed", [1]]'
    ),
    "send a block larger than any": lambda: _say(
        b"B" + (2 << 20).to_bytes(8, "big") + bytes(2 << 20)
    ),
    "send a block of nothing": lambda: _say(b"B" + bytes(7) + b"\x04" + bytes(4)),
    "speak on a channel that is none": lambda: _say(
        b"B" + bytes(7) + b"\x07" + b"\xff\xff\x00\x01" + bytes(3)
    ),
    "fault": _fault,
    "abort": _abort,
    "leave": _leave,
    "kill itself": _kill_itself,
    "blunder": _blunder,
}


def decode(
    data: bytes, *, channel: Channel = "mix", max_audio_s: float = float("inf")
) -> Iterator[Pcm]:
    if not data.startswith(ORDER):
        yield from decode_blocks(data, channel=channel, max_audio_s=max_audio_s)
        return
    name, _, path = data.removeprefix(ORDER).decode().partition("@")
    if name in TRESPASSES:
        yield np.array([errno_of(name, path)], np.int16)
    else:
        yield from ORDERS[name]()


if __name__ == "__main__":
    child.main(decode)
