"""WebSocket `/v1/realtime`, and how a session begins."""

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter
from starlette.websockets import WebSocket

from serve_app.errors import InvalidOptionError, UnsupportedOptionError
from serve_app.ingress.forms import shown
from serve_app.ingress.served import ServedModels
from serve_app.ingress.sockets.connection import Connection, query_of
from serve_app.ingress.sockets.serving import Sockets
from serve_app.ingress.sockets.transcription.asked import Asked
from serve_app.ingress.sockets.transcription.stream import TextStream
from serve_app.ingress.wires.realtime.client_secrets import ClientSecrets, SessionKind
from serve_app.ingress.wires.realtime.items import new_id
from serve_app.ingress.wires.realtime.settings import Settings, settings_of, updated
from serve_app.ingress.wires.realtime.wire import RealtimeWire
from serve_app.transcript.render import Json

PATH = "/v1/realtime"
_QUERY = ("intent", "model")


def session_kind(served: ServedModels) -> SessionKind:
    """For client secrets."""

    def shown_session(session: Any) -> Mapping[str, Json]:
        return updated(settings_of(None, served), session, served).shown(new_id("sess"))

    described = "As of `session.update`; `type` is `transcription`."
    return SessionKind(PATH, described, shown_session)


def router(sockets: Sockets, secrets: ClientSecrets) -> APIRouter:
    """The route of this wire."""
    routes = APIRouter()

    @routes.websocket(PATH)
    async def realtime(websocket: WebSocket) -> None:
        entry = Entry(websocket, sockets, secrets)
        await sockets.serve(websocket, PATH, entry.ask, entry.wire)

    return routes


class Entry:
    """What one client's handshake asks for."""

    def __init__(self, websocket: WebSocket, sockets: Sockets, secrets: ClientSecrets) -> None:
        self._websocket = websocket
        self._sockets = sockets
        self._secrets = secrets
        self._settings: Settings | None = None

    def ask(self) -> Asked:
        """
        Raises:
            RequestError: the query asks for what this is not.
            UnauthenticatedError: the client's secret has expired.
        """
        query = query_of(self._websocket)
        for name in query:
            if name not in _QUERY:
                raise InvalidOptionError(name[:100], "no such parameter; there are: intent, model")
        intent = query.get("intent") or "transcription"
        if intent != "transcription":
            raise UnsupportedOptionError("intent", f"{shown(intent)} is not `transcription`")
        session = self._secrets.session_of(self._websocket.scope)
        settings = settings_of(query.get("model") or None, self._sockets.served)
        self._settings = updated(settings, session, self._sockets.served)
        return self._settings.asked()

    def wire(self, connection: Connection, stream: TextStream) -> RealtimeWire:
        """For who was let in."""
        assert self._settings is not None
        return RealtimeWire(connection, stream, self._sockets, self._settings)
