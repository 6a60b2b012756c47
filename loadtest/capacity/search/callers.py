"""A load and a server in; a trial out, made by a Locust of its own.

Locust runs in a process of its own: gevent patches the standard library of whoever imports it.
"""

import itertools
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from loadtest.bench.cpu import cpu_s_by_group, spent
from loadtest.bench.load import BenchError
from loadtest.bench.server import Server
from loadtest.capacity.search.engine import METRICS_LAG_S, EngineWork, engine_work
from loadtest.capacity.search.trials import Kind, Outcome, Trial, outcomes_in
from loadtest.users.speech import ROOT, Speech
from serve_app.config import SimulatedConfig

_LOCUSTFILE = "loadtest/capacity/search/locustfile.py"
_WARM_UP = 0.15
"""Of a trial; what came in it is not judged."""
_LEAST_DRAIN_S = 20.0
_SPREAD = 0.25
"""Streams begin over so much of their length; all are there for the rest of it."""
_UPLOAD = ("POST", "/v1/audio/transcriptions")
_STREAM = ("LIVE", "/asr final text")


@dataclass(frozen=True, slots=True)
class Callers:
    """Who loads a server."""

    server: Server
    speech: Speech
    model: str
    live_model: str
    cost: SimulatedConfig | None = None
    """Of the engine for recordings, where it is simulated."""
    burst: int = 0
    """Uploads with which a trial begins, at once: it meets a full server then, and what follows
    tells whether the wait shrinks or grows."""
    num_workers: int = 1
    """Processes of Locust; one sends some hundred uploads a second."""
    dilation: float = 1.0
    live_dilation: float = 1.0
    seeds: Iterator[int] = field(default_factory=itertools.count)
    """One for each trial: with the same arrivals again, a lucky one would be lucky again."""

    def uploads(self, per_s: float, *, for_s: float) -> Trial:
        """Arrivals of a Poisson process behind a burst of `burst`; `per_s` and `for_s` are of the
        clock.

        Raises:
            BenchError: Locust did not run.
        """
        drain_s = max(_LEAST_DRAIN_S, for_s)
        options = ["--users", str(self.num_workers), "--spawn-rate", str(self.num_workers)]
        options += ["--arrivals-per-s", f"{per_s / self.num_workers:.4f}"]
        options += ["--burst", str(self.burst // self.num_workers), "--drain-s", f"{drain_s:.0f}"]
        ran = self._run("Arrivals", options, for_s=for_s, kind=_UPLOAD)
        warm_s = _WARM_UP * for_s
        judged = tuple(each for each in ran.outcomes if each.at_s >= warm_s)
        return ran.trial("uploads", per_s, for_s - warm_s, judged, self.dilation)

    def streams(self, count: int, *, for_s: float) -> Trial:
        """So many at once, each for at least `for_s` of the clock at the pace that `live_dilation`
        leaves. They begin one after the other, and are all there before the first one ends.

        Raises:
            BenchError: Locust did not run.
        """
        spread_s = _SPREAD * for_s
        options = ["--users", str(count), "--spawn-rate", f"{max(count / spread_s, 0.1):.3f}"]
        options += ["--pace", f"{1 / self.live_dilation:.6f}", "--stream-for-s", f"{for_s:.2f}"]
        ran = self._run("Streams", options, for_s=spread_s, kind=_STREAM)
        return ran.trial("streams", count, ran.wall_s, ran.outcomes, self.live_dilation)

    def command(self, user: str, options: list[str], *, for_s: float, records: Path) -> list[str]:
        """What is run; by hand it does the same."""
        return [
            *(sys.executable, "-m", "locust", "-f", _LOCUSTFILE, "--headless", "--only-summary"),
            *("--host", self.server.url, "--for-s", f"{for_s:.2f}"),
            *("--speech", str(self.speech.folder), "--records", str(records)),
            *("--model", self.model, "--live-model", self.live_model),
            *(("--processes", str(self.num_workers)) if self.num_workers > 1 else ()),
            *options,
            user,
        ]

    def _run(self, user: str, options: list[str], *, for_s: float, kind: tuple[str, str]) -> "_Ran":
        with tempfile.TemporaryDirectory() as folder:
            options = [*options, "--seed", str(next(self.seeds))]
            command = self.command(user, options, for_s=for_s, records=Path(folder))
            is_offline = kind == _UPLOAD
            engine = engine_work(self.server.url, self.model) if is_offline else EngineWork()
            before, began_at = self._cpu_s(), time.monotonic()
            environment = {**os.environ, "PYTHONPATH": str(ROOT)}
            done = subprocess.run(
                command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
            )
            wall_s = time.monotonic() - began_at
            cpu_s = spent(before, self._cpu_s())
            outcomes = outcomes_in(Path(folder), *kind)
            if not outcomes:
                tail = "\n".join((done.stdout + done.stderr).splitlines()[-15:])
                raise BenchError(f"Locust sent nothing:\n{tail}")
            worked = self._worked_since(engine) if is_offline else engine
            return _Ran(tuple(outcomes), wall_s, cpu_s, worked)

    def _worked_since(self, before: EngineWork) -> EngineWork:
        time.sleep(METRICS_LAG_S)
        worked = engine_work(self.server.url, self.model) - before
        return worked.by(self.cost) if self.cost else worked

    def _cpu_s(self) -> dict[str, float]:
        return {} if self.server.pid is None else cpu_s_by_group(self.server.pid)


@dataclass(frozen=True, slots=True)
class _Ran:
    outcomes: tuple[Outcome, ...]
    wall_s: float
    cpu_s: dict[str, float]
    engine: EngineWork

    def trial(
        self,
        kind: Kind,
        load: float,
        window_s: float,
        judged: tuple[Outcome, ...],
        dilation: float,
    ) -> Trial:
        answered = [each for each in self.outcomes if not each.error]
        return Trial(
            kind=kind,
            load=load,
            window_s=window_s,
            outcomes=judged,
            dilation=dilation,
            cpu_s=self.cpu_s,
            cpu_wall_s=self.wall_s,
            engine=self.engine,
            engine_wall_s=max(each.at_s + each.took_s for each in self.outcomes),
            cpu_audio_s=sum(each.audio_s for each in answered),
            num_cpu_answered=len(answered),
        )
