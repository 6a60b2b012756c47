"""The simulated engine for streams: its words are the samples', its steps cost what was said."""

import random
import time

import numpy as np
import pytest

from serve_app.audio.waveform import Chunk
from serve_app.config import ModelConfig
from serve_app.models.loader import load_recognizer, load_streaming_recognizer
from serve_app.models.protocols import (
    RecognitionOptions,
    RecognitionRequest,
    StreamFrame,
    StreamingRecognizer,
    StreamOptions,
)
from tests.models.streaming import streams

LANGUAGES = ("en", "de", "fr")
FREE = {"fixed_s": 0.0, "per_stream_s": 0.0, "per_audio_s": 0.0}


def config(*, is_live: bool = True, **streaming: object) -> ModelConfig:
    return ModelConfig.model_validate(
        {
            "name": "sim",
            "kind": "simulated",
            "languages": LANGUAGES,
            "pivot_language": "en",
            "simulated": FREE,
            "streaming": {"num_slots": 5, **streaming} if is_live else None,
        }
    )


@pytest.fixture(scope="module")
def model() -> StreamingRecognizer:
    return load_streaming_recognizer(config())


def draw(rng: random.Random) -> streams.Samples:
    samples = np.random.default_rng(rng.getrandbits(32)).integers(
        -9_000, 9_000, rng.randint(0, 60_000), dtype=np.int16
    )
    start = rng.randint(0, 40_000)
    samples[start : start + rng.randint(0, 30_000)] = 0
    return samples


def options(rng: random.Random) -> StreamOptions:
    return StreamOptions(
        language=rng.choice((None, *LANGUAGES)),
        target_language=rng.choice((None, None, "en")),
        pnc=rng.random() < 0.5,
        blank_s=rng.choice((None, 0.5, 1.0)),
    )


def test_500_random_streams_in_any_company_equal_the_same_streams_alone(
    model: StreamingRecognizer,
) -> None:
    rng = random.Random(1)
    many = streams.random_streams(500, model.step_samples, rng, draw=draw, options=options)
    found = streams.assert_alone_equals_company(model, many, rng)
    assert {text.ended for text in streams.all_texts(found)} == {None, "asked", "blank"}


def test_a_segment_says_what_the_engine_for_recordings_says_of_its_samples(
    model: StreamingRecognizer,
) -> None:
    offline = load_recognizer(config(is_live=False))
    rng = random.Random(2)
    for _ in range(50):
        samples = draw(rng)
        for pnc in (True, False):
            wanted = RecognitionOptions(language="en", target_language="de", pnc=pnc)
            (recorded,) = offline.recognize(
                offline.prepare([RecognitionRequest(Chunk(samples.tobytes(), 0.0), wanted)])
            )
            told = StreamOptions(language="en", target_language="de", pnc=pnc)
            (*_, last) = streams.speak(
                model, streams.segment(samples, model.step_samples), options=told
            )
            assert last.confirmed == recorded.text
            assert (last.language, last.spoken_language) == ("de", "en")
            assert last.words is None


def test_a_segment_ends_at_its_longest_on_a_step_and_the_next_one_begins_anew() -> None:
    model = load_streaming_recognizer(config(max_segment_s=2.0))
    samples = np.random.default_rng(3).integers(-9_000, 9_000, 100_000, dtype=np.int16)
    texts = streams.speak(model, streams.segment(samples, model.step_samples))
    ends = [text for text in texts if text.ended is not None]
    most = 32_000 // model.step_samples * model.step_samples
    assert [text.ended for text in ends] == ["length"] * (100_000 // most) + ["asked"]
    for number, text in enumerate(ends):
        part = samples[number * most : (number + 1) * most]
        assert text.num_samples == len(part)
        alone = streams.speak(model, streams.segment(part, model.step_samples))
        assert streams.finals(alone)[0] == text.confirmed


def test_a_long_segment_ends_in_a_pause_before_it_is_at_its_longest() -> None:
    model = load_streaming_recognizer(config(max_segment_s=10.0))
    for pause_s, pause_at_s, ends_at_s in (
        (1.2, 5.0, 10.0),  # it does not look for one yet
        (1.2, 8.0, 8.96),
        (0.8, 9.2, 9.92),
    ):
        samples = np.random.default_rng(5).integers(-9_000, 9_000, 400_000, dtype=np.int16)
        start = round(pause_at_s * 16_000)
        samples[start : start + round(pause_s * 16_000)] = 0
        texts = streams.speak(model, streams.segment(samples, model.step_samples))
        place, end = next((i, text) for i, text in enumerate(texts) if text.ended == "length")
        assert (place + 1) * model.step_samples / 16_000 == pytest.approx(ends_at_s, abs=0.5)
        if ends_at_s < 10.0:
            assert start <= end.num_samples <= start + pause_s * 16_000


@pytest.mark.parametrize("look_ahead", [0, 1, 6, 13])
def test_a_step_is_one_frame_more_than_the_look_ahead(look_ahead: int) -> None:
    model = load_streaming_recognizer(config(att_context=(70, look_ahead)))
    assert model.step_samples == 1_280 * (look_ahead + 1)


def test_a_step_takes_its_fixed_time_and_each_stream_a_little_more() -> None:
    cost = {"fixed_s": 0.02, "per_stream_s": 0.01}
    model = load_streaming_recognizer(config().model_copy(update={"simulated": cost_of(cost)}))
    for slot in range(5):
        model.occupy(slot, StreamOptions())
    pcm = bytes(2 * model.step_samples)
    start = time.perf_counter()
    model.step([StreamFrame(slot, pcm) for slot in range(5)])
    assert 0.07 <= time.perf_counter() - start < 0.7


def cost_of(cost: dict[str, float]) -> object:
    from serve_app.config import SimulatedConfig

    return SimulatedConfig(**cost)


def test_slots_are_taken_once_and_frames_have_their_length(model: StreamingRecognizer) -> None:
    model.occupy(2, StreamOptions())
    with pytest.raises(ValueError, match="occupied"):
        model.occupy(2, StreamOptions())
    with pytest.raises(ValueError, match="free"):
        model.step([StreamFrame(3, bytes(2 * model.step_samples))])
    with pytest.raises(ValueError, match="frame of 7 samples"):
        model.step([StreamFrame(2, bytes(14))])
    with pytest.raises(ValueError, match="two frames"):
        model.step([StreamFrame(2, b"", is_last=True)] * 2)
    model.release(2)
    with pytest.raises(ValueError, match="free"):
        model.release(2)
