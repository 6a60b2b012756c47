"""The op protocol on `/` with a plain WebSocket client."""

import asyncio
import json
import time
from itertools import pairwise
from typing import Any

import pytest

from tests.ingress.wires.conftest import WAITING, Site, ended, messages_of, silence, speech

pytestmark = pytest.mark.asyncio

PCM = b"".join(speech(seed, 0.5) + silence(1.0) for seed in range(2))
INIT = {"op": "init", "sid": "call-7", "sr": 16000}
CLOSE = {"op": "close", "sid": "call-7"}


async def said_by(site: Site, packets: list[Any], path: str = "/") -> list[dict[str, Any]]:
    packets = [json.dumps(each) if isinstance(each, dict) else each for each in packets]
    said, code, _ = await ended(site, path, packets)
    assert code == 1000
    return said


@pytest.mark.parametrize("num_bytes", [640, 1280, 641])
async def test_the_text_is_told_as_it_changes_and_whole_behind_the_close(
    open_site, num_bytes
) -> None:
    site = await open_site()
    frames = [PCM[at : at + num_bytes] for at in range(0, len(PCM), num_bytes)]
    began_ms = time.time() * 1000
    said = await said_by(site, [INIT, *frames, CLOSE])
    assert {message["op"] for message in said} == {"interim"}
    assert {message["sid"] for message in said} == {"call-7"}
    assert [message["final"] for message in said] == [False] * (len(said) - 1) + [True]
    texts = [message["text"] for message in said[:-1]]
    assert all(text != after for text, after in pairwise(texts))
    assert len(said[-1]["text"].split()) in (14, 15)
    assert all(began_ms - 1 <= message["ts"] <= time.time() * 1000 + 1 for message in said)


async def test_other_rates_are_resampled(open_site) -> None:
    site = await open_site()
    said = await said_by(site, [{**INIT, "sr": 8000}, speech(1, 1.0), CLOSE])
    assert len(said[-1]["text"].split()) == 25  # two seconds at 8 kHz, in steps of 80 ms


async def test_the_query_and_init_say_what_is_wanted_and_init_has_the_last_word(open_site) -> None:
    site = await open_site()
    for path, fields, language in (
        ("/?language=de", {}, "de"),
        ("/?language=de", {"language": "en"}, "en"),
        ("/", {"model": "other", "language": "fr"}, "fr"),
        ("/?model=other", {"model": "live", "pnc": False}, "en"),
        ("/?language=de", {"language": None, "model": None}, "de"),
    ):
        said = await said_by(site, [{**INIT, **fields}, PCM, CLOSE], path)
        assert said[-1]["text"].startswith(language)


async def test_a_client_that_names_no_stream_has_one(open_site) -> None:
    site = await open_site()
    said = await said_by(site, [{"op": "init"}, PCM, {"op": "close"}])
    assert said[-1]["sid"] is None
    assert said[-1]["text"]


@pytest.mark.parametrize(
    ("messages", "code", "close"),
    [
        ([PCM], "invalid_message", 1007),
        ([CLOSE], "invalid_message", 1007),
        ([{"op": "sing"}], "invalid_message", 1007),
        ([{}], "invalid_message", 1007),
        (["{"], "invalid_message", 1007),
        (["[1]"], "invalid_message", 1007),
        (["[" * 100_000], "invalid_message", 1007),
        ([INIT, INIT], "invalid_message", 1007),
        ([INIT, {"op": "close", "sid": "other"}], "invalid_message", 1007),
        ([{**INIT, "sid": ["x"]}], "invalid_message", 1007),
        ([{**INIT, "sid": "x" * 1000}], "invalid_message", 1007),
        ([{**INIT, "sr": "fast"}], "invalid_message", 1007),
        ([{**INIT, "sr": True}], "invalid_message", 1007),
        ([{**INIT, "sr": 12345}], "unsupported_format", 1003),
        ([{**INIT, "language": 7}], "invalid_message", 1007),
        ([{**INIT, "language": "xx"}], "unsupported_language", 1008),
        ([{**INIT, "model": "nobody"}], "model_not_found", 1008),
        ([{**INIT, "volume": "11"}], "invalid_option", 1008),
        ([{**INIT, "resume": "r1.x"}], "invalid_option", 1008),
    ],
    ids=lambda value: str(value)[:60],
)
async def test_what_is_not_of_the_protocol_is_told_and_closed(
    open_site, messages, code, close
) -> None:
    site = await open_site()
    packets = [json.dumps(each) if isinstance(each, dict) else each for each in messages]
    said, closed, reason = await ended(site, "/", packets)
    assert said[-1]["op"] == "error"
    assert (said[-1]["error"]["code"], reason, closed) == (code, code, close)


async def test_a_rate_that_is_not_taken_is_told_by_its_own_field(open_site) -> None:
    said, _, _ = await ended(await open_site(), "/", [json.dumps({**INIT, "sr": 12345})])
    assert said[-1]["error"]["param"] == "sr"


async def test_get_on_the_same_path_is_still_a_request(open_site) -> None:
    site = await open_site()
    sdk = site.sdk()
    response = await sdk._client.get(f"http://{site.server.host}/")
    assert response.json()["name"] == "Chorus"
    await sdk.close()


async def test_what_the_model_makes_up_is_said_to_be_made_up(open_site) -> None:
    site = await open_site()
    async with asyncio.timeout(WAITING), await site.open("/") as client:
        assert client.response is not None
        assert client.response.headers["x-chorus-simulated"] == "true"
        await client.send(json.dumps(INIT))
        await client.send(json.dumps(CLOSE))
        assert (await messages_of(client))[-1]["simulated"] is True
