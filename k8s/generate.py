"""The files of `configs/` and `monitoring/` in, what Kubernetes is handed of them out: one source
for both.

    python k8s/generate.py            write it (`make k8s`)
    python k8s/generate.py --check    say what is stale; exit status 1 if anything is (`make check`)

Of each overlay: the Serve config, as the `serveConfigV2` of its RayService. Of them all: the
environment of Ray's processes, and the alerts and dashboards.
"""

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from serve_app.config import JobsConfig
from serve_app.document import read
from serve_app.errors import ConfigError
from serve_app.serve_config import check

K8S = Path(__file__).parent
CONFIGS = K8S.parent / "configs"
MONITORING = K8S.parent / "monitoring"
OVERLAYS: Mapping[str, str] = {
    "cpu-trial": "tiny.yaml",
    "one-gpu": "one_gpu.yaml",
    "several-gpus": "multi_gpu.yaml",
}
"""Overlay -> the file of `configs/` that it serves."""
ENVIRONMENTS = ("ray.env", "cluster.env", "haproxy.env")
_ON_CPUS = {"chorus/role": "cpu"}
"""The label of Ray's that `base/rayservice.yaml` gives the group of CPU workers."""
_HEAD = "# Made by `make k8s` from {}: change that, and make it again.\n"


def generated() -> dict[Path, str]:
    """
    Raises:
        ConfigError: a config is wrong.
    """
    files = {K8S / "base" / "ray.env": _environment()}
    for overlay, config in OVERLAYS.items():
        files[K8S / "overlays" / overlay / "serve-config.yaml"] = _patch(config)
    extras = K8S / "extras" / "monitoring"
    files[extras / "alerts.yaml"] = _rules(MONITORING / "alerts.yml")
    files[extras / "dashboards.yaml"] = _dashboards(MONITORING / "grafana")
    return files


def serve_config(path: Path) -> dict[str, Any]:
    """`path` as pods serve it: on all their addresses, since clients come through a Service;
    without jobs that would be kept in a file, which one pod has and the next has not; and what
    needs no GPU on CPU workers, where models need one.

    Raises:
        ConfigError: it is wrong; with the first of its mistakes.
    """
    document = read(path)
    document.setdefault("http_options", {})["host"] = "0.0.0.0"
    args = document["applications"][0]["args"]
    if "jobs" in args and JobsConfig.model_validate(args["jobs"]).database_url.startswith("sqlite"):
        del args["jobs"]
    _keep_off_gpus(document["applications"][0].get("deployments", []))
    for problem in check(document):
        raise ConfigError(str(path), str(problem))
    return document


def _keep_off_gpus(deployments: list[dict[str, Any]]) -> None:
    """Serve spreads replicas over all nodes, and would give an ingress the CPUs of a GPU's pod."""
    asked = [deployment.get("ray_actor_options", {}) for deployment in deployments]
    if any(options.get("num_gpus", 0) for options in asked):
        for options in asked:
            if options and not options.get("num_gpus", 0):
                options["label_selector"] = {**(options.get("label_selector") or {}), **_ON_CPUS}


def _patch(config: str) -> str:
    text = yaml.safe_dump(serve_config(CONFIGS / config), sort_keys=False, width=100)
    patch = {
        "apiVersion": "ray.io/v1",
        "kind": "RayService",
        "metadata": {"name": "chorus"},
        "spec": {"serveConfigV2": _Block(text)},
    }
    return _HEAD.format(f"configs/{config}") + yaml.dump(patch, Dumper=_Dumper, sort_keys=False)


def _rules(alerts: Path) -> str:
    rule = {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {"name": "chorus"},
        "spec": yaml.safe_load(alerts.read_text()),
    }
    head = _HEAD.format(f"monitoring/{alerts.name}")
    return head + yaml.safe_dump(rule, sort_keys=False, width=100)


def _dashboards(folder: Path) -> str:
    """As Grafana's sidecar finds them: one ConfigMap each, since one may not be above 1 MiB."""
    maps = [
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {
                "name": f"chorus-dashboard-{path.stem}",
                "labels": {"grafana_dashboard": "1"},
            },
            "data": {path.name: _Block(path.read_text())},
        }
        for path in sorted(folder.glob("*.json"))
    ]
    head = _HEAD.format(f"monitoring/{folder.name}")
    return head + yaml.dump_all(maps, Dumper=_Dumper, sort_keys=False)


def _environment() -> str:
    texts = [(CONFIGS / name).read_text() for name in ENVIRONMENTS]
    lines = [line for text in texts for line in text.splitlines() if line and line[0] != "#"]
    named = ", ".join(f"configs/{name}" for name in ENVIRONMENTS)
    return _HEAD.format(named) + "\n".join(lines) + "\n"


class _Block(str):
    """Text that is written as a block, line for line."""


class _Dumper(yaml.SafeDumper):
    pass


_Dumper.add_representer(
    _Block, lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|")
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing, say what differs")
    asked = parser.parse_args()
    stale = [
        (path, text)
        for path, text in generated().items()
        if not path.is_file() or path.read_text() != text
    ]
    for path, text in stale:
        print(f"{path.relative_to(K8S.parent)}: {'stale: make k8s' if asked.check else 'written'}")
        if not asked.check:
            path.write_text(text)
    return int(asked.check and bool(stale))


if __name__ == "__main__":
    sys.exit(main())
