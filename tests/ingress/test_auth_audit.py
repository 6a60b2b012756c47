"""One line for each exchange: who, what and how much; never what was said, nor by which key."""

import asyncio
import json
import logging
from datetime import datetime
from logging.handlers import MemoryHandler, RotatingFileHandler

import pytest

from serve_app.config import ServerConfig
from serve_app.ingress.app import build_app
from serve_app.ingress.auth.audit import LOGGER, Audit
from serve_app.ingress.backend.fake import ScriptedBackend
from serve_app.telemetry.logs import log_beside_serves
from serve_app.transcript.types import Segment
from tests.ingress.auth import ALICE, WAITING, Echo, SocketServer, bearer, keys_file
from tests.ingress.conftest import MODELS
from tests.ingress.test_limits import HEAD, PART


class Lines(logging.Handler):
    """The lines that were written, as they come."""

    def __init__(self) -> None:
        super().__init__()
        self.written: asyncio.Queue[str] = asyncio.Queue()

    def emit(self, record: logging.LogRecord) -> None:
        self.written.put_nowait(record.getMessage())

    async def next(self):
        return json.loads(await asyncio.wait_for(self.written.get(), WAITING))


@pytest.fixture
def lines():
    logger, handler = logging.getLogger(LOGGER), Lines()
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield handler
    logger.removeHandler(handler)


async def test_a_request_leaves_one_line_with_what_it_cost(open_server, tmp_path, lines) -> None:
    backend = ScriptedBackend([Segment("a secret word", 0.0, 1.0)], duration_s=2.5)
    site = await open_server(backend, auth={"keys_file": keys_file(tmp_path, alice={})})
    response = await site.http.post(
        "/v1/audio/transcriptions",
        params={"note": "in the query"},
        files={"file": ("diary.wav", b"RIFF" * 1000)},
        headers={**bearer(ALICE), "x-request-id": "abc"},
    )
    assert "secret" in response.text
    line = await lines.next()
    assert datetime.fromisoformat(line.pop("time")).utcoffset() is not None
    assert line.pop("wall_ms") > 0
    assert line.pop("bytes_in") > 4000
    assert line == {
        "request_id": "abc",
        "key": "alice",
        "client_secret": False,
        "method": "POST",
        "route": "/v1/audio/transcriptions",
        "status": 200,
        "audio_s": 2.5,
        "client": "127.0.0.1",
    }
    assert lines.written.empty()


async def test_no_line_tells_a_key_a_text_a_query_or_a_name(open_server, tmp_path, lines) -> None:
    backend = ScriptedBackend([Segment("whispered", 0.0, 1.0)])
    site = await open_server(backend, auth={"keys_file": keys_file(tmp_path, alice={})})
    site.http.headers.update(bearer(ALICE))
    await site.post(prompt="spoken", stream="true")
    await site.http.get("/v1/models/diary.wav?spoken=1")
    await site.http.get("/diary.wav")
    await site.http.get("/diary.wav", headers={"authorization": "Bearer chorus_whispered"})
    text = "".join([json.dumps(await lines.next()) for _ in range(4)])
    for word in ("whispered", "spoken", "a.wav", "diary", ALICE):
        assert word not in text


async def test_who_was_refused_has_a_line_with_the_route_that_it_meant(
    open_server, tmp_path, lines
) -> None:
    path = keys_file(tmp_path, alice={"requests_per_minute": 1})
    site = await open_server(auth={"keys_file": path})
    seen = []
    for method, path, headers in (
        ("POST", "/v1/audio/transcriptions", {}),
        ("GET", "/v1/models/x/y", bearer(ALICE)),
        ("GET", "/v1/models/x/y", bearer(ALICE)),
        ("GET", "/nothing", {}),
    ):
        await site.http.request(method, path, headers=headers)
        line = await lines.next()
        seen.append((line["status"], line["key"], line["route"]))
    assert seen == [
        (401, None, "/v1/audio/transcriptions"),
        (404, "alice", "/v1/models/{name:path}"),
        (429, "alice", "/v1/models/{name:path}"),
        (401, None, None),
    ]


async def test_probes_leave_no_lines(open_server, lines) -> None:
    site = await open_server(auth={"audit": True})
    for path in ("/health", "/ready", "/v1/models"):
        await site.http.get(path)
    assert (await lines.next())["route"] == "/v1/models"
    assert lines.written.empty()


async def test_it_is_off_where_nobody_asked_for_it(open_server, lines) -> None:
    site = await open_server()
    await site.post()
    assert lines.written.empty()


async def test_without_keys_it_can_be_on_alone(open_server, lines) -> None:
    site = await open_server(ScriptedBackend(duration_s=3.0), auth={"audit": True})
    await site.post("/transcribe")
    line = await lines.next()
    assert (line["key"], line["audio_s"], line["route"]) == (None, 3.0, "/transcribe")


async def test_a_failure_and_a_client_who_left_have_their_lines(open_server, lines) -> None:
    site = await open_server(ScriptedBackend([ValueError("oops")]), auth={"audit": True})
    await site.post()
    assert (await lines.next())["status"] == 500
    _, writer = await asyncio.open_connection("127.0.0.1", site.port)
    writer.write(f"{HEAD}Content-Length: 5000\r\n\r\n".encode() + PART)
    await writer.drain()
    writer.close()
    line = await lines.next()
    assert (line["status"], line["bytes_in"]) == (None, len(PART))


async def test_a_socket_has_one_line_when_it_is_over(lines) -> None:
    async with SocketServer(Audit(Echo())) as server:
        async with await server.open(path="/asr?language=en") as client:
            await client.send("hello")
            await client.recv()
            assert lines.written.empty()
        line = await lines.next()
    assert (line["method"], line["status"], line["ws_close"]) == ("WEBSOCKET", 101, 1000)
    assert line["bytes_in"] == 5
    assert len(line["request_id"]) == 36


async def test_a_denied_socket_has_its_line(lines) -> None:
    config = ServerConfig.model_validate({"models": MODELS, "auth": {"audit": True}})
    async with SocketServer(build_app(config, ScriptedBackend())) as server:
        await server.refusal(origin="https://evil.example")
    assert (await lines.next())["status"] == 403


def test_the_lines_have_a_file_of_their_own_beside_serves_log(tmp_path) -> None:
    theirs = RotatingFileHandler(tmp_path / "replica_x.log", maxBytes=1000, backupCount=3)
    serves, name = logging.getLogger("ray.serve"), "chorus.test"
    before = list(serves.handlers)
    serves.handlers = [MemoryHandler(1, target=theirs)]
    try:
        log_beside_serves(name, "audit")
    finally:
        serves.handlers = before
    (ours,) = logging.getLogger(name).handlers
    logging.getLogger(name).info('{"key":"alice"}')
    assert (tmp_path / "audit_replica_x.jsonl").read_text() == '{"key":"alice"}\n'
    ours.close()
    theirs.close()


def test_where_serve_has_no_file_they_go_where_its_lines_go() -> None:
    log_beside_serves("chorus.test", "audit")
    assert logging.getLogger("chorus.test").handlers == logging.getLogger("ray.serve").handlers
