"""Hot words on the tiny model: what they mend, and that they are nobody else's business."""

import random
from dataclasses import replace

import numpy as np
import pytest

from serve_app.audio.waveform import Chunk
from serve_app.config import ModelConfig
from serve_app.models.loader import load_recognizer
from serve_app.models.offline import hotwords as offline_hotwords
from serve_app.models.offline.parakeet import ParakeetRecognizer
from serve_app.models.protocols import RecognitionOptions, RecognitionRequest, Recognizer
from serve_app.transcript.types import Hypothesis
from tests.models.test_parakeet import CHECKPOINT, random_requests, recognize, times
from tiny.speech import grammar, voices

NOISES = (0.0, 0.05, 0.1, 0.2)
NUM_SAID = 144
"""Enough that what hot words mend is no matter of a few words, which differ by processor."""


@pytest.fixture(scope="module")
def model() -> Recognizer:
    return load_recognizer(ModelConfig(name="tiny", kind="parakeet", checkpoint=CHECKPOINT))


def noisy_sentences(count: int, seed: int) -> list[tuple[str, RecognitionRequest]]:
    """What unseen voices say, half of it without grammar, with ever more noise."""
    rng, noise = random.Random(seed), np.random.default_rng(seed)
    said = []
    for index in range(count):
        draw = grammar.draw_shuffled_words if index % 2 else grammar.draw_command
        text = draw(rng, held_out=True)
        waveform = voices.speak(text, voices.draw_voice(rng, held_out=True)).waveform
        waveform = np.pad(waveform, (3000, 6000))
        waveform = waveform + NOISES[index % len(NOISES)] * noise.normal(size=len(waveform))
        pcm = (np.clip(waveform, -1, 1) * 32767).astype("<i2").tobytes()
        said.append((text, RecognitionRequest(Chunk(pcm, 0.0), RecognitionOptions())))
    return said


def with_hotwords(request: RecognitionRequest, *phrases: str) -> RecognitionRequest:
    return replace(request, options=replace(request.options, hotwords=phrases))


def long_words(text: str) -> tuple[str, ...]:
    return tuple(word for word in text.split() if len(word) > 4)


def num_missed(found: list[Hypothesis], texts: list[str]) -> int:
    """Of the long words that are said, those that are not written."""
    return sum(
        word not in row.text.split()
        for row, text in zip(found, texts, strict=True)
        for word in long_words(text)
    )


def test_hot_words_are_heard_where_they_were_missed(model: Recognizer) -> None:
    said = noisy_sentences(NUM_SAID, seed=11)
    texts = [text for text, _ in said]
    plain = recognize(model, [request for _, request in said])
    leaning = recognize(model, [with_hotwords(row, *long_words(text)) for text, row in said])
    assert num_missed(leaning, texts) < 0.9 * num_missed(plain, texts)
    assert any(
        row.text != text and biased.text == text
        for row, biased, text in zip(plain, leaning, texts, strict=True)
    )


def test_a_transducer_without_durations_leans_too() -> None:
    """The streaming model's decoder is RNN-T; it hears recordings as well."""
    path = "tiny/weights/parakeet-streaming-tiny.nemo"
    rnnt = load_recognizer(
        ModelConfig(name="rnnt", kind="parakeet", checkpoint=path, hotword_strength=3.0)
    )
    said = noisy_sentences(NUM_SAID, seed=31)
    texts, requests = [text for text, _ in said], [row for _, row in said]
    plain = recognize(rnnt, requests)
    leaning = [with_hotwords(row, *long_words(text)) for text, row in said]
    assert num_missed(recognize(rnnt, leaning), texts) < num_missed(plain, texts)
    mixed = [
        lean if index % 2 else row
        for index, (row, lean) in enumerate(zip(requests, leaning, strict=True))
    ]
    assert recognize(rnnt, mixed)[::2] == plain[::2]


def test_hot_words_that_are_not_said_are_hardly_ever_written(model: Recognizer) -> None:
    requests = random_requests(80, seed=12)
    plain = recognize(model, requests)
    leaning = recognize(model, [with_hotwords(row, "kitchen", "new york") for row in requests])
    same = [a.text == b.text for a, b in zip(plain, leaning, strict=True)]
    assert sum(same) >= 76


def test_rows_without_hot_words_say_the_same_in_any_company(model: Recognizer) -> None:
    rng = random.Random(13)
    requests = random_requests(200, seed=13)
    while requests:
        size = rng.randint(1, 32)
        batch, requests = requests[:size], requests[size:]
        leans = [rng.random() < 0.5 for _ in batch]
        mixed = [
            with_hotwords(row, *rng.choices(grammar.vocabulary(), k=rng.randint(1, 5)))
            if leaning
            else row
            for row, leaning in zip(batch, leans, strict=True)
        ]
        plain, together = recognize(model, batch), recognize(model, mixed)
        for leaning, expected, found in zip(leans, plain, together, strict=True):
            assert leaning or found == expected


def test_a_row_with_hot_words_says_the_same_alone(model: Recognizer) -> None:
    said = noisy_sentences(40, seed=14)
    requests = [
        with_hotwords(row, *long_words(text)) if index % 3 else row
        for index, (text, row) in enumerate(said)
    ]
    for each, found in zip(requests, recognize(model, requests), strict=True):
        (alone,) = recognize(model, [each])
        assert (alone.text, times(alone)) == (found.text, times(found))


def test_words_of_leaning_rows_have_times_and_confidences(model: Recognizer) -> None:
    said = noisy_sentences(24, seed=15)
    requests = [with_hotwords(row, *long_words(text)) for text, row in said]
    plain = recognize(model, [row for _, row in said])
    for each, found, before in zip(requests, recognize(model, requests), plain, strict=True):
        assert found.words is not None
        assert " ".join(word.text for word in found.words) == found.text
        assert all(0 <= word.start_s <= word.end_s <= each.chunk.duration_s for word in found.words)
        assert all(word.confidence is not None and 0 < word.confidence <= 1 for word in found.words)
        assert found.text != before.text or times(found) == times(before)


def test_trees_are_kept_up_to_a_bound_and_grow_again(
    model: Recognizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(offline_hotwords, "_MAX_TREES", 8)
    said = noisy_sentences(60, seed=16)
    requests = [with_hotwords(row, *long_words(text), str(i)) for i, (text, row) in enumerate(said)]
    first = [recognize(model, [each])[0] for each in requests]
    for size in (5, 20):  # also more sets in one batch than are kept
        for start in range(0, len(requests), size):
            again = recognize(model, requests[start : start + size])
            assert [row.text for row in again] == [row.text for row in first[start : start + size]]
    recognize(model, requests[:1])
    assert isinstance(model, ParakeetRecognizer)
    assert model._biased is not None
    assert len(model._biased._trees._ids) <= 8


@pytest.mark.parametrize("phrase", ["москва", "½", "日本", "1234"])
def test_phrases_that_the_vocabulary_cannot_spell_change_nothing(
    model: Recognizer, phrase: str
) -> None:
    requests = random_requests(4, seed=17)
    assert recognize(model, [with_hotwords(row, phrase) for row in requests]) == recognize(
        model, requests
    )


def test_capitals_do_not_matter_to_a_vocabulary_without(model: Recognizer) -> None:
    said = noisy_sentences(24, seed=18)
    lower = recognize(model, [with_hotwords(row, *long_words(text)) for text, row in said])
    upper = recognize(model, [with_hotwords(row, *long_words(text.title())) for text, row in said])
    assert [row.text for row in upper] == [row.text for row in lower]
