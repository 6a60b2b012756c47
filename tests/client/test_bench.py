"""The benchmark's own arithmetic: what it cuts, counts and writes. `make bench` runs the whole."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from loadtest.bench.clips import Clip, make_clips
from loadtest.bench.cpu import cpu_s_by_group, group_of, spent
from loadtest.bench.engines.raw import run_raw
from loadtest.bench.load import BenchError, run_load, run_load_for
from loadtest.bench.server import fixed_config, model_of
from serve_app.audio.waveform import SAMPLE_RATE_HZ, Chunk
from serve_app.config import BatchConfig, ModelConfig, SimulatedConfig
from serve_app.errors import UndecodableAudioError
from serve_app.models.loader import PROJECT_ROOT
from serve_app.models.simulated import SimulatedRecognizer

CONFIG = PROJECT_ROOT / "configs/simulated.yaml"
FREE = ModelConfig(
    name="free", kind="simulated", simulated=SimulatedConfig(fixed_s=0, per_audio_s=0)
)


def clip(text, *durations_s):
    chunks = tuple(
        Chunk(bytes([1]) * int(duration_s * SAMPLE_RATE_HZ) * 2, float(index))
        for index, duration_s in enumerate(durations_s)
    )
    return Clip(f"{text}.wav", text.encode(), chunks)


def test_batches_of_the_raw_arm_ascend_in_length_and_keep_the_budget():
    clips = [clip("a", 4.0), clip("b", 1.0), clip("c", 2.0, 3.0), clip("d", 1.0)]
    run = run_raw(SimulatedRecognizer(FREE), clips, BatchConfig(max_batch_audio_s=6.0))
    # 1 1 2 | 3 | 4: three of two seconds fill six, and two of four would pass them.
    assert run.padded_s == 2.0 * 3 + 3.0 + 4.0
    assert [len(text.split()) for text in run.texts] == [8, 2, 10, 2]


def test_no_batch_of_the_raw_arm_has_more_chunks_than_the_server_may_take():
    clips = [clip("a", 1.0)] * 5
    run = run_raw(SimulatedRecognizer(FREE), clips, BatchConfig(max_batch_size=2))
    assert run.padded_s == 5.0
    assert len(run.texts) == 5


def test_clips_are_the_same_at_each_run_and_of_many_lengths():
    clips = make_clips(24, max_chunk_s=30.0, max_pause_s=2.0)
    again = make_clips(24, max_chunk_s=30.0, max_pause_s=2.0)
    # An Ogg stream has a random number, so the uploads may differ; what is in them may not.
    assert [(each.name, each.chunks) for each in clips] == [
        (each.name, each.chunks) for each in again
    ]
    durations_s = [each.duration_s for each in clips]
    assert min(durations_s) < 3.0
    assert max(durations_s) > 8.0
    assert len({each.name.rpartition(".")[2] for each in clips}) >= 4


def test_every_clip_is_answered_in_its_place(site):
    clips = [clip(f"text {number}", 1.0) for number in range(20)]
    run = run_load(site.url, clips, model="parakeet", concurrency=8)
    assert [answer.text for answer in run.answers] == [f"text {number}" for number in range(20)]
    assert run.answers[0].stages_s == {"decode": 0.001, "queue": 0.002, "model": 0.003}
    assert {call.request.model for call in site.backend.calls} == {"parakeet-tiny"}


def test_clips_go_again_until_the_time_is_up(site):
    clips = [clip("a", 1.0), clip("b", 1.0)]
    run = run_load_for(site.url, clips, model="parakeet", concurrency=2, for_s=0.3)
    assert len(run.answers) > 4
    assert [answer.index for answer in run.answers[:4]] == [0, 1, 0, 1]
    assert all(answer.text == "ab"[answer.index] for answer in run.answers)


def test_a_refused_clip_ends_the_benchmark(site):
    site.backend.failures[b"x"] = [UndecodableAudioError("bits")]
    with pytest.raises(BenchError, match="refused: 400"):
        run_load(site.url, [clip("x", 1.0)], model="parakeet", concurrency=2)


def test_the_measured_server_has_one_replica_of_the_one_model():
    model = model_of(CONFIG, "parakeet")
    document = yaml.safe_load(yaml.safe_dump(fixed_config(CONFIG, model)))
    application = document["applications"][0]
    assert [each["name"] for each in application["args"]["models"]] == ["simulated"]
    by_name = {each["name"]: each for each in application["deployments"]}
    assert by_name["simulated"]["num_replicas"] == 1
    assert "autoscaling_config" not in by_name["simulated"]
    with pytest.raises(BenchError, match="no model 'none'"):
        model_of(CONFIG, "none")


def test_cpu_time_is_counted_for_a_process_and_its_children():
    work = "import sys; print(sum(i * i for i in range(2_000_000)), flush=True); sys.stdin.read()"
    before = cpu_s_by_group(os.getpid())
    child = subprocess.Popen(
        [sys.executable, "-c", work], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert child.stdout is not None
    child.stdout.readline()
    used_s = spent(before, cpu_s_by_group(os.getpid()))
    child.communicate()
    assert used_s["Ray itself"] >= 0.05


def test_a_replica_is_told_by_its_deployment_whatever_it_is_doing():
    title = "ray::ServeReplica:chorus:parakeet-0.6b-v3"
    for doing in ("", ".handle_request_with_rejection", ".__init__"):
        command = ["bash", "-c", f"exec -a {title}{doing} sleep 60"]
        with subprocess.Popen(command) as child:
            while not Path(f"/proc/{child.pid}/cmdline").read_text().startswith(title):
                pass
            assert group_of(child.pid, os.getpid()) == "parakeet-0.6b-v3"
            child.kill()
