"""Cache-aware streams: a step knows nothing of who is in it, nor a slot of who was in it."""

import random
from pathlib import Path
from typing import Any

import pytest

from serve_app.config import ModelConfig
from serve_app.errors import ConfigError
from serve_app.models.loader import load_streaming_recognizer
from serve_app.models.protocols import StreamFrame, StreamOptions
from serve_app.models.streaming.cache_aware import CacheAwareRecognizer
from tests.graph.recordings import spoken_digits
from tests.models.streaming import nemo_pipeline, random_streaming, streams


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("streaming")
    path = folder / "random.nemo"
    random_streaming.build(folder).save_to(str(path))
    return path


def config(checkpoint: Path, **streaming: Any) -> ModelConfig:
    return ModelConfig.model_validate(
        {
            "name": "live",
            "kind": "parakeet",
            "checkpoint": str(checkpoint),
            "streaming": {"num_slots": 4, **streaming},
        }
    )


def load(checkpoint: Path, **streaming: Any) -> CacheAwareRecognizer:
    model = load_streaming_recognizer(config(checkpoint, **streaming))
    assert isinstance(model, CacheAwareRecognizer)
    return model


def draw(rng: random.Random) -> streams.Samples:
    """Digits of a real person, cut off anywhere."""
    samples = streams.pcm(spoken_digits(rng.randint(1, 2), rng) * rng.uniform(0.1, 1.0))
    return samples[: rng.randint(0, len(samples))]


@pytest.mark.parametrize(
    ("decoder", "look_ahead", "count"), [("rnnt", 1, 200), ("ctc", 1, 80), ("rnnt", 6, 50)]
)
def test_random_streams_in_any_company_equal_the_same_streams_alone(
    checkpoint: Path, decoder: str, look_ahead: int, count: int
) -> None:
    model = load(checkpoint, decoder=decoder, att_context=(70, look_ahead))
    rng = random.Random(count)
    many = streams.random_streams(
        count,
        model.step_samples,
        rng,
        draw=draw,
        options=lambda rng: StreamOptions(blank_s=rng.choice((None, None, 0.24))),
    )
    found = streams.assert_alone_equals_company(model, many, rng)
    ends = {text.ended for text in streams.all_texts(found)}
    assert ends == {None, "asked", "blank"} or decoder == "ctc"  # its weights know no pauses
    assert len({text.confirmed for text in streams.all_texts(found)}) > count


@pytest.mark.parametrize("look_ahead", [1, 13])
def test_a_segment_says_what_nemos_own_pipeline_says_of_it(
    checkpoint: Path, look_ahead: int
) -> None:
    """Not with a look-ahead of 0: there NeMo 3.0 loses one of 17 feature frames to a rounding."""
    model = load(checkpoint, att_context=(70, look_ahead))
    pipeline = nemo_pipeline.build(str(checkpoint), (70, look_ahead))
    rng = random.Random(7)
    for _ in range(8):
        samples = streams.pcm(spoken_digits(rng.randint(1, 5), rng))
        texts = streams.speak(model, streams.segment(samples, model.step_samples))
        theirs = nemo_pipeline.speak(pipeline, samples, model.step_samples)
        assert texts[-1].confirmed == theirs != ""


@pytest.mark.parametrize("look_ahead", [0, 1, 6, 13])
def test_a_step_is_one_frame_more_than_the_look_ahead(checkpoint: Path, look_ahead: int) -> None:
    model = load(checkpoint, att_context=(70, look_ahead))
    assert model.step_samples == 1_280 * (look_ahead + 1)


def test_the_first_of_the_checkpoints_contexts_is_taken_where_none_is_named(
    checkpoint: Path,
) -> None:
    assert load(checkpoint).step_samples == 1_280 * 14


@pytest.mark.parametrize("context", [(70, 2), (140, 6), (0, 0)])
def test_a_context_that_the_checkpoint_lacks_is_refused(
    checkpoint: Path, context: tuple[int, int]
) -> None:
    with pytest.raises(ConfigError, match=r"\[70, 13\], \[70, 6\], \[70, 1\], \[70, 0\]") as error:
        load(checkpoint, att_context=context)
    assert error.value.place == "models.live.streaming.att_context"


def test_a_checkpoint_that_is_not_made_for_it_is_refused() -> None:
    with pytest.raises(ConfigError, match="buffered") as error:
        load(Path("tiny/weights/parakeet-tiny.nemo"))
    assert error.value.place == "models.live.streaming.method"


def test_another_family_of_checkpoint_is_refused() -> None:
    with pytest.raises(ConfigError, match="EncDecMultiTaskModel") as error:
        load(Path("tiny/weights/canary-tiny.nemo"))
    assert error.value.place == "models.live.kind"


def test_another_file_than_the_configured_one_is_refused(checkpoint: Path) -> None:
    wrong = config(checkpoint).model_copy(update={"sha256": "0" * 64})
    with pytest.raises(ConfigError, match="sha256"):
        load_streaming_recognizer(wrong)


def test_the_work_of_a_step_does_not_grow_with_the_age_of_the_stream(checkpoint: Path) -> None:
    model = load(checkpoint, att_context=(70, 1))
    encoded: list[tuple[int, ...]] = []
    decoded: list[int] = []
    model._encoder.layers[0].register_forward_hook(
        lambda _, __, kwargs, ___: encoded.append(
            (*kwargs["x"].shape, *kwargs["cache_last_channel"].shape)
        ),
        with_kwargs=True,
    )
    model._decoder._computer.joint.joint_net.register_forward_hook(
        lambda _, inputs, __: decoded.append(inputs[0].shape[0])
    )
    rng = random.Random(4)
    samples = streams.pcm(spoken_digits(30, rng))
    cuts = streams.segment(samples, model.step_samples)
    counts = []
    model.occupy(0, StreamOptions())
    for cut in cuts:
        decoded.clear()
        model.step([StreamFrame(0, *cut)])
        counts.append(len(decoded))
    model.release(0)
    assert len(set(encoded)) == 1
    assert len(encoded) == len(cuts)
    most = 2 * (10 + 1)  # frames of a step × (symbols of a frame and its blank)
    assert max(counts[len(counts) // 2 :]) <= most


def test_no_slot_leaks_over_500_cycles_of_which_half_break_off(checkpoint: Path) -> None:
    model = load(checkpoint, att_context=(70, 0))
    rng = random.Random(5)
    samples = streams.pcm(spoken_digits(1, rng))[: 3 * model.step_samples]
    cuts = streams.segment(samples, model.step_samples)[:3]
    first = streams.speak(model, cuts)
    for cycle in range(500):
        slot = rng.randrange(model.num_slots)
        model.occupy(slot, StreamOptions())
        for pcm, _ in cuts[: rng.randint(0, 2)]:
            model.step([StreamFrame(slot, pcm, is_last=cycle % 2 == 0)])
        model.release(slot)
    assert model._caches.free_slots.qsize() == model.num_slots
    assert model._features.available_slots.qsize() == model.num_slots
    assert not model._caches.streamidx2slotidx
    assert not model._features.streamidx2slotidx
    assert float(model._caches.cache_last_channel.abs().max()) == 0
    for slot in range(model.num_slots):
        assert streams.speak(model, cuts, slot=slot) == first


def test_a_stream_released_in_mid_segment_leaves_nothing_behind(checkpoint: Path) -> None:
    model = load(checkpoint, att_context=(70, 6))
    rng = random.Random(6)
    cuts = streams.segment(streams.pcm(spoken_digits(4, rng)), model.step_samples)
    fresh = streams.speak(load(checkpoint, att_context=(70, 6)), cuts)
    for slot in range(model.num_slots):
        streams.speak(model, cuts[:3], slot=slot)
    for slot in range(model.num_slots):
        assert streams.speak(model, cuts, slot=slot) == fresh
