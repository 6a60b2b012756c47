"""The client of conversations against servers that are full, silent, or none of ours."""

import asyncio
from contextlib import suppress
from functools import partial
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from serve_app.client import AnswerTimeoutError, Conversation, StreamEndedError

LIMIT_S = 30


async def pretend(told: Any, work: Any) -> None:
    """A server that does `told` with each client, and `work` with its address."""
    async with asyncio.timeout(LIMIT_S), serve(told, "127.0.0.1", 0) as server:
        (host, port) = server.sockets[0].getsockname()[:2]
        await work(f"http://{host}:{port}")


def test_who_is_not_let_in_hears_what_helps_and_leaves_no_socket() -> None:
    left = asyncio.Event()

    async def full(client: ServerConnection) -> None:
        await client.recv()
        await client.send('{"type": "error", "error": {"message": "the server is full"}}')
        await client.close(1013)

    async def stranger(client: ServerConnection) -> None:
        await client.send("hello")
        await client.wait_closed()
        left.set()

    async def gone(client: ServerConnection) -> None:
        await client.close(1012)

    async def refused(code: int, url: str) -> None:
        talk = Conversation(url, mode="en->ru")
        with pytest.raises(StreamEndedError) as caught:
            await talk.open()
        assert caught.value.code == code
        if code == 1013:
            assert "full" in str(caught.value)
        if code == 0:
            await left.wait()

    for told, code in ((full, 1013), (gone, 1012), (stranger, 0)):
        asyncio.run(pretend(told, partial(refused, code)))


def test_another_server_s_message_is_told_as_such() -> None:
    async def another(client: ServerConnection) -> None:
        await client.send('{"type": "hello"}')
        await client.wait_closed()

    async def refused(url: str) -> None:
        with pytest.raises(StreamEndedError, match="no Chorus server's message") as caught:
            await Conversation(url, mode="en->ru").open()
        assert caught.value.code == 0

    asyncio.run(pretend(another, refused))


def test_the_rest_has_one_limit_however_often_something_comes() -> None:
    async def trickling(client: ServerConnection) -> None:
        await client.recv()
        await client.send('{"type": "ready"}')
        with suppress(ConnectionClosed):
            while True:
                await client.send('{"type": "speech_started", "utterance": 0, "at_s": 0}')
                await asyncio.sleep(0.02)

    async def converse(url: str) -> None:
        async with Conversation(url, mode="en->ru", final_timeout_s=0.3) as talk:
            await talk.finish()
            with pytest.raises(AnswerTimeoutError):
                _ = [each async for each in talk]

    asyncio.run(pretend(trickling, converse))
