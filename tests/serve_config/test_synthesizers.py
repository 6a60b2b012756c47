"""Synthesizers: what their entries may say, and what goes with them; each mistake by its place."""

from typing import Any

import pytest

from serve_app import serve_config
from serve_app.deployments.scaling import AUDIO_POLICY, SLOTS_POLICY
from tests.serve_config.documents import APPLICATION, SIMULATED, changed

HUM = {"name": "hum", "kind": "simulated"}
SYNTHESIZER = f"{APPLICATION}.args.synthesizers"
DEPLOYMENTS = SIMULATED["applications"][0]["deployments"]
PLACE = f"{APPLICATION}.deployments.{len(DEPLOYMENTS)}"


def said_of(synthesizers: list[dict[str, Any]], *deployments: dict[str, Any]) -> list[str]:
    document = changed(SYNTHESIZER, synthesizers)
    document["applications"][0]["deployments"] += deployments
    return [str(problem) for problem in serve_config.check(document)]


def test_a_synthesizer_is_a_deployment_and_may_be_scaled_by_calls() -> None:
    scaling = {"min_replicas": 1, "max_replicas": 4, "target_ongoing_requests": 8}
    assert said_of([HUM]) == []
    assert said_of([HUM], {"name": "hum", "num_replicas": 2}) == []
    assert said_of([HUM], {"name": "hum", "autoscaling_config": scaling}) == []


@pytest.mark.parametrize(
    ("entry", "place", "reason"),
    [
        ({**HUM, "name": "Ingress"}, "0.name", "Ingress is a deployment of the server's own"),
        ({**HUM, "name": "tts-1"}, "0.name", "tts-1 is OpenAI's"),
        ({**HUM, "name": "whisper-1"}, "0.name", "whisper-1 is OpenAI's"),
        ({**HUM, "kind": "festival"}, "0.kind", "'espeak', 'silero' or 'simulated'"),
        ({**HUM, "max_sentence_chars": 5}, "0.max_sentence_chars", "greater than or equal to 40"),
        ({**HUM, "voice": {}}, "0.voice", ""),
        (
            {
                "name": "silero",
                "kind": "silero",
                "checkpoint": "no/such/file.pt",
                "sha256": "0" * 64,
                "voices": {"ru": [{"name": "baya", "speaker": "baya"}]},
            },
            "0.checkpoint",
            "there is no file",
        ),
    ],
)
def test_mistakes_are_named_by_their_place(entry: dict[str, Any], place: str, reason: str) -> None:
    (problem,) = said_of([entry])
    assert problem.startswith(f"{SYNTHESIZER}.{place}: ")
    assert reason in problem


def test_a_name_is_given_once() -> None:
    (problem,) = said_of([{**HUM, "name": "simulated"}])
    assert "'simulated' is given twice" in problem
    (problem,) = said_of([HUM, HUM])
    assert "'hum' is given twice" in problem


@pytest.mark.parametrize(
    ("entry", "place"),
    [
        ({"user_config": {"batch": {}}}, "user_config"),
        *(
            (
                {"autoscaling_config": {"policy": {"policy_function": policy}}},
                "autoscaling_config.policy.policy_function",
            )
            for policy in (AUDIO_POLICY, SLOTS_POLICY)
        ),
    ],
)
def test_what_means_nothing_to_it_is_an_error(entry: dict[str, Any], place: str) -> None:
    (problem,) = said_of([HUM], {"name": "hum", **entry})
    assert problem.startswith(f"{PLACE}.{place}: ")


def test_a_default_voice_must_be_there() -> None:
    document = changed(SYNTHESIZER, [HUM])
    document["applications"][0]["args"]["default_voice"] = "zoe"
    (problem,) = (str(each) for each in serve_config.check(document))
    assert "'zoe' is no voice" in problem
