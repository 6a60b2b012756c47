"""Recordings of real people -> the bundled samples, in the codecs that people send.

What is said and with which takes is fixed by the seed, before any model has heard it. Most are
of the person whom training has not heard; the others are of those that it learnt from, in
strings that it has not heard.
"""

from __future__ import annotations

import json
import random
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import soundfile
import soxr

from tiny.speech import augment, grammar
from tiny.speech.recordings import (
    RECORDED_RATE_HZ,
    TRAINING_SPEAKERS,
    UNSEEN_SPEAKER,
    say_digits,
)
from tiny.speech.voices import SAMPLE_RATE_HZ, Utterance

SAMPLES = Path(__file__).parent.parent / "samples"
SEED = 2026

_SPEAKERS = {
    "digits-9.m4a": TRAINING_SPEAKERS[0],
    "digits-10.mp3": TRAINING_SPEAKERS[1],
    "digits-11.webm": TRAINING_SPEAKERS[2],
    "digits-12.ogg": TRAINING_SPEAKERS[3],
}
"""Who speaks, where it is not the unseen person."""

# File, number of digits in each utterance, rate, ffmpeg's options, what the codec is called.
_PLAN: tuple[tuple[str, tuple[int, ...], int, tuple[str, ...], str], ...] = (
    ("digits-1.wav", (4,), 16_000, ("-c:a", "pcm_s16le"), "PCM 16 bit"),
    ("digits-2.flac", (7,), 16_000, ("-c:a", "flac"), "FLAC"),
    ("digits-3.mp3", (6,), 16_000, ("-b:a", "32k"), "MP3"),
    ("digits-4.ogg", (8,), 16_000, ("-c:a", "libopus", "-b:a", "24k"), "Opus"),
    ("digits-5.m4a", (5,), 16_000, ("-c:a", "aac", "-b:a", "32k"), "AAC"),
    ("digits-6-ulaw.wav", (10,), 8_000, ("-c:a", "pcm_mulaw"), "G.711 µ-law"),
    ("digits-7-pauses.mp3", (3, 4, 3), 16_000, ("-b:a", "32k"), "MP3"),
    ("digits-8.wav", (2,), 8_000, ("-c:a", "pcm_s16le"), "PCM 16 bit"),
    ("digits-9.m4a", (7,), 16_000, ("-c:a", "aac", "-b:a", "32k"), "AAC"),
    ("digits-10.mp3", (8,), 16_000, ("-b:a", "32k"), "MP3"),
    ("digits-11.webm", (6,), 16_000, ("-c:a", "libopus", "-b:a", "24k"), "Opus in WebM"),
    ("digits-12.ogg", (4, 5), 16_000, ("-c:a", "libopus", "-b:a", "24k"), "Opus"),
)


def make_samples() -> list[dict[str, object]]:
    """Write tiny/samples/ and its manifest; return the manifest."""
    SAMPLES.mkdir(exist_ok=True)
    rng = random.Random(f"samples {SEED}")
    manifest: list[dict[str, object]] = []
    for file, counts, rate_hz, options, codec in _PLAN:
        speaker = _SPEAKERS.get(file, UNSEEN_SPEAKER)
        spoken = _speak(counts, speaker, rng)
        _encode(spoken, SAMPLES / file, rate_hz, options)
        manifest.append(
            {
                "file": file,
                "text": spoken.text,
                "speaker": speaker,
                "in_training": speaker != UNSEEN_SPEAKER,
                "codec": codec,
                "duration_s": round(len(spoken.waveform) / SAMPLE_RATE_HZ, 2),
            }
        )
    text = json.dumps(manifest, indent=2, ensure_ascii=False)
    (SAMPLES / "samples.json").write_text(text + "\n")
    return manifest


def _speak(counts: tuple[int, ...], speaker: str, rng: random.Random) -> Utterance:
    while True:
        texts = [" ".join(rng.choices(grammar.DIGITS, k=count)) for count in counts]
        if all(map(grammar.is_held_out, (*texts, " ".join(texts)))):
            break
    spoken = [say_digits(text, speaker, rng, max_gap_s=0.3) for text in texts]
    pauses_s = [0.3, *(rng.uniform(0.7, 1.5) for _ in spoken[1:]), 0.4]
    joined = augment.join(spoken, pauses_s)
    waveform = augment.add_noise(joined.waveform, rng, snr_db=40)
    return Utterance(waveform, joined.words, joined.speaker)


def _encode(spoken: Utterance, target: Path, rate_hz: int, options: tuple[str, ...]) -> None:
    waveform = spoken.waveform
    if rate_hz == RECORDED_RATE_HZ:
        waveform = soxr.resample(waveform, SAMPLE_RATE_HZ, rate_hz)
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "source.wav"
        soundfile.write(source, np.clip(waveform, -1, 1), rate_hz, subtype="PCM_16")
        # Without -bitexact the file would carry the encoder's version.
        flags = ("-fflags", "+bitexact", "-flags", "+bitexact", "-map_metadata", "-1")
        subprocess.run(
            ["ffmpeg", "-v", "error", "-y", "-i", source, *options, *flags, target], check=True
        )
