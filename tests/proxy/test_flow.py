"""A body is held back where nobody fetches it, and reaches Ray as it was."""

import asyncio
import pickle

from starlette.types import Message, Receive, Scope, Send

from serve_app.proxy.flow import MAX_AHEAD_BYTES, BodyFlow

PIECE = bytes(64 * 1024)


async def endless() -> Message:
    await asyncio.sleep(0)
    return {"type": "http.request", "body": PIECE, "more_body": True}


async def never(message: Message) -> None:
    raise AssertionError(message)


class EagerProxy:
    """Reads whatever comes, as Ray's does; others fetch it."""

    def __init__(self, num_messages: int) -> None:
        self.left = num_messages
        self.held: list[Message] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        while self.left:
            message = await receive()
            self.held.append(message)
            self.left -= 1

    def fetched(self) -> list[Message]:
        """As the replica has them."""
        messages: list[Message] = pickle.loads(pickle.dumps(self.held))
        self.held.clear()
        return messages


async def turns(count: int = 1000) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_a_body_that_nobody_fetches_is_read_no_further() -> None:
    proxy = EagerProxy(1000)
    reading = asyncio.create_task(BodyFlow(proxy)({"type": "http"}, endless, never))
    num_fetched = 0
    while not reading.done():
        await turns()
        assert len(proxy.held) * len(PIECE) <= MAX_AHEAD_BYTES + len(PIECE)
        messages = proxy.fetched()
        assert messages or reading.done()
        assert all(type(message) is dict for message in messages)
        assert all(message["body"] == PIECE for message in messages)
        num_fetched += len(messages)
    assert num_fetched == 1000


async def test_web_sockets_are_left_alone() -> None:
    seen: list[Receive] = []

    async def rays(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(receive)

    await BodyFlow(rays)({"type": "websocket"}, endless, never)
    assert seen == [endless]
