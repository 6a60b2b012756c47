import asyncio
from collections.abc import AsyncIterator

import openai
import pytest

from serve_app.ingress.backend.fake import ScriptedBackend
from serve_app.transcript.types import Segment

pytestmark = pytest.mark.asyncio

HEAD = (
    "POST /v1/audio/transcriptions HTTP/1.1\r\nHost: here\r\n"
    "Content-Type: multipart/form-data; boundary=b\r\n"
)
PART = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n'
WAITING = 5
MIB = 1024 * 1024


async def answer_to(port: int, request: bytes) -> str:
    """The head of the answer to bytes after which the client sends no more, but stays."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), WAITING)
    writer.close()
    return head.decode()


async def chunked(num_bytes: int) -> AsyncIterator[bytes]:
    yield PART
    for _ in range(0, num_bytes, 1000):
        yield bytes(1000)
    yield b"\r\n--b--\r\n"


async def test_an_upload_is_accepted_up_to_its_limit_and_not_a_byte_further(open_server) -> None:
    backend = ScriptedBackend()
    site = await open_server(backend, limits={"max_upload_bytes": 5000})
    url = "/v1/audio/transcriptions"
    response = await site.http.post(url, files={"file": ("a.wav", bytes(5000))})
    assert response.status_code == 200
    assert len(backend.calls[0].upload) == 5000
    response = await site.http.post(url, files={"file": ("a.wav", bytes(5001))})
    assert response.status_code == 413
    assert response.json()["error"]["code"] == "upload_too_large"
    assert "5,000 bytes" in response.json()["error"]["message"]


async def test_a_declared_length_beyond_the_limit_is_refused_unread(open_server) -> None:
    site = await open_server(limits={"max_upload_bytes": 5000})
    head = await answer_to(site.port, f"{HEAD}Content-Length: 1000000000000\r\n\r\n".encode())
    assert head.startswith("HTTP/1.1 413 ")


async def test_the_sdk_hears_that_its_upload_is_too_large(open_server) -> None:
    site = await open_server(limits={"max_upload_bytes": MIB})
    with pytest.raises(openai.APIStatusError) as caught:
        await site.sdk.audio.transcriptions.create(
            file=("a.wav", bytes(3 * MIB)), model="whisper-1"
        )
    assert (caught.value.status_code, caught.value.code) == (413, "upload_too_large")


async def test_an_undeclared_length_is_counted_while_it_is_read(open_server) -> None:
    backend = ScriptedBackend()
    site = await open_server(backend, limits={"max_upload_bytes": 5000})
    response = await site.http.post(
        "/transcribe",
        content=chunked(3 * MIB),
        headers={"content-type": "multipart/form-data; boundary=b"},
    )
    assert response.status_code == 413
    assert not backend.calls


async def test_a_full_server_refuses_at_once_and_the_others_go_on(open_server) -> None:
    held = asyncio.Event()
    backend = ScriptedBackend([held, Segment("done", 0.0, 1.0)])
    site = await open_server(backend, limits={"max_concurrent_requests": 1, "retry_after_s": 7})
    running = site.spawn(site.transcribe())
    await asyncio.wait_for(backend.called.wait(), WAITING)
    with pytest.raises(openai.RateLimitError) as caught:
        await site.transcribe()
    assert caught.value.response.headers["retry-after"] == "7"
    assert caught.value.code == "at_capacity"
    # Before the body: none is sent here, and the answer comes all the same.
    head = await answer_to(site.port, f"{HEAD}Content-Length: 5000\r\n\r\n".encode())
    assert head.startswith("HTTP/1.1 429 ")
    assert (await site.http.get("/health")).status_code == 200
    held.set()
    assert (await running).text == "done"
    assert (await site.transcribe()).text == "done"


async def test_a_large_upload_to_a_full_server_hears_why(open_server) -> None:
    backend = ScriptedBackend([asyncio.Event()])
    site = await open_server(backend, limits={"max_concurrent_requests": 1})
    site.spawn(site.post())
    await asyncio.wait_for(backend.called.wait(), WAITING)
    files = {"file": ("a.wav", bytes(3 * MIB))}
    response = await site.http.post("/v1/audio/transcriptions", files=files)
    assert response.status_code == 429


async def test_an_upload_that_takes_too_long_is_given_up(open_server) -> None:
    site = await open_server(limits={"upload_timeout_s": 0.1})
    request = f"{HEAD}Content-Length: 5000\r\n\r\n".encode() + PART
    head = await answer_to(site.port, request)
    assert head.startswith("HTTP/1.1 408 ")


async def test_an_answer_that_takes_too_long_is_given_up_and_its_work_stopped(open_server) -> None:
    backend = ScriptedBackend([asyncio.Event()])
    site = await open_server(backend, limits={"request_timeout_s": 0.1})
    with pytest.raises(openai.InternalServerError) as caught:
        await site.transcribe()
    assert (caught.value.status_code, caught.value.code) == (503, "deadline_exceeded")
    assert backend.calls[0].request.timeout_s == 0.1
    assert backend.abandoned.is_set()
    assert backend.num_running == 0


@pytest.mark.parametrize("path", ["/v1/audio/transcriptions", "/transcribe"])
async def test_a_client_who_hangs_up_stops_the_work_and_frees_its_place(open_server, path) -> None:
    held = asyncio.Event()
    backend = ScriptedBackend([held])
    site = await open_server(backend, limits={"max_concurrent_requests": 1})
    calling = site.spawn(site.post(path))
    await asyncio.wait_for(backend.called.wait(), WAITING)
    calling.cancel()
    await asyncio.wait_for(backend.abandoned.wait(), WAITING)
    assert backend.num_running == 0
    held.set()
    assert await until_admitted(site) == 200


async def test_a_client_who_hangs_up_while_it_uploads_frees_its_place(open_server) -> None:
    backend = ScriptedBackend()
    site = await open_server(backend, limits={"max_concurrent_requests": 1})
    _, writer = await asyncio.open_connection("127.0.0.1", site.port)
    writer.write(f"{HEAD}Content-Length: 5000\r\n\r\n".encode() + PART)
    await writer.drain()
    writer.close()
    assert await until_admitted(site) == 200
    assert len(backend.calls) == 1


async def until_admitted(site) -> int:
    async with asyncio.timeout(WAITING):
        while (response := await site.post()).status_code == 429:
            pass
    return response.status_code
