"""Recordings whose speakers are told apart: how many at a time, and what fails with what."""

import asyncio
import threading
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import pytest

from serve_app.config import BatchConfig, DiarizationConfig, ModelConfig, PreprocessorConfig
from serve_app.deployments.diarization.hearings import Hearings
from serve_app.deployments.diarization.replica import Diarization
from serve_app.deployments.links import running
from serve_app.deployments.preprocessor import Preprocessor
from serve_app.errors import AtCapacityError, EngineError, ModelUnavailableError
from serve_app.models.diarization.simulated import TURN_S, SimulatedDiarizer
from serve_app.models.protocols import RecognitionOptions
from serve_app.pipelines.transcription import TranscriptionRequest
from serve_app.transcript.types import Transcript
from tests.deployments.local_graph import local_preprocessor
from tests.graph.recordings import speech_wav

MODEL = ModelConfig(
    name="model", kind="simulated", max_chunk_s=30.0, batch=BatchConfig(max_batch_size=4)
)
SPEAKERS = ModelConfig(
    name="speakers", kind="simulated", diarization=DiarizationConfig(max_recordings=2)
)
REQUEST = TranscriptionRequest("model", RecognitionOptions(), timeout_s=30.0, diarizer="speakers")
CONFIG = PreprocessorConfig(num_decoders=3, max_chunks_in_flight=2)
SECOND = bytes(32_000)
WAITING = 20


class HeldDiarizer(SimulatedDiarizer):
    """Waits in each piece until the test lets it go; fails where it is told to."""

    def __init__(self) -> None:
        super().__init__(SPEAKERS)
        self.gate = threading.Semaphore(0)
        self.failure: Exception | None = None
        self.begun: asyncio.Queue[None] = asyncio.Queue()

    def begin(self) -> Any:
        self.begun.put_nowait(None)
        return super().begin()

    def hear(self, memory: object, pcm: bytes, *, is_last: bool) -> bytes:
        assert self.gate.acquire(timeout=WAITING)
        if self.failure is not None:
            raise self.failure
        return super().hear(memory, pcm, is_last=is_last)


def replica_of(preprocessor: Preprocessor) -> Diarization:
    replica = preprocessor._handles["speakers"]._replica  # type: ignore[attr-defined]  # a local one
    assert isinstance(replica, Diarization)
    return replica


async def test_a_transcript_has_its_speakers_if_they_are_asked_for() -> None:
    async with local_preprocessor(
        MODEL, CONFIG, diarizer=(SPEAKERS, SimulatedDiarizer(SPEAKERS))
    ) as preprocessor:
        upload = speech_wav(95.0)
        parts = [part async for part in preprocessor.stream(upload, REQUEST)]
        plain = await preprocessor.transcribe(upload, replace(REQUEST, diarizer=None))
        infos = await preprocessor.models()
    *segments, transcript = parts
    assert isinstance(transcript, Transcript)
    assert transcript.segments == tuple(segments)
    assert (transcript.text, transcript.words) == (plain.text, plain.words)
    assert {segment.speaker for segment in plain.segments} == {None}
    for segment in transcript.segments:
        middle_s = (segment.start_s + segment.end_s) / 2
        assert segment.speaker == "AB"[int(middle_s // TURN_S) % 2]
    assert len(segments) >= 95 / TURN_S
    assert [info.name for info in infos] == ["model", "speakers"]


async def test_one_recording_too_many_is_refused_before_it_is_decoded() -> None:
    held = HeldDiarizer()
    async with local_preprocessor(MODEL, CONFIG, diarizer=(SPEAKERS, held)) as preprocessor:
        upload = speech_wav(2.0)
        first = [asyncio.create_task(preprocessor.transcribe(upload, REQUEST)) for _ in range(2)]
        for _ in first:
            await asyncio.wait_for(held.begun.get(), WAITING)
        with pytest.raises(AtCapacityError, match="speakers listens to all it can"):
            await preprocessor.transcribe(upload, REQUEST)
        held.gate.release(1_000)
        for task in first:
            assert {part.speaker for part in (await task).segments} == {"A"}
        assert (await preprocessor.transcribe(upload, REQUEST)).segments  # there is room again


async def test_a_model_that_fails_fails_the_recording_and_in_the_end_the_replica() -> None:
    held = HeldDiarizer()
    held.gate.release(1_000)
    held.failure = RuntimeError("broken")
    async with local_preprocessor(MODEL, CONFIG, diarizer=(SPEAKERS, held)) as preprocessor:
        for _ in range(4):
            with pytest.raises(EngineError, match="speakers failed: RuntimeError"):
                await preprocessor.transcribe(speech_wav(1.0), REQUEST)
        with pytest.raises(RuntimeError, match="answers nobody"):
            replica_of(preprocessor).check_health()


async def test_a_hearing_ends_when_nothing_comes_and_who_goes_on_is_told() -> None:
    hearings = Hearings(SimulatedDiarizer(SPEAKERS), max_recordings=1)
    with hearings.open("one") as hearing:
        assert len(await hearings.hear("one", SECOND, is_last=False)) == 12 * 2
        await asyncio.wait_for(hearing.until_idle(0.01), WAITING)
    assert hearings.num_open == 0
    with pytest.raises(ModelUnavailableError):
        await hearings.hear("one", SECOND, is_last=True)
    hearings.close()


async def test_a_piece_in_the_model_is_not_idleness() -> None:
    held = HeldDiarizer()
    hearings = Hearings(held, max_recordings=1)
    with hearings.open("one") as hearing:
        call = asyncio.create_task(hearings.hear("one", SECOND, is_last=True))
        await asyncio.sleep(0)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(hearing.until_idle(0.01), 0.05)
        held.gate.release()
        await call
        await asyncio.wait_for(hearing.until_idle(0.01), WAITING)
    hearings.close()


async def test_places_are_counted() -> None:
    hearings = Hearings(SimulatedDiarizer(SPEAKERS), max_recordings=3)
    with ExitStack() as stack:
        for name in "abc":
            stack.enter_context(hearings.open(name))
        with pytest.raises(AtCapacityError), hearings.open("d"):
            pass
    with hearings.open("d"):
        assert hearings.num_open == 1
    hearings.close()


def test_a_replica_is_held_until_the_last_of_its_recordings_lets_go() -> None:
    for _ in range(3):
        running.hold("speakers-held", "replica")
    for _ in range(2):
        running.let_go("speakers-held", "replica")
        assert running.held("speakers-held") == {"replica"}
    running.let_go("speakers-held", "replica")
    assert running.held("speakers-held") == frozenset()
