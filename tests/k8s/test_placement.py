"""Which group of workers takes which deployment, and that each has room for what is its own."""

from pathlib import Path

import pytest
import yaml

from tests.k8s import manifests
from tests.k8s.manifests import K8S, OVERLAYS, ROOT, Manifest
from tests.k8s.test_generated import generate

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


def _deployments(name: str) -> list[Manifest]:
    config = yaml.safe_load(manifests.ray_service(name)["spec"]["serveConfigV2"])
    found: list[Manifest] = config["applications"][0]["deployments"]
    return found


def _fits(deployment: Manifest, group: Manifest) -> bool:
    """By what Ray asks before it looks at what is free: labels, and a GPU at all."""
    options = deployment["ray_actor_options"]
    if options.get("num_gpus", 0) and not _has_gpus(group):
        return False
    return options.get("label_selector", {}).items() <= group.get("labels", {}).items()


def _takers(name: str, deployment: Manifest) -> set[str]:
    groups = {group: spec for group, spec in _groups(name).items() if group != "head"}
    return {group for group, spec in groups.items() if _fits(deployment, spec)}


@every_overlay
def test_work_without_a_gpu_takes_no_cpu_that_a_model_on_a_gpu_needs(name: str) -> None:
    """Serve spreads its replicas, over nodes with GPUs too: a model would wait for its CPU."""
    with_gpus = {group for group, spec in _groups(name).items() if _has_gpus(spec)}
    for deployment in _deployments(name):
        takers = _takers(name, deployment)
        assert takers, deployment["name"]
        if deployment["ray_actor_options"].get("num_gpus", 0):
            assert takers <= with_gpus, deployment["name"]
        else:
            assert not takers & with_gpus, deployment["name"]


@every_overlay
@pytest.mark.parametrize("bound", ["min", "max"])
def test_the_groups_that_take_a_deployment_have_its_cpus(name: str, bound: str) -> None:
    wanted: dict[frozenset[str], float] = {}
    for deployment in _deployments(name):
        scaling = deployment.get("autoscaling_config", {})
        replicas = scaling.get(f"{bound}_replicas", deployment.get("num_replicas", 1))
        takers = frozenset(_takers(name, deployment))
        num_cpus = deployment["ray_actor_options"]["num_cpus"] * replicas
        wanted[takers] = wanted.get(takers, 0.0) + num_cpus
    for takers, num_cpus in wanted.items():
        groups = [spec for group, spec in _groups(name).items() if group in takers]
        held = sum(spec[f"{bound}Replicas"] * _cpus(spec) for spec in groups)
        assert held >= num_cpus, takers


def _cpus(group: Manifest) -> float:
    return float(manifests.container(group["template"])["resources"]["limits"]["cpu"])


def test_a_selector_that_a_config_has_already_stays(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    written = (ROOT / "configs" / "one_gpu.yaml").read_text()
    own = "{num_cpus: 2, label_selector: {zone: a}}"
    path.write_text(
        written.replace("ray_actor_options: {num_cpus: 2}", f"ray_actor_options: {own}")
    )
    deployments = generate.serve_config(path)["applications"][0]["deployments"]
    chosen = {each["name"]: each["ray_actor_options"].get("label_selector") for each in deployments}
    assert chosen["Preprocessor"] == {"zone": "a", "chorus/role": "cpu"}
    assert chosen["Ingress"] == {"chorus/role": "cpu"}
    assert chosen["canary-1b-v2"] is None


def test_the_trial_asks_for_what_its_page_says() -> None:
    service = manifests.ray_service("cpu-trial")
    asked = [
        manifests.container(template)["resources"]["requests"]
        for template in manifests.templates(service).values()
    ]
    autoscaler = service["spec"]["rayClusterConfig"]["autoscalerOptions"]["resources"]["requests"]
    assert autoscaler == {"cpu": "200m", "memory": "512Mi"}
    num_cpus = sum(float(each["cpu"]) for each in asked) + 0.2
    memory_gib = sum(float(each["memory"].removesuffix("Gi")) for each in asked) + 0.5
    page = (K8S / "README.md").read_text()
    assert f"The trial asks for {num_cpus:g} CPUs and {memory_gib:g} GiB in all" in page
