"""Synthesizers as an ingress sees them: lost, silent, full; Ray's calls left out."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import pytest
from ray.exceptions import ActorDiedError
from ray.serve.exceptions import BackPressureError

from serve_app import app
from serve_app.config import ServerConfig, SynthesizerConfig
from serve_app.deployments import routing
from serve_app.deployments.synthesis import client
from serve_app.deployments.synthesis.client import ServeSynthesizers
from serve_app.errors import AtCapacityError, EngineError, ModelUnavailableError
from serve_app.ingress.admission.gate import Gate
from serve_app.ingress.deployment import GraphBackend
from serve_app.models.protocols import ModelInfo, SpeechPart, SpokenText
from tests.deployments.local_graph import LocalHandle
from tests.deployments.local_synthesizer import HUM, local_synthesizer, sentence, speaker, spoken

pytestmark = pytest.mark.asyncio

CONFIG = SynthesizerConfig.model_validate(HUM)
MODEL = {"name": "tiny", "kind": "simulated"}


class Dying:
    """A handle to replicas that die as often as they are told to, each after its first part."""

    def __init__(self, *, num_deaths: int, full: bool = False) -> None:
        self.num_deaths = num_deaths
        self.full = full
        self.num_calls = 0

    def options(self, **_: object) -> "Dying":
        return self

    @property
    def speak(self) -> "Dying":
        return self

    synthesize = speak

    def remote(self, request: Any) -> Any:
        self.num_calls += 1
        is_text = isinstance(request, SpokenText)
        return Parts(self._all(request) if is_text else self._speech())

    async def _speech(self) -> AsyncGenerator[SpeechPart, None]:
        self._maybe_die()
        yield SpeechPart(b"\0\0", 0.1)

    async def _all(self, request: SpokenText) -> AsyncGenerator[SpeechPart, None]:
        for index, word in enumerate(self.words_of(request)):
            if index:
                self._maybe_die()
            yield SpeechPart(word, 0.1)

    def words_of(self, request: SpokenText) -> list[bytes]:
        return [word.encode() for word in request.text.split()]

    def _maybe_die(self) -> None:
        if self.full:
            raise BackPressureError(1, 1)
        if self.num_deaths:
            self.num_deaths -= 1
            raise ActorDiedError


class Parts:
    def __init__(self, parts: AsyncGenerator[SpeechPart, None]) -> None:
        self._parts = parts

    def __aiter__(self) -> AsyncGenerator[SpeechPart, None]:
        return self._parts

    def cancel(self) -> None:
        pass


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    async def pause(self: routing.Patience) -> None:
        pass

    monkeypatch.setattr(routing.Patience, "pause", pause)


async def test_a_replica_that_dies_costs_its_callers_a_pause() -> None:
    handle = Dying(num_deaths=3)
    speakers = ServeSynthesizers({"hum": handle})  # type: ignore[dict-item]  # no handle of Ray's
    parts = [part.data async for part in speakers.speak("hum", spoken("a b c d"))]
    assert parts == [b"a", b"b", b"c", b"d"]
    assert handle.num_calls == 4
    handle.num_deaths = 2
    assert (await speakers.synthesize("hum", sentence())).pcm == b"\0\0"


class Otherwise(Dying):
    """Each replica cuts its parts elsewhere; none of the first says what another does."""

    def words_of(self, request: SpokenText) -> list[bytes]:
        text = request.text.encode() if self.num_calls > 1 else request.text.upper().encode()
        return [
            text[start : start + self.num_calls] for start in range(0, len(text), self.num_calls)
        ]


async def test_a_text_goes_on_at_the_byte_where_another_replica_broke_off() -> None:
    handle = Otherwise(num_deaths=2)
    handle.num_calls = 1  # as if another had called before: all say the same now
    speakers = ServeSynthesizers({"hum": handle})  # type: ignore[dict-item]  # no handle of Ray's
    parts = [part async for part in speakers.speak("hum", spoken("abcdefghi"))]
    assert b"".join(part.data for part in parts) == b"abcdefghi"


async def test_a_text_that_another_replica_says_otherwise_is_broken_off() -> None:
    """A GPU's sound is not a CPU's to the last bit; a file of both would have a seam."""
    speakers = ServeSynthesizers({"hum": Otherwise(num_deaths=1)})  # type: ignore[dict-item]
    parts = speakers.speak("hum", spoken("abc"))
    assert (await anext(parts)).data == b"A"
    with pytest.raises(EngineError, match="says it otherwise"):
        await anext(parts)


class Silent(Dying):
    """One that has no replica: Serve lets its callers wait."""

    async def _speech(self) -> AsyncGenerator[SpeechPart, None]:
        await asyncio.Event().wait()
        yield SpeechPart(b"", 0.0)


async def test_a_replica_that_never_answers_is_unavailable() -> None:
    speakers = ServeSynthesizers({"hum": Silent(num_deaths=0)}, limit_s=0.01)  # type: ignore[dict-item]
    with pytest.raises(ModelUnavailableError, match="hum"):
        await speakers.synthesize("hum", sentence())


async def test_a_voice_that_has_answered_once_is_not_asked_again() -> None:
    """One that sleeps would be woken by each probe."""
    async with local_synthesizer(CONFIG) as replica:
        speakers = speaker(replica)
        first = await speakers.infos()
    replica._model = None  # type: ignore[assignment]  # it could not answer any more
    assert [info.name for info in first] == ["hum"]
    assert await speakers.infos() == first


class Nobody:
    """A deployment whose replicas all wait for a node."""

    async def info(self) -> ModelInfo:
        await asyncio.Event().wait()
        raise AssertionError


class Preprocessor:
    async def models(self) -> list[ModelInfo]:
        return [ModelInfo("tiny", "simulated", ("en",))]


async def test_a_voice_that_is_down_keeps_no_recording_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(client, "_ASK_TIMEOUT_S", 0.01)
    backend = GraphBackend(
        LocalHandle(Preprocessor()),  # type: ignore[arg-type]  # no handle of Ray's
        {},
        {"hum": LocalHandle(Nobody())},  # type: ignore[dict-item]
        num_offline=1,
        metrics_port=0,
        gate=Gate(1),
    )
    assert await backend.ready()
    assert [info.name for info in await backend.models()] == ["tiny"]


async def test_as_many_calls_wait_for_a_voice_as_are_told_that_it_is_full() -> None:
    application = app.build(ServerConfig.model_validate({"models": [MODEL], "synthesizers": [HUM]}))
    voice = application._bound_deployment.init_args[3]["hum"]._bound_deployment
    assert voice.max_queued_requests == 4 * CONFIG.max_waiting


@pytest.mark.parametrize(("pivot", "longest_s"), [(None, 600), ("en", 7200)])
async def test_an_ingress_with_conversations_leaves_when_they_have_ended(
    pivot: str | None, longest_s: float
) -> None:
    model = {**MODEL, "languages": ["en", "de"], "pivot_language": pivot}
    config = {"models": [model], "streams": {"max_stream_s": 7200}}
    application = app.build(ServerConfig.model_validate(config))
    ingress = application._bound_deployment
    assert ingress._deployment_config.graceful_shutdown_timeout_s == longest_s


async def test_a_full_queue_is_a_refusal() -> None:
    speakers = ServeSynthesizers({"hum": Dying(num_deaths=0, full=True)})  # type: ignore[dict-item]
    with pytest.raises(AtCapacityError, match="queue of hum"):
        await speakers.synthesize("hum", sentence())
