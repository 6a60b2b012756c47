"""A synthesizer's deployment without Ray: a real one of ours, called here."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from serve_app.config import SynthesizerConfig
from serve_app.deployments.synthesis.client import ServeSynthesizers
from serve_app.deployments.synthesis.replica import Synthesizer
from serve_app.deployments.synthesis.turns import Turns
from serve_app.models import protocols
from tests.deployments.local_graph import LocalHandle

HUM: dict[str, Any] = {
    "name": "hum",
    "kind": "simulated",
    "languages": ["en", "ru"],
    "simulated": {"fixed_s": 0, "per_audio_s": 0},
}


class LocalSynthesizer(Synthesizer):
    """One whose end is told by the test: Serve awaits `__del__`, which Python does not."""

    def __del__(self) -> None:  # type: ignore[override]  # not a coroutine here
        pass


@asynccontextmanager
async def local_synthesizer(
    config: SynthesizerConfig, model: protocols.Synthesizer | None = None
) -> AsyncIterator[Synthesizer]:
    """`model` in place of the one that the configuration names."""
    replica = LocalSynthesizer.__new__(LocalSynthesizer)
    await replica.__init__(config)  # type: ignore[misc]  # as Serve does
    if model is not None:
        replica._turns.close()
        replica._model = model
        replica._turns = Turns(model, max_waiting=config.max_waiting, report=replica._count)
    try:
        yield replica
    finally:
        replica._turns.close()
        assert replica._pulse is not None
        await replica._pulse.close()


def speaker(*replicas: Synthesizer) -> ServeSynthesizers:
    """As an ingress sees them."""
    return ServeSynthesizers({each._config.name: LocalHandle(each) for each in replicas})  # type: ignore[misc]  # no handles of Ray's
