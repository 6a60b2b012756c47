"""The form that a job is handed in by, in; the job that it means, out."""

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import replace

from starlette.requests import Request

from serve_app.config import JobsConfig
from serve_app.errors import InvalidOptionError, UnsupportedOptionError
from serve_app.ingress.auth.door import KEY
from serve_app.ingress.forms import Form, shown
from serve_app.ingress.jobs.desk import Desk
from serve_app.ingress.jobs.uploads import Stored
from serve_app.ingress.served import ServedModels
from serve_app.ingress.wires.rest import plain_form
from serve_app.ingress.wires.rest.answers import Schema, names_of
from serve_app.jobs.callbacks import checked_callback_url
from serve_app.jobs.types import NewFile, NewJob
from serve_app.pipelines.length import expected_by_head_s
from serve_app.pipelines.transcription import TranscriptionRequest

FIELDS: Mapping[str, Schema] = {
    **plain_form.FIELDS,
    "file": {
        "type": "array",
        "items": {"type": "string", "format": "binary"},
        "description": "The recordings: one or more.",
    },
    "callback_url": {
        "type": "string",
        "description": "Is sent the job, signed (Standard Webhooks), when it has ended.",
    },
    "priority": {
        "type": "integer",
        "default": 0,
        "description": "-100 to 100; higher goes first, among equals the oldest.",
    },
    "time_to_live_s": {
        "type": "number",
        "description": "How long results are kept once the job has ended; the server has a limit.",
    },
    "idempotency_key": {
        "type": "string",
        "description": "As the header `Idempotency-Key`: the same again is the same job.",
    },
}
NAMES = names_of(FIELDS)
_MAX_PRIORITY = 100
_MAX_KEY_CHARACTERS = 255


def new_job(
    http: Request,
    form: Form,
    files: list[Stored],
    served: ServedModels,
    jobs: JobsConfig,
    desk: Desk,
) -> NewJob:
    """
    Raises:
        RequestError: a field has a value that nobody, or not this server, could honour.
    """
    request = plain_form.request_of(form, served, jobs.file_timeout_s).request
    callback_url = form.one("callback_url")
    if callback_url is not None and not desk.signs_callbacks:
        raise UnsupportedOptionError(
            "callback_url", "this server has nothing to sign callbacks with"
        )
    if callback_url is not None:
        allows = jobs.callbacks_to_private_addresses
        callback_url = checked_callback_url(callback_url, allows_private=allows)
    new = NewJob(
        files=[
            NewFile(
                each.filename,
                each.audio,
                expected_by_head_s(each.head, each.audio.num_bytes, longest_s=jobs.max_audio_s),
            )
            for each in files
        ],
        request=request,
        owner=owner_of(http),
        priority=_priority(form),
        callback_url=callback_url,
        idempotency_key=_idempotency_key(http, form),
        fingerprint=_fingerprint(request, files, callback_url),
        time_to_live_s=_time_to_live_s(form, jobs.time_to_live_s),
    )
    return new


def _priority(form: Form) -> int:
    value = form.one("priority") or "0"
    try:
        priority = int(value)
    except ValueError:
        raise InvalidOptionError("priority", f"{shown(value)} is no whole number") from None
    if abs(priority) > _MAX_PRIORITY:
        raise InvalidOptionError("priority", f"is not between -{_MAX_PRIORITY} and {_MAX_PRIORITY}")
    return priority


def _time_to_live_s(form: Form, longest_s: float) -> float:
    value = form.one("time_to_live_s")
    if value is None:
        return longest_s
    try:
        time_to_live_s = float(value)
    except ValueError:
        time_to_live_s = math.nan
    if not 0 < time_to_live_s <= longest_s:
        raise InvalidOptionError(
            "time_to_live_s", f"{shown(value)} is not between 0 and {longest_s:g} seconds"
        )
    return time_to_live_s


def _idempotency_key(http: Request, form: Form) -> str | None:
    key = http.headers.get("idempotency-key", "").strip() or form.one("idempotency_key")
    if key is not None and len(key) > _MAX_KEY_CHARACTERS:
        raise InvalidOptionError(
            "idempotency_key", f"has more than {_MAX_KEY_CHARACTERS} characters"
        )
    return key


def _fingerprint(
    request: TranscriptionRequest, files: list[Stored], callback_url: str | None
) -> str:
    """The same for the same recordings and the same wish."""
    said = [repr(replace(request, timeout_s=0.0)), callback_url, [each.sha256 for each in files]]
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()


def owner_of(http: Request) -> str | None:
    key = http.scope.get("state", {}).get(KEY)
    return None if key is None else str(key.name)
