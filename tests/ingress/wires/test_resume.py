"""Streams that are taken up again, on another ingress, and the end of one that is being stopped."""

import asyncio
import base64
import json
from typing import Any
from urllib.parse import quote

import pytest

from serve_app.ingress.sockets import visit
from tests.ingress.wires.conftest import WAITING, Site, messages_of, said_by, silence, speech

pytestmark = pytest.mark.asyncio

PCM = b"".join(speech(seed, 0.7) + silence(1.1) for seed in range(4))
BYTES_PER_S = 32_000


async def until_token(client, num: int) -> tuple[str, str, float]:
    """The token behind so many final segments, the text and the time that go with it."""
    async with asyncio.timeout(WAITING):
        while num:
            message = json.loads(await client.recv())
            num -= "resume" in message
    text = message.get("confirmed", message.get("text"))
    return text, message["resume"], message["resume_s"]


async def until_words(client, num: int) -> None:
    """Until so many words are told of."""
    async with asyncio.timeout(WAITING):
        while True:
            message = json.loads(await client.recv())
            if len(message.get("full_text", message.get("text", "")).split()) >= num:
                return


def init(**fields: Any) -> str:
    return json.dumps({"op": "init", "sid": 1, "sr": 16000, **fields})


async def test_a_stream_goes_on_at_another_ingress_and_nothing_is_said_twice(open_site) -> None:
    one, other = await open_site(), await open_site()
    whole = (await said_by(one, "/asr?language=de", [PCM]))[-1]["text"]
    async with await one.open("/asr?language=de&resume=") as client:
        config = json.loads(await client.recv())
        assert config["resume_s"] == 0.0
        await client.send(PCM[: 5 * BYTES_PER_S])
        text, token, resume_s = await until_token(client, 2)
    assert whole.startswith(text)
    assert 3.0 < resume_s < 4.5
    kept = PCM[round(resume_s * BYTES_PER_S / 2) * 2 :]
    # Without its language: the token knows it.
    config, *partials, final = await said_by(other, f"/asr?resume={quote(token)}", [kept])
    assert config["language"] == "de"
    assert config["resume_s"] == resume_s
    assert f"{text} {final['text']}" == whole
    assert all(message["heard_s"] > resume_s for message in partials)
    times = [message["resume_s"] for message in partials if "resume_s" in message]
    assert times == sorted(times)
    assert len(PCM) / BYTES_PER_S - 1.0 < times[-1] <= len(PCM) / BYTES_PER_S


async def test_tokens_are_told_to_who_asks_for_them_only(open_site) -> None:
    site = await open_site()
    assert not any("resume" in message for message in await said_by(site, "/asr", [PCM]))


async def test_a_stream_cannot_be_resumed_past_its_longest(open_site) -> None:
    site = await open_site(streams={"max_stream_s": 4.0})
    async with await site.open("/asr?resume=") as client:
        await client.send(PCM[: 3 * BYTES_PER_S])
        _, token, _ = await until_token(client, 2)
    async with asyncio.timeout(WAITING), await site.open(f"/asr?resume={token}") as client:
        await client.send(PCM[: 2 * BYTES_PER_S])
        await client.send(PCM[: 2 * BYTES_PER_S])
        assert (await messages_of(client))[-1]["error"]["code"] == "audio_too_long"
    shorter = await open_site(streams={"max_stream_s": 1.0})
    status, error, _ = await shorter.server.refusal(path=f"/asr?resume={token}")
    assert (status, error["code"], error["param"]) == (413, "audio_too_long", "resume")


async def test_the_op_protocol_resumes_as_well(open_site) -> None:
    one, other = await open_site(), await open_site()
    whole = (await said_by(one, "/asr", [PCM]))[-1]["text"]
    async with await one.open("/") as client:
        await client.send(init(resume=""))
        assert json.loads(await client.recv())["op"] == "ready"
        await client.send(PCM[: 5 * BYTES_PER_S])
        text, token, resume_s = await until_token(client, 2)
    async with asyncio.timeout(WAITING), await other.open("/") as client:
        await client.send(init(resume=token))
        ready = json.loads(await client.recv())
        assert (ready["op"], ready["resume_s"]) == ("ready", resume_s)
        await client.send(PCM[round(resume_s * BYTES_PER_S / 2) * 2 :])
        await client.send(json.dumps({"op": "close", "sid": 1}))
        final = (await messages_of(client))[-1]
    assert f"{text} {final['text']}" == whole


async def stopped(site: Site, client) -> list[dict[str, Any]]:
    """What is said to a client whose ingress is being stopped; the stop waits for it."""
    async with asyncio.timeout(WAITING):
        closing = asyncio.create_task(site.gate.close(WAITING))
        said = await messages_of(client)
        await closing
    assert (client.close_code, client.close_reason) == (1012, "shutting_down")
    assert site.gate.num_inside == 0
    status, error, headers = await site.server.refusal(path="/asr")
    assert (status, error["code"]) == (503, "shutting_down")
    assert int(headers["retry-after"]) >= 1
    return said


async def test_a_stop_ends_streams_behind_what_was_said(open_site) -> None:
    site = await open_site()
    heard = PCM[: round(0.6 * BYTES_PER_S)]
    whole = (await said_by(site, "/asr", [heard]))[-1]
    async with await site.open("/asr") as client:
        await client.send(heard)
        await until_words(client, 6)
        *_, final, error = await stopped(site, client)
    assert final == whole
    assert error["error"]["code"] == "shutting_down"


async def test_a_stop_cuts_no_word_of_who_can_come_back(open_site) -> None:
    site, other = await open_site(), await open_site()
    whole = (await said_by(site, "/asr", [PCM]))[-1]["text"]
    async with await site.open("/asr?resume=") as client:
        await client.send(PCM[: round(2.2 * BYTES_PER_S)])
        text, token, resume_s = await until_token(client, 2)
        said = await stopped(site, client)
    assert not any(message["type"] == "final" for message in said)
    kept = PCM[round(resume_s * BYTES_PER_S / 2) * 2 :]
    final = (await said_by(other, f"/asr?resume={token}", [kept]))[-1]
    assert f"{text} {final['text']}" == whole


async def test_a_stop_ends_the_op_protocol(open_site) -> None:
    site = await open_site()
    async with await site.open("/") as client:
        await client.send(init())
        await client.send(PCM[:20_000])
        await until_words(client, 6)
        *_, final, error = await stopped(site, client)
    assert (final["op"], final["final"]) == ("interim", True)
    assert error["op"] == "error"


async def test_a_stop_completes_what_a_realtime_client_has_said(open_site) -> None:
    site = await open_site()
    async with await site.open("/v1/realtime") as client:
        await client.send(append(PCM[:60_000]))
        for _ in range(3):
            await asyncio.wait_for(client.recv(), WAITING)
        said = await stopped(site, client)
    assert said[-2]["type"].endswith("input_audio_transcription.completed")
    assert said[-2]["transcript"]
    assert said[-1]["error"]["code"] == "shutting_down"


async def test_a_stop_does_not_wait_for_a_model_that_stalls(open_site, monkeypatch) -> None:
    monkeypatch.setattr(visit, "_PARTING_S", 0.2)
    site = await open_site()
    async with await site.open("/asr") as client:
        await client.send(PCM[:20_000])
        await until_words(client, 6)
        site.host.replicas[0].stall()
        async with asyncio.timeout(WAITING):
            closing = asyncio.create_task(site.gate.close(WAITING))
            said = await messages_of(client)
            await closing
    assert said[-1]["error"]["code"] == client.close_reason == "shutting_down"
    site.host.replicas[0].resume()


def append(pcm: bytes) -> str:
    audio = base64.b64encode(pcm).decode()
    return json.dumps({"type": "input_audio_buffer.append", "audio": audio})
