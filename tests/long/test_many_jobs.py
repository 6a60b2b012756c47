"""Ten thousand jobs in the queue of a real server, and a job that is stopped: nobody waits longer
for it, no process grows, and the work ends.

The slow model has whatever works on jobs; live requests go to another.
"""

import asyncio
import statistics
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from tests.graph.recordings import noise_wav, speech_wav
from tests.jobs.conftest import database_url, postgres_folder
from tests.long.jobs.busy import MANY, busy_server, long_recording, submit, tell
from tests.long.jobs.server import JobsServer, own_mib

__all__ = ["database_url", "postgres_folder"]

pytestmark = [pytest.mark.long, pytest.mark.timeout(1800)]

NUM_CLIENTS = 16
NUM_ROUNDS = 5
NUM_REQUESTS = 120
"""Live ones, one after another, in each half of a round."""
NUM_LEFT = 60
"""Jobs in a queue that counts as empty: their pages are as long as those of a full one."""
ROLES = ("Ingress", "Jobs", "Preprocessor", "proxy")
TABLES = (("jobs", "number"), ("job_files", "job_number"))


@dataclass(slots=True)
class Took:
    """Milliseconds, each."""

    each: list[float] = field(default_factory=list)

    @property
    def p50(self) -> float:
        return statistics.median(self.each)

    @property
    def p95(self) -> float:
        return sorted(self.each)[int(len(self.each) * 0.95)]

    def __str__(self) -> str:
        return f"{self.p50:.1f} / {self.p95:.1f} ms"

    @asynccontextmanager
    async def one(self) -> AsyncIterator[None]:
        began_at = time.perf_counter()
        yield
        self.each.append(1000 * (time.perf_counter() - began_at))


def memory(server: JobsServer) -> dict[str, float]:
    """MiB of its own, by role."""
    processes = {role: server.replica(role) for role in ROLES if role != "proxy"}
    return {role: own_mib(each) for role, each in {**processes, "proxy": server.proxy()}.items()}


async def hand_in(http: httpx.AsyncClient, count: int) -> None:
    """So many jobs of a second each, by clients that each wait for their answers."""
    recording, left = noise_wav(1.0), iter(range(count))

    async def client() -> None:
        for _ in left:
            await submit(http, recording, model="slow")

    await asyncio.gather(*(client() for _ in range(NUM_CLIENTS)))


async def live(http: httpx.AsyncClient) -> Took:
    """Requests one after another, as one client sees them."""
    took, recording = Took(), speech_wav(2.0)
    for _ in range(NUM_REQUESTS):
        async with took.one():
            response = await http.post(
                "/v1/audio/transcriptions",
                files={"file": ("a.wav", recording)},
                data={"model": "quick"},
            )
        assert response.status_code == 200, response.text
    return took


async def asked(http: httpx.AsyncClient) -> dict[str, Took]:
    """What clients of jobs ask, one after another. Leaves as many jobs as there were."""
    took = {name: Took() for name in ("submit", "page", "status", "cancel and forget")}
    recording = noise_wav(1.0)
    for _ in range(30):
        async with took["submit"].one():
            job = await submit(http, recording, model="slow")
        async with took["page"].one():
            (await http.get("/jobs")).raise_for_status()
        async with took["status"].one():
            (await http.get(f"/jobs/{job}/status")).raise_for_status()
        async with took["cancel and forget"].one():
            (await http.delete(f"/jobs/{job}")).raise_for_status()
    return took


async def park(url: str) -> None:
    """Take what waits out of the queue, as if it had never been handed in; a page of it stays."""
    waiting = (
        "SELECT job_number FROM job_files WHERE status = 'pending' AND job_number <= "
        f"(SELECT max(number) FROM jobs) - {NUM_LEFT}"
    )
    engine = create_async_engine(url)
    async with engine.begin() as connection:
        for table, number in TABLES:
            which = f"FROM {table} WHERE {number} IN ({waiting})"
            await connection.execute(text(f"CREATE TABLE parked_{table} AS SELECT * {which}"))
        for table, number in reversed(TABLES):
            parked = f"SELECT {number} FROM parked_{table}"
            await connection.execute(text(f"DELETE FROM {table} WHERE {number} IN ({parked})"))
    await engine.dispose()


async def put_back(url: str) -> None:
    engine = create_async_engine(url)
    async with engine.begin() as connection:
        for table, _ in TABLES:
            await connection.execute(text(f"INSERT INTO {table} SELECT * FROM parked_{table}"))
            await connection.execute(text(f"DROP TABLE parked_{table}"))
        if url.startswith("postgresql"):
            await connection.execute(text("ANALYZE"))
    await engine.dispose()


def ratios(pairs: list[tuple[Took, Took]], of: Callable[[Took], float]) -> tuple[float, str]:
    """Full to empty: the median of the rounds, and what to say of them."""
    each = [of(full) / of(empty) for empty, full in pairs]
    said = f"{statistics.median(each):.2f} ({min(each):.2f} to {max(each):.2f})"
    return statistics.median(each), said


async def test_ten_thousand_jobs_neither_slow_live_requests_nor_grow_memory(
    database_url: str, tmp_path: Path
) -> None:
    kind = database_url.partition("+")[0]
    async with busy_server(tmp_path, database_url, chunk_s=2.0) as (server, http):
        await hand_in(http, 300)  # warms up
        await live(http)
        await asked(http)
        memory_before = memory(server)
        began_at = time.monotonic()
        await hand_in(http, MANY - 300)
        took_s = time.monotonic() - began_at
        memory_full = memory(server)
        rounds: list[tuple[Took, Took]] = []
        questions: list[tuple[dict[str, Took], dict[str, Took]]] = []
        for number in range(NUM_ROUNDS):
            found: dict[bool, tuple[Took, dict[str, Took]]] = {}
            for is_full in (True, False) if number % 2 else (False, True):
                if not is_full:
                    await park(database_url)
                found[is_full] = await live(http), await asked(http)
                if not is_full:
                    await put_back(database_url)
            rounds.append((found[False][0], found[True][0]))
            questions.append((found[False][1], found[True][1]))
        memory_after = memory(server)
        page = (await http.get("/jobs?status=pending&limit=200")).json()
        assert len(page["jobs"]) == min(200, MANY)
    figures: dict[str, Any] = {
        "jobs": MANY,
        "handed in, a second": round((MANY - 300) / took_s, 1),
        "live p50, full / empty": ratios(rounds, lambda took: took.p50)[1],
        "live p95, full / empty": ratios(rounds, lambda took: took.p95)[1],
        "live, empty, p50 / p95": [str(empty) for empty, _ in rounds],
        "live, full, p50 / p95": [str(full) for _, full in rounds],
        "memory, MiB: 300 jobs, all handed in, at the end": {
            role: [round(m[role], 1) for m in (memory_before, memory_full, memory_after)]
            for role in ROLES
        },
    }
    for what in questions[0][0]:
        pairs = [(empty[what], full[what]) for empty, full in questions]
        empty_ms, full_ms = (
            statistics.median(pair[place].p50 for pair in pairs) for place in (0, 1)
        )
        said = ratios(pairs, lambda took: took.p50)[1]
        figures[f"{what}, p50"] = f"{empty_ms:.1f} → {full_ms:.1f} ms, {said}"
    tell(kind, figures)
    assert ratios(rounds, lambda took: took.p50)[0] <= 1.15
    assert ratios(rounds, lambda took: took.p95)[0] <= 1.5
    for role in ROLES:
        allowed = max(24.0, memory_before[role] / 10)
        assert memory_after[role] - memory_before[role] <= allowed, role


async def test_the_work_on_a_cancelled_job_stops_within_two_seconds(tmp_path: Path) -> None:
    """By the model's own count of batches: it has no other work, and each takes half a second."""
    url = f"sqlite+aiosqlite:///{tmp_path}/jobs.sqlite3"
    stopped_s = []
    async with busy_server(tmp_path, url, chunk_s=0.5) as (_, http):
        for number in range(5):
            (job,) = (await http.get("/jobs?limit=1")).json()["jobs"]
            before = await num_batches(http)
            await until_batches(http, lambda now, before=before: now >= before + 3)
            cancelled_at = time.monotonic()
            (await http.post(f"/jobs/{job['job_id']}/cancel")).raise_for_status()
            stopped_s.append(await _last_batch_at(http) - cancelled_at)
            if number < 4:
                await submit(http, long_recording(), model="slow", priority=100)
    tell("cancelled, seconds until the last batch is counted", {"each": stopped_s})
    # What the model counts is exported twice a second.
    assert max(stopped_s) <= 2.0 + 0.5


async def num_batches(http: httpx.AsyncClient) -> float:
    metrics = (await http.get("/metrics")).text
    lines = [each for each in metrics.splitlines() if "chorus_batch_size_count{" in each]
    return sum(float(each.rsplit(" ", 1)[1]) for each in lines if 'model="slow"' in each)


async def until_batches(http: httpx.AsyncClient, check: Callable[[float], bool]) -> None:
    async with asyncio.timeout(120):
        while not check(await num_batches(http)):  # noqa: ASYNC110  # each asking takes its time
            await asyncio.sleep(0)


async def _last_batch_at(http: httpx.AsyncClient, *, quiet_s: float = 5.0) -> float:
    """When the count was last seen to rise: after that it stayed for ten times a batch's time."""
    count, rose_at = await num_batches(http), time.monotonic()
    while time.monotonic() < rose_at + quiet_s:
        now = await num_batches(http)
        if now != count:
            count, rose_at = now, time.monotonic()
    return rose_at
