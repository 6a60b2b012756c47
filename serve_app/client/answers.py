"""A response of the server in, what it says out."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import httpx

from serve_app.client.errors import ServerError

Format: TypeAlias = Literal["json", "text", "srt", "vtt", "verbose_json", "diarized_json"]
Task: TypeAlias = Literal["transcribe", "translate"]


@dataclass(frozen=True, slots=True)
class Transcription:
    """The answer to one recording."""

    format: Format
    body: str
    """As the server sent it."""
    wall_s: float
    """From the first attempt's begin to the last byte of the answer, pauses included."""
    fields: Mapping[str, Any] = field(default_factory=dict)
    """The body of the JSON formats, parsed."""
    stages_s: Mapping[str, float] = field(default_factory=dict)
    """Where the server's time went: `decode`, `queue`, `model`; empty where it does not say."""
    simulated: bool = False
    """Whether the words are made up by an engine that knows no speech."""
    num_attempts: int = 1

    @property
    def text(self) -> str:
        """The plain text; of subtitles, the subtitles themselves."""
        return str(self.fields.get("text", self.body)).strip()

    @property
    def audio_s(self) -> float | None:
        """How long the recording is; None in formats that do not say."""
        seconds = self.fields.get("duration", self.fields.get("usage", {}).get("seconds"))
        return None if seconds is None else float(seconds)


@dataclass(frozen=True, slots=True)
class LiveText:
    """What a live stream says so far, from its beginning."""

    confirmed: str
    """Only ever grows."""
    unsure: str
    """What follows it for now, and may change."""
    num_settled: int = 0
    """Characters of `confirmed` that are final, with the audio that they were heard in."""
    is_final: bool = False
    """Whether this is all of it: the last text of a stream."""
    latency_s: float | None = None
    """Since the audio that it was heard in was handed over, where the server says what it heard."""

    @property
    def text(self) -> str:
        return self.confirmed + self.unsure


@dataclass(frozen=True, slots=True)
class ModelDescription:
    """One entry of `/v1/models`."""

    name: str
    aliases: tuple[str, ...]
    kind: str
    languages: tuple[str, ...]
    tasks: tuple[str, ...]
    ready: bool
    device: str | None
    """None until the model is loaded."""
    licence: str | None
    simulated: bool
    translations: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Language spoken → languages that it is translated into."""
    attribution: str | None = None
    """What the licence wants users to be shown."""
    non_commercial: bool = False
    streaming: bool = False
    """Whether it takes live streams; recordings, if not."""
    diarizes: bool = False
    """Whether it tells the speakers of recordings apart, and transcribes nothing itself."""


def stages_s(server_timing: str) -> dict[str, float]:
    """`decode;dur=1.5, model;dur=20` → seconds by stage."""
    stages: dict[str, float] = {}
    for entry in server_timing.split(","):
        name, _, duration_ms = entry.strip().partition(";dur=")
        if duration_ms:
            stages[name] = float(duration_ms) / 1000
    return stages


def deltas(response: httpx.Response) -> Iterator[str]:
    for line in response.iter_lines():
        if not line.startswith("data:"):
            continue
        data = line.removeprefix("data:").strip()
        if data == "[DONE]":
            return
        event = json.loads(data)
        if event["type"] == "error":
            error = event["error"]
            raise ServerError(response.status_code, str(error["code"]), str(error["message"]))
        if event["type"] == "transcript.text.delta":
            yield event["delta"]
    raise httpx.RemoteProtocolError("the stream ended before its last event")


def json_object(response: httpx.Response) -> dict[str, Any]:
    try:
        body = response.json()
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise ServerError(response.status_code, "no_json", "this is no Chorus server's answer")
    return body


def model_of(entry: Mapping[str, Any]) -> ModelDescription:
    return ModelDescription(
        name=str(entry["id"]),
        aliases=tuple(entry.get("aliases") or ()),
        kind=str(entry.get("kind") or ""),
        languages=tuple(entry.get("languages") or ()),
        tasks=tuple(entry.get("tasks") or ()),
        ready=bool(entry.get("ready")),
        device=entry.get("device"),
        licence=entry.get("licence"),
        simulated=bool(entry.get("simulated")),
        translations=entry.get("translations") or {},
        attribution=entry.get("attribution"),
        non_commercial=bool(entry.get("non_commercial")),
        streaming=bool(entry.get("streaming")),
        diarizes=bool(entry.get("diarizes")),
    )
