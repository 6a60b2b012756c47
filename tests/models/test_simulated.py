"""The engine without weights, as a model of several languages that translates."""

import numpy as np
import pytest

from serve_app.audio.waveform import Chunk
from serve_app.config import ModelConfig
from serve_app.models.protocols import RecognitionOptions, RecognitionRequest
from serve_app.models.simulated import SimulatedRecognizer
from serve_app.transcript.types import Hypothesis

LANGUAGES = ("en", "de", "fr")


@pytest.fixture
def model() -> SimulatedRecognizer:
    return SimulatedRecognizer(
        ModelConfig.model_validate(
            {
                "name": "pretender",
                "kind": "simulated",
                "languages": LANGUAGES,
                "pivot_language": "en",
                "simulated": {"fixed_s": 0, "per_audio_s": 0},
            }
        )
    )


def said(model: SimulatedRecognizer, seed: int, **options: object) -> Hypothesis:
    samples = np.random.default_rng(seed).integers(-1000, 1000, 24_000, dtype=np.int16)
    options_ = RecognitionOptions(**options)  # type: ignore[arg-type]  # as a caller names them
    (found,) = model.recognize(
        model.prepare([RecognitionRequest(Chunk(samples.tobytes(), 0.0), options_)])
    )
    return found


def test_words_depend_on_the_samples_and_the_language_of_the_text(
    model: SimulatedRecognizer,
) -> None:
    english, german = said(model, 1, language="en"), said(model, 1, language="de")
    into_german = said(model, 1, language="en", target_language="de")
    assert english.text == german.text == said(model, 1, language="en").text
    assert len({english.text, into_german.text, said(model, 2, language="en").text}) == 3
    assert (into_german.language, into_german.spoken_language) == ("de", "en")


def test_only_transcripts_have_word_times(model: SimulatedRecognizer) -> None:
    found = said(model, 1, language="en")
    assert found.words is not None
    assert " ".join(word.text for word in found.words) == found.text
    assert said(model, 1, language="en", target_language="de").words is None


def test_punctuation_and_capitals_are_by_request(model: SimulatedRecognizer) -> None:
    with_pnc, without = said(model, 1, language="en"), said(model, 1, language="en", pnc=False)
    assert with_pnc.text == without.text.capitalize() + "."


def test_the_language_is_heard_where_none_is_named(model: SimulatedRecognizer) -> None:
    assert {said(model, seed).language for seed in range(30)} == set(LANGUAGES)
    into_french = [said(model, seed, target_language="fr") for seed in range(30)]
    assert {found.spoken_language for found in into_french} == {"en", "fr"}


def test_of_two_languages_one_is_heard_and_the_text_is_in_the_other(
    model: SimulatedRecognizer,
) -> None:
    found = [said(model, seed, among=("en", "fr"), crosses=True) for seed in range(20)]
    pairs = {(each.spoken_language, each.language) for each in found}
    assert pairs == {("en", "fr"), ("fr", "en")}
    heard = [said(model, seed, among=("en", "fr")) for seed in range(20)]
    assert [each.spoken_language for each in found] == [each.language for each in heard]
