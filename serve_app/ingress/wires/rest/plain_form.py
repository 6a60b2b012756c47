"""The form of the plain transcription server in; the request that it means out."""

from collections.abc import Mapping
from dataclasses import dataclass

from serve_app.config import ModelConfig
from serve_app.ingress.forms import Form
from serve_app.ingress.served import ServedModels
from serve_app.ingress.wires.rest import tasks
from serve_app.ingress.wires.rest.answers import CHANNEL, Schema, channel_of
from serve_app.pipelines.transcription import TranscriptionRequest

FIELDS: Mapping[str, Schema] = {
    "file": {"type": "string", "format": "binary", "description": "The recording."},
    "model": {"type": "string", "description": "A served name or an alias."},
    **tasks.FIELDS,
    "include_timestamps": {
        "type": "boolean",
        "default": True,
        "description": "Without, `segments` is empty.",
    },
    "diarize": {
        "type": "boolean",
        "default": False,
        "description": "Segments with their `speaker`: A, B, … in the order of their first words.",
    },
    "channel": CHANNEL,
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What one client wants to have."""

    model: ModelConfig
    request: TranscriptionRequest
    timestamps: bool


def request_of(form: Form, served: ServedModels, timeout_s: float) -> Wanted:
    """
    Raises:
        RequestError: a field has a value that nobody, or not this server, could honour.
    """
    asked = tasks.asked_of(form, served)
    timestamps = form.flag("include_timestamps", default=True)
    diarizer = served.diarizing("diarize", wanted=form.flag("diarize", default=False))
    request = TranscriptionRequest(
        asked.model.name,
        asked.options(word_times=timestamps or diarizer is not None),
        channel_of(form, diarizer),
        timeout_s,
        diarizer=diarizer,
        wording=asked.wording,
    )
    return Wanted(asked.model, request, timestamps)
