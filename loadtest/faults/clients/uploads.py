"""Recordings out, texts in: whole, or as server-sent events; sent again until they are answered."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

import httpx

from loadtest.faults.clients.told import (
    OK,
    SERVER,
    WRONG,
    Attempt,
    Request,
    compared,
    outcome_of,
    outcome_of_error,
)
from loadtest.users.checking import words_of

PATH = "/v1/audio/transcriptions"
PATIENCE_S = 60.0
"""Of one attempt: far more than an answer takes here."""
_KEEP_ON_S = 180.0
_PAUSE_S = 0.25
_MAX_PAUSE_S = 2.0


@dataclass(frozen=True, slots=True)
class Clip:
    """One recording, and the words that an undisturbed server answers."""

    name: str
    content: bytes
    model: str
    words: tuple[str, ...]


async def upload(
    http: httpx.AsyncClient, clip: Clip, told: Callable[[Request], None], *, events: bool = False
) -> None:
    """A transcription changes nothing, so it is safe to ask for it again, whatever happened."""
    request = Request("SSE" if events else "upload", time.monotonic())
    told(request)
    pause_s = _PAUSE_S
    while time.monotonic() - request.began_at < _KEEP_ON_S:
        began_at = time.monotonic()
        try:
            exchange = _read(http, clip) if events else _post(http, clip)
            async with asyncio.timeout(PATIENCE_S):
                outcome, detail = await exchange
        except (httpx.HTTPError, TimeoutError) as error:
            outcome, detail = outcome_of_error(error)
        if outcome == OK:
            request.words = compared(clip.words, words_of(detail))
            request.is_answered = True
            if not request.words.is_right:
                outcome, request.said = WRONG, detail
        ended_at = time.monotonic()
        kept = "" if outcome == OK else detail
        request.attempts.append(Attempt(began_at, ended_at, outcome, kept))
        request.ended_at = ended_at
        if request.is_answered:
            return
        await asyncio.sleep(pause_s)
        pause_s = min(_MAX_PAUSE_S, 2 * pause_s)
    request.complaint = "never answered"


async def _post(http: httpx.AsyncClient, clip: Clip) -> tuple[str, str]:
    """The outcome, and the text or what went wrong."""
    response = await http.post(PATH, data=_form(clip), files=_files(clip))
    outcome, detail = outcome_of(response)
    return outcome, str(response.json()["text"]) if outcome == OK else detail


async def _read(http: httpx.AsyncClient, clip: Clip) -> tuple[str, str]:
    form = {**_form(clip), "stream": "true"}
    async with http.stream("POST", PATH, data=form, files=_files(clip)) as response:
        if not response.is_success:
            await response.aread()
            return outcome_of(response)
        text = ""
        async for event in _events(response):
            if event["type"] == "transcript.text.delta":
                text += event["delta"]
            elif event["type"] == "error":
                return SERVER, str(event["error"]["code"])
            elif event["type"] == "transcript.text.done":
                said = str(event["text"])
                return (OK, said) if said.split() == text.split() else (SERVER, "deltas differ")
    raise httpx.RemoteProtocolError("the events ended before their last")


async def _events(response: httpx.Response) -> AsyncIterator[dict[str, object]]:
    async for line in response.aiter_lines():
        if line.startswith("data: {"):
            yield json.loads(line.removeprefix("data: "))


def _form(clip: Clip) -> dict[str, str]:
    return {"model": clip.model, "language": "en"}


def _files(clip: Clip) -> dict[str, tuple[str, bytes]]:
    return {"file": (clip.name, clip.content)}
