"""Recordings handed in as jobs under a key of their own, and asked for until they have ended."""

import asyncio
import time
import uuid
from collections.abc import Awaitable, Callable

import httpx

from loadtest.faults.clients.told import (
    OK,
    REFUSED,
    WRONG,
    Attempt,
    Request,
    compared,
    outcome_of,
    outcome_of_error,
)
from loadtest.faults.clients.uploads import PATIENCE_S, Clip
from loadtest.users.checking import words_of

_KEEP_ON_S = 300.0
_POLL_S = 1.0
_ENDED = ("completed", "failed", "cancelled")


async def hand_in(http: httpx.AsyncClient, clip: Clip, told: Callable[[Request], None]) -> None:
    """The same key again is the same job, so it may be handed in until it is accepted."""
    request = Request("job", time.monotonic())
    told(request)
    key = f"faults-{uuid.uuid4().hex}"
    form = {"model": clip.model, "language": "en"}

    async def submit() -> httpx.Response:
        return await http.post(
            "/transcribe/async",
            data=form,
            files={"file": (clip.name, clip.content)},
            headers={"idempotency-key": key},
        )

    answer = await _asked(request, submit)
    if answer is not None:
        await _follow(http, clip, request, str(answer.json()["job_id"]))
    request.ended_at = time.monotonic()


async def _follow(http: httpx.AsyncClient, clip: Clip, request: Request, job_id: str) -> None:
    status = "unknown"
    while time.monotonic() - request.began_at < _KEEP_ON_S:
        answer = await _asked(request, lambda: http.get(f"/jobs/{job_id}/status"))
        if answer is None:
            return
        status = str(answer.json()["status"])
        if status in _ENDED:
            break
        await asyncio.sleep(_POLL_S)
    if status != "completed":
        request.complaint = f"{status}: {answer.json().get('error')}"
        return
    answer = await _asked(request, lambda: http.get(f"/jobs/{job_id}/result"))
    if answer is None:
        return
    text = str(answer.json()["text"])
    request.words = compared(clip.words, words_of(text))
    request.is_answered = True
    now = time.monotonic()
    outcome = OK if request.words.is_right else WRONG
    request.said = "" if request.words.is_right else text
    request.attempts.append(Attempt(request.began_at, now, outcome, ""))


async def _asked(
    request: Request, ask: Callable[[], Awaitable[httpx.Response]]
) -> httpx.Response | None:
    """The answer; asked again until there is one. Only what went wrong is written down."""
    while time.monotonic() - request.began_at < _KEEP_ON_S:
        began_at = time.monotonic()
        answer: httpx.Response | None = None
        try:
            async with asyncio.timeout(PATIENCE_S):
                answer = await ask()
            outcome, detail = outcome_of(answer)
        except (httpx.HTTPError, TimeoutError) as error:
            outcome, detail = outcome_of_error(error)
        if outcome == OK:
            return answer
        request.attempts.append(Attempt(began_at, time.monotonic(), outcome, detail))
        if answer is not None and answer.is_client_error and outcome != REFUSED:
            break
        await asyncio.sleep(_POLL_S)
    request.complaint = "never answered"
    return None
