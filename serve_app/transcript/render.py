"""A transcript, in; the body that a wire sends, out: plain text, or a dictionary for JSON.

What the server does not know is null or absent, never made up: a client that takes 0.0 for "no
speech: impossible" would be misled by a field that was only filled in.
"""

import math
import zlib
from collections.abc import Collection, Iterable, Mapping
from itertools import groupby
from typing import TypeAlias

from serve_app.transcript.languages import name_of
from serve_app.transcript.subtitles.cues import label
from serve_app.transcript.types import Segment, Token, Transcript, Word

Json: TypeAlias = "Mapping[str, Json] | list[Json] | str | int | float | bool | None"

_TIME_DIGITS = 3
"""Milliseconds: finer than any model's frames."""

_IMPOSSIBLE_LOGPROB = -9999.0


def text(transcript: Transcript) -> str:
    """The text and a line's end, as OpenAI's `text` format has it; where voices were told apart, a
    line for each time that another one speaks."""
    said = [segment for segment in transcript.segments if segment.text]
    turns = groupby(said, key=lambda segment: segment.voice)
    lines = [label(voice) + " ".join(each.text for each in turn) for voice, turn in turns]
    return "\n".join(lines) + "\n"


def openai_json(transcript: Transcript, *, logprobs: bool = False) -> dict[str, Json]:
    """OpenAI's `json` format, and what `languages_of` says."""
    body: dict[str, Json] = {
        "text": transcript.text,
        "usage": duration_usage(transcript),
        **languages_of(transcript),
    }
    if logprobs:
        body["logprobs"] = token_logprobs(tokens_of(transcript.segments) or ())
    return body


def languages_of(transcript: Transcript) -> dict[str, Json]:
    """`languages` of the text, as OpenAI has them, and our `spoken_language`; where known."""
    body: dict[str, Json] = {}
    if transcript.language is not None:
        body["languages"] = [{"code": transcript.language}]
    if transcript.spoken_language is not None:
        body["spoken_language"] = transcript.spoken_language
    return body


def openai_verbose_json(
    transcript: Transcript,
    *,
    task: str = "transcribe",
    granularities: Collection[str] = ("segment",),
) -> dict[str, Json]:
    """OpenAI's `verbose_json` format, with `segments` and `words` as far as asked for.

    `language` is that of the text, its English name in lower case, as OpenAI gives it, or null
    where unknown; `spoken_language` is a code. `words` is null where the model gives no word times.
    """
    language = transcript.language
    body: dict[str, Json] = {
        "task": task,
        "language": None if language is None else name_of(language).lower(),
        "spoken_language": transcript.spoken_language,
        "duration": _seconds(transcript.duration_s),
        "text": transcript.text,
        "usage": duration_usage(transcript),
    }
    if "segment" in granularities:
        body["segments"] = [
            openai_segment(index, segment) for index, segment in enumerate(transcript.segments)
        ]
    if "word" in granularities:
        words = transcript.words
        body["words"] = None if words is None else [_openai_word(word) for word in words]
    return body


def openai_segment(index: int, segment: Segment) -> dict[str, Json]:
    """One segment of `verbose_json`.

    Whisper's fields, as far as they are true here: `seek` is the start in Whisper's frames of
    10 ms; `temperature` is 0, because nothing is sampled; `compression_ratio` is computed as
    Whisper does; `avg_logprob` is the mean over the tokens, null where the decoder gives none;
    `no_speech_prob` is null, because these models do not estimate it; `tokens` is empty, because
    their identifiers mean nothing outside of their vocabularies. Ours: `channel` and `speaker`,
    where they were told apart.
    """
    body: dict[str, Json] = {
        "id": index,
        "seek": round(segment.start_s * 100),
        "start": _seconds(segment.start_s),
        "end": _seconds(segment.end_s),
        "text": segment.text,
        "tokens": [],
        "temperature": 0.0,
        "avg_logprob": _mean_logprob(segment.tokens),
        "compression_ratio": compression_ratio(segment.text),
        "no_speech_prob": None,
    }
    if segment.channel is not None:
        body["channel"] = segment.channel
    if segment.speaker is not None:
        body["speaker"] = segment.speaker
    return body


def openai_diarized_json(transcript: Transcript, *, task: str = "transcribe") -> dict[str, Json]:
    """OpenAI's `diarized_json` format, and what `languages_of` says."""
    return {
        "task": task,
        "duration": _seconds(transcript.duration_s),
        "text": transcript.text,
        "segments": [
            diarized_segment(index, segment) for index, segment in enumerate(transcript.segments)
        ],
        "usage": duration_usage(transcript),
        **languages_of(transcript),
    }


def diarized_segment(index: int, segment: Segment) -> dict[str, Json]:
    """One segment of `diarized_json`; as an event, it is the same. `speaker` is null where nobody
    was heard to speak."""
    return {
        "type": "transcript.text.segment",
        "id": segment_id(index),
        "start": _seconds(segment.start_s),
        "end": _seconds(segment.end_s),
        "text": segment.text,
        "speaker": segment.speaker,
    }


def segment_id(index: int) -> str:
    return f"seg_{index + 1:03d}"


def plain_json(
    transcript: Transcript, *, segments: bool = True, speakers: bool = False
) -> dict[str, Json]:
    """The plain server's answer, before the wire adds the file's name and the time. Segments have
    their `channel` where each was heard for itself."""
    shown = transcript.segments if segments else ()
    return {
        "text": transcript.text,
        "segments": [
            {
                "start": _seconds(segment.start_s),
                "end": _seconds(segment.end_s),
                "text": segment.text,
                **({"speaker": segment.speaker} if speakers else {}),
                **({} if segment.channel is None else {"channel": segment.channel}),
            }
            for segment in shown
        ],
        "language": transcript.language,
        "spoken_language": transcript.spoken_language,
    }


def duration_usage(transcript: Transcript) -> dict[str, Json]:
    return {"type": "duration", "seconds": _seconds(transcript.duration_s)}


def token_logprobs(tokens: Iterable[Token]) -> list[Json]:
    """OpenAI's `logprobs`: each token with its UTF-8 bytes and its natural logarithm.

    JSON has no infinity; an impossible token gets OpenAI's own -9999.
    """
    return [
        {
            "token": token.text,
            "bytes": list(token.text.encode()),
            "logprob": max(token.logprob, _IMPOSSIBLE_LOGPROB),
        }
        for token in tokens
    ]


def tokens_of(segments: Iterable[Segment]) -> tuple[Token, ...] | None:
    """All tokens in order; None if any segment lacks its own."""
    tokens: list[Token] = []
    for segment in segments:
        if segment.tokens is None:
            return None
        tokens.extend(segment.tokens)
    return tuple(tokens)


def compression_ratio(text: str) -> float:
    """Bytes before ÷ bytes after zlib, as in `whisper.utils.compression_ratio`; 0 for no text.

    Speech stays near 1 to 2; above 2.4 the text repeats itself.
    """
    encoded = text.encode()
    return len(encoded) / len(zlib.compress(encoded))


def _openai_word(word: Word) -> dict[str, Json]:
    body: dict[str, Json] = {
        "word": word.text,
        "start": _seconds(word.start_s),
        "end": _seconds(word.end_s),
    }
    if word.confidence is not None and math.isfinite(word.confidence):
        body["confidence"] = word.confidence
    return body


def _mean_logprob(tokens: tuple[Token, ...] | None) -> float | None:
    if not tokens:
        return None
    return sum(max(token.logprob, _IMPOSSIBLE_LOGPROB) for token in tokens) / len(tokens)


def _seconds(value_s: float) -> float:
    return round(value_s, _TIME_DIGITS)
