"""What the REST wires share: a form, in; a transcript, out; and what is said around it."""

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request

from serve_app.audio.waveform import Channel
from serve_app.config import LimitsConfig, ModelConfig
from serve_app.errors import InvalidOptionError
from serve_app.ingress.backend import Backend
from serve_app.ingress.forms import MULTIPART, RAW, Form, shown
from serve_app.ingress.presence import while_present
from serve_app.pipelines.transcription import TranscriptionRequest
from serve_app.transcript.types import StageTimes, Transcript

SIMULATED_HEADER = "x-chorus-simulated"
TIMING_HEADER = "server-timing"

Schema = Mapping[str, Any]
"""A JSON schema, as OpenAPI has it."""

PROBLEMS: dict[int | str, dict[str, Any]] = {
    400: {"description": "The request or its audio is wrong; `error.param` names the field."},
    404: {"description": "No such model."},
    408: {"description": "The upload took too long to arrive."},
    413: {"description": "The upload is too large, or the audio too long."},
    415: {"description": "Neither a multipart form nor a known audio format."},
    429: {"description": "At capacity, or the key is; `Retry-After` says when to try again."},
    500: {"description": "The server or its model failed; its log has why, by `x-request-id`."},
    503: {"description": "No replica can answer, or the time limit passed; see `Retry-After`."},
}
"""For OpenAPI; every error has OpenAI's shape."""


async def transcribe(
    http: Request,
    backend: Backend,
    upload: bytes,
    request: TranscriptionRequest,
) -> Transcript:
    """The transcript of an upload, unless its client leaves first."""
    return await while_present(http.receive, backend.transcribe(upload, request), request.timeout_s)


CHANNEL: Schema = {
    "type": "string",
    "default": "mix",
    "description": "`mix` of all channels; `split`: each is heard for itself, and their segments "
    "are merged by time; or a channel's number from 0.",
}


def channel_of(form: Form, diarizer: str | None = None) -> Channel:
    """
    Raises:
        InvalidOptionError: neither `mix` nor `split` nor a number, or `split` for a `diarizer`,
            which tells apart who is heard in one channel.
    """
    value = form.one("channel") or "mix"
    if value == "mix":
        return "mix"
    if value == "split" and diarizer is not None:
        raise InvalidOptionError("channel", "is `split` already; speakers are told apart in one")
    if value == "split":
        return "split"
    if value.isascii() and value.isdecimal() and len(value) <= 3:
        return int(value)
    raise InvalidOptionError(
        "channel", f"{shown(value)} is none of: `mix`, `split`, a number from 0"
    )


def headers_of(model: ModelConfig, times: StageTimes | None = None) -> dict[str, str]:
    """Whether the words are made up by a simulation, and where the time went."""
    headers: dict[str, str] = {}
    if model.kind == "simulated":
        headers[SIMULATED_HEADER] = "true"
    if times is not None:
        stages = {"decode": times.decode_s, "queue": times.queue_s, "model": times.model_s}
        headers[TIMING_HEADER] = ", ".join(
            f"{stage};dur={duration_s * 1000:.1f}" for stage, duration_s in stages.items()
        )
    return headers


def simulated_of(model: ModelConfig) -> dict[str, bool]:
    """What JSON bodies say beside the header."""
    return {"simulated": True} if model.kind == "simulated" else {}


def form_schema(fields: Mapping[str, Schema]) -> dict[str, Any]:
    """OpenAPI's description of a multipart form with these fields, of which `file` is required."""
    form = {
        "type": "object",
        "required": ["file"],
        "properties": dict(fields),
        "additionalProperties": False,
    }
    return {"requestBody": {"required": True, "content": {MULTIPART: {"schema": form}}}}


def recording_schema(fields: Mapping[str, Schema]) -> dict[str, Any]:
    """The same, or the file alone as the body; all other fields go into the query then."""
    described = form_schema(fields)
    described["requestBody"]["content"][RAW] = {}  # raw bytes, as OpenAPI 3.1 says that
    return described


def names_of(fields: Mapping[str, Schema]) -> frozenset[str]:
    """The names that `forms` knows these fields by."""
    return frozenset(name.removesuffix("[]") for name in fields)


def limited(limits: LimitsConfig) -> dict[str, Any]:
    """What `read_form` needs of the limits."""
    return {"max_upload_bytes": limits.max_upload_bytes, "timeout_s": limits.upload_timeout_s}
