"""A value and the schema it should have, in; every mistake out, with its place."""

from collections.abc import Collection, Iterator, Mapping
from difflib import get_close_matches
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from ray.serve.schema import DeploymentSchema, ServeApplicationSchema, ServeDeploySchema

from serve_app.config import reason_of
from serve_app.errors import ConfigError


def schema_errors(value: Any, schema: type[BaseModel], place: str) -> Iterator[ConfigError]:
    """What `schema` itself says of `value`."""
    try:
        schema.model_validate(value)
    except ValidationError as error:
        details = error.errors()
        for detail in details:
            # A list whose entries are wrong is also reported as too short.
            if detail["type"] == "too_short" and any(
                other["loc"][:-1][: len(detail["loc"])] == detail["loc"] for other in details
            ):
                continue
            path = ".".join(str(part) for part in (place, *detail["loc"]) if part != "")
            yield ConfigError(path or "the file", reason_of(detail["msg"]))
    # Some of Serve's validators trust that a value has the type that it should have, and that what
    # it names can be imported.
    except (AttributeError, ImportError, TypeError, LookupError, RecursionError) as error:
        yield ConfigError(place or "the file", f"Ray Serve cannot read it: {error}")


def unknown_keys(value: Any, schema: type[BaseModel], place: str) -> Iterator[ConfigError]:
    """Keys that `schema` does not know, in it and in all schemas below it."""
    if not isinstance(value, Mapping):
        return
    for key, inner in value.items():
        here = f"{place}.{key}" if place else str(key)
        field = schema.model_fields.get(str(key))
        if field is None:
            known = set(schema.model_fields)
            yield ConfigError(here, f"is no setting of {_title(schema)}{meant(str(key), known)}")
            continue
        inner_schema = _schema_in(field.annotation)
        if inner_schema is None:
            continue
        if not _is_plain(field.annotation) and inner is not None:
            yield from schema_errors(inner, inner_schema, here)
        if isinstance(inner, list):
            for index, element in enumerate(inner):
                yield from unknown_keys(element, inner_schema, f"{here}.{index}")
        else:
            yield from unknown_keys(inner, inner_schema, here)


def _schema_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(filter(None, map(_schema_in, get_args(annotation))), None)


def _is_plain(annotation: Any) -> bool:
    """Whether Serve validates the value itself; where it also takes a mere dict, it does not."""
    return dict not in {getattr(option, "__origin__", option) for option in get_args(annotation)}


def _title(schema: type[BaseModel]) -> str:
    titles = {
        ServeDeploySchema: "a Serve config",
        ServeApplicationSchema: "an application",
        DeploymentSchema: "a deployment",
    }
    return titles.get(schema, schema.__name__)


def meant(key: str, known: Collection[str]) -> str:
    """What a name that is not known may have been meant to be, as the end of a sentence."""
    close = get_close_matches(key, known, n=1)
    return f"; {close[0]!r} is one" if close else f"; known: {', '.join(sorted(known))}"
