"""Live streams over real replicas, full, killed, scaled away: each says what it would alone.

The sessions run here, as they do in an ingress, over the same links.
"""

import asyncio
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from functools import partial

import pytest
import ray

from serve_app.errors import AtCapacityError
from serve_app.pipelines.streaming.host import SlotFrame
from tests.graph.conftest import ASLEEP, CHOIR, ROOT, Server, eventually
from tests.graph.streams import (
    ENGLISH,
    LIMIT_S,
    Ingress,
    all_free,
    all_said,
    alone,
    disturbed,
    freed,
    recording,
    taken,
)


@pytest.fixture(scope="module")
def ingress(running_server: Server) -> Iterator[Ingress]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    ingress = Ingress(loop)
    for settings in (CHOIR, ASLEEP):
        ingress.run(ingress.link(settings))
    yield ingress
    for host in ingress.hosts.values():
        ingress.run(host.close())
    loop.call_soon_threadsafe(loop.stop)
    thread.join()


def test_streaming_models_are_told_of_with_the_others(running_server: Server) -> None:
    eventually(lambda: running_server.get("/ready").status_code == 200, within_s=LIMIT_S)
    models = {model["id"]: model for model in running_server.get("/v1/models").json()["data"]}
    assert {"choir", "asleep", "parakeet-tiny"} <= models.keys()
    assert models["choir"]["simulated"]


def test_sixteen_streams_over_two_replicas_each_say_what_they_would_alone(
    ingress: Ingress,
) -> None:
    recordings = [recording(seed, 3.0 + 0.37 * seed) for seed in range(16)]
    assert ingress.run(all_said(ingress.hosts["choir"], recordings)) == ingress.run(
        alone(recordings)
    )
    all_free(ingress)


def test_a_stream_too_many_is_refused_at_once(ingress: Ingress) -> None:
    host = ingress.hosts["choir"]
    slots = ingress.run(taken(host))
    assert len(slots) == 16
    began_at = time.monotonic()
    with pytest.raises(AtCapacityError) as refusal:
        ingress.run(host.open(ENGLISH))
    assert time.monotonic() - began_at < 1.0
    assert refusal.value.retry_after_s > 0
    ingress.run(freed(slots))
    all_free(ingress)


def test_a_killed_replica_changes_no_word(running_server: Server, ingress: Ingress) -> None:
    all_free(ingress)
    recordings = [recording(seed, 8.0) for seed in range(100, 108)]
    expected = ingress.run(alone(recordings))
    ingress.reports.clear()
    victim = running_server.replica("choir")
    kill = partial(os.kill, victim.pid, signal.SIGKILL)
    assert disturbed(ingress, recordings, kill) == expected
    assert [report.reason for report in ingress.reports] == ["gone"]
    assert ingress.reports[0].num_slots >= 1
    all_free(ingress)


def test_streams_leave_a_replica_that_is_scaled_away_and_none_is_lost(
    running_server: Server, ingress: Ingress
) -> None:
    all_free(ingress)
    recordings = [recording(seed, 14.0) for seed in range(200, 206)]
    expected = ingress.run(alone(recordings))
    ingress.reports.clear()
    scale = partial(running_server.scale, "choir", 1)
    assert disturbed(ingress, recordings, scale) == expected
    assert {report.reason for report in ingress.reports} == {"leaving"}
    eventually(lambda: len(running_server.replicas("choir")) == 1, within_s=LIMIT_S)
    running_server.scale("choir", 2)
    all_free(ingress)


def test_an_ingress_that_is_killed_gives_its_slots_back_at_once(ingress: Ingress) -> None:
    address = ray.get_runtime_context().gcs_address
    rude = subprocess.Popen(
        [sys.executable, "-m", "tests.graph.rude_ingress", address],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert rude.stdout is not None
    try:
        assert rude.stdout.readline() == "16\n"
        with pytest.raises(AtCapacityError):
            ingress.run(ingress.hosts["choir"].open(ENGLISH))
    finally:
        rude.kill()
        rude.wait()
    killed_at = time.monotonic()
    all_free(ingress)
    assert time.monotonic() - killed_at < 5.0


def test_slots_are_all_free_after_hundreds_of_clients_half_of_them_rude(
    ingress: Ingress,
) -> None:
    host = ingress.hosts["choir"]

    async def visit(index: int, places: asyncio.Semaphore) -> None:
        async with places:
            slot = await host.open(ENGLISH)
            for _ in range(index % 4):
                slot.send(SlotFrame(bytes(2 * slot.step_samples)))
            if index % 4 == 3:
                await slot.receive()
            await slot.close()

    async def rudely(index: int, places: asyncio.Semaphore) -> None:
        visiting = asyncio.create_task(visit(index, places))
        await asyncio.wait({visiting}, timeout=random.Random(index).uniform(0.0, 0.2))
        visiting.cancel()
        await asyncio.gather(visiting, return_exceptions=True)

    async def visit_all() -> None:
        # a slot that was given up is known to be free only a tick later
        places = asyncio.Semaphore(8)
        both = (visit, rudely)
        await asyncio.gather(*(both[index % 2](index, places) for index in range(400)))

    ingress.run(visit_all())
    all_free(ingress)


def test_a_model_scaled_to_zero_comes_up_for_a_stream_and_grows_with_demand(
    running_server: Server, ingress: Ingress
) -> None:
    eventually(lambda: not running_server.replicas("asleep"), within_s=LIMIT_S)
    host = ingress.hosts["asleep"]
    slots = [ingress.run(host.open(ENGLISH)) for _ in range(2)]

    def third() -> bool:
        with suppress(AtCapacityError):
            slots.append(ingress.run(host.open(ENGLISH)))
        return len(slots) == 3

    assert not third()
    eventually(third, within_s=LIMIT_S)
    assert len(running_server.replicas("asleep")) == 2
    ingress.run(freed(slots))
    eventually(lambda: not running_server.replicas("asleep"), within_s=LIMIT_S)
