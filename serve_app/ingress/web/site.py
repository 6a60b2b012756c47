"""What a browser asks for, in; the page and the files that it is made of, out."""

import hashlib
from collections.abc import Awaitable, Callable, Iterator, Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
_PAGES = {"transcribe": "index.html", "translate": "translate.html"}
"""By `mode` in the query of `/`."""

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Nothing from elsewhere, nothing inline. `connect-src 'self'` covers sockets of this host."""

_HEADERS = {
    "Cache-Control": "no-cache",
    "Content-Security-Policy": _POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "microphone=(self), camera=(), geolocation=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def _read(folder: Traversable, prefix: str = "") -> Iterator[tuple[str, bytes]]:
    for each in folder.iterdir():
        if each.is_dir():
            yield from _read(each, f"{prefix}{each.name}/")
        elif each.name.endswith(tuple(_TYPES)):
            yield prefix + each.name, each.read_bytes()


_FILES: Mapping[str, bytes] = {
    **dict(_read(files("serve_app.ingress.web") / "static")),
    **dict(_read(files("fastapi_offline") / "static", "reference/")),
}
"""Of `/`, and what `reference` shows the OpenAPI document with."""
_TAGS = {name: f'"{hashlib.sha256(body).hexdigest()[:16]}"' for name, body in _FILES.items()}

PATHS = frozenset(f"/web/{name}" for name in _FILES if name not in _PAGES.values())
"""Read by anybody: the page has to be there before it can ask for a key."""


def router() -> APIRouter:
    """The files under `/web`; the page itself is `/`, for those who `prefer_html`."""
    routes = APIRouter(include_in_schema=False)
    for path in PATHS:
        routes.add_api_route(path, _answering(path.removeprefix("/web/")), methods=["GET"])
    return routes


def prefers_html(accept: str) -> bool:
    """Whether an `Accept` header names HTML, and nothing that it likes as JSON better.

    `*/*` names nothing: curl and most libraries send it and mean the JSON.
    """
    qualities = dict(_ranges(accept))
    html = qualities.get("text/html", 0.0)
    return html > 0 and html >= qualities.get("application/json", 0.0)


def page(request: Request) -> Response:
    """The page, for whoever `prefers_html`; a mode that there is not is the first."""
    mode = request.query_params.get("mode", "")
    response = _file(_PAGES.get(mode, _PAGES["transcribe"]), request)
    response.headers["Vary"] = "Accept"
    return response


def _answering(name: str) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        return _file(name, request)

    return answer


def _file(name: str, request: Request) -> Response:
    headers = {**_HEADERS, "ETag": _TAGS[name]}
    if request.headers.get("if-none-match") == _TAGS[name]:
        return Response(status_code=304, headers=headers)
    suffix = name[name.rindex(".") :]
    return Response(_FILES[name], headers=headers, media_type=_TYPES[suffix])


def _ranges(accept: str) -> list[tuple[str, float]]:
    """RFC 9110 §12.5.1: media ranges and their qualities; a quality that is no number is 0."""
    found = []
    for part in accept.split(","):
        name, *parameters = (piece.strip().lower() for piece in part.split(";"))
        quality = 1.0
        for parameter in parameters:
            key, _, value = parameter.partition("=")
            if key.strip() == "q":
                try:
                    quality = float(value)
                except ValueError:
                    quality = 0.0
        found.append((name, quality))
    return found
