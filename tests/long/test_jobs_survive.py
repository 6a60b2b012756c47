"""Every process of the server is killed, twice, while jobs are in every state; none is lost.

A server of its own Ray, real SIGKILLs, both databases. The model is the simulated one.
"""

import asyncio
import json
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from standardwebhooks import Webhook
from starlette.requests import Request
from starlette.responses import Response

from tests.graph.conftest import eventually
from tests.graph.recordings import speech_wav
from tests.jobs.conftest import database_url, postgres_folder
from tests.jobs.test_callbacks import SECRET, Receiver, answering
from tests.long.jobs.records import Records, records, watch
from tests.long.jobs.server import JobsServer, configuration, serving

__all__ = ["database_url", "postgres_folder"]

pytestmark = [pytest.mark.long, pytest.mark.timeout(1500)]

SEED = 20_261_201
MAX_ATTEMPTS = 3
WAITING_S = 240.0
MODEL = {
    "name": "slow",
    "kind": "simulated",
    "languages": ["en"],
    "max_chunk_s": 2.0,
    "batch": {"max_batch_size": 1, "max_queued_audio_s": 600},
    "simulated": {"fixed_s": 0.1, "per_audio_s": 0.0},
}
"""A tenth of a second for each two seconds: a file of twenty takes a second and more."""
LONG = [speech_wav(16.0 + number) for number in range(4)]
SHORT = [speech_wav(1.0 + number / 10) for number in range(4)]
BAD = b"RIFF\xff\xff\0\0WAVEfmt \x10\0\0\0" + b"\xff" * 4000
ROLES = ("raylet", "gcs_server", "ProxyActor", "Jobs", "Ingress", "Preprocessor", "sandbox")
"""In the command lines of processes that are to be among the killed."""
ENDED = ("completed", "failed", "cancelled")


@dataclass(slots=True)
class Order:
    """A job that is handed in, once or again until it is answered."""

    key: str
    recordings: tuple[bytes, ...]
    priority: int = 0
    callback: str | None = None
    """The query of its URL."""
    job_id: str | None = None
    """None until it was accepted."""


@dataclass
class Hearer(Receiver):
    """Verifies what it is sent, as it comes; refuses what is for `?later` until it `opens`."""

    is_open: bool = False
    ids: dict[str, list[str]] = field(default_factory=dict)
    """Of callbacks, those that were refused included, by job."""
    statuses: dict[str, set[str]] = field(default_factory=dict)
    accepted: set[str] = field(default_factory=set)

    async def take(self, request: Request) -> Response:
        headers = dict(request.headers)
        told = Webhook(SECRET).verify(await request.body(), headers)["data"]
        job = told["job_id"]
        self.ids.setdefault(job, []).append(headers["webhook-id"])
        self.statuses.setdefault(job, set()).add(told["status"])
        if request.url.query == "later" and not self.is_open:
            return Response(status_code=503)
        self.accepted.add(job)
        return Response()


@dataclass
class Client:
    """Whoever hands jobs in, asks for them, and was told what."""

    http: httpx.AsyncClient
    receiver: Hearer
    orders: list[Order] = field(default_factory=list)
    to_cancel: set[str] = field(default_factory=set)
    """Asked for, and perhaps never answered."""
    ended: dict[str, str] = field(default_factory=dict)
    """What was told of jobs that had ended."""

    async def submit(self, order: Order) -> str:
        fields = {"priority": str(order.priority), "language": "en"}
        if order.callback is not None:
            fields["callback_url"] = f"{self.receiver.url}?{order.callback}"
        response = await self.http.post(
            "/transcribe/async",
            files=[("file", (f"{n}.wav", each)) for n, each in enumerate(order.recordings)],
            data=fields,
            headers={"idempotency-key": order.key},
        )
        assert response.status_code == 202, response.text
        order.job_id = str(response.json()["job_id"])
        return order.job_id

    async def hand_in(self, orders: list[Order]) -> None:
        self.orders += orders
        places = asyncio.Semaphore(8)

        async def one(order: Order) -> None:
            async with places:
                await self.submit(order)

        await asyncio.gather(*map(one, orders))

    async def hand_in_again(self) -> None:
        """What was not answered: with its key it is the same job, if there is one."""
        for order in self.orders:
            if order.job_id is None:
                await self.submit(order)

    async def cancel(self, order: Order) -> None:
        assert order.job_id is not None
        self.to_cancel.add(order.job_id)
        response = await self.http.post(f"/jobs/{order.job_id}/cancel")
        assert response.status_code == 200 or "ended" in response.text, response.text
        if response.status_code == 200:
            self.ended[order.job_id] = "cancelled"

    async def all(self) -> dict[str, dict[str, Any]]:
        """What is told of each job."""
        told: dict[str, dict[str, Any]] = {}
        cursor: str | None = ""
        while cursor is not None:
            response = await self.http.get("/jobs", params={"limit": 200, "cursor": cursor})
            response.raise_for_status()
            page = response.json()
            told |= {str(each["job_id"]): each for each in page["jobs"]}
            cursor = page["next_cursor"]
        for job, each in told.items():
            if each["status"] in ENDED:
                assert self.ended.setdefault(job, each["status"]) == each["status"]
        return told

    async def once(self, check: Callable[[dict[str, dict[str, Any]]], bool]) -> None:
        async with asyncio.timeout(WAITING_S):
            while not check(await self.all()):  # noqa: ASYNC110  # each asking takes its time
                await asyncio.sleep(0)


def first_orders() -> list[Order]:
    """Over fifty; those that are to end early come first in the queue."""
    kinds: list[tuple[str, int, tuple[tuple[bytes, ...], ...], int, str | None]] = [
        ("told", 8, tuple((each,) for each in SHORT), 100, "at-once"),
        ("refused", 4, tuple((each,) for each in SHORT), 100, "later"),
        ("bad", 4, ((BAD,),), 100, "at-once"),
        ("several", 3, ((SHORT[0], LONG[0], SHORT[1]), (SHORT[2], BAD)), 50, "at-once"),
        ("long", 24, tuple((each,) for each in LONG), 0, None),
        ("long-told", 8, tuple((each,) for each in LONG), -10, "at-once"),
        ("cancelled", 4, tuple((each,) for each in LONG), -50, "at-once"),
        ("last", 8, tuple((each,) for each in SHORT), -100, "later"),
    ]
    return [
        Order(f"{kind}-{number}", files[number % len(files)], priority, callback)
        for kind, count, files, priority, callback in kinds
        for number in range(count)
    ]


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
        await _check_texts(client, over)


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


def check_kept(before: Records, now: Records) -> None:
    """What had ended is as it was."""
    assert set(before.statuses) <= set(now.statuses)
    for job, status in before.statuses.items():
        assert status not in ENDED or now.statuses[job] == status
    ended_at = {row.job_id: row.completed_at for row in now.files}
    for row in before.files:
        assert row.completed_at is None or ended_at[row.job_id] == row.completed_at
    for number, transcript in before.transcripts.items():
        assert now.transcripts[number] == transcript
    ids = {row.job_id: row.id for row in now.deliveries}
    for row in before.deliveries:
        assert ids[row.job_id] == row.id


def check_results(client: Client, over: Records) -> None:
    """One for each file that is completed; each order is one job, and there are no others."""
    assert {order.job_id for order in client.orders} == set(over.statuses)
    assert len({order.job_id for order in client.orders}) == len(client.orders)
    assert all(status in ENDED for status in over.statuses.values())
    noted = Counter(row.file for row in over.recorded)
    assert dict(noted) == dict.fromkeys(over.transcripts, 1)
    assert {row.file: row.result for row in over.recorded} == over.transcripts
    expected = {order.job_id: expected_statuses(order, client) for order in client.orders}
    for job, status in over.statuses.items():
        assert status in expected[job], job
    for row in over.files:
        assert row.num_attempts <= MAX_ATTEMPTS
        assert row.num_attempts >= 1 or row.status == "cancelled"
        assert (row.rank, row.token) == (None, None)
    print("attempts:", dict(sorted(Counter(row.num_attempts for row in over.files).items())))


def expected_statuses(order: Order, client: Client) -> set[str]:
    if order.job_id in client.ended:
        return {client.ended[order.job_id]}
    if order.job_id in client.to_cancel:
        return {"cancelled", "completed"}
    return {"failed"} if BAD in order.recordings else {"completed"}


def check_callbacks(client: Client, over: Records) -> None:
    """At least one for each job that wants one, all with its id, all of its end."""
    wanting = {order.job_id for order in client.orders if order.callback is not None}
    ids = {row.job_id: row.id for row in over.deliveries}
    assert set(ids) == wanting
    assert set(client.receiver.ids) == wanting
    assert client.receiver.accepted == wanting
    for job, taken in client.receiver.ids.items():
        assert set(taken) == {ids[job]}
        assert client.receiver.statuses[job] == {over.statuses[job]}
    for row in over.deliveries:
        assert row.delivered_at is not None
        assert row.num_attempts >= 1
    again = Counter(len(taken) for taken in client.receiver.ids.values())
    print("times that a callback came:", dict(sorted(again.items())))


def check_audio(over: Records, folder: Path, *, num_interrupted: int) -> None:
    """No job has any. What is left is of uploads that the kills cut off, the one that stood still
    and the one that was just sent: it is swept when it is a day old."""
    of_jobs = {Path(row.audio_url.removeprefix("file://")) for row in over.files}
    eventually(lambda: of_jobs.isdisjoint(folder.iterdir()))
    left = [each.suffix for each in folder.iterdir()]
    print("recordings left of uploads that were cut off:", Counter(left))
    assert len(left) <= 3 * num_interrupted


async def _check_texts(client: Client, over: Records) -> None:
    """Each is what a request with the same recording is answered."""
    said: dict[bytes, str] = {}
    of_job = {order.job_id: order for order in client.orders}
    for row in over.files:
        if row.status != "completed":
            continue
        recording = of_job[row.job_id].recordings[row.file_index]
        if recording not in said:
            response = await client.http.post(
                "/transcribe", files={"file": ("a.wav", recording)}, data={"language": "en"}
            )
            response.raise_for_status()
            said[recording] = str(response.json()["text"])
        segments = json.loads(row.transcript)["segments"]
        assert " ".join(each["text"] for each in segments) == said[recording]
