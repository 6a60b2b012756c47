"""Each error that a client is told is counted, once, by its code."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Iterator
from typing import Any

import pytest
from starlette.requests import ClientDisconnect
from starlette.types import Message

from serve_app.errors import AtCapacityError, EngineError
from serve_app.ingress import problems
from serve_app.ingress.backend.fake import ScriptedBackend
from serve_app.ingress.wires.rest.events import ByteStream, EventStream
from serve_app.transcript.types import Segment

pytestmark = pytest.mark.asyncio

FULL = AtCapacityError("decoding", 2.0)
BROKEN = EngineError("tiny", "out of luck")


@pytest.fixture
def told() -> Iterator[Counter[str]]:
    before, codes = problems._count, Counter[str]()
    problems.count_told(lambda code: codes.update([code]))
    yield codes
    problems.count_told(before)


@pytest.mark.parametrize(
    ("script", "fields", "code"),
    [
        ([FULL], {}, "at_capacity"),
        ([FULL], {"stream": "true"}, "at_capacity"),
        ([Segment("One.", 0.0, 1.0), BROKEN], {"stream": "true"}, "engine_failed"),
        ([Segment("One.", 0.0, 1.0), ValueError()], {"stream": "true"}, "internal_error"),
        ([ValueError()], {}, "internal_error"),
        ([], {"model": "nobody"}, "model_not_found"),
    ],
)
async def test_a_failed_upload_counts_once(open_server, told, script, fields, code) -> None:
    site = await open_server(ScriptedBackend(script))
    await site.post(**fields)
    assert told == {code: 1}


async def test_what_the_router_refuses_counts_once(open_server, told) -> None:
    site = await open_server()
    await site.http.get("/nowhere")
    await site.http.delete("/transcribe")
    assert told == {"not_found": 1, "method_not_allowed": 1}


async def test_what_succeeds_does_not_count(open_server, told) -> None:
    site = await open_server(ScriptedBackend([Segment("One.", 0.0, 1.0)]))
    assert (await site.post()).status_code == 200
    assert told == {}


@pytest.mark.parametrize("events", [False, True])
async def test_a_client_who_takes_no_more_of_an_answer_is_no_failure_of_ours(
    told, caplog, events
) -> None:
    """A player that pauses, past the server's patience."""

    async def parts() -> AsyncGenerator[Any, None]:
        for _ in range(3):
            yield "text" if events else b"sound"

    async def send(message: Message) -> None:
        sent.append(message["type"])
        if message["type"] == "http.response.body":
            raise ClientDisconnect

    async def receive() -> Message:
        await asyncio.Event().wait()
        raise AssertionError

    sent: list[str] = []
    answer = (EventStream if events else ByteStream)(parts(), 10.0, {})
    with pytest.raises(ClientDisconnect):
        await answer({"type": "http"}, receive, send)
    assert sent == ["http.response.start", "http.response.body"]
    assert not told
    assert not caplog.records
