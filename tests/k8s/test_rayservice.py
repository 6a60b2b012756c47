"""What schemas cannot know: that the parts of an overlay fit each other, the code and Ray."""

import re
from collections.abc import Iterator

import pytest
import yaml

from serve_app.config import ServerConfig
from serve_app.serve_config import check
from tests.k8s import manifests
from tests.k8s.manifests import K8S, OVERLAYS, ROOT, Manifest

every_overlay = pytest.mark.parametrize("name", OVERLAYS)


def _config(name: str) -> Manifest:
    document: Manifest = yaml.safe_load(manifests.ray_service(name)["spec"]["serveConfigV2"])
    return document


def _args(name: str) -> ServerConfig:
    return ServerConfig.model_validate(_config(name)["applications"][0]["args"])


def _workers(name: str) -> dict[str, Manifest]:
    cluster = manifests.ray_service(name)["spec"]["rayClusterConfig"]
    return {group["groupName"]: group for group in cluster["workerGroupSpecs"]}


def _number(quantity: str | int) -> float:
    units = {"m": 1e-3, "Mi": 2.0**20, "Gi": 2.0**30, "": 1.0}
    value, unit = re.fullmatch(r"([\d.]+)(\w*)", str(quantity)).groups()  # type: ignore[union-attr]
    return float(value) * units[unit]


@every_overlay
def test_the_serve_config_is_one_that_chorus_check_takes(name: str) -> None:
    assert not list(check(_config(name)))


@every_overlay
def test_the_serve_config_listens_where_the_service_sends(name: str) -> None:
    config = _config(name)
    assert config["http_options"]["host"] == "0.0.0.0"
    for template in manifests.templates(manifests.ray_service(name)).values():
        ports = {port["name"]: port["containerPort"] for port in _ports(template)}
        assert ports["serve"] == config["http_options"]["port"]


def _ports(template: Manifest) -> list[Manifest]:
    ports: list[Manifest] = manifests.container(template)["ports"]
    return ports


@every_overlay
def test_ray_exports_its_metrics_where_chorus_and_prometheus_look(name: str) -> None:
    cluster = manifests.ray_service(name)["spec"]["rayClusterConfig"]
    groups = [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]
    port = _args(name).metrics_port
    assert {group["rayStartParams"]["metrics-export-port"] for group in groups} == {str(port)}
    for group in groups:
        assert {"name": "metrics", "containerPort": port} in _ports(group["template"])


@every_overlay
def test_every_ray_process_has_the_environment_of_configs(name: str) -> None:
    built = manifests.overlay(name)
    (settings,) = (each for each in built if each["kind"] == "ConfigMap")
    for file in ("ray.env", "cluster.env", "haproxy.env"):
        assert _variables((ROOT / "configs" / file).read_text()).items() <= settings["data"].items()
    for template in manifests.templates(manifests.one(built, "RayService")).values():
        named = manifests.container(template)["envFrom"][0]["configMapRef"]["name"]
        assert named == settings["metadata"]["name"]


def _variables(text: str) -> dict[str, str]:
    lines = (line for line in text.splitlines() if line and not line.startswith("#"))
    return {name: value for name, _, value in (line.partition("=") for line in lines)}


@every_overlay
def test_settings_that_chorus_reads_are_ones_that_it_knows(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (settings,) = (each for each in manifests.overlay(name) if each["kind"] == "ConfigMap")
    ours = {key: value for key, value in settings["data"].items() if key.startswith("CHORUS_")}
    shown = yaml.safe_load_all((K8S / "secrets.example.yaml").read_text())
    secret = next(each for each in shown if each["metadata"]["name"] == "chorus")
    for key in ours.keys() | {key for key in secret["stringData"] if key.startswith("CHORUS_")}:
        monkeypatch.setenv(key, "x")
    problems = [str(problem) for problem in check(_config(name))]
    assert not [problem for problem in problems if "is no setting" in problem]


@every_overlay
def test_what_is_named_is_there(name: str) -> None:
    built = manifests.overlay(name)
    there = {(each["kind"], each["metadata"]["name"]) for each in built}
    shown = list(yaml.safe_load_all((K8S / "secrets.example.yaml").read_text()))
    there |= {("Secret", each["metadata"]["name"]) for each in shown}
    named = set(_named(built))
    assert named <= there
    namespaces = {
        each["metadata"].get("namespace")
        for each in built
        if each["kind"] not in {"Namespace", "PriorityClass"}
    }
    assert namespaces == {"chorus"}


def _named(built: list[Manifest]) -> Iterator[tuple[str, str]]:
    for reference, kind in (("configMapRef", "ConfigMap"), ("secretRef", "Secret")):
        yield from ((kind, found["name"]) for found in manifests.values(built, reference))
    yield from (("Secret", found["name"]) for found in manifests.values(built, "secretKeyRef"))
    yield from (("Secret", found) for found in manifests.values(built, "secretName"))
    claims = manifests.values(built, "persistentVolumeClaim")
    yield from (("PersistentVolumeClaim", found["claimName"]) for found in claims)
    yield from (("PriorityClass", found) for found in manifests.values(built, "priorityClassName"))
    for address in manifests.values(built, "redisAddress"):
        yield "Service", address.split(":")[0]


@every_overlay
def test_each_mount_has_its_volume_and_each_volume_its_mount(name: str) -> None:
    for group, template in manifests.templates(manifests.ray_service(name)).items():
        mounted = {mount["name"] for mount in manifests.container(template)["volumeMounts"]}
        assert mounted == {volume["name"] for volume in template["spec"]["volumes"]}, group


@every_overlay
def test_all_workers_are_alike_but_for_what_they_are_for(name: str) -> None:
    """Overlays repeat what the base says, since a patch cannot take from it."""
    built = manifests.templates(manifests.ray_service(name))
    alike = ("envFrom", "lifecycle", "ports", "livenessProbe", "readinessProbe", "securityContext")
    first = built.pop("cpu")
    for template in built.values():
        assert template["spec"]["securityContext"] == first["spec"]["securityContext"]
    for group, template in built.items():
        if group != "head":
            for key in alike:
                ours, theirs = manifests.container(template)[key], manifests.container(first)[key]
                assert ours == theirs, (group, key)
            grace = template["spec"]["terminationGracePeriodSeconds"]
            assert grace == first["spec"]["terminationGracePeriodSeconds"]


@every_overlay
def test_nothing_runs_with_more_rights_than_it_needs(name: str) -> None:
    for manifest in manifests.overlay(name):
        for spec in manifests.values(manifest, "containers"):
            for container in spec:
                security = container["securityContext"]
                assert security["allowPrivilegeEscalation"] is False
                assert security["readOnlyRootFilesystem"] is True
                assert security["capabilities"] == {"drop": ["ALL"]}
    for group, template in manifests.templates(manifests.ray_service(name)).items():
        if group != "head":  # whose autoscaler asks Kubernetes for workers
            assert template["spec"]["automountServiceAccountToken"] is False
        assert template["spec"]["securityContext"]["runAsNonRoot"] is True
        assert template["spec"]["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}


@every_overlay
def test_what_is_under_way_may_end_before_its_pod_or_its_cluster_does(name: str) -> None:
    """A request within its pod's grace, a stream within the delay before the old cluster goes."""
    service = manifests.ray_service(name)
    config = _args(name)
    for group, template in manifests.templates(service).items():
        if group == "head":
            continue
        command = manifests.container(template)["lifecycle"]["preStop"]["exec"]["command"]
        drained_s = float(command[command.index("--timeout") + 1])
        grace_s = template["spec"]["terminationGracePeriodSeconds"]
        assert config.limits.request_timeout_s < drained_s < grace_s
    (settings,) = (each for each in manifests.overlay(name) if each["kind"] == "ConfigMap")
    hard_stop_s = float(settings["data"]["RAY_SERVE_HAPROXY_HARD_STOP_AFTER_S"])
    delay_s = service["spec"]["rayClusterDeletionDelaySeconds"]
    assert config.streams.max_stream_s < hard_stop_s <= delay_s


def test_the_ingress_waits_longer_for_an_answer_than_the_server_does() -> None:
    ingress = manifests.one(manifests.build(K8S / "extras/ingress"), "Ingress")
    notes = ingress["metadata"]["annotations"]
    for name in OVERLAYS:
        waits_s = float(notes["nginx.ingress.kubernetes.io/proxy-read-timeout"])
        assert waits_s > _args(name).limits.request_timeout_s


@every_overlay
def test_the_least_workers_hold_the_least_replicas_and_the_most_the_most(name: str) -> None:
    groups = _workers(name)
    for bound in ("min", "max"):
        wanted = {"num_cpus": 0.0, "num_gpus": 0.0}
        for deployment in _config(name)["applications"][0]["deployments"]:
            scaling = deployment.get("autoscaling_config", {})
            replicas = scaling.get(f"{bound}_replicas", deployment.get("num_replicas", 1))
            for resource in wanted:
                share = deployment["ray_actor_options"].get(resource, 0)
                wanted[resource] += share * replicas
        for resource, kind in (("num_cpus", "cpu"), ("num_gpus", "nvidia.com/gpu")):
            held = sum(
                group[f"{bound}Replicas"] * _number(_limits(group).get(kind, 0))
                for group in groups.values()
            )
            assert held >= wanted[resource], (bound, resource)


def _limits(group: Manifest) -> Manifest:
    limits: Manifest = manifests.container(group["template"])["resources"]["limits"]
    return limits


@every_overlay
def test_keys_are_asked_for_wherever_strangers_may_come(name: str) -> None:
    (settings,) = (each for each in manifests.overlay(name) if each["kind"] == "ConfigMap")
    file = settings["data"].get("CHORUS_KEYS_FILE")
    assert file == (None if name == "cpu-trial" else "/etc/chorus/keys/keys.yaml")
    for template in manifests.templates(manifests.ray_service(name)).values():
        mounts = {m["mountPath"]: m["name"] for m in manifests.container(template)["volumeMounts"]}
        assert mounts["/etc/chorus/keys"] == "keys"


@every_overlay
def test_ray_asks_for_its_token_and_serves_on_no_head(name: str) -> None:
    spec = manifests.ray_service(name)["spec"]
    assert spec["rayClusterConfig"]["authOptions"] == {"mode": "token"}
    assert spec["excludeHeadPodFromServeSvc"] is True
    assert spec["rayClusterConfig"]["headGroupSpec"]["rayStartParams"]["num-cpus"] == "0"


@every_overlay
def test_the_image_brings_the_ray_that_the_operator_is_told_of(name: str) -> None:
    told = manifests.ray_service(name)["spec"]["rayClusterConfig"]["rayVersion"]
    assert f"ray[serve]=={told}" in (ROOT / "pyproject.toml").read_text()


@every_overlay
def test_each_policy_and_budget_selects_pods_that_there_are(name: str) -> None:
    built = manifests.overlay(name)
    labels = []
    for group, template in manifests.templates(manifests.one(built, "RayService")).items():
        node_type = "head" if group == "head" else "worker"
        added = {"ray.io/group": group, "ray.io/node-type": node_type}  # by the operator
        labels.append(template["metadata"]["labels"] | added)
    labels += [each["spec"]["template"]["metadata"]["labels"] for each in built if _is_set(each)]
    for manifest in built:
        if manifest["kind"] in {"NetworkPolicy", "PodDisruptionBudget"}:
            spec = manifest["spec"]
            wanted = spec.get("podSelector", spec.get("selector"))["matchLabels"].items()
            assert any(wanted <= found.items() for found in labels), manifest["metadata"]["name"]


def _is_set(manifest: Manifest) -> bool:
    return manifest["kind"] == "StatefulSet"


def test_a_budget_leaves_room_for_one_pod_to_go() -> None:
    built = manifests.overlay("several-gpus")
    groups = _workers("several-gpus")
    for budget in (each for each in built if each["kind"] == "PodDisruptionBudget"):
        wanted = budget["spec"]["selector"]["matchLabels"].items()
        least = sum(
            group["minReplicas"]
            for name, group in groups.items()
            if wanted <= (group["template"]["metadata"]["labels"] | {"ray.io/group": name}).items()
        )
        assert budget["spec"]["minAvailable"] == least - 1


def test_only_clients_reach_a_port_from_everywhere() -> None:
    open_to_all = [
        port["port"]
        for policy in manifests.overlay("several-gpus")
        if policy["kind"] == "NetworkPolicy"
        for rule in policy["spec"]["ingress"]
        if not rule.get("from")
        for port in rule["ports"]
    ]
    assert open_to_all == ["serve"]
