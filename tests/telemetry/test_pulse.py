"""The gauges of a replica: told again and again, whatever one of them does."""

import asyncio
import logging

import pytest

from serve_app.telemetry import replica


async def test_a_gauge_that_fails_silences_no_other_and_is_logged_once_until_it_is_told_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(replica, "EVERY_S", 0.0)
    is_enough = asyncio.Event()
    num_beats = 0

    def fail_but_once() -> None:
        if num_beats != 3:
            raise RuntimeError("no such gauge")

    def count() -> None:
        nonlocal num_beats
        num_beats += 1
        if num_beats == 10:
            is_enough.set()

    with caplog.at_level(logging.ERROR, logger=replica.__name__):
        pulse = replica.Pulse("Test", fail_but_once, count)
        await asyncio.wait_for(is_enough.wait(), 30)
        await pulse.close()
    assert len(caplog.records) == 2
