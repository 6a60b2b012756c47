"""Config files with one thing changed."""

import copy
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
SIMULATED = yaml.safe_load((ROOT / "configs/simulated.yaml").read_text())
APPLICATION = "applications.0"
MODEL = f"{APPLICATION}.args.models.0"


def changed(path: str, value: Any) -> dict[str, Any]:
    """The simulated config with one value set; a path such as `applications.0.name`."""
    document: Any = copy.deepcopy(SIMULATED)
    node = document
    *parents, last = (int(key) if key.isdecimal() else key for key in path.split("."))
    for key in parents:
        node = node[key]
    if isinstance(node, list) and last == len(node):
        node.append(value)
    else:
        node[last] = value
    return dict(document)


PARAKEET = {"name": "simulated", "kind": "parakeet"}
