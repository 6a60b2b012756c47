"""One ingress has a loop, and a loop has so many streams: one more is told so at once."""

import asyncio

import pytest

from serve_app.pipelines.streaming.fake import FakeHost
from tests.ingress.wires.conftest import WAITING

pytestmark = pytest.mark.asyncio

every_wire = pytest.mark.parametrize("path", ["/asr", "/", "/v1/realtime"])


@every_wire
async def test_one_stream_too_many_is_denied_at_once_on_every_wire(open_site, path) -> None:
    site = await open_site(streams={"max_per_ingress": 2}, limits={"retry_after_s": 3})
    async with await site.open("/asr"), await site.open(path):
        for other in ("/asr", "/", "/v1/realtime"):
            status, error, headers = await site.server.refusal(path=other)
            assert (status, error["code"], headers["retry-after"]) == (429, "at_capacity", "3")
            assert "2 live streams" in error["message"]
        assert site.host.num_opened == 2
    await site.until_let_in(path)


async def test_recordings_go_on_where_no_stream_fits_any_more(open_site) -> None:
    site = await open_site(streams={"max_per_ingress": 1})
    async with await site.open("/asr"):
        assert (await site.server.refusal(path="/asr"))[0] == 429
        answer = await site.sdk().audio.transcriptions.create(
            file=("a.wav", b"RIFF...", "audio/x-wav"), model="pretender"
        )
        assert answer.text == ""


@every_wire
async def test_who_is_denied_takes_no_place(open_site, path) -> None:
    site = await open_site(FakeHost(num_slots=1), streams={"max_per_ingress": 2})
    async with asyncio.timeout(WAITING):
        async with await site.open(path):
            for _ in range(3):
                assert (await site.server.refusal(path="/asr"))[0] == 429
                assert (await site.server.refusal(path="/asr?model=nobody"))[0] == 404
        await site.until_let_in(path)
