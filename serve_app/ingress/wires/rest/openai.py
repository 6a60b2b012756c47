"""OpenAI's audio API: transcriptions and translations, as its SDK speaks them."""

import asyncio
import math
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from serve_app.config import ServerConfig, Task
from serve_app.errors import UnsupportedOptionError
from serve_app.ingress.backend import Backend
from serve_app.ingress.forms import Form, read_form
from serve_app.ingress.served import ServedModels
from serve_app.ingress.wires.rest.answers import (
    PROBLEMS,
    headers_of,
    limited,
    recording_schema,
    simulated_of,
    transcribe,
)
from serve_app.ingress.wires.rest.events import EventStream, event_of
from serve_app.ingress.wires.rest.openai_form import FIELDS, NAMES, Wanted, wanted_of
from serve_app.transcript import render, subtitles
from serve_app.transcript.render import Json
from serve_app.transcript.types import Segment, Transcript

_AUDIO_TOKENS_PER_S = 10
"""How OpenAI bills audio; our models have no tokens of audio to count."""


def router(config: ServerConfig, backend: Backend, served: ServedModels) -> APIRouter:
    """The routes under `/v1`."""
    routes = APIRouter(prefix="/v1", tags=["OpenAI"])

    @routes.post(
        "/audio/transcriptions",
        summary="Transcribe a recording",
        response_class=Response,
        responses=_ANSWERS | PROBLEMS,
        openapi_extra=recording_schema(FIELDS),
    )
    async def transcriptions(http: Request) -> Response:
        return await answer(http, "transcribe")

    @routes.post(
        "/audio/translations",
        summary="Translate a recording",
        response_class=Response,
        responses=_ANSWERS | PROBLEMS,
        openapi_extra=recording_schema(FIELDS),
    )
    async def translations(http: Request) -> Response:
        return await answer(http, "translate")

    async def answer(http: Request, endpoint: Task) -> Response:
        form = await read_form(http, known_fields=NAMES, **limited(config.limits))
        wanted = wanted_of(form, served, config.limits, endpoint)
        if wanted.stream:
            return _stream(backend, form, wanted)
        transcript = await transcribe(http, backend, form.upload, wanted.request)
        return await _answer(transcript, wanted)

    return routes


_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The transcript, in the format asked for.",
        "content": {
            "application/json": {"schema": {"type": "object"}},
            "text/plain": {"schema": {"type": "string"}},
            "text/vtt": {"schema": {"type": "string"}},
            "text/event-stream": {"schema": {"type": "string"}},
        },
    }
}


async def _answer(transcript: Transcript, wanted: Wanted) -> Response:
    _check_honoured(transcript, wanted)
    headers = headers_of(wanted.model, transcript.stage_times)
    match wanted.format:
        case "text":
            return PlainTextResponse(render.text(transcript), headers=headers)
        case "srt":
            # cutting hours of words into cues takes a second or two
            cues = await asyncio.to_thread(subtitles.srt, transcript)
            return PlainTextResponse(cues, headers=headers)
        case "vtt":
            cues = await asyncio.to_thread(subtitles.vtt, transcript)
            return Response(cues, headers=headers, media_type="text/vtt")
        case "verbose_json":
            body = render.openai_verbose_json(
                transcript, task=wanted.task, granularities=wanted.granularities
            )
        case "diarized_json":
            body = render.openai_diarized_json(transcript, task=wanted.task)
        case _:
            body = render.openai_json(transcript, logprobs=wanted.logprobs)
    return JSONResponse({**body, **simulated_of(wanted.model)}, headers=headers)


def _check_honoured(transcript: Transcript, wanted: Wanted) -> None:
    """Refuse at last what only the words themselves show that the model cannot give."""
    if "word" in wanted.granularities and transcript.words is None:
        raise UnsupportedOptionError(
            "timestamp_granularities", f"{transcript.model} gives no word times"
        )
    if wanted.logprobs and render.tokens_of(transcript.segments) is None:
        raise UnsupportedOptionError("include", f"{transcript.model} gives no log-probabilities")


def _stream(backend: Backend, form: Form, wanted: Wanted) -> Response:
    items = backend.stream(form.upload, wanted.request)
    return EventStream(_events(items, wanted), wanted.request.timeout_s, headers_of(wanted.model))


async def _events(
    items: AsyncIterator[Segment | Transcript], wanted: Wanted
) -> AsyncGenerator[str, None]:
    """OpenAI's events: deltas that only append, `done` with all of them, the mark of the end. With
    speakers each delta is of one segment, which follows it."""
    said = ""
    num_segments = 0
    async with _closing(items):
        async for item in items:
            if isinstance(item, Transcript):
                yield event_of(_done(item, said, wanted))
                yield "data: [DONE]\n\n"
            elif item.text:
                delta = f" {item.text}" if said else item.text
                said += delta
                if wanted.request.diarizer is None:
                    yield event_of(_delta(item, delta, wanted))
                else:
                    name = {"segment_id": render.segment_id(num_segments)}
                    yield event_of({**_delta(item, delta, wanted), **name})
                    yield event_of(render.diarized_segment(num_segments, item))
                    num_segments += 1


def _delta(segment: Segment, delta: str, wanted: Wanted) -> dict[str, Json]:
    body: dict[str, Json] = {"type": "transcript.text.delta", "delta": delta}
    if wanted.logprobs:
        if segment.tokens is None:
            raise UnsupportedOptionError("include", f"{wanted.model.name} has no log-probabilities")
        body["logprobs"] = render.token_logprobs(segment.tokens)
    return body


def _done(transcript: Transcript, said: str, wanted: Wanted) -> dict[str, Json]:
    """`output_tokens` counts the model's own tokens where it tells them, else words."""
    tokens = render.tokens_of(transcript.segments)
    num_input = math.ceil(transcript.duration_s * _AUDIO_TOKENS_PER_S)
    num_output = len(said.split()) if tokens is None else len(tokens)
    body: dict[str, Json] = {
        "type": "transcript.text.done",
        "text": said,
        "usage": {
            "type": "tokens",
            "input_tokens": num_input,
            "output_tokens": num_output,
            "total_tokens": num_input + num_output,
            "input_token_details": {"audio_tokens": num_input, "text_tokens": 0},
        },
    }
    if wanted.logprobs:
        body["logprobs"] = render.token_logprobs(tokens or ())
    return {**body, **render.languages_of(transcript), **simulated_of(wanted.model)}


@asynccontextmanager
async def _closing(items: AsyncIterator[Any]) -> AsyncIterator[None]:
    """Close a generator where the loop over it was left, not when memory is next tidied."""
    try:
        yield
    finally:
        if isinstance(items, AsyncGenerator):
            await items.aclose()
