"""The streaming weights as they ship, in NeMo's own pipeline."""

from pathlib import Path

import numpy as np
import pytest

import tiny

WEIGHTS = Path(tiny.__file__).parent / "weights" / "parakeet-streaming-tiny.nemo"


@pytest.fixture(scope="module")
def commands():
    from tiny.parakeet.evaluate import draw_items, render

    return [render(item) for item in draw_items("commands", seed=11, num_items=12)]


@pytest.fixture(scope="module", params=[0, 80, 480, 1_040])
def pipeline(request):
    from tiny.streaming.stream import build_pipeline

    return build_pipeline(WEIGHTS, request.param)


def test_a_chunk_is_one_frame_longer_than_the_look_ahead(pipeline):
    look_ahead = pipeline.asr_model.get_att_context_size()[1]
    assert pipeline.chunk_size_in_secs == pytest.approx(0.08 * (look_ahead + 1))
    # Nine features of the past, and those of the chunk: NeMo alone loses one in the smallest.
    assert pipeline.bufferer.feature_buffer_len == 9 + 8 * (look_ahead + 1)


def test_unseen_commands_come_out_nearly_all_right_while_they_are_spoken(pipeline, commands):
    from nemo.collections.asr.metrics.wer import word_error_rate

    from tiny.streaming.evaluate import delays
    from tiny.streaming.stream import stream

    heard = stream(pipeline, [c.waveform for c in commands])
    assert word_error_rate([h.text for h in heard], [c.text for c in commands]) <= 0.15
    assert delays(commands, heard)["delay_ms_median"] <= 1_000 * pipeline.chunk_size_in_secs + 200


def test_streams_side_by_side_say_what_each_says_alone(pipeline, commands):
    from tiny.streaming.stream import stream

    waveforms = [c.waveform for c in commands[:6]]
    together = [heard.text for heard in stream(pipeline, waveforms)]
    assert together == [stream(pipeline, [waveform])[0].text for waveform in waveforms]


def test_silence_says_nothing(pipeline):
    from tiny.streaming.stream import stream

    assert [h.text for h in stream(pipeline, [np.zeros(48_000, np.float32)])] == [""]
