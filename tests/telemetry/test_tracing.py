"""Spans in one process: where they stand, when they are made, and what a lost collector costs."""

import asyncio
import logging
import socket
import subprocess
import sys
import time

import pytest

from serve_app.telemetry import tracing
from serve_app.telemetry.logs import name_trace
from serve_app.telemetry.tracing import Trace
from tests.telemetry.collector import Collector
from tests.telemetry.conftest import Begin

CLIENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
UNSAMPLED = CLIENT[:-2] + "00"


def test_nothing_is_imported_while_nobody_listens() -> None:
    """Ray imports OpenTelemetry's API by itself; its SDK's exporter nobody does but we."""
    program = (
        "import sys; from serve_app.telemetry import tracing; tracing.begin('Ingress')\n"
        "with tracing.span('work') as span: assert span.trace is None\n"
        "assert not [name for name in sys.modules if name.startswith('opentelemetry')]"
    )
    subprocess.run([sys.executable, "-c", program], check=True, env={"PATH": ""})


def test_a_span_stands_below_the_clients(collector: Collector, begin: Begin) -> None:
    begin(collector.endpoint)
    client = tracing.trace_of_headers(CLIENT, "vendor=7")
    with tracing.span("outer", kind="server", parent=client) as outer, tracing.span("inner"):
        assert outer.trace is not None
        assert outer.trace.tracestate == "vendor=7"
    assert tracing.here() is None
    tracing.end()
    inner, outermost = collector.until(lambda spans: len(spans) == 2)
    assert outermost.trace_id == inner.trace_id == CLIENT[3:35]
    assert outermost.parent_id == CLIENT[36:52]
    assert inner.parent_id == outermost.span_id
    assert (outermost.service, outermost.deployment) == ("chorus", "Test")


def test_what_is_carried_to_another_task_goes_on_there(collector: Collector, begin: Begin) -> None:
    begin(collector.endpoint)

    async def elsewhere(trace: Trace | None) -> None:
        tracing.enter(trace)
        with tracing.span("there"):
            pass

    async def main() -> None:
        with tracing.span("here") as span:
            await asyncio.create_task(elsewhere(span.trace))

    asyncio.run(main())
    tracing.end()
    there, here = collector.until(lambda spans: len(spans) == 2)
    assert there.parent_id == here.span_id


def test_the_clients_word_on_sampling_counts(collector: Collector, begin: Begin) -> None:
    begin(
        collector.endpoint, OTEL_TRACES_SAMPLER="parentbased_traceidratio",
        OTEL_TRACES_SAMPLER_ARG="0",
    )  # fmt: skip
    for parent in (None, tracing.trace_of_headers(UNSAMPLED), tracing.trace_of_headers(CLIENT)):
        with tracing.span("work", parent=parent):
            pass
    tracing.end()
    (only,) = collector.until(lambda spans: len(spans) >= 1)
    assert only.parent_id == CLIENT[36:52]


@pytest.mark.parametrize("said", ["", "nonsense", "00-" + "0" * 32 + "-00f067aa0ba902b7-01"])
def test_what_is_no_traceparent_begins_a_trace(
    said: str, collector: Collector, begin: Begin
) -> None:
    begin(collector.endpoint)
    with tracing.span("work", parent=tracing.trace_of_headers(said)):
        pass
    tracing.end()
    (only,) = collector.until(lambda spans: len(spans) == 1)
    assert only.parent_id == ""


@pytest.mark.parametrize("said", ["the secret words", "a=1,a=2", "secret=" + "x" * 600])
def test_what_is_no_tracestate_is_dropped_and_not_logged(
    said: str, collector: Collector, begin: Begin, caplog: pytest.LogCaptureFixture
) -> None:
    begin(collector.endpoint)
    client = tracing.trace_of_headers(CLIENT, said)
    assert client is not None
    assert client.traceparent == CLIENT
    assert len(client.tracestate) <= len("a=1")
    assert caplog.messages == []


def test_who_is_cancelled_has_not_failed(collector: Collector, begin: Begin) -> None:
    begin(collector.endpoint)
    with pytest.raises(asyncio.CancelledError), tracing.span("work"):
        raise asyncio.CancelledError
    tracing.end()
    (only,) = collector.until(lambda spans: len(spans) == 1)
    assert not only.is_error


def test_a_batch_is_linked_to_the_sampled_of_its_requests(
    collector: Collector, begin: Begin
) -> None:
    begin(collector.endpoint, OTEL_TRACES_SAMPLER="always_off")
    now = time.time_ns()
    assert tracing.record_shared("batch", [Trace(UNSAMPLED)], now, now) is None
    batch = tracing.record_shared("batch", [Trace(UNSAMPLED), Trace(CLIENT)], now, now + 5)
    tracing.end()
    (only,) = collector.until(lambda spans: len(spans) == 1)
    assert only.links == ((CLIENT[3:35], CLIENT[36:52]),)
    assert batch is not None
    assert only.trace_id == batch.trace_id != CLIENT[3:35]
    assert only.end_ns - only.start_ns == 5


def test_an_error_is_named_by_its_class_alone(collector: Collector, begin: Begin) -> None:
    begin(collector.endpoint)
    with pytest.raises(ValueError, match="secret"), tracing.span("work"):
        raise ValueError("the secret words")
    tracing.end()
    (only,) = collector.until(lambda spans: len(spans) == 1)
    assert only.is_error
    assert only.attributes == {"error.type": "ValueError"}


def test_log_lines_name_their_trace(collector: Collector, begin: Begin) -> None:
    begin(collector.endpoint)
    record = logging.LogRecord("serve_app", logging.INFO, "", 1, "said", (), None)
    with tracing.span("work", parent=Trace(CLIENT)) as span:
        assert name_trace(record)
    assert span.trace is not None
    assert (record.trace_id, record.span_id) == (CLIENT[3:35], span.trace.span_id)  # type: ignore[attr-defined]  # what the filter adds


@pytest.mark.parametrize(
    "environ",
    [
        {"OTEL_TRACES_EXPORTER": "none"},
        {"OTEL_SDK_DISABLED": "true"},
        {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
    ],
)
def test_who_does_not_want_spans_gets_none(environ: dict[str, str], begin: Begin) -> None:
    begin("http://127.0.0.1:9", **environ)
    assert not tracing.is_on()


def test_a_wrong_setting_costs_the_spans_and_not_the_server(begin: Begin) -> None:
    begin("http://127.0.0.1:9", OTEL_BSP_MAX_QUEUE_SIZE="-1")
    assert not tracing.is_on()
    with tracing.span("work"):
        pass


def test_a_collector_that_hangs_costs_nobody_anything(collector: Collector, begin: Begin) -> None:
    """5,000 spans do not wait for an export that hangs, and are not kept."""
    begin(
        collector.endpoint,
        OTEL_BSP_MAX_QUEUE_SIZE="600",
        OTEL_BSP_MAX_EXPORT_BATCH_SIZE="500",
        OTEL_EXPORTER_OTLP_TIMEOUT="60",
    )
    collector.answers.clear()
    make_spans(500)
    assert collector.asked.wait(30.0)
    make_spans(5_000)
    assert collector.spans == []  # all of them were made while it hung
    collector.answers.set()
    tracing.end()
    assert len(collector.until(lambda spans: len(spans) >= 500)) <= 500 + 600


def test_a_dead_collector_is_not_waited_for_at_the_end(begin: Begin) -> None:
    """Nobody accepts, so that the last export would hang for the ten seconds that it may take."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as deaf:
        begin(f"http://127.0.0.1:{deaf.getsockname()[1]}")
        make_spans(1)
        began_at = time.perf_counter()
        tracing.end()
        assert time.perf_counter() - began_at < 8.0


def make_spans(num: int) -> None:
    for _ in range(num):
        with tracing.span("work"):
            pass
