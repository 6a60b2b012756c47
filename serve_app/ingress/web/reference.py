"""The OpenAPI document as pages to read, of files that this server has itself.

FastAPI's own pages fetch theirs from a CDN, and stay empty in a network that is closed.
"""

from fastapi import APIRouter
from fastapi.openapi.docs import get_redoc_html, get_swagger_ui_html
from starlette.responses import HTMLResponse

_POLICY = (
    "default-src 'none'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; font-src 'self' data:; connect-src 'self'; worker-src blob:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Nothing from elsewhere; both tools begin by a script in the page, and write styles into it."""
_HEADERS = {"Content-Security-Policy": _POLICY, "X-Content-Type-Options": "nosniff"}

_OPENAPI = "openapi.json"
_ICON = "web/icon.svg"
"""All of them relative, so that they are right below any prefix."""


def router(title: str) -> APIRouter:
    """`/docs`, where requests can be tried, and `/redoc`, to read."""
    swagger = get_swagger_ui_html(
        openapi_url=_OPENAPI,
        title=title,
        swagger_js_url="web/reference/swagger-ui-bundle.js",
        swagger_css_url="web/reference/swagger-ui.css",
        swagger_favicon_url=_ICON,
    )
    redoc = get_redoc_html(
        openapi_url=_OPENAPI,
        title=title,
        redoc_js_url="web/reference/redoc.standalone.js",
        redoc_favicon_url=_ICON,
        with_google_fonts=False,
    )
    routes = APIRouter(include_in_schema=False)

    @routes.get("/docs")
    async def docs() -> HTMLResponse:
        return HTMLResponse(swagger.body, headers=_HEADERS)

    @routes.get("/redoc")
    async def read() -> HTMLResponse:
        return HTMLResponse(redoc.body, headers=_HEADERS)

    return routes
