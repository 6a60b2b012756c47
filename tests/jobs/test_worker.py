"""Workers: what they hold, what they lose, and how work ends when anything dies."""

import asyncio
import os
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from serve_app.jobs.fake import ScriptedTranscriber
from serve_app.pipelines.transcription import Progress, StoredAudio, TranscriptionRequest
from serve_app.transcript.types import Transcript
from tests.jobs.office import WAITING, eventually, office, recording


async def test_many_jobs_are_done_a_few_at_a_time_by_priority_and_age(tmp_path: Path) -> None:
    async with office(tmp_path, works=False, max_concurrent=3) as opened:
        ids = []
        for n in range(30):
            priority = 5 if n % 10 == 9 else 0
            ids.append(await opened.accepted(recording("say", f"{n}"), priority=priority))
        opened.graph.gate.clear()
        await opened.employ()
        await eventually(lambda: _is(opened.graph.num_running == 3))
        opened.graph.gate.set()
        for job in ids:
            await opened.until(job, "completed")
        urgent = ["9", "19", "29"]
        others = [str(n) for n in range(30) if n % 10 != 9]
        assert sorted(opened.graph.begun[:3]) == sorted(urgent)  # all three begin at once
        assert sorted(opened.graph.begun[3:], key=int) == others
        assert opened.graph.most_running == 3


async def test_a_full_graph_costs_no_attempt(tmp_path: Path) -> None:
    async with office(tmp_path, max_attempts=1) as opened:
        job = await opened.accepted(recording("busy", "at last"))
        done = await opened.until(job, "completed", "failed")
        assert done["status"] == "completed"
        assert done["files"][0]["num_attempts"] == 1
        assert opened.graph.begun == ["at last", "at last"]


class Scripted(ScriptedTranscriber):
    """Does in each attempt what the test says: a delay before its first progress, or an error."""

    def __init__(self, *script: Exception | str) -> None:
        super().__init__()
        self.script = list(script)

    async def stream_stored(
        self, audio: StoredAudio, request: TranscriptionRequest, expected_s: float
    ) -> AsyncGenerator[Progress | Transcript, None]:
        does = self.script.pop(0) if self.script else "end"
        if isinstance(does, Exception):
            raise does
        if does == "wait":
            await asyncio.Event().wait()
        yield Progress(1.0, 2.0)
        if does == "hang":
            await asyncio.Event().wait()
        yield Transcript((), 2.0, request.model)


async def done_by(folder: Path, *script: Exception | str) -> dict[str, object]:
    """What is told of a job at its end, that one worker did so."""
    settings = {"max_attempts": 2, "file_timeout_s": 0.2}
    async with office(folder, works=False, **settings) as opened:
        opened.graph = Scripted(*script)
        await opened.employ()
        told = await opened.until(await opened.accepted(recording("say")), "completed", "failed")
        file: dict[str, object] = told["files"][0]
        return file


async def test_who_waits_for_a_turn_has_the_whole_time_when_it_comes(tmp_path: Path) -> None:
    file = await done_by(tmp_path, "wait", "wait", "end")
    assert (file["status"], file["num_attempts"]) == ("completed", 1)


async def test_what_takes_too_long_has_failed(tmp_path: Path) -> None:
    file = await done_by(tmp_path, "hang", "hang")
    assert (file["status"], file["num_attempts"]) == ("failed", 2)
    assert file["error_code"] == "deadline_exceeded"


async def test_a_time_out_of_somebody_else_is_no_fault_of_the_recording(tmp_path: Path) -> None:
    file = await done_by(tmp_path, TimeoutError("the object store did not answer"))
    assert (file["status"], file["num_attempts"]) == ("completed", 2)


async def test_the_audio_of_many_that_end_at_once_goes_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serve_app.jobs.worker._AT_ONCE", 3)
    async with office(tmp_path) as opened:
        for job in [await opened.accepted(recording("say")) for _ in range(10)]:
            await opened.until(job, "completed")
        assert opened.worker is not None
        await opened.worker.keep()
        assert opened.num_stored == 0


async def test_progress_is_told_on_the_way(tmp_path: Path) -> None:
    async with office(tmp_path) as opened:
        job = await opened.accepted(recording("hang", seconds=8.0))
        told = await opened.once(job, lambda told: told["progress"] == 0.5)
        assert (told["processed_s"], told["duration_s"]) == (4.0, 8.0)


async def test_a_worker_that_closes_gives_its_work_back_at_once(tmp_path: Path) -> None:
    async with office(tmp_path, lease_s=3600.0) as opened:
        opened.graph.gate.clear()
        job = await opened.accepted(recording("say", "twice"))
        async with asyncio.timeout(WAITING):
            await opened.graph.has_begun.wait()
        assert opened.worker is not None
        await opened.worker.close()
        assert opened.graph.num_running == 0
        assert (await opened.status(job))["files"][0]["status"] == "pending"
        opened.graph.gate.set()
        await opened.employ()
        done = await opened.until(job, "completed")
        assert done["files"][0]["num_attempts"] == 1


async def test_a_lease_that_is_lost_stops_its_work_and_records_nothing(tmp_path: Path) -> None:
    async with office(tmp_path, lease_s=3600.0) as opened:
        opened.graph.gate.clear()
        job = await opened.accepted(recording("say", "gone"))
        async with asyncio.timeout(WAITING):
            await opened.graph.has_begun.wait()
        recorded: list[object] = []

        async def record(*args: object, **options: object) -> bool:
            recorded.append(args)
            return True

        opened.store.complete = opened.store.fail = record  # type: ignore[method-assign]  # to see that nobody calls them
        await opened.http.delete(f"/jobs/{job}")
        async with asyncio.timeout(WAITING):
            await opened.graph.abandoned.wait()
        assert opened.worker is not None
        await opened.worker.close()
        assert recorded == []


async def test_a_worker_outlives_its_database(tmp_path: Path) -> None:
    async with office(tmp_path, lease_s=3600.0) as opened:
        opened.graph.gate.clear()
        job = await opened.accepted(recording("say", "still there"))
        async with asyncio.timeout(WAITING):
            await opened.graph.has_begun.wait()
        failed: list[object] = []
        has_failed = asyncio.Event()

        async def fails(*args: object) -> bool:
            failed.append(args)
            if len(failed) == 3:
                has_failed.set()
            raise OSError("the database is away")

        complete = opened.store.complete
        opened.store.complete = fails  # type: ignore[method-assign]  # a database cannot be asked to fail just here
        opened.graph.gate.set()
        async with asyncio.timeout(WAITING):
            await has_failed.wait()
        assert opened.outcomes == []
        opened.store.complete = complete  # type: ignore[method-assign]  # see above
        done = await opened.until(job, "completed")
        assert done["files"][0]["num_attempts"] == 1
        await eventually(lambda: _is(opened.outcomes == ["completed"]))


async def test_a_graph_that_says_nothing_at_all_is_a_fault_of_its_own(tmp_path: Path) -> None:
    class Mute(ScriptedTranscriber):
        async def stream_stored(
            self, audio: StoredAudio, request: TranscriptionRequest, expected_s: float
        ) -> AsyncGenerator[Progress | Transcript, None]:
            yield Progress(0.0, 1.0)

    async with office(tmp_path, works=False, max_attempts=1) as opened:
        opened.graph = Mute()
        await opened.employ()
        job = await opened.accepted(recording("say"))
        told = await opened.until(job, "failed")
        assert "without a transcript" in told["error"]


async def test_time_to_live_ends_a_job_and_its_audio_goes_with_its_end(tmp_path: Path) -> None:
    async with office(tmp_path) as opened:
        job = await opened.accepted(recording("say", "soon gone"), time_to_live_s=0.05)
        kept = await opened.accepted(recording("say", "stays"))
        await opened.until(kept, "completed")
        assert opened.worker is not None
        async with asyncio.timeout(WAITING):
            while (await opened.http.get(f"/jobs/{job}/status")).status_code != 404:
                await opened.worker.keep()
            while opened.num_stored:
                await opened.worker.keep()
        assert (await opened.status(kept))["result"]["text"] == "stays"


async def test_audio_that_is_no_jobs_is_deleted_once_it_is_old(tmp_path: Path) -> None:
    async with office(tmp_path, works=False, keep_audio=True) as opened:
        await opened.accepted(recording("say", "stays"))
        (tmp_path / "audio" / ("0" * 32)).write_bytes(b"of an upload whose process died")
        (tmp_path / "audio" / ("1" * 32)).write_bytes(b"just arriving")
        (tmp_path / "audio" / "notes.txt").write_bytes(b"not ours")
        worker = await opened.employ()
        await worker.tidy()
        assert opened.num_stored == 4
        for path in (tmp_path / "audio").glob("*"):
            if not path.name.startswith("1"):
                os.utime(path, (0, 0))
        await worker.tidy()
        left = {path.name for path in (tmp_path / "audio").glob("*")}
        assert "0" * 32 not in left
        assert len(left) == 3


async def _is(holds: bool) -> bool:
    return holds
