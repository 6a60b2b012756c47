"""WebSocket `/v1/realtime/translations`, and how a session begins."""

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter
from starlette.websockets import WebSocket

from serve_app.config import ServerConfig
from serve_app.errors import InvalidOptionError
from serve_app.ingress.sockets.connection import Connection, query_of
from serve_app.ingress.sockets.serving import Sockets
from serve_app.ingress.sockets.translation.asked import AskedConversation
from serve_app.ingress.sockets.translation.stream import SpokenStream
from serve_app.ingress.wires.realtime.client_secrets import ClientSecrets, SessionKind
from serve_app.ingress.wires.realtime.items import new_id
from serve_app.ingress.wires.realtime.translations.settings import (
    Settings,
    Translating,
    expiry,
    new_settings,
)
from serve_app.ingress.wires.realtime.translations.wire import TranslationsWire
from serve_app.transcript.render import Json

PATH = "/v1/realtime/translations"


def session_kind(config: ServerConfig) -> SessionKind:
    """For client secrets."""
    served = Translating.of(config)

    def shown_session(session: Any) -> Mapping[str, Json]:
        return new_settings(session, None, served).shown(new_id("sess"), expiry(served))

    return SessionKind(PATH, "`model`, and `audio` as of `session.update`.", shown_session)


def router(sockets: Sockets, secrets: ClientSecrets) -> APIRouter:
    """The route of this wire."""
    routes = APIRouter()
    served = Translating(sockets.config, sockets.served, sockets.voices)

    @routes.websocket(PATH)
    async def translations(websocket: WebSocket) -> None:
        entry = _Entry(websocket, served, secrets)
        await sockets.translate(websocket, PATH, entry.ask, entry.wire)

    return routes


class _Entry:
    """What one client's handshake asks for."""

    def __init__(self, websocket: WebSocket, served: Translating, secrets: ClientSecrets) -> None:
        self._websocket = websocket
        self._served = served
        self._secrets = secrets
        self._settings: Settings | None = None

    def ask(self) -> AskedConversation:
        """
        Raises:
            RequestError: the query asks for what this is not.
            UnauthenticatedError: the client's secret has expired.
        """
        query = query_of(self._websocket)
        for name in query:
            if name != "model":
                raise InvalidOptionError(name[:100], "no such parameter; there is: model")
        session = self._secrets.session_of(self._websocket.scope)
        self._settings = new_settings(session, query.get("model") or None, self._served)
        return self._settings.asked(self._served)

    def wire(self, connection: Connection, stream: SpokenStream) -> TranslationsWire:
        """For who was let in."""
        assert self._settings is not None
        return TranslationsWire(connection, stream, self._served, self._settings)
