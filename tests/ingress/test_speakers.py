"""Who says what, as OpenAI's SDK and the plain wire get it."""

import json
from typing import Any

import openai
import pytest

from serve_app.ingress.backend.fake import ScriptedBackend
from serve_app.transcript.types import Segment, Word

pytestmark = pytest.mark.asyncio

MODELS = (
    {"name": "tiny", "kind": "parakeet", "checkpoint": "tiny.nemo"},
    {"name": "speakers", "kind": "sortformer", "checkpoint": "sortformer.nemo"},
)
SAID = (
    Segment("Hello.", 0.0, 0.9, (Word("Hello.", 0.0, 0.9),), speaker="A"),
    Segment("Who is it?", 1.0, 2.05, (), speaker="B"),
    Segment("Hm.", 9.0, 9.5, ()),
)


async def test_diarized_json_is_what_the_sdk_knows(open_server: Any) -> None:
    backend = ScriptedBackend(SAID, duration_s=10.0)
    site = await open_server(backend, models=MODELS)
    answer = await site.transcribe(
        model="gpt-4o-transcribe-diarize", response_format="diarized_json", chunking_strategy="auto"
    )
    assert isinstance(answer, openai.types.audio.TranscriptionDiarized)
    assert (answer.task, answer.duration, answer.text) == (
        "transcribe",
        10.0,
        "Hello. Who is it? Hm.",
    )
    assert [segment.to_dict() for segment in answer.segments] == [
        {
            "type": "transcript.text.segment", "id": "seg_001", "start": 0.0, "end": 0.9,
            "text": "Hello.", "speaker": "A",
        },
        {
            "type": "transcript.text.segment", "id": "seg_002", "start": 1.0, "end": 2.05,
            "text": "Who is it?", "speaker": "B",
        },
        {
            "type": "transcript.text.segment", "id": "seg_003", "start": 9.0, "end": 9.5,
            "text": "Hm.", "speaker": None,
        },
    ]  # fmt: skip
    assert answer.usage is not None
    assert answer.usage.type == "duration"
    (call,) = backend.calls
    assert (call.request.model, call.request.diarizer) == ("tiny", "speakers")
    assert call.request.options.word_times


async def test_a_stream_tells_each_segment_behind_its_text(open_server: Any) -> None:
    site = await open_server(ScriptedBackend(SAID), models=MODELS)
    events = [
        event async for event in await site.transcribe(stream=True, response_format="diarized_json")
    ]
    assert [event.type for event in events] == [
        *(("transcript.text.delta", "transcript.text.segment") * 3),
        "transcript.text.done",
    ]
    assert [(event.segment_id, event.delta) for event in events[:-1:2]] == [
        ("seg_001", "Hello."),
        ("seg_002", " Who is it?"),
        ("seg_003", " Hm."),
    ]
    assert [(event.id, event.speaker, event.text) for event in events[1:-1:2]] == [
        ("seg_001", "A", "Hello."),
        ("seg_002", "B", "Who is it?"),
        ("seg_003", None, "Hm."),
    ]
    assert events[-1].text == "Hello. Who is it? Hm."


async def test_other_formats_have_no_speakers_and_ask_for_none(open_server: Any) -> None:
    backend = ScriptedBackend(SAID)
    site = await open_server(backend, models=MODELS)
    for options in ({}, {"response_format": "verbose_json"}, {"stream": "true"}):
        answer = await site.post(**options)
        if not options.get("response_format"):  # it says what there is, and here there is some
            assert "speaker" not in answer.text
        assert "segment_id" not in answer.text
    assert {call.request.diarizer for call in backend.calls} == {None}


async def test_the_plain_wire_tells_speakers_on_request(open_server: Any) -> None:
    backend = ScriptedBackend(SAID)
    site = await open_server(backend, models=MODELS)
    body = (await site.post("/transcribe", diarize="true")).json()
    assert [(each["text"], each["speaker"]) for each in body["segments"]] == [
        ("Hello.", "A"),
        ("Who is it?", "B"),
        ("Hm.", None),
    ]
    body = (await site.post("/transcribe", diarize="false")).json()
    assert "speaker" not in json.dumps(body)
    assert [call.request.diarizer for call in backend.calls] == ["speakers", None]


@pytest.mark.parametrize(
    ("path", "fields", "param"),
    [
        ("/transcribe", {"diarize": "true"}, "diarize"),
        ("/v1/audio/transcriptions", {"response_format": "diarized_json"}, "response_format"),
    ],
)
async def test_without_such_a_model_the_answer_says_what_to_configure(
    open_server: Any, path: str, fields: dict[str, str], param: str
) -> None:
    site = await open_server()
    answer = await site.post(path, **fields)
    error = answer.json()["error"]
    assert (answer.status_code, error["param"], error["code"]) == (400, param, "unsupported_option")
    assert "kind: sortformer" in error["message"]


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"known_speaker_names[]": "Ada"}, "known_speaker_names"),
        ({"known_speaker_references[]": "data:"}, "known_speaker_references"),
        ({"chunking_strategy": "server_vad"}, "chunking_strategy"),
        ({"model": "speakers"}, "model"),
        ({"include[]": "logprobs"}, "include"),
    ],
)
async def test_what_nobody_can_honour_is_refused_with_speakers_too(
    open_server: Any, fields: dict[str, str], param: str
) -> None:
    site = await open_server(ScriptedBackend(SAID), models=MODELS)
    answer = await site.post(response_format="diarized_json", **fields)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)


async def test_models_say_who_tells_speakers_apart(open_server: Any) -> None:
    site = await open_server(models=MODELS)
    tiny, speakers = (await site.http.get("/v1/models")).json()["data"]
    assert (tiny["diarizes"], tiny["tasks"]) == (False, ["transcribe"])
    assert (speakers["diarizes"], speakers["tasks"], speakers["languages"]) == (True, [], [])
    assert (await site.http.get("/health")).json()["model_name"] == "tiny"
