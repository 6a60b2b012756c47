"""Tracing that a test turns on, and that is off again behind it."""

from collections.abc import Callable, Iterator

import pytest

from serve_app.telemetry import tracing
from tests.telemetry.collector import Collector, collecting

Begin = Callable[..., None]


@pytest.fixture
def collector() -> Iterator[Collector]:
    with collecting() as found:
        yield found


@pytest.fixture
def begin(monkeypatch: pytest.MonkeyPatch) -> Iterator[Begin]:
    """Turns tracing on for an endpoint, with whatever else the environment should say."""

    def begin_tracing(endpoint: str, **variables: str) -> None:
        environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, **variables}
        for name, value in environ.items():
            monkeypatch.setenv(name, value)
        tracing.begin("Test", "replica-1", environ)

    yield begin_tracing
    tracing.end()
