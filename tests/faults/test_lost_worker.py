"""A worker of a small cluster is lost under load, in network namespaces on this machine."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from loadtest.faults.cluster import world
from loadtest.faults.results import fates, is_kept, met
from loadtest.faults.trial import Trial

ROOT = Path(__file__).parents[2]
CONFIG = Path(__file__).with_name("two_nodes.yaml")
_TIMEOUT_S = 540.0
"""Below that of a test, so that what it says is seen, and its cluster ends with it."""


@pytest.mark.skipif(world.missing() is not None, reason=f"no namespaces: {world.missing()}")
def test_a_lost_worker_loses_no_request_and_no_word(tmp_path: Path) -> None:
    told = tmp_path / "told.json"
    words = ["--only", "lose-worker", "--repetitions", "1", "--config", str(CONFIG)]
    words += ["--calm", "5", "--settle", "5", "--uploads", "3", "--talk", "10", "--json", str(told)]
    command = [sys.executable, "-m", "loadtest.faults", *words]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=_TIMEOUT_S
    )
    assert told.is_file(), done.stdout + done.stderr
    (trial,) = (Trial.of_json(each) for each in json.loads(told.read_text())["trials"])
    found = fates(met(trial))
    assert found.num_requests >= 20
    assert any(what.endswith("is started again") for _, what in trial.events), trial.events
    assert is_kept(trial), done.stdout
    assert trial.whole_s is not None
    assert {each.wire for each in met(trial)} >= {"upload", "SSE", "live"}
