"""AlignAtt and wait-k: streams of any language, task and age in one step, each as it is alone."""

import random
from typing import Any

import pytest

from serve_app.config import ModelConfig
from serve_app.errors import ConfigError
from serve_app.models.loader import load_streaming_recognizer
from serve_app.models.protocols import StreamFrame, StreamOptions
from serve_app.models.streaming.canary import CanaryStreamingRecognizer
from tests.graph.recordings import spoken_digits
from tests.models.streaming import streams
from tests.models.streaming.phrases import any_phrase, phrases

CHECKPOINT = "tiny/weights/canary-tiny.nemo"
LANGUAGES = ("en", "de", "fr", "es", "ru")
SHORT = {"chunk_s": 0.8, "right_s": 0.4}


def load(checkpoint: str = CHECKPOINT, **streaming: Any) -> CanaryStreamingRecognizer:
    config = {
        "name": "live",
        "kind": "canary",
        "checkpoint": checkpoint,
        "languages": LANGUAGES,
        "pivot_language": "en",
        "streaming": {"method": "alignatt", "num_slots": 4, "left_s": 5.0, **streaming},
    }
    model = load_streaming_recognizer(ModelConfig.model_validate(config))
    assert isinstance(model, CanaryStreamingRecognizer)
    return model


@pytest.fixture(scope="module")
def model() -> CanaryStreamingRecognizer:
    return load(**SHORT)


def options(rng: random.Random) -> StreamOptions:
    language = rng.choice((None, None, *LANGUAGES))
    return StreamOptions(
        language=language,
        target_language=rng.choice(("de", "fr", None)) if language == "en" else None,
        pnc=rng.random() < 0.5,
        blank_s=rng.choice((None, None, 0.6)),
    )


@pytest.mark.parametrize(("method", "count"), [("alignatt", 50), ("waitk", 25)])
def test_random_streams_in_any_company_equal_the_same_streams_alone(
    method: str, count: int
) -> None:
    model = load(method=method, left_s=3.0, **SHORT)
    rng = random.Random(count)
    many = streams.random_streams(count, model.step_samples, rng, draw=any_phrase, options=options)
    found = streams.assert_alone_equals_company(model, many, rng)
    assert {text.ended for text in streams.all_texts(found)} == {None, "asked", "blank"}
    assert len({text.confirmed for text in streams.all_texts(found)}) > 1.5 * count
    assert {text.spoken_language for text in streams.all_texts(found)} == {None, *LANGUAGES}


def test_phrases_are_heard_in_their_languages_while_they_are_spoken(
    model: CanaryStreamingRecognizer,
) -> None:
    num_right = num_early = 0
    for phrase in phrases():
        texts = streams.speak(model, streams.segment(phrase.samples, model.step_samples))
        streams.assert_only_grows(texts)
        assert texts[-1].spoken_language == phrase.language
        num_right += texts[-1].confirmed == phrase.text
        num_early += any(text.confirmed for text in texts[:-1])
    assert num_right >= 7
    assert num_early >= 8


def test_translations_and_transcripts_share_a_step(model: CanaryStreamingRecognizer) -> None:
    english = next(phrase for phrase in phrases() if phrase.language == "en")
    cuts = streams.segment(english.samples, model.step_samples)
    wanted = (None, "de", "fr", "ru")
    for slot, target in enumerate(wanted):
        model.occupy(slot, StreamOptions(language="en", target_language=target))
    for cut in cuts:
        texts = model.step([StreamFrame(slot, *cut) for slot in range(4)])
    for slot in range(4):
        model.release(slot)
    assert [text.language for text in texts] == ["en", "de", "fr", "ru"]
    assert texts[0].confirmed == english.text
    assert len({text.confirmed for text in texts}) == 4


def test_the_work_of_a_step_does_not_grow_with_the_age_of_the_stream(
    model: CanaryStreamingRecognizer,
) -> None:
    encoded: list[int] = []
    prefixes: list[int] = []
    hook = model._model.encoder.register_forward_hook(
        lambda _, __, kwargs, ___: encoded.append(kwargs["audio_signal"].shape[-1]),
        with_kwargs=True,
    )
    decoder = model._decoder._layers.register_forward_hook(
        lambda _, inputs, __: prefixes.append(inputs[0].shape[1])
    )
    rng = random.Random(4)
    samples = streams.pcm(spoken_digits(40, rng))[: 23 * 16_000]  # from 24 s on it may end
    texts = streams.speak(
        model,
        streams.segment(samples, model.step_samples),
        options=StreamOptions(language="en"),
    )
    hook.remove()
    decoder.remove()
    assert len(encoded) == len(texts) > 15
    assert max(encoded) <= (5.0 + 2 * 0.8 + 0.4) * 100 + 8
    frames = max(encoded) // 8 + 1
    assert max(prefixes) <= 10 + frames + 10
    half = len(encoded) // 2
    assert max(encoded[half:]) == max(encoded[:half])


def test_no_slot_leaks_over_500_cycles_of_which_half_break_off(
    model: CanaryStreamingRecognizer,
) -> None:
    cuts = streams.segment(phrases()[0].samples, model.step_samples)
    first = streams.speak(model, cuts)
    rng = random.Random(5)
    for cycle in range(500):
        slot = rng.randrange(model.num_slots)
        model.occupy(slot, StreamOptions())
        if cycle % 10 < 4:
            model.step([StreamFrame(slot, cuts[0][0], is_last=cycle % 2 == 0)])
        model.release(slot)
    assert model._segments == [None] * model.num_slots
    for slot in range(model.num_slots):
        assert streams.speak(model, cuts, slot=slot) == first


def test_a_decoder_that_says_one_thing_over_and_over_is_cut_short_and_takes_nothing_back(
    model: CanaryStreamingRecognizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = model._prompts.ids("en", "en")
    loop = model._model.tokenizer.text_to_ids("two", "en")
    place = {"at": 0}

    def always_two(prefixes: Any, states: Any, mask: Any) -> tuple[list[int], list[int]]:
        place["at"] = min(place["at"] + 1, states.shape[1])
        said = [(len(prefix) - len(asked)) % len(loop) for prefix in prefixes]
        return [loop[index] for index in said], [0] * len(prefixes)

    monkeypatch.setattr(model._decoder, "next", always_two)
    noise = streams.pcm(spoken_digits(40, random.Random(6)))[: 24 * 16_000]
    texts = streams.speak(
        model, streams.segment(noise, model.step_samples), options=StreamOptions(language="en")
    )
    streams.assert_only_grows(texts)
    assert set(texts[-1].confirmed.split()) == {"two"}
    assert len(texts[-1].confirmed.split()) < 24 * 12.5


def test_a_step_says_no_more_than_its_limit(
    model: CanaryStreamingRecognizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []
    piece = model._model.tokenizer.text_to_ids("rice", "en")[0]

    def chatter(prefixes: Any, states: Any, mask: Any) -> tuple[list[int], list[int]]:
        calls.append(len(prefixes))
        return [piece] * len(prefixes), [0] * len(prefixes)

    monkeypatch.setattr(model._decoder, "next", chatter)
    model.occupy(0, StreamOptions(language="en"))
    counts = []
    for _ in range(4):
        calls.clear()
        model.step([StreamFrame(0, bytes(2 * model.step_samples))])
        counts.append(len(calls))
    calls.clear()
    model.step([StreamFrame(0, b"", is_last=True)])
    model.release(0)
    assert max(counts) <= 2 * 10
    assert len(calls) <= 5 * 12.5 + 10


def test_a_checkpoint_of_another_family_is_refused() -> None:
    with pytest.raises(ConfigError, match="no multitask model") as error:
        load("tiny/weights/parakeet-tiny.nemo")
    assert error.value.place == "models.live.kind"
