"""What is committed is what `make k8s` would make of `configs/` and `monitoring/` now."""

import importlib.util
import json
from pathlib import Path

import pytest
import yaml

from serve_app.errors import ConfigError
from tests.k8s import manifests, schemas
from tests.k8s.manifests import K8S, ROOT, Manifest

_spec = importlib.util.spec_from_file_location("generate", K8S / "generate.py")
assert _spec is not None
assert _spec.loader is not None
generate = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(generate)


def test_what_is_committed_is_what_the_configs_say() -> None:
    for path, text in generate.generated().items():
        assert path.read_text() == text, f"{path.name} is stale: make k8s"


def test_every_overlay_has_its_config() -> None:
    assert set(generate.OVERLAYS) == set(manifests.OVERLAYS)


@pytest.mark.parametrize("name", manifests.OVERLAYS)
def test_a_ray_service_serves_what_its_file_of_configs_says(name: str) -> None:
    served = yaml.safe_load(manifests.ray_service(name)["spec"]["serveConfigV2"])
    written = yaml.safe_load((ROOT / "configs" / generate.OVERLAYS[name]).read_text())
    written["http_options"]["host"] = "0.0.0.0"
    written["applications"][0]["args"].pop("jobs", None)  # in SQLite, which pods do not share
    for deployment in served["applications"][0]["deployments"]:
        deployment["ray_actor_options"].pop("label_selector", None)  # tests/k8s/test_placement.py
    assert served == written


def _written(folder: Path, change: str) -> Path:
    path = folder / "config.yaml"
    path.write_text((ROOT / "configs" / "tiny.yaml").read_text().replace(*change.split(" -> ")))
    return path


def test_jobs_in_a_database_that_all_pods_reach_are_kept(tmp_path: Path) -> None:
    url = "postgresql+asyncpg://chorus@postgres/chorus"
    path = _written(tmp_path, f"max_concurrent: 2 -> database_url: {url}")
    args = generate.serve_config(path)["applications"][0]["args"]
    assert args["jobs"] == {"database_url": url}


def test_a_config_with_a_mistake_is_not_made_into_a_manifest(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="min_replicass"):
        generate.serve_config(_written(tmp_path, "min_replicas -> min_replicass"))


def _monitoring() -> list[Manifest]:
    return manifests.build(K8S / "extras/monitoring")


def test_prometheus_is_handed_every_alert() -> None:
    written = yaml.safe_load((ROOT / "monitoring" / "alerts.yml").read_text())
    assert written["groups"]
    assert manifests.one(_monitoring(), "PrometheusRule")["spec"] == written


def test_grafana_is_handed_every_dashboard() -> None:
    found = {}
    for manifest in _monitoring():
        if manifest["metadata"]["labels"].get("grafana_dashboard") == "1":
            for name, text in manifest["data"].items():
                found[name] = json.loads(text)
    paths = (ROOT / "monitoring" / "grafana").glob("*.json")
    assert found == {path.name: json.loads(path.read_text()) for path in paths}


def test_what_prometheus_selects_by_stands_on_all_that_it_selects() -> None:
    chosen = {each["kind"]: each["metadata"]["labels"]["release"] for each in _monitoring()}
    assert {"PodMonitor", "PrometheusRule"} <= set(chosen)
    assert len(set(chosen.values())) == 1


def test_a_pod_that_does_not_run_yet_is_not_scraped() -> None:
    """It would be down for as long as it waits for its head, or for its image."""
    for endpoint in manifests.one(_monitoring(), "PodMonitor")["spec"]["podMetricsEndpoints"]:
        (rule,) = endpoint["relabelings"]
        assert rule["action"] == "keep"
        assert rule["sourceLabels"] == ["__meta_kubernetes_pod_phase"]
        assert rule["regex"] == "Running"


def test_a_misspelt_field_of_a_rule_is_refused() -> None:
    rules = manifests.one(_monitoring(), "PrometheusRule")
    rules["spec"]["groups"][0]["rules"][0]["anotations"] = {}
    assert schemas.mistakes(rules)
