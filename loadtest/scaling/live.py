"""Live streams that come one after another, in; how long each waited for a slot, out."""

import asyncio
import json
import time
from dataclasses import dataclass

import websockets
from websockets.asyncio.client import connect

_PACKET_S = 0.2
_PACKET = bytes(int(_PACKET_S * 32_000))
_TRY_AGAIN_S = 1.0
"""What a client waits that was refused."""
_OPEN_TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True)
class Visit:
    """A stream as its client saw it."""

    came_at_s: float
    waited_s: float | None
    """For a slot, refusals included; None: it never had one."""
    num_refused: int


async def visit_all(
    url: str, model: str, *, came_at_s: list[float], until_s: float, began_at: float
) -> list[Visit]:
    """Streams that come at these times after `began_at` and all stay until `until_s`."""
    return list(
        await asyncio.gather(
            *(_visit(url, model, at_s, began_at, began_at + until_s) for at_s in came_at_s)
        )
    )


async def _visit(url: str, model: str, came_at_s: float, began_at: float, until: float) -> Visit:
    await asyncio.sleep(max(0.0, began_at + came_at_s - time.perf_counter()))
    came_at, num_refused = time.perf_counter(), 0
    address = f"{url.replace('http', 'ws', 1)}/asr?model={model}&language=en"
    while time.perf_counter() < until:
        try:
            async with connect(address, open_timeout=_OPEN_TIMEOUT_S) as socket:
                if json.loads(await socket.recv())["type"] == "config":
                    waited_s = time.perf_counter() - came_at
                    await _stay(socket, until)
                    return Visit(came_at_s, waited_s, num_refused)
        except (OSError, TimeoutError, websockets.WebSocketException):
            pass
        num_refused += 1
        await asyncio.sleep(_TRY_AGAIN_S)
    return Visit(came_at_s, None, num_refused)


async def _stay(socket: websockets.ClientConnection, until: float) -> None:
    """Quiet, at the pace of speech; a server that lets it down ends it."""
    try:
        while time.perf_counter() < until:
            await socket.send(_PACKET)
            await asyncio.sleep(_PACKET_S)
        await socket.send(b"")
    except websockets.WebSocketException:
        return
