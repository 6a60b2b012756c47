"""Spans in, OTLP over HTTP out. The only place that imports OpenTelemetry's SDK: `tracing` does so
where somebody listens."""

import logging
import threading
from collections.abc import Sequence
from typing import Any

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    StatusCode,
    TraceFlags,
    TraceState,
    get_current_span,
    set_span_in_context,
)
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

import serve_app
from serve_app.telemetry.tracing import Attributes, Kind, Recorded, Span, Trace

_SERVICE = "chorus"
_NAME = "service.name"
_KINDS = {"internal": SpanKind.INTERNAL, "server": SpanKind.SERVER}
_CLOSE_WITHIN_S = 2.0
_MAX_TRACESTATE = 512
"""Characters: the most that W3C's Trace Context asks anybody to pass on."""


class Exporter:
    """Of one process. Its settings are the `OTEL_` variables that the SDK reads: endpoint, headers,
    sampler (the parent's word counts, unless another is named), limits, the queue's size."""

    def __init__(self, deployment: str, replica: str) -> None:
        # Of a header that it cannot read it would log what a client has written.
        logging.getLogger("opentelemetry.trace").setLevel(logging.ERROR)
        resource = _resource(deployment, replica)
        self._processor = BatchSpanProcessor(OTLPSpanExporter())
        sampling = TracerProvider(resource=resource, shutdown_on_exit=False)
        always = TracerProvider(ALWAYS_ON, resource, shutdown_on_exit=False)
        for provider in (sampling, always):
            provider.add_span_processor(self._processor)
        self._sampling = sampling.get_tracer(_SERVICE, serve_app.__version__)
        self._always = always.get_tracer(_SERVICE, serve_app.__version__)

    def start(
        self,
        name: str,
        attributes: Attributes,
        *,
        kind: Kind = "internal",
        parent: Trace | None = None,
        start_ns: int | None = None,
        links: Sequence[Trace] = (),
        is_sampled_anyway: bool = False,
    ) -> Span:
        """Below `parent`, or in a trace of its own: OpenTelemetry's own current span is others'."""
        tracer = self._always if is_sampled_anyway else self._sampling
        recorded = tracer.start_span(
            name,
            _context_of(parent),
            _KINDS[kind],
            attributes,
            [Link(_span_context_of(trace)) for trace in links],
            start_ns,
        )
        return Span(_trace_of(recorded.get_span_context()), recorded)

    def fail(self, recorded: Recorded, reason: str) -> None:
        recorded.set_attribute("error.type", reason)
        span: Any = recorded
        span.set_status(StatusCode.ERROR, reason)

    def extract(self, traceparent: str, tracestate: str) -> Trace | None:
        headers = {"traceparent": traceparent}
        if len(tracestate) <= _MAX_TRACESTATE:
            headers["tracestate"] = tracestate
        found = TraceContextTextMapPropagator().extract(headers, Context())
        context = get_current_span(found).get_span_context()
        return _trace_of(context) if context.is_valid else None

    def close(self) -> None:
        """Send what is left; a collector that does not answer is not waited for."""
        closing = threading.Thread(target=self._processor.shutdown, daemon=True)
        closing.start()
        closing.join(_CLOSE_WITHIN_S)


def _resource(deployment: str, replica: str) -> Resource:
    named = OTELResourceDetector().detect().attributes
    attributes = {"service.version": serve_app.__version__, "chorus.deployment": deployment}
    if replica:
        attributes["service.instance.id"] = replica
    if _NAME not in named:
        attributes[_NAME] = _SERVICE
    return Resource.create(attributes)


def _trace_of(context: SpanContext) -> Trace:
    ids = f"00-{context.trace_id:032x}-{context.span_id:016x}-{int(context.trace_flags):02x}"
    return Trace(ids, context.trace_state.to_header())


def _span_context_of(trace: Trace) -> SpanContext:
    state = TraceState.from_header([trace.tracestate]) if trace.tracestate else None
    return SpanContext(
        int(trace.trace_id, 16),
        int(trace.span_id, 16),
        is_remote=True,
        trace_flags=TraceFlags(trace.flags),
        trace_state=state,
    )


def _context_of(trace: Trace | None) -> Context:
    if trace is None:
        return Context()
    return set_span_in_context(NonRecordingSpan(_span_context_of(trace)), Context())
