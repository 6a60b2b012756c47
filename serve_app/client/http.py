"""One server over HTTP: requests out, answers in, with patience for a server that is full."""

import os
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, nullcontext
from pathlib import Path
from typing import IO, Any, Literal, Self, TypeAlias

import httpx

from serve_app.client.answers import (
    Format,
    ModelDescription,
    Task,
    Transcription,
    deltas,
    json_object,
    model_of,
    stages_s,
)
from serve_app.client.errors import (
    AnswerTimeoutError,
    ConnectionLostError,
    InvalidUrlError,
    ServerError,
    UnreachableError,
    server_error,
)
from serve_app.client.jobs import Jobs
from serve_app.client.speech import Speaking

Audio: TypeAlias = str | os.PathLike[str] | bytes
"""A path, or the bytes of a file in any container that the server decodes."""

_CONNECT_TIMEOUT_S = 10.0
_PROBE_TIMEOUT_S = 10.0
_JSON_FORMATS = ("json", "verbose_json", "diarized_json")
_BUSY = frozenset({429, 503})
_FIRST_PAUSE_S = 0.5
_JITTER = 0.25
"""Clients that were refused together must not come back together."""


class Client(Speaking):
    """One server. Threads may share it; close it, or use it in a `with` block.

    A server that is full (429, 503), or that goes away in the middle of an answer, all of it or its
    ingress, is asked again: at most `max_retries` times, after the pause that it asked for, and
    only as long as the pauses of one request stay under `max_wait_s` in all.

    Raises:
        InvalidUrlError: `base_url` is no HTTP address.
    """

    def __init__(
        self,
        base_url: str = "http://127.0.0.1:8000",
        api_key: str | None = None,
        *,
        timeout_s: float = 600.0,
        max_retries: int = 5,
        max_wait_s: float = 60.0,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.base_url = checked_url(base_url)
        self.timeout_s = timeout_s
        self.max_retries = max_retries
        self.max_wait_s = max_wait_s
        self._sleep = sleep
        self._http = httpx.Client(
            base_url=self.base_url,
            headers={"Authorization": f"Bearer {api_key}"} if api_key else {},
            timeout=httpx.Timeout(timeout_s, connect=_CONNECT_TIMEOUT_S, pool=None),
            limits=httpx.Limits(max_connections=None),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

    def transcribe(
        self,
        audio: Audio,
        *,
        model: str | None = None,
        language: str | None = None,
        task: Task | None = None,
        target_language: str | None = None,
        pnc: bool | None = None,
        hotwords: Sequence[str] = (),
        itn: bool = False,
        profanity_filter: bool = False,
        channel: str | int | None = None,
        diarize: bool = False,
        response_format: Format | None = None,
        timestamp_granularities: Sequence[Literal["segment", "word"]] = (),
    ) -> Transcription:
        """The transcript of one recording, or its translation; by default in English.

        `pnc` asks for punctuation and capitals, or for none, of a model that has the choice;
        `hotwords` are words and phrases that are likely to be said; `itn` asks for numbers in
        digits; `profanity_filter` for the words of the server's list to be masked. `channel` is
        `mix`, `split` or a number from 0.
        `diarize` has the speakers told apart: `fields["segments"]` then say who `speaker` is, which
        is the format `diarized_json`. Otherwise the format is `json` if none is named.

        Raises:
            ValueError: `diarize` with a format that has no place for speakers.
            ClientError: see `serve_app.client.errors`.
            OSError: the file cannot be read.
        """
        if diarize and response_format not in (None, "diarized_json"):
            raise ValueError(f"{response_format} has no place for speakers")
        response_format = response_format or ("diarized_json" if diarize else "json")
        form = {
            "model": model,
            "language": language,
            "task": task,
            "target_language": target_language,
            "pnc": pnc,
            "hotwords": list(hotwords),
            "itn": itn or None,
            "profanity_filter": profanity_filter or None,
            "channel": None if channel is None else str(channel),
            "response_format": response_format,
            "timestamp_granularities[]": list(timestamp_granularities),
        }
        began_at = time.perf_counter()
        response, num_attempts = self._retried(lambda: self._upload(audio, form))
        return Transcription(
            format=response_format,
            body=response.text,
            wall_s=time.perf_counter() - began_at,
            fields=json_object(response) if response_format in _JSON_FORMATS else {},
            stages_s=stages_s(response.headers.get("server-timing", "")),
            simulated="x-chorus-simulated" in response.headers,
            num_attempts=num_attempts,
        )

    def stream(
        self, audio: Audio, *, model: str | None = None, language: str | None = None
    ) -> Iterator[str]:
        """Yield the text of one recording piece by piece, as the server gets to know it.

        Raises:
            ClientError: see `serve_app.client.errors`.
            OSError: the file cannot be read.
        """
        form = {"model": model, "language": language, "stream": "true"}
        response, _ = self._retried(lambda: self._upload(audio, form, stream=True))
        with closing(response):
            try:
                yield from deltas(response)
            except httpx.TimeoutException as error:
                raise AnswerTimeoutError(self.base_url, self.timeout_s) from error
            except httpx.TransportError as error:
                raise ConnectionLostError(self.base_url, str(error)) from error

    def models(self) -> list[ModelDescription]:
        """The models that the server has, in its order.

        Raises:
            ClientError: see `serve_app.client.errors`.
        """
        response, _ = self._retried(lambda: self._get("/v1/models"))
        return [model_of(entry) for entry in json_object(response).get("data", [])]

    def health(self) -> Mapping[str, Any]:
        """What `/health` says: `status`, `model_loaded`, `model_name`, `device`, `languages`.

        Raises:
            ClientError: see `serve_app.client.errors`.
        """
        return json_object(self._get("/health"))

    @property
    def jobs(self) -> Jobs:
        """Recordings that are handed in now and transcribed later, whatever happens."""
        return Jobs(self._asked, self._sleep)

    def _asked(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        data: Mapping[str, Any] | None = None,
        files: Callable[[ExitStack], Sequence[tuple[str, Any]]] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """See `jobs.Exchange`. Files are opened anew for each attempt."""

        def send() -> httpx.Response:
            with ExitStack() as stack:
                request = self._http.build_request(
                    method,
                    path,
                    params=params,
                    data=data,
                    files=None if files is None else files(stack),
                    headers=headers,
                )
                return self._exchange(request)

        return self._retried(send)[0]

    def _answer(
        self, method: str, path: str, *, json: Mapping[str, Any] | None = None, stream: bool = False
    ) -> httpx.Response:
        request = self._http.build_request(method, path, json=json)
        return self._retried(lambda: self._exchange(request, stream=stream))[0]

    def _get(self, path: str) -> httpx.Response:
        return self._exchange(self._http.build_request("GET", path, timeout=_PROBE_TIMEOUT_S))

    def _upload(
        self, audio: Audio, form: Mapping[str, Any], *, stream: bool = False
    ) -> httpx.Response:
        name = "audio" if isinstance(audio, bytes) else Path(audio).name
        with _opened(audio) as file:
            request = self._http.build_request(
                "POST",
                "/v1/audio/transcriptions",
                # An empty string or list is a field that was not named; `False` is a value.
                data={key: value for key, value in form.items() if value or value is False},
                files={"file": (name, file)},
            )
            return self._exchange(request, stream=stream)

    def _exchange(self, request: httpx.Request, *, stream: bool = False) -> httpx.Response:
        try:
            response = self._http.send(request, stream=stream)
            if response.is_error:
                response.read()
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise UnreachableError(self.base_url, str(error)) from error
        except httpx.TimeoutException as error:
            raise AnswerTimeoutError(self.base_url, self.timeout_s) from error
        except httpx.TransportError as error:
            raise ConnectionLostError(self.base_url, str(error)) from error
        if response.is_error:
            raise server_error(response)
        return response

    def _retried(self, send: Callable[[], httpx.Response]) -> tuple[httpx.Response, int]:
        """The response, and how many attempts it took."""
        waited_s = 0.0
        num_attempts = 1
        while True:
            try:
                return send(), num_attempts
            except (ServerError, ConnectionLostError) as error:
                pause_s = _pause_s(error, num_attempts)
                if pause_s is None or num_attempts > self.max_retries:
                    raise
                if waited_s + pause_s > self.max_wait_s:
                    raise
            self._sleep(pause_s)
            waited_s += pause_s
            num_attempts += 1


def checked_url(base_url: str) -> str:
    """The address of a server, without what clients of OpenAI's API append to it.

    Raises:
        InvalidUrlError: it is no HTTP address.
    """
    try:
        url = httpx.URL(base_url)
    except httpx.InvalidURL as error:
        raise InvalidUrlError(base_url) from error
    if url.scheme not in ("http", "https") or not url.host:
        raise InvalidUrlError(base_url)
    return base_url.rstrip("/").removesuffix("/v1")


def _pause_s(error: ServerError | ConnectionLostError, num_attempts: int) -> float | None:
    """How long to wait before the next attempt; None where another would change nothing."""
    pause_s: float = _FIRST_PAUSE_S * 2 ** (num_attempts - 1)
    if isinstance(error, ServerError):
        if error.status not in _BUSY and not error.is_lost_ingress:
            return None
        if error.retry_after_s is not None:
            pause_s = error.retry_after_s
    return pause_s * (1.0 + _JITTER * random.random())


def _opened(audio: Audio) -> AbstractContextManager[IO[bytes] | bytes]:
    return nullcontext(audio) if isinstance(audio, bytes) else Path(audio).open("rb")
