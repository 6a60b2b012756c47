"""What the points of the benchmark make of what they measured."""

import pytest

from loadtest.bench.engines.arms import Arms
from loadtest.bench.engines.batches import Batch
from loadtest.bench.engines.codecs import CODECS, encoded, speech
from loadtest.bench.engines.dilated import H200, batch_s, dilated, full_rate
from loadtest.bench.engines.raw import RawRun
from loadtest.bench.load import BenchError, LoadRun
from loadtest.bench.points.costs import line_through
from loadtest.bench.points.live import costs_for
from loadtest.bench.points.padding import Packing
from loadtest.bench.points.plan import SIMULATED, TINY
from loadtest.bench.points.rivals import Level, at_equal_p95, best_batch_size
from loadtest.bench.server import model_of
from serve_app.audio.decode import heard_blocks
from serve_app.config import BatchConfig


def test_a_dilated_engine_keeps_the_shape_of_its_curve() -> None:
    model = model_of(SIMULATED, None)
    slow = dilated(model, 10.0)
    for padded_s in (1.0, 480.0):
        assert batch_s(slow.simulated, padded_s) == pytest.approx(
            10 * batch_s(model.simulated, padded_s)
        )
    assert full_rate(H200, BatchConfig()) == pytest.approx(480 / 0.0548)
    with pytest.raises(BenchError, match="only a simulated"):
        dilated(model_of(TINY, None), 2.0)


def test_what_an_idle_server_takes_is_told_apart_from_what_requests_take() -> None:
    raw = RawRun(wall_s=1.0, cpu_s=4.0, padded_s=1.0, texts=("",))
    arms = Arms(
        model_of(SIMULATED, None),
        clips=[],
        alone=[raw, raw],
        served=[LoadRun(wall_s=10.0, answers=())],
        cpu_s=[{"model": 5.0, "controller": 3.0}],
        single=[],
        idle={"controller": 0.3},
    )
    assert arms.cpu_ratios == [pytest.approx(0.5)]
    assert arms.busy_cpu_ratios == [pytest.approx(0.8)]


def test_a_rival_is_held_against_at_the_same_wait() -> None:
    levels = [Level(4, 100.0, 2.0), Level(8, 140.0, 4.0)]
    assert at_equal_p95(levels, 3.0) == 120.0
    assert at_equal_p95(levels, 9.0) == 140.0
    assert at_equal_p95(levels, 1.0) == 50.0


def test_a_rival_gets_the_batch_size_that_suits_it() -> None:
    assert best_batch_size(H200, [5.0] * 1_000) == 64


def test_cost_is_a_line_through_short_and_long_clips() -> None:
    line = line_through((2.0, 0.012), (20.0, 0.030))
    assert line.per_request_s == pytest.approx(0.010)
    assert line.per_audio_s == pytest.approx(0.001)
    assert line.of(7.5) == pytest.approx(0.0175)
    assert line_through((2.0, 0.02), (20.0, 0.01)).per_audio_s == 0.0


def test_so_many_streams_as_the_bound_fill_the_time_of_a_step() -> None:
    cost = costs_for(32)
    assert cost.fixed_s + 32 * cost.per_stream_s == pytest.approx(0.16)


def test_a_batch_is_full_by_its_weight_or_by_the_number_of_its_rows() -> None:
    model = model_of(SIMULATED, None)
    short = Packing("", "", [Batch((1.0,) * 64)])
    assert short.fill(model).median == 1.0
    assert short.efficiency.median == 1.0
    uneven = Packing("", "", [Batch((30.0, *([10.0] * 15)))])
    assert uneven.fill(model).median == 1.0
    assert uneven.efficiency.median == pytest.approx(180 / 480)


@pytest.mark.parametrize("codec", CODECS)
def test_every_codec_holds_the_recording(codec: str) -> None:
    file = encoded(speech(2.0), codec)
    assert file is not None, "the FFmpeg that PyAV brings has all of them"
    num_samples = sum(len(block.pcm) for block in heard_blocks(file, unheard_s=30.0))
    assert num_samples / 16_000 == pytest.approx(2.0, abs=0.15)
