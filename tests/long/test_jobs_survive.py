"""Every process of the server is killed, twice, while jobs are in every state; none is lost.

A server of its own Ray, real SIGKILLs, both databases. The model is the simulated one.
"""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.jobs.conftest import database_url, postgres_folder
from tests.jobs.test_callbacks import answering
from tests.long.jobs.checks import (
    MAX_ATTEMPTS,
    check_audio,
    check_callbacks,
    check_kept,
    check_results,
    check_texts,
)
from tests.long.jobs.client import (
    ENDED,
    LONG,
    SHORT,
    WAITING_S,
    Client,
    Hearer,
    Order,
    first_orders,
)
from tests.long.jobs.records import Records, records, watch
from tests.long.jobs.server import JobsServer, configuration, serving

__all__ = ["database_url", "postgres_folder"]

pytestmark = [pytest.mark.long, pytest.mark.timeout(1500)]

SEED = 20_261_201
MODEL = {
    "name": "slow",
    "kind": "simulated",
    "languages": ["en"],
    "max_chunk_s": 2.0,
    "batch": {"max_batch_size": 1, "max_queued_audio_s": 600},
    "simulated": {"fixed_s": 0.1, "per_audio_s": 0.0},
}
"""A tenth of a second for each two seconds: a file of twenty takes a second and more."""
ROLES = ("raylet", "gcs_server", "ProxyActor", "Jobs", "Ingress", "Preprocessor", "sandbox")
"""In the command lines of processes that are to be among the killed."""


async def test_none_is_lost_and_none_is_done_twice_when_all_is_killed(
    database_url: str, tmp_path: Path
) -> None:
    rng = random.Random(SEED)
    jobs = {
        "database_url": database_url,
        "audio_url": str(tmp_path / "audio"),
        "max_concurrent": 3,
        "poll_s": 0.25,
        "lease_s": 10.0,
        "max_attempts": MAX_ATTEMPTS,
        "callback_timeout_s": 2.0,
        "max_callback_attempts": 20,
        "callbacks_to_private_addresses": True,
    }
    config = configuration(tmp_path, [MODEL], jobs)
    async with answering(Hearer()) as receiver, serving(config) as (server, http):
        await watch(database_url)
        client = Client(http, receiver)
        await client.hand_in(first_orders())
        for order in client.orders:
            if order.key.startswith("cancelled"):
                await client.cancel(order)
        kept = await _killed(client, server, rng, database_url, 1, is_in_every_state)
        done = len(kept.transcripts)
        await server.start()
        check_kept(kept, await records(database_url))
        await _settle(client)
        later = await _killed(
            client, server, rng, database_url, 2, lambda told: num(told, "completed") > done + 4
        )
        check_kept(kept, later)
        receiver.is_open = True
        await server.start()
        await _settle(client)
        await client.once(lambda told: all(is_over(each) for each in told.values()))
        over = await _swept(database_url)
        check_kept(kept, over)
        check_kept(later, over)
        check_results(client, over)
        check_callbacks(client, over)
        await asyncio.to_thread(check_audio, over, tmp_path / "audio", num_interrupted=2)
        await check_texts(client, over)


def num(told: dict[str, dict[str, Any]], status: str) -> int:
    return sum(each["status"] == status for each in told.values())


def is_in_every_state(told: dict[str, dict[str, Any]]) -> bool:
    num_refused = sum(each["callback_error"] is not None for each in told.values())
    num_told = sum(each["callback_delivered_at"] is not None for each in told.values())
    numbers = [num(told, status) for status in ("processing", "pending", "completed", "failed")]
    return min(num_refused, num_told, *numbers) >= 3


def is_over(told: dict[str, Any]) -> bool:
    has_told = told["callback_url"] is None or told["callback_delivered_at"] is not None
    return told["status"] in ENDED and has_told


async def _killed(
    client: Client,
    server: JobsServer,
    rng: random.Random,
    url: str,
    number: int,
    is_time: Callable[[dict[str, dict[str, Any]]], bool],
) -> Records:
    """Kill all of it at some moment after `is_time`, while one job arrives, others are handed in
    one after another, and others are cancelled; what is in the database then."""
    await client.once(is_time)
    async with _arriving(server, number):
        new = [
            Order(f"new-{number}-{n}", (SHORT[n % 4],), priority=rng.choice((-90, 10)))
            for n in range(40)
        ]
        running = [each for each, told in (await client.all()).items() if is_running(told)]
        waiting = [o for o in client.orders if o.key.startswith("long-told") and o.job_id]
        client.orders += new
        doomed = [o for o in client.orders if o.job_id in running[:1]] + waiting[number::4]
        done_before_it_dies, killing_at = asyncio.Event(), rng.randint(3, 12)

        async def submitting() -> None:
            for count, order in enumerate(new):
                if count == killing_at:
                    done_before_it_dies.set()
                await client.submit(order)

        async def cancelling() -> None:
            for order in doomed:
                await client.cancel(order)

        busy = [asyncio.create_task(submitting()), asyncio.create_task(cancelling())]
        await done_before_it_dies.wait()
        killed = await asyncio.to_thread(server.kill)
        for task in busy:
            with suppress(httpx.TransportError):
                await task
    for role in ROLES:
        assert any(role in line for line in killed), (role, killed)
    found = await records(url)
    accepted = {order.job_id for order in client.orders if order.job_id is not None}
    assert accepted <= set(found.statuses)
    for job, status in client.ended.items():
        assert found.statuses[job] == status
    print(f"\n{len(killed)} processes killed:", dict(Counter(found.statuses.values())), end=", ")
    print(f"{sum(row.delivered_at is not None for row in found.deliveries)} told")
    assert {"pending", "processing", *ENDED} <= set(found.statuses.values())
    assert {row.delivered_at is None for row in found.deliveries} == {True, False}
    return found


def is_running(told: dict[str, Any]) -> bool:
    return told["status"] == "processing" and told["files"][0]["progress"] < 0.5


@asynccontextmanager
async def _arriving(server: JobsServer, number: int) -> AsyncIterator[None]:
    """A job that has not arrived when the server dies: one of its recordings is there, the next
    is in the middle."""
    boundary = b"of-this-form"
    _, writer = await asyncio.open_connection("127.0.0.1", server.port)
    body = b"".join(
        b'--%s\r\nContent-Disposition: form-data; name="file"; filename="%d.wav"\r\n\r\n%s\r\n'
        % (boundary, n, each)
        for n, each in enumerate((LONG[0], LONG[1]))
    )
    head = (
        f"POST /transcribe/async HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body) + 100}\r\n"
        f"Content-Type: multipart/form-data; boundary={boundary.decode()}\r\n"
        f"Idempotency-Key: arriving-{number}\r\n\r\n"
    )
    writer.write(head.encode() + body[: len(body) * 3 // 4])
    await writer.drain()
    try:
        yield
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


async def _settle(client: Client) -> None:
    """Hand in again what was not answered, and cancel again what was not."""
    await client.hand_in_again()
    told = await client.all()
    for order in client.orders:
        if order.job_id in client.to_cancel and told[order.job_id]["status"] not in ENDED:
            await client.cancel(order)


async def _swept(url: str) -> Records:
    """Once the audio of all ended jobs was taken away."""
    async with asyncio.timeout(WAITING_S):
        while True:
            found = await records(url)
            if all(row.audio_bytes is None for row in found.files):
                return found
