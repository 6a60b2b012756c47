"""A synthesizer's replica: turns, bounds, faults; Ray's calls left out."""

import asyncio
import threading
from collections.abc import AsyncGenerator
from contextlib import aclosing

import pytest

from serve_app.audio.encode import Encoder
from serve_app.config import SynthesizerConfig
from serve_app.deployments.synthesis.replica import Synthesizer
from serve_app.errors import AtCapacityError, EngineError
from serve_app.models.protocols import (
    ModelBrokenError,
    ModelInfo,
    Speech,
    SpeechPart,
    SynthesisRequest,
    UnspeakableError,
    Voice,
)
from serve_app.models.speech.simulated import LETTER_S
from tests.deployments.local_synthesizer import (
    HUM,
    TEXT,
    local_synthesizer,
    sentence,
    speaker,
    spoken,
)

pytestmark = pytest.mark.asyncio

CONFIG = SynthesizerConfig.model_validate(HUM)


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


async def _spoken_by(replica: Synthesizer, request: SynthesisRequest) -> Speech:
    return await speaker(replica).synthesize("hum", request)


async def test_a_sentence_comes_at_the_rate_that_was_asked_for() -> None:
    async with local_synthesizer(CONFIG) as replica:
        for rate_hz in (8000, 24_000, 48_000):
            speech = await speaker(replica).synthesize("hum", sentence(sample_rate_hz=rate_hz))
            assert speech.sample_rate_hz == rate_hz
            assert speech.duration_s == pytest.approx(6 * LETTER_S, abs=0.001)


async def test_what_is_longer_than_a_sentence_is_spoken_in_pieces() -> None:
    model = Held()
    async with local_synthesizer(CONFIG, model) as replica:
        speech = await _spoken_by(replica, sentence(TEXT))
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


async def test_who_leaves_in_the_middle_stops_the_rest() -> None:
    model = Held()
    async with local_synthesizer(CONFIG, model) as replica:
        parts = speaker(replica).speak("hum", spoken())
        await anext(parts)
        await parts.aclose()
        await _spoken_by(replica, sentence("another"))
    assert model.said == ["First this.", "another"]


async def test_who_leaves_while_a_file_is_encoded_leaves_when_that_has_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Closed earlier, the encoder's memory would go under the hands of a thread."""
    happened: list[str] = []
    has_begun, may_go_on = threading.Event(), threading.Event()
    plain = Encoder.encode

    def encode(self: Encoder, pcm: bytes, *, is_last: bool = False) -> bytes:
        with self._one_at_a_time:
            has_begun.set()
            assert may_go_on.wait(10)
            happened.append("encoded")
        return plain(self, pcm, is_last=is_last)

    monkeypatch.setattr(Encoder, "encode", encode)
    async with local_synthesizer(CONFIG, Held()) as replica:
        leaving = asyncio.create_task(_rest_of(replica.speak(spoken(format="mp3"))))
        leaving.add_done_callback(lambda _: happened.append("left"))
        await asyncio.to_thread(has_begun.wait)
        leaving.cancel()
        await _spoken_by(replica, sentence("of somebody else"))
        may_go_on.set()
        await asyncio.gather(leaving, return_exceptions=True)
    assert happened == ["encoded", "left"]


async def test_who_leaves_while_waiting_is_not_spoken_for() -> None:
    model = Held(is_free=False)
    async with local_synthesizer(CONFIG, model) as replica:
        first = asyncio.create_task(_spoken_by(replica, sentence("one")))
        await asyncio.to_thread(model.has_begun.wait)
        second = asyncio.create_task(_spoken_by(replica, sentence("two")))
        third = asyncio.create_task(_spoken_by(replica, sentence("three")))
        await asyncio.to_thread(model.has_begun.wait)
        assert replica._turns.num_waiting == 2
        second.cancel()
        await asyncio.gather(second, return_exceptions=True)
        model.may_speak.set()
        await asyncio.gather(first, third)
    assert model.said == ["one", "three"]


async def test_one_more_than_may_wait_is_refused_at_once() -> None:
    model = Held(is_free=False)
    config = CONFIG.model_copy(update={"max_waiting": 2})
    async with local_synthesizer(config, model) as replica:
        waiting = [asyncio.create_task(_spoken_by(replica, sentence())) for _ in range(3)]
        await asyncio.to_thread(model.has_begun.wait)
        assert replica._turns.num_waiting == 2
        with pytest.raises(AtCapacityError, match="queue of hum"):
            await _spoken_by(replica, sentence())
        model.may_speak.set()
        await asyncio.gather(*waiting)
        assert (await _spoken_by(replica, sentence())).pcm


async def test_a_text_that_has_begun_is_brought_to_its_end() -> None:
    model = Held()
    config = CONFIG.model_copy(update={"max_waiting": 1})
    async with local_synthesizer(config, model) as replica:
        parts = replica.speak(spoken())
        await anext(parts)
        model.may_speak.clear()
        model.has_begun.clear()
        others = [asyncio.create_task(_spoken_by(replica, sentence())) for _ in range(2)]
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
                await _spoken_by(replica, sentence())
        replica.check_health()


async def test_texts_that_a_sound_model_fails_at_do_not_break_it() -> None:
    model = Held(*[RuntimeError("too long for me")] * 4, None, *[RuntimeError("again")] * 3)
    async with local_synthesizer(CONFIG, model) as replica:
        for _ in range(7):
            with pytest.raises(EngineError, match="RuntimeError"):
                await _spoken_by(replica, sentence())
            replica.check_health()
        assert (await _spoken_by(replica, sentence())).pcm


async def test_a_sentence_has_its_time_whatever_the_model_is() -> None:
    model = Held(is_free=False)
    config = CONFIG.model_copy(update={"timeout_s": 0.05})
    async with local_synthesizer(config, model) as replica:
        with pytest.raises(EngineError, match=r"longer than 0\.05 s"):
            await _spoken_by(replica, sentence("a long one"))
        model.may_speak.set()
        assert (await _spoken_by(replica, sentence("the next"))).pcm


async def test_a_long_sentence_travels_in_small_parts() -> None:
    """Ray's own limit of a message is 4 MiB."""

    class Long(Held):
        def synthesize(self, request: SynthesisRequest) -> Speech:
            return Speech(b"\1\0" * 48_000 * 60, 48_000)

    async with local_synthesizer(CONFIG, Long()) as replica:
        wanted = sentence(sample_rate_hz=48_000)
        parts = [part async for part in replica.synthesize(wanted)]
        speech = await _spoken_by(replica, wanted)
    assert max(len(part.data) for part in parts) <= 512 * 1024
    assert speech.duration_s == pytest.approx(60)
    assert speech.pcm == b"".join(part.data for part in parts)


async def test_a_model_that_fails_again_and_again_is_replaced() -> None:
    model = Held(*[RuntimeError("a bug")] * 5)
    async with local_synthesizer(CONFIG, model) as replica:
        for _ in range(4):
            replica.check_health()
            with pytest.raises(EngineError, match="RuntimeError"):
                await _spoken_by(replica, sentence())
        with pytest.raises(RuntimeError, match="speaks no more"):
            replica.check_health()
        with pytest.raises(ModelBrokenError):
            await anext(replica.synthesize(sentence()))


async def test_a_replica_that_ends_closes_its_model() -> None:
    model = Held()
    async with local_synthesizer(CONFIG, model):
        pass
    assert model.is_closed


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
