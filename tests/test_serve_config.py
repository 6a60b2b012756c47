"""What `chorus check` says of a config file: every mistake, each with its place."""

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from serve_app import serve_config
from serve_app.config import ENVIRONMENT, ServerConfig, with_environment
from serve_app.errors import ConfigError

ROOT = Path(__file__).parents[1]
SIMULATED = yaml.safe_load((ROOT / "configs/simulated.yaml").read_text())
APPLICATION = "applications.0"
GRPC_LIMIT = serve_config.GRPC_LIMIT


def changed(path: str, value: Any) -> dict[str, Any]:
    """The simulated config with one value set; a path such as `applications.0.name`."""
    document: Any = copy.deepcopy(SIMULATED)
    node = document
    *parents, last = (int(key) if key.isdecimal() else key for key in path.split("."))
    for key in parents:
        node = node[key]
    if isinstance(node, list) and last == len(node):
        node.append(value)
    else:
        node[last] = value
    return dict(document)


MISTAKES: list[tuple[str, Any, str]] = [
    ("http_option", {}, "http_option"),
    ("http_options.hots", "x", "http_options.hots"),
    ("http_options.port", "many", "http_options.port"),
    ("logging_config.encodin", "JSON", "logging_config.encodin"),
    ("applications", [], "applications"),
    (f"{APPLICATION}.import_path", "elsewhere:build", f"{APPLICATION}.import_path"),
    (f"{APPLICATION}.arg", {}, f"{APPLICATION}.arg"),
    (f"{APPLICATION}.args.models", [], f"{APPLICATION}.args.models"),
    (f"{APPLICATION}.args.modles", [], f"{APPLICATION}.args.modles"),
    (f"{APPLICATION}.args.models.0.kind", "whisper", f"{APPLICATION}.args.models.0.kind"),
    (f"{APPLICATION}.args.models.0.kind", "parakeet", f"{APPLICATION}.args.models.0"),
    (f"{APPLICATION}.args.models.0.name", "a b", f"{APPLICATION}.args.models.0.name"),
    (f"{APPLICATION}.args.models.0.batch", {"size": 4}, f"{APPLICATION}.args.models.0.batch.size"),
    (f"{APPLICATION}.args.models.0.max_chunk_s", 600, f"{APPLICATION}.args.models.0.max_chunk_s"),
    (f"{APPLICATION}.args.models.1", {"name": "simulated", "kind": "simulated"}, "two models"),
    (f"{APPLICATION}.args.default_model", "nobody", "nobody"),
    (
        f"{APPLICATION}.args.models.1",
        {"name": "lost", "kind": "parakeet", "checkpoint": "nowhere.nemo"},
        "nowhere.nemo",
    ),
    (f"{APPLICATION}.args.limits", {"max_audio_s": -1}, f"{APPLICATION}.args.limits.max_audio_s"),
    (f"{APPLICATION}.args.limits", {"max_upload_bytes": 2**27}, GRPC_LIMIT),
    (f"{APPLICATION}.runtime_env.env_vars", {}, GRPC_LIMIT),
    (f"{APPLICATION}.runtime_env.env_vars", {GRPC_LIMIT: "much"}, GRPC_LIMIT),
    (f"{APPLICATION}.deployments.0.name", "Ingres", f"{APPLICATION}.deployments.0.name"),
    (f"{APPLICATION}.deployments.0.replicas", 2, f"{APPLICATION}.deployments.0.replicas"),
    (
        f"{APPLICATION}.deployments.0.ray_actor_options",
        {"num_cpu": 1},
        f"{APPLICATION}.deployments.0.ray_actor_options.num_cpu",
    ),
    (
        f"{APPLICATION}.deployments.2.autoscaling_config",
        {"min_replica": 1},
        f"{APPLICATION}.deployments.2.autoscaling_config.min_replica",
    ),
    (
        f"{APPLICATION}.deployments.2.autoscaling_config",
        {"min_replicas": 3, "max_replicas": 2},
        f"{APPLICATION}.deployments.2.autoscaling_config",
    ),
    (
        f"{APPLICATION}.deployments.2.user_config",
        {"batch": {"max_batch_size": 0}},
        f"{APPLICATION}.deployments.2.user_config.batch.max_batch_size",
    ),
    (
        f"{APPLICATION}.deployments.2.user_config",
        {"batches": {}},
        f"{APPLICATION}.deployments.2.user_config.batches",
    ),
]


@pytest.mark.parametrize(("path", "value", "place"), MISTAKES, ids=[m[0] for m in MISTAKES])
def test_a_mistake_is_named_with_its_place(path: str, value: Any, place: str) -> None:
    problems = [str(problem) for problem in serve_config.check(changed(path, value))]
    assert any(place in problem for problem in problems), problems


def test_a_misspelt_key_is_told_what_was_meant() -> None:
    document = changed(f"{APPLICATION}.deployments.0.max_ongoing_request", 3)
    (problem,) = serve_config.check(document)
    assert "'max_ongoing_requests'" in str(problem)


@pytest.mark.parametrize("name", ["simulated", "one_gpu", "multi_gpu", "tiny"])
def test_the_configs_of_the_repository_are_good(name: str) -> None:
    assert serve_config.load(ROOT / f"configs/{name}.yaml").applications


@pytest.mark.parametrize("text", ["", "- 1", "a: [", "a: 1\na: 2", "!!python/object:os.x {}"])
def test_what_is_no_config_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"config\.yaml"):
        serve_config.load(path)
    with pytest.raises(ConfigError, match="cannot be read"):
        serve_config.load(tmp_path)


def test_every_environment_variable_sets_its_setting() -> None:
    config = ServerConfig.model_validate(SIMULATED["applications"][0]["args"])
    values = dict.fromkeys(ENVIRONMENT, "7")
    values |= {"CHORUS_DEFAULT_MODEL": "parakeet", "CHORUS_CORS_ORIGINS": "http://a,http://b"}
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
