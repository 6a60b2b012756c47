"""Where an upload lies while it is decoded: in memory, or in a file that is read piece by piece."""

import io
import os
from typing import BinaryIO, Protocol

_PIECE_BYTES = 1 << 20


class Source(Protocol):
    """What looking at an upload needs of it; `bytes` has it all."""

    def __len__(self) -> int: ...

    def __getitem__(self, part: slice, /) -> bytes: ...

    def find(self, mark: bytes, start: int = ..., end: int = ..., /) -> int:
        """As `bytes.find`, for places that are not negative."""
        ...


class FileSource:
    """An open file, through its descriptor alone: nothing is opened, mapped or duplicated."""

    def __init__(self, descriptor: int, num_bytes: int) -> None:
        self._file = io.FileIO(descriptor, closefd=False)
        self._num_bytes = num_bytes
        self._piece, self._piece_start = b"", 0

    def __len__(self) -> int:
        return self._num_bytes

    def __getitem__(self, part: slice, /) -> bytes:
        start, end, _ = part.indices(self._num_bytes)
        if not self._piece_start <= start <= end <= self._piece_start + len(self._piece):
            self._piece = self._read(start, max(end, start + _PIECE_BYTES))
            self._piece_start = start
        return self._piece[start - self._piece_start : end - self._piece_start]

    def find(self, mark: bytes, start: int = 0, end: int | None = None, /) -> int:
        end = self._num_bytes if end is None else min(end, self._num_bytes)
        while start < end:
            piece = self[start : min(start + _PIECE_BYTES, end)]
            found = piece.find(mark)
            if found >= 0:
                return start + found
            if start + len(piece) >= end or not piece:
                return -1
            start += max(1, len(piece) - len(mark) + 1)
        return -1

    def section(self, start: int, end: int) -> BinaryIO:
        """Of the file, as a file."""
        return io.BufferedReader(_Section(self._file, start, end), 64 * 1024)

    def _read(self, start: int, end: int) -> bytes:
        self._file.seek(start)
        wanted, pieces = min(end, self._num_bytes) - start, []
        while wanted > 0 and (piece := self._file.read(wanted)):
            pieces.append(piece)
            wanted -= len(piece)
        return b"".join(pieces)


class _Section(io.RawIOBase):
    """A part of a file; it keeps its own place, which is sought before each read."""

    def __init__(self, file: io.FileIO, start: int, end: int) -> None:
        self._file, self._start, self._end = file, start, end
        self._at = start

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        base = {os.SEEK_SET: self._start, os.SEEK_CUR: self._at, os.SEEK_END: self._end}[whence]
        self._at = max(self._start, base + offset)
        return self._at - self._start

    def tell(self) -> int:
        return self._at - self._start

    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]  # typeshed: Buffer
        wanted = max(0, min(len(buffer), self._end - self._at))
        self._file.seek(self._at)
        piece = self._file.read(wanted) or b""
        buffer[: len(piece)] = piece
        self._at += len(piece)
        return len(piece)


def as_file(data: "bytes | FileSource", start: int, end: int) -> BinaryIO:
    """A part of an upload as a file."""
    if isinstance(data, FileSource):
        return data.section(start, end)
    return io.BytesIO(data[start:end] if (start, end) != (0, len(data)) else data)
