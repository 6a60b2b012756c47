"""Who says what in a recording: its blocks go to a recogniser and to a diarizer, side by side.

Segments are held until who speaks in them is certain; then they leave in order, cut where the
speaker changes. Audio is held only as far as one of the two is behind the other.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import replace
from typing import TypeAlias

from serve_app.audio.waveform import SAMPLE_RATE_HZ, Block
from serve_app.models.protocols import RecordingDiarizer
from serve_app.transcript.joining.speakers import Attribution, TurnRules, Turns
from serve_app.transcript.types import Segment, Transcript

MAX_AHEAD_S = 60.0
"""Neither of the two reads further ahead of the other. A segment that the recogniser has read must
become certain within this, or both would wait for ever: a step of the model (40 s at most), a piece
of audio, the longest turn and pause that are taken for none (2 s), and `NEAR_S` are 57 s."""
PIECE_S = 10.0
"""What the diarizer is sent at once."""

Parts: TypeAlias = AsyncGenerator[Segment | Transcript, None]
Transcribe: TypeAlias = Callable[[AsyncIterator[Block]], Parts]
Telling: TypeAlias = Callable[[AsyncIterator[Block], Transcribe], Parts]


def tell_nobody(blocks: AsyncIterator[Block], transcribe: Transcribe) -> Parts:
    """What `transcribe` yields of the blocks, as it is."""
    return transcribe(blocks)


async def tell_apart(
    blocks: AsyncIterator[Block],
    transcribe: Transcribe,
    diarizer: RecordingDiarizer,
    rules: TurnRules,
) -> Parts:
    """What `transcribe` yields of the blocks, with its segments given to their speakers.

    Raises:
        SpeechError: whatever decoding, recognition or the diarizer raise.
    """
    turns = Turns(rules, num_speakers=diarizer.num_speakers, frame_s=diarizer.frame_s)
    attribution = Attribution(turns)
    fork = Fork(blocks)
    advanced = asyncio.Event()
    listening = asyncio.create_task(_listen(fork, diarizer, turns, advanced))
    told: list[Segment] = []
    try:
        async with aclosing(transcribe(fork.side(0))) as parts:
            async for part in parts:
                if isinstance(part, Transcript):
                    yield replace(part, segments=tuple(told))
                    continue
                while not attribution.is_decided(part):
                    advanced.clear()
                    if listening.done():
                        await listening
                    await advanced.wait()
                for segment in attribution.split(part):
                    told.append(segment)
                    yield segment
    finally:
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)


async def _listen(
    fork: "Fork", diarizer: RecordingDiarizer, turns: Turns, advanced: asyncio.Event
) -> None:
    held: list[bytes] = []
    num_samples = 0
    try:
        async for block in fork.side(1):
            held.append(block.pcm.astype("<i2", copy=False).tobytes())
            num_samples += len(block.pcm)
            if num_samples >= PIECE_S * SAMPLE_RATE_HZ:
                turns.hear(await diarizer.hear(b"".join(held), is_last=False))
                held, num_samples = [], 0
                advanced.set()
        turns.hear(await diarizer.hear(b"".join(held), is_last=True))
        turns.end()
    except Exception as error:
        fork.fail(error)
        raise
    finally:
        advanced.set()


class Fork:
    """Blocks that two read, each at its own pace; who is ahead waits for the other."""

    def __init__(self, blocks: AsyncIterator[Block], *, max_ahead_s: float = MAX_AHEAD_S) -> None:
        self._blocks = blocks
        self._max_ahead = max_ahead_s * SAMPLE_RATE_HZ
        self._waiting: tuple[deque[Block], deque[Block]] = (deque(), deque())
        self._pulling = asyncio.Lock()
        self._taken = asyncio.Event()
        self._has_ended = False
        self._error: Exception | None = None

    async def side(self, index: int) -> AsyncIterator[Block]:
        """All blocks, for the one (0) or the other (1).

        Raises:
            Exception: what came up where the blocks are made, or what `fail` was told.
        """
        own, other = self._waiting[index], self._waiting[1 - index]
        while True:
            if self._error is not None:
                raise self._error
            if own:
                block = own.popleft()
                self._taken.set()
                yield block
            elif self._has_ended:
                return
            elif sum(len(block.pcm) for block in other) >= self._max_ahead:
                self._taken.clear()
                await self._taken.wait()
            else:
                await self._pull(own)

    def fail(self, error: Exception) -> None:
        """Let both hear of it: one of them will not go on."""
        self._error = self._error or error
        self._taken.set()

    async def _pull(self, own: deque[Block]) -> None:
        async with self._pulling:
            if own or self._has_ended or self._error:
                return  # while it waited for its turn
            try:
                block = await anext(self._blocks, None)
            except Exception as error:
                self.fail(error)
                return
            if block is None:
                self._has_ended = True
                self._taken.set()
                return
            for waiting in self._waiting:
                waiting.append(block)
