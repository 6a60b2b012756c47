import pytest

from serve_app.ingress.backend.fake import ScriptedBackend
from serve_app.ingress.forms import MAX_FIELD_BYTES, MAX_FIELDS

pytestmark = pytest.mark.asyncio

URL = "/v1/audio/transcriptions"
WAV = ("a.wav", b"RIFF")


async def post_body(site, body: bytes, content_type: str = "multipart/form-data; boundary=b"):
    return await site.http.post(URL, content=body, headers={"content-type": content_type})


@pytest.mark.parametrize("content_type", ["application/json", "text/plain", "", "multipart/mixed"])
async def test_only_a_form_or_a_recording_is_read(open_server, content_type) -> None:
    site = await open_server()
    response = await post_body(site, b"{}", content_type)
    assert response.status_code == 415
    assert response.json()["error"]["code"] == "unsupported_format"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"nonsense",
        b"--b--\r\n",
        b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\ncut off',
        b'--b\r\nContent-Disposition: form-data; name="file"\r\n\r\nno filename\r\n--b--\r\n',
        b"--b\r\nContent-Disposition: form-data\r\n\r\nno name\r\n--b--\r\n",
        b"--b\r\n" + b"A" * 10_000 + b": x\r\n\r\n\r\n--b--\r\n",
    ],
)
async def test_a_form_without_a_whole_upload_is_refused(open_server, body) -> None:
    site = await open_server()
    response = await post_body(site, body)
    assert response.status_code == 400
    assert response.json()["error"]["param"] == "file"


@pytest.mark.parametrize("boundary", ["", "; boundary=", "; boundary=" + "b" * 10_000])
async def test_a_form_needs_a_boundary(open_server, boundary) -> None:
    site = await open_server()
    response = await post_body(site, b"--b--\r\n", f"multipart/form-data{boundary}")
    assert response.status_code == 400


async def test_an_empty_upload_is_no_audio(open_server) -> None:
    site = await open_server()
    response = await site.http.post(URL, files={"file": ("a.wav", b"")})
    assert response.status_code == 400
    assert response.json()["error"]["code"] == "empty_audio"


async def test_one_upload_at_a_time(open_server) -> None:
    site = await open_server()
    response = await site.http.post(URL, files=[("file", WAV), ("file", WAV)])
    assert response.status_code == 400
    response = await site.http.post(URL, files={"model": WAV})
    assert (response.status_code, response.json()["error"]["param"]) == (400, "model")


@pytest.mark.parametrize(
    "fields",
    [
        {"keywords[]": ["x"] * (MAX_FIELDS + 1)},
        {"prompt": "x" * (MAX_FIELD_BYTES + 1)},
        {"x" * 1000: "x"},
        {"": "x"},
        {"[]": "x"},
        {"model\x00": "x"},
    ],
)
async def test_forms_beyond_reason_are_refused(open_server, fields) -> None:
    backend = ScriptedBackend()
    site = await open_server(backend)
    response = await site.post(**fields)
    assert response.status_code == 400
    assert len(response.content) < 2000
    assert not backend.calls


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        ("talk.wav", "talk.wav"),
        ("../../etc/passwd", "passwd"),
        ("C:\\\\talks\\\\one.wav", "one.wav"),
        ("naïve тест.wav", "naïve тест.wav"),
        ("a\x00b\x1b[31m.wav", "ab[31m.wav"),
        ("x" * 1000, "x" * 255),
        ("..", ".."),
        ("/", "audio"),
    ],
)
async def test_a_filename_is_shown_harmless(open_server, sent, shown) -> None:
    site = await open_server()
    body = (
        b'--b\r\nContent-Disposition: form-data; name="file"; filename="'
        + sent.encode()
        + b'"\r\n\r\nRIFF\r\n--b--\r\n'
    )
    headers = {"content-type": "multipart/form-data; boundary=b"}
    response = await site.http.post("/transcribe", content=body, headers=headers)
    assert response.json()["filename"] == shown
