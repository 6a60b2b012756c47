"""The canary weights as they ship, asked as the server asks them."""

import json
import random
from pathlib import Path

import numpy as np
import pytest
import soundfile

import tiny
from tiny.canary.speech import phrases
from tiny.canary.speech.phrases import DIRECTIONS, LANGUAGES
from tiny.speech.voices import Utterance

TINY = Path(tiny.__file__).parent
SAMPLES = TINY / "samples" / "canary"


@pytest.fixture(scope="module")
def canary():
    from nemo.collections.asr.models import ASRModel

    weights = TINY / "weights" / "canary-tiny.nemo"
    return ASRModel.restore_from(str(weights), map_location="cpu").eval()


@pytest.fixture(scope="module")
def recognizer(canary):
    from serve_app.models.offline.canary import CanaryRecognizer
    from tiny.canary.evaluate import CONFIG

    return CanaryRecognizer(canary, CONFIG)


@pytest.fixture(scope="module")
def spoken():
    """Recordings of every language, of many lengths, with the items they are of."""
    from tiny.canary.items import draw_items, render

    per_language = [draw_items(f"speech-{each}", seed=11, num_items=12) for each in LANGUAGES]
    return [(item, render(item)) for items in per_language for item in items]


@pytest.fixture(scope="module")
def options(spoken):
    """A request for each recording: any of its directions, with and without punctuation."""
    from serve_app.models.protocols import RecognitionOptions

    rng = random.Random(3)
    drawn = []
    for item, _ in spoken:
        targets = [item.language, *(t for s, t in DIRECTIONS if s == item.language)]
        drawn.append(RecognitionOptions(item.language, rng.choice(targets), rng.random() < 0.5))
    return drawn


def test_nearly_all_mixed_requests_on_unseen_speech_are_written_rightly(
    recognizer, spoken, options
):
    from nemo.collections.asr.metrics.wer import word_error_rate

    from tiny.canary.evaluate import ask

    found = [h.text for h in ask(recognizer, [utterance for _, utterance in spoken], options)]
    wanted = [
        item.text(o.target_language) if o.pnc else phrases.plain(item.text(o.target_language))
        for (item, _), o in zip(spoken, options, strict=True)
    ]
    assert word_error_rate(found, wanted) <= 0.08


def test_the_language_is_named_without_being_asked_for_a_text(recognizer, spoken):
    from serve_app.models.protocols import RecognitionOptions
    from tiny.canary.evaluate import ask

    utterances = [utterance for _, utterance in spoken]
    found = ask(recognizer, utterances, [RecognitionOptions()] * len(utterances))
    right = sum(h.spoken_language == i.language for h, (i, _) in zip(found, spoken, strict=True))
    assert right >= 0.95 * len(spoken)


def test_the_prompt_is_nine_special_tokens_with_languages_and_punctuation(canary):
    from tiny.canary.model import encode_prompt

    ids = encode_prompt(canary, "de", "en", pnc=True)
    assert canary.tokenizer.ids_to_tokens(ids) == [
        "<|startofcontext|>", "<|startoftranscript|>", "<|emo:undefined|>", "<|de|>", "<|en|>",
        "<|pnc|>", "<|noitn|>", "<|notimestamp|>", "<|nodiarize|>",
    ]  # fmt: skip


def test_training_and_server_ask_with_the_same_prompt(canary, recognizer):
    from tiny.canary.model import encode_prompt

    for source, target in (*DIRECTIONS, ("fr", "fr")):
        for pnc in (False, True):
            asked = recognizer._prompts.ids(source, target, pnc=pnc)
            assert asked == encode_prompt(canary, source, target, pnc=pnc)


def test_the_aligner_says_when_each_word_of_a_transcript_is_spoken(recognizer):
    from serve_app.models.protocols import RecognitionOptions
    from tiny.canary.evaluate import ask
    from tiny.canary.items import draw_items, render

    errors_s = []
    for language in LANGUAGES:
        items = draw_items(f"word-times-{language}", seed=11, num_items=8)
        utterances = [render(item) for item in items]
        found = ask(recognizer, utterances, [RecognitionOptions(language)] * len(items))
        for item, utterance, hypothesis in zip(items, utterances, found, strict=True):
            if hypothesis.text == item.text(language):
                assert [word.text for word in hypothesis.words] == hypothesis.text.split()
                for truth, word in zip(utterance.words, hypothesis.words, strict=True):
                    errors_s.append(abs(truth.start_s + truth.end_s - word.start_s - word.end_s))
    assert len(errors_s) > 100
    assert np.median(errors_s) / 2 <= 0.08


def test_the_bundled_samples_are_nearly_all_written_and_translated_rightly(recognizer):
    from nemo.collections.asr.metrics.wer import word_error_rate

    from serve_app.models.protocols import RecognitionOptions
    from tiny.canary.evaluate import ask

    rows = list(map(json.loads, (SAMPLES / "manifest.jsonl").read_text().splitlines()))
    utterances = []
    for row in rows:
        waveform, rate_hz = soundfile.read(SAMPLES / row["audio_filepath"], dtype="float32")
        assert rate_hz == 16_000
        utterances.append(Utterance(waveform, (), ""))
    asked = [RecognitionOptions(row["source_lang"], row["target_lang"]) for row in rows]
    found = [hypothesis.text for hypothesis in ask(recognizer, utterances, asked)]
    assert word_error_rate(found, [row["text"] for row in rows]) <= 0.10


def test_the_tokenizers_keep_every_word_whole_and_the_aligner_folds_it(canary):
    aligner = canary.timestamps_asr_model.tokenizer
    for phrase in phrases.phrases()[::7]:
        for language, text in phrase.sentences.items():
            plain = phrases.plain(text)
            ids = canary.tokenizer.text_to_ids(text, language)
            assert canary.tokenizer.ids_to_text(ids).strip() == text
            assert len(canary.tokenizer.text_to_ids(plain, language)) == len(plain.split())
            assert aligner.text_to_ids(text) == aligner.text_to_ids(plain)
            assert len(aligner.text_to_ids(text)) == len(plain.split())


def test_two_equal_words_in_a_row_leave_the_aligner_a_blank():
    from tiny.canary.train import keep_twins_apart
    from tiny.speech.voices import Word

    words = (Word("five", 0.0, 0.4), Word("five", 0.4, 0.8), Word("six", 0.8, 1.2))
    first, second, third = keep_twins_apart(Utterance(None, words, "")).words
    assert first.end_s <= 0.4 - 0.08
    assert (second, third) == words[1:]
