"""Sessions over links to real replicas, as an ingress has them; and what they should say."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
from ray import serve

from serve_app.config import ModelConfig
from serve_app.deployments.links.host import ServeDeployment, ServeStreamHost
from serve_app.deployments.links.link import LinkReport
from serve_app.deployments.links.slot import LinkSlot
from serve_app.deployments.streaming.local import LocalHost
from serve_app.deployments.streaming.slots import Slots, waiting_frames
from serve_app.errors import AtCapacityError
from serve_app.models.loader import load_streaming_recognizer
from serve_app.models.protocols import StreamOptions
from serve_app.pipelines.streaming.events import Final
from serve_app.pipelines.streaming.host import StreamHost
from serve_app.pipelines.streaming.session import SessionSettings, StreamSession
from tests.graph.conftest import CHOIR, eventually

T = TypeVar("T")
LIMIT_S = 120.0
ENGLISH = StreamOptions("en")
SETTINGS = SessionSettings(
    max_ahead_s=1.0, max_stream_s=3600.0, voice_activity=None, patience_s=LIMIT_S
)


@dataclass
class Ingress:
    """A loop in a thread of its own, with links from it to the replicas."""

    loop: asyncio.AbstractEventLoop
    hosts: dict[str, ServeStreamHost] = field(default_factory=dict)
    reports: list[LinkReport] = field(default_factory=list)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(2 * LIMIT_S)

    async def link(self, settings: dict[str, Any]) -> None:
        config = ModelConfig.model_validate(settings)
        deployment = ServeDeployment(serve.get_deployment_handle(config.name, "chorus"))
        self.hosts[config.name] = ServeStreamHost(
            config, deployment, tick_s=0.02, report=self.reports.append
        )


def recording(seed: int, duration_s: float) -> bytes:
    rng = np.random.default_rng(seed)
    return rng.integers(-9000, 9000, int(duration_s * 16_000), dtype=np.int16).tobytes()


async def said(
    host: StreamHost,
    pcm: bytes,
    *,
    at_speed: float = 0.0,
    heard: Callable[[], None] = lambda: None,
) -> list[str]:
    """The final texts of one stream; fed as fast as it may be, or `at_speed` times real time."""
    session = await StreamSession.open(host, ENGLISH, SETTINGS)

    async def listen() -> list[str]:
        texts = []
        async for event in session.events():
            if isinstance(event, Final):
                texts.append(event.segment.text)
                heard()
        return texts

    async def feed() -> None:
        for start in range(0, len(pcm), 6400):
            await session.feed(pcm[start : start + 6400])
            if at_speed:
                await asyncio.sleep(0.2 / at_speed)
        await session.finish()

    feeding = asyncio.create_task(feed())
    try:
        async with asyncio.timeout(LIMIT_S):
            texts = await listen()
            await feeding
            return texts
    finally:
        feeding.cancel()
        await session.close()


async def all_said(
    host: StreamHost,
    recordings: list[bytes],
    *,
    at_speed: float = 0.0,
    heard: Callable[[], None] = lambda: None,
) -> list[list[str]]:
    async with asyncio.TaskGroup() as group:
        talks = [
            group.create_task(said(host, pcm, at_speed=at_speed, heard=heard)) for pcm in recordings
        ]
    return [talk.result() for talk in talks]


async def alone(recordings: list[bytes]) -> list[list[str]]:
    """What the model says of each in this process, one after the other."""
    config = ModelConfig.model_validate({**CHOIR, "simulated": {"fixed_s": 0.0}})
    model = load_streaming_recognizer(config)
    slots = Slots(model, max_waiting_frames=waiting_frames(10.0, model.step_samples))
    try:
        return [await said(LocalHost([slots]), pcm) for pcm in recordings]
    finally:
        await slots.close()


async def taken(host: StreamHost, most: int = 100) -> list[LinkSlot]:
    """All the slots that can be had."""
    slots: list[Any] = []
    with suppress(AtCapacityError):
        while len(slots) < most:
            slots.append(await host.open(ENGLISH))
    return slots


async def freed(slots: list[LinkSlot]) -> None:
    for slot in slots:
        await slot.close()


def disturbed(
    ingress: Ingress, recordings: list[bytes], disturb: Callable[[], None]
) -> list[list[str]]:
    """What all streams say at a little more than real time, when something happens after the first
    final text of one of them."""
    begun = threading.Event()
    talking = all_said(ingress.hosts["choir"], recordings, at_speed=1.5, heard=begun.set)
    with ThreadPoolExecutor(1) as pool:
        talk = pool.submit(ingress.run, talking)
        assert begun.wait(LIMIT_S)
        disturb()
        return talk.result()


def all_free(ingress: Ingress, num_slots: int = 16) -> None:
    """Wait until so many slots can be had, and give them back."""

    def has_all() -> bool:
        slots = ingress.run(taken(ingress.hosts["choir"], num_slots))
        ingress.run(freed(slots))
        return len(slots) == num_slots

    eventually(has_all, within_s=LIMIT_S)
