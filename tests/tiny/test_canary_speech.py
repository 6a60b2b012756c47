"""What the canary recipe says: parallel phrases, rows, tokens, and the corpus on disk."""

import random
from collections import Counter

import pytest

from tiny.canary.speech import phrases, rows, voices
from tiny.canary.speech.corpus import Corpus, write_corpus
from tiny.canary.speech.phrases import LANGUAGES, Phrase, plain
from tiny.speech.voices import HELD_OUT_VARIANTS


@pytest.fixture
def rng() -> random.Random:
    return random.Random(5)


def test_the_grammar_has_hundreds_of_phrases_and_a_seventh_is_held_out():
    held_out = sum(map(phrases.is_held_out, phrases.phrases()))
    assert len(phrases.phrases()) >= 500
    assert 0.10 < held_out / len(phrases.phrases()) < 0.20


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_is_held_out_is_said_in_words_of_the_training(language):
    said = {
        word
        for phrase in phrases.phrases()
        if not phrases.is_held_out(phrase)
        for word in plain(phrase.sentences[language]).split()
    }
    held_out = [p for p in phrases.phrases() if phrases.is_held_out(p)]
    assert all(set(plain(p.sentences[language]).split()) <= said for p in held_out)


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_two_phrases_are_the_same_in_any_language(language):
    texts = Counter(plain(phrase.sentences[language]) for phrase in phrases.phrases())
    assert max(texts.values()) == 1


def test_every_phrase_is_a_sentence_in_every_language():
    for phrase in phrases.phrases():
        assert tuple(phrase.sentences) == LANGUAGES
        endings = {text[-1] for text in phrase.sentences.values()}
        assert len(endings) == 1
        assert endings <= {".", "?"}
        assert all(text.lstrip("¿")[0].isupper() for text in phrase.sentences.values())
        assert (phrase.sentences["es"][0] == "¿") == (endings == {"?"})
        assert not any("{" in text or "  " in text for text in phrase.sentences.values())


def test_plain_text_has_neither_marks_nor_capitals():
    assert plain("¿Qué hora es en París?") == "qué hora es en parís"
    assert plain("Call Anna today, please.") == "call anna today please"
    assert plain("Réveille-moi s'il te plaît.") == "réveille-moi s'il te plaît"


def test_what_is_drawn_for_training_is_never_held_out(rng):
    for draw in (phrases.draw_phrase, phrases.draw_digits):
        assert not any(phrases.is_held_out(draw(rng)) for _ in range(200))
        assert all(phrases.is_held_out(draw(rng, held_out=True)) for _ in range(20))


def test_rows_of_a_seed_are_the_same_and_never_held_out():
    drawn = rows.draw_rows(400, seed=3)
    assert drawn == rows.draw_rows(400, seed=3) != rows.draw_rows(400, seed=4)
    assert not any(phrases.is_held_out(part.phrase) for row in drawn for part in row.parts)
    assert {row.language for row in drawn} == set(LANGUAGES)
    assert any(not row.parts for row in drawn)


def test_words_in_random_order_are_not_translated():
    drawn = rows.draw_rows(400, seed=3)
    for row in drawn:
        said_in_all = all(set(part.phrase.sentences) == set(LANGUAGES) for part in row.parts)
        assert row.translatable == (bool(row.parts) and said_in_all)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_spoken_phrase_has_the_time_of_each_plain_word(language, rng):
    for _ in range(10):
        phrase = phrases.draw_phrase(rng)
        spoken = voices.say_synthetic(phrase, language, rng)
        assert spoken.text == plain(phrase.sentences[language])
        starts = [word.start_s for word in spoken.words]
        assert starts == sorted(starts)
        assert all(word.end_s > word.start_s for word in spoken.words)


def test_held_out_voices_are_not_those_of_training(rng):
    drawn = {voices.draw_voice("fr", rng, held_out=True).variant for _ in range(100)}
    assert drawn <= set(HELD_OUT_VARIANTS)
    assert not drawn & {voices.draw_voice("fr", rng).variant for _ in range(300)}


def test_the_corpus_gives_back_what_was_written(tmp_path):
    drawn = rows.draw_rows(20, seed=2)
    write_corpus(drawn, 2, tmp_path, num_processes=1)
    corpus = Corpus(drawn, tmp_path)
    batches = list(corpus.batches(range(20), random.Random(0), batch_audio_s=30))
    seen = [row for batch in batches for row in batch.rows]
    assert sorted(map(str, seen)) == sorted(map(str, drawn))
    for batch in batches:
        assert batch.waveforms.shape == (len(batch.rows), batch.num_samples.max())
        assert batch.waveforms.size <= 30 * 16_000 or len(batch.rows) == 1
        for row, utterance in zip(batch.rows, batch.utterances, strict=True):
            assert [word.text for word in utterance.words] == row.spoken_words()
    # espeak-ng carries a little over from what it said before, so not each sample is the same.
    again = rows.render(drawn[0], random.Random("canary speech 2 0")).waveform
    samples = corpus.recordings[0].samples / 32767
    assert len(samples) == pytest.approx(len(again), rel=0.01)
    assert samples.std() == pytest.approx(again.std(), rel=0.05)


def test_a_phrase_known_in_one_language_alone_is_its_own_key():
    assert Phrase({"de": "Küche Montag."}).key == "küche montag"
    assert Phrase({"en": "Good night.", "de": "Gute Nacht."}).key == "good night"
