"""Uploads in, outcomes out: a closed loop of callers, or arrivals that wait for nobody.

Plain sockets on one event loop: at ten times the load a client library would cost more CPU than
the server that it measures.
"""

import asyncio
import json
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from loadtest.overload.uploads import Upload

_TIMEOUT_S = 120.0
_REFUSALS = frozenset({"at_capacity", "uploads_full"})


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one upload fared; times are of `time.perf_counter`."""

    audio_s: float
    sent_at: float
    answered_at: float
    status: int
    """0: no answer, or a broken one."""
    code: str = ""
    """The server's own name of an error."""
    retry_after: str = ""

    @property
    def took_s(self) -> float:
        return self.answered_at - self.sent_at

    @property
    def is_answered(self) -> bool:
        return self.status == 200

    @property
    def is_refused(self) -> bool:
        """A refusal as it should be: one that says when to come back."""
        is_refusal = self.status in (429, 503) and self.code in _REFUSALS
        return is_refusal and self.retry_after.isdecimal()


class Callers:
    """One server's clients, who share connections that are kept alive."""

    def __init__(self, url: str, uploads: Sequence[Upload], seed: int = 11) -> None:
        parts = urlsplit(url)
        self._host, self._port = str(parts.hostname), int(parts.port or 80)
        self._uploads = uploads
        self._rng = random.Random(seed)
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def closed_loop(self, num_callers: int, for_s: float) -> list[Outcome]:
        """Each caller sends its next upload when it has the answer to the one before; after a
        refusal, when it was told to."""
        outcomes: list[Outcome] = []
        until = time.perf_counter() + for_s

        async def call() -> None:
            while time.perf_counter() < until:
                outcome = await self._send(self._rng.choice(self._uploads))
                outcomes.append(outcome)
                if outcome.is_refused:
                    left_s = until - time.perf_counter()
                    await asyncio.sleep(min(float(outcome.retry_after), max(0.0, left_s)))

        await asyncio.gather(*(call() for _ in range(num_callers)))
        return outcomes

    async def open_loop(self, per_s: float, for_s: float) -> list[Outcome]:
        """Arrivals of a Poisson process; returns when all of them have their answer."""
        began_at = next_at = time.perf_counter()
        under_way: list[asyncio.Task[Outcome]] = []
        while (next_at := next_at + self._rng.expovariate(per_s)) < began_at + for_s:
            await asyncio.sleep(max(0.0, next_at - time.perf_counter()))
            upload = self._rng.choice(self._uploads)
            under_way.append(asyncio.create_task(self._send(upload)))
        return list(await asyncio.gather(*under_way))

    def close(self) -> None:
        for _, writer in self._idle:
            writer.close()
        self._idle.clear()

    async def _send(self, upload: Upload) -> Outcome:
        sent_at = time.perf_counter()
        status, code, retry_after = 0, "no answer", ""
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                status, code, retry_after = await self._ask(upload.request)
        except (OSError, EOFError, ValueError, TimeoutError) as error:
            code = repr(error)
        answered_at = time.perf_counter()
        return Outcome(upload.audio_s, sent_at, answered_at, status, code, retry_after)

    async def _ask(self, request: bytes) -> tuple[int, str, str]:
        """Status, code of the error and `Retry-After`.

        Raises:
            OSError, EOFError: the connection broke.
            ValueError: the answer is none.
        """
        reader, writer = await self._connection()
        is_whole = False
        try:
            writer.write(request)
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            lines = (line.partition(":") for line in head[1:])
            headers = {name.lower(): value.strip() for name, _, value in lines}
            content = await reader.readexactly(int(headers["content-length"]))
            is_whole = headers.get("connection", "").lower() != "close"
        except KeyError as error:
            raise ValueError("an answer without a length") from error
        finally:
            if is_whole:
                self._idle.append((reader, writer))
            else:
                writer.close()
        status = int(head[0].split()[1])
        code = "" if status == 200 else str(json.loads(content)["error"]["code"])
        return status, code, headers.get("retry-after", "")

    async def _connection(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        while self._idle:
            reader, writer = self._idle.pop()
            if not reader.at_eof() and not writer.is_closing():
                return reader, writer
            writer.close()
        return await asyncio.open_connection(self._host, self._port)
