"""The ledger as a deployment of one replica, and as an ingress sees it: shared, or lost.

Every replica of the ingress asks the same one, so that a key's limits hold for the whole server.
When it cannot be asked, an ingress counts by itself: a lost ledger must not stop the server.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

from serve_app.deployments.ledger.accounts import Ledger, Limits, Refusal

ASK_TIMEOUT_S = 0.5
APART_S = 5.0
"""How long an ingress goes on alone before it asks a lost ledger again."""

T = TypeVar("T")

log = logging.getLogger(__name__)


class LedgerLostError(Exception):
    """The ledger did not answer, or not in time. Never reaches a client."""


class AsyncLedger(Protocol):
    """A `Ledger` that may be elsewhere; see there."""

    async def admit(
        self, key: str, limits: Limits, *, works: bool, stream: str | None = None
    ) -> Refusal | None: ...

    async def renew(
        self, key: str, limits: Limits, audio_s: float, *, stream: str
    ) -> Refusal | None: ...

    async def note(
        self, key: str, audio_s: float, *, stream: str | None = None, is_over: bool = False
    ) -> None: ...


class LedgerReplica:
    """The one place where usage is counted; also the ledger of a server of a single process."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._ledger = Ledger(clock)

    async def admit(
        self, key: str, limits: Limits, *, works: bool, stream: str | None = None
    ) -> Refusal | None:
        return self._ledger.admit(key, limits, works=works, stream=stream)

    async def renew(
        self, key: str, limits: Limits, audio_s: float, *, stream: str
    ) -> Refusal | None:
        return self._ledger.renew(key, limits, audio_s, stream=stream)

    async def note(
        self, key: str, audio_s: float, *, stream: str | None = None, is_over: bool = False
    ) -> None:
        self._ledger.note(key, audio_s, stream=stream, is_over=is_over)


class PatientLedger:
    """The shared ledger while it answers; one of its own while it does not.

    `count_loss` is called each time that it is found lost.
    """

    def __init__(
        self,
        shared: AsyncLedger,
        count_loss: Callable[[], None],
        *,
        timeout_s: float = ASK_TIMEOUT_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._shared = shared
        self._own = LedgerReplica()
        self._count_loss = count_loss
        self._timeout_s = timeout_s
        self._clock = clock
        self._alone_until = float("-inf")

    @property
    def is_alone(self) -> bool:
        """Whether the shared one is lost, for now."""
        return self._clock() < self._alone_until

    async def admit(
        self, key: str, limits: Limits, *, works: bool, stream: str | None = None
    ) -> Refusal | None:
        return await self._ask(lambda each: each.admit(key, limits, works=works, stream=stream))

    async def renew(
        self, key: str, limits: Limits, audio_s: float, *, stream: str
    ) -> Refusal | None:
        return await self._ask(lambda each: each.renew(key, limits, audio_s, stream=stream))

    async def note(
        self, key: str, audio_s: float, *, stream: str | None = None, is_over: bool = False
    ) -> None:
        await self._ask(lambda each: each.note(key, audio_s, stream=stream, is_over=is_over))

    async def _ask(self, ask: Callable[[AsyncLedger], Awaitable[T]]) -> T:
        if self._clock() >= self._alone_until:
            try:
                async with asyncio.timeout(self._timeout_s):
                    return await ask(self._shared)
            except (TimeoutError, LedgerLostError) as error:
                self._part(error)
        return await ask(self._own)

    def _part(self, error: Exception) -> None:
        self._alone_until = self._clock() + APART_S
        self._count_loss()
        log.error(
            "the ledger of API keys does not answer (%r): this ingress counts by itself for %g s",
            error,
            APART_S,
        )
