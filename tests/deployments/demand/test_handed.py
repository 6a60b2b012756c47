"""What a caller hands over: so much and no more, in turns, and never lost by one that leaves."""

import asyncio
import random

import pytest

from serve_app.deployments.demand.handed import Handed
from serve_app.models.protocols import Allowance


def of(audio_s: float, num_chunks: int = 100) -> Handed:
    return Handed(Allowance(audio_s, num_chunks))


async def visit(
    handed: Handed, recording: str, audio_s: float, log: list[str], leave: asyncio.Event
) -> None:
    async with handed.place(recording, audio_s):
        log.append(recording)
        await leave.wait()


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_recordings_take_turns_a_chunk_each() -> None:
    handed, log, leave = of(10.0), [], asyncio.Event()
    names = ["a", "a", "a", "a", "b", "c"]
    tasks = [asyncio.create_task(visit(handed, name, 5.0, log, leave)) for name in names]
    await settle()
    assert log == ["a", "a"]
    assert handed.is_waited_for
    leave.set()
    await asyncio.gather(*tasks)
    assert log == ["a", "a", "a", "b", "c", "a"]
    assert (handed.held_s, handed.is_waited_for) == (0.0, False)


async def test_a_chunk_above_all_that_may_be_held_goes_alone() -> None:
    handed, log, leave = of(10.0), [], asyncio.Event()
    leave.set()
    await asyncio.wait_for(visit(handed, "a", 30.0, log, leave), 5)
    assert log == ["a"]


async def test_chunks_are_counted_too() -> None:
    handed, log, leave = of(1e6, 2), [], asyncio.Event()
    tasks = [asyncio.create_task(visit(handed, name, 0.1, log, leave)) for name in "abc"]
    await settle()
    assert log == ["a", "b"]
    leave.set()
    await asyncio.gather(*tasks)
    assert log == ["a", "b", "c"]


async def test_what_may_be_handed_over_grows_and_lets_in_who_waits() -> None:
    handed, log, leave = of(10.0), [], asyncio.Event()
    tasks = [asyncio.create_task(visit(handed, name, 10.0, log, leave)) for name in "ab"]
    await settle()
    assert log == ["a"]
    handed.allow(Allowance(20.0, 100))
    await settle()
    assert log == ["a", "b"]
    leave.set()
    await asyncio.gather(*tasks)


@pytest.mark.parametrize("seed", range(30))
async def test_the_bound_holds_and_nothing_is_lost_whoever_leaves(seed: int) -> None:
    rng = random.Random(seed)
    limit_s, most, most_chunks = 20.0, 0.0, 0
    handed = of(limit_s, 6)
    inside: set[int] = set()

    async def one(index: int) -> None:
        nonlocal most, most_chunks
        async with handed.place(f"{index % 5}", rng.uniform(0.1, 8.0)):
            inside.add(index)
            most, most_chunks = max(most, handed.held_s), max(most_chunks, handed.num_held)
            for _ in range(rng.randint(0, 5)):
                await asyncio.sleep(0)
            inside.discard(index)

    tasks = [asyncio.create_task(one(index)) for index in range(200)]
    while not all(task.done() for task in tasks):
        await asyncio.sleep(0)
        if rng.random() < 0.3:
            rng.choice(tasks).cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert 0.0 < most <= limit_s + 1e-6
    assert 1 <= most_chunks <= 6
    assert (handed.held_s, handed.num_held) == (0.0, 0)
    assert not handed.is_waited_for


async def test_a_chunk_of_no_audio_gives_its_place_back() -> None:
    handed = of(10.0)
    async with handed.place("a", 0.0):
        assert handed.num_held == 1
    assert (handed.held_s, handed.num_held) == (0.0, 0)
