"""A recording on its way into a file system: all of it is there in the end, or nothing.

Everything here blocks; `audio` calls it in threads.
"""

import io
import os
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from fsspec import AbstractFileSystem

PART = ".part"
"""Behind the name of a local one that is not finished."""
BLOCK_BYTES = 8 << 20
"""What an object store is sent at once. S3 takes 10,000 of them, of 5 MiB at least."""


class Writable(Protocol):
    def write(self, piece: bytes, /) -> object: ...


class Recording(Writable, Protocol):
    """One that is being written; all of it blocks."""

    def begin(self) -> None: ...

    def finish(self) -> None:
        """From now on, it is there, whatever happens."""
        ...

    def discard(self) -> None:
        """Nothing of it is left, whatever was done with it before."""
        ...


class LocalRecording:
    """Has another name until all of it is on the disk."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._part = path.with_name(path.name + PART)
        self._file: BinaryIO = io.BytesIO()
        self._is_there = False

    def begin(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._file = open(self._part, "wb", opener=_for_its_owner)  # noqa: SIM115 - closed below

    def write(self, piece: bytes, /) -> None:
        self._file.write(piece)

    def finish(self) -> None:
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        self._part.rename(self._path)
        self._is_there = True
        folder = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)  # its new name, too
        finally:
            os.close(folder)

    def discard(self) -> None:
        with suppress(OSError):  # a full disk: what is in its buffer cannot be written
            self._file.close()
        self._part.unlink(missing_ok=True)
        if self._is_there:
            self._path.unlink(missing_ok=True)


def _for_its_owner(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


class RemoteRecording:
    """Object stores show it when all of it is there; others may show it before, under a name that
    nobody knows yet."""

    def __init__(self, files: AbstractFileSystem, path: str) -> None:
        self._files = files
        self._path = path
        self._file: Any = None
        self._is_there = False

    def begin(self) -> None:
        self._file = self._files.open(self._path, "wb", block_size=BLOCK_BYTES, autocommit=False)
        self._files.transaction.files.clear()  # would keep it for a commit that `finish` does

    def write(self, piece: bytes, /) -> None:
        self._file.write(piece)

    def finish(self) -> None:
        self._file.close()
        self._file.commit()
        self._is_there = True

    def discard(self) -> None:
        if self._file is None:
            return
        if not self._is_there:
            self._file.discard()
            with suppress(AttributeError):  # of some; others would send what they still hold
                self._file.closed = True
        with suppress(FileNotFoundError):
            self._files.rm_file(self._path)
