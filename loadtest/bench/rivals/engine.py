"""An upload of the benchmark in, what the simulated engine takes out: the same for every rival."""

import argparse
import io
import time
import wave
from collections.abc import Sequence

from serve_app.audio.waveform import Chunk
from serve_app.config import ModelConfig, SimulatedConfig
from serve_app.models.protocols import RecognitionOptions, RecognitionRequest
from serve_app.models.simulated import SimulatedRecognizer


def parser(description: str) -> argparse.ArgumentParser:
    """With what every rival is told."""
    made = argparse.ArgumentParser(description=description)
    made.add_argument("--port", type=int, required=True)
    made.add_argument("--fixed-s", type=float, default=0.0)
    made.add_argument("--per-audio-s", type=float, default=0.0)
    made.add_argument("--max-batch-size", type=int, default=1)
    made.add_argument("--batch-timeout-s", type=float, default=0.05)
    return made


def engine(fixed_s: float, per_audio_s: float) -> SimulatedRecognizer:
    cost = SimulatedConfig(fixed_s=fixed_s, per_audio_s=per_audio_s)
    return SimulatedRecognizer(ModelConfig(name="rival", kind="simulated", simulated=cost))


def request_of(upload: bytes) -> RecognitionRequest:
    """Of a PCM WAV of 16 kHz, which costs hardly anything to read."""
    with wave.open(io.BytesIO(upload)) as reader:
        pcm = reader.readframes(reader.getnframes())
    return RecognitionRequest(Chunk(pcm, 0.0), RecognitionOptions())


def recognized(
    model: SimulatedRecognizer, requests: Sequence[RecognitionRequest]
) -> list[dict[str, object]]:
    """Answers for clients, with the time of the batch that they were in."""
    began_at = time.perf_counter()
    found = model.recognize(model.prepare(requests))
    stages_s = {"model": round(time.perf_counter() - began_at, 4)}
    return [{"text": each.text, "stages_s": stages_s} for each in found]
