"""A seed -> the evaluation sets: recordings that training never heard.

Every phrase is held out by `phrases.is_held_out` and is in no training manifest, nor, if it is
English, in that of parakeet-tiny, whose encoder the training began with. Every synthetic voice
is of a variant that training does not use, and the only real person is one whom training has
not heard. The sets are written as manifests (`eval/*.jsonl`); the audio is made from a
manifest's line when it is needed.
"""

from __future__ import annotations

import functools
import gzip
import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from tiny.canary.speech import phrases, voices
from tiny.canary.speech.phrases import LANGUAGES, PIVOT, Phrase
from tiny.release import Release
from tiny.speech import augment
from tiny.speech.recordings import UNSEEN_SPEAKER
from tiny.speech.voices import SAMPLE_RATE_HZ, Utterance

MANIFESTS = Path(__file__).parent / "eval"

SPEECH_SETS = {language: f"speech-{language}" for language in LANGUAGES}
TIMED_SETS = {language: f"word-times-{language}" for language in LANGUAGES}
DIGITS_SETS = {"clean": "digits", "ulaw": "digits-ulaw", "mp3": "digits-mp3"}
SILENCE_SET = "silence"
NUM_ITEMS = {
    **dict.fromkeys(SPEECH_SETS.values(), 120),
    **dict.fromkeys(TIMED_SETS.values(), 40),
    **dict.fromkeys(DIGITS_SETS.values(), 150),
    SILENCE_SET: 60,
}
"""Every set, and how many recordings it has."""

_MP3_COMPRESSION = 0.7
"""Of libsndfile's scale for LAME, where 1 is the smallest file."""


class _DrawPhrase(Protocol):
    def __call__(self, rng: random.Random, *, held_out: bool) -> Phrase: ...


@dataclass(frozen=True, slots=True)
class Item:
    """One recording of an evaluation set, before it is made."""

    id: str
    language: str
    parts: tuple[Mapping[str, str], ...]
    """Sentences by language, said one after another with pauses."""
    speaker: str
    line: str
    seed: int

    def text(self, language: str) -> str:
        return " ".join(part[language] for part in self.parts)


def draw_items(name: str, seed: int, *, num_items: int | None = None) -> list[Item]:
    """Draw a set; the same person through several lines says the same strings."""
    family, _, last = name.rpartition("-") if "-" in name else (name, "", "")
    line = last if family == "digits" and last else "clean"
    language = last if last in LANGUAGES else "en"
    rng = random.Random(f"canary evaluation {family or name} {language} {seed}")
    speaker = {"digits": UNSEEN_SPEAKER, SILENCE_SET: "nobody"}.get(family, "synthetic")
    return [
        Item(
            id=f"{name}-{place:03}",
            language=language,
            parts=tuple(phrase.sentences for phrase in _draw_parts(family, language, rng)),
            speaker=speaker,
            line=line,
            seed=rng.getrandbits(32),
        )
        for place in range(num_items or NUM_ITEMS[name])
    ]


def render(item: Item) -> Utterance:
    """Make the recording that an item describes; the same item gives the same speech."""
    rng = random.Random(item.seed)
    if not item.parts:
        quiet = np.zeros(int(rng.uniform(1.0, 5.0) * SAMPLE_RATE_HZ), np.float32)
        noise = augment.match_level(augment.add_noise(quiet, rng, snr_db=0), rng.uniform(-70, -30))
        return Utterance(noise, (), item.speaker)
    spoken = [_say(Phrase(part), item, rng) for part in item.parts]
    spoken = [Utterance(augment.match_level(u.waveform, -26.0), u.words, u.speaker) for u in spoken]
    pauses_s = [0.3, *(rng.uniform(0.2, 2.0) for _ in spoken[1:]), 0.3]
    utterance = augment.join(spoken, pauses_s)
    # The floor of a quiet room: real recordings have no digital silence between words.
    waveform = augment.add_noise(utterance.waveform, rng, snr_db=40)
    if item.line != "clean":
        waveform = augment.through_codec(waveform, item.line, compression=_MP3_COMPRESSION)
    return Utterance(np.clip(waveform, -1, 1), utterance.words, utterance.speaker)


def write_manifest(name: str, items: Sequence[Item]) -> None:
    MANIFESTS.mkdir(exist_ok=True)
    lines = (json.dumps(asdict(item), ensure_ascii=False) for item in items)
    (MANIFESTS / f"{name}.jsonl").write_text("\n".join(lines) + "\n")


def _say(phrase: Phrase, item: Item, rng: random.Random) -> Utterance:
    if item.speaker == UNSEEN_SPEAKER:
        return voices.say_recorded(phrase, item.speaker, rng)
    timed = item.id.startswith("word-times")
    return voices.say_synthetic(phrase, item.language, rng, held_out=True, word_by_word=timed)


def _draw_parts(family: str, language: str, rng: random.Random) -> list[Phrase]:
    """Draw what one recording says: mostly one sentence, sometimes more, or digits."""
    if family == SILENCE_SET:
        return []
    if family == "digits":
        return [_draw(phrases.draw_digits, language, rng)]
    if family == "word-times":
        return [_draw(functools.partial(_draw_phrase_of_long_words, language), language, rng)]
    num_parts = rng.choices((1, 2, 3), (0.8, 0.13, 0.07))[0]
    draws = rng.choices((phrases.draw_phrase, phrases.draw_digits), (0.8, 0.2), k=num_parts)
    return [_draw(draw, language, rng) for draw in draws]


def _draw(draw: _DrawPhrase, language: str, rng: random.Random) -> Phrase:
    """Draw until no training has heard the phrase: not this model's, nor its encoder's."""
    while True:
        phrase = draw(rng, held_out=True)
        texts = {phrases.plain(text) for text in phrase.sentences.values()}
        is_english = language == PIVOT
        if not texts & _heard() and not (is_english and texts & _heard_by_the_encoder()):
            return phrase


@functools.cache
def _heard() -> frozenset[str]:
    """Return every text of the training, in all its languages; random words may make any."""
    return frozenset(
        phrases.plain(text)
        for entry in _manifest("canary-tiny")
        for text in entry["texts"].values()
    )


@functools.cache
def _heard_by_the_encoder() -> frozenset[str]:
    """Return every utterance of parakeet-tiny's training."""
    return frozenset(part for entry in _manifest("parakeet-tiny") for part in entry["parts"])


def _manifest(model: str) -> list[dict[str, Any]]:
    packed = Release(model, recipe=()).training_manifest.read_bytes()
    _, *entries = map(json.loads, gzip.decompress(packed).decode().splitlines())
    return entries


def _draw_phrase_of_long_words(language: str, rng: random.Random, *, held_out: bool) -> Phrase:
    """Draw a phrase whose words can be said one by one: a letter would be spelt."""
    while True:
        phrase = phrases.draw_phrase(rng, held_out=held_out)
        words = phrases.plain(phrase.sentences[language]).split()
        if min(map(len, words)) > 1:
            return phrase
