"""A translator and a speaker for tests: what they say tells what they heard, and no model is asked.

    translator = FakeTranslator(random.Random(1))

takes some turns of the loop for each utterance, never the same number, so that a later one may be
ready first. An exception in its script is raised for the utterance that it stands for.
"""

import asyncio
import random
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from serve_app.models.protocols import Speech
from serve_app.pipelines.speech_to_speech.hearing import Spoken
from serve_app.pipelines.speech_to_speech.translating import Translation

_MAX_TURNS = 20


def meaning_of(pcm: bytes, num_sentences: int) -> str:
    """What the fake makes of an utterance: so many sentences, of its samples alone."""
    seed = zlib.crc32(pcm.strip(b"\0"))
    return " ".join(f"Word {zlib.crc32(bytes([i]), seed):08x}." for i in range(num_sentences))


@dataclass(slots=True)
class FakeTranslator:
    """See `Translator`."""

    rng: random.Random = field(default_factory=random.Random)
    pair: tuple[str, str] = ("en", "ru")
    failures: Mapping[int, Sequence[Exception]] = field(default_factory=dict)
    """By the utterance, counted from 0: what is raised, one after the other, before it succeeds."""
    max_sentences: int = 3
    heard: list[Spoken] = field(default_factory=list)
    num_running: int = 0
    max_running: int = 0
    num_abandoned: int = 0
    _tries: dict[int, int] = field(default_factory=dict)

    async def translate(self, spoken: Spoken) -> Translation:
        index = self._index(spoken)
        self.num_running += 1
        self.max_running = max(self.max_running, self.num_running)
        try:
            await some_turns(self.rng)
        except asyncio.CancelledError:
            self.num_abandoned += 1
            raise
        finally:
            self.num_running -= 1
        tried, failures = self._tries.get(index, 0), self.failures.get(index, ())
        self._tries[index] = tried + 1
        if tried < len(failures):
            raise failures[tried]
        text = meaning_of(spoken.pcm, self.num_sentences(spoken.pcm))
        return Translation(*self.pair, text, f"said {text}")

    def num_sentences(self, pcm: bytes) -> int:
        """That it makes of an utterance: none of silence."""
        audio = pcm.strip(b"\0")
        return 1 + zlib.crc32(audio) % self.max_sentences if audio else 0

    def _index(self, spoken: Spoken) -> int:
        if spoken not in self.heard:
            self.heard.append(spoken)
        return self.heard.index(spoken)


@dataclass(slots=True)
class FakeSpeaker:
    """See `Speaker`. The sound of a sentence is its letters."""

    rng: random.Random = field(default_factory=random.Random)
    failures: Mapping[str, Exception] = field(default_factory=dict)
    """By the sentence."""
    said: list[str] = field(default_factory=list)

    async def speak(self, sentence: str, language: str) -> Speech:
        await some_turns(self.rng)
        self.said.append(sentence)
        if sentence in self.failures:
            raise self.failures[sentence]
        return Speech(sound_of(sentence), 24_000)


def sound_of(sentence: str) -> bytes:
    return sentence.encode("utf-16-le")


def sentence_of(pcm: bytes) -> str:
    """What `sound_of` was given."""
    return pcm.decode("utf-16-le")


async def some_turns(rng: random.Random) -> None:
    """Let others run, some times."""
    for _ in range(rng.randrange(_MAX_TURNS)):
        await asyncio.sleep(0)
