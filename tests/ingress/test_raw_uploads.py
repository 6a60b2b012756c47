"""A recording as the body of a request: its options stand in the query."""

import pytest

from serve_app.ingress.backend.fake import ScriptedBackend
from serve_app.ingress.forms import MAX_FIELDS
from serve_app.transcript.types import Segment

pytestmark = pytest.mark.asyncio

URL = "/v1/audio/transcriptions"
PCM = b"RIFF" + bytes(range(256)) * 1000


def answering() -> ScriptedBackend:
    return ScriptedBackend([Segment("one two.", 0.0, 1.0)])


@pytest.mark.parametrize("path", [URL, "/transcribe"])
@pytest.mark.parametrize(
    "content_type",
    ["application/octet-stream", "audio/wav", "Audio/X-FLAC; rate=8000", "video/mp4"],
)
async def test_the_body_is_the_recording(open_server, path, content_type) -> None:
    backend = answering()
    site = await open_server(backend)
    response = await site.http.post(path, content=PCM, headers={"content-type": content_type})
    assert response.status_code == 200, response.text
    assert response.json()["text"] == "one two."
    assert [call.upload for call in backend.calls] == [PCM]


async def test_options_stand_in_the_query(open_server) -> None:
    backend = answering()
    site = await open_server(backend)
    response = await site.http.post(
        URL,
        params={"language": "en", "response_format": "srt", "keywords[]": ["kitchen", "york"]},
        content=PCM,
        headers={"content-type": "audio/wav"},
    )
    assert response.status_code == 200, response.text
    assert "-->" in response.text
    options = backend.calls[0].request.options
    assert (options.language, options.hotwords) == ("en", ("kitchen", "york"))


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ({"langage": "en"}, "langage"),
        ({"file": "a.wav"}, "file"),
        ({"language": ["en", "de"]}, "language"),
        ({"response_format": "docx"}, "response_format"),
        ({"keywords[]": ["x"] * (MAX_FIELDS + 1)}, "file"),
    ],
)
async def test_a_wrong_query_is_refused_by_its_name(open_server, query, param) -> None:
    backend = answering()
    site = await open_server(backend)
    response = await site.http.post(
        URL, params=query, content=PCM, headers={"content-type": "audio/wav"}
    )
    assert response.status_code == 400
    assert response.json()["error"]["param"] == param
    assert not backend.calls


async def test_a_body_without_a_byte_is_no_audio(open_server) -> None:
    site = await open_server(answering())
    response = await site.http.post(URL, content=b"", headers={"content-type": "audio/wav"})
    assert response.json()["error"]["code"] == "empty_audio"


@pytest.mark.parametrize("is_told", [True, False])
async def test_a_body_above_the_limit_is_refused_whether_its_length_is_told(
    open_server, is_told
) -> None:
    async def pieces():
        for _ in range(12):
            yield PCM

    backend = answering()
    site = await open_server(backend, limits={"max_upload_bytes": 10 * len(PCM)})
    body = PCM * 12 if is_told else pieces()
    response = await site.http.post(URL, content=body, headers={"content-type": "audio/wav"})
    assert response.status_code == 413
    assert not backend.calls


async def test_the_longest_that_is_allowed_is_taken(open_server) -> None:
    backend = answering()
    site = await open_server(backend, limits={"max_upload_bytes": 10 * len(PCM)})
    response = await site.http.post(
        URL, content=PCM * 10, headers={"content-type": "application/octet-stream"}
    )
    assert response.status_code == 200
    assert len(backend.calls[0].upload) == 10 * len(PCM)


async def test_jobs_take_forms_alone(open_server) -> None:
    site = await open_server(answering())
    response = await site.http.post(
        "/transcribe/async", content=PCM, headers={"content-type": "audio/wav"}
    )
    assert response.status_code in (404, 415)
