"""Multitask models with random weights, on rows of any language, task and company."""

import logging
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from nemo.utils import logging as nemo_logging

from serve_app.audio.waveform import Chunk
from serve_app.config import ModelConfig
from serve_app.errors import ConfigError
from serve_app.models.loader import load_recognizer
from serve_app.models.offline import canary
from serve_app.models.offline.canary import CanaryRecognizer
from serve_app.models.protocols import RecognitionOptions, RecognitionRequest
from tests.models import random_canary
from tests.models.random_canary import LANGUAGES
from tests.models.test_parakeet import CHECKPOINT, recognize, times


def config(**settings: Any) -> ModelConfig:
    return ModelConfig.model_validate(
        {
            "name": "random",
            "kind": "canary",
            "checkpoint": "random.nemo",
            "languages": LANGUAGES,
            "pivot_language": "en",
            "max_chunk_s": 2,
            **settings,
        }
    )


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Any:
    nemo_logging.setLevel(logging.ERROR)
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("tokenizers")
    model = random_canary.build(folder)
    random_canary.enliven(model)
    model.preprocessor.featurizer.dither = 0.0
    object.__setattr__(model, "timestamps_asr_model", random_canary.build_aligner(folder))
    return model


@pytest.fixture
def model(weights: Any) -> CanaryRecognizer:
    return CanaryRecognizer(weights, config(min_language_probability=0.0))


def request(seed: int, duration_s: float, **options: Any) -> RecognitionRequest:
    """Noise through a comb that is different in each."""
    rng = np.random.default_rng(seed)
    place = np.arange(int(16_000 * duration_s))
    samples = rng.normal(0, 0.1, len(place)) * np.sin(place * rng.uniform(0.001, 1))
    pcm = (np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes()
    return RecognitionRequest(Chunk(pcm, 0.0), RecognitionOptions(**options))


def random_requests(count: int, seed: int) -> list[RecognitionRequest]:
    rng = random.Random(seed)
    pairs = [(code, None) for code in LANGUAGES] + [(None, None), (None, "en"), (None, "fr")]
    pairs += [("en", "de"), ("en", "fr"), ("de", "en"), ("fr", "en")]
    return [
        request(
            rng.randrange(10**6),
            rng.uniform(0.1, 1.5),
            language=language,
            target_language=target,
            pnc=rng.random() < 0.5,
            word_times=rng.random() < 0.5,
        )
        for language, target in (rng.choice(pairs) for _ in range(count))
    ]


def test_200_mixed_rows_in_any_batch_equal_the_same_rows_alone(model: CanaryRecognizer) -> None:
    requests = random_requests(200, seed=3)
    alone = [recognize(model, [each])[0] for each in requests]
    assert len({hypothesis.text for hypothesis in alone}) > 150
    assert {hypothesis.spoken_language for hypothesis in alone} == set(LANGUAGES)
    rng = random.Random(4)
    order = rng.sample(range(200), 200)
    while order:
        size = rng.randint(1, 24)
        batch, order = order[:size], order[size:]
        together = recognize(model, [requests[index] for index in batch])
        for index, found in zip(batch, together, strict=True):
            assert (found.text, found.language, found.spoken_language) == (
                alone[index].text,
                alone[index].language,
                alone[index].spoken_language,
            )
            assert times(found) == pytest.approx(times(alone[index]))


def test_the_first_canaries_are_asked_in_their_own_format(tmp_path: Path) -> None:
    weights = random_canary.build(tmp_path, prompt_format="canary")
    random_canary.enliven(weights)
    model = CanaryRecognizer(weights, config(min_language_probability=0.0))
    asked = model._prompts.ids("de", "en", pnc=False)
    assert weights.tokenizer.ids_to_tokens(asked) == [
        "<|startoftranscript|>", "<|de|>", "<|translate|>", "<|en|>", "<|nopnc|>",
    ]  # fmt: skip
    rows = random_requests(40, seed=3)
    together = recognize(model, rows)
    assert len({found.spoken_language for found in together}) > 1
    for row, found in zip(rows, together, strict=True):
        (alone,) = recognize(model, [row])
        assert (found.text, found.language) == (alone.text, alone.language)


def test_the_decoder_does_not_drop_out_after_a_call(model: CanaryRecognizer, weights: Any) -> None:
    first = recognize(model, random_requests(4, seed=5))
    assert not any(module.training for module in weights.modules())
    assert recognize(model, random_requests(4, seed=5)) == first


def test_language_task_and_punctuation_each_change_what_is_said(model: CanaryRecognizer) -> None:
    asked = [
        {"language": "en"},
        {"language": "de"},
        {"language": "en", "pnc": False},
        {"language": "en", "target_language": "de"},
    ]
    rows = [request(1, 3, **options) for options in asked]
    assert len({found.text for found in recognize(model, rows)}) == len(asked)


def test_languages_of_speech_and_text_are_reported(model: CanaryRecognizer) -> None:
    named, translated, found = recognize(
        model,
        [
            request(1, 1, language="de"),
            request(1, 1, language="de", target_language="en"),
            request(1, 1),
        ],
    )
    assert (named.spoken_language, named.language) == ("de", "de")
    assert (translated.spoken_language, translated.language) == ("de", "en")
    assert found.spoken_language == found.language
    assert found.language in LANGUAGES


def test_what_cannot_be_translated_is_written_as_it_is_spoken(model: CanaryRecognizer) -> None:
    """German is never translated into French; the recording's story then refuses it by name."""
    rows = [request(seed, 1, target_language="fr") for seed in range(40)]
    found = {(row.spoken_language, row.language) for row in recognize(model, rows)}
    assert found == {("en", "fr"), ("fr", "fr"), ("de", "de")}


def test_who_is_not_sure_takes_the_fallback(weights: Any) -> None:
    unsure = CanaryRecognizer(weights, config(min_language_probability=1.0, fallback_language="de"))
    rows = [request(seed, 1) for seed in range(5)]
    assert {row.spoken_language for row in recognize(unsure, rows)} == {"de"}
    # The fall-back does not count where it could not become what is asked for.
    rows = [request(seed, 1, target_language="fr") for seed in range(5)]
    assert {row.spoken_language for row in recognize(unsure, rows)} <= {"en", "fr"}


def test_of_two_languages_the_likelier_is_spoken_and_the_text_is_in_the_other(
    weights: Any,
) -> None:
    strict = CanaryRecognizer(weights, config(min_language_probability=1.0, fallback_language="fr"))
    for seed in range(8):
        either = strict.recognize(
            strict.prepare([request(seed, 0.7, among=("en", "de"), crosses=True)])
        )[0]
        assert {either.spoken_language, either.language} == {"en", "de"}
        pair = {"language": either.spoken_language, "target_language": either.language}
        named = strict.recognize(strict.prepare([request(seed, 0.7, **pair)]))[0]
        assert either == named
        heard = strict.recognize(strict.prepare([request(seed, 0.7, among=("en", "de"))]))[0]
        assert heard.language == heard.spoken_language == either.spoken_language


def test_words_of_transcripts_are_timed_and_those_of_translations_are_not(
    model: CanaryRecognizer,
) -> None:
    said, translated, unasked = recognize(
        model,
        [
            request(1, 3, language="en"),
            request(1, 3, language="en", target_language="de"),
            request(1, 3, language="en", word_times=False),
        ],
    )
    assert said.words
    assert " ".join(word.text for word in said.words) == said.text
    assert all(0 <= word.start_s <= word.end_s <= 3.1 for word in said.words)
    assert times(said) == sorted(times(said))
    assert translated.text
    assert translated.words is None
    assert unasked.text == said.text
    assert unasked.words is None


def test_beams_are_a_matter_of_configuration(weights: Any) -> None:
    rows = random_requests(12, seed=6)
    greedy = [row.text for row in recognize(CanaryRecognizer(weights, config()), rows)]
    wide = CanaryRecognizer(weights, config(beam_size=4))
    searched = [row.text for row in recognize(wide, rows)]
    assert searched != greedy
    assert searched == [recognize(wide, [row])[0].text for row in rows]


def test_a_checkpoint_without_a_limit_of_its_own_ends_no_text_early(weights: Any) -> None:
    recognizer = CanaryRecognizer(weights, config())
    rows = [request(seed, 0.3, language="en", word_times=False) for seed in range(8)]
    limited = [row.text for row in recognize(recognizer, rows)]
    weights.decoding.decoding.beam_search.max_delta_len = -1
    whole = [row.text for row in recognize(recognizer, rows)]
    assert all(text.startswith(start) for text, start in zip(whole, limited, strict=True))
    assert sum(map(len, whole)) > sum(map(len, limited))


def test_a_text_that_the_aligner_stumbles_over_loses_only_its_own_times(
    model: CanaryRecognizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [request(seed, 1, language="en") for seed in range(4)]
    before = recognize(model, rows)
    align = canary.get_forced_aligned_timestamps_with_external_model

    def stumble(**arguments: Any) -> Any:
        if any(row.text == before[2].text for row in arguments["main_model_predictions"]):
            raise ValueError("no path through the lattice")
        return align(**arguments)

    monkeypatch.setattr(canary, align.__name__, stumble)
    found = recognize(model, rows)
    assert [row.text for row in found] == [row.text for row in before]
    assert [row.words is None for row in found] == [False, False, True, False]


def test_a_checkpoint_brings_its_aligner_or_has_no_word_times(weights: Any, tmp_path: Path) -> None:
    path = tmp_path / "whole.nemo"
    random_canary.save(weights, weights.timestamps_asr_model, path)
    whole = load_recognizer(config(checkpoint=str(path)))
    assert whole.info.word_times
    bare_path = tmp_path / "bare.nemo"
    weights.save_to(str(bare_path))
    bare = load_recognizer(config(checkpoint=str(bare_path)))
    assert not bare.info.word_times
    rows = random_requests(4, seed=7)
    texts = [row.text for row in recognize(whole, rows)]
    assert texts == [row.text for row in recognize(bare, rows)]
    assert all(row.words is None for row in recognize(bare, rows) if row.text)


def test_bfloat16_answers_and_its_aligner_stays_exact(weights: Any, tmp_path: Path) -> None:
    path = tmp_path / "whole.nemo"
    random_canary.save(weights, weights.timestamps_asr_model, path)
    half = load_recognizer(config(checkpoint=str(path), precision="bfloat16"))
    found = recognize(half, [request(seed, 1, language="en") for seed in range(8)])
    assert all(row.text for row in found)
    assert any(row.words for row in found)


def test_another_family_is_refused_by_name(weights: Any) -> None:
    with pytest.raises(ConfigError, match="no multitask model"):
        load_recognizer(config(checkpoint=CHECKPOINT))
    with pytest.raises(ConfigError, match="lacks one of them"):
        CanaryRecognizer(weights, config(languages=("en", "xx"), pivot_language=None))
