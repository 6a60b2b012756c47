"""How many exchanges are inside, how many bytes their uploads hold, and whether more may come."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from serve_app.config import LimitsConfig
from serve_app.errors import AtCapacityError, ShuttingDownError, UploadsFullError


def gate_of(limits: LimitsConfig) -> "Gate":
    return Gate(limits.max_concurrent_requests, limits.max_upload_memory_bytes)


class Gate:
    """One ingress replica's places, and the memory that it has for uploads."""

    def __init__(self, max_inside: int, max_held_bytes: float = float("inf")) -> None:
        self.max_inside = max_inside
        self.max_held_bytes = max_held_bytes
        self.num_inside = 0
        self.held_bytes = 0
        self.closing = asyncio.Event()
        """Set once nobody is let in any more: what would last for hours must end."""
        self._left = asyncio.Event()

    @property
    def is_open(self) -> bool:
        return not self.closing.is_set()

    @contextmanager
    def passage(self, retry_after_s: float, num_bytes: int = 0) -> Iterator["Passage"]:
        """Hold a place, and memory for a body of `num_bytes`.

        Raises:
            ShuttingDownError: the gate is closed.
            AtCapacityError: all places are taken.
            UploadsFullError: there is no memory for so many bytes.
        """
        if not self.is_open:
            raise ShuttingDownError(retry_after_s)
        if self.num_inside >= self.max_inside:
            raise AtCapacityError(f"{self.max_inside} requests in flight", retry_after_s)
        passage = Passage(self, retry_after_s)
        passage.hold(num_bytes)
        self.num_inside += 1
        try:
            yield passage
        finally:
            self.num_inside -= 1
            self.held_bytes -= passage.num_bytes
            self._left.set()

    async def close(self, timeout_s: float) -> None:
        """Let nobody in any more, and wait until all are out, for `timeout_s` at most."""
        self.closing.set()
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                while self.num_inside:
                    self._left.clear()
                    await self._left.wait()


class Passage:
    """One exchange inside the gate, and the bytes that are held for it."""

    def __init__(self, gate: Gate, retry_after_s: float) -> None:
        self._gate = gate
        self._retry_after_s = retry_after_s
        self.num_bytes = 0

    def hold(self, num_bytes: int) -> None:
        """Hold memory for `num_bytes` in all; what is held already is part of it.

        Raises:
            UploadsFullError: others hold too much. Who is alone is never refused.
        """
        more = num_bytes - self.num_bytes
        if more <= 0:
            return
        others = self._gate.held_bytes - self.num_bytes
        if others and self._gate.held_bytes + more > self._gate.max_held_bytes:
            raise UploadsFullError(more, self._retry_after_s)
        self._gate.held_bytes += more
        self.num_bytes = num_bytes
