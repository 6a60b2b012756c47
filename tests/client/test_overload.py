"""The overload benchmark's own arithmetic, and its callers against a real server."""

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from loadtest.bench.points import goodput
from loadtest.overload.callers import Callers, Outcome
from loadtest.overload.flood import Flood, best_callers
from loadtest.overload.results import (
    Phase,
    Repetition,
    interval,
    refusal_times_s,
)
from loadtest.overload.uploads import make_uploads
from serve_app.errors import DeadlineExceededError, EngineError
from serve_app.ingress.backend.fake import ScriptedBackend
from serve_app.pipelines.length import expected_audio_s
from tests.ingress.conftest import Site, open_site

GOOD = Outcome(10.0, sent_at=0.0, answered_at=5.0, status=200)
REFUSED = Outcome(10.0, 1.0, 1.25, 429, "at_capacity", "3")


def phase(*outcomes: Outcome) -> Phase:
    return Phase(outcomes, counts_from=4.0, counts_until=8.0)


def test_goodput_is_the_audio_that_is_answered_in_the_time_that_counts() -> None:
    early, late = Outcome(99.0, 0.0, 3.9, 200), Outcome(99.0, 0.0, 8.0, 200)
    found = phase(GOOD, GOOD, early, late, REFUSED, Outcome(99.0, 0.0, 5.0, 500))
    assert found.goodput == 20.0 / 4.0
    assert found.answered_per_s == 0.5


@pytest.mark.parametrize(
    "outcome",
    [
        Outcome(1.0, 0.0, 1.0, 0, "no answer"),
        Outcome(1.0, 0.0, 1.0, 500, "engine_failed"),
        Outcome(1.0, 0.0, 1.0, 503, "deadline_exceeded", "1"),
        Outcome(1.0, 0.0, 1.0, 429, "at_capacity"),
        Outcome(1.0, 0.0, 1.0, 408, "upload_timeout"),
    ],
)
def test_only_a_refusal_that_says_when_to_come_back_is_no_failure(outcome: Outcome) -> None:
    assert phase(GOOD, REFUSED, outcome).failures == [outcome]


def test_the_peak_is_the_most_goodput_whether_some_were_refused_or_not() -> None:
    idle, full = phase(GOOD), phase(GOOD, GOOD, REFUSED)
    assert best_callers({32: full, 8: idle, 16: full}) == 16
    broken = phase(Outcome(1.0, 0.0, 1.0, 500))
    assert Flood({8: idle, 16: broken}, []).failures == list(broken.outcomes)


def test_the_page_shows_all_numbers_of_callers_and_which_one_made_the_peak() -> None:
    idle, full = phase(GOOD), phase(GOOD, GOOD, REFUSED)
    flood = Flood({8: idle, 16: full}, [Repetition(full, full, full, full)])
    found = goodput.finding(flood)
    rows = {row[0]: row[1:5] for row in found.tables[0].rows}
    assert rows["8 callers"] == ("2.5", "1", "1", "0")
    assert rows["16 callers"] == ("5.0", "3", "2", "1")
    assert "16 callers at the peak:" in found.words[0]
    assert [figure.found.median for figure in found.figures] == [1.0, 1.0]


def test_a_ratio_is_taken_against_both_peaks() -> None:
    half = phase(Outcome(5.0, 0.0, 5.0, 200))
    repetition = Repetition(phase(GOOD), phase(GOOD), half, half)
    assert repetition.peak == 7.5 / 4.0
    assert repetition.ratio == 5.0 / 7.5
    assert repetition.double_ratio == 10.0 / 7.5
    assert repetition.control == 0.5


def test_the_interval_is_students() -> None:
    found = interval([1.0, 2.0, 3.0])
    assert (found.mean, found.half_width) == (2.0, pytest.approx(4.30 / math.sqrt(3)))
    assert math.isnan(interval([1.0]).half_width)
    assert refusal_times_s([phase(GOOD, REFUSED)]) == [0.25]


def test_uploads_hold_the_audio_that_they_say() -> None:
    uploads = make_uploads(20, model="pretender", host="here")
    for upload in uploads:
        body = upload.request[upload.request.index(b"RIFF") :]
        assert expected_audio_s(body, longest_s=100.0) == pytest.approx(upload.audio_s, abs=0.01)
    assert [each.request for each in make_uploads(20, model="pretender", host="here")] == [
        each.request for each in uploads
    ]


@asynccontextmanager
async def callers_of(
    backend: ScriptedBackend, **limits: float
) -> AsyncIterator[tuple[Callers, Site]]:
    site = await open_site(backend, {"limits": limits})
    uploads = make_uploads(4, model="pretender", host="here")
    callers = Callers(f"http://127.0.0.1:{site.port}", uploads)
    yield callers, site
    callers.close()
    await site.close()


async def test_a_closed_loop_keeps_so_many_under_way_and_no_more() -> None:
    async with callers_of(ScriptedBackend()) as (callers, _):
        outcomes = await callers.closed_loop(4, for_s=0.2)
    assert len(outcomes) >= 4
    assert all(each.is_answered and each.took_s > 0 for each in outcomes)


async def test_who_is_refused_comes_again_when_told_to() -> None:
    held = asyncio.Event()
    backend = ScriptedBackend([held])
    async with callers_of(backend, max_concurrent_requests=1) as (callers, site):
        calling = site.spawn(callers.closed_loop(2, for_s=0.4))
        await asyncio.wait_for(backend.called.wait(), 5)
        await asyncio.wait({calling}, timeout=0.6)
        held.set()
        outcomes = await asyncio.wait_for(calling, 5)
    assert sorted(each.is_refused for each in outcomes) == [False, True]


async def test_arrivals_wait_for_nobody_and_refusals_are_told_from_failures() -> None:
    held = asyncio.Event()
    backend = ScriptedBackend([held])
    async with callers_of(backend, max_concurrent_requests=2) as (callers, site):
        flood = site.spawn(callers.open_loop(per_s=200.0, for_s=0.3))
        await asyncio.wait_for(backend.called.wait(), 5)
        done, _ = await asyncio.wait({flood}, timeout=0.5)
        assert not done  # two are inside, the others were refused
        held.set()
        outcomes = await asyncio.wait_for(flood, 5)
    assert sum(each.is_answered for each in outcomes) == 2
    assert sum(each.is_refused for each in outcomes) == len(outcomes) - 2 > 10


@pytest.mark.parametrize("error", [EngineError("m", "broken"), DeadlineExceededError(1.0)])
async def test_what_fails_inside_is_neither_answered_nor_refused(error) -> None:
    async with callers_of(ScriptedBackend([error])) as (callers, _):
        outcomes = await callers.closed_loop(1, for_s=0.05)
    assert not any(each.is_answered or each.is_refused for each in outcomes)
    assert {each.code for each in outcomes} == {error.code.value}


async def test_a_server_that_is_not_there_is_a_failure_and_ends_nothing() -> None:
    async with callers_of(ScriptedBackend()) as (callers, site):
        await site.close()
        outcomes = await callers.open_loop(per_s=100.0, for_s=0.05)
    assert all(each.status == 0 for each in outcomes)
