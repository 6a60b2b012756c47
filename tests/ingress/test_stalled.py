"""Clients that stall, on raw sockets against a real server: each is given up, its place freed."""

import asyncio

import pytest

from serve_app.ingress.admission import door
from serve_app.ingress.backend.fake import ScriptedBackend
from serve_app.pipelines.load import Load, ModelLoad
from serve_app.transcript.types import Segment
from tests.ingress.test_limits import HEAD, PART, WAITING, answer_to, until_admitted

pytestmark = pytest.mark.asyncio

PATHS = ("/v1/audio/transcriptions", "/v1/audio/translations", "/transcribe")
LIMITS = {"upload_stall_s": 0.2, "max_concurrent_requests": 1}
TOLD = "Content-Length: 5000\r\n"
CHUNKED = "Transfer-Encoding: chunked\r\n"


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("length", [TOLD, CHUNKED])
@pytest.mark.parametrize("begun", [True, False])
async def test_an_upload_that_stalls_is_408_and_frees_its_place(
    open_server, path, length, begun
) -> None:
    site = await open_server(limits=LIMITS)
    part = b"" if not begun else PART if length == TOLD else b"%x\r\n%s\r\n" % (len(PART), PART)
    head = HEAD.replace("/v1/audio/transcriptions", path)
    answer = await answer_to(site.port, f"{head}{length}\r\n".encode() + part)
    assert answer.startswith("HTTP/1.1 408 ")
    assert await until_admitted(site) == 200


async def test_an_upload_of_single_bytes_is_given_up_for_its_rate(open_server) -> None:
    """Each piece comes in time; all of them together are too slow."""
    limits = {**LIMITS, "upload_stall_s": 0.3, "min_upload_bytes_per_s": 1e6}
    site = await open_server(limits=limits)
    reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
    writer.write(f"{HEAD}{TOLD}\r\n".encode() + PART)
    answering = asyncio.create_task(reader.readuntil(b"\r\n\r\n"))
    async with asyncio.timeout(WAITING):
        while not answering.done():
            writer.write(b"x")
            await asyncio.wait({answering}, timeout=0.01)
    assert answering.result().startswith(b"HTTP/1.1 408 ")
    writer.close()


@pytest.mark.parametrize("stream", [True, False])
async def test_a_reader_that_stalls_is_given_up_and_frees_its_place(
    open_server, monkeypatch, stream
) -> None:
    monkeypatch.setattr(door, "_SEND_TIMEOUT_S", 0.2)
    text = "word " * 200_000  # more than the sockets' buffers hold
    backend = ScriptedBackend([Segment(text, 0.0, 1.0) for _ in range(40)])
    site = await open_server(backend, limits=LIMITS)
    body = PART + b"RIFF\r\n--b\r\n" if stream else PART + b"RIFF\r\n--b--\r\n"
    if stream:
        body += b'Content-Disposition: form-data; name="stream"\r\n\r\ntrue\r\n--b--\r\n'
    _, writer = await asyncio.open_connection("127.0.0.1", site.port)
    writer.transport.pause_reading()
    writer.write(f"{HEAD}Content-Length: {len(body)}\r\n\r\n".encode() + body)
    await asyncio.wait_for(backend.called.wait(), WAITING)
    backend.script = ()
    assert await until_admitted(site) == 200
    writer.close()


async def test_memory_for_uploads_is_held_before_they_arrive_and_freed_with_them(
    open_server,
) -> None:
    limits = {"max_upload_memory_bytes": 8_000, "retry_after_s": 3}
    site = await open_server(limits=limits)
    reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
    writer.write(f"{HEAD}{TOLD}Expect: 100-continue\r\n\r\n".encode())
    await asyncio.wait_for(reader.readuntil(b"100 Continue\r\n\r\n"), WAITING)
    refused = await answer_to(site.port, f"{HEAD}{TOLD}\r\n".encode())
    assert refused.startswith("HTTP/1.1 503 ")
    assert "retry-after: 3" in refused.lower()
    writer.close()
    async with asyncio.timeout(WAITING):
        while True:
            files = {"file": ("a.wav", bytes(6_000))}
            response = await site.http.post("/transcribe", files=files)
            if response.status_code == 200:
                break
            assert response.json()["error"]["code"] == "uploads_full"


async def test_an_upload_of_unknown_length_is_refused_when_it_has_grown_too_large(
    open_server,
) -> None:
    held = asyncio.Event()
    backend = ScriptedBackend([held])
    site = await open_server(backend, limits={"max_upload_memory_bytes": 8_000})
    running = site.spawn(site.post())
    await asyncio.wait_for(backend.called.wait(), WAITING)

    async def body():
        yield PART
        for _ in range(10):
            yield bytes(1_000)
        yield b"\r\n--b--\r\n"

    headers = {"content-type": "multipart/form-data; boundary=b"}
    response = await site.http.post("/transcribe", content=body(), headers=headers)
    assert (response.status_code, response.json()["error"]["code"]) == (503, "uploads_full")
    assert "retry-after" in response.headers
    held.set()
    assert (await running).status_code == 200


@pytest.mark.parametrize("path", PATHS[::2])
async def test_a_wait_that_would_be_too_long_is_refused_before_the_body(open_server, path) -> None:
    models = tuple(ModelLoad(name, 50, 5e4, 100.0) for name in ("parakeet-tiny", "pretender"))
    site = await open_server(ScriptedBackend(load_told=Load("a", models)), limits={"max_wait_s": 5})
    await site.post(path)  # while it is here the preprocessor is asked
    head = HEAD.replace("/v1/audio/transcriptions", path)
    answer = await answer_to(site.port, f"{head}Content-Length: 5000\r\n\r\n".encode())
    assert answer.startswith("HTTP/1.1 429 ")
    assert "retry-after: 10" in answer.lower()  # fifty times a chunk of 30 s, at 100 a second
    other = await site.http.post(path, json={})  # no form, and so no audio
    assert other.status_code == 415
