"""Audio that is decoded ahead is bounded over all recordings, and each gets its turn."""

import asyncio
import random

import pytest

from serve_app.pipelines.budget import AudioBudget


async def test_no_more_is_held_than_the_budget_and_all_get_their_turn() -> None:
    for seed in range(50):
        rng = random.Random(seed)
        budget = AudioBudget(60.0)
        most = 0.0
        order: list[int] = []

        async def take(number: int, audio_s: float, budget=budget, order=order) -> None:
            nonlocal most
            await budget.acquire(audio_s)
            order.append(number)
            most = max(most, budget.held_s)
            await asyncio.sleep(0)
            budget.release(audio_s)

        takers = [asyncio.create_task(take(n, rng.uniform(1, 30))) for n in range(100)]
        await asyncio.gather(*takers)
        assert most <= 60.0
        assert order == sorted(order)
        assert budget.held_s == pytest.approx(0)


async def test_what_is_above_the_whole_budget_goes_alone() -> None:
    budget = AudioBudget(10.0)
    await budget.acquire(30.0)
    waiting = asyncio.create_task(budget.acquire(1.0))
    await asyncio.sleep(0)
    assert not waiting.done()
    budget.release(30.0)
    await waiting
    assert budget.held_s == 1.0


async def test_who_leaves_while_waiting_lets_the_next_one_in() -> None:
    budget = AudioBudget(10.0)
    await budget.acquire(5.0)
    large = asyncio.create_task(budget.acquire(9.0))
    small = asyncio.create_task(budget.acquire(4.0))
    await asyncio.sleep(0)
    assert not small.done()  # behind the large one, which came first
    large.cancel()
    await small
    assert budget.held_s == 9.0


async def test_who_leaves_in_the_moment_of_its_turn_holds_nothing() -> None:
    budget = AudioBudget(10.0)
    await budget.acquire(10.0)
    waiting = asyncio.create_task(budget.acquire(10.0))
    await asyncio.sleep(0)
    budget.release(10.0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    assert budget.held_s == 0.0
