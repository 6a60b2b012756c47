"""What the recipe says and how it distorts it: grammar, voices, recordings, augmentation."""

import random

import numpy as np
import pytest

from tiny.speech import augment, corpus, grammar, voices
from tiny.speech.recordings import TRAINING_SPEAKERS, UNSEEN_SPEAKER, recordings, say_digits
from tiny.speech.voices import SAMPLE_RATE_HZ, Utterance, Word


@pytest.fixture
def rng() -> random.Random:
    return random.Random(5)


@pytest.fixture
def tone() -> np.ndarray:
    """One second of 440 Hz."""
    time_s = np.arange(SAMPLE_RATE_HZ) / SAMPLE_RATE_HZ
    return (0.1 * np.sin(2 * np.pi * 440 * time_s)).astype(np.float32)


def strongest_hz(waveform: np.ndarray) -> float:
    spectrum = np.abs(np.fft.rfft(waveform * np.hanning(len(waveform))))
    return float(spectrum.argmax() * SAMPLE_RATE_HZ / len(waveform))


def test_the_grammar_has_hundreds_of_sentences_and_a_tenth_is_held_out():
    sentences = grammar.commands()
    held_out = sum(map(grammar.is_held_out, sentences))
    assert len(sentences) >= 300
    assert 0.05 < held_out / len(sentences) < 0.15


@pytest.mark.parametrize(
    "draw", [grammar.draw_command, grammar.draw_digits, grammar.draw_shuffled_words]
)
def test_what_is_drawn_for_training_is_never_held_out(draw, rng):
    assert not any(grammar.is_held_out(draw(rng)) for _ in range(200))
    assert all(grammar.is_held_out(draw(rng, held_out=True)) for _ in range(20))


def test_all_text_is_made_of_the_vocabulary(rng):
    words = set(grammar.vocabulary())
    assert all(set(grammar.draw_command(rng).split()) <= words for _ in range(100))
    assert all(
        set(grammar.draw_digits(rng).split()) <= set(grammar.DIGITS) <= words for _ in range(100)
    )


def test_digit_strings_are_one_to_ten_long(rng):
    lengths = {len(grammar.draw_digits(rng).split()) for _ in range(500)}
    assert lengths == set(range(1, 11))


def test_rows_of_a_seed_are_the_same_and_never_held_out():
    rows = corpus.draw_rows(300, seed=3)
    assert rows == corpus.draw_rows(300, seed=3) != corpus.draw_rows(300, seed=4)
    texts = {row.text for row in rows} | {part.text for row in rows for part in row.parts}
    assert not any(map(grammar.is_held_out, texts))


def test_a_spoken_sentence_has_the_time_of_each_word(rng):
    text = "turn off the light in the living room"
    for _ in range(20):
        spoken = voices.speak(text, voices.draw_voice(rng))
        assert spoken.text == text
        starts = [word.start_s for word in spoken.words]
        assert starts == sorted(starts)
        assert all(word.end_s >= word.start_s for word in spoken.words)
        assert spoken.words[-1].end_s <= len(spoken.waveform) / SAMPLE_RATE_HZ + 0.01


def test_words_spoken_one_by_one_are_loud_where_they_are_said(rng):
    spoken = voices.speak_word_by_word("open the door", voices.draw_voice(rng), rng)
    quiet = spoken.waveform.copy()
    for word in spoken.words:
        first, last = int(word.start_s * SAMPLE_RATE_HZ), int(word.end_s * SAMPLE_RATE_HZ)
        assert np.abs(spoken.waveform[first:last]).max() > 0.01
        quiet[first : last + 1] = 0
    assert np.abs(quiet).max() == 0


def test_held_out_voices_are_not_those_of_training(rng):
    assert not set(voices.HELD_OUT_VARIANTS) & set(voices.TRAINING_VARIANTS)
    drawn = {voices.draw_voice(rng, held_out=True).variant for _ in range(100)}
    assert drawn <= set(voices.HELD_OUT_VARIANTS)


def test_every_speaker_says_every_digit_fifty_times():
    for speaker in (*TRAINING_SPEAKERS, UNSEEN_SPEAKER):
        takes = recordings(speaker)
        assert {word: len(takes[word]) for word in grammar.DIGITS} == dict.fromkeys(
            grammar.DIGITS, 50
        )


def test_a_string_of_recorded_digits_has_its_words_in_order(rng):
    spoken = say_digits("four two zero", "george", rng, vary=True)
    assert spoken.text == "four two zero"
    edges = [edge for word in spoken.words for edge in (word.start_s, word.end_s)]
    assert edges == sorted(edges)
    assert edges[-1] <= len(spoken.waveform) / SAMPLE_RATE_HZ + 0.01


def test_speed_moves_length_pitch_and_words_together(tone):
    slow = augment.change_speed(Utterance(tone, (Word("one", 0.2, 0.6),), "x"), 0.8)
    assert len(slow.waveform) == pytest.approx(len(tone) / 0.8, abs=1)
    assert strongest_hz(slow.waveform) == pytest.approx(440 * 0.8, abs=3)
    assert slow.words[0].start_s == pytest.approx(0.25)
    assert slow.words[0].end_s == pytest.approx(0.75)


def test_tempo_moves_length_and_keeps_pitch(tone):
    for factor in (0.8, 1.25):
        stretched = augment.stretch_tempo(tone, factor, SAMPLE_RATE_HZ)
        assert len(stretched) == pytest.approx(len(tone) / factor, rel=0.05)
        assert strongest_hz(stretched) == pytest.approx(440, abs=5)


@pytest.mark.parametrize("codec", augment.CODECS)
def test_a_codec_keeps_length_level_and_place(codec, tone):
    tone = np.where(np.arange(len(tone)) < 8_000, 0, tone).astype(np.float32)
    received = augment.through_codec(tone, codec)
    assert len(received) == len(tone)
    assert received.std() == pytest.approx(tone.std(), rel=0.1)
    onset = np.flatnonzero(np.abs(received) > 0.05)[0]
    assert onset == pytest.approx(8_000, abs=200)


def test_distortion_is_the_same_for_a_seed_and_never_clips_or_cuts(rng):
    spoken = voices.speak("close the window on friday", voices.draw_voice(rng))
    for seed in range(30):
        distorted = augment.distort(spoken, random.Random(seed))
        again = augment.distort(spoken, random.Random(seed))
        np.testing.assert_array_equal(distorted.waveform, again.waveform)
        assert len(distorted.waveform) == len(spoken.waveform)
        assert np.abs(distorted.waveform).max() <= 1
        assert distorted.waveform.dtype == np.float32
        assert distorted.words == spoken.words


def test_joined_utterances_keep_their_words_apart_by_the_pauses(tone):
    part = Utterance(tone, (Word("one", 0.0, 1.0),), "x")
    joined = augment.join([part, part], [0.5, 1.5, 0.25])
    assert len(joined.waveform) == SAMPLE_RATE_HZ * 4.25
    assert [(w.start_s, w.end_s) for w in joined.words] == [(0.5, 1.5), (3.0, 4.0)]


def test_noise_is_as_loud_as_it_is_asked_to_be(tone, rng):
    for snr_db in (0, 10, 20):
        noise = augment.add_noise(tone, rng, snr_db=snr_db) - tone
        # The level of speech is that of its loud part; for a sine, its peak nearly.
        expected = np.sqrt(np.percentile(np.square(tone), 90)) * 10 ** (-snr_db / 20)
        assert noise.std() == pytest.approx(expected, rel=0.05)


def test_mel_filters_of_the_same_vocal_tract_are_the_same():
    plain = np.random.default_rng(0).random((80, 257)).astype(np.float32)
    np.testing.assert_allclose(augment.warp_filters(plain, 1.0), plain, atol=1e-5)


def test_mel_filters_of_a_longer_vocal_tract_read_higher_frequencies():
    plain = np.eye(257, dtype=np.float32)
    warped = augment.warp_filters(plain, 1.1)
    assert warped[100].argmax() == 110
    assert warped[256].argmax() == 256


def test_batches_hold_every_row_once_within_their_budget():
    rows = corpus.draw_rows(40, seed=1)
    made = list(corpus.batches(rows, 0, 1, batch_audio_s=40))
    assert sorted(u.text for b in made for u in b.utterances) == sorted(row.text for row in rows)
    for batch in made:
        assert batch.waveforms.size <= 40 * SAMPLE_RATE_HZ or len(batch.utterances) == 1
        assert batch.waveforms.shape[1] == batch.num_samples.max()
