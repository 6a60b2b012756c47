"""What `chorus check` says of a config file: every mistake, each with its place."""

from typing import Any

import pytest

from serve_app import serve_config
from serve_app.config import AuthConfig
from serve_app.serve_config.auth import access_lines
from tests.serve_config.documents import APPLICATION, MODEL, PARAKEET, ROOT, SIMULATED, changed

AUTH = f"{APPLICATION}.args.auth"
JOBS = f"{APPLICATION}.args.jobs"
RUNTIME_ENV = f"{APPLICATION}.runtime_env"
GRPC_LIMIT = serve_config.GRPC_LIMIT
CANARY = {"name": "simulated", "kind": "canary", "checkpoint": "nvidia/canary-1b-v2"}

MISTAKES: list[tuple[str, Any, str]] = [
    ("http_option", {}, "http_option"),
    ("http_options.hots", "x", "http_options.hots"),
    ("http_options.port", "many", "http_options.port"),
    ("logging_config.encodin", "JSON", "logging_config.encodin"),
    ("applications", [], "applications"),
    (f"{APPLICATION}.import_path", "elsewhere:build", f"{APPLICATION}.import_path"),
    (f"{APPLICATION}.arg", {}, f"{APPLICATION}.arg"),
    (f"{JOBS}.database_url", "mysql://x/y", f"{JOBS}.database_url"),
    (f"{JOBS}.database_url", "sqlite+aiosqlite:///:memory:", f"{JOBS}.database_url"),
    (f"{JOBS}.callback_secret_file", "nowhere", f"{JOBS}.callback_secret_file"),
    (f"{JOBS}.lease_s", 1, f"{JOBS}.lease_s"),
    (f"{JOBS}.max_filse", 1, f"{JOBS}.max_filse"),
    (f"{APPLICATION}.args.models.0.name", "Jobs", f"{APPLICATION}.args.models.0.name"),
    (f"{APPLICATION}.args.models", [], f"{APPLICATION}.args.models"),
    (f"{APPLICATION}.args.modles", [], f"{APPLICATION}.args.modles"),
    (f"{APPLICATION}.args.models.0.kind", "whisper", f"{APPLICATION}.args.models.0.kind"),
    (f"{APPLICATION}.args.models.0.kind", "parakeet", f"{APPLICATION}.args.models.0"),
    (f"{APPLICATION}.args.models.0.name", "a b", f"{APPLICATION}.args.models.0.name"),
    (f"{APPLICATION}.args.models.0.batch", {"size": 4}, f"{APPLICATION}.args.models.0.batch.size"),
    (f"{APPLICATION}.args.models.0.max_chunk_s", 600, f"{APPLICATION}.args.models.0.max_chunk_s"),
    (f"{APPLICATION}.args.models.1", {"name": "simulated", "kind": "simulated"}, "two models"),
    (f"{APPLICATION}.args.default_model", "nobody", f"{APPLICATION}.args.default_model"),
    (
        f"{APPLICATION}.args.models.1",
        {"name": "lost", "kind": "parakeet", "checkpoint": "nowhere.nemo"},
        f"{APPLICATION}.args.models.1.checkpoint",
    ),
    (f"{APPLICATION}.args.limits", {"max_audio_s": -1}, f"{APPLICATION}.args.limits.max_audio_s"),
    (f"{APPLICATION}.args.limits", {"max_upload_bytes": 2**27}, GRPC_LIMIT),
    (
        f"{APPLICATION}.args.preprocessor",
        {"profanity_file": "nowhere.txt"},
        f"{APPLICATION}.args.preprocessor.profanity_file",
    ),
    (f"{APPLICATION}.runtime_env.env_vars", {}, GRPC_LIMIT),
    (f"{APPLICATION}.runtime_env.env_vars", {GRPC_LIMIT: "much"}, GRPC_LIMIT),
    (f"{APPLICATION}.deployments.0.name", "Ingres", f"{APPLICATION}.deployments.0.name"),
    (
        f"{APPLICATION}.deployments.0.max_ongoing_requests",
        1024,
        f"{APPLICATION}.deployments.0.max_ongoing_requests",
    ),
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
    ("applications", ["x"], "applications.0"),
    ("applications", "x", "applications"),
    (f"{APPLICATION}.args", "x", f"{APPLICATION}.args"),
    (f"{APPLICATION}.deployments", "x", f"{APPLICATION}.deployments"),
    (f"{APPLICATION}.deployments", ["x"], f"{APPLICATION}.deployments.0"),
    (f"{APPLICATION}.deployments", {"name": "Ingress"}, f"{APPLICATION}.deployments"),
    (f"{APPLICATION}.deployments.1.name", "Ingress", f"{APPLICATION}.deployments.1.name"),
    *((f"{APPLICATION}.deployments.2.user_config", value, "user_config") for value in ("x", [1])),
    *(
        (f"{APPLICATION}.deployments.{index}.user_config", {}, f"deployments.{index}.user_config")
        for index in (0, 1)
    ),
    *(("http_options.port", port, "http_options.port") for port in (-1, 0, 65536)),
    *(
        (f"{APPLICATION}.route_prefix", prefix, f"{APPLICATION}.route_prefix")
        for prefix in ("v1", "", "/v1/", "/{x}", None)
    ),
    (RUNTIME_ENV, [], RUNTIME_ENV),
    (f"{RUNTIME_ENV}.env_var", {}, f"{RUNTIME_ENV}.env_var"),
    (f"{RUNTIME_ENV}.env_vars", [], f"{RUNTIME_ENV}.env_vars"),
    (f"{RUNTIME_ENV}.env_vars.{GRPC_LIMIT}", 2**27, GRPC_LIMIT),
    (f"{RUNTIME_ENV}.env_vars.N", 1, f"{RUNTIME_ENV}.env_vars.N"),
    (
        f"{APPLICATION}.deployments.0.ray_actor_options.runtime_env",
        {"env": {}},
        f"{APPLICATION}.deployments.0.ray_actor_options.runtime_env.env",
    ),
    *((f"{MODEL}.name", name, f"{MODEL}.name") for name in ("Ingress", "Preprocessor")),
    (f"{MODEL}.name", "whisper-1", f"{MODEL}.name"),
    (f"{MODEL}.aliases", ["a", "whisper-1"], f"{MODEL}.aliases.1"),
    *((f"{MODEL}.aliases", [alias], f"{MODEL}.aliases.0") for alias in ("", "  ")),
    (f"{MODEL}.languages", [], f"{MODEL}.languages"),
    (f"{MODEL}.languages", ["en", "en"], f"{MODEL}.languages"),
    *(
        (f"{MODEL}.languages", ["en", code], f"{MODEL}.languages.1")
        for code in ("en-US", "EN", "English", "", False)
    ),
    (f"{MODEL}.max_chunk_s", True, f"{MODEL}.max_chunk_s"),
    (f"{MODEL}.num_threads", True, f"{MODEL}.num_threads"),
    (f"{MODEL}.cuda_graphs", 1, f"{MODEL}.cuda_graphs"),
    *(
        (f"{APPLICATION}.args.limits", {"request_timeout_s": value}, "limits.request_timeout_s")
        for value in (float("inf"), float("nan"))
    ),
    (f"{APPLICATION}.args.metrics_port", 8000, f"{APPLICATION}.args.metrics_port"),
    *(
        (f"{APPLICATION}.args.cors_origins", ["*", origin], f"{APPLICATION}.args.cors_origins.1")
        for origin in ("a.example", "https://a.example/", "https://A.example", "", "http://a:b")
    ),
    (MODEL, PARAKEET | {"checkpoint": "a/b", "simulated": {"fixed_s": 1}}, f"{MODEL}"),
    (MODEL, PARAKEET | {"checkpoint": "a/b", "beam_size": 4}, f"{MODEL}: `beam_size`"),
    (MODEL, PARAKEET | {"checkpoint": "a/b", "fallback_language": "en"}, f"{MODEL}: `fallback_"),
    (MODEL, CANARY | {"languages": ["en", "zh"]}, f"{MODEL}: languages: canary-1b-v2 does not"),
    (f"{MODEL}.precision", "bfloat16", f"{MODEL}: `precision` has no meaning"),
    (f"{MODEL}.pivot_language", "de", f"{MODEL}: pivot_language 'de' is not among"),
    *(
        (MODEL, PARAKEET | {"checkpoint": checkpoint}, f"{MODEL}.checkpoint")
        for checkpoint in (
            "tiny/samples",
            "tiny/release.py",
            "README.md",
            "nvida",
            "a/b/c",
            "/",
            " ",
        )
    ),
    (MODEL, PARAKEET | {"checkpoint": f"{'x' * 5000}.nemo"}, f"{MODEL}.checkpoint"),
    (f"{MODEL}.name", "Ledger", f"{MODEL}.name"),
    (f"{APPLICATION}.deployments.0.name", "Ledger", f"{APPLICATION}.deployments.0.name"),
    *(
        (AUTH, value, f"{AUTH}.{place}")
        for value, place in (
            ({"keys_file": "nowhere.yaml"}, "keys_file"),
            ({"keys_file": "README.md"}, "keys_file"),
            ({"keys_file": "configs/tiny.yaml"}, "keys_file"),
            ({"keys_file": ""}, "keys_file"),
            ({"key_file": "x"}, "key_file"),
            ({"secret_file": "nowhere"}, "secret_file"),
            ({"secret_file": ".gitignore"}, "secret_file"),
            ({"audit": 1}, "audit"),
        )
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


GOOD: list[tuple[str, Any]] = [
    (f"{APPLICATION}.deployments", []),
    (f"{APPLICATION}.route_prefix", "/speech"),
    (f"{APPLICATION}.deployments.2.user_config", {}),
    (f"{APPLICATION}.args.cors_origins", ["*", "http://localhost:3000", "https://[::1]:8443"]),
    (f"{MODEL}.languages", ["en", "yue"]),
    (f"{MODEL}.aliases", ["nvidia/parakeet"]),
    (MODEL, PARAKEET | {"checkpoint": "nvidia/parakeet-tdt_ctc-1.1b", "simulated": {}}),
    (MODEL, CANARY | {"languages": ["de"]}),
    (f"{RUNTIME_ENV}.pip", ["numpy"]),
    (AUTH, {"keys_file": "configs/keys/keys.yaml", "audit": True, "metrics_need_key": False}),
]


@pytest.mark.parametrize(("path", "value"), GOOD, ids=[good[0] for good in GOOD])
def test_what_can_work_is_good(path: str, value: Any) -> None:
    assert list(serve_config.check(changed(path, value))) == []


@pytest.mark.parametrize("name", ["simulated", "one_gpu", "multi_gpu", "tiny"])
def test_the_configs_of_the_repository_are_good(name: str) -> None:
    assert serve_config.load(ROOT / f"configs/{name}.yaml").applications


def with_ledger(**options: Any) -> dict[str, Any]:
    document = changed(AUTH, {"keys_file": "configs/keys/keys.yaml"})
    document["applications"][0]["deployments"].append({"name": "Ledger", **options})
    return document


def test_the_ledger_is_one_or_it_would_not_count() -> None:
    place = f"{APPLICATION}.deployments.{len(SIMULATED['applications'][0]['deployments'])}"
    assert not list(serve_config.check(with_ledger(ray_actor_options={"num_cpus": 0.1})))
    for options in ({"num_replicas": 2}, {"autoscaling_config": {"max_replicas": 2}}):
        (problem,) = serve_config.check(with_ledger(**options))
        assert problem.place == f"{place}.{next(iter(options))}"


LIVE = f"{APPLICATION}.deployments.3"
ROUTER = "ray.serve.experimental.consistent_hash_router.ConsistentHashRouter"


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("user_config", {"batch": {}}, "no live settings"),
        ("request_router_config", {"request_router_class": ROUTER}, "leave it out"),
        ("max_ongoing_requests", 1, "2 calls of each ingress"),
        ("graceful_shutdown_timeout_s", 20, "max_segment_s, 30"),
        ("autoscaling_config", {"max_replicas": 2}, "counts calls, not streams"),
    ],
)
def test_a_streaming_model_has_only_options_that_keep_its_streams(
    option: str, value: Any, said: str
) -> None:
    assert SIMULATED["applications"][0]["deployments"][3]["name"] == "simulated-live"
    (problem,) = serve_config.check(changed(f"{LIVE}.{option}", value))
    assert problem.place.startswith(f"{LIVE}.{option}")
    assert said in problem.reason


def test_streaming_models_may_be_all_that_is_served() -> None:
    document = changed(f"{APPLICATION}.args.models", SIMULATED_LIVE)
    del document["applications"][0]["deployments"][2]
    assert not list(serve_config.check(document))


SIMULATED_LIVE = SIMULATED["applications"][0]["args"]["models"][1:]


@pytest.mark.parametrize(
    ("auth", "host", "said"),
    [
        ({}, "127.0.0.1", ""),
        ({}, "0.0.0.0", "anybody who reaches 0.0.0.0"),
        ({"keys_file": "configs/keys/keys.yaml"}, "0.0.0.0", "nobody has an API key yet"),
    ],
)
def test_an_operator_is_told_who_may_ask(auth: dict[str, str], host: str, said: str) -> None:
    lines = list(access_lines(AuthConfig.model_validate(auth), host))
    assert len(lines) == bool(said)
    assert said in "".join(lines)
