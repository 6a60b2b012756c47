"""Locust itself against a small server: every kind of user, two workers, and one trial of each."""

import os
import re
import subprocess
import sys

import pytest

from loadtest.bench.server import Server
from loadtest.capacity.search.callers import Callers
from loadtest.capacity.search.trials import Objective, broken_streams, broken_uploads
from loadtest.users.speech import ROOT, Wanted, load, write
from tests.loadtest.simulated_site import simulated_site

WANTED = Wanted(clip_s=2.0, stream_s=2.0, long_s=4.0, num_mixed=4, num_streams=2)


@pytest.fixture(scope="module")
def speech(tmp_path_factory):
    folder = tmp_path_factory.mktemp("speech")
    write(folder, WANTED)
    return load(folder)


@pytest.fixture(scope="module")
def url():
    with simulated_site() as address:
        yield address


def test_no_recording_is_without_words(speech):
    assert all(each.words for each in (*speech.clips, *speech.streams))


def locust(url, speech, *options):
    command = [sys.executable, "-m", "locust", "-f", "loadtest/locustfile.py", "--headless"]
    command += ["--host", url, "--speech", str(speech.folder), "--stop-timeout", "60"]
    return subprocess.run(
        [*command, "--only-summary", *options],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
        check=False,
    )


def requests_by_name(output):
    """From the summary: name → (requests, failures)."""
    row = re.compile(r"^(?:POST|LIVE|SSE)\s+(\S.*?)\s{2,}(\d+)\s+(\d+)\(", re.M)
    return {name: (int(count), int(failed)) for name, count, failed in row.findall(output)}


def test_users_of_every_wire_are_spread_over_two_workers_and_find_their_answers_right(url, speech):
    kinds = ["UploadUser", "SseUser", "OpUser", "RealtimeUser"]
    ran = locust(url, speech, "--processes", "2", "--users", "10", "--spawn-rate", "10",
                 "--run-time", "3s", *kinds)  # fmt: skip
    found = requests_by_name(ran.stdout)
    assert ran.returncode == 0, ran.stdout
    assert "2 workers connected" in ran.stdout
    for name in ("/v1/audio/transcriptions", "/v1/audio/transcriptions stream=true",
                 "/ final text", "/v1/realtime final text"):  # fmt: skip
        assert found[name][0] > 0
        assert found[name][1] == 0


def test_wrong_words_are_failed_requests_and_end_in_an_error(url, speech, tmp_path):
    index = (speech.folder / "index.json").read_text()
    for path in speech.folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "index.json").write_text(
        re.sub(r'"(ash|birch|cedar|elm|fir|hazel|larch|maple)"', '"oak"', index)
    )
    ran = locust(url, load(tmp_path), "--users", "1", "--run-time", "2s", "UploadUser")
    (count, failed) = requests_by_name(ran.stdout)["/v1/audio/transcriptions"]
    assert ran.returncode == 1
    assert failed == count > 0
    assert "WrongWordsError" in ran.stdout


def test_a_trial_of_uploads_and_one_of_streams_are_measured(url, speech):
    callers = Callers(Server(url, pid=None), speech, model="", live_model="live")
    generous = Objective(upload_p95_s=30.0, final_p95_s=30.0, live_lag_p95_s=30.0)
    uploads = callers.uploads(4.0, for_s=4.0)
    assert broken_uploads(uploads, generous) == []
    assert len(uploads.outcomes) > 3
    assert uploads.simulated
    streams = callers.streams(2, for_s=5.0)
    assert broken_streams(streams, generous) == []
    assert all(each.lags_s for each in streams.outcomes)
    assert all(len(each.lags_at_s) == len(each.lags_s) for each in streams.outcomes)
    assert len(streams.outcomes) == 2  # one of each user, and none behind the last one's end
    assert all(each.audio_s >= 5.0 for each in streams.outcomes)
    refused = callers.streams(4, for_s=3.0)
    assert sum(each.is_refused for each in refused.failed) >= 2
