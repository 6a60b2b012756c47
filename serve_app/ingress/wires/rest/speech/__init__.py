"""OpenAI's speech API: a text, in; its sound, out, sent while it is spoken; and who there is."""

import base64
import math
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from serve_app.catalogue import is_non_commercial
from serve_app.config import ServerConfig
from serve_app.ingress.backend import Backend
from serve_app.ingress.bodies import read_json
from serve_app.ingress.voices import OPENAI_VOICES, ServedVoice, ServedVoices, voices_of
from serve_app.ingress.wires.rest.answers import PROBLEMS, SIMULATED_HEADER
from serve_app.ingress.wires.rest.events import ByteStream, EventStream, event_of
from serve_app.ingress.wires.rest.speech.form import (
    BODY,
    CONTENT_TYPES,
    FIELDS,
    Wanted,
    max_body_bytes,
    wanted_of,
)
from serve_app.models.protocols import SpeechPart
from serve_app.transcript.render import Json

VOICE_HEADER = "x-chorus-voice"
_AUDIO_TOKENS_PER_S = 20
"""As OpenAI bills speech; our voices have no tokens of audio to count."""


def router(config: ServerConfig, backend: Backend) -> APIRouter:
    """The routes under `/v1/audio` that speak."""
    voices = ServedVoices(config)
    routes = APIRouter(prefix="/v1/audio", tags=["OpenAI"])

    @routes.post(
        "/speech",
        summary="Speak a text",
        response_class=Response,
        responses=_ANSWERS | _PROBLEMS,
        openapi_extra=BODY,
    )
    async def speech(http: Request) -> Response:
        limits = config.limits
        body = await read_json(http, max_bytes=max_body_bytes(limits), known_fields=FIELDS)
        wanted = wanted_of(body, voices, limits)
        parts = backend.speak(wanted.voice.model, wanted.spoken)
        headers = _headers_of(wanted.voice)
        if wanted.as_events:
            return EventStream(_events(parts, wanted), limits.request_timeout_s, headers)
        headers["content-type"] = CONTENT_TYPES[wanted.spoken.format]
        return ByteStream(_bytes(parts), limits.request_timeout_s, headers)

    @routes.get("/voices", summary="The voices that there are")
    async def list_voices() -> dict[str, Any]:
        default = voices.default
        by_language = voices_of(voices)
        return {
            "object": "list",
            "default": default and default.name,
            "aliases": sorted(OPENAI_VOICES) if default else [],
            "data": [
                _describe(voice, is_default=index == 0)
                for each in by_language.values()
                for index, voice in enumerate(each)
            ],
        }

    return routes


_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The sound, sent while it is spoken, in the format asked for.",
        "content": {
            **{kind: {"schema": {"type": "string"}} for kind in CONTENT_TYPES.values()},
            "text/event-stream": {},  # `speech.audio.delta`, and `speech.audio.done` at the end
        },
        "headers": {
            VOICE_HEADER: {"description": "Who speaks.", "schema": {"type": "string"}},
        },
    }
}
_PROBLEMS: dict[int | str, dict[str, Any]] = {
    code: PROBLEMS[code] for code in (400, 404, 408, 429, 500, 503)
}


def _headers_of(voice: ServedVoice) -> dict[str, str]:
    headers = {VOICE_HEADER: voice.name}
    if voice.simulated:
        headers[SIMULATED_HEADER] = "true"
    return headers


def _describe(voice: ServedVoice, *, is_default: bool) -> dict[str, Any]:
    licence = voice.synthesizer.licence
    return {
        "id": voice.name,
        "object": "voice",
        "name": voice.name,
        "language": voice.language,
        "default_of_language": is_default,
        "model": voice.model,
        "kind": voice.synthesizer.kind,
        "licence": licence,
        "attribution": voice.synthesizer.attribution,
        "non_commercial": is_non_commercial(licence),
        "simulated": voice.simulated,
    }


async def _bytes(parts: AsyncGenerator[SpeechPart, None]) -> AsyncGenerator[bytes, None]:
    async with aclosing(parts):
        async for part in parts:
            yield part.data


async def _events(
    parts: AsyncGenerator[SpeechPart, None], wanted: Wanted
) -> AsyncGenerator[str, None]:
    """OpenAI's events: pieces of the file, and the mark of the end."""
    duration_s = 0.0
    async with aclosing(parts):
        async for part in parts:
            duration_s += part.duration_s
            if part.data:
                audio = base64.b64encode(part.data).decode()
                yield event_of({"type": "speech.audio.delta", "audio": audio})
    yield event_of({"type": "speech.audio.done", "usage": _usage(wanted, duration_s)})


def _usage(wanted: Wanted, duration_s: float) -> Mapping[str, Json]:
    num_input = len(wanted.spoken.text.split())
    num_output = math.ceil(duration_s * _AUDIO_TOKENS_PER_S)
    return {
        "input_tokens": num_input,
        "output_tokens": num_output,
        "total_tokens": num_input + num_output,
    }
