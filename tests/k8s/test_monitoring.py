"""What the Prometheus operator and Grafana are handed says what `monitoring/` does."""

import json

import yaml

from tests.k8s import manifests, schemas
from tests.k8s.manifests import K8S, ROOT, Manifest


def _built() -> list[Manifest]:
    return manifests.build(K8S / "extras/monitoring")


def test_prometheus_is_handed_every_alert() -> None:
    written = yaml.safe_load((ROOT / "monitoring" / "alerts.yml").read_text())
    assert written["groups"]
    assert manifests.one(_built(), "PrometheusRule")["spec"] == written


def test_grafana_is_handed_every_dashboard() -> None:
    found = {}
    for manifest in _built():
        if manifest["metadata"]["labels"].get("grafana_dashboard") == "1":
            for name, text in manifest["data"].items():
                found[name] = json.loads(text)
    paths = (ROOT / "monitoring" / "grafana").glob("*.json")
    assert found == {path.name: json.loads(path.read_text()) for path in paths}


def test_what_prometheus_selects_by_stands_on_all_that_it_selects() -> None:
    chosen = {each["kind"]: each["metadata"]["labels"]["release"] for each in _built()}
    assert {"PodMonitor", "PrometheusRule"} <= set(chosen)
    assert len(set(chosen.values())) == 1


def test_a_pod_that_does_not_run_yet_is_not_scraped() -> None:
    """It would be down for as long as it waits for its head, or for its image."""
    for endpoint in manifests.one(_built(), "PodMonitor")["spec"]["podMetricsEndpoints"]:
        (rule,) = endpoint["relabelings"]
        assert rule["action"] == "keep"
        assert rule["sourceLabels"] == ["__meta_kubernetes_pod_phase"]
        assert rule["regex"] == "Running"


def test_a_misspelt_field_of_a_rule_is_refused() -> None:
    rules = manifests.one(_built(), "PrometheusRule")
    rules["spec"]["groups"][0]["rules"][0]["anotations"] = {}
    assert schemas.mistakes(rules)
