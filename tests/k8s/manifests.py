"""An overlay of `k8s/` in, its manifests out, as `kubectl apply -k` would send them."""

import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
K8S = ROOT / "k8s"
OVERLAYS = ("cpu-trial", "one-gpu", "several-gpus")
Manifest = dict[str, Any]
_KUBECTL = ROOT / ".cache" / "kubectl"
"""Where `.ci/kustomize` puts one if there is none, or an old one."""


def knows_todays_kustomize(kubectl: str) -> bool:
    """5 or later; not, if it does not even run on this machine."""
    command = [kubectl, "version", "--client"]
    try:
        said = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    except OSError:
        return False
    version = re.search(r"Kustomize Version: v(\d+)", said)
    return version is not None and int(version[1]) >= 5


@cache
def _kubectl() -> str | None:
    found = (str(_KUBECTL), shutil.which("kubectl"))
    return next((path for path in found if path and knows_todays_kustomize(path)), None)


@cache
def _built(folder: Path) -> str:
    kubectl = _kubectl()
    if kubectl is None:
        pytest.skip("no kubectl with kustomize 5: make kustomize")
    command = [kubectl, "kustomize", str(folder)]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    return built.stdout


def build(folder: Path) -> list[Manifest]:
    """All that `folder`, which has a kustomization, is made of; fresh each time."""
    return list(yaml.load_all(_built(folder), yaml.CSafeLoader))


def overlay(name: str) -> list[Manifest]:
    return build(K8S / "overlays" / name)


def one(manifests: list[Manifest], kind: str, name: str | None = None) -> Manifest:
    found = [
        manifest
        for manifest in manifests
        if manifest["kind"] == kind and name in (None, manifest["metadata"]["name"])
    ]
    assert len(found) == 1, f"{len(found)} of kind {kind}"
    return found[0]


def ray_service(name: str) -> Manifest:
    return one(overlay(name), "RayService")


def templates(service: Manifest) -> dict[str, Manifest]:
    """Group -> its pods' template; the head's is `head`."""
    cluster = service["spec"]["rayClusterConfig"]
    workers = {group["groupName"]: group["template"] for group in cluster["workerGroupSpecs"]}
    return {"head": cluster["headGroupSpec"]["template"]} | workers


def container(template: Manifest) -> Manifest:
    """Ray's own, which KubeRay takes to be the first."""
    first: Manifest = template["spec"]["containers"][0]
    return first


def values(node: Any, key: str) -> Iterator[Any]:
    """What stands under `key`, wherever that is."""
    if isinstance(node, Mapping):
        for name, inner in node.items():
            if name == key:
                yield inner
            yield from values(inner, key)
    elif isinstance(node, list):
        for inner in node:
            yield from values(inner, key)
