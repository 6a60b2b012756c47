"""Spans, from a client's `traceparent` to the model's step, to whoever OTLP is configured for.

Off, unless the standard variables name an endpoint (`OTEL_EXPORTER_OTLP_ENDPOINT`, or the one of
traces alone): then nothing of it is imported, made or carried. On, each process has a bounded
queue, which a thread of its own empties; what does not fit is dropped, and nobody waits for a
collector.

A place in a trace (`Trace`) crosses processes as a field of what is asked for. Within a process it
is where `enter` or `span` has put it, for the task and all that it begins.
"""

import logging
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from serve_app.telemetry.otlp import Exporter

logger = logging.getLogger(__name__)

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_HTTP = "http/protobuf"
_SAMPLED = 1

Value = str | bool | int | float
Attributes = Mapping[str, Value]
"""By OpenTelemetry's names, `chorus.` before those of ours. No audio, no text, no file's name."""
Kind = Literal["internal", "server"]
_NONE: Attributes = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Trace:
    """A place in a trace, as W3C's `traceparent` and `tracestate` have it."""

    traceparent: str
    tracestate: str = ""

    @property
    def trace_id(self) -> str:
        return self.traceparent[3:35]

    @property
    def span_id(self) -> str:
        return self.traceparent[36:52]

    @property
    def flags(self) -> int:
        return int(self.traceparent[53:55], 16)

    @property
    def is_sampled(self) -> bool:
        return bool(self.flags & _SAMPLED)


class Recorded(Protocol):
    """OpenTelemetry's span."""

    def set_attribute(self, key: str, value: Value) -> None: ...

    def update_name(self, name: str) -> None: ...

    def end(self, end_time: int | None = None) -> None: ...


@dataclass(frozen=True, slots=True)
class Span:
    """What is under way, until `end`."""

    trace: Trace | None = None
    """Where in the trace it stands; None while tracing is off."""
    recorded: Recorded | None = None

    def set(self, attributes: Attributes) -> None:
        if self.recorded is not None:
            for name, value in attributes.items():
                self.recorded.set_attribute(name, value)

    def rename(self, name: str) -> None:
        if self.recorded is not None:
            self.recorded.update_name(name)

    def fail(self, reason: str) -> None:
        """Mark it as an error. `reason` is a code or a class: no text, which may quote a client."""
        exporter = _exporter
        if self.recorded is not None and exporter is not None:
            exporter.fail(self.recorded, reason)

    def end(self, end_ns: int | None = None) -> None:
        if self.recorded is not None:
            self.recorded.end(end_ns)


_NOTHING = Span()
_exporter: "Exporter | None" = None
"""`end` may come from another thread: who uses it looks once."""
_here: ContextVar[Trace | None] = ContextVar("trace", default=None)


def begin(deployment: str, replica: str = "", environ: Mapping[str, str] = os.environ) -> None:
    """Turn tracing on in this process if `environ` wants it; called again it does nothing."""
    global _exporter
    if _exporter is None and _is_wanted(environ):
        try:
            from serve_app.telemetry.otlp import Exporter

            _exporter = Exporter(deployment, replica)
        except Exception:  # whatever a wrong variable leads to: who serves must not fail by it
            logger.exception("tracing stays off: what OTEL_ variables say cannot be used")


def end() -> None:
    """Send what is left, within seconds, and turn tracing off."""
    global _exporter
    exporter, _exporter = _exporter, None
    if exporter is not None:
        exporter.close()


def is_on() -> bool:
    return _exporter is not None


def here() -> Trace | None:
    """Where this task stands; None while tracing is off, or in no trace."""
    return _here.get() if _exporter is not None else None


def enter(trace: Trace | None) -> None:
    """From here on this task, and what it begins, works for `trace`."""
    if _exporter is not None:
        _here.set(trace)


def trace_of_headers(traceparent: str, tracestate: str = "") -> Trace | None:
    """What a client says of its own trace; None where it says nothing, or nothing valid."""
    exporter = _exporter
    if exporter is None or not traceparent:
        return None
    return exporter.extract(traceparent, tracestate)


@contextmanager
def span(
    name: str,
    attributes: Attributes = _NONE,
    *,
    kind: Kind = "internal",
    parent: Trace | None = None,
) -> Iterator[Span]:
    """A span around what is done inside, below `parent` or where this task stands.

    An error marks it as failed; who is cancelled has not failed. Not for bodies that yield to
    their caller, who would stand inside as well: for those there is `start`.
    """
    if _exporter is None:
        yield _NOTHING
        return
    before = _here.get()
    opened = start(name, attributes, kind=kind, parent=parent or before)
    _here.set(opened.trace)
    try:
        yield opened
    except Exception as error:
        opened.fail(type(error).__name__)
        raise
    finally:
        _here.set(before)
        opened.end()


def start(
    name: str,
    attributes: Attributes = _NONE,
    *,
    kind: Kind = "internal",
    parent: Trace | None = None,
) -> Span:
    """A span below `parent` that somebody will end."""
    exporter = _exporter
    if exporter is None:
        return _NOTHING
    return exporter.start(name, attributes, kind=kind, parent=parent)


def record(
    name: str,
    parent: Trace | None,
    start_ns: int,
    end_ns: int,
    attributes: Attributes = _NONE,
    *,
    links: Sequence[Trace] = (),
) -> None:
    """A span of what is over, where `parent` is sampled. Times are of `time.time_ns`."""
    exporter = _exporter
    if exporter is not None and parent is not None and parent.is_sampled:
        span = exporter.start(name, attributes, parent=parent, start_ns=start_ns, links=links)
        span.end(end_ns)


def record_shared(
    name: str, links: Sequence[Trace], start_ns: int, end_ns: int, attributes: Attributes = _NONE
) -> Trace | None:
    """A span of what was done for many at once: in a trace of its own, linked to those of them
    that are sampled. None if none is."""
    sampled = [trace for trace in links if trace.is_sampled]
    exporter = _exporter
    if exporter is None or not sampled:
        return None
    span = exporter.start(
        name, attributes, start_ns=start_ns, links=sampled, is_sampled_anyway=True
    )
    span.end(end_ns)
    return span.trace


def time_ns_of(at: float, *, now: float) -> int:
    """The time of day at which a clock that shows `now` showed `at`, both in seconds."""
    return time.time_ns() - int((now - at) * 1e9)


def _is_wanted(environ: Mapping[str, str]) -> bool:
    if not any(environ.get(name) for name in _ENDPOINTS):
        return False
    if environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return False
    if environ.get("OTEL_TRACES_EXPORTER", "otlp").strip() not in ("otlp", ""):
        return False
    protocol = next((environ[name] for name in _PROTOCOLS if environ.get(name)), _HTTP)
    if protocol != _HTTP:
        logger.error("tracing stays off: OTLP goes by %s here, not by %s", _HTTP, protocol)
        return False
    return True
