"""The facts of a trained model -> its model card in Markdown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tiny.release import history

SETS = {
    "commands": "unseen commands, unseen synthetic voices",
    "synthetic-digits": "unseen digit strings, unseen synthetic voices",
    "shuffled-words": "unseen words in random order, unseen synthetic voices",
    "digits": "digit strings of the unseen person, clean",
    "digits-ulaw": "the same through G.711 µ-law",
    "digits-alaw": "the same through G.711 A-law",
    "digits-mp3": "the same through MP3",
    "pauses-synthetic": "2 or 3 synthetic utterances with pauses",
    "pauses-digits": "2 or 3 digit strings of the unseen person with pauses",
    "word-times": "unseen commands joined from single words, so that their times are known",
}
"""The evaluation sets and what each is, in the card's order."""

SOUND_SET = "sounds"
"""The recordings in which nobody speaks: no word error rate is theirs."""

BESIDE_SETS = ("commands", "digits")
"""The sets that are heard once more with sounds before and behind."""

SILENCE = "silence"
BESIDE_KINDS = (SILENCE, "noise", "knocks", "music")
BESIDE_S = 0.45
"""What lies before and behind, and how long: as long as a chunk's margin in the server."""

AIMS = {
    "commands": 0.02,
    "digits": 0.10,
    "digits-ulaw": 0.10,
    "digits-alaw": 0.10,
    "digits-mp3": 0.10,
}
"""The word error rate that each set should stay below."""

MIDPOINT_AIM_MS = 80

_PAGE = """\
# parakeet-tiny

A NeMo hybrid TDT-CTC FastConformer of {parameters:,} parameters, in the shape of
`nvidia/parakeet-tdt_ctc-110m`. It hears English home commands and digit strings, and
nothing else: it exists so that the server, its tests and its first run work with a real
model on any CPU. Written by `make tiny`; do not edit.

| | |
|---|---|
{history}

## Figures

Greedy decoding. Nothing below was in training: neither the transcripts, nor the variants of
the synthetic voices, nor the real person. The manifests are in `tiny/parakeet/eval/`, drawn with
seed {evaluation_seed}.

| set | recordings | words | WER, TDT | WER, CTC | aim |
|---|---:|---:|---:|---:|---:|
{rows}

Word times (TDT, recordings recognised rightly): the middle of a word is off by
{midpoint_error_ms_median:.0f} ms at the median (aim: {midpoint_aim_ms} ms) and
{midpoint_error_ms_p90:.0f} ms at the 90th percentile, over {words_timed} words.

## What is not speech

The sounds are of the generator that training draws from (`tiny/speech/sounds.py`), but none that
it has heard; [a recording of hours](../../docs/hours.md) has others. Where nobody speaks, in
{recordings} recordings of six seconds of each kind, soft and loud:

| sound | words a minute | empty texts |
|---|---:|---:|
{alone}

With {beside_s} s of sound before and behind, as loud as the speech and 0.1 s from it, WER, TDT:

| set | {kinds} |
|---|{rules}
{beside}

## Trained on

- Digit strings joined from recordings of four people of the Free Spoken Digit Dataset,
  © the FSDD contributors (github.com/Jakobovski/free-spoken-digit-dataset), CC BY-SA 4.0.
  A fifth person of that set, `yweweler`, is heard only in the evaluation.
- Speech of espeak-ng 1.51 (eight English accents, many variants), made while training.
- In its last stages: noise, knocks, beeps, drums and music, made while training, beside speech
  and alone.

Every transcript of the training is listed in `parakeet-tiny.train.jsonl.gz`. The weights
may be used under CC BY-SA 4.0, with the attribution above.

## Limits

- Its vocabulary is 139 words of one small grammar. Any other speech comes out as
  some of these words, with confidence.
- What is not speech it knows from made sounds alone, and voices in other languages, singing,
  laughter and coughs not at all: they come out as words. Silence gives no text.
- It has heard four real people, all men, say digits. Commands it has heard from synthetic
  voices alone; how it does on commands of real people is not known.
- A word lasts at most 0.32 s in its times (a TDT duration is at most four frames of 80 ms);
  longer words are centred.
"""

_HEARD = "{epochs_done:.1f} passes over {num_rows:,} transcripts, a new recording each time"


def render_card(facts: Mapping[str, Any]) -> str:
    """Return the card of the facts that stand beside it as JSON."""
    sets = facts["evaluation"]["figures"]
    return _PAGE.format(
        parameters=facts["training"]["parameters"],
        history=history(
            facts, file="parakeet-tiny.nemo", command="python -m tiny parakeet", heard=_HEARD
        ),
        evaluation_seed=facts["evaluation"]["seed"],
        rows="\n".join(_row(SETS[name], AIMS.get(name), sets[name]) for name in SETS),
        midpoint_error_ms_median=sets["word-times"]["midpoint_error_ms_median"],
        midpoint_error_ms_p90=sets["word-times"]["midpoint_error_ms_p90"],
        words_timed=sets["word-times"]["words_timed"],
        midpoint_aim_ms=MIDPOINT_AIM_MS,
        **_sounds(sets[SOUND_SET]),
    )


def _sounds(figures: Mapping[str, Any]) -> dict[str, Any]:
    alone, beside = figures["alone"], figures["beside"]
    return {
        "recordings": next(iter(alone.values()))["recordings"],
        "alone": "\n".join(
            f"| {kind} | {heard['words_a_minute']:.1f} | {heard['empty']} |"
            for kind, heard in alone.items()
        ),
        "beside_s": BESIDE_S,
        "kinds": " | ".join(BESIDE_KINDS),
        "rules": "---:|" * len(BESIDE_KINDS),
        "beside": "\n".join(
            f"| {SETS[name]} | "
            + " | ".join(f"{100 * rates[kind]:.1f} %" for kind in BESIDE_KINDS)
            + " |"
            for name, rates in beside.items()
        ),
    }


def _row(title: str, aim: float | None, figures: Mapping[str, Any]) -> str:
    cells = (
        title,
        figures["recordings"],
        figures["words"],
        f"{100 * figures['wer']:.1f} %",
        f"{100 * figures['ctc_wer']:.1f} %",
        "" if aim is None else f"≤ {100 * aim:.0f} %",
    )
    return f"| {' | '.join(map(str, cells))} |"
