"""Text -> speech of many synthetic voices, with the time of each word.

espeak-ng is called in process through its C library: a sentence takes a few
milliseconds, and its own word events give times that no aligner has to guess.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import functools
import random
import re
from dataclasses import dataclass

import numpy as np
import soxr
from numpy.typing import NDArray

SAMPLE_RATE_HZ = 16_000

ENGLISH_ACCENTS = (
    "en-us", "en", "en-gb-scotland", "en-gb-x-rp", "en-gb-x-gbclan",
    "en-gb-x-gbcwmd", "en-029", "en-us-nyc",
)  # fmt: skip

# Those of espeak's variants that sound like a person: no robots, no whispers.
VARIANTS = (
    "", "m1", "m2", "m3", "m4", "m5", "m6", "m7", "m8", "f1", "f2", "f3", "f4", "f5",
    "Alex", "Alicia", "Andrea", "Andy", "Annie", "Denis", "Diogo", "Gene", "Gene2",
    "Hugo", "Jacky", "Lee", "Marco", "Mario", "Michael", "Mike", "adam", "anika",
    "announcer", "antonio", "aunty", "belinda", "benjamin", "boris", "caleb", "david",
    "ed", "edward", "edward2", "grandma", "grandpa", "gustave", "iven", "iven2",
    "john", "kaukovalta", "klatt", "klatt2", "klatt3", "linda", "marcelo", "max",
    "michel", "miguel", "norbert", "pablo", "paul", "pedro", "quincy", "rob", "robert",
    "sandro", "shelby", "steph", "steph2", "travis", "victor", "zac",
)  # fmt: skip

HELD_OUT_VARIANTS = VARIANTS[4::8]
"""Variants that no training utterance is spoken with: every eighth, whatever it is."""

TRAINING_VARIANTS = tuple(v for v in VARIANTS if v not in HELD_OUT_VARIANTS)


@dataclass(frozen=True, slots=True)
class Word:
    text: str
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class Utterance:
    """Speech and its words; `waveform` is mono float32 at 16 kHz."""

    waveform: NDArray[np.float32]
    words: tuple[Word, ...]
    speaker: str

    @property
    def text(self) -> str:
        return " ".join(word.text for word in self.words)


@dataclass(frozen=True, slots=True)
class Voice:
    """One setting of espeak-ng."""

    accent: str
    variant: str
    words_per_minute: int
    pitch: int
    pitch_range: int

    @property
    def name(self) -> str:
        return f"{self.accent}+{self.variant}" if self.variant else self.accent


def draw_voice(rng: random.Random, *, held_out: bool = False) -> Voice:
    """Draw a voice of the training set, or of the variants it has never heard."""
    return Voice(
        accent=rng.choice(ENGLISH_ACCENTS),
        variant=rng.choice(HELD_OUT_VARIANTS if held_out else TRAINING_VARIANTS),
        words_per_minute=rng.randint(120, 230),
        pitch=rng.randint(20, 80),
        pitch_range=rng.randint(20, 80),
    )


def speak(text: str, voice: Voice) -> Utterance:
    """Speak `text` as one sentence, as espeak-ng would, silence trimmed at both ends."""
    samples, rate_hz, events = _synthesize(text, voice)
    first, last = loud_span(samples)
    waveform = soxr.resample(samples[first:last], rate_hz, SAMPLE_RATE_HZ, quality="MQ")
    edges = [min(max(0, edge - first), last - first) for edge in _word_edges(text, events, last)]
    words = []
    for token, begin, end in zip(text.split(), edges, edges[1:], strict=False):
        quiet_lead, loud_end = loud_span(samples[first + begin : first + end])
        words.append(Word(token, (begin + quiet_lead) / rate_hz, (begin + loud_end) / rate_hz))
    return Utterance(waveform, tuple(words), voice.name)


def speak_word_by_word(
    text: str, voice: Voice, rng: random.Random, *, max_gap_s: float = 0.35
) -> Utterance:
    """Speak each word alone and join them, so that every boundary is known exactly."""
    pieces, words, cursor = [], [], 0
    for token in text.split():
        spoken = _speak_alone(token, voice)
        if pieces:
            gap = int(rng.uniform(0.03, max_gap_s) * SAMPLE_RATE_HZ)
            pieces.append(np.zeros(gap, np.float32))
            cursor += gap
        end = cursor + len(spoken)
        words.append(Word(token, cursor / SAMPLE_RATE_HZ, end / SAMPLE_RATE_HZ))
        pieces.append(spoken)
        cursor = end
    return Utterance(np.concatenate(pieces), tuple(words), voice.name)


def _word_edges(text: str, events: dict[int, int], last: int) -> list[int]:
    """Return the sample where each word of `text` starts, and `last`.

    espeak-ng speaks some pairs ("in the") as one word with one event; such a span is
    shared out by the number of letters.
    """
    position_of = [match.start() + 1 for match in re.finditer(r"\S+", text)]
    known = [(p, events[p]) for p in position_of if p in events]
    positions, samples = zip(*known, (len(text) + 2, last), strict=True)
    return [round(float(np.interp(p, positions, samples))) for p in position_of] + [last]


def loud_span(samples: NDArray[np.float32], *, below_peak_db: float = 40.0) -> tuple[int, int]:
    """Return first and last + 1 sample above the peak less `below_peak_db`."""
    level = np.abs(samples)
    if not len(level) or level.max() <= 0:
        return 0, len(samples)
    loud = np.flatnonzero(level > level.max() * 10 ** (-below_peak_db / 20))
    return int(loud[0]), int(loud[-1]) + 1


@functools.lru_cache(maxsize=512)
def _speak_alone(token: str, voice: Voice) -> NDArray[np.float32]:
    samples, rate_hz, _ = _synthesize(token, voice)
    first, last = loud_span(samples)
    return soxr.resample(samples[first:last], rate_hz, SAMPLE_RATE_HZ, quality="MQ")


# --- the C library -----------------------------------------------------------------------

_OUTPUT_SYNCHRONOUS = 2
_RATE, _PITCH, _RANGE = 1, 3, 4
_EVENT_END_OF_LIST, _EVENT_WORD = 0, 1
_UTF8 = 1


class _Event(ctypes.Structure):
    """`espeak_EVENT` of speak_lib.h."""

    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", ctypes.c_char * 8),
    )


_Callback = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event)
)


def _espeak() -> tuple[ctypes.CDLL, bytes | None]:
    """The system's espeak-ng, which the weights were trained with; else a wheel's."""
    if name := ctypes.util.find_library("espeak-ng"):
        return ctypes.CDLL(name), None
    try:
        import espeakng_loader
    except ImportError as error:
        raise RuntimeError("install espeak-ng: apt-get install espeak-ng") from error
    path = espeakng_loader.get_library_path()
    return ctypes.CDLL(path), espeakng_loader.get_data_path().encode()


class _Engine:
    """espeak-ng, initialised once per process; not thread-safe, as the library is not."""

    def __init__(self) -> None:
        self.library, data = _espeak()
        self.rate_hz = self.library.espeak_Initialize(_OUTPUT_SYNCHRONOUS, 200, data, 0)
        self.pieces: list[NDArray[np.int16]] = []
        self.word_starts: dict[int, int] = {}
        self.callback = _Callback(self._receive)
        self.library.espeak_SetSynthCallback(self.callback)

    def _receive(self, samples: ctypes._Pointer, num_samples: int, event: ctypes._Pointer) -> int:
        if samples and num_samples > 0:
            self.pieces.append(np.ctypeslib.as_array(samples, (num_samples,)).copy())
        index = 0
        while event[index].type != _EVENT_END_OF_LIST:
            if event[index].type == _EVENT_WORD:
                self.word_starts[event[index].text_position] = event[index].sample
            index += 1
        return 0

    def run(self, text: str, voice: Voice) -> tuple[NDArray[np.float32], dict[int, int]]:
        self.pieces, self.word_starts = [], {}
        if self.library.espeak_SetVoiceByName(voice.name.encode()) != 0:
            raise ValueError(f"espeak-ng has no voice {voice.name!r}")
        for parameter, value in (
            (_RATE, voice.words_per_minute),
            (_PITCH, voice.pitch),
            (_RANGE, voice.pitch_range),
        ):
            self.library.espeak_SetParameter(parameter, value, 0)
        raw = text.encode()
        self.library.espeak_Synth(raw, len(raw) + 1, 0, 0, 0, _UTF8, None, None)
        return np.concatenate(self.pieces).astype(np.float32) / 32768, self.word_starts


@functools.cache
def _engine() -> _Engine:
    return _Engine()


def _synthesize(text: str, voice: Voice) -> tuple[NDArray[np.float32], int, dict[int, int]]:
    engine = _engine()
    samples, events = engine.run(text, voice)
    return samples, engine.rate_hz, events
