"""Users who upload recordings to OpenAI's endpoint, and wait for the text, or read as it comes."""

import json
import random
import time
from collections.abc import Iterator, Mapping
from typing import Any

from locust import between, task
from locust.contrib.fasthttp import FastHttpUser, ResponseContextManager

from loadtest.users.checking import Checked, WrongWordsError, check
from loadtest.users.options import options_of, speech_of
from loadtest.users.speech import Spoken

PATH = "/v1/audio/transcriptions"
TIMEOUT_S = 900.0
_BOUNDARY = "chorus-load-7f3a"
HEADERS = {"Content-Type": f"multipart/form-data; boundary={_BOUNDARY}"}


def multipart(fields: Mapping[str, str], name: str, content: bytes) -> bytes:
    """The form as one body; empty fields are left out."""
    parts = [
        f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}\r\n'
        for key, value in fields.items()
        if value
    ]
    head = (
        f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n"
    )
    return "".join([*parts, head]).encode() + content + f"\r\n--{_BOUNDARY}--\r\n".encode()


def reason_of(content: bytes | None) -> str:
    """The server's own name of an error."""
    try:
        return str(json.loads(content or b"")["error"]["code"])
    except (ValueError, KeyError, TypeError):
        return "no answer"


class SpeakingUser(FastHttpUser):
    """Knows what it may say, and checks what comes back."""

    abstract = True
    network_timeout = TIMEOUT_S
    connection_timeout = 30.0
    wait_time = between(0, 1)

    def on_start(self) -> None:
        self.options = options_of(self.environment)
        self.speech = speech_of(self.environment)

    def form_of(self, spoken: Spoken, **fields: str) -> bytes:
        # A name, or a server of several models takes its own default.
        fields = {"model": str(self.options.model), **fields}
        return multipart(fields, spoken.name, self.speech.content(spoken))

    def checked(self, text: str, spoken: Spoken, response: ResponseContextManager) -> Checked:
        """Also counts the words, and fails the request where too many are wrong."""
        assert response.headers is not None
        simulated = response.headers.get("x-chorus-simulated") == "true"
        limit = float(self.options.max_error_rate)
        found = check(text, spoken, simulated=simulated, max_error_rate=limit)
        facts = {"num_words": found.num_words, "num_wrong": found.num_wrong, "simulated": simulated}
        response.request_meta["context"].update(facts)
        if found.complaint:
            response.failure(WrongWordsError(found.complaint))
        return found

    def upload(self, spoken: Spoken, body: bytes, context: dict[str, Any] | None = None) -> None:
        """Once; the answer is checked."""
        context = {"audio_s": spoken.duration_s, **(context or {})}
        with self.client.post(
            PATH, data=body, headers=HEADERS, catch_response=True, context=context
        ) as response:
            if response.status_code != 200:
                response.failure(f"{response.status_code} {reason_of(response.content)}")
            else:
                self.checked(str(response.json()["text"]), spoken, response)


class UploadUser(SpeakingUser):
    """Clips of many lengths and codecs, one after the other."""

    weight = 6

    @task
    def transcribe(self) -> None:
        spoken = random.choice(self.speech.clips)
        self.upload(spoken, self.form_of(spoken))


class SseUser(SpeakingUser):
    """The same with `stream=true`: the first words are timed for themselves."""

    weight = 2

    @task
    def transcribe(self) -> None:
        spoken = random.choice(self.speech.clips)
        began_at = time.perf_counter()
        with self.client.post(
            PATH,
            name=f"{PATH} stream=true",
            data=self.form_of(spoken, stream="true"),
            headers=HEADERS,
            catch_response=True,
            stream=True,
            context={"audio_s": spoken.duration_s},
        ) as response:
            if response.status_code != 200:
                content = response.stream.read() if response.stream else b""
                response.failure(f"{response.status_code} {reason_of(content)}")
                return
            text = self._read(response, began_at)
            response.request_meta["response_time"] = (time.perf_counter() - began_at) * 1000
            if text is None:
                response.failure("the stream broke off")
            else:
                self.checked(text, spoken, response)

    def _read(self, response: ResponseContextManager, began_at: float) -> str | None:
        """The text of the event that ends it; None if there was none."""
        is_first = True
        for event in _events(response):
            if is_first:
                is_first = False
                self.environment.events.request.fire(
                    request_type="SSE",
                    name="first event",
                    response_time=(time.perf_counter() - began_at) * 1000,
                    response_length=0,
                    exception=None,
                    context={},
                )
            if event.get("type") == "transcript.text.done":
                return str(event["text"])
            if event.get("type") == "error":
                return None
        return None


def _events(response: ResponseContextManager) -> Iterator[dict[str, Any]]:
    assert response.stream is not None
    while line := response.stream.readline(b"\n"):
        text = line.decode()
        if text.startswith("data: {"):
            yield json.loads(text.removeprefix("data: "))
