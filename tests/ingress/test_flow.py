"""Serve's own receiver fetches no more of a body than is read, and loses nothing of it."""

import asyncio
import pickle
from typing import Any

from ray.serve._private.http_util import ASGIReceiveProxy
from starlette.types import Message

from serve_app.ingress.flow import MAX_AHEAD_BYTES, held_back

PIECE = bytes(1024 * 1024)
NUM_FETCHES = 100


class Proxy:
    """Has a mebibyte each time that it is asked, and then nothing more."""

    def __init__(self) -> None:
        self.num_fetches = 0

    async def fetch(self, metadata: Any) -> bytes:
        await asyncio.sleep(0)
        self.num_fetches += 1
        if self.num_fetches > NUM_FETCHES:
            return pickle.dumps([{"type": "http.disconnect"}])
        return pickle.dumps([{"type": "http.request", "body": PIECE, "more_body": True}])


async def test_what_nobody_reads_is_not_fetched() -> None:
    proxy = Proxy()
    receive = ASGIReceiveProxy({"type": "http"}, None, proxy.fetch)  # type: ignore[arg-type]
    read = held_back(receive)
    fetching = asyncio.create_task(receive.fetch_until_disconnect())
    for num_read in range(NUM_FETCHES):
        for _ in range(100):
            await asyncio.sleep(0)
        assert (proxy.num_fetches - num_read) * len(PIECE) <= MAX_AHEAD_BYTES + len(PIECE)
        assert (await read())["body"] == PIECE
    assert (await read())["type"] == "http.disconnect"
    await fetching


async def test_another_receiver_is_left_as_it_is() -> None:
    async def receive() -> Message:
        return {"type": "http.disconnect"}

    assert held_back(receive) is receive
