"""The tiny model itself, on what the server hands it: rows of any length in any company."""

import random

import numpy as np
import pytest

from serve_app.audio.waveform import Chunk
from serve_app.config import ModelConfig
from serve_app.models.loader import load_recognizer
from serve_app.models.protocols import RecognitionOptions, RecognitionRequest, Recognizer
from serve_app.transcript.types import Hypothesis
from tests.graph.recordings import spoken_digits

CHECKPOINT = "tiny/weights/parakeet-tiny.nemo"


@pytest.fixture(scope="module")
def model() -> Recognizer:
    return load_recognizer(ModelConfig(name="tiny", kind="parakeet", checkpoint=CHECKPOINT))


def request(samples: np.ndarray, *, logprobs: bool = False) -> RecognitionRequest:
    pcm = (np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes()
    return RecognitionRequest(Chunk(pcm, 0.0), RecognitionOptions(logprobs=logprobs))


def recognize(model: Recognizer, requests: list[RecognitionRequest]) -> list[Hypothesis]:
    return model.recognize(model.prepare(requests))


def random_requests(count: int, seed: int) -> list[RecognitionRequest]:
    """Digits of all speakers, from a tenth of a second of one to a quarter of a minute."""
    rng = random.Random(seed)
    requests = []
    for _ in range(count):
        samples = spoken_digits(rng.randint(1, 12), rng)
        if rng.random() < 0.2:
            samples = samples[: int(16_000 * rng.uniform(0.1, 2))]
        requests.append(request(samples * rng.uniform(0.1, 1.0), logprobs=rng.random() < 0.5))
    return requests


def test_200_random_clips_in_any_batch_equal_the_same_clips_alone(model: Recognizer) -> None:
    requests = random_requests(200, seed=3)
    alone = [recognize(model, [each])[0] for each in requests]
    assert len({hypothesis.text for hypothesis in alone}) > 150
    rng = random.Random(4)
    order = rng.sample(range(200), 200)
    while order:
        size = rng.randint(1, 24)
        batch, order = order[:size], order[size:]
        together = recognize(model, [requests[index] for index in batch])
        for index, found in zip(batch, together, strict=True):
            assert found.text == alone[index].text
            assert times(found) == times(alone[index])
            assert confidences(found) == pytest.approx(confidences(alone[index]), abs=2e-3)


def times(hypothesis: Hypothesis) -> list[float]:
    return [time for word in hypothesis.words or () for time in (word.start_s, word.end_s)]


def confidences(hypothesis: Hypothesis) -> list[float | None]:
    return [word.confidence for word in hypothesis.words or ()]


def test_words_spell_the_text_inside_the_chunk_in_order(model: Recognizer) -> None:
    for each in random_requests(60, seed=5):
        (found,) = recognize(model, [each])
        assert found.words is not None
        assert " ".join(word.text for word in found.words) == found.text
        assert all(0 <= word.start_s <= word.end_s <= each.chunk.duration_s for word in found.words)
        starts = [word.start_s for word in found.words]
        assert starts == sorted(starts)
        assert all(word.confidence is not None and 0 < word.confidence <= 1 for word in found.words)


def test_log_probabilities_come_when_asked_for_and_belong_to_the_words(model: Recognizer) -> None:
    samples = spoken_digits(5, random.Random(6))
    plain, detailed = recognize(model, [request(samples), request(samples, logprobs=True)])
    assert plain.tokens is None
    assert detailed.tokens is not None
    assert "".join(token.text for token in detailed.tokens).replace("▁", " ").strip() == plain.text
    assert all(token.logprob <= 0 for token in detailed.tokens)
    least = min(np.exp(token.logprob) for token in detailed.tokens)
    assert least == pytest.approx(min(filter(None, confidences(plain))), abs=2e-3)


@pytest.mark.parametrize("num_samples", [1, 10, 159, 400, 1599, 1601])
def test_the_shortest_clips_give_an_answer(model: Recognizer, num_samples: int) -> None:
    noise = np.random.default_rng(num_samples).normal(0, 0.1, num_samples)
    (found,) = recognize(model, [request(noise)])
    assert isinstance(found.text, str)


def test_another_file_than_the_configured_one_is_refused() -> None:
    from serve_app.errors import ConfigError

    config = ModelConfig(name="tiny", kind="parakeet", checkpoint=CHECKPOINT, sha256="0" * 64)
    with pytest.raises(ConfigError, match="sha256"):
        load_recognizer(config)


def test_bfloat16_says_nearly_the_same(model: Recognizer) -> None:
    half = load_recognizer(
        ModelConfig(name="half", kind="parakeet", checkpoint=CHECKPOINT, precision="bfloat16")
    )
    requests = random_requests(40, seed=8)
    same = [
        recognize(model, [each])[0].text == recognize(half, [each])[0].text for each in requests
    ]
    assert sum(same) >= 34
