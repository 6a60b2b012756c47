"""The trained streaming model on recordings of real people: words, pauses, and its two decoders."""

import random
from collections.abc import Iterator

import pytest

from loadtest.streams.utterances import Recording, recording
from serve_app.config import ModelConfig
from serve_app.models.loader import load_streaming_recognizer
from serve_app.models.protocols import (
    StreamFrame,
    StreamingRecognizer,
    StreamOptions,
    StreamText,
)
from serve_app.wer import Errors, count_errors

NUM_STREAMS = 12


@pytest.fixture(scope="module", params=["ctc", "rnnt"])
def model(request: pytest.FixtureRequest) -> StreamingRecognizer:
    return load_streaming_recognizer(
        ModelConfig.model_validate(
            {
                "name": "tiny",
                "kind": "parakeet",
                "checkpoint": "tiny/weights/parakeet-streaming-tiny.nemo",
                "streaming": {
                    "num_slots": NUM_STREAMS,
                    "att_context": [70, 1],
                    "decoder": request.param,
                },
            }
        )
    )


def heard(
    model: StreamingRecognizer, said: Recording, slot: int, options: StreamOptions
) -> Iterator[StreamText]:
    """One stream, alone, to its end."""
    model.occupy(slot, options)
    size = 2 * model.step_samples
    for start in range(0, len(said.pcm), size):
        is_last = start + size >= len(said.pcm)
        yield from model.step([StreamFrame(slot, said.pcm[start : start + size], is_last)])
    model.release(slot)


def test_the_words_of_real_people_are_right(model: StreamingRecognizer) -> None:
    """Of those whom training heard, in strings that it did not."""
    errors = Errors()
    for seed in range(8):
        said = recording(seed, at_least_s=5.0)
        *_, last = heard(model, said, 0, StreamOptions())
        errors += count_errors(list(said.words), last.confirmed.split())
    assert errors.num_reference > 60
    assert errors.rate <= 0.08


def test_a_pause_ends_a_segment_by_the_decoders_blanks(model: StreamingRecognizer) -> None:
    said = recording(3, at_least_s=12.0)
    texts = list(heard(model, said, 1, StreamOptions(blank_s=0.48)))
    ends = [text for text in texts if text.ended == "blank"]
    assert len(ends) >= 2
    assert all(text.confirmed for text in ends)
    words = [word for text in texts if text.ended for word in text.confirmed.split()]
    assert abs(len(words) - len(said.words)) <= 2


def test_streams_in_one_step_say_what_each_says_alone(model: StreamingRecognizer) -> None:
    recordings = [recording(seed, at_least_s=2.0) for seed in range(NUM_STREAMS)]
    alone = [list(heard(model, each, 0, StreamOptions()))[-1] for each in recordings]
    rng = random.Random(7)
    size = 2 * model.step_samples
    waiting = dict.fromkeys(range(NUM_STREAMS), 0)
    finals: dict[int, StreamText] = {}
    for slot in waiting:
        model.occupy(slot, StreamOptions())
    while waiting:
        slots = rng.sample(sorted(waiting), rng.randint(1, len(waiting)))
        frames = []
        for slot in slots:
            start, pcm = waiting[slot], recordings[slot].pcm
            is_last = start + size >= len(pcm)
            frames.append(StreamFrame(slot, pcm[start : start + size], is_last))
            waiting[slot] = start + size
        for frame, text in zip(frames, model.step(frames), strict=True):
            if frame.is_last:
                finals[frame.slot] = text
                del waiting[frame.slot]
    for slot in range(NUM_STREAMS):
        model.release(slot)
    assert [finals[slot].confirmed for slot in range(NUM_STREAMS)] == [
        text.confirmed for text in alone
    ]
