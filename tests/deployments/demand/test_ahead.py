"""The bound on what is decoded ahead grows and shrinks with the replicas that answer."""

import asyncio

from serve_app.deployments.demand.ahead import Ahead
from serve_app.models.protocols import Allowance


async def test_the_bound_follows_the_replicas_that_answer_up_to_the_limit() -> None:
    now_s = 0.0
    ahead = Ahead(100.0, 30.0, clock=lambda: now_s)
    assert ahead.budget.limit_s == 30.0
    for replica, limit_s in (("a", 30.0), ("b", 60.0), ("a", 60.0), ("c", 90.0), ("d", 100.0)):
        ahead.answered(replica)
        assert ahead.budget.limit_s == limit_s
    now_s = 100.0
    ahead.answered("b")
    assert ahead.budget.limit_s == 30.0


async def test_who_waits_is_let_in_by_a_new_replica() -> None:
    ahead = Ahead(100.0, 30.0)
    await ahead.budget.acquire(30.0)
    waiting = asyncio.create_task(ahead.budget.acquire(30.0))
    await asyncio.sleep(0)
    ahead.answered("a")
    await asyncio.sleep(0)
    assert not waiting.done()
    ahead.answered("b")
    await asyncio.wait_for(waiting, 5)


async def test_replicas_are_given_what_each_says_that_it_may_hold() -> None:
    now_s = 0.0
    ahead = Ahead(1e6, 1e6, held=Allowance(20.0, 4), clock=lambda: now_s)
    assert ahead.handed.allowed == Allowance(20.0, 4)  # one is taken to be there
    ahead.answered("a", Allowance(15.0, 3))
    ahead.answered("b", Allowance(5.0, 1))
    assert ahead.handed.allowed == Allowance(20.0, 4)
    ahead.answered("c")  # of another version
    assert ahead.handed.allowed == Allowance(40.0, 8)
    now_s = 100.0
    ahead.answered("b", Allowance(10.0, 2))
    assert ahead.handed.allowed == Allowance(10.0, 2)


async def test_after_hours_of_nothing_one_replica_is_taken_to_be_there_again() -> None:
    now_s = 0.0
    ahead = Ahead(100.0, 30.0, held=Allowance(20.0, 4), clock=lambda: now_s)
    for replica in "abc":
        ahead.answered(replica)
    now_s = 36_000.0
    async with ahead.place("one", 20.0):
        assert ahead.handed.allowed == Allowance(20.0, 4)
        assert ahead.budget.limit_s == 30.0
    ahead.answered("a")
    ahead.answered("b")
    now_s += 36_000.0
    with ahead.share():
        assert ahead.handed.allowed == Allowance(20.0, 4)


async def test_where_one_was_lost_those_that_answer_soon_are_the_others() -> None:
    now_s = 0.0
    ahead = Ahead(1e6, 1e6, held=Allowance(20.0, 4), clock=lambda: now_s)
    for replica in "abc":
        ahead.answered(replica)
    ahead.lost()
    assert ahead.handed.allowed == Allowance(60.0, 12)  # none waits for it
    now_s = 3.0
    ahead.answered("a")
    ahead.answered("b")
    ahead.lost()  # another of its calls
    now_s = 6.0
    ahead.answered("a")
    assert ahead.handed.allowed == Allowance(40.0, 8)
    now_s = 9.0
    ahead.answered("a")
    assert ahead.handed.allowed == Allowance(20.0, 4)


async def test_the_model_is_full_while_chunks_wait_for_a_replica_or_for_their_decoding() -> None:
    ahead = Ahead(30.0, 30.0, held=Allowance(10.0, 9))
    assert not ahead.is_full
    async with ahead.handed.place("one", 10.0):
        other = asyncio.create_task(ahead.handed.place("other", 1.0).__aenter__())
        await asyncio.sleep(0)
        assert ahead.is_full
    await other
    assert not ahead.is_full
    await ahead.budget.acquire(30.0)
    decoding = asyncio.create_task(ahead.budget.acquire(1.0))
    await asyncio.sleep(0)
    assert ahead.is_full
    decoding.cancel()
