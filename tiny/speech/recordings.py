"""Recorded digits of real people -> utterances of digit strings.

The recordings are the Free Spoken Digit Dataset (CC BY-SA 4.0, see data/LICENSE.md),
kept as one FLAC per speaker with an index of where each recording starts.
"""

from __future__ import annotations

import functools
import json
import random
from pathlib import Path

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from tiny.speech.augment import match_level, stretch_tempo
from tiny.speech.grammar import DIGITS
from tiny.speech.voices import SAMPLE_RATE_HZ, Utterance, Word, loud_span

DATA = Path(__file__).parent.parent / "data"
RECORDED_RATE_HZ = 8_000
TRAINING_SPEAKERS = ("george", "jackson", "lucas", "nicolas")
UNSEEN_SPEAKER = "yweweler"


@functools.cache
def recordings(speaker: str) -> dict[str, tuple[NDArray[np.float32], ...]]:
    """Return, for each digit word, the speaker's recordings as they are, 8 kHz mono."""
    samples, rate_hz = soundfile.read(DATA / f"{speaker}.flac", dtype="float32")
    if rate_hz != RECORDED_RATE_HZ:
        raise ValueError(f"{speaker}.flac is at {rate_hz} Hz, not {RECORDED_RATE_HZ}")
    index = json.loads((DATA / "index.json").read_text())[speaker]
    return {
        DIGITS[int(digit)]: tuple(samples[start : start + length] for start, length in spans)
        for digit, spans in index.items()
    }


def say_digits(
    text: str,
    speaker: str,
    rng: random.Random,
    *,
    vary: bool = False,
    max_gap_s: float = 0.35,
) -> Utterance:
    """Join recordings of the digits of `text`, with a short gap between words.

    Every word comes to the same level, since a person who reads a string out keeps one.
    `vary` changes the level and the tempo of each word, and clips its soft ends as a crude
    recorder does, which only training wants.
    """
    pieces, words, cursor = [], [], 0
    tempo = rng.uniform(0.8, 1.25)
    for token in text.split():
        spoken = match_level(rng.choice(recordings(speaker)[token]), -26.0)
        if vary:
            if rng.random() < 0.5:
                # The unseen person's "six" is little more than its vowel.
                first, last = loud_span(spoken, below_peak_db=rng.uniform(12.0, 40.0))
                spoken = spoken[first:last]
            spoken = spoken * 10 ** (rng.uniform(-3, 3) / 20)
            if rng.random() < 0.5:
                spoken = stretch_tempo(spoken, tempo * rng.uniform(0.9, 1.1), RECORDED_RATE_HZ)
        if pieces:
            gap = int(rng.uniform(0.03, max_gap_s) * RECORDED_RATE_HZ)
            pieces.append(np.zeros(gap, np.float32))
            cursor += gap
        first, last = loud_span(spoken, below_peak_db=30.0)
        start_s, end_s = (cursor + first) / RECORDED_RATE_HZ, (cursor + last) / RECORDED_RATE_HZ
        words.append(Word(token, start_s, end_s))
        pieces.append(spoken)
        cursor += len(spoken)
    quality = rng.choice(("LQ", "MQ", "HQ")) if vary else "HQ"
    waveform = soxr.resample(np.concatenate(pieces), RECORDED_RATE_HZ, SAMPLE_RATE_HZ, quality)
    return Utterance(waveform.astype(np.float32), tuple(words), speaker)


def pack(folder: Path) -> None:
    """Write data/*.flac and data/index.json from the dataset's single recordings."""
    index: dict[str, dict[str, list[tuple[int, int]]]] = {}
    for speaker in (*TRAINING_SPEAKERS, UNSEEN_SPEAKER):
        pieces, cursor, index[speaker] = [], 0, {}
        for digit in range(10):
            spans = index[speaker].setdefault(str(digit), [])
            files = sorted(folder.glob(f"{digit}_{speaker}_*.wav"), key=_take)
            for file in files:
                samples, _ = soundfile.read(file, dtype="int16")
                spans.append((cursor, len(samples)))
                cursor += len(samples)
                pieces.append(samples)
        target = DATA / f"{speaker}.flac"
        soundfile.write(target, np.concatenate(pieces), RECORDED_RATE_HZ, compression_level=1.0)
    (DATA / "index.json").write_text(json.dumps(index, separators=(",", ":")) + "\n")


def _take(file: Path) -> int:
    return int(file.stem.rsplit("_", 1)[1])
