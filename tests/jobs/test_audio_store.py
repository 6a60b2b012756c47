"""Recordings are written as they arrive; what is not finished leaves nothing."""

import asyncio
import io
import os
import random
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem
from fsspec.spec import AbstractBufferedFile

from serve_app.errors import ConfigError
from serve_app.jobs.audio import AudioStore, fetch
from serve_app.pipelines.transcription import StoredAudio


class BlockFile(AbstractBufferedFile):
    """Keeps its blocks apart until it is committed, as those of object stores do."""

    num_unfinished = 0

    def _initiate_upload(self) -> None:
        self.blocks: list[bytes] = []
        BlockFile.num_unfinished += 1

    def _upload_chunk(self, final: bool = False) -> bool:
        self.blocks.append(self.buffer.getvalue())
        return True

    def _fetch_range(self, start: int, end: int) -> bytes:
        return bytes(self.fs.objects[self.path][start:end])

    def commit(self) -> None:
        self.fs.objects[self.path] = b"".join(self.blocks)
        BlockFile.num_unfinished -= 1

    def discard(self) -> None:
        if hasattr(self, "blocks"):
            BlockFile.num_unfinished -= 1


class BlockFileSystem(fsspec.AbstractFileSystem):  # type: ignore[misc]
    protocol = "blocks"
    objects: dict[str, bytes] = {}  # noqa: RUF012 - of all instances, as a bucket is

    def _open(self, path: str, mode: str = "rb", **options: Any) -> BlockFile:
        size = None
        if mode == "rb":
            size = self.info(path)["size"]
        return BlockFile(self, path, mode, size=size, **options)

    def info(self, path: str, **_options: Any) -> dict[str, Any]:
        if path not in self.objects:
            raise FileNotFoundError(path)
        return {"name": path, "size": len(self.objects[path]), "type": "file"}

    def rm_file(self, path: str) -> None:
        if self.objects.pop(path, None) is None:
            raise FileNotFoundError(path)


fsspec.register_implementation("blocks", BlockFileSystem, clobber=True)


@pytest.fixture(params=["folder", "file", "memory", "blocks"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    MemoryFileSystem.store.clear()
    BlockFileSystem.objects.clear()
    BlockFile.num_unfinished = 0
    name = uuid.uuid4().hex
    return {
        "folder": f"{tmp_path}/in/audio",
        "file": f"file://{tmp_path}/in/audio",
        "memory": f"memory://{name}",
        "blocks": f"blocks://{name}",
    }[str(request.param)]


def all_files(tmp_path: Path) -> list[str]:
    """What lies in any of the file systems."""
    on_disk = [str(path) for path in tmp_path.rglob("*") if path.is_file()]
    return [*on_disk, *MemoryFileSystem.store, *BlockFileSystem.objects]


async def pieces(*sizes: int, seed: int = 0) -> AsyncIterator[bytes]:
    random_bytes = random.Random(seed)
    for size in sizes:
        yield random_bytes.randbytes(size)


async def whole(*sizes: int) -> bytes:
    return b"".join([piece async for piece in pieces(*sizes)])


@pytest.mark.parametrize(
    "sizes", [(), (0,), (1,), (10, 0, 20), (1 << 20,) * 3, (3_000_000, 5), (9_000_000, 9_000_000)]
)
async def test_a_recording_comes_back_as_it_was(
    url: str, sizes: tuple[int, ...], tmp_path: Path
) -> None:
    store = await AudioStore.open(url)
    assert all_files(tmp_path) == []
    audio = await store.put(pieces(*sizes))
    assert audio.num_bytes == sum(sizes)
    assert len(all_files(tmp_path)) == 1
    target = tmp_path / "copy" / "a.wav"
    assert await fetch(audio.url, target) == audio.num_bytes
    assert target.read_bytes() == await whole(*sizes)
    buffer = io.BytesIO()
    await fetch(audio.url, buffer, piece_bytes=100_000)
    assert buffer.getvalue() == target.read_bytes()
    target.unlink()
    await store.delete(audio)
    await store.delete(audio)
    assert all_files(tmp_path) == []
    with pytest.raises(FileNotFoundError):
        await fetch(audio.url, target)
    assert all_files(tmp_path) == []
    assert BlockFile.num_unfinished == 0


async def test_an_upload_that_breaks_off_leaves_nothing(url: str, tmp_path: Path) -> None:
    store = await AudioStore.open(url)

    async def broken(num_bytes: int) -> AsyncIterator[bytes]:
        yield b"a" * num_bytes
        raise ConnectionResetError("gone")

    for num_bytes in (1, 2 << 20, 9 << 20):
        with pytest.raises(ConnectionResetError):
            await store.put(broken(num_bytes))
    assert all_files(tmp_path) == []
    assert BlockFile.num_unfinished == 0


async def test_an_upload_that_is_cancelled_leaves_nothing(url: str, tmp_path: Path) -> None:
    store = await AudioStore.open(url)
    for turns in range(40):
        upload = asyncio.create_task(store.put(pieces(1 << 20, 1 << 20, 8 << 20)))
        for _ in range(turns):
            await asyncio.sleep(0)  # one turn of the loop
        upload.cancel()
        (outcome,) = await asyncio.gather(upload, return_exceptions=True)
        if isinstance(outcome, StoredAudio):  # it was faster
            await store.delete(outcome)
    assert all_files(tmp_path) == []
    assert BlockFile.num_unfinished == 0


async def test_an_upload_that_waits_for_its_client_is_cancelled(url: str, tmp_path: Path) -> None:
    store = await AudioStore.open(url)
    begun = asyncio.Event()

    async def stalled() -> AsyncIterator[bytes]:
        yield b"a" * (9 << 20)
        begun.set()
        await asyncio.Event().wait()

    upload = asyncio.create_task(store.put(stalled()))
    await begun.wait()
    upload.cancel()
    with pytest.raises(asyncio.CancelledError):
        await upload
    assert all_files(tmp_path) == []
    assert BlockFile.num_unfinished == 0


async def test_names_are_random_and_urls_whole(url: str) -> None:
    store = await AudioStore.open(url)
    stored = [await store.put(pieces(1)) for _ in range(20)]
    names = {audio.url.rsplit("/", 1)[1] for audio in stored}
    assert len(names) == 20
    assert all(len(name) == 32 and int(name, 16) >= 0 for name in names)
    assert all("://" in audio.url for audio in stored)


async def test_many_uploads_at_once_keep_apart(url: str, tmp_path: Path) -> None:
    store = await AudioStore.open(url)
    stored = await asyncio.gather(
        *(store.put(pieces(100_000, 1 << 20, 7, seed=seed)) for seed in range(20))
    )
    for seed, audio in enumerate(stored):
        copy = io.BytesIO()
        await fetch(audio.url, copy)
        expected = [piece async for piece in pieces(100_000, 1 << 20, 7, seed=seed)]
        assert copy.getvalue() == b"".join(expected)
    assert len(all_files(tmp_path)) == 20


def lying(audio: StoredAudio) -> tuple[bytes, int]:
    """What a local recording holds, and who may read it."""
    path = Path(urlsplit(audio.url).path)
    return path.read_bytes(), path.stat().st_mode & 0o777


async def test_a_local_recording_is_its_owners_alone(tmp_path: Path) -> None:
    store = await AudioStore.open(str(tmp_path))
    audio = await store.put(pieces(5))
    assert lying(audio) == (await whole(5), 0o600)


async def test_a_fetch_that_fails_leaves_its_target_as_it_was(tmp_path: Path) -> None:
    target = tmp_path / "a.wav"
    target.write_bytes(b"before")
    with pytest.raises(FileNotFoundError):
        await fetch("memory://none", target)
    with pytest.raises(OSError, match=r".*"):
        await fetch(f"file://{tmp_path}", target)  # a folder
    assert target.read_bytes() == b"before"
    assert all_files(tmp_path) == [str(target), *MemoryFileSystem.store, *BlockFileSystem.objects]


async def test_what_dead_processes_left_is_swept(tmp_path: Path) -> None:
    store = await AudioStore.open(str(tmp_path))
    kept = await store.put(pieces(5))
    old, new = tmp_path / "a.part", tmp_path / "b.part"
    for part in (old, new):
        part.write_bytes(b"half")
    os.utime(old, (1.0, 1.0))
    assert await store.sweep(older_than_s=3600.0) == 1
    assert not old.exists()
    assert new.exists()
    assert lying(kept)
    assert await (await AudioStore.open("memory://a")).sweep(older_than_s=0.0) == 0


@pytest.mark.parametrize("url", ["/dev/null/audio", "file:///proc/audio", "nonesuch://bucket/a"])
async def test_a_place_that_cannot_be_written_is_refused(url: str) -> None:
    with pytest.raises(ConfigError) as raised:
        await AudioStore.open(url)
    assert raised.value.place == "jobs.audio_url"
    assert url in str(raised.value)
