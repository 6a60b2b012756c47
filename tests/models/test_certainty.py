"""How sure canary-tiny is of its tokens and words: what its decoder says step by step."""

import random
from dataclasses import replace

import numpy as np
import pytest
import soundfile as sf
import torch

from serve_app.audio.waveform import Chunk
from serve_app.config import ModelConfig
from serve_app.models.loader import PROJECT_ROOT, load_recognizer
from serve_app.models.offline.canary import CanaryRecognizer
from serve_app.models.offline.certainty import spell, tokens_of, with_confidences
from serve_app.models.offline.words import is_spoken
from serve_app.models.protocols import RecognitionOptions, RecognitionRequest
from serve_app.transcript.types import Token, Word
from tests.models.test_parakeet import confidences, recognize

SAMPLES = ("de-2", "en-1", "es-1", "ru-2")


@pytest.fixture(scope="module")
def model() -> CanaryRecognizer:
    config = ModelConfig(
        name="canary",
        kind="canary",
        checkpoint="tiny/weights/canary-tiny.nemo",
        languages=("en", "de", "fr", "es", "ru"),
        pivot_language="en",
    )
    recognizer = load_recognizer(config)
    assert isinstance(recognizer, CanaryRecognizer)
    return recognizer


def request(name: str, *, noise: float = 0.0, **options: bool) -> RecognitionRequest:
    samples, _ = sf.read(PROJECT_ROOT / f"tiny/samples/canary/{name}.wav", dtype="float32")
    samples = samples + noise * np.random.default_rng(3).normal(size=len(samples))
    pcm = (np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes()
    return RecognitionRequest(
        Chunk(pcm, 0.0), RecognitionOptions(language=name.split("-")[0], **options)
    )


@pytest.mark.parametrize("name", SAMPLES)
def test_words_and_tokens_have_their_certainty(model: CanaryRecognizer, name: str) -> None:
    (found,) = recognize(model, [request(name, logprobs=True)])
    assert found.words
    assert found.tokens
    assert all(word.confidence is not None and 0 < word.confidence <= 1 for word in found.words)
    assert spell(found.tokens, found.text)
    least = min(token.logprob for token in found.tokens if is_spoken(token.text))
    assert min(filter(None, confidences(found))) == pytest.approx(np.exp(least), abs=1e-4)


def test_tokens_are_given_to_those_who_ask_alone(model: CanaryRecognizer) -> None:
    rows = [request("en-1"), request("en-1", logprobs=True), request("en-1", word_times=False)]
    plain, detailed, untimed = recognize(model, rows)
    assert plain.tokens is None
    assert untimed.tokens is None
    assert detailed.tokens
    assert confidences(plain) == pytest.approx(confidences(detailed), abs=1e-3)


def test_a_translation_has_tokens_and_no_words(model: CanaryRecognizer) -> None:
    asked = request("de-2", logprobs=True)
    asked = replace(asked, options=replace(asked.options, target_language="en"))
    (found,) = recognize(model, [asked])
    assert found.words is None
    assert found.tokens
    assert spell(found.tokens, found.text)


def test_noise_makes_it_less_sure(model: CanaryRecognizer) -> None:
    def mean(noise: float) -> float:
        rows = recognize(model, [request(name, noise=noise) for name in SAMPLES])
        return float(np.mean([value for row in rows for value in confidences(row) if value]))

    assert mean(0.0) > mean(0.1) + 0.05


def test_one_pass_gives_what_steps_give_in_any_company(model: CanaryRecognizer) -> None:
    """The rows of a batch have texts of several lengths; each is stepped through alone."""
    rng = random.Random(5)
    nemo = model._model
    torch.manual_seed(5)
    states, mask = torch.randn(6, 40, nemo.cfg.encoder.d_model), torch.ones(6, 40)
    mask[3, 25:] = 0
    prompts = torch.tensor([model._prompts.ids("en", "de")] * 6)
    said = [[rng.randrange(20, 200) for _ in range(length)] for length in (7, 0, 1, 12, 3, 12)]
    with torch.inference_mode():
        together = tokens_of(nemo, states, mask, prompts, said)
        for row, ids in enumerate(said):
            expected = []
            for place, token in enumerate(ids):
                heard = torch.tensor([[*prompts[row].tolist(), *ids[:place]]])
                logits = nemo.log_softmax(
                    hidden_states=nemo.transf_decoder(
                        input_ids=heard,
                        decoder_mask=torch.ones_like(heard),
                        encoder_embeddings=states[[row]],
                        encoder_mask=mask[[row]],
                    )
                )
                expected.append(float(logits[0, -1].log_softmax(-1)[token]))
            assert [token.logprob for token in together[row]] == pytest.approx(expected, abs=1e-3)


def test_nothing_said_has_no_tokens(model: CanaryRecognizer) -> None:
    prompts = torch.tensor([model._prompts.ids("en", "en")])
    assert tokens_of(model._model, torch.zeros(1, 4, 8), torch.ones(1, 4), prompts, [[]]) == [()]


def test_a_word_is_as_sure_as_its_least_sure_token() -> None:
    words = (Word("hello,", 0.0, 0.5), Word("you", 0.5, 1.0))
    tokens = (Token("▁hel", 0.0), Token("lo", -1.0), Token(",", -1.5), Token("▁you", -2.0))
    assert [word.confidence for word in with_confidences(words, tokens)] == [0.3679, 0.1353]
