"""Whoever hands jobs in and is called back, through kills of the server that it calls."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx
from standardwebhooks import Webhook
from starlette.requests import Request
from starlette.responses import Response

from tests.graph.recordings import speech_wav
from tests.jobs.test_callbacks import SECRET, Receiver

WAITING_S = 240.0
LONG = [speech_wav(16.0 + number) for number in range(4)]
SHORT = [speech_wav(1.0 + number / 10) for number in range(4)]
BAD = b"RIFF\xff\xff\0\0WAVEfmt \x10\0\0\0" + b"\xff" * 4000
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
