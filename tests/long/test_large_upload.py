"""A recording of a gibibyte is handed in as a job: no process of the server grows by it.

What is theirs alone is told from Ray's object store, through which the pieces go: its pages count
for whoever has touched them, and where the machine is fast that is more of a store that was there
before. It may grow by its own bounds, and not by the recording.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import psutil
import pytest

from tests.long.jobs.busy import busy_server, submit, tell
from tests.long.jobs.server import MIB, own_mib

pytestmark = [pytest.mark.long, pytest.mark.timeout(1800)]

GIBIBYTE = 1 << 30


async def test_a_recording_of_a_gibibyte_is_in_no_process_memory(tmp_path: Path) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path}/jobs.sqlite3"
    async with busy_server(tmp_path, url, chunk_s=2.0) as (server, http):
        await submit(http, silence(64 * MIB), model="slow")  # warms up
        processes = {"Ingress": server.replica("Ingress"), "proxy": server.proxy()}
        before = {role: own_mib(each) for role, each in processes.items()}
        most, shared = dict(before), [_shared_mib()]
        sending = asyncio.create_task(_send(http, GIBIBYTE))
        began_at = time.monotonic()
        while not sending.done():
            await asyncio.wait([sending], timeout=0.1)
            for role, each in processes.items():
                most[role] = max(most[role], await asyncio.to_thread(own_mib, each))
            shared.append(_shared_mib())
        took_s = time.monotonic() - began_at
        job = await sending
        (await http.delete(f"/jobs/{job}")).raise_for_status()
    figures = {
        "MiB a second": round(GIBIBYTE / MIB / took_s, 1),
        "memory, MiB, before and at most": {
            role: [round(before[role], 1), round(most[role], 1)] for role in processes
        },
        "shared memory, MiB, before and at most": [round(shared[0]), round(max(shared))],
    }
    tell("an upload of 1 GiB", figures)
    for role in processes:
        assert most[role] - before[role] <= 48.0, role
    assert max(shared) - shared[0] <= 256.0


def _shared_mib() -> float:
    return float(getattr(psutil.virtual_memory(), "shared", 0)) / MIB


def silence(num_bytes: int) -> bytes:
    return wav_head(num_bytes) + bytes(num_bytes)


def wav_head(num_bytes: int) -> bytes:
    """Of 16 bits, 48 kHz, two channels."""
    sizes = [(36 + num_bytes).to_bytes(4, "little"), num_bytes.to_bytes(4, "little")]
    of_samples = b"\x10\0\0\0\x01\0\x02\0\x80\xbb\0\0\0\xee\x02\0\x04\0\x10\0"
    return b"RIFF" + sizes[0] + b"WAVEfmt " + of_samples + b"data" + sizes[1]


async def _send(http: httpx.AsyncClient, num_bytes: int) -> str:
    """A form with a recording that is made while it is sent."""
    boundary, piece = "of-this-form", bytes(MIB)
    head = f"--{boundary}\r\nContent-Disposition: form-data; name="
    begin = f'{head}"file"; filename="a.wav"\r\n\r\n'.encode() + wav_head(num_bytes)
    end = f'\r\n{head}"model"\r\n\r\nslow\r\n--{boundary}--\r\n'.encode()

    async def body() -> AsyncIterator[bytes]:
        yield begin
        for _ in range(num_bytes // MIB):
            yield piece
        yield end

    response = await http.post(
        "/transcribe/async",
        content=body(),
        headers={
            "content-type": f"multipart/form-data; boundary={boundary}",
            "content-length": str(len(begin) + num_bytes + len(end)),
        },
        timeout=600,
    )
    assert response.status_code == 202, response.text
    return str(response.json()["job_id"])
