"""The facts of a trained canary-tiny -> its model card in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tiny.release import history

NAMES = {"en": "English", "de": "German", "fr": "French", "es": "Spanish", "ru": "Russian"}
LINES = {"clean": "clean", "ulaw": "through G.711 µ-law", "mp3": "through MP3"}

RECOGNITION_AIM = 0.05
IDENTIFICATION_AIM = 0.98
DIGITS_AIM = 0.10

_PAGE = """\
# canary-tiny

A NeMo `EncDecMultiTaskModel` of {canary:,} parameters, in the shape of
`nvidia/canary-1b-v2` (prompt format `canary2`), with a CTC aligner of {aligner:,} inside
the same file. It hears household phrases and strings of digits in English, German, French,
Spanish and Russian, writes them down with or without punctuation and capitals, translates
them from and to English, and names the language. It knows nothing else: it exists so that
the server, its tests and its first run work with a real model on any CPU. Written by
`python -m tiny canary`; do not edit.

| | |
|---|---|
{history}
| began with | the encoder of [parakeet-tiny](parakeet-tiny.md), sha256 `{encoder_sha256}` |

## Figures

Asked as the server asks, greedily. No phrase below was in training, in any of the five
languages, nor in that of the encoder that it began with; nor were the variants of the
synthetic voices, nor the real person. The manifests are in `tiny/canary/eval/`, drawn with
seed {evaluation_seed}.

Recognition (aim: WER ≤ {recognition_aim} without punctuation and capitals) and language
identification (aim: ≥ {identification_aim}); synthetic voices, one to three utterances:

| language | recordings | WER | all right | WER, pnc | all right, pnc | identified |
|---|---:|---:|---:|---:|---:|---:|
{recognition}

Over all languages {identified} of the recordings are identified rightly.

Translation of the same recordings:

| direction | WER | all right | WER, pnc | all right, pnc |
|---|---:|---:|---:|---:|
{translation}

English digit strings of the unseen real person (aim: WER ≤ {digits_aim}):

| line | recordings | WER | all right | WER, pnc | identified as English |
|---|---:|---:|---:|---:|---:|
{digits}

Word times by the aligner, of unseen phrases joined from single words, so that their times are
known, where they are recognised rightly. How far the middle of a word is off:

| language | recordings | words | median | 90th percentile |
|---|---:|---:|---:|---:|
{word_times}

Of {silence_recordings} recordings of nothing but noise, {silence_empty} give an empty text,
over all five languages.

## Trained on

- Speech of espeak-ng 1.51, made for the training: English, German, French, Spanish and
  Russian, many variants. espeak-ng is GPL-3.0 software; the speech it makes is not.
- English digit strings joined from recordings of four people of the Free Spoken Digit
  Dataset, © the FSDD contributors (github.com/Jakobovski/free-spoken-digit-dataset),
  CC BY-SA 4.0. A fifth person of that set, `yweweler`, is heard only in the evaluation.

Every phrase of the training, in all its languages, is listed in
`canary-tiny.train.jsonl.gz`. The weights may be used under CC BY-SA 4.0, with the
attribution above.

## Limits

- Its vocabulary is about 140 words in each language, of one small grammar. Any other speech
  comes out as some of these words, with confidence.
- It has heard four real people, all men, say English digits. All else it has heard from
  synthetic voices alone; how it does on real people's phrases is not known.
- `itn`, `timestamp`, `diarize` and the context before the transcript are in the prompt but
  were never trained: keep them off and empty. Word times come from the aligner.
- It translates between English and one other language, not between two others.
- It learnt from one to three sentences with short pauses. Longer recordings are to be cut at
  pauses, to 8 s at the most (`max_chunk_s: 8`); given 30 s at once it loses half of the words.
  A sentence may come out twice, seen most often in Spanish.
"""

_HEARD = (
    "{epochs_done:.1f} passes over {num_rows:,} recordings, each in several tasks, with another "
    "vocal tract each time"
)


def render_card(facts: Mapping[str, Any]) -> str:
    """Return the card of the facts that stand beside it as JSON."""
    training, figures = facts["training"], facts["evaluation"]["figures"]
    recognition = figures["recognition"]
    heard = sum(row["recordings"] for row in recognition.values())
    identified = sum(row["recordings"] * row["identified"] for row in recognition.values())
    first = training
    while first["before"]:
        first = first["before"]
    return _PAGE.format(
        **training["parameters"],
        history=history(
            facts, file="canary-tiny.nemo", command="python -m tiny canary", heard=_HEARD
        ),
        encoder_sha256=first["encoder_sha256"],
        evaluation_seed=facts["evaluation"]["seed"],
        recognition_aim=_percent(RECOGNITION_AIM),
        identification_aim=_percent(IDENTIFICATION_AIM),
        digits_aim=_percent(DIGITS_AIM),
        identified=_percent(identified / heard),
        recognition=_table(
            (NAMES[language], row["recordings"], *_written(row), _percent(row["identified"]))
            for language, row in recognition.items()
        ),
        translation=_table(
            (_direction(direction), *_written(row))
            for direction, row in figures["translation"].items()
        ),
        digits=_table(
            (LINES[line], row["recordings"], *_written(row)[:3], _percent(row["identified"]))
            for line, row in figures["digits"].items()
        ),
        word_times=_table(
            (
                NAMES[language],
                row["recordings"],
                row["words"],
                f"{row['midpoint_error_ms_median']:.0f} ms",
                f"{row['midpoint_error_ms_p90']:.0f} ms",
            )
            for language, row in figures["word_times"].items()
        ),
        silence_recordings=figures["silence"]["recordings"],
        silence_empty=_percent(figures["silence"]["empty"]),
    )


def _written(row: Mapping[str, float]) -> tuple[str, str, str, str]:
    return (
        _percent(row["wer"]),
        _percent(row["exact"]),
        _percent(row["wer_pnc"]),
        _percent(row["exact_pnc"]),
    )


def _direction(direction: str) -> str:
    source, target = direction.split("-")
    return f"{NAMES[source]} → {NAMES[target]}"


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _table(rows: Iterable[Sequence[object]]) -> str:
    return "\n".join(f"| {' | '.join(map(str, row))} |" for row in rows)
