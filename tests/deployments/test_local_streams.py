"""Sessions over the slots of the simulated model: many of them, and a replica that is lost."""

import asyncio
import random

from serve_app.config import ModelConfig
from serve_app.deployments.streaming.local import LocalHost
from serve_app.deployments.streaming.slots import Slots, waiting_frames
from serve_app.models.loader import load_streaming_recognizer
from serve_app.models.protocols import StreamOptions
from serve_app.pipelines.streaming.events import Final
from serve_app.pipelines.streaming.session import SessionSettings, StreamSession

MODEL = ModelConfig.model_validate(
    {
        "name": "live",
        "kind": "simulated",
        "streaming": {"num_slots": 200, "max_segment_s": 2.0},
        "simulated": {"fixed_s": 0.0, "per_stream_s": 0.0},
    }
)
SETTINGS = SessionSettings(max_ahead_s=1.0, max_stream_s=60.0, voice_activity=None)


def replica() -> Slots:
    model = load_streaming_recognizer(MODEL)
    return Slots(model, max_waiting_frames=waiting_frames(3.0, model.step_samples))


async def said(
    host: LocalHost, pcm: bytes, halfway: asyncio.Event, go_on: asyncio.Event
) -> list[str]:
    session = await StreamSession.open(host, StreamOptions("en"), SETTINGS)

    async def feed() -> None:
        middle = len(pcm) // 4 * 2
        await session.feed(pcm[:middle])
        halfway.set()
        await go_on.wait()
        await session.feed(pcm[middle:])
        await session.finish()

    feeding = asyncio.create_task(feed())
    try:
        texts = [e.segment.text async for e in session.events() if isinstance(e, Final)]
        await feeding
        return texts
    finally:
        feeding.cancel()
        await session.close()


async def test_hundreds_of_streams_lose_no_word_with_their_replica() -> None:
    rng = random.Random(3)
    recordings = [rng.randbytes(2 * rng.randrange(16_000, 80_000)) for _ in range(200)]
    first, second = replica(), replica()
    host = LocalHost([first, second])
    go_on = asyncio.Event()
    go_on.set()
    undisturbed = await asyncio.gather(
        *(said(host, pcm, asyncio.Event(), go_on) for pcm in recordings)
    )
    go_on.clear()
    halfway = [asyncio.Event() for _ in recordings]
    talks = [
        asyncio.create_task(said(host, pcm, event, go_on))
        for pcm, event in zip(recordings, halfway, strict=True)
    ]
    async with asyncio.timeout(60):
        for event in halfway:
            await event.wait()
        assert first.num_in_use == second.num_in_use == 100
        await host.kill(first)
        go_on.set()
        assert await asyncio.gather(*talks) == undisturbed
    assert second.num_in_use == 0
    await host.close()
