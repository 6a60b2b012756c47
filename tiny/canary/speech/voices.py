"""A phrase and a language -> how somebody says it: synthetic voices, and real digits."""

from __future__ import annotations

import random

from tiny.canary.speech.phrases import Phrase, plain
from tiny.speech.recordings import say_digits
from tiny.speech.voices import (
    ENGLISH_ACCENTS,
    HELD_OUT_VARIANTS,
    TRAINING_VARIANTS,
    Utterance,
    Voice,
    Word,
    speak,
    speak_word_by_word,
)

ACCENTS = {
    "en": ENGLISH_ACCENTS,
    "de": ("de",),
    "fr": ("fr", "fr-be", "fr-ch"),
    "es": ("es", "es-419"),
    "ru": ("ru",),
}


def draw_voice(language: str, rng: random.Random, *, held_out: bool = False) -> Voice:
    """Draw a voice of the training set, or of the variants it has never heard."""
    return Voice(
        accent=rng.choice(ACCENTS[language]),
        variant=rng.choice(HELD_OUT_VARIANTS if held_out else TRAINING_VARIANTS),
        words_per_minute=rng.randint(120, 220),
        pitch=rng.randint(20, 80),
        pitch_range=rng.randint(20, 80),
    )


def say_synthetic(
    phrase: Phrase,
    language: str,
    rng: random.Random,
    *,
    held_out: bool = False,
    word_by_word: bool = False,
) -> Utterance:
    """Say a phrase in a drawn synthetic voice; its words come without punctuation.

    A phrase with a word of one letter is always said as a whole: alone it would be spelt.
    """
    voice = draw_voice(language, rng, held_out=held_out)
    text = phrase.sentences[language].replace("¿", "")  # espeak-ng counts it as no word's
    if word_by_word and min(map(len, plain(text).split())) > 1:
        return speak_word_by_word(plain(text), voice, rng)
    return _without_marks(speak(text, voice))


def say_recorded(
    phrase: Phrase, speaker: str, rng: random.Random, *, vary: bool = False
) -> Utterance:
    """Say a string of digits with recordings of a real English speaker."""
    max_gap_s = rng.choice((0.08, 0.2, 0.35))
    return say_digits(plain(phrase.sentences["en"]), speaker, rng, vary=vary, max_gap_s=max_gap_s)


def _without_marks(utterance: Utterance) -> Utterance:
    words = tuple(Word(plain(w.text), w.start_s, w.end_s) for w in utterance.words)
    return Utterance(utterance.waveform, words, utterance.speaker)
