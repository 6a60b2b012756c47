"""A recording is cut where nobody speaks, whatever the blocks that it arrives in."""

from itertools import pairwise

import numpy as np
import pytest

from serve_app.audio.chunk import Chunker
from serve_app.audio.listening import MARGIN_S
from serve_app.audio.waveform import SAMPLE_RATE_HZ, WINDOW, Chunk, Pcm
from tests.audio.blocks import told_blocks

MAX_CHUNK_S = 6.0
WINDOW_S = WINDOW / SAMPLE_RATE_HZ


def chunked(
    pcm: Pcm,
    *,
    max_chunk_s: float = MAX_CHUNK_S,
    max_pause_s: float = 1.0,
    block_samples: int = 32 * WINDOW,
) -> list[Chunk]:
    chunker = Chunker(max_chunk_s=max_chunk_s, max_pause_s=max_pause_s)
    blocks = told_blocks(pcm, block_samples=block_samples)
    chunks = [chunk for block in blocks for chunk in chunker.push(block)]
    return [*chunks, *chunker.flush()]


def noise(duration_s: float, seed: int = 0, amplitude: float = 3000.0) -> Pcm:
    num_samples = round(duration_s * SAMPLE_RATE_HZ)
    return np.random.default_rng(seed).normal(0, amplitude, num_samples).astype(np.int16)


def silence(duration_s: float) -> Pcm:
    return np.zeros(round(duration_s * SAMPLE_RATE_HZ), np.int16)


def samples_of(chunk: Chunk) -> slice:
    start = round(chunk.start_s * SAMPLE_RATE_HZ)
    return slice(start, start + chunk.num_samples)


@pytest.mark.parametrize("duration_s", [0.01, 1.0, MAX_CHUNK_S])
def test_what_fits_into_a_chunk_stays_whole(duration_s: float) -> None:
    pcm = noise(duration_s)
    assert chunked(pcm) == [Chunk(pcm.tobytes(), 0.0)]


def test_a_recording_that_fits_is_not_asked_where_it_holds_speech() -> None:
    pcm = np.concatenate([noise(1.0), silence(3.0), noise(1.0, amplitude=20)])
    (chunk,) = chunked(pcm)
    assert chunk.duration_s == 5.0


def test_no_audio_makes_no_chunk() -> None:
    assert chunked(silence(0)) == []


def random_recording(rng: np.random.Generator, max_chunk_s: float) -> Pcm:
    parts: list[Pcm] = []
    for _ in range(int(rng.integers(1, 12))):
        parts.append(noise(rng.uniform(0.1, 1.5 * max_chunk_s), int(rng.integers(1 << 30))))
        parts.append(silence(rng.exponential(0.8)))
    return np.concatenate(parts)


@pytest.mark.parametrize("seed", range(300))
def test_all_speech_is_in_some_chunk_however_it_was_divided(seed: int) -> None:
    rng = np.random.default_rng(seed)
    max_chunk_s = float(rng.choice([1.0, 2.999, 6.0]))
    pcm = random_recording(rng, max_chunk_s)
    chunks = chunked(pcm, max_chunk_s=max_chunk_s)
    for num_windows in (1, 7):
        blocks = num_windows * WINDOW
        assert chunks == chunked(pcm, max_chunk_s=max_chunk_s, block_samples=blocks)
    covered = np.zeros(len(pcm), bool)
    for chunk in chunks:
        assert 0 < chunk.duration_s <= max_chunk_s + 1e-9
        assert np.array_equal(chunk.samples(), pcm[samples_of(chunk)])
        covered[samples_of(chunk)] = True
    assert covered[pcm != 0].all()


@pytest.mark.parametrize("seed", range(100))
def test_neighbours_share_just_the_overlap_that_both_tell(seed: int) -> None:
    rng = np.random.default_rng(seed)
    chunks = chunked(random_recording(rng, 4.0), max_chunk_s=4.0)
    assert chunks[0].overlap_before_s == chunks[-1].overlap_behind_s == 0
    for before, chunk in pairwise(chunks):
        assert before.overlap_behind_s == chunk.overlap_before_s
        shared_s = before.start_s + before.duration_s - chunk.start_s
        assert max(0.0, shared_s) == pytest.approx(chunk.overlap_before_s, abs=1e-9)


def test_speech_without_any_pause_is_cut_with_an_overlap() -> None:
    first, second, *_ = chunked(noise(20.0))
    assert first.overlap_behind_s == second.overlap_before_s > 1.0


@pytest.mark.parametrize("offset", [0, 5000])
def test_a_short_pause_is_cut_in_its_middle_where_a_chunk_is_full(offset: int) -> None:
    pcm = np.concatenate([noise(4.8), silence(0.4), noise(4.0, seed=2)])
    first, _ = chunked(pcm)
    assert first.duration_s == pytest.approx(5.0, abs=0.06)
    assert first.overlap_behind_s == 0


def test_the_longer_of_two_pauses_is_cut() -> None:
    parts = [noise(4.2), silence(0.45), noise(0.1), silence(0.31), noise(4.0)]
    first, _ = chunked(np.concatenate(parts))
    assert 4.2 < first.duration_s < 4.7


def test_a_long_pause_ends_a_chunk_and_is_left_out() -> None:
    pcm = np.concatenate([noise(2.0), silence(4.0), noise(3.0, seed=1)])
    first, second = chunked(pcm)
    assert 2.0 <= first.duration_s <= 2.0 + MARGIN_S
    assert 6.0 - MARGIN_S - WINDOW_S <= second.start_s <= 6.0


def test_what_nobody_speaks_in_is_passed_over_and_takes_no_memory() -> None:
    chunker = Chunker(max_chunk_s=MAX_CHUNK_S, max_pause_s=1.0)
    for block in told_blocks(np.concatenate([noise(2.0), noise(200.0, amplitude=50)])):
        assert all(chunk.start_s == 0 for chunk in chunker.push(block))
    assert chunker.settled_s > 200.0
    assert len(chunker._pcm) < 2 * MAX_CHUNK_S * SAMPLE_RATE_HZ


def test_a_chunk_is_given_as_soon_as_it_is_known() -> None:
    chunker = Chunker(max_chunk_s=MAX_CHUNK_S, max_pause_s=1.0)
    pcm = np.concatenate([noise(5.0), silence(1.0)])
    assert [chunk for block in told_blocks(pcm) for chunk in chunker.push(block)] == []
    (more,) = told_blocks(silence(WINDOW_S))
    assert len(list(chunker.push(more))) == 1


def test_a_chunk_shorter_than_half_a_second_is_refused() -> None:
    with pytest.raises(ValueError, match="shorter than"):
        Chunker(max_chunk_s=0.4)
