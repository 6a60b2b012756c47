"""The whole server under good and bad input for half an hour: nothing in it grows.

`SOAK_S` sets another duration in seconds, `SOAK_REPORT` another place for the figures
than `build/soak` (`.json` and `.md`). Real Ray, real decoders; the model is the simulated one.
"""

import asyncio
import os
import random
import shutil
import time
from pathlib import Path

import httpx
import pytest
import yaml

from serve_app import server
from tests.audio.audio_files import FORMATS, speechlike
from tests.graph.conftest import ROOT, free_port
from tests.hostile.local_graph import SETTINGS
from tests.hostile.table import containers, kinds, wav
from tests.long.soak_figures import Figures
from tests.long.test_mutants import mutant

SOAK_S = float(os.environ.get("SOAK_S", "1800"))
REPORT = ROOT / os.environ.get("SOAK_REPORT", "build/soak")
SEED = 20_261_121
NUM_CLIENTS = 6
NUM_SAMPLES = 120
URL = "/v1/audio/transcriptions"

pytestmark = [pytest.mark.long, pytest.mark.timeout(SOAK_S + 900)]

GOOD = {
    title: FORMATS[title][0](speechlike(4.0, FORMATS[title][1]), FORMATS[title][1])
    for title in ("WAV, 16 bits", "FLAC", "MP3", "OGG Opus", "M4A, AAC", "WebM, Opus")
}
ROWS = tuple(
    row
    for row in wav.ROWS + containers.ROWS + kinds.ROWS
    if "25 MB" not in row.name and "million" not in row.name
)
"""Without the largest, which would make it a test of the client's own machine."""


def test_nothing_grows_under_good_and_bad_input(tmp_path: Path) -> None:
    figures = Figures(SEED)
    with server.running(_configuration(tmp_path), port=free_port()) as address:
        asyncio.run(_soak(address, figures))
    figures.write(REPORT)
    failures = [
        answer for answer in figures.answers if answer.startswith("5") and "503" not in answer
    ]
    assert failures == []
    assert figures.answers["200, as ever"] > 0
    assert figures.answers.get("200, but another text", 0) == 0
    growing = {role: drift for role, drift in figures.drifts().items() if not drift.is_flat}
    assert growing == {}


def _configuration(folder: Path) -> Path:
    document = yaml.safe_load((ROOT / "configs/simulated.yaml").read_text())
    # The table's answers are those of its own limits.
    document["applications"][0]["args"] |= {
        "metrics_port": free_port(),
        "limits": dict(SETTINGS["limits"]),
    }
    path = folder / "soak.yaml"
    path.write_text(yaml.safe_dump(document))
    shutil.copy(ROOT / "configs/ray.env", folder)
    return path


async def _soak(address: str, figures: Figures) -> None:
    """Clients that come and go, and somebody who looks on."""
    over = asyncio.Event()
    async with httpx.AsyncClient(base_url=address, timeout=60, verify=False) as http:
        texts = {title: await _text(http, audio) for title, audio in GOOD.items()}
        began_at = time.monotonic()
        clients = [
            asyncio.create_task(_client(http, random.Random(SEED + number), texts, figures, over))
            for number in range(NUM_CLIENTS)
        ]
        while time.monotonic() - began_at < SOAK_S:
            if await _passed(over, SOAK_S / NUM_SAMPLES):
                break
            await asyncio.to_thread(figures.take_sample)
            failed = [client for client in clients if client.done()]
            if failed:
                break
        over.set()
        await asyncio.gather(*clients)
        figures.duration_s = time.monotonic() - began_at


async def _passed(event: asyncio.Event, timeout_s: float) -> bool:
    """Whether it came within that time."""
    try:
        async with asyncio.timeout(timeout_s):
            return await event.wait()
    except TimeoutError:
        return False


async def _client(
    http: httpx.AsyncClient,
    rng: random.Random,
    texts: dict[str, str],
    figures: Figures,
    over: asyncio.Event,
) -> None:
    """Six in ten recordings are good, and of ten clients one hangs up before it is answered."""
    while not over.is_set():
        kind = rng.random()
        if kind < 0.6:
            await _send_good(http, rng.choice(list(GOOD)), texts, figures)
        elif kind < 0.7:
            await _hang_up(http, rng, figures)
        elif kind < 0.85:
            figures.count(await _code(http, mutant(SEED, rng.randrange(10_000)), "a.wav"))
        else:
            row = rng.choice(ROWS)
            found = await _code(http, row.make(), row.filename)
            expected = f"{row.status} {row.code or 'answered'}"
            is_refused = found.startswith(("429", "503"))
            assert found == expected or is_refused, f"{row.name}: {found}, not {expected}"
            figures.count(found)


async def _send_good(
    http: httpx.AsyncClient, title: str, texts: dict[str, str], figures: Figures
) -> None:
    began_at = time.monotonic()
    response = await http.post(URL, files={"file": ("a", GOOD[title])})
    if response.status_code != 200:
        figures.count(f"{response.status_code}, though the recording is good")
        return
    figures.latencies_s.append(time.monotonic() - began_at)
    same = response.json()["text"] == texts[title]
    figures.count("200, as ever" if same else "200, but another text")


async def _hang_up(http: httpx.AsyncClient, rng: random.Random, figures: Figures) -> None:
    try:
        async with asyncio.timeout(rng.uniform(0, 0.03)):
            await http.post(URL, files={"file": ("a", GOOD["FLAC"])})
    except TimeoutError:
        figures.count("hung up")


async def _code(http: httpx.AsyncClient, data: bytes, filename: str) -> str:
    response = await http.post(URL, files={"file": (filename, data)})
    error = response.json().get("error", {})
    return f"{response.status_code} {error.get('code', 'answered')}"


async def _text(http: httpx.AsyncClient, audio: bytes) -> str:
    response = await http.post(URL, files={"file": ("a", audio)})
    response.raise_for_status()
    return str(response.json()["text"])
