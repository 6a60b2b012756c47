"""The form of OpenAI's audio endpoints, in; what is wanted of the server, out.

What cannot be honoured is refused by name: a client that asked for something must not believe
that it got it.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from serve_app.config import LimitsConfig, ModelConfig, Task
from serve_app.errors import InvalidOptionError, UnsupportedOptionError
from serve_app.ingress.forms import Form, shown
from serve_app.ingress.served import ServedModels
from serve_app.ingress.wires.rest import tasks
from serve_app.ingress.wires.rest.answers import CHANNEL, Schema, channel_of, names_of
from serve_app.pipelines.transcription import TranscriptionRequest

FORMATS = ("json", "text", "srt", "verbose_json", "vtt", "diarized_json")
_STREAMED_FORMATS = ("json", "text", "diarized_json")
_GRANULARITIES = ("segment", "word")
_NO_NAMES = "speakers are told apart, and known by nothing but letters"

_TEXT = {"type": "string"}
_TEXTS = {"type": "array", "items": {"type": "string"}}

FIELDS: Mapping[str, Schema] = {
    "file": {"type": "string", "format": "binary", "description": "The recording."},
    "model": {
        **_TEXT,
        "description": "A served name, an alias, or one of OpenAI's names, which mean the default.",
    },
    **tasks.FIELDS,
    "languages[]": {**_TEXTS, "maxItems": 1, "description": "As `language`; one at most."},
    "response_format": {
        **_TEXT,
        "enum": list(FORMATS),
        "default": "json",
        "description": "`diarized_json` where a model that tells speakers apart is served.",
    },
    "timestamp_granularities[]": {
        "type": "array",
        "items": {"type": "string", "enum": list(_GRANULARITIES)},
        "description": "With `verbose_json` only; a translation has no `word`.",
    },
    "include[]": {
        "type": "array",
        "items": {"type": "string", "enum": ["logprobs"]},
        "description": "With `json` only.",
    },
    "stream": {"type": "boolean", "default": False, "description": "Answer by server-sent events."},
    "channel": CHANNEL,
    "temperature": {"type": "number", "enum": [0], "description": "Nothing is sampled: only 0."},
    "chunking_strategy": {"type": "string", "enum": ["auto"]},
    "prompt": {**_TEXT, "maxLength": 0, "description": "No served model takes one."},
    "known_speaker_names[]": {**_TEXTS, "maxItems": 0, "description": _NO_NAMES},
    "known_speaker_references[]": {**_TEXTS, "maxItems": 0, "description": _NO_NAMES},
}
"""Every field that is known, with its OpenAPI schema; another one is refused."""

NAMES = names_of(FIELDS)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What one client wants to have."""

    model: ModelConfig
    task: Task
    request: TranscriptionRequest
    format: str
    granularities: frozenset[str]
    logprobs: bool
    stream: bool


def wanted_of(form: Form, served: ServedModels, limits: LimitsConfig, endpoint: Task) -> Wanted:
    """
    Raises:
        RequestError: a field has a value that nobody, or not this server, could honour.
    """
    asked = tasks.asked_of(form, served, endpoint=endpoint)
    response_format = form.choice("response_format", FORMATS, "json")
    diarizer = served.diarizing("response_format", wanted=response_format == "diarized_json")
    stream = form.flag("stream", default=False)
    if stream and response_format not in _STREAMED_FORMATS:
        raise UnsupportedOptionError(
            "response_format", f"events carry {' or '.join(_STREAMED_FORMATS)} only"
        )
    _refuse_what_no_model_does(form)
    logprobs = _logprobs(form, response_format)
    granularities = _granularities(form, response_format, asked.task)
    options = asked.options(
        # Segments and cues are cut between words.
        word_times=response_format in ("verbose_json", "srt", "vtt", "diarized_json"),
        # A segment's avg_logprob needs them too.
        logprobs=logprobs or (response_format == "verbose_json" and "segment" in granularities),
    )
    return Wanted(
        model=asked.model,
        task=asked.task,
        request=TranscriptionRequest(
            asked.model.name,
            options,
            channel_of(form, diarizer),
            limits.request_timeout_s,
            wording=asked.wording,
            diarizer=diarizer,
        ),
        format=response_format,
        granularities=granularities,
        logprobs=logprobs,
        stream=stream,
    )


def _granularities(form: Form, response_format: str, task: Task) -> frozenset[str]:
    wanted = frozenset(form.many("timestamp_granularities"))
    for value in sorted(wanted.difference(_GRANULARITIES)):
        raise InvalidOptionError(
            "timestamp_granularities", f"{shown(value)} is neither `word` nor `segment`"
        )
    if wanted and response_format != "verbose_json":
        raise InvalidOptionError(
            "timestamp_granularities", "is for response_format=verbose_json only"
        )
    if "word" in wanted and task == "translate":
        raise UnsupportedOptionError(
            "timestamp_granularities",
            "the words of a translation were never said, so they have no times; `segment` has",
        )
    return wanted or frozenset({"segment"})


def _logprobs(form: Form, response_format: str) -> bool:
    wanted = form.many("include")
    for value in wanted:
        if value != "logprobs":
            raise InvalidOptionError("include", f"{shown(value)} is not `logprobs`")
    if wanted and response_format != "json":
        raise InvalidOptionError("include", "`logprobs` is for response_format=json only")
    return bool(wanted)


def _refuse_what_no_model_does(form: Form) -> None:
    _check_temperature(form.one("temperature"))
    if (form.one("chunking_strategy") or "auto") != "auto":
        raise UnsupportedOptionError("chunking_strategy", "only `auto`")
    for name in form.fields:
        if "[" in name and form.many(name):
            raise UnsupportedOptionError(name.split("[")[0], f"{shown(name)} cannot be set")
    for name, reason in _REFUSED.items():
        if form.many(name):
            raise UnsupportedOptionError(name, reason)


_REFUSED: Mapping[str, str] = {
    "prompt": "no served model takes a prompt",
    "known_speaker_names": _NO_NAMES,
    "known_speaker_references": _NO_NAMES,
}


def _check_temperature(value: str | None) -> None:
    try:
        temperature = float(value or 0)
    except ValueError:
        temperature = math.nan
    if not 0 <= temperature <= 1:
        raise InvalidOptionError("temperature", f"{shown(value or '')} is not between 0 and 1")
    if temperature:
        raise UnsupportedOptionError("temperature", "nothing is sampled: only 0")
