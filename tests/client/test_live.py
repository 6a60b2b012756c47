"""Live streams through the client: whole texts, whatever happens to the wire in between."""

import asyncio
import itertools
import random
from collections.abc import Callable, Sequence

import pytest

from serve_app.client import (
    AnswerTimeoutError,
    ConnectionLostError,
    LiveStream,
    LiveText,
    ServerError,
    StreamEndedError,
    UnreachableError,
)
from serve_app.config import AuthConfig
from serve_app.ingress.auth import door
from tests.client.live_site import CONFIG, live_site, noise, wire_to
from tests.ingress.auth import ALICE, keys_file

pytestmark = pytest.mark.asyncio

AUDIO = noise(12.0)
BLOCK_BYTES = 2560


async def texts_of(
    stream: LiveStream,
    audio: bytes = AUDIO,
    *,
    pause_s: float = 0.0,
    halfway: Callable[[], None] = lambda: None,
) -> Sequence[LiveText]:
    """Of a stream that is opened, fed, finished and read."""
    texts: list[LiveText] = []

    async def read() -> None:
        async for text in stream:
            texts.append(text)

    async with stream:
        reading = asyncio.create_task(read())
        for start in range(0, len(audio), BLOCK_BYTES):
            await stream.send(audio[start : start + BLOCK_BYTES])
            await asyncio.sleep(pause_s)
            if start // BLOCK_BYTES == len(audio) // BLOCK_BYTES // 2:
                halfway()
        await stream.finish()
        await reading
    return texts


def only_grew(texts: Sequence[LiveText]) -> bool:
    pairs = itertools.pairwise(texts)
    return all(after.confirmed.startswith(before.confirmed) for before, after in pairs)


async def test_a_stream_gives_text_while_it_is_fed_and_ends_with_all_of_it() -> None:
    async with live_site() as site:
        texts = await texts_of(LiveStream(site.url, model="live", language="de"))
    *before, last = texts
    assert last.is_final
    assert not last.unsure
    assert len(last.text.split()) == 150
    assert only_grew(texts)
    assert any(text.unsure for text in before)
    assert any(0 < text.num_settled < len(last.text) for text in before)
    assert all(0 <= text.latency_s < 10 for text in before if text.latency_s is not None)
    assert sum(text.latency_s is not None for text in before) > 100


async def test_nothing_said_is_a_text_of_no_words() -> None:
    async with live_site() as site:
        (text,) = await texts_of(LiveStream(site.url), b"")
    assert (text.text, text.is_final) == ("", True)


@pytest.mark.parametrize("seed", range(8))
async def test_a_wire_that_is_cut_again_and_again_costs_no_word_and_repeats_none(seed: int) -> None:
    draw = random.Random(seed)
    budgets = [draw.randrange(20_000, 250_000) for _ in range(4)]
    async with live_site(num_slots=8) as site, wire_to(site.port, *budgets) as wire:
        *_, whole = await texts_of(LiveStream(site.url))
        stream = LiveStream(wire.url)
        texts = await texts_of(stream, pause_s=0.001)
    assert texts[-1].text == whole.text
    assert only_grew(texts)
    assert stream.num_returns == wire.num_cut >= 2


async def test_what_is_final_is_not_sent_again() -> None:
    async with live_site(num_slots=8) as site, wire_to(site.port, 330_000) as wire:
        await texts_of(LiveStream(wire.url), pause_s=0.001)
    heard_s = sum(replica.num_steps for replica in site.host.replicas) * 0.08
    assert 12.0 < heard_s < 12.0 + 5.0


async def test_a_server_that_shuts_down_is_left_for_the_next_one() -> None:
    async with live_site() as first, live_site() as second, wire_to(first.port) as wire:
        *_, whole = await texts_of(LiveStream(second.url))

        def update() -> None:
            wire.target = second.port
            first.gate.closing.set()

        stream = LiveStream(wire.url)
        texts = await texts_of(stream, pause_s=0.005, halfway=update)
    assert texts[-1].text == whole.text
    assert only_grew(texts)
    assert stream.num_returns == 1
    assert first.host.num_opened == 1


async def test_who_speaks_and_is_told_that_nothing_came_was_cut_off_and_comes_back() -> None:
    streams = CONFIG.streams.model_copy(update={"idle_timeout_s": 0.5})
    config = CONFIG.model_copy(update={"streams": streams})
    async with live_site(config) as site, wire_to(site.port, 150_000) as wire:
        *_, whole = await texts_of(LiveStream(site.url))
        wire.swallows = True
        stream = LiveStream(wire.url)
        texts = await texts_of(stream)
    assert texts[-1].is_final
    assert only_grew(texts)
    assert stream.num_returns == 1
    # What was heard before the cut is a segment of its own, so the words about it are others.
    said, wanted = texts[-1].text.split(), whole.text.split()
    assert abs(len(said) - len(wanted)) <= 1
    assert said[:40] == wanted[:40]


async def test_who_says_nothing_is_told_so_and_does_not_come_back() -> None:
    streams = CONFIG.streams.model_copy(update={"idle_timeout_s": 0.5})
    config = CONFIG.model_copy(update={"streams": streams})
    async with live_site(config) as site, LiveStream(site.url) as stream:
        await stream.send(AUDIO[:BLOCK_BYTES])
        with pytest.raises(StreamEndedError, match=r"0\.5 s"):
            async for _ in stream:
                pass
    assert stream.num_returns == 0


async def test_a_proxy_that_has_just_lost_its_ingress_is_asked_again() -> None:
    """Serve's own 500, which says nothing of the server behind it."""
    async with live_site() as site, wire_to(site.port, 50_000) as wire:
        *_, whole = await texts_of(LiveStream(site.url))
        body = b"Internal Server Error"
        wire.page = b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 21\r\n\r\n" + body
        stream = LiveStream(wire.url)
        *_, last = await texts_of(stream)
    assert last.text == whole.text
    assert (wire.page, stream.num_returns) == (b"", 1)


async def test_a_server_that_stays_away_is_given_up() -> None:
    async with live_site() as site, wire_to(site.port, 50_000) as wire:
        wire.stays_cut = True
        stream = LiveStream(wire.url, max_away_s=1.0)
        with pytest.raises(ConnectionLostError, match="not back within 1 s"):
            async with stream:
                await _send_and_read(stream)


async def test_a_server_without_a_free_slot_says_so_at_once() -> None:
    async with live_site(num_slots=1) as site, LiveStream(site.url):
        with pytest.raises(ServerError) as refusal:
            await LiveStream(site.url).open()
    assert (refusal.value.status, refusal.value.code) == (429, "at_capacity")
    assert refusal.value.retry_after_s == 1.0


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"model": "nobody"}, "model_not_found"),
        ({"model": "recordings"}, "unsupported_option"),
        ({"language": "zz"}, "unsupported_language"),
    ],
)
async def test_what_the_server_refuses_is_told_in_its_words(fields, code) -> None:
    async with live_site() as site:
        with pytest.raises(ServerError) as refusal:
            await LiveStream(site.url, **fields).open()
    assert refusal.value.code == code


async def test_a_stream_that_the_server_ends_for_good_is_not_tried_again() -> None:
    streams = CONFIG.streams.model_copy(update={"max_stream_s": 2.0})
    async with live_site(CONFIG.model_copy(update={"streams": streams})) as site:
        stream = LiveStream(site.url)
        with pytest.raises(StreamEndedError, match="2 s") as ended:
            async with stream:
                await _send_and_read(stream)
    assert (ended.value.code, stream.num_returns) == (1009, 0)


async def test_a_key_that_has_had_its_audio_is_told_so_and_not_tried_again(
    tmp_path, monkeypatch
) -> None:
    monkeypatch.setattr(door, "RENEW_S", 0.05)
    auth = AuthConfig(keys_file=keys_file(tmp_path, alice={"audio_s_per_day": 1.0}))
    async with live_site(CONFIG.model_copy(update={"auth": auth})) as site:
        stream = LiveStream(site.url, ALICE)
        with pytest.raises(ServerError) as refusal:
            async with stream:
                # It does not end by itself: on a busy machine its end would come first.
                await _send_and_read(stream, finishes=False)
    assert (refusal.value.code, stream.num_returns) == ("audio_limit_reached", 0)


async def test_a_last_text_that_does_not_come_is_not_waited_for() -> None:
    async with live_site() as site:
        site.host.replicas[0].stall()
        stream = LiveStream(site.url, final_timeout_s=0.5)
        site.host.replicas[0].resume()
        async with stream:
            site.host.replicas[0].stall()
            await stream.send(AUDIO[:64000])
            await stream.finish()
            with pytest.raises(AnswerTimeoutError):
                [text async for text in stream]


async def test_nobody_there_is_told_as_by_the_other_client() -> None:
    with pytest.raises(UnreachableError, match="chorus serve"):
        await LiveStream("http://127.0.0.1:9").open()


async def _send_and_read(stream: LiveStream, *, finishes: bool = True) -> None:
    async def send() -> None:
        for start in range(0, len(AUDIO), BLOCK_BYTES):
            await stream.send(AUDIO[start : start + BLOCK_BYTES])
        if finishes:
            await stream.finish()

    sending = asyncio.create_task(send())
    try:
        [text async for text in stream]
    finally:
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
