"""A seed and a length in, a long recording of which every word and every pause is known out.

Utterances of one to eight words, by people and by synthetic voices that no model was trained on
among others, with pauses between them in which nobody speaks. It is written piece by piece.
"""

import io
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import soundfile  # type: ignore[import-untyped]  # ships no stubs

from loadtest.hours.sounds import SOUNDS, Sound
from tiny.speech import augment, grammar
from tiny.speech.augment import Waveform
from tiny.speech.corpus import say_synthetic
from tiny.speech.recordings import TRAINING_SPEAKERS, UNSEEN_SPEAKER, say_digits
from tiny.speech.voices import SAMPLE_RATE_HZ, Utterance, Word

MAX_WORDS = 8
GAP_S = (0.8, 4.0)
PAD_S = 0.5
"""Of silence before and behind an utterance that is heard alone."""
LATER_S = 0.53
"""The same when it is heard again: not a whole number of a model's frames later."""
_MUSIC_S = (3.0, 20.0)
_BESIDE_MUSIC_S = (0.3, 0.8)
"""Of silence between speech and music: players wait."""
_SOUNDS: dict[Sound, float] = {
    "silence": 0.4,
    "room noise": 0.35,
    "noise burst": 0.15,
    "music": 0.1,
}
"""How often each follows an utterance."""
_DIGITS_SHARE = 0.6
_LEVEL_DBFS = (-30.0, -22.0)


@dataclass(frozen=True, slots=True)
class Spoken:
    """One utterance, on the recording's clock."""

    start_s: float
    end_s: float
    words: tuple[Word, ...]
    kind: Literal["digits", "command"]
    """Of `digits` each word's time is known exactly; of `command`, the order."""
    speaker: str


@dataclass(frozen=True, slots=True)
class Gap:
    """Between two utterances, or before the first."""

    start_s: float
    end_s: float
    sound: Sound


@dataclass(frozen=True, slots=True)
class Recording:
    """A FLAC file at 16 kHz, and what is in it."""

    path: Path
    duration_s: float
    utterances: tuple[Spoken, ...]
    gaps: tuple[Gap, ...]

    def alone(self, spoken: Spoken, pad_s: float = PAD_S) -> bytes:
        """One utterance as a WAV file of its own: the same samples, with silence around."""
        begin, end = (round(at_s * SAMPLE_RATE_HZ) for at_s in (spoken.start_s, spoken.end_s))
        samples, _ = soundfile.read(self.path, start=begin, stop=end, dtype="int16")
        pad = np.zeros(round(pad_s * SAMPLE_RATE_HZ), np.int16)
        file = io.BytesIO()
        padded = np.concatenate([pad, samples, pad])
        soundfile.write(file, padded, SAMPLE_RATE_HZ, format="WAV", subtype="PCM_16")
        return file.getvalue()


def write_recording(
    path: Path, *, duration_s: float, seed: int, written: Callable[[float], object] = lambda _: None
) -> Recording:
    """Write a recording of at least `duration_s`; `written` is told how long it is so far.

    The first one of a process is the same in each: espeak-ng's voices keep some state.
    """
    rng = random.Random(f"hours {seed}")
    utterances: list[Spoken] = []
    gaps: list[Gap] = []
    at = 0
    with soundfile.SoundFile(
        path, "w", SAMPLE_RATE_HZ, channels=1, format="FLAC", subtype="PCM_16"
    ) as file:

        def pause() -> None:
            nonlocal at
            sound, waveform = _draw_pause(rng)
            file.write(_pcm(waveform))
            end = at + len(waveform)
            gaps.append(Gap(at / SAMPLE_RATE_HZ, end / SAMPLE_RATE_HZ, sound))
            at = end

        pause()
        while at < duration_s * SAMPLE_RATE_HZ:
            kind, said = _draw_utterance(rng)
            file.write(_pcm(said.waveform))
            end = at + len(said.waveform)
            utterances.append(
                Spoken(
                    at / SAMPLE_RATE_HZ,
                    end / SAMPLE_RATE_HZ,
                    tuple(_moved(said.words, at / SAMPLE_RATE_HZ)),
                    kind,
                    said.speaker,
                )
            )
            at = end
            pause()
            written(at / SAMPLE_RATE_HZ)
    return Recording(path, at / SAMPLE_RATE_HZ, tuple(utterances), tuple(gaps))


def _draw_utterance(rng: random.Random) -> tuple[Literal["digits", "command"], Utterance]:
    if rng.random() < _DIGITS_SHARE:
        text = " ".join(rng.choices(grammar.DIGITS, k=rng.randint(1, MAX_WORDS)))
        said = say_digits(text, rng.choice((*TRAINING_SPEAKERS, UNSEEN_SPEAKER)), rng)
        return "digits", _levelled(said, rng)
    while len((text := grammar.draw_command(rng)).split()) > MAX_WORDS:
        pass
    return "command", _levelled(say_synthetic(text, rng, held_out=True), rng)


def _levelled(said: Utterance, rng: random.Random) -> Utterance:
    waveform = augment.match_level(said.waveform, rng.uniform(*_LEVEL_DBFS))
    return Utterance(waveform, said.words, said.speaker)


def _draw_pause(rng: random.Random) -> tuple[Sound, Waveform]:
    sound = rng.choices(tuple(_SOUNDS), tuple(_SOUNDS.values()))[0]
    if sound == "music":
        played = SOUNDS[sound](_num_samples(rng, _MUSIC_S), rng)
        around = [SOUNDS["silence"](_num_samples(rng, _BESIDE_MUSIC_S), rng) for _ in range(2)]
        return sound, np.concatenate([around[0], played, around[1]])
    return sound, SOUNDS[sound](_num_samples(rng, GAP_S), rng)


def _num_samples(rng: random.Random, between_s: tuple[float, float]) -> int:
    return round(rng.uniform(*between_s) * SAMPLE_RATE_HZ)


def _moved(words: tuple[Word, ...], by_s: float) -> Iterator[Word]:
    for word in words:
        yield Word(word.text, word.start_s + by_s, word.end_s + by_s)


def _pcm(waveform: Waveform) -> "np.ndarray[tuple[int], np.dtype[np.int16]]":
    return (np.clip(waveform, -1, 1) * 32767).astype(np.int16)
