"""Training rows -> recordings on disk, made once by several processes -> batches.

Rendering costs as much as a training step does, and every recording is used several times
(as recognition and as translation, in each pass with another vocal tract), so here the
recordings are kept, as 16 bit samples in shards.
"""

from __future__ import annotations

import multiprocessing
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from tiny.canary.speech.rows import Row, render
from tiny.speech import augment
from tiny.speech.voices import SAMPLE_RATE_HZ, Utterance, Word

SHARD_ROWS = 200


@dataclass(frozen=True, slots=True)
class Batch:
    """Recordings of like length, padded with zeros to the longest, and what they say."""

    waveforms: NDArray[np.float32]
    num_samples: NDArray[np.int64]
    utterances: tuple[Utterance, ...]
    rows: tuple[Row, ...]


def write_corpus(rows: Sequence[Row], seed: int, folder: Path, *, num_processes: int = 2) -> None:
    """Render what `folder` does not hold yet; the same seed gives the same speech.

    Not the same to the sample: espeak-ng carries a little over from what it said before.
    """
    folder.mkdir(parents=True, exist_ok=True)
    shards = [
        (seed, start, list(rows[start : start + SHARD_ROWS]), folder)
        for start in range(0, len(rows), SHARD_ROWS)
        if not _times_file(folder, start).exists()
    ]
    with multiprocessing.get_context("spawn").Pool(num_processes) as pool:
        made = pool.imap_unordered(_write_shard, shards)
        for _ in tqdm(made, total=len(shards), desc="speech", unit=" shards", mininterval=10):
            pass


def _write_shard(job: tuple[int, int, list[Row], Path]) -> None:
    seed, start, rows, folder = job
    spoken = [
        render(row, random.Random(f"canary speech {seed} {start + place}"))
        for place, row in enumerate(rows)
    ]
    samples = [np.round(u.waveform * 32767).astype(np.int16) for u in spoken]
    times = [(w.start_s, w.end_s) for u in spoken for w in u.words]
    np.save(folder / f"{start:06}.samples.npy", np.concatenate(samples))
    unfinished = folder / f"{start:06}.unfinished.npz"
    np.savez(
        unfinished,
        num_samples=np.array([len(s) for s in samples]),
        num_words=np.array([len(u.words) for u in spoken]),
        times=np.array(times, np.float32).reshape(-1, 2),
    )
    unfinished.replace(_times_file(folder, start))


def _times_file(folder: Path, start: int) -> Path:
    return folder / f"{start:06}.times.npz"


@dataclass(frozen=True, slots=True)
class _Recording:
    samples: NDArray[np.int16]
    words: tuple[Word, ...]


class Corpus:
    """The recordings of a folder, in the order of their rows."""

    def __init__(self, rows: Sequence[Row], folder: Path) -> None:
        self.rows = rows
        self.recordings = [
            recording
            for start in range(0, len(rows), SHARD_ROWS)
            for recording in _read_shard(rows[start : start + SHARD_ROWS], folder, start)
        ]

    def batches(
        self,
        chosen: Sequence[int],
        rng: random.Random,
        *,
        batch_audio_s: float,
        pool_rows: int = 1_000,
    ) -> Iterator[Batch]:
        """Yield the chosen recordings once, in batches of at most `batch_audio_s` seconds.

        The padding counts; sorting by length within `pool_rows` keeps it low, and batches
        mixed.
        """
        order = rng.sample(chosen, len(chosen))
        for start in range(0, len(order), pool_rows):
            pool = sorted(order[start : start + pool_rows], key=self._num_samples)
            groups = list(self._groups(pool, int(batch_audio_s * SAMPLE_RATE_HZ)))
            rng.shuffle(groups)
            yield from map(self._pad, groups)

    def _num_samples(self, index: int) -> int:
        return len(self.recordings[index].samples)

    def _groups(self, ordered: Sequence[int], max_samples: int) -> Iterator[list[int]]:
        group: list[int] = []
        for index in ordered:
            if group and self._num_samples(index) * (len(group) + 1) > max_samples:
                yield group
                group = []
            group.append(index)
        if group:
            yield group

    def _pad(self, group: Sequence[int]) -> Batch:
        waveforms = [self.recordings[i].samples.astype(np.float32) / 32767 for i in group]
        longest = max(map(len, waveforms))
        return Batch(
            np.stack([augment.fit_length(waveform, longest) for waveform in waveforms]),
            np.array([len(waveform) for waveform in waveforms], np.int64),
            tuple(
                Utterance(waveform, self.recordings[i].words, "")
                for waveform, i in zip(waveforms, group, strict=True)
            ),
            tuple(self.rows[i] for i in group),
        )


def _read_shard(rows: Sequence[Row], folder: Path, start: int) -> Iterator[_Recording]:
    samples = np.load(folder / f"{start:06}.samples.npy", mmap_mode="r")
    with np.load(_times_file(folder, start)) as facts:
        num_samples, num_words, times = (
            facts[name].tolist() for name in ("num_samples", "num_words", "times")
        )
    sample, word = 0, 0
    for row, length, count in zip(rows, num_samples, num_words, strict=True):
        spans = times[word : word + count]
        texts = row.spoken_words()
        words = tuple(Word(t, *span) for t, span in zip(texts, spans, strict=True))
        yield _Recording(samples[sample : sample + length], words)
        sample, word = sample + length, word + count
