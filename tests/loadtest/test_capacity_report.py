"""What follows from measured numbers: replicas, costs, settings, and the page that tells them."""

import json
from dataclasses import replace

import pytest
import yaml

from loadtest.capacity.report import told, write
from loadtest.capacity.report.advice import AUDIO_POLICY, SLOTS_POLICY, Expected, advise
from loadtest.capacity.results import Found, Results
from loadtest.capacity.search.engine import EngineWork, work_in
from loadtest.capacity.search.knee import Knee, Try
from loadtest.capacity.search.trials import Objective, Outcome, Trial
from loadtest.capacity.serving import (
    Curve,
    dilation_for,
    lay_out,
    live_dilation_for,
    max_wait_s,
    models_of,
    served,
)
from serve_app import serve_config
from serve_app.config import SimulatedConfig
from serve_app.models.loader import PROJECT_ROOT

CONFIG = PROJECT_ROOT / "configs/one_gpu.yaml"
CURVE = Curve(0.014, 85e-6, 60e-6)
DILATION = 50.0


def trial(kind, load, took_s, *, error="", num=100, dilation=DILATION):
    lags_s = (0.2 * dilation,) if kind == "streams" else ()
    outcomes = tuple(
        Outcome(index * 0.1, took_s * dilation, 5.0, error, lags_s=lags_s, simulated=True)
        for index in range(num)
    )
    return Trial(
        kind, load, 10.0, outcomes, dilation, {"Ingress": 1.5}, 12.0, 500.0, num_cpu_answered=100
    )


def found(kind, held, broken):
    tries = (Try(held.load, held, True), Try(broken.load, broken, False))
    return Found(Knee(tries), held, overload=None if kind == "streams" else broken)


@pytest.fixture
def results():
    uploads, streams = models_of(CONFIG, None, None)
    measured = served(
        CONFIG, uploads, streams, curve=CURVE, dilation=DILATION, live_dilation=4.0, num_slots=96
    )
    return Results(
        config="configs/one_gpu.yaml",
        served=measured,
        objective=Objective(),
        mean_clip_s=5.0,
        uploads=found(
            "uploads",
            trial("uploads", 10.0, 0.5),
            trial("uploads", 12.0, 3.0, error="CatchResponseError: 429 at_capacity"),
        ),
        streams=found(
            "streams",
            trial("streams", 60, 0.3, dilation=4.0),
            trial("streams", 66, 1.5, dilation=4.0),
        ),
        idle_cores={"Ingress": 0.025},
        took_s=400.0,
    )


def test_capacity_and_processors_are_told_at_full_speed(results):
    # A hundred answers in ten seconds of the clock, fifty of which stand for one.
    assert results.uploads_per_s == pytest.approx(500.0)
    assert results.audio_s_per_s == pytest.approx(2500.0)
    assert results.num_streams == 60
    # 1.5 CPU seconds, of which idling took 12 × 0.025, for a hundred uploads.
    assert results.upload_cpu_s() == {"Ingress": pytest.approx(0.012)}
    assert results.cores_for_uploads == pytest.approx(6.0)
    assert results.stream_cpu_s() == {"Ingress": pytest.approx(1.2 / 500)}


def test_replicas_and_costs_follow_from_what_one_carries(results):
    expected = Expected(audio_hours_per_hour=5000, streams=100, price_per_hour=4.0, use=0.8)
    advice = advise(results, expected)
    assert advice.replicas == 3  # of 2,000 each
    assert advice.live_replicas == 3  # of 48 each: a fifth of 60 slots stays free
    assert advice.cost_per_audio_hour == pytest.approx(0.002)
    assert advice.cost_per_stream_hour == pytest.approx(4 / 48)


def test_the_settings_name_the_policies_and_pass_the_strict_check(results, tmp_path):
    pytest.importorskip("serve_app.deployments.scaling")
    advice = advise(results, Expected(audio_hours_per_hour=5000, streams=100))
    settings = yaml.safe_load(advice.yaml)
    by_name = {each["name"]: each for each in settings["deployments"]}
    parakeet = by_name["parakeet-tdt-0.6b-v3"]
    assert parakeet["max_ongoing_requests"] == 2048  # twice 16 batches of 64
    assert parakeet["autoscaling_config"]["policy"]["policy_function"] == AUDIO_POLICY
    assert parakeet["autoscaling_config"]["policy"]["policy_kwargs"] == {"target_wait_s": 1.0}
    assert parakeet["autoscaling_config"]["max_replicas"] == 6
    streaming = by_name["fastconformer-streaming"]["autoscaling_config"]
    assert streaming["policy"]["policy_function"] == SLOTS_POLICY
    document = yaml.safe_load(CONFIG.read_text())
    application = document["applications"][0]
    application["args"]["limits"] = settings["args"]["limits"]
    for model in application["args"]["models"]:
        for wanted in settings["args"]["models"]:
            if wanted["name"] == model["name"]:
                model["streaming"] |= wanted["streaming"]
    for entry in application["deployments"]:
        if entry["name"] in by_name:
            entry.pop("num_replicas", None)
            entry |= by_name[entry["name"]]
    path = tmp_path / "advised.yaml"
    path.write_text(yaml.safe_dump(document))
    config = serve_config.server_config(serve_config.load(path))
    assert config.streaming_models[0].streaming.num_slots == 60


def test_slots_are_not_advised_on_before_the_search_was_ended(results):
    for unfinished in ("is_out_of_time", "is_outdone"):
        streams = replace(results.streams, **{unfinished: True})
        advice = advise(replace(results, streams=streams), Expected(streams=100))
        assert "num_slots" in advise(results, Expected(streams=100)).yaml
        assert "num_slots" not in advice.yaml
        assert SLOTS_POLICY in advice.yaml


def test_what_did_not_hold_is_not_advised_on(results):
    nothing = replace(results, uploads=Found(Knee(()), None, None), streams=None)
    advice = advise(nothing, Expected(audio_hours_per_hour=100, streams=5, price_per_hour=1.0))
    assert (advice.replicas, advice.live_replicas, advice.cost_per_audio_hour) == (None, None, None)
    assert advice.settings["deployments"] == []


def test_the_page_stands_alone_and_says_what_is_simulated(results, tmp_path):
    expected = Expected(audio_hours_per_hour=5000, streams=100, price_per_hour=4.0)
    advice = advise(results, expected)
    path = tmp_path / "report.html"
    write(results, expected, advice, path)
    page = path.read_text()
    assert "SIMULATED" in page
    assert "no GPU was measured" in page
    assert "Dilated 50 ×" in page
    assert page.count("<svg") == 6
    assert "src=" not in page
    assert "http-equiv" not in page
    facts = json.loads(path.with_suffix(".json").read_text())
    assert facts["simulated"] is True
    assert facts["one_replica"]["streams"] == 60
    assert [each["is_knee"] for each in facts["trials"]["uploads"]] == [True, False]
    text = path.with_suffix(".md").read_text()
    assert "SIMULATED" in text
    assert "max_ongoing_requests: 2048" in text
    assert "| 500/s | 100 | 100 |" in text
    assert "NaN" not in page
    assert "\n".join(told(results, expected, advice)).count("SIMULATED") == 1


def test_an_engine_that_is_not_the_bottleneck_is_told(results):
    def said(busy_s, num_batches=2):
        work = EngineWork(busy_s, num_batches=num_batches, padded_s=1000)
        knee = results.uploads.confirmed
        knee = replace(knee, engine=work, engine_wall_s=10.0)
        measured = replace(results, uploads=found("uploads", knee, results.uploads.overload))
        lines = told(measured, Expected(), advise(measured, Expected()))
        return next(line for line in lines if "the engine worked" in line)

    assert "NOT the engine" in said(3.0)
    assert "it is what limits" in said(9.5)
    assert "NOT the engine" in said(9.5, num_batches=50)  # always at work, and seldom full
    assert "batches of 50 uploads (50% audio" in said(9.5)


def test_engine_work_is_read_from_the_metrics_of_its_model():
    text = """\
# HELP ray_chorus_model_seconds One run of the model.
ray_chorus_model_seconds_sum{Component="core_worker",model="m",ReplicaId="a"} 2.5
ray_chorus_model_seconds_sum{Component="core_worker",model="m",ReplicaId="b"} 1.0
ray_chorus_model_seconds_sum{Component="core_worker",model="other"} 9.0
ray_chorus_model_seconds_count{model="m"} 7
ray_chorus_batch_padded_seconds_total{model="m"} 40.0
"""
    work = work_in(text, "m")
    assert work == EngineWork(busy_s=3.5, num_batches=7, padded_s=40)
    exact = work.by(SimulatedConfig(fixed_s=0.5, per_audio_s=0.01))
    assert exact.busy_s == pytest.approx(7 * 0.5 + 40 * 0.01)
    assert work_in("", "m") == EngineWork()


def test_nobody_waits_for_more_than_a_trial_has_time_for():
    assert max_wait_s(2.0, full_batch_s=0.05, dilation=1.0) == 2.0
    assert max_wait_s(2.0, full_batch_s=4.0, dilation=90.0) == 32.0
    assert max_wait_s(2.0, full_batch_s=0.0, dilation=1.0) == 2.0


def test_a_simulated_engine_takes_the_place_of_the_files_own(results):
    application = {"args": {}, "deployments": [{"name": "Ingress"}]}
    assert results.served.entries["fastconformer-streaming"]["ray_actor_options"]["num_gpus"] == 0.2
    lay_out(application, results.served)
    models = application["args"]["models"]
    assert [model["kind"] for model in models] == ["simulated", "simulated"]
    assert models[0]["simulated"]["fixed_s"] == pytest.approx(0.7)
    assert models[1]["simulated"]["per_stream_s"] == pytest.approx(240e-6)
    assert models[1]["streaming"]["num_slots"] == 96
    by_name = {each["name"]: each for each in application["deployments"]}
    assert by_name["Ingress"]["num_replicas"] == 2  # 48 streams each
    assert by_name["Preprocessor"]["num_replicas"] == results.served.num_preprocessors
    assert all("num_gpus" not in each["ray_actor_options"] for each in by_name.values())


@pytest.mark.parametrize(("num_cores", "expected"), [(2, 1), (8, 2), (16, 4), (64, 4)])
def test_there_are_as_many_preprocessors_as_the_file_and_the_cores_have_it(num_cores, expected):
    uploads, streams = models_of(CONFIG, None, None)
    # Two ingresses and two models take a core each, a preprocessor takes two; the file has four.
    found = served(CONFIG, uploads, streams, num_cores=num_cores)
    assert found.num_preprocessors == expected


def test_preprocessing_is_named_where_the_engine_does_not_limit(results):
    cpu_s = {"Ingress": 3.0, "Preprocessor": 2.0, "decoders": 4.0}
    work = EngineWork(3.0, num_batches=2, padded_s=1000)
    knee = replace(results.uploads.confirmed, engine=work, engine_wall_s=10.0, cpu_s=cpu_s)
    measured = replace(results, uploads=found("uploads", knee, results.uploads.overload))
    lines = told(measured, Expected(), advise(measured, Expected()))
    line = next(line for line in lines if "NOT the engine" in line)
    assert "preprocessing 0.5, Ingress 0.25 are busy" in line
    assert "1 of `Preprocessor`" in line


@pytest.mark.parametrize(
    ("streams", "peak", "least", "most"), [(0, 2.0, 1, 4), (100, 2.0, 3, 5), (400, 1.0, 9, 9)]
)
def test_the_ingresses_keep_what_the_file_says_of_them(results, streams, peak, least, most):
    advice = advise(results, Expected(streams=streams, peak=peak))
    (ingress,) = [each for each in advice.settings["deployments"] if each["name"] == "Ingress"]
    assert ingress["autoscaling_config"] == {
        "min_replicas": least,
        "max_replicas": most,
        "target_ongoing_requests": 32,
        "upscale_delay_s": 5,
        "downscale_delay_s": 600,
    }


def test_dilation_fits_the_cores():
    assert dilation_for(1553.0, num_cores=2) == 56.0
    assert dilation_for(5.0, num_cores=2) == 1.0
    assert live_dilation_for(64, num_cores=2) == 6.0
    assert live_dilation_for(1000, num_cores=2) == 16.0  # slower speech would be let go
