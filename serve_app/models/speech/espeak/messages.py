"""What a process that speaks and its parent say to each other: a kind, a length, so many bytes."""

import socket
import struct
import time
from dataclasses import dataclass

READY, MISSING, SENTENCE, PCM, REFUSED, ENDED = (bytes([kind]) for kind in b"RMSPFE")
MAX_BYTES = 128 * 1024 * 1024
"""Of one message: the longest sound of a sentence is a quarter of that."""
_HEADER = struct.Struct("!cQ")
_LINE = b"L"


@dataclass(frozen=True, slots=True)
class Sentence:
    """What a fork is told to say."""

    text: str
    voice: str
    words_per_minute: int
    max_samples: int
    cpu_s: int


def say(peer: socket.socket, kind: bytes, payload: bytes = b"") -> None:
    peer.sendall(_HEADER.pack(kind, len(payload)) + payload)


def hear(peer: socket.socket, *, by: float | None = None) -> tuple[bytes, bytes] | None:
    """The next message; None once the other has gone.

    Raises:
        TimeoutError: it is not there, whole, at `by` (`time.monotonic`).
        OSError: it went in the middle of a word, or says what nobody says.
    """
    header = _exactly(peer, _HEADER.size, by)
    if header is None:
        return None
    kind, num_bytes = _HEADER.unpack(header)
    if num_bytes > MAX_BYTES:
        raise OSError("a message longer than any")
    payload = _exactly(peer, num_bytes, by)
    if payload is None:
        raise OSError("a message without its end")
    return kind, payload


def hand_line(peer: socket.socket, line: socket.socket) -> None:
    """Give the other a copy of `line`."""
    socket.send_fds(peer, [_LINE], [line.fileno()])


def handed_line(peer: socket.socket) -> socket.socket | None:
    """The next line; None once the other has gone."""
    _, lines, _, _ = socket.recv_fds(peer, 1, 1)
    return socket.socket(fileno=lines[0]) if lines else None


def _exactly(peer: socket.socket, num_bytes: int, by: float | None) -> bytes | None:
    pieces = bytearray()
    while len(pieces) < num_bytes:
        if by is not None:
            left_s = by - time.monotonic()
            if left_s <= 0:
                raise TimeoutError
            peer.settimeout(left_s)
        piece = peer.recv(min(num_bytes - len(pieces), 1 << 20))
        if not piece:
            return None
        pieces += piece
    return bytes(pieces)
