"""The first message of `/ws/translate`: what is refused, and by which of its names."""

import pytest

from tests.ingress.wires.conftest import silence, speech
from tests.ingress.wires.translate.site import WANTED, of_type

pytestmark = pytest.mark.asyncio


@pytest.mark.parametrize(
    ("wanted", "code", "param"),
    [
        ({}, "invalid_option", "mode"),
        ({"mode": "en"}, "invalid_option", "mode"),
        ({"mode": "en->xx"}, "unsupported_language", "mode"),
        ({"mode": "en->en"}, "invalid_option", "mode"),
        ({"mode": "en->ru", "src": "en", "tgt": "ru"}, "invalid_option", "mode"),
        ({"src": "en"}, "invalid_option", "mode"),
        ({"mode": "de->ru"}, "unsupported_translation", "mode"),
        ({"src": "de", "tgt": "ru"}, "unsupported_translation", "tgt"),
        ({"src": "en", "tgt": "English"}, "invalid_option", "tgt"),
        ({"mode": "en->de"}, "unsupported_language", "mode"),
        ({"src": "en", "tgt": "de"}, "unsupported_language", "tgt"),
        ({"mode": "en->ru", "languages": ["en", "ru"]}, "invalid_option", "languages"),
        ({"mode": "auto", "languages": ["en"]}, "invalid_option", "languages"),
        ({"mode": "auto", "languages": ["en", "en"]}, "invalid_option", "languages"),
        ({"mode": "auto", "languages": ["de", "ru"]}, "unsupported_translation", "languages"),
        ({"mode": "auto", "languages": ["en", "de"]}, "unsupported_language", "languages"),
        ({"mode": "en->ru", "model": "other"}, "unsupported_option", "model"),
        ({"mode": "en->ru", "model": "live"}, "unsupported_translation", "model"),
        ({"mode": "auto", "model": "interpreter"}, "unsupported_option", "mode"),
        ({"mode": "auto->ru", "model": "interpreter"}, "unsupported_option", "mode"),
        ({"src": "auto", "tgt": "ru", "model": "interpreter"}, "unsupported_option", "src"),
        (
            {"mode": "en->ru", "model": "interpreter", "source_text": True},
            "unsupported_option",
            "source_text",
        ),
        ({"mode": "en->ru", "model": "nobody"}, "model_not_found", "model"),
        ({"mode": "en->ru", "voice": "amy"}, "invalid_option", "voice"),
        ({"mode": "en->ru", "voice": "nobody"}, "invalid_option", "voice"),
        ({"mode": "en->ru", "voice": {"en": "amy"}}, "invalid_option", "voice"),
        ({"mode": "en->ru", "voice": {"ru": "amy"}}, "invalid_option", "voice"),
        ({"mode": "en->ru", "voice": 3}, "invalid_option", "voice"),
        ({"mode": "en->ru", "sample_rate": 12345}, "invalid_option", "sample_rate"),
        ({"mode": "en->ru", "sample_rate": "48000"}, "invalid_option", "sample_rate"),
        ({"mode": "en->ru", "sample_rate": 16000.5}, "invalid_option", "sample_rate"),
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


async def test_a_whole_number_may_be_written_with_a_point(translating) -> None:
    site = await translating()
    told = await site.said(
        {**WANTED, "sample_rate": 16000.0, "channels": 1.0}, speech(1, 0.6) + silence(1.0)
    )
    assert len(of_type(told, "done")) == 1
