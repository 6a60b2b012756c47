"""Work that only makes sense while the client is there to hear of it."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from starlette.requests import ClientDisconnect
from starlette.types import Receive

from serve_app.errors import DeadlineExceededError

T = TypeVar("T")


async def while_present(receive: Receive, work: Coroutine[Any, Any, T], limit_s: float) -> T:
    """The result of `work`, which is cancelled when the client leaves or the time is up.

    Call it after the body was read: whatever comes in afterwards is the client's leaving.

    Raises:
        ClientDisconnect: the client left first.
        DeadlineExceededError: `limit_s` passed first.
    """
    doing = asyncio.create_task(work)
    leaving = asyncio.create_task(_leave(receive))
    try:
        await asyncio.wait({doing, leaving}, timeout=limit_s, return_when="FIRST_COMPLETED")
        if doing.done():
            return doing.result()
        if leaving.done():
            raise ClientDisconnect
        raise DeadlineExceededError(limit_s)
    finally:
        doing.cancel()
        leaving.cancel()
        await asyncio.gather(doing, leaving, return_exceptions=True)


async def _leave(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
