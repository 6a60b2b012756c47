"""A server that takes jobs and works on them: real sockets, a real database, a scripted graph."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from serve_app.config import JobsConfig, ServerConfig
from serve_app.ingress.backend.fake import ScriptedBackend
from serve_app.ingress.jobs.desk import Desk
from serve_app.jobs.audio import AudioStore
from serve_app.jobs.fake import ScriptedTranscriber, recording
from serve_app.jobs.opening import callbacks_of, open_audio, open_store
from serve_app.jobs.store import JobStore
from serve_app.jobs.worker import Worker
from tests.ingress.conftest import Site, open_site

WAITING = 20.0


async def eventually(check: Callable[[], Awaitable[bool]]) -> None:
    """Return once it holds."""
    async with asyncio.timeout(WAITING):
        while not await check():  # noqa: ASYNC110  # other processes and the disk tell nobody
            await asyncio.sleep(0)


@dataclass(slots=True)
class Office:
    """The server, and what is behind it."""

    site: Site
    config: JobsConfig
    store: JobStore
    audio: AudioStore
    graph: ScriptedTranscriber
    folder: Path
    worker: Worker | None = None
    outcomes: list[str] = field(default_factory=list)
    """Of the worker's attempts, as they were recorded."""

    @property
    def http(self) -> httpx.AsyncClient:
        return self.site.http

    async def submit(self, *recordings: bytes, **fields: Any) -> httpx.Response:
        files = [("file", (f"{n}.wav", each, "audio/wav")) for n, each in enumerate(recordings)]
        return await self.http.post("/transcribe/async", files=files, data=fields)

    async def accepted(self, *recordings: bytes, **fields: Any) -> str:
        """The id of a job that was taken."""
        response = await self.submit(*recordings, **fields)
        assert response.status_code == 202, response.text
        return str(response.json()["job_id"])

    async def status(self, job_id: str) -> dict[str, Any]:
        response = await self.http.get(f"/jobs/{job_id}/status")
        assert response.status_code == 200, response.text
        told: dict[str, Any] = response.json()
        return told

    async def until(self, job_id: str, *statuses: str) -> dict[str, Any]:
        """What is told of a job once it has one of these."""
        return await self.once(job_id, lambda told: told["status"] in statuses)

    async def once(self, job_id: str, check: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """What is told of a job once this holds of it."""
        told: dict[str, Any] = {}

        async def is_so() -> bool:
            told.update(await self.status(job_id))
            return check(told)

        await eventually(is_so)
        return told

    async def employ(self) -> Worker:
        """A worker, from now on."""
        self.worker = Worker(
            self.store,
            self.audio,
            self.graph,
            self.config,
            callbacks_of(self.config),
            ended=self.outcomes.append,
        )
        self.worker.start()
        return self.worker

    @property
    def num_stored(self) -> int:
        """Recordings in the store of audio, unfinished ones included."""
        return len(list((self.folder / "audio").glob("*")))


@asynccontextmanager
async def office(
    folder: Path,
    *,
    works: bool = True,
    keys: Any = None,
    tells_speakers: bool = False,
    **settings: Any,
) -> AsyncIterator[Office]:
    """One that polls often, so that tests need not wait."""
    jobs = {
        "database_url": f"sqlite+aiosqlite:///{folder}/jobs.sqlite3",
        "audio_url": str(folder / "audio"),
        "poll_s": 0.02,
        "retry_s": 0.02,
        **settings,
    }
    models = [{"name": "tiny", "kind": "simulated", "languages": ["en"]}]
    if tells_speakers:
        models.append({"name": "speakers", "kind": "simulated", "diarization": {}})
    config = ServerConfig.model_validate({"models": models, "jobs": jobs})
    assert config.jobs is not None
    desk = Desk(config.jobs)
    site = await open_site(ScriptedBackend(), {**config.model_dump(), **(keys or {})}, desk)
    store, audio = await open_store(config.jobs), await open_audio(config.jobs)
    opened = Office(site, config.jobs, store, audio, ScriptedTranscriber(), folder)
    try:
        if works:
            await opened.employ()
        yield opened
    finally:
        if opened.worker is not None:
            await opened.worker.close()
        await site.close()
        await desk.close()
        await store.close()


__all__ = ["Office", "eventually", "office", "recording"]
