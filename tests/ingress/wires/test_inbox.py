"""What waits to be heard is bounded: for each client, and for all of them."""

import asyncio
from typing import Any

import pytest
from starlette.requests import ClientDisconnect

from serve_app.errors import StreamIdleError, StreamOverrunError, UploadsFullError
from serve_app.ingress.sockets.inbox import MAX_UNREAD_BYTES, Inbox, Unread

pytestmark = pytest.mark.asyncio

MIB = 1024 * 1024


class Client:
    """Sends what it is told to, and then leaves, unless it stays."""

    def __init__(self, *messages: str | bytes, stays: bool = False) -> None:
        self.messages = list(messages)
        self.stays = stays

    async def receive(self) -> dict[str, Any]:
        if self.messages:
            heard = self.messages.pop(0)
            return {
                "type": "websocket.receive",
                "text" if isinstance(heard, str) else "bytes": heard,
            }
        if self.stays:
            await asyncio.Event().wait()
        return {"type": "websocket.disconnect", "code": 1000}


def never() -> bool:
    """Nothing is owed."""
    return False


async def test_who_waits_for_what_is_owed_is_not_idle() -> None:
    looks = iter([True, True, True])
    receive = Client(stays=True).receive
    inbox = Inbox(receive, Unread(MIB), idle_timeout_s=0.02, is_owing=lambda: next(looks, False))
    reading = asyncio.create_task(inbox.fill())
    with pytest.raises(StreamIdleError):
        await inbox.next()
    assert next(looks, None) is None
    assert 0.02 <= inbox.waited_s < 0.08, "it counts from when nothing was owed any more"
    reading.cancel()


async def test_messages_come_in_their_order_and_of_their_kind() -> None:
    unread = Unread(MIB)
    inbox = Inbox(
        Client("a", b"b", b"", "", stays=True).receive, unread, idle_timeout_s=0.05, is_owing=never
    )
    reading = asyncio.create_task(inbox.fill())
    assert [await inbox.next() for _ in range(4)] == ["a", b"b", b"", ""]
    assert unread.num_bytes == 0
    with pytest.raises(StreamIdleError):
        await inbox.next()
    reading.cancel()


async def test_who_has_left_is_not_heard_any_more() -> None:
    unread = Unread(MIB)
    inbox = Inbox(Client("a").receive, unread, idle_timeout_s=1, is_owing=never)
    await inbox.fill()
    assert isinstance(await inbox.left(), ClientDisconnect)
    with pytest.raises(ClientDisconnect):
        await inbox.next()
    inbox.forget()
    assert unread.num_bytes == 0


@pytest.mark.parametrize("message", [bytes(MIB), b"", "x" * 1000], ids=["large", "empty", "text"])
async def test_a_flood_ends_and_is_forgotten(message) -> None:
    unread = Unread(1000 * MIB)

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.receive", "bytes": message}

    inbox = Inbox(receive, unread, idle_timeout_s=1, is_owing=never)
    await inbox.fill()
    with pytest.raises(StreamOverrunError):
        await inbox.next()
    assert MAX_UNREAD_BYTES < unread.num_bytes < MAX_UNREAD_BYTES + 2 * MIB
    inbox.forget()
    assert unread.num_bytes == 0


async def test_what_all_hold_is_bounded_and_the_modest_are_not_refused_for_it() -> None:
    unread = Unread(10 * MIB)
    held = [
        Inbox(
            Client(*[bytes(MIB)] * 4, stays=True).receive, unread, idle_timeout_s=1, is_owing=never
        )
        for _ in range(4)
    ]
    modest = Inbox(
        Client(bytes(100_000), stays=True).receive, unread, idle_timeout_s=1, is_owing=never
    )
    tasks = [asyncio.create_task(inbox.fill()) for inbox in (*held, modest)]
    assert len(await modest.next()) == 100_000
    async with asyncio.timeout(5):
        ended = [await inbox.left() for inbox in held[2:]]
    assert all(isinstance(error, UploadsFullError) for error in ended)
    with pytest.raises(UploadsFullError):
        await held[-1].next()
    for inbox in held:
        inbox.forget()
    assert unread.num_bytes == 0
    for task in tasks:
        task.cancel()


async def test_a_socket_that_fails_below_is_told_to_who_reads() -> None:
    async def receive() -> dict[str, Any]:
        raise RuntimeError("no more")

    inbox = Inbox(receive, Unread(MIB), idle_timeout_s=1, is_owing=never)
    await inbox.fill()
    with pytest.raises(RuntimeError):
        await inbox.next()
