"""Offline transducers on streams: TDT as parakeet-tiny is one, RNN-T with random weights."""

import random
from pathlib import Path
from typing import Any

import pytest

from serve_app.audio.waveform import Chunk
from serve_app.config import ModelConfig
from serve_app.errors import ConfigError
from serve_app.models.loader import load_recognizer, load_streaming_recognizer
from serve_app.models.protocols import (
    RecognitionOptions,
    RecognitionRequest,
    StreamFrame,
    StreamOptions,
)
from serve_app.models.streaming.buffered import BufferedRecognizer
from tests.graph.recordings import spoken_digits
from tests.models.streaming import random_streaming, streams

TINY = "tiny/weights/parakeet-tiny.nemo"
SHORT = {"left_s": 2.0, "chunk_s": 0.48, "right_s": 0.4}


def load(checkpoint: str = TINY, **streaming: Any) -> BufferedRecognizer:
    config = {
        "name": "live",
        "kind": "parakeet",
        "checkpoint": checkpoint,
        "streaming": {"method": "buffered", "num_slots": 4, **streaming},
    }
    model = load_streaming_recognizer(ModelConfig.model_validate(config))
    assert isinstance(model, BufferedRecognizer)
    return model


@pytest.fixture(scope="module")
def model() -> BufferedRecognizer:
    return load(**SHORT)


@pytest.fixture(scope="module")
def rnnt(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("rnnt")
    path: Path = folder / "random.nemo"
    random_streaming.build(folder).save_to(str(path))
    return str(path)


def draw(rng: random.Random) -> streams.Samples:
    samples = streams.pcm(spoken_digits(rng.randint(1, 3), rng) * rng.uniform(0.1, 1.0))
    return samples[: rng.randint(0, len(samples))] if rng.random() < 0.4 else samples


def options(rng: random.Random) -> StreamOptions:
    return StreamOptions(blank_s=rng.choice((None, None, 0.3)))


def test_150_random_streams_in_any_company_equal_the_same_streams_alone(
    model: BufferedRecognizer,
) -> None:
    rng = random.Random(1)
    many = streams.random_streams(150, model.step_samples, rng, draw=draw, options=options)
    found = streams.assert_alone_equals_company(model, many, rng)
    assert {text.ended for text in streams.all_texts(found)} == {None, "asked", "blank"}
    assert len({text.confirmed for text in streams.all_texts(found)}) > 100


def test_40_random_streams_of_an_rnnt_equal_the_same_streams_alone(rnnt: str) -> None:
    model = load(rnnt, **SHORT)
    rng = random.Random(2)
    many = streams.random_streams(40, model.step_samples, rng, draw=draw, options=options)
    found = streams.assert_alone_equals_company(model, many, rng)
    assert len({text.confirmed for text in streams.all_texts(found)}) > 40


def test_with_its_default_parts_it_says_what_the_offline_model_says() -> None:
    model = load()
    offline = load_recognizer(ModelConfig(name="tiny", kind="parakeet", checkpoint=TINY))
    assert model.step_samples == 2 * 16_000
    rng = random.Random(3)
    same = 0
    for _ in range(10):
        samples = streams.pcm(spoken_digits(rng.randint(5, 20), rng))
        request = RecognitionRequest(Chunk(samples.tobytes(), 0.0), RecognitionOptions())
        (whole,) = offline.recognize(offline.prepare([request]))
        (*_, last) = streams.speak(model, streams.segment(samples, model.step_samples))
        same += whole.text == last.confirmed
        if whole.text == last.confirmed:
            assert whole.words is not None
            assert last.words is not None
            for word, other in zip(whole.words, last.words, strict=True):
                assert abs(word.start_s - other.start_s) < 0.2
    assert same >= 9


def test_the_work_of_a_step_does_not_grow_with_the_age_of_the_stream(
    model: BufferedRecognizer,
) -> None:
    encoded: list[int] = []
    hook = model._model.encoder.register_forward_hook(
        lambda _, __, kwargs, ___: encoded.append(kwargs["audio_signal"].shape[-1]),
        with_kwargs=True,
    )
    cuts = streams.segment(streams.pcm(spoken_digits(40, random.Random(4))), model.step_samples)
    texts = streams.speak(model, cuts)
    hook.remove()
    seen_s = 2.0 + 0.48 + 0.4
    assert len(encoded) == len(texts) > 20
    assert max(encoded) <= seen_s * 100 + 1
    assert len(set(encoded[10:-1])) == 1


def test_no_slot_leaks_over_500_cycles_of_which_half_break_off(model: BufferedRecognizer) -> None:
    rng = random.Random(5)
    cuts = streams.segment(streams.pcm(spoken_digits(2, rng)), model.step_samples)
    first = streams.speak(model, cuts)
    for cycle in range(500):
        slot = rng.randrange(model.num_slots)
        model.occupy(slot, StreamOptions())
        if cycle % 10 < 5:
            model.step([StreamFrame(slot, cuts[0][0], is_last=cycle % 2 == 0)])
        model.release(slot)
    assert model._segments == [None] * model.num_slots
    for slot in range(model.num_slots):
        assert streams.speak(model, cuts, slot=slot) == first


@pytest.mark.parametrize("num_samples", [0, 1, 159, 1_279, 1_281])
def test_the_shortest_segments_have_an_answer(model: BufferedRecognizer, num_samples: int) -> None:
    samples = streams.pcm(spoken_digits(1, random.Random(6)))[8_000 : 8_000 + num_samples]
    (text,) = streams.speak(model, streams.segment(samples, model.step_samples))
    assert text.ended == "asked"
    assert text.num_samples == num_samples


def test_parts_are_rounded_up_to_whole_frames() -> None:
    assert load(chunk_s=1.0, right_s=0.01).step_samples == 13 * 1_280


def test_a_checkpoint_without_a_transducer_is_refused() -> None:
    with pytest.raises(ConfigError, match="no transducer") as error:
        load("tiny/weights/canary-tiny.nemo")
    assert error.value.place == "models.live.kind"
