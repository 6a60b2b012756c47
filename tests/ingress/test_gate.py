"""Places and bytes behind the gate, and what a socket or a stalled client meets at the door."""

import asyncio
import random
from contextlib import ExitStack, suppress

import pytest
from starlette.requests import ClientDisconnect

from serve_app.config import LimitsConfig
from serve_app.errors import (
    AtCapacityError,
    ShuttingDownError,
    UploadsFullError,
    UploadStalledError,
)
from serve_app.ingress.admission import door
from serve_app.ingress.admission.door import Admission, Body
from serve_app.ingress.admission.forecast import Forecast
from serve_app.ingress.admission.gate import Gate, Passage
from serve_app.ingress.backend.fake import ScriptedBackend

pytestmark = pytest.mark.asyncio

WAITING = 5
SOCKET = {"type": "websocket", "path": "/v1/realtime", "headers": []}
POST = {"type": "http", "method": "POST", "path": "/", "headers": []}


def admission(app, gate: Gate, **limits: float) -> Admission:
    forecast = Forecast({"one": 30.0}, max_wait_s=10.0, ask=ScriptedBackend().load)
    return Admission(app, gate=gate, forecast=forecast, limits=LimitsConfig(**limits))


async def test_a_client_who_takes_no_answer_loses_its_place(monkeypatch) -> None:
    monkeypatch.setattr(door, "_SEND_TIMEOUT_S", 0.01)

    async def app(scope, receive, send) -> None:
        await send({"type": "http.response.body"})

    async def stalled(message) -> None:
        await asyncio.Event().wait()

    gate = Gate(1)
    for scope in (POST, SOCKET):
        with pytest.raises(ClientDisconnect):
            await admission(app, gate)(scope, None, stalled)
        assert gate.num_inside == 0


async def test_a_closing_gate_refuses_newcomers_and_waits_for_those_inside() -> None:
    gate = Gate(2)
    with gate.passage(1.0):
        closing = asyncio.create_task(gate.close(timeout_s=WAITING))
        await asyncio.sleep(0)
        assert not gate.is_open
        with pytest.raises(ShuttingDownError), gate.passage(1.0):
            pass
        assert not closing.done()
    await asyncio.wait_for(closing, WAITING)


async def test_a_closing_gate_waits_no_longer_than_it_was_told() -> None:
    gate = Gate(1)
    with gate.passage(1.0):
        await asyncio.wait_for(gate.close(timeout_s=0.01), WAITING)


async def test_what_uploads_hold_stays_within_the_budget_whatever_comes_and_goes() -> None:
    for seed in range(100):
        rng = random.Random(seed)
        gate = Gate(1_000, max_held_bytes=1_000)
        inside: list[tuple[ExitStack, Passage]] = []
        for _ in range(300):
            if inside and rng.random() < 0.4:
                inside.pop(rng.randrange(len(inside)))[0].close()
                continue
            visit = ExitStack()
            with suppress(UploadsFullError):
                passage = visit.enter_context(gate.passage(1.0, rng.choice([0, 1, 300, 999])))
                inside.append((visit, passage))
                passage.hold(passage.num_bytes + rng.randint(0, 300))
            holding = [passage.num_bytes for _, passage in inside if passage.num_bytes]
            assert gate.held_bytes == sum(holding)
            assert gate.held_bytes <= 1_000 or len(holding) == 1
            assert gate.num_inside == len(inside)
        for visit, _ in inside:
            visit.close()
        assert (gate.held_bytes, gate.num_inside) == (0, 0)


async def test_one_upload_above_the_whole_budget_is_taken_alone() -> None:
    gate = Gate(10, max_held_bytes=100)
    with gate.passage(1.0, 500):
        with pytest.raises(UploadsFullError), gate.passage(1.0, 1):
            pass
        with gate.passage(1.0):  # of a length that is not told
            pass
    with gate.passage(1.0, 100):
        pass


async def test_a_refused_newcomer_leaves_nothing_behind() -> None:
    gate = Gate(1, max_held_bytes=100)
    with gate.passage(1.0, 60), pytest.raises(AtCapacityError), gate.passage(1.0, 10):
        pass
    assert (gate.held_bytes, gate.num_inside) == (0, 0)


@pytest.mark.parametrize("extensions", [{}, {"websocket.http.response": {}}])
async def test_a_socket_takes_a_place_and_one_too_many_is_told_so(extensions) -> None:
    talking = asyncio.Event()

    async def app(scope, receive, send) -> None:
        await talking.wait()

    async def connect():
        return {"type": "websocket.connect"}

    sent = []

    async def send(message) -> None:
        sent.append(message)

    gate = Gate(1)
    entrance = admission(app, gate)
    first = asyncio.create_task(entrance(SOCKET, connect, send))
    await asyncio.sleep(0)
    assert gate.num_inside == 1
    await entrance({**SOCKET, "extensions": extensions}, connect, send)
    if extensions:
        assert (sent[0]["type"], sent[0]["status"]) == ("websocket.http.response.start", 429)
        assert b"retry-after" in {name.lower() for name, _ in sent[0]["headers"]}
    else:
        assert sent == [{"type": "websocket.close", "code": 1013, "reason": "at_capacity"}]
    talking.set()
    await first
    assert gate.num_inside == 0


class Trickle:
    """A body in pieces, each of which takes its time by the clock of the test."""

    def __init__(self, *pieces: tuple[float, int]) -> None:
        self.pieces = list(pieces)
        self.now_s = 0.0

    async def receive(self):
        passed_s, num_bytes = self.pieces.pop(0)
        self.now_s += passed_s
        return {"type": "http.request", "body": bytes(num_bytes), "more_body": bool(self.pieces)}

    async def read(self, **limits: float) -> int:
        """How many bytes arrive."""
        gate, num_bytes, is_there = Gate(1), 0, asyncio.Event()
        with gate.passage(1.0) as passage:
            body = Body(
                self.receive, passage, LimitsConfig(**limits), is_there.set, lambda: self.now_s
            )
            while not is_there.is_set():
                await asyncio.sleep(0)
                num_bytes += len((await body.receive())["body"])
                assert gate.held_bytes == num_bytes
        return num_bytes


async def test_a_slow_upload_that_keeps_pace_arrives() -> None:
    assert await Trickle(*[(1.0, 3_000)] * 100).read() == 300_000


async def test_an_upload_that_comes_in_too_small_pieces_is_given_up() -> None:
    limits = {"upload_stall_s": 15.0, "min_upload_bytes_per_s": 2000.0}
    trickle = Trickle(*[(1.0, 1_000)] * 100)

    async def waiting():
        if trickle.now_s > 30.0:  # from here on the client is behind: no time is left
            await asyncio.Event().wait()
        return await Trickle.receive(trickle)

    trickle.receive = waiting  # type: ignore[method-assign]  # a client that is late at last
    with pytest.raises(UploadStalledError) as caught:
        await trickle.read(**limits)
    assert caught.value.num_bytes == 31_000
