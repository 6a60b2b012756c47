"""WebSockets: the same door, a limit on how many are open, and no pages of other sites."""

import asyncio
from typing import Any

import pytest

from serve_app.config import ServerConfig
from serve_app.deployments.ledger import LedgerReplica
from serve_app.deployments.ledger.accounts import Limits, Refusal
from serve_app.ingress.app import build_app
from serve_app.ingress.auth.audit import Audit, current
from serve_app.ingress.auth.door import CLAIMS, Door, Origins
from serve_app.ingress.auth.keys import KeyFile, path_of
from serve_app.ingress.auth.secrets import Claims, Signer
from serve_app.ingress.backend.fake import ScriptedBackend
from tests.ingress.auth import ALICE, FINGERPRINT, WAITING, Echo, SocketServer, keys_file
from tests.ingress.conftest import MODELS

pytestmark = pytest.mark.asyncio


@pytest.fixture
def behind_door(tmp_path):
    """Puts an application behind a door; more than one may share a ledger."""

    def put(app: Any, ledger: LedgerReplica | None = None, **options: Any) -> Audit:
        limits = options.pop("limits", {})
        keys = KeyFile(path_of(keys_file(tmp_path, alice=limits)), iter(range(10**6)).__next__)
        return Audit(Door(app, keys=keys, ledger=ledger or LedgerReplica(), **options))

    return put


async def heard(server: SocketServer, **options: Any) -> str:
    """What is said back to who was let in."""
    async with await server.open(**options) as client:
        await client.send("hello")
        return str(await asyncio.wait_for(client.recv(), WAITING))


async def test_a_socket_without_a_key_is_denied_in_words(behind_door) -> None:
    async with SocketServer(behind_door(Echo())) as server:
        status, error, headers = await server.refusal()
        assert (status, error["code"]) == (401, "invalid_api_key")
        assert headers["www-authenticate"] == "Bearer"
        assert (await server.refusal(key="chorus_other"))[0] == 401
        # What anybody may read, nobody may open a socket on.
        assert (await server.refusal(path="/"))[0] == 401


async def test_a_socket_with_a_key_is_let_in(behind_door) -> None:
    async with SocketServer(behind_door(Echo())) as server:
        assert await heard(server, key=ALICE) == "hello"


@pytest.mark.parametrize("prefix", ["openai-insecure-api-key.", "realtime-token."])
async def test_a_browser_shows_its_key_as_a_subprotocol(behind_door, prefix) -> None:
    async with SocketServer(behind_door(Echo())) as server:
        offered = ["realtime", f"{prefix}{ALICE}", "openai-beta.realtime-v1"]
        assert await heard(server, subprotocols=offered) == "hello"
        offered[1] = f"{prefix}other"
        assert (await server.refusal(subprotocols=offered))[0] == 401
        assert (await server.refusal(subprotocols=["realtime"]))[0] == 401


async def test_a_client_secret_opens_its_path_and_brings_its_session(behind_door) -> None:
    echo, signer = Echo(), Signer(b"s" * 32)
    claims = Claims("alice", FINGERPRINT, 2**40, "/v1/realtime", {"model": "parakeet"})
    async with SocketServer(behind_door(echo, signer=signer)) as server:
        offered = ["realtime", f"openai-insecure-api-key.{signer.sign(claims)}"]
        assert await heard(server, subprotocols=offered) == "hello"
        assert echo.scopes[0]["state"][CLAIMS] == claims
        assert (await server.refusal(path="/asr", subprotocols=offered))[0] == 401


async def test_a_server_that_cannot_deny_in_words_closes_instead(behind_door) -> None:
    sent: list[dict[str, Any]] = []

    async def send(message) -> None:
        sent.append(dict(message))

    async def receive() -> dict[str, str]:
        return {"type": "websocket.connect"}

    scope = {"type": "websocket", "path": "/asr", "headers": [], "subprotocols": []}
    await behind_door(Echo())(scope, receive, send)
    assert sent == [{"type": "websocket.close", "code": 1008, "reason": "invalid_api_key"}]


async def test_what_is_neither_a_request_nor_a_socket_passes(behind_door) -> None:
    seen = []

    async def app(scope, receive, send) -> None:
        seen.append(scope["type"])

    await behind_door(app)({"type": "lifespan"}, None, None)
    assert seen == ["lifespan"]


async def test_streams_are_limited_across_ingresses_until_they_end(behind_door) -> None:
    ledger = LedgerReplica()
    apps = [behind_door(Echo(), ledger, limits={"concurrent_streams": 1}) for _ in range(2)]
    async with SocketServer(apps[0]) as one, SocketServer(apps[1]) as other:
        async with await one.open(key=ALICE):
            for server in (one, other):
                status, error, headers = await server.refusal(key=ALICE)
                assert (status, error["code"]) == (429, "stream_limit_reached")
                assert int(headers["retry-after"]) >= 1
        async with asyncio.timeout(WAITING):
            while not await is_let_in(other):
                pass


async def is_let_in(server: SocketServer) -> bool:
    try:
        await server.refusal(key=ALICE)
    except AssertionError:
        return True
    return False


class Written(LedgerReplica):
    """A ledger that shows what it is told."""

    def __init__(self) -> None:
        super().__init__()
        self.notes: asyncio.Queue[tuple[float, bool]] = asyncio.Queue()

    async def renew(
        self, key: str, limits: Limits, audio_s: float, *, stream: str
    ) -> Refusal | None:
        refusal = await super().renew(key, limits, audio_s, stream=stream)
        self.notes.put_nowait((audio_s, False))
        return refusal

    async def note(
        self, key: str, audio_s: float, *, stream: str | None = None, is_over: bool = False
    ) -> None:
        await super().note(key, audio_s, stream=stream, is_over=is_over)
        self.notes.put_nowait((audio_s, is_over))


async def test_a_stream_is_renewed_and_its_audio_charged_as_it_comes(behind_door) -> None:
    due: asyncio.Queue[None] = asyncio.Queue()

    async def pause(duration_s: float) -> None:
        await due.get()

    async def listen() -> None:
        current().audio_s += 3.0

    ledger = Written()
    app = behind_door(Echo(while_open=listen), ledger, pause=pause)
    async with SocketServer(app) as server:
        async with await server.open(key=ALICE) as client:
            await client.send("hello")
            await client.recv()
            for audio_s in (3.0, 0.0):
                due.put_nowait(None)
                assert await asyncio.wait_for(ledger.notes.get(), WAITING) == (audio_s, False)
        assert await asyncio.wait_for(ledger.notes.get(), WAITING) == (0.0, True)


async def test_a_lost_renewal_ends_no_stream_and_a_failing_stream_gives_its_place_back(
    behind_door,
) -> None:
    async def fail() -> None:
        raise ValueError("oops")

    ledger = Written()
    async with SocketServer(behind_door(Echo(while_open=fail), ledger)) as server:
        async with await server.open(key=ALICE) as client:
            await asyncio.wait_for(client.wait_closed(), WAITING)
        assert await asyncio.wait_for(ledger.notes.get(), WAITING) == (0.0, True)


@pytest.mark.parametrize(
    "entries", [{}, {"bob": {}}, {"alice": {"expires": "2001-01-01"}}], ids=str
)
async def test_a_key_that_is_taken_back_ends_its_streams(behind_door, tmp_path, entries) -> None:
    due: asyncio.Queue[None] = asyncio.Queue()

    async def pause(duration_s: float) -> None:
        await due.get()

    echo, ledger = Echo(), Written()
    async with SocketServer(behind_door(echo, ledger, pause=pause)) as server:
        async with await server.open(key=ALICE) as client:
            keys_file(tmp_path, **entries)
            due.put_nowait(None)
            await asyncio.wait_for(client.wait_closed(), WAITING)
            assert (client.close_code, client.close_reason) == (1008, "invalid_api_key")
        assert echo.num_open == 0
        assert await asyncio.wait_for(ledger.notes.get(), WAITING) == (0.0, True)


ALLOWED = ("https://app.example", "http://[::1]:3000")


@pytest.mark.parametrize(
    ("origin", "is_allowed"),
    [
        (None, True),
        ("https://app.example", True),
        ("http://[::1]:3000", True),
        ("http://SELF", True),
        ("http://app.example", False),
        ("https://app.example:8443", False),
        ("https://app.example.evil.example", False),
        ("https://evil.example", False),
        ("http://127.0.0.1:1", False),
        ("http://127.0.0.1", False),
        ("null", False),
        ("", False),
        ("http://[", False),
        ("http://127.0.0.1:x", False),
    ],
)
async def test_pages_of_other_sites_open_no_sockets_here(origin, is_allowed) -> None:
    async with SocketServer(Origins(Echo(), allowed=ALLOWED)) as server:
        headers = {} if origin is None else {"origin": origin.replace("SELF", server.host)}
        if is_allowed:
            assert await heard(server, **named(headers)) == "hello"
        else:
            status, error, _ = await server.refusal(**named(headers))
            assert (status, error["code"]) == (403, "origin_refused")


def named(headers: dict[str, str]) -> dict[str, Any]:
    return {"origin": headers["origin"]} if "origin" in headers else {}


async def test_a_star_lets_every_page_in() -> None:
    async with SocketServer(Origins(Echo(), allowed=("*",))) as server:
        assert await heard(server, origin="https://evil.example") == "hello"


async def test_a_default_port_may_be_named_or_not() -> None:
    origins = Origins(Echo(), allowed=())
    for origin, host, is_same in (
        ("https://a.example", "a.example", True),
        ("https://a.example", "a.example:443", True),
        ("https://a.example:443", "A.example", True),
        ("https://a.example", "a.example:8443", False),
        ("http://a.example", "a.example:443", False),
        ("https://[::1]:8443", "[::1]:8443", True),
        ("https://a.example", "", False),
    ):
        assert origins._is_allowed(origin, host) == is_same, (origin, host)


@pytest.mark.parametrize("has_keys", [False, True])
async def test_the_whole_server_denies_sockets_by_origin_and_by_key(has_keys, tmp_path) -> None:
    auth = {"keys_file": keys_file(tmp_path, alice={})} if has_keys else {}
    config = ServerConfig.model_validate({"models": MODELS, "auth": auth})
    async with SocketServer(build_app(config, ScriptedBackend())) as server:
        assert (await server.refusal(origin="https://evil.example"))[0] == 403
        status, error, _ = await server.refusal()
        # Who is let in finds that none of these models takes live streams.
        assert error["code"] == ("invalid_api_key" if has_keys else "unsupported_option")
        assert status == (401 if has_keys else 400)
