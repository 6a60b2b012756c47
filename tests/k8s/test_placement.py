"""Which group of workers takes which deployment, and that each group has room for what is its own."""

import pytest

from tests.k8s import manifests
from tests.k8s.manifests import OVERLAYS, Manifest

every_overlay = pytest.mark.parametrize("name", OVERLAYS)


def _groups(name: str) -> dict[str, Manifest]:
    cluster = manifests.ray_service(name)["spec"]["rayClusterConfig"]
    workers = {group["groupName"]: group for group in cluster["workerGroupSpecs"]}
    return {"head": cluster["headGroupSpec"]} | workers


def _has_gpus(group: Manifest) -> bool:
    resources = manifests.container(group["template"])["resources"]
    return "nvidia.com/gpu" in resources.get("limits", {})


@every_overlay
def test_ray_counts_gpus_only_where_a_pod_has_been_given_one(name: str) -> None:
    """NVIDIA's runtime may show a node's GPUs to any container; Ray would count them."""
    for group, spec in _groups(name).items():
        assert (spec["rayStartParams"].get("num-gpus") == "0") is not _has_gpus(spec), group
