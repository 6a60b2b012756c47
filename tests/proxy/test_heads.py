"""Heads that do not come, or come too large, on real sockets."""

import asyncio
import inspect
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import uvicorn
import websockets
from uvicorn.protocols.http import auto as http_auto
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets import auto as websockets_auto
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from serve_app.proxy.heads import AnsweringWebSocketProtocol, BoundedHttpProtocol

GIVE_UP_S = 10.0
HALF_A_HEAD = b"POST / HTTP/1.1\r\nhost: x\r\n"
REQUEST = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"
HANDSHAKE = (
    b"GET /asr%s HTTP/1.1\r\nhost: x\r\nconnection: Upgrade\r\nupgrade: websocket\r\n"
    b"sec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n%s\r\n"
)


class Client:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def rest(self) -> bytes:
        """All that comes until the server closes."""
        async with asyncio.timeout(GIVE_UP_S):
            return await self.reader.read()

    async def answer(self) -> bytes:
        """One answer of `application`, which ends its bodies with a line."""
        async with asyncio.timeout(GIVE_UP_S):
            head = await self.reader.readuntil(b"\r\n\r\n")
            return head + await self.reader.readline()

    async def is_left_open(self, wait_s: float) -> bool:
        try:
            async with asyncio.timeout(wait_s):
                return await self.reader.read(1) != b""
        except TimeoutError:
            return True


@asynccontextmanager
async def connected(port: int) -> AsyncIterator[Client]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield Client(reader, writer)
    finally:
        writer.close()


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"", b""),
        (b"\r\n", b"HTTP/1.1 408 "),
        (b"G", b"HTTP/1.1 408 "),
        (HALF_A_HEAD, b"HTTP/1.1 408 "),
        ((HANDSHAKE % (b"", b""))[:-2], b"HTTP/1.1 408 "),
    ],
)
async def test_a_head_that_does_not_come_whole_is_closed(
    port: int, sent: bytes, status: bytes
) -> None:
    async with connected(port) as client:
        client.send(sent)
        answer = await client.rest()
        assert answer.startswith(status)
        assert bool(answer) == bool(status)


async def test_a_head_that_drips_is_closed(port: int) -> None:
    async with connected(port) as client, asyncio.timeout(GIVE_UP_S):
        client.send(HALF_A_HEAD + b"x-drip: ")
        status = asyncio.ensure_future(client.reader.readline())
        while not status.done():
            client.send(b"a")
            await asyncio.wait([status], timeout=BoundedHttpProtocol.head_timeout_s / 10)
        assert status.result().startswith(b"HTTP/1.1 408 ")


async def test_a_connection_between_requests_stays_open_and_a_further_head_is_bounded(
    port: int,
) -> None:
    async with connected(port) as client:
        client.send(REQUEST)
        assert (await client.answer()).startswith(b"HTTP/1.1 200 ")
        assert await client.is_left_open(3 * BoundedHttpProtocol.head_timeout_s)
        client.send(REQUEST)
        assert (await client.answer()).startswith(b"HTTP/1.1 200 ")
        client.send(HALF_A_HEAD)
        assert (await client.rest()).startswith(b"HTTP/1.1 408 ")


async def test_empty_lines_after_an_answer_do_not_hold_a_connection(port: int) -> None:
    async with connected(port) as client:
        client.send(REQUEST)
        await client.answer()
        client.send(b"\r\n")
        assert (await client.rest()).startswith(b"HTTP/1.1 408 ")


async def test_a_late_answer_is_not_cut_off_by_what_follows_its_request(port: int) -> None:
    async with connected(port) as client:
        client.send(b"POST /late HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n")
        assert await client.is_left_open(2 * BoundedHttpProtocol.head_timeout_s)
        client.send(b"ab")
        assert await client.is_left_open(BoundedHttpProtocol.head_timeout_s)
        client.send(HALF_A_HEAD)
        assert (await client.answer()).endswith(b"2\n")
        assert (await client.rest()).startswith(b"HTTP/1.1 408 ")


@pytest.mark.parametrize("more", [b"", b"a", b"aaaaa"])
async def test_an_early_answer_does_not_hold_a_connection_for_its_body(
    port: int, more: bytes
) -> None:
    async with connected(port) as client:
        client.send(b"POST /early HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\naaaaa")
        assert (await client.answer()).startswith(b"HTTP/1.1 200 ")
        client.send(more)
        assert await client.rest() == b""


async def test_a_head_above_its_bound_is_refused(port: int) -> None:
    limit = BoundedHttpProtocol.max_head_bytes
    async with connected(port) as client:
        start = b"GET / HTTP/1.1\r\nhost: x\r\nx-large: "
        client.send(start + b"a" * (limit + 1 - len(start)))
        assert (await client.rest()).startswith(b"HTTP/1.1 431 ")


async def test_a_head_just_within_its_bound_is_taken(port: int) -> None:
    limit = BoundedHttpProtocol.max_head_bytes
    async with connected(port) as client:
        start = b"GET / HTTP/1.1\r\nhost: x\r\nx-large: "
        client.send(start + b"a" * (limit - len(start) - 4) + b"\r\n\r\n")
        assert (await client.answer()).startswith(b"HTTP/1.1 200 ")


async def test_bodies_and_further_requests_do_not_count_as_head(port: int) -> None:
    size = 4 * BoundedHttpProtocol.max_head_bytes
    padded = REQUEST[:-2] + b"x-pad: " + b"a" * 2000 + b"\r\n\r\n"
    num_requests = size // len(padded)
    async with connected(port) as client:
        client.send(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % size)
        client.send(b"a" * size)
        assert (await client.answer()).endswith(b"%d\n" % size)
        client.send(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % size)
        client.send(b"a" * size + padded * num_requests)
        assert (await client.answer()).endswith(b"%d\n" % size)
        for _ in range(num_requests):
            assert (await client.answer()).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize(
    ("query", "headers", "status"),
    [
        (b"?language=" + b"x" * 9000, b"", b"HTTP/1.1 414 "),
        (b"", b"x-long: " + b"x" * 9000 + b"\r\n", b"HTTP/1.1 431 "),
        (b"", b"x-a: a\r\n" * 300, b"HTTP/1.1 431 "),
        (b"", b"content-length: 5\r\n", b"HTTP/1.1 400 "),
    ],
)
async def test_a_handshake_that_cannot_be_parsed_is_answered_and_closed(
    port: int, query: bytes, headers: bytes, status: bytes
) -> None:
    async with connected(port) as client:
        client.send(HANDSHAKE % (query, headers))
        assert (await client.rest()).startswith(status)


async def test_an_open_websocket_outlives_the_time_for_a_head(port: int) -> None:
    async with websockets.connect(f"ws://127.0.0.1:{port}/asr") as client:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(client.recv(), 3 * BoundedHttpProtocol.head_timeout_s)
        await client.send("hello")
        assert await client.recv() == "hello"


def test_uvicorn_takes_the_guarded_protocols(guarded: None) -> None:
    config = uvicorn.Config(lambda: None, factory=True, lifespan="off", log_config=None)
    config.load()
    assert config.http_protocol_class is BoundedHttpProtocol
    assert config.ws_protocol_class is AnsweringWebSocketProtocol


def test_uvicorn_would_take_what_they_extend() -> None:
    assert http_auto.AutoHTTPProtocol is HttpToolsProtocol
    assert websockets_auto.AutoWebSocketsProtocol is WebSocketsSansIOProtocol


@pytest.mark.parametrize("protocol", [BoundedHttpProtocol, AnsweringWebSocketProtocol])
def test_what_is_overridden_is_uvicorns_with_the_same_parameters(protocol: type) -> None:
    base = protocol.__bases__[0]
    for name, method in inspect.getmembers(protocol, inspect.isfunction):
        if name in vars(protocol) and (not name.startswith("_") or name == "__init__"):
            theirs = inspect.signature(getattr(base, name)).parameters
            assert list(inspect.signature(method).parameters) == list(theirs), name
