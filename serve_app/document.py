"""The path of a YAML file in, its mapping out; what YAML would pass over in silence is an error."""

from pathlib import Path
from typing import Any

import yaml

from serve_app.errors import ConfigError


def read(path: Path) -> dict[str, Any]:
    """
    Raises:
        ConfigError: it is no readable file, no UTF-8, no YAML, or no mapping.
    """
    try:
        document = yaml.load(path.read_text(encoding="utf-8"), _UniqueKeys)
    except OSError as error:
        raise ConfigError(str(path), f"cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(str(path), "is no text in UTF-8") from error
    except RecursionError as error:
        raise ConfigError(str(path), "is nested too deeply, or holds itself") from error
    # PyYAML lets through what Python's own types raise on a value such as `2001-99-99`.
    except (yaml.YAMLError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise ConfigError(str(path), f"is no YAML: {error}") from error
    if not isinstance(document, dict):
        raise ConfigError(str(path), "is no mapping")
    return document


class _UniqueKeys(yaml.SafeLoader):
    """YAML lets a later key replace an earlier one in silence; here that is an error.

    Looked for before merge keys (`<<`) are resolved: what is merged in may be overridden.
    """

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        node: yaml.MappingNode = super().compose_mapping_node(anchor)
        keys = [(key.tag, key.value) for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.MarkedYAMLError(
                    problem=f"the key {key[1]!r} stands twice", problem_mark=node.start_mark
                )
        return node
