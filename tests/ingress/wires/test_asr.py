"""`/asr` with a plain WebSocket client."""

import asyncio
import base64
import json
from urllib.parse import urlencode

import pytest

from serve_app.pipelines.streaming.fake import FakeHost
from tests.ingress.wires.conftest import WAITING, ended, messages_of, said_by, silence, speech

pytestmark = pytest.mark.asyncio

PCM = b"".join(speech(seed, 0.5) + silence(1.0) for seed in range(3))


async def test_a_stream_is_told_as_it_grows_and_whole_at_its_end(open_site) -> None:
    site = await open_site()
    async with asyncio.timeout(WAITING), await site.open("/asr?language=en") as client:
        assert json.loads(await client.recv()) == {
            "type": "config",
            "language": "en",
            "target_language": "en",
            "sample_rate": 16000,
            "chunk_size": 1600,
            "model": "live",
            "simulated": True,
        }
        await client.send(PCM)
        await client.send(b"")
        *partials, final = await messages_of(client)
        assert (client.close_code, client.close_reason) == (1000, "")
    assert {message["type"] for message in partials} == {"partial"}
    confirmed, heard_s = "", 0.0
    for message in partials:
        assert message["confirmed"].startswith(confirmed)
        assert message["full_text"] == message["confirmed"] + message["buffer"]
        assert heard_s <= message["heard_s"] <= 4.5
        confirmed, heard_s = message["confirmed"], message["heard_s"]
    assert final == {"type": "final", "text": confirmed, "simulated": True}
    assert len(confirmed.split()) in (21, 22, 23)


async def test_the_text_does_not_depend_on_the_packets(open_site) -> None:
    """Nor on where samples are cut in two."""
    site = await open_site()
    whole = await said_by(site, "/asr", [PCM])
    assert whole[-1]["text"]
    for num_bytes in (639, 3200, 20_001):
        packets = [PCM[at : at + num_bytes] for at in range(0, len(PCM), num_bytes)]
        assert (await said_by(site, "/asr", packets))[-1] == whole[-1]


async def test_a_stream_without_audio_ends_with_an_empty_text(open_site) -> None:
    site = await open_site()
    said = await said_by(site, "/asr", [])
    assert said[-1] == {"type": "final", "text": "", "simulated": True}


async def test_a_single_byte_is_no_sample(open_site) -> None:
    site = await open_site()
    said = await said_by(site, "/asr", [b"x"])
    assert said[-1]["text"] == ""


@pytest.mark.parametrize(
    ("query", "language", "target", "model"),
    [
        ({}, "en", "en", "live"),
        ({"language": "de-DE"}, "de", "de", "live"),
        ({"language": "auto"}, "auto", "auto", "live"),
        ({"language": "German", "target_language": "en"}, "de", "en", "live"),
        ({"target_language": "de"}, "en", "de", "live"),
        ({"target_language": "en"}, "en", "en", "live"),
        ({"model": "other"}, "auto", "auto", "other"),
        ({"model": "other", "target_language": "fr", "language": "fr"}, "fr", "fr", "other"),
        ({"model": "alive", "pnc": "false"}, "en", "en", "live"),
        ({"model": "other", "pnc": "true"}, "auto", "auto", "other"),
        ({"model": "gpt-4o-transcribe"}, "en", "en", "live"),
        ({"model": "gpt-realtime-whisper"}, "en", "en", "live"),
    ],
    ids=str,
)
async def test_the_query_says_what_is_wanted(open_site, query, language, target, model) -> None:
    site = await open_site()
    config, *_, final = await said_by(site, f"/asr?{urlencode(query)}", [speech(1, 0.5)])
    assert (config["language"], config["target_language"]) == (language, target)
    assert config["model"] == model
    # The model of these tests begins its words with the language that it is asked for.
    assert final["text"].startswith("" if target == "auto" else target)


def _token(content: str) -> str:
    return "r1." + base64.urlsafe_b64encode(content.encode()).rstrip(b"=").decode()


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ({"language": "xx"}, 400, "unsupported_language"),
        ({"language": "fr", "target_language": "en"}, 400, "unsupported_language"),
        ({"model": "other", "target_language": "en"}, 400, "unsupported_translation"),
        ({"model": "nobody"}, 404, "model_not_found"),
        ({"model": "pretender"}, 400, "unsupported_option"),
        ({"model": "gpt-4o-transcribe-diarize"}, 404, "model_not_found"),
        ({"model": "other", "pnc": "false"}, 400, "unsupported_option"),
        ({"pnc": "perhaps"}, 400, "invalid_option"),
        ({"sample_rate": "8000"}, 400, "invalid_option"),
        ({"resume": "nonsense"}, 400, "invalid_option"),
        ({"resume": "r1." + "W" * 5000}, 400, "invalid_option"),
        ({"resume": _token(f"[{10**500},{{}}]")}, 400, "invalid_option"),
        ({"resume": _token("[true,{}]")}, 400, "invalid_option"),
        ({"resume": _token("[1e3,{}]")}, 400, "invalid_option"),
    ],
    ids=str,
)
async def test_what_cannot_be_honoured_is_denied_in_the_handshake(
    open_site, query, status, code
) -> None:
    site = await open_site()
    answered, error, _ = await site.server.refusal(path=f"/asr?{urlencode(query)}")
    assert (answered, error["code"]) == (status, code)


@pytest.mark.parametrize(
    ("query", "message"),
    [
        (
            {"target_language": "xx"},
            "live does not translate from 'en' to 'xx'; it translates: en to de, de to en",
        ),
        ({"model": "other", "target_language": "en"}, "other does not translate"),
    ],
    ids=str,
)
async def test_who_wants_another_translation_hears_which_there_are(
    open_site, query, message
) -> None:
    site = await open_site()
    _, error, _ = await site.server.refusal(path=f"/asr?{urlencode(query)}")
    assert (error["message"], error["param"]) == (message, "target_language")


async def test_a_server_without_a_streaming_model_says_so(open_site) -> None:
    site = await open_site(models=[{"name": "pretender", "kind": "simulated"}])
    status, error, _ = await site.server.refusal(path="/asr")
    assert (status, error["code"], error["param"]) == (400, "unsupported_option", "model")


async def test_a_full_model_denies_the_handshake_and_says_when_to_come_back(open_site) -> None:
    site = await open_site(FakeHost(num_slots=1))
    async with await site.open("/asr") as client:
        assert json.loads(await client.recv())["type"] == "config"
        status, error, headers = await site.server.refusal(path="/asr")
        assert (status, error["code"], headers["retry-after"]) == (429, "at_capacity", "1")
    await site.until_let_in("/asr")


async def test_who_waits_for_a_model_that_starts_may_speak_already(open_site) -> None:
    host = FakeHost(num_replicas=0)
    host.cold_start_s = WAITING
    site = await open_site(host)
    async with asyncio.timeout(WAITING), await site.open("/asr") as client:
        assert json.loads(await client.recv())["type"] == "config"
        await client.send(PCM)
        await client.send(b"")
        host.start()
        assert (await messages_of(client))[-1]["text"]


async def test_a_model_that_does_not_start_is_told_to_who_waits(open_site) -> None:
    host = FakeHost(num_replicas=0)
    host.cold_start_s = 2.2
    site = await open_site(host)
    said, code, reason = await ended(site, "/asr", [PCM])
    assert said[-1]["error"]["code"] == reason == "model_unavailable"
    assert code == 1013


async def test_a_stream_lives_through_the_death_of_its_replica(open_site) -> None:
    site = await open_site(FakeHost(2))
    undisturbed = (await said_by(site, "/asr", [PCM]))[-1]
    async with asyncio.timeout(WAITING), await site.open("/asr") as client:
        await client.recv()
        await client.send(PCM[:20_000])
        await client.recv()
        next(replica for replica in site.host.replicas if replica.slots).kill()
        await client.send(PCM[20_000:])
        await client.send(b"")
        assert (await messages_of(client))[-1] == undisturbed


async def test_a_stream_that_is_too_long_is_told_what_was_heard_and_closed(open_site) -> None:
    site = await open_site(streams={"max_stream_s": 2.0})
    packets = [PCM[at : at + 3200] for at in range(0, len(PCM), 3200)]
    said, code, reason = await ended(site, "/asr", packets)
    *_, final, error = said
    assert final["text"]
    assert error["error"]["code"] == reason == "audio_too_long"
    assert error["error"]["param"] is None
    assert code == 1009
