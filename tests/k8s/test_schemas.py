"""Every manifest is one that an API server takes as it stands."""

import pytest
import yaml

from tests.k8s import manifests, schemas
from tests.k8s.manifests import K8S, OVERLAYS

FOLDERS = [*(f"overlays/{name}" for name in OVERLAYS), "extras/monitoring", "extras/ingress"]
FOLDERS += ["extras/gateway"]


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_manifest_is_valid(folder: str) -> None:
    built = manifests.build(K8S / folder)
    wrong = [
        f"{manifest['kind']}/{manifest['metadata']['name']}: {mistake}"
        for manifest in built
        for mistake in schemas.mistakes(manifest)
    ]
    assert built
    assert not wrong


@pytest.mark.parametrize("path", ["extras/gateway/grpc.yaml", "secrets.example.yaml"])
def test_what_is_only_shown_is_valid_too(path: str) -> None:
    shown = list(yaml.safe_load_all((K8S / path).read_text()))
    assert shown
    assert not [mistake for manifest in shown for mistake in schemas.mistakes(manifest)]


def test_each_folder_with_a_kustomization_is_among_them() -> None:
    found = {str(path.parent.relative_to(K8S)) for path in K8S.glob("[eo]*/*/kustomization.yaml")}
    assert found == set(FOLDERS)


def _service() -> manifests.Manifest:
    return manifests.ray_service("several-gpus")


def test_a_misspelt_field_of_a_ray_service_is_refused() -> None:
    service = _service()
    service["spec"]["rayClusterConfig"]["enableInTreeAutoScaling"] = True
    assert any("enableInTreeAutoScaling" in line for line in schemas.mistakes(service))


def test_a_misspelt_field_of_a_pod_is_refused_however_deep() -> None:
    service = _service()
    container = manifests.container(manifests.templates(service)["gpu-l4"])
    container["lifecycle"]["preStopp"] = container["lifecycle"].pop("preStop")
    assert any("preStopp" in line for line in schemas.mistakes(service))


def test_a_value_of_the_wrong_type_is_refused() -> None:
    service = _service()
    service["spec"]["rayClusterDeletionDelaySeconds"] = "15000"
    assert any("rayClusterDeletionDelaySeconds" in line for line in schemas.mistakes(service))


def test_a_label_that_is_no_text_is_refused() -> None:
    service = _service()
    manifests.templates(service)["head"]["metadata"]["labels"]["tier"] = True
    assert schemas.mistakes(service)


def test_a_misspelt_field_of_kubernetes_own_kinds_is_refused() -> None:
    budget = manifests.one(manifests.overlay("several-gpus"), "PodDisruptionBudget", "chorus-cpu")
    budget["spec"]["minAvaliable"] = budget["spec"].pop("minAvailable")
    assert schemas.mistakes(budget)


def test_a_misspelt_time_out_of_a_route_is_refused() -> None:
    route = manifests.one(manifests.build(K8S / "extras/gateway"), "HTTPRoute")
    route["spec"]["rules"][0]["timeouts"]["requests"] = "0s"
    assert schemas.mistakes(route)
