"""A server that has a long job to do, and where its figures are kept.

`MANY_JOBS` sets how many jobs are many, `MANY_JOBS_REPORT` another place for the figures than
`build/many-jobs.json`.
"""

import asyncio
import functools
import json
import os
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from tests.graph.conftest import ROOT
from tests.graph.recordings import RATE_HZ, coded, spoken_digits
from tests.long.jobs.server import JobsServer, configuration, serving

MANY = int(os.environ.get("MANY_JOBS", "10000"))
REPORT = ROOT / os.environ.get("MANY_JOBS_REPORT", "build/many-jobs.json")
SLOW = {
    "name": "slow",
    "kind": "simulated",
    "languages": ["en"],
    "max_chunk_s": 2.0,
    "batch": {"max_batch_size": 1, "max_queued_audio_s": 600},
}
QUICK = {"name": "quick", "kind": "simulated", "languages": ["en"]}


@asynccontextmanager
async def busy_server(
    folder: Path, url: str, *, chunk_s: float
) -> AsyncIterator[tuple[JobsServer, httpx.AsyncClient]]:
    """Whatever works on jobs has a long one of the slow model, which takes `chunk_s` for each two
    seconds of it."""
    slow = {**SLOW, "simulated": {"fixed_s": chunk_s, "per_audio_s": 0.0}}
    jobs = {
        "database_url": url,
        "audio_url": str(folder / "audio"),
        "max_concurrent": 1,
        "max_queued": 4 * MANY,
    }
    config = configuration(folder, [QUICK, slow], jobs)
    async with serving(config) as (server, http):
        await submit(http, long_recording(), model="slow", priority=100)
        await eventually(lambda told: told["status"] == "processing", http)
        yield server, http


@functools.cache
def long_recording() -> bytes:
    """Twenty minutes, in which somebody speaks all the time."""
    samples = spoken_digits(150, random.Random(3))
    return coded(np.tile(samples, 1200 * RATE_HZ // len(samples)), "FLAC")


async def submit(http: httpx.AsyncClient, recording: bytes, **fields: Any) -> str:
    response = await http.post(
        "/transcribe/async",
        files={"file": ("a.wav", recording)},
        data={name: str(value) for name, value in fields.items()},
    )
    assert response.status_code == 202, response.text
    return str(response.json()["job_id"])


async def eventually(check: Callable[[dict[str, Any]], bool], http: httpx.AsyncClient) -> None:
    """It holds of the newest job."""
    async with asyncio.timeout(60):
        while not check((await http.get("/jobs?limit=1")).json()["jobs"][0]):  # noqa: ASYNC110  # each asking takes its time
            await asyncio.sleep(0)


def tell(name: str, figures: dict[str, Any]) -> None:
    print(f"\n{name}:", json.dumps(figures, indent=1, ensure_ascii=False))
    REPORT.parent.mkdir(parents=True, exist_ok=True)
    known = json.loads(REPORT.read_text()) if REPORT.is_file() else {}
    REPORT.write_text(json.dumps({**known, name: figures}, indent=1, ensure_ascii=False))
