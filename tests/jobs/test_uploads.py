"""Recordings of jobs as they arrive: their bounds, and what is left of those that break off."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from serve_app.jobs.store import JobStore
from serve_app.jobs.types import Job, NewJob
from tests.audio.audio_files import encode, speechlike
from tests.jobs.office import eventually, office, recording

SAYING = recording("say", "hello out there", seconds=3.0)


async def test_uploads_have_limits_of_their_own(tmp_path: Path) -> None:
    limits = {"max_upload_bytes": 10_000, "max_files": 3, "max_queued": 4}
    async with office(tmp_path, works=False, **limits) as opened:
        assert (await opened.submit(SAYING + bytes(10_000))).status_code == 413
        assert (await opened.submit(*[SAYING] * 4)).status_code == 400
        assert (await opened.submit(b"")).status_code == 400
        assert (await opened.submit(b"no audio at all")).status_code == 415
        assert (await opened.submit(SAYING, b"no audio at all")).status_code == 415
        assert opened.num_stored == 0
        await opened.accepted(*[SAYING] * 3)
        await opened.accepted(SAYING)
        full = await opened.submit(SAYING)
        assert (full.status_code, "retry-after" in full.headers) == (429, True)
        assert opened.num_stored == 4


async def test_the_store_of_audio_has_a_bound(tmp_path: Path) -> None:
    async with office(tmp_path, works=False, max_stored_bytes=200_000) as opened:
        large = SAYING + bytes(150_000)
        await opened.accepted(large)
        assert (await opened.submit(large)).status_code == 429
        assert opened.num_stored == 1


async def test_the_bound_holds_for_a_body_that_tells_no_length(tmp_path: Path) -> None:
    async with office(tmp_path, works=False, max_stored_bytes=200_000) as opened:

        async def body(num_pieces: int) -> AsyncIterator[bytes]:
            yield b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
            yield SAYING
            for _ in range(num_pieces):
                yield bytes(50_000)
            yield b"\r\n--b--\r\n"

        async def handed_in(num_pieces: int) -> int:
            headers = {"content-type": "multipart/form-data; boundary=b"}
            response = await opened.http.post(
                "/transcribe/async", content=body(num_pieces), headers=headers
            )
            return response.status_code

        assert await handed_in(4) == 429
        assert opened.num_stored == 0
        assert await handed_in(3) == 202
        assert await handed_in(1) == 429
        assert opened.num_stored == 1


async def test_a_job_keeps_its_audio_when_nobody_hears_that_it_was_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    submit = JobStore.submit

    async def lost_behind(store: JobStore, new: NewJob) -> tuple[Job, bool]:
        await submit(store, new)
        raise ConnectionResetError("the database was lost when it had committed")

    async with office(tmp_path, works=False) as opened:
        with monkeypatch.context() as patched:
            patched.setattr(JobStore, "submit", lost_behind)
            assert (await opened.submit(SAYING, idempotency_key="k")).status_code == 503
        await opened.employ()
        job = await opened.accepted(SAYING, idempotency_key="k")
        told = await opened.until(job, "completed", "failed")
        assert (told["status"], told["error"]) == ("completed", None)


async def test_an_upload_that_breaks_off_leaves_nothing(tmp_path: Path) -> None:
    async with office(tmp_path, works=False) as opened:
        _, writer = await asyncio.open_connection("127.0.0.1", opened.site.port)
        head = (
            b"POST /transcribe/async HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n"
            b"Content-Type: multipart/form-data; boundary=b\r\n\r\n"
            b"--b\r\nContent-Disposition: form-data; name=file; filename=a.wav\r\n\r\n"
        )
        writer.write(head + SAYING + bytes(300_000))
        await eventually(lambda: _is(opened.num_stored == 1))
        writer.close()
        await eventually(lambda: _is(opened.num_stored == 0))
        assert (await opened.http.get("/jobs")).json()["jobs"] == []


async def test_a_form_in_pieces_of_any_size_is_the_same_form(tmp_path: Path) -> None:
    wav = encode(speechlike(0.5, 16_000), 16_000, "WAV", "PCM_16")
    body = (
        b'--b\r\nContent-Disposition: form-data; name="priority"\r\n\r\n7\r\n'
        b'--b\r\nContent-Disposition: form-data; name="file"; filename="x/y.wav"\r\n'
        b"Content-Type: audio/wav\r\n\r\n" + wav + b"\r\n--b--\r\n"
    )
    async with office(tmp_path, works=False, keep_audio=True) as opened:
        for size in (1, 7, 100, 4096, len(body)):

            async def pieces(size: int = size) -> Any:
                for start in range(0, len(body), size):
                    yield body[start : start + size]

            response = await opened.http.post(
                "/transcribe/async",
                content=pieces(),
                headers={"content-type": "multipart/form-data; boundary=b"},
            )
            assert response.status_code == 202
            told = response.json()
            assert (told["filename"], told["priority"]) == ("y.wav", 7)
            assert told["duration_s"] == 0.5
        stored = list((tmp_path / "audio").glob("*"))
        assert len(stored) == 5
        assert {path.read_bytes() for path in stored} == {wav}


async def _is(holds: bool) -> bool:
    return holds
