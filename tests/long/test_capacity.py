"""The capacity test from its command to its report, hurried: does it run, and does it say so?"""

import json
import os
import subprocess
import sys

import pytest

from loadtest.users.speech import ROOT

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]


@pytest.mark.parametrize(
    ("config", "options", "is_simulated"),
    [
        (
            "configs/one_gpu.yaml",
            [*("--simulate", "--dilate", "30", "--dilate-streams", "2"), "--start-per-s", "30"],
            True,
        ),
        ("configs/tiny.yaml", ["--start-per-s", "1"], False),
    ],
)
def test_a_capacity_test_runs_from_its_command_to_its_report(
    tmp_path, config, options, is_simulated
):
    report = tmp_path / "report.html"
    command = [sys.executable, "-m", "loadtest.capacity", "--config", config, *options]
    command += ["--budget-s", "90", "--trial-s", "8", "--overload", "2"]
    command += ["--stream-s", "8", "--expect-audio-hours-per-hour", "10", "--expect-streams", "4"]
    # What a busy machine can do is not what is tested.
    command += ["--upload-p95-s", "20", "--final-p95-ms", "9000", "--live-lag-p95-ms", "9000"]
    command += ["--price-per-hour", "2", "--report", str(report)]
    ran = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    facts = json.loads(report.with_suffix(".json").read_text())
    assert facts["simulated"] is is_simulated
    assert facts["one_replica"]["audio_hours_per_hour"] > 0
    assert facts["one_replica"]["streams"] >= 1
    assert facts["cpu_s_per_upload"]["Ingress"] > 0
    names = [each["name"] for each in facts["advice"]["settings"]["deployments"]]
    assert "Ingress" in names
    assert len(names) == 3
    assert ("SIMULATED" in report.read_text()) is is_simulated
