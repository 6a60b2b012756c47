"""Words of long recordings, through chunks, seams and channels: what was said, and when, by both
embedded models; when is known because voices are synthetic or recordings were laid end to end."""

import io
import random
import statistics
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import soundfile as sf

from serve_app import serve_config
from serve_app.config import ModelConfig, PreprocessorConfig
from serve_app.models.loader import load_recognizer
from serve_app.models.protocols import RecognitionOptions
from serve_app.pipelines.transcription import TranscriptionRequest
from serve_app.transcript.types import Transcript, Word
from tests.deployments.local_graph import local_preprocessor
from tests.serve_config.documents import ROOT
from tiny.canary.speech import phrases, voices
from tiny.speech.recordings import UNSEEN_SPEAKER, say_digits
from tiny.speech.voices import SAMPLE_RATE_HZ, Utterance

MAX_MEDIAN_ERROR_S = 0.08
CONFIG = PreprocessorConfig(num_decoders=1)


def model_named(name: str) -> ModelConfig:
    document = serve_config.load(ROOT / "configs/tiny.yaml")
    models = serve_config.server_config(document).models
    return next(model for model in models if model.name == name)


def digits(rng: random.Random) -> Utterance:
    speaker = rng.choice(("george", "jackson", UNSEEN_SPEAKER))
    return say_digits(
        " ".join(rng.choices(["one", "two", "three", "four", "seven", "eight"], k=6)), speaker, rng
    )


def phrase(rng: random.Random) -> Utterance:
    said = voices.say_synthetic(phrases.draw_phrase(rng), "en", rng)
    return Utterance(said.waveform, said.words, said.speaker)


def laid_out(
    utterances: Sequence[Utterance], gap_s: tuple[float, float], rng: random.Random
) -> tuple["np.ndarray[tuple[int], np.dtype[np.float32]]", list[Word]]:
    """One after another with pauses, and when each word is said."""
    parts: list[np.ndarray] = []
    words: list[Word] = []
    at = 0
    for said in utterances:
        pause = np.zeros(round(rng.uniform(*gap_s) * SAMPLE_RATE_HZ), np.float32)
        parts += [pause, said.waveform.astype(np.float32)]
        at += len(pause)
        for word in said.words:
            start_s = word.start_s + at / SAMPLE_RATE_HZ
            words.append(Word(word.text, start_s, word.end_s + at / SAMPLE_RATE_HZ))
        at += len(said.waveform)
    return np.concatenate([*parts, np.zeros(SAMPLE_RATE_HZ, np.float32)]), words


def flac(*channels: "np.ndarray[tuple[int], np.dtype[np.float32]]") -> bytes:
    longest = max(map(len, channels))
    samples = np.stack([np.pad(each, (0, longest - len(each))) for each in channels], axis=1)
    file = io.BytesIO()
    sf.write(file, np.clip(samples, -1, 1), SAMPLE_RATE_HZ, format="FLAC", subtype="PCM_16")
    return file.getvalue()


def errors_s(found: Sequence[Word], said: Sequence[Word]) -> list[float]:
    """Of the middles of words that are the same, each with the nearest."""
    errors: list[float] = []
    for word in said:
        middle_s = (word.start_s + word.end_s) / 2
        same = [
            abs((each.start_s + each.end_s) / 2 - middle_s)
            for each in found
            if each.text.casefold().strip(".,?!") == word.text.casefold()
        ]
        if same and min(same) < 1.0:
            errors.append(min(same))
    return errors


async def heard(model: ModelConfig, upload: bytes, **request: object) -> Transcript:
    recognizer = load_recognizer(model)
    options = RecognitionOptions(language="en", word_times=True)
    asked = replace(TranscriptionRequest(model.name, options), **request)  # type: ignore[arg-type]  # of its fields
    async with local_preprocessor(model, CONFIG, recognizer=recognizer) as preprocessor:
        return await preprocessor.transcribe(upload, asked)


@pytest.mark.parametrize(
    ("name", "say", "gap_s", "least_found"),
    [
        ("parakeet-tiny", digits, (0.9, 2.5), 0.9),
        ("parakeet-tiny", digits, (0.02, 0.05), 0.8),  # hardly a pause: cut through, and joined
        ("canary-tiny", phrase, (0.9, 2.5), 0.9),
    ],
)
async def test_words_of_a_long_recording_are_found_when_they_are_said(
    name: str, say: object, gap_s: tuple[float, float], least_found: float
) -> None:
    rng = random.Random(f"{name} {gap_s}")
    waveform, said = laid_out([say(rng) for _ in range(24)], gap_s, rng)  # type: ignore[operator]
    transcript = await heard(model_named(name), flac(waveform))
    assert transcript.duration_s > 40
    found = transcript.words or ()
    errors = errors_s(found, said)
    assert len(errors) >= least_found * len(said)
    assert len(found) <= 1.1 * len(said), "words that two chunks share are told once"
    assert statistics.median(errors) <= MAX_MEDIAN_ERROR_S
    last = errors[-len(errors) // 5 :]
    assert statistics.median(last) <= MAX_MEDIAN_ERROR_S, "no drift"
    assert all(word.confidence is None or 0 <= word.confidence <= 1 for word in found)


@pytest.mark.parametrize(("name", "say"), [("parakeet-tiny", digits), ("canary-tiny", phrase)])
async def test_two_channels_are_heard_each_for_itself_with_true_times(
    name: str, say: object
) -> None:
    rng = random.Random(name)
    sides = [
        laid_out([say(rng) for _ in range(9)], (1.0, 4.0), rng)  # type: ignore[operator]
        for _ in range(2)
    ]
    upload = flac(*(waveform for waveform, _ in sides))
    transcript = await heard(model_named(name), upload, channel="split")
    starts = [segment.start_s for segment in transcript.segments]
    assert starts == sorted(starts)
    for number, (_, said) in enumerate(sides):
        segments = [each for each in transcript.segments if each.channel == number]
        found = [word for segment in segments for word in segment.words or ()]
        errors = errors_s(found, said)
        assert len(errors) >= 0.85 * len(said)
        assert statistics.median(errors) <= MAX_MEDIAN_ERROR_S
