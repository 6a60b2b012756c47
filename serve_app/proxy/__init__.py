"""What stands in Serve's HTTP proxy, before a request is ours: loaded by that process alone.

Ray calls `guard` where `RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH` names it (`configs/ray.env`).
Nothing here imports a model, a configuration or Ray.
"""

from starlette.middleware import Middleware
from uvicorn.protocols.http import auto as http_auto
from uvicorn.protocols.websockets import auto as websockets_auto

from serve_app.proxy.flow import BodyFlow
from serve_app.proxy.headers import ProxyHeaders
from serve_app.proxy.heads import AnsweringWebSocketProtocol, BoundedHttpProtocol


def guard() -> list[Middleware]:
    """Bound the heads of requests in this process; return what cleans their headers and holds
    their bodies back.

    Ray wraps its own application in these last, so that they see a request first. uvicorn takes
    its protocols from the two names set here when Ray makes its server, which is afterwards.
    """
    http_auto.AutoHTTPProtocol = BoundedHttpProtocol
    websockets_auto.AutoWebSocketsProtocol = AnsweringWebSocketProtocol
    return [Middleware(ProxyHeaders), Middleware(BodyFlow)]
