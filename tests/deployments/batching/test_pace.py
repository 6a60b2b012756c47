import random

import pytest

from serve_app.config import BatchConfig
from serve_app.deployments.batching.pace import MOST_BATCHES_HELD, BatchReport, Pace

FIXED_S, PER_AUDIO_S = 0.25, 0.01
CONFIG = BatchConfig(max_batch_audio_s=100.0, max_batch_size=50)
FULL_PER_S = 100.0 / (FIXED_S + PER_AUDIO_S * 100.0)


def batch(num_chunks: int, chunk_s: float = 5.0, *, noise: float = 1.0) -> BatchReport:
    padded_s = num_chunks * chunk_s
    return BatchReport(num_chunks, padded_s, padded_s, (FIXED_S + PER_AUDIO_S * padded_s) * noise)


def test_nothing_is_told_before_something_ran() -> None:
    assert Pace().full_per_s(CONFIG) == 0.0


def test_small_batches_of_several_sizes_tell_what_full_ones_clear() -> None:
    rng, pace = random.Random(3), Pace()
    for _ in range(100):
        pace.ran(batch(rng.randint(2, 6), noise=rng.uniform(0.95, 1.05)))
    assert pace.full_per_s(CONFIG) == pytest.approx(FULL_PER_S, rel=0.15)


def test_batches_of_one_size_tell_their_own_rate_and_no_more() -> None:
    pace = Pace()
    for _ in range(20):
        pace.ran(batch(1))
    assert pace.full_per_s(CONFIG) == pytest.approx(5.0 / (FIXED_S + PER_AUDIO_S * 5.0))


def test_single_chunks_do_not_make_it_forget_what_larger_batches_told() -> None:
    pace = Pace()
    for size in (5, 10, 20) * 10:
        pace.ran(batch(size))
    for _ in range(300):
        pace.ran(batch(1))
    assert pace.full_per_s(CONFIG) == pytest.approx(20.0 / (FIXED_S + 0.2), rel=0.05)  # four of it


def test_batches_of_no_audio_tell_nothing() -> None:
    pace = Pace()
    pace.ran(BatchReport(1, 0.0, 0.0, 0.2))
    assert pace.full_per_s(CONFIG) == 0.0
    assert pace.num_batches_to_hold(CONFIG) == pytest.approx(2.0)


def test_what_was_never_seen_is_followed_only_so_far() -> None:
    pace = Pace()
    for size in (1, 2, 1, 2):
        pace.ran(batch(size))
    assert pace.full_per_s(CONFIG) == pytest.approx(40.0 / (FIXED_S + 0.4), rel=0.01)


def test_a_full_batch_may_be_full_by_its_count() -> None:
    pace = Pace()
    for size in (10, 30, 50):
        pace.ran(batch(size, 1.0))
    assert pace.full_per_s(CONFIG) == pytest.approx(50.0 / (FIXED_S + 0.5))


def test_padding_is_no_audio() -> None:
    pace = Pace()
    for _ in range(5):
        pace.ran(BatchReport(4, audio_s=50.0, padded_s=100.0, model_s=1.25))
    assert pace.full_per_s(CONFIG) == pytest.approx(40.0)


@pytest.mark.parametrize("seed", range(50))
def test_it_is_a_rate_whatever_the_times_are(seed: int) -> None:
    rng, pace = random.Random(seed), Pace()
    for _ in range(rng.randint(1, 60)):
        audio_s = rng.uniform(0.1, 100.0)
        pace.ran(BatchReport(rng.randint(1, 50), audio_s, audio_s * 1.2, rng.uniform(1e-3, 3.0)))
        assert 0.0 < pace.full_per_s(CONFIG) < 1e6


def test_a_device_that_has_become_slower_is_believed_within_a_hundred_batches() -> None:
    pace = Pace()
    for size in (5, 20) * 50:
        pace.ran(batch(size))
    for size in (5, 20) * 50:
        pace.ran(batch(size, noise=3.0))
    assert pace.full_per_s(CONFIG) == pytest.approx(FULL_PER_S / 3, rel=0.2)


def test_a_replica_may_hold_two_full_batches_or_what_it_clears_in_a_window() -> None:
    slow, fast, faster = Pace(), Pace(), Pace()
    for _ in range(20):
        slow.ran(batch(20))
        fast.ran(BatchReport(20, 100.0, 100.0, 0.2))
        faster.ran(BatchReport(20, 100.0, 100.0, 0.001))
    assert slow.num_batches_to_hold(CONFIG) == pytest.approx(2.0)
    assert fast.num_batches_to_hold(CONFIG) == pytest.approx(6.0)
    assert faster.num_batches_to_hold(CONFIG) == MOST_BATCHES_HELD
    assert Pace().num_batches_to_hold(CONFIG) == pytest.approx(2.0)
    without = CONFIG.model_copy(update={"window_s": 0.0})
    assert faster.num_batches_to_hold(without) == pytest.approx(2.0)
