"""Users who speak at real-time pace over a WebSocket, and read what is understood."""

import base64
import json
import random
import time
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar
from urllib.parse import urlencode

import gevent
from locust import User, between, task
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException
from websockets.sync.client import ClientConnection, connect

from loadtest.users.checking import WrongWordsError, check
from loadtest.users.options import options_of, speech_of
from loadtest.users.speech import Spoken

PACKET_S = 0.1
_BYTES_PER_S = 32_000
_OPEN_TIMEOUT_S = 60.0
_FINAL_TIMEOUT_S = 60.0
"""Behind the last packet, at a pace of 1."""


class RefusedError(Exception):
    """The handshake was denied."""


class StreamBrokenError(Exception):
    """The stream ended before its text was whole."""


@dataclass(slots=True)
class Heard:
    """What one stream's client knows by now."""

    text: str = ""
    is_whole: bool = False
    complaint: str = ""
    heard_s: list[tuple[float, float]] = field(default_factory=list)
    """At which moment the text of how much audio was there."""


@dataclass(frozen=True, slots=True)
class Wire:
    """One protocol: how it is opened, what is sent, and what an answer means."""

    path: str
    hello: Callable[[str], list[str]]
    packet: Callable[[bytes], bytes | str]
    goodbye: bytes | str
    hear: Callable[[Mapping[str, Any], Heard], None]
    model_in_query: bool = True

    def address(self, url: str, model: str) -> str:
        query = {"model": model, "language": "en"} if self.model_in_query else {"model": model}
        fields = urlencode({key: value for key, value in query.items() if value})
        return f"{url.rstrip('/').replace('http', 'ws', 1)}{self.path}?{fields}"


def _hear_asr(message: Mapping[str, Any], heard: Heard) -> None:
    kind = message["type"]
    if kind == "partial":
        heard.text = message["full_text"]
        heard.heard_s.append((time.perf_counter(), float(message["heard_s"])))
    elif kind == "final":
        heard.text, heard.is_whole = message["text"], True
    elif kind == "error":
        heard.complaint = str(message["error"]["code"])


def _hear_op(message: Mapping[str, Any], heard: Heard) -> None:
    if message["op"] == "error":
        heard.complaint = str(message["error"]["code"])
    elif message["op"] == "interim":
        heard.text, heard.is_whole = message["text"], bool(message["final"])


def _hear_realtime(message: Mapping[str, Any], heard: Heard) -> None:
    kind = str(message["type"])
    if kind == "error" or kind.endswith("transcription.failed"):
        heard.complaint = str(message["error"].get("code"))
    elif kind.endswith("transcription.delta"):
        heard.text += message["delta"]
    elif kind.endswith("transcription.completed"):
        heard.text, heard.is_whole = message["transcript"], True


def _session(model: str) -> list[str]:
    named = {"language": "en", **({"model": model} if model else {})}
    audio = {
        "format": {"type": "audio/pcm", "rate": 16_000},
        "turn_detection": None,
        "transcription": named,
    }
    session = {"type": "transcription", "audio": {"input": audio}}
    return [json.dumps({"type": "session.update", "session": session})]


def _append(pcm: bytes) -> str:
    return json.dumps(
        {"type": "input_audio_buffer.append", "audio": base64.b64encode(pcm).decode()}
    )


ASR = Wire("/asr", lambda model: [], lambda pcm: pcm, b"", _hear_asr)
OP = Wire(
    "/",
    lambda model: [json.dumps({"op": "init", "sid": "load", "sr": 16_000})],
    lambda pcm: pcm,
    json.dumps({"op": "close", "sid": "load"}),
    _hear_op,
)
REALTIME = Wire(
    "/v1/realtime",
    _session,
    _append,
    json.dumps({"type": "input_audio_buffer.commit"}),
    _hear_realtime,
    model_in_query=False,
)


def is_simulated(url: str, model: str) -> bool:
    """Whether the model for live streams makes its words up; not every wire says so.

    Raises:
        OSError: there is no server.
    """
    with urllib.request.urlopen(f"{url.rstrip('/')}/v1/models", timeout=30) as answer:
        models = json.load(answer)["data"]
    live = [each for each in models if each["streaming"]]
    named = [each for each in live if model in (each["id"], *each["aliases"])] or live[:1]
    return any(each["simulated"] for each in named)


class LiveUser(User):
    """Knows how to speak in a stream. It has no task: Locust gives those to all who inherit, beside
    their own."""

    abstract = True
    wire: ClassVar[Wire]
    wait_time = between(0, 1)

    def on_start(self) -> None:
        self.options = options_of(self.environment)
        self.speech = speech_of(self.environment)
        self.simulated = is_simulated(str(self.host), str(self.options.live_model))

    def speak_once(self, spoken: Spoken, pcm: bytes) -> None:
        """Reports how late the whole text came behind the end of the audio, and how far the text
        was behind the speaker on the way; both in seconds of the clock."""
        heard, final_lag_s, error = Heard(), 0.0, None
        self._paced_s = spoken.duration_s / float(self.options.pace)
        began_at = asked_at = time.perf_counter()
        try:
            with self._opened() as socket:
                began_at = time.perf_counter()
                self._talk(socket, pcm, began_at, heard)
            final_lag_s = time.perf_counter() - began_at - self._paced_s
        except InvalidStatus as denied:
            error = RefusedError(f"{denied.response.status_code}")
            final_lag_s = time.perf_counter() - asked_at
        except (OSError, TimeoutError, WebSocketException, StreamBrokenError) as broken:
            error = StreamBrokenError(f"{type(broken).__name__}: {broken}")
        self._report(spoken, heard, final_lag_s, began_at, error)

    def _opened(self) -> ClientConnection:
        address = self.wire.address(str(self.host), str(self.options.live_model))
        return connect(
            address, open_timeout=_OPEN_TIMEOUT_S, compression=None, max_size=None, close_timeout=2
        )

    def _talk(self, socket: ClientConnection, pcm: bytes, began_at: float, heard: Heard) -> None:
        for message in self.wire.hello(str(self.options.live_model)):
            socket.send(message)
        sending = gevent.spawn(self._send, socket, pcm, began_at)
        give_up_at = began_at + self._paced_s + _FINAL_TIMEOUT_S / min(1.0, self.options.pace)
        try:
            while not heard.is_whole:
                message = json.loads(socket.recv(give_up_at - time.perf_counter()))
                self.wire.hear(message, heard)
                if heard.complaint:
                    raise StreamBrokenError(heard.complaint)
        finally:
            sending.kill()

    def _send(self, socket: ClientConnection, pcm: bytes, began_at: float) -> None:
        """Each packet leaves when its last sample has been said."""
        size = int(PACKET_S * _BYTES_PER_S)
        try:
            for start in range(0, len(pcm), size):
                packet = pcm[start : start + size]
                said_s = (start + len(packet)) / _BYTES_PER_S / float(self.options.pace)
                gevent.sleep(max(0.0, began_at + said_s - time.perf_counter()))
                socket.send(self.wire.packet(packet))
            socket.send(self.wire.goodbye)
        except ConnectionClosed:
            pass  # who reads finds out why

    def _report(
        self, spoken: Spoken, heard: Heard, final_lag_s: float, began_at: float,
        error: Exception | None,
    ) -> None:  # fmt: skip
        pace = float(self.options.pace)
        lags_s = [at - began_at - audio_s / pace for at, audio_s in heard.heard_s]
        context: dict[str, Any] = {"audio_s": spoken.duration_s}
        if error is None:
            checked = check(
                heard.text,
                spoken,
                simulated=self.simulated,
                max_error_rate=float(self.options.max_error_rate),
            )
            error = WrongWordsError(checked.complaint) if checked.complaint else None
            context |= {"num_words": checked.num_words, "num_wrong": checked.num_wrong}
            context |= {"lags_s": lags_s, "simulated": self.simulated}
            context["lags_at_s"] = [at for at, _ in heard.heard_s]
        self._fire("final text", final_lag_s, error, context)
        if lags_s:
            behind_s = sorted(lags_s)[len(lags_s) // 2]
            self._fire("text behind the speaker", behind_s, None, {})

    def _fire(
        self, what: str, lag_s: float, error: Exception | None, context: dict[str, Any]
    ) -> None:
        self.environment.events.request.fire(
            request_type="LIVE",
            name=f"{self.wire.path} {what}",
            response_time=lag_s * 1000,
            response_length=0,
            exception=error,
            context=context,
        )


class TalkingUser(LiveUser):
    """Speaks one recording after the other, a stream for each."""

    abstract = True

    @task
    def speak(self) -> None:
        spoken = random.choice(self.speech.streams)
        self.speak_once(spoken, self.speech.content(spoken))


class AsrUser(TalkingUser):
    """Live streams over `/asr`."""

    weight = 3
    wire = ASR


class OpUser(TalkingUser):
    """Live streams over the op protocol, at `/`."""

    weight = 1
    wire = OP


class RealtimeUser(TalkingUser):
    """Live streams over OpenAI's Realtime API."""

    weight = 1
    wire = REALTIME
