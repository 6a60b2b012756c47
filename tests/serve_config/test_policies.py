"""Policies that scale a model by what it does not have, and settings that they do not take."""

from typing import Any

import pytest

from serve_app import serve_config
from serve_app.deployments.scaling import AUDIO_POLICY, SLOTS_POLICY
from tests.serve_config.documents import APPLICATION, SIMULATED, changed

OFFLINE, LIVE = f"{APPLICATION}.deployments.2", f"{APPLICATION}.deployments.3"
POLICY = "autoscaling_config.policy"
OWN = "ray.serve.autoscaling_policy:default_autoscaling_policy"


@pytest.mark.parametrize(
    ("deployment", "policy", "place", "said"),
    [
        (OFFLINE, {"policy_function": SLOTS_POLICY}, "policy_function", "weighs recordings"),
        (LIVE, {"policy_function": AUDIO_POLICY}, "policy_function", "not streams"),
        (
            OFFLINE,
            {"policy_function": AUDIO_POLICY, "policy_kwargs": {"target_wait_s": 0}},
            "policy_kwargs",
            "target_wait_s must be above 0",
        ),
        (
            OFFLINE,
            {"policy_function": AUDIO_POLICY, "policy_kwargs": {"target_weight_s": 5}},
            "policy_kwargs",
            "target_weight_s",
        ),
        *(
            (
                OFFLINE,
                {"policy_function": AUDIO_POLICY, "policy_kwargs": {"target_wait_s": value}},
                "policy_kwargs",
                "target_wait_s must be a number",
            )
            for value in (True, float("inf"), "5", None)
        ),
        *(
            (OFFLINE, {"policy_function": named}, "policy_function", "is written")
            for named in (
                SLOTS_POLICY.replace(":", "."),
                "serve_app.deployments.scaling.slots:SlotsPolicy",
                "serve_app.deployments.scaling:__doc__",
            )
        ),
        (
            LIVE,
            {"policy_function": SLOTS_POLICY, "policy_kwargs": {"head_room": 1.5}},
            "policy_kwargs",
            "head_room",
        ),
    ],
)
def test_a_policy_fits_its_model_and_takes_its_settings(
    deployment: str, policy: dict[str, Any], place: str, said: str
) -> None:
    (problem,) = serve_config.check(changed(f"{deployment}.{POLICY}", policy))
    assert problem.place == f"{deployment}.{POLICY}.{place}"
    assert said in problem.reason


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("autoscaling_config", {"max_replicas": 4, "target_ongoing_requests": 8}),
        ("autoscaling_config", {"max_replicas": 4, "policy": {}}),
        ("num_replicas", "auto"),
    ],
)
def test_a_model_for_recordings_is_not_scaled_by_calls_unless_that_is_said(
    setting: str, value: object
) -> None:
    document = changed(f"{OFFLINE}.{setting}", value)
    if setting == "num_replicas":
        del document["applications"][0]["deployments"][2]["autoscaling_config"]
    (problem,) = serve_config.check(document)
    assert problem.place == f"{OFFLINE}.{POLICY}.policy_function"
    assert AUDIO_POLICY in problem.reason


@pytest.mark.parametrize("deployment", [OFFLINE, LIVE])
@pytest.mark.parametrize(
    "setting", ["target_ongoing_requests", "upscaling_factor", "downscaling_factor"]
)
def test_what_only_serves_own_policy_looks_at_is_refused_beside_ours(
    deployment: str, setting: str
) -> None:
    place = f"{deployment}.autoscaling_config.{setting}"
    (problem,) = serve_config.check(changed(place, 2.0))
    assert problem.place == place
    assert "leave it out" in problem.reason


def test_a_model_for_recordings_may_be_scaled_by_a_policy_of_ones_own() -> None:
    scaling = {"max_replicas": 4, "policy": {"policy_function": OWN}}
    assert not list(serve_config.check(changed(f"{OFFLINE}.autoscaling_config", scaling)))


def test_the_servers_own_deployments_are_scaled_by_calls() -> None:
    for index in (0, 1):
        place = f"{APPLICATION}.deployments.{index}"
        document = changed(f"{place}.autoscaling_config", {"max_replicas": 4})
        document["applications"][0]["deployments"][index].pop("num_replicas", None)
        assert not list(serve_config.check(document))


@pytest.mark.parametrize("policy", [AUDIO_POLICY, SLOTS_POLICY])
def test_policies_of_models_are_not_for_the_servers_own_deployments(policy: str) -> None:
    place = f"{APPLICATION}.deployments.1"
    scaling = {"max_replicas": 4, "policy": {"policy_function": policy}}
    document = changed(f"{place}.autoscaling_config", scaling)
    document["applications"][0]["deployments"][1].pop("num_replicas", None)
    (problem,) = serve_config.check(document)
    assert problem.place == f"{place}.{POLICY}.policy_function"
    assert "scales models" in problem.reason


def test_the_shipped_files_scale_recordings_by_audio() -> None:
    simulated = SIMULATED["applications"][0]["deployments"][2]
    assert simulated["autoscaling_config"]["policy"]["policy_function"] == AUDIO_POLICY
