"""The same rude clients on every wire: each is told why and let go of, and its slot is free."""

import asyncio
import json
import logging
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection

from serve_app.config import StreamsConfig
from serve_app.errors import StreamIdleError
from serve_app.ingress.admission import door
from serve_app.ingress.auth import door as auth_door
from serve_app.ingress.auth.audit import LOGGER
from serve_app.ingress.sockets.visit import Pace
from serve_app.pipelines.streaming.fake import FakeHost
from tests.ingress.auth import ALICE, keys_file
from tests.ingress.wires.conftest import WAITING, Site, messages_of, silence, speech
from tests.ingress.wires.realtime.frames import append, update

pytestmark = pytest.mark.asyncio

MIB = 1024 * 1024
PACKETS: dict[str, Callable[[bytes], Any]] = {
    "/asr": lambda pcm: pcm,
    "/": lambda pcm: pcm,
    "/v1/realtime": append,
}
HELLO: dict[str, list[Any]] = {
    "/asr": [],
    "/": [{"op": "init", "sid": 1, "sr": 16000}],
    "/v1/realtime": [update(turn_detection=None, format={"type": "audio/pcm", "rate": 16000})],
}
every_wire = pytest.mark.parametrize("path", list(PACKETS))


async def say(client: ClientConnection, path: str, *pcm: bytes) -> None:
    for event in (PACKETS[path](each) for each in pcm):
        await client.send(json.dumps(event) if isinstance(event, dict) else event)


async def opened(site: Site, path: str, **options: Any) -> ClientConnection:
    client = await site.open(path, **options)
    for event in HELLO[path]:
        await client.send(json.dumps(event))
    return client


async def gone(site: Site) -> None:
    """Return when nobody is inside any more, and all slots are free."""
    async with asyncio.timeout(WAITING):
        await site.gate.close(WAITING)
    assert site.gate.num_inside == 0


async def narrow_socket(site: Site) -> socket.socket:
    """One that holds little of what its owner does not read."""
    host, port = site.server.host.split(":")
    narrow = socket.socket()
    narrow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    narrow.setblocking(False)
    await asyncio.get_running_loop().sock_connect(narrow, (host, int(port)))
    return narrow


def text_of(messages: list[dict[str, Any]]) -> str:
    """The longest of all that was said."""
    names = ("text", "transcript", "full_text", "delta")
    return max((message.get(name, "") for message in messages for name in names), key=len)


@pytest.mark.parametrize("path", ["/nothing", "/asr/", "/v1/realtime/x", "/transcribe"])
async def test_a_socket_on_a_path_that_takes_none_is_denied_in_words(open_site, path) -> None:
    site = await open_site()
    status, error, _ = await site.server.refusal(path=path)
    assert (status, error["code"], error["type"]) == (404, "not_found", "invalid_request_error")
    await gone(site)


@every_wire
async def test_who_says_nothing_is_told_what_was_heard_and_let_go(open_site, path) -> None:
    site = await open_site(streams={"idle_timeout_s": 0.3})
    async with asyncio.timeout(WAITING), await opened(site, path) as client:
        await say(client, path, speech(1, 0.5))
        said = await messages_of(client)
    assert (client.close_code, client.close_reason) == (1008, "stream_idle")
    assert said[-1]["error"]["code"] == "stream_idle"
    assert len(text_of(said[:-1]).split()) == 7
    await gone(site)


@every_wire
async def test_who_says_nothing_at_all_is_let_go(open_site, path) -> None:
    site = await open_site(streams={"idle_timeout_s": 0.1})
    async with asyncio.timeout(WAITING), await site.open(path) as client:
        said = await messages_of(client)
    assert said[-1]["error"]["code"] == client.close_reason == "stream_idle"


@every_wire
async def test_who_waits_for_its_text_may_go_on_afterwards(open_site, path) -> None:
    """The model says nothing for three times as long as a client may."""
    site = await open_site(streams={"idle_timeout_s": 0.2})
    async with asyncio.timeout(WAITING), await opened(site, path) as client:
        site.host.replicas[0].stall()
        await say(client, path, speech(1, 0.5))
        reading = asyncio.create_task(messages_of(client))
        assert not (await asyncio.wait({reading}, timeout=0.6))[0]
        site.host.replicas[0].resume()
        await say(client, path, speech(2, 0.5))
        said = await reading
    assert client.close_reason == said[-1]["error"]["code"] == "stream_idle"
    assert len(text_of(said[:-1]).split()) == 13


async def test_only_the_waits_for_a_client_make_it_slow() -> None:
    pace = Pace(StreamsConfig(idle_timeout_s=10.0, min_pace=0.1))
    for second in range(1, 101):
        pace.check(waited_s=1.0, fed_s=0.2 * second)
    pace.check(waited_s=0.0, fed_s=20.0)  # an hour in which the server did not get to it
    for second in range(1, 10):
        pace.check(waited_s=1.0, fed_s=20.0 + 0.05 * second)
    with pytest.raises(StreamIdleError):
        pace.check(waited_s=1.0, fed_s=20.5)


@every_wire
async def test_who_trickles_is_told_what_was_heard_and_let_go(open_site, path) -> None:
    site = await open_site(streams={"idle_timeout_s": 0.3, "min_pace": 0.5})
    async with asyncio.timeout(WAITING), await opened(site, path) as client:
        trickling = asyncio.create_task(trickle(client, path))
        said = await messages_of(client)
        trickling.cancel()
    assert (client.close_code, client.close_reason) == (1008, "stream_idle")
    assert said[-1]["error"]["code"] == "stream_idle"
    await gone(site)


async def trickle(client: ClientConnection, path: str) -> None:
    """A hundredth of a second of audio every tenth: a tenth of the pace of speech."""
    while True:
        await say(client, path, speech(1, 0.01))
        await asyncio.sleep(0.1)


@every_wire
async def test_a_flood_is_ended_before_it_fills_the_memory(open_site, path) -> None:
    site = await open_site()
    async with asyncio.timeout(WAITING), await opened(site, path, compression=None) as client:
        site.host.replicas[0].stall()
        reading = asyncio.create_task(messages_of(client))
        sending = asyncio.create_task(say(client, path, *[speech(1, 262.0)] * 6))
        said = await reading
        await asyncio.gather(sending, return_exceptions=True)
    assert (client.close_code, client.close_reason) == (1009, "stream_overrun")
    assert said[-1]["error"]["code"] == "stream_overrun"
    await gone(site)


@every_wire
async def test_a_message_above_sixteen_mebibytes_ends_the_stream(open_site, path) -> None:
    site = await open_site()
    async with asyncio.timeout(WAITING), await opened(site, path, compression=None) as client:
        sending = asyncio.create_task(client.send(bytes(16 * MIB + 1)))
        await messages_of(client)
        await asyncio.gather(sending, return_exceptions=True)
    assert client.close_code == 1009
    await gone(site)


@pytest.mark.parametrize("path", ["/asr", "/"])
async def test_a_message_of_sixteen_mebibytes_is_heard(open_site, path) -> None:
    site = await open_site()
    async with asyncio.timeout(3 * WAITING), await opened(site, path) as client:
        await client.send(speech(1, 0.5) + bytes(16 * MIB - 16_000))
        await client.send(b"" if path == "/asr" else json.dumps({"op": "close", "sid": 1}))
        said = await messages_of(client)
    assert client.close_code == 1000
    assert len(said[-1]["text"].split()) == 7


@every_wire
async def test_who_does_not_read_is_let_go(open_site, path, monkeypatch) -> None:
    monkeypatch.setattr(door, "_SEND_TIMEOUT_S", 0.3)
    # Short steps and segments that do not end: much text of little audio.
    site = await open_site(FakeHost(step_samples=160, max_segment_steps=10**6))
    async with asyncio.timeout(WAITING):
        client = await opened(site, path, compression=None, sock=await narrow_socket(site))
        client.transport.pause_reading()
        pcm = speech(1, 0.1)
        try:
            while site.gate.num_inside or not site.host.num_opened:
                await asyncio.wait_for(say(client, path, pcm), 1)
        except (TimeoutError, OSError):
            pass
        await gone(site)
        client.transport.abort()


@every_wire
async def test_who_breaks_off_while_the_model_stalls_gives_its_slot_back(open_site, path) -> None:
    site = await open_site()
    client = await opened(site, path)
    await say(client, path, speech(1, 0.5))
    async with asyncio.timeout(WAITING):
        await client.recv()
    site.host.replicas[0].stall()
    await say(client, path, *[speech(2, 5.0)] * 4)  # more than may be ahead
    client.transport.abort()
    await gone(site)
    assert site.host.num_slots_taken == 0


@every_wire
async def test_who_is_faster_than_speech_is_slowed_and_heard_whole(open_site, path) -> None:
    """A minute at once, with at most a second, or all of it, ahead of the model."""
    texts = []
    for max_ahead_s in (1.0, 100.0):
        site = await open_site(streams={"max_ahead_s": max_ahead_s})
        async with asyncio.timeout(3 * WAITING), await opened(site, path) as client:
            await say(client, path, *(speech(seed, 0.4) + silence(1.1) for seed in range(40)))
            await client.send(END[path])
            said: list[dict[str, Any]] = []
            while not said or not is_last(said[-1]):
                said.append(json.loads(await client.recv()))
            texts.append(text_of(said))
    assert texts[0] == texts[1]
    assert len(texts[0].split()) > 40 * 5


END = {
    "/asr": b"",
    "/": json.dumps({"op": "close", "sid": 1}),
    "/v1/realtime": json.dumps({"type": "input_audio_buffer.commit"}),
}


def is_last(message: dict[str, Any]) -> bool:
    return message.get("type") == "final" or message.get("final") is True or "usage" in message


class Lines(logging.Handler):
    """The lines of the audit log, as they come."""

    def __init__(self) -> None:
        super().__init__()
        self.written: asyncio.Queue[str] = asyncio.Queue()

    def emit(self, record: logging.LogRecord) -> None:
        self.written.put_nowait(record.getMessage())


@pytest.fixture
def lines() -> Iterator[Lines]:
    logger, handler = logging.getLogger(LOGGER), Lines()
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield handler
    logger.removeHandler(handler)


@every_wire
async def test_what_is_heard_is_charged_to_the_key(open_site, path, tmp_path, lines) -> None:
    site = await open_site(auth={"keys_file": keys_file(tmp_path, alice={})})
    assert (await site.server.refusal(path=path))[0] == 401
    denied = json.loads(await asyncio.wait_for(lines.written.get(), WAITING))
    assert (denied["status"], denied["audio_s"]) == (401, 0.0)
    async with asyncio.timeout(WAITING), await opened(site, path, key=ALICE) as client:
        await say(client, path, speech(1, 1.5))
        await client.send(END[path])
        while not is_last(json.loads(await client.recv())):
            pass
    line = json.loads(await asyncio.wait_for(lines.written.get(), WAITING))
    assert (line["key"], line["method"], line["status"]) == ("alice", "WEBSOCKET", 101)
    assert line["route"] == path
    assert line["audio_s"] == 1.5


@every_wire
async def test_a_key_that_has_had_its_audio_is_told_the_rest_and_let_go(
    open_site, path, tmp_path, monkeypatch
) -> None:
    monkeypatch.setattr(auth_door, "RENEW_S", 0.05)
    keys = keys_file(tmp_path, alice={"audio_s_per_day": 1.0})
    site = await open_site(auth={"keys_file": keys})
    async with asyncio.timeout(WAITING), await opened(site, path, key=ALICE) as client:
        await say(client, path, speech(1, 1.5))
        said = await messages_of(client)
    assert (client.close_code, client.close_reason) == (1013, "audio_limit_reached")
    assert said[-1]["error"]["code"] == "audio_limit_reached"
    assert said[-1]["error"]["type"] == "rate_limit_error"
    assert len(text_of(said[:-1]).split()) == 19
    status, error, headers = await site.server.refusal(path=path, key=ALICE)
    assert (status, error["message"]) == (429, said[-1]["error"]["message"])
    assert int(headers["retry-after"]) >= 1
    await gone(site)
