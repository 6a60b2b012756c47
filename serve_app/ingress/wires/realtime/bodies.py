"""What stands in a client's JSON, checked: a value and its path, in; the value as it should be, or
who is to blame, out.
"""

from collections.abc import Mapping
from typing import Any, TypeAlias

from serve_app.errors import InvalidOptionError, RequestError

Body: TypeAlias = Mapping[str, Any]


def object_of(value: Any, path: str) -> Body:
    if not isinstance(value, dict):
        raise InvalidOptionError(path, "is no object")
    return value


def text_of(value: Any, path: str) -> str:
    if not isinstance(value, str):
        raise InvalidOptionError(path, "is no text")
    return value.strip()


def number_of(value: Any, path: str, limit: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= limit:
        raise InvalidOptionError(path, f"is no number from 0 to {limit:g}")
    return float(value)


def check_names(body: Body, known: tuple[str, ...], path: str) -> None:
    for name in body:
        if name not in known:
            raise unknown(f"{path}.{name}")


def unknown(path: str) -> RequestError:
    return InvalidOptionError(path[:200], "there is no such setting")
