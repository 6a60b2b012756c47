from datetime import UTC, datetime, timedelta

import pytest

from serve_app.ingress.backend.fake import ScriptedBackend
from serve_app.models.protocols import ModelInfo
from serve_app.transcript.types import Segment, StageTimes

pytestmark = pytest.mark.asyncio

SEGMENTS = (Segment("One.", 0.0, 1.0), Segment("Two.", 1.0, 2.0))
TINY = ModelInfo("parakeet-tiny", "parakeet", ("en", "de"), device="cpu")


async def test_a_recording_comes_back_as_text_and_segments(open_server) -> None:
    backend = ScriptedBackend(SEGMENTS, stage_times=StageTimes(0.1))
    site = await open_server(backend)
    response = await site.post("/transcribe", model="parakeet", language="en")
    body = response.json()
    now = datetime.now(UTC)
    assert timedelta(0) <= now - datetime.fromisoformat(body.pop("timestamp")) < timedelta(hours=1)
    assert body == {
        "text": "One. Two.",
        "segments": [
            {"start": 0.0, "end": 1.0, "text": "One."},
            {"start": 1.0, "end": 2.0, "text": "Two."},
        ],
        "filename": "a.wav",
        "language": "en",
        "spoken_language": "en",
    }
    assert response.headers["server-timing"].startswith("decode;dur=100.0")
    (call,) = backend.calls
    assert (call.request.model, call.request.options.language) == ("parakeet-tiny", "en")


async def test_timestamps_can_be_left_out(open_server) -> None:
    site = await open_server(ScriptedBackend(SEGMENTS))
    response = await site.post("/transcribe", include_timestamps="false")
    assert (response.json()["text"], response.json()["segments"]) == ("One. Two.", [])


async def test_a_simulated_answer_says_so(open_server) -> None:
    site = await open_server(ScriptedBackend(SEGMENTS))
    response = await site.post("/transcribe", model="pretender")
    assert response.json()["simulated"] is True
    assert response.headers["x-chorus-simulated"] == "true"


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"model": "canary"}, 404),
        ({"language": "zz"}, 400),
        ({"include_timestamps": "perhaps"}, 400),
        ({"response_format": "srt"}, 400),
    ],
)
async def test_what_is_wrong_is_told_as_fastapi_does(open_server, fields, status) -> None:
    site = await open_server()
    response = await site.post("/transcribe", **fields)
    assert response.status_code == status
    assert response.json()["detail"] == response.json()["error"]["message"]


async def test_the_front_page_tells_where_to_go(open_server) -> None:
    site = await open_server()
    body = (await site.http.get("/")).json()
    assert (body["name"], body["default_model"]) == ("Chorus", "parakeet-tiny")
    assert body["models"] == ["parakeet-tiny", "pretender"]
    assert body["endpoints"]["transcribe"] == "POST /v1/audio/transcriptions"


async def test_languages_are_those_of_all_models_by_name(open_server) -> None:
    site = await open_server()
    body = (await site.http.get("/api/languages")).json()
    assert body == {
        "languages": {"de": "German", "en": "English", "fr": "French"},
        "translations": {},
    }


async def test_a_server_of_live_streams_alone_offers_no_more(open_server) -> None:
    live = {"name": "live", "kind": "simulated", "languages": ["en"], "streaming": {}}
    about = (await (await open_server(models=[live])).http.get("/")).json()
    assert (about["default_model"], about["default_streaming_model"]) == (None, "live")
    assert "stream" in about["endpoints"]
    assert "transcribe" not in about["endpoints"]


async def test_health_tells_of_the_default_model(open_server) -> None:
    site = await open_server(ScriptedBackend(infos=[TINY]))
    assert (await site.http.get("/health")).json() == {
        "status": "healthy",
        "model_loaded": True,
        "model_name": "parakeet-tiny",
        "device": "cpu",
        "languages": ["en", "de"],
        "licence": "CC0",
        "attribution": "us",
        "tasks": ["transcribe"],
        "translation_model": None,
    }
    site = await open_server(ScriptedBackend(), default_model="pretender")
    assert (await site.http.get("/health")).json() == {
        "status": "starting",
        "model_loaded": False,
        "model_name": "pretender",
        "device": None,
        "languages": ["en", "fr"],
        "licence": None,
        "attribution": None,
        "tasks": ["transcribe"],
        "translation_model": None,
        "simulated": True,
    }


async def test_ready_is_no_before_it_is_yes(open_server) -> None:
    backend = ScriptedBackend(is_ready=False)
    site = await open_server(backend)
    response = await site.http.get("/ready")
    assert (response.status_code, response.headers["retry-after"]) == (503, "2")
    backend.is_ready = True
    response = await site.http.get("/ready")
    assert (response.status_code, response.json()) == (200, {"status": "ready"})


async def test_metrics_are_passed_on_as_they_are(open_server) -> None:
    site = await open_server(ScriptedBackend(metrics_text="# TYPE x counter\nx 1\n"))
    response = await site.http.get("/metrics")
    assert response.text == "# TYPE x counter\nx 1\n"
    assert response.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"


async def test_the_sdk_lists_the_models_and_what_they_can(open_server) -> None:
    site = await open_server(ScriptedBackend(infos=[TINY]))
    tiny, pretender = (await site.sdk.models.list()).data
    assert (tiny.id, tiny.object, tiny.owned_by) == ("parakeet-tiny", "model", "chorus")
    assert isinstance(tiny.created, int)
    assert tiny.to_dict() | {"created": 0} == {
        "id": "parakeet-tiny",
        "object": "model",
        "created": 0,
        "owned_by": "chorus",
        "ready": True,
        "kind": "parakeet",
        "aliases": ["parakeet"],
        "languages": ["en", "de"],
        "tasks": ["transcribe"],
        "translations": {},
        "word_times": True,
        "device": "cpu",
        "licence": "CC0",
        "attribution": "us",
        "non_commercial": False,
        "simulated": False,
        "streaming": False,
        "diarizes": False,
    }
    assert (pretender.id, pretender.ready, pretender.simulated) == ("pretender", False, True)


async def test_the_sdk_finds_a_model_by_any_of_its_names(open_server) -> None:
    site = await open_server(ScriptedBackend(infos=[TINY]))
    for name in ("parakeet-tiny", "parakeet", "whisper-1"):
        assert (await site.sdk.models.retrieve(name)).id == "parakeet-tiny"
    response = await site.http.get("/v1/models/org/none")
    assert (response.status_code, response.json()["error"]["code"]) == (404, "model_not_found")
