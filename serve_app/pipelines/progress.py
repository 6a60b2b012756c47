"""The parts of a recording in; how far it is, and at last its transcript, out."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator

from serve_app.pipelines.transcription import Progress
from serve_app.transcript.types import Segment, Transcript

_EVERY_S = 1.0


class Told:
    """How far one recording is, from whoever works on it to whoever waits for it."""

    def __init__(self, expected_s: float) -> None:
        self._done_s = 0.0
        self._decoded_s = 0.0
        self._total_s = expected_s
        self._is_whole = False

    @property
    def progress(self) -> Progress:
        """Its length by its header until all is decoded, true from then on."""
        total_s = self._decoded_s if self._is_whole else max(self._total_s, self._decoded_s)
        return Progress(min(self._done_s, total_s), total_s)

    def decoded(self, audio_s: float) -> None:
        self._decoded_s += audio_s

    def decoded_all(self) -> None:
        self._is_whole = True

    def settled(self, at_s: float) -> None:
        self._done_s = max(self._done_s, at_s)

    async def instead_of_segments(
        self, parts: AsyncIterator[Segment | Transcript]
    ) -> AsyncGenerator[Progress | Transcript, None]:
        """How far it is, where that has changed and about once a second; the transcript last."""
        following: asyncio.Task[Segment | Transcript] | None = None
        said, loop = self.progress, asyncio.get_running_loop()
        say_at = loop.time() + _EVERY_S
        try:
            while True:
                following = following or asyncio.create_task(_next(parts))
                await asyncio.wait({following}, timeout=max(0.0, say_at - loop.time()))
                if following.done():
                    part, following = following.result(), None
                    if isinstance(part, Transcript):
                        yield self.progress
                        yield part
                        return
                if loop.time() >= say_at:
                    if said != self.progress:
                        said = self.progress
                        yield said
                    say_at = loop.time() + _EVERY_S
        finally:
            if following is not None:
                following.cancel()
                await asyncio.gather(following, return_exceptions=True)


async def _next(parts: AsyncIterator[Segment | Transcript]) -> Segment | Transcript:
    return await anext(parts)
