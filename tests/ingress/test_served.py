"""A server of recordings, of live streams, and of both: what each model may be asked for."""

import httpx
import pytest

from serve_app.config import ServerConfig
from serve_app.errors import UnknownModelError, UnsupportedOptionError
from serve_app.ingress.app import build_app
from serve_app.ingress.backend.fake import ScriptedBackend
from serve_app.ingress.served import ServedModels
from serve_app.models.protocols import ModelInfo

OFFLINE = {"name": "offline", "kind": "simulated", "aliases": ["parakeet"]}
LIVE = {"name": "live", "kind": "simulated", "languages": ["en", "fr"], "streaming": {}}
SPEAKERS = {"name": "speakers", "kind": "simulated", "aliases": ["who"], "diarization": {}}
LIVE_INFO = ModelInfo("live", "simulated", ("en", "fr"), device="simulated", simulated=True)


def config_of(*models: dict[str, object]) -> ServerConfig:
    return ServerConfig.model_validate({"models": models})


@pytest.mark.parametrize("name", [None, "offline", "parakeet", "whisper-1"])
def test_a_recording_goes_to_a_model_for_recordings(name: str | None) -> None:
    assert ServedModels(config_of(LIVE, OFFLINE)).named(name).name == "offline"


def test_a_recording_for_a_streaming_model_is_refused_with_those_that_would_do() -> None:
    served = ServedModels(config_of(LIVE, OFFLINE))
    said = "live takes no recordings; served here that do: offline"
    with pytest.raises(UnsupportedOptionError, match=said) as told:
        served.named("live")
    assert told.value.param == "model"
    with pytest.raises(UnknownModelError):
        served.named("nobody")


def test_each_model_is_described_whatever_it_takes() -> None:
    served = ServedModels(config_of(LIVE, OFFLINE))
    assert [served.described(name).name for name in ("live", "parakeet")] == ["live", "offline"]
    assert served.languages() == {"en": "English", "fr": "French"}


async def test_a_server_of_live_streams_alone_says_so() -> None:
    backend = ScriptedBackend(infos=[LIVE_INFO])
    app = build_app(config_of(LIVE), backend)
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://chorus") as client:
        health = (await client.get("/health")).json()
        assert (health["status"], health["model_name"]) == ("healthy", "live")
        models = (await client.get("/v1/models")).json()["data"]
        assert [model["id"] for model in models] == ["live"]
        assert (await client.get("/v1/models/live")).json()["id"] == "live"
        assert (await client.get("/api/languages")).json()["languages"].keys() == {"en", "fr"}
        for path in ("/transcribe", "/v1/audio/transcriptions", "/v1/audio/translations"):
            answer = await client.post(path, files={"file": b"RIFF"}, data={"model": "whisper-1"})
            assert answer.status_code == 400, path
            assert "recordings" in answer.json()["error"]["message"]
    assert not backend.calls


@pytest.mark.parametrize("name", ["speakers", "who"])
def test_who_tells_speakers_apart_transcribes_nothing(name: str) -> None:
    served = ServedModels(config_of(SPEAKERS, OFFLINE, LIVE))
    with pytest.raises(UnsupportedOptionError, match=r"speakers transcribes nothing.*: offline$"):
        served.named(name)
    with pytest.raises(UnsupportedOptionError, match=r"speakers transcribes nothing.*: live$"):
        served.streaming_named(name)
    assert served.default is not None
    assert served.default.name == served.first.name == "offline"
    assert served.languages() == {"en": "English", "fr": "French"}
    assert served.described(name).name == "speakers"


def test_openais_name_for_speakers_is_known_where_they_are() -> None:
    served = ServedModels(config_of(SPEAKERS, OFFLINE))
    assert served.named("gpt-4o-transcribe-diarize").name == "offline"
    assert served.diarizing("diarize", wanted=True) == "speakers"
    without = ServedModels(config_of(OFFLINE))
    with pytest.raises(UnknownModelError):
        without.named("gpt-4o-transcribe-diarize")
    assert without.diarizing("diarize", wanted=False) is None
    with pytest.raises(UnsupportedOptionError, match="kind: sortformer"):
        without.diarizing("diarize", wanted=True)
