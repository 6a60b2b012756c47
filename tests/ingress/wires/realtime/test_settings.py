"""What `session.update` changes, keeps, turns off and refuses."""

from typing import Any

import pytest

from serve_app.audio.frames import Encoding, PacketFormat
from serve_app.audio.voice import VoiceActivity
from serve_app.config import ServerConfig
from serve_app.errors import RequestError
from serve_app.ingress.served import ServedModels
from serve_app.ingress.wires.realtime.settings import LOGPROBS, Settings, settings_of, updated
from tests.ingress.wires.conftest import MODELS, speech
from tests.ingress.wires.realtime.frames import COMMIT, T, append, at_24k, say, session, until
from tests.ingress.wires.realtime.frames import update as updating

SERVED = ServedModels(ServerConfig.model_validate({"models": MODELS}))


def after(*updates: Any, name: str | None = None) -> Settings:
    settings = settings_of(name, SERVED)
    for update in updates:
        settings = updated(settings, update, SERVED)
    return settings


def test_a_session_begins_as_openais_do() -> None:
    settings = after()
    assert settings.voice_activity == VoiceActivity(0.5, 0.3, 0.5)
    assert settings.packet_format == PacketFormat(Encoding.PCM16, 24_000)
    assert settings.shown("sess_1") == {
        "type": "transcription",
        "object": "realtime.transcription_session",
        "id": "sess_1",
        "audio": {
            "input": {
                "format": {"type": "audio/pcm", "rate": 24000},
                "transcription": {"model": "live", "language": None, "prompt": None},
                "noise_reduction": None,
                "turn_detection": {
                    "type": "server_vad",
                    "threshold": 0.5,
                    "prefix_padding_ms": 300,
                    "silence_duration_ms": 500,
                },
            }
        },
        "include": None,
    }


def test_what_is_omitted_stays() -> None:
    settings = after(
        session(
            format={"type": "audio/pcmu"},
            transcription={"model": "gpt-4o-transcribe", "language": "de"},
            turn_detection={"type": "server_vad", "threshold": 0.7, "silence_duration_ms": 200},
        ),
        {"include": [LOGPROBS]},
    )
    assert after(session(), {}, {"type": "transcription"}) == after()
    for update in ({}, session(), session(transcription={}), session(turn_detection={})):
        assert updated(settings, update, SERVED) == settings
    threshold = updated(settings, session(turn_detection={"threshold": 0.1}), SERVED)
    assert threshold.voice_activity == VoiceActivity(0.1, 0.3, 0.2)
    language = updated(settings, session(transcription={"language": "en"}), SERVED)
    assert (language.language, language.model_name) == ("en", "gpt-4o-transcribe")


def test_null_turns_off() -> None:
    settings = after(
        session(transcription={"language": "de"}),
        session(transcription=None, turn_detection=None, noise_reduction=None, format=None),
        {"include": None},
    )
    assert settings.voice_activity is None
    assert not settings.transcribes
    shown = settings.shown("")["audio"]["input"]
    assert shown["transcription"] is shown["turn_detection"] is None
    on_again = updated(settings, session(transcription={"language": None}), SERVED)
    assert (on_again.transcribes, on_again.language) == (True, None)
    assert updated(settings, session(turn_detection={"type": "server_vad"}), SERVED) == (
        after(
            session(transcription={"language": "de"}, turn_detection={}),
            session(transcription=None),
        )
    )


def test_what_was_shown_can_be_sent_back() -> None:
    settings = after(
        session(format={"type": "audio/pcma"}, transcription={"model": "other"}),
        {"include": [LOGPROBS]},
    )
    assert updated(settings, settings.shown("sess_1"), SERVED) == settings


@pytest.mark.parametrize(
    "name",
    ["whisper-1", "gpt-transcribe", "gpt-live-transcribe", "gpt-realtime-whisper", "gpt-realtime"],
)
def test_openais_names_mean_the_default_model_and_are_shown_as_they_were_given(name) -> None:
    settings = after(session(transcription={"model": name}))
    assert (settings.model.name, settings.model_name) == ("live", name)


def test_another_model_forgets_a_language_that_it_does_not_know() -> None:
    settings = after(
        session(transcription={"language": "de"}), session(transcription={"model": "other"})
    )
    assert (settings.model.name, settings.language) == ("other", None)


def test_one_of_several_languages_may_be_listed() -> None:
    assert after(session(transcription={"languages": ["de"]})).language == "de"
    assert after(session(transcription={"languages": []})).language is None


def test_answers_that_never_come_may_be_declined() -> None:
    turns = {"type": "server_vad", "create_response": False, "interrupt_response": True}
    assert after(session(turn_detection=turns)) == after()


TURNS = "session.audio.input.turn_detection"
TRANSCRIPTION = "session.audio.input.transcription"
FORMAT = "session.audio.input.format"


@pytest.mark.parametrize(
    ("update", "param", "code"),
    [
        (None, "session", "invalid_option"),
        ([], "session", "invalid_option"),
        ({"type": "realtime"}, "session.type", "unsupported_option"),
        ({"instructions": "sing"}, "session.instructions", "invalid_option"),
        ({"audio": None}, "session.audio", "invalid_option"),
        ({"audio": {"output": {}}}, "session.audio.output", "unsupported_option"),
        ({"audio": {"input": 7}}, "session.audio.input", "invalid_option"),
        ({"include": "logprobs"}, "session.include", "invalid_option"),
        ({"include": ["all"]}, "session.include", "invalid_option"),
        (session(volume=11), "session.audio.input.volume", "invalid_option"),
        (
            session(noise_reduction={"type": "near_field"}),
            "session.audio.input.noise_reduction",
            "unsupported_option",
        ),
        (session(format="pcm16"), FORMAT, "invalid_option"),
        (session(format={"type": "audio/opus"}), f"{FORMAT}.type", "invalid_option"),
        (session(format={"type": []}), f"{FORMAT}.type", "invalid_option"),
        (session(format={"rate": 12345}), f"{FORMAT}.rate", "unsupported_option"),
        (session(format={"rate": "fast"}), f"{FORMAT}.rate", "unsupported_option"),
        (session(format={"rate": [1]}), f"{FORMAT}.rate", "unsupported_option"),
        (session(format={"rate": {}}), f"{FORMAT}.rate", "unsupported_option"),
        (session(format={"rate": 0}), f"{FORMAT}.rate", "unsupported_option"),
        (
            session(format={"type": "audio/pcmu", "rate": 16000}),
            f"{FORMAT}.rate",
            "unsupported_option",
        ),
        (session(format={"channels": 2}), f"{FORMAT}.channels", "invalid_option"),
        (session(transcription="on"), TRANSCRIPTION, "invalid_option"),
        (session(transcription={"model": 7}), f"{TRANSCRIPTION}.model", "invalid_option"),
        (session(transcription={"model": "nobody"}), "model", "model_not_found"),
        (session(transcription={"language": "xx"}), "language", "unsupported_language"),
        (session(transcription={"language": 7}), f"{TRANSCRIPTION}.language", "invalid_option"),
        (
            session(transcription={"languages": ["en", "de"]}),
            f"{TRANSCRIPTION}.languages",
            "unsupported_option",
        ),
        (
            session(transcription={"languages": "en"}),
            f"{TRANSCRIPTION}.languages",
            "invalid_option",
        ),
        (
            session(transcription={"prompt": "expect names"}),
            f"{TRANSCRIPTION}.prompt",
            "unsupported_option",
        ),
        (
            session(transcription={"keywords": ["Chorus"]}),
            f"{TRANSCRIPTION}.keywords",
            "unsupported_option",
        ),
        (session(transcription={"delay": "low"}), f"{TRANSCRIPTION}.delay", "unsupported_option"),
        (session(transcription={"tone": "warm"}), f"{TRANSCRIPTION}.tone", "invalid_option"),
        (session(turn_detection="server_vad"), TURNS, "invalid_option"),
        (session(turn_detection={"type": "semantic_vad"}), f"{TURNS}.type", "unsupported_option"),
        (session(turn_detection={"threshold": 2}), f"{TURNS}.threshold", "invalid_option"),
        (session(turn_detection={"threshold": "x"}), f"{TURNS}.threshold", "invalid_option"),
        (session(turn_detection={"threshold": True}), f"{TURNS}.threshold", "invalid_option"),
        (
            session(turn_detection={"threshold": float("nan")}),
            f"{TURNS}.threshold",
            "invalid_option",
        ),
        (
            session(turn_detection={"silence_duration_ms": -1}),
            f"{TURNS}.silence_duration_ms",
            "invalid_option",
        ),
        (
            session(turn_detection={"prefix_padding_ms": 10**400}),
            f"{TURNS}.prefix_padding_ms",
            "invalid_option",
        ),
        (
            session(turn_detection={"idle_timeout_ms": 5000}),
            f"{TURNS}.idle_timeout_ms",
            "unsupported_option",
        ),
        (session(turn_detection={"eagerness": "low"}), f"{TURNS}.eagerness", "invalid_option"),
    ],
    ids=lambda value: str(value)[:70],
)
def test_what_cannot_be_honoured_is_refused_by_name(update, param, code) -> None:
    with pytest.raises(RequestError) as caught:
        after(update)
    assert (caught.value.param, caught.value.code.value) == (param, code)


async def test_another_model_may_be_asked_for_until_audio_comes(open_site) -> None:
    site = await open_site()
    async with await site.open("/v1/realtime") as client:
        await say(client, updating(transcription={"model": "other"}, turn_detection=None))
        shown = (await until(client, "session.updated"))[-1]["session"]["audio"]["input"]
        assert shown["transcription"]["model"] == "other"
        await say(client, append(at_24k(speech(1, 0.5))), COMMIT)
        await until(client, f"{T}.completed")
        await say(client, updating(transcription={"model": "live"}))
        error = (await until(client, "error"))[-1]["error"]
        assert (error["code"], error["param"]) == ("unsupported_option", "model")
        await say(client, updating(transcription={"language": "fr"}))
        shown = (await until(client, "session.updated"))[-1]["session"]["audio"]["input"]
        assert shown["transcription"] == {"model": "other", "language": "fr", "prompt": None}
