"""The canary weights as they ship, in NeMo itself: mixed batches, translation, word times."""

import json
import random
from pathlib import Path

import numpy as np
import pytest
import soundfile

import tiny
from tiny.canary.speech import phrases
from tiny.canary.speech.phrases import DIRECTIONS, LANGUAGES

TINY = Path(tiny.__file__).parent


@pytest.fixture(scope="module")
def canary():
    from nemo.collections.asr.models import ASRModel

    weights = TINY / "weights" / "canary-tiny.nemo"
    return ASRModel.restore_from(str(weights), map_location="cpu").eval()


@pytest.fixture(scope="module")
def spoken():
    """Recordings of every language, of many lengths, with the items they are of."""
    from tiny.canary.items import draw_items, render

    items = [
        item
        for language in LANGUAGES
        for item in draw_items(f"speech-{language}", seed=11, num_items=6)
    ]
    return [(item, render(item).waveform) for item in items]


@pytest.fixture(scope="module")
def requests(spoken):
    from tiny.canary.decode import Request

    rng = random.Random(3)
    drawn = []
    for item, _ in spoken:
        targets = [item.language, *(t for s, t in DIRECTIONS if s == item.language)]
        drawn.append(Request(item.language, rng.choice(targets), rng.random() < 0.5))
    return drawn


def test_a_batch_of_mixed_requests_says_what_each_row_says_alone(canary, spoken, requests):
    from tiny.canary.decode import hear, write_down

    order = random.Random(4).sample(range(len(spoken)), len(spoken))
    waveforms = [spoken[i][1] for i in order]
    together = write_down(canary, hear(canary, waveforms), [requests[i] for i in order])
    alone = [write_down(canary, hear(canary, [spoken[i][1]]), [requests[i]])[0] for i in order]
    assert together == alone
    assert not canary.transf_decoder.training


def test_most_mixed_requests_on_unseen_speech_are_written_rightly(canary, spoken, requests):
    from tiny.canary.decode import hear, write_down

    found = write_down(canary, hear(canary, [waveform for _, waveform in spoken]), requests)
    wanted = [
        item.text(r.target) if r.pnc else phrases.plain(item.text(r.target))
        for (item, _), r in zip(spoken, requests, strict=True)
    ]
    right = sum(f == w for f, w in zip(found, wanted, strict=True))
    assert right >= 0.7 * len(wanted)


def test_the_language_is_named_without_being_asked_for_a_text(canary, spoken):
    from tiny.canary.decode import hear, identify

    found = identify(canary, hear(canary, [waveform for _, waveform in spoken]))
    right = sum(f == item.language for f, (item, _) in zip(found, spoken, strict=True))
    assert right >= 0.9 * len(spoken)


def test_the_prompt_is_nine_special_tokens_with_languages_and_punctuation(canary):
    from tiny.canary.model import encode_identifying_prompt, encode_prompt

    ids = encode_prompt(canary, "de", "en", pnc=True)
    assert canary.tokenizer.ids_to_tokens(ids) == [
        "<|startofcontext|>", "<|startoftranscript|>", "<|emo:undefined|>", "<|de|>", "<|en|>",
        "<|pnc|>", "<|noitn|>", "<|notimestamp|>", "<|nodiarize|>",
    ]  # fmt: skip
    assert encode_identifying_prompt(canary) == ids[:3]


def test_the_aligner_says_when_each_word_of_a_transcript_is_spoken(canary):
    from tiny.canary.decode import align
    from tiny.canary.items import draw_items, render

    items = [draw_items(f"word-times-{language}", seed=11, num_items=4) for language in LANGUAGES]
    errors_s = []
    for item in (item for of_language in items for item in of_language):
        utterance = render(item)
        words = align(canary, [utterance.waveform], [item.text(item.language)])[0]
        assert [word.text for word in words] == item.text(item.language).split()
        for truth, word in zip(utterance.words, words, strict=True):
            errors_s.append(abs(truth.start_s + truth.end_s - word.start_s - word.end_s) / 2)
    assert np.median(errors_s) <= 0.08


def test_the_bundled_samples_are_mostly_written_and_translated_rightly(canary):
    from tiny.canary.decode import Request, hear, write_down

    samples = json.loads((TINY / "samples" / "canary" / "samples.json").read_text())
    right, asked = 0, 0
    for sample in samples:
        file = TINY / "samples" / "canary" / sample["file"]
        waveform, rate_hz = soundfile.read(file, dtype="float32")
        assert rate_hz == 16_000
        heard = hear(canary, [waveform])
        for target, text in {sample["language"]: sample["text"], **sample["translations"]}.items():
            found = write_down(canary, heard, [Request(sample["language"], target, True)])[0]
            right, asked = right + (found == text), asked + 1
    assert right >= 0.6 * asked


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
    from tiny.speech.voices import Utterance, Word

    words = (Word("five", 0.0, 0.4), Word("five", 0.4, 0.8), Word("six", 0.8, 1.2))
    first, second, third = keep_twins_apart(Utterance(None, words, "")).words
    assert first.end_s <= 0.4 - 0.08
    assert (second, third) == words[1:]
