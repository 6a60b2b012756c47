"""A server of conversations whose words and voices are known, and somebody to speak to it."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from serve_app.config import ServerConfig
from serve_app.ingress.backend.fake import ScriptedBackend
from serve_app.models.protocols import RecognitionOptions
from serve_app.pipelines.transcription import TranscriptionRequest
from serve_app.transcript.types import Segment, Transcript
from tests.browser.chromium import write_wav
from tests.client.live_site import LiveSite, live_site

RATE_HZ = 16_000

SAYS: Sequence[Mapping[str, str]] = (
    {
        "en": "Add rice and coffee to the list. Thank you very much.",
        "ru": "Добавь рис и кофе в список. Большое спасибо.",
    },
    {
        "en": "I need a taxi on Wednesday at eight o'clock.",
        "ru": "Мне нужно такси в среду в восемь часов.",
    },
)
"""What is heard in the first utterance, the second, the first, …"""

CONFIG = ServerConfig.model_validate(
    {
        "models": [
            {
                "name": "interpreter",
                "kind": "simulated",
                "languages": ("en", "de", "fr", "ru"),
                "pivot_language": "en",
            }
        ],
        "synthesizers": [
            {
                "name": "hummer",
                "kind": "simulated",
                "voices": {
                    "en": [{"name": "amy"}],
                    "de": [{"name": "otto"}],
                    "ru": [{"name": "anna"}, {"name": "ivan"}],
                },
            }
        ],
        # Noise is no speech, and all that is said to it is noise.
        "streams": {"voice_detector": "loudness", "silence_s": 0.5},
    }
)
"""French is translated, and spoken by nobody."""


@dataclass(slots=True)
class Interpreter(ScriptedBackend):
    """Hears what `SAYS` has, whatever is said. Of two languages it hears one, then the other."""

    heard: list[bytes] = field(default_factory=list)
    may_answer: asyncio.Event = field(default_factory=asyncio.Event)
    """Set, but for tests that clear it."""
    failures: Mapping[int, Exception] = field(default_factory=dict)
    """By the utterance."""

    def __post_init__(self) -> None:
        self.may_answer.set()

    async def transcribe(self, upload: bytes, request: TranscriptionRequest) -> Transcript:
        if upload not in self.heard:
            self.heard.append(upload)
        index = self.heard.index(upload)
        await self.may_answer.wait()
        if index in self.failures:
            raise self.failures[index]
        spoken, target = _languages(request.options, index)
        written = target or spoken
        segment = Segment(SAYS[index % len(SAYS)][written], 0.0, 1.0)
        return Transcript(
            segments=(segment,),
            duration_s=1.0,
            model=request.model,
            language=written,
            spoken_language=spoken,
        )


def _languages(options: RecognitionOptions, index: int) -> tuple[str, str | None]:
    if options.language is not None:
        return options.language, options.target_language
    first, second = options.among
    spoken, other = (first, second) if index % 2 == 0 else (second, first)
    return spoken, other if options.crosses else None


@asynccontextmanager
async def talking_site(
    config: ServerConfig = CONFIG, interpreter: Interpreter | None = None
) -> AsyncIterator[LiveSite]:
    """On the loop of the test."""
    async with live_site(config, interpreter or Interpreter()) as site:
        yield site


def microphone_with(path: Path, *durations_s: float) -> Path:
    """Somebody who speaks, is quiet, speaks, … for so long each, after a second of quiet."""
    random = np.random.default_rng(1)
    parts = [np.zeros(RATE_HZ, np.int16)]
    # Behind the end of the file it is not quiet, as far as Chromium is concerned.
    for index, duration_s in enumerate((*durations_s, 30.0)):
        loud = 8_000 if index % 2 == 0 and index < len(durations_s) else 0
        parts.append((loud * random.uniform(-1, 1, round(duration_s * RATE_HZ))).astype(np.int16))
    return write_wav(path, np.concatenate(parts).tobytes(), RATE_HZ)
