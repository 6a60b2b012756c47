"""The facts of a trained model -> its model card in Markdown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tiny.parakeet import card as parakeet
from tiny.release import history

SOFT_SET, LONG_SET = "digits-soft", "long"
SETS = {
    **parakeet.SETS,
    SOFT_SET: "digit strings of the unseen person, clean, 20 dB softer (-46 dBFS)",
    LONG_SET: "the first, second and fourth set, joined to six streams of three minutes each",
}
"""The sets with words and what each is, in the card's order."""

AIMS = {"commands": (80, 0.04), "synthetic-digits": (80, 0.04), "digits": (480, 0.12)}
"""The look-ahead in milliseconds from which on a set should stay below a word error rate."""

_PAGE = """\
# parakeet-streaming-tiny

A NeMo cache-aware hybrid RNNT-CTC FastConformer of {parameters:,} parameters, in the shape
of `nvidia/stt_en_fastconformer_hybrid_large_streaming_multi`: one file for a look-ahead of 0,
80, 480 or 1040 ms (`att_context_size` `[70,0]`, `[70,1]`, `[70,6]`, `[70,13]`). It hears
English home commands and digit strings while they are spoken, and nothing else: it exists so
that the server, its tests and its first run have live captions from a real model on any CPU.
Written by `make tiny`; do not edit.

| | |
|---|---|
{history}
| began with | the weights of [parakeet-tiny](parakeet-tiny.md), sha256 `{began_with_sha256}` |

## Figures

Word error rates with greedy decoding. Nothing below was in training, nor in that of the
weights that it began with: neither the transcripts, nor the variants of the synthetic voices,
nor the real person. The sets are those of parakeet-tiny, in `tiny/parakeet/eval/`, drawn with
seed {evaluation_seed}; its figures are of sha256 `{parakeet_sha256}`, which hears each
recording as a whole. Streams go chunk by chunk through NeMo's own pipeline
(`tiny/streaming/pipeline.yaml`); "offline" is the same encoder at its default look-ahead of
1040 ms, over the recording as a whole.

| set | words | parakeet-tiny | offline | offline, CTC | {headings} | aim |
|---|---:|---:|---:|---:|{rules}---:|
{rows}

How long after its end a word comes, counted in audio that is in by then (so it includes the
wait for the chunk to be full, not the computing), in recordings recognised rightly; and how
many of {nobody} recordings of silence, noise, beeps and knocks give an empty text
({nobody_offline} offline):

| look-ahead | chunk | commands: median | 95 % | digits: median | 95 % | empty |
|---:|---:|---:|---:|---:|---:|---:|
{delays}

A negative delay is a word said before it has ended, as one that cannot be another any more.

## Trained on

- Digit strings joined from recordings of four people of the Free Spoken Digit Dataset,
  © the FSDD contributors (github.com/Jakobovski/free-spoken-digit-dataset), CC BY-SA 4.0.
  A fifth person of that set, `yweweler`, is heard only in the evaluation.
- Speech of espeak-ng 1.51 (eight English accents, many variants), made while training.
- Noise, beeps and silence without words.

Every transcript of the training is listed in `parakeet-streaming-tiny.train.jsonl.gz`. The
weights may be used under CC BY-SA 4.0, with the attribution above.

## Limits

- Its vocabulary is 139 words of one small grammar. Any other speech comes out as some of
  these words, with confidence.
- It has heard four real people, all men, say digits. Commands it has heard from synthetic
  voices alone; how it does on commands of real people is not known.
- The last words of a stream that stops within 0.1 s of them may be lost: it waits for a word
  to end.
"""

_HEARD = "{epochs_done:.1f} passes over {num_rows:,} transcripts, a new recording each time"


def render_card(facts: Mapping[str, Any]) -> str:
    """Return the card of the facts that stand beside it as JSON."""
    sets = facts["evaluation"]["figures"]
    look_aheads = list(sets["nobody"]["streams"])
    first = facts["training"]
    while first["before"]:
        first = first["before"]
    return _PAGE.format(
        parameters=facts["training"]["parameters"],
        history=history(
            facts,
            file="parakeet-streaming-tiny.nemo",
            command="python -m tiny streaming",
            heard=_HEARD,
        ),
        began_with_sha256=first["began_with_sha256"],
        evaluation_seed=facts["evaluation"]["seed"],
        parakeet_sha256=sets["parakeet-tiny"]["sha256"],
        headings=" | ".join(f"{look_ahead} ms" for look_ahead in look_aheads),
        rules="---:|" * len(look_aheads),
        rows="\n".join(_row(name, sets) for name in SETS),
        nobody=sets["nobody"]["recordings"],
        nobody_offline=sets["nobody"]["empty"],
        delays="\n".join(_delay_row(look_ahead, sets) for look_ahead in look_aheads),
    )


def _row(name: str, sets: Mapping[str, Any]) -> str:
    figures = sets[name]
    whole = sets["parakeet-tiny"]["wer"].get(name)
    aim = AIMS.get(name)
    cells = (
        SETS[name],
        figures["words"],
        "" if whole is None else _percent(whole),
        _percent(figures["wer"]),
        _percent(figures["ctc_wer"]),
        *(_percent(result["wer"]) for result in figures["streams"].values()),
        "" if aim is None else f"≤ {100 * aim[1]:.0f} % from {aim[0]} ms",
    )
    return f"| {' | '.join(map(str, cells))} |"


def _delay_row(look_ahead: str, sets: Mapping[str, Any]) -> str:
    timed = [sets[name]["streams"][look_ahead] for name in ("word-times", "digits")]
    cells = (
        f"{look_ahead} ms",
        f"{int(look_ahead) + 80} ms",
        *(
            f"{result[f'delay_ms_{point}']:.0f} ms"
            for result in timed
            for point in ("median", "p95")
        ),
        sets["nobody"]["streams"][look_ahead]["empty"],
    )
    return f"| {' | '.join(map(str, cells))} |"


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
