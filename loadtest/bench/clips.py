"""Recordings of real people in, clips of mixed lengths and codecs out; the same at each run."""

import io
import json
import math
import random
import wave
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile  # type: ignore[import-untyped]  # ships no stubs

from serve_app.audio.chunk import Chunker
from serve_app.audio.decode import heard_blocks
from serve_app.audio.waveform import SAMPLE_RATE_HZ, Chunk

TINY = Path(__file__).resolve().parents[2] / "tiny"

_SEED = 7
_MEDIAN_S = 5.0
_SPREAD = 0.7
_SHORTEST_S, _LONGEST_S = 1.0, 20.0
"""Lengths are log-normal, as those of utterances are."""
_PAUSE_S = 0.2
_CONTAINERS = ("WAV", "FLAC", "OGG", "MP3")


@dataclass(frozen=True, slots=True)
class Clip:
    """One upload, and the chunks that the server makes of it."""

    name: str
    upload: bytes
    chunks: tuple[Chunk, ...]

    @property
    def duration_s(self) -> float:
        return sum(chunk.duration_s for chunk in self.chunks)


@dataclass(frozen=True, slots=True)
class Mix:
    """Log-normal lengths between two ends, both of which fit in one chunk."""

    name: str
    median_s: float
    spread: float
    shortest_s: float
    longest_s: float = 30.0


LIBRISPEECH_LIKE = Mix("LibriSpeech-like", median_s=5.8, spread=0.7, shortest_s=1.3)
"""The test sets' median and, at 7.4 s, their mean; who is longer than 30 s is taken for 30 s."""
HEAVY_TAILED = Mix("heavy-tailed", median_s=3.0, spread=1.2, shortest_s=0.4)
"""Half of all shorter than 3 s, and one in forty of 30 s: voice commands beside dictation."""


def noise_clips(mix: Mix, num_clips: int, *, seed: int = _SEED) -> list[Clip]:
    """Noise as PCM WAV of 16 kHz, so that what the server makes of it is known to the sample."""
    return [
        noise_clip(f"noise-{number}.wav", duration_s, seed=seed + number)
        for number, duration_s in enumerate(lengths_s(mix, num_clips, seed=seed))
    ]


def lengths_s(mix: Mix, num_clips: int, *, seed: int = _SEED) -> list[float]:
    """Those of so many clips of the mix."""
    rng = random.Random(f"{mix.name} {seed}")
    drawn_s = (rng.lognormvariate(math.log(mix.median_s), mix.spread) for _ in range(num_clips))
    return [min(max(each_s, mix.shortest_s), mix.longest_s) for each_s in drawn_s]


def noise_clip(name: str, duration_s: float, *, seed: int) -> Clip:
    num_samples = int(duration_s * SAMPLE_RATE_HZ)
    samples = np.random.default_rng(seed).integers(-3000, 3000, num_samples, dtype=np.int16)
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(SAMPLE_RATE_HZ)
        writer.writeframes(samples.tobytes())
    return Clip(name, file.getvalue(), (Chunk(samples.tobytes(), 0.0),))


def make_clips(num_clips: int, *, max_chunk_s: float, max_pause_s: float) -> list[Clip]:
    """Half the bundled samples, over and over; half digits joined to mixed lengths; shuffled."""
    samples = _samples()
    num_mixed = num_clips // 2
    uploads = [samples[index % len(samples)] for index in range(num_clips - num_mixed)]
    uploads += list(_mixed(num_mixed))
    random.Random(_SEED).shuffle(uploads)
    decoded: dict[bytes, tuple[Chunk, ...]] = {}
    for _, upload in uploads:
        if upload not in decoded:
            decoded[upload] = _chunks(upload, max_chunk_s, max_pause_s)
    return [Clip(name, upload, decoded[upload]) for name, upload in uploads]


def _samples() -> list[tuple[str, bytes]]:
    manifest = json.loads((TINY / "samples/samples.json").read_text())
    return [(entry["file"], (TINY / "samples" / entry["file"]).read_bytes()) for entry in manifest]


def _mixed(count: int) -> Iterator[tuple[str, bytes]]:
    rng = random.Random(_SEED)
    index = json.loads((TINY / "data/index.json").read_text())
    people = {person: soundfile.read(TINY / f"data/{person}.flac") for person in sorted(index)}
    for number in range(count):
        person = rng.choice(sorted(people))
        waveform, rate_hz = people[person]
        takes = [take for digit in sorted(index[person]) for take in index[person][digit]]
        wanted_s = min(
            max(rng.lognormvariate(math.log(_MEDIAN_S), _SPREAD), _SHORTEST_S), _LONGEST_S
        )
        pieces: list[npt.NDArray[np.float64]] = []
        while sum(map(len, pieces)) < wanted_s * rate_hz:
            start, length = rng.choice(takes)
            pieces += [waveform[start : start + length], np.zeros(int(_PAUSE_S * rate_hz))]
        container = _CONTAINERS[number % len(_CONTAINERS)]
        file = io.BytesIO()
        soundfile.write(
            file, np.concatenate(pieces)[: int(wanted_s * rate_hz)], rate_hz, format=container
        )
        yield f"mixed-{number}.{container.lower()}", file.getvalue()


def _chunks(upload: bytes, max_chunk_s: float, max_pause_s: float) -> tuple[Chunk, ...]:
    chunker = Chunker(max_chunk_s=max_chunk_s, max_pause_s=max_pause_s)
    chunks = [
        chunk
        for block in heard_blocks(upload, unheard_s=max_chunk_s)
        for chunk in chunker.push(block)
    ]
    return (*chunks, *chunker.flush())
