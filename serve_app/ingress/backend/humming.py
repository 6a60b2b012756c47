"""A voice that hums, for tests of wires: a tone of its own for each letter, no model, no Ray.

The sound is a function of the text, the voice and the rate, so that a test can tell who said what:
`humming("a text", "amy", 24_000)`.
"""

import asyncio
import math
import struct
import zlib
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field

from serve_app.models.protocols import Speech, SpeechPart, SpokenText, SynthesisRequest

LETTER_S = 0.02


def humming(text: str, voice: str, sample_rate_hz: int) -> bytes:
    """PCM16LE: 20 ms for each character, at a pitch that it and the voice give."""
    num_samples = round(LETTER_S * sample_rate_hz)
    pieces = []
    for letter in text:
        pitch_hz = 200 + zlib.crc32(f"{voice}/{letter}".encode("utf-8", "replace")) % 800
        step = 2 * math.pi * pitch_hz / sample_rate_hz
        samples = (round(8000 * math.sin(step * index)) for index in range(num_samples))
        pieces.append(struct.pack(f"<{num_samples}h", *samples))
    return b"".join(pieces)


@dataclass(slots=True)
class ScriptedVoice:
    """See `TextSpeaker`. Whole texts come as PCM whatever format is asked for, a part for each of
    `max_part_chars` characters."""

    script: Sequence[Exception | asyncio.Event] = ()
    """Met before each sentence or part, one each: raised, or waited for."""
    max_part_chars: int = 40
    requests: list[tuple[str, SynthesisRequest | SpokenText]] = field(default_factory=list)
    """What was asked of which model."""
    num_met: int = 0
    num_running: int = 0
    abandoned: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when a call is cancelled or closed before its end."""

    async def synthesize(self, model: str, request: SynthesisRequest) -> Speech:
        self.requests.append((model, request))
        self.num_running += 1
        try:
            await self._meet()
        except asyncio.CancelledError:
            self.abandoned.set()
            raise
        finally:
            self.num_running -= 1
        rate_hz = request.sample_rate_hz
        return Speech(humming(request.text, request.voice, rate_hz), rate_hz)

    async def speak(self, model: str, request: SpokenText) -> AsyncGenerator[SpeechPart, None]:
        self.requests.append((model, request))
        self.num_running += 1
        try:
            for start in range(0, len(request.text), self.max_part_chars):
                await self._meet()
                said = request.text[start : start + self.max_part_chars]
                pcm = humming(said, request.voice, request.sample_rate_hz)
                yield SpeechPart(pcm, len(said) * LETTER_S)
        except (asyncio.CancelledError, GeneratorExit):
            self.abandoned.set()
            raise
        finally:
            self.num_running -= 1

    async def _meet(self) -> None:
        self.num_met += 1
        step = self.script[self.num_met - 1] if self.num_met <= len(self.script) else None
        if isinstance(step, Exception):
            raise step
        if step is not None:
            await step.wait()
