"""A recording in, how the server cuts it out: the server's own code, in this process."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from serve_app.audio.chunk import Chunker
from serve_app.audio.codecs.source import FileSource
from serve_app.audio.decode import heard_blocks
from serve_app.audio.waveform import SAMPLE_RATE_HZ, Chunk
from serve_app.config import ModelConfig


@dataclass(frozen=True, slots=True)
class Cut:
    """One chunk."""

    start_s: float
    end_s: float
    is_shared: bool
    """Whether it has some of its audio in common with a neighbour: it was cut in speech."""


@dataclass(frozen=True, slots=True)
class Cuts:
    chunks: tuple[Cut, ...]
    audio_s_per_s: float
    """What one core decodes and listens to: no recording is faster, however many replicas there
    are."""


def cut(path: Path, model: ModelConfig, told: Callable[[float], object] = lambda _: None) -> Cuts:
    """`told` hears how many seconds are done."""
    chunker = Chunker(max_chunk_s=model.max_chunk_s, max_pause_s=model.max_pause_s)
    chunks: list[Cut] = []
    num_samples = 0
    began_s = time.process_time()
    with path.open("rb") as file:
        for block in heard_blocks(FileSource(file.fileno(), path.stat().st_size)):
            chunks += [_cut(chunk) for chunk in chunker.push(block)]
            num_samples += len(block.pcm)
            told(num_samples / SAMPLE_RATE_HZ)
    chunks += [_cut(chunk) for chunk in chunker.flush()]
    took_s = time.process_time() - began_s
    return Cuts(tuple(chunks), num_samples / SAMPLE_RATE_HZ / took_s)


def _cut(chunk: Chunk) -> Cut:
    is_shared = bool(chunk.overlap_before_s or chunk.overlap_behind_s)
    return Cut(chunk.start_s, chunk.start_s + chunk.duration_s, is_shared)
