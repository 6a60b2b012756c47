"""A graph that does with stored recordings what they say, for tests of workers: no audio, no Ray.

    audio = recording("say", "one two", seconds=4)

is a file that begins like a WAV and is transcribed as `one two`, with progress on the way. Others:
`hang` never ends, `break` is a fault of the model each time, `busy` finds the graph full once,
`bad` cannot be decoded.
"""

import asyncio
import json
import urllib.parse
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from pathlib import Path

from serve_app.errors import AtCapacityError, EngineError, UndecodableAudioError
from serve_app.pipelines.transcription import Progress, StoredAudio, TranscriptionRequest
from serve_app.transcript.types import Segment, Transcript, Word

_HEAD = b"RIFF\0\0\0\0WAVE"


def recording(does: str, text: str = "", *, seconds: float = 2.0) -> bytes:
    """An upload that the fake understands."""
    return _HEAD + json.dumps({"does": does, "text": text, "seconds": seconds}).encode()


@dataclass(slots=True)
class ScriptedTranscriber:
    """See `StoredTranscriber`."""

    begun: list[str] = field(default_factory=list)
    """What each recording says that was begun, in order."""
    num_running: int = 0
    most_running: int = 0
    has_begun: asyncio.Event = field(default_factory=asyncio.Event)
    abandoned: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when a recording is closed before its end."""
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    """Nothing ends before it is set; it is, in the beginning."""

    def __post_init__(self) -> None:
        self.gate.set()

    async def stream_stored(
        self, audio: StoredAudio, request: TranscriptionRequest, expected_s: float
    ) -> AsyncGenerator[Progress | Transcript, None]:
        path = Path(urllib.parse.urlsplit(audio.url).path)
        wish = json.loads((await asyncio.to_thread(path.read_bytes))[len(_HEAD) :])
        text, seconds = str(wish["text"]), float(wish["seconds"])
        is_first = text not in self.begun
        self.begun.append(text)
        self.num_running += 1
        self.most_running = max(self.most_running, self.num_running)
        self.has_begun.set()
        try:
            yield Progress(0.0, seconds)
            await self.gate.wait()
            match wish["does"]:
                case "hang":
                    yield Progress(seconds / 2, seconds)
                    await asyncio.Event().wait()
                case "break":
                    raise EngineError(request.model, "broken")
                case "bad":
                    raise UndecodableAudioError("it is bad")
                case "busy" if is_first:
                    raise AtCapacityError("the queue is full", 0.01)
            yield Progress(seconds, seconds)
            yield _transcript(text, seconds, request)
        except (asyncio.CancelledError, GeneratorExit):
            self.abandoned.set()
            raise
        finally:
            self.num_running -= 1


def _transcript(text: str, seconds: float, request: TranscriptionRequest) -> Transcript:
    said = text.split()
    step_s = seconds / max(1, len(said))
    words = tuple(Word(w, n * step_s, (n + 1) * step_s, 0.9) for n, w in enumerate(said))
    channel = 0 if request.channel == "split" else None
    speaker = "A" if request.diarizer else None
    segment = Segment(text, 0.0, seconds, words, language="en", channel=channel, speaker=speaker)
    segments = (segment,) if said else ()
    return Transcript(segments, seconds, request.model, language="en", spoken_language="en")
