"""The span of an exchange: named by its route, and ended however that ends."""

import asyncio
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from serve_app.ingress.watching.traced import Traced
from serve_app.telemetry import tracing
from tests.telemetry.collector import Collector, Received
from tests.telemetry.conftest import Begin

PATH = "/jobs/{id}/status"
SECRET = "/jobs/of-mr-quimby/status"


class Answering:
    """Sends these messages from behind a route."""

    def __init__(self, messages: Sequence[Message], error: BaseException | None = None) -> None:
        self.messages = messages
        self.error = error

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["route"] = SimpleNamespace(path=PATH)
        scope.setdefault("state", {})["request_id"] = "r-1"
        with tracing.span("inside"):
            for message in self.messages:
                await send(message)
        if self.error is not None:
            raise self.error


class Hearing(Answering):
    """Hears the end of its client before it sends anything."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await super().__call__(scope, receive, send)


async def passed(
    app: Answering, *, kind: str = "http", path: str = SECRET, said: Message | None = None
) -> None:
    async def nothing() -> Message:
        assert said is not None
        return said

    async def gone(message: Message) -> None:
        pass

    scope: dict[str, Any] = {"type": kind, "path": path, "headers": [], "state": {}}
    if kind == "http":
        scope["method"] = "GET"
    await Traced(app)(scope, nothing, gone)


def exchange(collector: Collector) -> Received:
    """Its span, below which stood what was done inside."""
    tracing.end()
    inside, outside = collector.until(lambda spans: len(spans) == 2)
    assert inside.parent_id == outside.span_id
    assert "quimby" not in str(outside)
    return outside


def head(status: int, kind: str = "http.response.start") -> Message:
    return {"type": kind, "status": status, "headers": []}


def body(*, more: bool) -> Message:
    return {"type": "http.response.body", "body": b"text", "more_body": more}


@pytest.mark.parametrize(("status", "is_error"), [(200, False), (429, False), (500, True)])
async def test_the_servers_errors_are_errors(
    status: int, is_error: bool, collector: Collector, begin: Begin
) -> None:
    begin(collector.endpoint)
    await passed(Answering([head(status)]))
    span = exchange(collector)
    assert span.name == f"GET {PATH}"
    assert span.is_error == is_error
    assert span.attributes["http.response.status_code"] == status
    assert span.attributes["chorus.request_id"] == "r-1"


@pytest.mark.parametrize(("code", "is_error"), [(1000, False), (1013, True)])
async def test_a_socket_ends_with_its_close_code(
    code: int, is_error: bool, collector: Collector, begin: Begin
) -> None:
    begin(collector.endpoint)
    await passed(
        Answering([{"type": "websocket.accept"}, {"type": "websocket.close", "code": code}]),
        kind="websocket",
    )
    span = exchange(collector)
    assert (span.attributes["chorus.close_code"], span.is_error) == (code, is_error)
    assert span.attributes["http.response.status_code"] == 101


async def test_a_denied_socket_is_an_error(collector: Collector, begin: Begin) -> None:
    begin(collector.endpoint)
    await passed(Answering([head(429, "websocket.http.response.start")]), kind="websocket")
    span = exchange(collector)
    assert span.is_error
    assert span.attributes["http.response.status_code"] == 429


async def test_a_client_that_leaves_is_told_from_one_that_is_answered(
    collector: Collector, begin: Begin
) -> None:
    begin(collector.endpoint)
    await passed(Answering([]))
    assert exchange(collector).attributes["chorus.outcome"] == "left"


async def test_a_body_that_is_read_to_its_end_is_an_answer(
    collector: Collector, begin: Begin
) -> None:
    begin(collector.endpoint)
    await passed(Answering([head(200), body(more=True), body(more=False)]))
    assert "chorus.outcome" not in exchange(collector).attributes


async def test_a_client_that_leaves_within_a_body_has_left(
    collector: Collector, begin: Begin
) -> None:
    begin(collector.endpoint)
    with pytest.raises(asyncio.CancelledError):
        await passed(Answering([head(200), body(more=True)], asyncio.CancelledError()))
    span = exchange(collector)
    assert span.attributes["chorus.outcome"] == "left"
    assert not span.is_error


@pytest.mark.parametrize(("code", "has_left"), [(1000, False), (1005, False), (1006, True)])
async def test_a_client_that_closes_its_socket_is_told_from_one_that_is_cut_off(
    code: int, has_left: bool, collector: Collector, begin: Begin
) -> None:
    begin(collector.endpoint)
    said = {"type": "websocket.disconnect", "code": code}
    await passed(Hearing([]), kind="websocket", said=said)
    span = exchange(collector)
    assert ("chorus.outcome" in span.attributes) == has_left
    assert (span.attributes["chorus.close_code"], span.is_error) == (code, False)


async def test_what_escapes_the_application_ends_its_span(
    collector: Collector, begin: Begin
) -> None:
    begin(collector.endpoint)
    with pytest.raises(RuntimeError):
        await passed(Answering([], RuntimeError("the secret words")))
    span = exchange(collector)
    assert span.is_error
    assert "secret" not in str(span)


async def test_probes_have_no_span(collector: Collector, begin: Begin) -> None:
    begin(collector.endpoint, OTEL_TRACES_SAMPLER="always_on")
    await passed(Answering([head(200)]), path="/health")
    tracing.end()
    (only,) = collector.until(lambda spans: len(spans) == 1)
    assert only.name == "inside"
