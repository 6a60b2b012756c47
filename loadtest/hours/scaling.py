"""One recording as a job, on servers of 1, 2, 4, … replicas of a simulated model.

One recording is decoded by one core, which gives far less audio than a GPU takes. So the engine is
made many times slower, until it is what limits the server, and its batches smaller, so that eight
replicas have several each: what is measured is how the server hands the chunks of one recording to
many engines, not how fast those are.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from loadtest.bench.server import model_of, own_server
from loadtest.hours.hearing import hear_whole
from serve_app.client import Client
from serve_app.config import BatchConfig, ModelConfig, SimulatedConfig

DILATION = 200.0
MAX_BATCH_AUDIO_S = 120.0


@dataclass(frozen=True, slots=True)
class Scale:
    """One number of replicas."""

    num_replicas: int
    job_s: float
    num_words: int
    is_same: bool
    """Whether the words and their times are those of the first number."""


def scales(
    config: Path,
    path: Path,
    warm_up: bytes,
    counts: Sequence[int],
    told: Callable[[int, float], object],
) -> list[Scale]:
    """`told` hears for which number how many seconds of audio are done.

    Raises:
        BenchError: a server did not start, or failed.
    """
    model = slow(model_of(config, None))
    found: list[Scale] = []
    first = None
    for count in counts:
        with own_server(config, model, num_replicas=count) as server, Client(server.url) as client:
            client.transcribe(warm_up, model=model.name)
            whole = hear_whole(client, path, model=model.name, told=partial(told, count))
        first = first or whole.words
        found.append(Scale(count, whole.job_s, len(whole.words), whole.words == first))
    return found


def slow(model: ModelConfig) -> ModelConfig:
    cost = model.simulated
    return model.model_copy(
        update={
            "simulated": SimulatedConfig(
                fixed_s=cost.fixed_s * DILATION, per_audio_s=cost.per_audio_s * DILATION
            ),
            "batch": BatchConfig(max_batch_audio_s=MAX_BATCH_AUDIO_S),
        }
    )
