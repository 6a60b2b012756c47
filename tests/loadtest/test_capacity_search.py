"""The search for the knee: what it sends, for how long, and what it does with what it finds."""

import itertools
from dataclasses import dataclass, field

import pytest

from loadtest.bench.load import BenchError
from loadtest.bench.server import Server
from loadtest.capacity.__main__ import _effort, main
from loadtest.capacity.options import parser_of
from loadtest.capacity.search.callers import Callers
from loadtest.capacity.search.measuring import Effort, streams_knee, uploads_knee
from loadtest.capacity.search.trials import Objective, Outcome, Trial
from loadtest.capacity.serving import Curve, models_of, served
from loadtest.users.speech import Speech, Spoken
from serve_app.models.loader import PROJECT_ROOT

EFFORT = Effort(trial_s=10.0, stream_s=24.0, start_per_s=2.0, start_streams=4, most_streams=32)


@dataclass
class Carrying:
    """In the place of `Callers`: a server that carries so much, as each trial finds in turn."""

    carried: list[float]
    sent: list[tuple[float, float]] = field(default_factory=list)

    def uploads(self, per_s, *, for_s):
        return self._trial("uploads", per_s, for_s)

    def streams(self, count, *, for_s):
        return self._trial("streams", count, for_s)

    def _trial(self, kind, load, for_s):
        carried = self.carried[min(len(self.sent), len(self.carried) - 1)]
        self.sent.append((load, for_s))
        took_s = 0.1 if load <= carried else 9.0
        lags_s = (took_s,) if kind == "streams" else ()
        outcomes = (Outcome(0.0, took_s, 5.0, lags_s=lags_s),) * 20
        return Trial(kind, load, for_s, outcomes)


def silent(text):
    pass


def test_an_overload_that_breaks_tells_what_happens_when_it_is_full():
    callers = Carrying([10.0])
    found = uploads_knee(callers, Objective(), EFFORT, silent)
    assert found.overload.load == pytest.approx(3 * found.confirmed.load)
    assert found.ends == "the objective breaks above"


def test_an_overload_that_holds_is_where_the_search_goes_on():
    # The warm-up, a climb that something else breaks, a bisection, and the confirming trial.
    callers = Carrying([*[3.9] * 7, 40.0])
    found = uploads_knee(callers, Objective(), EFFORT, silent)
    assert found.confirmed.load == pytest.approx(40.0, rel=0.1)
    assert found.overload.load == pytest.approx(3 * found.confirmed.load)


def test_an_overload_that_holds_when_time_is_up_is_no_overload(monkeypatch):
    # Time for two trials of the climb; nothing is asked before those that follow.
    has_time = itertools.chain([True], itertools.repeat(False))
    monkeypatch.setattr(
        "loadtest.capacity.search.measuring._has_time", lambda *_: lambda: next(has_time)
    )
    found = uploads_knee(Carrying([1000.0]), Objective(), EFFORT, silent)
    assert found.overload is None
    assert found.confirmed.load == 4.0
    assert found.knee.held.load == 12.0
    assert found.ends == "3 × as much held, once: it carries more"


def test_streams_last_and_are_confirmed_for_longer():
    callers = Carrying([11.0])
    found = streams_knee(callers, Objective(), EFFORT, silent)
    assert found.confirmed.load == 11
    assert {for_s for _, for_s in callers.sent[:-1]} == {24.0}
    assert callers.sent[-1] == (11, 36.0)


def test_each_trial_has_arrivals_of_its_own(monkeypatch, tmp_path):
    class NothingSent:
        stdout = stderr = ""

    commands = []
    monkeypatch.setattr(
        "subprocess.run", lambda command, **_: commands.append(command) or NothingSent()
    )
    speech = Speech(tmp_path, (), (), Spoken("long.flac", 1.0, ()))
    callers = Callers(Server("http://127.0.0.1:1", pid=None), speech, model="", live_model="")
    for _ in range(3):
        with pytest.raises(BenchError):
            callers.uploads(1.0, for_s=1.0)
    assert len({command[command.index("--seed") + 1] for command in commands}) == 3


def test_the_first_load_is_told_at_full_speed_or_follows_from_the_curve(tmp_path):
    config, curve = PROJECT_ROOT / "configs/one_gpu.yaml", Curve(0.014, 85e-6, 60e-6)
    uploads, _ = models_of(config, None, None)
    found = served(config, uploads, None, curve=curve, dilation=40.0)
    clip = Spoken("a.wav", 5.0, ("one",))
    speech = Speech(tmp_path, (clip,), (), clip)

    def effort(*options):
        args = parser_of("").parse_args(["--config", str(config), "--simulate", *options])
        return _effort(args, found, speech, 100.0)

    assert effort("--start-per-s", "200").start_per_s == pytest.approx(5.0)
    of_the_engine = curve.uploads_per_s(uploads, 5.0) / 40.0
    assert effort().start_per_s == pytest.approx(of_the_engine / 2)
    assert effort().growth == 1.5


@pytest.mark.parametrize("only", ["uploads", "streams"])
def test_a_file_without_a_model_of_that_kind_is_refused_in_words(only, capsys, monkeypatch):
    monkeypatch.setattr("loadtest.capacity.__main__.models_of", lambda *_: (None, None))
    config = str(PROJECT_ROOT / "configs/simulated.yaml")
    assert main(["--config", config, "--only", only]) == 1
    assert f"has no model for {only}" in capsys.readouterr().err
