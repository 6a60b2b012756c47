"""A ledger that is lost stops nobody; one that is there holds for every ingress."""

import asyncio
import logging
from typing import Any

import pytest
from grpc import RpcError
from ray.exceptions import ActorDiedError
from ray.serve.exceptions import BackPressureError, DeploymentUnavailableError

from serve_app.deployments.ledger import (
    APART_S,
    LedgerLostError,
    LedgerReplica,
    PatientLedger,
)
from serve_app.deployments.ledger.accounts import Limits, Refusal
from serve_app.deployments.routing import ServeLedger

ONCE = Limits(requests_per_minute=1)
WAITING = 5


class Clock:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


class Faulty(LedgerReplica):
    """Fails as it is told to, instead of counting."""

    def __init__(self) -> None:
        super().__init__()
        self.failure: Exception | None = None
        self.is_hung = False
        self.num_calls = 0

    async def admit(self, *args: Any, **options: Any) -> Refusal | None:
        await self._fail()
        return await super().admit(*args, **options)

    async def renew(self, *args: Any, **options: Any) -> Refusal | None:
        await self._fail()
        return await super().renew(*args, **options)

    async def note(self, *args: Any, **options: Any) -> None:
        await self._fail()
        await super().note(*args, **options)

    async def _fail(self) -> None:
        self.num_calls += 1
        if self.is_hung:
            await asyncio.Event().wait()
        if self.failure is not None:
            raise self.failure


def patient(shared: Faulty, clock: Clock, losses: list[None]) -> PatientLedger:
    return PatientLedger(shared, lambda: losses.append(None), timeout_s=0.01, clock=clock)


async def test_two_ingresses_share_what_a_key_may() -> None:
    shared, losses = Faulty(), []
    one, other = (patient(shared, Clock(), losses) for _ in range(2))
    assert await one.admit("alice", ONCE, works=True) is None
    assert await other.admit("alice", ONCE, works=True) is not None
    assert not losses


@pytest.mark.parametrize("is_hung", [False, True])
async def test_a_lost_ledger_stops_nobody_and_is_left_alone_for_a_while(is_hung, caplog) -> None:
    shared, clock, losses = Faulty(), Clock(), []
    ledger = patient(shared, clock, losses)
    shared.failure, shared.is_hung = LedgerLostError(), is_hung
    with caplog.at_level(logging.ERROR):
        assert await ledger.admit("alice", ONCE, works=True) is None
        # By itself it counts all the same.
        assert await ledger.admit("alice", ONCE, works=True) is not None
        await ledger.note("alice", 5.0)
    assert (shared.num_calls, len(losses)) == (1, 1)
    assert "counts by itself" in caplog.text

    shared.failure, shared.is_hung = None, False
    clock.now_s += APART_S
    assert await ledger.admit("alice", ONCE, works=True) is None
    assert shared.num_calls == 2


async def test_a_note_that_is_lost_is_kept_by_the_ingress() -> None:
    shared, losses = Faulty(), []
    ledger = patient(shared, Clock(), losses)
    shared.failure = LedgerLostError()
    await ledger.note("alice", 10.0)
    refusal = await ledger.admit("alice", Limits(audio_s_per_day=10), works=True)
    assert refusal is not None
    assert refusal.limit == "audio_s_per_day"


class Handle:
    """A handle to a deployment that fails, or to one that is there."""

    def __init__(self, answer: Any = None) -> None:
        self.answer = answer
        self.calls: list[Any] = []

    def options(self, **_: object) -> "Handle":
        return self

    @property
    def admit(self) -> "Handle":
        return self

    note = renew = admit

    async def remote(self, *args: object, **options: object) -> Any:
        self.calls.append((args, options))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.mark.parametrize(
    "error",
    [ActorDiedError(), BackPressureError(1, 1), DeploymentUnavailableError("Ledger"), RpcError()],
)
async def test_whatever_serve_says_of_a_lost_ledger_means_that(error: Exception) -> None:
    ledger = ServeLedger(Handle(error))  # type: ignore[arg-type]  # stands in for Serve's
    with pytest.raises(LedgerLostError):
        await ledger.admit("alice", ONCE, works=True)
    with pytest.raises(LedgerLostError):
        await ledger.note("alice", 1.0)
    with pytest.raises(LedgerLostError):
        await ledger.renew("alice", ONCE, 1.0, stream="a")


async def test_what_the_ledger_is_asked_reaches_it_as_it_is() -> None:
    refusal = Refusal("requests_per_minute", 1, 60.0)
    handle = Handle(refusal)
    ledger = ServeLedger(handle)  # type: ignore[arg-type]  # stands in for Serve's
    assert await ledger.admit("alice", ONCE, works=True, stream="a") is refusal
    assert await ledger.renew("alice", ONCE, 1.5, stream="a") is refusal
    await ledger.note("alice", 2.5, stream="a", is_over=True)
    assert handle.calls == [
        (("alice", ONCE), {"works": True, "stream": "a"}),
        (("alice", ONCE, 1.5), {"stream": "a"}),
        (("alice", 2.5), {"stream": "a", "is_over": True}),
    ]
