"""Requests made up from our own OpenAPI document, valid ones and others, each get what it says."""

import asyncio
import threading
from collections.abc import Iterator

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from serve_app.audio.sandbox.process import CHILD
from serve_app.config import ServerConfig
from serve_app.ingress.app import build_app
from serve_app.ingress.backend.fake import ScriptedBackend
from tests.hostile.local_graph import SETTINGS, serving
from tests.hostile.table.rows import WAV


class _Site:
    """A server on a loop and a thread of its own: schemathesis calls from outside of any."""

    def __init__(self) -> None:
        self.port = 0
        self.num_decoders = 0
        self._is_up = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._leaving = asyncio.Event()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=[self._serve()])

    def start(self) -> None:
        self._thread.start()
        assert self._is_up.wait(30)

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._leaving.set)
        self._thread.join()
        self._loop.close()

    async def _serve(self) -> None:
        async with serving(WAV, module=CHILD) as server:
            self.port = server.port
            pids = server.decoders.pids
            self._is_up.set()
            await self._leaving.wait()
            self.num_decoders = len(pids & server.decoders.pids)


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    site = _Site()
    site.start()
    yield f"http://127.0.0.1:{site.port}"
    site.stop()
    assert site.num_decoders == 2


_CONFIG = ServerConfig.model_validate(SETTINGS)
schema = schemathesis.openapi.from_dict(build_app(_CONFIG, ScriptedBackend()).openapi())


@schema.parametrize()
@settings(max_examples=50, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
def test_every_answer_is_one_that_the_document_knows(case: schemathesis.Case, url: str) -> None:
    response = case.call(base_url=url)
    case.validate_response(
        response,
        checks=[
            not_a_server_error,
            status_code_conformance,
            content_type_conformance,
            response_schema_conformance,
        ],
    )
