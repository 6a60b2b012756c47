"""The audio of jobs, in any file system that fsspec knows: a local folder, S3, …

Pieces of a recording, in; where it lies, out; and back. All work on files is done in threads, and
no more than a few pieces of a recording are in memory at a time.
"""

import asyncio
import logging
import re
import secrets
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, ParamSpec, Self, TypeVar

from fsspec import AbstractFileSystem
from fsspec.core import url_to_fs
from fsspec.implementations.local import LocalFileSystem

from serve_app.errors import ConfigError
from serve_app.jobs.writing import (
    BLOCK_BYTES,
    PART,
    LocalRecording,
    Recording,
    RemoteRecording,
    Writable,
)
from serve_app.pipelines.transcription import StoredAudio

logger = logging.getLogger(__name__)

PLACE = "jobs.audio_url"
"""Where a `ConfigError` of it points to."""
PIECE_BYTES = 1 << 20

_NAME = re.compile(r"[0-9a-f]{32}")
_P = ParamSpec("_P")
_T = TypeVar("_T")


class AudioStore:
    """One folder. Names are random; who knows none finds nothing."""

    def __init__(self, files: AbstractFileSystem, folder: str) -> None:
        self._files = files
        self._folder = folder.rstrip("/")

    @classmethod
    async def open(cls, url: str) -> Self:
        """Of fsspec: `file:///var/lib/chorus/audio`, `s3://bucket/prefix`, …, or a folder
        (relative: from the current one).

        Raises:
            ConfigError: nothing can be written there.
        """
        try:
            store = cls(*await asyncio.to_thread(url_to_fs, url))
            await store.delete(await store.put(_nothing()))
        # Each file system has errors of its own, and a package of its own that may be missing.
        except Exception as error:
            raise ConfigError(PLACE, f"nothing can be written to {url}: {error}") from error
        return store

    async def put(self, pieces: AsyncIterator[bytes]) -> StoredAudio:
        """Write a recording as it arrives. What was begun and not finished leaves nothing.

        Raises:
            OSError: it cannot be written. Errors of `pieces` come through as they are.
        """
        path = f"{self._folder}/{secrets.token_hex(16)}"
        recording = self._recording(path)
        num_bytes = 0
        waiting = bytearray()
        try:
            await _in_thread(recording.begin)
            async for piece in pieces:
                waiting += piece
                num_bytes += len(piece)
                if len(waiting) >= PIECE_BYTES:
                    await _in_thread(recording.write, bytes(waiting))
                    waiting.clear()
            await _in_thread(recording.write, bytes(waiting))
            await _in_thread(recording.finish)
        except BaseException:  # cancelled, too
            try:
                await _in_thread(recording.discard)
            except OSError as error:
                logger.error("an unfinished recording is still there: %s", error)
            raise
        return StoredAudio(self._files.unstrip_protocol(path), num_bytes)

    def _recording(self, path: str) -> Recording:
        if isinstance(self._files, LocalFileSystem):
            return LocalRecording(Path(path))
        return RemoteRecording(self._files, path)

    async def delete(self, audio: StoredAudio) -> None:
        """Also where it is gone already.

        Raises:
            OSError: it cannot be deleted.
        """
        await asyncio.to_thread(_delete, audio.url)

    async def older(self, *, than_s: float) -> Sequence[StoredAudio]:
        """All recordings that were written longer ago.

        Raises:
            OSError: the folder cannot be listed.
        """
        return await asyncio.to_thread(self._older, time.time() - than_s)

    def _older(self, before_s: float) -> Sequence[StoredAudio]:
        try:
            found: dict[str, Any] = self._files.find(self._folder, maxdepth=1, detail=True)
        except FileNotFoundError:
            return ()
        return [
            StoredAudio(self._files.unstrip_protocol(path), int(info.get("size") or 0))
            for path, info in found.items()
            if _NAME.fullmatch(path.rpartition("/")[2]) and _written_at_s(info) < before_s
        ]

    async def sweep(self, *, older_than_s: float) -> int:
        """Remove what processes that died left unfinished, if nothing was written to it for so
        long; returns how many recordings that were. Object stores do that by themselves, where
        they are told to: see "incomplete multipart uploads"."""
        if not isinstance(self._files, LocalFileSystem):
            return 0
        return await asyncio.to_thread(_sweep, Path(self._folder), time.time() - older_than_s)


async def fetch(url: str, to: Path | BinaryIO, *, piece_bytes: int = PIECE_BYTES) -> int:
    """Copy a recording to a path, or to the end of what is open for writing; returns its bytes.

    Raises:
        FileNotFoundError: it is gone.
        OSError: it cannot be read, or not be written there. A path is left as it was.
    """
    source = await _in_thread(_open, url)
    try:
        if not isinstance(to, Path):
            return await _copy(source, to, piece_bytes)
        target = LocalRecording(to)
        try:
            await _in_thread(target.begin)
            num_bytes = await _copy(source, target, piece_bytes)
            await _in_thread(target.finish)
        except BaseException:  # cancelled, too
            await _in_thread(target.discard)
            raise
        return num_bytes
    finally:
        await _in_thread(source.close)


async def _nothing() -> AsyncIterator[bytes]:
    yield b""


async def _in_thread(function: Callable[_P, _T], *args: _P.args, **options: _P.kwargs) -> _T:
    """Like `asyncio.to_thread`; but who is cancelled meanwhile goes on only when the thread has
    left the file that it works on."""
    work = asyncio.ensure_future(asyncio.to_thread(function, *args, **options))
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        while not work.done():
            with suppress(asyncio.CancelledError):
                await asyncio.wait([work])
        if not work.cancelled():
            work.exception()  # nobody else asks for it
        raise


async def _copy(source: BinaryIO, target: Writable, piece_bytes: int) -> int:
    num_bytes = 0
    while piece := await _in_thread(source.read, piece_bytes):
        await _in_thread(target.write, piece)
        num_bytes += len(piece)
    return num_bytes


def _written_at_s(info: Mapping[str, Any]) -> float:
    """As file systems call it; what does not tell is new."""
    for name in ("mtime", "LastModified", "last_modified", "updated", "created"):
        written = info.get(name)
        if isinstance(written, datetime):
            return written.timestamp()
        if isinstance(written, int | float):
            return float(written)
    return time.time()


def _open(url: str) -> BinaryIO:
    files, path = url_to_fs(url)
    file: BinaryIO = files.open(path, "rb", block_size=BLOCK_BYTES)
    return file


def _delete(url: str) -> None:
    files, path = url_to_fs(url)
    with suppress(FileNotFoundError):
        files.rm_file(path)


def _sweep(folder: Path, before_s: float) -> int:
    num_removed = 0
    for part in folder.glob(f"*{PART}"):
        with suppress(FileNotFoundError):  # just finished
            if part.stat().st_mtime < before_s:
                part.unlink()
                num_removed += 1
    return num_removed
