"""The image, what composes containers of it, and the service of a machine without containers."""

import json
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

from tests.k8s.manifests import ROOT, Manifest

_BIN = ROOT / ".venv" / "bin"
_PROFILES = {
    "tiny": {"tiny"},
    "gpu": {"gpu"},
    "postgres": {"postgres"},
    "tracing": {"jaeger"},
}


def _tool(name: str) -> str:
    found = shutil.which(name, path=str(_BIN)) or shutil.which(name)
    if found is None:
        pytest.skip(f"no {name}")
    return found


def _run(*command: str, env: dict[str, str] | None = None) -> str:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, env=env)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_dockerfile_has_no_lint() -> None:
    assert _run(_tool("hadolint"), "--failure-threshold", "style", "Dockerfile") == ""


def _variables(name: str) -> dict[str, str]:
    lines = (ROOT / "configs" / name).read_text().splitlines()
    pairs = (line.partition("=") for line in lines if line and not line.startswith("#"))
    return {name: value for name, _, value in pairs}


def _dockerfile() -> str:
    return (ROOT / "Dockerfile").read_text()


def test_the_image_sets_what_every_ray_process_must_find() -> None:
    set_there = dict(re.findall(r"(RAY_\w+)=(\S+)", _dockerfile()))
    assert set_there == _variables("ray.env") | _variables("cluster.env")


def test_the_image_is_of_a_python_that_the_project_takes() -> None:
    version = re.search(r"ARG PYTHON_VERSION=(\S+)", _dockerfile())
    assert version is not None
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["requires-python"] == ">=3.11.4,<3.13"
    assert version[1] in {"3.11", "3.12"}


def test_the_image_brings_what_a_cluster_keeps_jobs_in_and_the_versions_are_pinned() -> None:
    """PostgreSQL and S3: what else an `audio_url` or a `database_url` of the examples asks for."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    (brought,) = re.findall(r"for extra in \(([^)]*)\)", _dockerfile())
    assert set(re.findall(r"\w+", brought)) == {"postgres", "s3"} <= set(extras)
    pins = (ROOT / "constraints.txt").read_text().splitlines()
    assert {*extras["postgres"], *extras["s3"]} <= set(pins)


def test_only_the_image_for_gpus_asks_for_gpus() -> None:
    parts = re.split(r"^FROM \S+ AS ", _dockerfile(), flags=re.MULTILINE)
    stages = {part.split()[0]: part for part in parts}
    shown = {
        name: found
        for name, part in stages.items()
        if (found := re.findall(r"NVIDIA_VISIBLE_DEVICES=(\w+)", part))
    }
    assert shown == {"cpu": ["void"], "cuda": ["all"]}


def test_what_the_server_needs_is_not_left_out_of_the_build() -> None:
    """Each path that configs and code name, by the rules of `.dockerignore`; and no secret."""
    rules = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line]
    rules = [line for line in rules if not line.startswith("#")]
    assert rules[0] == "*"
    kept = [rule[1:] for rule in rules if rule.startswith("!")]
    needed = {"serve_app", "configs", "tiny/weights", "pyproject.toml", "constraints.txt"}
    assert needed <= set(kept)
    assert all((ROOT / path).exists() for path in kept)
    assert "configs/keys" in rules


def _composed(*profiles: str, **environment: str) -> Manifest:
    chosen = [argument for profile in profiles for argument in ("--profile", profile)]
    command = [_tool("docker-compose"), "--env-file", "/dev/null", *chosen]
    env = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent"} | environment
    composed: Manifest = json.loads(_run(*command, "config", "--format", "json", env=env))
    return composed


@pytest.mark.parametrize(("profile", "services"), _PROFILES.items())
def test_a_profile_is_what_it_says(profile: str, services: set[str]) -> None:
    assert set(_composed(profile)["services"]) == services


@pytest.mark.parametrize("profile", ["tiny", "gpu"])
def test_a_server_of_compose_is_confined_and_ends_in_peace(profile: str) -> None:
    server = _composed(profile)["services"][profile]
    assert server["read_only"] is True
    assert server["cap_drop"] == ["ALL"]
    assert server["user"] == "1000:1000"
    assert server["stop_grace_period"] == "1m30s"
    assert server["ports"][0]["host_ip"] == "127.0.0.1"
    written = {volume["target"] for volume in server["volumes"] if not volume.get("read_only")}
    assert {"/tmp", "/opt/chorus/.chorus"} <= written


def test_composed_servers_trace_and_keep_jobs_where_the_environment_says() -> None:
    url = "postgresql+asyncpg://chorus:secret@postgres/chorus"
    composed = _composed(
        "tiny",
        "postgres",
        "tracing",
        CHORUS_DATABASE_URL=url,
        POSTGRES_PASSWORD="secret",
        OTEL_EXPORTER_OTLP_ENDPOINT="http://jaeger:4318",
    )
    environment = composed["services"]["tiny"]["environment"]
    assert environment["CHORUS_DATABASE_URL"] == url
    assert environment["OTEL_EXPORTER_OTLP_ENDPOINT"] == "http://jaeger:4318"
    assert set(composed["services"]) == {"tiny", "postgres", "jaeger"}


def test_every_setting_of_the_example_reaches_a_composed_server() -> None:
    """But where the image or a volume settles it, or a client alone reads it."""
    named = set(re.findall(r"^#(\w+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
    named -= {"HF_HOME", "CHORUS_URL", "CHORUS_API_KEY"}
    composed = _composed("tiny", "gpu", **dict.fromkeys(named, "set"))["services"]
    reached = {
        service: {
            name for name, value in composed[service]["environment"].items() if value == "set"
        }
        for service in ("tiny", "gpu")
    }
    assert reached == {"tiny": named - {"HF_TOKEN"}, "gpu": named}


def test_a_setting_that_nobody_made_is_not_set_in_a_composed_server() -> None:
    """Some would be taken at their word, empty as they are."""
    environment = _composed("tiny")["services"]["tiny"]["environment"]
    assert environment.pop("OTEL_SERVICE_NAME") == "chorus"
    assert not [name for name, value in environment.items() if value is not None]


def test_compose_builds_targets_that_the_dockerfile_has() -> None:
    targets = set(re.findall(r"^FROM \S+ AS (\S+)", _dockerfile(), re.MULTILINE))
    services = _composed("tiny", "gpu")["services"].values()
    assert {service["build"]["target"] for service in services} <= targets


_SYSTEMD = 247
"""The first that knows all that the unit asks for (`ProtectProc=`)."""
_PLAIN = "[Service]\nExecStart=/bin/true\n"


def _verified(analyze: str, path: Path, unit: str) -> subprocess.CompletedProcess[str]:
    path.write_text(unit)
    command = [analyze, "verify", "--man=no", str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def _verifier(folder: Path) -> str:
    """A `systemd-analyze` that is not too old for the unit, and may do its work here: in a
    container it may not."""
    analyze = _tool("systemd-analyze")
    said = subprocess.run([analyze, "--version"], capture_output=True, text=True, check=False)
    version = re.match(r"systemd (\d+)", said.stdout)
    if version is None or int(version[1]) < _SYSTEMD:
        pytest.skip(f"no systemd {_SYSTEMD}")
    plain = _verified(analyze, folder / "plain.service", _PLAIN)
    if plain.returncode != 0:
        pytest.skip(f"systemd-analyze takes no unit here: {plain.stderr.strip()}")
    return analyze


def test_the_service_is_one_that_systemd_takes(tmp_path: Path) -> None:
    """With a command that is there: the real one is where it is installed."""
    analyze = _verifier(tmp_path)
    unit = (ROOT / "systemd" / "chorus.service").read_text()
    unit = unit.replace("/opt/chorus/.venv/bin/chorus", "/bin/true")
    done = _verified(analyze, tmp_path / "chorus.service", unit)
    assert not [line for line in done.stderr.splitlines() if "chorus.service" in line]
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "script", ["echo systemd 245", "exit 1", 'echo systemd 252; test "$1" = --version']
)
def test_a_systemd_that_cannot_tell_is_not_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str
) -> None:
    stand_in = tmp_path / "systemd-analyze"
    stand_in.write_text(f"#!/bin/sh\n{script}\n")
    stand_in.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    with pytest.raises(pytest.skip.Exception):
        _verifier(tmp_path)


def test_the_service_has_time_to_finish_what_is_under_way() -> None:
    from serve_app.ingress.deployment import DRAIN_TIMEOUT_S

    unit = (ROOT / "systemd" / "chorus.service").read_text()
    stops = re.search(r"^TimeoutStopSec=(\d+)$", unit, re.MULTILINE)
    assert stops is not None
    assert float(stops[1]) > DRAIN_TIMEOUT_S + 10.0  # a margin of `serve_app.server`'s own
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    grace_s = float(compose["x-server"]["stop_grace_period"].removesuffix("s"))
    assert grace_s > DRAIN_TIMEOUT_S + 10.0
