"""A synthesizer's replica, and its callers: turns, bounds, losses; Ray's calls left out."""

import asyncio
import threading
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import pytest
from ray.exceptions import ActorDiedError
from ray.serve.exceptions import BackPressureError

from serve_app.audio.encode import Encoder
from serve_app.config import SynthesizerConfig
from serve_app.deployments import routing
from serve_app.deployments.synthesis.client import ServeSynthesizers
from serve_app.errors import AtCapacityError, EngineError
from serve_app.models.protocols import (
    ModelBrokenError,
    ModelInfo,
    Speech,
    SpeechPart,
    SpokenText,
    SynthesisRequest,
    UnspeakableError,
    Voice,
)
from serve_app.models.speech.simulated import LETTER_S
from tests.deployments.local_synthesizer import HUM, local_synthesizer, speaker

pytestmark = pytest.mark.asyncio

CONFIG = SynthesizerConfig.model_validate(HUM)
TEXT = "First this. Then that. And the end!"


def sentence(text: str = "a word", **options: Any) -> SynthesisRequest:
    return SynthesisRequest(text, "hum-en", **options)


class Held:
    """A synthesizer that speaks when it may, and fails by a script."""

    info = ModelInfo("hum", "simulated", ("en",))
    voices = (Voice("hum-en", "en"),)

    def __init__(self, *script: Exception | None, is_free: bool = True) -> None:
        self.script = list(script)
        self.may_speak = threading.Event()
        self.has_begun = threading.Event()
        self.said: list[str] = []
        self.is_closed = False
        if is_free:
            self.may_speak.set()

    def synthesize(self, request: SynthesisRequest) -> Speech:
        self.has_begun.set()
        assert self.may_speak.wait(10)
        self.said.append(request.text)
        error = self.script.pop(0) if self.script else None
        if error is not None:
            raise error
        return Speech(b"\1\0" * 800, 8000)

    def close(self) -> None:
        self.is_closed = True


async def test_a_sentence_comes_at_the_rate_that_was_asked_for() -> None:
    async with local_synthesizer(CONFIG) as replica:
        for rate_hz in (8000, 24_000, 48_000):
            speech = await speaker(replica).synthesize("hum", sentence(sample_rate_hz=rate_hz))
            assert speech.sample_rate_hz == rate_hz
            assert speech.duration_s == pytest.approx(6 * LETTER_S, abs=0.001)


async def test_what_is_longer_than_a_sentence_is_spoken_in_pieces() -> None:
    model = Held()
    async with local_synthesizer(CONFIG, model) as replica:
        speech = await replica.synthesize(sentence(TEXT))
    assert model.said == ["First this.", "Then that.", "And the end!"]
    assert speech.duration_s == pytest.approx(0.3)


async def test_a_file_is_sent_a_sentence_at_a_time() -> None:
    model = Held()
    async with (
        local_synthesizer(CONFIG, model) as replica,
        aclosing(speaker(replica).speak("hum", spoken())) as parts,
    ):
        first = await anext(parts)
        assert len(model.said) == 1
        rest = [part async for part in parts]
    assert first.duration_s == pytest.approx(0.1)
    assert len(rest) == 2
    data = b"".join(part.data for part in (first, *rest))
    assert len(data) == 2 * 3 * 2400


def spoken(text: str = TEXT, **options: Any) -> SpokenText:
    return SpokenText(text, "hum-en", **{"format": "pcm", **options})


async def test_who_leaves_in_the_middle_stops_the_rest() -> None:
    model = Held()
    async with local_synthesizer(CONFIG, model) as replica:
        parts = speaker(replica).speak("hum", spoken())
        await anext(parts)
        await parts.aclose()
        await replica.synthesize(sentence("another"))
    assert model.said == ["First this.", "another"]


async def test_who_leaves_while_waiting_is_not_spoken_for() -> None:
    model = Held(is_free=False)
    async with local_synthesizer(CONFIG, model) as replica:
        first = asyncio.create_task(replica.synthesize(sentence("one")))
        await asyncio.to_thread(model.has_begun.wait)
        second = asyncio.create_task(replica.synthesize(sentence("two")))
        third = asyncio.create_task(replica.synthesize(sentence("three")))
        await asyncio.sleep(0)
        second.cancel()
        await asyncio.gather(second, return_exceptions=True)
        model.may_speak.set()
        await asyncio.gather(first, third)
    assert model.said == ["one", "three"]


async def test_one_more_than_may_wait_is_refused_at_once() -> None:
    model = Held(is_free=False)
    config = CONFIG.model_copy(update={"max_waiting": 2})
    async with local_synthesizer(config, model) as replica:
        waiting = [asyncio.create_task(replica.synthesize(sentence())) for _ in range(3)]
        await asyncio.to_thread(model.has_begun.wait)
        assert replica._turns.num_waiting == 2
        with pytest.raises(AtCapacityError, match="queue of hum"):
            await replica.synthesize(sentence())
        model.may_speak.set()
        await asyncio.gather(*waiting)
        assert (await replica.synthesize(sentence())).pcm


async def test_a_text_that_has_begun_is_brought_to_its_end() -> None:
    model = Held()
    config = CONFIG.model_copy(update={"max_waiting": 1})
    async with local_synthesizer(config, model) as replica:
        parts = replica.speak(spoken())
        await anext(parts)
        model.may_speak.clear()
        model.has_begun.clear()
        others = [asyncio.create_task(replica.synthesize(sentence())) for _ in range(2)]
        await asyncio.to_thread(model.has_begun.wait)
        rest = asyncio.create_task(_rest_of(parts))
        model.may_speak.set()
        assert len(await rest) == 2
        await asyncio.gather(*others)


async def _rest_of(parts: AsyncGenerator[SpeechPart, None]) -> list[SpeechPart]:
    return [part async for part in parts]


async def test_what_cannot_be_spoken_fails_alone_and_does_no_harm() -> None:
    model = Held(*[UnspeakableError("no letters")] * 20)
    async with local_synthesizer(CONFIG, model) as replica:
        for _ in range(20):
            with pytest.raises(EngineError, match="no letters"):
                await replica.synthesize(sentence())
        replica.check_health()


async def test_a_model_that_fails_again_and_again_is_replaced() -> None:
    model = Held(*[RuntimeError("a bug")] * 4)
    async with local_synthesizer(CONFIG, model) as replica:
        for _ in range(4):
            replica.check_health()
            with pytest.raises(EngineError, match="RuntimeError"):
                await replica.synthesize(sentence())
        with pytest.raises(RuntimeError, match="speaks no more"):
            replica.check_health()
        with pytest.raises(ModelBrokenError):
            await replica.synthesize(sentence())


async def test_a_replica_that_ends_closes_its_model() -> None:
    model = Held()
    async with local_synthesizer(CONFIG, model):
        pass
    assert model.is_closed


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
        return self._parts(request) if isinstance(request, SpokenText) else self._speech(request)

    async def _speech(self, request: SynthesisRequest) -> Speech:
        self._maybe_die()
        return Speech(b"\0\0", request.sample_rate_hz)

    def _parts(self, request: SpokenText) -> "Parts":
        return Parts(self._all(request))

    async def _all(self, request: SpokenText) -> AsyncGenerator[SpeechPart, None]:
        for index, word in enumerate(request.text.split()):
            if index:
                self._maybe_die()
            yield SpeechPart(word.encode(), 0.1)

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


async def test_a_full_queue_is_a_refusal() -> None:
    speakers = ServeSynthesizers({"hum": Dying(num_deaths=0, full=True)})  # type: ignore[dict-item]
    with pytest.raises(AtCapacityError, match="queue of hum"):
        await speakers.synthesize("hum", sentence())


async def test_many_callers_at_once_each_get_their_own_words() -> None:
    texts = [f"sentence number {index}. And more of it." for index in range(40)]
    async with local_synthesizer(CONFIG) as replica:
        speakers = speaker(replica)

        async def file_of(text: str) -> bytes:
            parts = speakers.speak("hum", spoken(text, format="wav"))
            return b"".join([part.data async for part in parts])

        together = await asyncio.gather(*(file_of(text) for text in texts))
        assert together == [await file_of(text) for text in texts]
    assert len(set(together)) == len(texts)


async def test_parts_of_a_long_sentence_are_small_enough_to_travel() -> None:
    class Long(Held):
        def synthesize(self, request: SynthesisRequest) -> Speech:
            return Speech(b"\1\0" * 48_000 * 30, 48_000)

    async with local_synthesizer(CONFIG, Long()) as replica:
        wanted = spoken("one", sample_rate_hz=48_000)
        parts = [part async for part in replica.speak(wanted)]
    assert max(len(part.data) for part in parts) <= 512 * 1024
    assert sum(part.duration_s for part in parts) == pytest.approx(30)
    encoder = Encoder("pcm", 48_000)
    assert sum(len(part.data) for part in parts) == len(encoder.encode(b"\1\0" * 48_000 * 30))
