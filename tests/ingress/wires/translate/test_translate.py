"""`/ws/translate` with a plain WebSocket client."""

import pytest

from serve_app.errors import EngineError
from serve_app.ingress.backend.fake import ScriptedBackend
from serve_app.ingress.backend.humming import humming
from serve_app.transcript.types import Segment
from tests.ingress.wires.conftest import silence, speech
from tests.ingress.wires.translate.site import WANTED, of_type, pcm_of

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


@pytest.mark.parametrize(
    ("wanted", "code", "param"),
    [
        ({}, "invalid_option", "mode"),
        ({"mode": "en"}, "invalid_option", "mode"),
        ({"mode": "en->xx"}, "unsupported_language", "mode"),
        ({"mode": "en->en"}, "invalid_option", "mode"),
        ({"mode": "en->ru", "src": "en", "tgt": "ru"}, "invalid_option", "mode"),
        ({"src": "en"}, "invalid_option", "mode"),
        ({"mode": "de->ru"}, "unsupported_translation", "target_language"),
        ({"mode": "en->de"}, "unsupported_language", "language"),
        ({"mode": "en->ru", "languages": ["en", "ru"]}, "invalid_option", "languages"),
        ({"mode": "auto", "languages": ["en"]}, "invalid_option", "languages"),
        ({"mode": "auto", "languages": ["en", "en"]}, "invalid_option", "languages"),
        ({"mode": "auto", "languages": ["de", "ru"]}, "unsupported_translation", "target_language"),
        ({"mode": "en->ru", "model": "other"}, "unsupported_option", "model"),
        ({"mode": "en->ru", "model": "nobody"}, "model_not_found", "model"),
        ({"mode": "en->ru", "voice": "amy"}, "invalid_option", "voice"),
        ({"mode": "en->ru", "voice": "nobody"}, "invalid_option", "voice"),
        ({"mode": "en->ru", "voice": {"en": "amy"}}, "invalid_option", "voice"),
        ({"mode": "en->ru", "voice": 3}, "invalid_option", "voice"),
        ({"mode": "en->ru", "sample_rate": 12345}, "invalid_option", "sample_rate"),
        ({"mode": "en->ru", "sample_rate": "48000"}, "invalid_option", "sample_rate"),
        ({"mode": "en->ru", "channels": 9}, "invalid_option", "channels"),
        ({"mode": "en->ru", "output_sample_rate": 11025}, "invalid_option", "output_sample_rate"),
        ({"mode": "en->ru", "silence_ms": 10}, "invalid_option", "silence_ms"),
        ({"mode": "en->ru", "speech": "yes"}, "invalid_option", "speech"),
        ({"mode": "en->ru", "loud": True}, "invalid_option", "loud"),
        (b"\0\0", "invalid_message", "mode"),
        ("no JSON", "invalid_message", None),
    ],
    ids=str,
)
async def test_what_cannot_be_honoured_is_refused_by_name(translating, wanted, code, param) -> None:
    site = await translating()
    told, close_code, reason = await site.ended(wanted)
    (error,) = told
    assert error["type"] == "error"
    assert (error["error"]["code"], error["error"]["param"]) == (code, param)
    assert reason == code
    assert close_code in (1007, 1008)


async def test_a_server_that_translates_nothing_says_so_in_the_handshake(translating) -> None:
    site = await translating(models=[{"name": "other", "kind": "simulated"}], synthesizers=())
    status, error, _ = await site.server.refusal(path="/ws/translate")
    assert (status, error["code"], error["param"]) == (400, "unsupported_option", "model")
