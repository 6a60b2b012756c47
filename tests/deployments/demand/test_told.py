"""What callers tell, and what replicas tell of them."""

import asyncio
from contextlib import suppress

import pytest

from serve_app.audio.waveform import Chunk
from serve_app.config import BatchConfig
from serve_app.deployments.demand.ahead import Ahead
from serve_app.deployments.demand.telling import Teller
from serve_app.deployments.demand.told import Callers, Holding
from serve_app.deployments.demand.workload import ARRIVALS_MEMORY_S, Workload
from serve_app.models.protocols import (
    Allowance,
    Demand,
    RecognitionOptions,
    RecognitionRequest,
)


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def test_each_caller_has_its_share_and_is_forgotten_when_it_is_silent() -> None:
    clock = Clock()
    callers = Callers(clock)
    both = {"x", "y"}
    assert callers.share_of("x", both) == 1.0
    callers.hear(Demand("x", 5.0, 30.0, 1.0))
    callers.hear(Demand("y", 7.0, 10.0, 2.0))
    assert (callers.share_of("x", both), callers.share_of("y", both)) == (0.75, 0.25)
    callers.hear(Demand("x", 4.0, 1_000.0, 1.0))  # said before, heard later
    assert callers.share_of("x", both) == 0.75
    clock.now_s += 9.0
    callers.hear(Demand("y", 16.0, 0.0, 0.5))
    clock.now_s += 2.0
    assert callers.stats({"y"}) == {
        "told_at:y": 16.0,
        "waiting_audio_s:y": 0.0,
        "arriving_audio_s_per_s:y": 0.5,
        "is_here:y": 1.0,
    }


def test_who_has_finished_leaves_its_share_to_the_others() -> None:
    clock, allowed = Clock(), Allowance(100.0, 10)
    holding = Holding(clock)
    busy, idle = request("busy", 900.0), request("idle", 100.0)
    with holding.of(idle):
        with holding.of(busy):
            clock.now_s += 5.0
            assert holding.allowance(idle, allowed).audio_s == pytest.approx(10.0)
        assert holding.allowance(idle, allowed).audio_s == pytest.approx(10.0)  # between two
        assert holding.stats()["is_here:busy"] == 1.0
        clock.now_s += 2.0
        assert holding.allowance(idle, allowed) == allowed
        assert holding.stats()["is_here:busy"] == 0.0
    assert holding.allowance(idle, allowed) == allowed
    assert holding.stats()["held_audio_s"] == 0.0


def request(caller: str, waiting_s: float) -> RecognitionRequest:
    demand = Demand(caller, 1.0, waiting_s, 0.0)
    return RecognitionRequest(Chunk(bytes(32_000), 0.0), RecognitionOptions(), demand=demand)


def demand_of(ahead: Ahead, workload: Workload) -> Demand:
    return Teller("me", workload, ahead, Clock()).demand()


async def test_what_is_not_decoded_counts_only_where_decoding_waits_for_the_model() -> None:
    workload, ahead = (
        Workload("model", BatchConfig(), Clock()),
        Ahead(100.0, 100.0, held=Allowance(20.0, 9)),
    )
    with workload.recording(600.0) as recording:
        recording.decoded(40.0)
        recording.done(10.0)
        assert demand_of(ahead, workload).waiting_audio_s == 30.0
        recording.is_held_back = lambda: True  # its share of what may be decoded is spent
        assert demand_of(ahead, workload).waiting_audio_s == 590.0
        recording.is_held_back = lambda: False
        async with ahead.handed.place("one", 20.0):
            waiting = ahead.handed.place("other", 5.0)
            entering = waiting.__aenter__()
            entering.send(None)  # it waits now
            assert demand_of(ahead, workload).waiting_audio_s == 590.0
            entering.close()


def test_arrivals_are_those_that_somebody_waits_for_at_their_true_length() -> None:
    clock = Clock()
    workload = Workload("model", BatchConfig(), clock)
    for _ in range(200):
        clock.now_s += 1.0
        with workload.recording(80.0) as recording:  # by its bytes, which were many
            recording.decoded(10.0)
            recording.decoded_all()
        with workload.recording(0.0) as job:
            job.decoded(500.0)
            job.decoded_all()
    assert workload.arriving_per_s == pytest.approx(10.0, rel=0.05)
    clock.now_s += 100.0
    assert workload.arriving_per_s < 0.5


def test_what_was_refused_or_left_brought_no_more_than_was_decoded() -> None:
    workload = Workload("model", BatchConfig(), Clock())
    with pytest.raises(ValueError, match="undecodable"), workload.recording(600.0):
        raise ValueError("undecodable")
    assert workload.arriving_per_s == pytest.approx(0.0)
    with suppress(asyncio.CancelledError), workload.recording(600.0) as left:
        left.decoded(30.0)
        raise asyncio.CancelledError
    assert workload.arriving_per_s == pytest.approx(30.0 / ARRIVALS_MEMORY_S)


def test_a_correction_is_as_old_as_its_arrival() -> None:
    clock = Clock()
    workload = Workload("model", BatchConfig(), clock)
    with workload.recording(600.0) as long:
        clock.now_s += 3 * ARRIVALS_MEMORY_S
        long.decoded_all()  # nothing was in it
        with workload.recording(30.0) as other:
            other.decoded(30.0)
            assert workload.arriving_per_s == pytest.approx(30.0 / ARRIVALS_MEMORY_S)


def test_a_demand_is_summed_up_ten_times_a_second_at_most() -> None:
    clock, ahead = Clock(), Ahead(100.0, 100.0)
    workload = Workload("model", BatchConfig(), clock)
    teller = Teller("me", workload, ahead, clock)
    with workload.recording(0.0) as recording:
        assert teller.demand().waiting_audio_s == 0.0
        recording.decoded(40.0)
        assert teller.demand().waiting_audio_s == 0.0
        clock.now_s += 0.2
        assert teller.demand() == Demand("me", clock.now_s, 40.0, 0.0)
