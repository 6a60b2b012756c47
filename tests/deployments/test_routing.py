"""A lost replica is a retry, a full queue a refusal of what has not begun; neither is for ever."""

from collections.abc import AsyncIterator, Callable
from types import SimpleNamespace
from typing import Any

import pytest
from ray.exceptions import ActorDiedError
from ray.serve.exceptions import BackPressureError

from serve_app.audio.waveform import Chunk
from serve_app.deployments import routing
from serve_app.deployments.routing import ServeRecognizer, ServeTranscriber
from serve_app.errors import AtCapacityError, EngineError, ModelUnavailableError
from serve_app.models.protocols import Recognition, RecognitionOptions, RecognitionRequest
from serve_app.pipelines.transcription import TranscriptionRequest
from serve_app.transcript.types import Hypothesis, Segment, Transcript

REQUEST = RecognitionRequest(Chunk(b"\0\0", 0.0), RecognitionOptions())
RECORDING = TranscriptionRequest("model", RecognitionOptions())
FOUND = Recognition(Hypothesis("yes"), 0.0, 0.0, 1)
FULL = BackPressureError(1, 1)


class Clock:
    """Time that passes only while somebody pauses."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now_s = 0.0
        monkeypatch.setattr(routing, "time", SimpleNamespace(monotonic=lambda: self.now_s))
        monkeypatch.setattr(routing.Patience, "pause", lambda _: self.pause())

    async def pause(self) -> None:
        self.now_s += 2.0


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


class Handle:
    """Answers each call by the next line of a script."""

    def __init__(self, *script: Any) -> None:
        self.script = list(script)
        self.num_calls = 0

    def options(self, **_: object) -> "Handle":
        return self

    @property
    def recognize(self) -> "Handle":
        return self

    transcribe = stream = recognize

    def remote(self, *_: object) -> Any:
        self.num_calls += 1
        line = self.script.pop(0)
        return Parts(line) if isinstance(line, list) else answer(line)


async def answer(line: Any) -> Any:
    if isinstance(line, Exception):
        raise line
    return line


class Parts:
    def __init__(self, parts: list[Any]) -> None:
        self.parts = parts

    def __aiter__(self) -> AsyncIterator[Any]:
        return self._each()

    async def _each(self) -> AsyncIterator[Any]:
        for part in self.parts:
            yield await answer(part)

    def cancel(self) -> None:
        pass


def recognizer(handle: Handle, count: Callable[[], None] = lambda: None) -> ServeRecognizer:
    return ServeRecognizer("model", handle, count)  # type: ignore[arg-type]  # a script


async def test_a_chunk_goes_to_another_replica_and_is_counted(clock: Clock) -> None:
    retries: list[None] = []
    handle = Handle(ActorDiedError(), ActorDiedError(), FOUND)
    found = await recognizer(handle, lambda: retries.append(None)).recognize(REQUEST)
    assert found is FOUND
    assert len(retries) == 2


async def test_the_clock_of_patience_starts_at_the_first_loss(clock: Clock) -> None:
    handle = Slow(clock, 500.0, ActorDiedError(), FOUND)
    assert await recognizer(handle).recognize(REQUEST) is FOUND


class Slow(Handle):
    """Each attempt takes its time."""

    def __init__(self, clock: Clock, attempt_s: float, *script: Any) -> None:
        super().__init__(*script)
        self.clock, self.attempt_s = clock, attempt_s

    def remote(self, *_: object) -> Any:
        self.clock.now_s += self.attempt_s
        return super().remote()


async def test_a_call_that_kills_replica_after_replica_is_given_up(clock: Clock) -> None:
    handle = Slow(clock, 5.0, *[ActorDiedError()] * 50)
    with pytest.raises(EngineError):
        await recognizer(handle).recognize(REQUEST)
    assert handle.num_calls == 5


async def test_a_dead_replica_that_is_offered_again_is_unavailable_and_no_crime(
    clock: Clock,
) -> None:
    with pytest.raises(ModelUnavailableError):
        await recognizer(Handle(*[ActorDiedError()] * 200)).recognize(REQUEST)
    assert 120 < clock.now_s < 130


async def test_only_the_first_chunk_of_a_recording_may_be_refused(clock: Clock) -> None:
    handle = Handle(FOUND, FULL, AtCapacityError("lane", 2.0), FOUND)
    one_recording = recognizer(handle)
    await one_recording.recognize(REQUEST)
    assert await one_recording.recognize(REQUEST) is FOUND
    with pytest.raises(AtCapacityError):
        await recognizer(Handle(FULL)).recognize(REQUEST)


async def test_a_stream_goes_on_where_it_was(clock: Clock) -> None:
    parts = [Segment(f"part {index}", index, index + 1) for index in range(4)]
    whole = Transcript(tuple(parts), 4.0, "model")
    handle = Handle([parts[0], parts[1], ActorDiedError()], [*parts, whole])
    stream = ServeTranscriber(handle).stream(b"", RECORDING)  # type: ignore[arg-type]  # a script
    assert [part async for part in stream] == [*parts, whole]


async def test_a_full_preprocessor_is_a_refusal_on_both_ways(clock: Clock) -> None:
    transcriber = ServeTranscriber(Handle(FULL, [FULL]))  # type: ignore[arg-type]  # a script
    with pytest.raises(AtCapacityError):
        await transcriber.transcribe(b"", RECORDING)
    with pytest.raises(AtCapacityError):
        await anext(transcriber.stream(b"", RECORDING))
