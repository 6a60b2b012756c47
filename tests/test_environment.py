"""What the environment sets, and what `chorus check` says of the environment."""

from pathlib import Path

import pytest
import yaml

from serve_app import serve_config
from serve_app.config import ServerConfig
from serve_app.environment import ENVIRONMENT, with_environment

ROOT = Path(__file__).parents[1]
SIMULATED = yaml.safe_load((ROOT / "configs/simulated.yaml").read_text())
GRPC_PLACE = f"applications.0.runtime_env.env_vars.{serve_config.GRPC_LIMIT}"

VARIABLES: list[tuple[str, str, str]] = [
    ("CHORUS_MAX_AUDIO_S", "long", "CHORUS_MAX_AUDIO_S: Input should be a valid number"),
    ("CHORUS_MAX_AUDIO_S", "-1", "CHORUS_MAX_AUDIO_S: Input should be greater than 0"),
    ("CHORUS_MAX_AUDIO_S", "inf", "CHORUS_MAX_AUDIO_S: Input should be a finite number"),
    ("CHORUS_DEFAULT_MODEL", "nobody", "CHORUS_DEFAULT_MODEL: 'nobody' is no served model"),
    ("CHORUS_CORS_ORIGINS", "a.example", "CHORUS_CORS_ORIGINS: 'a.example' is no origin"),
    ("CHORUS_METRICS_PORT", "8000", "CHORUS_METRICS_PORT: "),
    ("CHORUS_KEYS_FILE", "nowhere.yaml", "applications.0.args.auth.keys_file: "),
    ("CHORUS_SIGNING_SECRET", "short", "CHORUS_SIGNING_SECRET: needs a secret of at least 32"),
    ("CHORUS_MAX_UPLOAD_BYTES", str(2**30), f"{GRPC_PLACE}: "),
    ("CHORUS_MAX_AUDIOS", "1", "CHORUS_MAX_AUDIOS: is no setting; 'CHORUS_MAX_AUDIO_S' is one"),
    ("CHORUS_PORT", "9000", "CHORUS_PORT: is no setting"),
]


@pytest.mark.parametrize(("variable", "value", "problem"), VARIABLES)
def test_a_mistake_in_the_environment_is_named_by_its_variable(
    variable: str, value: str, problem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    (found,) = map(str, serve_config.check(SIMULATED))
    assert found.startswith(problem)
    assert "pydantic" not in found


def test_every_mistake_in_the_environment_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("CHORUS_NUM_DECODERS", "CHORUS_UPLOAD_TIMEOUT_S", "CHORUS_NUM_DECODER"):
        monkeypatch.setenv(variable, "many")
    found = {problem.place for problem in serve_config.check(SIMULATED)}
    assert found == {"CHORUS_NUM_DECODERS", "CHORUS_UPLOAD_TIMEOUT_S", "CHORUS_NUM_DECODER"}


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("CHORUS_URL", "http://a"),
        ("CHORUS_API_KEY", "x"),
        ("CHORUS_SIGNING_SECRET", "x" * 32),
        ("CHORUS_CALLBACK_SECRET", "whsec_" + "c2VjcmV0" * 4),
        ("CHORUS_KEYS_FILE", "configs/keys/keys.yaml"),
        ("CHORUS_CORS_ORIGINS", " http://a , http://b "),
        # what Kubernetes tells every container of a service named chorus
        ("CHORUS_SERVICE_HOST", "10.0.0.1"),
        ("CHORUS_SERVICE_PORT_HTTP", "8000"),
        ("CHORUS_PORT", "tcp://10.0.0.1:8000"),
        ("CHORUS_HEAD_PORT_8000_TCP", "tcp://10.0.0.1:8000"),
        ("CHORUS_HEAD_PORT_8000_TCP_ADDR", "10.0.0.1"),
    ],
)
def test_other_variables_are_left_alone(
    variable: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    assert list(serve_config.check(SIMULATED)) == []


def test_every_environment_variable_sets_its_setting() -> None:
    config = ServerConfig.model_validate(SIMULATED["applications"][0]["args"])
    values = dict.fromkeys(ENVIRONMENT, "7")
    values |= {"CHORUS_DEFAULT_MODEL": "parakeet", "CHORUS_CORS_ORIGINS": "http://a, http://b,"}
    tree = with_environment(config, values).model_dump()
    for name, path in ENVIRONMENT.items():
        node = tree
        for key in path:
            node = node[key]
        if name == "CHORUS_CORS_ORIGINS":
            assert node == ("http://a", "http://b")
        else:
            assert str(node).removesuffix(".0") == values[name]


def test_the_environment_is_documented() -> None:
    example, page = (
        (ROOT / ".env.example").read_text(),
        (ROOT / "docs/configuration.md").read_text(),
    )
    for name in ENVIRONMENT:
        assert f"{name}=" in example
        assert f"`{name}`" in page
