"""A decoder that runs wild costs its own request a 4xx; its neighbours notice nothing."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from serve_app.audio.waveform import SAMPLE_RATE_HZ
from tests.audio.audio_files import encode, speechlike
from tests.hostile.local_graph import Server, serving
from tests.hostile.taken_over import ORDER, ORDERS

pytestmark = pytest.mark.asyncio(loop_scope="module")

CLIP = encode(speechlike(2.0, SAMPLE_RATE_HZ), SAMPLE_RATE_HZ, "WAV", "PCM_16")
LONG = encode(speechlike(120.0, SAMPLE_RATE_HZ), SAMPLE_RATE_HZ, "FLAC")
CRASHED = (400, "undecodable_audio", "the decoder crashed on it")

EXPECTED = {
    "eat memory": (400, "undecodable_audio", "too much memory"),
    "eat processor time": (400, "undecodable_audio", "too much processor time"),
    "hang": (400, "undecodable_audio", "no audio came out of it in 15 s"),
    "flood": (413, "audio_too_long", "longer than 600 s"),
    "talk nonsense": CRASHED,
    "promise two exabytes": CRASHED,
    "send half a sample": CRASHED,
    "send an order to unpickle": CRASHED,
    "refuse with an error of another's": CRASHED,
    "send a block larger than any": CRASHED,
    "send a block of nothing": CRASHED,
    "speak on a channel that is none": CRASHED,
    "fault": CRASHED,
    "abort": CRASHED,
    "leave": CRASHED,
    "kill itself": CRASHED,
    "blunder": CRASHED,
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server() -> AsyncIterator[Server]:
    async with serving(
        CLIP, module="tests.hostile.taken_over", timeout_s=15.0, cpu_s=2.0
    ) as running:
        yield running


async def _at_full_strength(server: Server, *, without: frozenset[int] = frozenset()) -> set[int]:
    """The decoders, once there are two that are not all of those before."""
    async with asyncio.timeout(60):
        while len(server.decoders.pids) < 2 or server.decoders.pids == without:
            await server.good_answer()
    return set(server.decoders.pids)


@pytest.mark.parametrize("order", ORDERS)
async def test_a_decoder_that_runs_wild_costs_its_own_request_only(
    order: str, server: Server
) -> None:
    status, code, reason = EXPECTED[order]
    before, answer = await _at_full_strength(server), await server.good_answer()
    neighbour = asyncio.create_task(server.transcribe(LONG))
    response = await server.transcribe(ORDER + order.encode())
    error = response.json()["error"]
    assert (response.status_code, error["code"]) == (status, code)
    assert reason in error["message"]
    assert await server.good_answer() == answer
    assert (await neighbour).status_code == 200
    after = await _at_full_strength(server, without=frozenset(before))
    assert len(before & after) == 1
    assert await server.good_answer() == answer


async def test_neighbours_of_many_crashes_are_answered_byte_for_byte(server: Server) -> None:
    answer = (await server.transcribe(LONG, response_format="verbose_json")).content
    uploads = [LONG, ORDER + b"fault"] * 6
    responses = await asyncio.gather(
        *(server.transcribe(each, response_format="verbose_json") for each in uploads)
    )
    assert {each.status_code for each in responses[1::2]} == {400}
    assert {each.content for each in responses[::2]} == {answer}
