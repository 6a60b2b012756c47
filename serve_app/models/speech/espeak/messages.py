"""What a process that speaks and its parent say to each other: a kind, a length, so many bytes."""

import socket
import struct

READY, MISSING, SENTENCE, PCM, REFUSED = (bytes([kind]) for kind in b"RMSPF")
MAX_BYTES = 128 * 1024 * 1024
"""Of one message: an hour at the rate that espeak-ng has is more than that."""
_HEADER = struct.Struct("!cQ")


def say(peer: socket.socket, kind: bytes, payload: bytes = b"") -> None:
    peer.sendall(_HEADER.pack(kind, len(payload)) + payload)


def hear(peer: socket.socket) -> tuple[bytes, bytes] | None:
    """The next message; None once the other has gone.

    Raises:
        OSError: it went in the middle of a word, or says what nobody says.
    """
    header = _exactly(peer, _HEADER.size)
    if header is None:
        return None
    kind, num_bytes = _HEADER.unpack(header)
    if num_bytes > MAX_BYTES:
        raise OSError("a message longer than any")
    payload = _exactly(peer, num_bytes)
    if payload is None:
        raise OSError("a message without its end")
    return kind, payload


def _exactly(peer: socket.socket, num_bytes: int) -> bytes | None:
    pieces = bytearray()
    while len(pieces) < num_bytes:
        piece = peer.recv(min(num_bytes - len(pieces), 1 << 20))
        if not piece:
            return None
        pieces += piece
    return bytes(pieces)
