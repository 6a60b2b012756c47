"""A recording is cut where nobody speaks, whatever the blocks that it arrives in."""

import numpy as np
import pytest

from serve_app.audio.chunk import Chunker
from serve_app.audio.waveform import SAMPLE_RATE_HZ, Chunk, Pcm

MAX_CHUNK_S = 3.0


def chunked(pcm: Pcm, *cuts: int, max_chunk_s: float = MAX_CHUNK_S) -> list[Chunk]:
    chunker = Chunker(max_chunk_s=max_chunk_s)
    chunks = [chunk for block in np.split(pcm, cuts) for chunk in chunker.push(block)]
    return chunks + chunker.flush()


def noise(duration_s: float, seed: int = 0, amplitude: float = 3000.0) -> Pcm:
    num_samples = round(duration_s * SAMPLE_RATE_HZ)
    return np.random.default_rng(seed).normal(0, amplitude, num_samples).astype(np.int16)


def silence(duration_s: float) -> Pcm:
    return np.zeros(round(duration_s * SAMPLE_RATE_HZ), np.int16)


@pytest.mark.parametrize("duration_s", [0.01, 1.0, MAX_CHUNK_S])
def test_what_fits_into_a_chunk_stays_whole(duration_s: float) -> None:
    pcm = noise(duration_s)
    assert chunked(pcm) == [Chunk(pcm.tobytes(), 0.0)]


def test_no_audio_makes_no_chunk() -> None:
    assert chunked(silence(0)) == []


@pytest.mark.parametrize("seed", range(300))
def test_chunks_cover_the_recording_however_it_was_divided(seed: int) -> None:
    rng = np.random.default_rng(seed)
    max_chunk_s = float(rng.choice([0.02, 0.25, 1.0, 2.999]))
    pcm = noise(rng.uniform(0, 12 * max_chunk_s), seed)
    for start in rng.integers(0, len(pcm) + 1, size=rng.integers(0, 6)):
        pcm[start : start + rng.integers(0, SAMPLE_RATE_HZ)] //= 50
    cuts = np.sort(rng.integers(0, len(pcm) + 1, size=rng.integers(0, 40)))
    chunks = chunked(pcm, *cuts, max_chunk_s=max_chunk_s)
    assert b"".join(chunk.pcm for chunk in chunks) == pcm.tobytes()
    assert chunks == chunked(pcm, max_chunk_s=max_chunk_s)
    position = 0
    for chunk in chunks:
        assert chunk.start_s == position / SAMPLE_RATE_HZ
        assert 0 < chunk.duration_s <= max_chunk_s
        position += chunk.num_samples


@pytest.mark.parametrize("offset", [0, 5000])
@pytest.mark.parametrize("pause", ["silent", "noisy"])
def test_a_cut_falls_into_the_middle_of_a_pause(offset: int, pause: str) -> None:
    quiet = silence(0.4) if pause == "silent" else noise(0.4, seed=1, amplitude=30)
    pcm = np.concatenate([noise(2.3), quiet, noise(2.0, seed=2)]) + np.int16(offset)
    first, _ = chunked(pcm)
    assert first.duration_s == pytest.approx(2.5, abs=0.06)


def test_the_longer_of_two_pauses_is_cut() -> None:
    parts = [noise(2.1), silence(0.45), noise(0.05), silence(0.31), noise(2.0)]
    first, _ = chunked(np.concatenate(parts))
    assert 2.1 < first.duration_s < 2.55


def test_a_chunk_is_given_as_soon_as_it_is_known() -> None:
    chunker = Chunker(max_chunk_s=MAX_CHUNK_S)
    assert chunker.push(noise(MAX_CHUNK_S)) == []
    assert len(chunker.push(noise(0.001))) == 1


def test_a_chunk_shorter_than_a_hop_is_refused() -> None:
    with pytest.raises(ValueError, match="shorter than 10 ms"):
        Chunker(max_chunk_s=0.001)
