"""Callbacks: signed, delivered once more rather than not at all, and never to private places."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import pytest
import uvicorn
from standardwebhooks import Webhook
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from serve_app.errors import ConfigError, InvalidOptionError
from serve_app.jobs.callbacks import checked_callback_url
from tests.jobs.office import office, recording

AnyReceiver = TypeVar("AnyReceiver", bound="Receiver")
SECRET = "whsec_" + "c2VjcmV0IHNlY3JldCBzZWNyZXQgc2VjcmV0"


@dataclass
class Receiver:
    """Takes callbacks, and answers by a script; 200 when that is over."""

    answers: list[int] = field(default_factory=list)
    taken: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    port: int = 0

    async def take(self, request: Request) -> Response:
        self.taken.append((dict(request.headers), await request.body()))
        return Response(status_code=self.answers.pop(0) if self.answers else 200)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/done"


@asynccontextmanager
async def receiving(*answers: int) -> AsyncIterator[Receiver]:
    async with answering(Receiver(list(answers))) as receiver:
        yield receiver


@asynccontextmanager
async def answering(receiver: AnyReceiver) -> AsyncIterator[AnyReceiver]:
    """It listens."""
    app = Starlette(routes=[Route("/done", receiver.take, methods=["POST"])])
    options = uvicorn.Config(app, port=0, lifespan="off", log_config=None)
    options.load()
    server = uvicorn.Server(options)
    server.lifespan = options.lifespan_class(options)
    await server.startup()
    receiver.port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        for listener in server.servers:
            listener.close()
        for connection in list(server.server_state.connections):
            connection.transport.abort()


@pytest.fixture(autouse=True)
def secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHORUS_CALLBACK_SECRET", SECRET)


@pytest.mark.parametrize(("does", "status"), [("say", "completed"), ("bad", "failed")])
async def test_a_callback_tells_the_end_of_a_job_and_can_be_verified(
    tmp_path: Path, does: str, status: str
) -> None:
    async with (
        receiving() as receiver,
        office(tmp_path, callbacks_to_private_addresses=True) as opened,
    ):
        job = await opened.accepted(recording(does, "done"), callback_url=receiver.url)
        await opened.once(job, lambda told: told["callback_delivered_at"])
        ((headers, body),) = receiver.taken
        told = Webhook(SECRET).verify(body, headers)
        assert told["type"] == "job.ended"
        assert (told["data"]["job_id"], told["data"]["status"]) == (job, status)


async def test_a_receiver_that_fails_is_tried_again_with_the_same_id(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serve_app.jobs.callbacks._FIRST_RETRY_S", 0.01)
    async with (
        receiving(500, 302, 410) as receiver,
        office(tmp_path, callbacks_to_private_addresses=True) as opened,
    ):
        job = await opened.accepted(recording("say"), callback_url=receiver.url)
        await opened.once(job, lambda told: told["callback_delivered_at"])
        assert len(receiver.taken) == 4
        assert len({headers["webhook-id"] for headers, _ in receiver.taken}) == 1


async def test_a_receiver_that_never_answers_is_given_up_and_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serve_app.jobs.callbacks._FIRST_RETRY_S", 0.01)
    settings = {"callbacks_to_private_addresses": True, "max_callback_attempts": 3}
    async with (
        receiving(*[500] * 50) as receiver,
        office(tmp_path, **settings) as opened,
    ):
        job = await opened.accepted(recording("say"), callback_url=receiver.url)
        await opened.until(job, "completed")
        told = await opened.once(job, lambda told: len(receiver.taken) == 3)
        other = await opened.accepted(recording("say"))
        await opened.until(other, "completed")
        told = await opened.status(job)
        assert "status 500" in str(told["callback_error"])
        assert len(receiver.taken) == 3


async def test_a_name_of_a_private_address_is_found_out_when_it_is_called(tmp_path: Path) -> None:
    async with receiving() as receiver, office(tmp_path, max_callback_attempts=1) as opened:
        url = f"http://localtest.example:{receiver.port}/done"
        loop = asyncio.get_running_loop()

        async def resolve(*_: object, **__: object) -> list[tuple[object, ...]]:
            return [(2, 1, 6, "", ("93.184.216.34", 80)), (2, 1, 6, "", ("127.0.0.1", 80))]

        loop.getaddrinfo = resolve  # type: ignore[method-assign,assignment]  # no name server here
        job = await opened.accepted(recording("say"), callback_url=url)
        await opened.until(job, "completed")
        told = await opened.once(job, lambda told: told["callback_error"])
        assert "not public" in str(told["callback_error"])
        assert receiver.taken == []


async def test_a_callback_that_breaks_holds_up_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "serve_app.ingress.wires.rest.jobs.form.checked_callback_url", lambda url, **_: url
    )
    settings = {"callbacks_to_private_addresses": True, "max_callback_attempts": 1}
    async with receiving() as receiver, office(tmp_path, works=False, **settings) as opened:
        broken = await opened.accepted(recording("say"), callback_url="http://1.2.3.999/")
        sound = await opened.accepted(recording("say"), callback_url=receiver.url)
        await opened.employ()
        told = await opened.once(broken, lambda told: told["callback_error"])
        assert "1.2.3.999" in str(told["callback_error"])
        await opened.once(sound, lambda told: told["callback_delivered_at"])
        assert await opened.store.deliveries("anybody", most=10, lease_s=1.0) == ()


@pytest.mark.parametrize(
    "url",
    [
        *("http://127.0.0.1/", "http://10.1.2.3:80/x", "http://192.168.0.1", "http://[::1]/"),
        *("http://169.254.169.254/latest", "http://0.0.0.0", "http://localhost:8000/"),
        *("http://[::ffff:10.0.0.1]/", "http://printer.local/", "http://[fd00::1]/"),
        *("ftp://example.org/", "example.org", "http://", "http://user:x@example.org/", "x"),
        *("http://example.org/a b", "http://example.org:99999/", "http://224.0.0.1/"),
        "http://example.org/" + "x" * 3000,
        *("http://127.1/", "http://2130706433/", "http://0x7f000001/", "http://localhost./"),
        *("http://169.254.169.254./latest", "http://[64:ff9b::a00:1]/", "http://[::7f00:1]/"),
        *("http://[fec0::1]/", "http://[64:ff9b:1::1]/", "http://[2002:a00:1::]/"),
        *("http://1.2.3.999/", "http://example.org/\x7f", "http://[v1.a]/", "http://xn--/"),
    ],
)
def test_where_callbacks_may_not_go(url: str) -> None:
    with pytest.raises(InvalidOptionError):
        checked_callback_url(url, allows_private=False)


@pytest.mark.parametrize(
    "url",
    [
        *("https://example.org/x?y=1", "http://93.184.216.34:8080/", "http://example.org./"),
        *("http://[2606:2800:220:1::1]/", "http://[64:ff9b::5db8:d822]/"),
    ],
)
def test_where_callbacks_may_go(url: str) -> None:
    assert checked_callback_url(url, allows_private=False) == url


@pytest.mark.parametrize(
    "secret", ["short", "whsec_%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%", "x" * 40 + "="]
)
async def test_a_secret_that_is_none_is_told_at_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, secret: str
) -> None:
    monkeypatch.setenv("CHORUS_CALLBACK_SECRET", secret)
    with pytest.raises(ConfigError, match="callback_secret_file"):
        async with office(tmp_path):
            pass
