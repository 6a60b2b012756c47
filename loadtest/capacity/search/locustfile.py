"""The two loads that a capacity trial is made of. Run by `loadtest.capacity`, and by hand:

    locust -f loadtest/capacity/search/locustfile.py --headless --host http://127.0.0.1:8000 \\
        --users 1 --for-s 20 --drain-s 30 --arrivals-per-s 12 --records FOLDER Arrivals
    locust -f loadtest/capacity/search/locustfile.py --headless --host http://127.0.0.1:8000 \\
        --users 16 --spawn-rate 4 --for-s 6 --stream-for-s 24 --records FOLDER Streams

It ends when all have ended. --run-time would cut them off: a master does not wait for its workers.
"""

import random
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))  # Locust puts only this folder there

import gevent
from gevent.pool import Group
from locust import constant, events, task
from locust.env import Environment
from locust.exception import StopUser
from locust.runners import WorkerRunner

from loadtest.users.live import ASR, LiveUser
from loadtest.users.options import options_of, speech_of
from loadtest.users.records import write_records
from loadtest.users.uploads import PATH, SpeakingUser

_POLL_S = 0.25
_num_begun = 0


class UnansweredError(Exception):
    """Still without an answer when the trial was over."""


@events.init_command_line_parser.add_listener
def add_options(parser: Any, **_: Any) -> None:
    add = parser.add_argument
    add("--for-s", type=float, default=20.0, help="nothing begins later (default: 20)")
    add("--drain-s", type=float, default=30.0,
        help="how long arrivals wait behind that for what is owed (default: 30)")  # fmt: skip
    add("--arrivals-per-s", type=float, default=1.0, help="of each of Arrivals (default: 1)")
    add("--burst", type=int, default=0,
        help="as many arrive at once, first: a full server is met (default: 0)")  # fmt: skip
    add("--stream-for-s", type=float, default=0.0,
        help="each of Streams goes on so long, of the clock (default: one recording)")  # fmt: skip
    add("--seed", type=int, default=0, help="the same arrivals with the same (default: 0)")
    add("--records", default="", metavar="FOLDER", include_in_web_ui=False,
        help="writes a line of JSON for each request here")  # fmt: skip


@events.init.add_listener
def begin(environment: Environment, **_: Any) -> None:
    if folder := options_of(environment).records:
        write_records(Path(folder))


@events.test_start.add_listener
def prepare(environment: Environment, **_: Any) -> None:
    speech_of(environment)
    if not isinstance(environment.runner, WorkerRunner):
        gevent.spawn(_end, environment)


def _end(environment: Environment) -> None:
    """When nothing may begin any more and nobody is there any more."""
    assert environment.runner is not None
    gevent.sleep(float(options_of(environment).for_s))
    while environment.runner.user_count:
        gevent.sleep(_POLL_S)
    environment.runner.quit()


class Arrivals(SpeakingUser):
    """Uploads that come when they come, whether those before are answered or not: an open loop, by
    a Poisson process. Each is timed from when it was due."""

    concurrency = 4096
    wait_time = constant(0)

    @task
    def arrive(self) -> None:
        global _num_begun
        worker = getattr(self.environment.runner, "worker_index", 0)
        rng = random.Random(f"{self.options.seed} {worker} {_num_begun}")
        _num_begun += 1
        self._waiting: dict[int, tuple[float, float]] = {}
        bodies = [(spoken, self.form_of(spoken)) for spoken in self.speech.clips]
        group, began_at = Group(), time.perf_counter()
        for at_s in self._times(rng):
            gevent.sleep(max(0.0, began_at + at_s - time.perf_counter()))
            spoken, body = rng.choice(bodies)
            group.spawn(self._send, spoken, body, began_at + at_s, at_s)
        group.join(float(self.options.drain_s))
        waiting = list(self._waiting.values())
        group.kill(block=False)
        for audio_s, due in waiting:
            self._unanswered(audio_s, due, began_at)
        raise StopUser

    def _times(self, rng: random.Random) -> Iterator[float]:
        """When arrivals are due, from the start."""
        at_s = 0.0
        yield from [at_s] * int(self.options.burst)
        while (at_s := at_s + rng.expovariate(self.options.arrivals_per_s)) < self.options.for_s:
            yield at_s

    def _send(self, spoken: Any, body: bytes, due_at: float, at_s: float) -> None:
        key = id(gevent.getcurrent())
        self._waiting[key] = (spoken.duration_s, due_at)
        context = {"at_s": at_s, "late_s": time.perf_counter() - due_at}
        self.upload(spoken, body, context)
        self._waiting.pop(key)

    def _unanswered(self, audio_s: float, due_at: float, began_at: float) -> None:
        waited_s = time.perf_counter() - due_at
        self.environment.events.request.fire(
            request_type="POST",
            name=PATH,
            response_time=waited_s * 1000,
            response_length=0,
            exception=UnansweredError(f"after {waited_s:.1f} s"),
            context={"audio_s": audio_s, "at_s": due_at - began_at},
        )


class Streams(LiveUser):
    """Live streams over `/asr`, one after the other without a pause, as long as one may begin."""

    wire = ASR
    wait_time = constant(0)

    def on_start(self) -> None:
        super().on_start()
        global _num_begun
        self._number = int(self.options.seed) + _num_begun
        _num_begun += 1
        self._last_at = time.perf_counter() + float(self.options.for_s)

    @task
    def speak(self) -> None:
        if time.perf_counter() > self._last_at:
            raise StopUser
        self._number += 1
        at_least_s = float(self.options.stream_for_s) * float(self.options.pace)
        self.speak_once(*self.speech.stream(self._number, at_least_s=at_least_s))
