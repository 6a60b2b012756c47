"""Models that tell speakers apart: what their entries may say, and what goes with them."""

from typing import Any

import pytest
from pydantic import ValidationError

from serve_app import serve_config
from serve_app.config import ModelConfig, ServerConfig
from tests.serve_config.documents import APPLICATION, SIMULATED, changed

OFFLINE = {"name": "offline", "kind": "simulated"}
LIVE = {"name": "live", "kind": "simulated", "streaming": {}}
REAL = {"name": "real", "kind": "parakeet", "checkpoint": "nvidia/parakeet-tdt-0.6b-v2"}
SPEAKERS = {"name": "speakers", "kind": "sortformer", "checkpoint": "speakers.nemo"}
PRETENDERS = {"name": "pretenders", "kind": "simulated", "diarization": {"max_recordings": 8}}
DEPLOYMENTS = SIMULATED["applications"][0]["deployments"]
PLACE = f"{APPLICATION}.deployments.{len(DEPLOYMENTS)}"


def test_those_who_tell_speakers_apart_are_no_models_for_recordings() -> None:
    config = ServerConfig.model_validate({"models": [PRETENDERS, OFFLINE, LIVE]})
    assert [model.name for model in config.diarizers] == ["pretenders"]
    assert [model.name for model in config.offline_models] == ["offline"]
    assert [model.name for model in config.streaming_models] == ["live"]
    assert config.diarizers[0].tasks == ()
    assert ModelConfig.model_validate(SPEAKERS).is_diarizer
    with pytest.raises(ValidationError, match="no served model for recordings"):
        ServerConfig.model_validate(
            {"models": [PRETENDERS, OFFLINE], "default_model": "pretenders"}
        )


@pytest.mark.parametrize(
    ("models", "said"),
    [
        ([SPEAKERS], "no model here transcribes recordings"),
        ([SPEAKERS, LIVE], "no model here transcribes recordings"),
        ([PRETENDERS, REAL], "pretenders makes its speakers up; real would not say so"),
    ],
)
def test_they_need_company_that_goes_with_them(models: list[dict[str, Any]], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        ServerConfig.model_validate({"models": models})


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({**SPEAKERS, "checkpoint": None}, "needs a checkpoint"),
        ({**SPEAKERS, "languages": ["de"]}, "`languages` has no meaning"),
        ({**SPEAKERS, "streaming": {}}, "`streaming` has no meaning"),
        ({**SPEAKERS, "precision": "bfloat16"}, "`precision` has no meaning"),
        ({**SPEAKERS, "diarization": {"onset": 0.3}}, "`offset` is above `onset`"),
        ({**SPEAKERS, "diarization": {"min_turn_s": 2}}, "less than or equal to 1"),
        ({**PRETENDERS, "streaming": {}}, "`streaming` has no meaning"),
        ({**REAL, "diarization": {}}, "`diarization` has no meaning"),
    ],
)
def test_what_they_have_no_use_for_is_an_error(entry: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        ModelConfig.model_validate(entry)


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({}, None),
        ({"num_replicas": 2, "max_ongoing_requests": 16}, None),
        ({"max_ongoing_requests": 15}, "max_ongoing_requests"),
        ({"user_config": {"batch": {}}}, "user_config"),
        ({"request_router_config": {}}, "request_router_config"),
    ],
)
def test_their_deployments_have_only_options_that_lose_no_recording(
    options: dict[str, Any], problem: str | None
) -> None:
    document = changed(f"{APPLICATION}.args.models.2", PRETENDERS)
    document["applications"][0]["deployments"].append({"name": "pretenders", **options})
    found = [error.place for error in serve_config.check(document)]
    assert found == ([f"{PLACE}.{problem}"] if problem else [])
