"""A model -> word error rates and word times on speech that training never heard, and how many
words it hears where nobody speaks.

The sets are drawn from a seed and written as manifests (`eval/*.jsonl`); the audio is made
from a manifest's line when it is needed. Every text is held out by `grammar.is_held_out`,
every synthetic voice is of a variant that training does not use, and the only real person
is one whom training has not heard. The sounds without speech are of the generator that
training draws from, but none that it has heard.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from nemo.collections.asr.metrics.wer import word_error_rate
from nemo.collections.asr.models import EncDecHybridRNNTCTCBPEModel
from numpy.typing import NDArray
from omegaconf import open_dict

from tiny.parakeet.card import BESIDE_KINDS, BESIDE_S, BESIDE_SETS, SETS, SILENCE, SOUND_SET
from tiny.speech import augment, corpus, grammar
from tiny.speech.augment import Waveform
from tiny.speech.recordings import UNSEEN_SPEAKER, say_digits
from tiny.speech.sounds import SOUNDS, draw_one
from tiny.speech.voices import SAMPLE_RATE_HZ, Utterance, Word

MANIFESTS = Path(__file__).parent / "eval"
PAUSE_S = 0.3
"""Before the first word of a recording and behind the last."""

MP3_COMPRESSION = 0.7
"""Of libsndfile's scale for LAME, where 1 is the smallest file."""

NUM_SOUNDS, SOUND_S = 40, 6.0
"""How many recordings of each kind of sound there are, and how long they are."""

SOUND_DBFS = (-40.0, -16.0)
"""How loud they are."""

_KEPT_S = 0.1
"""Of the pause around speech, so much lies between it and a sound beside it."""


@dataclass(frozen=True, slots=True)
class Item:
    """One recording of an evaluation set, before it is made."""

    id: str
    parts: tuple[str, ...]
    speaker: str
    line: str
    seed: int

    @property
    def text(self) -> str:
        return " ".join(self.parts)


@dataclass(frozen=True, slots=True)
class Recognized:
    text: str
    words: tuple[Word, ...]
    ctc_text: str


def draw_items(name: str, seed: int, num_items: int = 150) -> list[Item]:
    """Draw a set; those of the same person through several lines share their strings."""
    family, _, line = name.partition("-") if name.startswith("digits") else (name, "", "")
    rng = random.Random(f"evaluation {family} {seed}")
    speaker = UNSEEN_SPEAKER if "digits" in name and "synthetic" not in name else "synthetic"
    items = []
    while len(items) < num_items:
        parts = tuple(_draw_parts(family, rng))
        item_seed = rng.getrandbits(32)
        if grammar.is_held_out(" ".join(parts)):
            items.append(
                Item(f"{name}-{len(items):03}", parts, speaker, line or "clean", item_seed)
            )
    return items


def render(item: Item) -> Utterance:
    """Make the recording that an item describes; the same item gives the same samples."""
    rng = random.Random(item.seed)
    if item.speaker == UNSEEN_SPEAKER:
        spoken = [say_digits(part, item.speaker, rng) for part in item.parts]
    else:
        joined = item.id.startswith("word-times")
        spoken = [
            corpus.say_synthetic(part, rng, held_out=True, word_by_word=joined)
            for part in item.parts
        ]
    spoken = [Utterance(augment.match_level(u.waveform, -26.0), u.words, u.speaker) for u in spoken]
    pauses_s = [PAUSE_S, *(rng.uniform(0.2, 2.0) for _ in spoken[1:]), PAUSE_S]
    utterance = augment.join(spoken, pauses_s)
    # The floor of a quiet room: real recordings have no digital silence between words.
    waveform = augment.add_noise(utterance.waveform, rng, snr_db=40)
    if item.line != "clean":
        waveform = augment.through_codec(waveform, item.line, compression=MP3_COMPRESSION)
    return Utterance(np.clip(waveform, -1, 1), utterance.words, utterance.speaker)


def recognize(
    model: EncDecHybridRNNTCTCBPEModel,
    waveforms: Sequence[NDArray[np.float32]],
    *,
    batch_size: int = 16,
) -> Iterator[Recognized]:
    """Run the model's forward and both of its decoders, as a server would."""
    model.eval()
    for start in range(0, len(waveforms), batch_size):
        batch = waveforms[start : start + batch_size]
        longest = max(map(len, batch))
        with torch.inference_mode():
            encoded, num_frames = model.forward(
                input_signal=torch.from_numpy(
                    np.stack([augment.fit_length(w, longest) for w in batch])
                ),
                input_signal_length=torch.tensor([len(w) for w in batch]),
            )
            hypotheses = model.decoding.rnnt_decoder_predictions_tensor(
                encoded, num_frames, return_hypotheses=True
            )
            log_probs = model.ctc_decoder(encoder_output=encoded)
            by_ctc = model.ctc_decoding.ctc_decoder_predictions_tensor(log_probs, num_frames)
        for hypothesis, ctc in zip(hypotheses, by_ctc, strict=True):
            words = tuple(
                Word(w["word"], w["start_offset"] * 0.08, w["end_offset"] * 0.08)
                for w in hypothesis.timestamp["word"]
            )
            yield Recognized(hypothesis.text.strip(), words, ctc.text.strip())


def evaluate(model: EncDecHybridRNNTCTCBPEModel, seed: int) -> dict[str, Any]:
    """Return the figures of every set, and write the sets' manifests."""
    with_word_times(model)
    figures: dict[str, Any] = {}
    for name in SETS:
        items = draw_items(name, seed)
        write_manifest(name, items)
        spoken = [render(item) for item in items]
        order = sorted(range(len(spoken)), key=lambda i: len(spoken[i].waveform))
        results = list(recognize(model, [spoken[i].waveform for i in order]))
        texts = [items[i].text for i in order]
        figures[name] = {
            "recordings": len(items),
            "words": sum(len(text.split()) for text in texts),
            "wer": round(word_error_rate([r.text for r in results], texts), 4),
            "ctc_wer": round(word_error_rate([r.ctc_text for r in results], texts), 4),
        }
        if name == "word-times":
            truth = [spoken[i].words for i in order]
            figures[name] |= _time_errors(truth, [r.words for r in results])
    figures[SOUND_SET] = {
        "alone": hear_sounds(model, seed),
        "beside": {name: hear_beside_sounds(model, name, seed) for name in BESIDE_SETS},
    }
    return figures


def draw_sounds(seed: int) -> list[Item]:
    """Draw the recordings in which nobody speaks; the line of each is the kind of its sound."""
    rng = random.Random(f"evaluation sounds {seed}")
    return [
        Item(f"{kind}-{place:03}", (), "nobody", kind, rng.getrandbits(32))
        for kind in SOUNDS
        for place in range(NUM_SOUNDS)
    ]


def render_sound(item: Item) -> Waveform:
    """Make the sound that an item describes; the same item gives the same samples."""
    rng = random.Random(item.seed)
    sound = draw_one(item.line, int(SOUND_S * SAMPLE_RATE_HZ), rng)
    return np.clip(augment.match_level(sound, rng.uniform(*SOUND_DBFS)), -1, 1)


def hear_sounds(model: EncDecHybridRNNTCTCBPEModel, seed: int) -> dict[str, dict[str, float]]:
    """Return how many words are heard in each kind of sound, and write the sounds' manifest."""
    items = draw_sounds(seed)
    write_manifest(SOUND_SET, items)
    texts = [r.text for r in recognize(model, [render_sound(item) for item in items])]
    heard: dict[str, dict[str, float]] = {}
    for kind in SOUNDS:
        of_kind = [text for item, text in zip(items, texts, strict=True) if item.line == kind]
        num_words = sum(len(text.split()) for text in of_kind)
        heard[kind] = {
            "recordings": len(of_kind),
            "words_a_minute": round(60 * num_words / (len(of_kind) * SOUND_S), 2),
            "empty": sum(not text for text in of_kind),
        }
    return heard


def hear_beside_sounds(
    model: EncDecHybridRNNTCTCBPEModel, name: str, seed: int
) -> dict[str, float]:
    """Return the word error rate of a set beside silence and beside each kind of sound."""
    items = sorted(draw_items(name, seed), key=lambda item: len(item.text))
    spoken = [render(item) for item in items]
    rates: dict[str, float] = {}
    for kind in BESIDE_KINDS:
        waveforms = [
            beside(utterance.waveform, kind, random.Random(f"{kind} {item.seed}"))
            for utterance, item in zip(spoken, items, strict=True)
        ]
        texts = [r.text for r in recognize(model, waveforms)]
        rates[kind] = round(word_error_rate(texts, [item.text for item in items]), 4)
    return rates


def beside(waveform: Waveform, kind: str, rng: random.Random) -> Waveform:
    """Put sounds of a kind, each as loud as the speech, close before and behind it."""
    cut = int((PAUSE_S - _KEPT_S) * SAMPLE_RATE_HZ)
    num_samples = int(BESIDE_S * SAMPLE_RATE_HZ)
    level_dbfs = float(10 * np.log10(np.mean(np.square(waveform)) + 1e-12))
    around = [
        np.zeros(num_samples, np.float32)
        if kind == SILENCE
        else augment.match_level(draw_one(kind, num_samples, rng), level_dbfs)
        for _ in range(2)
    ]
    whole = np.concatenate([around[0], waveform[cut : len(waveform) - cut], around[1]])
    return np.clip(whole, -1, 1).astype(np.float32)


def with_word_times(model: EncDecHybridRNNTCTCBPEModel) -> None:
    """Switch on what a server asks of the decoder; the saved file is not changed.

    NeMo 3.0's batched TDT loop loses the duration of a token while other rows of the batch
    still look for theirs, unless every step is recorded, as confidence with blanks has it do.
    """
    decoding = model.cfg.decoding.copy()
    with open_dict(decoding):
        decoding.compute_timestamps = True
        decoding.tdt_include_token_duration = True
        decoding.confidence_cfg = {"preserve_frame_confidence": True, "exclude_blank": False}
    model.change_decoding_strategy(decoding, decoder_type="rnnt", verbose=False)


def write_manifest(name: str, items: Sequence[Item]) -> None:
    MANIFESTS.mkdir(exist_ok=True)
    lines = (json.dumps({**asdict(item), "text": item.text}) for item in items)
    (MANIFESTS / f"{name}.jsonl").write_text("\n".join(lines) + "\n")


def _draw_parts(family: str, rng: random.Random) -> Iterator[str]:
    draw = {
        "commands": grammar.draw_command,
        "word-times": grammar.draw_command,
        "shuffled-words": grammar.draw_shuffled_words,
    }.get(family, grammar.draw_digits)
    if not family.startswith("pauses"):
        yield draw(rng, held_out=True)
        return
    for _ in range(rng.randint(2, 3)):
        if family == "pauses-synthetic":
            draw = rng.choice((grammar.draw_command, grammar.draw_digits))
        yield draw(rng, held_out=True)


def _time_errors(
    truth: Sequence[tuple[Word, ...]], found: Sequence[tuple[Word, ...]]
) -> dict[str, float]:
    """Compare the middles of words in the recordings that were recognised rightly."""
    errors_ms = np.array(
        [
            1000 * abs((t.start_s + t.end_s) / 2 - (f.start_s + f.end_s) / 2)
            for true_words, found_words in zip(truth, found, strict=True)
            if [w.text for w in true_words] == [w.text for w in found_words]
            for t, f in zip(true_words, found_words, strict=True)
        ]
    )
    return {
        "words_timed": len(errors_ms),
        "midpoint_error_ms_median": round(float(np.median(errors_ms)), 1),
        "midpoint_error_ms_p90": round(float(np.percentile(errors_ms, 90)), 1),
    }
