"""What a preprocessor does with long and short recordings at once: real decoders, no Ray."""

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from serve_app.config import BatchConfig, ModelConfig, PreprocessorConfig
from serve_app.deployments.preprocessor import Preprocessor
from serve_app.models.protocols import ModelInfo, RecognitionOptions, RecognitionRequest
from serve_app.pipelines.transcription import Progress, StoredAudio, TranscriptionRequest
from serve_app.transcript.types import Hypothesis, Segment, Transcript
from tests.deployments.local_graph import local_preprocessor
from tests.graph.recordings import speech_wav

MODEL = ModelConfig(
    name="model", kind="simulated", max_chunk_s=2.0, batch=BatchConfig(max_batch_size=1)
)
REQUEST = TranscriptionRequest("model", RecognitionOptions(), timeout_s=30.0)
WAITING = 20


class SteppedRecognizer:
    """Works on one batch each time the test says so."""

    def __init__(self) -> None:
        self.info = ModelInfo("model", "test", ("en",))
        self.gate = threading.Semaphore(0)

    def prepare(self, requests: Sequence[RecognitionRequest]) -> object:
        return len(requests)

    def recognize(self, prepared: object) -> list[Hypothesis]:
        assert isinstance(prepared, int)
        assert self.gate.acquire(timeout=WAITING)
        return [Hypothesis("said")] * prepared


def settings(**changed: float) -> PreprocessorConfig:
    return PreprocessorConfig(**{"num_decoders": 2, "max_chunks_in_flight": 4, **changed})


async def until(preprocessor: Preprocessor, *, num_recordings: int) -> float:
    """The remaining audio seconds once so many recordings are under way."""
    async with asyncio.timeout(WAITING):
        while True:
            (load,) = (await preprocessor.load()).models
            if load.num_recordings == num_recordings:
                return load.remaining_audio_s
            await asyncio.sleep(0)


async def test_long_recordings_leave_a_decoder_to_short_ones() -> None:
    """The model stands still: both long ones would hold a decoder for as long as it does."""
    model = SteppedRecognizer()
    async with local_preprocessor(MODEL, settings(), recognizer=model) as preprocessor:
        upload = speech_wav(40.0)
        long = [asyncio.create_task(preprocessor.transcribe(upload, REQUEST)) for _ in range(3)]
        assert 100.0 < await until(preprocessor, num_recordings=3) <= 120.0
        short = asyncio.create_task(preprocessor.transcribe(speech_wav(1.0), REQUEST))
        for _ in range(12):  # batches; the long ones alone are above sixty
            model.gate.release()
        transcript = await asyncio.wait_for(short, WAITING)
        assert transcript.text == "said"
        assert not any(task.done() for task in long)
        for _ in range(200):
            model.gate.release()
        for task in long:
            assert (await asyncio.wait_for(task, WAITING)).duration_s == 40.0
        assert await until(preprocessor, num_recordings=0) == 0.0


async def test_a_reader_that_stalls_stops_nobody_else() -> None:
    model = SteppedRecognizer()
    for _ in range(1_000):
        model.gate.release()
    async with local_preprocessor(MODEL, settings(), recognizer=model) as preprocessor:
        stalled: list[AsyncIterator[Segment | Transcript]] = []
        for _ in range(1):
            parts = preprocessor.stream(speech_wav(60.0), REQUEST)
            await asyncio.wait_for(anext(parts), WAITING)  # and no more of them
            stalled.append(parts)
        for _ in range(5):
            transcript = await asyncio.wait_for(
                preprocessor.transcribe(speech_wav(1.0), REQUEST), WAITING
            )
            assert transcript.text == "said"
        for parts in stalled:
            await parts.aclose()  # type: ignore[attr-defined]  # a generator
        assert await until(preprocessor, num_recordings=0) == 0.0


async def test_audio_decoded_ahead_stays_within_the_budget_over_all_recordings() -> None:
    model = SteppedRecognizer()
    config = settings(max_audio_in_flight_s=8.0, num_decoders=4)
    async with local_preprocessor(MODEL, config, recognizer=model) as preprocessor:
        tasks = [
            asyncio.create_task(preprocessor.transcribe(speech_wav(7.0), REQUEST)) for _ in range(8)
        ]
        most = 0.0
        while not all(task.done() for task in tasks):
            model.gate.release()
            await asyncio.sleep(0)
            most = max(most, preprocessor._ahead["model"].budget.held_s)
        assert 4.0 < most <= 8.0
        assert [task.result().duration_s for task in tasks] == [7.0] * 8


async def test_a_recording_of_a_job_says_when_it_has_its_turn(tmp_path: Path) -> None:
    """The model stands still: nothing is done before it is said."""
    path = tmp_path / "a.wav"
    path.write_bytes(speech_wav(4.0))
    audio = StoredAudio(path.as_uri(), path.stat().st_size)
    async with local_preprocessor(
        MODEL, settings(), recognizer=SteppedRecognizer()
    ) as preprocessor:
        parts = preprocessor.stream_stored(audio, REQUEST, 4.0)
        assert await asyncio.wait_for(anext(parts), WAITING) == Progress(0.0, 4.0)
        waiting = preprocessor.stream_stored(audio, REQUEST, 4.0)
        second = asyncio.ensure_future(anext(waiting))
        assert not (await asyncio.wait({second}, timeout=0.2))[0]
        await parts.aclose()
        assert await asyncio.wait_for(second, WAITING) == Progress(0.0, 4.0)
        await waiting.aclose()
