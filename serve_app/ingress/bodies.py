"""A request's JSON body, in; its mapping, out, within a bound."""

import json
from collections.abc import Collection, Mapping
from typing import Any

from starlette.requests import Request

from serve_app.errors import InvalidOptionError


async def read_json(
    request: Request, *, max_bytes: int, known_fields: Collection[str]
) -> Mapping[str, Any]:
    """
    Raises:
        InvalidOptionError: it is too large, no JSON object, or has a field that is not known.
    """
    content = bytearray()
    async for part in request.stream():
        content += part
        if len(content) > max_bytes:
            raise InvalidOptionError("body", f"is larger than {max_bytes:,} bytes")
    try:
        body = json.loads(content or b"{}")
    except (ValueError, RecursionError) as error:
        raise InvalidOptionError("body", "is no JSON") from error
    if not isinstance(body, dict):
        raise InvalidOptionError("body", "is no JSON object")
    for name in body:
        if name not in known_fields:
            raise InvalidOptionError(name[:100], "there is no such field")
    return body
