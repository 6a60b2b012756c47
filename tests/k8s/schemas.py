"""A manifest in, what an API server would refuse of it out: one line a mistake.

Kubernetes' own kinds are held against `kubernetes-validate`, custom ones against their published
definitions (`schemas/`). Those let unknown fields pass, which a server drops in silence: here a
field that a definition does not name is a mistake, wherever it stands.
"""

import gzip
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import yaml

VERSIONS = ("1.31", "1.37")
"""Of Kubernetes: the oldest that k8s/README.md promises, and the newest with schemas."""
_SCHEMAS = Path(__file__).parent / "schemas"
Manifest = Mapping[str, Any]


def mistakes(manifest: Manifest) -> list[str]:
    definition = _definitions().get((manifest["apiVersion"], manifest["kind"]))
    if definition is None:
        return list(_core_mistakes(manifest))
    validator = jsonschema.Draft202012Validator(definition)
    wrong = [f"{error.json_path}: {error.message}" for error in validator.iter_errors(manifest)]
    pods = _pods(manifest) if manifest["kind"] == "RayService" else ()
    return wrong + [f"{pod['metadata']['name']}: {line}" for pod in pods for line in mistakes(pod)]


def _core_mistakes(manifest: Manifest) -> Iterator[str]:
    for version in VERSIONS:
        try:
            kubernetes_validate.validate(dict(manifest), version, strict=True)
        except kubernetes_validate.ValidationError as error:
            yield f"{version}: {error.json_path}: {error.message}"
        except kubernetes_validate.SchemaNotFoundError as error:
            yield f"{version}: {error.message}"


def _pods(service: Manifest) -> Iterator[Manifest]:
    """The pods that KubeRay would make: the schema of a Pod says more than the definition does."""
    cluster = service["spec"]["rayClusterConfig"]
    for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"]):
        template = group["template"]
        metadata = {"name": group.get("groupName", "head")} | template.get("metadata", {})
        yield {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}


@cache
def _definitions() -> dict[tuple[str, str], Any]:
    """(apiVersion, kind) -> the schema of its objects, closed."""
    found = {}
    for path in sorted(_SCHEMAS.glob("*.yaml.gz")):
        spec = yaml.load(gzip.decompress(path.read_bytes()), yaml.CSafeLoader)["spec"]
        for version in spec["versions"]:
            schema = version["schema"]["openAPIV3Schema"]
            schema["properties"]["metadata"] = {"$ref": _METADATA}
            key = (f"{spec['group']}/{version['name']}", spec["names"]["kind"])
            found[key] = _closed(schema) | {"$defs": {"metadata": _metadata()}}
    return found


_METADATA = "#/$defs/metadata"


def _metadata() -> dict[str, Any]:
    texts = {"type": "object", "additionalProperties": {"type": "string"}}
    text = {"type": "string"}
    properties = {"name": text, "namespace": text, "labels": texts, "annotations": texts}
    return {"type": "object", "properties": properties, "additionalProperties": False}


def _closed(schema: Any) -> Any:
    """`schema` in JSON Schema's terms, with no fields but the ones it names, where it names any."""
    if isinstance(schema, list):
        return [_closed(inner) for inner in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {name: _closed(inner) for name, inner in schema.items()}
    if schema.get("x-kubernetes-int-or-string"):
        closed["type"] = ["integer", "string"]
        closed.pop("anyOf", None)
    if (
        isinstance(schema.get("properties"), dict)
        and schema.get("type") == "object"
        and "additionalProperties" not in schema
        and not schema.get("x-kubernetes-preserve-unknown-fields")
    ):
        closed["additionalProperties"] = False
    return closed
