"""`/ws/translate` with a plain WebSocket client."""

import asyncio

import numpy as np
import pytest

from serve_app.deployments.ledger import LedgerReplica
from serve_app.errors import EngineError, UnsupportedTranslationError
from serve_app.ingress.backend.fake import ScriptedBackend
from serve_app.ingress.backend.humming import humming
from serve_app.pipelines.streaming.fake import FakeHost
from serve_app.transcript.types import Segment
from tests.ingress.auth import ALICE, keys_file
from tests.ingress.wires.conftest import WAITING, silence, speech
from tests.ingress.wires.translate.conftest import SCRIPT
from tests.ingress.wires.translate.site import (
    WANTED,
    of_type,
    parsed,
    pcm_of,
    say,
    told_to,
)

pytestmark = pytest.mark.asyncio

UTTERANCE = speech(1, 0.6) + silence(1.0)
TEXT = "Раз два. Три."
SENTENCES = ("Раз два.", "Три.")


async def test_an_utterance_is_told_and_then_spoken_sentence_by_sentence(translating) -> None:
    site = await translating()
    told = await site.said({**WANTED, "source_text": True}, UTTERANCE)
    kinds = [each["type"] if isinstance(each, dict) else "sound" for each in told]
    assert kinds == [
        "ready",
        "speech_started",
        "speech_stopped",
        "translation",
        *["audio", "sound"] * 2,
        "done",
    ]
    ready, started, stopped, translation = told[:4]
    assert ready == {
        "type": "ready",
        "mode": "en->ru",
        "languages": ["en", "ru"],
        "sample_rate": 24000,
        "model": "pretender",
        "voices": {"ru": "ivan"},
        "simulated": True,
    }
    assert (started["utterance"], started["at_s"]) == (0, 0.0)
    assert 0.55 < stopped["at_s"] < 0.7
    assert {name: translation[name] for name in ("src", "tgt", "text", "source_text")} == {
        "src": "en",
        "tgt": "ru",
        "text": TEXT,
        "source_text": TEXT,
    }
    assert translation["is_final"]
    assert 0 <= translation["start_s"] < translation["end_s"] < 1.6
    for index, sentence in enumerate(SENTENCES):
        audio, recording = told[4 + 2 * index : 6 + 2 * index]
        pcm, rate_hz = pcm_of(recording)
        assert (audio["utterance"], audio["part"]) == (0, index)
        assert rate_hz == audio["sample_rate"] == 24000
        assert pcm == humming(sentence, "ivan", 24_000)
        assert audio["duration_s"] == round(len(pcm) / 48_000, 3)
    assert told[-1]["utterance"] == 0
    assert 0 <= told[-1]["latency_ms"]["text"] <= told[-1]["latency_ms"]["sound"]


async def test_clients_that_were_there_before_get_a_wav_and_a_text(translating) -> None:
    site = await translating()
    told = await site.said({"mode": "en->ru", "sample_rate": 16000}, UTTERANCE, UTTERANCE)
    assert len(told) == 4
    for recording, message in (told[:2], told[2:]):
        pcm, rate_hz = pcm_of(recording)
        assert rate_hz == 24000
        assert pcm == b"".join(humming(each, "ivan", 24_000) for each in SENTENCES)
        assert message == {"src": "en", "tgt": "ru", "text": TEXT, "simulated": True}


async def test_a_voice_that_fails_leaves_clients_that_were_there_before_the_text(
    translating,
) -> None:
    class Hoarse(ScriptedBackend):
        async def synthesize(self, model, request):
            if request.text == SENTENCES[1]:
                raise EngineError("hummer", "no")
            return await super().synthesize(model, request)

    site = await translating(Hoarse(SCRIPT))
    failed, recording, message = await site.said(
        {"mode": "en->ru", "sample_rate": 16000}, UTTERANCE
    )
    assert (failed["type"], failed["error"]["code"]) == ("failed", "engine_failed")
    assert pcm_of(recording)[0] == humming(SENTENCES[0], "ivan", 24_000)
    assert message["text"] == TEXT


async def test_the_flush_word_ends_an_utterance_at_once(translating) -> None:
    site = await translating()
    told = await site.said(WANTED, speech(1, 0.6), "__flush__", speech(2, 0.6), "__flush__")
    assert [each["utterance"] for each in of_type(told, "done")] == [0, 1]
    assert [each["at_s"] for each in of_type(told, "speech_stopped")] == [0.6, 1.2]


async def test_an_utterance_that_fails_is_told_and_the_next_one_is_heard(translating) -> None:
    class Failing(ScriptedBackend):
        async def transcribe(self, upload, request):
            if len(self.calls) == 1:
                self.script = (EngineError("pretender", "no"),)
            else:
                self.script = (Segment("Раз.", 0.0, 1.0),)
            return await super().transcribe(upload, request)

    site = await translating(Failing())
    told = await site.said(WANTED, *[UTTERANCE] * 3)
    assert [each["text"] for each in of_type(told, "translation")] == ["Раз."] * 2
    (failed,) = of_type(told, "failed")
    assert (failed["utterance"], failed["error"]["code"]) == (1, "engine_failed")
    assert [each["utterance"] for each in of_type(told, "done")] == [0, 1, 2]


async def test_without_speech_there_is_text_alone(translating) -> None:
    site = await translating(synthesizers=())
    told = await site.said({**WANTED, "speech": False}, UTTERANCE)
    assert not [each for each in told if isinstance(each, bytes)]
    assert of_type(told, "done")[0]["latency_ms"]["sound"] is None
    plain = await site.said({"src": "en", "tgt": "ru", "speech": False}, UTTERANCE * 3)
    assert [message["text"] for message in plain] == [TEXT]


async def test_a_model_for_live_streams_is_told_as_it_grows(translating) -> None:
    host = FakeHost(num_slots=1)
    site = await translating(ScriptedBackend(hosts={"interpreter": host}))
    wanted = {**WANTED, "model": "interpreter"}
    told = await site.said(wanted, UTTERANCE, UTTERANCE)
    for number in (0, 1):
        mine = [each for each in of_type(told, "translation") if each["utterance"] == number]
        assert [each["is_final"] for each in mine].count(True) == 1
        *growing, final = mine
        assert final["is_final"]
        assert final["text"].startswith("ru")
        assert final["latency_ms"] is not None
        assert any(each["latency_ms"] is None for each in growing)
    assert [each["utterance"] for each in of_type(told, "done")] == [0, 1]
    assert len(of_type(told, "audio")) == 2
    assert host.num_slots_taken == 0


async def test_a_model_for_live_streams_that_is_full_says_so_at_once(translating) -> None:
    host = FakeHost(num_slots=0)
    site = await translating(ScriptedBackend(hosts={"interpreter": host}))
    told, code, reason = await site.ended({**WANTED, "model": "interpreter"}, UTTERANCE)
    assert (code, reason) == (1013, "at_capacity")
    assert [each["type"] for each in told] == ["error"]


async def test_what_is_spoken_may_be_any_language_that_can_be_translated(translating) -> None:
    site = await translating()
    told = await site.said({"src": "auto", "tgt": "ru", "events": True}, UTTERANCE * 3)
    assert (told[0]["mode"], told[0]["languages"]) == ("auto->ru", ["ru"])
    (call,) = site.backend.calls
    assert (call.request.options.language, call.request.options.among) == (None, ())


async def test_an_utterance_in_a_language_that_cannot_be_translated_fails_and_no_other(
    translating,
) -> None:
    class Hearing(ScriptedBackend):
        """German in the second utterance; refused as the graph refuses it."""

        async def transcribe(self, upload, request):
            options, is_second = request.options, 2 <= len(self.calls) < 4
            answer = await super().transcribe(upload, request)
            if is_second and options.target_language and not options.among:
                raise UnsupportedTranslationError("de", "ru", "pretender", (("en", "ru"),))
            return answer

    site = await translating(Hearing(SCRIPT), translation={"max_under_way": 1})
    wanted = {**WANTED, "mode": "auto->ru", "source_text": True, "speech": False}
    told = await site.said(wanted, *[UTTERANCE] * 3)
    assert [each["utterance"] for each in of_type(told, "translation")] == [0, 2]
    (failed,) = of_type(told, "failed")
    assert failed["utterance"] == 1
    assert failed["error"]["code"] == "unsupported_translation"
    assert failed["error"]["param"] is None
    assert "from 'de' to 'ru'" in failed["error"]["message"]
    assert [each["utterance"] for each in of_type(told, "done")] == [0, 1, 2]


async def test_in_auto_the_model_finds_which_of_the_two_is_spoken(translating) -> None:
    site = await translating()
    wanted = {"mode": "auto", "languages": ["ru", "English"], "source_text": True}
    told = await site.said({**WANTED, **wanted}, UTTERANCE)
    assert (told[0]["mode"], told[0]["languages"]) == ("auto", ["ru", "en"])
    assert told[0]["voices"] == {"ru": "ivan", "en": "amy"}
    asked = {
        (call.request.options.among, call.request.options.crosses) for call in site.backend.calls
    }
    assert asked == {(("ru", "en"), True), (("ru", "en"), False)}


async def test_voices_are_named_by_language_or_for_all(translating) -> None:
    site = await translating()
    first = {**WANTED, "mode": "auto"}
    for voice, voices in (
        ("bob", {"en": "bob", "ru": "ivan"}),
        ({"en": "bob"}, {"en": "bob", "ru": "ivan"}),
        ("alloy", {"en": "amy", "ru": "ivan"}),
    ):
        told = await site.said({**first, "voice": voice})
        assert told[0]["voices"] == voices


async def test_sound_has_the_rate_that_was_asked_for(translating) -> None:
    site = await translating()
    told = await site.said({**WANTED, "output_sample_rate": 8000}, UTTERANCE)
    sounds = [pcm_of(each) for each in told if isinstance(each, bytes)]
    assert sounds == [(humming(each, "ivan", 8000), 8000) for each in SENTENCES]


async def test_channels_are_mixed_and_rates_are_heard_alike(translating) -> None:
    site = await translating()
    samples = np.frombuffer(UTTERANCE, "<i2")
    stereo = np.repeat(samples, 2).astype("<i2").tobytes()
    told = await site.said({**WANTED, "channels": 2}, stereo[:1001], stereo[1001:])
    assert len(of_type(told, "done")) == 1
    (call,) = site.backend.calls
    assert pcm_of(call.upload)[0] in UTTERANCE


async def test_conversations_are_counted_and_have_places(translating) -> None:
    site = await translating(streams={"max_per_ingress": 1})
    async with await site.server.open("/ws/translate"):
        status, error, _ = await site.server.refusal(path="/ws/translate")
    assert (status, error["code"]) == (429, "at_capacity")


class NotingLedger(LedgerReplica):
    def __init__(self) -> None:
        super().__init__()
        self.notes: asyncio.Queue[float] = asyncio.Queue()

    async def note(self, key, audio_s, *, stream=None, is_over=False) -> None:
        await super().note(key, audio_s, stream=stream, is_over=is_over)
        self.notes.put_nowait(audio_s)


async def test_who_fed_audio_is_charged_once(translating, tmp_path) -> None:
    """For what was fed, and not again for what was made of it."""
    auth = {"keys_file": keys_file(tmp_path, alice={"audio_s_per_day": 100})}
    ledger = NotingLedger()
    site = await translating(auth=auth, ledger=ledger)
    async with await site.server.open("/ws/translate", ALICE) as client:
        await say(client, WANTED, UTTERANCE, b"")
        assert of_type(await told_to(client), "done")
    charged_s = await asyncio.wait_for(ledger.notes.get(), WAITING)
    assert charged_s == pytest.approx(1.6)


async def test_a_server_that_is_stopped_tells_what_was_heard_and_says_so(translating) -> None:
    site = await translating()
    async with asyncio.timeout(WAITING), await site.server.open("/ws/translate") as client:
        await say(client, WANTED, speech(1, 0.6))
        assert parsed(await client.recv())["type"] == "ready"
        assert parsed(await client.recv())["type"] == "speech_started"
        closing = asyncio.create_task(site.gate.close(WAITING))
        told = await told_to(client)
        assert client.close_code == 1012
        await closing
    assert [each["type"] for each in told if isinstance(each, dict)][-3:] == [
        "audio",
        "done",
        "error",
    ]
    assert told[-1]["error"]["code"] == "shutting_down"
